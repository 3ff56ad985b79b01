//! A `.index` or `.timeindex` by itself, outside any store: its entries, and the zeros behind them.

use std::io;
use std::marker::PhantomData;
use std::path::Path;

use super::READ_BYTES;
use super::file::Opened;
use crate::error::{Cause, Error, Result};
use crate::index::{OFFSET_ENTRY_LEN, OffsetEntry, TIME_ENTRY_LEN, TimeEntry};
use crate::record::{Offset, Timestamp};

/// An entry of an index file: [`OffsetIndexEntry`] or [`TimeIndexEntry`].
pub trait IndexFileEntry: Copy {
    /// Bytes of an entry.
    const LEN: usize;

    /// Reads the entry that `bytes` begin with, in the index of the segment with that base offset.
    ///
    /// # Errors
    ///
    /// If an offset or a position in it cannot be.
    fn read(base_offset: Offset, bytes: &[u8]) -> std::result::Result<Self, Cause>;
}

/// An entry of a `.index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    /// Last offset of the append that the entry was made for.
    pub offset: Offset,
    /// Where that append begins in the `.log`.
    pub position: u32,
}

/// An entry of a `.timeindex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The largest timestamp of the segment when the entry was made, as on disk.
    pub timestamp: Timestamp,
    /// Last offset of the batch that reached it.
    pub offset: Offset,
}

const SHORT: Cause = Cause::Mismatch("an index entry is cut short");
const IMPOSSIBLE: Cause = Cause::Mismatch("an index entry with an impossible offset or position");

impl IndexFileEntry for OffsetIndexEntry {
    const LEN: usize = OFFSET_ENTRY_LEN;

    fn read(base_offset: Offset, bytes: &[u8]) -> std::result::Result<Self, Cause> {
        let entry = bytes.first_chunk().ok_or(SHORT)?;
        let entry = OffsetEntry::decode(base_offset, *entry).map_err(|_| IMPOSSIBLE)?;
        Ok(OffsetIndexEntry { offset: entry.offset, position: entry.position })
    }
}

impl IndexFileEntry for TimeIndexEntry {
    const LEN: usize = TIME_ENTRY_LEN;

    fn read(base_offset: Offset, bytes: &[u8]) -> std::result::Result<Self, Cause> {
        let entry = bytes.first_chunk().ok_or(SHORT)?;
        let entry = TimeEntry::decode(base_offset, *entry).map_err(|_| IMPOSSIBLE)?;
        Ok(TimeIndexEntry { timestamp: entry.timestamp, offset: entry.offset })
    }
}

/// One `.index` or `.timeindex` by itself.
#[derive(Debug)]
pub struct IndexFile<E> {
    opened: Opened,
    /// Bytes of entries; zeros and odd bytes follow.
    entries_end: u64,
    kind: PhantomData<fn() -> E>,
}

impl<E: IndexFileEntry> IndexFile<E> {
    /// The index at `path`; without a base offset its name tells it. Reads it once, to see where
    /// the zeros begin that Kafka takes ahead.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name does not tell the base offset, `Io` if the file cannot be read.
    pub fn open(path: impl AsRef<Path>, base_offset: Option<Offset>) -> Result<IndexFile<E>> {
        let opened = Opened::open(path.as_ref(), base_offset)?;
        let entries_end = entries_end::<E>(&opened).map_err(|error| opened.error(error))?;
        Ok(IndexFile { opened, entries_end, kind: PhantomData })
    }

    /// The base offset of its segment.
    pub fn base_offset(&self) -> Offset {
        self.opened.base_offset
    }

    /// Its length when it was opened.
    pub fn size_bytes(&self) -> u64 {
        self.opened.size_bytes
    }

    /// How many entries it has.
    pub fn len(&self) -> u64 {
        self.entries_end / E::LEN as u64
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries_end == 0
    }

    /// Bytes of whole entries behind the last one that are zeros.
    pub fn zero_tail_bytes(&self) -> u64 {
        self.size_bytes() - self.odd_bytes() - self.entries_end
    }

    /// Bytes at the end that are too few for an entry.
    pub fn odd_bytes(&self) -> u64 {
        self.size_bytes() % E::LEN as u64
    }

