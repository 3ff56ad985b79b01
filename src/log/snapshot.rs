//! The producer snapshot, `.snapshot`: the producer state at the offset that names the file.
//!
//! It spares a start the log below that offset and holds nothing that the log does not, so a bad
//! one is dropped and an older one used. Of each producer only the last batch is kept.

use std::fmt;

use super::producers::{ProducerEntry, SentBatch};
use crate::record::{ProducerEpoch, ProducerId, Sequence};
use crate::wire::{Field, crc32c};

const FILE_VERSION: Field<i16> = Field::at(0);
const CRC: Field<u32> = FILE_VERSION.then();
const COUNT: Field<i32> = CRC.then();
const HEADER_LEN: usize = COUNT.end();
const VERSION: i16 = 1;
/// Where begins what the checksum covers.
pub(super) const COVERED_FROM: usize = CRC.end();

const PRODUCER_ID: Field<i64> = Field::at(0);
const PRODUCER_EPOCH: Field<i16> = PRODUCER_ID.then();
const LAST_SEQUENCE: Field<i32> = PRODUCER_EPOCH.then();
const LAST_OFFSET: Field<i64> = LAST_SEQUENCE.then();
const OFFSET_DELTA: Field<i32> = LAST_OFFSET.then();
const TIMESTAMP: Field<i64> = OFFSET_DELTA.then();
const COORDINATOR_EPOCH: Field<i32> = TIMESTAMP.then();
const TXN_FIRST_OFFSET: Field<i64> = COORDINATOR_EPOCH.then();
const ENTRY_LEN: usize = TXN_FIRST_OFFSET.end();

const _: () = assert!(CRC.start() == 2 && HEADER_LEN == 10 && ENTRY_LEN == 46);

/// A snapshot of these producers, in this order. All big-endian:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     2 | version, 1 |
/// |  2 |     4 | CRC-32C of everything from byte 6 on |
/// |  6 |     4 | count of entries |
///
/// then each entry:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     8 | producer id |
/// |  8 |     2 | producer epoch |
/// | 10 |     4 | last sequence, −1 without a batch |
/// | 14 |     8 | last offset, −1 without a batch |
/// | 22 |     4 | last offset of that batch less its first |
/// | 26 |     8 | last timestamp |
/// | 34 |     4 | coordinator epoch, −1 without a marker |
/// | 38 |     8 | first offset of the open transaction, −1 without one |
pub(crate) fn encode(producers: &[(ProducerId, ProducerEntry)]) -> Vec<u8> {
    let mut file = vec![0; HEADER_LEN + producers.len() * ENTRY_LEN];
    FILE_VERSION.set(&mut file, VERSION);
    COUNT.set(&mut file, producers.len() as i32);
    let (entries, _) = file[HEADER_LEN..].as_chunks_mut::<ENTRY_LEN>();
    for ((id, producer), entry) in producers.iter().zip(entries) {
        encode_entry(*id, producer, entry);
    }
    let crc = crc32c::checksum(&file[CRC.end()..]);
    CRC.set(&mut file, crc);
    file
}

fn encode_entry(id: ProducerId, producer: &ProducerEntry, entry: &mut [u8; ENTRY_LEN]) {
    let last = producer.batches().last();
    PRODUCER_ID.set(entry, id.0);
    PRODUCER_EPOCH.set(entry, ProducerEpoch::to_wire(producer.epoch));
    LAST_SEQUENCE.set(entry, Sequence::to_wire(last.and_then(|batch| batch.last_sequence)));
    LAST_OFFSET.set(entry, last.map_or(-1, |batch| batch.last_offset));
    OFFSET_DELTA.set(entry, last.map_or(0, |batch| batch.offset_delta));
    TIMESTAMP.set(entry, producer.last_timestamp.unwrap_or(-1));
    COORDINATOR_EPOCH.set(entry, producer.coordinator_epoch.unwrap_or(-1));
    TXN_FIRST_OFFSET.set(entry, producer.txn_first_offset.unwrap_or(-1));
}

