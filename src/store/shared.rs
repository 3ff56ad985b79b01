//! What the handles of a store share, and the housekeeper with them.
//!
//! Locks are taken in this order: `schedule`, `changing`, a log's own, the gate's, `logs`, then those
//! of the directory. The last two are never held across a call into a log. Who has looked at a log
//! asks others to rest: their own locks are only tried, by who holds none of a log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::catalog::Known;
use super::cleaner::CleanerOptions;
use super::directory::{Directory, locked, read_topic_id};
use super::housekeeping::Schedule;
use super::names;
use super::topics::{TopicEntry, TopicState};
use super::{random, topics};
use crate::clock::Clock;
use crate::error::{Cause, Error, Result};
use crate::log::{
    Context, Log, LogConfig, PARTITION_METADATA, Signal, Surroundings, TopicId, manifest_topic_id,
};
use crate::record::Timestamp;

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) directory: Arc<Directory>,
    pub(super) surroundings: Arc<Surroundings>,
    /// Held while a topic is made or deleted.
    pub(super) changing: Mutex<()>,
    pub(super) logs: Mutex<Logs>,
    /// Held while housekeeping runs, and while the store is closed.
    pub(super) schedule: Mutex<Schedule>,
    /// Whether the housekeeper is to end what it does.
    pub(super) stopping: AtomicBool,
    /// What the cleaner waits at.
    pub(super) cleaner_signal: Signal,
    pub(super) cleaner: CleanerOptions,
    /// When the store was opened: by the clock, and by what nobody can set.
    pub(super) opened_at: (Timestamp, Instant),
}

/// The logs that were asked for.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) open: BTreeMap<(String, u32), Log>,
    pub(super) closed: bool,
}

/// A topic that is to be made.
#[derive(Clone, Debug)]
pub(super) struct NewTopic {
    pub(super) partitions: u32,
    pub(super) config: LogConfig,
    pub(super) id: Option<TopicId>,
}

impl NewTopic {
    /// Its lines in `strandline.topics` while it is being made.
    fn entry(&self, name: &str, id: TopicId) -> TopicEntry {
        let config = self.config.to_pairs().map(|(name, value)| (name.into(), value.into()));
        TopicEntry {
            name: name.into(),
            id,
            partitions: self.partitions,
            state: TopicState::Creating,
            config: config.collect(),
        }
    }
}

