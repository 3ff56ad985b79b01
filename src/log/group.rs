//! Group commit: many appenders wait for one sync.
//!
//! Whoever finds nobody syncing syncs for all: what was published before its sync began is covered
//! by it. The others wait, and one of them takes over if the sync did not reach far enough.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::record::Offset;

/// Who syncs, and how far the log is durable.
#[derive(Debug)]
pub(crate) struct Group {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug)]
struct State {
    durable_end: Offset,
    /// Counts truncations: a sync that began before one says nothing about what came after.
    era: u64,
    syncing: bool,
    /// The first failure; final for this opening.
    poisoned: Option<Error>,
}

impl Group {
    pub(crate) fn new(durable_end: Offset) -> Self {
        let state = State { durable_end, era: 0, syncing: false, poisoned: None };
        Group { state: Mutex::new(state), done: Condvar::new() }
    }

    /// How far the log is durable.
    pub(crate) fn durable_end(&self) -> Offset {
        self.lock().durable_end
    }

    /// What poisoned the log, if something did.
    pub(crate) fn poison(&self) -> Option<Error> {
        self.lock().poisoned.clone()
    }

    /// Returns once everything below `end` is durable. `sync` makes durable what is published when
    /// it begins, and returns the offset behind it; it is called by one thread at a time, without
    /// the lock.
    ///
    /// # Errors
    ///
    /// The first failure of a sync, for all that wait and for all that come later; an error of
    /// `sync` that poisons nothing (a seal that failed) goes to the caller alone.
    pub(crate) fn reach(
        &self,
        end: Offset,
        sync: impl Fn() -> std::result::Result<Offset, Failure>,
    ) -> Result<()> {
        let mut state = self.lock();
        loop {
            if let Some(first) = &state.poisoned {
                return Err(first.clone());
            }
            if state.durable_end >= end {
                return Ok(());
            }
            if state.syncing {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            let era = state.era;
            drop(state);
            let result = sync();
            state = self.lock();
            state.syncing = false;
            self.done.notify_all();
            match result {
                Ok(reached) if state.era == era => {
                    state.durable_end = state.durable_end.max(reached);
                }
                Ok(_) => {}
                Err(Failure::Final(error)) => {
                    state.poisoned.get_or_insert(error);
                }
                Err(Failure::Passing(error)) => return Err(error),
            }
        }
    }

    /// Waits until nobody syncs and keeps it so while `change` runs, which cuts the log: the
    /// durable end is then at most what it returns.
    pub(crate) fn cut<T>(&self, change: impl FnOnce() -> Result<(Offset, T)>) -> Result<T> {
        let mut state = self.lock();
        while state.syncing {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(first) = &state.poisoned {
            return Err(Error::Poisoned(first.clone().into()));
        }
        state.syncing = true;
        drop(state);
        let result = change();
        let mut state = self.lock();
        state.syncing = false;
        state.era += 1;
        self.done.notify_all();
        match result {
            Ok((durable_end, answer)) => {
                state.durable_end = durable_end;
                Ok(answer)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes every later use fail with `error`, the first cause.
    pub(crate) fn set_poison(&self, error: Error) {
        self.lock().poisoned.get_or_insert(error);
        self.done.notify_all();
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

/// Why a sync did not happen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The kernel may have dropped what it could not write: final.
    Final(Error),
    /// Something before it failed, and nothing was dropped: the same call may succeed later.
    Passing(Error),
}
