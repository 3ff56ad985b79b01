//! The transaction index, `.txnindex`: the aborted transactions of one segment.
//!
//! A read-committed fetch uses it to leave out the records of transactions that aborted. It is
//! short, in order of last offset, and read from front to back. It holds nothing that recovery
//! cannot rebuild from the log.

use std::fmt;

use crate::record::{Offset, ProducerId};
use crate::wire::Field;

/// A transaction that aborted. On disk, 34 big-endian bytes:
///
/// | at | bytes | field              |
/// |---:|------:|--------------------|
/// |  0 |     2 | version, always 0  |
/// |  2 |     8 | producer id        |
/// | 10 |     8 | first offset       |
/// | 18 |     8 | last offset        |
/// | 26 |     8 | last stable offset |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction it was.
    pub producer_id: ProducerId,
    /// Offset of its first record in this partition.
    pub first_offset: Offset,
    /// Offset of the abort marker.
    pub last_offset: Offset,
    /// The last stable offset once this transaction was out of the way: the first offset of another
    /// producer's transaction still open, else the one behind the marker.
    pub last_stable_offset: Offset,
}

const VERSION: Field<i16> = Field::at(0);
const PRODUCER_ID: Field<i64> = VERSION.then();
const FIRST_OFFSET: Field<i64> = PRODUCER_ID.then();
const LAST_OFFSET: Field<i64> = FIRST_OFFSET.then();
const LAST_STABLE_OFFSET: Field<i64> = LAST_OFFSET.then();
/// Bytes of an entry.
pub(crate) const ENTRY_LEN: usize = LAST_STABLE_OFFSET.end();
const _: () = assert!(ENTRY_LEN == 34, "as the table above says");

/// The bits of the version that are looked at: Kafka reads the field's first byte only, so that
/// 0x0001 passes for 0. What it accepts is accepted here; what is written is 0.
const VERSION_LOOKED_AT: i16 = !0xff;

impl AbortedTxn {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// If a later version wrote the entry, or if it ends before it starts.
    pub(crate) fn decode(entry: &[u8; ENTRY_LEN]) -> Result<Self, TxnIndexError> {
        let version = VERSION.get(entry);
        if version & VERSION_LOOKED_AT != 0 {
            return Err(TxnIndexError::UnsupportedVersion(version));
        }
        let txn = AbortedTxn {
            producer_id: ProducerId(PRODUCER_ID.get(entry)),
            first_offset: FIRST_OFFSET.get(entry),
            last_offset: LAST_OFFSET.get(entry),
            last_stable_offset: LAST_STABLE_OFFSET.get(entry),
        };
        if txn.last_offset < txn.first_offset {
            return Err(TxnIndexError::EndsBeforeItStarts(txn));
        }
        Ok(txn)
    }

    /// The entry's bytes.
    pub(crate) fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut entry = [0; ENTRY_LEN];
        PRODUCER_ID.set(&mut entry, self.producer_id.0);
        FIRST_OFFSET.set(&mut entry, self.first_offset);
        LAST_OFFSET.set(&mut entry, self.last_offset);
        LAST_STABLE_OFFSET.set(&mut entry, self.last_stable_offset);
        entry
    }
}

/// Why bytes are not an entry of a transaction index. Knows no file: the segment adds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TxnIndexError {
    /// A later version of the format; not corruption.
    UnsupportedVersion(i16),
    /// The abort marker lies before the first record.
    EndsBeforeItStarts(AbortedTxn),
}

impl fmt::Display for TxnIndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TxnIndexError::UnsupportedVersion(version) => {
                write!(f, "aborted transaction of unknown version {version}")
            }
            TxnIndexError::EndsBeforeItStarts(txn) => write!(
                f,
                "aborted transaction ends at offset {} before it starts at {}",
                txn.last_offset, txn.first_offset
            ),
        }
    }
}

impl std::error::Error for TxnIndexError {}

/// The entries of an index, in order. A fraction of one at the end is ignored, as in Kafka: a crash
/// can leave it.
pub(crate) fn entries(
    index: &[u8],
) -> impl ExactSizeIterator<Item = Result<AbortedTxn, TxnIndexError>> {
    let (entries, _fraction) = index.as_chunks::<ENTRY_LEN>();
    entries.iter().map(AbortedTxn::decode)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `txn-seg-0/00000000000000000042.txnindex`, as a broker wrote it.
    const FROM_KAFKA: [u8; 3 * ENTRY_LEN] = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0, 0, 0,
        0, 0, 0, 0, 0x22, //
        0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x2b, 0, 0, 0, 0, 0, 0, 0, 0x39, 0, 0,
        0, 0, 0, 0, 0, 0x22, //
        0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x3a, 0, 0, 0, 0, 0, 0, 0, 0x4f, 0, 0,
        0, 0, 0, 0, 0, 0x22,
    ];

    fn txn(producer: i64, first: Offset, last: Offset, stable: Offset) -> AbortedTxn {
        AbortedTxn {
            producer_id: ProducerId(producer),
            first_offset: first,
            last_offset: last,
            last_stable_offset: stable,
        }
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let all: Vec<_> = entries(&FROM_KAFKA).map(Result::unwrap).collect();
        assert_eq!(all, [txn(8, 0, 42, 34), txn(7, 43, 57, 34), txn(7, 58, 79, 34)]);
        let written: Vec<u8> = all.iter().flat_map(AbortedTxn::encode).collect();
        assert_eq!(written, FROM_KAFKA);
    }

    #[test]
    fn a_fraction_of_an_entry_at_the_end_is_ignored() {
        for cut in 0..FROM_KAFKA.len() {
            assert_eq!(entries(&FROM_KAFKA[..cut]).count(), cut / ENTRY_LEN, "cut at {cut}");
        }
    }

    #[test]
    fn a_version_is_newer_only_by_its_first_byte() {
        let mut entry = txn(1, 2, 3, 4).encode();
        VERSION.set(&mut entry, 0x0001);
        assert_eq!(AbortedTxn::decode(&entry), Ok(txn(1, 2, 3, 4)));
        VERSION.set(&mut entry, 0x0100);
        assert_eq!(AbortedTxn::decode(&entry), Err(TxnIndexError::UnsupportedVersion(0x0100)));
    }

    #[test]
    fn a_transaction_that_ends_before_it_starts_is_none() {
        let upside_down = txn(1, 3, 2, 4);
        let error = TxnIndexError::EndsBeforeItStarts(upside_down);
        assert_eq!(AbortedTxn::decode(&upside_down.encode()), Err(error));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes_but_for_the_version(
            head: [u8; 2],
            rest in any::<[u8; 32]>(),
        ) {
            let mut entry = [0; ENTRY_LEN];
            entry[2..].copy_from_slice(&rest);
            entry[..2].copy_from_slice(&head);
            if let Ok(txn) = AbortedTxn::decode(&entry) {
                VERSION.set(&mut entry, 0);
                prop_assert_eq!(txn.encode(), entry);
            }
        }

        #[test]
        fn any_bytes_are_as_many_answers_as_entries_fit(index: Vec<u8>) {
            prop_assert_eq!(entries(&index).count(), index.len() / ENTRY_LEN);
        }
    }
}
