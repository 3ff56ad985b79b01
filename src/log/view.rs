//! What readers see of a log: a few numbers and the list of segments, taken together in one short
//! lock and never held across I/O. And waiting until there is more of it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::fetch::FetchOptions;
use super::leader_epochs::LeaderEpochs;
use super::opened::{Opened, Tip};
use super::segment_list::SegmentList;
use crate::error::Error;
use crate::record::Offset;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What a reader may see, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// In order of base offset; never empty.
    pub(crate) segments: Arc<SegmentList>,
    pub(crate) log_start_offset: Offset,
    pub(crate) log_end_offset: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) durable_end: Offset,
    /// How far the active segment goes.
    pub(crate) tip: Tip,
    /// Which leader epoch began where.
    pub(crate) epochs: Arc<LeaderEpochs>,
    /// Records that are missing and were there once.
    pub(crate) gap: Option<(Offset, Offset)>,
    /// Counts what can take bytes away from under a reader: truncation and starting over.
    pub(crate) cuts: u64,
    /// Nothing more will come: closed or poisoned.
    pub(crate) ended: bool,
    /// What keeps a reader from going on at the log end, where another process writes.
    pub(crate) stuck: Option<Error>,
}

impl View {
    /// The segment that holds `offset`, or would: the last one that begins at or below it.
    pub(crate) fn segment_for(&self, offset: Offset) -> Option<usize> {
        self.segments.partition_point(|segment| segment.base_offset() <= offset).checked_sub(1)
    }

    /// Whether a fetch from `offset` on has something to bring, or to tell of what keeps it from
    /// going on.
    pub(super) fn has_news_for(&self, offset: Offset, options: FetchOptions) -> bool {
        self.bound(options) > offset || self.stuck.is_some()
    }

    /// Whether nobody could tell it from `other`.
    pub(super) fn shows_the_same_as(&self, other: &View) -> bool {
        let numbers = |view: &View| {
            let ends = (view.log_end_offset, view.last_stable_offset, view.durable_end);
            (view.log_start_offset, ends, view.tip, view.cuts, view.ended)
        };
        numbers(self) == numbers(other)
            && Arc::ptr_eq(&self.segments, &other.segments)
            && Arc::ptr_eq(&self.epochs, &other.epochs)
            && self.gap == other.gap
            && self.stuck.is_some() == other.stuck.is_some()
    }
}

/// The published view of one log.
#[derive(Debug)]
pub(crate) struct Published {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug)]
struct State {
    view: View,
    wakers: Vec<Waker>,
    /// How many threads wait. To wake nobody is a call to the operating system as well.
    waiting: usize,
}

impl Published {
    pub(crate) fn new(view: View) -> Self {
        let state = State { view, wakers: Vec::new(), waiting: 0 };
        Published { state: Mutex::new(state), grown: Condvar::new() }
    }

    /// Whether a future waits for more.
    pub(super) fn is_awaited(&self) -> bool {
        !self.lock().wakers.is_empty()
    }

    /// What is to be seen now.
    pub(crate) fn view(&self) -> View {
        self.lock().view.clone()
    }

    /// The number that `of` takes from the view, without copying the view.
    pub(crate) fn number(&self, of: impl FnOnce(&View) -> Offset) -> Offset {
        of(&self.lock().view)
    }

    /// Changes what is to be seen and wakes who waits. A waker that panics hits nobody else.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut View)) {
        let (wakers, waiting) = {
            let mut state = self.lock();
            change(&mut state.view);
            (std::mem::take(&mut state.wakers), state.waiting)
        };
        if waiting > 0 {
            self.grown.notify_all();
        }
        for waker in wakers {
            // The host's: if it panics, the others are to be woken, and the work is to be ended in
            // which this happened.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Waits until `seen` holds, at most `timeout`; says whether it holds.
    pub(crate) fn wait(&self, timeout: Duration, seen: impl Fn(&View) -> bool) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            if seen(&state.view) {
                return true;
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if left.is_zero() || state.view.ended {
                return false;
            }
            state.waiting += 1;
            let waited = self.grown.wait_timeout(state, left.min(Duration::from_hours(1)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
    }

    /// Wakes `waker` at the next change unless `seen` holds already.
    fn poll(&self, waker: &Waker, seen: impl Fn(&View) -> bool) -> bool {
        let mut state = self.lock();
        if seen(&state.view) || state.view.ended {
            return true;
        }
        if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        false
    }

    /// The state is a few numbers, changed in one go: a panic cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves once records at or behind an offset can be fetched, or none will come any more; made by
/// [`Log::grown`](crate::Log::grown). Works in any runtime.
#[derive(Debug)]
pub struct Grown {
    pub(crate) published: Arc<Published>,
    /// The log, if other processes write it.
    pub(super) beside: Option<Arc<Opened>>,
    pub(super) offset: Offset,
    pub(super) options: FetchOptions,
    /// Whether it is news too that the log ends before the offset.
    pub(super) tells_cuts: bool,
}

impl Future for Grown {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (offset, options, tells_cuts) = (self.offset, self.options, self.tells_cuts);
        if let Some(log) = &self.beside {
            log.watch();
            if log.look_again(false).is_err() {
                // The next fetch tells why.
                return Poll::Ready(());
            }
        }
        let seen = |view: &View| {
            view.has_news_for(offset, options) || tells_cuts && view.log_end_offset < offset
        };
        let there = self.published.poll(context.waker(), seen);
        if there {
            return Poll::Ready(());
        }
        if let Some(log) = &self.beside {
            // Somebody has to look on for it.
            log.context.store.work.raise();
        }
        Poll::Pending
    }
}
