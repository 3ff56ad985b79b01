//! Messages of formats v0 and v1, read as Kafka's tool does: whatever the checksum says, and with
//! the lengths that are stored even where they lead out of the message.

use strandline::compression::Codec;

use super::batch::{Inflater, TimestampType, codec};
use super::record::{Headers, Legacy, Record};
use super::thrown::Thrown;
use crate::internal::cursor::Cursor;

/// Bytes of offset and length, before the message.
const OVERHEAD: usize = 12;
/// Bytes of the smallest message.
const LEAST: usize = 14;
/// The magic, behind the checksum.
const MAGIC_AT: usize = 4;
const ATTRIBUTES_AT: usize = 5;
const TIMESTAMP_AT: usize = 6;
const KEY_AT: [usize; 2] = [6, 14];

const CODEC: u8 = 0b111;
const APPEND_TIME: u8 = 1 << 3;

/// A message, without the offset and length before it.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) offset: i64,
    bytes: &'a [u8],
    /// The time and its type of the message that this one lies in.
    wrapper: Option<(i64, TimestampType)>,
}

impl<'a> Message<'a> {
    /// The message of these bytes, which begin with its offset and length.
    pub(super) fn new(offset: i64, entry: &'a [u8]) -> Message<'a> {
        Message { offset, bytes: entry.get(OVERHEAD..).unwrap_or_default(), wrapper: None }
    }

    fn magic(self) -> i8 {
        self.bytes.get(MAGIC_AT).map_or(-1, |&byte| byte as i8)
    }

    fn attributes(self) -> Result<u8, Thrown> {
        self.bytes.get(ATTRIBUTES_AT).copied().ok_or_else(Thrown::bounds)
    }

    fn from(self, at: usize) -> Cursor<'a> {
        Cursor::new(self.bytes.get(at..).unwrap_or_default())
    }

    fn int(self, at: usize) -> Result<i32, Thrown> {
        self.from(at).i32().map_err(|_| Thrown::bounds())
    }

    /// That a message of this magic can be read.
    pub(super) fn check_magic(self) -> Result<(), Thrown> {
        match self.magic() {
            0 | 1 => Ok(()),
            magic => Err(Thrown::argument(format!("Invalid magic used in LegacyRecord: {magic}"))),
        }
    }

    pub(super) fn crc(self) -> Result<u32, Thrown> {
        self.from(0).u32().map_err(|_| Thrown::bounds())
    }

    pub(super) fn is_valid(self) -> Result<bool, Thrown> {
        let mut crc = flate2::Crc::new();
        crc.update(self.bytes.get(MAGIC_AT..).unwrap_or_default());
        Ok(self.bytes.len() >= LEAST && self.crc()? == crc.sum())
    }

    pub(super) fn codec(self) -> Result<Codec, Thrown> {
        codec(self.attributes()? & CODEC)
    }

    pub(super) fn timestamp_type(self) -> Result<TimestampType, Thrown> {
        if self.magic() == 0 {
            return Ok(TimestampType::None);
        }
        Ok(match self.wrapper {
            Some((_, of_wrapper)) => of_wrapper,
            None if self.attributes()? & APPEND_TIME == 0 => TimestampType::Create,
            None => TimestampType::LogAppend,
        })
    }

    pub(super) fn timestamp(self) -> Result<i64, Thrown> {
        match self.wrapper {
            _ if self.magic() == 0 => Ok(-1),
            Some((timestamp, TimestampType::LogAppend)) => Ok(timestamp),
            _ => self.from(TIMESTAMP_AT).i64().map_err(|_| Thrown::bounds()),
        }
    }

    fn key_at(self) -> usize {
        KEY_AT[usize::from(self.magic() != 0)]
    }

    fn value_at(self) -> Result<usize, Thrown> {
        let at = self.key_at();
        Ok(at + 4 + usize::try_from(self.int(at)?).unwrap_or(0))
    }

