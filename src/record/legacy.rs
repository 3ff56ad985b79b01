//! Messages of formats v0 and v1: what Kafka wrote before there were record batches (until 0.11, and
//! up to 3.x for topics that were told to). They are read here and never written.

use super::{
    Attributes, BatchError, LegacyMessages, Offset, RecordError, Timestamp, TimestampType,
};
use crate::compression::{Codec, Decompressor};
use crate::wire::{Cursor, Field};

const OFFSET: Field<i64> = Field::at(0);
const LENGTH: Field<i32> = OFFSET.then();
const CRC: Field<u32> = LENGTH.then();
const MAGIC: Field<i8> = CRC.then();
const ATTRIBUTES: Field<u8> = MAGIC.then();
const TIMESTAMP: Field<i64> = ATTRIBUTES.then();

/// Bytes that tell size and format: as many as of a record batch.
const PREFIX_LEN: usize = MAGIC.end();
/// Bytes that the length field does not count: the offset and itself.
const LENGTH_EXCLUDES: usize = LENGTH.end();
/// What the checksum covers begins here.
const COVERED: usize = CRC.end();
/// Where the key's length lies in v0; in v1 behind the timestamp.
const V0_KEY: usize = ATTRIBUTES.end();
const V1_KEY: usize = TIMESTAMP.end();
/// Bytes of the lengths of key and value.
const TWO_LENGTHS: usize = 8;
/// The fewest bytes of a message: one of v0, without key and value.
pub(crate) const LEAST_MESSAGE_LEN: usize = V0_KEY + TWO_LENGTHS;

const _: () = assert!(PREFIX_LEN == 17 && COVERED == 16 && V0_KEY == 18 && V1_KEY == 26);
const _: () = assert!(LEAST_MESSAGE_LEN == 26, "12 bytes and the 14 of Kafka's least message");

/// A message of format v0 or v1, borrowed from where it was read. Big-endian:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     8 | offset; of a wrapper, that of its last message |
/// |  8 |     4 | length of what follows this field |
/// | 12 |     4 | CRC-32 (zlib's) of everything from byte 16 on |
/// | 16 |     1 | magic, 0 or 1 |
/// | 17 |     1 | attributes: bits 0–2 codec; bit 3 timestamp type, in v1 only |
/// | 18 |     8 | timestamp, −1 none; in v1 only |
/// | 18 or 26 | 4 | key length, −1 null |
/// |    |     n | key |
/// |    |     4 | value length, −1 null |
/// |    |     m | value |
///
/// A message with a codec is a *wrapper*: its value is a compressed stream of whole messages
/// ([`LegacyMessage::messages`]).
///
/// A message as [decoded](LegacyMessage::decode) is whole and no more: whether its checksum holds
/// tells [`LegacyMessage::is_valid`], or the [`RecordBatch`](super::RecordBatch) that it comes from.
#[derive(Clone, Copy, Debug)]
pub struct LegacyMessage<'a> {
    bytes: &'a [u8],
    /// As on disk, or made absolute for a message in a wrapper.
    offset: Offset,
    /// For a message in a wrapper.
    wrapper: Option<Wrapper>,
}

/// What a wrapper says for the messages in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapper {
    pub(super) timestamp_type: Option<TimestampType>,
    pub(super) timestamp: Option<Timestamp>,
}

