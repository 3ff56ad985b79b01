//! Whether the records of each batch are what its header says, and go on where those of their
//! producer ended: what is made of the deep look.

use std::collections::HashMap;
use std::path::Path;

use super::look::{Deep, Unread};
use super::order::push_run;
use crate::finding::{Code, Detail, Finding, Findings};
use crate::record::{BatchHeader, ProducerEpoch, ProducerId, RecordError, Sequence, TimestampType};

/// So many producers are followed.
const MOST_PRODUCERS: usize = 1 << 17;

/// What a producer sent last.
struct Sent {
    epoch: Option<ProducerEpoch>,
    last: Sequence,
    /// How often offsets had been missing by then.
    gaps: u64,
}

/// Compares what records tell.
pub(super) struct Records<'a> {
    path: &'a Path,
    /// Whether the topic is one of Kafka's own, whose coordinators number as they like.
    is_internal: bool,
    producers: HashMap<ProducerId, Sent>,
}

impl<'a> Records<'a> {
    pub(super) fn new(path: &'a Path, is_internal: bool) -> Self {
        Records { path, is_internal, producers: HashMap::new() }
    }

    /// Takes in what was seen of the next batch; offsets have been missing or damaged so often
    /// before it.
    pub(super) fn batch(
        &mut self,
        position: u64,
        (header, deep): (&BatchHeader, &Deep),
        gaps: u64,
        findings: &mut Findings,
    ) {
        let finding = |code| Finding::new(code, self.path).of_batch(position, header);
        let seen = match &deep.records {
            // Said already, by the header alone.
            None => return,
            Some(Ok(seen)) => seen,
            Some(Err(cause)) => return findings.push(unread(finding, header, *cause)),
        };
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
        if let Some((found, expected)) = self.sequence(header, gaps) {
            let finding = finding(Code::SequenceGap);
            findings.push(finding.number("where this was to follow:", found, expected));
        }
    }

    /// The sequence of a batch and the one that was to come, if they differ.
    fn sequence(&mut self, header: &BatchHeader, gaps: u64) -> Option<(i64, i64)> {
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

/// That records cannot be read.
fn unread(finding: impl Fn(Code) -> Finding, header: &BatchHeader, cause: Unread) -> Finding {
    let cause = match cause {
        Unread::Record(cause) => cause,
        Unread::TooLarge(cause) => {
            return finding(Code::DoesNotInflate).detail(Detail::Batch(cause));
        }
    };
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
    finding(code).detail(Detail::Record(cause))
}
