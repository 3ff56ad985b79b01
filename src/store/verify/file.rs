//! One file that is to be verified by itself.

use super::shown::Shown;
use super::target::open;
use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Findings, Level, Severity};
use crate::fs::{Access, Dir};
use crate::log::verify::{Ahead, Around, Found, How, check_alone, checkpoint_finding};
use crate::log::{LEADER_EPOCHS, MANIFEST, PARTITION_METADATA, WATERMARK};
use crate::record::Offset;
use crate::segment::names::{self, Part};
use crate::segment::verify::{SegmentCheck, Tail};
use crate::store::checkpoints::FILES;
use crate::store::{CLEAN_SHUTDOWN, META_PROPERTIES, OWNER, TOPICS, checkpoint, owner, topics};
use crate::store::{MetaProperties, TextError};

/// What kind of file one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A `.log`, or a KRaft snapshot, which holds batches too.
    Log,
    /// A `.index`.
    Index,
    /// A `.timeindex`.
    TimeIndex,
    /// A `.txnindex`.
    TxnIndex,
    /// A producer snapshot.
    Snapshot,
    /// A checkpoint of offsets.
    Checkpoint,
    /// The leader epochs of a partition.
    LeaderEpochs,
    /// `partition.metadata`.
    PartitionMetadata,
    /// `segments.manifest`.
    Manifest,
    /// `durable.watermark`.
    Watermark,
    /// `meta.properties`.
    MetaProperties,
    /// `strandline.topics`.
    Topics,
    /// `strandline.owner`.
    Owner,
}

/// The cleaner's checkpoint, which a store does not keep.
pub(super) const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";
const MOST_BYTES: u64 = 64 << 20;

/// A file, and where it lies.
#[derive(Debug)]
pub(super) struct File {
    dir: Dir,
    name: String,
    kind: FileKind,
    base: Offset,
    /// Whether its name tells which segment it is of.
    is_named: bool,
    tail: Tail,
    is_active: bool,
    /// What is looked at ahead in a `.log`.
    ahead: Option<Ahead>,
}

/// The kind that a name tells.
fn kind_of(name: &str) -> Option<FileKind> {
    if let Some((_, part, _)) = names::parse(name) {
        return Some(match part {
            Part::Log => FileKind::Log,
            Part::OffsetIndex => FileKind::Index,
            Part::TimeIndex => FileKind::TimeIndex,
            Part::TxnIndex => FileKind::TxnIndex,
            Part::Snapshot => FileKind::Snapshot,
        });
    }
    Some(match name {
        LEADER_EPOCHS => FileKind::LeaderEpochs,
        PARTITION_METADATA => FileKind::PartitionMetadata,
        MANIFEST => FileKind::Manifest,
        WATERMARK => FileKind::Watermark,
        META_PROPERTIES => FileKind::MetaProperties,
        TOPICS => FileKind::Topics,
        OWNER => FileKind::Owner,
        CLEANER_CHECKPOINT => FileKind::Checkpoint,
        name if FILES.contains(&name) => FileKind::Checkpoint,
        _ => match std::path::Path::new(name).extension()?.to_str()? {
            "log" | "checkpoint" => FileKind::Log,
            "index" => FileKind::Index,
            "timeindex" => FileKind::TimeIndex,
            "txnindex" => FileKind::TxnIndex,
            "snapshot" => FileKind::Snapshot,
            _ => return None,
        },
    })
}

