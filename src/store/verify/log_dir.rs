//! A log directory that is to be verified: the files at its top, and what its partitions come to
//! together.

use std::collections::BTreeMap;

use super::file::{CLEANER_CHECKPOINT, FileKind, checkpoint_of, text_of};
use super::shown::Shown;
use super::target::{Content, Ended, Target, is_looked_at, open};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Findings, Report, Severity};
use crate::fs::{Access, Dir, Kind};
use crate::log::verify::Around;
use crate::log::{KafkaSays, PARTITION_METADATA};
use crate::record::Offset;
use crate::store::checkpoint::{self, OPENING_TOPIC, PartitionOffset};
use crate::store::checkpoints::FILES;
use crate::store::names::{self, DirName};
use crate::store::topics::{self, TopicEntry};
use crate::store::{CLEAN_SHUTDOWN, LOCK, META_PROPERTIES, OWNER, TOPICS};

const MOST_BYTES: u64 = 64 << 20;
const BOOTSTRAP: &str = "bootstrap.checkpoint";
const ALL_CHECKPOINTS: [&str; 4] = [FILES[0], FILES[1], FILES[2], CLEANER_CHECKPOINT];

/// What stands at the top of a log directory.
#[derive(Debug)]
pub(super) struct LogDir {
    dir: Dir,
    /// Directories of partitions that are looked at with it, by topic and number.
    pub(super) partitions: Vec<String>,
    /// Whether there is a file that Kafka or we make.
    pub(super) has_files: bool,
    checkpoints: BTreeMap<&'static str, Vec<u8>>,
    topics: Vec<TopicEntry>,
    stopped_cleanly: bool,
    foreign: Vec<String>,
    leftovers: Vec<String>,
}

impl LogDir {
    /// Reads it, and nothing beneath it.
    pub(super) fn read(shown: &Shown) -> Result<LogDir> {
        let dir = open(shown)?;
        let entries = dir.list().map_err(|error| Error::io("list", &shown.given, error))?;
        let mut there = LogDir {
            partitions: Vec::new(),
            has_files: false,
            checkpoints: BTreeMap::new(),
            topics: Vec::new(),
            stopped_cleanly: false,
            foreign: Vec::new(),
            leftovers: Vec::new(),
            dir,
        };
        for entry in entries {
            match entry.kind {
                Kind::Dir if is_looked_at(&entry.name) => there.partitions.push(entry.name),
                Kind::Dir if names::parse(&entry.name) != DirName::Foreign => {}
                Kind::File if is_known(&entry.name) => {
                    there.has_files |= entry.name != LOCK;
                    there.stopped_cleanly |= entry.name == CLEAN_SHUTDOWN;
                }
                Kind::File if entry.name.strip_suffix(".tmp").is_some() => {
                    there.leftovers.push(entry.name);
                }
                _ => there.foreign.push(entry.name),
            }
        }
        there.partitions.sort_by_cached_key(|name| {
            let parsed = names::of_partition(name).map(|(topic, at)| (topic.to_owned(), at));
            (parsed, name.clone())
        });
        for name in ALL_CHECKPOINTS {
            if let Some(bytes) = there.bytes(name) {
                there.checkpoints.insert(name, bytes);
            }
        }
        let topics = there.bytes(TOPICS).and_then(|bytes| topics::decode(&bytes).ok());
        there.topics = topics.unwrap_or_default();
        Ok(there)
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self.dir.read_small(name, MOST_BYTES) {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Some(vec![0xff]),
            read => read.ok().flatten(),
        }
    }

    fn lines(&self, name: &str) -> Vec<PartitionOffset> {
        let bytes = self.checkpoints.get(name);
        bytes.and_then(|bytes| checkpoint::decode(bytes).ok()).unwrap_or_default()
    }

    /// What it says of one of its partitions.
    pub(super) fn around(&self, topic: &str, number: i32) -> Around {
        let line = |name: &str| {
            let mut lines = self.lines(name).into_iter();
            lines.find(|it| it.topic == topic && it.partition == number).map(|it| it.offset)
        };
        Around {
            topic: Some((topic.to_owned(), number)),
            kafka: KafkaSays {
                recovery_point: line(FILES[0]),
                log_start: line(FILES[1]),
                stopped_cleanly: self.stopped_cleanly,
            },
            opening: checkpoint::opening_number(&self.lines(FILES[2])),
            topic_id: self.topics.iter().find(|it| it.name == topic).map(|it| it.id),
        }
    }

