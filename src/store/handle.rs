//! The handle of a store.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::directory::locked;
use super::hand_over::{HandOver, HandOverOptions};
use super::meta_properties::MetaProperties;
use super::options::StoreOptions;
use super::shared::Core;
use super::topic::{Topic, TopicOptions};
use crate::error::{Error, Result};
use crate::log::{CleanProgress, Cleaned, Log};
use crate::record::Timestamp;

/// A log directory: topics, their partitions, and what is done for them now and then.
///
/// Cheap to clone; all clones, in all threads, are the same store. Only one process can have it open
/// for writing, any number can read it ([`Store::open_read_only`]).
///
/// Nothing is written to a partition before the first append to it. [`Store::close`] makes everything
/// durable and leaves a directory that opens without a scan, here and in Kafka. A store that is
/// dropped instead loses nothing that was acknowledged, but its logs are scanned when they are next
/// used. Its directory stays locked until the last `Store`, [`Topic`] and [`Log`] of it is gone;
/// housekeeping ends with the last `Store` and [`Topic`].
///
/// ```
/// use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// let store = Store::open(&path)?;
/// let log = store.create_topic("events", TopicOptions::new())?.partition(0)?;
/// log.append(Batch::of([Record::new().key("k").value("v")]), Durability::Synced)?;
/// store.close()?;
///
/// let store = Store::open_read_only(&path)?;
/// let fetched = store.log("events", 0)?.fetch(0, FetchOptions::new())?;
/// assert_eq!(fetched.records().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store(Arc<Held>);

/// What goes with the last handle.
#[derive(Debug)]
struct Held {
    core: Arc<Core>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

impl Held {
    /// Ends the housekeeper and the cleaner, and waits until they have ended.
    fn dismiss(&self) {
        self.core.stop();
        let keepers = std::mem::take(&mut *locked(&self.keepers));
        for keeper in keepers {
            if keeper.join().is_err() {
                self.core.directory.warn("housekeeping ended by a panic".into());
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.dismiss();
    }
}

impl Store {
    /// Opens the store at `path`, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`StoreOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::options().open(path)
    }

    /// Opens the store at `path` for reading alone, beside whoever writes it: no lock is taken, and
    /// nothing is written. See [`StoreOptions::read_only`].
    ///
    /// # Errors
    ///
    /// As [`StoreOptions::open`].
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Store> {
        Store::options().read_only(true).open(path)
    }

    /// How to open one otherwise.
    pub fn options() -> StoreOptions {
        StoreOptions::default()
    }

    pub(super) fn new(core: Arc<Core>, keepers: Vec<JoinHandle<()>>) -> Store {
        Store(Arc::new(Held { core, keepers: Mutex::new(keepers) }))
    }

    pub(super) fn core(&self) -> &Core {
        &self.0.core
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.core().directory.root.path()
    }

    /// Whether it was opened for reading alone.
    pub fn is_read_only(&self) -> bool {
        self.core().directory.read_only
    }

    /// Makes a topic. It is there, and survives a loss of power, when this returns.
    ///
    /// # Errors
    ///
    /// `Exists`; `Invalid` for a name, a setting or a number of partitions that cannot be, and for a
    /// name that differs from another topic's in `.` and `_` alone; `ReadOnly`, `Closed`; `Io`: then
    /// the same call goes on where it failed, and so does the next opening.
    pub fn create_topic(&self, name: &str, options: TopicOptions) -> Result<Topic> {
        self.core().create_topic(name, options.into_new())?;
        self.topic(name)
    }

    /// A topic.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Closed`, `Io`.
    pub fn topic(&self, name: &str) -> Result<Topic> {
        self.core().look_again()?;
        Topic::of(self, name)
    }

    /// All topics, by name; Kafka's own (`__consumer_offsets` and the like) too.
    ///
    /// # Errors
    ///
    /// `Closed`, `Io`.
    pub fn topics(&self) -> Result<Vec<Topic>> {
        self.core().look_again()?;
        let names: Vec<String> = {
            let catalog = self.core().directory.catalog();
            catalog.visible().map(|(name, _)| name.clone()).collect()
        };
        let topics = names.iter().map(|name| Topic::of(self, name));
        // One that was deleted meanwhile is left out.
        topics.filter(|topic| !matches!(topic, Err(Error::NotFound(_)))).collect()
    }

    /// Deletes a topic with all its records. It is gone for good when this returns; its files go
    /// after `file.delete.delay.ms`. Logs of it that are in use are closed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ReadOnly`, `Closed`; `Io`: then the same call goes on, and so does the next
    /// opening.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        self.core().delete_topic(name)
    }

    /// All partitions: topic and number, in order.
    ///
    /// # Errors
    ///
    /// `Closed`, `Io`.
    pub fn partitions(&self) -> Result<Vec<(String, u32)>> {
        self.core().look_again()?;
        Ok(self.core().all_partitions())
    }

    /// The log of a partition. All handles of it are the same log.
    ///
    /// # Errors
    ///
    /// As [`Topic::partition`].
    pub fn log(&self, topic: &str, partition: u32) -> Result<Log> {
        match self.core().log(topic, partition, None) {
            Err(Error::NotFound(_)) if self.is_read_only() => {
                self.core().look_again()?;
                self.core().log(topic, partition, None)
            }
            found => found,
        }
    }

    /// How often other processes have changed a log of this store that is followed or waited for, as
    /// far as it is known. For [`Store::wait_for_changes`].
    pub fn changes(&self) -> u64 {
        self.core().surroundings.changes.count(None)
    }

