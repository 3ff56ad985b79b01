//! Records that are gathered to become one batch.

use super::encode::Parts;
use super::header::NewHeader;
use super::room::Room;
use super::{Attributes, FetchedRecord, HEADER_LEN, Offset, Timestamp, TimestampType};
use crate::compression::Codec;
use crate::wire::varint;

/// Records that become one batch.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// As they lie in a batch, uncompressed.
    pub(super) plain: Room,
    pub(super) count: i32,
    pub(super) base_offset: Offset,
    last_offset: Offset,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    timestamp_type: TimestampType,
}

impl Gathered {
    pub(super) fn clear(&mut self) {
        self.plain.clear();
        self.count = 0;
    }

    /// Whether a record can be in the same batch as those before: behind them, no offset or time
    /// too far from theirs, and no more bytes than `limit`.
    pub(super) fn takes(
        &self,
        record: &FetchedRecord<'_>,
        kind: TimestampType,
        limit: usize,
    ) -> bool {
        if self.count == 0 {
            return true;
        }
        let timestamp = record.timestamp().unwrap_or(-1);
        let is_behind = record.offset() > self.last_offset
            && i32::try_from(record.offset() - self.base_offset).is_ok();
        let same_time = kind == TimestampType::CreateTime || timestamp == self.max_timestamp;
        let bytes = HEADER_LEN + self.plain.len() + most_bytes(record);
        is_behind
            && kind == self.timestamp_type
            && same_time
            && timestamp.checked_sub(self.base_timestamp).is_some()
            && bytes <= limit.min(i32::MAX as usize)
    }

    /// Puts a record behind the others, which can take it. The first one may tell that the batch is
    /// to begin at a lower offset.
    pub(super) fn push(
        &mut self,
        record: &FetchedRecord<'_>,
        kind: TimestampType,
        base_offset: Offset,
    ) {
        let timestamp = record.timestamp().unwrap_or(-1);
        if self.count == 0 {
            self.timestamp_type = kind;
            (self.base_offset, self.base_timestamp) = (base_offset, timestamp);
            self.max_timestamp = timestamp;
        }
        let parts = Parts {
            timestamp_delta: timestamp - self.base_timestamp,
            offset_delta: (record.offset() - self.base_offset) as i32,
            key: record.key(),
            value: record.value(),
            headers: record.headers().map(|header| (header.key, header.value)),
        };
        parts.put(usize::MAX, &mut self.plain);
        self.last_offset = record.offset();
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
    }

    /// Offsets up to this one are the batch's, though the last records of them are gone.
    pub(super) fn reach(&mut self, last_offset: Offset) {
        self.last_offset = self.last_offset.max(last_offset);
    }

    /// A header for them, of no producer.
    pub(super) fn header(&self, codec: Codec) -> NewHeader {
        NewHeader {
            attributes: Attributes::default()
                .with_codec(codec)
                .with_timestamp_type(self.timestamp_type),
            last_offset_delta: (self.last_offset - self.base_offset) as i32,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: self.count,
        }
    }
}

/// Bytes that a record takes at most.
fn most_bytes(record: &FetchedRecord<'_>) -> usize {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = record.headers().map(|it| 2 * varint::MAX_LEN + it.key.len() + len(it.value));
    // Its attributes, two lengths, a count of headers, its own length and two deltas.
    let fixed = 2 + 4 * varint::MAX_LEN + varint::MAX_LONG_LEN;
    fixed + len(record.key()) + len(record.value()) + headers.sum::<usize>()
}
