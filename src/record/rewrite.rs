//! Batches written anew: with another codec, or in batches of another size.

use super::gathered::Gathered;
use super::header::{NewHeader, Rewritten};
use super::upgrade::compress;
use super::{BatchError, BatchHeader, LeaderEpoch, RecordBatch, RecordError};
use super::{Sequence, TimestampType, UpgradeError, place};
use crate::compression::{Codec, Compression, Compressor, Decompressor};

/// Writes record batches anew, for who exports a log.
///
/// | kept | not |
/// |------|-----|
/// | every record with offset, time, key, value, headers | the batches' bytes and checksums |
/// | leader epochs, producers, sequences, transactions | with [`Rewriter::batch_bytes`]: which records were sent together |
/// | the first and the last offset of a batch, where compaction left them without a record | |
///
/// Control batches, emptied ones, and what is as it is asked for already are copied byte for byte.
/// With another size only records go into one batch that could have been sent in one: of the same
/// producer with sequences that follow each other, of the same leader epoch, codec and kind of time.
/// A producer that sends a batch again is recognised by a log only if its batches were left alone.
#[derive(Default)]
pub struct Rewriter {
    compression: Option<Compression>,
    batch_bytes: Option<usize>,
    max_inflated_bytes: Option<usize>,
    decompressor: Decompressor,
    compressor: Compressor,
    inflated: Vec<u8>,
    gathered: Gathered,
    shared: Option<Shared>,
}

/// What all records of a batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shared {
    leader_epoch: Option<LeaderEpoch>,
    /// Id, epoch, and the sequence that the record at offset 0 would have.
    producer: Option<(i64, i16, i64)>,
    is_transactional: bool,
    kind: TimestampType,
    codec: Codec,
}

impl std::fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rewriter { compression, batch_bytes, max_inflated_bytes, .. } = self;
        f.debug_struct("Rewriter")
            .field("compression", compression)
            .field("batch_bytes", batch_bytes)
            .field("max_inflated_bytes", max_inflated_bytes)
            .finish_non_exhaustive()
    }
}

impl Rewriter {
    /// One that leaves everything as it is until it is told otherwise.
    pub fn new() -> Self {
        Rewriter::default()
    }

    /// Compresses with this codec and level. Default: each batch keeps its codec.
    #[must_use]
    pub fn compression(mut self, how: Compression) -> Self {
        self.compression = Some(how);
        self
    }

