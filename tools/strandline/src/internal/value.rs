//! What was read from a message: a tree of values, and how it looks as JSON.

use std::borrow::Cow;
use std::io::Write;

use crate::base64;
use crate::output::json::decimal;

/// A value of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Number(i64),
    Float(f64),
    Uuid([u8; 16]),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Struct(Fields<'a>),
}

/// The fields of a message or structure, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields<'a>(pub(crate) Vec<(&'static str, Value<'a>)>);

impl<'a> Fields<'a> {
    /// A field by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        self.0.iter_mut().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// A number field.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A text field.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A UUID field.
    pub(crate) fn uuid(&self, name: &str) -> Option<[u8; 16]> {
        match self.get(name)? {
            Value::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }

    /// The structures of a list; none if there is no such list.
    pub(crate) fn structs(&self, name: &str) -> impl Iterator<Item = &Fields<'a>> {
        let list = match self.get(name) {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        list.iter().filter_map(|value| match value {
            Value::Struct(fields) => Some(fields),
            _ => None,
        })
    }

    /// A structure within this one.
    pub(crate) fn inner(&self, name: &str) -> Option<&Fields<'a>> {
        match self.get(name)? {
            Value::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// Appends them as a JSON object, without spaces.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (number, (name, value)) in self.0.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            let _ = write!(out, "\"{name}\":");
            value.write_json(out);
        }
        out.push(b'}');
    }
}

impl Value<'_> {
    /// Whether it is 0, false or empty.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(flag) => !flag,
            Value::Number(number) => *number == 0,
            Value::Float(number) => *number == 0.0,
            Value::Uuid(uuid) => *uuid == [0; 16],
            Value::Text(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Struct(fields) => fields.0.iter().all(|(_, value)| value.is_zero()),
        }
    }

    /// Appends it as JSON, in the form of Kafka's own tools: bytes in base64, UUIDs as text.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Value::Number(number) => decimal(*number, out),
            Value::Float(number) => float(*number, out),
            Value::Uuid(uuid) => {
                out.push(b'"');
                write_uuid(*uuid, out);
                out.push(b'"');
            }
            Value::Text(text) => string(text, out),
            Value::Bytes(bytes) => {
                out.push(b'"');
                base64::encode(bytes, out);
                out.push(b'"');
            }
            Value::List(list) => {
                out.push(b'[');
                for (number, value) in list.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    value.write_json(out);
                }
                out.push(b']');
            }
            Value::Struct(fields) => fields.write_json(out),
        }
    }
}

/// Appends a UUID as Kafka writes one: base64 for URLs, without padding.
pub(crate) fn write_uuid(uuid: [u8; 16], out: &mut Vec<u8>) {
    let start = out.len();
    base64::encode(&uuid, out);
    out.truncate(start + 22);
    for byte in &mut out[start..] {
        match byte {
            b'+' => *byte = b'-',
            b'/' => *byte = b'_',
            _ => {}
        }
    }
}

/// Appends a string with the escapes that Kafka's JSON library uses.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => drop(write!(out, "\\u{byte:04X}")),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends a double as Java does: a point always, an exponent from ten millions on and below a
/// thousandth. One that is no number is a string.
fn float(number: f64, out: &mut Vec<u8>) {
    let size = number.abs();
    let _ = if number.is_nan() {
        write!(out, "\"NaN\"")
    } else if number.is_infinite() {
        write!(out, "\"{}Infinity\"", if number < 0.0 { "-" } else { "" })
    } else if number == 0.0 || (1e-3..1e7).contains(&size) {
        write!(out, "{number:?}")
    } else {
        let text = format!("{number:E}");
        match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => {
                write!(out, "{digits}.0E{exponent}")
            }
            _ => write!(out, "{text}"),
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        value.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_look_as_java_writes_them() {
        let shown = [0.0, 1.0, -2.5, 1_234_567.0, 1e7, 1.5e300, 1e-3, 1e-4, f64::NAN, -1.0 / 0.0]
            .map(|number| json(&Value::Float(number)));
        let java = ["0.0", "1.0", "-2.5", "1234567.0", "1.0E7", "1.5E300", "0.001", "1.0E-4"];
        assert_eq!(shown[..8], java);
        assert_eq!(shown[8..], ["\"NaN\"", "\"-Infinity\""]);
    }

    #[test]
    fn text_bytes_and_ids_look_as_kafkas_json_writes_them() {
        let text = Value::Text("a\"\\\n\t\u{8}\u{c}\u{1b}\u{7f}é".into());
        assert_eq!(json(&text), "\"a\\\"\\\\\\n\\t\\b\\f\\u001B\u{7f}é\"");
        assert_eq!(json(&Value::Bytes(b"\0\x01")), "\"AAE=\"");
        let mut uuid = [0xff; 16];
        uuid[15] = 0xf0;
        assert_eq!(json(&Value::Uuid(uuid)), "\"____________________8A\"");
    }
}
