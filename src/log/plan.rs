//! Opening plans: what a log's files come to, found without a write. The first write applies it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::LEADER_EPOCHS;
use super::context::{Context, KafkaSays};
use super::leader_epoch_file;
use super::leader_epochs::LeaderEpochs;
use super::ledger::Ledger;
use super::listing::Listing;
use super::manifest::{Change, Entry, SegmentEntry};
use super::opened::Tip;
use super::producers::Producers;
use super::replay::{check_memory, producers_at};
use super::scan::{Scanned, Scanner, for_each_batch};
use super::seal::facts_of;
use super::view::View;
use super::watermark::Slot;
use crate::error::{Cause, Error, Result};
use crate::fs::Dir;
use crate::record::{LeaderEpoch, Offset};
use crate::segment::names::{self, Part, SWAP};
use crate::segment::{Facts, Known, Segment, Shared, Source, Stop};

/// What an opening found, and what its first write has to do.
#[derive(Debug)]
pub(super) struct Plan {
    /// The segments as readers see them; the last one is to be appended to. May be empty only
    /// until the first write, if the log starts behind all that is there.
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) listing: Listing,
    pub(super) log_start: Offset,
    /// The offset that the next record gets.
    pub(super) log_end: Offset,
    /// Where the records end; below the log end if some are missing.
    pub(super) found_end: Offset,
    pub(super) durable_end: Offset,
    pub(super) producers: Option<Producers>,
    pub(super) last_stable_offset: Offset,
    pub(super) epochs: LeaderEpochs,
    /// Whether the leader-epoch file has to be written.
    pub(super) owes_epochs: bool,
    /// Closed, and nothing written since.
    pub(super) clean: bool,
    /// What is cut off: a torn tail, and zeros at the end of segments before it.
    pub(super) tails: Vec<Tail>,
    /// Segments behind a torn tail.
    pub(super) behind_tail: Vec<Offset>,
    /// Segments that a compaction made, ours or Kafka's, whose files do not have their names yet.
    pub(super) swaps: BTreeSet<Offset>,
    /// Segments whose records are in one of those of Kafka's as well.
    pub(super) swapped_out: Vec<Offset>,
    /// What takes the place of others by an open *replace*.
    pub(super) replacing: Vec<SegmentEntry>,
    /// Segments whose records are all deleted.
    pub(super) dead: Vec<Offset>,
    /// Records that are missing and were there once.
    pub(super) gap: Option<(Offset, Offset)>,
    /// Whether the user said that this is known.
    pub(super) gap_accepted: bool,
    /// Segments that the manifest has and the directory has not.
    pub(super) missing: Vec<Offset>,
    /// Damage that was found below the mark, in segments that were scanned.
    pub(super) damage: Vec<(Offset, u64, Cause)>,
    /// The cut that is to be carried out; where the log is to start over, if `starts_over`.
    pub(super) cut: Option<Offset>,
    /// Where the log is to start over, without anything that is there.
    pub(super) start_over: Option<Offset>,
}

/// Bytes of a segment that do not belong to the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) base_offset: Offset,
    /// Where they begin.
    pub(super) position: u64,
    /// The file's length.
    pub(super) len: u64,
    /// Nothing but zeros: nothing to keep.
    pub(super) zeros: bool,
}

/// What planning goes by.
pub(super) struct Planner<'a> {
    context: &'a Context,
    shared: &'a Shared,
    pub(super) ledger: &'a Ledger,
    pub(super) plan: Plan,
    no_epochs: bool,
}

/// The most that a leader-epoch file may be.
const MOST_EPOCH_BYTES: u64 = 16 << 20;

