//! The only file here that names the engine: what the tests ask of it, in their own words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use strandline::compression::{Codec, Compression};
use strandline::record::{Batches, LeaderEpoch, TimestampType, Upgrader};
use strandline::{
    Batch, CleanupPolicy, Clock, Durability, Error, FetchOptions, Isolation, Log, LogConfig, Store,
    TimestampedOffset, TopicOptions,
};

use crate::truth::{Listed, Payload, Record};
use crate::vectors::{Answer, Content, Marker, Origin, Producer, Sent, State};

/// Why the engine refused: Kafka's code for it, −1 if there is none, and the message.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i16,
    pub(crate) message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { code: error.kafka_code(), message: error.to_string() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {}: {}", self.code, self.message)
    }
}

/// The offsets that bound a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    pub(crate) last_stable: i64,
    pub(crate) high_watermark: i64,
}

/// First and last offset of each.
pub(crate) type Ranges = Vec<(i64, i64)>;

/// A log directory, open.
pub(crate) struct Directory(Store);

impl Directory {
    /// Opens what Kafka wrote, for reading only, with the clock at `now_ms`.
    pub(crate) fn open_read_only(path: &Path, now_ms: i64) -> Result<Self, Failure> {
        Ok(Directory(Store::options().read_only(true).clock(Clock::manual(now_ms)).open(path)?))
    }

    /// Opens, or makes, one of our own.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Directory(Store::options().open(path)?))
    }

    /// Opens what Kafka wrote for writing, with the clock at `now_ms`.
    pub(crate) fn adopt(path: &Path, now_ms: i64) -> Result<Self, Failure> {
        let options = Store::options().adopt(true).housekeeping(false);
        Ok(Directory(options.clock(Clock::manual(now_ms)).open(path)?))
    }

    /// Opens what is a store already, with the clock at `now_ms`.
    pub(crate) fn open_at(path: &Path, now_ms: i64) -> Result<Self, Failure> {
        let options = Store::options().housekeeping(false);
        Ok(Directory(options.clock(Clock::manual(now_ms)).open(path)?))
    }

    /// The cluster and the broker that the directory belongs to.
    pub(crate) fn broker(&self) -> Result<(Option<String>, Option<i32>), Failure> {
        let meta = self.0.meta_properties()?.expect("a broker was here");
        Ok((meta.cluster_id, meta.node_id))
    }

    /// Topic and number of every partition.
    pub(crate) fn partitions(&self) -> Result<Vec<(String, i32)>, Failure> {
        let partitions = self.0.partitions()?;
        Ok(partitions.into_iter().map(|(topic, number)| (topic, number as i32)).collect())
    }

    /// What is set of each topic.
    pub(crate) fn settings(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
        let of = |topic: &strandline::Topic| {
            let pairs = topic.config().to_pairs();
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            (topic.name().to_owned(), pairs.collect())
        };
        Ok(self.0.topics()?.iter().map(of).collect())
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Result<Partition, Failure> {
        Ok(Partition(self.0.log(topic, partition as u32)?))
    }

    /// Makes a topic of one partition.
    pub(crate) fn create(&self, topic: &str) -> Result<Partition, Failure> {
        // Segments of 1 MiB, rolled by size alone: the stream spans thirteen years.
        let config = LogConfig::new()
            .segment_bytes(1 << 20)
            .segment_time(Duration::from_millis(i64::MAX as u64));
        let options = TopicOptions::new().partitions(1).config(config);
        let topic = self.0.create_topic(topic, options)?;
        Ok(Partition(topic.partition(0)?))
    }

    /// The same, compacted.
    pub(crate) fn create_compacted(&self, topic: &str) -> Result<Partition, Failure> {
        let config = LogConfig::new()
            .segment_bytes(1 << 20)
            .segment_time(Duration::from_millis(i64::MAX as u64))
            .cleanup_policy(CleanupPolicy::Compact);
        let options = TopicOptions::new().partitions(1).config(config);
        Ok(Partition(self.0.create_topic(topic, options)?.partition(0)?))
    }

    /// Compacts a topic.
    pub(crate) fn clean(&self, topic: &str) -> Result<(), Failure> {
        self.0.clean(topic)?;
        Ok(())
    }

    pub(crate) fn close(self) -> Result<(), Failure> {
        Ok(self.0.close()?)
    }
}

/// One log.
pub(crate) struct Partition(Log);

impl Partition {
    pub(crate) fn bounds(&self) -> Result<Bounds, Failure> {
        Ok(Bounds {
            log_start: self.0.log_start_offset()?,
            log_end: self.0.log_end_offset()?,
            last_stable: self.0.last_stable_offset()?,
            high_watermark: self.0.high_watermark()?,
        })
    }

    /// One fetch: the records from `offset` on, and where to go on.
    pub(crate) fn fetch(
        &self,
        offset: i64,
        max_bytes: usize,
        committed: bool,
    ) -> Result<(Vec<Record>, i64), Failure> {
        Ok(self.try_fetch(offset, max_bytes, committed)?)
    }

