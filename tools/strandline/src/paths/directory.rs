//! Directories: one log's, or those of many logs.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use strandline::base_offset_of;

use super::{Input, Kind, OneLog, Target, kind};
use crate::exit::{Failure, Result, name_of};

/// A directory with the directories of partitions.
#[derive(Debug)]
pub(crate) struct LogDirectory {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// By topic and number.
    pub(crate) partitions: Vec<Partition>,
}

/// The directory of a partition. Nothing in it is read before it is asked for.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) topic: String,
    pub(crate) number: u32,
    pub(crate) state: State,
}

/// What a partition's directory is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Live,
    /// It is to take the place of another, in another log directory.
    Future,
    /// It waits to be removed.
    Deleted,
    /// Its topic is not this broker's any more.
    Stray,
}

impl State {
    /// In a word, for people and for JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Live => "live",
            State::Future => "future",
            State::Deleted => "deleted",
            State::Stray => "stray",
        }
    }
}

/// What a directory is, by the names in it.
pub(super) fn look(path: &Path) -> Result<Target> {
    let entries = list(path)?;
    // A `.log` that is named as no segment is some other program's.
    let kinds = || {
        let named = entries.iter().map(|entry| (entry.path(), entry.file_name()));
        named.filter_map(|(path, name)| {
            let kind = Kind::of_name(name.to_str()?)?;
            (!kind.is_of_a_segment() || base_offset_of(&path).is_some()).then_some(kind)
        })
    };
    if kinds().any(Kind::is_of_a_partition) {
        return Ok(Target::Partition(Partition::at(path)));
    }
    let mut partitions: Vec<_> = entries.iter().filter_map(partition).collect();
    if partitions.is_empty() && kinds().next().is_none() {
        let name = name_of(path);
        return Err(Failure::environment(format!("{name}: no file of Kafka's in this directory")));
    }
    let key = |it: &Partition| (it.topic.clone(), it.number, it.state, it.path.clone());
    partitions.sort_by_cached_key(key);
    Ok(Target::LogDirectory(LogDirectory {
        name: name_of(path),
        path: path.to_path_buf(),
        partitions,
    }))
}

fn list(path: &Path) -> Result<Vec<DirEntry>> {
    let failed = |error| Failure::io("read", path, &error);
    fs::read_dir(path).map_err(failed)?.collect::<std::io::Result<_>>().map_err(failed)
}

/// The files among them that are Kafka's or ours, by name.
fn inputs(entries: &[DirEntry]) -> Vec<Input> {
    let input = |entry: &DirEntry| {
        let (path, name) = (entry.path(), entry.file_name());
        let kind = Kind::of_name(name.to_str()?)?;
        let is_dir = entry.file_type().is_ok_and(|it| it.is_dir());
        let base = base_offset_of(&path);
        (!is_dir).then(|| Input::new(name_of(&path), path, kind, base))
    };
    let mut inputs: Vec<_> = entries.iter().filter_map(input).collect();
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    inputs
}

fn partition(entry: &DirEntry) -> Option<Partition> {
    let is_dir = entry.file_type().is_ok_and(|it| it.is_dir());
    let (topic, number, state) = parse(entry.file_name().to_str()?).filter(|_| is_dir)?;
    let path = entry.path();
    Some(Partition { name: name_of(&path), path, topic, number, state })
}

/// Topic, number and state that a directory's name tells: `t-3`, `t-3.0123…-delete`.
fn parse(name: &str) -> Option<(String, u32, State)> {
    let states =
        [("-delete", State::Deleted), ("-future", State::Future), ("-stray", State::Stray)];
    let with_state = states.iter().find_map(|(end, state)| {
        let (rest, hash) = name.strip_suffix(end)?.rsplit_once('.')?;
        (hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then_some((rest, *state))
    });
    let (name, state) = with_state.unwrap_or((name, State::Live));
    let (topic, number) = name.rsplit_once('-')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !topic.is_empty()).then_some((topic.to_owned(), number.parse().ok()?, state))
}

/// Topic and partition of the directory that a file lies in.
pub(super) fn partition_of(path: &Path) -> Option<(String, u32)> {
    let named = |path: &Path| {
        let (topic, number, _) = parse(path.parent()?.file_name()?.to_str()?)?;
        Some((topic, number))
    };
    named(path).or_else(|| named(&path.canonicalize().ok()?))
}

impl Partition {
    /// The partition at `path`, whatever the directory's name.
    fn at(path: &Path) -> Partition {
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (topic, number, state) = parse(name).unwrap_or((name.to_owned(), 0, State::Live));
        Partition { name: name_of(path), path: path.to_path_buf(), topic, number, state }
    }

    /// Its files, by name. One listing.
    pub(crate) fn files(&self) -> Result<Vec<Input>> {
        Ok(inputs(&list(&self.path)?))
    }

    /// Its log: the segments in use.
    ///
    /// # Errors
    ///
    /// Environment, if it cannot be listed, or has none.
    pub(crate) fn log(&self) -> Result<OneLog> {
        let why =
            || Failure::environment(format!("{}: no segment (*.log) in this directory", self.name));
        self.log_if_any()?.ok_or_else(why)
    }

    /// The same, where none is none.
    pub(crate) fn log_if_any(&self) -> Result<Option<OneLog>> {
        let mut segments = self.files()?;
        segments.retain(|input| kind::is_segment(&input.path));
        segments.sort_by_key(|input| input.base_offset);
        let partition = Some((self.topic.clone(), self.number));
        let log = OneLog { name: self.name.clone(), partition, segments, is_directory: true };
        Ok((!log.segments.is_empty()).then_some(log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_partitions_tell_topic_number_and_state() {
        let hash = "0123456789abcdef0123456789abcdef";
        let live = |topic: &str, number| Some((topic.to_owned(), number, State::Live));
        assert_eq!(parse("a-b-3"), live("a-b", 3));
        assert_eq!(parse("t-1.x-delete"), None);
        let deleted = Some(("t".to_owned(), 1, State::Deleted));
        assert_eq!(parse(&format!("t-1.{hash}-delete")), deleted);
        for name in ["t", "-1", "t-", "t-1x", "t-99999999999", "quarantine"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
