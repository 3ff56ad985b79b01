//! Which files the paths of a command line mean, and what each of them is.
//!
//! A path is a file, a partition's directory, a log directory, a glob in quotes, or `-`. A
//! directory with a partition's files in it is one log; one with such directories is a log
//! directory, gone through by topic and number.

mod content;
mod directory;
mod kind;
mod stdin;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use strandline::base_offset_of;

pub(crate) use directory::{LogDirectory, Partition, State};
pub(crate) use kind::Kind;

use crate::exit::{Exit, Failure, Result, complain, name_of};
use crate::global::Global;
use stdin::Spooled;

/// Paths, and which partitions of log directories are meant.
#[derive(Debug, clap::Args)]
pub(crate) struct PathArgs {
    /// Files, directories of partitions, log directories, quoted globs, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// In log directories, only topics of this name; * and ? are wild
    #[arg(long, value_name = "GLOB", help_heading = "Which partitions", hide_short_help = true)]
    pub(crate) topic: Vec<String>,

    /// In log directories, only these partitions: 3, 0-3, 1,4-
    #[arg(long, value_name = "N", help_heading = "Which partitions", hide_short_help = true)]
    pub(crate) partition: Option<Numbers>,

    /// In log directories, no topics of this name
    #[arg(long, value_name = "GLOB", help_heading = "Which partitions", hide_short_help = true)]
    pub(crate) exclude: Vec<String>,
}

/// What a path turned out to be.
#[derive(Debug)]
pub(crate) enum Target {
    File(Input),
    Partition(Partition),
    LogDirectory(LogDirectory),
}

/// A file to read.
#[derive(Debug)]
pub(crate) struct Input {
    /// What the user knows it as, escaped for a line.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// What its name says, or the command line.
    pub(crate) base_offset: Option<i64>,
    /// The topic and partition that its directory is named for.
    pub(crate) partition: Option<(String, u32)>,
    /// Standard input, put where it can be read at positions.
    _spooled: Option<Spooled>,
}

/// One log: the segments of a partition in offset order, or a `.log` by itself.
#[derive(Debug)]
pub(crate) struct OneLog {
    /// What the user knows it as.
    pub(crate) name: String,
    pub(crate) partition: Option<(String, u32)>,
    pub(crate) segments: Vec<Input>,
    /// Whether it is all of a directory, and not a `.log` by itself.
    pub(crate) is_directory: bool,
}

impl PathArgs {
    /// What each path means, in the order given; those of a glob by name.
    pub(crate) fn targets(&self, global: &Global) -> Vec<Result<Target>> {
        let mut targets = Vec::new();
        for path in &self.paths {
            match expand(path) {
                Ok(paths) => targets.extend(paths.iter().map(|path| target(path, global))),
                Err(failure) => targets.push(Err(failure)),
            }
        }
        targets
    }

    /// The logs that are meant: every `.log` by itself, every partition, every partition of a log
    /// directory that the options leave in. What cannot be had is reported here; the exit is the
    /// worst of it.
    pub(crate) fn logs(&self, global: &Global) -> Result<(Vec<OneLog>, Exit)> {
        let (mut logs, mut exit) = (Vec::new(), Exit::Done);
        let mut keep = |log: Result<Option<OneLog>>| match log {
            Ok(log) => logs.extend(log),
            Err(failure) => {
                complain("error", &failure.message);
                exit = exit.and(failure.exit);
            }
        };
        for target in self.targets(global) {
            match target {
                Ok(Target::File(input)) => keep(one_file(input).map(Some)),
                Ok(Target::Partition(partition)) => keep(partition.log().map(Some)),
                Ok(Target::LogDirectory(directory)) => {
                    let (mut found, all) = (false, self.partitions(&directory)?);
                    for partition in all {
                        let log = partition.log_if_any();
                        found |= !matches!(log, Ok(None));
                        keep(log);
                    }
                    if !found {
                        let why = format!("{}: no log in it that is meant", directory.name);
                        keep(Err(Failure::environment(why)));
                    }
                }
                Err(failure) => keep(Err(failure)),
            }
        }
        Ok((logs, exit))
    }

    /// The directories of the partitions that are meant; no file stands for one.
    ///
    /// # Errors
    ///
    /// Usage for a file; what cannot be read.
    pub(crate) fn partition_dirs(&self, global: &Global) -> Result<Vec<PathBuf>> {
        let mut partitions = Vec::new();
        for target in self.targets(global) {
            match target? {
                Target::Partition(partition) => partitions.push(partition.path),
                Target::LogDirectory(directory) => {
                    let chosen = self.partitions(&directory)?;
                    partitions.extend(chosen.into_iter().map(|it| it.path.clone()));
                }
                Target::File(input) => {
                    let why = format!("{}: the directory of a partition is wanted", input.name);
                    return Err(Failure::usage(why));
                }
            }
        }
        Ok(partitions)
    }

    /// Whether no option leaves a partition out.
    pub(crate) fn takes_all(&self) -> bool {
        self.topic.is_empty() && self.exclude.is_empty() && self.partition.is_none()
    }

