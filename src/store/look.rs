//! The small files of a log directory and of its partitions, by themselves, outside any store: what
//! stands in them, entry by entry.
//!
//! They are given as bytes, so nothing is opened here. `.log`, `.index` and `.timeindex` have their
//! own: [`LogFile`](crate::LogFile), [`IndexFile`](crate::IndexFile); `meta.properties` is
//! [`MetaProperties`](super::MetaProperties).

use std::fmt;

use super::owner::Owner;
use super::topics::TopicState;
use super::{TextError, checkpoint, topics};
use crate::index::{AbortedTxn, TXN_ENTRY_LEN, TxnIndexError};
use crate::log::checkpoint_lines::CheckpointError;
use crate::log::manifest::entry::{ENTRY_LEN, Entry, EntryError};
use crate::log::manifest::{Header, HeaderError, SegmentEntry};
use crate::log::watermark::{SLOT_AT, SLOT_LEN, Slot, SlotError};
use crate::log::{SnapshotError, TopicId, leader_epoch_file, partition_metadata, snapshot};
use crate::record::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Bytes before the first entry of a manifest.
const MANIFEST_HEADER: usize = crate::log::manifest::HEADER_LEN;

/// A kind of small file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmallFile {
    /// `.txnindex`: the aborted transactions of a segment.
    TxnIndex,
    /// `.snapshot`: what is known of producers before an offset.
    Snapshot,
    /// `*-offset-checkpoint`: an offset for each partition.
    Checkpoint,
    /// `leader-epoch-checkpoint`.
    LeaderEpochs,
    /// `partition.metadata`: the topic's id.
    PartitionMetadata,
    /// `segments.manifest`, ours.
    Manifest,
    /// `durable.watermark`, ours.
    Watermark,
    /// `strandline.owner`, ours.
    Owner,
    /// `strandline.topics`, ours.
    Topics,
}

/// What one entry of a small file says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileEntry {
    /// Of a `.txnindex`.
    AbortedTxn(AbortedTxn),
    /// Of a `.snapshot`.
    Producer(ProducerState),
    /// Of an offset checkpoint. What the offset means depends on the file.
    Offset {
        /// The topic's name.
        topic: String,
        /// The partition's number.
        partition: i32,
        /// The offset.
        offset: Offset,
    },
    /// Of a `leader-epoch-checkpoint`.
    LeaderEpoch {
        /// The epoch.
        epoch: LeaderEpoch,
        /// The first offset that it gave out, or would have.
        start_offset: Offset,
    },
    /// The one entry of `partition.metadata`.
    TopicId(TopicId),
    /// Of a manifest: a segment that is sealed; or, when the log was closed, the active one.
    Segment(SealedSegment),
    /// Of a manifest: everything below this offset is deleted.
    LogStart(Offset),
    /// Of a manifest: everything from this offset on is to go.
    Cut(Offset),
    /// Of a manifest: the segment at this base offset is to give way to others.
    Removed(Offset),
    /// A slot of the durable watermark.
    Watermark(DurableMark),
    /// The one entry of the owner file.
    Owner {
        /// The process that opened the store last.
        pid: u32,
        /// The boot of the machine that it ran in, in hexadecimal.
        boot_id: Option<String>,
        /// Kafka's broker epoch of the last clean stop.
        broker_epoch: Option<i64>,
    },
    /// Of the topics file.
    Topic {
        /// Its name.
        name: String,
        /// Its id.
        id: TopicId,
        /// How many partitions it has.
        partitions: u32,
        /// `creating`, `live` or `deleting`.
        state: &'static str,
        /// Its settings under Kafka's names.
        config: Vec<(String, String)>,
    },
}

/// What a snapshot knows of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: Option<ProducerEpoch>,
    /// The epoch of the coordinator that wrote its last marker.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins.
    pub txn_first_offset: Option<Offset>,
    /// The largest timestamp of its last batch, or that of its last marker.
    pub last_timestamp: Option<Timestamp>,
    /// The sequence of its last record.
    pub last_sequence: Option<Sequence>,
    /// The offset of its last record.
    pub last_offset: Option<Offset>,
    /// That offset less the first one of its last batch; 0 without a batch.
    pub offset_delta: i32,
}

