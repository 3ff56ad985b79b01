//! An entry of a manifest: where its bytes lie.

use std::fmt;

use crate::log::watermark::{LastBatch, MOST_LOG_BYTES};
use crate::record::{LeaderEpoch, Offset, Timestamp};
use crate::wire::{Field, crc32c};

/// An entry. On disk, 128 big-endian bytes, of which each kind uses some and leaves the others at
/// what means none, or at zero:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     4 | CRC-32C of bytes 4 to 127 |
/// |  4 |     1 | kind: 1 sealed, 2 closed, 3 log start, 4 cut, 5 removed |
/// |  5 |     1 | flags: bit 0 last of its change, bit 1 dense |
/// |  6 |     2 | zero |
/// |  8 |     8 | change number |
/// | 16 |     8 | base offset |
/// | 24 |     8 | next offset; for 3 the log start, for 4 the cut point |
/// | 32 |     8 | bytes of the `.log` |
/// | 40 |     4 | CRC-32C of the whole `.log` |
/// | 44 |     4 | batches |
/// | 48 |     8 | max timestamp, −1 none |
/// | 56 |     8 | its offset, −1 none |
/// | 64 |     4 | last leader epoch, −1 none |
/// | 68 |     4 | bytes of `.index`, −1 none |
/// | 72 |     4 | its CRC-32C |
/// | 76 |     4 | bytes of `.timeindex`, −1 none |
/// | 80 |     4 | its CRC-32C |
/// | 84 |     4 | bytes of `.txnindex`, −1 none |
/// | 88 |     4 | its CRC-32C |
/// | 92 |     4 | CRC field of the last batch (1, 2: in the segment; 4, 5: in the log) |
/// | 96 |     8 | for 4, 5: the log end before the change |
/// | 104 |    4 | position of that batch, −1 none |
/// | 108 |    8 | for 1, 2: bytes that compaction has taken out of it |
/// | 116 |   12 | zero |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// An inactive segment is durable, and this is what it holds.
    Sealed(SegmentEntry),
    /// The same of the active segment, when the log was closed.
    Closed(SegmentEntry),
    /// Everything below this offset is deleted.
    LogStart(Offset),
    /// Everything from an offset on is to go.
    Cut {
        /// The first offset that goes.
        point: Offset,
        /// Where the log ended when this was decided.
        before: LogEnd,
    },
    /// A segment is to give way to those of the same change.
    Removed {
        /// Its base offset.
        base_offset: Offset,
        /// Where the log ended when this was decided.
        before: LogEnd,
    },
}

/// What is known of a segment that nobody writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    /// Its base offset.
    pub(crate) base_offset: Offset,
    /// The next segment's base offset; of the active one the log end.
    pub(crate) next_offset: Offset,
    /// Bytes of its `.log`, less than 2³¹.
    pub(crate) log_bytes: u64,
    /// Their CRC-32C.
    pub(crate) log_crc: u32,
    /// How many batches it holds.
    pub(crate) batches: u32,
    /// Whether every batch starts where the one before ended.
    pub(crate) dense: bool,
    /// Its largest timestamp, and the offset that has it.
    pub(crate) max_timestamp: Option<(Timestamp, Offset)>,
    /// The leader epoch of its last batch.
    pub(crate) last_leader_epoch: Option<LeaderEpoch>,
    /// Its `.index`, if it has one.
    pub(crate) offset_index: Option<FileSum>,
    /// Its `.timeindex`, if it has one.
    pub(crate) time_index: Option<FileSum>,
    /// Its `.txnindex`, if it has one.
    pub(crate) txn_index: Option<FileSum>,
    /// Its last batch.
    pub(crate) last_batch: Option<LastBatch>,
    /// Bytes that compaction has taken out of what lies between its offsets.
    pub(crate) reclaimed_bytes: u64,
}

/// Length and checksum of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSum {
    /// Its length, less than 2³¹.
    pub(crate) bytes: u32,
    /// The CRC-32C of its bytes.
    pub(crate) crc: u32,
}

