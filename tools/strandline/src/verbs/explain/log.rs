//! A batch of a `.log`, whole or damaged, in format v2 or an older one.

use std::path::Path;

use strandline::compression::Codec;
use strandline::record::{BatchError, BatchHeader};
use strandline::{Damage, Explanation, Finding, LogFile, LogPiece, Piece};

use super::show::Shown;
use super::{Args, findings, past_end, read};
use crate::exit::{Failure, Result};
use crate::global::Global;
use crate::layout::batch::{self, HEADER_LEN};
use crate::layout::{Field, Reader, quoted};
use crate::output::Out;
use crate::paths::Input;
use crate::reading::{self, pace::Pieces};

/// So many fields of records are shown.
const MOST_FIELDS: usize = 400;
/// So much is shown of what is no batch.
const MOST_DAMAGED: u64 = 4096;

/// Where the stretch lies that is asked about, and what it is.
struct Found {
    from: u64,
    to: u64,
    what: &'static str,
    is_batch: bool,
    /// Whether it is one batch from end to end, be its checksum as it is.
    is_whole: bool,
    /// So many bytes of a batch are taken, if it has more: then its header alone is looked at.
    most_taken: Option<u64>,
}

pub(super) fn explain(input: &Input, args: &Args, global: &Global, out: &mut Out) -> Result<()> {
    let log = LogFile::open_at(&input.path, input.base()?)?;
    let end = log.size_bytes();
    if args.position.is_some_and(|at| at >= end) || end == 0 {
        return Err(past_end(input, end));
    }
    let found = find(&log, &input.path, args)?.ok_or_else(|| {
        let offset = args.offset.unwrap_or(0);
        let name = &input.name;
        let why = format!("{name}: no batch that can be read holds offset {offset}");
        Failure { exit: crate::exit::Exit::No, ..Failure::usage(why) }
    })?;
    let failed = |error| Failure::io("read", &input.path, &error);
    let file = reading::open(&input.path).map_err(failed)?;
    let len = found.to - found.from;
    let len = if found.is_whole { len } else { len.min(MOST_DAMAGED) };
    let bytes = read(&file, found.from, len).map_err(failed)?;
    let findings: Vec<Finding> = findings(input, global)
        .into_iter()
        .filter(|it| it.position.is_some_and(|at| at >= found.from && at < found.to))
        .collect();
    let (mut fields, inflated) = fields(&bytes, &found, end, global);
    if !found.is_batch && found.most_taken.is_none() {
        mark_flipped(&mut fields, found.from, &findings);
        fields.extend(zeros(&bytes, found.from));
    }
    let title = format!(
        "{}  {} @ {}..{} ({} bytes)",
        input.name,
        found.what,
        found.from,
        found.to,
        found.to - found.from
    );
    let name = &input.name;
    let shown = Shown {
        name,
        title,
        start: found.from,
        bytes: &bytes,
        inflated: &inflated,
        fields,
        json: global.is_json(),
    };
    shown.write(args.xxd, &findings, out)
}

/// The stretch that holds the position or the offset; the first without either.
fn find(log: &LogFile, path: &Path, args: &Args) -> Result<Option<Found>> {
    let mut pieces = Pieces::of(log, path, 0);
    while let Some(piece) = pieces.next_piece()? {
        let LogPiece { position, size_bytes, what, .. } = piece;
        let holds = match (args.position, args.offset) {
            (Some(at), _) => at < position + size_bytes,
            (None, Some(offset)) => match &what {
                Piece::Batch(batch) => holds(batch.header(), offset),
                Piece::Damage(damage) => damage.header.is_some_and(|header| holds(&header, offset)),
                _ => false,
            },
            (None, None) => true,
        };
        if holds {
            let fills = |header: BatchHeader| header.size_bytes() as u64 == size_bytes;
            let most_taken = match what {
                Piece::Damage(Damage { cause: BatchError::TooLarge { limit, .. }, .. }) => {
                    Some(limit)
                }
                _ => None,
            };
            let (name, is_batch, is_whole) = match what {
                _ if most_taken.is_some() => ("batch", false, false),
                Piece::Batch(_) => ("batch", true, true),
                Piece::Damage(damage) => ("damage", false, damage.header.is_some_and(fills)),
                Piece::Unfinished => ("unfinished batch", false, false),
                Piece::Zeros => ("zeros", false, false),
            };
            let (from, to) = (position, position + size_bytes);
            return Ok(Some(Found { from, to, what: name, is_batch, is_whole, most_taken }));
        }
    }
    Ok(None)
}

