//! Control records: the markers that end transactions, and those of KRaft, which are only named.

use super::header::NewHeader;
use super::{Attributes, BatchHeader, FetchedRecord, HEADER_LEN, ProducerEpoch, ProducerId};
use super::{RecordBatch, RecordError, Timestamp};
use crate::compression::Decompressor;
use crate::wire::{Cursor, Field};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionEnd {
    /// Its records never become visible to a read-committed reader.
    Abort,
    /// They all do.
    Commit,
}

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlRecord {
    /// A transaction of the batch's producer ended.
    EndTransaction {
        /// How.
        end: TransactionEnd,
        /// Which incarnation of the transaction coordinator said so.
        coordinator_epoch: i32,
    },
    /// A type that says nothing about a partition's data (those of KRaft, later ones): its number.
    Other(i16),
}

const KEY_VERSION: Field<i16> = Field::at(0);
const KEY_TYPE: Field<i16> = KEY_VERSION.then();
const KEY_LEN: usize = KEY_TYPE.end();
const VALUE_VERSION: Field<i16> = Field::at(0);
const VALUE_COORDINATOR_EPOCH: Field<i32> = VALUE_VERSION.then();
const VALUE_LEN: usize = VALUE_COORDINATOR_EPOCH.end();
const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// The most that a control record's payload may be.
const MOST_CONTROL_BYTES: usize = 64 << 10;
/// How a marker's record starts: its length, attributes, two deltas, the length of its key.
const RECORD_START: [u8; 5] = [32, 0, 0, 0, 2 * KEY_LEN as u8];
/// Bytes of a whole marker batch.
pub(crate) const MARKER_LEN: usize = HEADER_LEN + 17;
const _: () = assert!(KEY_LEN == 4 && VALUE_LEN == 6 && MARKER_LEN == 78);

impl ControlRecord {
    /// Reads the only record of a control batch. A higher version than 0 is read as version 0.
    ///
    /// # Errors
    ///
    /// [`RecordError::MalformedControl`].
    pub fn decode(record: &FetchedRecord<'_>) -> Result<ControlRecord, RecordError> {
        let key = record.key().filter(|key| key.len() >= KEY_LEN);
        let key = key.ok_or(RecordError::MalformedControl)?;
        if KEY_VERSION.get(key) < 0 {
            return Err(RecordError::MalformedControl);
        }
        let end = match KEY_TYPE.get(key) {
            ABORT => TransactionEnd::Abort,
            COMMIT => TransactionEnd::Commit,
            other => return Ok(ControlRecord::Other(other)),
        };
        let mut value = Cursor::new(record.value().ok_or(RecordError::MalformedControl)?);
        let malformed = |_| RecordError::MalformedControl;
        if value.integer::<i16>().map_err(malformed)? < 0 {
            return Err(RecordError::MalformedControl);
        }
        let coordinator_epoch = value.integer().map_err(malformed)?;
        Ok(ControlRecord::EndTransaction { end, coordinator_epoch })
    }

    /// What the control record of a control batch says; `None` for one that was emptied, and for
    /// any other batch.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub(crate) fn of_batch(
        batch: &RecordBatch<'_>,
        with: &mut Decompressor,
    ) -> Result<Option<ControlRecord>, RecordError> {
        if !batch.header().attributes().is_control() {
            return Ok(None);
        }
        match batch.records(with, MOST_CONTROL_BYTES, &mut Vec::new())?.next() {
            Some(record) => ControlRecord::decode(&record?).map(Some),
            None => Ok(None),
        }
    }
}

/// The marker batch that ends a transaction of `producer`, as its coordinator sends it.
pub(crate) fn encode_marker(
    producer: (ProducerId, ProducerEpoch),
    end: TransactionEnd,
    coordinator_epoch: i32,
    at: Timestamp,
) -> ([u8; MARKER_LEN], BatchHeader) {
    let mut batch = [0; MARKER_LEN];
    let record = &mut batch[HEADER_LEN..];
    record[..RECORD_START.len()].copy_from_slice(&RECORD_START);
    let (key, rest) = record[RECORD_START.len()..].split_at_mut(KEY_LEN);
    KEY_TYPE.set(key, if end == TransactionEnd::Commit { COMMIT } else { ABORT });
    rest[0] = 2 * VALUE_LEN as u8;
    VALUE_COORDINATOR_EPOCH.set(&mut rest[1..], coordinator_epoch);
    let header = NewHeader {
        attributes: Attributes::default().with_transactional(true).with_control(true),
        last_offset_delta: 0,
        base_timestamp: at,
        max_timestamp: at,
        producer_id: producer.0.0,
        producer_epoch: producer.1.0,
        base_sequence: -1,
        record_count: 1,
    };
    let header = header.from_client().encode(&mut batch);
    (batch, header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Records;

    #[test]
    fn a_marker_is_78_bytes_and_reads_back() {
        let producer = (ProducerId(98_323), ProducerEpoch(99));
        let (bytes, header) = encode_marker(producer, TransactionEnd::Commit, 100, 7);
        let batch = RecordBatch::decode(&bytes).unwrap();
        assert_eq!((batch.header(), header.attributes().bits()), (&header, 0x30));
        let record = Records::new(&header, batch.payload()).unwrap().next().unwrap().unwrap();
        let want =
            ControlRecord::EndTransaction { end: TransactionEnd::Commit, coordinator_epoch: 100 };
        assert_eq!(ControlRecord::decode(&record), Ok(want));
    }
}