impl<'a> LegacyMessage<'a> {
    /// The message that `bytes` begin with, whole; more may follow. Its checksum is not compared.
    ///
    /// # Errors
    ///
    /// `UnknownMagic` if it is of no old format, a record batch for example; any other
    /// [`BatchError`] but `Legacy` and `Crc`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let have = bytes.len();
        let (need, offset) = prefix(bytes)?;
        let bytes = bytes.get(..need).ok_or(BatchError::Incomplete { have, need })?;
        Ok(LegacyMessage { bytes, offset, wrapper: None })
    }

    /// The same message, inside a wrapper and with its offset in the log.
    pub(super) fn inside(self, wrapper: Wrapper, offset: Offset) -> Self {
        LegacyMessage { offset, wrapper: Some(wrapper), ..self }
    }

    /// Its number in the log; a wrapper has that of its last message. Of a message in a wrapper it
    /// is what a reader sees, whatever stands there.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// All its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of it, those before the checksum included.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Which format: 0 or 1.
    pub fn magic(&self) -> i8 {
        MAGIC.get(self.bytes)
    }

    /// All attribute bits.
    pub fn attribute_bits(&self) -> u8 {
        ATTRIBUTES.get(self.bytes)
    }

    /// The attributes that its format knows.
    pub(super) fn attributes(&self) -> Attributes {
        Attributes(i16::from(self.attribute_bits())).known_in_old_format(self.magic())
    }

    /// The codec's number, 0 to 7.
    pub fn codec_id(&self) -> u8 {
        self.attributes().codec_id()
    }

    /// How its messages are compressed, `None` if it is not a wrapper.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownCodec`]; zstd is none of these formats.
    pub fn codec(&self) -> Result<Codec, RecordError> {
        codec(self.attributes())
    }

    /// Whether it holds messages, compressed, rather than being one itself.
    pub fn is_wrapper(&self) -> bool {
        self.codec_id() != 0
    }

    /// Whose time its timestamp is. None in v0, which has no timestamps; in a wrapper it is the
    /// wrapper's.
    pub fn timestamp_type(&self) -> Option<TimestampType> {
        if self.magic() == 0 {
            return None;
        }
        let own = || Some(self.attributes().timestamp_type());
        self.wrapper.map_or_else(own, |wrapper| wrapper.timestamp_type)
    }

    /// Its time in milliseconds since 1970; in a wrapper that was stamped by the log, the wrapper's.
    pub fn timestamp(&self) -> Option<Timestamp> {
        if self.magic() == 0 {
            return None;
        }
        match self.wrapper {
            Some(Wrapper { timestamp_type: Some(TimestampType::LogAppendTime), timestamp }) => {
                timestamp
            }
            _ => Some(TIMESTAMP.get(self.bytes)).filter(|&timestamp| timestamp != -1),
        }
    }

    /// The checksum that it carries.
    pub fn crc(&self) -> u32 {
        CRC.get(self.bytes)
    }

    /// The checksum that its bytes give.
    pub fn computed_crc(&self) -> u32 {
        crc32fast::hash(&self.bytes[COVERED..])
    }

    /// Whether they are the same.
    pub fn is_valid(&self) -> bool {
        self.crc() == self.computed_crc()
    }

    /// Its key; none is not the same as empty.
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidStructure`] if key or value reach behind its end.
    pub fn key(&self) -> Result<Option<&'a [u8]>, RecordError> {
        self.key_and_value().map(|(key, _)| key)
    }

    /// Its value, none for a tombstone; of a wrapper, its messages, compressed.
    ///
    /// # Errors
    ///
    /// As [`LegacyMessage::key`].
    pub fn value(&self) -> Result<Option<&'a [u8]>, RecordError> {
        self.key_and_value().map(|(_, value)| value)
    }

    pub(super) fn key_and_value(&self) -> Result<KeyAndValue<'a>, RecordError> {
        let mut cursor = Cursor::new(&self.bytes[key_at(self.magic())..]);
        let key = bytes_or_null(&mut cursor)?;
        Ok((key, bytes_or_null(&mut cursor)?))
    }

    /// Whether key and value take exactly its bytes: a hint, before any checksum, that it was
    /// written as a message.
    pub(super) fn is_plausible(&self) -> bool {
        let mut cursor = Cursor::new(&self.bytes[key_at(self.magic())..]);
        let read = bytes_or_null(&mut cursor).and_then(|_| bytes_or_null(&mut cursor));
        read.is_ok() && cursor.remaining() == 0
    }

    /// The messages that a wrapper holds, inflated into `inflated`, to at most `limit` bytes; of a
    /// message that is no wrapper, itself. Their checksums are not compared: the wrapper's covers
    /// them.
    ///
    /// # Errors
    ///
    /// If they do not inflate, or are no messages; `Inflate(TooLarge)` is the caller's bound.
    pub fn messages<'b>(
        &'b self,
        with: &mut Decompressor,
        limit: usize,
        inflated: &'b mut Vec<u8>,
    ) -> Result<LegacyMessages<'b>, RecordError> {
        inflated.clear();
        self.inflate(with, limit, inflated)?;
        let held = if self.is_wrapper() { inflated.as_slice() } else { self.bytes };
        LegacyMessages::of(self, held)
    }

    /// Appends what a wrapper holds, inflated, to `inflated`; of no wrapper, nothing.
    pub(super) fn inflate(
        &self,
        with: &mut Decompressor,
        limit: usize,
        inflated: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        let codec = self.codec()?;
        if codec == Codec::None {
            return Ok(());
        }
        let held = self.value()?.ok_or(RecordError::EmptyWrapper)?;
        if self.magic() == 0 {
            with.decompress_v0(codec, held, limit, inflated)?;
        } else {
            with.decompress(codec, held, limit, inflated)?;
        }
        Ok(())
    }
}

type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// What the first bytes of a message say: how many it has, and its offset.
fn prefix(bytes: &[u8]) -> Result<(usize, Offset), BatchError> {
    if bytes.len() < PREFIX_LEN {
        return Err(BatchError::Incomplete { have: bytes.len(), need: LEAST_MESSAGE_LEN });
    }
    if bytes[..PREFIX_LEN].iter().all(|&byte| byte == 0) {
        return Err(BatchError::Zeros);
    }
    let (magic, length, offset) = (MAGIC.get(bytes), LENGTH.get(bytes), OFFSET.get(bytes));
    if !matches!(magic, 0 | 1) {
        return Err(BatchError::UnknownMagic(magic));
    }
    let least = key_at(magic) + TWO_LENGTHS - LENGTH_EXCLUDES;
    let size = usize::try_from(length).ok().filter(|&length| length >= least);
    let size = size.ok_or(BatchError::LengthTooSmall(length))?;
    // One less than the greatest offset, so that the next offset exists too.
    if !(0..Offset::MAX).contains(&offset) {
        return Err(BatchError::ImpossibleOffsets { base: offset, delta: 0 });
    }
    Ok((LENGTH_EXCLUDES + size, offset))
}

/// How many bytes a message has that begins like these, and its offset, if one can: if key and
/// value take exactly those bytes, as far as they tell it. A cheap look before the checksum.
pub(crate) fn message_beginning(bytes: &[u8]) -> Option<(usize, Offset)> {
    let (size, offset) = prefix(bytes).ok()?;
    let key_at = key_at(MAGIC.get(bytes));
    let left = size - key_at - TWO_LENGTHS;
    let mut cursor = Cursor::new(bytes.get(key_at..)?);
    let key = cursor.integer::<i32>().ok()?;
    let left = left.checked_sub(usize::try_from(key).unwrap_or(0))?;
    if cursor.take(usize::try_from(key).unwrap_or(0)).is_ok()
        && let Ok(value) = cursor.integer::<i32>()
        && usize::try_from(value).unwrap_or(0) != left
    {
        return None;
    }
    (key >= -1).then_some((size, offset))
}

/// The checksum of a message that begins like these, and where begins what it covers.
pub(crate) fn message_covered(bytes: &[u8]) -> (u32, usize) {
    (CRC.get(bytes), COVERED)
}

/// The codec of a message with these attributes.
pub(super) fn codec(attributes: Attributes) -> Result<Codec, RecordError> {
    let known = attributes.codec().filter(|&codec| codec != Codec::Zstd);
    known.ok_or(RecordError::UnknownCodec(attributes.codec_id()))
}

fn key_at(magic: i8) -> usize {
    if magic == 0 { V0_KEY } else { V1_KEY }
}

/// A length, then so many bytes; a negative length is null.
fn bytes_or_null<'a>(from: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, RecordError> {
    match usize::try_from(from.integer::<i32>()?) {
        Ok(len) => Ok(Some(from.take(len)?)),
        Err(_) => Ok(None),
    }
}
