//! The attribute bits of a batch. Unknown ones are kept.

use crate::compression::Codec;

/// What a batch's timestamps are (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Each record carries the time that its producer gave it.
    #[default]
    CreateTime,
    /// All records carry the time at which the log appended them.
    LogAppendTime,
}

impl TimestampType {
    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        match self {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        }
    }
}

/// The attributes of a batch, as on disk:
///
/// | bit | meaning |
/// |----:|---------|
/// | 0–2 | codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd |
/// |   3 | timestamp type: 0 `CreateTime`, 1 `LogAppendTime` |
/// |   4 | transactional |
/// |   5 | control batch |
/// |   6 | the base timestamp is a delete horizon |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub(crate) i16);

const CODEC: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

impl Attributes {
    /// All bits, unknown ones included.
    pub fn bits(self) -> i16 {
        self.0
    }

    /// The codec's number, 0 to 7.
    pub fn codec_id(self) -> u8 {
        (self.0 & CODEC) as u8
    }

    /// The codec, if it is one that we know.
    pub fn codec(self) -> Option<Codec> {
        Codec::from_id(self.codec_id())
    }

    /// Whose times the timestamps are.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record.
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether the base timestamp is the time from which tombstones may go.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    pub(crate) fn with_codec(self, codec: Codec) -> Self {
        Attributes(self.0 & !CODEC | i16::from(codec.id()))
    }

    pub(crate) fn with_timestamp_type(self, kind: TimestampType) -> Self {
        self.with(LOG_APPEND_TIME, kind == TimestampType::LogAppendTime)
    }

    pub(crate) fn with_transactional(self, on: bool) -> Self {
        self.with(TRANSACTIONAL, on)
    }

    pub(crate) fn with_control(self, on: bool) -> Self {
        self.with(CONTROL, on)
    }

    pub(crate) fn with_delete_horizon(self, on: bool) -> Self {
        self.with(DELETE_HORIZON, on)
    }

    /// Only the bits that have a meaning: what Kafka leaves when it rewrites them in place.
    pub(crate) fn known(self) -> Self {
        Attributes(self.0 & (CODEC | LOG_APPEND_TIME | TRANSACTIONAL | CONTROL | DELETE_HORIZON))
    }

    /// Only the bits that messages of an old format have: the rest means nothing there.
    pub(super) fn known_in_old_format(self, magic: i8) -> Self {
        Attributes(self.0 & if magic == 0 { CODEC } else { CODEC | LOG_APPEND_TIME })
    }

    fn with(self, mask: i16, on: bool) -> Self {
        Attributes(if on { self.0 | mask } else { self.0 & !mask })
    }
}