    /// A length at `at`, and so many bytes.
    fn sized(self, at: usize) -> Result<Option<&'a [u8]>, Thrown> {
        let len = self.int(at)?;
        let Ok(wanted) = usize::try_from(len) else { return Ok(None) };
        let rest = self.from(at + 4).rest();
        let found = rest.get(..wanted);
        found.map(Some).ok_or_else(|| {
            Thrown::argument(format!("newLimit > capacity: ({len} > {})", rest.len()))
        })
    }

    fn value(self) -> Result<Option<&'a [u8]>, Thrown> {
        self.sized(self.value_at()?)
    }

    fn record(self) -> Result<Record<'a>, Thrown> {
        Ok(Record {
            offset: self.offset,
            timestamp: self.timestamp()?,
            key_size: self.int(self.key_at())?,
            value_size: self.int(self.value_at()?)?,
            key: self.sized(self.key_at()),
            value: self.value(),
            sequence: -1,
            headers: Headers::default(),
            legacy: Some(Legacy { is_valid: self.is_valid()?, crc: self.crc()? }),
        })
    }
}

/// Gives out the records of a message: itself, or what lies in it.
pub(super) fn each_record<E: From<Thrown>>(
    message: Message<'_>,
    inflater: &mut Inflater,
    mut give: impl FnMut(&Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let codec = message.codec()?;
    if codec == Codec::None {
        return give(&message.record()?);
    }
    let inner = Inner::new(message, codec, inflater)?;
    for mut message in inner.messages {
        if let Some(base) = inner.base {
            message.offset = message.offset.wrapping_add(base);
        }
        if message.codec()? != Codec::None {
            return Err(Thrown::invalid_record("Inner messages must not be compressed").into());
        }
        give(&message.record()?)?;
    }
    Ok(())
}

/// The messages in a compressed one.
struct Inner<'a> {
    messages: Vec<Message<'a>>,
    /// What is added to their offsets, which in format v1 count from the wrapper's first one.
    base: Option<i64>,
}

impl<'a> Inner<'a> {
    fn new(
        wrapper: Message<'_>,
        codec: Codec,
        inflater: &'a mut Inflater,
    ) -> Result<Inner<'a>, Thrown> {
        let magic = wrapper.magic();
        if codec == Codec::Zstd {
            return Err(Thrown::invalid_record(format!(
                "Invalid wrapper compressionType found in legacy deep record iterator {magic}"
            )));
        }
        let Some(value) = wrapper.value()? else {
            return Err(Thrown::invalid_record(format!(
                "Found invalid compressed record set with null value (magic = {magic})"
            )));
        };
        let (inflated, broken) = inflater.inflate(codec, magic, value);
        let around = (wrapper.timestamp()?, wrapper.timestamp_type()?);
        let messages = split(inflated, around)?;
        if let Some(broken) = broken {
            return Err(broken);
        }
        let Some(last) = messages.last() else {
            return Err(Thrown::invalid_record(
                "Found invalid compressed record set with no inner records",
            ));
        };
        let base = match magic {
            0 => None,
            // Some old clients left it at 0.
            _ if wrapper.offset == 0 => Some(0),
            _ if wrapper.offset < last.offset => {
                return Err(Thrown::invalid_record(format!(
                    "Found invalid wrapper offset in compressed v1 message set, wrapper offset \
                     '{}' is less than the last inner message offset '{}' and it is not zero.",
                    wrapper.offset, last.offset
                )));
            }
            _ => Some(wrapper.offset.wrapping_sub(last.offset)),
        };
        Ok(Inner { messages, base })
    }
}

/// Cuts a stream into messages; one that is not whole ends it.
fn split(stream: &[u8], around: (i64, TimestampType)) -> Result<Vec<Message<'_>>, Thrown> {
    let mut messages = Vec::new();
    let mut cursor = Cursor::new(stream);
    while let (Ok(offset), Ok(len)) = (cursor.i64(), cursor.i32()) {
        let Some(len) = usize::try_from(len).ok().filter(|&len| len >= LEAST) else {
            return Err(Thrown::corrupt(format!(
                "Record size is less than the minimum record overhead ({LEAST})"
            )));
        };
        let Ok(bytes) = cursor.take(len) else { break };
        let mut message = Message { offset, bytes, wrapper: None };
        if message.magic() == 1 {
            message.wrapper = Some(around);
        }
        messages.push(message);
    }
    Ok(messages)
}