/// Reads a whole snapshot, in its order.
///
/// # Errors
///
/// Any [`SnapshotError`].
pub(crate) fn decode(file: &[u8]) -> Result<Vec<(ProducerId, ProducerEntry)>, SnapshotError> {
    if file.len() < HEADER_LEN {
        return Err(SnapshotError::TooShort(file.len()));
    }
    let version = FILE_VERSION.get(file);
    if version != VERSION {
        return Err(SnapshotError::UnsupportedVersion(version));
    }
    let (stored, computed) = (CRC.get(file), crc32c::checksum(&file[CRC.end()..]));
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    let count = COUNT.get(file);
    let (entries, rest) = file[HEADER_LEN..].as_chunks::<ENTRY_LEN>();
    if !rest.is_empty() || usize::try_from(count) != Ok(entries.len()) {
        return Err(SnapshotError::CountMismatch { count, bytes: file.len() });
    }
    let mut decoded = Vec::new();
    decoded.try_reserve_exact(entries.len()).map_err(|_| SnapshotError::OutOfMemory)?;
    for (index, entry) in entries.iter().enumerate() {
        decoded.push(decode_entry(entry).ok_or(SnapshotError::ImpossibleEntry(index))?);
    }
    Ok(decoded)
}

/// None for numbers that cannot be.
fn decode_entry(entry: &[u8; ENTRY_LEN]) -> Option<(ProducerId, ProducerEntry)> {
    let last_timestamp = Some(TIMESTAMP.get(entry)).filter(|&ms| ms != -1);
    let mut producer = ProducerEntry {
        epoch: ProducerEpoch::from_wire(PRODUCER_EPOCH.get(entry)),
        coordinator_epoch: Some(COORDINATOR_EPOCH.get(entry)).filter(|&epoch| epoch >= 0),
        last_timestamp,
        txn_first_offset: Some(TXN_FIRST_OFFSET.get(entry)).filter(|&offset| offset >= 0),
        ..ProducerEntry::default()
    };
    let (last_offset, offset_delta) = (LAST_OFFSET.get(entry), OFFSET_DELTA.get(entry));
    if last_offset >= 0 {
        if offset_delta < 0 || last_offset < i64::from(offset_delta) || last_offset == i64::MAX {
            return None;
        }
        producer.remember(SentBatch {
            last_sequence: Sequence::from_wire(LAST_SEQUENCE.get(entry)),
            last_offset,
            offset_delta,
            timestamp: last_timestamp,
        });
    }
    Some((ProducerId::from_wire(PRODUCER_ID.get(entry))?, producer))
}

/// Why a file is not a producer snapshot. Knows no file: the log adds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It ends before its header does: so many bytes.
    TooShort(usize),
    /// A later version of the format, which is no corruption.
    UnsupportedVersion(i16),
    /// The checksum does not fit.
    Crc {
        /// What the file says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// It does not hold as many entries as it says.
    CountMismatch {
        /// What it says.
        count: i32,
        /// Its length.
        bytes: usize,
    },
    /// The entry of this number, from 0, has offsets that cannot be.
    ImpossibleEntry(usize),
    /// It holds more entries than there is memory for.
    OutOfMemory,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::TooShort(len) => {
                write!(f, "producer snapshot of {len} bytes ends in its header")
            }
            SnapshotError::UnsupportedVersion(version) => {
                write!(f, "producer snapshot has version {version}, not 1")
            }
            SnapshotError::Crc { stored, computed } => write!(
                f,
                "producer snapshot fails its CRC: stored {stored:#010x}, computed {computed:#010x}"
            ),
            SnapshotError::CountMismatch { count, bytes } => {
                write!(f, "producer snapshot of {bytes} bytes cannot hold {count} entries")
            }
            SnapshotError::ImpossibleEntry(index) => {
                write!(f, "producer snapshot has impossible offsets in entry {index}")
            }
            SnapshotError::OutOfMemory => f.write_str("not enough memory for a producer snapshot"),
        }
    }
}

