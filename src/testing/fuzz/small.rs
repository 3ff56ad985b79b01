//! Small binary files: producer snapshots, and our own manifest and watermark. As they are and with
//! their checksums put right; what decodes encodes to the same bytes but for what says "none" in
//! more than one way, or is not looked at. Places are written here a second time, from the tables.

use super::support::{mend, with_copy};
use crate::log::manifest::entry::Place;
use crate::log::manifest::{Change, Entry, Manifest, OpenChanges, View};
use crate::log::snapshot;
use crate::log::watermark::{self, Slot};
use crate::wire::Field;

/// Where a number lies, and its bytes.
type At = (usize, usize);

fn number(bytes: &[u8], (at, width): At) -> i64 {
    let first = i64::from(bytes[at] as i8);
    bytes[at + 1..at + width].iter().fold(first, |n, byte| n << 8 | i64::from(*byte))
}

/// Fails if one of the numbers is another.
fn same(bytes: &[u8], again: &[u8], places: &[At]) {
    for &(at, width) in places {
        assert_eq!(bytes[at..at + width], again[at..at + width], "bytes {at} to {}", at + width);
    }
}

/// The same, for a number that says none if it is negative, and those that then mean nothing.
fn same_or_none(bytes: &[u8], again: &[u8], number_at: At, with: &[At]) {
    if number(bytes, number_at) >= 0 {
        same(bytes, again, &[number_at]);
        same(bytes, again, with);
    } else {
        assert_eq!(number(again, number_at), -1, "what says none");
    }
}

/// A producer snapshot.
pub fn snapshot(bytes: &[u8]) {
    look_at_snapshot(bytes);
    if bytes.len() >= 10 {
        with_copy(bytes, |copy| {
            copy[..2].copy_from_slice(&[0, 1]);
            let count = (copy.len() - 10) / 46;
            copy[6..10].copy_from_slice(&(count as u32).to_be_bytes());
            mend(copy, Field::at(2), 6);
            look_at_snapshot(copy);
        });
    }
}

fn look_at_snapshot(bytes: &[u8]) {
    let Ok(producers) = snapshot::decode(bytes) else { return };
    let again = snapshot::encode(&producers);
    assert_eq!(again.len(), bytes.len());
    for (old, new) in bytes[10..].chunks(46).zip(again[10..].chunks(46)) {
        same(old, new, &[(0, 8), (26, 8)]);
        for place in [(8, 2), (34, 4), (38, 8)] {
            same_or_none(old, new, place, &[]);
        }
        same_or_none(old, new, (14, 8), &[(22, 4)]);
        if number(old, (14, 8)) >= 0 {
            same_or_none(old, new, (10, 4), &[]);
        }
    }
    assert_eq!(snapshot::decode(&again), Ok(producers));
}

/// A watermark file.
pub fn watermark(bytes: &[u8]) {
    look_at_watermark(bytes);
    with_copy(bytes, |copy| {
        for at in watermark::SLOT_AT {
            let Some(slot) = copy.get_mut(at..at + watermark::SLOT_LEN) else { break };
            slot[..4].copy_from_slice(b"SLWM");
            mend(slot, Field::at(4), 8);
        }
        look_at_watermark(copy);
    });
}

fn look_at_watermark(bytes: &[u8]) {
    let slots = watermark::in_force(bytes);
    let mut found = [None; 2];
    for (at, found) in watermark::SLOT_AT.into_iter().zip(&mut found) {
        let slot = bytes.get(at..).unwrap_or_default();
        let Ok(Some(decoded)) = Slot::decode(slot) else { continue };
        let again = decoded.encode();
        same(slot, &again, &[(0, 4), (8, 32), (56, 6)]);
        same_or_none(slot, &again, (40, 8), &[(48, 4)]);
        same_or_none(slot, &again, (52, 4), &[]);
        assert_eq!(Slot::decode(&again), Ok(Some(decoded)));
        *found = Some(decoded);
    }
    let generation = |slot: &Option<Slot>| slot.map(|slot| slot.generation);
    assert_eq!(generation(&slots.current), found.iter().map(generation).max().flatten());
    assert_eq!(slots.current, found[slots.which]);
}

/// Bytes of a manifest's header, and of an entry.
const SLOT: usize = 128;

/// A manifest.
pub fn manifest(bytes: &[u8]) {
    look_at_manifest(bytes);
    with_copy(bytes, |copy| {
        for (at, slot) in copy.chunks_exact_mut(SLOT).enumerate() {
            if at == 0 {
                slot[..4].copy_from_slice(b"SLMF");
                slot[8..10].copy_from_slice(&[0, 1]);
                mend(slot, Field::at(4), 8);
            } else if slot[126] & 7 != 7 {
                // Its last bytes are not looked at: by them an input says what stays damaged.
                mend(slot, Field::at(0), 4);
            }
        }
        look_at_manifest(copy);
    });
}