impl File {
    pub(super) fn of(shown: &Shown, kind: Option<FileKind>, base: Option<Offset>) -> Result<File> {
        let given = shown.given.display();
        let Some(name) = shown.real.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::Invalid(format!("{given}: not a file's name")));
        };
        let Some(kind) = kind.or_else(|| kind_of(name)) else {
            return Err(Error::Invalid(format!("{given}: no file of Kafka's by its name")));
        };
        let parsed = names::parse(name);
        // A KRaft snapshot holds the state from the beginning on.
        let is_snapshot = name.ends_with(".checkpoint").then_some(0);
        let told = base.or(parsed.map(|(base, ..)| base)).or(is_snapshot);
        let needs = matches!(kind, FileKind::Log | FileKind::Index | FileKind::TimeIndex);
        if needs && told.is_none() {
            let why = format!("{given}: Kafka keeps the base offset in the file name (20 digits)");
            return Err(Error::Invalid(why));
        }
        let Some(parent) = shown.parent() else {
            return Err(Error::Invalid(format!("{given}: not a file")));
        };
        let (dir, base) = (open(&parent)?, told.unwrap_or(0));
        let clean = parent.parent().and_then(|above| open(&above).ok());
        let clean = clean.is_some_and(|above| above.open(CLEAN_SHUTDOWN, Access::Read).is_ok());
        let is_active = !dir.list().unwrap_or_default().iter().any(|entry| {
            matches!(names::parse(&entry.name), Some((other, Part::Log, None)) if other > base)
        });
        let is_named = matches!(parsed, Some((_, _, None)));
        let tail = Tail { is_normal: is_active && !clean, durable: 0 };
        Ok(File { dir, name: name.to_owned(), kind, base, is_named, tail, is_active, ahead: None })
    }

    pub(super) fn bytes(&self) -> u64 {
        let open = self.dir.open(&self.name, Access::Read);
        open.and_then(|file| file.len()).unwrap_or(0)
    }

    /// Cuts a `.log` into stretches.
    pub(super) fn cut(&mut self, how: &How) {
        let cut = &how.cut;
        if self.kind == FileKind::Log && how.level > Level::Quick && cut.piece_bytes > 0 {
            self.ahead = Some(Ahead::of(self.bytes(), cut));
        }
    }

    pub(super) fn stretches(&self) -> usize {
        self.ahead.as_ref().map_or(0, Ahead::len)
    }

    /// Looks at one of them, if nobody else does.
    pub(super) fn look_ahead(&self, how: &How, stretch: usize) {
        self.check_of(how, &self.name, false).look_ahead(stretch);
    }

    /// Checks it.
    pub(super) fn check(&self, how: &How) -> Result<Found> {
        match self.kind {
            FileKind::Log => self.log(how, &self.name, false),
            FileKind::Index | FileKind::TimeIndex => self.index(how),
            _ => self.small(),
        }
    }

    fn check_of<'a>(&'a self, how: &'a How, name: &str, with_indexes: bool) -> SegmentCheck<'a> {
        SegmentCheck {
            how,
            dir: &self.dir,
            name: name.to_owned(),
            base: self.base,
            tail: self.tail,
            is_active: self.is_active,
            is_internal: false,
            is_dense: false,
            with_indexes,
            with_sum: false,
            ahead: self.ahead.as_ref(),
        }
    }

    fn log(&self, how: &How, name: &str, with_indexes: bool) -> Result<Found> {
        let check = self.check_of(how, name, with_indexes);
        let Some(checked) = check.run(&mut |_| {})? else {
            let path = self.dir.path().join(name);
            return Err(Error::io("read", path, std::io::ErrorKind::NotFound.into()));
        };
        let log_end = checked.summary.next_offset;
        Ok(Found { segments: vec![checked], findings: Vec::new(), log_end })
    }

    /// An index, against the log beside it if its name tells which that is.
    fn index(&self, how: &How) -> Result<Found> {
        let path = self.dir.path().join(&self.name);
        let log = names::name(self.base, Part::Log);
        if self.is_named && self.dir.open(&log, Access::Read).is_ok() {
            let mut found = self.log(how, &log, true)?;
            for checked in std::mem::take(&mut found.segments) {
                let of_it = checked.findings.into_list().into_iter();
                found.findings.extend(of_it.filter(|finding| finding.path == path));
            }
            return Ok(found);
        }
        let mut findings = Findings::default();
        let is_offsets = self.kind == FileKind::Index;
        crate::segment::verify::index_alone(
            &path,
            self.base,
            &self.read()?,
            is_offsets,
            &mut findings,
        );
        if self.is_named {
            let code = if is_offsets { Code::IndexOrphan } else { Code::TimeIndexOrphan };
            findings.push(Finding::new(code, &path));
        }
        Ok(Found { segments: Vec::new(), findings: findings.into_list(), log_end: 0 })
    }

    fn read(&self) -> Result<Vec<u8>> {
        let read = self.dir.read_small(&self.name, MOST_BYTES);
        let failed = |error| Error::io("read", self.dir.path().join(&self.name), error);
        let missing = || failed(std::io::ErrorKind::NotFound.into());
        read.map_err(failed)?.ok_or_else(missing)
    }

    fn small(&self) -> Result<Found> {
        let path = self.dir.path().join(&self.name);
        let bytes = self.read()?;
        let mut findings = Findings::default();
        match self.kind {
            FileKind::Checkpoint => findings.extend(checkpoint_of(&path, &bytes)),
            FileKind::MetaProperties | FileKind::Topics | FileKind::Owner => {
                findings.extend(text_of(&path, self.kind, &bytes));
            }
            _ => check_alone(&self.dir, &self.name, &bytes, &Around::default(), &mut findings),
        }
        Ok(Found { segments: Vec::new(), findings: findings.into_list(), log_end: 0 })
    }
}

/// What is wrong with a checkpoint of offsets by itself.
pub(super) fn checkpoint_of(path: &std::path::Path, bytes: &[u8]) -> Option<Finding> {
    match checkpoint::decode(bytes) {
        Err(error) => Some(checkpoint_finding(path, error)),
        Ok(entries) if !bytes.is_empty() && checkpoint::encode(&entries) != bytes => {
            let finding = Finding::new(Code::CheckpointMalformed, path);
            Some(finding.text("it is not written as Kafka writes it"))
        }
        Ok(_) => None,
    }
}

/// What is wrong with one of the other files of a log directory.
pub(super) fn text_of(path: &std::path::Path, kind: FileKind, bytes: &[u8]) -> Option<Finding> {
    let finding = Finding::new(Code::CheckpointMalformed, path);
    let error = match kind {
        FileKind::MetaProperties => {
            return MetaProperties::decode(bytes)
                .err()
                .map(|error| finding.text(error.to_string()));
        }
        FileKind::Topics => topics::decode(bytes).err(),
        _ => owner::Owner::decode(bytes).err(),
    }?;
    // No answer hangs on who has the directory open.
    let severity = if kind == FileKind::Owner { Severity::Warning } else { Severity::Error };
    let finding = finding.severity(severity).text(error.to_string());
    Some(match error {
        TextError::Newer(_) => Finding { code: Code::CheckpointVersion, ..finding },
        _ => finding,
    })
}
