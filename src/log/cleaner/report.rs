//! What cleaning did, and how a log stands.

use std::time::Duration;

use super::run::Done;
use crate::record::Offset;

/// What the cleaning of one log did, or of several, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleaned {
    /// Records of the segments that were gone through, control records among them.
    pub records_before: u64,
    /// What was left of them.
    pub records_after: u64,
    /// Records without a value among them.
    pub tombstones_before: u64,
    /// What was left of those.
    pub tombstones_after: u64,
    /// Bytes of the segments that were gone through.
    pub bytes_before: u64,
    /// Bytes of what took their place.
    pub bytes_after: u64,
    /// How many segments those were.
    pub segments_before: u64,
    /// How many took their place.
    pub segments_after: u64,
    /// How many keys the records had that no earlier cleaning had seen.
    pub keys: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Cleaned {
    pub(super) fn add_round(&mut self, done: &Done) {
        self.records_before += done.tally.records_before;
        self.records_after += done.tally.records_after;
        self.tombstones_before += done.tally.tombstones_before;
        self.tombstones_after += done.tally.tombstones_after;
        self.bytes_before += done.bytes_before;
        self.bytes_after += done.bytes_after;
        self.segments_before += done.segments_before;
        self.segments_after += done.segments_after;
        self.keys += done.map.map_or(0, |map| map.keys as u64);
    }

    /// Adds what the cleaning of another log did.
    pub fn add(&mut self, other: &Cleaned) {
        self.records_before += other.records_before;
        self.records_after += other.records_after;
        self.tombstones_before += other.tombstones_before;
        self.tombstones_after += other.tombstones_after;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.segments_before += other.segments_before;
        self.segments_after += other.segments_after;
        self.keys += other.keys;
        self.elapsed += other.elapsed;
    }

    /// Bytes that became free, once the old files are removed (`file.delete.delay.ms`).
    pub fn reclaimed_bytes(&self) -> u64 {
        self.bytes_before.saturating_sub(self.bytes_after)
    }
}

/// How far a cleaning is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CleanProgress {
    /// Bytes that were gone through.
    pub bytes_done: u64,
    /// Bytes that there are to go through, as far as that is known when it begins.
    pub bytes_total: u64,
}

/// How a log stands with compaction.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Cleanness {
    /// Whether the topic's `cleanup.policy` has `compact`.
    pub is_compacted: bool,
    /// No cleaning has seen the records from here on (Kafka's `cleaner-offset-checkpoint`).
    pub cleaned_to: Offset,
    /// Bytes before that.
    pub clean_bytes: u64,
    /// Bytes that could be cleaned now.
    pub cleanable_bytes: u64,
    /// The second of all of them; above `min.cleanable.dirty.ratio` the log is cleaned.
    pub dirty_ratio: f64,
    /// Bytes that compaction has taken out of the segments that are there.
    pub reclaimed_bytes: u64,
    /// How far the cleaning is that is under way in this process.
    pub under_way: Option<CleanProgress>,
    /// What all cleanings of this opening did.
    pub total: Cleaned,
    /// Why the log is not cleaned any more until it is opened again: damage, mostly.
    pub stopped_by: Option<String>,
}
