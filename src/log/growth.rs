//! Reading on where another process appends: whole batches that belong there, and no more.
//!
//! A batch that fails is not there yet; it is damage only if it still fails [`PATIENCE_MS`] after the
//! file has grown past it. Zeros are never damage here.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::opened::Opened;
use super::plan::known_by;
use super::replay;
use super::sight::Sight;
use crate::error::{Cause, Error, Result};
use crate::fs::File;
use crate::record::{BatchHeader, HEADER_LEN, LeaderEpoch, Offset, Timestamp};
use crate::segment::names::{self, Part};
use crate::segment::{Builder, Extension, Facts, Known, Segment, Source, Stop, walk};

/// So long a batch may fail behind which the file has grown.
const PATIENCE_MS: i64 = 1000;

/// A batch that fails where the next one should be.
#[derive(Debug)]
pub(super) struct Stuck {
    position: u64,
    since: Timestamp,
    /// What a reader is told, once it is damage.
    pub(super) told: Option<Error>,
}

/// What there was to read.
enum Read {
    /// Up to here, and why no further.
    Upto(Stop),
    /// A batch of a term that nobody has told of.
    Epoch(LeaderEpoch, Offset),
    /// The file is not what it was.
    Otherwise,
}

impl Sight {
    /// Why a whole batch cannot be the next one.
    fn misplaced(&self, header: &BatchHeader) -> Option<Cause> {
        let base = header.base_offset();
        if self.is_strict() && base != self.log_end {
            return Some(Cause::Mismatch("its base offset is not the one that comes next"));
        }
        (base < self.log_end).then_some(Cause::Mismatch("its offsets overlap the batch before"))
    }

    /// Where a term began, as far as that is known.
    fn begin_of(&self, epoch: LeaderEpoch) -> Option<Offset> {
        self.epochs.entries().iter().find(|(known, _)| *known == epoch).map(|&(_, start)| start)
    }

    /// Whether a batch may be of the term that it claims. One of another term than the last is the
    /// first of its own, and that is written before it; else the log was cut, and goes on in it.
    fn has_its_term(&self, header: &BatchHeader, log_start: Offset) -> bool {
        let (epoch, base) = (header.leader_epoch(), header.base_offset());
        if epoch == self.last_epoch {
            return true;
        }
        if self.is_strict() && (epoch < self.last_epoch || epoch > self.most_epoch) {
            return false;
        }
        match epoch.and_then(|epoch| self.begin_of(epoch)) {
            Some(begin) => begin >= base,
            None => !self.is_strict() || base < log_start,
        }
    }
}

impl Opened {
    /// Reads on; says whether what is there could be understood.
    pub(super) fn grow(&self, sight: &mut Sight) -> Result<bool> {
        if sight.is_cut {
            return Ok(true);
        }
        let mut is_looked_at = false;
        let stop = loop {
            let stop = match self.read_on(sight)? {
                Read::Otherwise => return Ok(false),
                Read::Epoch(..) if !is_looked_at => {
                    is_looked_at = true;
                    if !self.look_closely(sight)? {
                        return Ok(false);
                    }
                    continue;
                }
                Read::Epoch(epoch, base) => {
                    let was_cut = sight.begin_of(epoch).is_some_and(|begin| begin < base);
                    if was_cut && sight.may_be_otherwise() {
                        return Ok(false);
                    }
                    Stop::Failed(Cause::Mismatch(WRONG_TERM))
                }
                Read::Upto(stop) => stop,
            };
            let Some(next) = self.next_segment(sight)? else { break stop };
            if sight.next_seen != Some(next) {
                // All of this one was written before that one was made: now it is there.
                sight.next_seen = Some(next);
                continue;
            }
            if matches!(stop, Stop::Failed(_)) {
                break stop;
            }
            self.move_on(sight, next);
        };
        let is_over = self.ledger().entry(sight.active.base_offset()).is_some();
        self.note_stuck(sight, stop)?;
        let is_damaged = sight.stuck.as_ref().is_some_and(|stuck| is_over || stuck.told.is_some());
        if is_damaged && sight.may_be_otherwise() {
            // Below the mark what follows the damage is to be read.
            return Ok(false);
        }
        let log_start = self.published.number(|view| view.log_start_offset);
        self.show(sight, None, log_start);
        Ok(true)
    }