/// What a manifest says of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedSegment {
    /// Its base offset.
    pub base_offset: Offset,
    /// The base offset of the next one; of an active one the log end.
    pub next_offset: Offset,
    /// Bytes of its `.log`.
    pub size_bytes: u64,
    /// The CRC-32C of those bytes.
    pub crc: u32,
    /// How many batches it holds.
    pub batches: u32,
    /// Whether no offset is left out between batches.
    pub dense: bool,
    /// Whether it is the active one of a log that was closed.
    pub closed: bool,
}

/// How far a log is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurableMark {
    /// Base offset of the segment that the mark lies in.
    pub segment: Offset,
    /// Bytes of that segment's `.log` that are durable.
    pub position: u64,
    /// First offset that is not.
    pub durable_end: Offset,
    /// Grows with each slot that is written: the valid one of the higher generation is in force.
    pub generation: u64,
    /// Whether the log was closed then, and nothing was written since.
    pub clean: bool,
}

/// Why bytes of a small file are no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// Where they begin.
    pub position: u64,
    /// What kind of thing is wrong.
    pub kind: FaultKind,
    /// In words.
    pub text: String,
}

/// What kind of thing is wrong with a small file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The checksum does not fit: what is stored, and what the bytes give.
    Crc(u32, u32),
    /// Another version of the format: no damage.
    Version,
    /// There are more or fewer entries than the file says.
    Count,
    /// Anything else.
    Malformed,
}

impl SmallFile {
    /// The entries of such a file that holds these bytes, in its order. Where one cannot be read
    /// alone, a fault stands for the whole file.
    pub fn entries(self, file: &[u8]) -> Vec<Result<FileEntry, FileFault>> {
        let all: Result<Vec<FileEntry>, FileFault> = match self {
            SmallFile::TxnIndex => return txn_index(file),
            SmallFile::Manifest => return manifest(file),
            SmallFile::Watermark => return watermark(file),
            SmallFile::Snapshot => producers(file),
            SmallFile::Checkpoint => {
                checkpoint::decode(file).map_err(checkpoint_fault).map(|all| {
                    let entry = |it: checkpoint::PartitionOffset| FileEntry::Offset {
                        topic: it.topic,
                        partition: it.partition,
                        offset: it.offset,
                    };
                    all.into_iter().map(entry).collect()
                })
            }
            SmallFile::LeaderEpochs => epochs(file),
            SmallFile::PartitionMetadata => partition_metadata::decode(file)
                .map(|id| vec![FileEntry::TopicId(id)])
                .map_err(|why| fault(0, FaultKind::Malformed, &why)),
            SmallFile::Owner => owner(file),
            SmallFile::Topics => topics_of(file),
        };
        match all {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(fault) => vec![Err(fault)],
        }
    }
}

fn fault(position: usize, kind: FaultKind, why: &impl fmt::Display) -> FileFault {
    FileFault { position: position as u64, kind, text: why.to_string() }
}

fn txn_index(file: &[u8]) -> Vec<Result<FileEntry, FileFault>> {
    let (whole, fraction) = file.as_chunks::<TXN_ENTRY_LEN>();
    let entry = |(number, bytes): (usize, &[u8; TXN_ENTRY_LEN])| {
        AbortedTxn::decode(bytes).map(FileEntry::AbortedTxn).map_err(|why| {
            let kind = match why {
                TxnIndexError::UnsupportedVersion(_) => FaultKind::Version,
                TxnIndexError::EndsBeforeItStarts(_) => FaultKind::Malformed,
            };
            fault(number * TXN_ENTRY_LEN, kind, &why)
        })
    };
    let mut entries: Vec<_> = whole.iter().enumerate().map(entry).collect();
    if !fraction.is_empty() {
        let at = file.len() - fraction.len();
        let why = format!("{} bytes at the end are no whole entry", fraction.len());
        entries.push(Err(fault(at, FaultKind::Count, &why)));
    }
    entries
}

