//! A batch with fewer records than it had: what compaction writes in its place.
//!
//! Offsets, sequence, producer and leader epoch stay those of the batch as it was appended, and each
//! record keeps its offset and its time.

use std::fmt;

use super::encode::Parts;
use super::header::Rewritten;
use super::room::Room;
use super::{BatchHeader, FetchedRecord, HEADER_LEN, RecordError, Records};
use super::{Timestamp, TimestampType};
use crate::compression::{Codec, CompressError, Compression, Compressor};

/// Why a batch cannot be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RebuildError {
    /// Its records cannot be read.
    Record(RecordError),
    /// The codec refused.
    Compress(CompressError),
    /// It would have more than 2³¹−1 bytes.
    TooLarge,
}

impl fmt::Display for RebuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RebuildError::Record(error) => error.fmt(f),
            RebuildError::Compress(error) => error.fmt(f),
            RebuildError::TooLarge => f.write_str("the batch would exceed 2 GiB"),
        }
    }
}

impl From<RecordError> for RebuildError {
    fn from(error: RecordError) -> Self {
        RebuildError::Record(error)
    }
}

/// Rebuilds batches, one after the other: codecs and a buffer, used again.
#[derive(Default)]
pub(crate) struct Rebuilder {
    compressor: Compressor,
    /// Records before compression.
    plain: Room,
}

impl Rebuilder {
    /// Appends to `out` the batch with this header and those of its `records` that `keep` says yes
    /// to, at least one. With a `horizon` its base timestamp is that; one that it has stays.
    ///
    /// # Errors
    ///
    /// Then `out` is as it was.
    pub(crate) fn rebuild(
        &mut self,
        (header, horizon): (&BatchHeader, Option<Timestamp>),
        records: &Records<'_>,
        keep: impl Fn(usize) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<BatchHeader, RebuildError> {
        let kept = || records.clone().enumerate().filter(|(at, _)| keep(*at)).map(|(_, it)| it);
        let (base, has_horizon) = base_timestamp((header, horizon), kept)?;
        self.plain.clear();
        let (mut count, mut largest) = (0, -1);
        for record in kept() {
            let record = record?;
            let timestamp = record.timestamp().unwrap_or(-1);
            largest = largest.max(timestamp);
            count += 1;
            // Without a number only where the log's own time counts, and no delta.
            self.put(header, &record, timestamp.wrapping_sub(base))?;
        }
        let rewritten = Rewritten {
            attributes: header.attributes().known().with_delete_horizon(has_horizon),
            base_timestamp: base,
            max_timestamp: match header.attributes().timestamp_type() {
                TimestampType::CreateTime => largest,
                TimestampType::LogAppendTime => header.max_timestamp().unwrap_or(-1),
            },
            record_count: count,
        };
        let start = out.len();
        self.compress(header, out).inspect_err(|_| out.truncate(start))?;
        Ok(header.rewritten(rewritten).encode(&mut out[start..]))
    }

    fn put(
        &mut self,
        header: &BatchHeader,
        record: &FetchedRecord<'_>,
        timestamp_delta: Timestamp,
    ) -> Result<(), RebuildError> {
        let parts = Parts {
            timestamp_delta,
            // It was read as a delta.
            offset_delta: (record.offset() - header.base_offset()) as i32,
            key: record.key(),
            value: record.value(),
            headers: record.headers().map(|header| (header.key, header.value)),
        };
        let is_there = parts.put(i32::MAX as usize - HEADER_LEN, &mut self.plain);
        if is_there { Ok(()) } else { Err(RebuildError::TooLarge) }
    }

    /// Appends room for a header and the records, compressed as those of the batch were.
    fn compress(&mut self, header: &BatchHeader, out: &mut Vec<u8>) -> Result<(), RebuildError> {
        let start = out.len();
        let codec = header.attributes().codec().unwrap_or(Codec::None);
        out.resize(start + HEADER_LEN, 0);
        let compressed = self.compressor.compress(Compression::new(codec), &self.plain, out);
        compressed.map_err(RebuildError::Compress)?;
        if i32::try_from(out.len() - start).is_ok() { Ok(()) } else { Err(RebuildError::TooLarge) }
    }
}

/// What the kept records' times are to be relative to, and whether that is a delete horizon: the
/// horizon if there is one, else the first record's time. If a difference has no number it stays
/// what it was.
fn base_timestamp<'a, I>(
    (header, horizon): (&BatchHeader, Option<Timestamp>),
    kept: impl Fn() -> I,
) -> Result<(Timestamp, bool), RecordError>
where
    I: Iterator<Item = Result<FetchedRecord<'a>, RecordError>>,
{
    let horizon = horizon.or(header.delete_horizon());
    let first = kept().next().transpose()?.and_then(|record| record.timestamp());
    let base = horizon.unwrap_or(first.unwrap_or(-1));
    for record in kept() {
        if record?.timestamp().unwrap_or(-1).checked_sub(base).is_none() {
            return Ok((header.base_timestamp(), header.delete_horizon().is_some()));
        }
    }
    Ok((base, horizon.is_some()))
}

/// Appends to `out` the batch with this header and none of its records: what is left for its last
/// offset's and its producer's sake. It keeps no delete horizon.
pub(crate) fn empty_batch(header: &BatchHeader, out: &mut Vec<u8>) -> BatchHeader {
    let attributes = header.attributes().known().with_codec(Codec::None);
    let rewritten = Rewritten {
        attributes: attributes.with_delete_horizon(false),
        base_timestamp: -1,
        max_timestamp: header.max_timestamp().unwrap_or(-1),
        record_count: 0,
    };
    let start = out.len();
    out.resize(start + HEADER_LEN, 0);
    header.rewritten(rewritten).encode(&mut out[start..])
}