    /// Makes batches of at most these bytes, uncompressed, as a producer's `batch.size`; a larger record
    /// is a batch alone. Default: batches stay what they are.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = Some(bytes);
        self
    }

    /// Inflates no batch to more bytes than these. Default: 2 GiB, more than any batch that Kafka takes.
    #[must_use]
    pub fn max_inflated_bytes(mut self, bytes: usize) -> Self {
        self.max_inflated_bytes = Some(bytes);
        self
    }

    /// Takes in the next batch of a log, and appends the batches that are whole by then to `out`.
    ///
    /// # Errors
    ///
    /// `Batch(Legacy)` for a message of format v0 or v1, which an [`Upgrader`](super::Upgrader) makes
    /// a batch first; if its records cannot be read. Nothing of it is in `out` then, and all before it.
    pub fn add(&mut self, batch: &RecordBatch<'_>, out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        let header = batch.header();
        if header.is_legacy() {
            self.finish(out)?;
            return Err(BatchError::Legacy(header.magic()).into());
        }
        let is_fixed = header.attributes().is_control() || header.record_count() == 0;
        // Its times are relative to the horizon: it is written anew as it is.
        let is_alone = header.delete_horizon().is_some();
        match self.batch_bytes {
            Some(limit) if !is_fixed && !is_alone => self.gather(batch, limit, out),
            _ => {
                self.finish(out)?;
                if is_fixed || !self.changes_codec(batch) {
                    out.extend_from_slice(batch.bytes());
                    return Ok(());
                }
                self.compress_again(batch, out)
            }
        }
    }

    /// Appends what was gathered to `out`.
    ///
    /// # Errors
    ///
    /// [`UpgradeError::Compress`], [`UpgradeError::TooLarge`]: what was gathered is lost.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        let Some(shared) = self.shared.take().filter(|_| self.gathered.count > 0) else {
            return Ok(());
        };
        let (start, how) = (out.len(), self.how(shared.codec));
        let done = compress(&mut self.compressor, how, &self.gathered.plain, out);
        if done.is_ok() {
            let header =
                shared.header(self.gathered.header(how.codec()), self.gathered.base_offset);
            let header = header.from_client().encode(&mut out[start..]);
            let epoch = shared.leader_epoch.unwrap_or(LeaderEpoch(-1));
            place(&mut out[start..], &header, self.gathered.base_offset, epoch);
        }
        self.gathered.clear();
        done
    }

    fn how(&self, codec: Codec) -> Compression {
        self.compression.unwrap_or(Compression::new(codec))
    }

    fn limit(&self) -> usize {
        self.max_inflated_bytes.unwrap_or(i32::MAX as usize)
    }

    /// A level is written nowhere: one that is not the usual one is taken for a change.
    fn changes_codec(&self, batch: &RecordBatch<'_>) -> bool {
        self.compression.is_some_and(|how| {
            batch.codec().ok() != Some(how.codec()) || how != Compression::new(how.codec())
        })
    }

    fn compress_again(
        &mut self,
        batch: &RecordBatch<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), UpgradeError> {
        let (header, limit) = (batch.header(), self.limit());
        let codec = batch.codec().map_err(|cause| unreadable(header, cause))?;
        self.inflated.clear();
        let read = batch.inflate(&mut self.decompressor, limit, &mut self.inflated);
        read.map_err(|cause| unreadable(header, cause))?;
        let plain = if codec == Codec::None { batch.payload() } else { &self.inflated };
        let (start, how) = (out.len(), self.how(codec));
        compress(&mut self.compressor, how, plain, out)?;
        let rewritten = Rewritten {
            attributes: header.attributes().with_codec(how.codec()),
            base_timestamp: header.base_timestamp(),
            max_timestamp: header.max_timestamp().unwrap_or(-1),
            record_count: header.record_count(),
        };
        header.rewritten(rewritten).encode(&mut out[start..]);
        Ok(())
    }

    fn gather(
        &mut self,
        batch: &RecordBatch<'_>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), UpgradeError> {
        let mut inflated = std::mem::take(&mut self.inflated);
        let done = self.gather_from(batch, limit, &mut inflated, out);
        self.inflated = inflated;
        done
    }

    fn gather_from(
        &mut self,
        batch: &RecordBatch<'_>,
        limit: usize,
        inflated: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), UpgradeError> {
        let (header, most) = (batch.header(), self.limit());
        let failed = |cause| unreadable(header, cause);
        let codec = batch.codec().map_err(failed)?;
        let records = batch.records(&mut self.decompressor, most, inflated).map_err(failed)?;
        let mut last = header.base_offset() - 1;
        for record in records.clone() {
            // All of it is looked at first: it is written whole or not at all.
            let offset = record.map_err(failed)?.offset();
            if offset <= last || offset > header.last_offset() {
                return Err(failed(RecordError::DeltaOutOfRange));
            }
            last = offset;
        }
        let shared = Shared::of(header, codec);
        let mut base = header.base_offset();
        for record in records.flatten() {
            let goes_on = self.shared == Some(shared);
            if !goes_on || !self.gathered.takes(&record, shared.kind, limit) {
                self.finish(out)?;
            }
            self.shared = Some(shared);
            self.gathered.push(&record, shared.kind, base.min(record.offset()));
            // Only the first one may stand for offsets before it.
            base = i64::MAX;
        }
        self.gathered.reach(header.last_offset());
        Ok(())
    }
}

fn unreadable(header: &BatchHeader, cause: RecordError) -> UpgradeError {
    UpgradeError::Records { last_offset: header.last_offset(), cause }
}

impl Shared {
    fn of(header: &BatchHeader, codec: Codec) -> Shared {
        let attributes = header.attributes();
        let sequence = |sequence: Sequence| sequence_at(sequence, -header.base_offset());
        let producer = header.producer_id().map(|id| {
            let epoch = header.producer_epoch().map_or(-1, |epoch| epoch.0);
            (id.0, epoch, header.base_sequence().map_or(-1, sequence))
        });
        Shared {
            leader_epoch: header.leader_epoch(),
            producer,
            is_transactional: attributes.is_transactional(),
            kind: attributes.timestamp_type(),
            codec,
        }
    }

    /// The header of a batch that begins at an offset.
    fn header(&self, header: NewHeader, base_offset: i64) -> NewHeader {
        let Some((id, epoch, sequence)) = self.producer else { return header };
        let at =
            if sequence < 0 { -1 } else { sequence_at(Sequence(sequence as i32), base_offset) };
        NewHeader {
            attributes: header.attributes.with_transactional(self.is_transactional),
            producer_id: id,
            producer_epoch: epoch,
            base_sequence: at as i32,
            ..header
        }
    }
}

/// The sequence that is so many behind another: after 2³¹−1 comes 0.
fn sequence_at(sequence: Sequence, behind: i64) -> i64 {
    let round = i64::from(i32::MAX) + 1;
    (i64::from(sequence.0) + behind % round).rem_euclid(round)
}
