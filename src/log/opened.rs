//! A log in use: what readers see, who writes, how far it is durable.

use std::sync::{Arc, OnceLock, PoisonError};

use super::apply;
use super::cleaner::Memories;
use super::context::Context;
use super::fetch::FetchOptions;
use super::flushes::Flushes;
use super::group::{Failure, Group};
use super::ledger::{Ledger, Mark};
use super::plan::Plan;
use super::producers::Producers;
use super::replay::Replayed;
use super::settings::Settings;
use super::sight::{Sight, plan_beside_writer};
use super::unsynced::Unsynced;
use super::view::{Published, View};
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::fs::Access;
use crate::index::AbortedTxn;
use crate::planted::{self, Bug};
use crate::record::Offset;
use crate::segment::names::{self, Part};
use crate::segment::{Limits, Segment, Shared};
use crate::sync::{Mutex, MutexGuard};

/// How far the active segment goes, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) base_offset: Offset,
    pub(crate) bytes: u64,
    /// Where the last batch lies, and its crc field.
    pub(crate) last_batch: Option<(u64, u32)>,
}

/// A log whose opening was planned.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(super) context: Arc<Context>,
    shared: Shared,
    pub(super) published: Arc<Published>,
    pub(super) group: Group,
    /// What its flushes are like.
    pub(super) flushes: Flushes,
    writer: Mutex<Phase>,
    pub(super) ledger: Mutex<Ledger>,
    /// Names that were made or removed since the directory was last synced.
    pub(super) unsynced: Unsynced,
    /// Held while a segment's aborted transactions are found by replay; where that went last.
    pub(super) replaying: Mutex<Option<Box<Replayed>>>,
    /// What is known of the files, if other processes write them.
    pub(super) sight: Option<Box<Mutex<Sight>>>,
    /// By which number changes of its directory are told, once somebody waits for them.
    pub(super) watched: OnceLock<Option<i32>>,
    /// Held while it is cleaned.
    pub(super) cleaning: Mutex<()>,
    pub(super) cleanings: Memories,
}

/// Whether the plan was applied yet.
#[derive(Debug)]
enum Phase {
    Planned {
        plan: Box<Plan>,
        /// Whether nobody has begun to carry it out, or told us something that it goes by.
        is_untouched: bool,
    },
    Live(Box<Writer>),
    Closed,
    /// Other processes write; this one never does.
    Elsewhere,
}

impl Opened {
    /// Plans the opening of a log. Writes nothing.
    pub(super) fn plan(context: Arc<Context>) -> Result<Opened> {
        let shared = Shared {
            dir: context.dir.clone(),
            handles: context.store.handles.clone(),
            cache: context.store.cache.clone(),
            reads: context.store.reads.clone(),
            access: if context.read_only { Access::Read } else { Access::Write },
            map_indexes: context.store.map_indexes,
            index_interval_bytes: context.config.settings().index_interval_bytes,
        };
        let (plan, ledger, sight) = if context.read_only {
            let (mut plan, ledger, planned) = plan_beside_writer(&context, &shared)?;
            let sight = Sight::of(&mut plan, &ledger, &planned, shared.index_interval_bytes)?;
            (plan, ledger, Some(Box::new(Mutex::new(sight))))
        } else {
            let (plan, ledger) = Plan::make(&context, &shared)?;
            (plan, ledger, None)
        };
        let published = Arc::new(Published::new(plan.view()));
        let group = Group::new(plan.durable_end, context.store.sync_timeout);
        let phase = match sight {
            Some(_) => Phase::Elsewhere,
            None => Phase::Planned { plan: Box::new(plan), is_untouched: true },
        };
        Ok(Opened {
            published,
            group,
            flushes: Flushes::default(),
            writer: Mutex::new(phase),
            ledger: Mutex::new(ledger),
            sight,
            watched: OnceLock::new(),
            unsynced: Unsynced::default(),
            replaying: Mutex::default(),
            cleaning: Mutex::default(),
            cleanings: Mutex::default(),
            shared,
            context,
        })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn settings(&self) -> &Settings {
        self.context.config.settings()
    }

    /// Runs `work` with the writer; the first time the plan is carried out before.
    pub(super) fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        if self.context.read_only {
            return Err(Error::ReadOnly);
        }
        let mut phase = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked only now: whoever had the writer may have left it half way through a change.
        if let Some(first) = self.group.poison() {
            return Err(Error::Poisoned(Arc::new(first)));
        }
        if let Phase::Planned { plan, is_untouched } = &mut *phase {
            *is_untouched = false;
            let writer = apply::apply(self, plan)?;
            *phase = Phase::Live(Box::new(writer));
        }
        match &mut *phase {
            Phase::Live(writer) => work(writer),
            Phase::Planned { .. } | Phase::Closed => Err(Error::Closed),
            Phase::Elsewhere => Err(Error::ReadOnly),
        }
    }

