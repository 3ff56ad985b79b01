//! What a message is made of: the words in which its table is written.

use super::Release;

/// A message: what it is called, and its fields in order.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: &'static str,
    /// The versions that there are, in each release; `None` where it is unknown.
    versions: (Option<i16>, i16),
    lowest: i16,
    /// The first version with compact lengths and tagged fields.
    flexible_from: i16,
    pub(crate) fields: &'static [Field],
}

impl Message {
    /// A message of one version, without tagged fields: the key of a coordinator's record.
    pub(crate) const fn key(name: &'static str, version: i16, fields: &'static [Field]) -> Self {
        let versions = (Some(version), version);
        Message { name, versions, lowest: version, flexible_from: i16::MAX, fields }
    }

    /// A message of the versions 0 to `highest`, flexible from the first one on.
    pub(crate) const fn new(name: &'static str, highest: i16, fields: &'static [Field]) -> Self {
        let versions = (Some(highest), highest);
        Message { name, versions, lowest: 0, flexible_from: 0, fields }
    }

    /// The first flexible version.
    pub(crate) const fn flexible_from(mut self, version: i16) -> Self {
        self.flexible_from = version;
        self
    }

    /// No version is flexible.
    pub(crate) const fn inflexible(self) -> Self {
        self.flexible_from(i16::MAX)
    }

    /// 3.9 knows the versions up to this one.
    pub(crate) const fn in_v3(mut self, highest: i16) -> Self {
        self.versions.0 = Some(highest);
        self
    }

    /// 3.9 does not know it.
    pub(crate) const fn since_v4(mut self) -> Self {
        self.versions.0 = None;
        self
    }

    /// The highest version in a release, if that knows the message.
    pub(crate) fn highest(&self, release: Release) -> Option<i16> {
        match release {
            Release::V3 => self.versions.0,
            Release::V4 => Some(self.versions.1),
        }
    }

    /// Whether that version has compact lengths and tagged fields. One beyond those that there
    /// are is read as the nearest one.
    pub(super) fn is_flexible(&self, version: i16) -> bool {
        self.flexible_from <= self.lowest || version >= self.flexible_from
    }

    /// Whether that version has the field.
    pub(super) fn has(&self, field: &Field, version: i16) -> bool {
        (field.from <= self.lowest || version >= field.from)
            && (field.until >= self.versions.1 || version <= field.until)
    }
}

/// A field of a message or of a structure in it.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    from: i16,
    until: i16,
    pub(super) nullable: bool,
    pub(super) tag: Option<u32>,
    pub(super) default: Default,
    /// The first release that knows it. Only for tagged fields: the others make a new version.
    pub(super) since: Release,
}

/// What a field is taken for that is not there. A tagged field with this value is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// 0, false, empty.
    Zero,
    Number(i64),
    Null,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    Text,
    Bytes,
    Struct(&'static Struct),
    List(&'static Kind),
}

/// A structure within a message.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        let (tag, default, since) = (None, Default::Zero, Release::V3);
        Field { name, kind, from: 0, until: i16::MAX, nullable: false, tag, default, since }
    }

    /// The first version that has it.
    pub(crate) const fn from(mut self, version: i16) -> Self {
        self.from = version;
        self
    }

    /// The last version that has it.
    pub(crate) const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }

    /// It may be null.
    pub(crate) const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// It stands among the tagged fields, under this number.
    pub(crate) const fn tagged(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    /// It is this number where it is not there.
    pub(crate) const fn else_number(mut self, number: i64) -> Self {
        self.default = Default::Number(number);
        self
    }

    /// It is null where it is not there.
    pub(crate) const fn else_null(mut self) -> Self {
        self.default = Default::Null;
        self.or_null()
    }

    /// 3.9 does not know it.
    pub(crate) const fn since_v4(mut self) -> Self {
        self.since = Release::V4;
        self
    }
}

pub(super) const fn flag(name: &'static str) -> Field {
    Field::new(name, Kind::Bool)
}

pub(super) const fn int8(name: &'static str) -> Field {
    Field::new(name, Kind::Int8)
}

pub(super) const fn int16(name: &'static str) -> Field {
    Field::new(name, Kind::Int16)
}

pub(super) const fn uint16(name: &'static str) -> Field {
    Field::new(name, Kind::Uint16)
}

pub(super) const fn int32(name: &'static str) -> Field {
    Field::new(name, Kind::Int32)
}

pub(super) const fn int64(name: &'static str) -> Field {
    Field::new(name, Kind::Int64)
}

pub(super) const fn float64(name: &'static str) -> Field {
    Field::new(name, Kind::Float64)
}

pub(super) const fn uuid(name: &'static str) -> Field {
    Field::new(name, Kind::Uuid)
}

pub(super) const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}

pub(super) const fn bytes(name: &'static str) -> Field {
    Field::new(name, Kind::Bytes)
}

pub(super) const fn texts(name: &'static str) -> Field {
    Field::new(name, Kind::List(&Kind::Text))
}

pub(super) const fn int16s(name: &'static str) -> Field {
    Field::new(name, Kind::List(&Kind::Int16))
}

pub(super) const fn int32s(name: &'static str) -> Field {
    Field::new(name, Kind::List(&Kind::Int32))
}

pub(super) const fn uuids(name: &'static str) -> Field {
    Field::new(name, Kind::List(&Kind::Uuid))
}

pub(super) const fn one(name: &'static str, of: &'static Struct) -> Field {
    Field::new(name, Kind::Struct(of))
}

/// A list; give it as `Kind::Struct`.
pub(super) const fn list(name: &'static str, of: &'static Kind) -> Field {
    Field::new(name, Kind::List(of))
}
