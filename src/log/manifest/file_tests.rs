//! Which changes of a damaged or torn manifest stand.

use proptest::prelude::*;

use super::super::entry::tests::{entries, segment};
use super::super::{LogEnd, View, start_over};
use super::*;
use crate::log::TopicId;

const HEADER: Header = Header { topic_id: TopicId::from_bytes([7; 16]), partition: 3 };
const BEFORE: LogEnd = LogEnd { offset: 300, last_batch: None };

/// Changes with numbers from `first` on, as a file without a header has them.
fn numbered(first: u64, changes: Vec<Vec<Entry>>) -> Vec<Change> {
    (first..).zip(changes).map(|(number, entries)| Change { number, entries }).collect()
}

fn file(changes: &[Change]) -> Vec<u8> {
    let mut file = HEADER.encode().to_vec();
    for change in changes {
        change.encode_to(&mut file);
    }
    file
}

fn slot_at(slot: usize) -> usize {
    HEADER_LEN + slot * ENTRY_LEN
}

/// Makes slots void.
fn without(mut file: Vec<u8>, slots: &[usize]) -> Vec<u8> {
    for &slot in slots {
        file[slot_at(slot)..slot_at(slot + 1)].fill(0);
    }
    file
}

fn numbers(manifest: &Manifest) -> Vec<u64> {
    manifest.changes.iter().map(|change| change.number).collect()
}

fn sealed(base: Offset) -> Vec<Entry> {
    vec![Entry::Sealed(segment(base, base + 100))]
}

fn replace() -> Vec<Entry> {
    let removed = |base_offset| Entry::Removed { base_offset, before: BEFORE };
    vec![removed(0), removed(100), Entry::Sealed(segment(0, 200))]
}

/// Changes of every sort, numbered from 5 on: 5 to 7 sealed, 8 replace (slots 3 to 5), 9 sealed, 10
/// and 11 log start, 12 sealed.
fn story() -> Vec<Change> {
    let log_start = || vec![Entry::LogStart(50)];
    numbered(
        5,
        vec![
            sealed(0),
            sealed(100),
            sealed(200),
            replace(),
            sealed(300),
            log_start(),
            log_start(),
            sealed(400),
        ],
    )
}

#[test]
fn a_whole_file_is_read_as_it_was_written() {
    let manifest = Manifest::decode(&file(&story()));
    assert_eq!((manifest.header, &manifest.changes), (Ok(HEADER), &story()));
    assert!(!manifest.torn && manifest.damaged.is_empty());
    assert_eq!(manifest.append_at, Some(slot_at(10) as u64));
    let empty = Manifest::decode(&HEADER.encode());
    assert_eq!((empty.changes, empty.append_at), (vec![], Some(128)));
}

#[test]
fn an_incomplete_change_at_the_end_is_void_and_no_damage() {
    let whole = file(&story()[..4]);
    for len in HEADER_LEN..whole.len() {
        let manifest = Manifest::decode(&whole[..len]);
        let stands = ((len - HEADER_LEN) / ENTRY_LEN).min(3);
        assert_eq!(manifest.changes, story()[..stands], "{len} bytes");
        assert_eq!(manifest.torn, len != slot_at(stands), "{len} bytes");
        assert_eq!(
            (&manifest.damaged, manifest.append_at),
            (&vec![], Some(slot_at(stands) as u64))
        );
    }
    for lost in [vec![3], vec![4], vec![5], vec![3, 5], vec![3, 4, 5]] {
        let manifest = Manifest::decode(&without(whole.clone(), &lost));
        assert_eq!((numbers(&manifest), manifest.torn), (vec![5, 6, 7], true), "{lost:?}");
        assert!(manifest.damaged.is_empty(), "{lost:?}");
    }
}

