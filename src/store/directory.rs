//! A log directory in use: its lock, its small files, and the directories of its partitions.
//!
//! Nothing here takes a lock of a log, so that a log's first write may call it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::catalog::{Catalog, Known};
use super::checkpoints::{Checkpoints, File};
use super::found::{Found, MOST_BYTES, Marker, OwnerFile};
use super::hand_over::is_handed_over;
use super::kraft::Metadata;
use super::meta_properties::MetaProperties;
use super::names::{self, DirName};
use super::owner::{BootId, Owner};
use super::topics::{self, TopicEntry, TopicState};
use super::{CLEAN_SHUTDOWN, LOCK, META_PROPERTIES, OWNER, TOPICS, clean_shutdown, random};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::fs::{Access, Dir, Kind, Lock};
use crate::log::{KafkaSays, MANIFEST, WATERMARK, fill_directory, partition_metadata};
use crate::planted::{self, Bug};
use crate::record::{Offset, Timestamp};

/// Where a `strandline.topics` goes that could not be read.
const DAMAGED_TOPICS: &str = "strandline.topics.damaged";
/// The delay of Kafka's broker, for directories whose topic is not known any more.
const DELETE_DELAY_MS: i64 = 60_000;
/// The most warnings that are kept.
const MOST_WARNINGS: usize = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) root: Dir,
    pub(super) read_only: bool,
    /// Whether `meta.properties` was there when the store was opened.
    has_meta_properties: bool,
    clock: Clock,
    lock: Mutex<Option<Lock>>,
    owner: Mutex<Owned>,
    catalog: Mutex<Catalog>,
    checkpoints: Mutex<Checkpoints>,
    doomed: Mutex<Vec<Doomed>>,
    metadata: Mutex<Metadata>,
    warnings: Mutex<Vec<String>>,
}

/// What `strandline.owner` is to say.
#[derive(Debug)]
struct Owned {
    owner: Owner,
    /// There was no room for it yet.
    is_owed: bool,
}

/// A directory that waits to be removed.
#[derive(Debug)]
struct Doomed {
    name: String,
    due: Timestamp,
    /// It was there when the store was opened: Kafka may have left it, and then it stays.
    found: bool,
}

impl Directory {
    /// Takes what was found into use; `lock` if it is to be written to.
    pub(super) fn new(root: Dir, lock: Option<Lock>, mut found: Found, clock: Clock) -> Self {
        let catalog = Catalog::of(&mut found, &root, lock.is_none());
        let owner = owner_of(&root, &found);
        let due = clock.now_ms().saturating_add(DELETE_DELAY_MS);
        let doomed = found.deleted.into_iter().map(|name| Doomed { name, due, found: true });
        Directory {
            root,
            read_only: lock.is_none(),
            has_meta_properties: found.has_meta_properties,
            clock,
            lock: Mutex::new(lock),
            owner: Mutex::new(Owned { owner, is_owed: true }),
            catalog: Mutex::new(catalog),
            checkpoints: Mutex::new(found.checkpoints),
            doomed: Mutex::new(doomed.collect()),
            metadata: Mutex::new(found.metadata),
            warnings: Mutex::new(found.warnings),
        }
    }

    /// Gives the lock to who goes on with the directory.
    pub(super) fn into_lock(self) -> Option<Lock> {
        self.lock.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what a read-only store finds now.
    pub(super) fn refresh(&self) -> Result<()> {
        let mut found = Found::read(&self.root)?;
        let mut metadata = locked(&self.metadata);
        found.look_at_metadata(&self.root, std::mem::take(&mut *metadata), false)?;
        let catalog = Catalog::of(&mut found, &self.root, true);
        *self.catalog() = catalog;
        *metadata = found.metadata;
        *self.checkpoints() = found.checkpoints;
        *locked(&self.warnings) = found.warnings;
        Ok(())
    }

    /// The opening number that the directory carries now, and what Kafka's files say of a partition.
    pub(super) fn look_for(&self, topic: &str, number: i32) -> Result<(Option<i32>, KafkaSays)> {
        let mut checkpoints = self.checkpoints();
        checkpoints.look_again(&self.root)?;
        Ok((checkpoints.opening, checkpoints.of_log(topic, number.unsigned_abs())))
    }

    /// Tells who has the store. For lack of room that waits until the first write.
    pub(super) fn claim(&self) -> Result<()> {
        let has_no_place = |error: &Error| match error {
            Error::Io { source, .. } => matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::IsADirectory
            ),
            _ => false,
        };
        match self.write_owner() {
            Err(error) if has_no_place(&error) => Ok(()),
            written => written,
        }
    }

