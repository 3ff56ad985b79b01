//! Which leader epoch began where: the cache behind `leader-epoch-checkpoint`. Every change says
//! whether there was one, so that the caller knows when to write the file.

use crate::record::{LeaderEpoch, Offset};

/// The first offset of each leader epoch, both strictly growing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochs {
    /// No epochs.
    pub(crate) fn new() -> Self {
        LeaderEpochs::default()
    }

    /// The epochs that a file lists. They are assigned in the file's order, which mends a list that
    /// does not grow, as Kafka does.
    pub(crate) fn from_entries(entries: impl IntoIterator<Item = (LeaderEpoch, Offset)>) -> Self {
        let mut epochs = LeaderEpochs::new();
        for (epoch, start) in entries {
            epochs.assign(epoch, start);
        }
        epochs
    }

    /// What the file shall hold.
    pub(crate) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The current epoch.
    pub(crate) fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|&(epoch, _)| epoch)
    }

    /// Begins `epoch` at `start`. Nothing happens if it is the latest and began before. An entry at
    /// the end with this epoch or a higher one, or that starts here or later, goes: so a lower
    /// epoch wipes out the higher ones, as in Kafka.
    ///
    /// Negative numbers, which stand for none on the wire, are ignored.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch.0 < 0 || start < 0 {
            return false;
        }
        if self.entries.last().is_some_and(|&(last, began)| last == epoch && start >= began) {
            return false;
        }
        while self.entries.last().is_some_and(|&(last, began)| last >= epoch || began >= start) {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        true
    }

    /// Forgets the epochs that begin at `end` or later: the log was cut there.
    pub(crate) fn truncate_from_end(&mut self, end: Offset) -> bool {
        let keep = self.entries.partition_point(|&(_, start)| start < end);
        let changed = keep < self.entries.len();
        self.entries.truncate(keep);
        changed
    }

    /// Lets the log begin at `start`: epochs that ended before it go, the one that covers it begins
    /// there.
    pub(crate) fn truncate_from_start(&mut self, start: Offset) -> bool {
        let begun = self.entries.partition_point(|&(_, began)| began <= start);
        let Some(covering) = begun.checked_sub(1) else { return false };
        if covering == 0 && self.entries[0].1 == start {
            return false;
        }
        self.entries.drain(..covering);
        self.entries[0].1 = start;
        true
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) -> bool {
        let changed = !self.entries.is_empty();
        self.entries.clear();
        changed
    }

    /// The epoch in which the record at `offset` was appended, none if that was before the first.
    pub(crate) fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let begun = self.entries.partition_point(|&(_, start)| start <= offset);
        begun.checked_sub(1).map(|at| self.entries[at].0)
    }

    /// Where `requested` ended in a log that ends at `log_end`: the largest epoch that is known and
    /// not above it, with the offset behind its last record. An epoch below all known ones ended
    /// where the first of them begins; one above them all is unknown: none.
    pub(crate) fn end_offset_for(
        &self,
        requested: Option<LeaderEpoch>,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let requested = requested?;
        if self.latest() == Some(requested) {
            return Some((requested, log_end));
        }
        let higher = self.entries.partition_point(|&(epoch, _)| epoch <= requested);
        let &(_, end) = self.entries.get(higher)?;
        let epoch = higher.checked_sub(1).map_or(requested, |floor| self.entries[floor].0);
        Some((epoch, end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epochs(entries: &[(i32, Offset)]) -> LeaderEpochs {
        LeaderEpochs::from_entries(entries.iter().map(|&(epoch, at)| (LeaderEpoch(epoch), at)))
    }

    fn listed(epochs: &LeaderEpochs) -> Vec<(i32, Offset)> {
        epochs.entries().iter().map(|&(epoch, at)| (epoch.0, at)).collect()
    }

    #[test]
    fn the_first_offset_of_an_epoch_never_moves_up() {
        let mut cache = epochs(&[(0, 0), (3, 4)]);
        assert!(!cache.assign(LeaderEpoch(3), 4) && !cache.assign(LeaderEpoch(3), 9));
        assert_eq!(listed(&cache), [(0, 0), (3, 4)]);
    }

    #[test]
    fn an_earlier_start_replaces_the_entry() {
        let mut cache = epochs(&[(0, 0), (3, 4), (5, 9)]);
        assert!(cache.assign(LeaderEpoch(5), 6));
        assert_eq!(listed(&cache), [(0, 0), (3, 4), (5, 6)]);
        assert!(cache.assign(LeaderEpoch(6), 2));
        assert_eq!(listed(&cache), [(0, 0), (6, 2)]);
    }

    #[test]
    fn a_lower_epoch_wipes_out_the_higher_ones() {
        let mut cache = epochs(&[(3, 0), (4, 7)]);
        assert!(cache.assign(LeaderEpoch(2), 115));
        assert_eq!(listed(&cache), [(2, 115)]);
    }

    #[test]
    fn an_epoch_without_records_gives_way_to_the_next() {
        let mut cache = epochs(&[(0, 0), (3, 4), (7, 8)]);
        assert!(cache.assign(LeaderEpoch(9), 10) && cache.assign(LeaderEpoch(11), 10));
        assert!(!cache.assign(LeaderEpoch(11), 10));
        assert!(cache.assign(LeaderEpoch(5), 11) && cache.assign(LeaderEpoch(12), 12));
        assert_eq!(listed(&cache), [(0, 0), (3, 4), (5, 11), (12, 12)]);
    }

    #[test]
    fn negative_numbers_are_no_entries() {
        let mut cache = epochs(&[(0, 0)]);
        assert!(!cache.assign(LeaderEpoch(-1), 5) && !cache.assign(LeaderEpoch(5), -1));
        assert_eq!(listed(&cache), [(0, 0)]);
    }

    #[test]
    fn a_list_that_does_not_grow_is_mended_as_it_is_read() {
        assert_eq!(listed(&epochs(&[(0, 0), (5, 2), (3, 4)])), [(0, 0), (3, 4)]);
    }

    #[test]
    fn cutting_the_end_drops_epochs_that_begin_there_or_later() {
        for (end, left, changed) in [(21, 3, false), (20, 2, true), (10, 1, true), (0, 0, true)] {
            let mut cache = epochs(&[(0, 0), (1, 10), (7, 20)]);
            assert_eq!((cache.truncate_from_end(end), cache.entries.len()), (changed, left));
        }
    }

    #[test]
    fn raising_the_start_keeps_the_epoch_that_covers_it() {
        let cases = [
            (0, vec![(2, 5), (3, 10), (7, 20)], false),
            (5, vec![(2, 5), (3, 10), (7, 20)], false),
            (9, vec![(2, 9), (3, 10), (7, 20)], true),
            (10, vec![(3, 10), (7, 20)], true),
            (15, vec![(3, 15), (7, 20)], true),
            (99, vec![(7, 99)], true),
        ];
        for (start, left, changed) in cases {
            let mut cache = epochs(&[(2, 5), (3, 10), (7, 20)]);
            assert_eq!(cache.truncate_from_start(start), changed, "{start}");
            assert_eq!(listed(&cache), left, "{start}");
        }
    }

    #[test]
    fn an_epoch_ends_where_the_next_known_one_begins() {
        let cache = epochs(&[(2, 5), (3, 10), (7, 20)]);
        let end = |epoch| cache.end_offset_for(Some(LeaderEpoch(epoch)), 33);
        let want = |epoch, at| Some((LeaderEpoch(epoch), at));
        assert_eq!(end(7), want(7, 33));
        assert_eq!(end(8), None);
        assert_eq!((end(3), end(5)), (want(3, 20), want(3, 20)));
        assert_eq!(end(1), want(1, 5));
        assert_eq!(cache.end_offset_for(None, 33), None);
        assert_eq!(LeaderEpochs::new().end_offset_for(Some(LeaderEpoch(0)), 0), None);
    }

    #[test]
    fn a_record_has_the_last_epoch_that_began_before_it() {
        let cache = epochs(&[(2, 5), (3, 10)]);
        let epoch = |offset| cache.epoch_for_offset(offset).map(|epoch| epoch.0);
        assert_eq!([4, 5, 9, 10, 99].map(epoch), [None, Some(2), Some(2), Some(3), Some(3)]);
    }

    proptest! {
        #[test]
        fn whatever_is_done_both_numbers_grow_and_changes_are_told(
            steps in proptest::collection::vec((0..4, -1..9_i32, -1..30_i64), 0..40),
        ) {
            let mut cache = LeaderEpochs::new();
            for (what, epoch, offset) in steps {
                let before = cache.clone();
                let changed = match what {
                    0 => cache.truncate_from_end(offset),
                    1 => cache.truncate_from_start(offset),
                    _ => cache.assign(LeaderEpoch(epoch), offset),
                };
                prop_assert_eq!(changed, cache != before);
                prop_assert!(cache.entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            }
        }
    }
}
