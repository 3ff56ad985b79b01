//! What the changes of a manifest come to.

use proptest::prelude::*;

use super::super::entry::tests::{entries, segment};
use super::super::{LogEnd, Manifest, start_over};
use super::*;
use crate::log::TopicId;

const HEADER: Header = Header { topic_id: TopicId::from_bytes([7; 16]), partition: 3 };
const BEFORE: LogEnd = LogEnd { offset: 350, last_batch: None };

fn view(changes: &[&[Entry]], open: OpenChanges) -> View {
    let mut view = View::default();
    for entries in changes {
        for change in view.next_changes(entries) {
            view.apply(&change, open);
        }
    }
    view
}

fn sealed(base: Offset, next: Offset) -> Entry {
    Entry::Sealed(segment(base, next))
}

fn bases(view: &View) -> Vec<Offset> {
    view.sealed.keys().copied().collect()
}

/// Three sealed segments and the active one closed, 0 to 350.
const fn three() -> [Offset; 4] {
    [0, 100, 200, 300]
}

fn story(then: &[&[Entry]], open: OpenChanges) -> View {
    let [a, b, c, d] = three();
    let before = [[sealed(a, b)], [sealed(b, c)], [sealed(c, d)], [Entry::Closed(segment(d, 350))]];
    let before = before.iter().map(|change| &change[..]);
    view(&before.chain(then.iter().copied()).collect::<Vec<_>>(), open)
}

#[test]
fn seals_add_up_and_a_renewed_one_takes_the_place_of_the_old() {
    let renewed = SegmentEntry { txn_index: None, batches: 9, ..segment(100, 200) };
    let view = story(&[&[Entry::Sealed(renewed)]], OpenChanges::Void);
    assert_eq!((bases(&view), view.log_start), (vec![0, 100, 200], 0));
    assert_eq!(view.sealed[&100], renewed);
    assert_eq!(view.closed, Some(segment(300, 350)));
    assert_eq!(view.last_change, 5);
}

#[test]
fn a_closed_entry_is_dead_once_its_segment_or_a_later_one_is_sealed() {
    assert_eq!(story(&[&[sealed(300, 400)]], OpenChanges::Void).closed, None);
    assert_eq!(story(&[&[sealed(400, 500)]], OpenChanges::Void).closed, None);
    let again = Entry::Closed(segment(300, 380));
    assert_eq!(story(&[&[again]], OpenChanges::Void).closed, Some(segment(300, 380)));
}

#[test]
fn a_log_start_is_two_changes_and_the_greatest_counts() {
    let view = story(&[&[Entry::LogStart(150)], &[Entry::LogStart(120)]], OpenChanges::Void);
    assert_eq!((view.log_start, view.last_change), (150, 8));
    assert_eq!(bases(&view), [100, 200]);
    let all = story(&[&[Entry::LogStart(350)]], OpenChanges::Void);
    assert_eq!((bases(&all), all.closed), (vec![], Some(segment(300, 350))));
}

#[test]
fn an_open_cut_is_seen_as_carried_out_or_not_at_all() {
    let cut = |point| [Entry::Cut { point, before: BEFORE }];
    let void = story(&[&cut(150)], OpenChanges::Void);
    assert_eq!((bases(&void), void.closed), (vec![0, 100, 200], Some(segment(300, 350))));
    assert_eq!(void.open.len(), 1);
    let done = |point| story(&[&cut(point)], OpenChanges::CarriedOut);
    assert_eq!((bases(&done(150)), done(150).closed), (vec![0], None));
    assert_eq!(bases(&done(200)), [0, 100]);
    assert_eq!(bases(&done(320)), [0, 100, 200]);
    assert_eq!(done(150).open, void.open);
    let below_the_start = story(&[&[Entry::LogStart(250)], &cut(220)], OpenChanges::CarriedOut);
    assert_eq!((bases(&below_the_start), below_the_start.log_start), (vec![], 220));
}

