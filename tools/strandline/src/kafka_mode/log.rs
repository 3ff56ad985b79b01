//! `.log` files and snapshots of the metadata log.

use std::io::Write;

use strandline::compression::Codec;

use super::batch::{self, HEADER_LEN, Header, Inflater, Records};
use super::control;
use super::decoders::Decoder;
use super::file::{JavaFile, int, long};
use super::legacy;
use super::record::Record;
use super::records::{FileRecords, Place};
use super::reports::Pairs;
use super::thrown::{Result, Thrown};
use crate::internal::{Release, text};
use crate::output::Out;
use crate::output::json::decimal;

/// What is shown of a log.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) release: Release,
    /// Records too.
    pub(super) deep: bool,
    /// How keys and values are shown, if they are.
    pub(super) print: Option<Decoder>,
    pub(super) skip_metadata: bool,
    pub(super) max_bytes: i32,
}

/// A log that is being shown.
struct Log<'a> {
    wanted: Wanted,
    out: &'a mut Out,
    gaps: &'a mut Pairs,
    path: String,
    last_offset: i64,
}

/// Shows a log.
pub(super) fn dump(file: &JavaFile, wanted: Wanted, out: &mut Out, gaps: &mut Pairs) -> Result<()> {
    out.text(heading(file)?)?;
    let mut records = FileRecords::open(file)?;
    records.narrow(0, wanted.max_bytes)?;
    let path = file.absolute().shown();
    let mut log = Log { wanted, out, gaps, path, last_offset: -1 };
    let mut inflater = Inflater::default();
    let mut position = 0;
    while let Some(place) = records.place(position)? {
        if place.magic >= 2 {
            log.batch(place, records.batch(place, HEADER_LEN)?, &mut inflater)?;
        } else {
            log.message(place, records.batch(place, 0)?, &mut inflater)?;
        }
        position += place.size;
    }
    let left = records.size() - position;
    if left > 0 && wanted.max_bytes == i32::MAX {
        let name = file.name();
        log.out.text(format_args!("Found {left} invalid bytes at the end of {name}"))?;
    }
    Ok(())
}

/// The first line.
fn heading(file: &JavaFile) -> std::result::Result<String, Thrown> {
    let name = file.name();
    if name.rsplit('.').next() == Some("log") {
        return Ok(format!("Log starting offset: {}", file.base_offset()?));
    }
    if name == "bootstrap.checkpoint" {
        return Ok("KRaft bootstrap snapshot".to_owned());
    }
    let part = |begin: usize, end: usize| {
        name.get(begin..end).ok_or_else(|| {
            Thrown::new(
                "java.lang.StringIndexOutOfBoundsException",
                format!("begin {begin}, end {end}, length {}", name.len()),
            )
        })
    };
    let offset = part(0, 20)?;
    let offset = long(offset).ok_or_else(|| Thrown::number(offset))?;
    let epoch = part(21, 31)?;
    let epoch = int(epoch).ok_or_else(|| Thrown::number(epoch))?;
    Ok(format!("Snapshot end offset: {offset}, epoch: {epoch}"))
}

