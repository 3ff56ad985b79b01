//! Messages of formats v0 and v1, made into record batches: for who exports or imports an old log.

use std::fmt;

use super::gathered::Gathered;
use super::{BatchError, Batches, HEADER_LEN, LeaderEpoch, Offset};
use super::{RecordBatch, RecordError, TimestampType, place};
use crate::compression::{Codec, CompressError, Compression, Compressor, Decompressor};

/// Makes record batches, v2, of messages of formats v0 and v1.
///
/// A wrapper becomes one batch of the same codec, at that codec's default level; messages that lie
/// behind one another become uncompressed batches of some kilobytes. So Kafka's leader makes them of
/// what an old client sends, but for the offsets: here each record keeps its own, and what
/// compaction left out stays left out.
///
/// | kept | not |
/// |------|-----|
/// | offset, key, value | which messages were sent together, if they were not in a wrapper |
/// | timestamp, and whose time it is; none stays none (v0) | a wrapper's own timestamp, if no record has it |
/// | codec | its level, attribute bits without a meaning |
///
/// What the batches have besides is a leader epoch, the caller's; they have no producer. A batch of
/// v2 is copied byte for byte.
///
/// ```
/// use strandline::record::{LeaderEpoch, Upgrader};
///
/// # fn import(old: &strandline::Log, new: &strandline::Log) -> Result<(), Box<dyn std::error::Error>> {
/// let mut upgrader = Upgrader::new(LeaderEpoch(0));
/// let fetched = old.fetch(old.log_start_offset()?, strandline::FetchOptions::new())?;
/// let mut batches = Vec::new();
/// upgrader.upgrade(fetched.bytes(), &mut batches)?;
/// new.import(&batches, strandline::Durability::Synced)?;
/// # Ok(())
/// # }
/// ```
pub struct Upgrader {
    leader_epoch: LeaderEpoch,
    batch_bytes: usize,
    max_inflated_bytes: usize,
    decompressor: Decompressor,
    compressor: Compressor,
    inflated: Vec<u8>,
    gathered: Gathered,
}

/// Why what an old log holds cannot be made into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Some bytes are no batch and no message.
    Batch(BatchError),
    /// The records of a message or a wrapper cannot be read, or cannot be told as a batch.
    Records {
        /// Its last offset.
        last_offset: Offset,
        /// What is wrong.
        cause: RecordError,
    },
    /// The codec refused.
    Compress(CompressError),
    /// A message of almost 2 GiB, which no batch can hold.
    TooLarge,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpgradeError::Batch(error) => error.fmt(f),
            UpgradeError::Records { last_offset, cause } => {
                write!(f, "message with offset {last_offset}: {cause}")
            }
            UpgradeError::Compress(error) => error.fmt(f),
            UpgradeError::TooLarge => f.write_str("the batch would exceed 2 GiB"),
        }
    }
}

impl std::error::Error for UpgradeError {}

impl From<BatchError> for UpgradeError {
    fn from(error: BatchError) -> Self {
        UpgradeError::Batch(error)
    }
}

impl fmt::Debug for Upgrader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Upgrader { leader_epoch, batch_bytes, max_inflated_bytes, .. } = self;
        f.debug_struct("Upgrader")
            .field("leader_epoch", leader_epoch)
            .field("batch_bytes", batch_bytes)
            .field("max_inflated_bytes", max_inflated_bytes)
            .finish_non_exhaustive()
    }
}

impl Upgrader {
    /// One whose batches have this leader epoch.
    pub fn new(leader_epoch: LeaderEpoch) -> Self {
        Upgrader {
            leader_epoch,
            batch_bytes: 16 << 10,
            max_inflated_bytes: 64 << 20,
            decompressor: Decompressor::new(),
            compressor: Compressor::default(),
            inflated: Vec::new(),
            gathered: Gathered::default(),
        }
    }

    /// Gathers messages that are in no wrapper in batches of at most these bytes; a larger message
    /// is a batch alone. Default: 16 KiB, as Kafka's producer (`batch.size`).
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Inflates no wrapper to more bytes than these. Default: 64 MiB.
    #[must_use]
    pub fn max_inflated_bytes(mut self, bytes: usize) -> Self {
        self.max_inflated_bytes = bytes;
        self
    }

