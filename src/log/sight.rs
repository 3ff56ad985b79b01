//! What a reader has in sight of a log that another process writes, and looking at it again.
//!
//! No lock is taken and nothing is written, so a look begins again when something was changed under
//! it: the manifest tells, which is the same file with the same length before and after, or a file
//! that is gone. Kafka has no manifest; there the times and names in the directory tell.
//!
//! Most looks find nothing but new batches in the active segment, or a segment behind it, and read no
//! more than that (`growth`). What was rolled, sealed, deleted or compacted since is found by the
//! manifest and the names. What cannot be understood as any of these, a cut for one, is planned
//! anew, as a new process would.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::MANIFEST;
use super::context::{Context, KafkaSays};
use super::leader_epochs::LeaderEpochs;
use super::ledger::Ledger;
use super::listing::Listing;
use super::opened::Opened;
use super::plan::{EpochFile, Plan, known_by, log_start_of, read_epochs};
use super::producers::Producers;
use super::seal::facts_of;
use super::view::View;
use crate::error::{Error, Result};
use crate::fs::Stamp;
use crate::record::{LeaderEpoch, Offset};
use crate::segment::names::{self, Part};
use crate::segment::{Builder, Known, Segment, Shared};

/// So often a look is begun again because something changed under it.
const MOST_LOOKS: usize = 1000;
/// One look plans no more often.
const MOST_PLANS: usize = 5;
/// What planning finds so often is so.
const MOST_IN_VAIN: u32 = 3;
/// A directory may have changed after it was listed, and have the same time: no file system counts
/// in longer steps.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// What is known of the files of a log that another process writes.
#[derive(Debug)]
pub(super) struct Sight {
    stamps: Stamps,
    /// When that time of the directory was first seen, and when the directory was last listed.
    listed: (Instant, Instant),
    /// Whether nobody but strandline has written here.
    pub(super) proved: bool,
    /// Whether offsets may be left out and epochs may fall.
    pub(super) gaps: bool,
    /// The highest term that any batch can have.
    pub(super) most_epoch: Option<LeaderEpoch>,
    /// What Kafka's checkpoints say.
    kafka: KafkaSays,
    /// The last segment, which grows.
    pub(super) active: Arc<Segment>,
    /// Which file that is; none while it is not there.
    pub(super) inode: Option<(u64, u64)>,
    pub(super) builder: Builder,
    pub(super) producers: Producers,
    /// What `leader-epoch-checkpoint` says.
    pub(super) epochs: LeaderEpochs,
    /// The last batch's term.
    pub(super) last_epoch: Option<LeaderEpoch>,
    /// The offset that comes next.
    pub(super) log_end: Offset,
    /// Whether the log is being cut: what lies behind the cut is no part of it any more.
    pub(super) is_cut: bool,
    /// Segments behind the active one, when the directory was last listed.
    pub(super) later: Vec<Offset>,
    /// The segment behind the active one, once it was seen.
    pub(super) next_seen: Option<Offset>,
    /// Which files Kafka's inactive segments were.
    files: BTreeMap<Offset, Stamp>,
    /// Where a batch fails, since when, and what is wrong with it.
    pub(super) stuck: Option<super::growth::Stuck>,
    /// How often the log was planned anew and found as before.
    pub(super) in_vain: u32,
}

/// By what it is seen that something happened.
#[derive(Clone, Copy, Debug)]
struct Stamps {
    dir: Stamp,
    manifest: Option<Stamp>,
}

impl Stamps {
    /// # Errors
    ///
    /// `NotFound` if the partition is not there any more.
    fn of(context: &Context) -> Result<Stamps> {
        let dir = &context.dir;
        let failed = |error| Error::io("look at", dir.path(), error);
        let stamp = dir.stamp().map_err(failed)?.ok_or_else(|| gone(context))?;
        let manifest = match dir.stamp_of(MANIFEST) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(gone(context)),
            stamp => stamp.map_err(failed)?,
        };
        Ok(Stamps { dir: stamp, manifest })
    }

    fn has_manifest_of(&self, other: &Stamps) -> bool {
        match (&self.manifest, &other.manifest) {
            (Some(mine), Some(other)) => mine.is_same_file(other),
            (mine, other) => mine.is_none() && other.is_none(),
        }
    }
}