    /// Its entries. One that cannot be is given as `Corrupt`, and the next ones follow; after any
    /// other error nothing does.
    pub fn entries(&self) -> impl Iterator<Item = Result<E>> + '_ {
        let mut window = self.opened.window();
        let (mut position, mut end) = (0, self.entries_end);
        std::iter::from_fn(move || {
            if position >= end {
                return None;
            }
            let at = position;
            position += E::LEN as u64;
            let entry = match window.at_most(at, E::LEN) {
                Ok(bytes) => E::read(self.base_offset(), bytes)
                    .map_err(|cause| Error::corrupt(self.opened.path.clone(), at, cause)),
                Err(error) => {
                    end = 0;
                    Err(self.opened.error(error))
                }
            };
            Some(entry)
        })
    }
}

/// Where the entries end: behind the last one that is not all zeros. The first counts if it is
/// alone: an entry of 1970 at the base offset is all zeros.
fn entries_end<E: IndexFileEntry>(opened: &Opened) -> io::Result<u64> {
    let whole = opened.size_bytes - opened.size_bytes % E::LEN as u64;
    let mut window = opened.window();
    let (mut at, mut data_end) = (0, 0);
    while at < whole {
        let Some(data) = opened.file.next_data(at)? else { break };
        at = at.max(data);
        let piece = window.at_most(at, READ_BYTES)?;
        if let Some(last) = piece.iter().rposition(|&byte| byte != 0) {
            data_end = at + last as u64 + 1;
        }
        at += piece.len().max(1) as u64;
    }
    let entries_end = data_end.next_multiple_of(E::LEN as u64).min(whole);
    let one = E::LEN as u64;
    Ok(if entries_end == 0 && whole == one && one == TIME_ENTRY_LEN as u64 {
        one
    } else {
        entries_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::file::tests::file;

    #[test]
    fn an_index_ends_where_the_zeros_begin_that_kafka_takes_ahead() {
        let mut bytes = [0, 0, 0, 3, 0, 0, 0, 80, 0, 0, 0, 9, 0, 0, 1, 0].to_vec();
        bytes.resize(10_000, 0);
        bytes.push(0);
        let (_temp, path) = file("00000000000000000100.index", &bytes);
        let index = IndexFile::<OffsetIndexEntry>::open(&path, None).unwrap();
        let entries: Vec<_> = index.entries().map(Result::unwrap).collect();
        let wanted =
            [(103, 80), (109, 256)].map(|(offset, position)| OffsetIndexEntry { offset, position });
        assert_eq!(entries, wanted);
        assert_eq!((index.len(), index.zero_tail_bytes(), index.odd_bytes()), (2, 9984, 1));
    }

    #[test]
    fn an_entry_that_cannot_be_is_named_and_the_next_ones_follow() {
        let mut bytes = [0; 36];
        bytes[7] = 1;
        bytes[20] = 0xff;
        bytes[35] = 7;
        let (_temp, path) = file("00000000000000000100.timeindex", &bytes);
        let index = IndexFile::<TimeIndexEntry>::open(&path, None).unwrap();
        let entries: Vec<_> = index.entries().collect();
        assert_eq!(entries[0].clone().unwrap(), TimeIndexEntry { timestamp: 1, offset: 100 });
        assert!(matches!(entries[1], Err(Error::Corrupt { position: 12, .. })));
        assert_eq!(entries[2].clone().unwrap().offset, 107);
    }

    #[test]
    fn an_index_of_nothing_but_zeros_has_an_entry_only_if_it_may_be_one_of_1970() {
        for (name, len, entries) in [("index", 8, 0), ("timeindex", 12, 1), ("timeindex", 24, 0)] {
            let (_temp, path) = file(&format!("{:020}.{name}", 0), &vec![0; len]);
            let found = match name {
                "index" => IndexFile::<OffsetIndexEntry>::open(&path, None).unwrap().len(),
                _ => IndexFile::<TimeIndexEntry>::open(&path, None).unwrap().len(),
            };
            assert_eq!(found, entries, "{len} bytes of {name}");
        }
    }
}
