//! `.txnindex` and `.snapshot`.

use std::fmt::Write as _;
use std::fs;
use std::io;

use super::file::JavaFile;
use super::log::optional;
use super::thrown::{Result, Thrown};
use crate::internal::Release;
use crate::internal::cursor::{Cursor, Unread};
use crate::output::Out;

/// Bytes of an entry of a `.txnindex`.
const ABORTED_LEN: usize = 34;

/// Shows a `.txnindex`. All its entries are read before the first is shown.
pub(super) fn dump_aborted(file: &JavaFile, out: &mut Out) -> Result<()> {
    file.base_offset()?;
    let bytes = match fs::read(file.path()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Thrown::opening(file.path(), &error).into()),
    };
    let entries = bytes.chunks_exact(ABORTED_LEN);
    // The version has two bytes, of which Kafka looks at the first.
    for version in entries.clone().map(|entry| entry[0] as i8) {
        if version > 0 {
            return Err(Thrown::kafka(format!(
                "Unexpected aborted transaction version {version} in transaction index {}, \
                 current version is 0",
                file.absolute().shown()
            ))
            .into());
        }
    }
    for entry in entries {
        let mut cursor = Cursor::new(entry);
        let version = cursor.i16().unwrap_or(0) >> 8;
        let mut next = || cursor.i64().unwrap_or(0);
        let (producer, first, last, stable) = (next(), next(), next(), next());
        out.text(format_args!(
            "version: {version} producerId: {producer} firstOffset: {first} lastOffset: {last} \
             lastStableOffset: {stable}"
        ))?;
    }
    Ok(())
}

/// A producer, as a snapshot has it.
struct Producer {
    id: i64,
    epoch: i16,
    last_sequence: i32,
    last_offset: i64,
    offset_delta: i32,
    timestamp: i64,
    coordinator_epoch: i32,
    first_offset: i64,
}

/// Shows a `.snapshot`; one that is damaged is reported, and no more.
pub(super) fn dump_snapshot(
    file: &JavaFile,
    release: Release,
    out: &mut Out,
) -> Result<Option<String>> {
    let bytes = fs::read(file.path()).map_err(|error| Thrown::opening(file.path(), &error))?;
    let (crc, producers) = match snapshot(&bytes, release) {
        Ok(read) => read,
        Err(why) => return Ok(Some(why)),
    };
    // From the entries' count on.
    let computed = crc32c::crc32c(bytes.get(6..).unwrap_or_default());
    if crc != computed {
        return Ok(Some(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {crc}. Computed crc: \
             {computed}"
        )));
    }
    for producer in producers {
        out.text(producer.line(release))?;
    }
    Ok(None)
}

/// The fields of an entry, as 3.9 calls them.
const OLD_NAMES: [&str; 8] = [
    "producer_id",
    "epoch",
    "last_sequence",
    "last_offset",
    "offset_delta",
    "timestamp",
    "coordinator_epoch",
    "current_txn_first_offset",
];

/// Reads a snapshot: its checksum, and the producers; or what Kafka says is wrong.
fn snapshot(bytes: &[u8], release: Release) -> std::result::Result<(u32, Vec<Producer>), String> {
    const INVALID: &str = "Snapshot failed schema validation: ";
    let old = |field: &str, why: &str| format!("{INVALID}Error reading field '{field}': {why}");
    let short = |field: &str| match release {
        Release::V4 => format!("{INVALID}null"),
        Release::V3 => old(field, "java.nio.BufferUnderflowException"),
    };
    let mut cursor = Cursor::new(bytes);
    let version = cursor.i16().map_err(|_| short("version"))?;
    if version != 1 {
        let why = format!("Snapshot contained an unknown file version {version}");
        return Err(match release {
            Release::V4 => format!("{INVALID}{why}"),
            Release::V3 => why,
        });
    }
    let crc = cursor.u32().map_err(|_| short("crc"))?;
    let count = cursor.i32().map_err(|_| short("producer_entries"))?;
    let left = cursor.remaining();
    let many = usize::try_from(count).ok().filter(|&count| count <= left);
    let count = many.ok_or_else(|| match (release, count) {
        (Release::V4, ..0) => {
            format!("{INVALID}non-nullable field producerEntries was serialized as null")
        }
        (Release::V4, _) => format!(
            "{INVALID}Tried to allocate a collection of size {count}, but there are only {left} \
             bytes remaining."
        ),
        (Release::V3, ..0) => {
            old("producer_entries", &format!("Array size {count} cannot be negative"))
        }
        (Release::V3, _) => old(
            "producer_entries",
            &format!("Error reading array of size {count}, only {left} bytes available"),
        ),
    })?;
    let mut producers = Vec::new();
    for _ in 0..count {
        let mut fields = 0;
        let producer = Producer::read(&mut cursor, &mut fields).map_err(|_| match release {
            Release::V4 => short(""),
            Release::V3 => {
                let field = OLD_NAMES.get(fields).unwrap_or(&"");
                let why =
                    format!("Error reading field '{field}': java.nio.BufferUnderflowException");
                old("producer_entries", &why)
            }
        })?;
        producers.push(producer);
    }
    Ok((crc, producers))
}

impl Producer {
    /// Reads an entry; `fields` is how many of its fields could be read.
    fn read(from: &mut Cursor<'_>, fields: &mut usize) -> std::result::Result<Producer, Unread> {
        let mut done = || *fields += 1;
        Ok(Producer {
            id: from.i64().inspect(|_| done())?,
            epoch: from.i16().inspect(|_| done())?,
            last_sequence: from.i32().inspect(|_| done())?,
            last_offset: from.i64().inspect(|_| done())?,
            offset_delta: from.i32().inspect(|_| done())?,
            timestamp: from.i64().inspect(|_| done())?,
            coordinator_epoch: from.i32().inspect(|_| done())?,
            first_offset: from.i64().inspect(|_| done())?,
        })
    }

    fn line(&self, release: Release) -> String {
        let mut line = format!(
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} \
             lastTimestamp: {}",
            self.id,
            self.epoch,
            self.coordinator_epoch,
            optional(Some(self.first_offset).filter(|&first| first >= 0)),
            self.timestamp
        );
        if self.last_offset >= 0 {
            let _ = write!(
                line,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                sequence_before(self.last_sequence, self.offset_delta),
                self.last_sequence,
                self.last_offset,
                self.offset_delta,
                self.timestamp
            );
        } else if release == Release::V3 {
            line.push(' ');
        }
        line
    }
}

/// The number `by` records before a sequence: the greatest one stands before 0.
fn sequence_before(sequence: i32, by: i32) -> i32 {
    if sequence < by {
        i32::MAX.wrapping_sub(by.wrapping_sub(sequence)).wrapping_add(1)
    } else {
        sequence.wrapping_sub(by)
    }
}
