//! Gathering records into batches, for callers that have one at a time.

use std::time::{Duration, Instant};

use super::append::{Appended, Durability};
use super::handle::Log;
use crate::compression::Compression;
use crate::error::Result;
use crate::record::{Batch, Record};

/// Gathers records and appends them a batch at a time; made by [`Log::appender`].
///
/// A record is appended once [`Appender::push`] or [`Appender::flush`] returns an answer that
/// covers it; what was only gathered is lost if this is dropped without a flush.
///
/// ```
/// use std::time::Duration;
/// use strandline::{Durability, Record, Store, TopicOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::options().open(dir.path().join("data"))?;
/// # let log = store.create_topic("events", TopicOptions::new())?.partition(0)?;
/// let mut appender = log.appender(64 << 10, Duration::from_millis(5));
/// for n in 0..1000 {
///     appender.push(Record::new().value(&format!("event {n}")))?;
/// }
/// appender.flush()?;
/// assert_eq!(log.log_end_offset()?, 1000);
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Appender {
    log: Log,
    batch: Batch,
    batch_bytes: usize,
    linger: Duration,
    durability: Durability,
    /// When the first record of the batch came, if that matters.
    since: Option<Instant>,
}

impl Log {
    /// An appender that appends a batch once it has `batch_bytes` (`batch.size`), or a record comes
    /// and the first one is older than `linger` (`linger.ms`; zero: only the size counts). Batches
    /// are appended [`Durability::Synced`] unless it is told otherwise.
    pub fn appender(&self, batch_bytes: usize, linger: Duration) -> Appender {
        Appender {
            log: self.clone(),
            batch: Batch::new(),
            batch_bytes,
            linger,
            durability: Durability::default(),
            since: None,
        }
    }
}

impl Appender {
    /// What each append promises.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Compresses each batch.
    #[must_use]
    pub fn compression(mut self, how: impl Into<Compression>) -> Self {
        self.batch = self.batch.compression(how);
        self
    }

    /// Gathers a record. The answer is that of the batch that was appended, if one was.
    ///
    /// # Errors
    ///
    /// As [`Log::append`]. The records that were gathered stay gathered: a later call tries again.
    #[expect(clippy::inline_always, reason = "see `Batch::push`")]
    #[inline(always)]
    pub fn push(&mut self, record: Record<'_>) -> Result<Option<Appended>> {
        if self.batch.is_empty() && !self.linger.is_zero() {
            self.since = Some(Instant::now());
        }
        self.batch.push(record);
        let is_full = self.batch.size_bytes() >= self.batch_bytes;
        if is_full || self.since.is_some_and(|since| since.elapsed() >= self.linger) {
            return self.flush();
        }
        Ok(None)
    }

    /// Appends what is gathered; the answer is none if nothing is.
    ///
    /// # Errors
    ///
    /// As [`Appender::push`].
    pub fn flush(&mut self) -> Result<Option<Appended>> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        let appended = self.log.append(&mut self.batch, self.durability)?;
        self.batch.clear();
        Ok(Some(appended))
    }

    /// How many records are gathered and not appended yet.
    pub fn gathered(&self) -> usize {
        self.batch.len()
    }
}
