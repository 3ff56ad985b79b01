//! A window on a file: large reads, small looks.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::reads::Buffer;
use crate::fs::File;
use crate::wire::crc32c;

/// Bytes that one read brings. Larger ones win nothing, smaller ones lose.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// Reads a file from front to back in large pieces and hands out slices of what it holds.
pub(crate) struct Window {
    file: Arc<File>,
    /// No byte from here on is looked at.
    end: u64,
    /// Where in the file what is held begins.
    start: u64,
    /// How many of the first bytes of `room` are held; the others mean nothing.
    held: usize,
    room: Buffer,
    piece: usize,
    /// Bytes from here on stay, once they are held.
    keep_from: Option<u64>,
    /// Bytes from here on are read only when they are asked for.
    ahead_to: u64,
    /// A whole batch that is held and whose checksum was found to hold.
    checked: Range<u64>,
}

impl Window {
    /// A window on the first `end` bytes of `file`, which reads `piece` bytes at a time.
    pub(crate) fn new(file: Arc<File>, end: u64, piece: usize) -> Self {
        Window::within(Buffer::default(), file, end, piece)
    }

    /// The same, which holds what it reads in `room`.
    pub(super) fn within(room: Buffer, file: Arc<File>, end: u64, piece: usize) -> Self {
        Window {
            file,
            end,
            start: 0,
            held: 0,
            room,
            piece,
            keep_from: None,
            ahead_to: u64::MAX,
            checked: 0..0,
        }
    }

    /// The file's logical end.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Up to `len` bytes from `position` on: fewer only at the end.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has become shorter than its end.
    pub(crate) fn at_most(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        if position >= self.end {
            return Ok(&[]);
        }
        let len = len.min(usize::try_from(self.end - position).unwrap_or(usize::MAX));
        let held = self.start..self.start + self.held as u64;
        if position < held.start || position + len as u64 > held.end {
            self.load(position, len)?;
        }
        let from = (position - self.start) as usize;
        Ok(&self.room.bytes[from..from + len])
    }

    /// Everything that is held from `position` on, at least `len` bytes unless the end is nearer.
    pub(crate) fn from(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        if position >= self.end {
            return Ok(&[]);
        }
        self.at_most(position, len)?;
        Ok(&self.room.bytes[(position - self.start) as usize..self.held])
    }

    /// Keeps what is held from `position` on, from now on.
    pub(crate) fn keep_from(&mut self, position: u64) {
        self.keep_from = Some(position);
    }

    /// Reads nothing from `position` on before it is asked for.
    pub(super) fn read_ahead_to(&mut self, position: u64) {
        self.ahead_to = position;
    }

    /// Reads so many bytes at a time from now on.
    pub(super) fn set_piece(&mut self, piece: usize) {
        self.piece = piece;
    }

    /// Whether a batch that is held at `position` was found to be whole and its checksum to hold.
    pub(super) fn is_checked(&self, position: u64) -> bool {
        self.checked.start == position && !self.checked.is_empty()
    }

    /// Notes that the batch is, whose bytes are held.
    pub(super) fn note_checked(&mut self, position: u64, len: usize) {
        self.checked = position..position + len as u64;
    }

    fn load(&mut self, position: u64, len: usize) -> io::Result<()> {
        let left = usize::try_from(self.end - position).unwrap_or(usize::MAX);
        let ahead = usize::try_from(self.ahead_to.saturating_sub(position)).unwrap_or(usize::MAX);
        let want = len.max(self.piece.min(ahead)).min(left);
        let held_end = self.start + self.held as u64;
        let start = self.keep_from.unwrap_or(position).min(position);
        if start >= self.start && position <= held_end {
            let start = start.min(held_end);
            let gone = (start - self.start) as usize;
            self.room.bytes.copy_within(gone..self.held, 0);
            (self.start, self.held) = (start, self.held - gone);
        } else {
            (self.start, self.held) = (position, 0);
        }
        if self.checked.start < self.start || self.checked.end > self.start + self.held as u64 {
            self.checked = 0..0;
        }
        let wanted = (position - self.start) as usize + want;
        // What a batch claims to be long may be more than there is memory.
        let bytes = &mut self.room.bytes;
        let missing = wanted.saturating_sub(bytes.len());
        bytes.try_reserve(missing).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if missing > 0 {
            bytes.resize(wanted, 0);
        }
        let Some(room) = bytes.get_mut(self.held..wanted) else { return Ok(()) };
        self.file.read_exact_at(room, self.start + self.held as u64)?;
        self.held = wanted;
        Ok(())
    }

    /// The checksum of a stretch of the file, read piece by piece: nothing of it is held, and holes
    /// are not read.
    pub(crate) fn checksum(&self, stretch: Range<u64>) -> io::Result<u32> {
        let (mut crc, mut at) = (0, stretch.start);
        while at < stretch.end {
            let data = self.file.next_data(at)?.unwrap_or(stretch.end).clamp(at, stretch.end);
            crc = crc32c::extend_zeros(crc, data - at);
            at = data + (stretch.end - data).min(READ_BYTES as u64);
            self.for_each_piece(data..at, &mut |piece| crc = crc32c::extend(crc, piece))?;
        }
        Ok(crc)
    }

    /// Gives a stretch of the file to `visit`, piece by piece.
    pub(crate) fn for_each_piece(
        &self,
        stretch: Range<u64>,
        visit: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut piece = vec![0; READ_BYTES];
        let mut at = stretch.start;
        while at < stretch.end {
            let len = piece.len().min((stretch.end - at) as usize);
            self.file.read_exact_at(&mut piece[..len], at)?;
            visit(&piece[..len]);
            at += len as u64;
        }
        Ok(())
    }

    /// Takes what holds the bytes, and where in the file it begins.
    pub(super) fn into_buffer(self) -> (u64, Buffer) {
        (self.start, self.room)
    }
}
