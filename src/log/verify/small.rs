//! A partition's small files: leader epochs, producer snapshots, transaction indexes, its metadata.

use std::path::Path;

use super::ours::damaged;
use super::{Around, about};
use crate::error::{Error, Result};
use crate::finding::{Code, Detail, Explanation, Finding, Findings, Severity};
use crate::fs::Dir;
use crate::index::{AbortedTxn, TXN_ENTRY_LEN, TxnIndexError};
use crate::log::checkpoint_lines::CheckpointError;
use crate::log::leader_epoch_file::{self, EpochStart};
use crate::log::leader_epochs::LeaderEpochs;
use crate::log::snapshot::{self, SnapshotError};
use crate::log::topic_id::TopicId;
use crate::log::{LEADER_EPOCHS, MANIFEST, PARTITION_METADATA, WATERMARK, partition_metadata};
use crate::record::Offset;
use crate::segment::names::{self, Part};
use crate::segment::verify::Checked;
use crate::wire::syndrome::flipped_bit;

/// The most that any of these files may be.
const MOST_BYTES: u64 = 64 << 20;

/// All of a small file; `None` if it is not there. One that is far too long is given as nothing.
pub(super) fn read(dir: &Dir, name: &str) -> Result<Option<Vec<u8>>> {
    match dir.read_small(name, MOST_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(Some(vec![0xff; 16])),
        read => read.map_err(|error| Error::io("read", dir.path().join(name), error)),
    }
}

/// What is wrong with a checkpoint file of any kind.
pub(crate) fn checkpoint_finding(path: &Path, error: CheckpointError) -> Finding {
    let code = match error {
        CheckpointError::UnsupportedVersion(_) => Code::CheckpointVersion,
        CheckpointError::CountMismatch { .. } => Code::CheckpointCount,
        CheckpointError::Malformed { .. } => Code::CheckpointMalformed,
    };
    Finding::new(code, path).text(error.to_string())
}

/// Reads the leader epochs. `None` if there are none, or they cannot be told.
pub(super) fn read_epochs(dir: &Dir, findings: &mut Findings) -> Result<Option<Vec<EpochStart>>> {
    let Some(bytes) = read(dir, LEADER_EPOCHS)? else { return Ok(None) };
    let path = dir.path().join(LEADER_EPOCHS);
    match leader_epoch_file::decode(&bytes) {
        Err(error) => {
            findings.push(checkpoint_finding(&path, error));
            Ok(None)
        }
        Ok(epochs) => {
            if !bytes.is_empty() && leader_epoch_file::encode(&epochs) != bytes {
                let finding = Finding::new(Code::CheckpointMalformed, &path);
                findings.push(finding.text("it is not written as Kafka writes it"));
            }
            Ok(Some(epochs))
        }
    }
}

/// Whether the leader epochs increase, end within the log, and are those of the batches.
pub(super) fn check_epochs(
    dir: &Dir,
    epochs: Option<&[EpochStart]>,
    (segments, log_start, deep): (&[Checked], Offset, bool),
    findings: &mut Findings,
) {
    let finding = |code| about(dir, code, LEADER_EPOCHS);
    let entries = epochs.unwrap_or_default();
    for pair in entries.windows(2) {
        let [before, after] = pair else { continue };
        if after.epoch <= before.epoch {
            let (epoch, last) = (after.epoch.0.into(), before.epoch.0.into());
            return findings.push(finding(Code::EpochOrder).number("after epoch", epoch, last));
        }
        if after.start_offset <= before.start_offset {
            let (start, last) = (after.start_offset, before.start_offset);
            return findings.push(finding(Code::EpochOrder).number("after offset", start, last));
        }
    }
    let Some(last) = segments.last() else { return };
    let log_end = last.summary.next_offset;
    let is_whole = last.summary.damage.iter().all(|it| it.next.is_some());
    if let Some(entry) = entries.last().filter(|entry| entry.start_offset > log_end && is_whole) {
        let finding = finding(Code::EpochPastEnd);
        findings.push(finding.number("and the log ends at", entry.start_offset, log_end));
    } else if deep {
        let cause = epochs_differ(epochs, segments, log_start);
        findings.extend(cause.map(|cause| finding(Code::EpochDiffers).text(cause)));
    }
}

/// How the leader epochs differ from those of the batches above the log start, if they do.
fn epochs_differ(
    epochs: Option<&[EpochStart]>,
    segments: &[Checked],
    log_start: Offset,
) -> Option<String> {
    let entries = epochs.unwrap_or_default();
    let cache = entries.iter().map(|entry| (entry.epoch, entry.start_offset));
    let cache = LeaderEpochs::from_entries(cache);
    // What the log begins with is kept from the log start on only.
    let start = log_start.max(segments.first().map_or(0, |first| first.base));
    let runs = segments.iter().flat_map(|checked| &checked.summary.epochs);
    for &(epoch, first, last) in runs.filter(|&&(.., last)| last >= start) {
        for offset in [first.max(start), last] {
            let known = cache.epoch_for_offset(offset);
            if known != Some(epoch) {
                let known = known.map_or("none".to_owned(), |known| format!("epoch {known}"));
                return Some(format!("offset {offset} has epoch {epoch}, the file says {known}"));
            }
        }
    }
    None
}