    /// Every record that can be read, and the offsets that are reported as damaged.
    pub(crate) fn read_around_damage(&self) -> Result<(Vec<Record>, Ranges), Failure> {
        let (mut records, mut damaged) = (Vec::new(), Vec::new());
        let mut offset = self.0.log_start_offset()?;
        loop {
            match self.try_fetch(offset, 1 << 20, false) {
                Ok((_, next)) if next == offset => return Ok((records, damaged)),
                Ok((more, next)) => {
                    records.extend(more);
                    offset = next;
                }
                Err(Error::Corrupt { offsets: Some((first, last)), .. }) if last >= offset => {
                    damaged.push((first, last));
                    offset = last + 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn try_fetch(
        &self,
        offset: i64,
        max_bytes: usize,
        committed: bool,
    ) -> strandline::Result<(Vec<Record>, i64)> {
        let options = FetchOptions::new().max_bytes(max_bytes).isolation(isolation(committed));
        let fetched = self.0.fetch(offset, options)?;
        let mut records = Vec::new();
        for record in fetched.records() {
            let record = record?;
            let mut headers = Vec::new();
            for header in record.headers() {
                headers.push((header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
            }
            records.push(Record {
                offset: record.offset(),
                timestamp: record.timestamp().unwrap_or(-1),
                log_append_time: record.timestamp_type() == TimestampType::LogAppendTime,
                key: record.key().map(<[u8]>::to_vec),
                value: Payload::of(record.value()),
                headers,
                leader_epoch: record.leader_epoch().map(|epoch| epoch.0),
            });
        }
        Ok((records, fetched.next_offset()))
    }

    pub(crate) fn offset_for_time(
        &self,
        ms: i64,
        committed: bool,
    ) -> Result<Option<Listed>, Failure> {
        Ok(self.0.offset_for_time(ms, isolation(committed))?.map(listed))
    }

    pub(crate) fn offset_of_max_timestamp(&self) -> Result<Option<Listed>, Failure> {
        Ok(self.0.offset_of_max_timestamp(isolation(false))?.map(listed))
    }

    pub(crate) fn roll(&self) -> Result<(), Failure> {
        self.0.roll()?;
        Ok(())
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> Result<usize, Failure> {
        Ok(self.0.segments()?.len())
    }

    /// Appends records of key, value and timestamp as one batch; `codec` is Kafka's name.
    pub(crate) fn append(
        &self,
        records: &[(&[u8], &[u8], i64)],
        codec: &str,
    ) -> Result<(), Failure> {
        let compression: Compression = codec.parse().expect("a codec's name");
        let records = records.iter().map(|(key, value, timestamp)| {
            strandline::Record::new().key(*key).value(*value).timestamp(*timestamp)
        });
        self.0.append(Batch::of(records).compression(compression), Durability::Written)?;
        Ok(())
    }
}

/// What was made of a log's wrappers and of its messages in none: how many batches.
#[derive(Debug, Default)]
pub(crate) struct Upgraded {
    pub(crate) wrappers: usize,
    pub(crate) plain: usize,
}

impl Partition {
    /// Makes batches of all that it holds, and gives them to `to`.
    pub(crate) fn upgraded_into(&self, to: &Partition) -> Result<Upgraded, Failure> {
        let mut upgrader = Upgrader::new(LeaderEpoch(0));
        let (mut upgraded, mut batches) = (Upgraded::default(), Vec::new());
        let mut offset = self.0.log_start_offset()?;
        loop {
            let fetched = self.0.fetch(offset, FetchOptions::new())?;
            if fetched.is_empty() {
                break;
            }
            batches.clear();
            upgrader.upgrade(fetched.bytes(), &mut batches).expect("what can be read");
            for batch in Batches::new(&batches) {
                let batch = batch.expect("what was made");
                assert!(!batch.header().is_legacy());
                let is_compressed = batch.codec() != Ok(Codec::None);
                *if is_compressed { &mut upgraded.wrappers } else { &mut upgraded.plain } += 1;
            }
            to.0.import(&batches, Durability::Written)?;
            offset = fetched.next_offset();
        }
        Ok(upgraded)
    }
}

fn isolation(committed: bool) -> Isolation {
    if committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}

fn listed(found: TimestampedOffset) -> Listed {
    Listed {
        offset: found.offset,
        timestamp: found.timestamp.unwrap_or(-1),
        leader_epoch: found.leader_epoch.map(|epoch| epoch.0),
    }
}

fn remembered(sent: &strandline::testing::RememberedBatch) -> (i32, i32, i64, i64, i64) {
    let (first, last) = (sent.first_sequence, sent.last_sequence);
    (first, last, sent.first_offset, sent.last_offset, sent.timestamp)
}

/// The bytes of a batch as a client, or for markers the coordinator, sends it.
pub(crate) fn build(sent: &Sent) -> Result<Vec<u8>, Failure> {
    let producer = (sent.producer_id, sent.producer_epoch, sent.base_sequence);
    match &sent.content {
        Content::Records(records) => {
            let records = records.iter().map(|record| {
                let value = match &record.value {
                    Payload::Bytes(bytes) => Some(bytes.as_slice()),
                    _ => None,
                };
                (record.timestamp, record.key.as_deref(), value, record.headers.as_slice())
            });
            let codec = sent.codec.as_str();
            Ok(strandline::testing::build_batch(codec, producer, sent.transactional, records)?)
        }
        Content::Marker(marker) => {
            let Marker { commit, coordinator_epoch, timestamp, .. } = *marker;
            Ok(strandline::testing::build_marker(producer, commit, coordinator_epoch, timestamp)?)
        }
    }
}

/// A partition's directory without a store around it: the log floor's own door, for tests.
pub(crate) struct EngineLog(strandline::testing::Log);

impl EngineLog {
    /// Opens the log of `topic-0` in `directory`, new or cleanly closed; `config` has Kafka's names
    /// of settings.
    pub(crate) fn open(
        directory: &Path,
        config: &[(String, String)],
        now_ms: i64,
    ) -> Result<Self, Failure> {
        Ok(EngineLog(strandline::testing::Log::open(directory, config, now_ms)?))
    }

    /// The log as programs have it.
    pub(crate) fn partition(&self) -> Partition {
        Partition(self.0.handle().clone())
    }

    pub(crate) fn set_now(&mut self, now_ms: i64) {
        self.0.set_now(now_ms);
    }

    /// Appends one batch as a client or the transaction coordinator sends it.
    pub(crate) fn append_as_leader(
        &mut self,
        batch: &[u8],
        leader_epoch: i32,
        origin: Origin,
        transaction_version: i16,
    ) -> Result<Answer, Failure> {
        let coordinator = origin == Origin::Coordinator;
        let appended =
            self.0.append_as_leader(batch, leader_epoch, coordinator, transaction_version)?;
        Ok(Answer {
            first_offset: appended.first_offset,
            last_offset: appended.last_offset,
            max_timestamp: appended.max_timestamp.unwrap_or(-1),
            log_append_time: appended.log_append_time.unwrap_or(-1),
        })
    }

    /// Appends batches that have their offsets and leader epochs.
    pub(crate) fn append_as_follower(&mut self, batches: &[u8]) -> Result<Answer, Failure> {
        let appended = self.0.append_as_follower(batches)?;
        Ok(Answer {
            first_offset: appended.first_offset,
            last_offset: appended.last_offset,
            max_timestamp: appended.max_timestamp.unwrap_or(-1),
            log_append_time: appended.log_append_time.unwrap_or(-1),
        })
    }

    /// The base offset of the new segment.
    pub(crate) fn roll(&mut self) -> Result<i64, Failure> {
        Ok(self.0.roll()?)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }

    /// Compacts what lies between two offsets; the answer is where the next compaction begins.
    pub(crate) fn clean(
        &mut self,
        first_dirty: i64,
        first_uncleanable: i64,
    ) -> Result<i64, Failure> {
        Ok(self.0.clean(first_dirty, first_uncleanable)?)
    }

    /// Whether there was anything to truncate.
    pub(crate) fn truncate_to(&mut self, offset: i64) -> Result<bool, Failure> {
        Ok(self.0.truncate_to(offset)?)
    }

    pub(crate) fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), Failure> {
        Ok(self.0.truncate_fully_and_start_at(offset, None)?)
    }

    /// Whether the log start offset moved.
    pub(crate) fn increment_log_start(&mut self, offset: i64) -> Result<bool, Failure> {
        Ok(self.0.increment_log_start(offset)?)
    }

    /// How many segments went.
    pub(crate) fn delete_old_segments(&mut self) -> Result<i64, Failure> {
        Ok(self.0.delete_old_segments()? as i64)
    }

    pub(crate) fn assign_epoch(&mut self, epoch: i32, offset: i64) -> Result<(), Failure> {
        Ok(self.0.assign_epoch(epoch, offset)?)
    }

    /// Unlinks the files whose delay is over.
    pub(crate) fn run_due_deletes(&mut self) -> Result<(), Failure> {
        Ok(self.0.run_due_deletes()?)
    }

    pub(crate) fn state(&self) -> Result<State, Failure> {
        let log = &self.0;
        let producer = |producer: &strandline::testing::ProducerState| Producer {
            id: producer.id,
            epoch: producer.epoch,
            coordinator_epoch: producer.coordinator_epoch.unwrap_or(-1),
            last_timestamp: producer.last_timestamp,
            open_transaction: producer.open_transaction,
            batches: producer.batches.iter().map(remembered).collect(),
        };
        let mut producers: Vec<_> = log.producers()?.iter().map(producer).collect();
        producers.sort_by_key(|producer| producer.id);
        Ok(State {
            log_start_offset: log.log_start_offset()?,
            log_end_offset: log.log_end_offset()?,
            high_watermark: log.high_watermark()?,
            last_stable_offset: log.last_stable_offset()?,
            segments: log.segment_bases()?,
            leader_epochs: log.leader_epochs()?,
            producers,
        })
    }

    /// Closes as a clean shutdown does.
    pub(crate) fn close(self) -> Result<(), Failure> {
        Ok(self.0.close()?)
    }
}
