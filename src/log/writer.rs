//! Appending to a log: one append at a time, under the writer's lock.

use std::sync::Arc;

use super::deleted::Doomed;
use super::leader_epoch_file::{self, EpochStart};
use super::leader_epochs::LeaderEpochs;
use super::opened::{Opened, Tip};
use super::origin::Origin;
use super::producers::{Candidate, CompletedTxn, Duplicate, Outcome, Producers, Update};
use super::replay;
use super::snapshot;
use crate::error::{Error, Result};
use crate::index::AbortedTxn;
use crate::planted::{self, Bug};
use crate::record::{
    BatchError, BatchHeader, Batches, ControlRecord, LeaderEpoch, Offset, RecordBatch, Timestamp,
    place,
};
use crate::segment::names::{self, Part};
use crate::segment::{Active, AppendFailure, Facts, Incoming, Segment};

/// The side of a log that writes; there from the first write on.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) active: Active,
    pub(super) producers: Producers,
    pub(super) epochs: LeaderEpochs,
    /// The term in which this opening appends.
    pub(super) epoch: LeaderEpoch,
    pub(super) log_end: Offset,
    pub(super) update: Update,
    /// Files that wait to be removed.
    pub(super) doomed: Vec<Doomed>,
    /// Seeds the jitter of segments.
    pub(super) jitter: u64,
}

/// One append: batches one behind the other, each valid and checked.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) headers: &'a mut [BatchHeader],
    pub(super) origin: Origin,
    pub(super) now: Timestamp,
}

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) first_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: Option<Timestamp>,
    /// It was written before, and is not written again.
    pub(crate) duplicate: Option<Duplicate>,
}

/// Segments that a log grows to by appends; one that has more already is read all the same.
const MAX_SEGMENTS: usize = 1_000_000;

impl Writer {
    /// Appends one batch as the leader: it gets the next offsets and the given term.
    pub(super) fn append_as_leader(
        &mut self,
        log: &Opened,
        job: &mut Job<'_>,
        epoch: LeaderEpoch,
    ) -> Result<Placed> {
        let base = self.log_end;
        let [header] = job.headers else {
            return Err(Error::InvalidRecord("one batch at a time".into()));
        };
        if base
            .checked_add(Offset::from(header.last_offset_delta()) + 1)
            .is_none_or(|end| end == Offset::MAX)
        {
            return Err(Error::InvalidRecord("the log has no offsets left".into()));
        }
        self.assign_epoch(log, epoch, base)?;
        log.check_segment_size(job.bytes.len())?;
        *header = place(job.bytes, header, base, epoch);
        self.append_placed(log, job, base)
    }

    /// Appends batches that have their offsets and terms already, byte for byte.
    pub(super) fn append_as_follower(&mut self, log: &Opened, job: &Job<'_>) -> Result<Placed> {
        let mut expected = self.log_end;
        for header in job.headers.iter() {
            if header.base_offset() < expected {
                return Err(Error::OffsetsOutOfOrder { offset: header.base_offset(), expected });
            }
            expected = header.next_offset();
        }
        let first = job.headers.first().map_or(self.log_end, BatchHeader::base_offset);
        if self.leaves_gaps(job.headers) {
            log.allow_gaps(self)?;
        }
        for at in 0..job.headers.len() {
            let (epoch, base) = (job.headers[at].leader_epoch(), job.headers[at].base_offset());
            let epoch = epoch.ok_or_else(|| {
                Error::InvalidRecord("an imported batch needs a leader epoch".into())
            })?;
            self.assign_epoch(log, epoch, base)?;
            self.epoch = self.epoch.max(epoch);
        }
        log.check_segment_size(job.bytes.len())?;
        self.append_placed(log, job, first)
    }

    /// Whether imported batches leave out offsets or let epochs fall.
    fn leaves_gaps(&self, headers: &[BatchHeader]) -> bool {
        let mut expected = self.log_end;
        let mut epoch = self.epochs.latest();
        headers.iter().any(|header| {
            let gap = header.base_offset() != expected || header.leader_epoch() < epoch;
            expected = header.next_offset();
            epoch = header.leader_epoch();
            gap
        })
    }

