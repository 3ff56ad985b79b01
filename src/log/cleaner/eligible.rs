//! What of a log can be cleaned, and whether it is worth it or has to be.

use crate::record::{Offset, Timestamp};

/// A segment that is not the active one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inactive {
    pub(super) base_offset: Offset,
    pub(super) bytes: u64,
    /// Its largest timestamp, or when it was last written to.
    pub(super) largest: Timestamp,
    /// The largest timestamp of its first batch.
    pub(super) first: Option<Timestamp>,
}

/// How a log stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// Oldest first; of those before the first dirty offset times are not looked at.
    pub(super) inactive: &'a [Inactive],
    /// The active segment's base offset.
    pub(super) active: Offset,
    pub(super) first_dirty: Offset,
    pub(super) last_stable: Offset,
    pub(super) now: Timestamp,
    /// `min.compaction.lag.ms`.
    pub(super) min_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub(super) max_lag_ms: i64,
}

/// What of a log can be cleaned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cleanable {
    /// Where records begin that no round has looked at.
    pub(super) first_dirty: Offset,
    /// Where a round has to end: a segment's base.
    pub(super) first_uncleanable: Offset,
    pub(super) clean_bytes: u64,
    pub(super) dirty_bytes: u64,
    /// Whether something waits longer than `max.compaction.lag.ms`.
    pub(super) is_overdue: bool,
    /// Until then time alone changes nothing of this.
    pub(super) same_until: Timestamp,
}

impl Cleanable {
    /// The part that can be cleaned of what is there; 0 if that is nothing.
    pub(super) fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes + self.dirty_bytes;
        if total == 0 { 0.0 } else { self.dirty_bytes as f64 / total as f64 }
    }

    /// Whether it is to be cleaned now; `least_ratio` is `min.cleanable.dirty.ratio`.
    pub(super) fn is_due(&self, least_ratio: f64) -> bool {
        self.is_overdue && self.dirty_bytes > 0 || self.dirty_ratio() > least_ratio
    }
}

/// Where the cleaner goes on, by what its checkpoint says: it is no good below the log start, nor
/// behind the log's end.
pub(super) fn first_dirty(
    checkpoint: Option<Offset>,
    log_start: Offset,
    log_end: Offset,
) -> Offset {
    checkpoint.filter(|at| (log_start..=log_end).contains(at)).unwrap_or(log_start)
}

