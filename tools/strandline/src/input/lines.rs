//! `--input-format lines`: a record a line, its value the line's bytes unchanged. With fields named,
//! the line is also read as JSON, and key and time are taken from it.

use std::borrow::Cow;

use serde_json::Value;

use super::{Parsed, Time};
use crate::time;

/// Which fields of a line are what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) key: Option<String>,
    pub(crate) timestamp: Option<String>,
}

/// The record of a line.
///
/// # Errors
///
/// What is wrong with the line.
pub(crate) fn parse<'a>(line: &'a [u8], fields: &Fields) -> Result<Parsed<'a>, String> {
    let value = Some(Cow::Borrowed(line));
    if fields.key.is_none() && fields.timestamp.is_none() {
        return Ok(Parsed { value, ..Parsed::default() });
    }
    let json = read_json(line)?;
    let key = match &fields.key {
        None => None,
        Some(name) => match find(&json, name)? {
            Value::Null => None,
            Value::String(text) => Some(Cow::Owned(text.clone().into_bytes())),
            other => Some(Cow::Owned(other.to_string().into_bytes())),
        },
    };
    let time = match &fields.timestamp {
        None => Time::Append,
        Some(name) => {
            timestamp(find(&json, name)?).map_err(|why| format!("field `{name}`: {why}"))?
        }
    };
    Ok(Parsed { key, value, time, ..Parsed::default() })
}

/// A line read as JSON.
pub(super) fn read_json(line: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(line).map_err(|error| {
        // Each line is line 1 to the reader of JSON; the column is what tells.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default().to_owned();
        format!("not JSON: {what} at column {}", error.column())
    })
}

/// The field of that name; a name with dots reaches into objects.
fn find<'v>(json: &'v Value, name: &str) -> Result<&'v Value, String> {
    reach(json, name).ok_or_else(|| format!("there is no field `{name}`"))
}

fn reach<'v>(json: &'v Value, name: &str) -> Option<&'v Value> {
    let object = json.as_object()?;
    if let Some(value) = object.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(dot, _)| reach(object.get(&name[..dot])?, &name[dot + 1..]))
}

/// A time: milliseconds since 1970, an RFC 3339 text, or null for none.
pub(super) fn timestamp(value: &Value) -> Result<Time, String> {
    let ms = match value {
        Value::Null => return Ok(Time::Never),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => time::parse_rfc3339(text),
        _ => None,
    };
    ms.map(Time::At)
        .ok_or_else(|| format!("{value} is no time: whole milliseconds or RFC 3339 text is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(key: &str, timestamp: &str) -> Fields {
        let some = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Fields { key: some(key), timestamp: some(timestamp) }
    }

    fn key(line: &str, name: &str) -> Result<Option<String>, String> {
        let parsed = parse(line.as_bytes(), &fields(name, ""))?;
        Ok(parsed.key.map(|key| String::from_utf8(key.into_owned()).unwrap()))
    }

    #[test]
    fn without_fields_any_bytes_are_a_value() {
        let parsed = parse(b"\xff not json", &Fields::default()).unwrap();
        assert_eq!(parsed.value.as_deref(), Some(&b"\xff not json"[..]));
        assert_eq!((parsed.key, parsed.time), (None, Time::Append));
    }

    #[test]
    fn the_value_is_the_line_unchanged_beside_its_fields() {
        let line = br#" {"path": "a\u002fb",  "time":1700000000000 } "#;
        let parsed = parse(line, &fields("path", "time")).unwrap();
        assert_eq!(parsed.value.as_deref(), Some(&line[..]));
        assert_eq!(parsed.key.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(parsed.time, Time::At(1_700_000_000_000));
    }

    #[test]
    fn a_key_is_text_or_compact_json_and_null_is_none() {
        let line = r#"{"s":"x","n":1.50,"o":{"b":1, "a":[true, null]},"z":null,"a.b":7,"a":{"b":8,"c":{"d":9}}}"#;
        let cases = [
            ("s", "x"),
            ("n", "1.5"),
            ("o", r#"{"b":1,"a":[true,null]}"#),
            ("a.b", "7"),
            ("a.c.d", "9"),
        ];
        for (name, wanted) in cases {
            assert_eq!(key(line, name), Ok(Some(wanted.to_owned())), "{name}");
        }
        assert_eq!(key(line, "z"), Ok(None));
        assert_eq!(key(line, "missing"), Err("there is no field `missing`".to_owned()));
        assert!(key("[1]", "s").is_err());
    }

    #[test]
    fn a_time_is_milliseconds_or_rfc3339_and_nothing_else() {
        let time = |json: &str| timestamp(&serde_json::from_str(json).unwrap());
        assert_eq!(time("-5"), Ok(Time::At(-5)));
        assert_eq!(time(r#""1970-01-01T00:00:01Z""#), Ok(Time::At(1000)));
        assert_eq!(time("null"), Ok(Time::Never));
        for wrong in ["1.5", r#""yesterday""#, "true", "[1]", "18446744073709551615"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_json_is_named_with_its_column() {
        let why = parse(br#"{"a":1,}"#, &fields("a", "")).unwrap_err();
        assert!(why.starts_with("not JSON: ") && why.ends_with("at column 8"), "{why}");
    }
}
