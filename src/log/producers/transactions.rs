//! The transactions of one partition that readers may have to wait for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::record::{Offset, ProducerId};

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTxn {
    pub(crate) producer_id: ProducerId,
    /// Of its first record.
    pub(crate) first_offset: Offset,
    /// Of the marker.
    pub(crate) last_offset: Offset,
    /// Rather than committed.
    pub(crate) aborted: bool,
}

/// Open transactions, and ended ones whose marker lies at or above the high watermark.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    /// By first offset.
    ongoing: BTreeMap<Offset, ProducerId>,
    /// First offsets of the ended ones.
    unreplicated: BTreeSet<Offset>,
    /// Last and first offsets of the same, in order of the last ones.
    by_end: VecDeque<(Offset, Offset)>,
}

impl Transactions {
    pub(super) fn start(&mut self, first_offset: Offset, id: ProducerId) {
        self.ongoing.insert(first_offset, id);
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.ongoing.len()
    }

    /// The transaction ended; it stays unstable until the high watermark has passed its marker.
    pub(super) fn complete(&mut self, txn: &CompletedTxn) {
        if self.ongoing.remove(&txn.first_offset).is_some()
            && self.unreplicated.insert(txn.first_offset)
        {
            self.by_end.push_back((txn.last_offset, txn.first_offset));
        }
    }

    /// Forgets ended ones whose marker lies below `offset`.
    pub(super) fn settle_below(&mut self, offset: Offset) {
        while let Some(&(last, first)) = self.by_end.front()
            && last < offset
        {
            self.by_end.pop_front();
            self.unreplicated.remove(&first);
        }
    }

    /// Where the earliest begins.
    pub(super) fn first_unstable_offset(&self) -> Option<Offset> {
        let open = self.ongoing.first_key_value().map(|(&first, _)| first);
        let ended = self.unreplicated.first().copied();
        open.into_iter().chain(ended).min()
    }

    /// Where the earliest open one of another producer begins.
    pub(super) fn first_of_others(&self, than: ProducerId) -> Option<Offset> {
        self.ongoing.iter().find(|&(_, &id)| id != than).map(|(&first, _)| first)
    }
}
