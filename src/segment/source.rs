//! Where an index's entries come from: a file that grows, a file that is finished, or memory.

use std::io;
use std::sync::Arc;

use super::cache::IndexBytes;
use crate::fs::{Access, Dir, File, Handle, Handles};
use crate::index::Tail;

/// Entries are written once there are so many bytes of them.
const WRITE_BYTES: usize = 4 << 10;

/// An index file's length and checksum, as the manifest has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) bytes: u32,
    pub(crate) crc: u32,
}

/// The entries of one index, each `N` bytes.
#[derive(Debug)]
pub(crate) enum Source<const N: usize> {
    /// The active segment's.
    Growing(Growing<N>),
    /// A file that nobody writes. It is believed if it is as expected; without an expectation no
    /// answer hangs on it alone.
    File(Option<Expected>),
    /// Built again from the log.
    Memory(Arc<IndexBytes>),
}

impl<const N: usize> Source<N> {
    /// Entries in memory.
    pub(crate) fn held(entries: Vec<u8>) -> Self {
        Source::Memory(Arc::new(IndexBytes::Held(entries)))
    }

    /// How many entries an index has that is appended to.
    pub(super) fn grown(&self) -> usize {
        match self {
            Source::Growing(growing) => growing.len(),
            Source::File(_) | Source::Memory(_) => 0,
        }
    }

    /// Whether its file has to be built again.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Source::Growing(growing) if growing.broken)
    }
}

/// An index that is appended to. Its end is in memory, the rest is read back.
#[derive(Debug)]
pub(crate) struct Growing<const N: usize> {
    handle: Handle,
    tail: Tail<N>,
    /// A write failed: the file is to be built again from the log.
    broken: bool,
}

impl<const N: usize> Growing<N> {
    /// The index `name`, with `entries` that are not in its file yet. The file must be there by the
    /// time of the first [`Growing::write`].
    pub(crate) fn new(handles: &Handles, dir: &Dir, name: &str, entries: &[u8]) -> Self {
        let handle = handles.file(dir, name, Access::Write);
        let mut tail = Tail::new();
        for entry in entries.as_chunks().0 {
            tail.push(*entry);
        }
        Growing { handle, tail, broken: false }
    }

    /// The index `name`, whose file holds `entries`.
    pub(crate) fn reopened(handles: &Handles, dir: &Dir, name: &str, entries: &[u8]) -> Self {
        let mut growing = Self::new(handles, dir, name, entries);
        growing.tail.mark_flushed();
        growing
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.tail.len()
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: [u8; N]) {
        self.tail.push(entry);
        if self.tail.unflushed().0.len() >= WRITE_BYTES {
            // A failure marks the file for rebuilding; the append does not fail for it.
            let _ = self.write();
        }
    }

    /// The entry in `slot`, which is one that there is.
    pub(crate) fn entry(&self, slot: usize) -> io::Result<[u8; N]> {
        if let Some(entry) = self.tail.get(slot) {
            return Ok(*entry);
        }
        let mut entry = [0; N];
        self.handle.get()?.read_exact_at(&mut entry, (slot * N) as u64)?;
        Ok(entry)
    }

    /// The last entries, as far as they are in memory; those before them are in the file.
    pub(super) fn held(&self) -> &[[u8; N]] {
        self.tail.held()
    }

    /// The handle of its file.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what is not in the file yet.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        let (bytes, position) = self.tail.unflushed();
        if bytes.is_empty() {
            return Ok(());
        }
        let result = self.handle.get().and_then(|file| file.write_all_at(bytes, position));
        match result {
            Ok(()) => self.tail.mark_flushed(),
            Err(_) => self.broken = true,
        }
        result
    }

    /// Its file is to be built again: a sync of it failed, and it is not synced a second time.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// The open file.
    pub(crate) fn file(&self) -> io::Result<Arc<File>> {
        self.handle.get()
    }

    /// All entries, read back where they are no longer in memory.
    pub(crate) fn all(&self) -> io::Result<Vec<u8>> {
        let (kept, position) = self.tail.unflushed();
        let mut bytes = vec![0; position as usize];
        if !bytes.is_empty() {
            self.handle.get()?.read_exact_at(&mut bytes, 0)?;
        }
        bytes.extend_from_slice(kept);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_index_is_its_file_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Dir::open_or_create(dir.path()).unwrap();
        dir.create("0.index").unwrap();
        let handles = Handles::new(4);
        let mut growing = Growing::<8>::new(&handles, &dir, "0.index", &[]);
        for n in 0..40_000_u64 {
            growing.push(n.to_be_bytes());
        }
        assert_eq!(growing.len(), 40_000);
        for slot in [0, 1, 20_000, 39_999] {
            assert_eq!(u64::from_be_bytes(growing.entry(slot).unwrap()), slot as u64);
        }
        growing.write().unwrap();
        let mut file = vec![0; 320_000];
        growing.file().unwrap().read_exact_at(&mut file, 0).unwrap();
        assert_eq!(file, growing.all().unwrap());
    }
}
