//! The bytes of a `.log` as Kafka's tool reads them: a part of a file, batch after batch by the
//! length that each one claims. Nothing is checked but what that tool checks.

use std::fs::File;
use std::io;

use super::file::JavaFile;
use super::thrown::Thrown;
use crate::internal::cursor::Cursor;
use crate::reading::{self, read_at};

/// Bytes that are read at once, if no batch needs more.
const READ_BYTES: usize = 256 << 10;
/// Bytes of a batch that its length does not count.
const OVERHEAD: i64 = 12;
/// Bytes up to the magic, with it.
const PREFIX: i64 = 17;
/// The smallest length that is not refused.
const LEAST_LENGTH: i32 = 14;

/// A part of a file, from `start` up to `end`.
pub(super) struct FileRecords {
    file: File,
    shown: String,
    /// Bytes of the whole file.
    len: i64,
    start: i64,
    end: i64,
    /// Whether it is a part: the whole file gives its end as 2³¹−1.
    is_slice: bool,
    /// Some bytes of the file, and where they begin.
    held: Vec<u8>,
    held_from: i64,
}

/// A batch, as far as its first 17 bytes say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) position: i64,
    pub(super) offset: i64,
    /// Bytes of all of it.
    pub(super) size: i64,
    pub(super) magic: i8,
}

impl FileRecords {
    /// All of a file.
    pub(super) fn open(file: &JavaFile) -> Result<FileRecords, Thrown> {
        let shown = file.shown();
        let opened = reading::open(file.path());
        let opened = opened.map_err(|error| Thrown::opening(file.path(), &error))?;
        let len = opened.metadata().map_err(|error| Thrown::reading(&error))?.len() as i64;
        if len > i64::from(i32::MAX) {
            return Err(Thrown::kafka(format!(
                "The size of segment {shown} ({len}) is larger than the maximum allowed segment \
                 size of {}",
                i32::MAX
            )));
        }
        let (held, held_from) = (Vec::new(), 0);
        Ok(FileRecords {
            file: opened,
            shown,
            len,
            start: 0,
            end: len,
            is_slice: false,
            held,
            held_from,
        })
    }

    /// Narrows it to `size` bytes from `position` on, or to what there is.
    pub(super) fn narrow(&mut self, position: i32, size: i32) -> Result<(), Thrown> {
        let (from, whole) = (i64::from(position), self.len);
        if position < 0 {
            let text = format!("Invalid position: {position} in read from {}", self.whole());
            return Err(Thrown::argument(text));
        }
        if from > whole {
            let text =
                format!("Slice from position {position} exceeds end position of {}", self.whole());
            return Err(Thrown::argument(text));
        }
        if size < 0 {
            let text = format!("Invalid size: {size} in read from {}", self.whole());
            return Err(Thrown::argument(text));
        }
        self.start = from;
        self.end = (from + i64::from(size)).min(whole);
        self.is_slice = true;
        Ok(())
    }

    /// Bytes of it.
    pub(super) fn size(&self) -> i64 {
        self.end - self.start
    }

    /// The whole file, as Java shows it.
    fn whole(&self) -> String {
        let (len, shown) = (self.len, &self.shown);
        format!("FileRecords(size={len}, file={shown}, start=0, end={})", i32::MAX)
    }

    /// What it is, as Java shows it.
    fn described(&self) -> String {
        if !self.is_slice {
            return self.whole();
        }
        let (size, shown, start, end) = (self.size(), &self.shown, self.start, self.end);
        format!("FileRecords(size={size}, file={shown}, start={start}, end={end})")
    }

    /// `len` bytes of the file from `position` on; less if it ends before.
    fn at(&mut self, position: i64, len: i64) -> Result<&[u8], Thrown> {
        let held_end = self.held_from + self.held.len() as i64;
        let wanted_end = (position + len).min(self.len);
        if position < self.held_from || wanted_end > held_end {
            self.read(position, len).map_err(|error| Thrown::reading(&error))?;
        }
        let from = usize::try_from(position - self.held_from).unwrap_or(usize::MAX);
        let bytes = self.held.get(from..).unwrap_or_default();
        Ok(&bytes[..bytes.len().min(usize::try_from(len).unwrap_or(0))])
    }

    fn read(&mut self, position: i64, len: i64) -> io::Result<()> {
        let left = usize::try_from(self.len - position).unwrap_or(0);
        let wanted = usize::try_from(len).unwrap_or(0).max(READ_BYTES).min(left);
        if self.held.capacity() > 4 * READ_BYTES && wanted <= READ_BYTES {
            self.held = Vec::new();
        }
        self.held.clear();
        self.held.resize(wanted, 0);
        self.held_from = position;
        let read = read_at(&self.file, &mut self.held, position as u64);
        self.held.truncate(read.as_ref().copied().unwrap_or(0));
        read.map(drop)
    }

    /// The batch at `position`; none if there is no room for one, or less than it claims.
    pub(super) fn place(&mut self, position: i64) -> Result<Option<Place>, Thrown> {
        if position >= self.end - PREFIX {
            return Ok(None);
        }
        let mut cursor = Cursor::new(self.at(position, PREFIX)?);
        let cut = |_| {
            let why = "Unexpected EOF while attempting to read the next batch";
            Thrown::corrupt(why)
        };
        let offset = cursor.i64().map_err(cut)?;
        let length = cursor.i32().map_err(cut)?;
        cursor.i32().map_err(cut)?;
        let magic = cursor.i8().map_err(cut)?;
        if length < LEAST_LENGTH {
            return Err(Thrown::corrupt(format!(
                "Found record size {length} smaller than minimum record overhead \
                 ({LEAST_LENGTH}) in file {}.",
                self.shown
            )));
        }
        let size = OVERHEAD + i64::from(length);
        Ok((position + size <= self.end).then_some(Place { position, offset, size, magic }))
    }

    /// The bytes of a batch, and of what follows up to `least` bytes.
    pub(super) fn batch(&mut self, place: Place, least: i64) -> Result<&[u8], Thrown> {
        let wanted = place.size.max(least);
        if place.position + wanted > self.len {
            return Err(Thrown::kafka(format!(
                "Failed to load record batch at position {} from {}",
                place.position,
                self.described()
            )));
        }
        let bytes = self.at(place.position, wanted)?;
        if (bytes.len() as i64) < wanted {
            return Err(Thrown::kafka("java.io.IOException: the file has become shorter"));
        }
        Ok(bytes)
    }
}