fn holds(header: &BatchHeader, offset: i64) -> bool {
    (header.base_offset()..=header.last_offset()).contains(&offset)
}

/// The fields, and what the records inflate to.
fn fields(bytes: &[u8], found: &Found, end: u64, global: &Global) -> (Vec<Field>, Vec<u8>) {
    if matches!(bytes.get(16), Some(0 | 1)) && bytes[..17].iter().any(|&byte| byte != 0) {
        return (legacy(bytes), Vec::new());
    }
    let mut fields = batch::header(bytes, &global.times());
    judge(&mut fields, bytes, found, end);
    if let Some(most) = found.most_taken {
        let why = format!("not read: --max-batch-bytes takes {most}");
        let len = bytes.len().saturating_sub(HEADER_LEN);
        fields.push(Field::new(HEADER_LEN, len, "records", why));
        return (fields, Vec::new());
    }
    let number = |at, len| Reader::new(bytes, at).integer(len).unwrap_or(0);
    if !found.is_batch {
        // As far as they can be read: one wrong bit leaves most of them as they were.
        let is_plain = number(21, 2) & 7 == i64::from(Codec::None.id());
        if found.is_whole && is_plain {
            let range = (number(0, 8), number(57, 4));
            fields.extend(batch::records(&bytes[HEADER_LEN..], false, range, MOST_FIELDS));
        }
        return (fields, Vec::new());
    }
    match batch::payload(bytes, global.max_inflated()) {
        Ok((payload, inflated)) => {
            if inflated {
                fields.push(frame(bytes, payload.len()));
            }
            let range = (number(0, 8), number(57, 4));
            fields.extend(batch::records(&payload, inflated, range, MOST_FIELDS));
            let shown = if inflated { payload } else { Vec::new() };
            (fields, shown)
        }
        Err(why) => {
            let len = bytes.len().saturating_sub(HEADER_LEN);
            fields.push(Field::new(HEADER_LEN, len, "records", why).holds(false));
            (fields, Vec::new())
        }
    }
}

/// Marks the field in which a bit was flipped, where that explains the damage.
fn mark_flipped(fields: &mut [Field], start: u64, findings: &[Finding]) {
    for finding in findings {
        let Some(Explanation::FlippedBit { byte, bit, .. }) = finding.explanation else { continue };
        let Some(at) = byte.checked_sub(start).and_then(|at| usize::try_from(at).ok()) else {
            continue;
        };
        let hit = |field: &&mut Field| (field.at..field.at + field.len).contains(&at);
        if let Some(field) = fields.iter_mut().rfind(hit) {
            field.value = format!("{} ← bit {bit} of byte {byte} is flipped", field.value);
            field.holds = Some(false);
        }
    }
}

/// The first whole sectors that are nothing but zeros, as those are that were never written.
fn zeros(bytes: &[u8], start: u64) -> Option<Field> {
    const SECTOR: usize = 512;
    let first = (start.next_multiple_of(SECTOR as u64) - start) as usize;
    let sectors = bytes.get(first..)?.chunks_exact(SECTOR);
    let are_zero = sectors.map(|sector| sector.iter().all(|&byte| byte == 0));
    let are_zero: Vec<bool> = are_zero.collect();
    let from = are_zero.iter().position(|&zero| zero)?;
    let count = are_zero[from..].iter().take_while(|&&zero| zero).count();
    let (at, len) = (first + from * SECTOR, count * SECTOR);
    let text = format!("{len} bytes of zeros, whole sectors from byte {} on", start + at as u64);
    Some(Field::new(at, len, "zeros", text).holds(false))
}