    /// What is wrong with its own files.
    fn findings(&self, ends: &BTreeMap<(String, i32), Option<Offset>>, findings: &mut Findings) {
        let about = |code, name: &str| Finding::new(code, &self.dir.path().join(name));
        if !self.stopped_cleanly {
            findings.push(Finding::new(Code::UncleanStop, self.dir.path()));
        }
        for (name, bytes) in &self.checkpoints {
            findings.extend(checkpoint_of(&self.dir.path().join(name), bytes));
            for line in self.lines(name) {
                let finding = match ends.get(&(line.topic.clone(), line.partition)) {
                    _ if line.topic == OPENING_TOPIC => continue,
                    None => about(Code::CheckpointElsewhere, name)
                        .text(format!("{}-{}", line.topic, line.partition)),
                    Some(Some(end)) if line.offset > *end => {
                        let mut finding = about(Code::CheckpointPastEnd, name);
                        finding.offsets = Some((*end, line.offset - 1));
                        let (topic, number) = (&line.topic, line.partition);
                        let text = format!(
                            "{topic}-{number} ends at {end}, the file says {}",
                            line.offset
                        );
                        finding.text(text)
                    }
                    Some(_) => continue,
                };
                findings.push(finding);
            }
        }
        let texts = [
            (META_PROPERTIES, FileKind::MetaProperties),
            (TOPICS, FileKind::Topics),
            (OWNER, FileKind::Owner),
        ];
        for (name, kind) in texts {
            let bytes = self.bytes(name);
            let found = bytes.and_then(|it| text_of(&self.dir.path().join(name), kind, &it));
            findings.extend(found);
        }
        for name in &self.foreign {
            findings.push(about(Code::ForeignName, name));
        }
        for name in &self.leftovers {
            findings.push(about(Code::Leftover, name));
        }
        self.metadata(findings);
    }

    /// Partitions without `partition.metadata`, where others have one.
    fn metadata(&self, findings: &mut Findings) {
        let (with, without): (Vec<_>, Vec<_>) = self
            .partitions
            .iter()
            .partition(|name| self.dir.child(name).open(PARTITION_METADATA, Access::Read).is_ok());
        if with.is_empty() {
            return;
        }
        // KRaft's own log is of no topic.
        for name in without
            .into_iter()
            .filter(|name| !matches!(names::parse(name), DirName::Kafka | DirName::Stray(_)))
        {
            let path = self.dir.child(name).path().join(PARTITION_METADATA);
            let finding = Finding::new(Code::PartitionMetadata, &path);
            findings.push(finding.severity(Severity::Warning).text("it is missing"));
        }
    }
}

fn is_known(name: &str) -> bool {
    let others = [CLEAN_SHUTDOWN, LOCK, META_PROPERTIES, OWNER, TOPICS, BOOTSTRAP];
    ALL_CHECKPOINTS.contains(&name) || others.contains(&name)
}

/// What log directories say that were verified whole, and what they come to together.
pub(super) fn finish(targets: &[Target], ended: &[Ended], report: &mut Report) {
    let mut seen: BTreeMap<(String, i32), &Target> = BTreeMap::new();
    for target in targets.iter().filter(|it| it.log_dir.is_some() && !is_moving(it)) {
        let Some(key) = target.partition.clone() else { continue };
        if let Some(other) = seen.insert(key, target) {
            let finding = Finding::new(Code::TwoDirectories, &target.shown.given);
            let text = format!("{} too", other.shown.given.display());
            report.findings.push(finding.text(text));
        }
    }
    for target in targets {
        let Content::LogDir(log_dir) = &target.content else { continue };
        let of_it = targets.iter().zip(ended).filter(|(other, _)| {
            other.log_dir.as_ref().is_some_and(|it| it.real == target.shown.real)
        });
        let ends =
            of_it.filter_map(|(other, ended)| Some((other.partition.clone()?, ended.log_end)));
        let mut findings = Findings::default();
        log_dir.findings(&ends.collect(), &mut findings);
        for mut finding in findings.into_list() {
            finding.path = target.shown.show(&finding.path);
            report.findings.push(finding);
        }
    }
}

/// A replica that Kafka moves from another directory is there twice on purpose.
fn is_moving(target: &Target) -> bool {
    target.shown.real.to_string_lossy().ends_with("-future")
}
