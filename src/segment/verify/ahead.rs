//! Looking ahead: threads that have nothing else to do look at stretches of a `.log` that the pass
//! through it, which one thread makes in order, has not come to.
//!
//! What a stretch tells follows from its bytes and from where it begins, and from nothing else. The
//! pass takes it over if a batch ends exactly there; else, and where nobody has looked, it looks by
//! itself. So what is found does not depend on where the stretches begin, nor on who was faster: an
//! index says where to cut, and if it lies, that has cost time.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::look::{Look, Looked};
use super::pass::Told;
use super::{MOST_INDEX_BYTES, SegmentCheck};
use crate::error::Cause;
use crate::fs::Access;
use crate::index::{OFFSET_ENTRY_LEN, OffsetEntry};
use crate::segment::facts::extend_by_batch;
use crate::segment::names::{self, Part};
use crate::segment::walk::walk_within;

/// So many batches of one stretch are looked at ahead; the rest is left to the pass.
const MOST_BATCHES: usize = 1 << 16;
/// What was seen of so many batches is kept for all passes of a verification, and that of the
/// stretches which are looked at when it becomes so much.
const MOST_KEPT: usize = 1 << 17;

/// What all passes of a verification go by that are looked ahead of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    /// Where a `.log` is larger, it is cut into pieces of about so many bytes; 0 for never.
    pub(crate) piece_bytes: u64,
    /// Batches that were looked at, and that no pass has come to.
    kept: Arc<AtomicUsize>,
}

impl Cut {
    pub(crate) fn into(piece_bytes: u64) -> Cut {
        Cut { piece_bytes, kept: Arc::default() }
    }
}

/// Whole batches, one right behind the other.
pub(super) struct Stretch {
    /// The file that they are in: another may have taken its place.
    inode: (u64, u64),
    from: u64,
    pub(super) to: u64,
    /// CRC-32C of all their bytes, if it is wanted.
    pub(super) sum: u32,
    pub(super) batches: Vec<Looked>,
}

impl Stretch {
    /// Whether all of it lies in a file before `end`.
    pub(super) fn is_of(&self, inode: (u64, u64), end: u64) -> bool {
        self.inode == inode && self.to <= end
    }
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}: {} batches", self.from, self.to, self.batches.len())
    }
}

/// The stretches of one `.log`.
#[derive(Debug)]
pub(crate) struct Ahead {
    cut: Cut,
    /// How many there can be.
    most: usize,
    /// Where they begin, once somebody has looked.
    starts: OnceLock<Vec<u64>>,
    slots: Mutex<Vec<Slot>>,
    done: Condvar,
}

#[derive(Debug)]
enum Slot {
    Free,
    /// Somebody looks at it.
    Busy,
    Done(Stretch),
    /// The pass has come to it, or nothing was to be seen there.
    Gone,
}

impl Ahead {
    /// Those of a `.log` that has so many bytes now.
    pub(crate) fn of(log_bytes: u64, cut: &Cut) -> Ahead {
        let most = match cut.piece_bytes {
            0 => 0,
            piece => usize::try_from(log_bytes.div_ceil(piece)).unwrap_or(usize::MAX),
        };
        let most = most.min(MOST_KEPT);
        let slots = (0..most).map(|_| Slot::Free).collect();
        let cut = cut.clone();
        Ahead { cut, most, starts: OnceLock::new(), slots: Mutex::new(slots), done: Condvar::new() }
    }

