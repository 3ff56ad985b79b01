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
/// So much is made later, or more: zeros are written there once, unless bytes are appended meanwhile.
const STEP: usize = 4096;

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
        self.bytes.resize(self.end.saturating_add(len.max(STEP)), 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_and_what_is_appended_lie_one_behind_the_other() {
        let mut room = Room::zeros(3);
        room.behind(5)[..2].copy_from_slice(b"ab");
        room.take(2);
        room.append(|bytes| bytes.extend_from_slice(b"cd"));
        room.behind(10_000)[..1].copy_from_slice(b"e");
        room.take(1);
        assert_eq!(&*room, b"\0\0\0abcde");
        assert!(room.behind(1).iter().all(|byte| *byte == 0));
        room.truncate(4);
        assert_eq!(&*room, b"\0\0\0a");
        room.append(|bytes| bytes.push(b'f'));
        assert_eq!(&*room, b"\0\0\0af");
    }

    #[test]
    fn no_more_is_there_than_there_was_room_for() {
        let mut room = Room::default();
        let made = room.behind(1).len();
        room.take(usize::MAX / 2);
        assert_eq!(room.len(), made);
    }
}
