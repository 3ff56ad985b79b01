//! What an append promises, and what it answers.

use crate::record::{Offset, Timestamp};

/// What an append has survived when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// A loss of power. Many appenders share one sync.
    #[default]
    Synced,
    /// The death of the process.
    Written,
}

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The first record's offset.
    pub base_offset: Offset,
    /// The last record's offset; one less than the first if nothing was appended.
    pub last_offset: Offset,
    /// The batch's largest timestamp, in milliseconds since 1970.
    pub max_timestamp: Option<Timestamp>,
    /// The batch was there already: an idempotent producer sent it again. Nothing was written, and
    /// the offsets are those of the first time.
    pub duplicate: bool,
    /// Records below this offset survive a loss of power.
    pub durable_end: Offset,
}
