//! What the reads of all logs of a store share: buffers that are used again, where readers that go
//! from front to back have come to, where small batches begin that were asked for, and large batches
//! that were checked whole, in pieces.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::{Offset, Pieces};

/// A smaller buffer is made anew each time: the allocator has it at hand.
const LEAST_KEPT: usize = 64 << 10;
/// A larger one is not kept.
const MOST_KEPT: usize = 2 << 20;
/// Bytes of idle buffers, at most: three of fetches of a mebibyte, or a dozen of 256 KiB.
const MOST_IDLE: usize = 7 << 19;
/// So many places are remembered.
const HINTS: usize = 64;
/// Bytes of what is known of batches in pieces, at most: enough for 512 MiB of log.
const MOST_PIECES: usize = 4 << 20;
/// What a batch takes besides its pieces: an allocation, its key in a map and in a queue.
const KEPT_BYTES: usize = 80;
/// So many places are noted of what lies between two index entries.
pub(super) const WAYS: usize = 4;
/// Ways are kept for so many neighbours at once.
const ROW: usize = 512;
/// So many rows at most: 4 MiB, enough for 2 GiB of log.
const MOST_ROWS: usize = 1024;

/// Cheap to clone; clones share what they keep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    idle: Mutex<Vec<Vec<u8>>>,
    hints: [Mutex<Hint>; HINTS],
    kept: Mutex<Kept>,
    ways: Mutex<Rows>,
}

/// Places in a stretch of a segment between two index entries: how far behind its beginning a batch
/// begins, for each of its parts; zero where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways(u64);

impl Ways {
    /// How far it is to where a part begins, if that was found.
    pub(super) fn to(self, part: usize) -> Option<u16> {
        let way = (self.0 >> (16 * part)) as u16;
        (way > 0).then_some(way)
    }

    /// The same, and that.
    pub(super) fn with(self, part: usize, way: u16) -> Ways {
        let others = self.0 & !(u64::from(u16::MAX) << (16 * part));
        Ways(others | u64::from(way) << (16 * part))
    }
}

/// The ways of neighbouring stretches. Who notes some at the same time as another may undo it.
type Row = [AtomicU64; ROW];

/// Rows by segment and number, the first that came first to go.
#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<(u64, usize), Arc<Row>>,
    order: VecDeque<(u64, usize)>,
}

impl Default for Inner {
    fn default() -> Self {
        let hints = std::array::from_fn(|_| Mutex::default());
        Inner { idle: Mutex::default(), hints, kept: Mutex::default(), ways: Mutex::default() }
    }
}

/// A segment, and a position in it.
type Place = (u64, u64);

/// Batches in pieces, the first that came first to go.
#[derive(Debug, Default)]
struct Kept {
    batches: HashMap<Place, Arc<Pieces>>,
    order: VecDeque<Place>,
    bytes: usize,
}

/// That the batch behind those below an offset begins at a position.
#[derive(Clone, Copy, Debug, Default)]
struct Hint {
    segment: u64,
    offset: Offset,
    position: u64,
    bytes: usize,
}

impl Reads {
    /// A buffer for about `bytes`. What it holds is of no meaning.
    pub(super) fn buffer(&self, bytes: usize) -> Buffer {
        if bytes < LEAST_KEPT {
            return Buffer::default();
        }
        let kept = locked(&self.0.idle).pop();
        Buffer { bytes: kept.unwrap_or_default(), home: Some(self.clone()) }
    }

    fn take_back(&self, bytes: Vec<u8>) {
        if !(LEAST_KEPT..=MOST_KEPT).contains(&bytes.capacity()) {
            return;
        }
        let mut idle = locked(&self.0.idle);
        if idle.iter().map(Vec::capacity).sum::<usize>() + bytes.capacity() <= MOST_IDLE {
            idle.push(bytes);
        }
    }

    /// Where the batch that follows those below `offset` begins in a segment, as was found there
    /// last, and how many bytes were read before it. The caller asks the batch itself whether it is so.
    pub(super) fn hint(&self, segment: u64, offset: Offset) -> Option<(u64, usize)> {
        let hint = *locked(self.slot(segment, offset));
        (hint.segment == segment && hint.offset == offset && hint.position > 0)
            .then_some((hint.position, hint.bytes))
    }

    /// Remembers that in place of what was there.
    pub(super) fn note(&self, segment: u64, offset: Offset, (position, bytes): (u64, usize)) {
        *locked(self.slot(segment, offset)) = Hint { segment, offset, position, bytes };
    }

    /// The batch at a position of a segment, if it was checked whole.
    pub(super) fn pieces(&self, segment: u64, position: u64) -> Option<Arc<Pieces>> {
        locked(&self.0.kept).batches.get(&(segment, position)).cloned()
    }

    /// Remembers a batch that was checked whole.
    pub(super) fn keep_pieces(&self, segment: u64, position: u64, pieces: Pieces) {
        let mut kept = locked(&self.0.kept);
        let kept = &mut *kept;
        let (place, bytes) = ((segment, position), pieces.size_bytes() + KEPT_BYTES);
        if kept.batches.insert(place, Arc::new(pieces)).is_some() {
            return;
        }
        kept.order.push_back(place);
        kept.bytes += bytes;
        while kept.bytes > MOST_PIECES {
            let Some(oldest) = kept.order.pop_front() else { break };
            if let Some(gone) = kept.batches.remove(&oldest) {
                kept.bytes = kept.bytes.saturating_sub(gone.size_bytes() + KEPT_BYTES);
            }
        }
    }