    /// The partitions of a log directory that the options leave in.
    pub(crate) fn partitions<'a>(&self, directory: &'a LogDirectory) -> Result<Vec<&'a Partition>> {
        let (topics, not) = (patterns(&self.topic)?, patterns(&self.exclude)?);
        let wanted = |partition: &&Partition| {
            let any = |of: &[glob::Pattern]| of.iter().any(|it| it.matches(&partition.topic));
            partition.state == State::Live
                && (topics.is_empty() || any(&topics))
                && !any(&not)
                && self.partition.as_ref().is_none_or(|it| it.contain(partition.number))
        };
        Ok(directory.partitions.iter().filter(wanted).collect())
    }
}

fn patterns(globs: &[String]) -> Result<Vec<glob::Pattern>> {
    let compile = |text: &String| {
        glob::Pattern::new(text).map_err(|error| Failure::usage(format!("{text}: {error}")))
    };
    globs.iter().map(compile).collect()
}

/// The paths that one word means: itself, or what a glob matches.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Ok(vec![path.to_path_buf()]);
    };
    if path.exists() {
        return Ok(vec![path.to_path_buf()]);
    }
    let found = glob::glob(text)
        .map_err(|error| Failure::usage(format!("{}: {error}", name_of(path))))?
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| Failure::io("read", error.path(), error.error()))?;
    if found.is_empty() {
        return Err(Failure::environment(format!("{}: nothing matches it", name_of(path))));
    }
    Ok(found)
}

fn target(path: &Path, global: &Global) -> Result<Target> {
    if path == Path::new("-") {
        return stdin::input(global).map(Target::File);
    }
    let metadata = std::fs::metadata(path).map_err(|error| {
        let mut failure = Failure::io("read", path, &error);
        if let Some(there) = in_the_store(path) {
            let _ = write!(failure.message, "; a topic's partitions are directories: {there}");
        }
        failure
    })?;
    if metadata.is_dir() { directory::look(path) } else { file(path, global).map(Target::File) }
}

/// Where the topic or the partition lies that somebody named instead of its path.
fn in_the_store(path: &Path) -> Option<String> {
    let name = path.to_str().filter(|name| !name.contains('/'))?;
    let store = crate::common::default_dir();
    let near = [store.join(name), store.join(format!("{name}-0"))];
    near.iter().find(|path| path.is_dir()).map(|path| name_of(path))
}

/// A file that was named: its kind by its name, then by its content.
fn file(path: &Path, global: &Global) -> Result<Input> {
    let name = name_of(path);
    let by_name = || path.file_name().and_then(|name| Kind::of_name(name.to_str()?));
    let kind = match global.kind.or_else(by_name) {
        Some(kind) => Some(kind),
        None => content::kind(path)?,
    };
    let kind = kind.ok_or_else(|| {
        Failure::usage(format!(
            "{name}: neither its name nor its first bytes tell what it is; say it: --as log"
        ))
    })?;
    let base_offset = global.base_offset.or_else(|| base_offset_of(path));
    Ok(Input::new(name, path.to_path_buf(), kind, base_offset))
}

impl Input {
    fn new(name: String, path: PathBuf, kind: Kind, base_offset: Option<i64>) -> Input {
        let partition = directory::partition_of(&path);
        Input { name, path, kind, base_offset, partition, _spooled: None }
    }

    /// Its base offset.
    ///
    /// # Errors
    ///
    /// Usage, if its name does not tell; a snapshot of `KRaft`'s begins at 0.
    pub(crate) fn base(&self) -> Result<i64> {
        if self.kind == Kind::KraftSnapshot {
            return Ok(self.base_offset.unwrap_or(0));
        }
        self.base_offset.ok_or_else(|| {
            Failure::usage(format!(
                "{}: Kafka keeps the base offset in the file name (20 digits); \
                 give it: --base-offset 0",
                self.name
            ))
        })
    }
}

/// A `.log` that was named by itself.
fn one_file(input: Input) -> Result<OneLog> {
    if !matches!(input.kind, Kind::Log | Kind::KraftSnapshot) {
        let (name, kind) = (&input.name, input.kind.name());
        return Err(Failure::usage(format!("{name}: a .log is wanted here, and it is a {kind}")));
    }
    input.base()?;
    Ok(OneLog::of_file(input))
}

impl OneLog {
    /// A `.log` by itself.
    pub(crate) fn of_file(input: Input) -> OneLog {
        let (name, partition) = (input.name.clone(), input.partition.clone());
        OneLog { name, partition, segments: vec![input], is_directory: false }
    }
}

/// Numbers of partitions: `3`, `0-3`, `1,4-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers(Vec<(u32, u32)>);

impl Numbers {
    fn contain(&self, number: u32) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&number))
    }
}

impl std::str::FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Numbers, String> {
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| format!("`{text}`: 3, 0-3 or 1,4- is wanted"))
        };
        let range = |text: &str| match text.split_once('-') {
            None => number(text).map(|n| (n, n)),
            Some((from, "")) => Ok((number(from)?, u32::MAX)),
            Some((from, to)) => Ok((number(from)?, number(to)?)),
        };
        text.split(',').map(range).collect::<std::result::Result<_, _>>().map(Numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_numbers_and_ranges() {
        let numbers: Numbers = "1,4-5,9-".parse().unwrap();
        let held: Vec<u32> = (0..12).filter(|&number| numbers.contain(number)).collect();
        assert_eq!(held, [1, 4, 5, 9, 10, 11]);
        for wrong in ["", "a", "-3", "1,,2", "1-b"] {
            assert!(wrong.parse::<Numbers>().is_err(), "{wrong}");
        }
    }
}
