//! What the flushes of a log are like, by which zeros are written ahead.

use std::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// How far the active segment was flushed last, and how many bytes that brought. Both are hints.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    end: AtomicU64,
    bytes: AtomicU64,
}

impl Flushes {
    /// The active segment is flushed up to here.
    pub(super) fn note(&self, end: u64) {
        let before = self.end.swap(end, Ordering::Relaxed);
        // In a segment that was rolled to meanwhile it begins at 0.
        let bytes = end.checked_sub(before).unwrap_or(end);
        if bytes > 0 {
            self.bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes that the last flush brought to the disk, 0 before the first.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
