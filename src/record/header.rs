//! The header of a record batch: where its 61 bytes lie, and nowhere else.

use super::ProducerId;
use super::{Attributes, BatchError, LeaderEpoch, LegacyMessage, Offset, ProducerEpoch};
use super::{Sequence, Timestamp, TimestampType};
use crate::wire::{Field, crc32c};

const BASE_OFFSET: Field<i64> = Field::at(0);
const LENGTH: Field<i32> = BASE_OFFSET.then();
const LEADER_EPOCH: Field<i32> = LENGTH.then();
const MAGIC: Field<i8> = LEADER_EPOCH.then();
const CRC: Field<u32> = MAGIC.then();
const ATTRIBUTES: Field<i16> = CRC.then();
const LAST_OFFSET_DELTA: Field<i32> = ATTRIBUTES.then();
const BASE_TIMESTAMP: Field<i64> = LAST_OFFSET_DELTA.then();
const MAX_TIMESTAMP: Field<i64> = BASE_TIMESTAMP.then();
const PRODUCER_ID: Field<i64> = MAX_TIMESTAMP.then();
const PRODUCER_EPOCH: Field<i16> = PRODUCER_ID.then();
const BASE_SEQUENCE: Field<i32> = PRODUCER_EPOCH.then();
const RECORD_COUNT: Field<i32> = BASE_SEQUENCE.then();

/// Bytes of the header; the records follow.
pub(crate) const HEADER_LEN: usize = RECORD_COUNT.end();
/// Bytes that tell any batch's size and magic, whatever its format.
pub(crate) const PREFIX_LEN: usize = MAGIC.end();
/// Bytes that the length field does not count: the base offset and itself.
const LENGTH_EXCLUDES: usize = LENGTH.end();
/// The smallest length that a batch can claim.
const LEAST_LENGTH: i32 = (HEADER_LEN - LENGTH_EXCLUDES) as i32;
/// The magic of record batches: the only one that is written.
const MAGIC_V2: i8 = 2;

const _: () = assert!(CRC.start() == 17 && ATTRIBUTES.start() == 21 && HEADER_LEN == 61);
const _: () = assert!(PREFIX_LEN == 17 && LENGTH_EXCLUDES == 12 && LEAST_LENGTH == 49);

/// What the first 17 bytes of any batch say: enough to step over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Base offset.
    pub(crate) offset: Offset,
    /// Bytes of the whole batch.
    pub(crate) size: usize,
}

impl Prefix {
    /// Reads the prefix of a v2 batch. Does not ask whether the batch is whole.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Prefix, BatchError> {
        if bytes.len() < PREFIX_LEN {
            return Err(BatchError::Incomplete { have: bytes.len(), need: HEADER_LEN });
        }
        let length = LENGTH.get(bytes);
        let magic = MAGIC.get(bytes);
        if length == 0 && bytes[..PREFIX_LEN].iter().all(|&byte| byte == 0) {
            return Err(BatchError::Zeros);
        }
        match magic {
            MAGIC_V2 => {}
            0 | 1 => return Err(BatchError::Legacy(magic)),
            _ => return Err(BatchError::UnknownMagic(magic)),
        }
        if length < LEAST_LENGTH {
            return Err(BatchError::LengthTooSmall(length));
        }
        Ok(Prefix { offset: BASE_OFFSET.get(bytes), size: LENGTH_EXCLUDES + length as usize })
    }
}

/// The smallest length that a message of format v0 can claim.
const LEAST_MESSAGE_LENGTH: i32 = 14;

/// What a header says, however impossible it is: what damage is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) length: i32,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
}

impl RawHeader {
    /// The magic that batches have.
    pub(crate) const MAGIC: i8 = MAGIC_V2;
    /// Where in a batch its checksum lies.
    pub(crate) const CRC_AT: u64 = CRC.start() as u64;
    /// Where what it covers begins.
    pub(crate) const COVERED_FROM: u64 = ATTRIBUTES.start() as u64;
    /// Bytes that the length does not count.
    pub(crate) const LENGTH_EXCLUDES: u64 = LENGTH_EXCLUDES as u64;