    /// How many stretches there can be.
    pub(crate) fn len(&self) -> usize {
        self.most
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starts(&self, check: &SegmentCheck<'_>) -> &[u64] {
        self.starts.get_or_init(|| starts(check, self.cut.piece_bytes, self.most))
    }

    /// Looks at a stretch, unless somebody does or did, or too much was looked at already.
    pub(super) fn look(&self, check: &SegmentCheck<'_>, at: usize) {
        let is_one = at < self.starts(check).len();
        if is_one && self.claim(&mut self.lock(), at..at + 1).is_some() {
            self.look_at(check, at);
        }
    }

    /// Takes the first of some stretches that nobody has looked at.
    fn claim(&self, slots: &mut [Slot], among: Range<usize>) -> Option<usize> {
        if self.cut.kept.load(Ordering::Relaxed) >= MOST_KEPT {
            return None;
        }
        let at = among.into_iter().find(|&at| matches!(slots.get(at), Some(Slot::Free)))?;
        slots[at] = Slot::Busy;
        Some(at)
    }

    /// Looks at a stretch that was claimed.
    fn look_at(&self, check: &SegmentCheck<'_>, at: usize) {
        let mut claimed = Claimed { ahead: self, at, seen: None };
        let starts = self.starts(check);
        let end = starts.get(at + 1).copied().unwrap_or(u64::MAX);
        // The pass comes to what cannot be read, too, and tells of it.
        claimed.seen = check.stretch(starts[at]..end).ok();
    }

    /// What was seen of the stretch that begins at `position`, where the pass has come. While
    /// another thread is at it, this one looks at those behind.
    pub(super) fn take(&self, check: &SegmentCheck<'_>, position: u64) -> Option<Stretch> {
        let starts = self.starts(check);
        let at = starts.partition_point(|&start| start < position);
        self.pass_by(at);
        if starts.get(at) != Some(&position) {
            return None;
        }
        let mut slots = self.lock();
        while matches!(slots[at], Slot::Busy) {
            if let Some(behind) = self.claim(&mut slots, at + 1..starts.len()) {
                drop(slots);
                self.look_at(check, behind);
                slots = self.lock();
            } else {
                slots = self.done.wait(slots).unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.let_go(&mut slots[at])
    }

    /// Where the next stretch begins behind a position.
    pub(super) fn next(&self, check: &SegmentCheck<'_>, position: u64) -> Option<u64> {
        let starts = self.starts(check);
        starts.get(starts.partition_point(|&start| start <= position)).copied()
    }

    /// The pass has no use for the first stretches any more.
    pub(super) fn pass_by(&self, before: usize) {
        for slot in self.lock().iter_mut().take(before) {
            self.let_go(slot);
        }
    }

    fn let_go(&self, slot: &mut Slot) -> Option<Stretch> {
        let Slot::Done(stretch) = std::mem::replace(slot, Slot::Gone) else { return None };
        self.cut.kept.fetch_sub(stretch.batches.len(), Ordering::Relaxed);
        Some(stretch)
    }
}

/// A stretch that this thread looks at. Others may wait for it: they go on however that ends.
struct Claimed<'a> {
    ahead: &'a Ahead,
    at: usize,
    seen: Option<Stretch>,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut slots = self.ahead.lock();
        let slot = &mut slots[self.at];
        // The pass may have come past it.
        if matches!(slot, Slot::Busy) {
            *slot = match self.seen.take().filter(|seen| !seen.batches.is_empty()) {
                Some(seen) => {
                    self.ahead.cut.kept.fetch_add(seen.batches.len(), Ordering::Relaxed);
                    Slot::Done(seen)
                }
                None => Slot::Gone,
            };
        }
        self.ahead.done.notify_all();
    }
}

/// Where to cut: the first place that the offset index names behind each so many bytes.
fn starts(check: &SegmentCheck<'_>, piece_bytes: u64, most: usize) -> Vec<u64> {
    let mut starts = vec![0_u64];
    let name = names::name(check.base, Part::OffsetIndex);
    let index = check.dir.read_small(&name, MOST_INDEX_BYTES);
    let index = index.ok().flatten().unwrap_or_default();
    for entry in index.as_chunks::<OFFSET_ENTRY_LEN>().0 {
        let Ok(entry) = OffsetEntry::decode(check.base, *entry) else { continue };
        let (position, last) = (u64::from(entry.position), starts.last().copied().unwrap_or(0));
        if position >= last.saturating_add(piece_bytes) {
            starts.push(position);
        }
    }
    starts.truncate(most);
    starts
}

impl SegmentCheck<'_> {
    /// Looks at whole batches from the beginning of a stretch up to its end, or to what is none.
    fn stretch(&self, stretch: Range<u64>) -> io::Result<Stretch> {
        let path = self.dir.path().join(&self.name);
        let file = Arc::new(self.dir.open(&self.name, Access::Read)?);
        let end = file.len()?;
        let mut look = Look::new(self.how);
        let mut told = Told::new(self.how, &path, stretch.start);
        let from = stretch.start;
        let inode = file.stamp()?.inode;
        let mut seen = Stretch { inode, from, to: from, sum: 0, batches: Vec::new() };
        let bounds = (end, self.how.most_held);
        walk_within(&file, from..stretch.end.min(end), bounds, &mut |position, batch| {
            seen.batches.push(look.batch(batch));
            if self.with_sum {
                seen.sum = extend_by_batch(seen.sum, batch.header(), batch.bytes());
            }
            seen.to = position + batch.header().size_bytes() as u64;
            told.at(seen.to);
            if seen.batches.len() < MOST_BATCHES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(Cause::Mismatch("no more is looked at ahead"))
            }
        })?;
        told.now(seen.to);
        Ok(seen)
    }
}