impl Core {
    pub(super) fn new(
        directory: Arc<Directory>,
        surroundings: Arc<Surroundings>,
        cleaner: CleanerOptions,
    ) -> Core {
        let now = surroundings.clock.now_ms();
        Core {
            directory,
            surroundings,
            changing: Mutex::default(),
            logs: Mutex::default(),
            schedule: Mutex::new(Schedule::new(now)),
            stopping: AtomicBool::new(false),
            cleaner_signal: Signal::default(),
            cleaner,
            opened_at: (now, Instant::now()),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.surroundings.clock
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// # Errors
    ///
    /// `Closed`.
    pub(super) fn check_open(&self) -> Result<()> {
        if locked(&self.logs).closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// Sees what other processes have done, if this one only reads.
    pub(super) fn look_again(&self) -> Result<()> {
        self.check_open()?;
        if !self.directory.read_only {
            return Ok(());
        }
        let before = self.directory.catalog().ids();
        self.directory.refresh()?;
        self.surroundings.gate.note(self.directory.checkpoints().opening);
        let now = self.directory.catalog().ids();
        let gone: Vec<_> = {
            let is_gone =
                |(topic, _): &(String, u32), _: &mut Log| before.get(topic) != now.get(topic);
            locked(&self.logs).open.extract_if(.., is_gone).map(|(_, log)| log).collect()
        };
        // Who still waits for them is told.
        gone.iter().for_each(Log::look_for_waiters);
        Ok(())
    }

    /// A topic, and its id if it has one.
    pub(super) fn known(&self, name: &str) -> Result<(Known, Option<TopicId>)> {
        let known = self.directory.catalog().get(name).cloned();
        let known = known.ok_or_else(|| Error::NotFound(format!("topic {name}")))?;
        let id = self.topic_id(name, &known)?;
        Ok((known, id))
    }

    fn topic_id(&self, name: &str, known: &Known) -> Result<Option<TopicId>> {
        match (known.id(), known.numbers().first()) {
            (Some(id), _) => Ok(Some(id)),
            (None, Some(&first)) => {
                read_topic_id(&self.directory.root.child(&names::partition_dir(name, first)))
            }
            (None, None) => Ok(None),
        }
    }

    /// The log of a partition, of the topic with that id if one is given.
    pub(super) fn log(&self, topic: &str, partition: u32, wanted: Option<TopicId>) -> Result<Log> {
        let known = self.directory.catalog().get(topic).cloned();
        let known = known.filter(|known| {
            let ids = wanted.zip(known.id());
            ids.is_none_or(|(wanted, id)| wanted == id)
        });
        let key = (topic.to_owned(), partition);
        {
            let logs = locked(&self.logs);
            if logs.closed {
                return Err(Error::Closed);
            }
            if let (Some(_), Some(log)) = (&known, logs.open.get(&key)) {
                return Ok(log.clone());
            }
        }
        let known = known.ok_or_else(|| Error::NotFound(format!("topic {topic}")))?;
        if !known.has(partition) {
            return Err(Error::NotFound(format!("partition {topic}-{partition}")));
        }
        if known.state() == TopicState::Creating {
            // It was left half made: its directory may not be there yet.
            self.surroundings.gate.pass()?;
        }
        let context = self.context(topic, partition, &known)?;
        let mut logs = locked(&self.logs);
        if logs.closed {
            return Err(Error::Closed);
        }
        let is_still = |now: &Known| now.id() == known.id();
        if !self.directory.catalog().get(topic).is_some_and(is_still) {
            return Err(Error::NotFound(format!("topic {topic}")));
        }
        Ok(logs.open.entry(key).or_insert_with(|| Log::new(context)).clone())
    }

    /// A log that is in nobody's hands.
    pub(super) fn unused_log(&self, topic: &str, partition: u32) -> Result<Log> {
        let known = self.directory.catalog().get(topic).cloned();
        let known = known.ok_or_else(|| Error::NotFound(format!("topic {topic}")))?;
        Ok(Log::new(self.context(topic, partition, &known)?))
    }

    /// All partitions, by topic and number.
    pub(super) fn all_partitions(&self) -> Vec<(String, u32)> {
        self.partitions_of(|_| true)
    }

    /// All partitions of the topics that are `wanted`.
    pub(super) fn partitions_of(&self, wanted: impl Fn(&Known) -> bool) -> Vec<(String, u32)> {
        let catalog = self.directory.catalog();
        let of = |(name, known): (&String, &Known)| {
            let name = name.clone();
            known.numbers().into_iter().map(move |number| (name.clone(), number))
        };
        catalog.visible().filter(|(_, known)| wanted(known)).flat_map(of).collect()
    }

    fn context(&self, topic: &str, partition: u32, known: &Known) -> Result<Context> {
        let directory = &self.directory;
        let name = names::partition_dir(topic, partition);
        let dir = directory.root.child(&name);
        if !dir.exists().map_err(|error| Error::io("look at", dir.path(), error))? {
            return Err(Error::NotFound(format!("partition {name}")));
        }
        let said = read_topic_id(&dir)?;
        if let (Some(said), Some(id)) = (said, known.id())
            && said != id
        {
            let why =
                "topic id differs from that of the topic, in strandline.topics or Kafka's metadata";
            let path = dir.path().join(PARTITION_METADATA);
            // The manifest has it with a checksum: two against one.
            if manifest_topic_id(&dir)? != Some(id) {
                return Err(Error::corrupt(path, 0, Cause::Mismatch(why)));
            }
            directory.warn(format!("{}: {why} and segments.manifest", path.display()));
        }
        Ok(Context {
            dir,
            topic: topic.to_owned(),
            partition: partition as i32,
            topic_id: known.id().or(said),
            config: Arc::clone(&known.config),
            read_only: directory.read_only,
            kafka: directory.checkpoints().of_log(topic, partition),
            store: Arc::clone(&self.surroundings),
        })
    }

    /// Makes a topic; it is there, durably, when this returns.
    pub(super) fn create_topic(&self, name: &str, new: NewTopic) -> Result<()> {
        check_new(name, &new)?;
        let directory = &self.directory;
        let _changing = self.start_change()?;
        let opening = self.surroundings.gate.pass()?;
        directory.check_lock()?;
        self.check_free(name, new.id)?;
        let failed_before = directory.catalog().any(name).and_then(|known| known.entry.clone());
        let id = new.id.or(failed_before.as_ref().map(|before| before.id));
        let mut entry =
            new.entry(name, id.unwrap_or_else(|| random::topic_id(&self.directory.root)));
        if let Some(before) = failed_before.filter(|before| *before != entry) {
            // A creation that failed half way, of a topic that was to be another.
            directory.doom_partitions(&before)?;
            entry.id = new.id.unwrap_or_else(|| random::topic_id(&self.directory.root));
        }
        directory.catalog().insert(name, Known::new(entry.clone(), new.config));
        directory.persist()?;
        directory.make_partitions(&entry, opening)?;
        directory.catalog().set_state(name, TopicState::Live);
        let written = directory.persist();
        if written.is_err() {
            directory.catalog().set_state(name, TopicState::Creating);
        }
        written
    }

    /// That no topic has the name, one that is too like it, or the id.
    fn check_free(&self, name: &str, id: Option<TopicId>) -> Result<()> {
        let catalog = self.directory.catalog();
        if catalog.any(name).is_some_and(|known| known.state() != TopicState::Creating) {
            return Err(Error::Exists(format!("topic {name}")));
        }
        for (other, known) in catalog.all().filter(|(other, _)| *other != name) {
            if names::collide(name, other) {
                let why = "'.' and '_' are the same in the names of metrics";
                let why = format!("topic {name} collides with topic {other}: {why}");
                return Err(Error::Invalid(why));
            }
            if id.is_some() && known.id() == id {
                return Err(Error::Exists(format!("the topic id, of topic {other},")));
            }
        }
        Ok(())
    }

    /// Deletes a topic; it is gone, durably, when this returns. Its files go later.
    pub(super) fn delete_topic(&self, name: &str) -> Result<()> {
        let directory = &self.directory;
        let _changing = self.start_change()?;
        let not_found = || Error::NotFound(format!("topic {name}"));
        if directory.catalog().any(name).is_none() {
            return Err(not_found());
        }
        self.surroundings.gate.pass()?;
        directory.check_lock()?;
        let known = directory.catalog().any(name).cloned().ok_or_else(not_found)?;
        let entry = match known.entry.clone() {
            Some(entry) => entry,
            None => self.entry_of(name, &known)?,
        };
        let entry = TopicEntry { state: TopicState::Deleting, ..entry };
        let deleting = known.clone().with_entry(entry.clone());
        directory.catalog().insert(name, deleting);
        if let Err(error) = directory.persist() {
            directory.catalog().insert(name, known);
            return Err(error);
        }
        self.abandon(name);
        directory.doom_partitions(&entry)?;
        directory.checkpoints().forget(name);
        directory.catalog().remove(name);
        let written = directory.persist();
        if written.is_err() {
            directory.catalog().insert(name, Known::new(entry, known.config));
            return written;
        }
        // Else a later topic of that name would find what this one left.
        if let Err(error) = self.write_checkpoints() {
            directory.warn(error.to_string());
        }
        Ok(())
    }

    /// What `strandline.topics` would have of a topic that it does not have.
    fn entry_of(&self, name: &str, known: &Known) -> Result<TopicEntry> {
        let id = self.topic_id(name, known)?;
        let last = known.numbers().last().copied().unwrap_or(0);
        Ok(TopicEntry {
            name: name.to_owned(),
            id: id.unwrap_or_else(|| random::topic_id(&self.directory.root)),
            partitions: last.saturating_add(1).min(topics::MOST_PARTITIONS),
            state: TopicState::Live,
            config: Vec::new(),
        })
    }

    /// Closes the logs of a topic that goes.
    fn abandon(&self, topic: &str) {
        let gone: Vec<_> = {
            let mut logs = locked(&self.logs);
            let (gone, kept) =
                std::mem::take(&mut logs.open).into_iter().partition(|((of, _), _)| of == topic);
            logs.open = kept;
            BTreeMap::into_values(gone).collect()
        };
        for log in gone {
            log.abandon();
        }
    }

    fn start_change(&self) -> Result<std::sync::MutexGuard<'_, ()>> {
        if self.directory.read_only {
            return Err(Error::ReadOnly);
        }
        let changing = locked(&self.changing);
        self.check_open()?;
        Ok(changing)
    }
}

/// That such a topic can be.
fn check_new(name: &str, new: &NewTopic) -> Result<()> {
    names::check_topic(name).map_err(|error| Error::Invalid(error.to_string()))?;
    new.config.check()?;
    if new.partitions == 0 || new.partitions > topics::MOST_PARTITIONS {
        let most = topics::MOST_PARTITIONS;
        let why = format!("a topic has 1 to {most} partitions, not {}", new.partitions);
        return Err(Error::Invalid(why));
    }
    if new.id.is_some_and(TopicId::is_zero) {
        return Err(Error::Invalid("a topic id of zeros is none".into()));
    }
    Ok(())
}
