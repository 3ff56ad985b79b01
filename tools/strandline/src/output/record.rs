//! Records for programs: JSON lines, CSV, raw values, or a format of the user's. Which fields, how
//! bytes look, and what must not be shown is decided once; writing a record allocates nothing.

use std::io::Write;
use std::str::FromStr;

use clap::ValueEnum;
use sha2::{Digest, Sha256};
use strandline::record::{BatchHeader, FetchedRecord};

use super::decode::Text;
use super::escape::escaped;
use super::format::{Format, Row};
use super::json::{codec_name, decimal, string};
use crate::base64;
use crate::exit::{Failure, Result};
use crate::global::{Global, Output};
use crate::internal::spoken::Spoken;

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
pub(crate) enum Field {
    Topic,
    Partition,
    Offset,
    Timestamp,
    TimestampType,
    Key,
    Value,
    KeySize,
    ValueSize,
    Sequence,
    Headers,
    BatchPosition,
    BatchOffset,
    ProducerId,
    ProducerEpoch,
    LeaderEpoch,
    Codec,
}

/// What JSON lines and CSV hold unless `--fields` says otherwise, for records of a file.
pub(crate) const OF_A_FILE: &[Field] = &[
    Field::Offset,
    Field::Timestamp,
    Field::Key,
    Field::Value,
    Field::KeySize,
    Field::ValueSize,
    Field::Sequence,
    Field::Headers,
    Field::BatchPosition,
];

/// The same for records of a partition, whatever files they lie in.
pub(crate) const OF_A_PARTITION: &[Field] = &[
    Field::Topic,
    Field::Partition,
    Field::Offset,
    Field::Timestamp,
    Field::Key,
    Field::Value,
    Field::KeySize,
    Field::ValueSize,
    Field::Sequence,
    Field::Headers,
];

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// As text where they are UTF-8, else base64.
    Utf8,
    Base64,
    Hex,
    /// As the JSON that they are; as text where they are none.
    Json,
    /// As text, with `\xff` for what is no UTF-8.
    Escape,
}

/// What is not shown, and whether its SHA-256 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redact {
    what: Bytes,
    hash: bool,
}

/// Which bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Key,
    Value,
    Header,
}

impl FromStr for Redact {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Redact, String> {
        let (what, how) = text.split_once('=').unwrap_or((text, ""));
        let wrong = || format!("`{text}`: keys, values or headers is wanted, or keys=sha256");
        let what = match what {
            "keys" => Bytes::Key,
            "values" => Bytes::Value,
            "headers" => Bytes::Header,
            _ => return Err(wrong()),
        };
        match how {
            "" => Ok(Redact { what, hash: false }),
            "sha256" => Ok(Redact { what, hash: true }),
            _ => Err(wrong()),
        }
    }
}

/// Writes records in the form that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    form: Form,
    fields: Vec<Field>,
    encoding: Encoding,
    redact: Vec<Redact>,
    int64_as_string: bool,
    null: String,
}

#[derive(Clone, Debug)]
enum Form {
    Json,
    Csv,
    Raw,
    Format(Format),
}

impl Writer {
    /// In the form that the options ask for; `None` if it is the one for people.
    pub(crate) fn new(global: &Global, usual: &[Field]) -> Result<Option<Writer>> {
        let form = match (&global.format, global.output()) {
            (Some(format), Output::Human) => Form::Format(format.clone()),
            (Some(_), _) => return Err(Failure::usage("-F and -o exclude each other")),
            (None, Output::Jsonl) => Form::Json,
            (None, Output::Csv) => Form::Csv,
            (None, Output::Raw) => Form::Raw,
            (None, _) if !global.fields.is_empty() => {
                let why = "--fields chooses columns of --json and -o csv; for people there is -F";
                return Err(Failure::usage(why));
            }
            (None, _) => return Ok(None),
        };
        let hides_headers = global.redact.iter().any(|rule| rule.what == Bytes::Header);
        if hides_headers && matches!(&form, Form::Format(format) if format.shows_headers()) {
            return Err(Failure::usage("%h shows the headers that --redact hides"));
        }
        let fields = if global.fields.is_empty() { usual.to_vec() } else { global.fields.clone() };
        Ok(Some(Writer {
            form,
            fields,
            encoding: global.encoding,
            redact: global.redact.clone(),
            int64_as_string: global.int64_as_string,
            null: global.null.clone(),
        }))
    }

    /// JSON lines, whatever form is asked for.
    pub(crate) fn always_json(global: &Global, usual: &[Field]) -> Writer {
        let fields = if global.fields.is_empty() { usual.to_vec() } else { global.fields.clone() };
        Writer {
            form: Form::Json,
            fields,
            encoding: global.encoding,
            redact: global.redact.clone(),
            int64_as_string: global.int64_as_string,
            null: String::new(),
        }
    }

