//! Records that say in three varints what they are: the version of this frame, a type, the type's
//! version. Those of the metadata log and of the remote log's metadata are.

use std::fmt;

use super::Release;
use super::cursor::Cursor;
use super::table::Message;
use super::value::Fields;

/// What a type's number stands for.
pub(super) type Types = &'static [(i16, &'static Message)];

/// The only version of the frame.
const FRAME: i16 = 1;

/// A record in its frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FramedRecord<'a> {
    pub(crate) message: &'static str,
    pub(crate) version: i16,
    pub(crate) fields: Fields<'a>,
}

/// Why a record could not be read; shown as Kafka says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unframed {
    /// That varint is missing, or longer than a varint is.
    Missing(&'static str),
    /// That number has more than 15 bits.
    TooLarge(&'static str),
    /// The frame of an unfinished release.
    Preview,
    /// A later frame.
    Frame(i16),
    /// The release knows no such type.
    Type(i16),
    /// The bytes are not what the type says.
    Unreadable(i16),
    /// Bytes follow.
    Garbage { left: usize, kind: i16 },
}

impl fmt::Display for Unframed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unframed::Missing(what) => write!(f, "Error while reading {what}"),
            Unframed::TooLarge(what) => write!(f, "Value for {what} was too large."),
            Unframed::Preview => f.write_str(
                "Could not deserialize metadata record with frame version 0. Note that upgrades \
                 from the preview release of KRaft in 2.8 to newer versions are not supported.",
            ),
            Unframed::Frame(version) => write!(
                f,
                "Could not deserialize metadata record due to unknown frame version \
                 {version}(only frame version {FRAME} is supported)"
            ),
            Unframed::Type(kind) => write!(
                f,
                "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id \
                 {kind}"
            ),
            Unframed::Unreadable(kind) => {
                write!(f, "Failed to deserialize record with type {kind}")
            }
            Unframed::Garbage { left, kind } => {
                write!(f, "Found {left} byte(s) of garbage after {kind}")
            }
        }
    }
}

/// Reads a record that is one of `types`, as `release` would.
pub(super) fn decode(
    types: Types,
    release: Release,
    bytes: &[u8],
) -> Result<FramedRecord<'_>, Unframed> {
    let mut cursor = Cursor::new(bytes);
    match short(&mut cursor, "frame version")? {
        FRAME => {}
        0 => return Err(Unframed::Preview),
        version => return Err(Unframed::Frame(version)),
    }
    let kind = short(&mut cursor, "type")?;
    let version = short(&mut cursor, "version")?;
    let known = types.iter().find(|known| known.0 == kind).map(|known| known.1);
    let message =
        known.filter(|message| message.highest(release).is_some()).ok_or(Unframed::Type(kind))?;
    let fields = message.read(version, release, &mut cursor);
    let fields = fields.map_err(|_| Unframed::Unreadable(kind))?;
    match cursor.remaining() {
        0 => Ok(FramedRecord { message: message.name, version, fields }),
        left => Err(Unframed::Garbage { left, kind }),
    }
}

fn short(cursor: &mut Cursor<'_>, what: &'static str) -> Result<i16, Unframed> {
    let number = cursor.unsigned_varint().map_err(|_| Unframed::Missing(what))? as i32;
    if number > i32::from(i16::MAX) {
        return Err(Unframed::TooLarge(what));
    }
    // As Java takes it: the lower 16 bits of a negative one.
    Ok(number as i16)
}
