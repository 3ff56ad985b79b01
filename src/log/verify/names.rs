//! What the names in a partition's directory say.

use std::collections::BTreeSet;

use super::{about, note};
use crate::error::{Error, Result};
use crate::finding::{Code, Detail, Finding, Findings};
use crate::fs::{Access, Dir, Kind};
use crate::log::quarantine::QUARANTINE;
use crate::log::{LEADER_EPOCHS, MANIFEST, PARTITION_METADATA, WATERMARK};
use crate::record::Offset;
use crate::segment::names::{self, Part, Suffix};

/// Files that Kafka or we put there, by their whole name.
const KNOWN: [&str; 5] = [LEADER_EPOCHS, PARTITION_METADATA, MANIFEST, WATERMARK, "quorum-state"];

/// What is there, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Base offsets of the segments, in order.
    pub(super) bases: Vec<Offset>,
    /// Offsets of the producer snapshots, in order.
    pub(super) snapshots: Vec<Offset>,
    indexes: Vec<(Offset, Part)>,
    leftovers: BTreeSet<String>,
    foreign: BTreeSet<String>,
    /// Files in quarantine, and their bytes.
    quarantined: Option<(u64, u64)>,
}

/// The name of a segment's `.log`.
pub(super) fn log_name(base: Offset) -> String {
    names::name(base, Part::Log)
}

impl Names {
    pub(super) fn read(dir: &Dir) -> Result<Names> {
        let mut there = Names::default();
        for entry in dir.list().map_err(|error| Error::io("list", dir.path(), error))? {
            match (names::parse(&entry.name), entry.kind) {
                (Some((base, Part::Log, None)), Kind::File) => there.bases.push(base),
                (Some((at, Part::Snapshot, None)), Kind::File) => there.snapshots.push(at),
                (Some((base, part, None)), Kind::File) => there.indexes.push((base, part)),
                (Some((.., Some(Suffix::Deleted))), Kind::File) => {}
                (Some((.., Some(_))), Kind::File) => {
                    there.leftovers.insert(entry.name);
                }
                (_, Kind::Dir) if entry.name == QUARANTINE => {
                    there.quarantined = Some(quarantined(&dir.child(QUARANTINE)));
                }
                (_, Kind::File) if is_known(&entry.name) => {}
                (_, Kind::File) if entry.name.strip_suffix(".tmp").is_some() => {
                    there.leftovers.insert(entry.name);
                }
                _ => {
                    there.foreign.insert(entry.name);
                }
            }
        }
        there.bases.sort_unstable();
        there.snapshots.sort_unstable();
        Ok(there)
    }

    pub(super) fn findings(&self, dir: &Dir, findings: &mut Findings) {
        for &(base, part) in &self.indexes {
            let code = match part {
                Part::TimeIndex => Code::TimeIndexOrphan,
                Part::TxnIndex => Code::TxnOrphan,
                _ => Code::IndexOrphan,
            };
            if self.bases.binary_search(&base).is_err() && still_there(dir, base, part) {
                findings.push(about(dir, code, &names::name(base, part)));
            }
        }
        note(dir, Code::Leftover, &self.leftovers, findings);
        note(dir, Code::ForeignName, &self.foreign, findings);
        if let Some((_, bytes)) = self.quarantined.filter(|&(files, _)| files > 0) {
            let mut finding = Finding::new(Code::Quarantined, &dir.path().join(QUARANTINE));
            finding.size_bytes = bytes;
            findings.push(finding.detail(Detail::Count(bytes)));
        }
    }
}

/// A KRaft snapshot, a repair's account, and what is known by its whole name.
fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
        || ["strandline-repair.json", "strandline-repair.part"].contains(&name)
        || std::path::Path::new(name).extension().is_some_and(|end| end == "checkpoint")
}

/// A file that went together with its `.log` while the directory was listed is no orphan.
fn still_there(dir: &Dir, base: Offset, part: Part) -> bool {
    dir.open(&names::name(base, part), Access::Read).is_ok()
        && dir.open(&log_name(base), Access::Read).is_err()
}

fn quarantined(dir: &Dir) -> (u64, u64) {
    let entries = dir.list().unwrap_or_default();
    let len = |name: &str| dir.open(name, Access::Read).and_then(|file| file.len());
    let bytes = entries.iter().map(|entry| len(&entry.name).unwrap_or(0)).sum();
    (entries.len() as u64, bytes)
}
