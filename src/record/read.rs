//! The records of a batch, read where they lie: nothing is allocated for one.

use super::{BatchError, BatchHeader, LeaderEpoch, LegacyMessage, LegacyMessages, Offset};
use super::{RecordError, Sequence, Timestamp, TimestampType};
use crate::wire::{Cursor, CursorError, varint};

/// A record that was read, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct FetchedRecord<'a> {
    offset: Offset,
    timestamp: Timestamp,
    timestamp_type: TimestampType,
    leader_epoch: Option<LeaderEpoch>,
    sequence: Option<Sequence>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    /// Its headers, all of which were read once.
    header_bytes: &'a [u8],
}

impl<'a> FetchedRecord<'a> {
    /// A message of format v0 or v1, as a record.
    fn of_message(message: &LegacyMessage<'a>) -> Result<Self, RecordError> {
        let (key, value) = message.key_and_value()?;
        Ok(FetchedRecord {
            offset: message.offset(),
            timestamp: message.timestamp().unwrap_or(-1),
            timestamp_type: message.timestamp_type().unwrap_or_default(),
            leader_epoch: None,
            sequence: None,
            key,
            value,
            header_count: 0,
            header_bytes: &[],
        })
    }

    /// Its number in the log.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Its time in milliseconds since 1970, none if it has none (−1).
    pub fn timestamp(&self) -> Option<Timestamp> {
        (self.timestamp != -1).then_some(self.timestamp)
    }

    /// Whose time that is: `CreateTime` for a message of format v0, which has none.
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// The term in which it was appended.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.leader_epoch
    }

    /// The number that its idempotent producer gave it.
    pub fn sequence(&self) -> Option<Sequence> {
        self.sequence
    }

    /// Its key; none is not the same as empty.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// Its value; none makes it a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// Its headers, in order.
    pub fn headers(&self) -> Headers<'a> {
        Headers { count: self.header_count, bytes: self.header_bytes }
    }
}

/// A header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name: UTF-8 if a Kafka client wrote it, which nobody checked.
    pub key: &'a [u8],
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in order.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl ExactSizeIterator for Headers<'_> {}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let mut cursor = Cursor::new(self.bytes);
        // They were all read once when the record was: this cannot fail.
        let header = header(&mut cursor).ok()?;
        self.bytes = cursor.rest();
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

/// The records of one batch, in order. A fault is given out once, then the iteration ends.
#[derive(Clone, Debug)]
pub struct Records<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Batch(BatchRecords<'a>),
    /// Formats v0 and v1; none behind a fault.
    Messages(Option<LegacyMessages<'a>>),
}

/// The records of a batch of format v2.
#[derive(Clone, Debug)]
struct BatchRecords<'a> {
    base_offset: Offset,
    base_timestamp: Timestamp,
    append_time: Option<Timestamp>,
    timestamp_type: TimestampType,
    leader_epoch: Option<LeaderEpoch>,
    base_sequence: Option<Sequence>,
    left: i32,
    cursor: Cursor<'a>,
}

impl<'a> Records<'a> {
    /// Messages of format v0 or v1, as records.
    pub(super) fn of_messages(messages: LegacyMessages<'a>) -> Self {
        Records(Kind::Messages(Some(messages)))
    }

    /// The records in `payload`, the inflated payload of the batch with this header.
    ///
    /// # Errors
    ///
    /// [`RecordError::NegativeCount`].
    pub(crate) fn new(header: &BatchHeader, payload: &'a [u8]) -> Result<Self, RecordError> {
        if header.record_count() < 0 {
            return Err(RecordError::NegativeCount(header.record_count()));
        }
        let timestamp_type = header.attributes().timestamp_type();
        let append_time = (timestamp_type == TimestampType::LogAppendTime)
            .then(|| header.max_timestamp().unwrap_or(-1));
        Ok(Records(Kind::Batch(BatchRecords {
            base_offset: header.base_offset(),
            base_timestamp: header.base_timestamp(),
            append_time,
            timestamp_type,
            leader_epoch: header.leader_epoch(),
            base_sequence: header.base_sequence(),
            left: header.record_count(),
            // An emptied batch keeps its header alone, whatever stands behind it.
            cursor: Cursor::new(if header.record_count() == 0 { &[] } else { payload }),
        })))
    }
}

