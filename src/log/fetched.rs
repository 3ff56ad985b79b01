//! What a fetch brings: whole batches, checked, and their records, borrowed from them.

use std::cell::RefCell;
use std::sync::OnceLock;

use crate::compression::Decompressor;
use crate::error::{Error, Result};
use crate::fs::At;
use crate::index::AbortedTxn;
use crate::record::{FetchedRecord, Offset, ProducerId, RecordBatch, RecordError, Records};
use crate::segment::Buffer;

/// The answer to a fetch: some whole batches of one segment, each of whose CRC was checked.
///
/// [`Fetched::records`] gives the records; nothing is copied or allocated for one. A compressed
/// batch is inflated when its first record is asked for, and kept until this is dropped.
#[derive(Debug)]
pub struct Fetched {
    pub(super) bytes: Buffer,
    /// Where in `bytes` the batches lie.
    pub(super) range: std::ops::Range<usize>,
    pub(super) from: Offset,
    pub(super) next_offset: Offset,
    pub(super) log_start_offset: Offset,
    pub(super) high_watermark: Offset,
    pub(super) last_stable_offset: Offset,
    pub(super) durable_end: Offset,
    /// Only for a read-committed fetch.
    pub(super) aborted: Option<Vec<AbortedTxn>>,
    pub(super) max_inflated_bytes: usize,
    pub(super) at: At,
    /// Where in its file the first batch lies.
    pub(super) position: u64,
    /// The inflated payloads, a place for each batch that is compressed.
    pub(super) inflated: Vec<OnceLock<Vec<u8>>>,
}

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// Runs `work` with this thread's decompression contexts.
pub(super) fn with_decompressor<T>(work: impl FnOnce(&mut Decompressor) -> T) -> T {
    DECOMPRESSOR.with(|contexts| match contexts.try_borrow_mut() {
        Ok(mut contexts) => work(&mut contexts),
        // Only if a codec called back into us, which none does.
        Err(_) => work(&mut Decompressor::new()),
    })
}

impl Fetched {
    /// Where to fetch next: behind the last batch, or the offset that was asked for if nothing is
    /// there yet.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// First offset that could be read when this was.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// The offset behind the last visible record when this was read.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// First offset not yet decided by an open transaction when this was read.
    pub fn last_stable_offset(&self) -> Offset {
        self.last_stable_offset
    }

    /// Records below this offset survive a loss of power.
    pub fn durable_end(&self) -> Offset {
        self.durable_end
    }

    /// Whether there is no batch in it.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The bytes of the batches, as on disk.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    /// Transactions that aborted and overlap what was read, for a read-committed fetch.
    pub fn aborted_transactions(&self) -> Option<&[AbortedTxn]> {
        self.aborted.as_deref()
    }

    /// The batches, control batches and those of aborted transactions included. The first may begin
    /// below the offset that was asked for.
    pub fn batches(&self) -> impl Iterator<Item = RecordBatch<'_>> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            // All of them were decoded and checked by the fetch.
            let batch = RecordBatch::decode_checked_before(rest).ok()?;
            rest = &rest[batch.bytes().len()..];
            Some(batch)
        })
    }

    /// The records from the offset on that was asked for, in order: no control records, and for a
    /// read-committed fetch none of aborted transactions.
    ///
    /// # Errors
    ///
    /// An item is an error if a batch's payload cannot be read although its CRC holds, or inflates
    /// beyond the bound; the iteration goes on behind that batch.
    pub fn records(&self) -> impl Iterator<Item = Result<FetchedRecord<'_>>> {
        let hidden = Hidden::by(self.aborted.as_deref().unwrap_or(&[]));
        let (from, rest) = (self.from, self.bytes());
        FetchedRecords { fetched: self, from, hidden, rest, compressed: 0, current: None }
    }
}

/// What aborted transactions hide: producer, first offset, and the last offset that this one or an
/// earlier one of the producer reaches; in order.
struct Hidden(Vec<(i64, Offset, Offset)>);

impl Hidden {
    fn by(aborted: &[AbortedTxn]) -> Hidden {
        let span = |txn: &AbortedTxn| (txn.producer_id.0, txn.first_offset, txn.last_offset);
        let mut spans: Vec<_> = aborted.iter().map(span).collect();
        spans.sort_unstable();
        for at in 1..spans.len() {
            if spans[at].0 == spans[at - 1].0 {
                spans[at].2 = spans[at].2.max(spans[at - 1].2);
            }
        }
        Hidden(spans)
    }

    fn has(&self, producer: ProducerId, offset: Offset) -> bool {
        let behind = self.0.partition_point(|&(id, first, _)| (id, first) <= (producer.0, offset));
        let last = behind.checked_sub(1).and_then(|at| self.0.get(at));
        last.is_some_and(|&(id, _, last)| id == producer.0 && offset <= last)
    }
}

struct FetchedRecords<'a> {
    fetched: &'a Fetched,
    /// The offset that was asked for.
    from: Offset,
    hidden: Hidden,
    rest: &'a [u8],
    /// How many compressed batches were passed.
    compressed: usize,
    current: Option<Records<'a>>,
}

