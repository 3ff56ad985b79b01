//! `--input-format jsonl`: the `record` lines that `fetch --json` and `dump -r --json` write.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::lines::{read_json, timestamp};
use super::{Header, Parsed};
use crate::base64;

/// The record of a line; `None` for a line of another type, which those commands write too.
///
/// # Errors
///
/// What is wrong with the line.
pub(crate) fn parse(line: &[u8]) -> Result<Option<Parsed<'static>>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut json = match read_json(line)? {
        Value::Object(json) => json,
        other => return Err(format!("an object is wanted, not {}", kind(&other))),
    };
    match json.get("type") {
        None => {}
        Some(Value::String(name)) if name == "record" => {}
        Some(Value::String(name)) if OTHERS.contains(&name.as_str()) => return Ok(None),
        Some(other) => return Err(format!("a line of unknown type {other}")),
    }
    let key = bytes(&mut json, "key", "keyEncoding")?.map(Cow::Owned);
    let value = bytes(&mut json, "value", "valueEncoding")?.map(Cow::Owned);
    let time = match json.get("timestamp") {
        None => super::Time::Append,
        Some(time) => timestamp(time).map_err(|why| format!("field `timestamp`: {why}"))?,
    };
    let headers = match json.remove("headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(headers)) => headers.into_iter().map(header).collect::<Result<_, _>>()?,
        Some(other) => {
            return Err(format!("field `headers`: a list is wanted, not {}", kind(&other)));
        }
    };
    Ok(Some(Parsed { key, value, headers, time }))
}

/// Lines beside records: they hold nothing to append.
const OTHERS: [&str; 5] = ["file", "batch", "control", "finding", "summary"];

fn header(json: Value) -> Result<Header<'static>, String> {
    let Value::Object(mut json) = json else {
        return Err(format!("a header is an object, not {}", kind(&json)));
    };
    let name = bytes(&mut json, "key", "keyEncoding")?.ok_or("a header has no `key`")?;
    let name = String::from_utf8(name).map_err(|_| "a header's name is no UTF-8")?;
    let value = bytes(&mut json, "value", "valueEncoding")?;
    Ok((Cow::Owned(name), value.map(Cow::Owned)))
}

/// A text, or what it says in the encoding that another field names; null or nothing is none.
fn bytes(
    json: &mut Map<String, Value>,
    name: &str,
    encoding: &str,
) -> Result<Option<Vec<u8>>, String> {
    let text = match json.remove(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => {
            return Err(format!("field `{name}`: text or null is wanted, not {}", kind(&other)));
        }
    };
    match json.get(encoding) {
        None | Some(Value::Null) => Ok(Some(text.into_bytes())),
        Some(Value::String(how)) if how == "utf8" => Ok(Some(text.into_bytes())),
        Some(Value::String(how)) if how == "base64" => match base64::decode(&text) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(format!("field `{name}` is no base64")),
        },
        Some(other) => Err(format!("field `{encoding}`: base64 is wanted, not {other}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use strandline::compression::Decompressor;
    use strandline::{LogFile, Piece};

    use super::*;
    use crate::input::Time;
    use crate::output::format::Row;
    use crate::output::record::Writer;

    #[test]
    fn what_is_written_for_a_record_is_read_back() {
        let file =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/basic-0/00000000000000000000.log");
        let log = LogFile::open(file).unwrap();
        let (mut decompressor, mut inflated) = (Decompressor::new(), Vec::new());
        let (mut pieces, mut seen) = (log.pieces(), 0);
        while let Some(piece) = pieces.next_piece().unwrap() {
            let Piece::Batch(batch) = piece.what else { panic!("{piece:?}") };
            for record in batch
                .records(&mut decompressor, 1 << 20, &mut inflated)
                .unwrap()
                .map(Result::unwrap)
            {
                let mut line = Vec::new();
                let row = Row::of(&record, None, None, ("t", 0, 0));
                Writer::plain_json().write(row, &mut line).unwrap();
                let parsed = parse(&line).unwrap().unwrap();
                assert_eq!(parsed.key.as_deref(), record.key());
                assert_eq!(parsed.value.as_deref(), record.value());
                assert_eq!(parsed.time, record.timestamp().map_or(Time::Never, Time::At));
                let headers: Vec<_> =
                    record.headers().map(|header| (header.key, header.value)).collect();
                let read: Vec<_> =
                    parsed.headers.iter().map(|(k, v)| (k.as_bytes(), v.as_deref())).collect();
                assert_eq!(read, headers);
                seen += 1;
            }
        }
        assert_eq!(seen, 13);
    }

    #[test]
    fn a_line_may_say_little_and_null_is_not_empty() {
        let parsed = parse(br#"{"value":""}"#).unwrap().unwrap();
        assert_eq!((parsed.key, parsed.value.as_deref()), (None, Some(&b""[..])));
        assert_eq!(parsed.time, Time::Append);
        let parsed =
            parse(br#"{"type":"record","timestamp":null,"key":"","value":null}"#).unwrap().unwrap();
        assert_eq!((parsed.key.as_deref(), parsed.value), (Some(&b""[..]), None));
        assert_eq!(parsed.time, Time::Never);
    }

    #[test]
    fn other_lines_of_the_same_commands_are_passed_over() {
        for line in [
            "",
            "  ",
            r#"{"type":"file","schema":"strandline/1"}"#,
            r#"{"type":"control"}"#,
            r#"{"type":"summary"}"#,
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn a_broken_line_is_refused_with_its_reason() {
        let cases = [
            ("nonsense", "not JSON"),
            ("[]", "an object is wanted"),
            (r#"{"type":"recrod"}"#, "unknown type"),
            (r#"{"value":1}"#, "text or null is wanted"),
            (r#"{"value":"a","valueEncoding":"base64"}"#, "no base64"),
            (r#"{"value":"a","valueEncoding":"hex"}"#, "base64 is wanted"),
            (r#"{"headers":{}}"#, "a list is wanted"),
            (r#"{"headers":[{"value":"x"}]}"#, "no `key`"),
            (r#"{"timestamp":"soon"}"#, "no time"),
        ];
        for (line, why) in cases {
            let refused = parse(line.as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{line}: {refused}");
        }
    }
}