impl Plan {
    /// Looks at a partition's files.
    ///
    /// # Errors
    ///
    /// If something cannot be read; then everything is as it was, and the next use tries again.
    pub(super) fn make(context: &Context, shared: &Shared) -> Result<(Plan, Ledger)> {
        let ledger = Ledger::load(context)?;
        let listing = Listing::read(&context.dir)?;
        let open = ledger.open_changes().iter().filter(|_| ledger.proved);
        let start_over = open.clone().find_map(Change::start_over);
        let cut = open.flat_map(|change| &change.entries).find_map(|entry| match entry {
            Entry::Cut { point, .. } if start_over.is_none() => Some(*point),
            _ => None,
        });
        let plan = Plan {
            segments: Vec::new(),
            log_start: 0,
            log_end: 0,
            found_end: 0,
            durable_end: 0,
            producers: None,
            last_stable_offset: 0,
            epochs: LeaderEpochs::new(),
            owes_epochs: false,
            clean: false,
            tails: Vec::new(),
            behind_tail: Vec::new(),
            swaps: BTreeSet::new(),
            swapped_out: Vec::new(),
            replacing: Vec::new(),
            dead: Vec::new(),
            gap: None,
            gap_accepted: false,
            missing: Vec::new(),
            damage: Vec::new(),
            cut,
            start_over,
            listing,
        };
        let mut planner = Planner { context, shared, ledger: &ledger, plan, no_epochs: false };
        planner.read_epochs()?;
        if let Some(start) = start_over {
            planner.start_over(start);
        } else {
            planner.find_swaps()?;
            planner.find_log_start();
            planner.find_segments()?;
        }
        planner.find_end()?;
        let plan = planner.plan;
        Ok((plan, ledger))
    }

    /// What readers see of it.
    pub(super) fn view(&self) -> View {
        View {
            segments: Arc::new(self.segments.clone().into()),
            log_start_offset: self.log_start,
            log_end_offset: self.log_end,
            last_stable_offset: self.last_stable_offset,
            durable_end: self.durable_end,
            tip: self.segments.last().map_or(EMPTY_TIP, |last| tip_of(last)),
            epochs: Arc::new(self.epochs.clone()),
            gap: self.gap,
            cuts: 0,
            ended: false,
            stuck: None,
        }
    }
}

const EMPTY_TIP: Tip = Tip { base_offset: 0, bytes: 0, last_batch: None };

pub(super) fn tip_of(segment: &Segment) -> Tip {
    let facts = segment.known_facts();
    Tip {
        base_offset: segment.base_offset(),
        bytes: segment.end(),
        last_batch: facts.and_then(|facts| facts.last_batch),
    }
}

/// `leader-epoch-checkpoint`.
pub(super) enum EpochFile {
    Read(LeaderEpochs),
    /// Without a byte: of a new log, or one whose content was lost.
    Empty,
    /// Missing or damaged.
    Lost,
}

pub(super) fn read_epochs(dir: &Dir) -> Result<EpochFile> {
    let bytes = match dir.read_small(LEADER_EPOCHS, MOST_EPOCH_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => None,
        read => read.map_err(|e| Error::io("read", dir.path().join(LEADER_EPOCHS), e))?,
    };
    Ok(match bytes.as_deref().map(|bytes| (bytes.is_empty(), leader_epoch_file::decode(bytes))) {
        Some((true, _)) => EpochFile::Empty,
        Some((false, Ok(entries))) => {
            let entries = entries.iter().map(|entry| (entry.epoch, entry.start_offset));
            EpochFile::Read(LeaderEpochs::from_entries(entries))
        }
        Some((false, Err(_))) | None => EpochFile::Lost,
    })
}

