//! Looking through the segments that no manifest vouches for: where they end, and what of them
//! belongs to the log.
//!
//! Below the mark a bad byte is corruption and stays; above it the first bad byte ends the log.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::leader_epochs::LeaderEpochs;
use super::producers::Producers;
use super::replay;
use crate::error::{Cause, Error, Result};
use crate::fs::File;
use crate::index::AbortedTxn;
use crate::planted::{self, Bug};
use crate::record::{BatchHeader, LeaderEpoch, Offset, RecordBatch};
use crate::segment::names::Part;
use crate::segment::{
    Builder, Facts, READ_BYTES, Segment, Stop, Window, batch_at, resume_behind, walk,
};

/// What a scan goes by, and what it gathers, over one segment after the other.
pub(super) struct Scanner<'a> {
    pub(super) producers: &'a mut Producers,
    pub(super) epochs: &'a mut LeaderEpochs,
    /// Whether offsets may be left out and epochs may fall.
    pub(super) gaps: bool,
    /// The highest term that any batch can have.
    pub(super) most_epoch: Option<LeaderEpoch>,
    /// The offset that comes next.
    pub(super) expected: Offset,
    /// The last batch's term.
    pub(super) last_epoch: Option<LeaderEpoch>,
    /// Everything below it was covered by a sync, as Kafka says; for a log that nobody proved.
    pub(super) vouched: Offset,
    /// The log was cut here: the batch that holds this offset and all behind it are gone.
    pub(super) until: Offset,
    /// The segment that was active when the log was last closed, and its bytes then, if no offset was
    /// left out among them.
    pub(super) dense: Option<(Offset, u64)>,
}

/// What was found in one segment.
pub(super) struct Scanned {
    pub(super) facts: Facts,
    pub(super) offsets: Vec<u8>,
    pub(super) times: Vec<u8>,
    pub(super) aborted: Vec<AbortedTxn>,
    /// Bytes that belong to the log.
    pub(super) end: u64,
    /// Why it ends there.
    pub(super) stop: Stop,
    /// Damage below the mark: where, and what.
    pub(super) damage: Vec<(u64, Cause)>,
}

