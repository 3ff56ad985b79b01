//! What one whole batch tells by itself, whatever stands before it: the part of a check that takes
//! time, and that any thread may do.

use super::How;
use crate::compression::Decompressor;
use crate::finding::Level;
use crate::record::{
    BatchError, BatchHeader, ControlRecord, FetchedRecord, RecordBatch, RecordError,
};
use crate::segment::walk::Walked;

/// What was seen of a whole batch.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    pub(crate) header: BatchHeader,
    /// What its records tell; they are looked at with [`Level::Deep`] alone.
    pub(crate) deep: Option<Box<Deep>>,
}

/// What the records of a batch tell.
#[derive(Clone, Debug)]
pub(crate) struct Deep {
    /// None for those of an unknown codec: the header has said that.
    pub(super) records: Option<Result<Seen, Unread>>,
    /// What a control batch says; none for one that was emptied, and for any other.
    pub(crate) control: Result<Option<ControlRecord>, RecordError>,
}

/// Why records cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unread {
    Record(RecordError),
    /// The batch is larger than is held.
    TooLarge(BatchError),
}

/// Looks at batches, one after another.
pub(super) struct Look {
    deep: bool,
    most_inflated: usize,
    most_held: usize,
    with: Decompressor,
    inflated: Vec<u8>,
}

impl Look {
    pub(super) fn new(how: &How) -> Look {
        Look {
            deep: how.level == Level::Deep,
            most_inflated: how.most_inflated,
            most_held: how.most_held,
            with: Decompressor::new(),
            inflated: Vec::new(),
        }
    }

    /// Looks at the next batch.
    pub(super) fn batch(&mut self, batch: &Walked<'_>) -> Looked {
        let header = *batch.header();
        let deep = self.deep.then(|| match batch {
            Walked::Held(batch) => Box::new(Deep {
                records: self.records(batch),
                control: ControlRecord::of_batch(batch, &mut self.with),
            }),
            Walked::Summed { header, .. } => {
                let (size, limit) = (header.size_bytes() as u64, self.most_held as u64);
                let too_large = Unread::TooLarge(BatchError::TooLarge { size, limit });
                let is_control = header.attributes().is_control();
                let control =
                    if is_control { Err(RecordError::MalformedControl) } else { Ok(None) };
                let records = header.attributes().codec().map(|_| Err(too_large));
                Box::new(Deep { records, control })
            }
        });
        Looked { header, deep }
    }

    fn records(&mut self, batch: &RecordBatch<'_>) -> Option<Result<Seen, Unread>> {
        batch.header().attributes().codec()?;
        let mut seen = Seen::default();
        let read = batch.records(&mut self.with, self.most_inflated, &mut self.inflated);
        let read =
            read.and_then(|mut records| records.try_for_each(|record| seen.take(batch, &record?)));
        Some(read.map(|()| seen).map_err(Unread::Record))
    }
}

/// What the records of one batch come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    last_offset: Option<i64>,
    /// The largest timestamp.
    pub(super) most: Option<i64>,
    /// The first offset that cannot be there, and what it contradicts.
    pub(super) offset: Option<(i64, i64)>,
}

impl Seen {
    fn take(
        &mut self,
        batch: &RecordBatch<'_>,
        record: &FetchedRecord<'_>,
    ) -> Result<(), RecordError> {
        let (header, offset) = (batch.header(), record.offset());
        if self.offset.is_none() {
            self.offset = match self.last_offset {
                Some(last) if offset <= last => Some((offset, last)),
                _ if header.is_legacy() && offset <= header.last_offset() => None,
                _ if offset < header.base_offset() => Some((offset, header.base_offset())),
                _ if offset > header.last_offset() => Some((offset, header.last_offset())),
                _ => None,
            };
        }
        self.last_offset = Some(offset);
        let time = record.timestamp().unwrap_or(-1);
        self.most = Some(self.most.unwrap_or(time).max(time));
        if header.attributes().is_control() {
            ControlRecord::decode(record)?;
        }
        Ok(())
    }
}
