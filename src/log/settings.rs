//! The settings that a log works by, as numbers: Kafka's names, defaults and bounds, once each.

use std::fmt::Display;
use std::str::FromStr;

use crate::compression::{Codec, Compression};
use crate::record::{Timestamp, TimestampType};

/// What a log is told: plain values, cheap to copy. −1, which switches retention off in Kafka's
/// settings, is `None` here; every time is in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    segment_bytes: u32,
    internal_segment_bytes: Option<u32>,
    pub(crate) segment_ms: i64,
    pub(crate) segment_jitter_ms: i64,
    pub(crate) segment_index_bytes: u32,
    pub(crate) index_interval_bytes: u32,
    pub(crate) preallocate: bool,
    pub(crate) max_message_bytes: u32,
    pub(crate) flush_messages: i64,
    pub(crate) flush_ms: i64,
    pub(crate) retention_ms: Option<i64>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) file_delete_delay_ms: i64,
    /// Whether `cleanup.policy` lists `compact`.
    pub(crate) compact: bool,
    /// Whether `cleanup.policy` lists `delete`.
    pub(crate) delete: bool,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) max_compaction_lag_ms: i64,
    pub(crate) min_cleanable_dirty_ratio: f64,
    /// None leaves the codec to the producer.
    codec: Option<Codec>,
    gzip_level: i32,
    lz4_level: i32,
    zstd_level: i32,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    /// `producer.id.expiration.ms`: in Kafka a broker's setting, not a topic's.
    pub(crate) producer_id_expiration_ms: i64,
}

/// The defaults of Kafka 4.3, but for retention, which is off until it is asked for.
pub(super) const DEFAULTS: Settings = Settings {
    segment_bytes: 1 << 30,
    internal_segment_bytes: None,
    segment_ms: 7 * DAY_MS,
    segment_jitter_ms: 0,
    segment_index_bytes: 10 << 20,
    index_interval_bytes: 4096,
    preallocate: false,
    max_message_bytes: (1 << 20) + 12,
    flush_messages: i64::MAX,
    flush_ms: i64::MAX,
    retention_ms: None,
    retention_bytes: None,
    file_delete_delay_ms: 60_000,
    compact: false,
    delete: true,
    delete_retention_ms: DAY_MS,
    min_compaction_lag_ms: 0,
    max_compaction_lag_ms: i64::MAX,
    min_cleanable_dirty_ratio: 0.5,
    codec: None,
    gzip_level: -1,
    lz4_level: 9,
    zstd_level: 3,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: 3_600_000,
    producer_id_expiration_ms: DAY_MS,
};

const DAY_MS: i64 = 86_400_000;
/// The smallest segment: a batch's length field and what it counts at least.
const LEAST_SEGMENT_BYTES: u32 = 14;
/// One entry of a time index. Kafka takes 4 for the setting, and then cannot open the log.
const LEAST_INDEX_BYTES: u32 = 12;

/// What a setting allows, for the error that says so.
type Allowed = String;

impl Settings {
    /// Reads one setting in Kafka's spelling.
    ///
    /// # Errors
    ///
    /// What is allowed, if `value` is not. Then nothing is changed.
    pub(super) fn apply(&mut self, name: &str, value: &str) -> Result<(), Allowed> {
        let value = value.trim();
        match name {
            "segment.bytes" => self.segment_bytes = size(value, LEAST_SEGMENT_BYTES)?,
            "internal.segment.bytes" => {
                self.internal_segment_bytes = Some(size(value, LEAST_SEGMENT_BYTES)?);
            }
            "segment.ms" => self.segment_ms = long(value, 1)?,
            "segment.jitter.ms" => self.segment_jitter_ms = long(value, 0)?,
            "segment.index.bytes" => self.segment_index_bytes = index_size(value)?,
            "index.interval.bytes" => self.index_interval_bytes = size(value, 0)?,
            "preallocate" => self.preallocate = boolean(value)?,
            "max.message.bytes" => self.max_message_bytes = size(value, 0)?,
            "flush.messages" => self.flush_messages = long(value, 1)?,
            "flush.ms" => self.flush_ms = long(value, 1)?,
            "retention.ms" => self.retention_ms = Some(long(value, -1)?).filter(|&ms| ms >= 0),
            "retention.bytes" => self.retention_bytes = u64::try_from(long(value, i64::MIN)?).ok(),
            "file.delete.delay.ms" => self.file_delete_delay_ms = long(value, 0)?,
            "cleanup.policy" => (self.compact, self.delete) = policies(value)?,
            _ => return self.apply_rest(name, value),
        }
        Ok(())
    }

