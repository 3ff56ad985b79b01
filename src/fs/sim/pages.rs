//! The bytes of one file: what is durable, what calls see, and the pages on their way.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What reaches the disk whole or not at all, if nothing tears it.
pub(super) const PAGE: usize = 4096;
/// What is never torn.
pub(super) const SECTOR: usize = 512;

/// The content of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    /// What calls see.
    pub(super) now: Arc<Vec<u8>>,
    /// What is there after a power cut at least.
    pub(super) durable: Arc<Vec<u8>>,
    /// By page: what it has held since the last sync, oldest first.
    pub(super) dirty: BTreeMap<usize, Vec<Arc<[u8]>>>,
    /// The lengths since the last sync, oldest first.
    pub(super) lengths: Vec<usize>,
    /// Whether calls see pages that were lost on their way.
    differs: bool,
}

impl Pages {
    /// A file that holds `bytes`, all of them durable.
    pub(super) fn durable(bytes: Arc<Vec<u8>>) -> Pages {
        Pages { now: Arc::clone(&bytes), durable: bytes, ..Pages::default() }
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.dirty.is_empty() || !self.lengths.is_empty()
    }

    pub(super) fn write(&mut self, bytes: &[u8], at: usize) {
        if bytes.is_empty() {
            return;
        }
        let now = Arc::make_mut(&mut self.now);
        let end = at + bytes.len();
        now.resize(now.len().max(end), 0);
        now[at..end].copy_from_slice(bytes);
        // A page takes the length with it that the file has by then, be it one that was lost before.
        if now.len() != self.lengths.last().copied().unwrap_or(self.durable.len()) {
            self.lengths.push(now.len());
        }
        self.touch(at, end);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        let before = self.now.len();
        Arc::make_mut(&mut self.now).resize(len, 0);
        self.lengths.push(len);
        // What lies behind a cut is zeros when the file grows over it again; so is the rest of the
        // page in which it was made.
        if len < before && !len.is_multiple_of(PAGE) {
            self.touch(len, len + 1);
        }
        self.dirty.retain(|page, _| page * PAGE < len.max(1));
    }

    /// Takes note of what the pages from `from` to `to` hold now.
    fn touch(&mut self, from: usize, to: usize) {
        for page in from / PAGE..to.div_ceil(PAGE) {
            let (start, end) = (page * PAGE, ((page + 1) * PAGE).min(self.now.len()));
            if let Some(content) = self.now.get(start..end) {
                self.dirty.entry(page).or_default().push(content.into());
            }
        }
    }

    /// What was written is durable, but for what a failed write-back has lost.
    pub(super) fn sync(&mut self) {
        if !self.is_pending() {
            return;
        }
        if self.differs {
            let durable = Arc::make_mut(&mut self.durable);
            durable.resize(self.lengths.last().copied().unwrap_or(durable.len()), 0);
            for (page, versions) in &self.dirty {
                if let Some(content) = versions.last() {
                    put(durable, page * PAGE, content);
                }
            }
        } else {
            self.durable = Arc::clone(&self.now);
        }
        self.settle();
    }

    /// What is on its way is dropped, and calls go on seeing it.
    pub(super) fn lose(&mut self) {
        self.differs |= self.is_pending();
        self.settle();
    }

    /// What is on its way is dropped, and calls see what the disk has.
    pub(super) fn fall_back(&mut self) {
        self.now = Arc::clone(&self.durable);
        self.settle();
    }

    fn settle(&mut self) {
        self.dirty.clear();
        self.lengths.clear();
    }
}

/// Lays `content` at `at`, as far as `bytes` reach.
pub(super) fn put(bytes: &mut [u8], at: usize, content: &[u8]) {
    if let Some(place) = bytes.get_mut(at..) {
        let len = place.len().min(content.len());
        place[..len].copy_from_slice(&content[..len]);
    }
}
