//! Whether the names in a partition's directory are durable.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::error::Result;
use crate::sync::{AtomicBool, Mutex};

/// Changes of a directory's names that no sync covers yet.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    changed: AtomicBool,
    /// Held while they are synced.
    settling: Mutex<()>,
}

impl Unsynced {
    /// Notes that a name was made, changed or removed.
    pub(super) fn note(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Whether there is nothing to sync, and nobody is at it.
    pub(super) fn is_settled(&self) -> bool {
        self.settling.try_lock().is_ok_and(|_turn| !self.changed.load(Ordering::Acquire))
    }

    /// Returns once all that was noted before is durable: calls `sync` if there is something. Who
    /// comes while another syncs waits for it, for it may be what covers his own.
    pub(super) fn settle(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        let _turn = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changed.swap(false, Ordering::AcqRel)
            && let Err(error) = sync()
        {
            self.note();
            return Err(error);
        }
        Ok(())
    }
}
