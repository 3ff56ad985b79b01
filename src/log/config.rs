//! A topic's settings under Kafka's names: set by builder or by name, given back as they were set.

use std::fmt;
use std::time::Duration;

use super::settings::{DEFAULTS, Settings};
use crate::compression::Compression;
use crate::error::Error;
use crate::record::TimestampType;

/// The settings of a topic's logs. Each has Kafka's name, meaning and default (4.3), but for
/// retention, which is off until it is asked for: Kafka's seven days would delete imported history
/// at once.
///
/// A value that a builder method cannot take is reported when the settings are used, by
/// [`LogConfig::check`]. Durations are rounded down to milliseconds.
///
/// ```
/// use std::time::Duration;
/// use strandline::LogConfig;
///
/// let config = LogConfig::new().segment_bytes(64 << 20).retention(Some(Duration::from_secs(3600)));
/// config.check()?;
/// let mut pairs = config.to_pairs();
/// assert_eq!(pairs.next(), Some(("segment.bytes", "67108864")));
/// assert_eq!(pairs.next(), Some(("retention.ms", "3600000")));
/// # Ok::<(), strandline::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    settings: Settings,
    /// What was set, in order; unknown settings too.
    set: Vec<(String, String)>,
    /// The first thing that a builder method could not take.
    fault: Option<ConfigError>,
}

/// What becomes of old records (`cleanup.policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CleanupPolicy {
    /// Old segments are deleted when retention says so.
    #[default]
    Delete,
    /// Of each key the last record is kept.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// A setting that cannot have the value that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Kafka's name of it.
    pub setting: String,
    /// What it was given.
    pub value: String,
    /// What it may be.
    pub allowed: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { setting, value, allowed } = self;
        write!(f, "{setting} cannot be {value:?}: it is {allowed}")
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Invalid(error.to_string())
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig::new()
    }
}

impl LogConfig {
    /// The defaults.
    pub fn new() -> Self {
        LogConfig { settings: DEFAULTS, set: Vec::new(), fault: None }
    }

