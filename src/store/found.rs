//! What a log directory holds, read without a write: names and small files, no partition.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::checkpoints::{Checkpoints, FILES};
use super::clean_shutdown;
use super::kraft::{METADATA_LOG, Metadata};
use super::names::{self, DirName};
use super::owner::Owner;
use super::topics::{self, TopicEntry};
use super::{CLEAN_SHUTDOWN, META_PROPERTIES, OWNER, TOPICS, TextError};
use crate::error::{Error, Result};
use crate::fs::{Dir, Kind};

/// The most that is read of `strandline.topics` and of each checkpoint: a hundred thousand
/// partitions with the longest names have less.
pub(super) const MOST_BYTES: u64 = 32 << 20;
/// The most that is read of files that are a few lines long.
const MOST_SMALL_BYTES: u64 = 64 << 10;

/// What is there.
#[derive(Debug)]
pub(super) struct Found {
    /// Topics that have directories, and the numbers of their partitions.
    pub(super) partitions: BTreeMap<String, BTreeSet<u32>>,
    /// Directories that wait to be removed.
    pub(super) deleted: Vec<String>,
    /// Directories that Kafka set aside, and what they were called before.
    pub(super) strays: Vec<(String, String)>,
    pub(super) has_meta_properties: bool,
    /// Whether there is a metadata log of Kafka's.
    has_metadata_log: bool,
    /// What it says, once it was looked at.
    pub(super) metadata: Metadata,
    pub(super) topics: TopicsFile,
    pub(super) owner: OwnerFile,
    pub(super) checkpoints: Checkpoints,
    pub(super) marker: Marker,
    /// Whether there is something that Kafka makes.
    has_kafka_files: bool,
    pub(super) warnings: Vec<String>,
}

/// Kafka's marker of a clean stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Marker {
    Missing,
    Stands {
        /// The broker's last epoch, if the marker says it.
        broker_epoch: Option<i64>,
    },
}

/// `strandline.topics`.
#[derive(Debug)]
pub(super) enum TopicsFile {
    Missing,
    Read(Vec<TopicEntry>),
    /// What it holds instead.
    Damaged(Vec<u8>),
}

/// `strandline.owner`.
#[derive(Debug)]
pub(super) enum OwnerFile {
    Missing,
    Read(Owner),
    Damaged,
}

impl Found {
    /// Looks at a log directory.
    ///
    /// # Errors
    ///
    /// `Io`; `Newer` if a later version of strandline wrote it. What is damaged is no error: it
    /// counts as missing, with a warning.
    pub(super) fn read(root: &Dir) -> Result<Found> {
        let mut warnings = Vec::new();
        let marker = read(root, CLEAN_SHUTDOWN, MOST_SMALL_BYTES, &mut warnings)?;
        let topics = read_topics(root, &mut warnings)?;
        let owner = read_owner(root, &mut warnings)?;
        let mut checkpoints = Checkpoints::default();
        let mut has_checkpoints = false;
        for (at, name) in FILES.iter().enumerate() {
            // One after the other: no two of them are held at once.
            if let Some(bytes) = read(root, name, MOST_BYTES, &mut warnings)? {
                has_checkpoints = true;
                checkpoints.read(at, &bytes, root, &mut warnings);
            }
        }
        checkpoints.stopped_cleanly = marker.is_some();
        let mut found = Found {
            partitions: BTreeMap::new(),
            deleted: Vec::new(),
            strays: Vec::new(),
            has_meta_properties: false,
            has_metadata_log: false,
            metadata: Metadata::default(),
            topics,
            owner,
            checkpoints,
            has_kafka_files: marker.is_some() || has_checkpoints,
            marker: match marker {
                Some(bytes) => {
                    Marker::Stands { broker_epoch: clean_shutdown::broker_epoch(&bytes) }
                }
                None => Marker::Missing,
            },
            warnings,
        };
        found.list(root)?;
        Ok(found)
    }

    fn list(&mut self, root: &Dir) -> Result<()> {
        let entries = root.list().map_err(|error| Error::io("list", root.path(), error))?;
        let mut foreign = Vec::new();
        for entry in entries {
            let name = names::parse(&entry.name);
            match (entry.kind, name) {
                (Kind::Dir, DirName::Partition(topic, number)) => {
                    self.partitions.entry(topic.to_owned()).or_default().insert(number);
                    self.has_kafka_files = true;
                }
                (Kind::Dir, DirName::Deleted) => {
                    self.deleted.push(entry.name);
                    self.has_kafka_files = true;
                }
                (Kind::Dir, DirName::Stray(before)) => {
                    self.strays.push((before.to_owned(), entry.name.clone()));
                    self.has_kafka_files = true;
                }
                (Kind::Dir, DirName::Kafka) => {
                    self.has_kafka_files = true;
                    self.has_metadata_log |= entry.name == METADATA_LOG;
                }
                (Kind::Dir, DirName::Foreign) | (Kind::Other, DirName::Partition(..)) => {
                    foreign.push(entry.name);
                }
                (Kind::File, _) => self.has_meta_properties |= entry.name == META_PROPERTIES,
                (Kind::Other, _) => {}
            }
        }
        if let Some((_, first)) = self.strays.first() {
            let (path, count) = (root.path().display(), self.strays.len());
            self.warnings.push(format!(
                "{path}: Kafka set aside {first} ({count} such directories in all), for it was started \
                 without knowing them; adopting the directory can put them back"
            ));
        }
        if let Some(first) = foreign.first() {
            let path = root.path().display();
            let others = match foreign.len() - 1 {
                0 => String::new(),
                1 => " (and another)".to_owned(),
                others => format!(" (and {others} others)"),
            };
            self.warnings.push(format!(
                "{path}: {first}{others} is no directory of a partition and is left \
                 alone; Kafka does not start beside it"
            ));
        }
        Ok(())
    }

