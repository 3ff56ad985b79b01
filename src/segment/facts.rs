//! What is known of a segment's batches: kept up while appending, found again by a scan.

use crate::record::{BatchHeader, HEADER_LEN, LeaderEpoch, Offset, RecordBatch, Timestamp};
use crate::wire::crc32c;

/// A sum over the batches of a segment, from its first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Bytes of all of them.
    pub(crate) log_bytes: u64,
    /// CRC-32C of those bytes.
    pub(crate) log_crc: u32,
    /// How many there are.
    pub(crate) batches: u32,
    /// The offset behind the last one; the segment's base if there is none.
    pub(crate) next_offset: Offset,
    /// The largest timestamp, and the last offset of the first batch that has it.
    pub(crate) largest: Option<(Timestamp, Offset)>,
    /// The largest timestamp of the first batch; what the segment's age is counted from.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// The last batch's term.
    pub(crate) last_epoch: Option<LeaderEpoch>,
    /// Where the last batch lies, and its crc field.
    pub(crate) last_batch: Option<(u64, u32)>,
    /// Whether each batch starts where the one before ended, the first at the base.
    pub(crate) dense: bool,
}

/// Below this, summing bytes again is as fast as combining sums.
const COMBINE_FROM: usize = 4096;

impl Facts {
    /// Those of a segment without batches.
    pub(crate) fn empty(base_offset: Offset) -> Facts {
        Facts {
            log_bytes: 0,
            log_crc: 0,
            batches: 0,
            next_offset: base_offset,
            largest: None,
            first_timestamp: None,
            last_epoch: None,
            last_batch: None,
            dense: true,
        }
    }

    /// Counts in the next batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch<'_>) {
        self.add_parts(batch.header(), batch.bytes());
    }

    /// Counts in the next batch, `bytes`, whose CRC is known to hold.
    pub(crate) fn add_parts(&mut self, header: &BatchHeader, bytes: &[u8]) {
        self.log_crc = extend_by_batch(self.log_crc, header, bytes);
        if self.batches == 0 {
            self.first_timestamp = header.max_timestamp();
        }
        self.dense &= header.base_offset() == self.next_offset;
        self.last_batch = Some((self.log_bytes, header.crc()));
        self.log_bytes += bytes.len() as u64;
        self.batches = self.batches.saturating_add(1);
        self.next_offset = header.next_offset();
        self.last_epoch = header.leader_epoch();
        // Times before 1970 are no more than none here, as in Kafka.
        let timestamp = header.max_timestamp().unwrap_or(-1);
        if timestamp > self.largest.map_or(-1, |(largest, _)| largest) {
            self.largest = Some((timestamp, header.last_offset()));
        }
    }
}

/// The sum of some bytes whose sum is `crc` followed by a batch: the batch's own sum covers all
/// but its first bytes, so only those are summed. Of a batch that is not held `bytes` are the first.
pub(super) fn extend_by_batch(crc: u32, header: &BatchHeader, bytes: &[u8]) -> u32 {
    let size = header.size_bytes();
    if size == bytes.len() && (size < COMBINE_FROM || header.is_legacy()) {
        return crc32c::extend(crc, bytes);
    }
    let (outside, _) = bytes.split_at(HEADER_LEN - BatchHeader::COVERED_HEADER_LEN);
    let covered = (size - outside.len()) as u64;
    crc32c::combine(crc32c::extend(crc, outside), header.crc(), covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::Compressor;
    use crate::record::{Batch, Record, TimestampType, Wanted};

    fn batch(value_bytes: usize, timestamp: i64) -> Vec<u8> {
        let value = vec![7; value_bytes];
        let mut batch = Batch::of([Record::new().value(&value).timestamp(timestamp)]);
        let wanted =
            Wanted { now: 0, timestamp_type: TimestampType::CreateTime, compression: None };
        let mut scratch = Vec::new();
        let (draft, _) = batch.draft(wanted, &mut Compressor::new(), &mut scratch).unwrap();
        draft.bytes.to_vec()
    }

    #[test]
    fn the_sum_over_small_and_large_batches_is_that_of_the_file() {
        let (mut facts, mut file) = (Facts::empty(0), Vec::new());
        for (size, timestamp) in [(10, 5), (9000, 7), (70_000, 7), (1, 6)] {
            let bytes = batch(size, timestamp);
            facts.add(&RecordBatch::decode(&bytes).unwrap());
            file.extend(bytes);
        }
        assert_eq!(facts.log_crc, crc32c::checksum(&file));
        assert_eq!(facts.log_bytes, file.len() as u64);
        // The first batch that reached the maximum names it; all of them say base offset 0 here.
        assert_eq!((facts.largest, facts.first_timestamp), (Some((7, 0)), Some(5)));
        assert!(!facts.dense);
    }
}
