//! A window on a file: large reads, small looks.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::fs::File;
use crate::wire::crc32c;

/// Bytes that one read brings. Larger ones win nothing, smaller ones lose.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// Reads a file from front to back in large pieces and hands out slices of what it holds.
pub(crate) struct Window {
    file: Arc<File>,
    /// No byte from here on is looked at.
    end: u64,
    /// Where in the file `bytes` begin.
    start: u64,
    bytes: Vec<u8>,
    piece: usize,
    /// Bytes from here on stay, once they are held.
    keep_from: Option<u64>,
}

impl Window {
    /// A window on the first `end` bytes of `file`, which reads `piece` bytes at a time.
    pub(crate) fn new(file: Arc<File>, end: u64, piece: usize) -> Self {
        Window { file, end, start: 0, bytes: Vec::new(), piece, keep_from: None }
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
        let held = self.start..self.start + self.bytes.len() as u64;
        if position < held.start || position + len as u64 > held.end {
            self.load(position, len)?;
        }
        let from = (position - self.start) as usize;
        Ok(&self.bytes[from..from + len])
    }

    /// Everything that is held from `position` on, at least `len` bytes unless the end is nearer.
    pub(crate) fn from(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        if position >= self.end {
            return Ok(&[]);
        }
        self.at_most(position, len)?;
        Ok(&self.bytes[(position - self.start) as usize..])
    }

    /// Keeps what is held from `position` on, from now on.
    pub(crate) fn keep_from(&mut self, position: u64) {
        self.keep_from = Some(position);
    }

    fn load(&mut self, position: u64, len: usize) -> io::Result<()> {
        let left = usize::try_from(self.end - position).unwrap_or(usize::MAX);
        let want = len.max(self.piece).min(left);
        let held_end = self.start + self.bytes.len() as u64;
        let start = self.keep_from.unwrap_or(position).min(position);
        if start >= self.start && position <= held_end {
            self.bytes.drain(..(start.min(held_end) - self.start) as usize);
            self.start = start.min(held_end);
        } else {
            self.bytes.clear();
            self.start = position;
        }
        let have = self.bytes.len();
        let wanted = (position - self.start) as usize + want;
        // What a batch claims to be long may be more than there is memory.
        let missing = wanted.saturating_sub(have);
        self.bytes.try_reserve_exact(missing).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.bytes.resize(wanted.max(have), 0);
        let result = self.file.read_exact_at(&mut self.bytes[have..], self.start + have as u64);
        if result.is_err() {
            self.bytes.truncate(have);
        }
        result
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

    /// Takes the bytes that are held, and where they begin.
    pub(crate) fn into_bytes(self) -> (u64, Vec<u8>) {
        (self.start, self.bytes)
    }
}