    /// Appends the batches to `out` that `batches`, one after another as a fetch brings them, become.
    /// One that is cut short at the end is ignored.
    ///
    /// # Errors
    ///
    /// At the first that cannot be; those before it are in `out`.
    pub fn upgrade(&mut self, batches: &[u8], out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        for batch in Batches::new(batches) {
            match batch {
                Ok(batch) => self.add(&batch, out)?,
                Err(error) => {
                    self.finish(out)?;
                    return Err(error.into());
                }
            }
        }
        self.finish(out)
    }

    /// Takes in one batch or message, and appends what is whole by then to `out`: messages that are in
    /// no wrapper wait for those that follow, or for [`Upgrader::finish`].
    ///
    /// # Errors
    ///
    /// If it cannot be made into a batch; those before it are in `out`.
    pub fn add(&mut self, batch: &RecordBatch<'_>, out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        let is_plain = batch.header().attributes().codec_id() == 0;
        if !batch.header().is_legacy() || !is_plain {
            self.end(Codec::None, out)?;
        }
        if !batch.header().is_legacy() {
            out.extend_from_slice(batch.bytes());
            return Ok(());
        }
        let done = self.take(batch, out);
        if !is_plain || done.is_err() {
            self.end(batch.codec().unwrap_or_default(), out)?;
        }
        done
    }

    /// Appends what still waits to `out`.
    ///
    /// # Errors
    ///
    /// [`UpgradeError::Compress`], [`UpgradeError::TooLarge`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        self.end(Codec::None, out)
    }

    /// Gathers a message, or those of a wrapper. If it fails, what was gathered before is left.
    fn take(&mut self, batch: &RecordBatch<'_>, out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        let mut inflated = std::mem::take(&mut self.inflated);
        let taken = self.take_into(batch, &mut inflated, out);
        self.inflated = inflated;
        taken
    }

    fn take_into(
        &mut self,
        batch: &RecordBatch<'_>,
        inflated: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), UpgradeError> {
        let last_offset = batch.header().last_offset();
        let unreadable = |cause| UpgradeError::Records { last_offset, cause };
        let records = batch
            .records(&mut self.decompressor, self.max_inflated_bytes, inflated)
            .map_err(unreadable)?;
        let is_wrapper = batch.header().attributes().codec_id() != 0;
        for record in records.clone() {
            // All of it is looked at first: a wrapper is made into a batch whole or not at all.
            record.map_err(unreadable)?;
        }
        let kind = timestamp_type(batch, &records);
        for record in records.flatten() {
            let limit = if is_wrapper { usize::MAX } else { self.batch_bytes };
            if !self.gathered.takes(&record, kind, limit) {
                if is_wrapper && self.gathered.count > 0 {
                    self.gathered.clear();
                    return Err(unreadable(RecordError::DeltaOutOfRange));
                }
                self.end(Codec::None, out)?;
            }
            self.gathered.push(&record, kind, record.offset());
        }
        Ok(())
    }

    /// Appends what was gathered to `out`, as one batch, if there is any.
    fn end(&mut self, codec: Codec, out: &mut Vec<u8>) -> Result<(), UpgradeError> {
        if self.gathered.count == 0 {
            return Ok(());
        }
        let start = out.len();
        let done =
            compress(&mut self.compressor, Compression::new(codec), &self.gathered.plain, out);
        if done.is_ok() {
            let header = self.gathered.header(codec).from_client().encode(&mut out[start..]);
            place(&mut out[start..], &header, self.gathered.base_offset, self.leader_epoch);
        }
        self.gathered.clear();
        done
    }
}

/// Appends room for a header and the records, compressed, to `out`; nothing if that fails.
pub(super) fn compress(
    with: &mut Compressor,
    how: Compression,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), UpgradeError> {
    let start = out.len();
    out.resize(start + HEADER_LEN, 0);
    let compressed = with.compress(how, plain, out).map_err(UpgradeError::Compress);
    let fits = i32::try_from(out.len() - start).map(|_| ()).map_err(|_| UpgradeError::TooLarge);
    compressed.and(fits).inspect_err(|_| out.truncate(start))
}

/// Whose times a batch has to say that its records have, so that each reads as it did: the log's
/// only if it gave all of them the same.
fn timestamp_type(batch: &RecordBatch<'_>, records: &super::Records<'_>) -> TimestampType {
    let kind = batch.header().attributes().timestamp_type();
    let stamped = batch.header().max_timestamp();
    let mut times = records.clone().flatten().map(|record| record.timestamp());
    if times.all(|time| time == stamped) { kind } else { TimestampType::CreateTime }
}