/// What is wrong with the bytes of a producer snapshot.
fn snapshot_findings(path: &Path, bytes: &[u8]) -> Option<Finding> {
    let error = snapshot::decode(bytes).err()?;
    Some(match error {
        SnapshotError::Crc { stored, computed } => {
            let covered = snapshot::COVERED_FROM as u64..bytes.len() as u64;
            let mut finding = Finding::new(Code::SnapshotCrc, path).at(0, bytes.len() as u64);
            finding.explanation = flip_in(bytes, (stored, computed), snapshot::COVERED_FROM, 2);
            finding.detail(Detail::Crc { stored, computed, covered })
        }
        error => Finding::new(Code::SnapshotLayout, path).detail(Detail::Snapshot(error)),
    })
}

/// The one flipped bit that explains two checksums of a small file, which cover all from a byte on;
/// the stored one lies at another.
pub(super) fn flip_in(
    bytes: &[u8],
    (stored, computed): (u32, u32),
    covered_from: usize,
    stored_at: usize,
) -> Option<Explanation> {
    let difference = stored ^ computed;
    let inside = flipped_bit(difference, (bytes.len() - covered_from) as u64)
        .map(|(byte, bit)| (byte + covered_from as u64, bit));
    let own = difference.is_power_of_two().then(|| {
        let bit = difference.trailing_zeros();
        ((stored_at + 3) as u64 - u64::from(bit / 8), (bit % 8) as u8)
    });
    let ((Some((byte, bit)), None) | (None, Some((byte, bit)))) = (inside, own) else {
        return None;
    };
    let found = *bytes.get(usize::try_from(byte).ok()?)?;
    Some(Explanation::FlippedBit { byte, bit, found })
}

/// Checksum, grammar and place of each producer snapshot.
pub(super) fn check_snapshots(
    dir: &Dir,
    snapshots: &[Offset],
    log_end: Offset,
    findings: &mut Findings,
) -> Result<()> {
    for &at in snapshots {
        let name = names::name(at, Part::Snapshot);
        let Some(bytes) = read(dir, &name)? else { continue };
        findings.extend(snapshot_findings(&dir.path().join(&name), &bytes));
        if at > log_end {
            let finding = about(dir, Code::SnapshotPastEnd, &name);
            findings.push(finding.number("and the log ends at", at, log_end));
        }
    }
    Ok(())
}

/// What is wrong with the bytes of a transaction index, whatever the log says.
fn txn_index_findings(path: &Path, bytes: &[u8]) -> Vec<Finding> {
    let (entries, odd) = bytes.as_chunks::<TXN_ENTRY_LEN>();
    let mut findings = Vec::new();
    if !odd.is_empty() {
        let at = (bytes.len() - odd.len()) as u64;
        let finding = Finding::new(Code::TxnIndexSize, path).at(at, odd.len() as u64);
        let text = format!("{} bytes, no multiple of {TXN_ENTRY_LEN}", bytes.len());
        findings.push(finding.severity(Severity::Warning).text(text));
    }
    for (slot, entry) in entries.iter().enumerate() {
        let at = (slot * TXN_ENTRY_LEN) as u64;
        if let Err(cause) = AbortedTxn::decode(entry) {
            let code = match cause {
                TxnIndexError::UnsupportedVersion(_) => Code::TxnIndexSize,
                TxnIndexError::EndsBeforeItStarts(_) => Code::TxnEntry,
            };
            let finding = Finding::new(code, path).at(at, TXN_ENTRY_LEN as u64);
            findings.push(finding.detail(Detail::Txn(cause)));
        }
    }
    findings
}

pub(super) fn check_txn_indexes(
    dir: &Dir,
    bases: &[Offset],
    findings: &mut Findings,
) -> Result<()> {
    for &base in bases {
        let name = names::name(base, Part::TxnIndex);
        if let Some(bytes) = read(dir, &name)? {
            findings.extend(txn_index_findings(&dir.path().join(&name), &bytes));
        }
    }
    Ok(())
}

/// Whether `partition.metadata` is what it should be and names the partition's topic.
pub(super) fn check_metadata(
    dir: &Dir,
    topic_id: Option<TopicId>,
    findings: &mut Findings,
) -> Result<()> {
    let Some(bytes) = read(dir, PARTITION_METADATA)? else { return Ok(()) };
    let finding = about(dir, Code::PartitionMetadata, PARTITION_METADATA);
    let finding = match partition_metadata::decode(&bytes) {
        Err(error) => finding.text(error.to_string()),
        Ok(id) if topic_id.is_some_and(|topic_id| topic_id != id) => {
            finding.text(format!("it names topic id {id}, and the topic has another"))
        }
        Ok(id) if partition_metadata::encode(id) != bytes => {
            finding.severity(Severity::Warning).text("it is not written as Kafka writes it")
        }
        Ok(_) => return Ok(()),
    };
    findings.push(finding);
    Ok(())
}

/// One of a partition's small files, by itself.
pub(crate) fn check_alone(
    dir: &Dir,
    name: &str,
    bytes: &[u8],
    around: &Around,
    findings: &mut Findings,
) {
    let path = dir.path().join(name);
    match name {
        LEADER_EPOCHS => {
            if let Ok(epochs) = read_epochs(dir, findings) {
                check_epochs(dir, epochs.as_deref(), (&[], 0, false), findings);
            }
        }
        PARTITION_METADATA => {
            // It was read a moment ago: what it says is what counts.
            _ = check_metadata(dir, around.topic_id, findings);
        }
        MANIFEST | WATERMARK => findings.extend(damaged(dir, name, bytes)),
        _ if name.contains(".txnindex") => findings.extend(txn_index_findings(&path, bytes)),
        _ => findings.extend(snapshot_findings(&path, bytes)),
    }
}