#[test]
fn a_void_change_with_valid_ones_behind_is_damage_and_those_stand() {
    let stands = |lost: &[usize]| {
        let manifest = Manifest::decode(&without(file(&story()), lost));
        assert_eq!(manifest.append_at, None, "to be replaced whole");
        assert!(!manifest.torn);
        (numbers(&manifest), manifest.damaged)
    };
    assert_eq!(stands(&[1]), (vec![5, 7, 8, 9, 10, 11, 12], vec![1]));
    assert_eq!(stands(&[4]), (vec![5, 6, 7, 9, 10, 11, 12], vec![3, 4, 5]));
    assert_eq!(stands(&[5]), (vec![5, 6, 7, 9, 10, 11, 12], vec![3, 4, 5]));
    assert_eq!(stands(&[7]), (vec![5, 6, 7, 8, 9, 11, 12], vec![7]));
    // A sector: two whole changes and the first entry of the third. It is not known which.
    assert_eq!(stands(&[1, 2, 3]), (vec![5, 9, 10, 11, 12], vec![1, 2, 3, 4, 5]));
    // The first entry's loss leaves open whether the second begins its change.
    assert_eq!(stands(&[0]), (vec![7, 8, 9, 10, 11, 12], vec![0, 1]));
}

#[test]
fn half_of_a_replacement_is_never_taken_for_a_seal() {
    for lost in [vec![3, 4], vec![2, 3, 4], vec![1, 2, 3, 4], vec![0, 1, 2, 3, 4]] {
        let manifest = Manifest::decode(&without(file(&story()), &lost));
        assert!(!numbers(&manifest).contains(&8), "{lost:?}");
        assert!(numbers(&manifest).ends_with(&[9, 10, 11, 12]), "{lost:?}");
    }
}

#[test]
fn one_of_a_log_starts_two_entries_is_enough() {
    for lost in [vec![7], vec![8], vec![6, 7], vec![3, 4, 5, 6, 7]] {
        let manifest = Manifest::decode(&without(file(&story()), &lost));
        let view = View::of(&manifest.changes, super::super::OpenChanges::Void);
        assert_eq!(view.log_start, 50, "{lost:?}");
    }
}

#[test]
fn a_torn_write_of_a_log_start_is_no_damage_whichever_half_is_there() {
    let whole = file(&story()[..7]);
    let second = Manifest::decode(&without(whole.clone(), &[7]));
    assert_eq!((numbers(&second), second.torn), (vec![5, 6, 7, 8, 9, 11], true));
    assert_eq!((second.damaged, second.append_at), (vec![], None));
    let first = Manifest::decode(&without(whole, &[8]));
    assert_eq!((numbers(&first), first.torn), (vec![5, 6, 7, 8, 9, 10], true));
    assert_eq!(first.append_at, Some(slot_at(8) as u64));
}

#[test]
fn a_start_over_without_its_cut_sets_no_log_start() {
    let changes = numbered(1, vec![sealed(0), start_over(5000, BEFORE).to_vec(), sealed(5000)]);
    let manifest = Manifest::decode(&without(file(&changes), &[2]));
    assert_eq!((numbers(&manifest), manifest.damaged), (vec![1, 3], vec![1, 2]));
}

#[test]
fn a_leftover_or_foreign_entry_stands_for_nothing() {
    let mut stale = file(&story()[..4]);
    stale.extend_from_slice(&sealed(900)[0].encode(Place { change: 3, is_last: true }));
    let manifest = Manifest::decode(&stale);
    assert_eq!((numbers(&manifest), manifest.torn), (vec![5, 6, 7, 8], true));

    let mut foreign = file(&story());
    let entry = sealed(900)[0].encode(Place { change: 900, is_last: true });
    foreign[slot_at(1)..slot_at(2)].copy_from_slice(&entry);
    let manifest = Manifest::decode(&foreign);
    assert_eq!((numbers(&manifest), manifest.damaged), (vec![5, 7, 8, 9, 10, 11, 12], vec![1]));

    // The file ends with changes of which those before are missing: not torn, rot.
    foreign.truncate(slot_at(1));
    foreign.extend_from_slice(&entry);
    let manifest = Manifest::decode(&foreign);
    assert_eq!((numbers(&manifest), manifest.torn, manifest.damaged), (vec![5], false, vec![1]));
}