    fn append_placed(&mut self, log: &Opened, job: &Job<'_>, first: Offset) -> Result<Placed> {
        let Some(last) = job.headers.last() else {
            return Err(Error::InvalidRecord("no batches at all".into()));
        };
        let incoming = Incoming {
            bytes: job.bytes.len(),
            last_offset: last.last_offset(),
            max_timestamp: job.headers.iter().filter_map(BatchHeader::max_timestamp).max(),
        };
        self.active.touch_indexes()?;
        if self.active.should_roll(incoming, job.now)? {
            self.roll(log, first, job.now)?;
            self.active.touch_indexes()?;
        }
        self.update.clear();
        let mut rest = &*job.bytes;
        for header in job.headers.iter() {
            let (batch, behind) = rest.split_at(header.size_bytes());
            rest = behind;
            let candidate = Candidate {
                origin: job.origin,
                header,
                base_offset: header.base_offset(),
                control: control_in(header, batch),
            };
            if let Outcome::Duplicate(duplicate) =
                self.producers.check(&mut self.update, &candidate)?
            {
                return Ok(Placed {
                    first_offset: duplicate.first_offset,
                    last_offset: duplicate.last_offset,
                    max_timestamp: incoming.max_timestamp,
                    duplicate: Some(duplicate),
                });
            }
        }
        let segment = self.active.segment();
        let flush_bytes = log.flushes.bytes_at(segment.base_offset(), segment.end());
        let facts = match self.active.append(job.bytes, job.headers, flush_bytes) {
            Ok(facts) => facts,
            Err(AppendFailure::Refused(error)) => return Err(error),
            Err(AppendFailure::CutFailed(error)) => {
                log.poison(&error);
                return Err(error);
            }
        };
        self.log_end = incoming.last_offset + 1;
        let completed = self.producers.commit(&mut self.update, self.log_end);
        self.settle(&completed);
        self.publish_tip(log, self.tip_of(&facts));
        Ok(Placed {
            first_offset: first,
            last_offset: incoming.last_offset,
            max_timestamp: incoming.max_timestamp,
            duplicate: None,
        })
    }

    /// Enters ended transactions in the index, and moves the high watermark over what was written.
    fn settle(&mut self, completed: &[CompletedTxn]) {
        for txn in completed {
            if txn.aborted {
                let last_stable_offset = self.producers.last_stable_offset_for(txn);
                self.active.add_aborted(AbortedTxn {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.last_offset,
                    last_stable_offset,
                });
            }
            self.producers.complete(txn);
        }
        self.producers.high_watermark_moved(self.log_end);
    }

    /// Lets readers see what was written.
    pub(super) fn publish(&self, log: &Opened) {
        self.publish_tip(log, self.tip());
    }

    fn publish_tip(&self, log: &Opened, tip: Tip) {
        log.published.publish(|view| {
            view.log_end_offset = self.log_end;
            view.last_stable_offset =
                self.producers.last_stable_offset(view.log_start_offset, self.log_end);
            view.tip = tip;
        });
    }

    /// How far the log goes now.
    pub(super) fn tip(&self) -> Tip {
        self.tip_of(&self.active.facts())
    }

    fn tip_of(&self, facts: &Facts) -> Tip {
        Tip {
            base_offset: self.active.segment().base_offset(),
            bytes: facts.log_bytes,
            last_batch: facts.last_batch,
        }
    }

    /// Begins `epoch` at `base`, writing the file if that is news. The watermark has to know of an
    /// epoch before the first batch of it is written: none can be above the highest that it names.
    pub(super) fn assign_epoch(
        &mut self,
        log: &Opened,
        epoch: LeaderEpoch,
        base: Offset,
    ) -> Result<()> {
        if self.epochs.latest() == Some(epoch) && base >= self.log_end {
            // As for nearly every append: nothing to say.
            return Ok(());
        }
        let mut ledger = log.ledger();
        if ledger.slot().is_some_and(|slot| slot.leader_epoch < Some(epoch)) {
            ledger.change_slots(|slot| slot.leader_epoch = Some(epoch))?;
        }
        drop(ledger);
        let before = self.epochs.clone();
        if self.epochs.assign(epoch, base)
            && let Err(error) = self.write_epochs(log)
        {
            self.epochs = before;
            return Err(error);
        }
        Ok(())
    }

    /// Writes `leader-epoch-checkpoint`.
    pub(super) fn write_epochs(&self, log: &Opened) -> Result<()> {
        write_epochs(log, &self.epochs)?;
        let epochs = Arc::new(self.epochs.clone());
        log.published.publish(|view| view.epochs = epochs);
        Ok(())
    }