/// Where a log ended: by it a change that is open is known to belong to the log that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// The log end offset.
    pub(crate) offset: Offset,
    /// The log's last batch, and its position in its segment.
    pub(crate) last_batch: Option<LastBatch>,
}

/// Where an entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its change, less than 2⁶³.
    pub(crate) change: u64,
    /// Whether it is the last of its change.
    pub(crate) is_last: bool,
}

const CRC: Field<u32> = Field::at(0);
const KIND: Field<u8> = CRC.then();
const FLAGS: Field<u8> = KIND.then();
const ZERO: Field<u16> = FLAGS.then();
const CHANGE: Field<u64> = ZERO.then();
const BASE_OFFSET: Field<i64> = CHANGE.then();
const NEXT_OFFSET: Field<i64> = BASE_OFFSET.then();
const LOG_BYTES: Field<u64> = NEXT_OFFSET.then();
const LOG_CRC: Field<u32> = LOG_BYTES.then();
const BATCHES: Field<u32> = LOG_CRC.then();
const MAX_TIMESTAMP: Field<i64> = BATCHES.then();
const MAX_TIMESTAMP_OFFSET: Field<i64> = MAX_TIMESTAMP.then();
const LAST_LEADER_EPOCH: Field<i32> = MAX_TIMESTAMP_OFFSET.then();
const OFFSET_INDEX: SumField = SumField::behind(LAST_LEADER_EPOCH);
const TIME_INDEX: SumField = SumField::behind(OFFSET_INDEX.crc);
const TXN_INDEX: SumField = SumField::behind(TIME_INDEX.crc);
const LAST_BATCH_CRC: Field<u32> = TXN_INDEX.crc.then();
const LOG_END_BEFORE: Field<i64> = LAST_BATCH_CRC.then();
const LAST_BATCH_POSITION: Field<i32> = LOG_END_BEFORE.then();
const RECLAIMED_BYTES: Field<u64> = LAST_BATCH_POSITION.then();

/// Bytes of an entry.
pub(crate) const ENTRY_LEN: usize = RECLAIMED_BYTES.end() + 12;

const _: () = assert!(CHANGE.start() == 8 && LOG_BYTES.start() == 32 && BATCHES.start() == 44);
const _: () = assert!(OFFSET_INDEX.bytes.start() == 68 && LAST_BATCH_CRC.start() == 92);
const _: () = assert!(LAST_BATCH_POSITION.start() == 104 && ENTRY_LEN == 128, "as the table says");

const SEALED: u8 = 1;
const CLOSED: u8 = 2;
const LOG_START: u8 = 3;
const CUT: u8 = 4;
const REMOVED: u8 = 5;

const LAST_OF_CHANGE: u8 = 1;
const DENSE: u8 = 2;
const NONE: i32 = -1;
/// The greatest number of a change: those behind it can still be counted.
const MOST_CHANGES: u64 = i64::MAX as u64;

/// Where length and checksum of a file lie.
#[derive(Clone, Copy)]
struct SumField {
    bytes: Field<i32>,
    crc: Field<u32>,
}

impl SumField {
    const fn behind<T: crate::wire::field::Integer>(field: Field<T>) -> Self {
        let bytes = field.then();
        SumField { bytes, crc: bytes.then() }
    }

    fn set(self, entry: &mut [u8], sum: Option<FileSum>) {
        self.bytes.set(entry, sum.map_or(NONE, |sum| sum.bytes as i32));
        self.crc.set(entry, sum.map_or(0, |sum| sum.crc));
    }

