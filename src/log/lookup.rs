//! Offsets for times: the first record at or after a time, the record with the largest.

use super::fetch::{FetchOptions, Isolation};
use super::fetched::{record_error, with_decompressor};
use super::opened::Opened;
use super::view::View;
use crate::error::Result;
use crate::record::{LeaderEpoch, Offset, RecordBatch, Timestamp};
use crate::segment::names::Part;
use crate::segment::{ByTime, Segment};

/// A record's place, found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The record's offset.
    pub offset: Offset,
    /// The record's time, in milliseconds since 1970; none if no record of the log has one.
    pub timestamp: Option<Timestamp>,
    /// The term in which it was appended.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What an inflated batch may take while its records are looked through.
const MOST_INFLATED: usize = 64 << 20;

/// The first record at or behind the log start whose time is at or after `timestamp`, as Kafka
/// answers it: control records count, and only the first segment that reaches that time is asked,
/// unless what was sought in it is damaged.
pub(super) fn offset_for_time(
    opened: &Opened,
    timestamp: Timestamp,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>> {
    opened.read(|view| offset_for_time_in(opened, view, timestamp, isolation))
}

fn offset_for_time_in(
    opened: &Opened,
    view: &View,
    timestamp: Timestamp,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>> {
    let before = view.segments.before(timestamp);
    for (at, segment) in view.segments.iter().enumerate().skip(before) {
        let largest = match segment.largest()? {
            Some((largest, _)) => largest,
            None => segment.modified_ms()?,
        };
        if largest < timestamp {
            continue;
        }
        let start = view.log_start_offset;
        let found = segment.find_by_time(
            timestamp,
            start..view.end_of(at),
            |header| header.max_timestamp().is_some_and(|max| max >= timestamp),
            |at, batch| {
                first_record(segment, at, batch, |offset, time| {
                    offset >= start && time.unwrap_or(-1) >= timestamp
                })
            },
        )?;
        match found {
            ByTime::Found(found) => return Ok(visible(opened, view, isolation, found)),
            ByTime::Nothing => return Ok(None),
            ByTime::Damaged => {}
        }
    }
    Ok(None)
}

/// The first record with the largest time of all, as Kafka answers it: control records count.
pub(super) fn offset_of_max_timestamp(
    opened: &Opened,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>> {
    opened.read(|view| offset_of_max_timestamp_in(opened, view, isolation))
}

fn offset_of_max_timestamp_in(
    opened: &Opened,
    view: &View,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>> {
    let mut best: Option<(usize, Timestamp)> = None;
    for (at, segment) in view.segments.iter().enumerate() {
        let largest = segment.largest()?.map_or(-1, |(largest, _)| largest);
        if best.is_none_or(|(_, most)| largest > most) {
            best = Some((at, largest));
        }
    }
    let Some((at, largest)) = best else { return Ok(None) };
    let segment = &view.segments[at];
    let found = segment.find_by_time(
        largest,
        view.log_start_offset..view.end_of(at),
        |header| header.max_timestamp().unwrap_or(-1) == largest,
        |at, batch| first_record(segment, at, batch, |_, time| time.unwrap_or(-1) == largest),
    )?;
    match found {
        ByTime::Found(found) => Ok(visible(opened, view, isolation, found)),
        ByTime::Nothing | ByTime::Damaged => Ok(None),
    }
}

fn visible(
    opened: &Opened,
    view: &View,
    isolation: Isolation,
    found: TimestampedOffset,
) -> Option<TimestampedOffset> {
    let end = opened.readable_end(view, FetchOptions::new().isolation(isolation));
    Some(found).filter(|found| found.offset < end)
}

/// The first record of a batch for whose offset and time `wanted` holds.
fn first_record(
    segment: &Segment,
    position: u64,
    batch: &RecordBatch<'_>,
    wanted: impl Fn(Offset, Option<Timestamp>) -> bool,
) -> Result<Option<TimestampedOffset>> {
    let mut inflated = Vec::new();
    let records = with_decompressor(|with| {
        batch
            .records(with, MOST_INFLATED, &mut inflated)?
            .find_map(|record| match record {
                Ok(record) => wanted(record.offset(), record.timestamp()).then(|| {
                    Ok(TimestampedOffset {
                        offset: record.offset(),
                        timestamp: record.timestamp(),
                        leader_epoch: record.leader_epoch(),
                    })
                }),
                Err(cause) => Some(Err(cause)),
            })
            .transpose()
    });
    records.map_err(|cause| record_error(&segment.path(Part::Log), position, batch, cause))
}
