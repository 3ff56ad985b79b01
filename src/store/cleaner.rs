//! Cleaning the compacted logs of a store: how, in what order, and how fast.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::directory::locked;
use super::shared::Core;
use crate::error::{Error, Result};
use crate::log::{CleanProgress, Cleaned, Log, Tools, Urgency, Waited};
use crate::record::Timestamp;

/// How compacted logs are cleaned; part of [`StoreOptions`](crate::StoreOptions).
///
/// ```
/// use strandline::{CleanerOptions, Store};
///
/// # let dir = tempfile::tempdir()?;
/// let cleaner = CleanerOptions::new().memory_bytes(32 << 20).max_bytes_per_second(10 << 20);
/// let store = Store::options().cleaner(cleaner).open(dir.path().join("data"))?;
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanerOptions {
    enabled: bool,
    memory_bytes: usize,
    max_bytes_per_second: Option<u64>,
    backoff: Duration,
}

impl Default for CleanerOptions {
    fn default() -> Self {
        CleanerOptions::new()
    }
}

impl CleanerOptions {
    /// Kafka's defaults.
    pub fn new() -> Self {
        CleanerOptions {
            enabled: true,
            memory_bytes: 128 << 20,
            max_bytes_per_second: None,
            backoff: Duration::from_secs(15),
        }
    }

    /// Whether housekeeping cleans (`log.cleaner.enable`). [`Store::clean`](crate::Store::clean)
    /// does in any case.
    ///
    /// Default: yes.
    #[must_use]
    pub fn enabled(mut self, yes: bool) -> Self {
        self.enabled = yes;
        self
    }

    /// How much memory the keys of one round may take (`log.cleaner.dedupe.buffer.size`). Where a
    /// log has more keys than fit, it is cleaned in several rounds. It is taken as it is needed, and
    /// given back after each.
    ///
    /// Default: 128 MiB; at most 4 GiB are used.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Reads and writes no more than so many bytes a second, taken together
    /// (`log.cleaner.io.max.bytes.per.second`).
    ///
    /// Default: as fast as it goes.
    #[must_use]
    pub fn max_bytes_per_second(mut self, bytes: u64) -> Self {
        self.max_bytes_per_second = Some(bytes.max(1));
        self
    }

    /// How long the cleaner rests when there is nothing to clean (`log.cleaner.backoff.ms`).
    ///
    /// Default: 15 seconds.
    #[must_use]
    pub fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }
}

/// How fast a cleaning goes.
#[derive(Debug)]
struct Throttle {
    max_bytes_per_second: Option<u64>,
    began: Instant,
    done: u64,
    /// Bytes since somebody last looked.
    unlooked: u64,
}

/// Nobody looks, at the time or at the progress, before so many bytes more are done.
const LOOK_BYTES: u64 = 256 << 10;

impl Throttle {
    fn new(max_bytes_per_second: Option<u64>) -> Throttle {
        Throttle { max_bytes_per_second, began: Instant::now(), done: 0, unlooked: 0 }
    }

    /// Counts bytes in; says whether it is time to look.
    fn count(&mut self, bytes: u64) -> bool {
        self.done += bytes;
        self.unlooked += bytes;
        let is_time =
            self.unlooked >= LOOK_BYTES.min(self.max_bytes_per_second.unwrap_or(u64::MAX));
        if is_time {
            self.unlooked = 0;
        }
        is_time
    }

    /// How long to wait, if so much time has passed.
    fn owed(&self, elapsed: Duration) -> Duration {
        let Some(most) = self.max_bytes_per_second else { return Duration::ZERO };
        Duration::from_secs_f64(self.done as f64 / most as f64).saturating_sub(elapsed)
    }
}

impl Core {
    /// Cleans until it is told to stop.
    pub(super) fn keep_clean(&self) {
        loop {
            if self.cleaner_signal.wait(self.cleaner.backoff) == Waited::Stop || self.is_stopping()
            {
                return;
            }
            self.clean_due(self.clock().now_ms());
        }
    }

    /// Cleans the logs for which it is time, the dirtiest first; the first error is the answer, and
    /// all of them are warnings.
    pub(super) fn clean_due(&self, now: Timestamp) -> Option<Error> {
        if !self.cleaner.enabled || self.is_ahead(now) {
            return None;
        }
        self.use_logs(|known| known.config.is_compacted());
        let logs: Vec<Log> = locked(&self.logs).open.values().cloned().collect();
        let mut first = None;
        let mut warn = |log: &Log, error: Error| {
            let gone = matches!(error, Error::Closed | Error::NotFound(_));
            if !gone && !self.is_stopping() {
                let (topic, partition) = (log.topic(), log.partition());
                self.directory.warn(format!("{topic}-{partition}: not cleaned: {error}"));
                first.get_or_insert(error);
            }
        };
        let mut due: Vec<(Urgency, Log)> = Vec::new();
        for log in logs {
            match log.cleaning_due(now) {
                Ok(urgency) => due.extend(urgency.map(|urgency| (urgency, log))),
                Err(error) => warn(&log, error),
            }
        }
        due.sort_by(|(one, _), (other, _)| {
            other.partial_cmp(one).unwrap_or(std::cmp::Ordering::Equal)
        });
        for (_, log) in due {
            if let Err(error) = self.clean_at(&log, now, &|_| {}) {
                warn(&log, error);
            }
        }
        first
    }

    /// Cleans a log now.
    pub(super) fn clean(
        &self,
        log: &Log,
        watch: &(dyn Fn(CleanProgress) + Sync),
    ) -> Result<Cleaned> {
        self.clean_at(log, self.clock().now_ms(), watch)
    }

    fn clean_at(
        &self,
        log: &Log,
        now: Timestamp,
        watch: &(dyn Fn(CleanProgress) + Sync),
    ) -> Result<Cleaned> {
        let throttle = Mutex::new(Throttle::new(self.cleaner.max_bytes_per_second));
        let pace = |bytes| {
            if self.is_stopping() {
                return Err(Error::Closed);
            }
            let mut throttle = locked(&throttle);
            if !throttle.count(bytes) {
                return Ok(());
            }
            if let Ok(under_way) = log.cleaning_under_way() {
                watch(under_way);
            }
            let owed = throttle.owed(throttle.began.elapsed());
            drop(throttle);
            if !owed.is_zero() && self.cleaner_signal.wait(owed) == Waited::Stop {
                return Err(Error::Closed);
            }
            Ok(())
        };
        log.clean(&Tools { map_bytes: self.cleaner.memory_bytes, pace: &pace }, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_owes_the_time_that_its_bytes_should_have_taken() {
        let mut throttle = Throttle::new(Some(1000));
        assert!(!throttle.count(500));
        assert!(throttle.count(2000));
        assert_eq!(throttle.owed(Duration::from_secs(1)), Duration::from_millis(1500));
        assert_eq!(throttle.owed(Duration::from_secs(3)), Duration::ZERO);
        let mut free = Throttle::new(None);
        assert!(!free.count(100) && free.count(LOOK_BYTES));
        assert_eq!(free.owed(Duration::ZERO), Duration::ZERO);
    }
}