impl Scanner<'_> {
    /// Looks through the first `len` bytes of a segment, of which the first `point` are durable and
    /// then lead to offset `durable_end`, which may lie behind the last batch: a cut inside a batch
    /// takes all of it, and the log goes on at the cut.
    pub(super) fn scan(
        &mut self,
        segment: &Segment,
        interval: u32,
        (len, point): (u64, u64),
        durable_end: Offset,
    ) -> Result<Scanned> {
        let file = segment.log_file()?;
        // Nothing is known of where a file leads that has lost what was durable.
        let mut lead = (point <= len).then_some(durable_end);
        let mut point = point.min(len);
        let mut builder = Builder::new(segment.base_offset(), interval);
        let (mut aborted, mut damage, mut position) = (Vec::new(), Vec::new(), 0);
        let mut is_cut = false;
        loop {
            let walked = walk(&file, position, len, &mut |at, batch| {
                let header = batch.header();
                is_cut = header.last_offset() >= self.until;
                if is_cut {
                    return ControlFlow::Break(Cause::Mismatch("cut off"));
                }
                if at >= point {
                    self.expected = self.expected.max(lead.unwrap_or(0));
                }
                let behind = at + header.size_bytes() as u64;
                let cause = if at < point {
                    self.below(header, behind <= self.dense_bytes(segment))
                        .or_else(|| self.claims_too_much(&file, header, (behind, point), lead))
                } else {
                    self.above(header)
                };
                if let Some(cause) = cause {
                    return ControlFlow::Break(cause);
                }
                builder.add(at, batch);
                self.expected = header.next_offset();
                if at < point && behind > point {
                    // Bytes have moved: the point is not where a batch ends.
                    lead = None;
                }
                if at >= point || self.is_believable(header.leader_epoch()) {
                    self.last_epoch = header.leader_epoch();
                    self.note_epoch(header);
                }
                if header.base_offset() >= self.producers.map_end_offset() {
                    aborted.extend(replay::apply(self.producers, batch));
                }
                ControlFlow::Continue(())
            });
            let walked = walked.map_err(|e| Error::io("read", segment.path(Part::Log), e))?;
            if walked.position >= point {
                self.expected = self.expected.max(lead.unwrap_or(0));
            }
            let Stop::Failed(cause) = walked.stop else {
                return Ok(finished(builder, aborted, damage, (walked.position, walked.stop)));
            };
            if is_cut {
                // Nothing of it is kept, as if it were zeros.
                return Ok(finished(builder, aborted, damage, (walked.position, Stop::Zeros)));
            }
            if walked.position >= point {
                let vouched = self.vouched_end(&file, walked.position, len);
                let vouched = vouched.map_err(|e| Error::io("read", segment.path(Part::Log), e))?;
                let Some((end, next_offset)) = vouched else {
                    let end = (walked.position, walked.stop);
                    return Ok(finished(builder, aborted, damage, end));
                };
                (point, lead) = (end, Some(next_offset));
            }
            damage.push((walked.position, cause));
            let durable = (point, lead.unwrap_or(durable_end));
            position = self.behind_damage(&file, segment, walked.position, durable)?;
            // Offsets that are damaged are not left out, nor are the bytes.
            builder.facts.next_offset = self.expected;
            builder.facts.log_bytes = position;
        }
    }

    /// Where the last batch ends behind damage that Kafka vouches for, and the offset behind it.
    fn vouched_end(
        &self,
        file: &Arc<File>,
        mut position: u64,
        len: u64,
    ) -> std::io::Result<Option<(u64, Offset)>> {
        let mut end = None;
        let mut expected = self.expected;
        while expected < self.vouched
            && let Some(resumed) = resume_behind(file, position, len, expected..self.vouched)?
        {
            let walked = walk(file, resumed.position, len, &mut |at, batch| {
                let next = batch.header().next_offset();
                if batch.header().base_offset() < expected || next > self.vouched {
                    return ControlFlow::Break(Cause::Mismatch("it is not vouched for"));
                }
                (end, expected) = (Some((at + batch.bytes().len() as u64, next)), next);
                ControlFlow::Continue(())
            })?;
            position = walked.position;
        }
        Ok(end)
    }

    /// Where whole batches go on behind damage that lies below the mark; at the mark if nowhere
    /// before.
    fn behind_damage(
        &mut self,
        file: &Arc<File>,
        segment: &Segment,
        position: u64,
        (point, durable_end): (u64, Offset),
    ) -> Result<u64> {
        let resumed = resume_behind(file, position, point, self.expected..durable_end)
            .map_err(|e| Error::io("read", segment.path(Part::Log), e))?;
        self.expected = resumed.map_or(durable_end, |resumed| resumed.base_offset);
        Ok(resumed.map_or(point, |resumed| resumed.position))
    }

    /// How many bytes of a segment are known to leave no offset out.
    fn dense_bytes(&self, segment: &Segment) -> u64 {
        let dense = self.dense.filter(|(base, _)| *base == segment.base_offset());
        dense.map_or(0, |(_, bytes)| bytes)
    }

    /// Why a whole batch below the mark cannot be where it lies.
    fn below(&self, header: &BatchHeader, is_dense: bool) -> Option<Cause> {
        match header.base_offset().cmp(&self.expected) {
            Ordering::Less => Some(Cause::Mismatch("its offsets overlap the batch before")),
            Ordering::Greater if is_dense => {
                Some(Cause::Mismatch("it leaves offsets out where none is missing"))
            }
            _ => None,
        }
    }

    /// Why a whole batch below the mark cannot have the offsets that it claims, if they lie beyond
    /// those that come next: what follows begins before its end.
    fn claims_too_much(
        &self,
        file: &Arc<File>,
        header: &BatchHeader,
        (behind, point): (u64, u64),
        lead: Option<Offset>,
    ) -> Option<Cause> {
        if lead.is_some_and(|lead| header.next_offset() > lead) {
            return Some(Cause::Mismatch("its offsets lie behind the durable end"));
        }
        if header.base_offset() <= self.expected || behind >= point {
            return None;
        }
        let mut window = Window::new(Arc::clone(file), point, READ_BYTES);
        let next = batch_at(&mut window, behind).ok()?;
        let is_misplaced = if let Ok(next) = next {
            next.header().base_offset() < header.next_offset()
        } else {
            // Damage follows: those behind it tell whether this is where it belongs.
            let offsets = self.expected..lead.unwrap_or(Offset::MAX);
            let next = resume_behind(file, behind, point, offsets).ok()?;
            next.is_some_and(|next| next.base_offset < header.base_offset())
        };
        is_misplaced.then_some(Cause::Mismatch("its offsets overlap the batches behind it"))
    }

    /// Whether a batch below the mark can have the term that it claims, which its checksum does not
    /// cover. If it cannot, nothing that follows is measured by it.
    fn is_believable(&self, epoch: Option<LeaderEpoch>) -> bool {
        self.gaps || self.most_epoch.is_none() || epoch <= self.most_epoch
    }

    /// Why a whole batch above the mark does not belong to this log.
    fn above(&self, header: &BatchHeader) -> Option<Cause> {
        if self.gaps {
            return self.below(header, false);
        }
        if header.is_legacy() {
            return Some(Cause::Mismatch(
                "it is of an old format, and none of them is written here",
            ));
        }
        if header.base_offset() != self.expected && !planted::on(Bug::ContinuityNotChecked) {
            return Some(Cause::Mismatch("its base offset is not the one that comes next"));
        }
        let epoch = header.leader_epoch();
        (epoch < self.last_epoch || epoch > self.most_epoch)
            .then_some(Cause::Mismatch("its leader epoch is none that can stand there"))
    }

    fn note_epoch(&mut self, header: &BatchHeader) {
        if let Some(epoch) = header.leader_epoch()
            && self.epochs.latest().is_none_or(|latest| epoch > latest)
        {
            self.epochs.assign(epoch, header.base_offset());
        }
    }
}

fn finished(
    builder: Builder,
    aborted: Vec<AbortedTxn>,
    damage: Vec<(u64, Cause)>,
    (end, stop): (u64, Stop),
) -> Scanned {
    let (facts, offsets, times) = builder.finish();
    Scanned { facts, offsets, times, aborted, end, stop, damage }
}

/// Gives all whole batches of a segment to `visit`, stepping over damage.
pub(super) fn for_each_batch(
    segment: &Segment,
    visit: &mut dyn FnMut(&RecordBatch<'_>),
) -> Result<()> {
    if segment.end() == 0 {
        // It may be one that is still to be made.
        return Ok(());
    }
    let file = segment.log_file()?;
    segment.note_cut()?;
    let mut position = 0;
    while position < segment.end() {
        let walked = walk(&file, position, segment.end(), &mut |_, batch| {
            visit(batch);
            ControlFlow::Continue(())
        });
        let walked = walked.map_err(|e| Error::io("read", segment.path(Part::Log), e))?;
        if matches!(walked.stop, Stop::End | Stop::Zeros) {
            break;
        }
        match segment.resume(walked.position, 0..Offset::MAX)? {
            Some(resumed) => position = resumed.position,
            None => break,
        }
    }
    Ok(())
}
