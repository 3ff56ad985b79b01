//! Whether the records of each batch are what its header says: the deep look.

use std::collections::HashMap;
use std::path::Path;

use super::How;
use super::order::push_run;
use crate::compression::Decompressor;
use crate::finding::{Code, Detail, Finding, Findings};
use crate::record::{
    BatchError, ControlRecord, FetchedRecord, ProducerEpoch, ProducerId, RecordBatch, RecordError,
    Sequence, TimestampType,
};
use crate::segment::walk::Walked;

/// So many producers are followed.
const MOST_PRODUCERS: usize = 1 << 17;

/// What a producer sent last.
struct Sent {
    epoch: Option<ProducerEpoch>,
    last: Sequence,
    /// How often offsets had been missing by then.
    gaps: u64,
}

/// Decodes records and compares.
pub(super) struct Records<'a> {
    path: &'a Path,
    most_inflated: usize,
    most_held: usize,
    /// Whether the topic is one of Kafka's own, whose coordinators number as they like.
    is_internal: bool,
    with: Decompressor,
    inflated: Vec<u8>,
    producers: HashMap<ProducerId, Sent>,
}

impl<'a> Records<'a> {
    pub(super) fn new(path: &'a Path, how: &How, is_internal: bool) -> Self {
        Records {
            path,
            most_inflated: how.most_inflated,
            most_held: how.most_held,
            is_internal,
            with: Decompressor::new(),
            inflated: Vec::new(),
            producers: HashMap::new(),
        }
    }

    /// Looks at the next batch; offsets have been missing or damaged so often before it.
    pub(super) fn batch(
        &mut self,
        position: u64,
        batch: &Walked<'_>,
        gaps: u64,
        findings: &mut Findings,
    ) {
        let header = batch.header();
        let finding = |code| Finding::new(code, self.path).of_batch(position, header);
        if header.attributes().codec().is_none() {
            // Said already, by the header alone.
            return;
        }
        let Walked::Held(batch) = batch else {
            let (size, limit) = (header.size_bytes() as u64, self.most_held as u64);
            let too_large = BatchError::TooLarge { size, limit };
            return findings.push(finding(Code::DoesNotInflate).detail(Detail::Batch(too_large)));
        };
        let mut seen = Seen::default();
        let mut inflated = std::mem::take(&mut self.inflated);
        let read = batch.records(&mut self.with, self.most_inflated, &mut inflated);
        let read =
            read.and_then(|mut records| records.try_for_each(|record| seen.take(batch, &record?)));
        self.inflated = inflated;
        if let Err(cause) = read {
            let code = match cause {
                RecordError::Inflate(_) => Code::DoesNotInflate,
                _ if header.is_legacy() => Code::LegacyWrapper,
                RecordError::UnknownCodec(_) => Code::UnknownCodec,
                RecordError::NegativeCount(_)
                | RecordError::TooFewRecords
                | RecordError::TooManyRecords => Code::RecordCount,
                RecordError::MalformedControl => Code::ControlRecord,
                _ => Code::MalformedRecord,
            };
            findings.push(finding(code).detail(Detail::Record(cause)));
            return;
        }
        if let Some((found, against)) = seen.offset {
            let code = if header.is_legacy() { Code::LegacyWrapper } else { Code::RecordOffset };
            findings.push(finding(code).number("beside", found, against));
        }
        let is_create_time = header.attributes().timestamp_type() == TimestampType::CreateTime;
        let said = header.max_timestamp().unwrap_or(-1);
        if let Some(found) = seen.most.filter(|&most| is_create_time && most != said) {
            let finding = finding(Code::MaxTimestamp);
            push_run(findings, finding.number("while that of the records is", said, found));
        }
        if let Some((found, expected)) = self.sequence(batch, gaps) {
            let finding = finding(Code::SequenceGap);
            findings.push(finding.number("where this was to follow:", found, expected));
        }
    }

    /// The sequence of a batch and the one that was to come, if they differ.
    fn sequence(&mut self, batch: &RecordBatch<'_>, gaps: u64) -> Option<(i64, i64)> {
        let header = batch.header();
        let (base, last) = (header.base_sequence()?, header.last_sequence()?);
        let id = header.producer_id()?;
        if self.is_internal || header.attributes().is_control() {
            return None;
        }
        if self.producers.len() >= MOST_PRODUCERS && !self.producers.contains_key(&id) {
            return None;
        }
        let sent = Sent { epoch: header.producer_epoch(), last, gaps };
        let before = self.producers.insert(id, sent)?;
        let expected = before.last.plus(1);
        let comparable = before.epoch == header.producer_epoch() && before.gaps == gaps;
        (comparable && expected != base).then_some((base.0.into(), expected.0.into()))
    }
}

/// What the records of one batch come to.
#[derive(Default)]
struct Seen {
    last_offset: Option<i64>,
    /// The largest timestamp.
    most: Option<i64>,
    /// The first offset that cannot be there, and what it contradicts.
    offset: Option<(i64, i64)>,
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
