//! The log floor's inner door, for tests that drive it as Kafka's own log layer is driven: terms
//! and origins said for each append, the clock set by hand, a directory without a store around it.
//! Not part of the crate's promise.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::changes::Changes;
use super::cleaner::Round;
use super::context::{CleanerCheckpoint, Context, Gate, KafkaSays, Signal, Surroundings};
use super::group::Failure;
use super::handle::Log as Handle;
use super::opened::Opened;
use super::rest::Resting;
use super::writer::{Job, Placed, Writer, headers_of};
use super::{LogConfig, Origin, close, validate};
use crate::clock::Clock;
use crate::compression::{Codec, Compressor};
use crate::error::{Error, Result};
use crate::fs::{Dir, Handles};
use crate::record::{
    Batch, LeaderEpoch, ProducerEpoch, ProducerId, Record, Sequence, TimestampType, TransactionEnd,
    Wanted, encode_marker,
};
use crate::segment::{IndexCache, Reads};

/// The log `topic-0` in a directory of its own.
#[derive(Debug)]
pub struct Log {
    handle: Handle,
    clock: Clock,
}

/// Where an append went.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The first record's offset.
    pub first_offset: i64,
    /// The last record's.
    pub last_offset: i64,
    /// The largest timestamp.
    pub max_timestamp: Option<i64>,
    /// The log's time; of a duplicate, the time of what was there.
    pub log_append_time: Option<i64>,
}

/// What is known of a producer.
#[derive(Clone, Debug)]
pub struct ProducerState {
    /// Who it is.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The epoch of its last marker's coordinator.
    pub coordinator_epoch: Option<i32>,
    /// Its last time.
    pub last_timestamp: i64,
    /// Where its transaction began.
    pub open_transaction: Option<i64>,
    /// First and last sequence, first and last offset, timestamp of the batches remembered.
    pub batches: Vec<RememberedBatch>,
}

/// A batch that a producer state remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedBatch {
    /// Sequence of its first record.
    pub first_sequence: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp.
    pub timestamp: i64,
}

/// The opening number that these directories carry.
const OPENING: i32 = 1;

impl Log {
    /// Opens the log in `directory`, new or left by an earlier one.
    pub fn open(directory: &Path, config: &[(String, String)], now_ms: i64) -> Result<Log> {
        let log = Log::plan(directory, config, now_ms)?;
        // As Kafka's load does, which makes the active segment's index files.
        log.apply()?;
        Ok(log)
    }

    /// Opens the log in `directory`, and writes nothing there unless it is new.
    pub fn plan(directory: &Path, config: &[(String, String)], now_ms: i64) -> Result<Log> {
        let context = Self::context(directory, config, now_ms)?;
        let clock = context.store.clock.clone();
        Ok(Log { handle: Handle::new(context), clock })
    }

    /// Does what an opening owes, as the first write does.
    pub fn apply(&self) -> Result<()> {
        self.handle.write(|_, _| Ok(()))
    }

    /// What [`Log::plan`] opens.
    pub(crate) fn context(
        directory: &Path,
        config: &[(String, String)],
        now_ms: i64,
    ) -> Result<Context> {
        let clock = Clock::manual(now_ms);
        let dir =
            Dir::open_or_create(directory).map_err(|error| Error::io("open", directory, error))?;
        let is_new = dir.list().map_err(|e| Error::io("list", directory, e))?.is_empty();
        if is_new {
            close::fill_directory(&dir, None, 0, OPENING)?;
        }
        Ok(Context {
            dir,
            topic: "topic".into(),
            partition: 0,
            topic_id: None,
            config: Arc::new(LogConfig::from_pairs(config.iter().map(|(n, v)| (n, v)))?),
            read_only: false,
            kafka: KafkaSays::default(),
            store: Arc::new(Surroundings {
                clock,
                handles: Handles::new(64),
                cache: IndexCache::new(1 << 20),
                reads: Reads::default(),
                map_indexes: false,
                zeros_ahead: 0,
                sync_timeout: Duration::MAX,
                resting: Resting::new(0),
                work: Signal::default(),
                changes: Changes::default(),
                gate: Gate::new(Some(OPENING), || Ok(OPENING)),
                cleaner: no_cleaner_checkpoint(),
                booted_since: false,
            }),
        })
    }

    /// The log as programs have it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Sets the clock.
    pub fn set_now(&mut self, now_ms: i64) {
        self.clock.set(now_ms);
    }

