//! What a leader asks of a batch before it becomes part of the log: Kafka's questions, in Kafka's
//! order. A batch that passes carries its final timestamps; offsets come later.

use std::fmt::{self, Write as _};

use super::{Origin, Settings};
use crate::compression::{Codec, Compression, Compressor, Decompressor, InflateError};
use crate::error::Error;
use crate::record::{Batch, BatchError, BatchFault, BatchHeader, Facts, LeaderEpoch, Prefix};
use crate::record::{ProducerEpoch, ProducerId, RecordBatch, RecordError, Records, Sequence};
use crate::record::{Stamp, Timestamp, TimestampType, Wanted, check_crc, stamp};

/// What a batch may inflate to while it is checked, unless the caller raises it.
pub(crate) const INFLATE_LIMIT: usize = 64 << 20;
/// How many refused records an error names.
const NAMED: usize = 3;

/// What a topic demands at the time of one append.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) now: Timestamp,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) before_max_ms: i64,
    pub(crate) after_max_ms: i64,
    pub(crate) max_message_bytes: usize,
    /// Whether every record must have a key.
    pub(crate) compact: bool,
    /// The topic's own codec; none leaves it to the producer.
    pub(crate) compression: Option<Compression>,
    /// What a batch may inflate to.
    pub(crate) inflate_limit: usize,
}

impl Rules {
    /// Those of a topic at `now`.
    pub(crate) fn new(settings: &Settings, now: Timestamp) -> Self {
        Rules {
            now,
            timestamp_type: settings.timestamp_type,
            before_max_ms: settings.timestamp_before_max_ms,
            after_max_ms: settings.timestamp_after_max_ms,
            max_message_bytes: settings.max_message_bytes as usize,
            compact: settings.compact,
            compression: settings.compression(),
            inflate_limit: INFLATE_LIMIT,
        }
    }

    /// How a [`Batch`] is to be encoded.
    pub(crate) fn wanted(&self) -> Wanted {
        let Rules { now, timestamp_type, compression, .. } = *self;
        Wanted { now, timestamp_type, compression }
    }

    /// What is wrong with a record's time. Exactly at a limit is fine, and so is none at all.
    fn timestamp_fault(&self, timestamp: Timestamp) -> Option<RecordFault> {
        if self.timestamp_type == TimestampType::LogAppendTime || timestamp == -1 {
            return None;
        }
        if self.now.saturating_sub(timestamp) > self.before_max_ms {
            return Some(RecordFault::TooOld { timestamp, limit: self.before_max_ms });
        }
        if timestamp.saturating_sub(self.now) > self.after_max_ms {
            return Some(RecordFault::TooNew { timestamp, limit: self.after_max_ms });
        }
        None
    }

    /// The largest timestamp that a batch is stored with.
    fn max_timestamp(&self, facts: &Facts) -> Option<Timestamp> {
        match self.timestamp_type {
            TimestampType::LogAppendTime => Some(self.now),
            // Kafka counts from "none" upwards, so times before 1970 alone make none.
            TimestampType::CreateTime => Some(facts.max_timestamp).filter(|&max| max > -1),
        }
    }

    /// Whether a batch's own timestamp type cannot be: a producer is not the log. Kafka overlooks
    /// it where the topic wants the records' own times and they have some.
    fn refuses_type_of(&self, header: &BatchHeader) -> bool {
        header.attributes().timestamp_type() == TimestampType::LogAppendTime
            && (self.timestamp_type == TimestampType::LogAppendTime
                || header.max_timestamp().is_none())
    }
}

/// Why a record is refused, and its whole batch with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordFault {
    NullKey,
    TooOld { timestamp: Timestamp, limit: i64 },
    TooNew { timestamp: Timestamp, limit: i64 },
    AppendTimeFromProducer,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordFault::NullKey => {
                f.write_str("compacted topic cannot accept a record without key")
            }
            RecordFault::TooOld { timestamp, limit } => {
                let what = "ms behind the clock (message.timestamp.before.max.ms)";
                write!(f, "timestamp {timestamp} is more than {limit} {what}")
            }
            RecordFault::TooNew { timestamp, limit } => {
                let what = "ms ahead of the clock (message.timestamp.after.max.ms)";
                write!(f, "timestamp {timestamp} is more than {limit} {what}")
            }
            RecordFault::AppendTimeFromProducer => {
                f.write_str("a producer must not set the timestamp type LogAppendTime")
            }
        }
    }
}