    /// Takes in what lies behind the end of the active segment.
    fn read_on(&self, sight: &mut Sight) -> Result<Read> {
        let segment = Arc::clone(&sight.active);
        let Some((file, len)) = self.active_file(sight)? else {
            // One that is still to be made is not there yet.
            let is_gone = sight.inode.is_some();
            return Ok(if is_gone { Read::Otherwise } else { Read::Upto(Stop::End) });
        };
        let failed = |error| Error::io("read", segment.path(Part::Log), error);
        let position = segment.end();
        if len < position || !is_last_batch_there(&file, &sight.builder.facts).map_err(failed)? {
            let otherwise = sight.may_be_otherwise();
            return Ok(if otherwise { Read::Otherwise } else { Read::Upto(Stop::End) });
        }
        if len == position {
            return Ok(Read::Upto(Stop::End));
        }
        let log_start = self.published.number(|view| view.log_start_offset);
        let (mut aborted, mut other_term) = (Vec::new(), None);
        let walked = walk(&file, position, len, &mut |at, batch| {
            let header = batch.header();
            if let Some(cause) = sight.misplaced(header) {
                return ControlFlow::Break(cause);
            }
            if !sight.has_its_term(header, log_start) {
                other_term = header.leader_epoch().map(|epoch| (epoch, header.base_offset()));
                return ControlFlow::Break(Cause::Mismatch(WRONG_TERM));
            }
            sight.builder.add(at, batch);
            aborted.extend(replay::apply(&mut sight.producers, batch));
            (sight.log_end, sight.last_epoch) = (header.next_offset(), header.leader_epoch());
            ControlFlow::Continue(())
        });
        let walked = walked.map_err(failed);
        // Also if it ended in an error: what was taken in is taken in.
        let end = sight.builder.facts.log_bytes;
        if end > position {
            let (offsets, times) = sight.builder.take_entries();
            let facts = sight.builder.facts;
            segment.extend(Extension { end, facts, offsets, times, aborted });
            sight.producers.high_watermark_moved(sight.log_end);
            sight.in_vain = 0;
        }
        let stop = walked?.stop;
        Ok(match (stop, other_term) {
            (Stop::Failed(_), Some((epoch, base))) => Read::Epoch(epoch, base),
            (stop, _) => Read::Upto(stop),
        })
    }

    /// The active segment's file under its name, and its length; none if there is none, or another
    /// than there was.
    fn active_file(&self, sight: &mut Sight) -> Result<Option<(Arc<File>, u64)>> {
        let segment = &sight.active;
        let failed = |error| Error::io("look at", segment.path(Part::Log), error);
        let name = names::name(segment.base_offset(), Part::Log);
        let Some(named) = self.context.dir.stamp_of(&name).map_err(failed)? else {
            return Ok(None);
        };
        if sight.inode.is_some_and(|inode| inode != named.inode) {
            return Ok(None);
        }
        let mut file = segment.log_file()?;
        if file.stamp().map_err(failed)?.inode != named.inode {
            drop(file);
            segment.log_handle().close();
            file = segment.log_file()?;
        }
        let stamp = file.stamp().map_err(failed)?;
        if stamp.inode != named.inode {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        }
        sight.inode = Some(stamp.inode);
        Ok(Some((file, stamp.len)))
    }

    /// The segment behind the active one, if it is there.
    fn next_segment(&self, sight: &Sight) -> Result<Option<Offset>> {
        let (base, log_end) = (sight.active.base_offset(), sight.log_end);
        if log_end > base {
            let name = names::name(log_end, Part::Log);
            let there = self.context.dir.stamp_of(&name);
            let path = || self.context.dir.path().join(&name);
            if there.map_err(|error| Error::io("look at", path(), error))?.is_some() {
                return Ok(Some(log_end));
            }
        }
        if sight.is_strict() {
            return Ok(None);
        }
        Ok(sight.later.iter().copied().find(|&later| later > base && later >= log_end))
    }