impl Log<'_> {
    /// A batch of format v2, and its records. `bytes` may go on behind it.
    fn batch(&mut self, place: Place, bytes: &[u8], inflater: &mut Inflater) -> Result<()> {
        let header = Header::read(bytes)?;
        let batch = &bytes[..(place.size as usize).min(bytes.len())];
        head(&header, self.out.line());
        // The line is written in two pieces: an unknown codec leaves the first.
        let codec = header.codec()?;
        let stamp = header.timestamp_type().to_string();
        let tail = Tail {
            place,
            stamp: &stamp,
            timestamp: header.max_timestamp,
            codec,
            crc: header.crc,
            is_valid: batch::is_valid(batch, &header),
        };
        tail.append(self.out.line());
        self.out.settle()?;
        if !self.wanted.deep {
            return Ok(());
        }
        let mut records = Records::new(batch, &header, inflater)?;
        while let Some(record) = records.next()? {
            self.record(&record, &stamp, header.is_control())?;
        }
        Ok(())
    }

    /// A message of format v0 or v1, and what lies in it.
    fn message(&mut self, place: Place, entry: &[u8], inflater: &mut Inflater) -> Result<()> {
        let message = legacy::Message::new(place.offset, entry);
        let line = self.out.line();
        line.extend_from_slice(b"offset: ");
        decimal(place.offset, line);
        message.check_magic()?;
        let stamp = message.timestamp_type()?.to_string();
        let tail = Tail {
            place,
            stamp: &stamp,
            timestamp: message.timestamp()?,
            codec: message.codec()?,
            crc: message.crc()?,
            is_valid: message.is_valid()?,
        };
        tail.append(line);
        self.out.settle()?;
        if !self.wanted.deep {
            return Ok(());
        }
        legacy::each_record(message, inflater, |record| self.record(record, &stamp, false))
    }

    /// A record, on a line.
    fn record(&mut self, record: &Record<'_>, stamp: &str, is_control: bool) -> Result<()> {
        self.follow(record.offset);
        let (wanted, line) = (self.wanted, self.out.line());
        let mut lead = "| ";
        if !wanted.skip_metadata {
            metadata(record, stamp, wanted.release, line);
            if is_control {
                control::append(record, wanted.release, line)?;
            }
            lead = " ";
        }
        if let (Some(decoder), false) = (wanted.print, is_control) {
            decoder.append(record, wanted.release, lead, line)?;
        }
        line.push(b'\n');
        Ok(self.out.settle()?)
    }

    /// Sees whether an offset is the next one.
    fn follow(&mut self, offset: i64) {
        let free = self.wanted.release == Release::V3 && self.last_offset == -1;
        if !free && offset != self.last_offset.wrapping_add(1) {
            self.gaps.add(&self.path, self.last_offset, offset);
        }
        self.last_offset = offset;
    }
}

/// Appends the first piece of a batch's line.
fn head(header: &Header, line: &mut Vec<u8>) {
    for (name, number) in [
        ("baseOffset: ", header.base_offset),
        (" lastOffset: ", header.last_offset()),
        (" count: ", header.count.into()),
        (" baseSequence: ", header.base_sequence.into()),
        (" lastSequence: ", header.last_sequence().into()),
        (" producerId: ", header.producer_id),
        (" producerEpoch: ", header.producer_epoch.into()),
        (" partitionLeaderEpoch: ", header.leader_epoch.into()),
    ] {
        line.extend_from_slice(name.as_bytes());
        decimal(number, line);
    }
    let _ = write!(
        line,
        " isTransactional: {} isControl: {} deleteHorizonMs: {}",
        header.is_transactional(),
        header.is_control(),
        optional(header.delete_horizon())
    );
}

/// A number as Java shows one that may be missing.
pub(super) fn optional(number: Option<i64>) -> String {
    match number {
        Some(number) => format!("OptionalLong[{number}]"),
        None => "OptionalLong.empty".to_owned(),
    }
}

/// The second piece of a batch's line.
struct Tail<'a> {
    place: Place,
    stamp: &'a str,
    timestamp: i64,
    codec: Codec,
    crc: u32,
    is_valid: bool,
}

impl Tail<'_> {
    fn append(&self, line: &mut Vec<u8>) {
        let _ = writeln!(
            line,
            " position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
            self.place.position,
            self.stamp,
            self.timestamp,
            self.place.size,
            self.place.magic,
            self.codec,
            self.crc,
            self.is_valid
        );
    }
}

/// Appends what is known of a record but for its key and value.
fn metadata(record: &Record<'_>, stamp: &str, release: Release, line: &mut Vec<u8>) {
    line.extend_from_slice(b"| offset: ");
    decimal(record.offset, line);
    line.push(b' ');
    line.extend_from_slice(stamp.as_bytes());
    line.extend_from_slice(b": ");
    decimal(record.timestamp, line);
    line.extend_from_slice(b" keySize: ");
    decimal(record.key_size.into(), line);
    line.extend_from_slice(b" valueSize: ");
    decimal(record.value_size.into(), line);
    if let Some(legacy) = record.legacy {
        let end = if release == Release::V3 { "}" } else { "" };
        let _ = write!(line, " isValid: {} crc: {}{end}", legacy.is_valid, legacy.crc);
        return;
    }
    line.extend_from_slice(b" sequence: ");
    decimal(record.sequence.into(), line);
    line.extend_from_slice(b" headerKeys: [");
    for (number, key) in record.headers.keys().enumerate() {
        if number > 0 {
            line.push(b',');
        }
        text::append(key, line);
    }
    line.push(b']');
}
