//! The segment that a group becomes: written beside the log, as `.cleaned`, and made durable.

use crate::error::{Error, Result};
use crate::fs::{Dir, File};
use crate::index::AbortedTxn;
use crate::log::ledger::sum_of;
use crate::log::manifest::{FileSum, SegmentEntry};
use crate::log::seal::{Sums, entry_of};
use crate::log::watermark::MOST_LOG_BYTES;
use crate::record::{BatchHeader, Offset};
use crate::segment::Builder;
use crate::segment::names::{self, CLEANED, Part, SWAP};

/// Batches are written once there are so many bytes of them.
const WRITE_BYTES: usize = 1 << 20;
/// All that a group can become, in the order in which Kafka renames it.
pub(super) const MADE: [Part; 4] = [Part::Log, Part::OffsetIndex, Part::TimeIndex, Part::TxnIndex];

/// A segment that is being written.
pub(super) struct Output<'a> {
    dir: &'a Dir,
    base_offset: Offset,
    file: File,
    builder: Builder,
    /// Bytes that are in the file.
    written: u64,
    /// What is not in it yet.
    pub(super) buffer: Vec<u8>,
}

/// A segment that is whole and durable under its `.cleaned` names; only those are not.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) entry: SegmentEntry,
    pub(super) aborted: Vec<AbortedTxn>,
}

impl<'a> Output<'a> {
    /// Begins the segment at `base_offset`; what an earlier attempt left goes.
    pub(super) fn create(dir: &'a Dir, base_offset: Offset, interval: u32) -> Result<Output<'a>> {
        drop_made(dir, base_offset)?;
        let name = names::name(base_offset, Part::Log) + CLEANED;
        let file = dir.create(&name);
        let file = file.map_err(|error| Error::io("create", dir.path().join(name), error))?;
        let builder = Builder::new(base_offset, interval);
        Ok(Output { dir, base_offset, file, builder, written: 0, buffer: Vec::new() })
    }

    /// Bytes of its batches so far.
    pub(super) fn log_bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Counts in a batch that was appended to the buffer, where it begins at `start`.
    pub(super) fn count_in(&mut self, header: &BatchHeader, start: usize) -> Result<()> {
        let position = self.written + start as u64;
        self.builder.add_parts(position, header, &self.buffer[start..]);
        if self.log_bytes() > MOST_LOG_BYTES {
            let limit = MOST_LOG_BYTES as usize;
            return Err(Error::TooLarge { what: "a segment after compaction", limit });
        }
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let written = self.file.write_all_at(&self.buffer, self.written);
        written.map_err(|error| self.io("write", Part::Log, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left, and the indexes; all of it is durable then, but for the names.
    pub(super) fn finish(
        mut self,
        next_offset: Offset,
        aborted: Vec<AbortedTxn>,
        modified_ms: Option<i64>,
    ) -> Result<Made> {
        self.write()?;
        let builder = std::mem::replace(&mut self.builder, Builder::new(self.base_offset, 0));
        let (facts, offsets, times) = builder.finish();
        if let Some(modified_ms) = modified_ms {
            // Kafka takes it for the time of records that have none. A file system that does not
            // keep it costs no more than that.
            let _ = self.file.set_modified_ms(modified_ms);
        }
        self.file.sync().map_err(|error| self.io("sync", Part::Log, error))?;
        let transactions: Vec<u8> = aborted.iter().flat_map(AbortedTxn::encode).collect();
        let sums: Sums = (
            Some(self.write_index(Part::OffsetIndex, &offsets)?),
            Some(self.write_index(Part::TimeIndex, &times)?),
            if transactions.is_empty() {
                None
            } else {
                Some(self.write_index(Part::TxnIndex, &transactions)?)
            },
        );
        Ok(Made { entry: entry_of(self.base_offset, next_offset, &facts, sums), aborted })
    }

    fn write_index(&self, part: Part, bytes: &[u8]) -> Result<FileSum> {
        let name = names::name(self.base_offset, part) + CLEANED;
        let written = self.dir.create(&name).and_then(|file| {
            file.write_all_at(bytes, 0)?;
            file.sync()
        });
        written.map_err(|error| self.io("write", part, error))?;
        Ok(sum_of(bytes))
    }

    fn io(&self, doing: &'static str, part: Part, error: std::io::Error) -> Error {
        let name = names::name(self.base_offset, part) + CLEANED;
        Error::io(doing, self.dir.path().join(name), error)
    }
}

/// Removes what is there of a segment that was to take the place of others.
pub(super) fn drop_made(dir: &Dir, base_offset: Offset) -> Result<()> {
    for suffix in [CLEANED, SWAP] {
        for part in MADE {
            let name = names::name(base_offset, part) + suffix;
            match dir.remove(&name) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => {
                    removed.map_err(|error| Error::io("remove", dir.path().join(&name), error))?;
                }
            }
        }
    }
    Ok(())
}

/// Gives it the names under which it waits to take the place of others.
pub(super) fn name_swap(dir: &Dir, made: &Made) -> Result<()> {
    for part in parts_of(made) {
        let name = names::name(made.entry.base_offset, part);
        let renamed = dir.rename(&format!("{name}{CLEANED}"), &format!("{name}{SWAP}"));
        renamed.map_err(|error| Error::io("rename", dir.path().join(name), error))?;
    }
    Ok(())
}

/// The files that it has.
pub(super) fn parts_of(made: &Made) -> impl Iterator<Item = Part> {
    let has_transactions = made.entry.txn_index.is_some();
    MADE.into_iter().filter(move |part| *part != Part::TxnIndex || has_transactions)
}
