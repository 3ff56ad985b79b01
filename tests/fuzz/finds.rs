//! What fuzzing found, each as a test of its own.

use std::fs;

use strandline::testing::Log;
use strandline::{Batch, Durability, Error, FetchOptions, Record};

const NOW: i64 = 1_700_000_000_000;

fn open(path: &std::path::Path) -> Log {
    let config = [("internal.segment.bytes", "600"), ("index.interval.bytes", "1")];
    let config = config.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Log::open(path, &config, NOW).unwrap()
}

/// `segment_recover`: the log went on in that file, below the point up to which it was known to be
/// durable; the next opening found no batch at that point and cut the new one off.
#[test]
fn what_is_synced_behind_a_file_that_lost_durable_bytes_survives_a_kill() {
    let temp = tempfile::tempdir().unwrap();
    let append = |log: &Log| {
        let batch = Batch::of([Record::new().value("a value of some bytes").timestamp(NOW)]);
        log.handle().append(batch, Durability::Synced).unwrap().base_offset
    };
    let log = open(temp.path());
    for _ in 0..10 {
        append(&log);
    }
    let active = log.handle().segments().unwrap().pop().unwrap();
    log.close().unwrap();
    let bytes = fs::read(&active.path).unwrap();
    for cut in 1..40 {
        fs::write(&active.path, &bytes[..bytes.len() - cut]).unwrap();
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(temp.path()).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        for end in 10..14 {
            let log = open(copy.path());
            assert_eq!(log.log_end_offset().unwrap(), end, "cut by {cut}");
            for offset in 10..end {
                let fetched = log.handle().fetch(offset, FetchOptions::new().max_bytes(1));
                assert_eq!(fetched.unwrap().batches().count(), 1, "offset {offset}, cut by {cut}");
            }
            let lost = log.handle().fetch(9, FetchOptions::new());
            let hit = Some((9, 9));
            assert!(
                matches!(lost, Err(Error::Corrupt { offsets, .. }) if offsets == hit),
                "{lost:?}"
            );
            assert_eq!(append(&log), end);
        }
    }
}

/// `segment_recover`: damage at the end of a segment was none of its bytes, so that what was appended
/// behind it lay beyond the end that the manifest got.
#[test]
fn records_behind_a_damaged_batch_stay_when_their_segment_is_sealed() {
    let temp = tempfile::tempdir().unwrap();
    let append = |log: &Log| {
        let batch = Batch::of([Record::new().value("a value of some bytes").timestamp(NOW)]);
        log.handle().append(batch, Durability::Synced).unwrap().base_offset
    };
    let log = open(temp.path());
    for _ in 0..8 {
        append(&log);
    }
    let active = log.handle().segments().unwrap().pop().unwrap();
    log.close().unwrap();
    // Unclean from here on, though nothing is written.
    drop(open(temp.path()));
    let mut bytes = fs::read(&active.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&active.path, &bytes).unwrap();
    let log = open(temp.path());
    assert_eq!([append(&log), append(&log)], [8, 9]);
    log.handle().roll().unwrap();
    log.close().unwrap();
    let log = open(temp.path());
    for offset in [6, 8, 9] {
        let fetched = log.handle().fetch(offset, FetchOptions::new().max_bytes(1)).unwrap();
        assert_eq!(
            fetched.batches().map(|batch| batch.header().base_offset()).next(),
            Some(offset)
        );
    }
    let lost = log.handle().fetch(7, FetchOptions::new());
    assert!(matches!(lost, Err(Error::Corrupt { offsets: Some((7, 7)), .. })), "{lost:?}");
}

/// By the model, once reads asked for it: the manifest said that no offset was left out.
#[test]
fn a_hole_that_a_cut_inside_a_batch_left_is_none_of_damage() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = open(temp.path());
    let three = || Batch::of([Record::new().value("v").timestamp(NOW); 3]);
    for _ in 0..2 {
        log.handle().append(three(), Durability::Synced).unwrap();
    }
    assert!(log.truncate_to(5).unwrap());
    log.close().unwrap();
    let log = open(temp.path());
    assert_eq!(log.handle().append(three(), Durability::Synced).unwrap().base_offset, 5);
    log.handle().roll().unwrap();
    log.close().unwrap();
    let log = open(temp.path());
    for offset in [3, 4, 5] {
        let fetched = log.handle().fetch(offset, FetchOptions::new()).unwrap();
        assert_eq!(fetched.batches().map(|batch| batch.header().base_offset()).next(), Some(5));
    }
}

/// `segment_recover`: an index entry, made when the log was scanned, names the copy; it counted as a
/// start for what lies behind it, and everything from the segment's base on was said to be hit.
#[test]
fn a_batch_of_another_segment_in_the_place_of_one_hits_the_offsets_of_that_one_alone() {
    let temp = tempfile::tempdir().unwrap();
    let log = open(temp.path());
    for n in 0..12 {
        let batch = Batch::of([Record::new().value("a value of some bytes").timestamp(NOW + n)]);
        log.handle().append(batch, Durability::Synced).unwrap();
    }
    let segments = log.handle().segments().unwrap();
    assert_eq!(segments.len(), 2, "{segments:?}");
    log.close().unwrap();
    let first = fs::read(&segments[0].path).unwrap();
    let mut second = fs::read(&segments[1].path).unwrap();
    let size = second.len() / (12 - segments[1].base_offset as usize);
    let hit = segments[1].base_offset + 2;
    second[2 * size..3 * size].copy_from_slice(&first[..size]);
    fs::write(&segments[1].path, &second).unwrap();
    for opening in ["first", "second"] {
        let log = open(temp.path());
        let fetched = log.handle().fetch(hit, FetchOptions::new());
        let Err(Error::Corrupt { offsets, .. }) = fetched else { panic!("{fetched:?}") };
        assert_eq!(offsets, Some((hit, hit)), "the {opening} opening");
    }
}

