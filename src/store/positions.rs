//! Where a reader is in its logs, kept under a name in a directory of the reader's own: readers never
//! write into the store that they read.
//!
//! ```text
//! version 1
//! at events 0 4711 3 CftUZDUeRwSzvmBjqE2a8A
//! crc 01234567
//! ```
//!
//! Topic, partition, offset, the leader epoch of the record before it (−1 unknown), and the topic's id
//! (`-` unknown). The file, `<name>.position`, is replaced whole.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::checked_text::{self, Line, TextError};
use super::checkpoints::FILES;
use super::{META_PROPERTIES, OWNER, TOPICS, names};
use crate::error::{Error, Result};
use crate::fs::{Dir, Lock};
use crate::log::{FetchOptions, Follower, Log, MANIFEST, PARTITION_METADATA, TopicId};
use crate::record::{LeaderEpoch, Offset};

/// The most that is read of such a file.
const MOST_BYTES: u64 = 32 << 20;

/// Where the reader of a name is, in each log that it follows.
///
/// It lies in a directory that the reader names, which is none of a store's; a name is used by one
/// process at a time. What [`Positions::save`] has saved survives a loss of power; a crash leaves
/// that, or what was saved before.
///
/// ```
/// use strandline::{Batch, Durability, FetchOptions, Positions, Record, Store, TopicOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # let own = dir.path().join("reader");
/// # let writer = Store::open(&path)?;
/// # let log = writer.create_topic("events", TopicOptions::new())?.partition(0)?;
/// # log.append(Batch::of([Record::new().value("one")]), Durability::Synced)?;
/// let log = Store::open_read_only(&path)?.log("events", 0)?;
/// let mut positions = Positions::open(&own, "indexer")?;
/// let mut follower = match positions.follower(&log, FetchOptions::new())? {
///     Some(follower) => follower,
///     None => log.follow(log.log_start_offset()?, FetchOptions::new())?,
/// };
/// for record in follower.fetch()?.records() {
///     println!("{:?}", record?.value());
/// }
/// positions.keep(&follower);
/// positions.save()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Positions {
    dir: Dir,
    file: String,
    at: BTreeMap<(String, u32), Position>,
    /// Held as long as this is there.
    _lock: Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    offset: Offset,
    epoch: Option<LeaderEpoch>,
    topic_id: Option<TopicId>,
}

impl Positions {
    /// What is kept under `name` in the directory `dir`, which is made if it is not there. A name is
    /// as a topic's: up to 240 of `a-z A-Z 0-9 . _ -`.
    ///
    /// # Errors
    ///
    /// `Locked` if another process has the name open; `Invalid` for a name that cannot be, for a
    /// directory of a store, and for a file that is damaged; `Io`.
    pub fn open(dir: impl AsRef<Path>, name: &str) -> Result<Positions> {
        if names::check_topic(name).is_err() || name.len() > 240 {
            return Err(Error::Invalid(format!("{name:?} is no name for positions")));
        }
        let path = dir.as_ref();
        let dir = Dir::open_or_create(path).map_err(|error| Error::io("open", path, error))?;
        for of_a_store in
            [OWNER, TOPICS, META_PROPERTIES, MANIFEST, PARTITION_METADATA].into_iter().chain(FILES)
        {
            let there = dir.stamp_of(of_a_store);
            if there.map_err(|error| Error::io("look at", path, error))?.is_some() {
                let why = "is a directory of a store: readers keep their positions elsewhere";
                return Err(Error::Invalid(format!("{} {why}", path.display())));
            }
        }
        let lock = format!("{name}.lock");
        let locked = dir.lock(&lock).map_err(|e| Error::io("lock", path.join(&lock), e))?;
        let lock = locked.ok_or_else(|| Error::Locked { path: path.join(lock), pid: None })?;
        let file = format!("{name}.position");
        let bytes = dir.read_small(&file, MOST_BYTES);
        let bytes = bytes.map_err(|error| Error::io("read", path.join(&file), error))?;
        let at = match bytes.as_deref().map(decode) {
            None => BTreeMap::new(),
            Some(Ok(at)) => at,
            Some(Err(error)) => {
                return Err(Error::Invalid(format!("{}: {error}", path.join(&file).display())));
            }
        };
        Ok(Positions { dir, file, at, _lock: lock })
    }