/// The log start, by the manifest, by the segments that are there, and by Kafka's checkpoint.
pub(super) fn log_start_of(ledger: &Ledger, bases: &BTreeSet<Offset>, kafka: &KafkaSays) -> Offset {
    let first = bases.first().copied();
    // A sealed segment that is missing in front is missing data, and no new start.
    let sealed = ledger.entries().map(|entry| entry.base_offset).min();
    let sealed = sealed.filter(|_| ledger.proved);
    let first = first.into_iter().chain(sealed).min().unwrap_or(0);
    // Kafka's file has no checksum: it counts where ours may lack something.
    let counts = !ledger.proved || ledger.may_have_lost_changes(bases.iter().copied());
    let mut kafka = kafka.log_start.filter(|_| counts).unwrap_or(0);
    if let Some(slot) = ledger.slot().filter(|_| ledger.proved) {
        // Nor can it lie far behind what is there: a line that rotted empties no log.
        kafka = kafka.min(slot.durable_end.max(bases.last().copied().unwrap_or(0)));
    }
    first.max(ledger.log_start()).max(kafka)
}

/// How many bytes of a segment that is scanned are durable, and to which offset they lead.
fn durable_part(slot: Option<Slot>, base: Offset) -> (u64, Offset) {
    match slot {
        Some(slot) if slot.base_offset == base => (slot.point, slot.durable_end),
        // Only if it is to be cut: all of it was durable.
        Some(slot) if slot.base_offset > base => (u64::MAX, slot.durable_end),
        _ => (0, base),
    }
}

/// A segment as its entry in the manifest has it.
pub(super) fn known_by(entry: &SegmentEntry) -> Known {
    Known {
        end: entry.log_bytes,
        facts: Some(facts_of(entry)),
        offset_index: Source::File(entry.offset_index.map(Into::into)),
        time_index: Source::File(entry.time_index.map(Into::into)),
        aborted: None,
    }
}

