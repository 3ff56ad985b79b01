//! JSON lines of the schema `strandline/1`: an object a line, Kafka's names, fields in a fixed
//! order. Written by hand, for a record takes no allocation this way.

use std::io::Write;

use strandline::record::{BatchHeader, ControlRecord, FetchedRecord, TransactionEnd};

/// The schema that `file` and `summary` lines name.
pub(crate) const SCHEMA: &str = "strandline/1";

/// An object that is being written at the end of some bytes.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins a line of that type.
    pub(crate) fn line(kind: &str, out: &'a mut Vec<u8>) -> Object<'a> {
        let mut object = Object::begin(out);
        object.text("type", kind);
        object
    }

    /// Begins an object within a line.
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, empty: true }
    }

    /// Ends a line.
    pub(crate) fn end_line(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// Ends an object within a line.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// Begins a field, and gives where its value is to be written as JSON. The name needs no
    /// escapes.
    pub(crate) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A text under a name that somebody else chose.
    pub(crate) fn named_text(&mut self, name: &str, value: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        string(name, self.out);
        self.out.push(b':');
        string(value, self.out);
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        string(value, self.field(name));
    }

    pub(crate) fn maybe_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: impl Into<i64>) {
        decimal(value.into(), self.field(name));
    }

    /// A number of bytes, or a place among them.
    pub(crate) fn size(&mut self, name: &str, value: u64) {
        self.number(name, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(crate) fn maybe_number(&mut self, name: &str, value: Option<impl Into<i64>>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn texts(&mut self, name: &str, values: &[&str]) {
        let out = self.field(name);
        out.push(b'[');
        for (number, value) in values.iter().enumerate() {
            out.extend_from_slice(if number > 0 { b"," } else { b"" });
            string(value, out);
        }
        out.push(b']');
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.field(name).extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.field(name).extend_from_slice(b"null");
    }
}

/// Appends a number in decimal.
pub(crate) fn decimal(value: i64, out: &mut Vec<u8>) {
    let (mut digits, mut from, mut rest) = ([0; 20], 20, value.unsigned_abs());
    while rest > 0 || from == 20 {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[from..]);
}

/// Which bytes of a JSON string are not written as they are.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[0x7f] = true;
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

/// Appends a JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !ESCAPED[usize::from(byte)] {
            continue;
        }
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b"",
        };
        out.extend_from_slice(&bytes[plain_from..at]);
        plain_from = at + 1;
        if short.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.extend_from_slice(short);
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

/// Appends a `batch` line.
pub(crate) fn batch_line(position: u64, header: &BatchHeader, crc_ok: bool, out: &mut Vec<u8>) {
    let attributes = header.attributes();
    let mut line = Object::line("batch", out);
    line.size("position", position);
    line.number("size", header.size_bytes() as i64);
    line.number("baseOffset", header.base_offset());
    line.number("lastOffset", header.last_offset());
    line.number("count", header.record_count());
    line.number("magic", 2);
    line.text("codec", &codec_name(header));
    line.text("timestampType", attributes.timestamp_type().name());
    let base = header.base_timestamp();
    line.maybe_number("baseTimestamp", (base != -1).then_some(base));
    line.maybe_number("maxTimestamp", header.max_timestamp());
    line.maybe_number("producerId", header.producer_id().map(|id| id.0));
    line.maybe_number("producerEpoch", header.producer_epoch().map(|epoch| epoch.0));
    line.maybe_number("baseSequence", header.base_sequence().map(|sequence| sequence.0));
    line.maybe_number("lastSequence", header.last_sequence().map(|sequence| sequence.0));
    line.maybe_number("leaderEpoch", header.leader_epoch().map(|epoch| epoch.0));
    line.flag("transactional", attributes.is_transactional());
    line.flag("control", attributes.is_control());
    line.maybe_number("deleteHorizonMs", header.delete_horizon());
    line.number("crc", header.crc());
    line.flag("crcOk", crc_ok);
    line.end_line();
}

/// Appends a `control` line for the record of a control batch.
pub(crate) fn control_line(
    header: &BatchHeader,
    record: &FetchedRecord<'_>,
    control: ControlRecord,
    out: &mut Vec<u8>,
) {
    let mut line = Object::line("control", out);
    line.number("offset", record.offset());
    line.text("control", &control_name(control));
    let version = record.value().and_then(|value| value.first_chunk());
    line.maybe_number("version", version.map(|version| i16::from_be_bytes(*version)));
    match control {
        ControlRecord::EndTransaction { coordinator_epoch, .. } => {
            line.number("coordinatorEpoch", coordinator_epoch);
        }
        _ => line.null("coordinatorEpoch"),
    }
    line.maybe_number("producerId", header.producer_id().map(|id| id.0));
    line.maybe_number("producerEpoch", header.producer_epoch().map(|epoch| epoch.0));
    line.end_line();
}

/// Kafka's name of a batch's codec, or its number if Kafka has given it no name.
pub(crate) fn codec_name(header: &BatchHeader) -> String {
    let attributes = header.attributes();
    match attributes.codec() {
        Some(codec) => codec.name().to_owned(),
        None => format!("codec-{}", attributes.codec_id()),
    }
}

/// Kafka's name of what a control record says.
pub(crate) fn control_name(control: ControlRecord) -> String {
    let name = match control {
        ControlRecord::EndTransaction { end: TransactionEnd::Commit, .. } => "COMMIT",
        ControlRecord::EndTransaction { end: TransactionEnd::Abort, .. } => "ABORT",
        ControlRecord::Other(2) => "LEADER_CHANGE",
        ControlRecord::Other(3) => "SNAPSHOT_HEADER",
        ControlRecord::Other(4) => "SNAPSHOT_FOOTER",
        ControlRecord::Other(5) => "KRAFT_VERSION",
        ControlRecord::Other(6) => "KRAFT_VOTERS",
        ControlRecord::Other(other) => return format!("CONTROL-{other}"),
        _ => "UNKNOWN",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_a_json_reader() {
        let text: String =
            (0..0x3000).filter_map(char::from_u32).chain(['😀', '\u{fffd}']).collect();
        let mut out = Vec::new();
        string(&text, &mut out);
        assert!(out.iter().all(|&byte| byte >= 0x20 && byte != 0x7f));
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for value in [0, 1, -1, 9, 10, -10, 1_700_000_000_008, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            decimal(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn fields_stand_in_the_order_in_which_they_were_given() {
        let mut out = Vec::new();
        let mut line = Object::line("x", &mut out);
        line.number("n", i64::MIN);
        line.maybe_number("none", None::<i64>);
        line.flag("yes", true);
        line.end_line();
        let wanted = r#"{"type":"x","n":-9223372036854775808,"none":null,"yes":true}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{wanted}\n"));
    }
}
