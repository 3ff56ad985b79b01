//! Which records a read-committed reader sees: those of no open and no aborted transaction, told by
//! the markers in the log.

use std::collections::HashMap;
use std::path::Path;

use strandline::compression::Decompressor;
use strandline::record::{BatchHeader, ControlRecord, RecordBatch, TransactionEnd};

use super::headers::each_header;
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
    /// Where the open transaction of each producer begins.
    open: HashMap<i64, i64>,
    /// The first offset of a transaction that is still open.
    pub(crate) last_stable_offset: Option<i64>,
}

impl Hidden {
    /// Looks at the headers of a whole log, and at its markers.
    pub(crate) fn of(log: &OneLog) -> Result<Hidden> {
        Hidden::upto(log, i64::MAX)
    }

    /// The same of what lies before an offset.
    pub(crate) fn upto(log: &OneLog, end: i64) -> Result<Hidden> {
        let mut hidden = Hidden::default();
        for input in &log.segments {
            each_header(input, 0, &mut |position, header| {
                if header.base_offset() >= end {
                    return Ok(false);
                }
                let path = &input.path;
                hidden.take(header, || marker(path, position, header)).map(|()| true)
            })?;
        }
        Ok(hidden)
    }

    /// Takes in the next batch of the log; `end` says what its marker says.
    pub(crate) fn take(
        &mut self,
        header: &BatchHeader,
        end: impl FnOnce() -> Result<Option<TransactionEnd>>,
    ) -> Result<()> {
        let attributes = header.attributes();
        let Some(id) = header.producer_id().map(|id| id.0) else { return Ok(()) };
        if !attributes.is_transactional() {
            return Ok(());
        }
        if !attributes.is_control() {
            let first = *self.open.entry(id).or_insert(header.base_offset());
            self.last_stable_offset =
                Some(self.last_stable_offset.map_or(first, |it| it.min(first)));
            return Ok(());
        }
        let end = end()?;
        let first = self.open.remove(&id);
        if let (Some(first), Some(TransactionEnd::Abort)) = (first, end) {
            self.aborted.entry(id).or_default().push((first, header.last_offset()));
        }
        self.last_stable_offset = self.open.values().min().copied();
        Ok(())
    }

    /// The log ends at an offset now: transactions that ended behind it are open again.
    pub(crate) fn cut(&mut self, end: i64) {
        for (&id, aborted) in &mut self.aborted {
            if let Some(&(first, _)) = aborted.iter().find(|(_, last)| *last >= end) {
                self.open.insert(id, first);
            }
            aborted.retain(|(_, last)| *last < end);
        }
        self.open.retain(|_, first| *first < end);
        self.last_stable_offset = self.open.values().min().copied();
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
    Ok(RecordBatch::decode(&bytes).ok().and_then(|batch| end_of(&batch)))
}

/// What the marker in a batch says; none if it is no proper one.
pub(crate) fn end_of(batch: &RecordBatch<'_>) -> Option<TransactionEnd> {
    let (mut with, mut inflated) = (Decompressor::new(), Vec::new());
    let records = batch.records(&mut with, MOST_MARKER_BYTES, &mut inflated);
    let control = records.ok()?.next()?.ok()?;
    match ControlRecord::decode(&control) {
        Ok(ControlRecord::EndTransaction { end, .. }) => Some(end),
        _ => None,
    }
}
