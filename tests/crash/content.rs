//! What a log holds: as a program was told, and as a fetch gives it.

use std::fmt;
use std::sync::Arc;

use strandline::compression::Decompressor;
use strandline::record::Batches;
use strandline::{FetchOptions, Log};

/// One batch, as it lies in the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) epoch: i32,
    pub(crate) max_timestamp: i64,
    /// The producer whose transaction it is of, or ends.
    pub(crate) transactional: Option<i64>,
    /// Those of its records.
    pub(crate) offsets: Vec<i64>,
    /// Whether it ends a transaction, and by a commit.
    pub(crate) commits: Option<bool>,
}

/// What a log holds at one moment, as its program knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Records below it were promised to survive a loss of power.
    pub(crate) durable: i64,
    /// Those from the start on; the first may begin before it.
    pub(crate) batches: Vec<Arc<Batch>>,
}

/// What a log gives out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) bytes: Vec<u8>,
}

/// Says what a call was for, in its error.
pub(crate) fn said<T>(what: &str, result: strandline::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

impl Found {
    /// Reads the whole of `log`.
    pub(crate) fn in_log(log: &Log) -> Result<Found, String> {
        let start = said("log start", log.log_start_offset())?;
        let end = said("log end", log.log_end_offset())?;
        let mut bytes = Vec::new();
        let mut from = start;
        while from < end {
            let fetched = said("fetch", log.fetch(from, FetchOptions::new()))?;
            if fetched.is_empty() {
                break;
            }
            bytes.extend_from_slice(fetched.bytes());
            if fetched.next_offset() <= from {
                return Err(format!("a fetch at {from} leads to {}", fetched.next_offset()));
            }
            from = fetched.next_offset();
        }
        Ok(Found { start, end, bytes })
    }

    /// Its batches.
    pub(crate) fn batches(&self) -> Result<Vec<Arc<Batch>>, String> {
        let mut found = Vec::new();
        for batch in Batches::new(&self.bytes) {
            let batch = batch.map_err(|error| error.to_string())?;
            let header = batch.header();
            let is = header.attributes();
            let transactional = header.producer_id().filter(|_| is.is_transactional());
            let commits = is.is_control().then(|| batch.payload().get(8) == Some(&1));
            let (mut with, mut inflated) = (Decompressor::new(), Vec::new());
            let records = batch.records(&mut with, 1 << 20, &mut inflated);
            let records = records.map_err(|error| error.to_string())?;
            found.push(Arc::new(Batch {
                offsets: records.flatten().map(|record| record.offset()).collect(),
                base: header.base_offset(),
                next: header.next_offset(),
                bytes: batch.bytes().to_vec(),
                epoch: header.leader_epoch().map_or(-1, |epoch| epoch.0),
                max_timestamp: header.max_timestamp().unwrap_or(-1),
                transactional: transactional.map(|id| id.0),
                commits,
            }));
        }
        Ok(found)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}, durable to {}:", self.start, self.end, self.durable)?;
        for batch in &self.batches {
            write!(f, " {}..{} (epoch {})", batch.base, batch.next, batch.epoch)?;
        }
        Ok(())
    }
}

impl Content {
    /// Takes what `log` holds, and what it says is durable.
    pub(crate) fn of(log: &Log) -> Result<Content, String> {
        let found = Found::in_log(log)?;
        let durable = said("durable end", log.durable_end())?;
        let batches = found.batches()?;
        Ok(Content { start: found.start, end: found.end, durable, batches })
    }

    /// Whether a log that gives out `found` holds all of this, and no more than one batch besides.
    pub(crate) fn starts(&self, found: &Found) -> Result<(), String> {
        let batches = found.batches()?;
        let has_all = batches.get(..self.batches.len()) == Some(&self.batches);
        if found.start != self.start || !has_all || batches.len() > self.batches.len() + 1 {
            return Err(format!("not {self} and at most one batch more"));
        }
        Ok(())
    }

    /// This without the records below `start`.
    pub(crate) fn from(&self, start: i64) -> Content {
        let start = start.max(self.start);
        let mut content = Content { start, ..self.clone() };
        content.batches.retain(|batch| batch.next > start);
        content
    }

    /// How many batches of this a log has kept that gives out `found`; an error if it does not hold
    /// a prefix of this, or not everything below `durable`.
    pub(crate) fn kept(&self, found: &Found, durable: i64) -> Result<usize, String> {
        if found.start != self.start {
            return Err(format!("log start {} instead of {}", found.start, self.start));
        }
        let (mut at, mut kept) = (0_usize, 0_usize);
        for batch in &self.batches {
            let Some(bytes) = found.bytes.get(at..at + batch.bytes.len()) else { break };
            if bytes != batch.bytes {
                return Err(format!("offset {}: not the batch that was appended", batch.base));
            }
            at += bytes.len();
            kept += 1;
        }
        if at < found.bytes.len() {
            return Err(format!("{} bytes more than were appended", found.bytes.len() - at));
        }
        let last = kept.checked_sub(1).and_then(|last| self.batches.get(last));
        let reached = last.map_or(self.start, |last| last.next.max(self.start));
        let lost = self.batches.get(kept);
        if let Some(lost) = lost.filter(|lost| lost.base.max(self.start) < durable) {
            return Err(format!("I1: offset {} was acknowledged, and is absent", lost.base));
        }
        let ends = if lost.is_none() { self.end } else { reached.max(durable) };
        // A batch that leaves offsets out may have rolled the log, and not come to lie in it.
        let leapt = lost.is_some_and(|lost| lost.base > ends && lost.base == found.end);
        if found.end != ends && !leapt {
            return Err(format!("log end {}, and its batches reach {ends}", found.end));
        }
        Ok(kept)
    }
}