/// What can be cleaned of a log that stands so.
pub(super) fn cleanable(standing: &Standing<'_>) -> Cleanable {
    let Standing { inactive, active, first_dirty, now, .. } = *standing;
    let first = inactive.partition_point(|segment| segment.base_offset <= first_dirty);
    let dirty = if first_dirty < active { &inactive[first.saturating_sub(1)..] } else { &[] };
    let too_young = |segment: &&Inactive| {
        standing.min_lag_ms > 0 && segment.largest > now.saturating_sub(standing.min_lag_ms)
    };
    let young = dirty.iter().find(too_young);
    let young_until = young.map_or(Timestamp::MAX, |segment| {
        segment.largest.saturating_add(standing.min_lag_ms).saturating_sub(1)
    });
    let young = young.map_or(active, |segment| segment.base_offset);
    let most = standing.last_stable.min(active).min(young).max(first_dirty);
    // A segment is cleaned whole or not at all.
    let holds = inactive.partition_point(|segment| segment.base_offset <= most).checked_sub(1);
    let first_uncleanable = match holds {
        _ if most >= active => active,
        Some(at) => inactive[at].base_offset,
        None => first_dirty,
    };
    let bytes = |segments: &[Inactive]| segments.iter().map(|segment| segment.bytes).sum();
    let before = inactive.partition_point(|segment| segment.base_offset < first_dirty);
    let clean_bytes = bytes(&inactive[..before]);
    let until = dirty.partition_point(|segment| segment.base_offset < first_uncleanable);
    let dirty_bytes = if first_uncleanable > first_dirty { bytes(&dirty[..until]) } else { 0 };
    let oldest = dirty.iter().filter_map(|segment| segment.first).filter(|&at| at > 0).min();
    let max_lag_ms = standing.max_lag_ms.max(0);
    let is_overdue = oldest.is_some_and(|at| at < now.saturating_sub(max_lag_ms));
    let overdue_after = oldest.filter(|_| !is_overdue);
    let overdue_after = overdue_after.map_or(Timestamp::MAX, |at| at.saturating_add(max_lag_ms));
    let same_until = young_until.min(overdue_after);
    Cleanable { first_dirty, first_uncleanable, clean_bytes, dirty_bytes, is_overdue, same_until }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 100 bytes at 0, 10, 20 and 30, written at 1000, 2000, ...; the active one is at 40.
    fn inactive() -> Vec<Inactive> {
        (0..4)
            .map(|n| Inactive {
                base_offset: n * 10,
                bytes: 100,
                largest: (n + 1) * 1000 + 900,
                first: Some((n + 1) * 1000),
            })
            .collect()
    }

    fn standing(inactive: &[Inactive], first_dirty: Offset) -> Standing<'_> {
        Standing {
            inactive,
            active: 40,
            first_dirty,
            last_stable: 45,
            now: 10_000,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
        }
    }

    #[test]
    fn all_but_the_active_segment_can_be_cleaned() {
        let segments = inactive();
        let all = cleanable(&standing(&segments, 0));
        assert_eq!((all.first_uncleanable, all.clean_bytes, all.dirty_bytes), (40, 0, 400));
        let half = cleanable(&standing(&segments, 20));
        assert_eq!((half.first_uncleanable, half.clean_bytes, half.dirty_bytes), (40, 200, 200));
        assert!(!half.is_due(0.5) && half.is_due(0.49), "only above the ratio");
        // In the middle of a segment it is dirty, and clean before that.
        let within = cleanable(&standing(&segments, 25));
        assert_eq!((within.clean_bytes, within.dirty_bytes), (300, 200));
    }

    #[test]
    fn what_is_undecided_or_too_young_waits_with_its_whole_segment() {
        let segments = inactive();
        let undecided = Standing { last_stable: 25, ..standing(&segments, 0) };
        assert_eq!(cleanable(&undecided).first_uncleanable, 20);
        let lag = |min_lag_ms| {
            let cleanable = cleanable(&Standing { min_lag_ms, ..standing(&segments, 0) });
            (cleanable.first_uncleanable, cleanable.dirty_bytes)
        };
        assert_eq!(lag(5100), (40, 400), "as old as it has to be");
        assert_eq!(lag(5101), (30, 300));
        assert_eq!(lag(1_000_000), (0, 0));
        let clean = Standing { min_lag_ms: 1_000_000, ..standing(&segments, 20) };
        assert_eq!(
            (cleanable(&clean).first_uncleanable, cleanable(&clean).dirty_ratio()),
            (20, 0.0)
        );
    }

    #[test]
    fn nothing_changes_before_it_is_said_to_and_something_does_then() {
        let segments = inactive();
        let lags = [(0, i64::MAX), (5100, i64::MAX), (5101, i64::MAX), (0, 6000), (5500, 9000)];
        for (min_lag_ms, max_lag_ms) in lags {
            let at = |now| {
                let lags = Standing { now, min_lag_ms, max_lag_ms, ..standing(&segments, 0) };
                let found = cleanable(&lags);
                (found.same_until, Cleanable { same_until: 0, ..found })
            };
            let (mut until, mut found) = at(0);
            for now in 0..20_000 {
                let (until_now, found_now) = at(now);
                assert_eq!(now <= until, found == found_now, "at {now}, {min_lag_ms} {max_lag_ms}");
                (until, found) = (until_now, found_now);
            }
            assert_eq!(until, Timestamp::MAX);
        }
    }

    #[test]
    fn what_waits_too_long_is_due_whatever_the_ratio() {
        let segments = inactive();
        let after =
            |max_lag_ms| cleanable(&Standing { max_lag_ms, ..standing(&segments, 30) }).is_due(1.0);
        assert_eq!((after(5999), after(6000)), (true, false));
        let nothing = Standing { max_lag_ms: 1, ..standing(&segments, 40) };
        assert!(!cleanable(&nothing).is_due(0.0));
    }

    #[test]
    fn a_log_that_starts_in_its_active_segment_has_nothing_to_clean() {
        let cleanable = cleanable(&standing(&[], 43));
        assert_eq!((cleanable.dirty_bytes, cleanable.is_due(0.0)), (0, false));
    }

    #[test]
    fn a_checkpoint_outside_the_log_counts_as_its_start() {
        assert_eq!(first_dirty(None, 5, 20), 5);
        for (checkpoint, want) in [(4, 5), (5, 5), (12, 12), (20, 20), (21, 5)] {
            assert_eq!(first_dirty(Some(checkpoint), 5, 20), want);
        }
    }
}
