//! What a log gives out, against the model.

use strandline::record::FetchedRecord;
use strandline::{FetchOptions, Isolation, Log};

use crate::model::{Batch, Model};
use crate::ops::{NOW_MS, Rec};

/// The cheap checks.
pub(crate) fn check_bounds(log: &Log, model: &Model) {
    assert_eq!(log.log_start_offset().unwrap(), model.log_start, "log start");
    assert_eq!(log.log_end_offset().unwrap(), model.log_end, "log end");
    assert_eq!(log.last_stable_offset().unwrap(), model.last_stable(), "last stable offset");
    assert!(log.durable_end().unwrap() <= model.log_end, "durable end");
    let segments = log.segments().unwrap();
    assert!(segments.is_sorted_by(|a, b| a.base_offset < b.base_offset), "{segments:?}");
    assert!(segments[0].base_offset <= model.log_start);
    for (at, segment) in segments.iter().enumerate() {
        let next = segments.get(at + 1).map(|next| next.base_offset);
        let batches = model.segment(segment.base_offset, next);
        let bytes: usize = batches.map(|batch| batch.bytes.len()).sum();
        assert_eq!(segment.size_bytes, bytes as u64, "{segment:?}");
    }
}

/// Everything.
pub(crate) fn check_all(log: &Log, model: &Model) {
    check_bounds(log, model);
    for max_bytes in [1, 700, 1 << 20] {
        let mut at = model.log_start;
        while at < model.log_end {
            at = check_fetch(log, model, at, max_bytes);
        }
    }
    let committed = committed(log, model.log_start);
    assert_eq!(committed, model.committed(model.log_start), "read-committed");
    let times: Vec<i64> = (-5..=5).map(|step| NOW_MS + step * 1_200).chain([0, 1]).collect();
    check_times(log, model, &times);
}

/// The offsets that a read-committed reader sees.
fn committed(log: &Log, from: i64) -> Vec<i64> {
    let options = FetchOptions::new().max_bytes(900).isolation(Isolation::ReadCommitted);
    let (mut at, mut seen) = (from, Vec::new());
    loop {
        let fetched = log.fetch(at, options).unwrap();
        seen.extend(fetched.records().map(|record| record.unwrap().offset()));
        if fetched.next_offset() == at {
            return seen;
        }
        at = fetched.next_offset();
    }
}

/// One fetch; gives the offset to go on from.
pub(crate) fn check_fetch(log: &Log, model: &Model, offset: i64, max_bytes: usize) -> i64 {
    let fetched = log.fetch(offset, FetchOptions::new().max_bytes(max_bytes)).unwrap();
    let mut wanted = model.from(offset);
    let mut bytes = fetched.bytes();
    let mut records = fetched.records();
    let mut next = offset;
    if bytes.is_empty() {
        // Behind the last batch, though perhaps not at the end: a cut may leave a hole there.
        assert!(wanted.next().is_none(), "nothing at {offset}");
        assert_eq!(fetched.next_offset(), offset);
        return model.log_end;
    }
    while !bytes.is_empty() {
        let batch = wanted.next().expect("a batch that nobody appended");
        let (there, behind) = bytes.split_at_checked(batch.bytes.len()).expect("a whole batch");
        assert!(there == batch.bytes, "another batch than that at {}", batch.base);
        bytes = behind;
        next = batch.next();
        if batch.marker.is_none() {
            for (at, record) in batch.records.iter().enumerate() {
                let at = batch.base + at as i64;
                if at >= offset {
                    let found = records.next().expect("a record").unwrap();
                    assert_eq!(found.offset(), at);
                    check_record(&found, record, batch);
                }
            }
        }
    }
    assert!(records.next().is_none(), "records that nobody appended");
    let first = fetched.records().next().map(|record| record.unwrap().offset());
    let got = log.get(offset, FetchOptions::new(), |record| assert_eq!(record.offset(), offset));
    assert_eq!(got.unwrap().is_some(), first == Some(offset), "the record at {offset} alone");
    assert!(fetched.bytes().len() <= max_bytes || fetched.batches().count() == 1);
    assert_eq!(fetched.next_offset(), next);
    next
}

fn check_record(found: &FetchedRecord<'_>, record: &Rec, batch: &Batch) {
    assert_eq!(found.timestamp().unwrap_or(-1), record.time);
    assert_eq!(found.key(), record.key.as_deref());
    assert_eq!(found.value(), record.value.as_deref());
    assert_eq!(found.leader_epoch().map(|epoch| epoch.0), Some(batch.epoch));
    let mut headers = found.headers();
    for (key, value) in &record.headers {
        let header = headers.next();
        let header = header.map(|header| (header.key, header.value));
        assert!(header == Some((key.as_bytes(), value.as_deref())) || header.is_none());
    }
}

/// Offsets for times, and for the largest.
pub(crate) fn check_times(log: &Log, model: &Model, times: &[i64]) {
    let bases: Vec<i64> =
        log.segments().unwrap().iter().map(|segment| segment.base_offset).collect();
    for &time in times {
        let wanted = model.for_time(&bases, time);
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            let stable = model.last_stable();
            let seen = |&(offset, _): &(i64, i64)| {
                isolation == Isolation::ReadUncommitted || offset < stable
            };
            let found = log.offset_for_time(time, isolation).unwrap();
            let found = found.map(|found| (found.offset, found.timestamp.unwrap_or(-1)));
            assert_eq!(found, wanted.filter(seen), "first at or after {time}, {isolation:?}");
        }
    }
    check_largest(log, model, &bases);
}

fn check_largest(log: &Log, model: &Model, bases: &[i64]) {
    let largest = |at: usize| model.largest(bases[at], bases.get(at + 1).copied()).unwrap_or(-1);
    let best = (0..bases.len()).rev().max_by_key(|&at| largest(at)).unwrap();
    let wanted = model
        .segment(bases[best], bases.get(best + 1).copied())
        .filter(|batch| batch.last >= model.log_start && batch.max_time() == largest(best))
        .find_map(|batch| batch.times().find(|&(_, time)| time == largest(best)));
    let found = log.offset_of_max_timestamp(Isolation::ReadUncommitted).unwrap();
    let found = found.map(|found| (found.offset, found.timestamp.unwrap_or(-1)));
    assert_eq!(found, wanted, "the largest time");
}
