//! What a path that is to be verified names.

use std::path::Path;

use super::Outcome;
use super::file::{File, FileKind};
use super::log_dir::LogDir;
use super::shown::Shown;
use crate::error::{Error, Result};
use crate::finding::{Finding, Report};
use crate::fs::{Dir, Kind};
use crate::log::verify::{Around, Found, How, PartitionCheck};
use crate::log::{LEADER_EPOCHS, MANIFEST, PARTITION_METADATA};
use crate::record::Offset;
use crate::segment::names as files;
use crate::store::names::{self, DirName};

/// One thing that is to be verified.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) shown: Shown,
    pub(super) content: Content,
    /// The topic and number of a partition.
    pub(super) partition: Option<(String, i32)>,
    /// Which log directory it was found in.
    pub(super) log_dir: Option<Shown>,
}

#[derive(Debug)]
pub(super) enum Content {
    Partition(Box<PartitionCheck>),
    File(File),
    LogDir(Box<LogDir>),
}

/// What came out of a target.
pub(super) struct Ended {
    pub(super) log_end: Option<Offset>,
}

/// What lies at `path`. A log directory comes behind its partitions.
pub(super) fn of(path: &Path, how: &How) -> Result<Vec<Target>> {
    let shown = Shown::of(path)?;
    if !shown.real.is_dir() {
        return Ok(vec![of_file_at(shown, None, None)?]);
    }
    let dir = open(&shown)?;
    if is_partition(&dir).map_err(|error| shown.error(error))? {
        let log_dir = shown.parent().and_then(|parent| LogDir::read(&parent).ok());
        let name = shown.real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        return Ok(vec![partition(shown.clone(), name, log_dir.as_ref(), how)?]);
    }
    let log_dir = LogDir::read(&shown)?;
    let mut targets = Vec::new();
    for name in &log_dir.partitions {
        let mut target = partition(shown.child(name), name, Some(&log_dir), how)?;
        target.log_dir = Some(shown.clone());
        targets.push(target);
    }
    if targets.is_empty() && !log_dir.has_files {
        let path = path.display();
        return Err(Error::NotFound(format!("{path}: a Kafka file or partition in it")));
    }
    let content = Content::LogDir(Box::new(log_dir));
    targets.push(Target { shown, content, partition: None, log_dir: None });
    Ok(targets)
}

/// A file of a kind that the caller tells.
pub(super) fn of_file(path: &Path, kind: FileKind, base: Option<Offset>) -> Result<Target> {
    of_file_at(Shown::of(path)?, Some(kind), base)
}

fn of_file_at(shown: Shown, kind: Option<FileKind>, base: Option<Offset>) -> Result<Target> {
    let file = File::of(&shown, kind, base)?;
    Ok(Target { shown, content: Content::File(file), partition: None, log_dir: None })
}

fn partition(shown: Shown, name: &str, log_dir: Option<&LogDir>, how: &How) -> Result<Target> {
    let topic = names::of_partition(name).map(|(topic, number)| (topic.to_owned(), number as i32));
    let around = match (log_dir, &topic) {
        (Some(log_dir), Some((topic, number))) => log_dir.around(topic, *number),
        _ => Around { topic: topic.clone(), ..Around::default() },
    };
    let check = PartitionCheck::read(open(&shown)?, how.clone(), around);
    let check = check.map_err(|error| shown.error(error))?;
    let content = Content::Partition(Box::new(check));
    Ok(Target { shown, content, partition: topic, log_dir: None })
}

pub(super) fn open(shown: &Shown) -> Result<Dir> {
    Dir::open_root(&shown.real).map_err(|error| Error::io("read", &shown.given, error))
}

fn is_partition(dir: &Dir) -> Result<bool> {
    let entries = dir.list().map_err(|error| Error::io("list", dir.path(), error))?;
    let of_one = [LEADER_EPOCHS, MANIFEST, PARTITION_METADATA];
    Ok(entries
        .iter()
        .filter(|entry| entry.kind == Kind::File)
        .any(|entry| files::parse(&entry.name).is_some() || of_one.contains(&entry.name.as_str())))
}

/// Whether a directory of a log directory is looked at with it.
pub(super) fn is_looked_at(name: &str) -> bool {
    match names::parse(name) {
        DirName::Partition(..) => true,
        DirName::Kafka | DirName::Stray(_) => {
            name.ends_with("-future") || names::of_partition(name).is_some()
        }
        DirName::Deleted | DirName::Foreign => false,
    }
}

impl Target {
    /// Cuts a file into stretches; a partition has done that by itself.
    pub(super) fn cut(&mut self, how: &How) {
        if let Content::File(file) = &mut self.content {
            file.cut(how);
        }
    }

    /// How many stretches of a segment can be looked at ahead.
    pub(super) fn stretches(&self, segment: usize) -> usize {
        match &self.content {
            Content::Partition(partition) => partition.stretches(segment),
            Content::File(file) => file.stretches(),
            Content::LogDir(_) => 0,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        match &self.content {
            Content::Partition(partition) => {
                (0..partition.segments()).map(|at| partition.bytes_of(at)).sum()
            }
            Content::File(file) => file.bytes(),
            Content::LogDir(_) => 0,
        }
    }

    /// Puts together what came out of its pieces.
    pub(super) fn put_together(&self, outcomes: Vec<Outcome>, report: &mut Report) -> Ended {
        let (mut segments, mut whole, mut failed) = (Vec::new(), None, false);
        for outcome in outcomes {
            match outcome {
                Outcome::Segment(checked) => segments.extend(checked),
                Outcome::Partition(found) => whole = Some(found),
                Outcome::Failed(error) => {
                    report.unreadable.push(self.shown.error(error));
                    failed = true;
                }
            }
        }
        let found = match (&self.content, whole) {
            (_, Some(found)) => found,
            (Content::Partition(partition), None) if !failed => {
                match partition.finish(segments, None) {
                    Ok(found) => found,
                    Err(error) => {
                        report.unreadable.push(self.shown.error(error));
                        return Ended { log_end: None };
                    }
                }
            }
            // What could be read of it counts.
            _ => Found { segments, findings: Vec::new(), log_end: 0 },
        };
        let is_known = !failed
            && found
                .segments
                .last()
                .is_some_and(|last| last.summary.damage.iter().all(|region| region.next.is_some()));
        let log_end = is_known.then_some(found.log_end);
        self.report(found, report);
        Ended { log_end }
    }

    fn report(&self, found: Found, report: &mut Report) {
        let mut findings = found.findings;
        for checked in found.segments {
            let mut log = checked.verified();
            log.path = self.shown.show(&log.path);
            report.logs.push(log);
            findings.extend(checked.findings.into_list());
        }
        for finding in &mut findings {
            finding.path = self.shown.show(&finding.path);
        }
        findings.sort_by(Finding::by_place);
        report.findings.extend(findings);
    }
}