#[test]
fn a_bad_header_leaves_the_changes_but_a_later_version_is_not_read() {
    let mut bad = file(&story());
    bad[20] ^= 1;
    let manifest = Manifest::decode(&bad);
    assert!(matches!(manifest.header, Err(HeaderError::Crc { .. })));
    assert_eq!((manifest.changes, manifest.append_at), (story(), None));

    let mut later = file(&story());
    later[9] = 2;
    let crc = crate::wire::crc32c::checksum(&later[8..HEADER_LEN]);
    later[4..8].copy_from_slice(&crc.to_be_bytes());
    let manifest = Manifest::decode(&later);
    assert_eq!(manifest.header, Err(HeaderError::UnsupportedVersion(2)));
    assert!(manifest.changes.is_empty() && manifest.append_at.is_none());
    assert!(!manifest.torn && manifest.damaged.is_empty());
}

/// Changes as they are written: a log start is alone, or has something behind it.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let several = prop::collection::vec(entries(), 1..4)
        .prop_filter("ends in no log start", |change| {
            change.len() == 1 || !matches!(change.last(), Some(Entry::LogStart(_)))
        });
    (1..100_u64, prop::collection::vec(several, 1..8))
        .prop_map(|(first, changes)| numbered(first, changes))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(changes in changes()) {
        let manifest = Manifest::decode(&file(&changes));
        prop_assert_eq!(manifest.changes, changes);
        prop_assert!(!manifest.torn && manifest.damaged.is_empty());
    }

    #[test]
    fn a_flipped_bit_costs_its_change_and_gives_no_other_value(
        changes in changes(), bit: prop::sample::Index,
    ) {
        let mut file = file(&changes);
        let bit = bit.index(file.len() * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        let manifest = Manifest::decode(&file);
        prop_assert!(manifest.changes.iter().all(|change| changes.contains(change)));
        let lost = changes.len() - manifest.changes.len();
        // The change behind the first can have begun with the first slot.
        let most = if bit / 8 < slot_at(1) { 2 } else { 1 };
        prop_assert!(lost <= most, "{} lost", lost);
        let told = manifest.header.is_err() || manifest.torn || !manifest.damaged.is_empty();
        prop_assert!(told);
    }

    #[test]
    fn lost_slots_give_no_other_value_and_none_that_stands_is_called_damaged(
        changes in changes(), lost: u32,
    ) {
        let whole = file(&changes);
        let slots = (whole.len() - HEADER_LEN) / ENTRY_LEN;
        let lost: Vec<_> = (0..slots).filter(|slot| lost >> (slot % 32) & 1 == 1).collect();
        let manifest = Manifest::decode(&without(whole, &lost));
        prop_assert!(manifest.changes.iter().all(|change| changes.contains(change)));
        let standing: usize = manifest.changes.iter().map(|change| change.entries.len()).sum();
        prop_assert!(standing + manifest.damaged.len() <= slots);
    }

    #[test]
    fn a_torn_last_change_is_never_called_damage(changes in changes(), lost: u32, len: u16) {
        let whole = file(&changes);
        let slots = (whole.len() - HEADER_LEN) / ENTRY_LEN;
        let last = changes.last().unwrap().entries.len();
        let lost: Vec<_> = (slots - last..slots).filter(|slot| lost >> slot & 1 == 1).collect();
        let mut file = without(whole, &lost);
        file.truncate(file.len() - usize::from(len) % (last * ENTRY_LEN));
        let manifest = Manifest::decode(&file);
        prop_assert!(manifest.damaged.is_empty());
        prop_assert!(manifest.changes.len() + 1 >= changes.len());
        prop_assert!(changes.starts_with(&manifest.changes));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut file: Vec<u8>, copies in 0..4_usize) {
        let _ = Manifest::decode(&file);
        file.resize(HEADER_LEN, 0);
        for _ in 0..copies {
            let change = i64::MAX as u64;
            file.extend_from_slice(&Entry::LogStart(1).encode(Place { change, is_last: true }));
        }
        let changes = Manifest::decode(&file).changes;
        prop_assert_eq!(changes.len(), copies.min(1));
        let view = View::of(&changes, super::super::OpenChanges::Void);
        let next = view.next_changes(&[Entry::LogStart(2)]);
        prop_assert!(next[1].number > next[0].number);
    }
}