#[test]
fn a_start_over_leaves_an_empty_log_at_its_offset_be_it_lower() {
    for log_start in [40, 5000] {
        let entries = start_over(log_start, BEFORE);
        let start = [Entry::LogStart(120)];
        let done = story(&[&start, &entries], OpenChanges::CarriedOut);
        assert_eq!((bases(&done), done.closed, done.log_start), (vec![], None, log_start));
        let void = story(&[&start, &entries], OpenChanges::Void);
        assert_eq!((bases(&void), void.log_start), (vec![100, 200], 120));
    }
}

#[test]
fn a_replacement_is_seen_as_carried_out_or_not_at_all() {
    let removed = |base_offset| Entry::Removed { base_offset, before: BEFORE };
    let replace = [removed(0), removed(100), sealed(0, 200)];
    let done = story(&[&replace], OpenChanges::CarriedOut);
    assert_eq!((bases(&done), done.sealed[&0].next_offset), (vec![0, 200], 200));
    assert_eq!(done.closed, Some(segment(300, 350)));
    let void = story(&[&replace], OpenChanges::Void);
    assert_eq!((bases(&void), void.sealed[&0].next_offset), (vec![0, 100, 200], 100));
}

#[test]
fn the_file_is_replaced_when_the_dead_outnumber_the_living_by_64() {
    let mut view = story(&[], OpenChanges::Void);
    let mut renewals = 0;
    while !view.should_replace() {
        for change in view.next_changes(&[sealed(0, 100)]) {
            view.apply(&change, OpenChanges::Void);
        }
        renewals += 1;
    }
    // Living are three sealed, one closed, two of the log start, which is not written yet.
    assert_eq!(view.entries - view.living(), view.living() + 64);
    assert_eq!(renewals, 6 + 64 + 2);
    assert!(!view.rewritten(&HEADER).1.should_replace());
    for change in view.next_changes(&[Entry::Cut { point: 350, before: BEFORE }]) {
        view.apply(&change, OpenChanges::Void);
    }
    assert!(!view.should_replace(), "an open change stands in the file");
}

#[test]
fn a_replaced_file_drops_an_open_change_and_numbers_go_on() {
    let cut = [Entry::Cut { point: 150, before: BEFORE }];
    let done = story(&[&[Entry::LogStart(50)], &cut], OpenChanges::CarriedOut);
    let (file, after) = done.rewritten(&HEADER);
    assert_eq!(file.len(), 128 * (1 + 3));
    let manifest = Manifest::decode(&file);
    assert_eq!(manifest.changes[0], Change { number: 8, entries: vec![Entry::LogStart(50)] });
    assert_eq!(manifest.changes[2], Change { number: 10, entries: vec![Entry::LogStart(50)] });
    assert_eq!(manifest.append_at, Some(file.len() as u64));
    assert_eq!(View::of(&manifest.changes, OpenChanges::Void), after);
    assert_eq!((after.open, after.last_change), (vec![], 10));
}

proptest! {
    #[test]
    fn a_replaced_file_says_what_the_old_one_did(
        changes in prop::collection::vec(prop::collection::vec(entries(), 1..4), 0..12)
    ) {
        let changes: Vec<&[Entry]> = changes.iter().map(|change| &change[..]).collect();
        for open in [OpenChanges::CarriedOut, OpenChanges::Void] {
            let before = view(&changes, open);
            let (file, after) = before.rewritten(&HEADER);
            let manifest = Manifest::decode(&file);
            prop_assert_eq!(manifest.header, Ok(HEADER));
            prop_assert!(!manifest.torn && manifest.damaged.is_empty());
            prop_assert_eq!(&View::of(&manifest.changes, OpenChanges::Void), &after);
            prop_assert_eq!(&after.sealed, &before.sealed);
            prop_assert_eq!((after.closed, after.log_start), (before.closed, before.log_start));
            prop_assert_eq!(after.last_change, before.last_change + after.living() as u64);
        }
    }
}
