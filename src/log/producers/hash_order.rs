//! The order in which Kafka writes producers into a snapshot: that of a Java `HashMap<Long, …>`.
//!
//! The map has a power of two of buckets, chosen by the id; inside a bucket, ids keep the order in
//! which they came. It doubles when it is more than three quarters full, which keeps that order,
//! and never shrinks. What is not copied: a bucket of more than eight ids becomes a tree once there
//! are 64 buckets, and a tree's root goes first. Ids that Kafka hands out never crowd like that,
//! and readers do not depend on the order.

use crate::record::ProducerId;

const LEAST_BUCKETS: u32 = 16;
/// From this many buckets on a crowded one becomes a tree; before, the map doubles instead.
const TREE_BUCKETS: u32 = 64;
/// A bucket with more ids than this is crowded.
const CROWDED: usize = 8;

/// How many buckets such a map has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashOrder {
    buckets: u32,
}

impl HashOrder {
    /// Of an empty map.
    pub(crate) fn new() -> Self {
        HashOrder { buckets: LEAST_BUCKETS }
    }

    /// In which bucket `id` lies. Buckets are given out in order.
    pub(crate) fn bucket(self, id: ProducerId) -> u32 {
        let hash = (id.0 ^ ((id.0 as u64) >> 32) as i64) as u32;
        (hash ^ hash >> 16) & (self.buckets - 1)
    }

    /// Grows as the map does after `id` was put into it, which is now among `ids`.
    pub(crate) fn inserted<I>(&mut self, id: ProducerId, ids: I)
    where
        I: ExactSizeIterator<Item = ProducerId>,
    {
        let len = ids.len();
        // A map of so few buckets holds few ids, so counting them is cheap.
        if self.buckets < TREE_BUCKETS {
            let bucket = self.bucket(id);
            if ids.filter(|&other| self.bucket(other) == bucket).count() > CROWDED {
                self.double();
            }
        }
        if len > self.buckets as usize / 4 * 3 {
            self.double();
        }
    }

    fn double(&mut self) {
        if self.buckets < 1 << 30 {
            self.buckets *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ids`, put in in this order, as the map gives them out.
    fn order(ids: &[i64]) -> Vec<i64> {
        let mut order = HashOrder::new();
        let mut there: Vec<ProducerId> = Vec::new();
        for &id in ids {
            there.push(ProducerId(id));
            order.inserted(ProducerId(id), there.iter().copied());
        }
        there.sort_by_key(|&id| order.bucket(id));
        there.iter().map(|id| id.0).collect()
    }

    #[test]
    fn ids_come_out_as_from_java() {
        assert_eq!(order(&[70_000, 3, 16, 0, 33]), [16, 0, 70_000, 33, 3]);
        assert_eq!(order(&[1000, 2000]), [2000, 1000]);
        let nine = [1000, 2000, 3000, 3001, 3002, 4000, 4001, 4002, 4003];
        assert_eq!(order(&nine), [2000, 4000, 4001, 4002, 4003, 1000, 3000, 3001, 3002]);
    }

    #[test]
    fn the_thirteenth_id_doubles_the_map() {
        let ids: Vec<i64> = (0..13).map(|n| 29 - n).collect();
        assert_eq!(order(&ids[..12])[..2], [18, 19]);
        assert_eq!(order(&ids), (17..30).collect::<Vec<_>>());
    }

    #[test]
    fn a_crowded_bucket_doubles_a_small_map() {
        let crowd: Vec<i64> = (0..9).map(|n| 16 * n).collect();
        assert_eq!(order(&crowd[..8]), crowd[..8]);
        assert_eq!(order(&crowd), [0, 32, 64, 96, 128, 16, 48, 80, 112]);
    }
}
