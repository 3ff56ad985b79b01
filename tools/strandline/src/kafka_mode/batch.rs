//! Batches of format v2 and their records, read without a check but those that Kafka's tool makes.
//! A later magic is taken for 2, as there.

use std::fmt;

use strandline::compression::{Codec, Decompressor};

use super::record::{Headers, Record, sized};
use super::thrown::Thrown;
use crate::internal::cursor::{Cursor, Unread};

/// Bytes of the header.
pub(super) const HEADER_LEN: i64 = 61;
/// What the CRC covers begins here.
const COVERED_FROM: usize = 21;

const CODEC: i16 = 0b111;
const APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// Whose time a record's timestamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimestampType {
    None,
    Create,
    LogAppend,
}

impl fmt::Display for TimestampType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimestampType::None => "NoTimestampType",
            TimestampType::Create => "CreateTime",
            TimestampType::LogAppend => "LogAppendTime",
        })
    }
}

/// The codec with that number.
pub(super) fn codec(id: u8) -> Result<Codec, Thrown> {
    Codec::from_id(id).ok_or_else(|| Thrown::argument(format!("Unknown compression type id: {id}")))
}

/// The header of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) base_offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) crc: u32,
    attributes: i16,
    last_offset_delta: i32,
    base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) count: i32,
}

impl Header {
    /// Reads the header that `bytes` begin with.
    pub(super) fn read(bytes: &[u8]) -> Result<Header, Thrown> {
        Header::fields(&mut Cursor::new(bytes)).map_err(|_| Thrown::bounds())
    }

    fn fields(from: &mut Cursor<'_>) -> Result<Header, Unread> {
        let base_offset = from.i64()?;
        let (_length, leader_epoch, _magic) = (from.i32()?, from.i32()?, from.i8()?);
        Ok(Header {
            base_offset,
            leader_epoch,
            crc: from.u32()?,
            attributes: from.i16()?,
            last_offset_delta: from.i32()?,
            base_timestamp: from.i64()?,
            max_timestamp: from.i64()?,
            producer_id: from.i64()?,
            producer_epoch: from.i16()?,
            base_sequence: from.i32()?,
            count: from.i32()?,
        })
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    pub(super) fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            -1 => -1,
            base => sequence_after(base, self.last_offset_delta),
        }
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(super) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// When the tombstones in it may go.
    pub(super) fn delete_horizon(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    pub(super) fn timestamp_type(&self) -> TimestampType {
        if self.attributes & APPEND_TIME == 0 {
            TimestampType::Create
        } else {
            TimestampType::LogAppend
        }
    }

    pub(super) fn codec(&self) -> Result<Codec, Thrown> {
        codec((self.attributes & CODEC) as u8)
    }

    fn record<'a>(&self, from: &mut Cursor<'a>) -> Result<Record<'a>, Unread> {
        from.i8()?;
        let timestamp_delta = from.varlong()?;
        let offset_delta = from.varint()?;
        let key = sized(from)?;
        let value = sized(from)?;
        let timestamp = match self.timestamp_type() {
            TimestampType::LogAppend => self.max_timestamp,
            _ => self.base_timestamp.wrapping_add(timestamp_delta),
        };
        let sequence = match self.base_sequence {
            ..0 => -1,
            base => sequence_after(base, offset_delta),
        };
        let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i32);
        Ok(Record {
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp,
            key_size: len(key),
            value_size: len(value),
            key: Ok(key),
            value: Ok(value),
            sequence,
            headers: Headers::default(),
            legacy: None,
        })
    }
}

/// The number `by` records behind a sequence: 0 follows on the greatest one.
fn sequence_after(sequence: i32, by: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(by) {
        by.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1)
    } else {
        sequence.wrapping_add(by)
    }
}

/// Whether the checksum of a whole batch holds.
pub(super) fn is_valid(batch: &[u8], header: &Header) -> bool {
    batch.len() as i64 >= HEADER_LEN
        && batch.get(COVERED_FROM..).is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// What inflates batches, and the bytes of the last one.
#[derive(Default)]
pub(super) struct Inflater {
    decompressor: Decompressor,
    bytes: Vec<u8>,
}

/// Bytes that a batch may inflate to.
const MOST_INFLATED: usize = 1 << 30;

impl Inflater {
    /// Inflates a stream: what came out, and what is wrong if that is not all. The magic is that of
    /// the batch or message around it.
    pub(super) fn inflate(
        &mut self,
        codec: Codec,
        magic: i8,
        from: &[u8],
    ) -> (&[u8], Option<Thrown>) {
        let (with, to) = (&mut self.decompressor, &mut self.bytes);
        to.clear();
        let done = match magic {
            0 => with.decompress_v0(codec, from, MOST_INFLATED, to),
            _ => with.decompress(codec, from, MOST_INFLATED, to),
        };
        let broken = done.is_err().then(|| not_inflated(codec, from, self.bytes.is_empty()));
        (&self.bytes, broken)
    }
}

/// What Java's libraries say to a stream that is none of theirs.
fn not_inflated(codec: Codec, from: &[u8], at_once: bool) -> Thrown {
    Thrown::kafka(match codec {
        Codec::Gzip if at_once && !from.starts_with(&[0x1f, 0x8b]) => {
            "java.util.zip.ZipException: Not in GZIP format"
        }
        Codec::Snappy if at_once => "java.io.IOException: FAILED_TO_UNCOMPRESS(5)",
        _ => "Failed to decompress record stream",
    })
}

/// The records of a batch, one by one.
pub(super) struct Records<'a> {
    header: Header,
    cursor: Cursor<'a>,
    /// Whether the payload was a compressed stream.
    compressed: bool,
    /// What is said where the payload ends too early.
    broken: Option<Thrown>,
    left: i32,
}