    /// Waits until another process has changed a log of this store that is followed
    /// ([`Log::follow`]), since [`Store::changes`] or an earlier wait gave `since`; gives what it is
    /// to be asked with next. For a thread that follows many logs of a read-only store: look at all
    /// of them, wait, look again.
    ///
    /// It returns after `timeout` or half a second at the latest, whichever is less, also if nothing
    /// has changed: not everything is told everywhere. Changes are told by inotify on Linux; where
    /// there is none, or no more of it, the logs are to be looked at every 10 ms, and this returns as
    /// often.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use strandline::{FetchOptions, Follower, Store};
    /// # fn follow(store: &Store, followers: &mut [Follower]) -> strandline::Result<()> {
    /// let mut changes = store.changes();
    /// loop {
    ///     for follower in followers.iter_mut() {
    ///         let fetched = follower.fetch()?;
    /// #       if fetched.is_empty() { return Ok(()); }
    ///         // …
    ///     }
    ///     changes = store.wait_for_changes(changes, Duration::from_millis(200));
    /// }
    /// # }
    /// ```
    pub fn wait_for_changes(&self, since: u64, timeout: std::time::Duration) -> u64 {
        let changes = &self.core().surroundings.changes;
        changes.wait(None, since, timeout);
        changes.count(None)
    }

    /// To which Kafka cluster and broker the directory belongs; none where no broker was.
    ///
    /// # Errors
    ///
    /// `Io`; `Invalid` if `meta.properties` cannot be read as what it should be.
    pub fn meta_properties(&self) -> Result<Option<MetaProperties>> {
        self.core().directory.meta_properties()
    }

    /// What is strange about the directory, and what housekeeping could not do: for people to read.
    pub fn warnings(&self) -> Vec<String> {
        self.core().directory.warnings()
    }

    /// Cleans a compacted topic now, all that can be cleaned and whatever its dirty ratio: of the
    /// records of each key only the last is kept (`cleanup.policy=compact`). The active segment is
    /// left alone, what `min.compaction.lag.ms` protects, and what is undecided.
    ///
    /// Appends and fetches go on beside it. A crash leaves each segment as it was or as it is to be.
    ///
    /// # Errors
    ///
    /// `PolicyViolation` if `cleanup.policy` has no `compact`; `Corrupt` for a damaged batch: the
    /// segment that holds it stays as it is; `Io`, `NotFound`, `ReadOnly`, `Closed`.
    pub fn clean(&self, topic: &str) -> Result<Cleaned> {
        self.clean_watched(topic, |_| {})
    }

    /// The same, telling how far it is now and then.
    ///
    /// # Errors
    ///
    /// As [`Store::clean`].
    pub fn clean_watched(
        &self,
        topic: &str,
        watch: impl Fn(CleanProgress) + Sync,
    ) -> Result<Cleaned> {
        self.core().look_again()?;
        let mut cleaned = Cleaned::default();
        for partition in Topic::of(self, topic)?.partition_numbers() {
            let log = self.core().log(topic, partition, None)?;
            cleaned.add(&self.core().clean(&log, &watch)?);
        }
        Ok(cleaned)
    }

    /// Does what is due at `now` (milliseconds since 1970): seals segments, deletes what retention
    /// says, removes deleted files, writes checkpoints. Only needed without a housekeeping thread
    /// ([`StoreOptions::housekeeping`]); then at least every few seconds.
    ///
    /// # Errors
    ///
    /// `Closed`; else the first error. The rest was done, and what failed is tried again when it is
    /// next due.
    pub fn run_housekeeping(&self, now: Timestamp) -> Result<()> {
        self.core().run_due(now)
    }

    /// Whether the store can be handed over to Kafka, and what that would come to. Every record is
    /// read and checked; nothing is changed. A read-only store can be asked as well.
    ///
    /// # Errors
    ///
    /// As [`Store::hand_over`].
    pub fn check_hand_over(&self, options: &HandOverOptions) -> Result<HandOver> {
        self.core().look_again()?;
        self.core().check_hand_over(options)
    }

    /// Closes the store and hands its directory over to Kafka: a broker that is started on it, with
    /// [`HandOver::server_properties`], serves the same topics with the same ids, records, offsets,
    /// leader epochs and settings, and can be joined by others. Until Kafka has started, the
    /// directory can be opened here as before; the first write takes the hand-over back.
    ///
    /// Every record is read and checked before anything is written. A crash leaves a store that is
    /// not handed over, or one that is: `meta.properties`, without which no broker starts, is
    /// written last.
    ///
    /// # Errors
    ///
    /// `Exists` if Kafka has used the directory and its metadata log is there: then Kafka can be
    /// started on it as it is, or that log is moved away first. `InvalidTxnState` for a transaction
    /// that is open and that nobody could end; `Corrupt`, `GapNotAccepted` for records that are
    /// damaged or missing; `Invalid` if a partition is missing, or `options` contradict
    /// `meta.properties`; `ReadOnly`, `Closed`, `Io`. The store is closed if any log was.
    pub fn hand_over(&self, options: &HandOverOptions) -> Result<HandOver> {
        self.0.dismiss();
        self.core().hand_over(options)
    }

    /// Closes the store and all its logs: everything that was appended survives a loss of power, and
    /// the next opening scans nothing. A store that wrote nothing leaves everything as it was. Once
    /// it is closed this does nothing.
    ///
    /// # Errors
    ///
    /// The first error. The store is closed nevertheless, as if the process had died: logs that could
    /// not be closed are scanned when they are next used.
    pub fn close(&self) -> Result<()> {
        self.0.dismiss();
        self.core().close()
    }
}
