//! Producer state from the log itself: from the newest snapshot that is whole, then batch by batch.

use std::sync::{Arc, PoisonError};

use super::context::Context;
use super::fetched::with_decompressor;
use super::opened::Opened;
use super::producers::{CompletedTxn, Producers};
use super::scan::for_each_batch;
use super::snapshot;
use super::view::View;
use crate::error::{Error, Result};
use crate::index::AbortedTxn;
use crate::record::{BatchHeader, ControlRecord, Offset, RecordBatch};
use crate::segment::Segment;
use crate::segment::names::{self, Part};

/// The most that a snapshot file may be: far more producers than a log takes.
const MOST_SNAPSHOT_BYTES: u64 = 64 << 20;

/// The producer state at the end of the segment that was replayed last: who reads on from segment to
/// segment replays each of them once, whatever snapshots there are.
#[derive(Debug)]
pub(super) struct Replayed {
    upto: Offset,
    cuts: u64,
    producers: Producers,
}

/// What the control record of a control batch says; `None` for one that was emptied.
///
/// # Errors
///
/// If it is malformed.
pub(super) fn control_of(
    batch: &RecordBatch<'_>,
) -> std::result::Result<Option<ControlRecord>, crate::record::RecordError> {
    if !batch.header().attributes().is_control() {
        return Ok(None);
    }
    with_decompressor(|with| ControlRecord::of_batch(batch, with))
}

/// Takes in a batch of the log, and gives out the transaction that it aborted. What a batch says
/// that cannot be is passed over: it is in the log, and other batches have to be read.
pub(super) fn apply(producers: &mut Producers, batch: &RecordBatch<'_>) -> Option<AbortedTxn> {
    apply_header(producers, batch.header(), control_of(batch).ok()?)
}

/// The same for a batch of which no more is known than its header and its control record.
pub(super) fn apply_header(
    producers: &mut Producers,
    header: &BatchHeader,
    control: Option<ControlRecord>,
) -> Option<AbortedTxn> {
    let completed = producers.apply_replica(header, control).ok()??;
    let aborted = aborted(producers, &completed);
    producers.complete(&completed);
    aborted
}

fn aborted(producers: &Producers, txn: &CompletedTxn) -> Option<AbortedTxn> {
    txn.aborted.then(|| AbortedTxn {
        producer_id: txn.producer_id,
        first_offset: txn.first_offset,
        last_offset: txn.last_offset,
        last_stable_offset: producers.last_stable_offset_for(txn),
    })
}

/// The producer state of all records below `upto`. Snapshots are tried from the newest on; what
/// lies between the snapshot and `upto` is read from `segments`.
pub(super) fn producers_at(
    context: &Context,
    snapshots: &[Offset],
    segments: &[Arc<Segment>],
    log_start: Offset,
    upto: Offset,
) -> Result<Producers> {
    let settings = context.config.settings();
    let now = context.store.clock.now_ms();
    let mut producers = Producers::new(log_start);
    for &at in snapshots.iter().rev().filter(|&&at| at <= upto && at > log_start) {
        let name = names::name(at, Part::Snapshot);
        let bytes = match context.dir.read_small(&name, MOST_SNAPSHOT_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => continue,
            Err(error) => return Err(Error::io("read", context.dir.path().join(name), error)),
        };
        if let Ok(entries) = snapshot::decode(&bytes) {
            producers.load(at, entries, settings, now);
            break;
        }
    }
    let from = producers.map_end_offset();
    for (index, segment) in segments.iter().enumerate() {
        let end = segments.get(index + 1).map_or(Offset::MAX, |next| next.base_offset());
        if from < upto && end > from && segment.base_offset() < upto {
            replay_segment(segment, from..upto, &mut |batch| {
                apply(&mut producers, batch);
            })?;
        }
    }
    producers.high_watermark_moved(upto);
    producers.set_map_end_offset(upto);
    check_memory(context, &producers)?;
    Ok(producers)
}

/// That there was memory for all producers: a log has as many as its files say.
pub(super) fn check_memory(context: &Context, producers: &Producers) -> Result<()> {
    if producers.is_short() {
        let error = std::io::ErrorKind::OutOfMemory.into();
        return Err(Error::io("hold the producers of", context.dir.path(), error));
    }
    Ok(())
}

/// Gives the batches of a segment that hold some of `offsets` to `visit`.
fn replay_segment(
    segment: &Segment,
    offsets: std::ops::Range<Offset>,
    visit: &mut dyn FnMut(&RecordBatch<'_>),
) -> Result<()> {
    for_each_batch(segment, &mut |batch| {
        // The batch that holds the first offset too, whole: its records were not all deleted.
        let header = batch.header();
        if header.last_offset() >= offsets.start && header.base_offset() < offsets.end {
            visit(batch);
        }
    })
}

/// The aborted transactions whose markers lie in a segment that was not scanned when the log was
/// opened: from its index if the manifest vouches for that, else by replay.
pub(super) fn aborted_in(log: &Opened, segment: &Arc<Segment>) -> Result<Arc<Vec<AbortedTxn>>> {
    let base = segment.base_offset();
    let expected = log.ledger().entry(base).map(|entry| entry.txn_index);
    if let Some(expected) = expected
        && let Some(aborted) = segment.read_aborted(expected.map(Into::into))?
    {
        return Ok(segment.set_aborted(aborted));
    }
    replayed_in(log, segment)
}

/// The same by replay alone.
pub(super) fn replayed_in(log: &Opened, segment: &Arc<Segment>) -> Result<Arc<Vec<AbortedTxn>>> {
    let base = segment.base_offset();
    // One replay at a time; who waited may find that it was this one.
    let mut last = log.replaying.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = segment.aborted() {
        return Ok(known);
    }
    let view = log.published.view();
    let goes_on = |last: &Replayed| last.upto == base && last.cuts == view.cuts;
    let mut producers = match last.take().filter(|last| goes_on(last)) {
        Some(last) => last.producers,
        None => producers_before(log, &view, base)?,
    };
    let mut found = Vec::new();
    replay_segment(segment, base..Offset::MAX, &mut |batch| {
        found.extend(apply(&mut producers, batch));
    })?;
    check_memory(&log.context, &producers)?;
    let next = view.segments.partition_point(|other| other.base_offset() <= base);
    *last = view.segments.get(next).map(|next| {
        let upto = next.base_offset();
        producers.high_watermark_moved(upto);
        producers.set_map_end_offset(upto);
        Box::new(Replayed { upto, cuts: view.cuts, producers })
    });
    Ok(segment.set_aborted(found))
}

/// The producer state at the beginning of a segment, from the newest snapshot before it.
fn producers_before(log: &Opened, view: &View, base: Offset) -> Result<Producers> {
    let snapshots = super::listing::Listing::read(&log.context.dir)?.snapshots;
    let start = view.log_start_offset.min(base);
    producers_at(&log.context, &snapshots, &view.segments, start, base)
}
