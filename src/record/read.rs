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
    /// With no more left than these the next one is not read quickly.
    slow: i32,
    cursor: Cursor<'a>,
    /// The length of the record before.
    last: Length,
}

impl<'a> Records<'a> {
    /// Messages of format v0 or v1, as records.
    pub(super) fn of_messages(messages: LegacyMessages<'a>) -> Self {
        Records(Kind::Messages(Some(messages)))
    }

    /// The records in `piece`, some of those of the batch with this header, one behind the other;
    /// behind the last of them the fault is given out that there are too few.
    pub(super) fn in_piece(header: &BatchHeader, piece: &'a [u8]) -> Self {
        Records(Kind::Batch(BatchRecords { left: i32::MAX, ..BatchRecords::new(header, piece) }))
    }

    /// The record at `offset`, if it is there: compaction may have dropped it.
    ///
    /// # Errors
    ///
    /// If a record before it, or it itself, is malformed.
    pub(crate) fn at(mut self, offset: Offset) -> Result<Option<FetchedRecord<'a>>, RecordError> {
        let record = self.find(|it| it.as_ref().map_or(true, |it| it.offset() >= offset));
        Ok(record.transpose()?.filter(|it| it.offset() == offset))
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
        // An emptied batch keeps its header alone, whatever stands behind it.
        let payload = if header.record_count() == 0 { &[] } else { payload };
        Ok(Records(Kind::Batch(BatchRecords::new(header, payload))))
    }
}

impl<'a> BatchRecords<'a> {
    fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        let timestamp_type = header.attributes().timestamp_type();
        let append_time = (timestamp_type == TimestampType::LogAppendTime)
            .then(|| header.max_timestamp().unwrap_or(-1));
        BatchRecords {
            base_offset: header.base_offset(),
            base_timestamp: header.base_timestamp(),
            append_time,
            timestamp_type,
            leader_epoch: header.leader_epoch(),
            base_sequence: header.base_sequence(),
            left: header.record_count(),
            slow: if is_far_from_the_ends(header) { 1 } else { i32::MAX },
            cursor: Cursor::new(payload),
            last: Length::NONE,
        }
    }

    /// The next record, if its length is near enough the last one's, it has no headers, its numbers
    /// are small and it is not the last; else nothing is changed.
    #[expect(clippy::inline_always, reason = "see `Records::quick`")]
    #[inline(always)]
    fn quick(&mut self) -> Option<FetchedRecord<'a>> {
        if self.left <= self.slow {
            return None;
        }
        let rest = self.cursor.rest();
        let word = u64::from_le_bytes(*rest.first_chunk()?);
        if (word ^ self.last.word) & self.last.mask != 0 {
            self.last = Length::in_word(word);
        }
        let Length { len, size, .. } = self.last;
        let (bytes, behind) = rest.split_at_checked(len + size)?;
        // A length that does not fit in a word takes none of it.
        let body = Body::quick(bytes.get(len..).filter(|_| len > 0)?)?;
        // Neither sum overflows, for both bases are far from the ends.
        let offset = self.base_offset.wrapping_add(Offset::from(body.offset_delta));
        let quick = self.base_timestamp.wrapping_add(body.timestamp_delta);
        let timestamp = self.append_time.unwrap_or(quick);
        if offset < 0 {
            return None;
        }
        self.cursor = Cursor::new(behind);
        self.left -= 1;
        Some(self.record(offset, timestamp, &body))
    }

    #[expect(clippy::inline_always, reason = "see `Records::quick`")]
    #[inline(always)]
    fn record(&self, offset: Offset, timestamp: Timestamp, body: &Body<'a>) -> FetchedRecord<'a> {
        FetchedRecord {
            offset,
            timestamp,
            timestamp_type: self.timestamp_type,
            leader_epoch: self.leader_epoch,
            sequence: self.base_sequence.map(|base| base.plus(body.offset_delta.max(0))),
            key: body.key,
            value: body.value,
            header_count: body.header_count,
            header_bytes: body.header_bytes,
        }
    }

    fn read(&mut self) -> Result<FetchedRecord<'a>, RecordError> {
        let body = Body::read(self.take_body()?)?;
        if self.left == 1 && self.cursor.remaining() != 0 {
            return Err(RecordError::TooManyRecords);
        }
        let offset = self.base_offset.checked_add(Offset::from(body.offset_delta));
        let offset = offset.filter(|&at| at >= 0).ok_or(RecordError::DeltaOutOfRange)?;
        let timestamp = match self.append_time {
            Some(time) => Some(time),
            None => self.base_timestamp.checked_add(body.timestamp_delta),
        };
        let timestamp = timestamp.ok_or(RecordError::DeltaOutOfRange)?;
        Ok(self.record(offset, timestamp, &body))
    }

    /// Takes the next record's bytes, those of its length not among them.
    fn take_body(&mut self) -> Result<&'a [u8], RecordError> {
        if self.cursor.remaining() == 0 {
            return Err(RecordError::TooFewRecords);
        }
        let size = varint::get(&mut self.cursor)?;
        let size = usize::try_from(size).map_err(|_| RecordError::InvalidStructure)?;
        Ok(self.cursor.take(size)?)
    }
}

