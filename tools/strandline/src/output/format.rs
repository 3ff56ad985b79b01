//! Records in a form that the user spells out: `%o %k=%v\n`.

use std::io::Write;

use strandline::record::{BatchHeader, FetchedRecord};

use super::decode::Text;
use super::escape::escaped;
use super::json::{codec_name, decimal, string};
use crate::{base64, time};

/// What `help` says of formats.
pub(crate) const HELP: &str = "\
Format (-F): %o offset, %t topic, %p partition, %k %v key and value (raw; %k{hex}, {base64},
{json}, {utf8}), %K %V their sizes ({big4}), %h headers (%h{%k=%v;}), %H their number, %d time
(%d{%F %T}), %T milliseconds, %x %y producer id and epoch, %s sequence, %e leader epoch,
%a attributes, %c codec, %P batch position, %B base offset, %i running number, \\n \\t \\xNN %%.
What there is not is `-`, and nothing for a null key or value.
";

/// What a format can speak of.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) record: &'a FetchedRecord<'a>,
    /// Its key and its value, as they are to be shown.
    pub(crate) key: Text<'a>,
    pub(crate) value: Text<'a>,
    /// The header of its batch, if that is known.
    pub(crate) batch: Option<&'a BatchHeader>,
    /// Where in its file that batch begins, if that is known.
    pub(crate) batch_position: Option<u64>,
    pub(crate) topic: &'a str,
    pub(crate) partition: u32,
    /// How many records were written before it.
    pub(crate) number: u64,
}

impl<'a> Row<'a> {
    /// A record of a batch, as it lies there.
    pub(crate) fn of(
        record: &'a FetchedRecord<'a>,
        batch: Option<&'a BatchHeader>,
        batch_position: Option<u64>,
        (topic, partition, number): (&'a str, u32, u64),
    ) -> Row<'a> {
        let (key, value) = (record.key().into(), record.value().into());
        Row { record, key, value, batch, batch_position, topic, partition, number }
    }
}

/// A format, read and ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(Vec<u8>),
    Bytes(Field, Encoding),
    Size(Field, SizeForm),
    Number(Number),
    Topic,
    Time(Option<String>),
    Codec,
    /// `name=value` with commas between, unless the user says otherwise.
    Headers(Option<Vec<HeaderItem>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Key,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Raw,
    Hex,
    Base64,
    Json,
    Escaped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeForm {
    Decimal,
    /// Four bytes, big-endian; −1 for null.
    Big4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Offset,
    Partition,
    Headers,
    ProducerId,
    ProducerEpoch,
    Sequence,
    LeaderEpoch,
    Attributes,
    BaseOffset,
    BatchPosition,
    Running,
    Milliseconds,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HeaderItem {
    Literal(Vec<u8>),
    Key,
    Value,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the user.
    pub(crate) fn parse(text: &str) -> Result<Format, String> {
        let mut items = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match c {
                '%' => items.push(directive(&mut rest)?),
                _ => push_literal(&mut rest, &mut items)?,
            }
        }
        Ok(Format(items))
    }

    /// Whether headers are in it.
    pub(crate) fn shows_headers(&self) -> bool {
        self.0.iter().any(|item| matches!(item, Item::Headers(_)))
    }

    /// Whether the running number is in it.
    pub(crate) fn counts(&self) -> bool {
        self.0.contains(&Item::Number(Number::Running))
    }

    /// Appends a record. A key or value that is null leaves nothing; a number or a time that there
    /// is not, `-`.
    ///
    /// # Errors
    ///
    /// If a time cannot be written as its format says.
    pub(crate) fn write(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        for item in &self.0 {
            match item {
                Item::Literal(bytes) => out.extend_from_slice(bytes),
                Item::Bytes(field, encoding) => write_bytes(field.of(row), *encoding, out),
                Item::Size(field, form) => write_size(field.stored(row), *form, out),
                Item::Number(number) => match number.of(row) {
                    Some(value) => decimal(value, out),
                    None => out.push(b'-'),
                },
                Item::Topic => out.extend_from_slice(row.topic.as_bytes()),
                Item::Time(format) => match (row.record.timestamp(), format) {
                    (None, _) => out.push(b'-'),
                    (Some(ms), None) => time::write_rfc3339(ms, out),
                    (Some(ms), Some(format)) => time::write_formatted(ms, format, out)?,
                },
                Item::Codec => match row.batch {
                    Some(batch) => out.extend_from_slice(codec_name(batch).as_bytes()),
                    None => out.push(b'-'),
                },
                Item::Headers(items) => write_headers(row, items.as_deref(), out),
            }
        }
        Ok(())
    }
}

/// Reads what stands behind a `%`, braces included.
fn directive(rest: &mut &str) -> Result<Item, String> {
    let mut chars = rest.chars();
    let (_, letter) = (chars.next(), chars.next());
    let letter = letter.ok_or("a format ends in `%`; a percent sign is `%%`")?;
    *rest = chars.as_str();
    let braces = if letter == '%' { None } else { in_braces(rest)? };
    let number = |number| Ok(Item::Number(number));
    let item = match letter {
        '%' => Ok(Item::Literal(b"%".to_vec())),
        'k' => return Ok(Item::Bytes(Field::Key, encoding(braces)?)),
        'v' => return Ok(Item::Bytes(Field::Value, encoding(braces)?)),
        'K' => return Ok(Item::Size(Field::Key, size_form(braces)?)),
        'V' => return Ok(Item::Size(Field::Value, size_form(braces)?)),
        'h' => return Ok(Item::Headers(braces.map(header_items).transpose()?)),
        'd' => return time_item(braces),
        't' => Ok(Item::Topic),
        'c' => Ok(Item::Codec),
        'o' => number(Number::Offset),
        'p' => number(Number::Partition),
        'H' => number(Number::Headers),
        'x' => number(Number::ProducerId),
        'y' => number(Number::ProducerEpoch),
        's' => number(Number::Sequence),
        'e' => number(Number::LeaderEpoch),
        'a' => number(Number::Attributes),
        'B' => number(Number::BaseOffset),
        'P' => number(Number::BatchPosition),
        'i' => number(Number::Running),
        'T' => number(Number::Milliseconds),
        other => Err(format!("`%{other}` means nothing in a format")),
    };
    match braces {
        Some(braces) => Err(format!("`%{letter}` takes no `{{{braces}}}`")),
        None => item,
    }
}

fn time_item(braces: Option<&str>) -> Result<Item, String> {
    if let Some(format) = braces {
        time::write_formatted(0, format, &mut Vec::new())
            .map_err(|why| format!("`%d{{{format}}}`: {why}"))?;
    }
    Ok(Item::Time(braces.map(str::to_owned)))
}

/// What stands in `{…}` at the beginning of `rest`, if anything does.
fn in_braces<'a>(rest: &mut &'a str) -> Result<Option<&'a str>, String> {
    let Some(inner) = rest.strip_prefix('{') else { return Ok(None) };
    let (inner, behind) = inner.split_once('}').ok_or("a `{` in a format has no `}`")?;
    *rest = behind;
    Ok(Some(inner))
}

