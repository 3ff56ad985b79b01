//! The handle of a log: what a program appends to and fetches from.

use std::borrow::BorrowMut;
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::append::{Appended, Durability};
use super::context::Context;
use super::fetch::{self, FetchOptions, Isolation};
use super::fetched::Fetched;
use super::housekeeping::Standing;
use super::lookup::{self, TimestampedOffset};
use super::opened::Opened;
use super::rest::{Habit, Quiet};
use super::validate::{self, Room, Rules};
use super::verify::{Around, Cut, How, PartitionCheck};
use super::view::{Grown, View};
use super::writer::{Job, Placed, Writer, headers_of};
use super::{LogConfig, Origin, close};
use crate::compression::Compressor;
use crate::error::{Error, Result};
use crate::finding::{Level, Report};
use crate::record::{
    Batch, BatchHeader, Draft, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp,
    TransactionEnd, encode_marker,
};
use crate::segment::names::Part;
use crate::sync::{Mutex, MutexGuard};

/// One partition of a topic: an append-only sequence of records, numbered by offset.
///
/// Cheap to clone; all clones, in all threads, are the same log. Appends are made one at a time;
/// fetches run beside them and beside each other without waiting for them.
///
/// A log is looked at when it is first used, and nothing of it is written before the first append.
/// If there is none it is looked at again when it is used after many others were.
///
/// ```
/// use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};
///
/// # let dir = tempfile::tempdir()?;
/// let store = Store::options().open(dir.path().join("data"))?;
/// let log = store.create_topic("events", TopicOptions::new().partitions(1))?.partition(0)?;
/// let batch = Batch::of([Record::new().key("k").value("v")]);
/// let appended = log.append(batch, Durability::Synced)?;
/// for record in log.fetch(appended.base_offset, FetchOptions::new())?.records() {
///     assert_eq!(record?.value(), Some(&b"v"[..]));
/// }
/// store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Log(pub(super) Arc<Core>);

#[derive(Debug)]
pub(super) struct Core {
    context: Arc<Context>,
    pub(super) using: Mutex<Using>,
}

/// How a log is used.
#[derive(Debug, Default)]
pub(super) struct Using {
    pub(super) state: State,
    pub(super) habit: Habit,
    pub(super) quiet: Quiet,
    /// How it stood when it came to rest, if it was closed in order before.
    pub(super) standing: Option<Standing>,
}

#[derive(Debug, Default)]
pub(super) enum State {
    /// Not looked at yet, or at rest.
    #[default]
    Unused,
    Opened(Arc<Opened>),
    Closed,
}

/// A batch that inflates to more is none that a client could have sent.
const MOST_INFLATED: usize = i32::MAX as usize;

thread_local! {
    /// Codecs and a buffer for the appends of this thread.
    static SCRATCH: RefCell<(Compressor, Vec<u8>)> = RefCell::default();
}

/// One segment of a log, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The lower bound of its offsets, and its name.
    pub base_offset: Offset,
    /// Bytes of its batches.
    pub size_bytes: u64,
    /// Its `.log`.
    pub path: PathBuf,
    /// Whether appends go to it.
    pub is_active: bool,
}

impl Core {
    pub(super) fn lock(&self) -> MutexGuard<'_, Using> {
        self.using.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files, as a new process would.
    fn look(&self, using: &mut Using) -> Result<Arc<Opened>> {
        let opened = Arc::new(Opened::plan(Arc::clone(&self.context))?);
        using.state = State::Opened(Arc::clone(&opened));
        Ok(opened)
    }

    /// Tells the store that the log was looked at; others may come to rest for it.
    fn was_opened(self: &Arc<Core>) {
        if !self.context.read_only {
            self.context.store.resting.enter(self);
        }
    }
}