fn producers(file: &[u8]) -> Result<Vec<FileEntry>, FileFault> {
    let all = snapshot::decode(file).map_err(|why| {
        let kind = match why {
            SnapshotError::Crc { stored, computed } => FaultKind::Crc(stored, computed),
            SnapshotError::UnsupportedVersion(_) => FaultKind::Version,
            SnapshotError::CountMismatch { .. } => FaultKind::Count,
            _ => FaultKind::Malformed,
        };
        fault(0, kind, &why)
    })?;
    let entry = |(producer_id, entry): (ProducerId, crate::log::ProducerEntry)| {
        let last = entry.batches().last();
        FileEntry::Producer(ProducerState {
            producer_id,
            producer_epoch: entry.epoch,
            coordinator_epoch: entry.coordinator_epoch,
            txn_first_offset: entry.txn_first_offset,
            last_timestamp: entry.last_timestamp,
            last_sequence: last.and_then(|batch| batch.last_sequence),
            last_offset: last.map(|batch| batch.last_offset),
            offset_delta: last.map_or(0, |batch| batch.offset_delta),
        })
    };
    Ok(all.into_iter().map(entry).collect())
}

fn epochs(file: &[u8]) -> Result<Vec<FileEntry>, FileFault> {
    let all = leader_epoch_file::decode(file).map_err(checkpoint_fault)?;
    let entry = |it: leader_epoch_file::EpochStart| FileEntry::LeaderEpoch {
        epoch: it.epoch,
        start_offset: it.start_offset,
    };
    Ok(all.into_iter().map(entry).collect())
}

fn checkpoint_fault(why: CheckpointError) -> FileFault {
    let kind = match why {
        CheckpointError::UnsupportedVersion(_) => FaultKind::Version,
        CheckpointError::CountMismatch { .. } => FaultKind::Count,
        CheckpointError::Malformed { .. } => FaultKind::Malformed,
    };
    fault(0, kind, &why)
}

fn text_fault(why: TextError) -> FileFault {
    let kind = match why {
        TextError::Newer(_) => FaultKind::Version,
        TextError::Crc { stored, computed } => FaultKind::Crc(stored, computed),
        _ => FaultKind::Malformed,
    };
    fault(0, kind, &why)
}

fn owner(file: &[u8]) -> Result<Vec<FileEntry>, FileFault> {
    let owner = Owner::decode(file).map_err(text_fault)?;
    Ok(vec![FileEntry::Owner {
        pid: owner.pid,
        boot_id: owner.boot_id.map(|id| id.to_string()),
        broker_epoch: owner.broker_epoch,
    }])
}

fn topics_of(file: &[u8]) -> Result<Vec<FileEntry>, FileFault> {
    let entry = |it: topics::TopicEntry| FileEntry::Topic {
        name: it.name,
        id: it.id,
        partitions: it.partitions,
        state: match it.state {
            TopicState::Creating => "creating",
            TopicState::Live => "live",
            TopicState::Deleting => "deleting",
        },
        config: it.config,
    };
    Ok(topics::decode(file).map_err(text_fault)?.into_iter().map(entry).collect())
}

fn manifest(file: &[u8]) -> Vec<Result<FileEntry, FileFault>> {
    let mut entries = Vec::new();
    if let Err(why) = Header::decode(file) {
        let (kind, newer) = match why {
            HeaderError::Crc { stored, computed } => (FaultKind::Crc(stored, computed), false),
            HeaderError::UnsupportedVersion(_) => (FaultKind::Version, true),
            _ => (FaultKind::Malformed, false),
        };
        entries.push(Err(fault(0, kind, &why)));
        if newer {
            return entries;
        }
    }
    let (slots, fraction) =
        file.get(MANIFEST_HEADER..).unwrap_or_default().as_chunks::<ENTRY_LEN>();
    for (number, slot) in slots.iter().enumerate() {
        entries.push(match Entry::decode(slot) {
            Ok((entry, _)) => Ok(manifest_entry(entry)),
            Err(why) => {
                let kind = match why {
                    EntryError::Crc { stored, computed } => FaultKind::Crc(stored, computed),
                    EntryError::UnknownKind(_) => FaultKind::Version,
                    EntryError::Impossible => FaultKind::Malformed,
                };
                Err(fault(MANIFEST_HEADER + number * ENTRY_LEN, kind, &why))
            }
        });
    }
    if !fraction.is_empty() {
        let at = file.len() - fraction.len();
        let why = format!("{} bytes at the end are no whole entry", fraction.len());
        entries.push(Err(fault(at, FaultKind::Count, &why)));
    }
    entries
}