fn encoding(braces: Option<&str>) -> Result<Encoding, String> {
    match braces {
        None => Ok(Encoding::Raw),
        Some("hex") => Ok(Encoding::Hex),
        Some("base64") => Ok(Encoding::Base64),
        Some("json") => Ok(Encoding::Json),
        Some("utf8" | "escape") => Ok(Encoding::Escaped),
        Some(other) => Err(format!("`{{{other}}}`: hex, base64, json or utf8 is wanted")),
    }
}

fn size_form(braces: Option<&str>) -> Result<SizeForm, String> {
    match braces {
        None => Ok(SizeForm::Decimal),
        Some("big4") => Ok(SizeForm::Big4),
        Some(other) => Err(format!("`{{{other}}}`: big4 is wanted, or nothing")),
    }
}

fn header_items(text: &str) -> Result<Vec<HeaderItem>, String> {
    let Format(items) = Format::parse(text)?;
    let item = |item| match item {
        Item::Literal(bytes) => Ok(HeaderItem::Literal(bytes)),
        Item::Bytes(Field::Key, Encoding::Raw) => Ok(HeaderItem::Key),
        Item::Bytes(Field::Value, Encoding::Raw) => Ok(HeaderItem::Value),
        _ => Err("in `%h{…}` only %k and %v mean something".to_owned()),
    };
    items.into_iter().map(item).collect()
}

/// Takes literal text up to the next `%`, escapes resolved.
fn push_literal(rest: &mut &str, items: &mut Vec<Item>) -> Result<(), String> {
    let end = rest.find('%').unwrap_or(rest.len());
    let (text, behind) = rest.split_at(end);
    *rest = behind;
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('r') => bytes.push(b'\r'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits = chars.as_str().get(..2).unwrap_or_default();
                let byte = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
                bytes.push(byte.ok_or("`\\x` wants two hexadecimal digits")?);
                chars.nth(1);
            }
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!(
                    "`\\{other}` means nothing in a format; a backslash is `\\\\`"
                ));
            }
        }
    }
    items.push(Item::Literal(bytes));
    Ok(())
}

impl Field {
    fn of(self, row: Row<'_>) -> Option<&[u8]> {
        match self {
            Field::Key => row.key.bytes,
            Field::Value => row.value.bytes,
        }
    }
}

impl Field {
    /// As it lies there.
    fn stored(self, row: Row<'_>) -> Option<&[u8]> {
        match self {
            Field::Key => row.record.key(),
            Field::Value => row.record.value(),
        }
    }
}