    /// Appends what a client or the coordinator sends.
    pub fn append_as_leader(
        &mut self,
        batch: &[u8],
        leader_epoch: i32,
        coordinator: bool,
        transaction_version: i16,
    ) -> Result<Answer> {
        let opened = self.handle.opened()?;
        let origin =
            if coordinator { Origin::Coordinator { transaction_version } } else { Origin::Client };
        let now = self.clock.now_ms();
        let rules = validate::Rules::new(opened.settings(), now);
        let checked =
            validate::check_client(batch, &rules, origin, &mut validate::Room::default())?;
        let Some(mut checked) = checked else {
            return Err(Error::InvalidRecord("nothing to append".into()));
        };
        let mut headers = [checked.header];
        let bytes = checked.bytes.as_mut_slice();
        let mut job = Job { bytes, headers: &mut headers, origin, now };
        let epoch = LeaderEpoch(leader_epoch);
        let placed = self.write(|writer, log| writer.append_as_leader(log, &mut job, epoch))?;
        let append_time = rules.timestamp_type == TimestampType::LogAppendTime;
        Ok(answer(placed, append_time.then_some(now)))
    }

    /// Appends what has its offsets.
    pub fn append_as_follower(&mut self, batches: &[u8]) -> Result<Answer> {
        let mut headers = headers_of(batches)?;
        let mut bytes = batches.to_vec();
        let (origin, now) = (Origin::Replica, self.clock.now_ms());
        let job = Job { bytes: &mut bytes, headers: &mut headers, origin, now };
        let placed = self.write(|writer, log| writer.append_as_follower(log, &job))?;
        Ok(answer(placed, None))
    }

    /// Rolls; gives the new base offset.
    pub fn roll(&mut self) -> Result<i64> {
        self.handle.roll()
    }

    /// Makes everything durable.
    pub fn flush(&mut self) -> Result<()> {
        self.handle.flush().map(drop)
    }

    /// Cuts, without raising the epoch.
    pub fn truncate_to(&mut self, offset: i64) -> Result<bool> {
        self.handle.cut(|writer, log| writer.truncate_to(log, offset, false))
    }

    /// Drops everything.
    pub fn truncate_fully_and_start_at(&mut self, offset: i64, _start: Option<i64>) -> Result<()> {
        self.handle.start_over_at(offset)
    }

    /// Moves the log start.
    pub fn increment_log_start(&mut self, offset: i64) -> Result<bool> {
        self.write(|writer, log| writer.raise_log_start(log, offset))
    }

    /// Enforces retention.
    pub fn delete_old_segments(&mut self) -> Result<usize> {
        self.handle.enforce_retention()
    }

    /// Cleans what lies between two offsets; says where the next cleaning begins.
    pub fn clean(&mut self, first_dirty: i64, first_uncleanable: i64) -> Result<i64> {
        self.clean_within(first_dirty, first_uncleanable, 1 << 20)
    }

    /// The same with a map of at most so many bytes.
    pub fn clean_within(
        &mut self,
        first_dirty: i64,
        first_uncleanable: i64,
        map_bytes: usize,
    ) -> Result<i64> {
        let next = self.clean_beside((first_dirty, first_uncleanable), map_bytes, || {})?;
        Ok(next.unwrap_or(first_dirty))
    }

    /// The same with something going on beside it, for each batch that is read; nothing comes of it
    /// if records were taken from the log meanwhile.
    pub fn clean_beside(
        &self,
        (first_dirty, first_uncleanable): (i64, i64),
        map_bytes: usize,
        beside: impl Fn() + Sync,
    ) -> Result<Option<i64>> {
        let round = Round {
            first_dirty,
            first_uncleanable,
            map_bytes,
            now: self.clock.now_ms(),
            pace: &|_| {
                beside();
                Ok(())
            },
        };
        Ok(self.handle.run_round(&round)?.next_dirty)
    }

    /// Begins a leader epoch.
    pub fn assign_epoch(&mut self, epoch: i32, offset: i64) -> Result<()> {
        self.write(|writer, log| writer.assign_epoch(log, LeaderEpoch(epoch), offset))
    }

    /// Removes files whose delay is over.
    pub fn run_due_deletes(&mut self) -> Result<()> {
        let now = self.clock.now_ms();
        self.write(|writer, log| {
            writer.remove_due(log, now);
            Ok(())
        })
    }

    /// First offset.
    pub fn log_start_offset(&self) -> Result<i64> {
        self.handle.log_start_offset()
    }

    /// Next offset.
    pub fn log_end_offset(&self) -> Result<i64> {
        self.handle.log_end_offset()
    }

    /// First invisible offset.
    pub fn high_watermark(&self) -> Result<i64> {
        self.handle.high_watermark()
    }

    /// First undecided offset.
    pub fn last_stable_offset(&self) -> Result<i64> {
        self.handle.last_stable_offset()
    }

