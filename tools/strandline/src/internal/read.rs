//! Reads a message by its table.

use std::fmt;

use super::Release;
use super::cursor::{Cursor, Unread};
use super::table::{Default, Field, Kind, Message, Struct};
use super::text;
use super::value::{Fields, Value};

/// Why bytes are no such message; shown as Kafka says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The bytes end within it, or a varint does not.
    Bytes(Unread),
    /// A string or some bytes would be longer than what is left.
    Longer { wanted: i32, left: usize },
    /// A list would have more elements than there are bytes left.
    Collection { wanted: i32, left: usize },
    /// Null where that cannot be.
    Null(&'static str),
    /// Null among the elements of a list.
    NullElement(&'static str),
    /// A string beyond what its length can say.
    TextTooLong { field: &'static str, len: i32 },
    /// A structure within it has no such version.
    Version { version: i16, name: &'static str },
}

impl From<Unread> for Unreadable {
    fn from(unread: Unread) -> Self {
        Unreadable::Bytes(unread)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Java's exception for this has no message.
            Unreadable::Bytes(Unread::Short) => f.write_str("null"),
            Unreadable::Bytes(Unread::LongVarint(value)) => write!(
                f,
                "Varint is too long, the most significant bit in the 5th byte is set, converted \
                 value: {:x}",
                *value as u32
            ),
            Unreadable::Longer { wanted, left } => write!(
                f,
                "Error reading byte array of {wanted} byte(s): only {left} byte(s) available"
            ),
            Unreadable::Collection { wanted, left } => write!(
                f,
                "Tried to allocate a collection of size {wanted}, but there are only {left} bytes \
                 remaining."
            ),
            Unreadable::Null(field) => {
                write!(f, "non-nullable field {field} was serialized as null")
            }
            Unreadable::NullElement(field) => {
                write!(f, "non-nullable field {field} element was serialized as null")
            }
            Unreadable::TextTooLong { field, len } => {
                write!(f, "string field {field} had invalid length {len}")
            }
            Unreadable::Version { version, name } => {
                write!(f, "Can't read version {version} of {name}")
            }
        }
    }
}

impl Message {
    /// Reads the message of that version from the front of `from`.
    pub(crate) fn read<'a>(
        &self,
        version: i16,
        release: Release,
        from: &mut Cursor<'a>,
    ) -> Result<Fields<'a>, Unreadable> {
        let flexible = self.is_flexible(version);
        Reading { message: self, version, release, flexible }.fields(self.fields, from)
    }
}

/// A message that is being read.
struct Reading<'m> {
    message: &'m Message,
    version: i16,
    release: Release,
    flexible: bool,
}