impl Number {
    fn of(self, row: Row<'_>) -> Option<i64> {
        let record = row.record;
        match self {
            Number::Offset => Some(record.offset()),
            Number::Partition => Some(i64::from(row.partition)),
            Number::Headers => Some(record.headers().len() as i64),
            Number::ProducerId => row.batch?.producer_id().map(|id| id.0),
            Number::ProducerEpoch => row.batch?.producer_epoch().map(|epoch| epoch.0.into()),
            Number::Sequence => record.sequence().map(|sequence| sequence.0.into()),
            Number::LeaderEpoch => record.leader_epoch().map(|epoch| epoch.0.into()),
            Number::Attributes => Some(row.batch?.attributes().bits().into()),
            Number::BaseOffset => Some(row.batch?.base_offset()),
            Number::BatchPosition => row.batch_position.map(|at| at as i64),
            Number::Running => Some(row.number as i64),
            Number::Milliseconds => record.timestamp(),
        }
    }
}

fn write_bytes(bytes: Option<&[u8]>, encoding: Encoding, out: &mut Vec<u8>) {
    let Some(bytes) = bytes else {
        if encoding == Encoding::Json {
            out.extend_from_slice(b"null");
        }
        return;
    };
    match encoding {
        Encoding::Raw => out.extend_from_slice(bytes),
        Encoding::Hex => {
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
        }
        Encoding::Base64 => base64::encode(bytes, out),
        Encoding::Json => string(&String::from_utf8_lossy(bytes), out),
        Encoding::Escaped => escaped(bytes, out),
    }
}

fn write_size(bytes: Option<&[u8]>, form: SizeForm, out: &mut Vec<u8>) {
    let size = bytes.map_or(-1, |bytes| bytes.len() as i64);
    match form {
        SizeForm::Decimal => decimal(size, out),
        SizeForm::Big4 => out.extend_from_slice(&(size as i32).to_be_bytes()),
    }
}

fn write_headers(row: Row<'_>, items: Option<&[HeaderItem]>, out: &mut Vec<u8>) {
    for (number, header) in row.record.headers().enumerate() {
        let value = header.value.unwrap_or_default();
        let Some(items) = items else {
            out.extend_from_slice(if number > 0 { b"," } else { b"" });
            out.extend_from_slice(header.key);
            out.push(b'=');
            out.extend_from_slice(value);
            continue;
        };
        for item in items {
            match item {
                HeaderItem::Literal(bytes) => out.extend_from_slice(bytes),
                HeaderItem::Key => out.extend_from_slice(header.key),
                HeaderItem::Value => out.extend_from_slice(value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use strandline::compression::Decompressor;
    use strandline::{LogFile, Piece};

    use super::*;

    #[test]
    fn a_format_that_means_nothing_is_refused() {
        for wrong in [
            "%", "%q", "\\q", "\\x4", "\\x+1", "\\", "%k{oct}", "%K{big8}", "%o{x}", "%k{hex",
            "%h{%o}",
        ] {
            assert!(Format::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn escapes_and_directives_are_told_apart() {
        let Format(items) = Format::parse("%%\\n\\x41é%k{hex}%d{%F %T}").unwrap();
        let wanted = [
            Item::Literal(b"%".to_vec()),
            Item::Literal("\nAé".as_bytes().to_vec()),
            Item::Bytes(Field::Key, Encoding::Hex),
            Item::Time(Some("%F %T".to_owned())),
        ];
        assert_eq!(items, wanted);
    }

    /// The record at `offset` of the fixture `basic-0`, as `format` writes it.
    fn formatted(format: &str, offset: i64) -> String {
        let file =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/basic-0/00000000000000000000.log");
        let (format, log) = (Format::parse(format).unwrap(), LogFile::open(file).unwrap());
        let (mut decompressor, mut inflated) = (Decompressor::new(), Vec::new());
        let (mut pieces, mut out) = (log.pieces(), Vec::new());
        while let Some(piece) = pieces.next_piece().unwrap() {
            let Piece::Batch(batch) = piece.what else { panic!("{piece:?}") };
            for record in batch
                .records(&mut decompressor, 1 << 20, &mut inflated)
                .unwrap()
                .map(Result::unwrap)
            {
                if record.offset() == offset {
                    let batch = Some(batch.header());
                    let place = ("basic", 3, 41);
                    let row = Row::of(&record, batch, Some(piece.position), place);
                    format.write(row, &mut out).unwrap();
                }
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_written_as_the_format_says() {
        let cases = [
            ("%t-%p@%o %i", 4, "basic-3@4 41"),
            ("%k %K %V{big4}", 6, " 0 \0\0\0\0"),
            ("[%k][%v] %K %V", 5, "[][] -1 -1"),
            ("%k{json}|%v{json}", 5, "null|null"),
            ("%v{hex} %v{base64} %v{utf8}", 11, "fffe000a41 //4ACkE= \\xff\\xfe\\0\\nA"),
            ("%H %h|%h{%k:%v;}", 4, "2 h1=x,h,2=|h1:x;h,2:;"),
            ("%d|%d{%F %H:%M}|%T", 0, "2023-11-14T22:13:20.000Z|2023-11-14 22:13|1700000000000"),
            ("%x/%y %s %e %a %c %B", 9, "98323/99 267 5 19 lz4 8"),
            ("%x/%y %s", 0, "-/- -"),
        ];
        for (format, offset, wanted) in cases {
            assert_eq!(formatted(format, offset), wanted, "{format}");
        }
    }
}
