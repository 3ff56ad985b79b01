//! Bytes that grow at their end.

use std::ops::{Deref, DerefMut};

/// Bytes with room behind them that was made before: who writes there pays for no zeros and asks once
/// for all that he writes, which a vector's own ends do not offer.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    /// What is there, then room.
    bytes: Vec<u8>,
    end: usize,
}

/// So much room is made at first.
const FIRST: usize = 256;

impl Room {
    /// This many zeros.
    pub(super) fn zeros(len: usize) -> Room {
        Room { bytes: vec![0; len + FIRST], end: len }
    }

    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(len);
    }

    /// Room for `len` bytes or more, behind what is there.
    #[inline]
    pub(super) fn behind(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < len {
            self.make(len);
        }
        &mut self.bytes[self.end..]
    }

    /// The first `len` bytes of the room are there now.
    #[inline]
    pub(super) fn take(&mut self, len: usize) {
        self.end = (self.end + len).min(self.bytes.len());
    }

    #[cold]
    fn make(&mut self, len: usize) {
        let doubled = self.bytes.len().saturating_mul(2).max(FIRST);
        self.bytes.resize(doubled.max(self.end.saturating_add(len)), 0);
    }

    /// Lets bytes be appended as to any vector.
    pub(super) fn append<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.bytes.truncate(self.end);
        let written = write(&mut self.bytes);
        self.end = self.bytes.len();
        written
    }
}

impl Deref for Room {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

impl DerefMut for Room {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.end]
    }
}
