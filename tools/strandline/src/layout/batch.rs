//! The fields of a record batch, as far as they can be told: header, then records.

use std::ops::Range;

use strandline::compression::Decompressor;
use strandline::record::{RecordBatch, UncheckedBatch};

use super::{Field, Reader, quoted};
use crate::time::Times;

/// Bytes of a batch's header.
pub(crate) const HEADER_LEN: usize = 61;

/// Name, place and width of each field of the header.
pub(crate) const HEADER: [(&str, Range<usize>); 13] = [
    ("baseOffset", 0..8),
    ("batchLength", 8..12),
    ("partitionLeaderEpoch", 12..16),
    ("magic", 16..17),
    ("crc", 17..21),
    ("attributes", 21..23),
    ("lastOffsetDelta", 23..27),
    ("baseTimestamp", 27..35),
    ("maxTimestamp", 35..43),
    ("producerId", 43..51),
    ("producerEpoch", 51..53),
    ("baseSequence", 53..57),
    ("recordsCount", 57..61),
];

/// The fields of the header that these bytes begin with, as many as there are.
pub(crate) fn header(bytes: &[u8], times: &Times) -> Vec<Field> {
    let mut fields = Vec::new();
    for (name, place) in HEADER {
        let mut reader = Reader::new(bytes, place.start);
        let Some(value) = reader.integer(place.len()) else { break };
        let value = match name {
            "baseTimestamp" | "maxTimestamp" if value == -1 => "-1, none".to_owned(),
            "baseTimestamp" | "maxTimestamp" => format!("{value}, {}", time(value, times)),
            "attributes" => attributes(value as i16),
            "crc" => (value as u32).to_string(),
            "producerId" | "producerEpoch" | "baseSequence" | "partitionLeaderEpoch"
                if value == -1 =>
            {
                "-1, none".to_owned()
            }
            _ => value.to_string(),
        };
        fields.push(Field::new(place.start, place.len(), name, value));
    }
    fields
}