    fn get(self, entry: &[u8]) -> Option<FileSum> {
        let bytes = u32::try_from(self.bytes.get(entry)).ok()?;
        Some(FileSum { bytes, crc: self.crc.get(entry) })
    }
}

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum EntryError {
    /// The checksum does not fit the bytes.
    Crc {
        /// What the entry says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The checksum fits, but this version of the format has no such kind.
    UnknownKind(u8),
    /// The checksum fits, but no log can be so: an offset or the change number is negative, a
    /// segment ends before it begins or is too large, or its last batch begins behind its end.
    Impossible,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntryError::Crc { stored, computed } => {
                write!(f, "entry fails its CRC: stored {stored:#010x}, computed {computed:#010x}")
            }
            EntryError::UnknownKind(kind) => write!(f, "entry of unknown kind {kind}"),
            EntryError::Impossible => f.write_str("entry holds impossible values"),
        }
    }
}

impl std::error::Error for EntryError {}

impl Entry {
    /// What it says of a sealed segment, if it does.
    pub(crate) fn as_sealed(&self) -> Option<&SegmentEntry> {
        match self {
            Entry::Sealed(segment) => Some(segment),
            _ => None,
        }
    }

    /// The entry's bytes.
    pub(crate) fn encode(&self, place: Place) -> [u8; ENTRY_LEN] {
        let mut entry = match self {
            Entry::Sealed(segment) => segment.encode(SEALED),
            Entry::Closed(segment) => segment.encode(CLOSED),
            Entry::LogStart(offset) => with_nothing(LOG_START, 0, *offset),
            Entry::Cut { point, before } => before.encode(with_nothing(CUT, 0, *point)),
            Entry::Removed { base_offset, before } => {
                before.encode(with_nothing(REMOVED, *base_offset, 0))
            }
        };
        let flags = FLAGS.get(&entry) | if place.is_last { LAST_OF_CHANGE } else { 0 };
        FLAGS.set(&mut entry, flags);
        CHANGE.set(&mut entry, place.change);
        let crc = crc32c::checksum(&entry[KIND.start()..]);
        CRC.set(&mut entry, crc);
        entry
    }

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, or are no entry.
    pub(crate) fn decode(entry: &[u8; ENTRY_LEN]) -> Result<(Entry, Place), EntryError> {
        let (stored, computed) = (CRC.get(entry), crc32c::checksum(&entry[KIND.start()..]));
        if stored != computed {
            return Err(EntryError::Crc { stored, computed });
        }
        let is_last = FLAGS.get(entry) & LAST_OF_CHANGE != 0;
        let place = Place { change: CHANGE.get(entry), is_last };
        let (base_offset, next_offset) = (BASE_OFFSET.get(entry), NEXT_OFFSET.get(entry));
        if base_offset < 0 || next_offset < 0 || place.change > MOST_CHANGES {
            return Err(EntryError::Impossible);
        }
        let entry = match KIND.get(entry) {
            SEALED => Entry::Sealed(SegmentEntry::decode(entry)?),
            CLOSED => Entry::Closed(SegmentEntry::decode(entry)?),
            LOG_START => Entry::LogStart(next_offset),
            CUT => Entry::Cut { point: next_offset, before: LogEnd::decode(entry)? },
            REMOVED => Entry::Removed { base_offset, before: LogEnd::decode(entry)? },
            kind => return Err(EntryError::UnknownKind(kind)),
        };
        Ok((entry, place))
    }
}

/// An entry that says nothing but these.
fn with_nothing(kind: u8, base_offset: Offset, next_offset: Offset) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    KIND.set(&mut entry, kind);
    BASE_OFFSET.set(&mut entry, base_offset);
    NEXT_OFFSET.set(&mut entry, next_offset);
    MAX_TIMESTAMP.set(&mut entry, i64::from(NONE));
    MAX_TIMESTAMP_OFFSET.set(&mut entry, i64::from(NONE));
    LAST_LEADER_EPOCH.set(&mut entry, NONE);
    for index in [OFFSET_INDEX, TIME_INDEX, TXN_INDEX] {
        index.set(&mut entry, None);
    }
    set_last_batch(&mut entry, None);
    entry
}