/// Whether a batch of our own making can be appended, from what was gathered while it was filled.
/// The size is asked for apart ([`check_size`]), once it is known.
///
/// # Errors
///
/// `InvalidTimestamp` if one time is out of bounds, else `InvalidRecord`.
pub(crate) fn check_facts(facts: &Facts, rules: &Rules) -> Result<(), Error> {
    let fault = |timestamp| rules.timestamp_fault(timestamp);
    if let Some(min) = facts.min_timestamp
        && let Some(fault) = fault(min).or_else(|| fault(facts.max_timestamp))
    {
        return Err(Error::InvalidTimestamp(fault.to_string()));
    }
    if rules.compact && facts.has_null_key {
        return Err(Error::InvalidRecord(RecordFault::NullKey.to_string()));
    }
    Ok(())
}

/// Whether a batch of so many bytes, as it is to be stored, can be appended.
///
/// # Errors
///
/// `RecordTooLarge`.
pub(crate) fn check_size(size: usize, rules: &Rules) -> Result<(), Error> {
    let limit = rules.max_message_bytes;
    if size > limit { Err(Error::RecordTooLarge { size, limit }) } else { Ok(()) }
}

/// What a caller hears of a batch that cannot be encoded.
pub(crate) fn refuse_fault(fault: BatchFault, rules: &Rules) -> Error {
    match fault {
        BatchFault::TooLarge => {
            Error::RecordTooLarge { size: i32::MAX as usize, limit: rules.max_message_bytes }
        }
        BatchFault::TimestampSpan => {
            Error::InvalidTimestamp("two timestamps of a batch are too far apart".into())
        }
        BatchFault::Compress(cause) => Error::Invalid(cause.to_string()),
    }
}

/// Codecs' contexts and buffers that one check leaves to the next.
#[derive(Default)]
pub(crate) struct Room {
    decompressor: Decompressor,
    inflated: Vec<u8>,
    rebuild: RebuildRoom,
}

#[derive(Default)]
struct RebuildRoom {
    compressor: Compressor,
    compressed: Vec<u8>,
}

/// A client's batch as it is to be stored, but for its base offset and leader epoch.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The one batch, its CRC right.
    pub(crate) bytes: Vec<u8>,
    pub(crate) header: BatchHeader,
}

/// Checks the batch that a client or a coordinator sent, as bytes, and makes it what the topic
/// wants: with its timestamp type, its codec and the true largest timestamp. A batch that is cut
/// short at the end is ignored, as in Kafka; if nothing is left, so is the append.
///
/// Offset deltas in an uncompressed batch that stays so are not looked at, as in Kafka.
///
/// # Errors
///
/// `InvalidRecord`, `RecordTooLarge`, `CorruptBatch`, `InvalidTimestamp`; `TooLarge` for a batch
/// that inflates beyond the bound.
pub(crate) fn check_client(
    bytes: &[u8],
    rules: &Rules,
    origin: Origin,
    room: &mut Room,
) -> Result<Option<Checked>, Error> {
    let Some(batch) = analyse(bytes, rules, origin)? else { return Ok(None) };
    let header = batch.header();
    check_header(header, origin)?;
    let codec = batch.codec().map_err(refuse_records)?;
    let target = rules.compression.map_or(codec, Compression::codec);
    let records = batch
        .records(&mut room.decompressor, rules.inflate_limit, &mut room.inflated)
        .map_err(refuse_records)?;
    let mut facts = Facts::EMPTY;
    let mut in_sequence = true;
    for record in records.clone() {
        let record = record.map_err(refuse_records)?;
        in_sequence &= record.offset() - header.base_offset() == i64::from(facts.count);
        facts.add(record.timestamp().unwrap_or(-1), record.key().is_some());
    }
    if rules.refuses_type_of(header) || check_facts(&facts, rules).is_err() {
        return Err(refuse_each(records, header, rules));
    }
    // A marker that came uncompressed stays so.
    let stays = codec == target || codec == Codec::None && header.attributes().is_control();
    let mut stored = if !stays {
        rebuild(records, header, rules, &mut room.rebuild)?
    } else if codec == Codec::None || in_sequence {
        batch.bytes().to_vec()
    } else {
        let why = "offset deltas of a compressed batch are not 0, 1, 2 and so on";
        return Err(Error::InvalidRecord(why.into()));
    };
    let max_timestamp = rules.max_timestamp(&facts);
    let leader_epoch = LeaderEpoch(LeaderEpoch::to_wire(header.leader_epoch()));
    let timestamp_type = rules.timestamp_type;
    stamp(&mut stored, Stamp { base_offset: 0, leader_epoch, timestamp_type, max_timestamp });
    let header = BatchHeader::decode(&stored).map_err(Error::CorruptBatch)?;
    Ok(Some(Checked { bytes: stored, header }))
}