    /// What the first bytes of a batch say; none if they are too few.
    pub(crate) fn read(bytes: &[u8]) -> Option<RawHeader> {
        (bytes.len() >= CRC.end()).then(|| RawHeader {
            length: LENGTH.get(bytes),
            magic: MAGIC.get(bytes),
            crc: CRC.get(bytes),
        })
    }

    /// Bytes of the whole batch, if it can have so many; of a message, if `is_message`.
    pub(crate) fn size(self, is_message: bool) -> Option<u64> {
        let least = if is_message { LEAST_MESSAGE_LENGTH } else { LEAST_LENGTH };
        (self.length >= least).then(|| Self::LENGTH_EXCLUDES + self.length as u64)
    }
}

/// The header of a record batch. On disk, 61 big-endian bytes:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     8 | base offset |
/// |  8 |     4 | length of what follows this field |
/// | 12 |     4 | partition leader epoch, −1 unknown |
/// | 16 |     1 | magic, 2 |
/// | 17 |     4 | CRC-32C of everything from byte 21 on |
/// | 21 |     2 | attributes ([`Attributes`]) |
/// | 23 |     4 | last offset delta |
/// | 27 |     8 | base timestamp, or the delete horizon |
/// | 35 |     8 | max timestamp |
/// | 43 |     8 | producer id, −1 none |
/// | 51 |     2 | producer epoch, −1 none |
/// | 53 |     4 | base sequence, −1 none |
/// | 57 |     4 | record count |
///
/// A message of format v0 or v1 ([`LegacyMessage`]) is told as if it were a batch of one record: no
/// leader epoch, no producer, base and last offset its own, base and max timestamp its own, and of
/// the attributes those that it has. A wrapper's header knows its last offset only, and says that it
/// is a batch of that one: its records begin earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    base_offset: Offset,
    length: i32,
    leader_epoch: i32,
    magic: i8,
    crc: u32,
    attributes: Attributes,
    last_offset_delta: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    record_count: i32,
}

impl BatchHeader {
    /// Bytes of the header that the CRC covers.
    pub(crate) const COVERED_HEADER_LEN: usize = HEADER_LEN - ATTRIBUTES.start();

    /// Reads the header of a record batch, v2, and checks all of it that can be checked without the
    /// rest of the batch.
    ///
    /// # Errors
    ///
    /// Any [`BatchError`] but `Crc`; `Incomplete` only for a header that is cut short; `Legacy` for
    /// a message of an old format, whose header nothing but its checksum tells from a damaged one.
    pub fn decode(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        Prefix::decode(bytes)?;
        if bytes.len() < HEADER_LEN {
            return Err(BatchError::Incomplete { have: bytes.len(), need: HEADER_LEN });
        }
        let header = BatchHeader {
            base_offset: BASE_OFFSET.get(bytes),
            length: LENGTH.get(bytes),
            leader_epoch: LEADER_EPOCH.get(bytes),
            magic: MAGIC_V2,
            crc: CRC.get(bytes),
            attributes: Attributes(ATTRIBUTES.get(bytes)),
            last_offset_delta: LAST_OFFSET_DELTA.get(bytes),
            base_timestamp: BASE_TIMESTAMP.get(bytes),
            max_timestamp: MAX_TIMESTAMP.get(bytes),
            producer_id: PRODUCER_ID.get(bytes),
            producer_epoch: PRODUCER_EPOCH.get(bytes),
            base_sequence: BASE_SEQUENCE.get(bytes),
            record_count: RECORD_COUNT.get(bytes),
        };
        let (base, delta) = (header.base_offset, header.last_offset_delta);
        // One less than the greatest offset, so that the next offset exists too.
        if base < 0 || delta < 0 || base > Offset::MAX - 1 - Offset::from(delta) {
            return Err(BatchError::ImpossibleOffsets { base, delta });
        }
        Ok(header)
    }

