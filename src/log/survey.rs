//! What somebody who takes a log over has to know of it: found by reading all of it once.

use super::fetch::FetchOptions;
use super::handle::Log;
use super::opened::Opened;
use crate::error::{Error, Result};
use crate::record::Offset;

/// What a log holds, every batch of it read and checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) batches: u64,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    /// The highest producer id that is known, in a batch or of a producer whose batches are gone; −1
    /// if there is none.
    pub(crate) highest_producer_id: i64,
    /// The highest leader epoch, of a batch, in `leader-epoch-checkpoint` or in the mark; −1 if there
    /// is none.
    pub(crate) highest_epoch: i32,
    /// First offset of a transaction that is open.
    pub(crate) open_transaction: Option<Offset>,
}

/// How much is read at once.
const READ_BYTES: usize = 4 << 20;

impl Log {
    /// Reads the whole log.
    ///
    /// # Errors
    ///
    /// `Corrupt` for the first batch that is damaged, `GapNotAccepted` where records are missing,
    /// `Io`, `Closed`.
    pub(crate) fn survey(&self) -> Result<Survey> {
        if let Some(gap) = self.gap()? {
            return Err(Error::GapNotAccepted { from: gap.start, to: gap.end });
        }
        let (log_start, log_end) = (self.log_start_offset()?, self.log_end_offset()?);
        let stable = self.last_stable_offset()?;
        // The mark knows it as well where all records are deleted.
        let marked = self.opened()?.ledger().slot().and_then(|slot| slot.leader_epoch);
        let epoch = self.leader_epochs()?.last().map(|(epoch, _)| *epoch).max(marked);
        let epoch = epoch.map_or(-1, |epoch| epoch.0);
        let mut survey = Survey {
            batches: 0,
            log_start,
            log_end,
            highest_producer_id: self.opened()?.highest_producer_id(),
            highest_epoch: epoch,
            open_transaction: Some(stable).filter(|stable| *stable < log_end),
        };
        let mut from = log_start;
        while from < log_end {
            let fetched = self.fetch(from, FetchOptions::new().max_bytes(READ_BYTES))?;
            for batch in fetched.batches() {
                let header = batch.header();
                survey.batches += 1;
                let (id, epoch) = (header.producer_id(), header.leader_epoch());
                let id = id.map_or(-1, |id| id.0);
                survey.highest_producer_id = survey.highest_producer_id.max(id);
                survey.highest_epoch = survey.highest_epoch.max(epoch.map_or(-1, |epoch| epoch.0));
            }
            if fetched.next_offset() <= from {
                break;
            }
            from = fetched.next_offset();
        }
        Ok(survey)
    }
}

impl Opened {
    /// The highest id of a producer that the log remembers; −1 if there is none.
    fn highest_producer_id(&self) -> i64 {
        self.with_producers(|producers| {
            let ids = producers.in_order().into_iter().map(|(id, _)| id.0);
            ids.max().unwrap_or(-1)
        })
        .unwrap_or(-1)
    }
}
