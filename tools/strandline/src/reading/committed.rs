//! Which records a read-committed reader sees: those of no open and no aborted transaction, told by
//! the markers in the log.

use std::collections::HashMap;
use std::path::Path;

use strandline::compression::Decompressor;
use strandline::record::{BatchHeader, ControlRecord, RecordBatch, TransactionEnd};

use super::headers::{Found, Headers};
use super::{open, read_at};
use crate::exit::{Failure, Result};
use crate::paths::OneLog;

/// A marker's batch takes 78 bytes; larger ones are none.
const MOST_MARKER_BYTES: usize = 1 << 10;

/// What is hidden from a read-committed reader.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    /// Of each producer the first and last offsets of its aborted transactions.
    aborted: HashMap<i64, Vec<(i64, i64)>>,
    /// The first offset of a transaction that is still open.
    pub(crate) last_stable_offset: Option<i64>,
}

impl Hidden {
    /// Looks at the headers of a whole log, and at its markers.
    pub(crate) fn of(log: &OneLog) -> Result<Hidden> {
        let (mut hidden, mut open) = (Hidden::default(), HashMap::new());
        for input in &log.segments {
            let failed = |error| Failure::io("read", &input.path, &error);
            let mut headers = Headers::open(&input.path).map_err(failed)?;
            while let Some(Found::Batch(position, header)) = headers.next().map_err(failed)? {
                hidden.take(&input.path, position, &header, &mut open)?;
            }
        }
        hidden.last_stable_offset = open.values().min().copied();
        Ok(hidden)
    }

    fn take(
        &mut self,
        path: &Path,
        position: u64,
        header: &BatchHeader,
        open: &mut HashMap<i64, i64>,
    ) -> Result<()> {
        let attributes = header.attributes();
        let Some(id) = header.producer_id().map(|id| id.0) else { return Ok(()) };
        if !attributes.is_transactional() {
            return Ok(());
        }
        if !attributes.is_control() {
            open.entry(id).or_insert(header.base_offset());
            return Ok(());
        }
        let end = marker(path, position, header)?;
        let first = open.remove(&id);
        if let (Some(first), Some(TransactionEnd::Abort)) = (first, end) {
            self.aborted.entry(id).or_default().push((first, header.last_offset()));
        }
        Ok(())
    }

    /// Whether a record of a batch with this header is seen.
    pub(crate) fn shows(&self, header: &BatchHeader, offset: i64) -> bool {
        if self.last_stable_offset.is_some_and(|stable| offset >= stable) {
            return false;
        }
        let of_producer = header.producer_id().and_then(|id| self.aborted.get(&id.0));
        let within = |&(first, last): &(i64, i64)| (first..=last).contains(&offset);
        !header.attributes().is_transactional()
            || header.attributes().is_control()
            || !of_producer.is_some_and(|all| all.iter().any(within))
    }
}

/// What the marker at a place says; none if it is no proper one.
pub(crate) fn marker(
    path: &Path,
    position: u64,
    header: &BatchHeader,
) -> Result<Option<TransactionEnd>> {
    if header.size_bytes() > MOST_MARKER_BYTES {
        return Ok(None);
    }
    let mut bytes = vec![0; header.size_bytes()];
    let file = open(path).and_then(|file| read_at(&file, &mut bytes, position));
    file.map_err(|error| Failure::io("read", path, &error))?;
    let (mut with, mut inflated) = (Decompressor::new(), Vec::new());
    let Ok(batch) = RecordBatch::decode(&bytes) else { return Ok(None) };
    let records = batch.records(&mut with, MOST_MARKER_BYTES, &mut inflated);
    let control = records.ok().and_then(|mut records| records.next()?.ok());
    Ok(match control.map(|record| ControlRecord::decode(&record)) {
        Some(Ok(ControlRecord::EndTransaction { end, .. })) => Some(end),
        _ => None,
    })
}
