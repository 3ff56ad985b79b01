//! Dropping records from an offset to the end, or all of them.
//!
//! The cut is announced in the manifest before anything goes; from then on every opening carries it
//! out. It is over when the manifest is replaced by one without it.

use std::sync::Arc;

use super::ledger::{Ledger, Mark};
use super::listing::Listing;
use super::manifest::{self, Entry, LogEnd};
use super::opened::{Opened, Tip};
use super::producers::Producers;
use super::replay::producers_at;
use super::scan::for_each_batch;
use super::view::View;
use super::watermark::LastBatch;
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::{LeaderEpoch, Offset, Timestamp};
use crate::segment::names::Part;
use crate::segment::{Active, Facts, Segment};

impl Writer {
    /// Drops everything from `target` on. The batch that holds it goes whole, so records below it
    /// may go too; the next append gets `target` all the same. Says whether something was dropped.
    pub(super) fn truncate_to(
        &mut self,
        log: &Opened,
        target: Offset,
        raise_epoch: bool,
    ) -> Result<bool> {
        let now = log.context.store.clock.now_ms();
        if target >= self.log_end {
            if self.epochs.truncate_from_end(self.log_end) {
                self.write_epochs(log)?;
            }
            return Ok(false);
        }
        let view = log.published.view();
        let Some(index) = view.segment_for(target) else {
            self.start_over(log, target)?;
            return Ok(true);
        };
        log.lower_cleaned_to(view.segments[index].base_offset())?;
        // The log will go on at the cut, whatever a power cut leaves below it: so all that must be
        // durable before the cut is announced.
        log.sync_published().map_err(|failure| log.failed(failure))?;
        lower_recovery_point(log, view.segments[index].base_offset())?;
        if !planted::on(Bug::BytesCutBeforeCut) {
            announce(log, &[Entry::Cut { point: target, before: self.log_end_now() }])?;
        }
        let result = self.carry_out(log, (&view, index), (target, raise_epoch), now);
        if let Err(error) = &result {
            // The next opening finishes it; this one cannot tell how far it came.
            log.poison(error);
        }
        result.map(|()| true)
    }

    /// Drops everything and starts again at `start`.
    pub(super) fn start_over(&mut self, log: &Opened, start: Offset) -> Result<()> {
        let now = log.context.store.clock.now_ms();
        log.lower_cleaned_to(start)?;
        lower_recovery_point(log, start.min(log.published.view().log_start_offset))?;
        announce(log, &manifest::start_over(start, self.log_end_now()))?;
        let result = self.start_over_at(log, start, now);
        if let Err(error) = &result {
            log.poison(error);
        }
        result
    }

    pub(super) fn log_end_now(&self) -> LogEnd {
        let last = self.active.facts().last_batch;
        let last_batch = last.map(|(position, crc)| LastBatch { position, crc });
        LogEnd { offset: self.log_end, last_batch }
    }

    fn carry_out(
        &mut self,
        log: &Opened,
        (view, index): (&View, usize),
        (target, raise_epoch): (Offset, bool),
        now: Timestamp,
    ) -> Result<()> {
        let kept = Arc::clone(&view.segments[index]);
        lower_slots(&mut log.ledger(), (target, &kept), raise_epoch.then_some(self.epoch))?;
        if raise_epoch {
            let raised = log.ledger().slot().and_then(|slot| slot.leader_epoch);
            self.epoch = raised.unwrap_or(self.epoch);
        }
        if self.epochs.truncate_from_end(target) {
            self.write_epochs(log)?;
        }
        // Readers see the shorter log before its bytes go.
        let facts = facts_below(&kept, target)?;
        let aborted = log.aborted_in(&kept)?;
        let aborted = aborted.iter().filter(|txn| txn.last_offset < target).copied().collect();
        kept.cut_back(target, facts, aborted)?;
        let segments = view.segments[..=index].to_vec();
        log.published.publish(|view| {
            view.segments = Arc::new(segments.clone().into());
            view.log_end_offset = target;
            view.log_start_offset = view.log_start_offset.min(target);
            view.durable_end = view.durable_end.min(target);
            view.last_stable_offset = view.last_stable_offset.min(target);
            view.cuts += 1;
        });
        for gone in &view.segments[index + 1..] {
            self.doom(log, gone, now)?;
        }
        let file = kept.log_file()?;
        let path = || kept.path(Part::Log);
        file.truncate(facts.log_bytes).map_err(|e| Error::io("cut", path(), e))?;
        file.sync().map_err(|e| Error::io("sync", path(), e))?;
        self.finish_cut(log, (kept, &segments), target, now)
    }

