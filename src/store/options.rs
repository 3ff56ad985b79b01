//! How a store is opened.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cleaner::CleanerOptions;
use super::directory::{Directory, booted_since};
use super::found::{Found, OwnerFile};
use super::handle::Store;
use super::kraft::Metadata;
use super::shared::Core;
use super::{LOCK, housekeeping, strays};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::fs::{Dir, Handles, Lock};
use crate::log::{Changes, CleanerCheckpoint, Gate, Resting, Signal, Surroundings};
use crate::segment::{IndexCache, Reads};

/// How a store is opened; made by [`Store::options`].
///
/// ```
/// use strandline::{Clock, Store};
///
/// # let dir = tempfile::tempdir()?;
/// let clock = Clock::manual(1_700_000_000_000);
/// let store = Store::options().clock(clock).housekeeping(false).open(dir.path().join("data"))?;
/// store.run_housekeeping(1_700_000_060_000)?;
/// store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each on its own")]
pub struct StoreOptions {
    create: bool,
    read_only: bool,
    adopt: bool,
    put_back_strays: bool,
    clock: Clock,
    housekeeping: bool,
    max_open_files: usize,
    index_cache_bytes: usize,
    map_indexes: bool,
    zeros_ahead: u64,
    cleaner: CleanerOptions,
    sync_timeout: Duration,
    most_awake: usize,
}

/// About so many logs stay in memory that were looked at and not written to: some 3.4 KB each.
const MOST_AWAKE: usize = 256;

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            create: true,
            read_only: false,
            adopt: false,
            put_back_strays: false,
            clock: Clock::wall(),
            housekeeping: true,
            max_open_files: 512,
            index_cache_bytes: 64 << 20,
            map_indexes: false,
            zeros_ahead: 1 << 20,
            cleaner: CleanerOptions::new(),
            sync_timeout: Duration::from_mins(1),
            most_awake: MOST_AWAKE,
        }
    }
}

impl StoreOptions {
    /// Makes the directory if it is not there, with all that is missing above it.
    ///
    /// Default: yes. A read-only store is never made.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Opens for reading alone: any Kafka log directory, also one that another process is writing,
    /// strandline or a Kafka broker. No lock is taken and nothing is written at all.
    ///
    /// A log of such a store shows what was there when it was first used, and what was seen since:
    /// [`Log::refresh`](crate::Log::refresh) looks again, and who waits for records or follows the
    /// log ([`Log::follow`](crate::Log::follow)) sees them as they come. Records of a broker are
    /// seen up to the log end, its high watermark is not known.
    ///
    /// Default: no.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Opens for writing also a directory that only Kafka wrote: from then on it is a store, and
    /// Kafka can still take it back when the store is closed ([`Store::close`]).
    ///
    /// Nothing of Kafka's is lost: its records keep their bytes, its marker, checkpoints, topic ids
    /// and broker epoch are respected and given back, and what waits to be deleted, is stray or is
    /// moved to another disk stays as it is. The broker must have been stopped; after a kill, what
    /// is torn is found as after a crash of our own.
    ///
    /// Default: no; then such a directory is [`Error::NeedsAdopt`].
    #[must_use]
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Gives directories their names back that Kafka set aside (`…-stray`), because it was started
    /// on the directory without knowing its topics ([`Store::hand_over`] tells it). Opening fails
    /// with [`Error::Exists`] if one of the names is taken; then nothing is renamed.
    ///
    /// Default: no; a warning tells of them.
    #[must_use]
    pub fn put_back_strays(mut self, yes: bool) -> Self {
        self.put_back_strays = yes;
        self
    }

    /// The clock that gives records their time of appending, and ages to retention.
    ///
    /// Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Runs housekeeping in a thread of its own; else the program calls
    /// [`Store::run_housekeeping`] now and then. In a read-only store all it does is to look at logs
    /// for whose growth a future waits ([`Log::grown`](crate::Log::grown)): its thread sleeps until
    /// there is one.
    ///
    /// Default: yes.
    #[must_use]
    pub fn housekeeping(mut self, in_thread: bool) -> Self {
        self.housekeeping = in_thread;
        self
    }

