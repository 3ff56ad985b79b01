//! Fetching: by offset, in three isolations, with Kafka's rules for sizes and bounds.

use std::sync::{Arc, OnceLock};

use super::fetched::Fetched;
use super::opened::Opened;
use super::view::View;
use crate::error::{Error, Result};
use crate::index::AbortedTxn;
use crate::record::Offset;
use crate::segment::{ReadRange, Segment, Slice};

/// Which records a fetch may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// All below the high watermark, those of open and aborted transactions too
    /// (`read_uncommitted`).
    #[default]
    ReadUncommitted,
    /// Only what is decided: below the last stable offset, without aborted transactions
    /// (`read_committed`).
    ReadCommitted,
    /// All below the log end: what a replica or a copy reads. With one replica the high watermark
    /// is the log end, so it differs from `ReadUncommitted` in name only.
    LogEnd,
}

/// How to fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    max_bytes: usize,
    pub(super) isolation: Isolation,
    durable_only: bool,
    max_inflated_bytes: usize,
}

impl Default for FetchOptions {
    fn default() -> Self {
        FetchOptions {
            max_bytes: 256 << 10,
            isolation: Isolation::default(),
            durable_only: false,
            max_inflated_bytes: 64 << 20,
        }
    }
}

impl FetchOptions {
    /// 256 KiB, `read_uncommitted`, batches of at most 64 MiB once inflated.
    #[must_use]
    pub fn new() -> Self {
        FetchOptions::default()
    }

    /// Brings no more bytes than these, as they lie on the disk (`max.partition.fetch.bytes`). The
    /// first batch comes whole even if it alone is larger.
    ///
    /// Default: 256 KiB. Kafka's is 1 MiB, for a request over a network; here more wins nothing, and
    /// each reader holds what it fetched.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Which records may be seen (`isolation.level`).
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Brings only what survives a loss of power: nothing at or behind the durable end.
    ///
    /// A reader in another process than the writer sees that from `durable.watermark`, which lags
    /// behind the writer's syncs by up to 1 MiB or, once appends stop, by about a second; beside a
    /// Kafka broker from its `recovery-point-offset-checkpoint`, which lags by a minute or more.
    #[must_use]
    pub fn durable_only(mut self, yes: bool) -> Self {
        self.durable_only = yes;
        self
    }

    /// Inflates no batch to more bytes than these: one that is larger gives
    /// [`Error::TooLarge`](crate::Error::TooLarge) and is no damage. Default: 64 MiB.
    #[must_use]
    pub fn max_inflated_bytes(mut self, bytes: usize) -> Self {
        self.max_inflated_bytes = bytes;
        self
    }
}

impl View {
    /// The first offset that a fetch may not see.
    pub(super) fn bound(&self, options: FetchOptions) -> Offset {
        let visible = match options.isolation {
            Isolation::ReadCommitted => self.last_stable_offset,
            Isolation::ReadUncommitted | Isolation::LogEnd => self.log_end_offset,
        };
        if options.durable_only { visible.min(self.durable_end) } else { visible }
    }

    /// The offset at which a segment must have ended: the next one's base, or the log end.
    pub(super) fn end_of(&self, segment: usize) -> Offset {
        self.segments.get(segment + 1).map_or(self.log_end_offset, |next| next.base_offset())
    }
}

/// Fetches from `offset` on.
pub(super) fn fetch(opened: &Opened, offset: Offset, options: FetchOptions) -> Result<Fetched> {
    opened.read(|view| fetch_from(opened, view, offset, options))
}

/// Fetches from what a view shows.
pub(super) fn fetch_from(
    opened: &Opened,
    view: &View,
    offset: Offset,
    options: FetchOptions,
) -> Result<Fetched> {
    let (log_start, log_end) = (view.log_start_offset, view.log_end_offset);
    if offset < log_start || offset > log_end {
        return Err(Error::OffsetOutOfRange { wanted: offset, log_start, log_end });
    }
    if let Some(stuck) = view.stuck.as_ref().filter(|_| offset == log_end) {
        return Err(stuck.clone());
    }
    let until = opened.readable_end(view, options);
    if offset < until {
        let first = view.segment_for(offset).unwrap_or(0);
        for index in first..view.segments.len() {
            let segment = &view.segments[index];
            let range = ReadRange {
                from: offset,
                until,
                max_bytes: options.max_bytes,
                segment_end: view.end_of(index),
            };
            if let Some(slice) = segment.read(range)? {
                return fetched(opened, (view, index), (offset, options), slice);
            }
        }
    }
    let last = view.segments.len() - 1;
    fetched(opened, (view, last), (offset, options), Slice::empty(offset))
}

fn fetched(
    opened: &Opened,
    (view, index): (&View, usize),
    (from, options): (Offset, FetchOptions),
    slice: Slice,
) -> Result<Fetched> {
    let aborted = match options.isolation {
        Isolation::ReadCommitted if slice.range.is_empty() => Some(Vec::new()),
        Isolation::ReadCommitted => {
            Some(aborted_between(opened, &view.segments[index..], from..slice.next_offset)?)
        }
        Isolation::ReadUncommitted | Isolation::LogEnd => None,
    };
    Ok(Fetched {
        bytes: slice.bytes,
        range: slice.range,
        from,
        next_offset: slice.next_offset,
        log_start_offset: view.log_start_offset,
        high_watermark: view.log_end_offset,
        last_stable_offset: view.last_stable_offset,
        durable_end: view.durable_end,
        aborted,
        max_inflated_bytes: options.max_inflated_bytes,
        at: view.segments[index].log_handle().at(),
        position: slice.position,
        inflated: (0..slice.compressed).map(|_| OnceLock::new()).collect(),
    })
}

/// The aborted transactions that overlap `offsets`, from the segment on that holds the first of
/// them: a transaction's entry lies in the segment of its marker.
pub(super) fn aborted_between(
    opened: &Opened,
    segments: &[Arc<Segment>],
    offsets: std::ops::Range<Offset>,
) -> Result<Vec<AbortedTxn>> {
    let mut found = Vec::new();
    for segment in segments {
        let aborted = opened.aborted_in(segment)?;
        // They are in order of their last offsets.
        let ended = aborted.partition_point(|txn| txn.last_offset < offsets.start);
        for txn in &aborted[ended..] {
            if txn.first_offset < offsets.end {
                found.push(*txn);
            }
            if txn.last_stable_offset >= offsets.end {
                return Ok(found);
            }
        }
    }
    Ok(found)
}
