//! Building a segment's indexes and facts from its batches, as an appender would have.

use super::Facts;
use crate::index::{OffsetEntry, TimeEntry};
use crate::record::{BatchHeader, Offset, RecordBatch, Timestamp};

/// Builds what an appender would have built.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) facts: Facts,
    base: Offset,
    interval: u64,
    since: u64,
    offsets: Vec<u8>,
    times: Vec<u8>,
    last_offset: Offset,
    last_time: Timestamp,
}

impl Builder {
    pub(crate) fn new(base: Offset, interval: u32) -> Self {
        Builder {
            facts: Facts::empty(base),
            base,
            interval: u64::from(interval),
            since: 0,
            offsets: Vec::new(),
            times: Vec::new(),
            last_offset: -1,
            last_time: -1,
        }
    }

    /// Goes on behind batches of which `facts` are known, `since` bytes behind the last one that has
    /// an entry in the offset index.
    pub(crate) fn resume(base: Offset, interval: u32, facts: Facts, since: u64) -> Self {
        Builder {
            facts,
            since,
            last_offset: facts.next_offset - 1,
            last_time: facts.largest.map_or(-1, |(timestamp, _)| timestamp),
            ..Builder::new(base, interval)
        }
    }

    /// The entries for both indexes since they were last taken.
    pub(crate) fn take_entries(&mut self) -> (Vec<u8>, Vec<u8>) {
        (std::mem::take(&mut self.offsets), std::mem::take(&mut self.times))
    }

    /// Counts in the batch at `position`.
    pub(crate) fn add(&mut self, position: u64, batch: &RecordBatch<'_>) {
        self.add_parts(position, batch.header(), batch.bytes());
    }

    /// Counts in the batch `bytes` at `position`, whose CRC is known to hold.
    pub(crate) fn add_parts(&mut self, position: u64, header: &BatchHeader, bytes: &[u8]) {
        self.facts.add_parts(header, bytes);
        // Behind damage that was stepped over the sums go on from the batch's own place.
        self.facts.log_bytes = position + bytes.len() as u64;
        if self.since > self.interval {
            let entry = OffsetEntry { offset: header.last_offset(), position: position as u32 };
            // What an entry cannot say has none: the index is a help, not the truth. Nor has a batch
            // that is out of order: it is not where it belongs.
            if entry.offset > self.last_offset
                && let Ok(bytes) = entry.encode(self.base)
            {
                self.offsets.extend(bytes);
                self.last_offset = entry.offset;
            }
            self.add_time();
            self.since = 0;
        }
        self.since += bytes.len() as u64;
    }

    fn add_time(&mut self) {
        if let Some((timestamp, offset)) = self.facts.largest
            && timestamp > self.last_time
        {
            self.last_time = timestamp;
            let entry = TimeEntry { timestamp, offset }.encode(self.base);
            self.times.extend(entry.ok().into_iter().flatten());
        }
    }

    /// The facts and both indexes, with the last time entry.
    pub(crate) fn finish(mut self) -> (Facts, Vec<u8>, Vec<u8>) {
        self.add_time();
        (self.facts, self.offsets, self.times)
    }
}