    /// What a message of an old format says, as the header of a batch.
    pub(super) fn of_message(message: &LegacyMessage<'_>) -> BatchHeader {
        let timestamp = message.timestamp().unwrap_or(-1);
        BatchHeader {
            base_offset: message.offset(),
            length: (message.size_bytes() - LENGTH_EXCLUDES) as i32,
            leader_epoch: -1,
            magic: message.magic(),
            crc: message.crc(),
            attributes: message.attributes(),
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 1,
        }
    }

    /// The checksum of the batch whose header these bytes are, and where begins what it covers.
    pub(crate) fn covered(header: &[u8]) -> (u32, usize) {
        (CRC.get(header), ATTRIBUTES.start())
    }

    /// Writes the header over the start of `batch`, which holds the whole batch, and computes its
    /// length and CRC.
    pub(crate) fn encode(mut self, batch: &mut [u8]) -> BatchHeader {
        self.length = (batch.len() - LENGTH_EXCLUDES) as i32;
        BASE_OFFSET.set(batch, self.base_offset);
        LENGTH.set(batch, self.length);
        LEADER_EPOCH.set(batch, self.leader_epoch);
        MAGIC.set(batch, MAGIC_V2);
        ATTRIBUTES.set(batch, self.attributes.0);
        LAST_OFFSET_DELTA.set(batch, self.last_offset_delta);
        BASE_TIMESTAMP.set(batch, self.base_timestamp);
        MAX_TIMESTAMP.set(batch, self.max_timestamp);
        PRODUCER_ID.set(batch, self.producer_id);
        PRODUCER_EPOCH.set(batch, self.producer_epoch);
        BASE_SEQUENCE.set(batch, self.base_sequence);
        RECORD_COUNT.set(batch, self.record_count);
        self.crc = crc(batch);
        CRC.set(batch, self.crc);
        self
    }

    /// First offset of the batch as it was appended; compaction does not change it.
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Last offset of the batch as it was appended.
    pub fn last_offset(&self) -> Offset {
        self.base_offset + Offset::from(self.last_offset_delta)
    }

    /// The offset behind the last one.
    pub fn next_offset(&self) -> Offset {
        self.last_offset() + 1
    }

    /// Last offset less base offset.
    pub fn last_offset_delta(&self) -> i32 {
        self.last_offset_delta
    }

    /// Bytes of the whole batch, header included.
    pub fn size_bytes(&self) -> usize {
        LENGTH_EXCLUDES + self.length as usize
    }

    /// The term in which it was appended.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        LeaderEpoch::from_wire(self.leader_epoch)
    }

    /// The format: 2, or 0 or 1 for a message from before there were batches.
    pub fn magic(&self) -> i8 {
        self.magic
    }

    /// Whether it is a message of format v0 or v1.
    pub fn is_legacy(&self) -> bool {
        self.magic != MAGIC_V2
    }

    /// The checksum that the batch carries.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The attribute bits.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The timestamp that records' deltas are relative to, as on disk: the first record's, −1, or
    /// the delete horizon.
    pub fn base_timestamp(&self) -> Timestamp {
        self.base_timestamp
    }

    /// The largest timestamp in the batch, or the time of its append (`LogAppendTime`).
    pub fn max_timestamp(&self) -> Option<Timestamp> {
        (self.max_timestamp != -1).then_some(self.max_timestamp)
    }

    /// From when on tombstones and markers in it may be dropped, in milliseconds since 1970.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// The idempotent producer's id.
    pub fn producer_id(&self) -> Option<ProducerId> {
        ProducerId::from_wire(self.producer_id)
    }

    /// The idempotent producer's epoch.
    pub fn producer_epoch(&self) -> Option<ProducerEpoch> {
        ProducerEpoch::from_wire(self.producer_epoch)
    }

    /// The sequence of the first record as it was appended.
    pub fn base_sequence(&self) -> Option<Sequence> {
        Sequence::from_wire(self.base_sequence)
    }

    /// The sequence of the last record as it was appended.
    pub fn last_sequence(&self) -> Option<Sequence> {
        self.base_sequence().map(|base| base.plus(self.last_offset_delta))
    }

    /// How many records the batch says that it holds. Compaction may leave 0; damage may leave a
    /// negative number. A message of format v0 or v1 says 1; so does a wrapper, which does not know.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }
}