    /// Keeps at most so many files open, but for those that hold what is not synced yet.
    ///
    /// Default: 512.
    #[must_use]
    pub fn max_open_files(mut self, files: usize) -> Self {
        self.max_open_files = files;
        self
    }

    /// Keeps at most so much of the indexes of inactive segments in memory, for all logs together.
    ///
    /// Default: 64 MiB.
    #[must_use]
    pub fn index_cache_bytes(mut self, bytes: usize) -> Self {
        self.index_cache_bytes = bytes;
        self
    }

    /// Writes zeros ahead of the last batch for the next eight durable appends, at most so many
    /// bytes (4 MiB), so that a sync need not change the file's length: the median of them takes
    /// half as long then, and each byte is written twice. Where four would not fit, and where appends
    /// are not synced, none are written. They are cut off when a segment is rolled or closed. A process
    /// that dies leaves them: the next one cuts them off, and so does Kafka if it takes over, whose
    /// `kafka-dump-log` says until then that the file ends in a corrupt record.
    ///
    /// Default: 1 MiB; 0: none.
    #[must_use]
    pub fn zeros_ahead(mut self, bytes: u32) -> Self {
        self.zeros_ahead = u64::from(bytes).min(4 << 20);
        self
    }

    /// How compacted logs are cleaned.
    ///
    /// Default: as Kafka's cleaner does.
    #[must_use]
    pub fn cleaner(mut self, cleaner: CleanerOptions) -> Self {
        self.cleaner = cleaner;
        self
    }

    /// Waits so long at most for a sync that another thread has begun: if a disk is stuck, who waits
    /// for it gets [`Error::TimedOut`], and does not know whether its records are durable. The thread
    /// that syncs waits as long as the operating system does; readers never wait.
    ///
    /// Default: a minute.
    #[must_use]
    pub fn sync_timeout(mut self, most: Duration) -> Self {
        self.sync_timeout = most;
        self
    }

    /// Keeps about so many logs in memory that nobody writes to: for tests, which have few.
    #[cfg(feature = "sim")]
    pub(crate) fn most_awake(mut self, logs: usize) -> Self {
        self.most_awake = logs;
        self
    }

    /// Maps the finished index files of inactive segments rather than reading them. Default: off.
    ///
    /// An I/O error beneath a map, or somebody else cutting the file, kills the whole process
    /// (SIGBUS); reading gives an error instead. A file that cannot be mapped is read.
    #[must_use]
    pub fn map_indexes(mut self, yes: bool) -> Self {
        self.map_indexes = yes;
        self
    }