impl<'a> FetchedRecords<'a> {
    /// Moves on to the next batch; `None` at the end.
    #[cold]
    fn open_next(&mut self) -> Option<Result<()>> {
        loop {
            let batch = RecordBatch::decode_checked_before(self.rest).ok()?;
            let position = self.fetched.bytes().len() - self.rest.len();
            self.rest = &self.rest[batch.bytes().len()..];
            let is_compressed = batch.header().attributes().codec_id() != 0;
            let slot = self.compressed;
            self.compressed += usize::from(is_compressed);
            if !self.is_delivered(&batch) {
                continue;
            }
            return Some(match self.open(&batch, slot) {
                Ok(records) => {
                    self.current = Some(records);
                    Ok(())
                }
                Err(cause) => Err(self.error(position as u64, &batch, cause)),
            });
        }
    }

    fn is_delivered(&self, batch: &RecordBatch<'_>) -> bool {
        let header = batch.header();
        let attributes = header.attributes();
        if attributes.is_control() || header.last_offset() < self.from {
            return false;
        }
        let is_hidden = |producer| self.hidden.has(producer, header.base_offset());
        !(attributes.is_transactional() && header.producer_id().is_some_and(is_hidden))
    }

    fn open(
        &self,
        batch: &RecordBatch<'a>,
        slot: usize,
    ) -> std::result::Result<Records<'a>, RecordError> {
        if batch.header().attributes().codec_id() == 0 {
            return batch.records_in(&[]);
        }
        let limit = self.fetched.max_inflated_bytes;
        // A place was made for each compressed batch by the fetch.
        let place = self.fetched.inflated.get(slot).ok_or(RecordError::InvalidStructure)?;
        if place.get().is_none() {
            let mut inflated = Vec::new();
            with_decompressor(|with| batch.inflate(with, limit, &mut inflated))?;
            place.get_or_init(|| inflated);
        }
        batch.records_in(place.get().map_or(&[], Vec::as_slice))
    }

    /// A record of the current batch cannot be read: nothing more of it is.
    #[cold]
    fn fault(&mut self, cause: RecordError) -> Error {
        self.current = None;
        let at = self.fetched.bytes().len() - self.rest.len();
        Error::corrupt(self.fetched.at.path(), self.fetched.position + at as u64, cause)
    }

    fn error(&self, at: u64, batch: &RecordBatch<'_>, cause: RecordError) -> Error {
        record_error(&self.fetched.at.path(), self.fetched.position + at, batch, cause)
    }
}

/// What a batch whose records cannot be read means to a caller.
pub(super) fn record_error(
    path: &std::path::Path,
    position: u64,
    batch: &RecordBatch<'_>,
    cause: RecordError,
) -> Error {
    use crate::compression::InflateError;

    if let RecordError::Inflate(InflateError::TooLarge { limit }) = cause {
        return Error::TooLarge { what: "an inflated batch", limit };
    }
    let header = batch.header();
    Error::Corrupt {
        path: path.to_path_buf(),
        position,
        offsets: Some((header.base_offset(), header.last_offset())),
        cause: cause.into(),
    }
}

impl<'a> Iterator for FetchedRecords<'a> {
    type Item = Result<FetchedRecord<'a>>;

    #[expect(clippy::inline_always, reason = "so that no record is put together for nothing")]
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(records) = &mut self.current
            && let Some(record) = records.quick()
            && record.offset() >= self.from
        {
            return Some(Ok(record));
        }
        self.next_of_any()
    }
}

impl<'a> FetchedRecords<'a> {
    #[inline(never)]
    fn next_of_any(&mut self) -> Option<Result<FetchedRecord<'a>>> {
        loop {
            if let Some(records) = &mut self.current {
                match records.next() {
                    Some(Ok(record)) if record.offset() < self.from => continue,
                    Some(Ok(record)) => return Some(Ok(record)),
                    Some(Err(cause)) => return Some(Err(self.fault(cause))),
                    None => self.current = None,
                }
            }
            if let Err(error) = self.open_next()? {
                return Some(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aborted_transaction_hides_its_own_producer_s_batches_between_its_ends() {
        let aborted = [(7, 10, 20), (8, 5, 40), (7, 30, 35), (7, 31, 32)];
        let aborted = aborted.map(|(id, first_offset, last_offset)| AbortedTxn {
            producer_id: ProducerId(id),
            first_offset,
            last_offset,
            last_stable_offset: 0,
        });
        let hidden = Hidden::by(&aborted);
        for (producer, offset) in (6..10).flat_map(|id| (0..50).map(move |at| (id, at))) {
            let expected = aborted.iter().any(|txn| {
                txn.producer_id.0 == producer
                    && (txn.first_offset..=txn.last_offset).contains(&offset)
            });
            assert_eq!(hidden.has(ProducerId(producer), offset), expected, "{producer} {offset}");
        }
    }
}