    /// A follower of `log` where it was kept; none if nothing was, or only of a topic of that name
    /// that was deleted since. A cut below what was read is told by its first fetch, also one that
    /// happened while nobody looked.
    ///
    /// # Errors
    ///
    /// As [`Log::follow`].
    pub fn follower(&self, log: &Log, options: FetchOptions) -> Result<Option<Follower>> {
        let key = (log.topic().to_owned(), log.partition());
        let Some(at) = self.at.get(&key) else { return Ok(None) };
        let ids = at.topic_id.zip(log.topic_id());
        if ids.is_some_and(|(kept, now)| kept != now) {
            return Ok(None);
        }
        log.follow_in(at.offset, at.epoch, options).map(Some)
    }

    /// Keeps where a follower is; the next [`Positions::save`] saves it.
    pub fn keep(&mut self, follower: &Follower) {
        let log = follower.log();
        let (offset, epoch, topic_id) = (follower.offset(), follower.epoch(), log.topic_id());
        let key = (log.topic().to_owned(), log.partition());
        self.at.insert(key, Position { offset, epoch, topic_id });
    }

    /// Saves all that is kept; it survives a loss of power when this returns.
    ///
    /// # Errors
    ///
    /// `Io`: then what was saved before counts.
    pub fn save(&self) -> Result<()> {
        let replaced = self.dir.replace_small(&self.file, &encode(&self.at));
        let path = || self.dir.path().join(&self.file);
        replaced.map_err(|error| Error::io("write", path(), error))
    }
}

/// What stands for a topic id that is not known.
const NO_ID: &str = "-";

fn encode(at: &BTreeMap<(String, u32), Position>) -> Vec<u8> {
    let mut lines = String::new();
    for ((topic, partition), position) in at {
        let (offset, epoch) = (position.offset, LeaderEpoch::to_wire(position.epoch));
        let id = position.topic_id.map_or(NO_ID.to_owned(), |id| id.to_string());
        // Writing to a string does not fail.
        let _ = writeln!(lines, "at {topic} {partition} {offset} {epoch} {id}");
    }
    checked_text::encode(&lines)
}

fn decode(file: &[u8]) -> std::result::Result<BTreeMap<(String, u32), Position>, TextError> {
    let lines = checked_text::decode(file)?;
    lines.into_iter().map(|line| position_in(line).ok_or(line.malformed())).collect()
}

fn position_in(line: Line<'_>) -> Option<((String, u32), Position)> {
    let words: Vec<&str> = line.value.split(' ').collect();
    let [topic, partition, offset, epoch, id] = words[..] else { return None };
    names::check_topic(topic).ok().filter(|()| line.key == "at")?;
    let position = Position {
        offset: offset.parse().ok().filter(|offset| *offset >= 0)?,
        epoch: LeaderEpoch::from_wire(epoch.parse().ok()?),
        topic_id: if id == NO_ID { None } else { Some(id.parse().ok()?) },
    };
    Some(((topic.to_owned(), partition.parse().ok()?), position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_so_that_they_can_be_read_and_nothing_else_is_one() {
        let id: TopicId = "CftUZDUeRwSzvmBjqE2a8A".parse().unwrap();
        let at = |offset, epoch: Option<i32>, topic_id| Position {
            offset,
            epoch: epoch.map(LeaderEpoch),
            topic_id,
        };
        let kept = BTreeMap::from([
            (("events".to_owned(), 0), at(4711, Some(3), Some(id))),
            (("old".to_owned(), 7), at(0, None, None)),
        ]);
        let file = encode(&kept);
        assert_eq!(decode(&file).unwrap(), kept);
        let text = String::from_utf8(file).unwrap();
        assert!(text.contains("\nat events 0 4711 3 CftUZDUeRwSzvmBjqE2a8A\n"), "{text}");
        for line in ["at events 0 1 2", "at events 0 -1 2 -", "at a/b 0 1 2 -", "to events 0 1 2 -"]
        {
            let file = checked_text::encode(&format!("{line}\n"));
            assert!(decode(&file).is_err(), "{line}");
        }
        assert!(decode(b"").is_err());
    }
}