    /// Lets the plan be applied although records are missing.
    pub(super) fn accept_gaps(&self) {
        let mut phase = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Phase::Planned { plan, is_untouched } = &mut *phase {
            (plan.gap_accepted, *is_untouched) = (true, false);
        }
    }

    /// The plan, if it is as it was made.
    pub(super) fn untouched_plan(&mut self) -> Option<&Plan> {
        match self.writer.get_mut() {
            Ok(Phase::Planned { plan, is_untouched: true }) => Some(plan),
            _ => None,
        }
    }

    /// Takes the writer away for good; `None` if nothing was written in this opening.
    pub(super) fn take_writer(&self) -> Result<Option<Box<Writer>>> {
        let mut phase = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *phase, Phase::Closed) {
            Phase::Live(writer) => Ok(Some(writer)),
            Phase::Planned { .. } | Phase::Elsewhere => Ok(None),
            Phase::Closed => Err(Error::Closed),
        }
    }

    /// Whether the plan was carried out, and whether it found the log closed cleanly.
    pub(super) fn is_untouched_and_clean(&self) -> (bool, bool) {
        let phase = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*phase {
            Phase::Planned { plan, .. } => (true, plan.clean),
            Phase::Elsewhere => (true, true),
            Phase::Live(_) | Phase::Closed => (false, false),
        }
    }

    /// Looks at the producers as they are now; none once the log is closed.
    pub(super) fn with_producers<T>(&self, look: impl FnOnce(&Producers) -> T) -> Option<T> {
        let phase = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*phase {
            Phase::Planned { plan, .. } => plan.producers.as_ref().map(look),
            Phase::Live(writer) => Some(look(&writer.producers)),
            Phase::Closed | Phase::Elsewhere => None,
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything fails from now on: what the disk holds is not known.
    pub(super) fn poison(&self, first: &Error) {
        self.group.set_poison(first.clone());
        self.published.publish(|view| view.ended = true);
    }

    /// The error of a sync outside the group's turn: one that is final poisons.
    pub(super) fn failed(&self, failure: Failure) -> Error {
        if let Failure::Final(error) = &failure {
            self.poison(error);
        }
        failure.into_error()
    }

    /// Syncs the `.log` of a segment. A failure poisons: what a second one said would not be true.
    pub(super) fn sync_log(&self, segment: &Segment) -> Result<()> {
        segment.log_file()?.sync().map_err(|error| {
            let error = Error::io("sync", segment.path(Part::Log), error);
            self.poison(&error);
            error
        })
    }

    /// The first offset that a reader may not see. A poisoned log reads up to its durable end.
    pub(super) fn readable_end(&self, view: &View, options: FetchOptions) -> Offset {
        let bound = view.bound(options);
        match self.group.poison() {
            Some(_) => bound.min(view.durable_end),
            None => bound,
        }
    }

    /// The settings of a new segment, its jitter drawn.
    pub(super) fn limits(&self, seed: &mut u64) -> Limits {
        let settings = self.settings();
        // A linear congruential step: jitter spreads work, it keeps no secret.
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = settings.segment_jitter_ms.min(settings.max_segment_ms());
        let jitter = if most > 0 { ((*seed >> 33) as i64) % most } else { 0 };
        Limits {
            segment_bytes: settings.segment_bytes(),
            index_bytes: settings.segment_index_bytes,
            index_interval_bytes: settings.index_interval_bytes,
            segment_ms: settings.max_segment_ms() - jitter,
            preallocate: settings.preallocate,
            zeros_ahead: self.context.store.zeros_ahead,
        }
    }

    pub(super) fn check_segment_size(&self, bytes: usize) -> Result<()> {
        let limit = self.settings().segment_bytes() as usize;
        if bytes > limit { Err(Error::BatchTooLarge { size: bytes, limit }) } else { Ok(()) }
    }

    pub(super) fn remove_if_there(&self, name: &str) -> Result<()> {
        match self.shared.dir.remove(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(self.io("remove", name, error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn replace_small(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.shared.dir.replace_small(name, bytes).map_err(|error| self.io("write", name, error))
    }

    /// Writes a file under its final name, unsynced; what it holds has a checksum of its own.
    pub(super) fn write_plain(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.remove_if_there(name)?;
        let written = self.shared.dir.create(name).and_then(|file| file.write_all_at(bytes, 0));
        self.unsynced.note();
        written.map_err(|error| self.io("write", name, error))
    }

    pub(super) fn sync_file(&self, name: &str) -> Result<()> {
        let synced = self.shared.dir.open(name, Access::Write).and_then(|file| file.sync());
        synced.map_err(|error| self.io("sync", name, error))
    }

    pub(super) fn io(&self, doing: &'static str, name: &str, error: std::io::Error) -> Error {
        Error::io(doing, self.shared.dir.path().join(name), error)
    }

    /// Syncs the directory if entries were made or removed in it.
    pub(super) fn sync_directory(&self) -> Result<()> {
        let dir = &self.shared.dir;
        self.unsynced.settle(|| dir.sync().map_err(|error| Error::io("sync", dir.path(), error)))
    }

    /// Returns once everything below `end` survives a loss of power.
    pub(super) fn reach(&self, end: Offset) -> Result<()> {
        let result = self.group.reach(end, || self.sync_published());
        if self.group.poison().is_some() {
            self.published.publish(|view| view.ended = true);
        }
        result
    }

    /// Makes durable what is published now; returns the offset behind it.
    pub(super) fn sync_published(&self) -> std::result::Result<Offset, Failure> {
        let view = self.published.view();
        self.seal_older(&view)?;
        let Some(active) = view.segments.last() else { return Ok(view.log_end_offset) };
        let file = active.log_file().map_err(Failure::Passing)?;
        let mark = Mark { tip: view.tip, durable_end: view.log_end_offset };
        if planted::on(Bug::MarkBeforeSync) {
            self.ledger().note_durable(mark, self.context.store.clock.now_ms());
        }
        let synced = if planted::on(Bug::DataNotSynced) { Ok(()) } else { file.sync() };
        let synced = synced.map_err(|error| Error::io("sync", active.path(Part::Log), error));
        let synced = match synced {
            Err(_) if planted::on(Bug::SecondSyncCounts) => {
                self.sync_file(&names::name(active.base_offset(), Part::Log))
            }
            synced => synced,
        };
        synced.and_then(|()| self.sync_directory()).map_err(Failure::Final)?;
        self.published.publish(|view_now| {
            view_now.durable_end = view_now.durable_end.max(view.log_end_offset);
        });
        self.flushes.note(view.tip.base_offset, view.tip.bytes);
        self.ledger().note_durable(mark, self.context.store.clock.now_ms());
        Ok(view.log_end_offset)
    }

    /// Seals all inactive segments of a view that are not sealed yet, oldest first.
    pub(super) fn seal_older(&self, view: &View) -> std::result::Result<(), Failure> {
        let mut ledger = self.ledger();
        for (index, segment) in view.segments.iter().enumerate() {
            let Some(next) = view.segments.get(index + 1) else { break };
            if !ledger.is_sealed(segment.base_offset()) {
                self.seal(&mut ledger, segment, next.base_offset())?;
            }
        }
        Ok(())
    }

    /// Seals until at most one inactive segment is unsealed, so that after a roll at most two
    /// segments have to be scanned.
    pub(super) fn make_room_for_roll(&self) -> Result<()> {
        let view = self.published.view();
        let unsealed = {
            let ledger = self.ledger();
            let inactive = view.segments.len() - 1;
            view.segments[..inactive]
                .iter()
                .filter(|segment| !ledger.is_sealed(segment.base_offset()))
                .count()
        };
        if unsealed == 0 {
            return Ok(());
        }
        self.seal_older(&view).map_err(|failure| self.failed(failure))
    }

    /// Seals the segment that is rolled away from, if offsets may be left out behind it.
    pub(super) fn seal_if_gaps(&self, segment: &Arc<Segment>, next_offset: Offset) -> Result<()> {
        let mut ledger = self.ledger();
        if !ledger.slot().is_some_and(|slot| slot.gaps) {
            return Ok(());
        }
        self.seal(&mut ledger, segment, next_offset).map_err(|failure| {
            drop(ledger);
            self.failed(failure)
        })
    }

    /// Lets offsets be left out and epochs fall from here on, which the watermark has to say before
    /// the first such batch is written.
    pub(super) fn allow_gaps(&self, _writer: &Writer) -> Result<()> {
        if self.ledger().slot().is_some_and(|slot| slot.gaps) {
            return Ok(());
        }
        self.make_room_for_roll()?;
        self.ledger().change_slots(|slot| slot.gaps = true)
    }

    /// The aborted transactions whose markers lie in a segment.
    pub(super) fn aborted_in(&self, segment: &Arc<Segment>) -> Result<Arc<Vec<AbortedTxn>>> {
        match segment.aborted() {
            Some(aborted) => Ok(aborted),
            None => super::replay::aborted_in(self, segment),
        }
    }
}