impl<'a> Records<'a> {
    /// The records of a whole batch. Those of a compressed one have all been read once, so that
    /// none is given if one is wrong.
    pub(super) fn new(
        batch: &'a [u8],
        header: &Header,
        inflater: &'a mut Inflater,
    ) -> Result<Records<'a>, Thrown> {
        let payload = batch.get(HEADER_LEN as usize..).ok_or_else(Thrown::bounds)?;
        let codec = header.codec()?;
        let none = |left| Records {
            header: *header,
            cursor: Cursor::new(&[]),
            compressed: false,
            broken: None,
            left,
        };
        if header.count == 0 {
            return Ok(none(0));
        }
        let (payload, broken) = match codec {
            Codec::None => (payload, None),
            codec => inflater.inflate(codec, 2, payload),
        };
        if header.count < 0 {
            return Err(broken.filter(|_| payload.is_empty()).unwrap_or_else(|| {
                Thrown::invalid_record(format!(
                    "Found invalid record count {} in magic v2 batch",
                    header.count
                ))
            }));
        }
        let compressed = codec != Codec::None;
        let records =
            Records { cursor: Cursor::new(payload), compressed, broken, ..none(header.count) };
        if compressed {
            let mut all = records.again();
            while all.next()?.is_some() {}
        }
        Ok(records)
    }

    /// The same records from the front.
    fn again(&self) -> Records<'a> {
        let (header, cursor, left) = (self.header, self.cursor, self.left);
        Records { header, cursor, compressed: self.compressed, broken: self.broken.clone(), left }
    }

    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, Thrown> {
        if self.left == 0 {
            return Ok(None);
        }
        let record = if self.compressed { self.streamed()? } else { self.plain()? };
        self.left -= 1;
        if self.left == 0 && self.cursor.remaining() > 0 {
            return Err(Thrown::invalid_record(
                "Incorrect declared batch size, records still remaining in file",
            ));
        }
        Ok(Some(record))
    }

    /// A record of an uncompressed batch: its length is looked at last.
    fn plain(&mut self) -> Result<Record<'a>, Thrown> {
        let size = self.cursor.varint().map_err(|unread| self.ended(unread))?;
        let remaining = self.cursor.remaining();
        if i64::from(size) > remaining as i64 {
            return Err(Thrown::invalid_record(format!(
                "Invalid record size: expected {size} bytes in record payload, but instead the \
                 buffer has only {remaining} remaining bytes."
            )));
        }
        let record = self.header.record(&mut self.cursor);
        let record = finish(record, &mut self.cursor)?;
        let read = remaining - self.cursor.remaining();
        whole(size, read)?;
        Ok(record)
    }

    /// A record of a stream: so many bytes are taken, and it must fill them.
    fn streamed(&mut self) -> Result<Record<'a>, Thrown> {
        let size = self.cursor.varint().map_err(|unread| self.ended(unread))?;
        let Ok(len) = usize::try_from(size) else {
            return Err(Thrown::argument(format!("capacity < 0: ({size} < 0)")));
        };
        let Ok(body) = self.cursor.take(len) else {
            return Err(self.broken.clone().unwrap_or_else(|| {
                Thrown::invalid_record(format!(
                    "Invalid record size: expected {size} bytes in record payload, but the record \
                     payload reached EOF."
                ))
            }));
        };
        let mut cursor = Cursor::new(body);
        let record = finish(self.header.record(&mut cursor), &mut cursor)?;
        whole(size, len - cursor.remaining())?;
        Ok(record)
    }

    fn ended(&self, unread: Unread) -> Thrown {
        match unread {
            Unread::Short => self.broken.clone().unwrap_or_else(|| {
                Thrown::invalid_record("Incorrect declared batch size, premature EOF reached")
            }),
            unread @ Unread::LongVarint(_) => Thrown::varint(unread),
        }
    }
}

/// Reads the headers too, which are the last part of a record.
fn finish<'a>(
    record: Result<Record<'a>, Unread>,
    from: &mut Cursor<'a>,
) -> Result<Record<'a>, Thrown> {
    let invalid = |_| Thrown::invalid_record("Found invalid record structure");
    let mut record = record.map_err(invalid)?;
    let count = from.varint().map_err(invalid)?;
    record.headers = Headers::read(count, from)?;
    Ok(record)
}

fn whole(size: i32, read: usize) -> Result<(), Thrown> {
    if i64::from(size) == read as i64 {
        return Ok(());
    }
    Err(Thrown::invalid_record(format!(
        "Invalid record size: expected to read {size} bytes in record payload, but instead read \
         {read}"
    )))
}