    /// Settings by name, as [`LogConfig::set`] takes them, checked together.
    ///
    /// # Errors
    ///
    /// The first that cannot be.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, ConfigError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut config = LogConfig::new();
        for (name, value) in pairs {
            config.set(name.as_ref(), value.as_ref())?;
        }
        config.check()?;
        Ok(config)
    }

    /// Sets one by Kafka's name and in Kafka's spelling. A name that is not known (of a later
    /// version, or gone since) is kept and has no effect.
    ///
    /// # Errors
    ///
    /// If a known setting cannot have that value; then nothing is changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        self.settings.apply(name, value).map_err(|allowed| ConfigError {
            setting: name.into(),
            value: value.into(),
            allowed,
        })?;
        match self.set.iter_mut().find(|(there, _)| there == name) {
            Some((_, there)) => value.clone_into(there),
            None => self.set.push((name.into(), value.into())),
        }
        Ok(())
    }

    /// Everything that was set, unknown settings too, in order and as it was written.
    pub fn to_pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether the settings can be used: each value was taken, and they fit together.
    ///
    /// # Errors
    ///
    /// The first that cannot be.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let (min, max) = (self.settings.min_compaction_lag_ms, self.settings.max_compaction_lag_ms);
        if min > max {
            return Err(ConfigError {
                setting: "min.compaction.lag.ms".into(),
                value: min.to_string(),
                allowed: format!("at most max.compaction.lag.ms, which is {max}"),
            });
        }
        Ok(())
    }

    /// The values that a log works by.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether of the records of each key only the last is to be kept.
    pub(crate) fn is_compacted(&self) -> bool {
        self.settings().compact
    }

    /// Whether old segments are to go by age or size.
    pub(crate) fn asks_retention(&self) -> bool {
        let settings = self.settings();
        settings.delete && (settings.retention_ms.is_some() || settings.retention_bytes.is_some())
    }

    /// Rolls the active segment rather than let it grow past `bytes` (`segment.bytes`).
    ///
    /// Default: 1 GiB. At least 14; Kafka wants 1 MiB or more. A batch is never split, so one
    /// larger than this is refused on append.
    #[must_use]
    pub fn segment_bytes(self, bytes: u32) -> Self {
        self.with("segment.bytes", bytes)
    }

    /// Rolls the active segment when a record comes that is so much later than the first ones
    /// (`segment.ms`).
    ///
    /// Default: 7 days. At least 1 ms. Only an append rolls: an idle segment stays active.
    #[must_use]
    pub fn segment_time(self, time: Duration) -> Self {
        self.with("segment.ms", ms(time))
    }

    /// Takes up to so much off [`LogConfig::segment_time`], at random for each segment, lest many
    /// logs roll at once (`segment.jitter.ms`).
    ///
    /// Default: 0.
    #[must_use]
    pub fn segment_jitter(self, jitter: Duration) -> Self {
        self.with("segment.jitter.ms", ms(jitter))
    }

    /// The most that each index of a segment may take; a full one rolls the segment
    /// (`segment.index.bytes`).
    ///
    /// Default: 10 MiB. At least 12, one entry of a time index (Kafka takes 4 and then cannot open
    /// the log); below 24 every append rolls.
    #[must_use]
    pub fn segment_index_bytes(self, bytes: u32) -> Self {
        self.with("segment.index.bytes", bytes)
    }

    /// Makes an index entry about every so many bytes of the log (`index.interval.bytes`).
    ///
    /// Default: 4096. 0 makes one for each batch but a segment's first.
    #[must_use]
    pub fn index_interval_bytes(self, bytes: u32) -> Self {
        self.with("index.interval.bytes", bytes)
    }

    /// Takes a segment's whole space when it is made (`preallocate`).
    ///
    /// Default: off.
    #[must_use]
    pub fn preallocate(self, on: bool) -> Self {
        self.with("preallocate", on)
    }

    /// Refuses batches larger than this, as they are stored (`max.message.bytes`).
    ///
    /// Default: 1 MiB and 12 bytes. A batch of exactly this size is taken; imports are not asked.
    #[must_use]
    pub fn max_message_bytes(self, bytes: u32) -> Self {
        self.with("max.message.bytes", bytes)
    }

    /// Flushes when so many records are not flushed yet (`flush.messages`).
    ///
    /// Default: never (2⁶³−1). At least 1. A synced append does not wait for it.
    #[must_use]
    pub fn flush_messages(self, records: u64) -> Self {
        self.with("flush.messages", records.min(i64::MAX as u64))
    }

    /// Flushes what is older than this (`flush.ms`).
    ///
    /// Default: never (2⁶³−1 ms). At least 1 ms.
    #[must_use]
    pub fn flush_time(self, time: Duration) -> Self {
        self.with("flush.ms", ms(time))
    }

    /// Deletes a segment when its last record is older than this; none keeps it (`retention.ms`).
    ///
    /// Default: none, where Kafka has 7 days. Zero deletes at the next run. Only with a policy that
    /// deletes.
    #[must_use]
    pub fn retention(self, time: Option<Duration>) -> Self {
        self.with("retention.ms", time.map_or(-1, ms))
    }

    /// Deletes the oldest segments while the others still hold this much; none keeps them
    /// (`retention.bytes`).
    ///
    /// Default: none.
    #[must_use]
    pub fn retention_bytes(self, bytes: Option<u64>) -> Self {
        self.with("retention.bytes", bytes.map_or(-1, |b| i64::try_from(b).unwrap_or(i64::MAX)))
    }

    /// Leaves a deleted file for so long under its name with `.deleted` (`file.delete.delay.ms`).
    ///
    /// Default: one minute.
    #[must_use]
    pub fn file_delete_delay(self, delay: Duration) -> Self {
        self.with("file.delete.delay.ms", ms(delay))
    }

    /// What becomes of old records (`cleanup.policy`).
    ///
    /// Default: [`CleanupPolicy::Delete`].
    #[must_use]
    pub fn cleanup_policy(self, policy: CleanupPolicy) -> Self {
        let list = match policy {
            CleanupPolicy::Delete => "delete",
            CleanupPolicy::Compact => "compact",
            CleanupPolicy::CompactAndDelete => "compact,delete",
        };
        self.with("cleanup.policy", list)
    }

    /// Keeps a tombstone for so long after the cleaner met it (`delete.retention.ms`).
    ///
    /// Default: one day. A reader that is slower than this can miss a deletion.
    #[must_use]
    pub fn delete_retention(self, time: Duration) -> Self {
        self.with("delete.retention.ms", ms(time))
    }

    /// Leaves records alone until they are so old (`min.compaction.lag.ms`).
    ///
    /// Default: 0. Not above [`LogConfig::max_compaction_lag`].
    #[must_use]
    pub fn min_compaction_lag(self, lag: Duration) -> Self {
        self.with("min.compaction.lag.ms", ms(lag))
    }

    /// Cleans a log that has older records than this, however clean it is
    /// (`max.compaction.lag.ms`).
    ///
    /// Default: never (2⁶³−1 ms). At least 1 ms. It also rolls the active segment in time.
    #[must_use]
    pub fn max_compaction_lag(self, lag: Duration) -> Self {
        self.with("max.compaction.lag.ms", ms(lag))
    }

    /// Cleans a log when this part of it is not clean (`min.cleanable.dirty.ratio`).
    ///
    /// Default: 0.5. From 0 to 1.
    #[must_use]
    pub fn min_cleanable_dirty_ratio(self, ratio: f64) -> Self {
        self.with("min.cleanable.dirty.ratio", ratio)
    }

    /// Stores every batch with this codec, compressing it again if need be; none leaves it to the
    /// producer (`compression.type`, `compression.gzip.level` and the like).
    ///
    /// Default: none. A batch that has the codec at another level stays as it is.
    #[must_use]
    pub fn compression(self, how: Option<Compression>) -> Self {
        let Some(how) = how else { return self.with("compression.type", "producer") };
        let name = match how.codec().name() {
            "none" => "uncompressed",
            name => name,
        };
        let config = self.with("compression.type", name);
        match how.level_of() {
            Some(level) if how != Compression::from(how.codec()) => {
                config.with(&format!("compression.{name}.level"), level)
            }
            _ => config,
        }
    }

    /// Whose times records carry (`message.timestamp.type`).
    ///
    /// Default: [`TimestampType::CreateTime`].
    #[must_use]
    pub fn timestamp_type(self, kind: TimestampType) -> Self {
        self.with("message.timestamp.type", kind.name())
    }

    /// Refuses records that are so much older than the clock (`message.timestamp.before.max.ms`).
    ///
    /// Default: never (2⁶³−1 ms). Not with [`TimestampType::LogAppendTime`].
    #[must_use]
    pub fn timestamp_before_max(self, time: Duration) -> Self {
        self.with("message.timestamp.before.max.ms", ms(time))
    }

    /// Refuses records that are so much ahead of the clock (`message.timestamp.after.max.ms`).
    ///
    /// Default: one hour. Not with [`TimestampType::LogAppendTime`].
    #[must_use]
    pub fn timestamp_after_max(self, time: Duration) -> Self {
        self.with("message.timestamp.after.max.ms", ms(time))
    }

    /// Forgets an idempotent producer whose last record is so old
    /// (`producer.id.expiration.ms`).
    ///
    /// Default: one day. At least 1 ms. In Kafka a broker's setting: it is not among
    /// [`LogConfig::to_pairs`]. A producer with an open transaction is never forgotten.
    #[must_use]
    pub fn producer_id_expiration(mut self, time: Duration) -> Self {
        self.settings.producer_id_expiration_ms = ms(time).max(1);
        self
    }

    /// Sets one, or remembers that it cannot be.
    fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        if let Err(error) = self.set(name, &value.to_string()) {
            self.fault.get_or_insert(error);
        }
        self
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
