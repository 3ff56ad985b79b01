//! A batch that is to be appended: records are encoded once, where they will be written from.

use super::encode::Parts;
use super::header::NewHeader;
use super::record::When;
use super::room::Room;
use super::{
    Attributes, BatchHeader, FetchedRecord, HEADER_LEN, ProducerEpoch, ProducerId, Record,
};
use super::{Records, Sequence, Timestamp, TimestampType};
use crate::compression::{Codec, CompressError, Compression, Compressor};

/// A batch to append: the unit of append, of checksum and of compression. Records are encoded as
/// they are pushed; nothing is allocated for one.
///
/// ```
/// use strandline::{Batch, Record};
///
/// let mut batch = Batch::new();
/// batch.push(Record::new().key("k").value("v"));
/// assert_eq!(batch.len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    /// Room for the header, then the records, uncompressed.
    bytes: Room,
    facts: Facts,
    compression: Option<Compression>,
    producer: Option<(ProducerId, ProducerEpoch, Sequence)>,
    transactional: bool,
    control: bool,
    /// Which records wait for the log's clock, if some do and some do not.
    waiting: Vec<bool>,
    fault: Option<BatchFault>,
}

/// What appending has to know of a batch's records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) count: i32,
    /// The first record's.
    pub(crate) base_timestamp: Timestamp,
    /// Smallest timestamp that is one.
    pub(crate) min_timestamp: Option<Timestamp>,
    /// Largest timestamp, −1 if none has one.
    pub(crate) max_timestamp: Timestamp,
    pub(crate) has_null_key: bool,
}

impl Facts {
    pub(crate) const EMPTY: Facts = Facts {
        count: 0,
        base_timestamp: -1,
        min_timestamp: None,
        max_timestamp: -1,
        has_null_key: false,
    };

    /// Counts one more record in.
    #[inline]
    pub(crate) fn add(&mut self, timestamp: Timestamp, has_key: bool) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        if timestamp != -1 {
            self.min_timestamp = Some(self.min_timestamp.map_or(timestamp, |m| m.min(timestamp)));
        }
        self.has_null_key |= !has_key;
    }
}

/// Why a batch cannot be made of what was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchFault {
    /// More than 2³¹−1 bytes or records.
    TooLarge,
    /// Two timestamps too far apart for their difference to have a number.
    TimestampSpan,
    /// The codec refused.
    Compress(CompressError),
}

/// How a log wants its batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) now: Timestamp,
    pub(crate) timestamp_type: TimestampType,
    /// The topic's own codec; none leaves it to the producer.
    pub(crate) compression: Option<Compression>,
}