    /// Base offsets of the segments.
    pub fn segment_bases(&self) -> Result<Vec<i64>> {
        Ok(self.handle.segments()?.iter().map(|segment| segment.base_offset).collect())
    }

    /// Epochs and where they begin.
    pub fn leader_epochs(&self) -> Result<Vec<(i32, i64)>> {
        self.write(|writer, _| {
            Ok(writer.epochs.entries().iter().map(|&(epoch, at)| (epoch.0, at)).collect())
        })
    }

    /// All producers.
    pub fn producers(&self) -> Result<Vec<ProducerState>> {
        self.write(|writer, _| {
            let state = |(id, entry): (ProducerId, super::producers::ProducerEntry)| {
                let batches = entry.batches().iter().map(|sent| RememberedBatch {
                    first_sequence: Sequence::to_wire(sent.first_sequence()),
                    last_sequence: Sequence::to_wire(sent.last_sequence),
                    first_offset: sent.first_offset(),
                    last_offset: sent.last_offset,
                    timestamp: sent.timestamp.unwrap_or(-1),
                });
                ProducerState {
                    id: id.0,
                    epoch: ProducerEpoch::to_wire(entry.epoch),
                    coordinator_epoch: entry.coordinator_epoch,
                    last_timestamp: entry.last_timestamp.unwrap_or(-1),
                    open_transaction: entry.txn_first_offset,
                    batches: batches.collect(),
                }
            };
            Ok(writer.producers.in_order().into_iter().map(state).collect())
        })
    }

    /// Returns once all below `end` is durable, as a `Synced` append does; `sync` stands for the
    /// log's own sync, and says how far it reached or what is final.
    pub fn reach_by(&self, end: i64, sync: impl Fn() -> Result<i64>) -> Result<()> {
        self.handle.opened()?.group.reach(end, || sync().map_err(Failure::Final))
    }

    /// How far appends are acknowledged as durable.
    pub fn acknowledged_end(&self) -> Result<i64> {
        Ok(self.handle.opened()?.group.durable_end())
    }

    /// Closes it as a clean stop does.
    pub fn close(self) -> Result<()> {
        self.handle.close()
    }

    fn write<T>(&self, work: impl FnOnce(&mut Writer, &Opened) -> Result<T>) -> Result<T> {
        self.handle.write(work)
    }
}

/// There is no log directory around these logs: who cleans them says from where.
fn no_cleaner_checkpoint() -> CleanerCheckpoint {
    CleanerCheckpoint::new(|_, _| None, |_, _, _| Ok(()))
}

fn answer(placed: Placed, append_time: Option<i64>) -> Answer {
    Answer {
        first_offset: placed.first_offset,
        last_offset: placed.last_offset,
        max_timestamp: placed.max_timestamp,
        log_append_time: placed.duplicate.map_or(append_time, |before| before.timestamp),
    }
}

/// A record for [`build_batch`]: timestamp, key, value, headers.
pub type Parts<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>, &'a [(Vec<u8>, Option<Vec<u8>>)]);

/// The bytes of a batch as a client sends it.
pub fn build_batch<'a>(
    codec: &str,
    (id, epoch, sequence): (i64, i16, i32),
    transactional: bool,
    records: impl Iterator<Item = Parts<'a>>,
) -> Result<Vec<u8>> {
    let codec: Codec = codec.parse().map_err(|_| Error::Invalid(format!("codec {codec}")))?;
    let mut batch = Batch::new().compression(codec).transactional(transactional);
    if id >= 0 {
        batch = batch.producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    }
    for (timestamp, key, value, headers) in records {
        let headers: Vec<_> = headers
            .iter()
            .map(|(key, value)| (std::str::from_utf8(key).unwrap_or("?"), value.as_deref()))
            .collect();
        let mut record = Record::new().headers(&headers).timestamp(timestamp);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.value(value);
        }
        batch.push(record);
    }
    let wanted = Wanted { now: 0, timestamp_type: TimestampType::CreateTime, compression: None };
    let mut compressed = Vec::new();
    let drafted = batch.draft(wanted, &mut Compressor::new(), &mut compressed);
    let (draft, _) = drafted.map_err(|fault| Error::Invalid(format!("{fault:?}")))?;
    Ok(draft.bytes.to_vec())
}

/// The bytes of a marker as the coordinator sends it.
pub fn build_marker(
    (id, epoch, _): (i64, i16, i32),
    commit: bool,
    coordinator_epoch: i32,
    timestamp: i64,
) -> Result<Vec<u8>> {
    let end = if commit { TransactionEnd::Commit } else { TransactionEnd::Abort };
    let producer = (ProducerId(id), ProducerEpoch(epoch));
    Ok(encode_marker(producer, end, coordinator_epoch, timestamp).0.to_vec())
}
