//! The only source of "now": the machine's wall clock, or one that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::Timestamp;

/// Tells the time. Cloning one set by hand gives the same clock, so a test keeps a clone and sets
/// it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Wall,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's wall clock.
    pub fn wall() -> Self {
        Clock(Source::Wall)
    }

    /// A clock that stands at `ms` (milliseconds since 1970) until it is set.
    pub fn manual(ms: Timestamp) -> Self {
        Clock(Source::Manual(Arc::new(AtomicI64::new(ms))))
    }

    /// Sets a clock that was made by [`Clock::manual`], and all its clones. The wall clock is left
    /// alone.
    pub fn set(&self, ms: Timestamp) {
        if let Source::Manual(now) = &self.0 {
            now.store(ms, Ordering::Relaxed);
        }
    }

    /// Whether it is the machine's, which somebody may set while a program runs.
    pub(crate) fn is_wall(&self) -> bool {
        matches!(self.0, Source::Wall)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn now_ms(&self) -> Timestamp {
        match &self.0 {
            Source::Manual(now) => now.load(Ordering::Relaxed),
            Source::Wall => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
            },
        }
    }
}