fn look_at_manifest(bytes: &[u8]) {
    let manifest = Manifest::decode(bytes);
    let slots = bytes.get(SLOT..).unwrap_or_default().as_chunks::<SLOT>().0;
    let mut standing = manifest.changes.iter().flat_map(|change| &change.entries).peekable();
    for slot in slots {
        let Ok((entry, place)) = Entry::decode(slot) else { continue };
        look_at_entry(slot, &entry, place);
        _ = standing.next_if(|stands| **stands == entry);
    }
    assert_eq!(standing.next(), None, "an entry stands that is not in the file");
    if let Ok(header) = &manifest.header {
        let again = header.encode();
        same(bytes, &again, &[(0, 4), (8, 2), (12, 20)]);
    }
    let in_file = |slot: &usize| *slot < slots.len();
    assert!(manifest.damaged.iter().all(in_file), "damage outside the file");
    for open in [OpenChanges::CarriedOut, OpenChanges::Void] {
        look_at_view(&manifest, open);
    }
    look_at_next_change(bytes, &manifest);
}

fn look_at_entry(slot: &[u8; SLOT], entry: &Entry, place: Place) {
    let again = entry.encode(place);
    assert_eq!(Entry::decode(&again), Ok((*entry, place)));
    same(slot, &again, &[(4, 1), (8, 8)]);
    let known_flags = match entry {
        Entry::Sealed(_) | Entry::Closed(_) => 3,
        _ => 1,
    };
    assert_eq!(slot[5] & known_flags, again[5]);
    match entry {
        Entry::Sealed(_) | Entry::Closed(_) => {
            same(slot, &again, &[(16, 32)]);
            let has_time = number(slot, (48, 8)) != -1 && number(slot, (56, 8)) >= 0;
            same(slot, &again, if has_time { &[(48, 16)] } else { &[] });
            same_or_none(slot, &again, (64, 4), &[]);
            for sum in [68, 76, 84] {
                same_or_none(slot, &again, (sum, 4), &[(sum + 4, 4)]);
            }
            same_or_none(slot, &again, (104, 4), &[(92, 4)]);
        }
        Entry::LogStart(_) => same(slot, &again, &[(24, 8)]),
        Entry::Cut { .. } | Entry::Removed { .. } => {
            let is_cut = matches!(entry, Entry::Cut { .. });
            same(slot, &again, &[(if is_cut { 24 } else { 16 }, 8), (96, 8)]);
            same_or_none(slot, &again, (104, 4), &[(92, 4)]);
        }
    }
}

/// Numbers that leave room for a file to be written again.
const MOST_CHANGES: u64 = (i64::MAX - (1 << 20)) as u64;

/// A file that says what the changes come to leads to the same view.
fn look_at_view(manifest: &Manifest, open: OpenChanges) {
    let view = View::of(&manifest.changes, open);
    assert!(view.sealed.values().all(|segment| segment.next_offset > view.log_start));
    let Ok(header) = &manifest.header else { return };
    if view.last_change > MOST_CHANGES {
        return;
    }
    let (file, rewritten) = view.rewritten(header);
    let read = Manifest::decode(&file);
    assert!(read.header == manifest.header && !read.torn && read.damaged.is_empty());
    assert_eq!(read.append_at, Some(file.len() as u64));
    let again = View::of(&read.changes, OpenChanges::CarriedOut);
    assert!(again == rewritten && again.open.is_empty());
    assert_eq!((&again.sealed, again.log_start), (&view.sealed, view.log_start));
    assert_eq!(again.closed, view.closed);
}

/// A change that is appended where it is to go stands, and what stood before does too.
fn look_at_next_change(bytes: &[u8], manifest: &Manifest) {
    let Some(at) = manifest.append_at else { return };
    let at = at as usize;
    assert!(at <= bytes.len() && at.is_multiple_of(SLOT) && at >= SLOT, "appends at {at}");
    let last = manifest.changes.last().map_or(0, |change| change.number);
    if last > MOST_CHANGES {
        return;
    }
    with_copy(&bytes[..at], |file| {
        let change = Change { number: last + 1, entries: vec![Entry::LogStart(7)] };
        change.encode_to(file);
        let read = Manifest::decode(file);
        let (new, old) = read.changes.split_last().unzip();
        assert_eq!((new, old.unwrap_or_default()), (Some(&change), &manifest.changes[..]));
        assert!(!read.torn && read.damaged.is_empty(), "an appended change is no damage");
    });
}