impl Planner<'_> {
    /// Reads `leader-epoch-checkpoint`. A lost or damaged one is found again from the batches.
    fn read_epochs(&mut self) -> Result<()> {
        match read_epochs(&self.context.dir)? {
            EpochFile::Read(epochs) => self.plan.epochs = epochs,
            left => {
                self.no_epochs = matches!(left, EpochFile::Empty);
                self.plan.owes_epochs = true;
            }
        }
        Ok(())
    }

    /// All that is there is to go, and the log is empty at `start`.
    fn start_over(&mut self, start: Offset) {
        let plan = &mut self.plan;
        plan.dead = std::mem::take(&mut plan.listing.bases).into_iter().collect();
        (plan.log_start, plan.found_end) = (start, start);
        plan.epochs.clear();
        plan.owes_epochs = true;
        plan.producers = Some(Producers::new(start));
    }

    /// A segment, under the name that its file has.
    pub(super) fn segment(&self, base: Offset, known: Known) -> Segment {
        let name = names::name(base, Part::Log);
        let suffix = if self.plan.swaps.contains(&base) { SWAP } else { "" };
        Segment::named(self.shared, base, &(name + suffix), known)
    }

    fn find_log_start(&mut self) {
        let bases = &self.plan.listing.bases;
        self.plan.log_start = log_start_of(self.ledger, bases, &self.context.kafka);
    }

    /// Puts the chain of segments together: those that the manifest vouches for as it says, those
    /// before the mark as they lie, the others by scanning them.
    fn find_segments(&mut self) -> Result<()> {
        let mut bases: Vec<_> = self.plan.listing.bases.iter().copied().collect();
        if let Some(cut) = self.plan.cut {
            // Seen as if carried out: what begins behind the cut is gone.
            bases.retain(|&base| base <= cut);
        }
        bases.retain(|&base| !self.ledger.is_within(base));
        let start = self.plan.log_start;
        let alive = bases.partition_point(|&base| base <= start).saturating_sub(1);
        self.plan.dead.extend(bases.drain(..alive));
        let unsealed = self.first_unsealed(&bases);
        for &base in &bases[..unsealed] {
            let segment = self.settled(base)?;
            self.plan.segments.push(segment);
        }
        self.note_missing(&bases[..unsealed], bases.get(unsealed).copied());
        if unsealed == bases.len() {
            return self.end_without_scan();
        }
        if self.is_clean(&bases[unsealed..])? {
            return self.take_closed(bases[unsealed]);
        }
        self.scan_from(&bases, unsealed)
    }

    /// The first segment that has to be looked through. Before the mark's none has to; one that is
    /// to be cut is.
    fn first_unsealed(&self, bases: &[Offset]) -> usize {
        let last = bases.len().saturating_sub(1);
        if !self.ledger.proved || self.plan.cut.is_some() {
            return last;
        }
        let mark = self.ledger.slot().map_or(0, |slot| slot.base_offset);
        let is_unsealed = |&base: &Offset| base >= mark && self.ledger.entry(base).is_none();
        bases.iter().position(is_unsealed).unwrap_or(bases.len())
    }

    /// A segment that is not scanned.
    fn settled(&self, base: Offset) -> Result<Arc<Segment>> {
        let known = match self.ledger.entry(base) {
            Some(entry) => known_by(entry),
            None => Known::unseen(self.len_of(base)?),
        };
        Ok(Arc::new(self.segment(base, known)))
    }

    pub(super) fn len_of(&self, base: Offset) -> Result<u64> {
        self.segment(base, Known::unseen(0)).file_len()
    }

    /// Notes what the manifest says that there should be and is not.
    fn note_missing(&mut self, settled: &[Offset], next: Option<Offset>) {
        if !self.ledger.proved || self.plan.cut.is_some() {
            return;
        }
        let start = self.plan.log_start;
        for entry in self.ledger.entries() {
            let base = entry.base_offset;
            if entry.next_offset > start && !settled.contains(&base) && Some(base) != next {
                self.plan.gap.get_or_insert((base.max(start), entry.next_offset));
                self.plan.missing.push(base);
            }
        }
    }

    /// All segments are sealed, or there is none: the one that would be active is missing, or was
    /// never made.
    fn end_without_scan(&mut self) -> Result<()> {
        let last = self.plan.segments.last().map(|segment| segment.facts()).transpose()?;
        self.plan.found_end = last.map_or(self.plan.log_start, |facts| facts.next_offset);
        let snapshots = &self.plan.listing.snapshots;
        let producers = producers_at(
            self.context,
            snapshots,
            &self.plan.segments,
            self.plan.log_start,
            self.plan.found_end,
        )?;
        self.plan.producers = Some(producers);
        Ok(())
    }

    /// Whether the log was closed and nobody has written since: then nothing is scanned.
    fn is_clean(&self, unsealed: &[Offset]) -> Result<bool> {
        let (Some(slot), Some(closed)) = (self.ledger.slot(), self.ledger.closed()) else {
            return Ok(false);
        };
        let fits = self.ledger.proved
            && slot.clean
            && unsealed == [closed.base_offset]
            && slot.base_offset == closed.base_offset
            && slot.point == closed.log_bytes
            && slot.durable_end == closed.next_offset
            && self.plan.cut.is_none();
        Ok(fits && self.len_of(closed.base_offset)? == closed.log_bytes)
    }

    fn take_closed(&mut self, base: Offset) -> Result<()> {
        let Some(closed) = self.ledger.closed().copied() else { return Ok(()) };
        let segment = Segment::new(self.shared, base, known_by(&closed));
        if closed.txn_index.is_none() {
            segment.set_aborted(Vec::new());
        }
        if let Some(sum) = closed.txn_index
            && let Some(aborted) = segment.read_aborted(Some(sum.into()))?
        {
            segment.set_aborted(aborted);
        }
        self.plan.segments.push(Arc::new(segment));
        self.plan.clean = true;
        self.plan.found_end = closed.next_offset;
        let producers = producers_at(
            self.context,
            &self.plan.listing.snapshots,
            &self.plan.segments,
            self.plan.log_start,
            closed.next_offset,
        )?;
        self.plan.producers = Some(producers);
        Ok(())
    }

    /// Scans the segments from `unsealed` on.
    fn scan_from(&mut self, bases: &[Offset], unsealed: usize) -> Result<()> {
        let first = bases[unsealed];
        let proved = self.ledger.proved;
        let slot = self.ledger.slot().copied().filter(|_| proved);
        let mut producers = producers_at(
            self.context,
            &self.plan.listing.snapshots,
            &self.plan.segments,
            self.plan.log_start,
            first,
        )?;
        let before = self.plan.segments.last().and_then(|last| last.known_facts());
        let before = before.map_or(first, |facts| facts.next_offset);
        if slot.is_some_and(|slot| !slot.gaps && first > slot.base_offset && first != before) {
            // A segment between was never durable, and is gone: so is what follows it.
            self.plan.behind_tail = bases[unsealed..].to_vec();
            self.plan.found_end = before;
            self.plan.producers = Some(producers);
            return Ok(());
        }
        let mut epochs = std::mem::take(&mut self.plan.epochs);
        let mut scanner = Scanner {
            producers: &mut producers,
            epochs: &mut epochs,
            gaps: slot.is_none_or(|slot| slot.gaps),
            most_epoch: slot.and_then(|slot| slot.leader_epoch),
            expected: first,
            last_epoch: None,
            vouched: if proved { 0 } else { self.context.kafka.recovery_point.unwrap_or(0) },
            until: self.plan.cut.unwrap_or(Offset::MAX),
            dense: self
                .ledger
                .closed()
                .filter(|it| it.dense)
                .map(|it| (it.base_offset, it.log_bytes)),
        };
        for (at, &base) in bases.iter().enumerate().skip(unsealed) {
            let (segment, scanned, len) =
                self.scan_one(&mut scanner, base, durable_part(slot, base))?;
            let next = bases.get(at + 1).copied();
            let goes_on = match next {
                // With gaps a segment is sealed before the next one is written to: one without
                // bytes shows only that the end of this one was lost.
                Some(next) if slot.is_some() && next > scanner.expected => {
                    scanner.gaps && self.len_of(next)? > 0
                }
                Some(next) => next == scanner.expected || scanner.gaps && next > scanner.expected,
                None => false,
            };
            let damage = scanned.damage.iter().map(|&(at, cause)| (base, at, cause));
            self.plan.damage.extend(damage);
            if scanned.end < len {
                let zeros = scanned.stop == Stop::Zeros;
                self.plan.tails.push(Tail { base_offset: base, position: scanned.end, len, zeros });
            }
            self.plan.segments.push(segment);
            let torn = matches!(scanned.stop, Stop::Failed(_));
            if torn || !goes_on {
                self.plan.behind_tail = bases[at + 1..].to_vec();
                break;
            }
            if let Some(next) = next {
                scanner.expected = next;
            }
        }
        self.plan.found_end = self.plan.cut.unwrap_or(scanner.expected);
        if self.plan.log_start > first {
            // Transactions are those of whole segments; a producer is known by what is left of it.
            let (start, end) = (self.plan.log_start, self.plan.found_end);
            producers = producers_at(self.context, &[], &self.plan.segments, start, end)?;
        }
        check_memory(self.context, &producers)?;
        self.plan.producers = Some(producers);
        self.plan.epochs = epochs;
        Ok(())
    }

    fn scan_one(
        &self,
        scanner: &mut Scanner<'_>,
        base: Offset,
        (point, durable_end): (u64, Offset),
    ) -> Result<(Arc<Segment>, Scanned, u64)> {
        let len = self.len_of(base)?;
        let segment = self.segment(base, Known::unseen(len));
        let interval = self.shared.index_interval_bytes;
        let mut scanned = scanner.scan(&segment, interval, (len, point), durable_end)?;
        let known = Known {
            end: scanned.end,
            facts: Some(scanned.facts),
            offset_index: Source::held(std::mem::take(&mut scanned.offsets)),
            time_index: Source::held(std::mem::take(&mut scanned.times)),
            aborted: Some(std::mem::take(&mut scanned.aborted)),
        };
        Ok((Arc::new(self.segment(base, known)), scanned, len))
    }

    /// What follows from where the records end.
    fn find_end(&mut self) -> Result<()> {
        let plan = &mut self.plan;
        let slot = self.ledger.slot().filter(|_| self.ledger.proved);
        let durable_end = slot.map_or(plan.found_end, |slot| slot.durable_end);
        let durable_end = plan.cut.map_or(durable_end, |cut| durable_end.min(cut));
        let durable_end = plan.start_over.unwrap_or(durable_end);
        if durable_end > plan.found_end && durable_end > plan.log_start {
            let from = plan.found_end.max(plan.log_start);
            plan.gap.get_or_insert((from, durable_end));
        }
        plan.log_end = plan.found_end.max(plan.log_start).max(durable_end);
        if slot.is_none() && plan.found_end < plan.log_start {
            plan.log_end = plan.log_start;
        }
        plan.durable_end = match slot {
            Some(_) if plan.clean => plan.log_end,
            Some(_) => durable_end.max(plan.log_start.min(plan.log_end)),
            None if self.context.kafka.stopped_cleanly => plan.log_end,
            None => self.context.kafka.recovery_point.unwrap_or(0).min(plan.log_end),
        };
        if let Some(producers) = &mut plan.producers {
            producers.high_watermark_moved(plan.log_end);
            plan.last_stable_offset = producers.last_stable_offset(plan.log_start, plan.log_end);
        }
        if plan.owes_epochs || !self.epochs_fit() {
            self.rebuild_epochs()?;
            self.plan.owes_epochs = !self.no_epochs || self.plan.epochs.latest().is_some();
        }
        let plan = &mut self.plan;
        plan.owes_epochs |= plan.epochs.truncate_from_end(plan.log_end);
        plan.owes_epochs |= plan.epochs.truncate_from_start(plan.log_start);
        if plan.segments.is_empty() {
            let known = Known {
                end: 0,
                facts: Some(Facts::empty(plan.log_end)),
                offset_index: Source::held(Vec::new()),
                time_index: Source::held(Vec::new()),
                aborted: Some(Vec::new()),
            };
            plan.segments.push(Arc::new(Segment::new(self.shared, plan.log_end, known)));
        }
        Ok(())
    }

    /// Whether the leader epochs, whose file has no checksum, are those in which the segments end
    /// that the manifest vouches for.
    fn epochs_fit(&self) -> bool {
        let plan = &self.plan;
        plan.segments.iter().filter(|it| self.ledger.entry(it.base_offset()).is_some()).all(|it| {
            let facts = it.known_facts().filter(|facts| facts.next_offset > plan.log_start);
            facts.filter(|facts| facts.batches > 0).is_none_or(|facts| {
                plan.epochs.epoch_for_offset(facts.next_offset - 1) == facts.last_epoch
            })
        })
    }

    /// Finds the leader epochs again from the batches, where the file is lost: only segments whose
    /// last epoch differs from that of the one before can hold the start of one.
    fn rebuild_epochs(&mut self) -> Result<()> {
        let mut epochs = LeaderEpochs::new();
        let mut last: Option<LeaderEpoch> = None;
        for segment in &self.plan.segments {
            let same = segment
                .known_facts()
                .is_some_and(|facts| facts.last_epoch.is_none() || facts.last_epoch == last);
            if !same {
                for_each_batch(segment, &mut |batch| {
                    if let Some(epoch) = batch.header().leader_epoch()
                        && last.is_none_or(|last| epoch > last)
                    {
                        epochs.assign(epoch, batch.header().base_offset());
                        last = Some(epoch);
                    }
                })?;
            }
        }
        self.plan.epochs = epochs;
        Ok(())
    }
}