/// Whether no delta that is read quickly, of four bytes at most, leads a batch's offsets or times to
/// where they have no number.
fn is_far_from_the_ends(header: &BatchHeader) -> bool {
    let is_far =
        |base: i64| base.checked_add(1 << 32).is_some() && base.checked_sub(1 << 32).is_some();
    is_far(header.base_offset()) && is_far(header.base_timestamp())
}

/// A record's length as it lies there, and what it says. Mostly the next record's is the same: to
/// compare it, rather than to read it, lets a processor go on with the next record before this one's
/// length has come from memory.
#[derive(Clone, Copy, Debug)]
struct Length {
    word: u64,
    /// The bits of `word` that are the length's.
    mask: u64,
    /// Bytes that it takes, 0 if it is none that fits here.
    len: usize,
    size: usize,
}

impl Length {
    /// Before the first record: none.
    const NONE: Length = Length { word: 0, mask: u64::MAX, len: 0, size: 0 };

    /// What `word` begins with.
    #[inline]
    fn in_word(word: u64) -> Length {
        match varint::in_word(word) {
            Some((size, len)) if size >= 0 => {
                let mask = u64::MAX >> (64 - 8 * len);
                Length { word, mask, len, size: size as usize }
            }
            // The next one is to be looked at again.
            _ => Length { word: !word, mask: u64::MAX, len: 0, size: 0 },
        }
    }
}

/// What the bytes of a record say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Body<'a> {
    timestamp_delta: Timestamp,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    header_bytes: &'a [u8],
}