/// `segment_recover`: an index that was built again named the copy, and so a fetch of what lies at
/// the segment's start began behind most of it.
#[test]
fn a_copy_of_the_first_batch_hides_none_of_those_between() {
    let temp = tempfile::tempdir().unwrap();
    let log = open(temp.path());
    for n in 0..12 {
        let batch = Batch::of([Record::new().value("a value of some bytes").timestamp(NOW + n)]);
        log.handle().append(batch, Durability::Synced).unwrap();
    }
    let first = log.handle().segments().unwrap().remove(0);
    log.close().unwrap();
    let mut bytes = fs::read(&first.path).unwrap();
    let size = bytes.len() / 6;
    bytes.copy_within(..size, 4 * size);
    fs::write(&first.path, bytes).unwrap();
    fs::remove_file(first.path.with_extension("index")).unwrap();
    let log = open(temp.path());
    for offset in [0, 1, 2, 3, 5] {
        let fetched = log.handle().fetch(offset, FetchOptions::new().max_bytes(1));
        let fetched = fetched.unwrap_or_else(|error| panic!("{offset}: {error}"));
        assert_eq!(
            fetched.batches().map(|batch| batch.header().base_offset()).next(),
            Some(offset)
        );
    }
    let lost = log.handle().fetch(4, FetchOptions::new());
    assert!(matches!(lost, Err(Error::Corrupt { offsets: Some((4, 4)), .. })), "{lost:?}");
}

/// `segment_recover`: where no offset was ever left out a batch that leaves some out is misplaced,
/// and was given out as if the others had never been.
#[test]
fn a_copy_of_a_later_batch_is_damage_where_it_stands_and_no_hole() {
    let temp = tempfile::tempdir().unwrap();
    let log = open(temp.path());
    for n in 0..12 {
        let value = if n == 2 { "a longer value of some more bytes" } else { "a value" };
        let batch = Batch::of([Record::new().value(value).timestamp(NOW + n)]);
        log.handle().append(batch, Durability::Synced).unwrap();
    }
    let first = log.handle().segments().unwrap().remove(0);
    log.close().unwrap();
    let mut bytes = fs::read(&first.path).unwrap();
    let size = 12 + i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let end = bytes.len();
    bytes.copy_within(end - size.., 2 * size);
    fs::write(&first.path, bytes).unwrap();
    let log = open(temp.path());
    let fetched = log.handle().fetch(0, FetchOptions::new()).unwrap();
    assert_eq!(fetched.next_offset(), 2);
    let lost = log.handle().fetch(2, FetchOptions::new());
    assert!(matches!(lost, Err(Error::Corrupt { offsets: Some((2, 2)), .. })), "{lost:?}");
    assert_eq!(log.handle().fetch(3, FetchOptions::new().max_bytes(1)).unwrap().next_offset(), 4);
}

/// `segment_recover`: behind a batch that does not agree with what follows the search began again at
/// the front, for ever.
#[test]
fn a_fetch_among_damage_comes_to_an_end() {
    let mut edits = vec![0; 64];
    edits[1..4].copy_from_slice(&[0x48, 0x6f, 0x96]);
    edits[26] = 0x87;
    strandline::testing::fuzz::segment_recover(&edits);
}

/// `segment_recover`: an opening that scanned believed the copy, and sought what follows it only
/// behind the offsets that it claims.
#[test]
fn a_copy_of_a_later_batch_hides_nothing_from_an_opening_that_scans() {
    let temp = tempfile::tempdir().unwrap();
    let log = open(temp.path());
    for n in 0..6 {
        let value = if n == 1 { "a longer value of some more bytes" } else { "a value" };
        let batch = Batch::of([Record::new().value(value).timestamp(NOW + n)]);
        log.handle().append(batch, Durability::Synced).unwrap();
    }
    let only = log.handle().segments().unwrap().remove(0);
    log.close().unwrap();
    drop(open(temp.path()));
    let mut bytes = fs::read(&only.path).unwrap();
    let size = 12 + i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let last = bytes.len() - 2 * size;
    bytes.copy_within(last..last + size, size);
    fs::write(&only.path, bytes).unwrap();
    let log = open(temp.path());
    for offset in [0, 2, 3, 4, 5] {
        let fetched = log.handle().fetch(offset, FetchOptions::new().max_bytes(1)).unwrap();
        assert_eq!(
            fetched.batches().map(|batch| batch.header().base_offset()).next(),
            Some(offset)
        );
    }
    let lost = log.handle().fetch(1, FetchOptions::new());
    assert!(matches!(lost, Err(Error::Corrupt { offsets: Some((1, 1)), .. })), "{lost:?}");
}

/// `segment_recover`: what is appended behind damage begins a new segment, and the mark passed over
/// the damaged one without an entry: a later opening did not know that no offset was ever left out of
/// it, and took what was missing for a hole.
#[test]
fn an_unsealed_segment_before_the_mark_hides_nothing_behind_its_first_batch() {
    strandline::testing::fuzz::segment_recover(&[0x71, 0x5b, 0x82, 0x68, 0x5c, 0x75]);
}

/// `segment_recover`: a scan believed a misplaced batch for the header of what follows it, and an
/// intact batch behind that was given out by one opening and hidden by the next.
#[test]
fn what_one_opening_gives_out_is_not_hidden_by_a_misplaced_batch_from_the_next() {
    for edits in [
        &[0x2b, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5b, 0x94, 0x56, 0x7b, 0xa0][..],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x99, 0x26, 0x3d, 0xda][..],
    ] {
        strandline::testing::fuzz::segment_recover(edits);
    }
}