/// Says of each field of a header whether it can be.
fn judge(fields: &mut [Field], bytes: &[u8], found: &Found, end: u64) {
    let number = |at, len| Reader::new(bytes, at).integer(len).unwrap_or(0);
    let (base, length, delta) = (number(0, 8), number(8, 4), number(23, 4));
    for field in fields.iter_mut() {
        let (holds, more) = match field.name.as_str() {
            "baseOffset" if base < 0 => (Some(false), "below 0".to_owned()),
            "batchLength" if length < 49 => (Some(false), "the minimum is 49".to_owned()),
            "batchLength" => {
                let to = found.from + 12 + length.unsigned_abs();
                match (found.is_batch, to == end) {
                    (true, true) => (Some(true), format!("→ ends at {to} = end of the file")),
                    (true, false) => (Some(true), format!("→ ends at {to} = next batch")),
                    (false, _) if to > end => {
                        (Some(false), format!("→ would end at {to}, the file does at {end}"))
                    }
                    _ => (None, format!("→ would end at {to}")),
                }
            }
            "partitionLeaderEpoch" => (None, "(outside the CRC)".to_owned()),
            "magic" if !(0..=2).contains(&number(16, 1)) => (Some(false), "unknown".to_owned()),
            "crc" => {
                let (from, to) = (found.from + 21, found.to);
                let holds = Some(found.is_batch).filter(|_| found.most_taken.is_none());
                (holds, format!(", CRC-32C of {from}..{to}"))
            }
            "lastOffsetDelta" if delta < 0 => (Some(false), "below 0".to_owned()),
            "lastOffsetDelta" => (None, format!("→ last offset {}", base.saturating_add(delta))),
            _ => continue,
        };
        let gap = if more.starts_with(',') { "" } else { " " };
        field.value = format!("{}{gap}{more}", field.value);
        field.holds = holds;
    }
}

/// What compressed records begin with.
fn frame(bytes: &[u8], inflated: usize) -> Field {
    let data = bytes.get(HEADER_LEN..).unwrap_or_default();
    let name = match bytes.get(22).map(|bits| bits & 7) {
        Some(1) => "gzip data",
        Some(2) => "snappy data",
        Some(3) => "lz4 frame",
        _ => "zstd frame",
    };
    let sizes = format!("{} B → {inflated} B", data.len());
    let value = match (name, data) {
        ("lz4 frame", [_, _, _, _, flags, block, check, ..]) => {
            format!("FLG {flags:#04x} · BD {block:#04x} · HC {check:#04x} · {sizes}")
        }
        _ => sizes,
    };
    Field::new(HEADER_LEN, data.len(), name, value)
}

/// Whether a message's checksum is that of its bytes.
fn message_crc(field: Field, stored: u32, bytes: &[u8]) -> Field {
    let mut crc = flate2::Crc::new();
    crc.update(bytes.get(16..).unwrap_or_default());
    let more = if crc.sum() == stored {
        "(CRC-32 of all behind it)".to_owned()
    } else {
        format!("(CRC-32 of all behind it: {})", crc.sum())
    };
    let holds = crc.sum() == stored;
    Field { value: format!("{stored} {more}"), ..field }.holds(holds)
}

/// Whether a message's size is that of the stretch.
fn message_size(field: Field, size: i64, len: i64) -> Field {
    let holds = size + 12 == len;
    let value = if size < 14 {
        format!("{size} the minimum is 14")
    } else if holds {
        size.to_string()
    } else {
        format!("{size}, and {len} bytes are looked at")
    };
    Field { value, ..field }.holds(holds)
}

/// A message of format v0 or v1, or what looks like one.
fn legacy(bytes: &[u8]) -> Vec<Field> {
    let magic = bytes.get(16).copied().unwrap_or(0);
    let mut fields = Vec::new();
    let mut reader = Reader::new(bytes, 0);
    let mut fixed = vec![("offset", 8), ("size", 4), ("crc", 4), ("magic", 1), ("attributes", 1)];
    if magic == 1 {
        fixed.push(("timestamp", 8));
    }
    for (name, len) in fixed {
        let from = reader.at;
        let Some(value) = reader.integer(len) else { return fields };
        let mut field = Field::new(from, len, name, value.to_string());
        match name {
            "crc" => field = message_crc(field, value as u32, bytes),
            "size" => field = message_size(field, value, bytes.len() as i64),
            _ => {}
        }
        fields.push(field);
    }
    for name in ["key", "value"] {
        let from = reader.at;
        let Some(len) = reader.integer(4) else { return fields };
        let value = if let Ok(len) = usize::try_from(len) {
            let Some(bytes) = reader.take(len) else {
                let text = format!("{name} of {len} bytes, {} are left", reader.left());
                fields.push(Field::new(from, 4, "?", text).holds(false));
                return fields;
            };
            format!("{len} bytes {}", quoted(bytes))
        } else {
            "null".to_owned()
        };
        fields.push(Field::new(from, reader.at - from, name, value));
    }
    fields
}