fn manifest_entry(entry: Entry) -> FileEntry {
    let segment = |it: SegmentEntry, closed| {
        FileEntry::Segment(SealedSegment {
            base_offset: it.base_offset,
            next_offset: it.next_offset,
            size_bytes: it.log_bytes,
            crc: it.log_crc,
            batches: it.batches,
            dense: it.dense,
            closed,
        })
    };
    match entry {
        Entry::Sealed(it) => segment(it, false),
        Entry::Closed(it) => segment(it, true),
        Entry::LogStart(offset) => FileEntry::LogStart(offset),
        Entry::Cut { point, .. } => FileEntry::Cut(point),
        Entry::Removed { base_offset, .. } => FileEntry::Removed(base_offset),
    }
}

fn watermark(file: &[u8]) -> Vec<Result<FileEntry, FileFault>> {
    let slot = |at: usize| {
        let bytes = file.get(at..(at + SLOT_LEN).min(file.len())).unwrap_or_default();
        match Slot::decode(bytes) {
            Ok(slot) => slot.map(|it| {
                Ok(FileEntry::Watermark(DurableMark {
                    segment: it.base_offset,
                    position: it.point,
                    durable_end: it.durable_end,
                    generation: it.generation,
                    clean: it.clean,
                }))
            }),
            Err(why) => {
                let kind = match why {
                    SlotError::Crc { stored, computed } => FaultKind::Crc(stored, computed),
                    _ => FaultKind::Malformed,
                };
                Some(Err(fault(at, kind, &why)))
            }
        }
    };
    SLOT_AT.into_iter().filter_map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_given_one_by_one_and_faults_in_their_place() {
        let txn = AbortedTxn {
            producer_id: ProducerId(7),
            first_offset: 1,
            last_offset: 5,
            last_stable_offset: 6,
        };
        let mut file = [txn.encode(), txn.encode()].concat();
        file[0] = 9;
        file.push(0);
        let entries = SmallFile::TxnIndex.entries(&file);
        assert_eq!(entries[0].as_ref().unwrap_err().kind, FaultKind::Version);
        assert_eq!(entries[1], Ok(FileEntry::AbortedTxn(txn)));
        let rest = entries[2].as_ref().unwrap_err();
        assert_eq!((rest.position, rest.kind), (68, FaultKind::Count));
    }

    #[test]
    fn text_files_are_read_as_the_store_reads_them() {
        let entries = SmallFile::Checkpoint.entries(b"0\n1\nt 3 77\n");
        let wanted = FileEntry::Offset { topic: "t".to_owned(), partition: 3, offset: 77 };
        assert_eq!(entries, [Ok(wanted)]);
        let kind = |file: &[u8]| SmallFile::LeaderEpochs.entries(file)[0].clone().unwrap_err().kind;
        assert_eq!(kind(b"0\n2\n3 77\n"), FaultKind::Count);
        assert_eq!(kind(b"7\n0\n"), FaultKind::Version);
        assert_eq!(kind(b"x"), FaultKind::Malformed);
    }

    #[test]
    fn any_bytes_are_looked_at_without_a_panic() {
        let kinds = [
            SmallFile::TxnIndex,
            SmallFile::Snapshot,
            SmallFile::Checkpoint,
            SmallFile::LeaderEpochs,
            SmallFile::PartitionMetadata,
            SmallFile::Manifest,
            SmallFile::Watermark,
            SmallFile::Owner,
            SmallFile::Topics,
        ];
        for len in 0..700_usize {
            let bytes: Vec<u8> = (0..len).map(|at| (at * len % 251) as u8).collect();
            for kind in kinds {
                let _ = kind.entries(&bytes);
            }
        }
    }
}
