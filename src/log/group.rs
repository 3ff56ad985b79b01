//! Group commit: many appenders wait for one sync.
//!
//! Whoever finds nobody syncing syncs for all: what was published before its sync began is covered
//! by it. The others wait, and one of them takes over if the sync did not reach far enough. Those who
//! were let go together mostly come back together: so many are waited for, a moment at most.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::Offset;
use crate::sync::{AtomicBool, AtomicI64, Condvar, Mutex, MutexGuard};

/// So long at most one who is about to sync waits for others.
const MOST_GATHERING: Duration = Duration::from_micros(60);

/// Who syncs, and how far the log is durable.
#[derive(Debug)]
pub(crate) struct Group {
    state: Mutex<State>,
    /// Changed under the lock, read by everybody.
    durable_end: AtomicI64,
    /// Whether the state says what poisoned the log.
    is_poisoned: AtomicBool,
    done: Condvar,
    /// As many have come as were waited for.
    gathered: Condvar,
    /// So long at most one waits for a sync that another thread has begun.
    patience: Duration,
}

#[derive(Debug)]
struct State {
    /// Counts truncations: a sync that began before one says nothing about what came after.
    era: u64,
    syncing: bool,
    /// How many came to wait since the last sync began.
    waiting: usize,
    /// How many it was for, and how long it took.
    last_group: (usize, Duration),
    /// Whether somebody waits for others to come.
    gathering: bool,
    /// The first failure; final for this opening.
    poisoned: Option<Error>,
}

impl Group {
    pub(crate) fn new(durable_end: Offset, patience: Duration) -> Self {
        let state = State {
            era: 0,
            syncing: false,
            waiting: 0,
            last_group: (0, Duration::ZERO),
            gathering: false,
            poisoned: None,
        };
        let (done, gathered) = (Condvar::new(), Condvar::new());
        Group {
            state: Mutex::new(state),
            durable_end: AtomicI64::new(durable_end),
            is_poisoned: AtomicBool::new(false),
            done,
            gathered,
            patience,
        }
    }

    /// How far the log is durable.
    pub(crate) fn durable_end(&self) -> Offset {
        self.durable_end.load(Ordering::Acquire)
    }

    /// What poisoned the log, if something did.
    pub(crate) fn poison(&self) -> Option<Error> {
        if !self.is_poisoned.load(Ordering::Acquire) {
            return None;
        }
        self.lock().poisoned.clone()
    }

    /// Returns once everything below `end` is durable, or was cut off since. `sync` makes durable what is published when
    /// it begins, and returns the offset behind it; it is called by one thread at a time, without
    /// the lock.
    ///
    /// # Errors
    ///
    /// The first failure of a sync, for all that wait and for all that come later; an error of
    /// `sync` that poisons nothing (a seal that failed) goes to the caller alone. `TimedOut` if
    /// another thread's sync does not end: what is waited for may be durable all the same.
    pub(crate) fn reach(
        &self,
        end: Offset,
        sync: impl Fn() -> std::result::Result<Offset, Failure>,
    ) -> Result<()> {
        let (mut state, mut since) = (self.lock(), None);
        if state.poisoned.is_none() && self.durable_end() < end {
            state.waiting += 1;
            if state.gathering && state.waiting >= state.last_group.0 {
                self.gathered.notify_one();
            }
        }
        loop {
            if let Some(first) = &state.poisoned {
                return Err(first.clone());
            }
            if self.durable_end() >= end {
                return Ok(());
            }
            if state.syncing {
                state = self.wait(state, *since.get_or_insert_with(Instant::now))?;
                continue;
            }
            let era = state.era;
            state.syncing = true;
            state = self.gather(state);
            if state.poisoned.is_some() {
                state.syncing = false;
                self.done.notify_all();
                continue;
            }
            let group = std::mem::take(&mut state.waiting);
            let turn = self.take_turn(state);
            if planted::on(Bug::WokenBeforeSync) {
                self.set_durable_end(&mut self.lock(), end);
                self.done.notify_all();
            }
            let began = Instant::now();
            let result = sync();
            state = self.lock();
            state.last_group = (group, began.elapsed());
            turn.end(&mut state);
            match result {
                Ok(reached) if state.era == era => {
                    self.set_durable_end(&mut state, self.durable_end().max(reached));
                    if reached < end {
                        // All that is published is durable, and what was waited for is no longer
                        // there: it was cut off before the sync began.
                        return Ok(());
                    }
                }
                Ok(_) => {}
                Err(Failure::Final(_)) if planted::on(Bug::SyncErrorDropped) => {
                    self.set_durable_end(&mut state, end);
                }
                Err(Failure::Final(error)) => {
                    self.note_poison(&mut state, error);
                }
                Err(Failure::Passing(error)) => return Err(error),
            }
        }
    }

    /// Waits a moment for as many to come as the last sync was for: a part of what a sync takes.
    fn gather<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        // A checker of schedules knows no time, and would wait for ever.
        let moment = if cfg!(all(test, shuttle)) { Duration::ZERO } else { MOST_GATHERING };
        let (wanted, took) = state.last_group;
        let until = Instant::now() + moment.min(took / 2);
        state.gathering = true;
        while state.waiting < wanted {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.gathered.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.gathering = false;
        state
    }

