//! What a log answers, taken down to be compared.

use std::ops::Range;
use std::path::PathBuf;

use strandline::testing::sim::{self, Disk};
use strandline::{AbortedTxn, Clock, Error, FetchOptions, Isolation, Log, Store};

use crate::sample::{LATER, options};

/// Damage that a fetch told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) path: PathBuf,
    pub(crate) position: u64,
    pub(crate) offsets: (i64, i64),
}

/// What a scan of the whole log gives, and its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) durable: i64,
    pub(crate) stable: i64,
    pub(crate) gap: Option<Range<i64>>,
    /// All batches, one after another.
    pub(crate) bytes: Vec<u8>,
    pub(crate) reports: Vec<Report>,
}

/// A store and its log, open.
pub(crate) struct Opened {
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) log: Log,
}

pub(crate) fn open(disk: Disk) -> Result<Opened, Error> {
    let store = sim::open(&disk, options(&Clock::manual(LATER)))?;
    let log = store.log("events", 0)?;
    Ok(Opened { disk, store, log })
}

impl Answers {
    /// Asks `log`.
    pub(crate) fn of(log: &Log) -> Result<Answers, Error> {
        let mut answers = Answers {
            start: log.log_start_offset()?,
            end: log.log_end_offset()?,
            durable: log.durable_end()?,
            stable: log.last_stable_offset()?,
            gap: log.gap()?,
            ..Answers::default()
        };
        let mut at = answers.start;
        while at < answers.end {
            match log.fetch(at, FetchOptions::new()) {
                Ok(fetched) if fetched.next_offset() > at => {
                    answers.bytes.extend_from_slice(fetched.bytes());
                    at = fetched.next_offset();
                }
                // What follows is missing.
                Ok(_) => break,
                Err(Error::Corrupt { path, position, offsets: Some(offsets), .. })
                    if offsets.0 <= at && offsets.1 >= at =>
                {
                    at = offsets.1.saturating_add(1);
                    answers.reports.push(Report { path, position, offsets });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }
}

/// The first offset at or behind a time.
pub(crate) fn by_time(log: &Log, time: i64) -> Result<Option<i64>, Error> {
    let found = log.offset_for_time(time, Isolation::ReadUncommitted)?;
    Ok(found.map(|found| found.offset))
}

/// The transactions that a reader of what is committed is told were aborted. Damage is stepped over.
pub(crate) fn aborted(log: &Log) -> Result<Vec<AbortedTxn>, Error> {
    let (mut at, stable) = (log.log_start_offset()?, log.last_stable_offset()?);
    let mut found: Vec<AbortedTxn> = Vec::new();
    while at < stable {
        match log.fetch(at, FetchOptions::new().isolation(Isolation::ReadCommitted)) {
            Ok(fetched) if fetched.next_offset() > at => {
                for txn in fetched.aborted_transactions().unwrap_or_default() {
                    if !found.contains(txn) {
                        found.push(*txn);
                    }
                }
                at = fetched.next_offset();
            }
            Ok(_) if log.gap()?.is_some() => break,
            Ok(_) => return Err(Error::Invalid(format!("stands still at {at}, below {stable}"))),
            Err(Error::Corrupt { offsets: Some((_, last)), .. }) if last >= at => at = last + 1,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
