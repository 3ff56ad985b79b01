//! Records for people: a line each, columns that settle, nothing raw.

use std::io::Write;

use strandline::record::{BatchHeader, ControlRecord, FetchedRecord};

use super::decode::Text;
use super::escape::{escaped, one_line};
use super::format::Row;
use super::json::control_name;
use super::record::{Masked, Redact};
use super::style::{Ink, Style};
use crate::global::Global;
use crate::internal::spoken::Spoken;
use crate::time::Times;

/// Columns grow with what was seen, but not beyond this.
const WIDEST_KEY: usize = 40;
/// As wide as the time of a record.
const TIME_WIDTH: usize = 24;

/// Writes records as lines, one below the other.
pub(crate) struct Rows {
    style: Style,
    /// Cut lines to so many columns.
    width: Option<usize>,
    offset_width: usize,
    key_width: usize,
    size_width: usize,
    times: Times,
    redact: Vec<Redact>,
    scratch: Vec<u8>,
}

impl Rows {
    pub(crate) fn new(style: Style, width: Option<usize>, global: &Global) -> Rows {
        Rows {
            style,
            width,
            offset_width: 3,
            key_width: 8,
            size_width: 5,
            times: global.times(),
            redact: global.redact.clone(),
            scratch: Vec::new(),
        }
    }

    /// Whether something must not be shown.
    pub(crate) fn redacts(&self) -> bool {
        !self.redact.is_empty()
    }

    /// Appends the line of a record as it lies there.
    pub(crate) fn record(&mut self, record: &FetchedRecord<'_>, out: &mut Vec<u8>) {
        self.row(Row::of(record, None, None, ("", 0, 0)), out);
    }

    /// Appends the line of a record.
    pub(crate) fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        let record = row.record;
        let hidden = Masked::of(row, &self.redact);
        let row = hidden.row(row);
        let start = out.len();
        let mut used = self.begin(record, out);
        let key = &mut self.scratch;
        key.clear();
        key.extend_from_slice(b"key=");
        schema(row.key, key);
        quoted(row.key.bytes, key);
        if self.width.is_some() {
            shorten(key, WIDEST_KEY);
        }
        self.key_width = self.key_width.max(columns(key).min(WIDEST_KEY));
        used += 2 + padded(key, self.key_width, out);
        out.extend_from_slice(b"  ");
        let size = match record.value() {
            Some(value) => bytes(value.len() as u64),
            None => "–".to_owned(),
        };
        self.size_width = self.size_width.max(size.chars().count());
        used += 2 + self.size_width;
        let (on, off) = (self.style.on(Ink::Good), self.style.off());
        let _ = write!(out, "{on}{size:>width$}{off}  ", width = self.size_width);
        let tail = &mut self.scratch;
        tail.clear();
        schema(row.value, tail);
        if let Some(value) = row.value.bytes {
            if value.is_empty() { tail.extend_from_slice(b"\"\"") } else { escaped(value, tail) }
        }
        let value_columns = columns(tail);
        for (number, header) in record.headers().enumerate() {
            tail.extend_from_slice(if number == 0 { b"  headers: " } else { b"  " });
            name(header.key, tail);
            tail.push(b'=');
            let hidden = header.value.and_then(|value| Redact::of_header(&self.redact, value));
            quoted(hidden.as_deref().or(header.value), tail);
        }
        let left = self.width.map(|width| width.saturating_sub(used + 2));
        cut(tail, value_columns, left, out);
        self.end(start, out);
    }

    /// Appends the line of a record of an internal topic, in words.
    pub(crate) fn spoken(
        &mut self,
        record: &FetchedRecord<'_>,
        spoken: &Spoken<'_>,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let used = self.begin(record, out);
        let tail = &mut self.scratch;
        tail.clear();
        tail.extend_from_slice(spoken.kind().as_bytes());
        tail.push(b' ');
        if spoken.write_key(tail) {
            tail.push(b' ');
        }
        spoken.write_value(tail);
        // What its texts hold is the clients' own: no control character gets through.
        let shown = one_line(&String::from_utf8_lossy(tail));
        tail.clear();
        tail.extend_from_slice(shown.as_bytes());
        let columns = columns(tail);
        cut(tail, columns, self.width.map(|width| width.saturating_sub(used)), out);
        self.end(start, out);
    }

    /// Appends the line of a control record.
    pub(crate) fn control(
        &mut self,
        header: &BatchHeader,
        record: &FetchedRecord<'_>,
        control: ControlRecord,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let used = self.begin(record, out);
        let tail = &mut self.scratch;
        tail.clear();
        let _ = write!(tail, "{}", control_name(control));
        if let (Some(id), Some(epoch)) = (header.producer_id(), header.producer_epoch()) {
            let _ = write!(tail, "  producer {id}/{epoch}");
        }
        if let ControlRecord::EndTransaction { coordinator_epoch, .. } = control {
            let _ = write!(tail, "  coordinator epoch {coordinator_epoch}");
        }
        let columns = columns(tail);
        cut(tail, columns, self.width.map(|width| width.saturating_sub(used)), out);
        self.end(start, out);
    }

    fn end(&self, start: usize, out: &mut Vec<u8>) {
        fit(start, self.width, self.style, out);
        out.push(b'\n');
    }

    /// Offset and time; gives the columns that they take, and two behind them.
    fn begin(&mut self, record: &FetchedRecord<'_>, out: &mut Vec<u8>) -> usize {
        let offset = record.offset().to_string();
        self.offset_width = self.offset_width.max(offset.len());
        let (on, off) = (self.style.on(Ink::Offset), self.style.off());
        let _ = write!(out, "{on}{offset:<width$}{off} ", width = self.offset_width);
        self.scratch.clear();
        match record.timestamp() {
            Some(ms) => self.times.write(ms, &mut self.scratch),
            None => self.scratch.extend_from_slice("–".as_bytes()),
        }
        let used = self.offset_width + 1 + padded(&self.scratch, TIME_WIDTH, out);
        out.extend_from_slice(b"  ");
        used + 2
    }
}