impl<'a> Body<'a> {
    /// What [`Body::read`] gives, for a record without headers and with small numbers: read in words.
    #[expect(clippy::inline_always, reason = "see `Records::quick`")]
    #[inline(always)]
    fn quick(bytes: &'a [u8]) -> Option<Body<'a>> {
        let word = u64::from_le_bytes(*bytes.first_chunk()?) >> 8;
        let (timestamp_delta, timestamp_len) = varint::in_word(word)?;
        let word = word >> (8 * timestamp_len);
        let (offset_delta, offset_len) = varint::in_word(word)?;
        let at = 1 + timestamp_len + offset_len;
        if at > size_of::<u64>() {
            // The word ended before the number did.
            return None;
        }
        let (key, at) = if word >> (8 * offset_len) & 0xff == NULL && at < size_of::<u64>() {
            (None, at + 1)
        } else {
            quick_bytes(bytes, at)?
        };
        // Behind the value there is the count of headers alone.
        let (&headers, bytes) = bytes.split_last()?;
        let (size, len) = quick_len(bytes, at)?;
        let rest = bytes.get(at + len..)?;
        let is_whole = headers == 0 && rest.len() == size.max(0) as usize;
        let value = if size >= 0 { Some(rest) } else { None };
        is_whole.then_some(Body {
            timestamp_delta: timestamp_delta.into(),
            offset_delta,
            key,
            value,
            header_count: 0,
            header_bytes: &[],
        })
    }

    /// Reads any record.
    fn read(bytes: &'a [u8]) -> Result<Body<'a>, RecordError> {
        let mut body = Cursor::new(bytes);
        body.u8()?; // attributes: none are defined
        let timestamp_delta = varint::get_long(&mut body)?;
        let offset_delta = varint::get(&mut body)?;
        let key = bytes_or_null(&mut body)?;
        let value = bytes_or_null(&mut body)?;
        let (header_count, header_bytes) = headers(&mut body)?;
        if body.remaining() != 0 {
            return Err(RecordError::LengthMismatch);
        }
        Ok(Body { timestamp_delta, offset_delta, key, value, header_count, header_bytes })
    }
}

/// The length of a key or value that is null, as it lies there.
const NULL: u64 = 1;

/// A length at `at`, and how many bytes it takes.
#[inline]
fn quick_len(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    match bytes.get(at..)? {
        [first, ..] if *first < 0x80 => varint::in_word((*first).into()),
        [first, second, ..] if *second < 0x80 => {
            varint::in_word(u64::from(*first) | u64::from(*second) << 8)
        }
        longer => varint::in_word(u64::from_le_bytes(*longer.first_chunk()?)),
    }
}

/// Bytes behind their length, or null, at `at`; and where they end.
#[inline]
fn quick_bytes(bytes: &[u8], at: usize) -> Option<(Option<&[u8]>, usize)> {
    let (size, len) = quick_len(bytes, at)?;
    let from = at + len;
    if size < 0 {
        return Some((None, from));
    }
    let to = from + size as usize;
    Some((Some(bytes.get(from..to)?), to))
}

impl<'a> Records<'a> {
    /// The next record, if it is one like most; none says nothing, and [`Iterator::next`] is to be
    /// asked. Inlined, so that a caller that looks at a part of a record has no other put together.
    #[expect(clippy::inline_always, reason = "a call would copy a record of a hundred bytes twice")]
    #[inline(always)]
    pub(crate) fn quick(&mut self) -> Option<FetchedRecord<'a>> {
        match &mut self.0 {
            Kind::Batch(records) => records.quick(),
            Kind::Messages(_) => None,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<FetchedRecord<'a>, RecordError>;

    #[expect(clippy::inline_always, reason = "as for `quick`")]
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.quick() {
            Some(record) => Some(Ok(record)),
            None => self.next_of_any(),
        }
    }
}

impl<'a> Records<'a> {
    #[inline(never)]
    fn next_of_any(&mut self) -> Option<Result<FetchedRecord<'a>, RecordError>> {
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

    #[inline]
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::encode::Parts;
    use crate::record::room::Room;

    fn small_or_large() -> impl Strategy<Value = i64> {
        // The third are those of four bytes, two of which a word does not hold.
        prop_oneof![-70_i64..70, -10_000_i64..10_000, -1_i64 << 26..1 << 26, -1_i64 << 40..1 << 40]
    }

    fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        let lengths = prop_oneof![0_usize..4, 50_usize..70, 8190_usize..8200];
        proptest::option::of(lengths.prop_map(|len| vec![0x81; len]))
    }

    #[test]
    fn numbers_that_one_word_does_not_hold_are_not_read_from_it() {
        let (timestamp_delta, offset_delta) = (1 << 26, 1 << 26);
        let (key, value, headers) = (None, Some(&b"a value"[..]), [].into_iter());
        let parts = Parts { timestamp_delta, offset_delta, key, value, headers };
        let mut record = Room::default();
        assert!(parts.put(usize::MAX, &mut record));
        let body = &record[1..];
        assert_eq!(Body::quick(body), None);
        assert_eq!(Body::read(body).unwrap().offset_delta, offset_delta);
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_what_is_read(
            (timestamp_delta, offset_delta) in (small_or_large(), small_or_large()),
            (key, value) in (bytes(), bytes()),
            header in proptest::option::of(bytes()),
            (flipped, to) in (0_usize..20, any::<u8>()),
        ) {
            let header = header.as_ref().map(|value| (&b"name"[..], value.as_deref()));
            let parts = Parts {
                timestamp_delta,
                offset_delta: offset_delta as i32,
                key: key.as_deref(),
                value: value.as_deref(),
                headers: header.iter().copied(),
            };
            let mut record = Room::default();
            prop_assert!(parts.put(usize::MAX, &mut record));
            let mut record = record.to_vec();
            let size = varint::get(&mut Cursor::new(&record)).unwrap() as usize;
            let mut body = record.split_off(record.len() - size);
            let read = Body::read(&body);
            prop_assert!(read.is_ok());
            if let Some(quick) = Body::quick(&body) {
                prop_assert_eq!(Ok(quick), read);
            } else {
                let is_large = timestamp_delta.abs() >= 1 << 20 || offset_delta.abs() >= 1 << 12;
                prop_assert!(is_large || header.is_some() || size < 16);
            }
            // Whatever the bytes are, both read them alike.
            if let Some(byte) = body.get_mut(flipped) {
                *byte = to;
            }
            if let Some(quick) = Body::quick(&body) {
                prop_assert_eq!(Ok(quick), Body::read(&body));
            }
        }
    }
}