/// A time as people read it.
pub(crate) fn time(ms: i64, times: &Times) -> String {
    let mut out = Vec::new();
    times.write(ms, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn attributes(bits: i16) -> String {
    let codec = match bits & 7 {
        0 => "none",
        1 => "gzip",
        2 => "snappy",
        3 => "lz4",
        4 => "zstd",
        _ => "unknown codec",
    };
    let times = if bits & 8 == 0 { "CreateTime" } else { "LogAppendTime" };
    let mut text = format!("{:#06x} {codec} · {times}", bits as u16);
    for (bit, name) in [(0x10, "transactional"), (0x20, "control"), (0x40, "delete horizon")] {
        if bits & bit != 0 {
            text += " · ";
            text += name;
        }
    }
    if bits as u16 & 0xff80 != 0 {
        text += " · unknown bits";
    }
    text
}

/// The records of a batch whose header is whole: where they lie, inflated if need be. `Err` says
/// why there are none to be read.
pub(crate) fn payload(batch: &[u8], most_inflated: usize) -> Result<(Vec<u8>, bool), String> {
    let unchecked = UncheckedBatch::decode(batch).map_err(|error| error.to_string())?;
    let whole = unchecked.check();
    let checked: RecordBatch<'_> = whole.map_err(|error| error.to_string())?;
    let codec = checked.codec().map_err(|error| error.to_string())?;
    if codec == strandline::compression::Codec::None {
        return Ok((checked.payload().to_vec(), false));
    }
    let (mut inflated, mut with) = (Vec::new(), Decompressor::new());
    let done = with.decompress(codec, checked.payload(), most_inflated, &mut inflated);
    done.map_err(|error| error.to_string())?;
    Ok((inflated, true))
}

/// The fields of so many records in `payload`; the last one says what is wrong, if something is.
pub(crate) fn records(
    payload: &[u8],
    inflated: bool,
    (base_offset, count): (i64, i64),
    most: usize,
) -> Vec<Field> {
    let mut reader = Reader::new(payload, 0);
    let mut fields = Vec::new();
    for number in 0..count {
        if fields.len() >= most {
            break;
        }
        let start = reader.at;
        if record(&mut reader, base_offset, number, &mut fields).is_none() {
            let text = format!("record {number} cannot be read on from here");
            fields.push(Field::new(reader.at, reader.left(), "?", text).holds(false));
            break;
        }
        if reader.at == start {
            break;
        }
    }
    let shift = if inflated { 0 } else { HEADER_LEN };
    for field in &mut fields {
        field.at += shift;
        field.inflated = inflated;
    }
    fields
}

fn record(
    reader: &mut Reader<'_>,
    base_offset: i64,
    number: i64,
    fields: &mut Vec<Field>,
) -> Option<()> {
    let first = fields.len();
    let mut field = |from: usize, reader: &Reader<'_>, name: &str, value: String| {
        fields.push(Field::new(from, reader.at - from, name, value));
    };
    let from = reader.at;
    let size = reader.varint(5)?;
    field(from, reader, "record", format!("{number}: {size} bytes follow"));
    let end = reader.at.checked_add(usize::try_from(size).ok()?)?;
    let from = reader.at;
    let bits = reader.integer(1)?;
    field(from, reader, "attributes", format!("{bits:#04x}"));
    let from = reader.at;
    let delta = reader.varint(10)?;
    field(from, reader, "timestampDelta", delta.to_string());
    let from = reader.at;
    let delta = reader.varint(5)?;
    let offset = base_offset.checked_add(delta)?;
    field(from, reader, "offsetDelta", format!("{delta} → offset {offset}"));
    for name in ["key", "value"] {
        let from = reader.at;
        let text = bytes_or_null(reader)?;
        field(from, reader, name, text);
    }
    let from = reader.at;
    let headers = reader.varint(5)?;
    field(from, reader, "headers", headers.to_string());
    for _ in 0..headers {
        let from = reader.at;
        let len = usize::try_from(reader.varint(5)?).ok()?;
        let key = quoted(reader.take(len)?);
        let value = bytes_or_null(reader)?;
        field(from, reader, "header", format!("{key} = {value}"));
    }
    for field in &mut fields[first..] {
        field.offset = Some(offset);
    }
    (reader.at == end).then_some(())
}

fn bytes_or_null(reader: &mut Reader<'_>) -> Option<String> {
    let len = reader.varint(5)?;
    if len == -1 {
        return Some("null".to_owned());
    }
    let bytes = reader.take(usize::try_from(len).ok()?)?;
    let unit = if len == 1 { "byte" } else { "bytes" };
    Some(format!("{len} {unit} {}", quoted(bytes)))
}

/// The field of a message of format v0 or v1 that a byte lies in.
fn message_field(magic: u8, byte: usize) -> &'static str {
    match byte {
        0..8 => "the offset",
        8..12 => "the size",
        12..16 => "the CRC",
        16 => "the magic",
        17 => "the attributes",
        18..26 if magic == 1 => "the timestamp",
        _ => "the key or the value",
    }
}

/// In words, which field of a batch a byte lies in; `batch` is as it was before that byte was hit.
pub(crate) fn place_of(batch: &[u8], byte: usize, most_inflated: usize) -> String {
    if let Some(magic @ (0 | 1)) = batch.get(16).copied() {
        return format!("in {} of a message of v{magic}", message_field(magic, byte));
    }
    if let Some((name, _)) = HEADER.iter().find(|(_, place)| place.contains(&byte)) {
        return format!("in {name}");
    }
    let header = |at, len| Reader::new(batch, at).integer(len).unwrap_or(0);
    match payload(batch, most_inflated) {
        Ok((payload, false)) => {
            let fields = records(&payload, false, (header(0, 8), header(57, 4)), usize::MAX);
            let inside = |field: &&Field| (field.at..field.at + field.len).contains(&byte);
            match fields.iter().find(inside) {
                Some(Field { name, offset: Some(offset), .. }) if name == "record" => {
                    format!("in the length of the record of offset {offset}")
                }
                Some(Field { name, offset: Some(offset), .. }) => {
                    format!("in the {name} of offset {offset}")
                }
                _ => "in the records".to_owned(),
            }
        }
        _ => "in the compressed records".to_owned(),
    }
}
