//! What a log gets from the store that it belongs to.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::changes::Changes;
use super::config::LogConfig;
use super::rest::Resting;
use super::topic_id::TopicId;
use crate::clock::Clock;
use crate::error::Result;
use crate::fs::{Dir, Handles};
use crate::record::Offset;
use crate::segment::{IndexCache, Reads};
use crate::sync::{Condvar, Mutex};

/// One log's place, name, settings and surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The partition's directory.
    pub(crate) dir: Dir,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) topic_id: Option<TopicId>,
    /// The topic's: one for all its logs.
    pub(crate) config: Arc<LogConfig>,
    pub(crate) read_only: bool,
    /// What Kafka's files in the log directory say of this log.
    pub(crate) kafka: KafkaSays,
    pub(crate) store: Arc<Surroundings>,
}

/// What Kafka's checkpoint files say of one log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KafkaSays {
    /// First offset not known to be flushed.
    pub(crate) recovery_point: Option<Offset>,
    /// First offset that may be read.
    pub(crate) log_start: Option<Offset>,
    /// Whether the clean marker stood when the store was opened.
    pub(crate) stopped_cleanly: bool,
}

/// What all logs of a store share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) handles: Handles,
    pub(crate) cache: IndexCache,
    pub(crate) reads: Reads,
    /// Whether finished indexes are mapped rather than read.
    pub(crate) map_indexes: bool,
    /// Zeros that are kept written ahead of the last batch of an active segment.
    pub(crate) zeros_ahead: u64,
    /// So long at most an append waits for the sync of another one.
    pub(crate) sync_timeout: Duration,
    /// The logs that were looked at and may come to rest.
    pub(crate) resting: Resting,
    /// Work for the housekeeper.
    pub(crate) work: Signal,
    /// What other processes change, if they write the store.
    pub(crate) changes: Changes,
    /// The opening number that the log directory carries, if it does; see [`Gate`].
    pub(crate) gate: Gate,
    /// How far logs were cleaned.
    pub(crate) cleaner: CleanerCheckpoint,
    /// Whether the machine has booted since the store was last written to: then nothing that a
    /// write-back lost is still in memory.
    pub(crate) booted_since: bool,
}

/// What has to happen in the log directory before the first write to any of its logs.
pub(crate) struct Gate {
    state: Mutex<GateState>,
    open: Box<dyn Fn() -> Result<i32> + Send + Sync>,
    look: Option<Box<Look>>,
    lower: Box<LowerRecoveryPoint>,
}

/// Reads again what the files of the log directory say: the opening number, and Kafka's checkpoints
/// of one log.
type Look = dyn Fn(&str, i32) -> Result<(Option<i32>, KafkaSays)> + Send + Sync;

/// Sees to it that Kafka's recovery point of a partition is no higher than an offset.
type LowerRecoveryPoint = dyn Fn(&str, i32, Offset) -> Result<()> + Send + Sync;

#[derive(Debug)]
struct GateState {
    /// The number on the line `strandline-opening`.
    opening: Option<i32>,
    passed: bool,
}

impl Gate {
    /// A gate to a directory that carries `opening`; `open` does what is owed and returns the
    /// number that the directory carries then.
    pub(crate) fn new(
        opening: Option<i32>,
        open: impl Fn() -> Result<i32> + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(GateState { opening, passed: false });
        Gate { state, open: Box::new(open), look: None, lower: Box::new(|_, _, _| Ok(())) }
    }

    /// The same, for who only reads: `look` says what the directory's files say now of a topic's
    /// partition.
    #[must_use]
    pub(crate) fn looking(
        mut self,
        look: impl Fn(&str, i32) -> Result<(Option<i32>, KafkaSays)> + Send + Sync + 'static,
    ) -> Self {
        self.look = Some(Box::new(look));
        self
    }

    /// What Kafka's files say now of a partition; none if nobody else writes them.
    pub(crate) fn look(&self, topic: &str, partition: i32) -> Result<Option<KafkaSays>> {
        let Some(look) = &self.look else { return Ok(None) };
        let (opening, says) = look(topic, partition)?;
        self.note(opening);
        Ok(Some(says))
    }

    /// The same of a directory with Kafka's checkpoints.
    pub(crate) fn lowering(
        mut self,
        lower: impl Fn(&str, i32, Offset) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.lower = Box::new(lower);
        self
    }

    /// Has Kafka, should it be started after our death, scan a partition from `offset` on at least.
    pub(crate) fn lower_recovery_point(
        &self,
        topic: &str,
        partition: i32,
        offset: Offset,
    ) -> Result<()> {
        (self.lower)(topic, partition, offset)
    }

    /// The number that the directory carries now.
    pub(crate) fn opening(&self) -> Option<i32> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).opening
    }

    /// Notes what the directory carries now, for who only reads.
    pub(crate) fn note(&self, opening: Option<i32>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).opening = opening;
    }

    /// Whether something may have been written already.
    pub(crate) fn is_passed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).passed
    }

    /// Does what is owed, once, and returns the opening number.
    pub(crate) fn pass(&self) -> Result<i32> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(opening)) = (state.passed, state.opening) {
            return Ok(opening);
        }
        let opening = (self.open)()?;
        *state = GateState { opening: Some(opening), passed: true };
        Ok(opening)
    }
}

/// How far each log was cleaned: what Kafka's `cleaner-offset-checkpoint` says, which the store
/// keeps.
pub(crate) struct CleanerCheckpoint {
    read: Box<ReadOffset>,
    write: Box<WriteOffset>,
}

type ReadOffset = dyn Fn(&str, i32) -> Option<Offset> + Send + Sync;
type WriteOffset = dyn Fn(&str, i32, Offset) -> Result<()> + Send + Sync;

impl CleanerCheckpoint {
    pub(crate) fn new(
        read: impl Fn(&str, i32) -> Option<Offset> + Send + Sync + 'static,
        write: impl Fn(&str, i32, Offset) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        CleanerCheckpoint { read: Box::new(read), write: Box::new(write) }
    }

    /// What it says of a log.
    pub(crate) fn read(&self, topic: &str, partition: i32) -> Option<Offset> {
        (self.read)(topic, partition)
    }

    /// Changes that, durably.
    pub(crate) fn write(&self, topic: &str, partition: i32, offset: Offset) -> Result<()> {
        (self.write)(topic, partition, offset)
    }
}

impl std::fmt::Debug for CleanerCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CleanerCheckpoint").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Tells the housekeeper that there is work, or that it should go.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<Raised>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Raised {
    work: bool,
    stop: bool,
}

/// Why a wait for a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Work,
    TimedOut,
    Stop,
}

impl Signal {
    /// There is work.
    pub(crate) fn raise(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).work = true;
        self.changed.notify_all();
    }

    /// There will be none any more.
    pub(crate) fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.changed.notify_all();
    }

    /// Waits for either, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Waited {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = |state: &mut Raised| !state.work && !state.stop;
        let waited = self.changed.wait_timeout_while(state, timeout, nothing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stop {
            Waited::Stop
        } else if std::mem::take(&mut state.work) {
            Waited::Work
        } else {
            Waited::TimedOut
        }
    }
}
