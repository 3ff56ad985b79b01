//! Sealing: an inactive segment is proved durable and entered in the manifest, so that no opening
//! has to look through it again.

use std::sync::Arc;

use super::group::Failure;
use super::ledger::{Ledger, sum_of};
use super::manifest::{Entry, FileSum, SegmentEntry};
use super::opened::Opened;
use super::replay::replayed_in;
use super::watermark::LastBatch;
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::Offset;
use crate::segment::names::{self, Part};
use crate::segment::{Expected, Facts, Segment};

impl From<FileSum> for Expected {
    fn from(sum: FileSum) -> Self {
        Expected { bytes: sum.bytes, crc: sum.crc }
    }
}

impl From<Expected> for FileSum {
    fn from(sum: Expected) -> Self {
        FileSum { bytes: sum.bytes, crc: sum.crc }
    }
}

impl Opened {
    /// Seals one inactive segment that ends at `next_offset`.
    ///
    /// # Errors
    ///
    /// Final if a sync of the `.log` or of the directory failed; else it is tried again later.
    pub(super) fn seal(
        &self,
        ledger: &mut Ledger,
        segment: &Arc<Segment>,
        next_offset: Offset,
    ) -> std::result::Result<(), Failure> {
        let entry = self.make_durable(segment, next_offset)?;
        ledger.append(&[Entry::Sealed(entry)]).map_err(Failure::Passing)
    }

    /// Syncs all files of a segment and the snapshot behind it, and the directory; says what they
    /// are then.
    pub(super) fn make_durable(
        &self,
        segment: &Arc<Segment>,
        next_offset: Offset,
    ) -> std::result::Result<SegmentEntry, Failure> {
        let passing = Failure::Passing;
        let facts = segment.facts().map_err(passing)?;
        let file = segment.log_file().map_err(passing)?;
        let synced = if planted::on(Bug::SealedBeforeSync) { Ok(()) } else { file.sync() };
        synced.map_err(|e| Failure::Final(Error::io("sync", segment.path(Part::Log), e)))?;
        let (offset_index, time_index) = segment.finish_indexes().map_err(passing)?;
        let txn_index = self.finish_txn_index(segment).map_err(passing)?;
        let snapshot = names::name(next_offset, Part::Snapshot);
        match self.sync_file(&snapshot) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            synced => synced.map_err(passing)?,
        }
        self.sync_directory().map_err(Failure::Final)?;
        let sums = (offset_index.map(Into::into), time_index.map(Into::into), txn_index);
        Ok(entry_of(segment.base_offset(), next_offset, &facts, sums))
    }

    /// Writes the transaction index if the file is not what it should be, and syncs it.
    fn finish_txn_index(&self, segment: &Arc<Segment>) -> Result<Option<FileSum>> {
        let name = names::name(segment.base_offset(), Part::TxnIndex);
        // Not by way of the ledger, which is held.
        let aborted = match segment.aborted() {
            Some(aborted) => aborted,
            None => replayed_in(self, segment)?,
        };
        if aborted.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<u8> = aborted.iter().flat_map(crate::index::AbortedTxn::encode).collect();
        let there = self.shared().dir.read_small(&name, wanted.len() as u64);
        if there.is_ok_and(|there| there.as_deref() == Some(wanted.as_slice())) {
            self.sync_file(&name)?;
        } else {
            self.replace_small(&name, &wanted)?;
        }
        Ok(Some(sum_of(&wanted)))
    }
}

pub(super) type Sums = (Option<FileSum>, Option<FileSum>, Option<FileSum>);

pub(super) fn entry_of(
    base_offset: Offset,
    next_offset: Offset,
    facts: &Facts,
    sums: Sums,
) -> SegmentEntry {
    let (offset_index, time_index, txn_index) = sums;
    SegmentEntry {
        base_offset,
        next_offset,
        log_bytes: facts.log_bytes,
        log_crc: facts.log_crc,
        batches: facts.batches,
        // A cut inside its last batch, or records that were lost, leave a hole at its end.
        dense: facts.dense && facts.next_offset == next_offset,
        max_timestamp: facts.largest,
        last_leader_epoch: facts.last_epoch,
        offset_index,
        time_index,
        txn_index,
        last_batch: facts.last_batch.map(|(position, crc)| LastBatch { position, crc }),
        reclaimed_bytes: 0,
    }
}

/// What an entry says of a segment, as a segment keeps it.
pub(super) fn facts_of(entry: &SegmentEntry) -> Facts {
    Facts {
        log_bytes: entry.log_bytes,
        log_crc: entry.log_crc,
        batches: entry.batches,
        next_offset: entry.next_offset,
        largest: entry.max_timestamp,
        first_timestamp: None,
        last_epoch: entry.last_leader_epoch,
        last_batch: entry.last_batch.map(|batch| (batch.position, batch.crc)),
        dense: entry.dense,
    }
}
