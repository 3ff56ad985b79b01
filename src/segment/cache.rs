//! A bounded cache of whole index files of inactive segments, shared by all logs of a store.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::names::Part;
use crate::fs::Mapping;
use crate::wire::crc32c;

/// All entries of a finished index.
#[derive(Debug)]
pub(crate) enum IndexBytes {
    Held(Vec<u8>),
    Mapped(Mapping),
}

impl IndexBytes {
    pub(super) fn len(&self) -> usize {
        match self {
            IndexBytes::Held(bytes) => bytes.len(),
            IndexBytes::Mapped(map) => map.len() as usize,
        }
    }

    /// Copies out what lies from `position` on.
    pub(super) fn copy_at(&self, position: usize, to: &mut [u8]) -> io::Result<()> {
        match self {
            IndexBytes::Held(bytes) => {
                let from = bytes.get(position..position + to.len());
                to.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            IndexBytes::Mapped(map) => map.copy_at(position as u64, to),
        }
    }

    /// A copy of all of them.
    pub(super) fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len()];
        self.copy_at(0, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn checksum(&self) -> io::Result<u32> {
        let (mut crc, mut at, mut piece) = (0, 0, [0; 4096]);
        while at < self.len() {
            let len = piece.len().min(self.len() - at);
            self.copy_at(at, &mut piece[..len])?;
            crc = crc32c::extend(crc, &piece[..len]);
            at += len;
        }
        Ok(crc)
    }

    /// What it takes of the cache's room: maps are the kernel's.
    fn weight(&self) -> usize {
        match self {
            IndexBytes::Held(bytes) => bytes.len(),
            IndexBytes::Mapped(_) => 64,
        }
    }
}

/// Index files in memory, up to a number of bytes; the least recently used go first.
#[derive(Clone, Debug)]
pub(crate) struct IndexCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most_bytes: usize,
    next_number: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    clock: u64,
    files: HashMap<(u64, Part), Cached>,
}

/// A file's bytes, and when it was last asked for.
type Cached = (Arc<IndexBytes>, u64);

impl IndexCache {
    /// A cache of at most `most_bytes`; one file is kept even if it is larger.
    pub(crate) fn new(most_bytes: usize) -> Self {
        let inner = Inner { most_bytes, next_number: AtomicU64::new(0), held: Mutex::default() };
        IndexCache(Arc::new(inner))
    }

    /// A number that no segment has yet.
    pub(super) fn next_number(&self) -> u64 {
        self.0.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(&self, segment: u64, part: Part) -> Option<Arc<IndexBytes>> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clock += 1;
        let now = held.clock;
        let (bytes, used) = held.files.get_mut(&(segment, part))?;
        *used = now;
        Some(Arc::clone(bytes))
    }

    pub(super) fn put(&self, segment: u64, part: Part, bytes: Arc<IndexBytes>) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clock += 1;
        let now = held.clock;
        held.bytes += bytes.weight();
        if let Some((old, _)) = held.files.insert((segment, part), (bytes, now)) {
            held.bytes -= old.weight();
        }
        while held.bytes > self.0.most_bytes && held.files.len() > 1 {
            let oldest = held.files.iter().min_by_key(|(_, (_, used))| *used);
            let Some(key) = oldest.map(|(key, _)| *key) else { break };
            if let Some((gone, _)) = held.files.remove(&key) {
                held.bytes -= gone.weight();
            }
        }
    }

    /// Forgets the indexes of a segment.
    pub(super) fn forget(&self, segment: u64) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        for part in [Part::OffsetIndex, Part::TimeIndex] {
            if let Some((gone, _)) = held.files.remove(&(segment, part)) {
                held.bytes -= gone.weight();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_when_room_is_short() {
        let cache = IndexCache::new(20);
        for number in 0..2 {
            cache.put(number, Part::TimeIndex, Arc::new(IndexBytes::Held(vec![0; 10])));
        }
        assert!(cache.get(0, Part::TimeIndex).is_some());
        cache.put(2, Part::TimeIndex, Arc::new(IndexBytes::Held(vec![0; 10])));
        let there: Vec<_> = (0..3).map(|n| cache.get(n, Part::TimeIndex).is_some()).collect();
        assert_eq!(there, [true, false, true]);
        cache.forget(0);
        assert!(cache.get(0, Part::TimeIndex).is_none());
    }
}