    /// Looks at Kafka's metadata log, where it has grown since `before` was read. What cannot be read
    /// is an error where the settings are needed to write, and else a warning.
    ///
    /// # Errors
    ///
    /// Those of [`Metadata::look`], if `to_write`.
    pub(super) fn look_at_metadata(
        &mut self,
        root: &Dir,
        before: Metadata,
        to_write: bool,
    ) -> Result<()> {
        if !self.has_metadata_log {
            return Ok(());
        }
        self.metadata = before;
        match self.metadata.look(root) {
            Err(error) if !to_write => {
                self.warnings.push(format!("{error}; topics have default settings"));
                Ok(())
            }
            looked => looked,
        }
    }

    /// That no partition here has replicas elsewhere, which would cut off what is appended to this
    /// one alone.
    ///
    /// # Errors
    ///
    /// `Invalid`.
    pub(super) fn refuse_replicas(&self) -> Result<()> {
        let Some(image) = self.metadata.image() else { return Ok(()) };
        for (name, numbers) in &self.partitions {
            let Some((_, topic)) = image.topic(name) else { continue };
            let replicated = numbers.iter().find_map(|number| {
                let replicas = topic.partitions.get(number)?;
                (replicas.len() > 1).then_some((number, replicas))
            });
            if let Some((number, replicas)) = replicated {
                return Err(Error::Invalid(format!(
                    "partition {name}-{number} has replicas on brokers {replicas:?}: what is appended \
                     to one of them alone is cut off when they meet again; open it read-only, or \
                     reassign it to one broker first"
                )));
            }
        }
        Ok(())
    }

    /// Whether Kafka wrote the directory and strandline never did.
    pub(super) fn is_only_kafkas(&self) -> bool {
        let is_ours = self.checkpoints.opening.is_some()
            || !matches!(self.owner, OwnerFile::Missing)
            || !matches!(self.topics, TopicsFile::Missing);
        (self.has_kafka_files || self.has_meta_properties) && !is_ours
    }
}

/// A small file; one that is too long to be what it should counts as damaged.
pub(super) fn read(
    root: &Dir,
    name: &str,
    most: u64,
    warnings: &mut Vec<String>,
) -> Result<Option<Vec<u8>>> {
    match root.read_small(name, most) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            warnings.push(warning(root, name, error));
            Ok(Some(Vec::new()))
        }
        read => read.map_err(|error| Error::io("read", root.path().join(name), error)),
    }
}

pub(super) fn warning(root: &Dir, name: &str, why: impl Display) -> String {
    format!("{}: {why}", root.path().join(name).display())
}

fn newer(root: &Dir, name: &'static str, version: u32) -> Error {
    Error::Newer { path: root.path().join(name), what: name, version: version.into() }
}

fn read_topics(root: &Dir, warnings: &mut Vec<String>) -> Result<TopicsFile> {
    let Some(bytes) = read(root, TOPICS, MOST_BYTES, warnings)? else {
        return Ok(TopicsFile::Missing);
    };
    let why = match topics::decode(&bytes) {
        Err(TextError::Newer(version)) => return Err(newer(root, TOPICS, version)),
        Err(error) => error.to_string(),
        Ok(topics) => match topics.iter().find_map(|topic| names::check_topic(&topic.name).err()) {
            None => return Ok(TopicsFile::Read(topics)),
            Some(error) => error.to_string(),
        },
    };
    let why = format!("{why}; topics are listed from their directories, with default settings");
    warnings.push(warning(root, TOPICS, why));
    Ok(TopicsFile::Damaged(bytes))
}

fn read_owner(root: &Dir, warnings: &mut Vec<String>) -> Result<OwnerFile> {
    let bytes = read(root, OWNER, MOST_SMALL_BYTES, warnings)?;
    match bytes.as_deref().map(Owner::decode) {
        None => Ok(OwnerFile::Missing),
        Some(Ok(owner)) => Ok(OwnerFile::Read(owner)),
        Some(Err(TextError::Newer(version))) => Err(newer(root, OWNER, version)),
        // No answer hangs on it, and it is replaced by the next opening: not worth a warning.
        Some(Err(_)) => Ok(OwnerFile::Damaged),
    }
}
