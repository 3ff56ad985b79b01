//! Being told that other processes have changed something in logs of a store, for all threads that
//! wait for it: one of them asks the operating system, the others wait for that one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::fs::{Dir, Seen, Watch};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Nobody waits longer without looking again: not everything is told everywhere.
const LONGEST: Duration = Duration::from_millis(500);
/// How often one looks where nothing tells.
const POLL: Duration = Duration::from_millis(10);

/// What is watched for who follows logs that other processes write.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// None before something is to be watched, and where nothing can be.
    watch: Option<Arc<Watch>>,
    /// Whether it was tried.
    is_tried: bool,
    /// Whether a thread is asking the operating system.
    is_asked: bool,
    /// Directories that nothing tells of.
    unwatched: usize,
    /// How often each watched directory has changed, and any of them.
    counts: BTreeMap<i32, u64>,
    total: u64,
}

impl State {
    fn count(&self, number: Option<i32>) -> u64 {
        number.map_or(self.total, |number| self.counts.get(&number).copied().unwrap_or(0))
    }

    fn note(&mut self, seen: &Seen) {
        for (number, count) in &mut self.counts {
            *count += u64::from(seen.all || seen.some.contains(number));
        }
        self.total += u64::from(seen.all || !seen.some.is_empty());
    }
}

impl Changes {
    /// Watches `dir` from now on; gives its number, or none if nothing tells of its changes.
    pub(crate) fn watch(&self, dir: &Dir) -> Option<i32> {
        let mut state = self.lock();
        if !state.is_tried {
            state.is_tried = true;
            state.watch = Watch::new().ok().map(Arc::new);
        }
        let number = state.watch.as_ref().and_then(|watch| watch.add(dir).ok());
        match number {
            Some(number) => _ = state.counts.entry(number).or_default(),
            None => state.unwatched += 1,
        }
        number
    }

    /// How often a watched directory has changed, as far as it was told; how often any has by none.
    pub(crate) fn count(&self, number: Option<i32>) -> u64 {
        self.lock().count(number)
    }

    /// Waits until that count is another than `count`, at most `timeout`, and never long without
    /// anything to tell: whoever waits looks himself.
    pub(crate) fn wait(&self, number: Option<i32>, count: u64, timeout: Duration) {
        let deadline = Instant::now() + timeout.min(LONGEST);
        let mut state = self.lock();
        while state.count(number) == count {
            let mut left = deadline.saturating_duration_since(Instant::now());
            let is_told = state.watch.is_some() && (number.is_some() || state.unwatched == 0);
            if !is_told {
                left = left.min(POLL);
            }
            if left.is_zero() {
                return;
            }
            state = match state.watch.clone().filter(|_| !state.is_asked) {
                Some(watch) => self.ask(state, &watch, left),
                None => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            if !is_told {
                return;
            }
        }
    }

    /// Asks the operating system what has changed, for all who wait.
    fn ask<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        watch: &Watch,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        state.is_asked = true;
        drop(state);
        let seen = watch.wait(timeout);
        let mut state = self.lock();
        state.is_asked = false;
        match seen {
            Ok(seen) => state.note(&seen),
            // It tells nothing any more.
            Err(_) => state.watch = None,
        }
        // Another one asks from now on, if this one has what it waited for.
        self.changed.notify_all();
        state
    }

    /// Ends all waits: something happened in this process.
    pub(crate) fn ring(&self) {
        let mut state = self.lock();
        state.note(&Seen { all: true, ..Seen::default() });
        if let Some(watch) = &state.watch {
            watch.ring();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Every change of the state is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