impl Log {
    /// A log that is looked at when it is first used.
    pub(crate) fn new(context: Context) -> Log {
        Log(Arc::new(Core { context: Arc::new(context), using: Mutex::default() }))
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.0.context.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> u32 {
        self.0.context.partition.unsigned_abs()
    }

    /// The topic's id, if it has one.
    pub fn topic_id(&self) -> Option<super::TopicId> {
        self.0.context.topic_id
    }

    /// The topic's settings.
    pub fn config(&self) -> &LogConfig {
        &self.0.context.config
    }

    /// Verifies the log's files as they lie there: takes no lock, writes nothing, and needs the log
    /// neither opened nor at rest. What is being appended meanwhile counts as far as it is whole.
    ///
    /// # Errors
    ///
    /// `Io` if a file cannot be read. Damage is no error: it stands in the report.
    pub fn verify(&self, level: Level) -> Result<Report> {
        let context = &self.0.context;
        let how = How {
            level,
            now: context.store.clock.now_ms(),
            most_inflated: MOST_INFLATED,
            most_held: usize::MAX,
            cut: Cut::default(),
            progress: Arc::default(),
            pace: None,
        };
        let mut kafka = context.kafka;
        kafka.stopped_cleanly &= !context.store.gate.is_passed();
        let around = Around {
            topic: Some((context.topic.clone(), context.partition)),
            kafka,
            opening: context.store.gate.opening(),
            topic_id: context.topic_id,
        };
        let found = PartitionCheck::read(context.dir.clone(), how, around)?.all()?;
        Ok(found.into_report())
    }

    pub(super) fn opened(&self) -> Result<Arc<Opened>> {
        let mut using = self.0.lock();
        match &using.state {
            State::Opened(opened) => {
                let opened = Arc::clone(opened);
                using.habit.was_used = true;
                return Ok(opened);
            }
            State::Closed => return Err(Error::Closed),
            State::Unused => {}
        }
        let opened = self.0.look(&mut using)?;
        using.habit.note_look();
        drop(using);
        self.0.was_opened();
        Ok(opened)
    }

    /// What is in use, if the log was used.
    pub(super) fn used(&self) -> Option<Arc<Opened>> {
        match &self.0.lock().state {
            State::Opened(opened) => Some(Arc::clone(opened)),
            State::Unused | State::Closed => None,
        }
    }

    /// Appends a batch, whole or not at all, and says where it went. A batch may be lent
    /// (`&mut batch`) to be cleared and filled again.
    ///
    /// With [`Durability::Synced`] it survives a loss of power once this returns, with
    /// [`Durability::Written`] the death of the process. A batch of an idempotent producer that was
    /// appended before is not appended again; the answer says so and where it is.
    ///
    /// # Errors
    ///
    /// `RecordTooLarge`, `BatchTooLarge`, `InvalidRecord`, `InvalidTimestamp`,
    /// `OutOfOrderSequence`, `ProducerFenced`, `InvalidTxnState`: the batch is refused and nothing
    /// is changed. `Io`: refused too, and the same call works once the cause is gone; but if the
    /// sync failed the log is poisoned and the result unknown. `TimedOut`: it is there, and another
    /// thread's sync does not end, so whether it is durable is unknown. `Poisoned`, `ReadOnly`,
    /// `Closed`.
    pub fn append(
        &self,
        mut batch: impl BorrowMut<Batch>,
        durability: Durability,
    ) -> Result<Appended> {
        let opened = self.opened()?;
        let now = opened.context.store.clock.now_ms();
        let rules = Rules::new(opened.settings(), now);
        let batch = batch.borrow_mut();
        if batch.is_empty() {
            return Ok(Self::nothing_appended(&opened));
        }
        SCRATCH.with_borrow_mut(|(compressor, compressed)| {
            let drafted = batch.draft(rules.wanted(), compressor, compressed);
            let (draft, facts) = drafted.map_err(|fault| validate::refuse_fault(fault, &rules))?;
            let Draft { bytes, header } = draft;
            validate::check_size(bytes.len(), &rules)?;
            validate::check_facts(&facts, &rules)?;
            let mut headers = [header];
            let job = Job { bytes, headers: &mut headers, origin: Origin::Client, now };
            Self::append_job(&opened, job, None, durability)
        })
    }

    /// Appends a batch as a producer sends it: encoded, base offset 0. It is checked and stamped as
    /// a Kafka leader does; bytes of a second batch that is cut short are ignored.
    ///
    /// # Errors
    ///
    /// As [`Log::append`]; `CorruptBatch` if the bytes are no batch.
    pub fn append_encoded(&self, bytes: &[u8], durability: Durability) -> Result<Appended> {
        self.append_sent(bytes, Origin::Client, (None, durability))
    }

    /// Appends what a client or coordinator sent, under the current term or the given one.
    pub(super) fn append_sent(
        &self,
        bytes: &[u8],
        origin: Origin,
        (epoch, durability): (Option<LeaderEpoch>, Durability),
    ) -> Result<Appended> {
        let opened = self.opened()?;
        let now = opened.context.store.clock.now_ms();
        let rules = Rules::new(opened.settings(), now);
        let mut room = Room::default();
        let checked = validate::check_client(bytes, &rules, origin, &mut room)?;
        let Some(mut checked) = checked else { return Ok(Self::nothing_appended(&opened)) };
        let mut headers = [checked.header];
        let bytes = checked.bytes.as_mut_slice();
        let job = Job { bytes, headers: &mut headers, origin, now };
        Self::append_job(&opened, job, epoch, durability)
    }

    /// Ends the open transaction of a producer: appends the marker that its coordinator writes.
    /// Records of a committed transaction become visible to read-committed readers, those of an
    /// aborted one never do.
    ///
    /// # Errors
    ///
    /// As [`Log::append`]; `ProducerFenced`, `CoordinatorFenced` for an epoch that is over.
    pub fn end_transaction(
        &self,
        producer: (ProducerId, ProducerEpoch),
        end: TransactionEnd,
        coordinator_epoch: i32,
        durability: Durability,
    ) -> Result<Appended> {
        let now = self.0.context.store.clock.now_ms();
        let (marker, _) = encode_marker(producer, end, coordinator_epoch, now);
        let origin = Origin::Coordinator { transaction_version: 0 };
        self.append_sent(&marker, origin, (None, durability))
    }

    /// Appends batches that carry their offsets and leader epochs already, byte for byte: what a
    /// replica or a copy does. Offsets may be left out, but not given twice; a batch that is cut
    /// short at the end is ignored. A message of format v0 or v1 is a `CorruptBatch`: they are read,
    /// and never written.
    ///
    /// # Errors
    ///
    /// `OffsetsOutOfOrder` for a batch below the log end, `CorruptBatch`, `BatchTooLarge`, `Io`.
    pub fn import(&self, bytes: &[u8], durability: Durability) -> Result<Appended> {
        let opened = self.opened()?;
        let now = opened.context.store.clock.now_ms();
        let mut headers = headers_of(bytes)?;
        if headers.is_empty() {
            return Ok(Self::nothing_appended(&opened));
        }
        let whole = headers.iter().map(BatchHeader::size_bytes).sum();
        let mut bytes = bytes[..whole].to_vec();
        let origin = Origin::Replica;
        let job = Job { bytes: &mut bytes, headers: &mut headers, origin, now };
        let placed = opened.with_writer(|writer| writer.append_as_follower(&opened, &job))?;
        Self::answer(&opened, placed, durability)
    }

    fn append_job(
        opened: &Opened,
        mut job: Job<'_>,
        epoch: Option<LeaderEpoch>,
        durability: Durability,
    ) -> Result<Appended> {
        let placed = opened.with_writer(|writer| {
            let epoch = epoch.unwrap_or(writer.epoch);
            writer.append_as_leader(opened, &mut job, epoch)
        })?;
        Self::answer(opened, placed, durability)
    }

    fn answer(opened: &Opened, placed: Placed, durability: Durability) -> Result<Appended> {
        let end = placed.last_offset + 1;
        let settings = opened.settings();
        let mut durable_end = opened.group.durable_end();
        let unflushed = end.saturating_sub(durable_end);
        if durability == Durability::Synced || unflushed >= settings.flush_messages {
            opened.reach(end)?;
            durable_end = opened.group.durable_end();
        }
        Ok(Appended {
            base_offset: placed.first_offset,
            last_offset: placed.last_offset,
            max_timestamp: placed.max_timestamp,
            duplicate: placed.duplicate.is_some(),
            durable_end,
        })
    }

    /// The answer to an append of nothing.
    fn nothing_appended(opened: &Opened) -> Appended {
        let end = opened.published.number(|view| view.log_end_offset);
        Appended {
            base_offset: end,
            last_offset: end - 1,
            max_timestamp: None,
            duplicate: false,
            durable_end: opened.group.durable_end(),
        }
    }

    /// Returns once everything that was appended before survives a loss of power; the answer is the
    /// durable end.
    ///
    /// # Errors
    ///
    /// `Io` or `Poisoned` if a sync failed.
    pub fn flush(&self) -> Result<Offset> {
        let opened = self.opened()?;
        if opened.context.read_only {
            return Err(Error::ReadOnly);
        }
        // Before the first write there is nothing that this opening could have left unsynced.
        let end = opened.with_writer(|writer| Ok(writer.log_end))?;
        opened.reach(end)?;
        Ok(opened.group.durable_end())
    }

    /// Fetches whole batches from `offset` on, up to a number of bytes: what is there, without
    /// waiting. At the log end that is nothing.
    ///
    /// # Errors
    ///
    /// `OffsetOutOfRange` below the log start or behind the log end; `Corrupt` if the batch that
    /// holds the offset is damaged, with the offsets that are hit: behind them it goes on; `Io`.
    pub fn fetch(&self, offset: Offset, options: FetchOptions) -> Result<Fetched> {
        fetch::fetch(&*self.opened()?, offset, options)
    }

    /// First offset that can be read.
    pub fn log_start_offset(&self) -> Result<Offset> {
        self.number(|view| view.log_start_offset)
    }

    /// Offset that the next record will get.
    pub fn log_end_offset(&self) -> Result<Offset> {
        self.number(|view| view.log_end_offset)
    }

    /// The offset behind the last visible record. With one replica it follows every append.
    pub fn high_watermark(&self) -> Result<Offset> {
        self.number(|view| view.log_end_offset)
    }

    /// First offset not yet decided by an open transaction; what read-committed fetches end at.
    pub fn last_stable_offset(&self) -> Result<Offset> {
        self.number(|view| view.last_stable_offset)
    }

    /// First offset that a loss of power could take.
    pub fn durable_end(&self) -> Result<Offset> {
        self.number(|view| view.durable_end)
    }

    fn number(&self, of: impl FnOnce(&View) -> Offset) -> Result<Offset> {
        Ok(self.opened()?.published.number(of))
    }

    /// The first record whose time is at or after `timestamp` (milliseconds since 1970), as Kafka's
    /// `offsetsForTimes` finds it: the first segment that reaches that time is searched, and control
    /// records count.
    pub fn offset_for_time(
        &self,
        timestamp: Timestamp,
        isolation: Isolation,
    ) -> Result<Option<TimestampedOffset>> {
        lookup::offset_for_time(&*self.opened()?, timestamp, isolation)
    }

    /// The first record with the largest time of all (Kafka's `MAX_TIMESTAMP`).
    pub fn offset_of_max_timestamp(
        &self,
        isolation: Isolation,
    ) -> Result<Option<TimestampedOffset>> {
        lookup::offset_of_max_timestamp(&*self.opened()?, isolation)
    }

    /// The leader epochs, and the offset at which each began: what `leader-epoch-checkpoint` holds.
    pub fn leader_epochs(&self) -> Result<Vec<(LeaderEpoch, Offset)>> {
        Ok(self.opened()?.published.view().epochs.entries().to_vec())
    }

    /// In which leader epoch the record at `offset` was appended, if that is known.
    pub fn epoch_for_offset(&self, offset: Offset) -> Result<Option<LeaderEpoch>> {
        Ok(self.opened()?.published.view().epochs.epoch_for_offset(offset))
    }

    /// Where an epoch ended (Kafka's `OffsetForLeaderEpoch`): the largest epoch that is known and
    /// not above it, with the offset behind its last record; none for an epoch above all known ones.
    pub fn end_offset_for_epoch(
        &self,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>> {
        let view = self.opened()?.published.view();
        Ok(view.epochs.end_offset_for(Some(epoch), view.log_end_offset))
    }

    /// Waits until there is a record at or behind `offset`, at most `timeout`; says whether there
    /// is.
    pub fn wait_for(&self, offset: Offset, timeout: Duration) -> Result<bool> {
        self.opened()?.wait(timeout, |view| view.log_end_offset > offset)
    }

    /// A future that resolves once there is a record at or behind `offset` that a reader of this
    /// isolation may see, or the log was closed.
    pub fn grown(&self, offset: Offset, isolation: Isolation) -> Result<Grown> {
        self.grown_for(offset, FetchOptions::new().isolation(isolation), false)
    }

    /// The same, for a fetch with these options; or once it is cut below the offset.
    pub(super) fn grown_for(
        &self,
        offset: Offset,
        options: FetchOptions,
        tells_cuts: bool,
    ) -> Result<Grown> {
        let opened = self.opened()?;
        let published = Arc::clone(&opened.published);
        let beside = Some(opened).filter(|opened| opened.sight.is_some());
        Ok(Grown { published, beside, offset, options, tells_cuts })
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>> {
        let view = self.opened()?.published.view();
        let last = view.segments.len() - 1;
        let info = |(at, segment): (usize, &Arc<crate::segment::Segment>)| SegmentInfo {
            base_offset: segment.base_offset(),
            size_bytes: segment.end(),
            path: segment.path(Part::Log),
            is_active: at == last,
        };
        Ok(view.segments.iter().enumerate().map(info).collect())
    }

    /// Rolls the active segment now; the answer is the base offset of the new one.
    pub fn roll(&self) -> Result<Offset> {
        let now = self.0.context.store.clock.now_ms();
        self.write(|writer, opened| writer.roll(opened, writer.log_end, now))
    }

    /// Drops all records from `target` on. The batch that holds `target` goes whole, so that
    /// records below it may go too; the next append gets `target`, under a later leader epoch. Says
    /// whether anything was dropped. It has happened, durably, when this returns.
    ///
    /// # Errors
    ///
    /// `Invalid` below 0; `Io`: if it fails half way the log is poisoned, and its next opening
    /// finishes it.
    pub fn truncate_to(&self, target: Offset) -> Result<bool> {
        if target < 0 {
            return Err(Error::Invalid("a log cannot be truncated to below 0".into()));
        }
        self.cut(|writer, opened| writer.truncate_to(opened, target, true))
    }

    /// Drops all records; the log starts again at `start`.
    ///
    /// # Errors
    ///
    /// As [`Log::truncate_to`].
    pub fn start_over_at(&self, start: Offset) -> Result<()> {
        if start < 0 {
            return Err(Error::Invalid("a log cannot start below 0".into()));
        }
        self.cut(|writer, opened| writer.start_over(opened, start))
    }

    /// Runs what takes records away, with no sync under way.
    pub(super) fn cut<T>(&self, work: impl FnOnce(&mut Writer, &Opened) -> Result<T>) -> Result<T> {
        let opened = self.opened()?;
        opened.with_writer(|writer| {
            opened.group.cut(|| {
                let answer = work(writer, &opened)?;
                Ok((opened.published.number(|view| view.durable_end), answer))
            })
        })
    }

    /// Deletes the records below `before`, or all of them if it is `None` (`deleteRecords`): the
    /// log start moves there, durably, and the segments below it go with the next retention. The
    /// answer is the log start.
    ///
    /// # Errors
    ///
    /// `PolicyViolation` if the topic's `cleanup.policy` has no `delete`, `OffsetOutOfRange` behind
    /// the log end, `Io`.
    pub fn delete_records(&self, before: Option<Offset>) -> Result<Offset> {
        self.write(|writer, opened| {
            if !opened.settings().delete {
                let why = "records can be deleted only if cleanup.policy has delete";
                return Err(Error::PolicyViolation(why.into()));
            }
            writer.raise_log_start(opened, before.unwrap_or(writer.log_end))
        })?;
        self.log_start_offset()
    }

    /// Deletes old segments as the settings say (`retention.ms`, `retention.bytes`) and those below
    /// the log start; says how many. The store does this now and then.
    pub fn enforce_retention(&self) -> Result<usize> {
        let now = self.0.context.store.clock.now_ms();
        self.write(|writer, opened| writer.enforce_retention(opened, now))
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Writer, &Opened) -> Result<T>,
    ) -> Result<T> {
        let opened = self.opened()?;
        opened.with_writer(|writer| work(writer, &opened))
    }

    /// Records that are missing and were there once: first offset, and the one behind the last.
    /// What is there reads on; appends wait for [`Log::accept_gaps`].
    pub fn gap(&self) -> Result<Option<std::ops::Range<Offset>>> {
        let gap = self.opened()?.published.view().gap;
        Ok(gap.map(|(from, to)| from..to))
    }

    /// Accepts that records are missing that were there once ([`Error::GapNotAccepted`]), so that
    /// the log can be appended to again, behind them.
    ///
    /// # Errors
    ///
    /// As [`Log::append`].
    pub fn accept_gaps(&self) -> Result<()> {
        let opened = self.opened()?;
        opened.accept_gaps();
        opened.with_writer(|_| Ok(()))
    }

    /// Opens the log anew, as a new process would: after [`Error::Poisoned`] it goes on from what
    /// the disk holds. On a read-only log it shows what was written since.
    ///
    /// # Errors
    ///
    /// `Io` if it cannot be read; then it stays as it was.
    pub fn reopen(&self) -> Result<()> {
        let mut using = self.0.lock();
        let is_first = match &using.state {
            State::Closed => return Err(Error::Closed),
            // Who waits for it goes on waiting.
            State::Opened(opened) if opened.sight.is_some() => return opened.plan_anew(),
            State::Opened(opened) if opened.group.poison().is_none() => return Ok(()),
            State::Opened(_) => false,
            State::Unused => true,
        };
        self.0.look(&mut using)?;
        using.quiet = Quiet::default();
        drop(using);
        if is_first {
            self.0.was_opened();
        }
        Ok(())
    }

    /// Shows what other processes have written since, if they write the log: one look at its files,
    /// which reads what is new. [`Log::wait_for`] and a [`Follower`](crate::Follower) do that
    /// themselves.
    ///
    /// # Errors
    ///
    /// `NotFound` if the topic was deleted; `Io`: then it stays as it was.
    pub fn refresh(&self) -> Result<()> {
        self.opened()?.look_again(false)
    }

    /// From now on the log is closed; the answer is what is in use, whatever becomes of it.
    pub(super) fn set_closed(&self) -> Option<Arc<Opened>> {
        match std::mem::replace(&mut self.0.lock().state, State::Closed) {
            State::Opened(opened) => Some(opened),
            State::Unused | State::Closed => None,
        }
    }

    /// Closes the log: all of it survives a loss of power then, and the next opening scans nothing.
    pub(crate) fn close(&self) -> Result<()> {
        self.set_closed().map_or(Ok(()), |opened| close::close(&opened))
    }
}
