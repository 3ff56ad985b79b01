//! The records of coordinators: a key whose version says what the record is about, and a value with
//! a version of its own, or none where it is gone.

use std::fmt;

use super::cursor::Cursor;
use super::read::Unreadable;
use super::table::Message;
use super::value::Fields;
use super::{Release, groups, share, transactions};

/// The kinds of records of a topic: the version of the key, the key, the value.
pub(super) type Kinds = &'static [(i16, &'static Message, &'static Message)];

/// A topic that a coordinator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    Transactions,
    /// `__share_group_state`.
    Share,
}

/// A record of a coordinator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CoordinatorRecord<'a> {
    /// What it is about: the version of its key.
    pub(crate) kind: i16,
    /// What Kafka calls its key.
    pub(crate) name: &'static str,
    pub(crate) key: Fields<'a>,
    /// Its version, and what it says; none if it is gone.
    pub(crate) value: Option<(i16, Fields<'a>)>,
}

/// Why a record could not be read; shown as Kafka says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecoded {
    /// The release does not know this kind.
    UnknownKind(i16),
    /// Less than a version.
    NoVersion(Part),
    /// The rest is not what its version says.
    Unreadable { version: i16, part: Part, why: Unreadable },
}

/// Of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Key => "key",
            Part::Value => "value",
        })
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecoded::UnknownKind(kind) => write!(f, "Found unknown record type {kind}"),
            Undecoded::NoVersion(part) => {
                write!(f, "Could not read version from {part}'s buffer.")
            }
            Undecoded::Unreadable { version, part, why } => write!(
                f,
                "Could not read record with version {version} from {part}'s buffer due to: {why}."
            ),
        }
    }
}

impl Topic {
    fn kinds(self) -> Kinds {
        match self {
            Topic::Offsets => groups::KINDS,
            Topic::Transactions => transactions::KINDS,
            Topic::Share => share::KINDS,
        }
    }

    /// Reads a record of this topic, as `release` would.
    pub(crate) fn decode<'a>(
        self,
        release: Release,
        key: &'a [u8],
        value: Option<&'a [u8]>,
    ) -> Result<CoordinatorRecord<'a>, Undecoded> {
        let mut cursor = Cursor::new(key);
        let kind = cursor.i16().map_err(|_| Undecoded::NoVersion(Part::Key))?;
        let known = self.kinds().iter().find(|known| known.0 == kind);
        let (_, of_key, of_value) = known
            .filter(|(_, key, _)| key.highest(release).is_some())
            .ok_or(Undecoded::UnknownKind(kind))?;
        let unreadable = |part, version| move |why| Undecoded::Unreadable { version, part, why };
        let (key, name) = (of_key.read(kind, release, &mut cursor), of_key.name);
        let key = key.map_err(unreadable(Part::Key, kind))?;
        let Some(value) = value else {
            return Ok(CoordinatorRecord { kind, name, key, value: None });
        };
        let mut cursor = Cursor::new(value);
        let version = cursor.i16().map_err(|_| Undecoded::NoVersion(Part::Value))?;
        let value = of_value.read(version, release, &mut cursor);
        let value = value.map_err(unreadable(Part::Value, version))?;
        Ok(CoordinatorRecord { kind, name, key, value: Some((version, value)) })
    }
}