impl<'a> BatchRecords<'a> {
    fn read(&mut self) -> Result<FetchedRecord<'a>, RecordError> {
        if self.cursor.remaining() == 0 {
            return Err(RecordError::TooFewRecords);
        }
        let size = varint::get(&mut self.cursor)?;
        let size = usize::try_from(size).map_err(|_| RecordError::InvalidStructure)?;
        let mut body = Cursor::new(self.cursor.take(size)?);
        body.u8()?; // attributes: none are defined
        let timestamp_delta = varint::get_long(&mut body)?;
        let offset_delta = varint::get(&mut body)?;
        let key = bytes_or_null(&mut body)?;
        let value = bytes_or_null(&mut body)?;
        let (header_count, header_bytes) = headers(&mut body)?;
        if body.remaining() != 0 {
            return Err(RecordError::LengthMismatch);
        }
        if self.left == 1 && self.cursor.remaining() != 0 {
            return Err(RecordError::TooManyRecords);
        }
        let offset = self.base_offset.checked_add(Offset::from(offset_delta));
        Ok(FetchedRecord {
            offset: offset.filter(|&at| at >= 0).ok_or(RecordError::DeltaOutOfRange)?,
            timestamp: match self.append_time {
                Some(time) => time,
                None => self
                    .base_timestamp
                    .checked_add(timestamp_delta)
                    .ok_or(RecordError::DeltaOutOfRange)?,
            },
            timestamp_type: self.timestamp_type,
            leader_epoch: self.leader_epoch,
            sequence: self.base_sequence.map(|base| base.plus(offset_delta.max(0))),
            key,
            value,
            header_count,
            header_bytes,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<FetchedRecord<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Batch(records) => records.next(),
            Kind::Messages(messages) => next_message(messages),
        }
    }
}

/// The next message as a record. The wrapper's checksum held, and its own has to hold too.
#[cold]
fn next_message<'a>(
    messages: &mut Option<LegacyMessages<'a>>,
) -> Option<Result<FetchedRecord<'a>, RecordError>> {
    let read = |message: LegacyMessage<'a>| {
        let (stored, computed) = (message.crc(), message.computed_crc());
        if stored != computed {
            return Err(RecordError::Inner(BatchError::Crc { stored, computed }));
        }
        FetchedRecord::of_message(&message)
    };
    let record = messages.as_mut()?.next()?.and_then(read);
    if record.is_err() {
        *messages = None;
    }
    Some(record)
}

impl<'a> Iterator for BatchRecords<'a> {
    type Item = Result<FetchedRecord<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let record = self.read();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }
}

/// A length, then so many bytes; a negative length is null.
fn bytes_or_null<'a>(from: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, RecordError> {
    match usize::try_from(varint::get(from)?) {
        Ok(len) => Ok(Some(from.take(len)?)),
        Err(_) => Ok(None),
    }
}

/// How many headers there are, and their bytes. Reads over them all, so that giving them out later
/// cannot fail.
fn headers<'a>(from: &mut Cursor<'a>) -> Result<(usize, &'a [u8]), RecordError> {
    let count = varint::get(from)?;
    let count = usize::try_from(count).map_err(|_| RecordError::InvalidStructure)?;
    // Each takes two bytes at least.
    if count > from.remaining() / 2 {
        return Err(RecordError::InvalidStructure);
    }
    let bytes = from.rest();
    for _ in 0..count {
        header(from)?;
    }
    Ok((count, &bytes[..bytes.len() - from.remaining()]))
}

fn header<'a>(from: &mut Cursor<'a>) -> Result<Header<'a>, RecordError> {
    let key = bytes_or_null(from)?.ok_or(RecordError::InvalidStructure)?;
    Ok(Header { key, value: bytes_or_null(from)? })
}

impl From<CursorError> for RecordError {
    fn from(_: CursorError) -> Self {
        RecordError::InvalidStructure
    }
}
