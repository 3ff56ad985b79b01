//! A topic: its name, id, settings and partitions.

use std::sync::Arc;

use super::handle::Store;
use super::shared::NewTopic;
use crate::error::Result;
use crate::log::{Log, LogConfig, TopicId};

/// A topic of a store, as it was when it was asked for. Cheap to clone.
///
/// ```
/// use strandline::{LogConfig, Store, TopicOptions};
///
/// # let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path().join("data"))?;
/// let config = LogConfig::new().segment_bytes(64 << 20);
/// let topic = store.create_topic("events", TopicOptions::new().partitions(3).config(config))?;
/// assert_eq!(topic.partition_numbers(), [0, 1, 2]);
/// assert_eq!(topic.config().to_pairs().next(), Some(("segment.bytes", "67108864")));
/// assert_eq!(topic.partition(2)?.log_end_offset()?, 0);
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topic {
    store: Store,
    name: String,
    id: Option<TopicId>,
    numbers: Vec<u32>,
    config: Arc<LogConfig>,
}

/// What a new topic is to be.
#[derive(Clone, Debug)]
pub struct TopicOptions {
    new: NewTopic,
}

impl Topic {
    pub(super) fn of(store: &Store, name: &str) -> Result<Topic> {
        let (known, id) = store.core().known(name)?;
        let numbers = known.numbers().into_iter().collect();
        Ok(Topic { store: store.clone(), name: name.to_owned(), id, numbers, config: known.config })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id. A topic that Kafka made before 2.8, and not used since, has none.
    pub fn id(&self) -> Option<TopicId> {
        self.id
    }

    /// How many partitions it has here.
    pub fn partitions(&self) -> u32 {
        self.numbers.len() as u32
    }

    /// Their numbers, in order. Those of a topic of this store are 0, 1, 2 …; a broker's log
    /// directory need not hold them all.
    pub fn partition_numbers(&self) -> Vec<u32> {
        self.numbers.clone()
    }

    /// The log of a partition. All handles of it are the same log.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such partition, or the topic was deleted; `Corrupt` if the
    /// directory says that it is of another topic; `Io`, `Closed`.
    pub fn partition(&self, partition: u32) -> Result<Log> {
        self.store.core().log(&self.name, partition, self.id)
    }

    /// Its settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }
}

impl Default for TopicOptions {
    fn default() -> Self {
        TopicOptions::new()
    }
}

impl TopicOptions {
    /// One partition, default settings.
    pub fn new() -> Self {
        TopicOptions { new: NewTopic { partitions: 1, config: LogConfig::new(), id: None } }
    }

    /// How many partitions it has (`num.partitions`).
    ///
    /// Default: 1. At most 100,000; each costs a few synced files when it is made.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.new.partitions = partitions;
        self
    }

    /// Its settings.
    ///
    /// Default: [`LogConfig::new`].
    #[must_use]
    pub fn config(mut self, config: LogConfig) -> Self {
        self.new.config = config;
        self
    }

    /// Its id, where another system has given it one.
    ///
    /// Default: a new one, drawn at random.
    #[must_use]
    pub fn id(mut self, id: TopicId) -> Self {
        self.new.id = Some(id);
        self
    }

    pub(super) fn into_new(self) -> NewTopic {
        self.new
    }
}