fn gone(context: &Context) -> Error {
    Error::NotFound(format!("partition {}-{}", context.topic, context.partition))
}

/// Whether an error can come of what another process does, so that the next look finds another
/// state.
fn may_pass(error: &Error) -> bool {
    let passes = [ErrorKind::NotFound, ErrorKind::UnexpectedEof];
    matches!(error, Error::Io { source, .. } if passes.contains(&source.kind()))
}

/// What another process does not change under it.
pub(super) fn plan_beside_writer(
    context: &Context,
    shared: &Shared,
) -> Result<(Plan, Ledger, Planned)> {
    let mut context = context.clone();
    let mut looks = 0;
    loop {
        if let Some(says) = context.store.gate.look(&context.topic, context.partition)? {
            context.kafka = says;
        }
        let before = Stamps::of(&context)?;
        let result = Plan::make(&context, shared);
        let after = Stamps::of(&context)?;
        let is_same = before.has_manifest_of(&after) && before.dir.inode == after.dir.inode;
        looks += 1;
        match result {
            Ok((plan, ledger)) if is_same || looks >= MOST_LOOKS => {
                return Ok((plan, ledger, Planned { stamps: before, kafka: context.kafka }));
            }
            Err(error) if looks >= MOST_LOOKS || is_same && !may_pass(&error) => {
                return Err(error);
            }
            _ => {}
        }
    }
}

/// How it was when a log was planned.
pub(super) struct Planned {
    stamps: Stamps,
    kafka: KafkaSays,
}

impl Sight {
    /// What is known once the log was planned.
    pub(super) fn of(
        plan: &mut Plan,
        ledger: &Ledger,
        planned: &Planned,
        interval: u32,
    ) -> Result<Sight> {
        let Some(active) = plan.segments.last().map(Arc::clone) else {
            return Err(Error::Invalid("a log without segments cannot be followed".into()));
        };
        active.hold_indexes()?;
        let facts = active.facts()?;
        let slot = ledger.slot().filter(|_| ledger.proved);
        let now = Instant::now();
        let since = active.bytes_since_entry();
        let base = active.base_offset();
        Ok(Sight {
            stamps: planned.stamps,
            listed: (now, now),
            proved: ledger.proved,
            gaps: slot.is_none_or(|slot| slot.gaps),
            most_epoch: slot.and_then(|slot| slot.leader_epoch),
            kafka: planned.kafka,
            inode: None,
            builder: Builder::resume(base, interval, facts, since),
            producers: plan.producers.take().unwrap_or_else(|| Producers::new(plan.log_start)),
            epochs: plan.epochs.clone(),
            last_epoch: facts.last_epoch.or(plan.epochs.latest()),
            log_end: plan.log_end,
            is_cut: plan.cut.is_some() || plan.start_over.is_some(),
            later: Vec::new(),
            next_seen: None,
            files: BTreeMap::new(),
            stuck: None,
            in_vain: 0,
            active,
        })
    }

    /// Whether planning the log again could find it otherwise than it was found several times.
    pub(super) fn may_be_otherwise(&self) -> bool {
        self.in_vain < MOST_IN_VAIN
    }

    /// Whether each batch begins where the one before ended, in terms that never fall.
    pub(super) fn is_strict(&self) -> bool {
        self.proved && !self.gaps
    }

    /// Whether the directory has to be listed again to know what is in it.
    fn has_changed(&self, now: &Stamps) -> bool {
        if self.proved {
            return !self.stamps.has_manifest_of(now);
        }
        let (first_seen, listed) = self.listed;
        self.stamps.dir.changed_ns != now.dir.changed_ns
            || listed.duration_since(first_seen) < LONGEST_STEP
    }