impl std::error::Error for SnapshotError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: [u8; 10] = [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0];

    /// With its CRC made right.
    fn sealed(mut file: Vec<u8>) -> Vec<u8> {
        let crc = crc32c::checksum(&file[CRC.end()..]);
        CRC.set(&mut file, crc);
        file
    }

    fn entry(epoch: i16, batch: Option<SentBatch>) -> ProducerEntry {
        let mut entry = ProducerEntry {
            epoch: ProducerEpoch::from_wire(epoch),
            last_timestamp: batch.map_or(Some(7), |batch| batch.timestamp),
            ..ProducerEntry::default()
        };
        if let Some(batch) = batch {
            entry.remember(batch);
        }
        entry
    }

    #[test]
    fn no_producers_are_the_ten_bytes_that_kafka_writes() {
        assert_eq!(encode(&[]), EMPTY);
        assert_eq!(decode(&EMPTY), Ok(Vec::new()));
    }

    #[test]
    fn a_producer_of_markers_only_reads_back_without_a_batch() {
        let marked = ProducerEntry { coordinator_epoch: Some(3), ..entry(1, None) };
        let file = encode(&[(ProducerId(9), marked)]);
        assert_eq!(file[10..][10..26], [&[0xff; 12][..], &[0; 4]].concat());
        assert_eq!(decode(&file), Ok(vec![(ProducerId(9), marked)]));
    }

    #[test]
    fn only_the_last_batch_is_kept() {
        let batch = |last_offset| SentBatch { last_offset, ..SentBatch::default() };
        let mut long = entry(0, Some(batch(1)));
        long.remember(batch(2));
        let read = decode(&encode(&[(ProducerId(1), long)])).unwrap();
        assert_eq!(read[0].1.batches().iter().map(|b| b.last_offset).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_snapshot_cut_anywhere_or_with_any_bit_flipped_is_refused() {
        let producers = [(ProducerId(1), entry(0, Some(SentBatch::default()))); 2];
        let whole = encode(&producers);
        for have in 0..whole.len() {
            assert!(decode(&whole[..have]).is_err(), "cut at {have}");
        }
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn impossible_numbers_are_refused_whatever_the_checksum_says() {
        let batch = SentBatch { last_offset: 5, offset_delta: 5, ..SentBatch::default() };
        let whole = encode(&[(ProducerId(1), entry(0, Some(batch)))]);
        let with = |change: &dyn Fn(&mut [u8])| {
            let mut file = whole.clone();
            change(&mut file[HEADER_LEN..]);
            decode(&sealed(file))
        };
        let impossible = Err(SnapshotError::ImpossibleEntry(0));
        assert_eq!(with(&|entry| OFFSET_DELTA.set(entry, 6)), impossible);
        assert_eq!(with(&|entry| OFFSET_DELTA.set(entry, -1)), impossible);
        assert_eq!(with(&|entry| LAST_OFFSET.set(entry, i64::MAX)), impossible);
        assert_eq!(with(&|entry| PRODUCER_ID.set(entry, -1)), impossible);
        let mut more = whole.clone();
        more.push(0);
        let (count, bytes) = (1, more.len());
        assert_eq!(decode(&sealed(more)), Err(SnapshotError::CountMismatch { count, bytes }));
        let mut newer = whole.clone();
        FILE_VERSION.set(&mut newer, 2);
        assert_eq!(decode(&newer), Err(SnapshotError::UnsupportedVersion(2)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            producers in proptest::collection::vec(
                (0..i64::MAX, 0..i16::MAX, proptest::option::of((any::<i32>(), 0..i32::MAX, -1..i64::MAX)), -1..9),
                0..20,
            ),
        ) {
            let producers: Vec<_> = producers
                .into_iter()
                .map(|(id, epoch, batch, other)| {
                    let batch = batch.map(|(sequence, delta, time)| SentBatch {
                        last_sequence: Sequence::from_wire(sequence),
                        last_offset: i64::from(delta) + 3,
                        offset_delta: delta,
                        timestamp: Some(time).filter(|&ms| ms != -1),
                    });
                    let txn_first_offset = Some(i64::from(other)).filter(|&at| at >= 0);
                    let coordinator_epoch = Some(other).filter(|&at| at >= 0);
                    let entry = ProducerEntry { coordinator_epoch, txn_first_offset, ..entry(epoch, batch) };
                    (ProducerId(id), entry)
                })
                .collect();
            prop_assert_eq!(decode(&encode(&producers)), Ok(producers));
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            let _ = decode(&sealed([&EMPTY[..6], &[0, 0, 0, 1], &bytes].concat()));
        }
    }
}