/// Appends which schema a decoded key or value names.
fn schema(text: Text<'_>, out: &mut Vec<u8>) {
    if let Some(schema) = text.schema {
        let _ = write!(out, "schema {schema}: ");
    }
}

/// Appends `text`, which takes `value_columns` and headers behind them, or as much of it as fits.
fn cut(text: &[u8], value_columns: usize, left: Option<usize>, out: &mut Vec<u8>) {
    let Some(left) = left.filter(|&left| columns(text) > left) else {
        out.extend_from_slice(text);
        return;
    };
    let text = String::from_utf8_lossy(text);
    let hidden = text.len().saturating_sub(left.min(value_columns));
    let note = format!("…(+{})", bytes(hidden as u64));
    let keep = left.saturating_sub(note.chars().count());
    out.extend(text.chars().take(keep).collect::<String>().into_bytes());
    out.extend(note.chars().take(left).collect::<String>().into_bytes());
}

/// Lets the line that begins at `start` have no spaces at its end, and not be wider than the
/// terminal.
pub(crate) fn fit(start: usize, width: Option<usize>, style: Style, line: &mut Vec<u8>) {
    while line.len() > start && line.last() == Some(&b' ') {
        line.pop();
    }
    if let Some(width) = width
        && clip(start, width, line)
    {
        line.extend_from_slice(style.off().as_bytes());
    }
}

/// Cuts text that takes more columns, and says so.
pub(crate) fn shorten(text: &mut Vec<u8>, most: usize) {
    if columns(text) > most {
        clip(0, most - 1, text);
        text.extend_from_slice("…".as_bytes());
    }
}

/// Cuts what begins at `start` to so many columns, colours not counted; says whether it had more.
fn clip(start: usize, width: usize, text: &mut Vec<u8>) -> bool {
    let (mut columns, mut in_escape) = (0, false);
    for (at, &byte) in text.iter().enumerate().skip(start) {
        match byte {
            0x1b => in_escape = true,
            b'm' if in_escape => in_escape = false,
            _ if in_escape || byte & 0xc0 == 0x80 => {}
            _ if columns == width => {
                text.truncate(at);
                return true;
            }
            _ => columns += 1,
        }
    }
    false
}