    /// Notes how the directory was before it was listed.
    fn note_listed(&mut self, now: Stamps) {
        let at = Instant::now();
        if self.stamps.dir.changed_ns != now.dir.changed_ns {
            self.listed.0 = at;
        }
        self.listed.1 = at;
        if !self.stamps.has_manifest_of(&now) {
            self.in_vain = 0;
        }
        self.stamps = now;
    }
}

impl Opened {
    /// Sees what other processes have written since, if they write the log. `closely` for who has
    /// found that something is not as it was said to be.
    ///
    /// # Errors
    ///
    /// `NotFound` if the topic was deleted; `Io`: then everything is shown as before.
    pub(super) fn look_again(&self, closely: bool) -> Result<()> {
        let Some(sight) = &self.sight else { return Ok(()) };
        let mut sight = sight.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.look_until_seen(&mut sight, closely);
        if matches!(result, Err(Error::NotFound(_))) {
            self.published.publish(|view| view.ended = true);
        }
        result
    }

    fn look_until_seen(&self, sight: &mut Sight, mut closely: bool) -> Result<()> {
        let (mut last, mut plans, mut is_planned) = (None, 0, false);
        for _ in 0..MOST_LOOKS {
            // What was planned just now is only read on.
            let seen = if is_planned { self.grow(sight) } else { self.look_once(sight, closely) };
            is_planned = false;
            match seen {
                Ok(true) => return Ok(()),
                Ok(false) if plans >= MOST_PLANS => return Ok(()),
                Ok(false) => {
                    self.plan_again(sight)?;
                    (plans, is_planned) = (plans + 1, true);
                }
                Err(error) if may_pass(&error) => (last, closely) = (Some(error), true),
                Err(error) => return Err(error),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Reads from what is shown; what was taken away or put in another's place meanwhile is read as
    /// it is now.
    pub(super) fn read<T>(&self, work: impl Fn(&View) -> Result<T>) -> Result<T> {
        let mut looks = 0;
        loop {
            let view = self.published.view();
            let result = work(&view);
            let Err(error) = &result else { return result };
            let may_be_otherwise = matches!(error, Error::Io { .. } | Error::Corrupt { .. });
            if self.sight.is_some() && may_be_otherwise && looks < MOST_LOOKS {
                looks += 1;
                self.look_again(true)?;
                if !Arc::ptr_eq(&self.published.view().segments, &view.segments) {
                    continue;
                }
            }
            if self.published.view().cuts == view.cuts {
                return result;
            }
        }
    }

    /// Waits until `seen` holds, at most `timeout`; says whether it holds.
    ///
    /// # Errors
    ///
    /// As [`Opened::look_again`].
    pub(super) fn wait(&self, timeout: Duration, seen: impl Fn(&View) -> bool) -> Result<bool> {
        if self.sight.is_none() {
            return Ok(self.published.wait(timeout, seen));
        }
        let deadline = Instant::now().checked_add(timeout);
        let changes = &self.context.store.changes;
        loop {
            let number = self.watch();
            let count = changes.count(number);
            self.look_again(false)?;
            if self.published.wait(Duration::ZERO, &seen) {
                return Ok(true);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if left.is_zero() || self.published.view().ended {
                return Ok(false);
            }
            changes.wait(number, count, left);
        }
    }

    /// Has changes of the log's files told from now on; by which number, or none if nothing tells.
    pub(super) fn watch(&self) -> Option<i32> {
        self.sight.as_ref()?;
        *self.watched.get_or_init(|| self.context.store.changes.watch(&self.context.dir))
    }

    /// Plans the log anew, as a new process would.
    pub(super) fn plan_anew(&self) -> Result<()> {
        let Some(sight) = &self.sight else { return Ok(()) };
        self.plan_again(&mut sight.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn plan_again(&self, sight: &mut Sight) -> Result<()> {
        let (mut plan, ledger, planned) = plan_beside_writer(&self.context, self.shared())?;
        let interval = self.shared().index_interval_bytes;
        let mut found = Sight::of(&mut plan, &ledger, &planned, interval)?;
        if found.active.base_offset() == sight.active.base_offset() {
            // What fails fails since then, however often it is looked at.
            found.stuck = sight.stuck.take();
            let is_the_same = found.active.end() == sight.active.end();
            found.in_vain = if is_the_same { sight.in_vain + 1 } else { 0 };
        }
        *sight = found;
        *self.ledger() = ledger;
        let view = plan.view();
        self.published.publish(|shown| *shown = View { cuts: shown.cuts + 1, ..view });
        Ok(())
    }

    /// Looks once; says whether it could be understood.
    fn look_once(&self, sight: &mut Sight, closely: bool) -> Result<bool> {
        let now = Stamps::of(&self.context)?;
        if now.dir.inode != sight.stamps.dir.inode {
            // Another topic has taken the name.
            return Err(gone(&self.context));
        }
        if !sight.proved
            && let Some(says) = self.look_at_kafka()?
        {
            sight.kafka = says;
        }
        let tells_more = self.ledger().look_at_slots()?;
        if closely || tells_more || sight.has_changed(&now) {
            return Ok(self.look_at_segments(sight, now)? && self.grow(sight)?);
        }
        self.grow(sight)
    }

    fn look_at_kafka(&self) -> Result<Option<KafkaSays>> {
        self.context.store.gate.look(&self.context.topic, self.context.partition)
    }

    /// Looks at the segments again, and at what is said of them.
    pub(super) fn look_closely(&self, sight: &mut Sight) -> Result<bool> {
        let now = Stamps::of(&self.context)?;
        self.look_at_segments(sight, now)
    }

    /// Sees which segments there are now. Says whether that could be understood.
    fn look_at_segments(&self, sight: &mut Sight, now: Stamps) -> Result<bool> {
        sight.kafka = self.look_at_kafka()?.unwrap_or(self.context.kafka);
        let ledger = Ledger::load(&self.context)?;
        let listing = Listing::read(&self.context.dir)?;
        if !now.has_manifest_of(&Stamps::of(&self.context)?) {
            let error = ErrorKind::NotFound.into();
            return Err(Error::io("look at", self.context.dir.path(), error));
        }
        let is_open = ledger.proved && !ledger.open_changes().is_empty();
        let is_swapped = !ledger.proved && !listing.swaps.is_empty();
        if ledger.proved != sight.proved || is_open || is_swapped || sight.is_cut {
            return Ok(false);
        }
        let view = self.published.view();
        let log_start = log_start_of(&ledger, &listing.bases, &sight.kafka);
        let mut bases: Vec<_> = listing.bases.iter().copied().collect();
        bases.retain(|&base| !ledger.is_within(base));
        let active = sight.active.base_offset();
        let is_there = sight.inode.is_none() || bases.binary_search(&active).is_ok();
        if !is_there || log_start < view.log_start_offset {
            return Ok(false);
        }
        let first = bases.partition_point(|&base| base <= log_start).saturating_sub(1);
        let upto = bases.partition_point(|&base| base < active).max(first);
        let mut segments = Vec::new();
        for &base in &bases[first.min(upto)..upto] {
            if base >= active {
                break;
            }
            let Some(segment) = self.segment_now(sight, (&view, &ledger), base)? else {
                return Ok(false);
            };
            segments.push(segment);
        }
        let is_missing = |entry: &super::manifest::SegmentEntry| {
            entry.next_offset > log_start && bases.binary_search(&entry.base_offset).is_err()
        };
        if ledger.proved && ledger.entries().any(is_missing) && sight.may_be_otherwise() {
            return Ok(false);
        }
        segments.push(Arc::clone(&sight.active));
        sight.later = bases.iter().copied().filter(|&base| base > active).collect();
        if let EpochFile::Read(epochs) = read_epochs(&self.context.dir)? {
            sight.epochs = epochs;
        }
        let slot = ledger.slot().filter(|_| ledger.proved);
        sight.gaps = slot.is_none_or(|slot| slot.gaps);
        sight.most_epoch = slot.and_then(|slot| slot.leader_epoch);
        sight.producers.log_start_moved(log_start);
        sight.note_listed(now);
        *self.ledger() = ledger;
        self.show(sight, Some(segments), log_start);
        Ok(true)
    }

    /// An inactive segment as it is now; `None` if it is one that nobody has seen.
    fn segment_now(
        &self,
        sight: &mut Sight,
        (view, ledger): (&View, &Ledger),
        base: Offset,
    ) -> Result<Option<Arc<Segment>>> {
        let at = view.segments.binary_search_by_key(&base, |segment| segment.base_offset());
        let mine = at.ok().map(|at| &view.segments[at]).filter(|mine| mine.has_its_name());
        if let Some(entry) = ledger.entry(base) {
            if let Some(mine) = mine.filter(|_| self.ledger().entry(base) == Some(entry)) {
                return Ok(Some(Arc::clone(mine)));
            }
            let segment = Segment::new(self.shared(), base, known_by(entry));
            let same = |mine: &&Arc<Segment>| {
                let facts = mine.known_facts();
                facts.is_some_and(|facts| {
                    let now = facts_of(entry);
                    (facts.log_bytes, facts.log_crc) == (now.log_bytes, now.log_crc)
                })
            };
            if let Some(aborted) = mine.filter(same).and_then(|mine| mine.aborted()) {
                segment.set_aborted(aborted.to_vec());
            }
            return Ok(Some(Arc::new(segment)));
        }
        if sight.proved {
            return Ok(mine.map(Arc::clone));
        }
        let name = names::name(base, Part::Log);
        let path = || self.context.dir.path().join(&name);
        let stamp =
            self.context.dir.stamp_of(&name).map_err(|e| Error::io("look at", path(), e))?;
        let Some(stamp) = stamp else {
            return Err(Error::io("look at", path(), ErrorKind::NotFound.into()));
        };
        let before = sight.files.insert(base, stamp);
        if let Some(mine) = mine.filter(|_| before.is_some_and(|it| it.is_same_file(&stamp))) {
            return Ok(Some(Arc::clone(mine)));
        }
        Ok(Some(Arc::new(Segment::new(self.shared(), base, Known::unseen(stamp.len)))))
    }

    /// Shows what is in sight, and wakes who waits, if it is not shown yet.
    pub(super) fn show(
        &self,
        sight: &Sight,
        segments: Option<Vec<Arc<Segment>>>,
        log_start: Offset,
    ) {
        let mut view = self.published.view();
        let before = view.clone();
        if let Some(segments) = segments {
            let same = segments.len() == before.segments.len()
                && segments.iter().zip(before.segments.iter()).all(|(a, b)| Arc::ptr_eq(a, b));
            if !same {
                view.segments = Arc::new(segments.into());
            }
        }
        view.log_start_offset = log_start;
        view.log_end_offset = sight.log_end.max(log_start);
        let facts = &sight.builder.facts;
        view.tip = super::opened::Tip {
            base_offset: sight.active.base_offset(),
            bytes: sight.active.end(),
            last_batch: facts.last_batch,
        };
        view.last_stable_offset =
            sight.producers.last_stable_offset(log_start, view.log_end_offset);
        view.durable_end = self.durable_now(sight, &view);
        let mut epochs = sight.epochs.clone();
        epochs.truncate_from_start(log_start);
        epochs.truncate_from_end(view.log_end_offset);
        if epochs != *view.epochs {
            view.epochs = Arc::new(epochs);
        }
        view.stuck = sight.stuck.as_ref().and_then(|stuck| stuck.told.clone());
        if !view.shows_the_same_as(&before) {
            self.published.publish(|shown| *shown = view);
        }
    }

    fn durable_now(&self, sight: &Sight, view: &View) -> Offset {
        let (log_start, log_end) = (view.log_start_offset, view.log_end_offset);
        let ledger = self.ledger();
        let durable_end = match ledger.slot().filter(|_| sight.proved) {
            Some(slot) if slot.clean => log_end,
            Some(slot) => slot.durable_end.max(log_start),
            None if sight.kafka.stopped_cleanly => log_end,
            None => sight.kafka.recovery_point.unwrap_or(0),
        };
        durable_end.min(log_end)
    }
}
