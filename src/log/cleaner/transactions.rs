//! Which transactions a walk over a log has come across: what of them is to go, and whether their
//! markers can.
//!
//! A marker stays as long as records of its transaction, or the empty batch that is left of them,
//! were seen in the same round.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::index::AbortedTxn;
use crate::record::{BatchHeader, ControlRecord, Offset, ProducerId, TransactionEnd};

/// See the module. One round walks from the start of the log on; it is carried from segment to
/// segment.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Those that are still to be reached, the first to begin on top.
    ahead: BinaryHeap<Reverse<Ahead>>,
    /// Aborted ones whose marker is still to come.
    aborted: HashMap<ProducerId, Open>,
    /// Producers of records whose transaction was committed, or will be.
    committed: HashSet<ProducerId>,
    /// Aborted ones of which something is still there, in the order of their markers: what the
    /// transaction index of the result holds.
    kept: Vec<AbortedTxn>,
}

/// In the order in which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ahead {
    first_offset: Offset,
    last_offset: Offset,
    producer_id: i64,
    last_stable_offset: Offset,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    txn: AbortedTxn,
    /// Whether something of it was seen.
    seen: bool,
}

impl Transactions {
    /// Takes in aborted transactions that lie, in part, in what is walked over next. One that is
    /// known already does no harm.
    pub(super) fn add(&mut self, aborted: &[AbortedTxn]) {
        self.ahead.extend(aborted.iter().map(|txn| {
            Reverse(Ahead {
                first_offset: txn.first_offset,
                last_offset: txn.last_offset,
                producer_id: txn.producer_id.0,
                last_stable_offset: txn.last_stable_offset,
            })
        }));
    }

    /// Takes the aborted transactions whose markers stayed since this was last asked.
    pub(super) fn take_kept(&mut self) -> Vec<AbortedTxn> {
        std::mem::take(&mut self.kept)
    }

    /// Whether a batch of records was aborted.
    pub(super) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.reach(header.last_offset());
        let Some(producer) = header.producer_id() else { return false };
        if !header.attributes().is_transactional() {
            return false;
        }
        if let Some(open) = self.aborted.get_mut(&producer) {
            open.seen = true;
            return true;
        }
        self.committed.insert(producer);
        false
    }

    /// Whether nothing is left of what a control batch ends, so that it can go; `control` is what
    /// its record says, none if it was emptied.
    pub(super) fn is_done(&mut self, header: &BatchHeader, control: Option<ControlRecord>) -> bool {
        self.reach(header.last_offset());
        let producer = header.producer_id().unwrap_or(ProducerId(-1));
        match control {
            None => true,
            Some(ControlRecord::EndTransaction { end: TransactionEnd::Abort, .. }) => {
                match self.aborted.remove(&producer).filter(|open| open.seen) {
                    Some(open) => {
                        self.kept.push(open.txn);
                        false
                    }
                    None => true,
                }
            }
            Some(ControlRecord::EndTransaction { end: TransactionEnd::Commit, .. }) => {
                !self.committed.remove(&producer)
            }
            Some(_) => false,
        }
    }

    /// The walk has come to `offset`.
    fn reach(&mut self, offset: Offset) {
        while let Some(Reverse(next)) = self.ahead.peek().copied()
            && next.first_offset <= offset
        {
            self.ahead.pop();
            let txn = AbortedTxn {
                producer_id: ProducerId(next.producer_id),
                first_offset: next.first_offset,
                last_offset: next.last_offset,
                last_stable_offset: next.last_stable_offset,
            };
            self.aborted.entry(txn.producer_id).or_insert(Open { txn, seen: false });
        }
    }
}