/// A key or value: itself, `null`, or in quotes where it could be taken for something else.
fn quoted(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value else {
        out.extend_from_slice(b"null");
        return;
    };
    let plain = !value.is_empty()
        && value != b"null"
        && !value.starts_with(b"\"")
        && !value.starts_with(b" ")
        && !value.ends_with(b" ");
    in_quotes(value, !plain, out);
}

/// A header's name: in quotes unless it is a plain word.
fn name(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(byte);
    in_quotes(value, value.is_empty() || !value.iter().all(plain), out);
}

fn in_quotes(value: &[u8], quotes: bool, out: &mut Vec<u8>) {
    let quote: &[u8] = if quotes { b"\"" } else { b"" };
    out.extend_from_slice(quote);
    escaped(value, out);
    out.extend_from_slice(quote);
}

/// Appends text and spaces up to a width; gives the columns that it takes.
fn padded(text: &[u8], width: usize, out: &mut Vec<u8>) -> usize {
    let columns = columns(text);
    out.extend_from_slice(text);
    out.extend(std::iter::repeat_n(b' ', width.saturating_sub(columns)));
    columns.max(width)
}

/// Characters of UTF-8 text: near enough to columns.
fn columns(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

/// A number of bytes: `707 B`, `1.2 KiB`, `537 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while size >= 1023.5
        && let Some(larger) = units.next()
    {
        size /= 1024.0;
        unit = larger;
    }
    if size < 99.95 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// A number with commas: `99,515`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A stretch of offsets, both ends in it: `offset 7`, `offsets 0–12`.
pub(crate) fn span(first: i64, last: i64) -> String {
    if first == last { format!("offset {first}") } else { format!("offsets {first}–{last}") }
}

/// So many of a thing: `1 batch`, `8 batches`.
pub(crate) fn many(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_read_well() {
        assert_eq!([0, 1023, 1024, 1_258_291].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.2 MiB"]);
        assert_eq!(
            [(1 << 20) - 1, 1021 << 10, 102_348].map(bytes),
            ["1.0 MiB", "1021 KiB", "99.9 KiB"]
        );
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(
            [0, 999, 1000, 99_515, 1_234_567].map(count),
            ["0", "999", "1,000", "99,515", "1,234,567"]
        );
        assert_eq!(many(1, "batch", "batches"), "1 batch");
    }

    #[test]
    fn null_empty_and_the_word_null_differ() {
        let shown = |value: Option<&[u8]>| {
            let mut out = Vec::new();
            quoted(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(None), "null");
        assert_eq!(shown(Some(b"null")), "\"null\"");
        assert_eq!(shown(Some(b"")), "\"\"");
        assert_eq!(shown(Some(b"a b")), "a b");
        assert_eq!(shown(Some(b" a")), "\" a\"");
    }

    #[test]
    fn a_line_is_clipped_between_characters_and_colours_take_no_room() {
        for (text, width, wanted) in
            [("a✓b", 2, "a✓"), ("abc", 3, "abc"), ("a\x1b[34mbc", 2, "a\x1b[34mb")]
        {
            let mut clipped = text.as_bytes().to_vec();
            assert_eq!(clip(0, width, &mut clipped), wanted != text);
            assert_eq!(String::from_utf8(clipped).unwrap(), wanted);
        }
        let mut key = b"key=0123456789".to_vec();
        shorten(&mut key, 8);
        assert_eq!(String::from_utf8(key).unwrap(), "key=012…");
    }

    #[test]
    fn a_line_is_cut_to_the_terminal_and_says_how_much_is_missing() {
        let cut_to = |text: &str, left: usize| {
            let mut out = Vec::new();
            cut(text.as_bytes(), columns(text.as_bytes()), Some(left), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(cut_to("short", 5), "short");
        assert_eq!(cut_to(&"é".repeat(50), 20).chars().count(), 20);
        assert!(cut_to(&"x".repeat(3000), 20).ends_with("…(+2.9 KiB)"));
        assert_eq!(cut_to("longer than nothing", 0), "");
    }
}