    /// Leaves the active segment, which has ended, for the one behind it.
    fn move_on(&self, sight: &mut Sight, next: Offset) {
        let (old, mut facts) = (&sight.active, sight.builder.facts);
        // A cut inside its last batch leaves a hole at its end.
        facts.dense &= facts.next_offset == next;
        let entry = self.ledger().entry(old.base_offset()).copied();
        let known = match entry.filter(|entry| entry.log_bytes == facts.log_bytes) {
            Some(entry) => known_by(&entry),
            None => Known { facts: Some(facts), ..Known::unseen(old.end()) },
        };
        let finished = Segment::new(self.shared(), old.base_offset(), known);
        if let Some(aborted) = old.aborted() {
            finished.set_aborted(aborted.to_vec());
        }
        let known = Known {
            facts: Some(Facts::empty(next)),
            offset_index: Source::held(Vec::new()),
            time_index: Source::held(Vec::new()),
            aborted: Some(Vec::new()),
            ..Known::unseen(0)
        };
        let active = Arc::new(Segment::new(self.shared(), next, known));
        let view = self.published.view();
        let mut segments = view.segments.to_vec();
        segments.pop();
        segments.extend([Arc::new(finished), Arc::clone(&active)]);
        sight.active = active;
        sight.builder = Builder::new(next, self.shared().index_interval_bytes);
        sight.log_end = sight.log_end.max(next);
        (sight.inode, sight.next_seen, sight.stuck) = (None, None, None);
        self.show(sight, Some(segments), view.log_start_offset);
    }

    /// Notes since when the batch fails that should be the next one.
    fn note_stuck(&self, sight: &mut Sight, stop: Stop) -> Result<()> {
        let Stop::Failed(cause) = stop else {
            sight.stuck = None;
            return Ok(());
        };
        let (segment, position) = (&sight.active, sight.active.end());
        let failed = |error| Error::io("read", segment.path(Part::Log), error);
        let file = segment.log_file()?;
        if !is_grown_past(&file, position).map_err(failed)? {
            sight.stuck = None;
            return Ok(());
        }
        let now = self.context.store.clock.now_ms();
        let stuck = match sight.stuck.take().filter(|stuck| stuck.position == position) {
            Some(stuck) => stuck,
            None => Stuck { position, since: now, told: None },
        };
        let is_damage = now.saturating_sub(stuck.since) >= PATIENCE_MS;
        let told = is_damage.then(|| Error::corrupt(segment.path(Part::Log), position, cause));
        sight.stuck = Some(Stuck { told, ..stuck });
        Ok(())
    }
}

const WRONG_TERM: &str = "its leader epoch is none that can stand there";

/// Whether the last batch that was seen is still where it was: whoever took it back may have written
/// another one there.
fn is_last_batch_there(file: &File, facts: &Facts) -> std::io::Result<bool> {
    let Some((position, crc)) = facts.last_batch else { return Ok(true) };
    let mut bytes = [0; HEADER_LEN];
    let read = file.read_at(&mut bytes, position)?;
    Ok(BatchHeader::decode(&bytes[..read]).is_ok_and(|header| header.crc() == crc))
}

/// Whether the file goes on behind the batch that begins at `position`, as far as that can be told.
fn is_grown_past(file: &File, position: u64) -> std::io::Result<bool> {
    let mut bytes = [0; HEADER_LEN];
    let read = file.read_at(&mut bytes, position)?;
    if read < HEADER_LEN {
        return Ok(false);
    }
    Ok(match BatchHeader::decode(&bytes) {
        Ok(header) => position + header.size_bytes() as u64 <= file.len()?,
        Err(_) => true,
    })
}