    /// The ways that were found in a stretch of a segment. What they lead to is asked whether it is so.
    pub(super) fn ways(&self, segment: u64, stretch: usize) -> Ways {
        let row = locked(&self.0.ways).rows.get(&(segment, stretch / ROW)).cloned();
        Ways(row.map_or(0, |row| row[stretch % ROW].load(Ordering::Relaxed)))
    }

    /// Remembers the ways of a stretch.
    pub(super) fn keep_ways(&self, segment: u64, stretch: usize, ways: Ways) {
        let place = (segment, stretch / ROW);
        let mut kept = locked(&self.0.ways);
        let row = kept.rows.get(&place).cloned().unwrap_or_else(|| {
            if kept.order.len() == MOST_ROWS
                && let Some(oldest) = kept.order.pop_front()
            {
                kept.rows.remove(&oldest);
            }
            let row: Arc<Row> = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
            kept.rows.insert(place, Arc::clone(&row));
            kept.order.push_back(place);
            row
        });
        drop(kept);
        row[stretch % ROW].store(ways.0, Ordering::Relaxed);
    }

    fn slot(&self, segment: u64, offset: Offset) -> &Mutex<Hint> {
        let mixed = (segment ^ (offset as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.0.hints[(mixed >> 32) as usize % HINTS]
    }
}

/// Every change under these locks is whole before anything can panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that were read. Its memory is used again once it is dropped, if it came from [`Reads`].
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(super) bytes: Vec<u8>,
    home: Option<Reads>,
}

impl Buffer {
    /// The same with those of its bytes alone that are in `range`, if they are few: who keeps them
    /// shall not keep the whole of a large buffer for them.
    pub(super) fn narrowed(self, range: &mut std::ops::Range<usize>) -> Buffer {
        if self.bytes.capacity() < LEAST_KEPT || range.len() >= self.bytes.capacity() / 4 {
            return self;
        }
        let bytes = self.bytes[range.clone()].to_vec();
        *range = 0..bytes.len();
        Buffer { bytes, home: None }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.take_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(reads: &Reads, bytes: usize) -> Buffer {
        let mut buffer = reads.buffer(bytes);
        buffer.bytes.resize(bytes, 7);
        buffer
    }

    #[test]
    fn what_idle_buffers_take_is_bounded() {
        let reads = Reads::default();
        let many: Vec<_> = (0..20).map(|_| used(&reads, 1 << 20)).collect();
        drop(many);
        drop(used(&Reads::default(), MOST_KEPT + 1));
        let idle = locked(&reads.0.idle);
        assert_eq!(idle.iter().map(Vec::capacity).sum::<usize>(), MOST_IDLE >> 20 << 20);
    }

    #[test]
    fn a_buffer_comes_again_unless_it_is_small() {
        let reads = Reads::default();
        drop(used(&reads, 1 << 20));
        assert_eq!(reads.buffer(1000).len(), 0);
        assert_eq!(reads.buffer(1 << 20).len(), 1 << 20);
        assert_eq!(reads.buffer(1 << 20).len(), 1 << 20, "it came back");
    }

    #[test]
    fn who_keeps_few_bytes_keeps_no_large_buffer() {
        let reads = Reads::default();
        let mut range = 10..1000;
        let buffer = used(&reads, 1 << 20).narrowed(&mut range);
        assert_eq!((buffer.len(), buffer.bytes.capacity(), range), (990, 990, 0..990));
        assert_eq!(locked(&reads.0.idle).len(), 1);
        let mut range = 0..900 << 10;
        assert_eq!(used(&reads, 1 << 20).narrowed(&mut range).len(), 1 << 20);
    }

    #[test]
    fn ways_are_of_one_stretch_and_their_rows_are_bounded() {
        let reads = Reads::default();
        let ways = Ways::default().with(1, 70).with(3, 9000).with(1, 61);
        assert_eq!((ways.to(0), ways.to(1), ways.to(3)), (None, Some(61), Some(9000)));
        reads.keep_ways(5, 600, ways);
        assert_eq!(reads.ways(5, 600), ways);
        for other in [(5, 601), (5, 88), (6, 600)] {
            assert_eq!(reads.ways(other.0, other.1), Ways::default());
        }
        for segment in 10..10 + MOST_ROWS as u64 {
            reads.keep_ways(segment, 0, ways);
        }
        assert_eq!(reads.ways(5, 600), Ways::default(), "the oldest went");
        assert_eq!((reads.ways(10, 0), locked(&reads.0.ways).rows.len()), (ways, MOST_ROWS));
    }

    #[test]
    fn a_hint_is_of_one_segment_and_one_offset() {
        let reads = Reads::default();
        reads.note(3, 70, (4096, 500));
        assert_eq!(reads.hint(3, 70), Some((4096, 500)));
        assert_eq!((reads.hint(3, 71), reads.hint(4, 70), reads.hint(0, 0)), (None, None, None));
    }
}