fn set_last_batch(entry: &mut [u8], batch: Option<LastBatch>) {
    // One beyond any segment is left out: that can only make a change void.
    let batch = batch.filter(|batch| batch.position < MOST_LOG_BYTES);
    LAST_BATCH_CRC.set(entry, batch.map_or(0, |batch| batch.crc));
    LAST_BATCH_POSITION.set(entry, batch.map_or(NONE, |batch| batch.position as i32));
}

fn last_batch(entry: &[u8]) -> Option<LastBatch> {
    let position = u64::try_from(LAST_BATCH_POSITION.get(entry)).ok()?;
    Some(LastBatch { position, crc: LAST_BATCH_CRC.get(entry) })
}

impl SegmentEntry {
    fn encode(&self, kind: u8) -> [u8; ENTRY_LEN] {
        let mut entry = with_nothing(kind, self.base_offset, self.next_offset);
        FLAGS.set(&mut entry, if self.dense { DENSE } else { 0 });
        LOG_BYTES.set(&mut entry, self.log_bytes);
        LOG_CRC.set(&mut entry, self.log_crc);
        BATCHES.set(&mut entry, self.batches);
        if let Some((timestamp, offset)) = self.max_timestamp {
            MAX_TIMESTAMP.set(&mut entry, timestamp);
            MAX_TIMESTAMP_OFFSET.set(&mut entry, offset);
        }
        LAST_LEADER_EPOCH.set(&mut entry, LeaderEpoch::to_wire(self.last_leader_epoch));
        OFFSET_INDEX.set(&mut entry, self.offset_index);
        TIME_INDEX.set(&mut entry, self.time_index);
        TXN_INDEX.set(&mut entry, self.txn_index);
        set_last_batch(&mut entry, self.last_batch);
        RECLAIMED_BYTES.set(&mut entry, self.reclaimed_bytes);
        entry
    }

    fn decode(entry: &[u8; ENTRY_LEN]) -> Result<SegmentEntry, EntryError> {
        let timestamp = (MAX_TIMESTAMP.get(entry), MAX_TIMESTAMP_OFFSET.get(entry));
        let none = i64::from(NONE);
        let segment = SegmentEntry {
            base_offset: BASE_OFFSET.get(entry),
            next_offset: NEXT_OFFSET.get(entry),
            log_bytes: LOG_BYTES.get(entry),
            log_crc: LOG_CRC.get(entry),
            batches: BATCHES.get(entry),
            dense: FLAGS.get(entry) & DENSE != 0,
            max_timestamp: Some(timestamp).filter(|(time, at)| *time != none && *at > none),
            last_leader_epoch: LeaderEpoch::from_wire(LAST_LEADER_EPOCH.get(entry)),
            offset_index: OFFSET_INDEX.get(entry),
            time_index: TIME_INDEX.get(entry),
            txn_index: TXN_INDEX.get(entry),
            last_batch: last_batch(entry),
            reclaimed_bytes: RECLAIMED_BYTES.get(entry),
        };
        if segment.is_possible() { Ok(segment) } else { Err(EntryError::Impossible) }
    }

    fn is_possible(&self) -> bool {
        self.next_offset >= self.base_offset
            && self.log_bytes <= MOST_LOG_BYTES
            && self.last_batch.is_none_or(|batch| batch.position < self.log_bytes)
    }
}

impl LogEnd {
    fn encode(&self, mut entry: [u8; ENTRY_LEN]) -> [u8; ENTRY_LEN] {
        LOG_END_BEFORE.set(&mut entry, self.offset);
        set_last_batch(&mut entry, self.last_batch);
        entry
    }

    fn decode(entry: &[u8; ENTRY_LEN]) -> Result<LogEnd, EntryError> {
        let (offset, last_batch) = (LOG_END_BEFORE.get(entry), last_batch(entry));
        if offset < 0 || last_batch.is_some_and(|batch| batch.position >= MOST_LOG_BYTES) {
            return Err(EntryError::Impossible);
        }
        Ok(LogEnd { offset, last_batch })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
pub(super) mod tests;