    /// Producers, indexes, directory and manifest after a cut.
    fn finish_cut(
        &mut self,
        log: &Opened,
        (kept, segments): (Arc<Segment>, &[Arc<Segment>]),
        target: Offset,
        now: Timestamp,
    ) -> Result<()> {
        kept.grow_indexes()?;
        kept.trim_txn_index()?;
        self.active = Active::resume(kept, log.limits(&mut self.jitter), now);
        self.active.touch_indexes()?;
        self.log_end = target;
        Self::remove_snapshots_behind(log, target)?;
        let snapshots = Listing::read(&log.shared().dir)?.snapshots;
        let log_start = log.published.number(|view| view.log_start_offset);
        self.producers = producers_at(&log.context, &snapshots, segments, log_start, target)?;
        self.write_snapshot(log);
        log.unsynced.note();
        log.sync_directory()?;
        let mark = Mark { tip: self.tip(), durable_end: target };
        raise_slots(&mut log.ledger(), mark)?;
        log.ledger().replace()?;
        log.published.publish(|view| view.durable_end = target);
        self.publish(log);
        self.remove_due(log, now);
        Ok(())
    }

    fn start_over_at(&mut self, log: &Opened, start: Offset, now: Timestamp) -> Result<()> {
        let raised = start_over_slots(&mut log.ledger(), start, self.epochs.latest())?;
        self.epoch = raised.unwrap_or(self.epoch);
        self.epochs.clear();
        self.write_epochs(log)?;
        let gone = log.published.view().segments;
        for segment in gone.iter() {
            self.doom(log, segment, now)?;
        }
        Self::remove_snapshots_behind(log, -1)?;
        self.active = Active::create(log.shared(), start, log.limits(&mut self.jitter), now)?;
        self.log_end = start;
        self.producers = Producers::new(start);
        log.unsynced.note();
        log.sync_directory()?;
        log.ledger().replace()?;
        let active = Arc::clone(self.active.segment());
        log.published.publish(|view| {
            view.segments = Arc::new(vec![active].into());
            view.log_start_offset = start;
            view.durable_end = start;
            view.cuts += 1;
        });
        self.publish(log);
        Ok(())
    }
}

/// Kafka scans nothing below its recovery point: what is torn behind a cut has to lie above it.
fn lower_recovery_point(log: &Opened, offset: Offset) -> Result<()> {
    let context = &log.context;
    context.store.gate.lower_recovery_point(&context.topic, context.partition, offset)
}

/// Enters what is to go in the manifest. If that fails and cannot be taken back either, nothing more
/// may be appended: the next opening could take it away.
pub(super) fn announce(log: &Opened, entries: &[Entry]) -> Result<()> {
    let mut ledger = log.ledger();
    ledger.append(entries).inspect_err(|error| {
        if ledger.is_unsettled() {
            log.poison(error);
        }
    })
}

/// What a segment is without the batch that holds `target`, and those behind it.
fn facts_below(segment: &Segment, target: Offset) -> Result<Facts> {
    let mut facts = Facts::empty(segment.base_offset());
    for_each_batch(segment, &mut |batch| {
        if batch.header().last_offset() < target {
            facts.add(batch);
        }
    })?;
    Ok(facts)
}

/// Says in both slots that nothing is durable but that the log starts at `start`, under a later
/// epoch than all before.
pub(super) fn start_over_slots(
    ledger: &mut Ledger,
    start: Offset,
    latest: Option<LeaderEpoch>,
) -> Result<Option<LeaderEpoch>> {
    let epoch = ledger.slot().map(|slot| slot.next_epoch(latest));
    let tip = Tip { base_offset: start, bytes: 0, last_batch: None };
    ledger.change_slots(|slot| {
        *slot = slot.moved_to(Mark { tip, durable_end: start });
        slot.leader_epoch = epoch;
    })?;
    Ok(epoch)
}

/// Says in both slots that the log is durable up to a cut that was carried out and synced. Behind
/// the last batch nothing else tells where the log goes on: a cut inside a batch takes all of it.
pub(super) fn raise_slots(ledger: &mut Ledger, mark: Mark) -> Result<()> {
    ledger.change_slots(|slot| *slot = slot.moved_to(mark))
}

/// Lowers both slots to a cut in `segment`, before anything goes, and raises the epoch above all
/// that was given out, if asked to.
pub(super) fn lower_slots(
    ledger: &mut Ledger,
    (target, segment): (Offset, &Segment),
    raise_above: Option<LeaderEpoch>,
) -> Result<()> {
    let Some(slot) = ledger.slot().copied() else { return Ok(()) };
    let facts = facts_below(segment, target)?;
    let tip = Tip {
        base_offset: segment.base_offset(),
        bytes: facts.log_bytes,
        last_batch: facts.last_batch,
    };
    let is_below = (tip.base_offset, tip.bytes) < (slot.base_offset, slot.point);
    ledger.change_slots(|slot| {
        if is_below {
            *slot = slot.moved_to(Mark { tip, durable_end: target });
        }
        slot.durable_end = slot.durable_end.min(target);
        if let Some(above) = raise_above {
            slot.leader_epoch = Some(slot.next_epoch(Some(above)));
        }
    })
}