/// What compaction changes in a header. Everything else stays: offsets, sequence, producer, epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rewritten {
    pub(super) attributes: Attributes,
    pub(super) base_timestamp: Timestamp,
    pub(super) max_timestamp: Timestamp,
    pub(super) record_count: i32,
}

impl BatchHeader {
    /// The same with what compaction changes. Length and CRC come with [`BatchHeader::encode`].
    pub(super) fn rewritten(self, with: Rewritten) -> BatchHeader {
        BatchHeader {
            attributes: with.attributes,
            base_timestamp: with.base_timestamp,
            max_timestamp: with.max_timestamp,
            record_count: with.record_count,
            ..self
        }
    }
}

/// What a new header says; everything that is not said here follows from the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewHeader {
    pub(crate) attributes: Attributes,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: Timestamp,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl NewHeader {
    /// As a client sends it: base offset 0, leader epoch unknown. Length and CRC come with
    /// [`BatchHeader::encode`].
    #[expect(clippy::wrong_self_convention, reason = "a header that comes from a client")]
    pub(crate) fn from_client(self) -> BatchHeader {
        BatchHeader {
            base_offset: 0,
            length: 0,
            leader_epoch: -1,
            magic: MAGIC_V2,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            record_count: self.record_count,
        }
    }
}

/// The checksum of a whole batch.
pub(super) fn crc(batch: &[u8]) -> u32 {
    crc32c::checksum(&batch[ATTRIBUTES.start()..])
}

/// Compares the checksum of a whole batch, whatever else its header says.
pub(crate) fn check_crc(batch: &[u8]) -> Result<(), BatchError> {
    let (stored, computed) = (CRC.get(batch), crc(batch));
    if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
}

/// Gives a whole, valid batch its place in a log: base offset and leader epoch, which lie outside
/// the CRC. Returns its header as it is then.
pub(crate) fn place(
    batch: &mut [u8],
    header: &BatchHeader,
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
) -> BatchHeader {
    BASE_OFFSET.set(batch, base_offset);
    LEADER_EPOCH.set(batch, leader_epoch.0);
    BatchHeader { base_offset, leader_epoch: leader_epoch.0, ..*header }
}

/// What a leader writes into a client's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) base_offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) max_timestamp: Option<Timestamp>,
}

/// Stamps a whole, valid client batch in place, as a leader does. The CRC is recomputed only if
/// the timestamp type or the largest timestamp change, and then unknown attribute bits go, as in
/// Kafka; base offset and leader epoch lie outside it.
pub(crate) fn stamp(batch: &mut [u8], stamp: Stamp) {
    BASE_OFFSET.set(batch, stamp.base_offset);
    LEADER_EPOCH.set(batch, stamp.leader_epoch.0);
    let attributes = Attributes(ATTRIBUTES.get(batch));
    let max_timestamp = stamp.max_timestamp.unwrap_or(-1);
    if attributes.timestamp_type() != stamp.timestamp_type
        || MAX_TIMESTAMP.get(batch) != max_timestamp
    {
        let attributes = attributes.known().with_timestamp_type(stamp.timestamp_type);
        ATTRIBUTES.set(batch, attributes.0);
        MAX_TIMESTAMP.set(batch, max_timestamp);
        let crc = crc(batch);
        CRC.set(batch, crc);
    }
}