/// A batch encoded as a client sends it, but for its largest timestamp, which is the leader's.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) header: BatchHeader,
}

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Batch {
            bytes: Room::zeros(HEADER_LEN),
            facts: Facts::EMPTY,
            compression: None,
            producer: None,
            transactional: false,
            control: false,
            waiting: Vec::new(),
            fault: None,
        }
    }

    /// A batch of these records.
    pub fn of<'a>(records: impl IntoIterator<Item = Record<'a>>) -> Self {
        let mut batch = Batch::new();
        batch.extend(records);
        batch
    }

    /// Compresses its records. Without it, or if the topic's `compression.type` is a codec, the
    /// topic decides.
    #[must_use]
    pub fn compression(mut self, how: impl Into<Compression>) -> Self {
        self.compression = Some(how.into());
        self
    }

    /// Marks it as the work of an idempotent producer: `sequence` is the first record's number, one
    /// more than the producer's last record in this log had, and 0 at the start of an epoch.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, sequence: Sequence) -> Self {
        self.producer = Some((id, epoch, sequence));
        self
    }

    /// Makes it part of its producer's transaction, which ends with
    /// [`Log::end_transaction`](crate::Log::end_transaction).
    #[must_use]
    pub fn transactional(mut self, yes: bool) -> Self {
        self.transactional = yes;
        self
    }

    /// Marks it as a control batch: its records are not the user's.
    pub(crate) fn control(mut self, yes: bool) -> Self {
        self.control = yes;
        self
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.facts.count as usize
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.facts.count == 0
    }

    /// Bytes that it takes before compression, header included.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Drops its records and keeps its room, its codec and its producer.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_LEN);
        self.facts = Facts::EMPTY;
        self.waiting.clear();
        self.fault = None;
    }

    /// Appends a record. What makes a batch impossible (2 GiB, timestamps further apart than 2⁶³
    /// ms) is reported when the batch is appended.
    #[expect(
        clippy::inline_always,
        reason = "what a caller's records never have costs nothing then"
    )]
    #[inline(always)]
    pub fn push(&mut self, record: Record<'_>) -> &mut Self {
        let timestamp = match record.when {
            When::At(ms) => ms,
            When::Never => -1,
            // Until it is known, that of the first record, so that the delta is 0.
            When::Append if self.facts.count == 0 => 0,
            When::Append => self.facts.base_timestamp,
        };
        let headers = record.headers.iter().map(|&(key, value)| (key.as_bytes(), value));
        if self.put(record.key, record.value, headers, timestamp) {
            self.note_waiting(record.when == When::Append);
        }
        self
    }

    /// Appends a record as it was read, with this timestamp.
    pub(crate) fn push_read(&mut self, record: &FetchedRecord<'_>, timestamp: Timestamp) {
        let headers = record.headers().map(|header| (header.key, header.value));
        if self.put(record.key(), record.value(), headers, timestamp) {
            self.note_waiting(false);
        }
    }

    /// Encodes one record behind the others, if the batch can take it.
    #[expect(clippy::inline_always, reason = "see `Batch::push`")]
    #[inline(always)]
    fn put<'r>(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = (&'r [u8], Option<&'r [u8]>)> + Clone,
        timestamp: Timestamp,
    ) -> bool {
        let base = if self.is_empty() { timestamp } else { self.facts.base_timestamp };
        let Some(delta) = timestamp.checked_sub(base) else {
            return self.refuse(BatchFault::TimestampSpan);
        };
        let offset_delta = self.facts.count;
        let parts = Parts { timestamp_delta: delta, offset_delta, key, value, headers };
        if !parts.put(i32::MAX as usize, &mut self.bytes) {
            return self.refuse(BatchFault::TooLarge);
        }
        self.facts.add(timestamp, key.is_some());
        true
    }

    #[cold]
    fn refuse(&mut self, fault: BatchFault) -> bool {
        self.fault.get_or_insert(fault);
        false
    }

    /// Remembers whether the last record waits for the clock; one word for all of them until two
    /// differ.
    #[inline]
    fn note_waiting(&mut self, waits: bool) {
        if !matches!(self.waiting.as_slice(), [all] if *all == waits) {
            self.note_another(waits);
        }
    }

    #[inline(never)]
    fn note_another(&mut self, waits: bool) {
        if self.waiting.len() == 1 {
            self.waiting.resize(self.facts.count as usize - 1, !waits);
        }
        self.waiting.push(waits);
    }

    /// Encodes it as a client sends it, with `wanted`'s clock and codec. The batch stays as it is:
    /// a second call gives the same bytes but for the clock.
    pub(crate) fn draft<'a>(
        &'a mut self,
        wanted: Wanted,
        with: &mut Compressor,
        compressed: &'a mut Vec<u8>,
    ) -> Result<(Draft<'a>, Facts), BatchFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let facts = match self.waiting.as_slice() {
            [] | [false] => self.facts,
            [true] => self.facts_at(wanted.now),
            _ => return self.settled(wanted.now)?.draft_into(wanted, with, compressed),
        };
        let compression = self.codec_for(wanted);
        let header = self.header(facts, compression, wanted);
        if compression.codec() == Codec::None {
            let header = header.from_client().encode(&mut self.bytes);
            return Ok((Draft { bytes: &mut self.bytes, header }, facts));
        }
        self.compress(compression, with, compressed)?;
        let header = header.from_client().encode(compressed);
        Ok((Draft { bytes: compressed, header }, facts))
    }

    /// As [`Batch::draft`], into `out` whatever the codec.
    fn draft_into<'a>(
        &self,
        wanted: Wanted,
        with: &mut Compressor,
        out: &'a mut Vec<u8>,
    ) -> Result<(Draft<'a>, Facts), BatchFault> {
        let compression = self.codec_for(wanted);
        self.compress(compression, with, out)?;
        let header = self.header(self.facts, compression, wanted).from_client().encode(out);
        Ok((Draft { bytes: out, header }, self.facts))
    }

    fn codec_for(&self, wanted: Wanted) -> Compression {
        wanted.compression.or(self.compression).unwrap_or(Compression::NONE)
    }

    fn compress(
        &self,
        how: Compression,
        with: &mut Compressor,
        out: &mut Vec<u8>,
    ) -> Result<(), BatchFault> {
        out.clear();
        out.resize(HEADER_LEN, 0);
        with.compress(how, &self.bytes[HEADER_LEN..], out).map_err(BatchFault::Compress)?;
        if out.len() > i32::MAX as usize { Err(BatchFault::TooLarge) } else { Ok(()) }
    }

    fn facts_at(&self, now: Timestamp) -> Facts {
        Facts { base_timestamp: now, min_timestamp: Some(now), max_timestamp: now, ..self.facts }
    }

    fn header(&self, facts: Facts, compression: Compression, wanted: Wanted) -> NewHeader {
        let (producer_id, producer_epoch, base_sequence) =
            self.producer.map_or((-1, -1, -1), |(id, epoch, base)| (id.0, epoch.0, base.0));
        NewHeader {
            attributes: Attributes::default()
                .with_codec(compression.codec())
                .with_timestamp_type(wanted.timestamp_type)
                .with_transactional(self.transactional)
                .with_control(self.control),
            last_offset_delta: facts.count - 1,
            base_timestamp: facts.base_timestamp,
            max_timestamp: match wanted.timestamp_type {
                TimestampType::CreateTime => facts.max_timestamp,
                TimestampType::LogAppendTime => wanted.now,
            },
            producer_id,
            producer_epoch,
            base_sequence,
            record_count: facts.count,
        }
    }

    /// The same batch with `now` where records wait for the clock.
    fn settled(&self, now: Timestamp) -> Result<Batch, BatchFault> {
        let mut settled = self.clone();
        settled.clear();
        let header = NewHeader {
            attributes: Attributes::default(),
            last_offset_delta: self.facts.count - 1,
            base_timestamp: self.facts.base_timestamp,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: self.facts.count,
        };
        let records = Records::new(&header.from_client(), &self.bytes[HEADER_LEN..]);
        for (record, &waits) in records.into_iter().flatten().flatten().zip(&self.waiting) {
            settled.push_read(&record, if waits { now } else { record.timestamp().unwrap_or(-1) });
        }
        match settled.fault {
            Some(fault) => Err(fault),
            None => Ok(settled),
        }
    }
}

