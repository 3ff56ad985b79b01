//! One `.log` file and its indexes: names, append, read, scan, finish.
//!
//! A [`Segment`] is what readers hold; the last one of a log is written to through [`Active`].

mod active;
mod builder;
mod cache;
mod extend;
mod facts;
mod file;
mod index_file;
mod finish;
mod lookup;
pub(crate) mod names;
mod piece;
mod read;
mod reads;
mod source;
mod times;
pub(crate) mod verify;
mod walk;
mod ways;
mod whole;
mod window;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use active::{Active, AppendFailure, Incoming, Limits};
pub(crate) use builder::Builder;
pub(crate) use cache::IndexCache;
pub(crate) use extend::Extension;
pub(crate) use facts::Facts;
pub use file::{Damage, LogFile, LogPiece, LogPieces, Piece, base_offset_of};
pub use index_file::{IndexFile, IndexFileEntry, OffsetIndexEntry, TimeIndexEntry};
pub(crate) use read::{ReadRange, Slice};
pub(crate) use reads::{Buffer, Reads};
pub(crate) use source::{Expected, Growing, Source};
pub(crate) use times::ByTime;
pub(crate) use walk::{Stop, batch_at, resume_behind, walk};
pub(crate) use window::{READ_BYTES, Window};

use crate::error::{Error, Result};
use crate::fs::{Access, Dir, File, Handle, Handles};
use crate::index::{AbortedTxn, OFFSET_ENTRY_LEN, TIME_ENTRY_LEN};
use crate::record::Offset;
use names::Part;

/// What all segments of a log share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) dir: Dir,
    pub(crate) handles: Handles,
    pub(crate) cache: IndexCache,
    pub(crate) reads: Reads,
    /// Whether files may be opened for writing.
    pub(crate) access: Access,
    /// Whether finished indexes are mapped rather than read.
    pub(crate) map_indexes: bool,
    /// `index.interval.bytes`, for indexes that have to be built again.
    pub(crate) index_interval_bytes: u32,
}

impl Shared {
    /// The source of an index that will be appended to, whose file holds these entries.
    pub(crate) fn growing<const N: usize>(
        &self,
        base: Offset,
        part: Part,
        entries: &[u8],
    ) -> Source<N> {
        let name = names::name(base, part);
        Source::Growing(Growing::reopened(&self.handles, &self.dir, &name, entries))
    }
}

/// A segment: safe to read from any thread, while it is appended to by one.
#[derive(Debug)]
pub(crate) struct Segment {
    base_offset: Offset,
    shared: Shared,
    log: Handle,
    /// Its number in the index cache.
    number: u64,
    /// Under which readers note places in it: another one once it was cut.
    places: AtomicU64,
    /// Bytes of whole batches that readers may look at.
    end: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Unknown until somebody has looked at all batches.
    facts: Option<Facts>,
    offset_index: Source<OFFSET_ENTRY_LEN>,
    time_index: Source<TIME_ENTRY_LEN>,
    /// The transactions whose abort markers lie in it; unknown until somebody needed them.
    aborted: Option<Arc<Vec<AbortedTxn>>>,
}

/// What is known of a segment when it is opened.
#[derive(Debug)]
pub(crate) struct Known {
    /// Bytes of whole batches.
    pub(crate) end: u64,
    pub(crate) facts: Option<Facts>,
    pub(crate) offset_index: Source<OFFSET_ENTRY_LEN>,
    pub(crate) time_index: Source<TIME_ENTRY_LEN>,
    pub(crate) aborted: Option<Vec<AbortedTxn>>,
}

impl Known {
    /// A segment of which only its length is known.
    pub(crate) fn unseen(end: u64) -> Known {
        Known {
            end,
            facts: None,
            offset_index: Source::File(None),
            time_index: Source::File(None),
            aborted: None,
        }
    }
}

impl Segment {
    /// The segment at `base_offset`. Does no I/O.
    pub(crate) fn new(shared: &Shared, base_offset: Offset, known: Known) -> Segment {
        Segment::named(shared, base_offset, &names::name(base_offset, Part::Log), known)
    }

    /// The same, its `.log` under another name than its own.
    pub(crate) fn named(shared: &Shared, base_offset: Offset, name: &str, known: Known) -> Segment {
        Segment {
            base_offset,
            log: shared.handles.file(&shared.dir, name, shared.access),
            number: shared.cache.next_number(),
            places: AtomicU64::new(shared.cache.next_number()),
            shared: shared.clone(),
            end: AtomicU64::new(known.end),
            state: Mutex::new(State {
                facts: known.facts,
                offset_index: known.offset_index,
                time_index: known.time_index,
                aborted: known.aborted.map(Arc::new),
            }),
        }
    }

    /// The lower bound of its offsets, and its name.
    pub(crate) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Bytes of whole batches that may be read.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// The number under which places in it are noted.
    pub(crate) fn places(&self) -> u64 {
        self.places.load(Ordering::Acquire)
    }

    /// Forgets what was noted of places in it: other bytes may come to lie there.
    fn forget_places(&self) {
        let before = self.places.swap(self.shared.cache.next_number(), Ordering::AcqRel);
        self.shared.cache.forget(before);
    }

    /// Lets go of what is cached of its indexes: nobody will look at it again.
    pub(crate) fn forget_indexes(&self) {
        self.shared.cache.forget(self.number);
        self.shared.cache.forget(self.places());
    }

    /// The handle of its `.log`.
    pub(crate) fn log_handle(&self) -> &Handle {
        &self.log
    }

    /// Its `.log`, opened if need be.
    pub(crate) fn log_file(&self) -> Result<Arc<File>> {
        self.log.get().map_err(|error| Error::io("open", self.path(Part::Log), error))
    }

    /// Where one of its files lies; for messages.
    pub(crate) fn path(&self, part: Part) -> PathBuf {
        match part {
            Part::Log => self.log.at().path(),
            part => self.shared.dir.path().join(names::name(self.base_offset, part)),
        }
    }

    /// What is known of its batches, if all were looked at.
    pub(crate) fn known_facts(&self) -> Option<Facts> {
        self.state().facts
    }

    /// What there is to know of its batches, scanning them if nobody has yet.
    pub(crate) fn facts(&self) -> Result<Facts> {
        if let Some(facts) = self.known_facts() {
            return Ok(facts);
        }
        self.rebuild()
    }

    /// The transactions whose abort markers lie in it, if that is known.
    pub(crate) fn aborted(&self) -> Option<Arc<Vec<AbortedTxn>>> {
        self.state().aborted.clone()
    }

    /// Remembers the transactions whose abort markers lie in it.
    pub(crate) fn set_aborted(&self, aborted: Vec<AbortedTxn>) -> Arc<Vec<AbortedTxn>> {
        let aborted = Arc::new(aborted);
        self.state().aborted = Some(Arc::clone(&aborted));
        aborted
    }

    /// Bytes of its `.log`, whatever they are.
    pub(crate) fn file_len(&self) -> Result<u64> {
        let len = self.log_file()?.len();
        len.map_err(|error| Error::io("look at", self.path(Part::Log), error))
    }

    /// The state is replaced piece by piece, each whole: a panic cannot leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