    /// The settings of compaction, codecs and timestamps, and those that only brokers heed, whose
    /// values are checked and kept.
    fn apply_rest(&mut self, name: &str, value: &str) -> Result<(), Allowed> {
        match name {
            "delete.retention.ms" => self.delete_retention_ms = long(value, 0)?,
            "min.compaction.lag.ms" => self.min_compaction_lag_ms = long(value, 0)?,
            "max.compaction.lag.ms" => self.max_compaction_lag_ms = long(value, 1)?,
            "min.cleanable.dirty.ratio" => self.min_cleanable_dirty_ratio = ratio(value)?,
            "compression.type" => self.codec = codec(value)?,
            "compression.gzip.level" => self.gzip_level = level(value, Codec::Gzip)?,
            "compression.lz4.level" => self.lz4_level = level(value, Codec::Lz4)?,
            "compression.zstd.level" => self.zstd_level = level(value, Codec::Zstd)?,
            "message.timestamp.type" => self.timestamp_type = timestamp_type(value)?,
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = long(value, 0)?,
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = long(value, 0)?,
            "min.insync.replicas" => _ = size(value, 1)?,
            "local.retention.ms" | "local.retention.bytes" => _ = long(value, -2)?,
            "unclean.leader.election.enable"
            | "remote.storage.enable"
            | "remote.log.copy.disable"
            | "remote.log.delete.on.disable" => _ = boolean(value)?,
            // Of another version: kept, without effect.
            _ => {}
        }
        Ok(())
    }

    /// The largest a segment may become. `internal.segment.bytes`, under which Kafka's own tests
    /// ask for small segments, wins.
    pub(crate) fn segment_bytes(&self) -> u32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }

    /// The longest time that a segment stays active: a compacted one must be rolled before it can
    /// be cleaned.
    pub(crate) fn max_segment_ms(&self) -> i64 {
        if self.compact { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }

    /// The topic's own codec with its level; none leaves it to the producer.
    pub(crate) fn compression(&self) -> Option<Compression> {
        let codec = self.codec?;
        let level = match codec {
            Codec::Gzip => self.gzip_level,
            Codec::Lz4 => self.lz4_level,
            Codec::Zstd => self.zstd_level,
            _ => return Some(codec.into()),
        };
        Some(Compression::from(codec).level(level).unwrap_or_else(|_| codec.into()))
    }

    /// Whether a producer that last wrote at `last` is to be forgotten at `now`.
    pub(crate) fn producer_expired(&self, now: Timestamp, last: Timestamp) -> bool {
        now.saturating_sub(last) >= self.producer_id_expiration_ms
    }
}

fn whole<T>(value: &str, least: T, most: T) -> Result<T, Allowed>
where
    T: Copy + FromStr + PartialOrd + Display,
{
    let parsed = value.parse().ok().filter(|number| (least..=most).contains(number));
    parsed.ok_or_else(|| format!("a whole number from {least} to {most}"))
}

fn long(value: &str, least: i64) -> Result<i64, Allowed> {
    whole(value, least, i64::MAX)
}

/// Kafka's integers are signed: 2³¹−1 is the most.
fn size(value: &str, least: u32) -> Result<u32, Allowed> {
    whole(value, least, i32::MAX as u32)
}

fn index_size(value: &str) -> Result<u32, Allowed> {
    size(value, LEAST_INDEX_BYTES).map_err(|allowed| {
        format!("{allowed}: a time index must have room for an entry, or the log cannot be opened")
    })
}

fn boolean(value: &str) -> Result<bool, Allowed> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Ok(true),
        _ if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true or false".into()),
    }
}

fn ratio(value: &str) -> Result<f64, Allowed> {
    let parsed = value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    parsed.ok_or_else(|| "a number from 0 to 1".into())
}

/// Whether a list of policies has `compact`, and whether it has `delete`.
fn policies(value: &str) -> Result<(bool, bool), Allowed> {
    let (mut compact, mut delete) = (false, false);
    if value.is_empty() {
        return Ok((compact, delete));
    }
    for policy in value.split(',').map(str::trim) {
        if policy.eq_ignore_ascii_case("compact") {
            compact = true;
        } else if policy.eq_ignore_ascii_case("delete") {
            delete = true;
        } else {
            return Err("a list of delete and compact".into());
        }
    }
    Ok((compact, delete))
}

fn codec(value: &str) -> Result<Option<Codec>, Allowed> {
    match value {
        "producer" => Ok(None),
        "uncompressed" => Ok(Some(Codec::None)),
        "gzip" => Ok(Some(Codec::Gzip)),
        "snappy" => Ok(Some(Codec::Snappy)),
        "lz4" => Ok(Some(Codec::Lz4)),
        "zstd" => Ok(Some(Codec::Zstd)),
        _ => Err("one of uncompressed, zstd, lz4, snappy, gzip, producer".into()),
    }
}

fn level(value: &str, codec: Codec) -> Result<i32, Allowed> {
    let fits = |&level: &i32| Compression::from(codec).level(level).is_ok();
    value.parse().ok().filter(fits).ok_or_else(|| {
        let levels = match codec {
            Codec::Gzip => "1 to 9, or -1 for the default",
            Codec::Lz4 => "1 to 17",
            _ => "-131072 to 22",
        };
        format!("a whole number from {levels}")
    })
}

fn timestamp_type(value: &str) -> Result<TimestampType, Allowed> {
    [TimestampType::CreateTime, TimestampType::LogAppendTime]
        .into_iter()
        .find(|kind| kind.name() == value)
        .ok_or_else(|| "CreateTime or LogAppendTime".into())
}