/// Finds the one batch that `bytes` hold and checks what can be told without its records.
fn analyse<'a>(
    bytes: &'a [u8],
    rules: &Rules,
    origin: Origin,
) -> Result<Option<RecordBatch<'a>>, Error> {
    let mut first = None;
    let mut count = 0_usize;
    let mut rest = bytes;
    loop {
        let prefix = match Prefix::decode(rest) {
            Ok(prefix) => prefix,
            Err(BatchError::Incomplete { .. }) => break,
            Err(BatchError::Legacy(magic)) => {
                let why = format!("record batches of magic {magic} are not accepted");
                return Err(Error::InvalidRecord(why));
            }
            Err(error) => return Err(Error::CorruptBatch(error)),
        };
        let Some((batch, behind)) = rest.split_at_checked(prefix.size) else { break };
        if origin == Origin::Client && prefix.offset != 0 {
            return Err(Error::InvalidRecord(format!(
                "the base offset of a batch that is sent should be 0, but it is {}",
                prefix.offset
            )));
        }
        check_size(batch.len(), rules)?;
        check_crc(batch).map_err(Error::CorruptBatch)?;
        first.get_or_insert(batch);
        count += 1;
        rest = behind;
    }
    if count > 1 {
        return Err(Error::InvalidRecord("more than one batch in one append".into()));
    }
    let Some(batch) = first else { return Ok(None) };
    let impossible = |error: BatchError| Error::InvalidRecord(error.to_string());
    RecordBatch::decode_checked_before(batch).map(Some).map_err(impossible)
}

fn check_header(header: &BatchHeader, origin: Origin) -> Result<(), Error> {
    let (count, offsets) = (header.record_count(), i64::from(header.last_offset_delta()) + 1);
    if i64::from(count) != offsets {
        return Err(Error::InvalidRecord(format!(
            "inconsistent batch: {count} records, but {offsets} offsets"
        )));
    }
    if origin == Origin::Client && header.attributes().is_control() {
        return Err(Error::InvalidRecord(
            "clients are not allowed to write control records".into(),
        ));
    }
    if origin == Origin::Client
        && let (Some(id), None) = (header.producer_id(), header.base_sequence())
    {
        return Err(Error::InvalidRecord(format!("batch of producer {id} has no sequence")));
    }
    Ok(())
}

/// A payload that is no records.
fn refuse_records(error: RecordError) -> Error {
    match error {
        RecordError::Inflate(InflateError::TooLarge { limit }) => {
            Error::TooLarge { what: "inflated batch", limit }
        }
        error => Error::InvalidRecord(error.to_string()),
    }
}

/// Goes through a batch that is refused once more, to say for which records. A bad time outweighs
/// other faults; a record without a key is not asked for its time.
fn refuse_each(records: Records<'_>, header: &BatchHeader, rules: &Rules) -> Error {
    let (mut named, mut count, mut bad_time) = (String::new(), 0, false);
    for (index, record) in records.flatten().enumerate() {
        let fault = if rules.compact && record.key().is_none() {
            Some(RecordFault::NullKey)
        } else if rules.refuses_type_of(header) {
            Some(RecordFault::AppendTimeFromProducer)
        } else {
            rules.timestamp_fault(record.timestamp().unwrap_or(-1))
        };
        let Some(fault) = fault else { continue };
        bad_time |= fault != RecordFault::NullKey;
        if count < NAMED {
            let then = if count == 0 { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(named, "{then}record {index}: {fault}");
        }
        count += 1;
    }
    let why = if count > NAMED { format!("{count} records, the first: {named}") } else { named };
    if bad_time { Error::InvalidTimestamp(why) } else { Error::InvalidRecord(why) }
}

/// The same records in a batch of their own, in the topic's codec. Producer and transaction stay;
/// bits that mean nothing to a new batch go.
fn rebuild(
    records: Records<'_>,
    header: &BatchHeader,
    rules: &Rules,
    room: &mut RebuildRoom,
) -> Result<Vec<u8>, Error> {
    // As it stands in the header, −1 for what it does not say.
    let id = ProducerId(ProducerId::to_wire(header.producer_id()));
    let epoch = ProducerEpoch(ProducerEpoch::to_wire(header.producer_epoch()));
    let sequence = Sequence(Sequence::to_wire(header.base_sequence()));
    let transactional = header.attributes().is_transactional();
    let mut batch = Batch::new().producer(id, epoch, sequence).transactional(transactional);
    for record in records {
        let record = record.map_err(refuse_records)?;
        batch.push_read(&record, record.timestamp().unwrap_or(-1));
    }
    let draft = batch.draft(rules.wanted(), &mut room.compressor, &mut room.compressed);
    let (draft, _) = draft.map_err(|fault| refuse_fault(fault, rules))?;
    check_size(draft.bytes.len(), rules)?;
    Ok(draft.bytes.to_vec())
}

#[cfg(test)]
mod tests;