impl<'a> Extend<Record<'a>> for Batch {
    fn extend<I: IntoIterator<Item = Record<'a>>>(&mut self, records: I) {
        for record in records {
            self.push(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compression::Decompressor;
    use crate::record::RecordBatch;

    const NOW: Timestamp = 1_700_000_000_000;

    fn wanted() -> Wanted {
        Wanted { now: NOW, timestamp_type: TimestampType::CreateTime, compression: None }
    }

    fn encoded(batch: &mut Batch) -> Vec<u8> {
        let mut scratch = Vec::new();
        let (draft, _) = batch.draft(wanted(), &mut Compressor::new(), &mut scratch).unwrap();
        draft.bytes.to_vec()
    }

    type Plain = (Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>, Vec<(String, Option<Vec<u8>>)>);

    fn decoded(bytes: &[u8]) -> Vec<Plain> {
        let batch = RecordBatch::decode(bytes).unwrap();
        let mut room = Vec::new();
        let records = batch.records(&mut Decompressor::new(), 1 << 20, &mut room).unwrap();
        records
            .map(|record| {
                let record = record.unwrap();
                let headers = record.headers().map(|h| {
                    (String::from_utf8(h.key.to_vec()).unwrap(), h.value.map(<[u8]>::to_vec))
                });
                (
                    record.key().map(<[u8]>::to_vec),
                    record.value().map(<[u8]>::to_vec),
                    record.timestamp(),
                    headers.collect(),
                )
            })
            .collect()
    }

    #[test]
    fn a_batch_is_the_bytes_that_kafka_writes() {
        let record = Record::new().key("k").value("v").timestamp(NOW);
        let bytes = encoded(&mut Batch::of([record]));
        assert_eq!(bytes[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 58]);
        assert_eq!(bytes[HEADER_LEN..], [16, 0, 0, 0, 2, b'k', 2, b'v', 0]);
    }

    #[test]
    fn records_without_a_time_get_the_log_s_in_a_mixed_batch_too() {
        let (now, then) = (Record::new().key("a"), Record::new().key("b").timestamp(NOW - 5));
        for order in [[now, then, now], [then, now, now], [now, now, now]] {
            let times: Vec<_> =
                decoded(&encoded(&mut Batch::of(order))).iter().map(|r| r.2).collect();
            let want: Vec<_> = order
                .iter()
                .map(|r| Some(if r.when == When::Append { NOW } else { NOW - 5 }))
                .collect();
            assert_eq!(times, want);
        }
    }

    #[test]
    fn timestamps_too_far_apart_are_reported_and_leave_no_record() {
        let mut batch = Batch::new();
        batch.push(Record::new().timestamp(i64::MIN)).push(Record::new().timestamp(i64::MAX));
        let mut scratch = Vec::new();
        let error = batch.draft(wanted(), &mut Compressor::new(), &mut scratch).unwrap_err();
        assert_eq!(error, BatchFault::TimestampSpan);
    }

    #[test]
    fn a_batch_of_only_negative_timestamps_has_none_as_its_largest_as_in_kafka() {
        let records = [-5, -3, -9].map(|ms| Record::new().value("v").timestamp(ms));
        let bytes = encoded(&mut Batch::of(records));
        let header = BatchHeader::decode(&bytes).unwrap();
        assert_eq!((header.base_timestamp(), header.max_timestamp()), (-5, None));
        assert_eq!(bytes[35..43], (-1_i64).to_be_bytes());
        let times: Vec<_> = decoded(&bytes).iter().map(|record| record.2).collect();
        assert_eq!(times, [Some(-5), Some(-3), Some(-9)]);
    }

    #[test]
    fn a_cleared_batch_is_as_good_as_new() {
        let record = Record::new().value("v").timestamp(7);
        let mut batch = Batch::of([Record::new().key("gone"), record.timestamp(3)]);
        batch.clear();
        batch.push(record);
        assert_eq!(encoded(&mut batch), encoded(&mut Batch::of([record])));
    }

    fn plain() -> impl Strategy<Value = Plain> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        let times = prop_oneof![Just(None), Just(Some(-7)), (0..i64::MAX / 4).prop_map(Some)];
        let headers = proptest::collection::vec(("[a-zé]{0,4}", bytes()), 0..3);
        (bytes(), bytes(), times, headers)
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_read_back_in_each_codec(
            records in proptest::collection::vec(plain(), 1..30),
            codec in prop_oneof![
                Just(Codec::None), Just(Codec::Gzip), Just(Codec::Snappy), Just(Codec::Lz4), Just(Codec::Zstd),
            ],
        ) {
            let mut batch = Batch::new().compression(codec);
            for (key, value, time, headers) in &records {
                let headers: Vec<_> = headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
                let record = Record {
                    key: key.as_deref(),
                    value: value.as_deref(),
                    headers: &headers,
                    when: time.map_or(When::Never, When::At),
                };
                batch.push(record);
            }
            prop_assert_eq!(decoded(&encoded(&mut batch)), records);
        }

        #[test]
        fn reading_any_bytes_as_a_batch_never_panics(bytes: Vec<u8>, flip in 0..2000_usize, to: u8) {
            let _ = RecordBatch::decode(&bytes);
            let mut whole = encoded(&mut Batch::of([Record::new().key("key").value("value"); 20]));
            let at = HEADER_LEN + flip % (whole.len() - HEADER_LEN);
            whole[at] = to;
            let header = BatchHeader::decode(&whole).unwrap();
            for record in Records::new(&header, &whole[HEADER_LEN..]).into_iter().flatten() {
                let _ = record.map(|record| record.headers().count());
            }
        }
    }
}