    /// Waits for whoever syncs, since then at most as long as one has patience.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        since: Instant,
    ) -> Result<MutexGuard<'a, State>> {
        let left = self.patience.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(Error::TimedOut);
        }
        let waited = self.done.wait_timeout(state, left);
        Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits until nobody syncs and keeps it so while `change` runs, which cuts the log: the
    /// durable end is then at most what it returns.
    ///
    /// # Errors
    ///
    /// That of `change`, `Poisoned`, or `TimedOut` if a sync does not end; then nothing was changed.
    pub(crate) fn cut<T>(&self, change: impl FnOnce() -> Result<(Offset, T)>) -> Result<T> {
        let (mut state, since) = (self.lock(), Instant::now());
        while state.syncing {
            state = self.wait(state, since)?;
        }
        if let Some(first) = &state.poisoned {
            return Err(Error::Poisoned(first.clone().into()));
        }
        // A sync that begins once the turn is over knows of the cut.
        state.era += 1;
        let turn = self.take_turn(state);
        let result = change();
        let mut state = self.lock();
        turn.end(&mut state);
        let (durable_end, answer) = result?;
        self.set_durable_end(&mut state, durable_end);
        Ok(answer)
    }

    /// Nobody else syncs until the turn is dropped, be it by a panic.
    fn take_turn(&self, mut state: MutexGuard<'_, State>) -> Turn<'_> {
        state.syncing = true;
        Turn(self)
    }

    /// Makes every later use fail with `error`, the first cause.
    pub(crate) fn set_poison(&self, error: Error) {
        self.note_poison(&mut self.lock(), error);
        self.done.notify_all();
    }

    fn note_poison(&self, state: &mut State, error: Error) {
        state.poisoned.get_or_insert(error);
        self.is_poisoned.store(true, Ordering::Release);
    }

    fn set_durable_end(&self, _state: &mut State, end: Offset) {
        self.durable_end.store(end, Ordering::Release);
    }

    /// The state is changed in one go: a panic of another thread cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    /// What failed.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Failure::Final(error) | Failure::Passing(error) => error,
        }
    }
}

/// The right to sync, or to cut.
struct Turn<'a>(&'a Group);

impl Turn<'_> {
    /// Ends it under the lock, so that who wakes sees what it brought.
    fn end(self, state: &mut State) {
        state.syncing = false;
        self.0.done.notify_all();
        std::mem::forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().syncing = false;
        self.0.done.notify_all();
    }
}

/// Why a sync did not happen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The kernel may have dropped what it could not write: final.
    Final(Error),
    /// Something before it failed, and nothing was dropped: the same call may succeed later.
    Passing(Error),
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    fn patient(durable_end: Offset) -> Group {
        Group::new(durable_end, Duration::MAX)
    }

    #[test]
    fn nobody_waits_for_ever_for_a_sync_that_is_stuck() {
        let group = Group::new(0, Duration::from_millis(5));
        let (begun, has_begun) = channel();
        let (over, is_over) = channel();
        std::thread::scope(|scope| {
            let stuck = move || {
                begun.send(()).unwrap();
                is_over.recv().unwrap();
                Ok(2)
            };
            let group = &group;
            let syncs = scope.spawn(move || group.reach(1, stuck));
            has_begun.recv().unwrap();
            assert!(matches!(group.reach(2, || Ok(2)), Err(Error::TimedOut)));
            assert!(matches!(group.cut(|| Ok((0, ()))), Err(Error::TimedOut)));
            over.send(()).unwrap();
            syncs.join().unwrap().unwrap();
        });
        group.reach(2, || unreachable!("it was reached")).unwrap();
        assert!(group.poison().is_none());
    }

    #[test]
    fn a_panic_in_a_sync_keeps_nobody_waiting() {
        let group = patient(0);
        let panics = || -> std::result::Result<Offset, Failure> { panic!("a waker of the host") };
        catch_unwind(AssertUnwindSafe(|| group.reach(1, panics))).unwrap_err();
        group.reach(1, || Ok(1)).unwrap();
        assert_eq!(group.durable_end(), 1);
    }

    #[test]
    fn what_a_sync_reached_before_a_cut_says_nothing_of_what_comes_after() {
        let group = patient(10);
        group.cut(|| Ok((4, ()))).unwrap();
        assert_eq!(group.durable_end(), 4);
        group.reach(6, || Ok(6)).unwrap();
        assert_eq!(group.durable_end(), 6);
    }

    #[test]
    fn who_need_not_wait_for_a_sync_is_not_waited_for() {
        let group = patient(0);
        group.reach(5, || Ok(5)).unwrap();
        (0..=5).for_each(|end| group.reach(end, || unreachable!("it is durable")).unwrap());
        let state = group.lock();
        assert_eq!((state.waiting, state.last_group.0), (0, 1));
    }

    #[test]
    fn appenders_that_come_and_go_all_reach_their_end() {
        let (group, published) = (patient(0), AtomicI64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let end = published.fetch_add(1, Ordering::SeqCst) + 1;
                        group.reach(end, || Ok(published.load(Ordering::SeqCst))).unwrap();
                        assert!(group.durable_end() >= end);
                    }
                });
            }
        });
        assert_eq!((group.durable_end(), group.lock().waiting), (400, 0));
    }

    #[test]
    fn nobody_waits_for_what_was_cut_off_before_the_sync_began() {
        let group = patient(0);
        group.reach(3, || Ok(1)).unwrap();
        assert_eq!(group.durable_end(), 1);
    }

    #[test]
    fn a_failure_that_is_final_fails_all_that_come_later_and_a_passing_one_only_its_caller() {
        let group = patient(0);
        let passing = || Err(Failure::Passing(Error::Closed));
        assert!(matches!(group.reach(1, passing), Err(Error::Closed)));
        group.reach(1, || Ok(1)).unwrap();
        assert!(group.reach(2, || Err(Failure::Final(Error::TimedOut))).is_err());
        assert!(matches!(group.reach(2, || Ok(2)), Err(Error::TimedOut)));
        assert!(matches!(group.poison(), Some(Error::TimedOut)));
    }
}