impl Reading<'_> {
    fn fields<'a>(
        &self,
        fields: &'static [Field],
        from: &mut Cursor<'a>,
    ) -> Result<Fields<'a>, Unreadable> {
        let mut values: Vec<Option<Value<'a>>> = Vec::with_capacity(fields.len());
        for field in fields {
            let here = field.tag.is_none() && self.message.has(field, self.version);
            values.push(if here { Some(self.field(field, from)?) } else { None });
        }
        if self.flexible {
            self.tagged(fields, &mut values, from)?;
        }
        let named = fields.iter().zip(values);
        Ok(Fields(named.filter_map(|(field, value)| Some((field.name, value?))).collect()))
    }

    /// Reads the tagged fields, each to its place; what is not known is skipped.
    fn tagged<'a>(
        &self,
        fields: &'static [Field],
        values: &mut [Option<Value<'a>>],
        from: &mut Cursor<'a>,
    ) -> Result<(), Unreadable> {
        // As in Java a number beyond 31 bits is negative, and then there are none.
        for _ in 0..from.unsigned_varint()? as i32 {
            let (tag, size) = (from.unsigned_varint()?, from.unsigned_varint()?);
            let known = fields.iter().position(|field| {
                let known = field.since <= self.release && self.message.has(field, self.version);
                known && field.tag == Some(tag)
            });
            match known {
                Some(at) => {
                    let value = self.field(&fields[at], from)?;
                    values[at] = Some(value).filter(|value| !is_default(&fields[at], value));
                }
                None => drop(take(size as i32, from)?),
            }
        }
        Ok(())
    }

    fn field<'a>(
        &self,
        field: &'static Field,
        from: &mut Cursor<'a>,
    ) -> Result<Value<'a>, Unreadable> {
        let value = self.value(field, field.kind, from)?;
        if value == Value::Null && !field.nullable {
            return Err(Unreadable::Null(field.name));
        }
        Ok(value)
    }

    fn value<'a>(
        &self,
        field: &'static Field,
        kind: Kind,
        from: &mut Cursor<'a>,
    ) -> Result<Value<'a>, Unreadable> {
        Ok(match kind {
            Kind::Bool => Value::Bool(from.u8()? != 0),
            Kind::Int8 => Value::Number(from.i8()?.into()),
            Kind::Int16 => Value::Number(from.i16()?.into()),
            Kind::Uint16 => Value::Number(from.u16()?.into()),
            Kind::Int32 => Value::Number(from.i32()?.into()),
            Kind::Int64 => Value::Number(from.i64()?),
            Kind::Float64 => Value::Float(from.f64()?),
            Kind::Uuid => Value::Uuid(from.uuid()?),
            Kind::Text => self.text(field.name, from)?,
            Kind::Bytes => match self.length(from)? {
                ..0 => Value::Null,
                len => Value::Bytes(take(len, from)?),
            },
            Kind::Struct(_) if field.nullable && is_null(field, from)? => Value::Null,
            Kind::Struct(of) => Value::Struct(self.structure(of, from)?),
            Kind::List(of) => self.list(field, *of, from)?,
        })
    }

    fn structure<'a>(
        &self,
        of: &'static Struct,
        from: &mut Cursor<'a>,
    ) -> Result<Fields<'a>, Unreadable> {
        if self.message.highest(self.release).is_some_and(|highest| self.version > highest) {
            return Err(Unreadable::Version { version: self.version, name: of.name });
        }
        self.fields(of.fields, from)
    }

    fn list<'a>(
        &self,
        field: &'static Field,
        of: Kind,
        from: &mut Cursor<'a>,
    ) -> Result<Value<'a>, Unreadable> {
        let (wanted, left) = (self.length(from)?, from.remaining());
        let Ok(len) = usize::try_from(wanted) else { return Ok(Value::Null) };
        if len > left {
            return Err(Unreadable::Collection { wanted, left });
        }
        let mut list = Vec::new();
        for _ in 0..len {
            let element = match of {
                Kind::Struct(of) => Value::Struct(self.structure(of, from)?),
                of => self.value(field, of, from)?,
            };
            if element == Value::Null {
                return Err(Unreadable::NullElement(field.name));
            }
            list.push(element);
        }
        Ok(Value::List(list))
    }

    fn text<'a>(
        &self,
        field: &'static str,
        from: &mut Cursor<'a>,
    ) -> Result<Value<'a>, Unreadable> {
        let len = if self.flexible { self.length(from)? } else { i32::from(from.i16()?) };
        match len {
            ..0 => Ok(Value::Null),
            0..=0x7fff => Ok(Value::Text(text::decode(take(len, from)?))),
            _ => Err(Unreadable::TextTooLong { field, len }),
        }
    }

    /// A length; below 0 for null.
    fn length(&self, from: &mut Cursor<'_>) -> Result<i32, Unreadable> {
        if self.flexible {
            Ok((from.unsigned_varint()? as i32).wrapping_sub(1))
        } else {
            Ok(from.i32()?)
        }
    }
}

/// Whether a structure that may be null is: said by a byte, among tagged fields by a varint.
fn is_null(field: &Field, from: &mut Cursor<'_>) -> Result<bool, Unread> {
    match field.tag {
        Some(_) => from.unsigned_varint().map(|marker| marker == 0),
        None => from.i8().map(|marker| marker < 0),
    }
}

fn is_default(field: &Field, value: &Value<'_>) -> bool {
    match field.default {
        Default::Zero => value.is_zero(),
        Default::Number(number) => *value == Value::Number(number),
        Default::Null => *value == Value::Null,
    }
}

fn take<'a>(wanted: i32, from: &mut Cursor<'a>) -> Result<&'a [u8], Unreadable> {
    let left = from.remaining();
    let len = usize::try_from(wanted).map_err(|_| Unreadable::Longer { wanted, left })?;
    from.take(len).map_err(|_| Unreadable::Longer { wanted, left })
}