    /// Makes a new active segment. The old one stays readable and is sealed later, but if two wait
    /// for that already, the older of them is sealed first. While offsets may be left out, so that
    /// nothing else would tell that its end was lost, the old one is sealed at once.
    pub(super) fn roll(&mut self, log: &Opened, first: Offset, now: Timestamp) -> Result<Offset> {
        let base = self.log_end.max(first);
        let old = Arc::clone(self.active.segment());
        if base == old.base_offset() {
            return self.replace_empty(log, now);
        }
        if log.published.view().segments.len() >= MAX_SEGMENTS {
            return Err(Error::TooLarge { what: "number of segments", limit: MAX_SEGMENTS });
        }
        log.make_room_for_roll()?;
        self.active.finish()?;
        for part in names::PARTS {
            // Left over from a roll that failed.
            let name = names::name(base, part);
            if part != Part::Snapshot {
                log.remove_if_there(&name)?;
            }
        }
        let active = Active::create(log.shared(), base, log.limits(&mut self.jitter), now)?;
        log.unsynced.note();
        self.producers.set_map_end_offset(base);
        self.write_snapshot(log);
        if let Err(error) = log.seal_if_gaps(&old, base) {
            log.remove_if_there(&names::name(base, Part::Log))?;
            return Err(error);
        }
        if planted::on(Bug::RollWithoutDirectorySync) {
            log.unsynced.settle(|| Ok(()))?;
        }
        self.active = active;
        self.publish_segments(log, |segments| segments.push(Arc::clone(self.active.segment())));
        log.context.store.work.raise();
        Ok(base)
    }

    /// Rolling an empty segment: only an index that has room for no entry asks for that.
    fn replace_empty(&mut self, log: &Opened, now: Timestamp) -> Result<Offset> {
        let old = Arc::clone(self.active.segment());
        if old.end() > 0 {
            return Err(Error::Invalid("a segment cannot be rolled onto itself".into()));
        }
        self.doom(log, &old, now)?;
        self.active =
            Active::create(log.shared(), old.base_offset(), log.limits(&mut self.jitter), now)?;
        log.unsynced.note();
        self.publish_segments(log, |segments| {
            segments.pop();
            segments.push(Arc::clone(self.active.segment()));
        });
        Ok(old.base_offset())
    }

    /// Changes the list of segments that readers see.
    pub(super) fn publish_segments(
        &self,
        log: &Opened,
        change: impl FnOnce(&mut Vec<Arc<Segment>>),
    ) {
        let tip = self.tip();
        log.published.publish(|view| {
            let mut segments = view.segments.to_vec();
            change(&mut segments);
            view.segments = Arc::new(segments.into());
            view.tip = tip;
        });
    }

    /// Writes a snapshot of the producers at the log end, if something changed since the last one.
    /// It is not synced: sealing does that. Without it an older one serves, and replay.
    pub(super) fn write_snapshot(&mut self, log: &Opened) {
        if let Some(at) = self.producers.snapshot_due()
            && log
                .write_plain(
                    &names::name(at, Part::Snapshot),
                    &snapshot::encode(&self.producers.in_order()),
                )
                .is_ok()
        {
            self.producers.snapshot_taken();
        }
    }
}

/// What the control record of a valid batch says; none if it is no control batch, or an emptied one.
fn control_in(header: &BatchHeader, batch: &[u8]) -> Option<ControlRecord> {
    if !header.attributes().is_control() {
        return None;
    }
    let batch = RecordBatch::decode_checked_before(batch).ok()?;
    replay::control_of(&batch).ok()?
}

/// The headers of the batches that come to be imported, each checked; one that is cut short at the
/// end is ignored. Messages of an old format are refused.
pub(super) fn headers_of(bytes: &[u8]) -> Result<Vec<BatchHeader>> {
    let header = |batch: std::result::Result<RecordBatch<'_>, _>| {
        let header = *batch.map_err(Error::CorruptBatch)?.header();
        if header.is_legacy() {
            return Err(Error::CorruptBatch(BatchError::Legacy(header.magic())));
        }
        Ok(header)
    };
    Batches::new(bytes).map(header).collect()
}

/// Writes `leader-epoch-checkpoint`.
pub(super) fn write_epochs(log: &Opened, epochs: &LeaderEpochs) -> Result<()> {
    let entries: Vec<_> = epochs
        .entries()
        .iter()
        .map(|&(epoch, start_offset)| EpochStart { epoch, start_offset })
        .collect();
    log.replace_small(super::LEADER_EPOCHS, &leader_epoch_file::encode(&entries))
}