    /// JSON lines as they are without any option.
    #[cfg(test)]
    pub(crate) fn plain_json() -> Writer {
        Writer {
            form: Form::Json,
            fields: OF_A_PARTITION.to_vec(),
            encoding: Encoding::Utf8,
            redact: Vec::new(),
            int64_as_string: false,
            null: String::new(),
        }
    }

    /// Whether records are JSON lines.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json)
    }

    /// Whether what is written of a record hangs on how many there were before it.
    pub(crate) fn counts(&self) -> bool {
        matches!(&self.form, Form::Format(format) if format.counts())
    }

    /// The line that stands above all others, if the form has one.
    pub(crate) fn heading(&self, out: &mut Vec<u8>) {
        if !matches!(self.form, Form::Csv) {
            return;
        }
        for (number, field) in self.fields.iter().enumerate() {
            out.extend_from_slice(if number > 0 { b"," } else { b"" });
            out.extend_from_slice(field.name().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// If a time cannot be written as the user's format says.
    pub(crate) fn write(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<()> {
        match &self.form {
            Form::Json => self.json(row, out),
            Form::Csv => self.csv(row, out),
            Form::Format(format) => {
                let hidden = Masked::of(row, &self.redact);
                return format.write(hidden.row(row), out).map_err(Failure::usage);
            }
            Form::Raw => {
                let hidden = Masked::of(row, &self.redact);
                out.extend_from_slice(hidden.row(row).value.bytes.unwrap_or_default());
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn json(&self, row: Row<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"record\"");
        for &field in &self.fields {
            out.extend_from_slice(field.json_name());
            match field.of(row) {
                Is::Number(number) if self.int64_as_string && field.is_long() => {
                    out.push(b'"');
                    decimal(number, out);
                    out.push(b'"');
                }
                Is::Number(number) => decimal(number, out),
                Is::Nothing => out.extend_from_slice(b"null"),
                Is::Text(text) => string(text, out),
                Is::Bytes(bytes) => {
                    let name = if field == Field::Key { "keyEncoding" } else { "valueEncoding" };
                    let which = if field == Field::Key { Bytes::Key } else { Bytes::Value };
                    self.json_bytes(bytes, which, name, out);
                    json_decoded(field, row, out);
                }
                Is::Headers => self.json_headers(row.record, out),
            }
        }
        if let Some(spoken) = self.spoken(row) {
            out.extend_from_slice(b",\"decoded\":");
            spoken.write_json(out);
        }
        out.extend_from_slice(b"}\n");
    }

    /// What a record of an internal topic says, unless a part of it must not be shown or only some
    /// fields are asked for.
    fn spoken<'a>(&self, row: Row<'a>) -> Option<Spoken<'a>> {
        let as_it_is = !row.key.decoded && !row.value.decoded;
        let all = self.redact.is_empty() && self.fields.contains(&Field::Value) && as_it_is;
        let record = row.record;
        all.then(|| Spoken::of(row.topic, record.key(), record.value())).flatten()
    }

    fn json_bytes(&self, bytes: &[u8], which: Bytes, name: &str, out: &mut Vec<u8>) {
        let encoding = match self.rule(which) {
            Some(rule) => {
                out.push(b'"');
                hidden(bytes, rule.hash, out);
                out.push(b'"');
                if rule.hash { "sha256" } else { "redacted" }
            }
            None => match self.encoding {
                Encoding::Utf8 => match std::str::from_utf8(bytes) {
                    Ok(text) => return string(text, out),
                    Err(_) => in_quotes(out, |out| base64::encode(bytes, out), "base64"),
                },
                Encoding::Base64 => in_quotes(out, |out| base64::encode(bytes, out), "base64"),
                Encoding::Hex => in_quotes(out, |out| hex(bytes, out), "hex"),
                Encoding::Json if serde_json::from_slice::<serde_json::Value>(bytes).is_ok() => {
                    // On one line, whatever it looked like.
                    one_line_of_json(bytes, out);
                    "json"
                }
                Encoding::Json => return string(&String::from_utf8_lossy(bytes), out),
                Encoding::Escape => {
                    let mut text = Vec::new();
                    escaped(bytes, &mut text);
                    string(&String::from_utf8_lossy(&text), out);
                    "escape"
                }
            },
        };
        let _ = write!(out, ",\"{name}\":\"{encoding}\"");
    }

    fn json_headers(&self, record: &FetchedRecord<'_>, out: &mut Vec<u8>) {
        out.push(b'[');
        for (number, header) in record.headers().enumerate() {
            out.extend_from_slice(if number > 0 { b",{\"key\":" } else { b"{\"key\":" });
            if let Ok(text) = std::str::from_utf8(header.key) {
                string(text, out);
            } else {
                let how = in_quotes(out, |out| base64::encode(header.key, out), "base64");
                let _ = write!(out, ",\"keyEncoding\":\"{how}\"");
            }
            out.extend_from_slice(b",\"value\":");
            match header.value {
                Some(value) => self.json_bytes(value, Bytes::Header, "valueEncoding", out),
                None => out.extend_from_slice(b"null"),
            }
            out.push(b'}');
        }
        out.push(b']');
    }

    fn csv(&self, row: Row<'_>, out: &mut Vec<u8>) {
        for (number, &field) in self.fields.iter().enumerate() {
            out.extend_from_slice(if number > 0 { b"," } else { b"" });
            let start = out.len();
            match field.of(row) {
                Is::Number(number) => decimal(number, out),
                Is::Nothing => out.extend_from_slice(self.null.as_bytes()),
                Is::Text(text) => out.extend_from_slice(text.as_bytes()),
                Is::Bytes(bytes) => {
                    let which = if field == Field::Key { Bytes::Key } else { Bytes::Value };
                    self.csv_bytes(bytes, which, out);
                    quote(start, bytes.is_empty(), out);
                }
                Is::Headers => {
                    self.json_headers(row.record, out);
                    quote(start, false, out);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn csv_bytes(&self, bytes: &[u8], which: Bytes, out: &mut Vec<u8>) {
        match (self.rule(which), self.encoding) {
            (Some(rule), _) => hidden(bytes, rule.hash, out),
            (None, Encoding::Base64) => base64::encode(bytes, out),
            (None, Encoding::Hex) => hex(bytes, out),
            (None, Encoding::Escape) => escaped(bytes, out),
            (None, Encoding::Utf8 | Encoding::Json) => match std::str::from_utf8(bytes) {
                Ok(_) => out.extend_from_slice(bytes),
                Err(_) => base64::encode(bytes, out),
            },
        }
    }

    fn rule(&self, which: Bytes) -> Option<Redact> {
        self.redact.iter().find(|rule| rule.what == which).copied()
    }
}

/// Appends which schema a decoded key or value names.
fn json_decoded(field: Field, row: Row<'_>, out: &mut Vec<u8>) {
    let (name, text) = match field {
        Field::Key => ("key", row.key),
        _ => ("value", row.value),
    };
    if let Some(schema) = text.schema {
        let _ = write!(out, ",\"{name}SchemaId\":{schema}");
    }
}

/// A record's key and value as the rules let them be seen, where a rule says something of them.
pub(crate) struct Masked {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Masked {
    pub(crate) fn of(row: Row<'_>, rules: &[Redact]) -> Masked {
        let mut it = Masked { key: None, value: None };
        for rule in rules {
            let (text, to) = match rule.what {
                Bytes::Key => (row.key, &mut it.key),
                Bytes::Value => (row.value, &mut it.value),
                Bytes::Header => continue,
            };
            *to = text.bytes.map(|bytes| rule.shown(bytes));
        }
        it
    }

    /// The row with them.
    pub(crate) fn row<'a>(&'a self, row: Row<'a>) -> Row<'a> {
        let text = |hidden: &'a Option<Vec<u8>>, text| match hidden {
            Some(bytes) => Text { bytes: Some(bytes), decoded: true, schema: None },
            None => text,
        };
        Row { key: text(&self.key, row.key), value: text(&self.value, row.value), ..row }
    }
}

impl Redact {
    /// What is shown of some bytes.
    fn shown(self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        hidden(bytes, self.hash, &mut out);
        out
    }

    /// What is shown of a key, by the rules.
    pub(crate) fn of_key(rules: &[Redact], key: &[u8]) -> Option<Vec<u8>> {
        let rule = rules.iter().find(|rule| rule.what == Bytes::Key)?;
        Some(rule.shown(key))
    }

    /// What is shown of a header's value, by the rules.
    pub(crate) fn of_header(rules: &[Redact], value: &[u8]) -> Option<Vec<u8>> {
        let rule = rules.iter().find(|rule| rule.what == Bytes::Header)?;
        Some(rule.shown(value))
    }
}

/// What is in a field.
enum Is<'a> {
    Nothing,
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Headers,
}

impl Field {
    fn name(self) -> &'static str {
        // `,"name":` without what stands around it.
        let name = self.json_name();
        std::str::from_utf8(&name[2..name.len() - 2]).unwrap_or_default()
    }

    fn json_name(self) -> &'static [u8] {
        match self {
            Field::Topic => b",\"topic\":",
            Field::Partition => b",\"partition\":",
            Field::Offset => b",\"offset\":",
            Field::Timestamp => b",\"timestamp\":",
            Field::TimestampType => b",\"timestampType\":",
            Field::Key => b",\"key\":",
            Field::Value => b",\"value\":",
            Field::KeySize => b",\"keySize\":",
            Field::ValueSize => b",\"valueSize\":",
            Field::Sequence => b",\"sequence\":",
            Field::Headers => b",\"headers\":",
            Field::BatchPosition => b",\"batchPosition\":",
            Field::BatchOffset => b",\"batchOffset\":",
            Field::ProducerId => b",\"producerId\":",
            Field::ProducerEpoch => b",\"producerEpoch\":",
            Field::LeaderEpoch => b",\"leaderEpoch\":",
            Field::Codec => b",\"codec\":",
        }
    }

    /// Whether its numbers may be too large for a reader with 53 bits.
    fn is_long(self) -> bool {
        matches!(self, Field::Offset | Field::Timestamp | Field::BatchOffset | Field::ProducerId)
    }

    fn of(self, row: Row<'_>) -> Is<'_> {
        let (record, batch) = (row.record, row.batch);
        let number = |number: Option<i64>| number.map_or(Is::Nothing, Is::Number);
        let size = |bytes: Option<&[u8]>| number(bytes.map(|bytes| bytes.len() as i64));
        let bytes = |bytes| match bytes {
            Some(bytes) => Is::Bytes(bytes),
            None => Is::Nothing,
        };
        match self {
            Field::Topic => Is::Text(row.topic),
            Field::Partition => Is::Number(row.partition.into()),
            Field::Offset => Is::Number(record.offset()),
            Field::Timestamp => number(record.timestamp()),
            Field::TimestampType => Is::Text(record.timestamp_type().name()),
            Field::Key => bytes(row.key.bytes),
            Field::Value => bytes(row.value.bytes),
            Field::KeySize => size(record.key()),
            Field::ValueSize => size(record.value()),
            Field::Sequence => number(record.sequence().map(|it| it.0.into())),
            Field::Headers => Is::Headers,
            Field::BatchPosition => number(row.batch_position.map(|at| at as i64)),
            Field::BatchOffset => number(batch.map(BatchHeader::base_offset)),
            Field::ProducerId => number(batch.and_then(BatchHeader::producer_id).map(|it| it.0)),
            Field::ProducerEpoch => {
                number(batch.and_then(BatchHeader::producer_epoch).map(|it| it.0.into()))
            }
            Field::LeaderEpoch => number(record.leader_epoch().map(|it| it.0.into())),
            Field::Codec => match batch.and_then(|batch| batch.attributes().codec()) {
                Some(codec) => Is::Text(codec.name()),
                None => batch.map_or(Is::Nothing, |batch| {
                    Is::Number(codec_name(batch).trim_start_matches("codec-").parse().unwrap_or(0))
                }),
            },
        }
    }
}

/// Writes between quotes, and gives the name of what was written.
fn in_quotes(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
    name: &'static str,
) -> &'static str {
    out.push(b'"');
    write(out);
    out.push(b'"');
    name
}

fn hidden(bytes: &[u8], hash: bool, out: &mut Vec<u8>) {
    if hash {
        hex(&Sha256::digest(bytes), out);
    } else {
        out.extend_from_slice(b"<redacted>");
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Valid JSON without the line ends that stand between its tokens.
fn one_line_of_json(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
}

/// Puts what begins at `start` between quotes where CSV (RFC 4180) wants that. What is empty gets
/// them too: without them it is null.
fn quote(start: usize, is_empty: bool, out: &mut Vec<u8>) {
    let text = &out[start..];
    if !is_empty && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        return;
    }
    if !text.contains(&b'"') {
        out.insert(start, b'"');
        out.push(b'"');
        return;
    }
    let text = out.split_off(start);
    out.push(b'"');
    for byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_would_be_taken_for_something_else() {
        let quoted = |text: &str| {
            let mut out = text.as_bytes().to_vec();
            quote(0, text.is_empty(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted("a\r\nb"), "\"a\r\nb\"");
    }

    #[test]
    fn the_fields_have_the_same_names_as_options_and_in_output() {
        for field in Field::value_variants() {
            assert_eq!(field.to_possible_value().unwrap().get_name(), field.name());
        }
        for wrong in ["key", "keys=md5", "", "=sha256"] {
            assert!(wrong.parse::<Redact>().is_err(), "{wrong}");
        }
    }
}
