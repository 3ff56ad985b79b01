//! What the flushes of a log are like, by which zeros are written ahead.

use std::sync::atomic::Ordering;

use crate::record::Offset;
use crate::sync::{AtomicI64, AtomicU64};

/// How far which segment was flushed last, and how many bytes that brought. All of it are hints.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    base_offset: AtomicI64,
    end: AtomicU64,
    bytes: AtomicU64,
}

/// Who has appended as much as so many flushes bring, without one, is not about to flush.
const MOST_BEHIND: u64 = 8;

impl Flushes {
    /// The segment with this base offset, to which appends go, is flushed up to `end`.
    pub(super) fn note(&self, base_offset: Offset, end: u64) {
        let before = self.end_in(base_offset);
        self.base_offset.store(base_offset, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        if end > before {
            self.bytes.store(end - before, Ordering::Relaxed);
        }
    }

    /// Bytes that the last flush brought to the disk, for an append at `end` of this segment: 0
    /// before the first one, and where none is to be expected.
    pub(super) fn bytes_at(&self, base_offset: Offset, end: u64) -> u64 {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let behind = end.saturating_sub(self.end_in(base_offset));
        if behind > MOST_BEHIND.saturating_mul(bytes) { 0 } else { bytes }
    }

    fn end_in(&self, base_offset: Offset) -> u64 {
        let is_same = self.base_offset.load(Ordering::Relaxed) == base_offset;
        if is_same { self.end.load(Ordering::Relaxed) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_are_expected_while_there_are_some() {
        let flushes = Flushes::default();
        assert_eq!(flushes.bytes_at(0, 0), 0, "nobody has flushed");
        flushes.note(0, 100);
        assert_eq!((flushes.bytes_at(0, 100), flushes.bytes_at(0, 900)), (100, 100));
        assert_eq!(flushes.bytes_at(0, 901), 0, "nobody flushes any more");
        flushes.note(0, 1000);
        flushes.note(0, 1000);
        assert_eq!(flushes.bytes_at(0, 1100), 900, "a flush of nothing says nothing");
    }

    #[test]
    fn a_segment_that_was_rolled_to_begins_at_nothing() {
        let flushes = Flushes::default();
        flushes.note(0, 5000);
        flushes.note(0, 5100);
        assert_eq!((flushes.bytes_at(7, 0), flushes.bytes_at(7, 4000)), (100, 0));
        flushes.note(7, 60);
        assert_eq!(flushes.bytes_at(7, 60), 60);
    }
}
