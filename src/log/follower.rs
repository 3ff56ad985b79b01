//! Reading a log from an offset on, and on as it grows: beside its writer, in this process or another.

use std::time::{Duration, Instant};

use super::fetch::{self, FetchOptions};
use super::fetched::Fetched;
use super::handle::Log;
use super::opened::Opened;
use super::view::{Grown, View};
use crate::error::{Error, Result};
use crate::record::{LeaderEpoch, Offset};

/// A place in a log, which moves on as records are read; made by [`Log::follow`].
///
/// It follows a log that this process writes, or one of a read-only store that another process is
/// writing ([`StoreOptions::read_only`](crate::StoreOptions::read_only)): strandline's, or Kafka's
/// own broker. It brings whole batches, each once and in order, over rolls, retention, cleanings, and
/// the death and recovery of the writer. What happens to the log is told by an error, after which it
/// can be used on:
///
/// | error | what happened | the next call goes on at |
/// |---|---|---|
/// | [`Error::Truncated`] | records that were read are no part of the log any more | where it was cut |
/// | [`Error::OffsetOutOfRange`] | retention has overtaken it | the same offset: [`Follower::seek`] |
/// | [`Error::Corrupt`] | a batch is damaged | the same offset |
/// | [`Error::NotFound`] | the topic was deleted | |
/// | [`Error::Closed`] | this process has closed the store | |
/// | [`Error::Io`] | as everywhere; nothing is lost | the same offset |
///
/// Beside another process a batch that fails its checks is not there yet. It is `Corrupt` once it
/// still fails a second after the file has grown past it, or lies below what the writer has made
/// durable.
///
/// ```
/// use std::time::Duration;
/// use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// let writer = Store::open(&path)?;
/// let log = writer.create_topic("events", TopicOptions::new())?.partition(0)?;
///
/// // Here, in another thread, or in another process:
/// let reader = Store::open_read_only(&path)?;
/// let mut follower = reader.log("events", 0)?.follow(0, FetchOptions::new())?;
/// assert!(follower.fetch()?.is_empty());
/// log.append(Batch::of([Record::new().value("one")]), Durability::Written)?;
/// let fetched = follower.fetch_within(Duration::from_secs(10))?;
/// assert_eq!(fetched.records().count(), 1);
/// assert_eq!(follower.offset(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Follower {
    log: Log,
    options: FetchOptions,
    next: Offset,
    /// The term of the record before `next`, if that is known: by it a cut is noticed.
    epoch: Option<LeaderEpoch>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let log = format!("{}-{}", self.log.topic(), self.log.partition());
        f.debug_struct("Follower")
            .field("log", &log)
            .field("next", &self.next)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// A follower of this log from `offset` on.
    ///
    /// # Errors
    ///
    /// `Io`, `Closed`, `NotFound`. An offset that cannot be read is told by the first fetch.
    pub fn follow(&self, offset: Offset, options: FetchOptions) -> Result<Follower> {
        let mut follower = self.follow_in(offset, None, options)?;
        follower.seek(offset)?;
        Ok(follower)
    }

    /// A follower from `offset` on, behind a record of the term `epoch`.
    pub(crate) fn follow_in(
        &self,
        offset: Offset,
        epoch: Option<LeaderEpoch>,
        options: FetchOptions,
    ) -> Result<Follower> {
        self.opened()?.watch();
        Ok(Follower { log: self.clone(), options, next: offset, epoch })
    }
}

impl Follower {
    /// Where it reads next.
    pub fn offset(&self) -> Offset {
        self.next
    }

    /// The term of the record before that, if it is known.
    pub fn epoch(&self) -> Option<LeaderEpoch> {
        self.epoch
    }

    /// The log that it follows.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Goes on at `offset`.
    ///
    /// # Errors
    ///
    /// As [`Log::follow`].
    pub fn seek(&mut self, offset: Offset) -> Result<()> {
        let view = self.log.opened()?.published.view();
        self.place_at(offset, &view);
        Ok(())
    }

    fn place_at(&mut self, offset: Offset, view: &View) {
        self.next = offset;
        let is_known = offset > view.log_start_offset && offset <= view.log_end_offset;
        self.epoch = view.epochs.epoch_for_offset(offset - 1).filter(|_| is_known);
    }

    /// What there is now from its offset on, and moves behind that; empty if there is nothing yet.
    /// Records in the first batch may lie before the offset, if it was placed inside that:
    /// [`Fetched::records`] leaves them out.
    ///
    /// # Errors
    ///
    /// See [`Follower`].
    pub fn fetch(&mut self) -> Result<Fetched> {
        let opened = self.log.opened()?;
        opened.watch();
        let shown = self.fetch_shown(&opened);
        let is_all = match &shown {
            Ok(fetched) => !fetched.is_empty(),
            // What failed may have come after all.
            Err(error) => !matches!(error, Error::Corrupt { .. }),
        };
        if is_all || opened.sight.is_none() {
            return shown;
        }
        opened.look_again(false)?;
        self.fetch_shown(&opened)
    }

    /// As [`Follower::fetch`], but waits until there is something, at most `timeout`.
    ///
    /// # Errors
    ///
    /// See [`Follower`].
    pub fn fetch_within(&mut self, timeout: Duration) -> Result<Fetched> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let fetched = self.fetch()?;
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if !fetched.is_empty() || left.is_zero() {
                return Ok(fetched);
            }
            let (next, options) = (self.next, self.options);
            let opened = self.log.opened()?;
            // A cut is news as well.
            let is_news =
                |view: &View| view.has_news_for(next, options) || view.log_end_offset < next;
            if !opened.wait(left, is_news)? && opened.published.view().ended {
                return Err(Error::Closed);
            }
        }
    }

    /// A future that resolves once [`Follower::fetch`] has something to bring or to tell. Works in
    /// any runtime.
    ///
    /// # Errors
    ///
    /// As [`Log::grown`].
    pub fn grown(&self) -> Result<Grown> {
        self.log.grown_for(self.next, self.options, true)
    }

    /// Fetches from what is shown, and moves on.
    fn fetch_shown(&mut self, opened: &Opened) -> Result<Fetched> {
        self.check_cut(&opened.published.view())?;
        let fetched = fetch::fetch(opened, self.next, self.options)?;
        let epochs = |fetched: &Fetched| {
            let mut epochs = fetched.batches().map(|batch| batch.header().leader_epoch());
            let first = epochs.next()?;
            Some((first, epochs.last().unwrap_or(first)))
        };
        let Some((first, last)) = epochs(&fetched) else { return Ok(fetched) };
        if first != self.epoch && self.epoch.is_some() {
            // Another term: where the one before ended tells whether all of it was read.
            opened.look_again(true)?;
            self.check_cut(&opened.published.view())?;
        }
        (self.next, self.epoch) = (fetched.next_offset(), last);
        Ok(fetched)
    }

    /// Notices that the log was cut below what was read.
    fn check_cut(&mut self, view: &View) -> Result<()> {
        let ended = view.epochs.end_offset_for(self.epoch, view.log_end_offset);
        let to = ended.map_or(Offset::MAX, |(_, end)| end).min(view.log_end_offset);
        if to >= self.next || self.epoch.is_none() {
            return Ok(());
        }
        let to = to.max(view.log_start_offset);
        let read_to = std::mem::replace(&mut self.next, to);
        self.place_at(to, view);
        Err(Error::Truncated { to, read_to })
    }
}