    fn write_owner(&self) -> Result<()> {
        let mut owned = locked(&self.owner);
        if owned.is_owed {
            let written = self.root.replace_small(OWNER, &owned.owner.encode());
            written.map_err(|error| self.io("write", OWNER, error))?;
            owned.is_owed = false;
        }
        Ok(())
    }

    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        locked(&self.catalog)
    }

    pub(super) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        locked(&self.checkpoints)
    }

    /// How far a log was cleaned.
    pub(super) fn cleaned_to(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.checkpoints().cleaned_to(topic, partition.unsigned_abs())
    }

    /// Notes how far a log was cleaned, durably.
    pub(super) fn note_cleaned(
        &self,
        (topic, partition): (&str, i32),
        offset: Offset,
    ) -> Result<()> {
        self.check_lock()?;
        let log = (topic, partition.unsigned_abs());
        self.checkpoints().note_cleaned(&self.root, log, offset)
    }

    /// Before a log is cut: Kafka's recovery point of it is at most `offset`.
    pub(super) fn lower_recovery_point(
        &self,
        topic: &str,
        partition: u32,
        offset: Offset,
    ) -> Result<()> {
        self.checkpoints().lower(&self.root, (topic, partition), offset)
    }

    pub(super) fn warn(&self, warning: String) {
        let mut warnings = locked(&self.warnings);
        if warnings.len() < MOST_WARNINGS && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        locked(&self.warnings).clone()
    }

    /// Lets go of the lock.
    pub(super) fn unlock(&self) {
        if planted::on(Bug::LockUnlinked) {
            let _ = self.root.remove(LOCK);
        }
        *locked(&self.lock) = None;
    }

    /// Whether the directory is still ours alone.
    ///
    /// # Errors
    ///
    /// `Closed`, `Io`; `Locked` if somebody removed the lock file by hand: then another process may
    /// have the store as well, and nothing may be written any more.
    pub(super) fn check_lock(&self) -> Result<()> {
        let lock = locked(&self.lock);
        let lock = lock.as_ref().ok_or(Error::Closed)?;
        if lock.is_still_named().map_err(|error| self.io("look at", LOCK, error))? {
            return Ok(());
        }
        Err(Error::Locked { path: self.root.path().to_path_buf(), pid: None })
    }

    /// What Kafka's `meta.properties` says, if it is there.
    pub(super) fn meta_properties(&self) -> Result<Option<MetaProperties>> {
        let path = || self.root.path().join(META_PROPERTIES);
        let read = self.root.read_small(META_PROPERTIES, 1 << 20);
        let Some(bytes) = read.map_err(|error| Error::io("read", path(), error))? else {
            return Ok(None);
        };
        let decoded = MetaProperties::decode(&bytes);
        let invalid = |cause| Error::Invalid(format!("{}: {cause}", path().display()));
        decoded.map(Some).map_err(invalid)
    }

    /// What is owed before the first write to any log: owner, opening line, marker, topics that were
    /// left half made or half deleted. The answer is the opening number. Each step can be repeated.
    pub(super) fn apply(&self) -> Result<i32> {
        self.check_lock()?;
        self.write_owner()?;
        self.withdraw_hand_over()?;
        if self.catalog().differs {
            // What Kafka has decided meanwhile; before the line says that nobody else was here.
            self.persist()?;
            self.catalog().differs = false;
        }
        let opening = {
            let mut checkpoints = self.checkpoints();
            let opening =
                *checkpoints.opening.get_or_insert_with(|| random::opening_number(&self.root));
            checkpoints.write(&self.root, File::HighWatermark)?;
            opening
        };
        self.remove_marker()?;
        self.finish_topics(opening)?;
        self.catalog().applied();
        Ok(opening)
    }

    /// A hand-over that Kafka did not take is stale from the first write on: without its
    /// `meta.properties` no broker starts.
    fn withdraw_hand_over(&self) -> Result<()> {
        if !self.has_meta_properties || !is_handed_over(&self.root)? {
            return Ok(());
        }
        let removed = self.root.remove(META_PROPERTIES);
        removed.map_err(|error| self.io("remove", META_PROPERTIES, error))?;
        self.sync()
    }

    fn remove_marker(&self) -> Result<()> {
        match self.root.remove(CLEAN_SHUTDOWN) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(self.io("remove", CLEAN_SHUTDOWN, error));
            }
            Ok(()) if planted::on(Bug::MarkerRemovalNotSynced) => return Ok(()),
            // If it is not there, somebody who died may have removed it, and not synced that.
            _ => {}
        }
        self.sync()
    }

    /// Tells Kafka, and the next opening, that every log was closed.
    pub(super) fn write_marker(&self) -> Result<()> {
        let epoch = locked(&self.owner).owner.broker_epoch;
        let written = self.root.replace_small(CLEAN_SHUTDOWN, &clean_shutdown::encode(epoch));
        written.map_err(|error| self.io("write", CLEAN_SHUTDOWN, error))
    }

    fn finish_topics(&self, opening: i32) -> Result<()> {
        let creating = self.catalog().entries_in(TopicState::Creating);
        let deleting = self.catalog().entries_in(TopicState::Deleting);
        for entry in &creating {
            self.make_partitions(entry, opening)?;
        }
        for entry in &deleting {
            self.doom_partitions(entry)?;
        }
        if creating.is_empty() && deleting.is_empty() {
            return Ok(());
        }
        self.persist_as(|state| match state {
            TopicState::Creating | TopicState::Live => Some(TopicState::Live),
            TopicState::Deleting => None,
        })?;
        let mut catalog = self.catalog();
        for entry in &creating {
            catalog.set_state(&entry.name, TopicState::Live);
        }
        for entry in &deleting {
            catalog.remove(&entry.name);
        }
        Ok(())
    }

    /// Writes `strandline.topics`.
    pub(super) fn persist(&self) -> Result<()> {
        self.persist_as(Some)
    }

    /// Writes it with each topic in the state that `state` makes of its own, or without it.
    fn persist_as(&self, state: impl Fn(TopicState) -> Option<TopicState>) -> Result<()> {
        let (bytes, damaged) = {
            let catalog = self.catalog();
            (catalog.encode(state), catalog.damaged.clone())
        };
        if let Some(damaged) = damaged {
            let kept = self.root.replace_small(DAMAGED_TOPICS, &damaged);
            kept.map_err(|error| self.io("write", DAMAGED_TOPICS, error))?;
        }
        if bytes.len() as u64 > MOST_BYTES || topics::decode(&bytes).is_err() {
            // What the next opening would not read is not written.
            return Err(Error::TooLarge { what: "list of topics", limit: MOST_BYTES as usize });
        }
        let written = self.root.replace_small(TOPICS, &bytes);
        written.map_err(|error| self.io("write", TOPICS, error))?;
        self.catalog().damaged = None;
        Ok(())
    }

    /// Makes the partitions of a topic that are not there: each is filled under another name, and
    /// gets its own once it is whole. They survive a loss of power when this returns.
    pub(super) fn make_partitions(&self, entry: &TopicEntry, opening: i32) -> Result<()> {
        let there = self.directories()?;
        for number in 0..entry.partitions {
            let name = names::partition_dir(&entry.name, number);
            if there.contains(&name) {
                continue;
            }
            if self.root.child(&name).exists().map_err(|error| self.io("look at", &name, error))? {
                // The file system takes two names for one: another topic has the directory.
                return Err(Error::Exists(format!("a directory that is called like {name}")));
            }
            self.make_partition(entry, number, opening)?;
        }
        self.sync()
    }

    fn make_partition(&self, entry: &TopicEntry, number: u32, opening: i32) -> Result<()> {
        let name = names::partition_dir(&entry.name, number);
        let unfinished = names::deleted_dir(&entry.name, number, self.root.random_bits());
        let made = self.root.create_dir(&unfinished);
        made.map_err(|error| self.io("create", &unfinished, error))?;
        let child = self.root.child(&unfinished);
        let filled = fill_directory(&child, Some(entry.id), number as i32, opening);
        let renamed = filled.and_then(|()| {
            let renamed = self.root.rename(&unfinished, &name);
            renamed.map_err(|error| self.io("rename", &unfinished, error))
        });
        if renamed.is_err() {
            locked(&self.doomed).push(Doomed {
                name: unfinished,
                due: Timestamp::MIN,
                found: false,
            });
        }
        renamed
    }

    /// Renames the directories of a topic's partitions, so that they are partitions no more, and
    /// queues them to be removed. It is durable when this returns. A directory that says it is of
    /// another topic, one made since under the same name, stays.
    pub(super) fn doom_partitions(&self, entry: &TopicEntry) -> Result<()> {
        let delay = self.catalog().any(&entry.name).map_or(DELETE_DELAY_MS, Known::delete_delay_ms);
        let due = self.clock.now_ms().saturating_add(delay);
        for name in self.directories()? {
            let DirName::Partition(topic, number) = names::parse(&name) else { continue };
            let child = self.root.child(&name);
            if topic != entry.name || read_topic_id(&child)?.is_some_and(|id| id != entry.id) {
                continue;
            }
            let to = names::deleted_dir(topic, number, self.root.random_bits());
            let renamed = self.root.rename(&name, &to);
            renamed.map_err(|error| self.io("rename", &name, error))?;
            locked(&self.doomed).push(Doomed { name: to, due, found: false });
        }
        self.sync()
    }

    fn directories(&self) -> Result<BTreeSet<String>> {
        let entries = self.root.list();
        let entries = entries.map_err(|error| Error::io("list", self.root.path(), error))?;
        let directories = entries.into_iter().filter(|entry| entry.kind == Kind::Dir);
        Ok(directories.map(|entry| entry.name).collect())
    }

    /// Removes directories that are due. What fails is tried again.
    pub(super) fn remove_due(&self, now: Timestamp) -> Result<()> {
        let (due, later) = {
            let mut doomed = locked(&self.doomed);
            std::mem::take(&mut *doomed).into_iter().partition(|one: &Doomed| one.due <= now)
        };
        *locked(&self.doomed) = later;
        let mut first_error = None;
        for one in due {
            if let Err(error) = self.remove_doomed(&one) {
                let path = self.root.path().join(&one.name);
                first_error.get_or_insert(Error::io("remove", path, error));
                locked(&self.doomed).push(one);
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    fn remove_doomed(&self, one: &Doomed) -> std::io::Result<()> {
        if one.found && is_kafkas(&self.root.child(&one.name))? {
            return Ok(());
        }
        remove_whole(&self.root, &one.name, 0)
    }

    fn sync(&self) -> Result<()> {
        self.root.sync().map_err(|error| Error::io("sync", self.root.path(), error))
    }

    pub(super) fn io(&self, doing: &'static str, name: &str, error: std::io::Error) -> Error {
        Error::io(doing, self.root.path().join(name), error)
    }
}

/// Directories in one that waits to be removed, deeper than anybody makes them.
const MOST_DEPTH: usize = 8;

/// Whether a partition's directory holds records, and nothing of ours: whoever deleted it, it was
/// not this store.
fn is_kafkas(dir: &Dir) -> std::io::Result<bool> {
    let entries = match dir.list() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        listed => listed?,
    };
    if entries.iter().any(|entry| entry.name == WATERMARK || entry.name == MANIFEST) {
        return Ok(false);
    }
    // One that was still being made here has an empty log, and perhaps not yet the rest.
    for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
        if entry.name.strip_suffix(".log").is_some()
            && dir.open(&entry.name, Access::Read)?.len()? > 0
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes a directory with all that is in it; that it is gone already is fine.
fn remove_whole(parent: &Dir, name: &str, depth: usize) -> std::io::Result<()> {
    let dir = parent.child(name);
    let entries = match dir.list() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for entry in entries {
        match entry.kind {
            Kind::Dir if depth < MOST_DEPTH => remove_whole(&dir, &entry.name, depth + 1)?,
            _ => dir.remove(&entry.name)?,
        }
    }
    parent.remove_dir(name)
}

/// The topic that a partition's directory says it is of. What cannot be understood says nothing.
pub(super) fn read_topic_id(dir: &Dir) -> Result<Option<crate::log::TopicId>> {
    let name = crate::log::PARTITION_METADATA;
    match dir.read_small(name, 4096) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(Error::io("read", dir.path().join(name), error)),
        Ok(bytes) => Ok(bytes.and_then(|bytes| partition_metadata::decode(&bytes).ok())),
    }
}

/// Who we are, with the broker epoch that is to be handed back.
fn owner_of(root: &Dir, found: &Found) -> Owner {
    let broker_epoch = match (&found.marker, &found.owner) {
        (Marker::Stands { broker_epoch }, _) => *broker_epoch,
        // Kafka was here since, and did not stop in order.
        (Marker::Missing, _) if found.checkpoints.opening.is_none() => None,
        (Marker::Missing, OwnerFile::Read(owner)) => owner.broker_epoch,
        (Marker::Missing, _) => None,
    };
    Owner { pid: root.process_id(), boot_id: root.boot_id().map(BootId), broker_epoch }
}

/// Whether the machine has booted since somebody opened the store.
pub(super) fn booted_since(root: &Dir, found: &Found) -> bool {
    match (&found.owner, root.boot_id()) {
        (OwnerFile::Read(Owner { boot_id: Some(then), .. }), Some(now)) => then.0 != now,
        _ => false,
    }
}

/// Every change under these locks is whole before anything can panic, so what a panic left is used.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