    /// Opens the store at `path`. It reads what lies at the top of the directory and no partition.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there and not to be made; `Locked` if somebody has it open for
    /// writing, a broker included; `NeedsAdopt` for a directory that only Kafka wrote, unless it is
    /// opened read-only or adopted;
    /// `Newer` if a later version of strandline wrote it; `Io`, also where the file system has no
    /// locks.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        let root = self.root(path.as_ref())?;
        self.open_in(root)
    }

    /// Opens the store whose directory is `root`.
    pub(crate) fn open_in(self, root: Dir) -> Result<Store> {
        let lock = if self.read_only {
            None
        } else {
            let lock_file = root.stamp_of(LOCK);
            let lock_file =
                lock_file.map_err(|e| Error::io("look at", root.path().join(LOCK), e))?;
            if lock_file.is_none() {
                // The lock leaves a file behind: what is refused is refused before.
                self.refuse_kafkas(&root, &Found::read(&root)?)?;
            }
            Some(take_lock(&root)?)
        };
        let found = Found::read(&root)?;
        let Some(lock) = lock else { return self.start(root, None, found) };
        self.refuse_kafkas(&root, &found)?;
        if self.put_back_strays && !found.strays.is_empty() {
            return self.start_with_strays(root, lock, found);
        }
        self.start(root, Some(lock), found)
    }

    /// Puts back what Kafka set aside. Its checkpoints have forgotten those logs, deleted records
    /// among what they forgot: its marker goes first, and every log is looked at when the store is
    /// closed, also by who opens it after a crash.
    fn start_with_strays(self, root: Dir, lock: Lock, mut found: Found) -> Result<Store> {
        strays::check(&root, &found)?;
        found.look_at_metadata(&root, Metadata::default(), true)?;
        found.refuse_replicas()?;
        let strays = std::mem::take(&mut found.strays);
        let directory = Directory::new(root.clone(), Some(lock), found, self.clock.clone());
        directory.apply()?;
        strays::put_back(&root, &strays)?;
        let found = Found::read(&root)?;
        let store = self.start(root, directory.into_lock(), found)?;
        store.core().surroundings.gate.pass()?;
        Ok(store)
    }

    fn root(&self, path: &Path) -> Result<Dir> {
        if self.read_only || !self.create {
            return open_root(path);
        }
        Dir::open_or_create(path).map_err(|error| Error::io("open", path, error))
    }

    fn refuse_kafkas(&self, root: &Dir, found: &Found) -> Result<()> {
        if found.is_only_kafkas() && !self.adopt {
            return Err(Error::NeedsAdopt(root.path().to_path_buf()));
        }
        Ok(())
    }

    fn start(self, root: Dir, lock: Option<Lock>, found: Found) -> Result<Store> {
        let is_writable = lock.is_some();
        let mut found = found;
        found.look_at_metadata(&root, Metadata::default(), is_writable)?;
        if is_writable {
            found.refuse_replicas()?;
        }
        let (opening, booted_since) = (found.checkpoints.opening, booted_since(&root, &found));
        let directory = Arc::new(Directory::new(root, lock, found, self.clock.clone()));
        if is_writable {
            directory.claim()?;
        }
        let (behind_gate, lowered) = (Arc::clone(&directory), Arc::clone(&directory));
        let lower = move |topic: &str, partition: i32, offset| {
            lowered.lower_recovery_point(topic, partition.unsigned_abs(), offset)
        };
        let mut gate = Gate::new(opening, move || behind_gate.apply()).lowering(lower);
        if !is_writable {
            let directory = Arc::clone(&directory);
            gate = gate.looking(move |topic, partition| directory.look_for(topic, partition));
        }
        let (reads, writes) = (Arc::clone(&directory), Arc::clone(&directory));
        let surroundings = Surroundings {
            clock: self.clock,
            handles: Handles::new(self.max_open_files),
            cache: IndexCache::new(self.index_cache_bytes),
            reads: Reads::default(),
            map_indexes: self.map_indexes,
            zeros_ahead: self.zeros_ahead,
            sync_timeout: self.sync_timeout,
            resting: Resting::new(self.most_awake),
            work: Signal::default(),
            changes: Changes::default(),
            gate,
            cleaner: CleanerCheckpoint::new(
                move |topic, partition| reads.cleaned_to(topic, partition),
                move |topic, partition, offset| writes.note_cleaned((topic, partition), offset),
            ),
            booted_since,
        };
        let cleans = self.cleaner.is_enabled();
        let core = Arc::new(Core::new(directory, Arc::new(surroundings), self.cleaner));
        let mut keepers = Vec::new();
        if self.housekeeping {
            keepers.push(housekeeping::start(&core)?);
            if cleans && is_writable {
                keepers.push(housekeeping::start_cleaner(&core)?);
            }
        }
        Ok(Store::new(core, keepers))
    }
}

fn open_root(path: &Path) -> Result<Dir> {
    Dir::open_root(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NotFound(format!("the store {}", path.display())),
        _ => Error::io("open", path, error),
    })
}

fn take_lock(root: &Dir) -> Result<Lock> {
    let lock = root.lock(LOCK).map_err(|error| Error::io("lock", root.path().join(LOCK), error))?;
    lock.ok_or_else(|| {
        // Whoever has it wrote his number before he did anything else; a broker did not.
        let found = Found::read(root).ok();
        let pid = found.and_then(|found| match found.owner {
            OwnerFile::Read(owner) => Some(owner.pid),
            _ => None,
        });
        Error::Locked { path: root.path().to_path_buf(), pid }
    })
}
