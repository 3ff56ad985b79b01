//! A record of any format, as Kafka's tool has it in hand.

use super::thrown::Thrown;
use crate::internal::cursor::{Cursor, Unread};

/// A record.
pub(super) struct Record<'a> {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    /// As stored; below 0 for none.
    pub(super) key_size: i32,
    pub(super) value_size: i32,
    /// Looked at only if it is to be shown; in a damaged message of an old format it may not be
    /// there.
    pub(super) key: Result<Option<&'a [u8]>, Thrown>,
    pub(super) value: Result<Option<&'a [u8]>, Thrown>,
    /// −1 if it has none.
    pub(super) sequence: i32,
    pub(super) headers: Headers<'a>,
    /// What a message of formats v0 and v1 says of itself.
    pub(super) legacy: Option<Legacy>,
}

/// The checksum of a message of formats v0 and v1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Legacy {
    pub(super) is_valid: bool,
    pub(super) crc: u32,
}

/// The headers of a record, all of which could be read.
#[derive(Clone, Copy, Default)]
pub(super) struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Reads over `count` headers.
    pub(super) fn read(count: i32, from: &mut Cursor<'a>) -> Result<Headers<'a>, Thrown> {
        let invalid = |_| Thrown::invalid_record("Found invalid record structure");
        let Ok(count) = usize::try_from(count) else {
            let text = format!("Found invalid number of record headers {count}");
            return Err(Thrown::invalid_record(text));
        };
        if count > from.remaining() {
            return Err(Thrown::invalid_record(format!(
                "Found invalid number of record headers. {count} is larger than the remaining \
                 size of the buffer"
            )));
        }
        let bytes = from.rest();
        for _ in 0..count {
            let len = from.varint().map_err(invalid)?;
            let Ok(len) = usize::try_from(len) else {
                let text = format!("Invalid negative header key size {len}");
                return Err(Thrown::invalid_record(text));
            };
            from.take(len).map_err(invalid)?;
            sized(from).map_err(invalid)?;
        }
        Ok(Headers { count, bytes: &bytes[..bytes.len() - from.remaining()] })
    }

    /// Their keys, in order.
    pub(super) fn keys(self) -> impl Iterator<Item = &'a [u8]> {
        let mut cursor = Cursor::new(self.bytes);
        (0..self.count).map_while(move |_| {
            let key = sized(&mut cursor).ok()?;
            sized(&mut cursor).ok()?;
            key
        })
    }
}

/// A varint length, and so many bytes; none for a negative one.
pub(super) fn sized<'a>(from: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Unread> {
    match usize::try_from(from.varint()?) {
        Ok(len) => from.take(len).map(Some),
        Err(_) => Ok(None),
    }
}
