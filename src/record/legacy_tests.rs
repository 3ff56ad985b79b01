//! Messages of formats v0 and v1: what they say, what wrappers hold, what is refused.

use super::*;
use crate::compression::{Codec, Compression, Compressor, Decompressor, InflateError};

/// A message to write, for tests: nothing else of this crate writes one.
#[derive(Clone, Copy)]
struct Message<'a> {
    offset: Offset,
    magic: u8,
    attributes: u8,
    timestamp: Timestamp,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

const V0: Message<'_> =
    Message { offset: 7, magic: 0, attributes: 0, timestamp: 0, key: None, value: Some(b"value") };
const V1: Message<'_> = Message { magic: 1, timestamp: 1_500_000_000_000, ..V0 };

impl Message<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut body = vec![self.magic, self.attributes];
        if self.magic == 1 {
            body.extend(self.timestamp.to_be_bytes());
        }
        for field in [self.key, self.value] {
            body.extend(field.map_or(-1, |field| field.len() as i32).to_be_bytes());
            body.extend(field.unwrap_or_default());
        }
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        let length = body.len() as i32 + 4;
        let head = [&self.offset.to_be_bytes()[..], &length.to_be_bytes()].concat();
        [&head[..], &crc.sum().to_be_bytes(), &body].concat()
    }

    /// A wrapper with this one's offset, magic, attributes and timestamp around `held`.
    fn around(&self, codec: Codec, held: &[u8]) -> Vec<u8> {
        let mut value = Vec::new();
        Compressor::new().compress(Compression::new(codec), held, &mut value).unwrap();
        if self.magic == 0 && codec == Codec::Lz4 {
            value[6] = 0x1a;
        }
        let attributes = self.attributes | codec.id();
        Message { attributes, key: None, value: Some(&value), ..*self }.bytes()
    }
}

/// Offset, timestamp and value of each record, up to the first fault.
type Read = (Vec<(Offset, Option<Timestamp>, Vec<u8>)>, Option<RecordError>);

fn read_within(bytes: &[u8], limit: usize) -> Read {
    let batch = RecordBatch::decode(bytes).unwrap();
    let (mut with, mut inflated) = (Decompressor::new(), Vec::new());
    let records = match batch.records(&mut with, limit, &mut inflated) {
        Ok(records) => records,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let (mut read, mut fault) = (Vec::new(), None);
    for record in records {
        match record {
            Ok(it) => read.push((it.offset(), it.timestamp(), it.value().unwrap().to_vec())),
            Err(error) => fault = Some(error),
        }
    }
    (read, fault)
}

fn read(bytes: &[u8]) -> Read {
    read_within(bytes, 1 << 20)
}

/// Three messages with these offsets and the timestamps 10, 20, 30.
fn three(magic: u8, offsets: [Offset; 3]) -> Vec<u8> {
    let message = |at: usize| Message {
        offset: offsets[at],
        magic,
        timestamp: 10 * (at as i64 + 1),
        value: Some([b"a", b"b", b"c"][at]),
        ..V1
    };
    (0..3).flat_map(|at| message(at).bytes()).collect()
}

#[test]
fn a_message_of_v1_says_what_was_written() {
    let bytes = Message { attributes: 8, key: Some(b""), value: None, ..V1 }.bytes();
    let message = LegacyMessage::decode(&bytes).unwrap();
    assert!(message.is_valid() && !message.is_wrapper());
    assert_eq!((message.offset(), message.magic(), message.size_bytes()), (7, 1, 34));
    assert_eq!(message.timestamp(), Some(V1.timestamp));
    assert_eq!(message.timestamp_type(), Some(TimestampType::LogAppendTime));
    assert_eq!((message.key(), message.value()), (Ok(Some(&b""[..])), Ok(None)));

    let batch = RecordBatch::decode(&bytes).unwrap();
    let header = batch.header();
    assert_eq!((header.magic(), header.base_offset(), header.last_offset()), (1, 7, 7));
    assert_eq!((header.leader_epoch(), header.producer_id()), (None, None));
    assert_eq!((header.max_timestamp(), header.size_bytes()), (Some(V1.timestamp), 34));
}

#[test]
fn a_message_of_v0_has_no_time_whatever_its_bits_are() {
    let bytes = Message { attributes: 0xf8, ..V0 }.bytes();
    let message = LegacyMessage::decode(&bytes).unwrap();
    assert_eq!((message.timestamp(), message.timestamp_type()), (None, None));
    assert_eq!((message.attribute_bits(), message.codec()), (0xf8, Ok(Codec::None)));
    let header = *RecordBatch::decode(&bytes).unwrap().header();
    assert!(!header.attributes().is_control() && !header.attributes().is_transactional());
    assert_eq!(header.max_timestamp(), None);
    assert_eq!(read(&bytes), (vec![(7, None, b"value".to_vec())], None));
}

#[test]
fn a_message_cut_short_anywhere_is_incomplete_and_one_with_a_flipped_bit_is_never_whole() {
    for whole in [V0.bytes(), V1.bytes(), V1.around(Codec::Gzip, &three(1, [0, 1, 2]))] {
        for have in 0..whole.len() {
            let error = RecordBatch::decode(&whole[..have]).unwrap_err();
            assert!(matches!(error, BatchError::Incomplete { .. }), "cut at {have}: {error}");
        }
        // The offset and the length lie outside the checksum, as those of a batch do.
        for bit in 8 * 12..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(RecordBatch::decode(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn sizes_and_offsets_that_cannot_be_are_refused_before_they_are_used() {
    let with = |at: usize, bytes: &[u8]| {
        let mut message = V1.bytes();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        LegacyMessage::decode(&message).map(|_| ())
    };
    for length in [i32::MIN, -1, 0, 13, 21] {
        let error = BatchError::LengthTooSmall(length);
        assert_eq!(with(8, &length.to_be_bytes()), Err(error), "{length}");
    }
    let need = 12 + i32::MAX as usize;
    let error = BatchError::Incomplete { have: V1.bytes().len(), need };
    assert_eq!(with(8, &i32::MAX.to_be_bytes()), Err(error));
    for offset in [i64::MIN, -1, i64::MAX] {
        let error = BatchError::ImpossibleOffsets { base: offset, delta: 0 };
        assert_eq!(with(0, &offset.to_be_bytes()), Err(error), "{offset}");
    }
    assert_eq!(with(16, &[2]), Err(BatchError::UnknownMagic(2)));
    assert_eq!(LegacyMessage::decode(&[0; 40]).unwrap_err(), BatchError::Zeros);
}

#[test]
fn a_key_or_value_that_reaches_behind_the_message_is_no_record_even_if_the_checksum_holds() {
    for (at, length) in [(26, i32::MAX), (26, 100), (30, 100), (30, i32::MAX)] {
        let mut bytes = V1.bytes();
        bytes[at..at + 4].copy_from_slice(&i32::to_be_bytes(length));
        let crc = LegacyMessage::decode(&bytes).unwrap().computed_crc();
        bytes[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(read(&bytes), (vec![], Some(RecordError::InvalidStructure)), "{at} {length}");
    }
}

#[test]
fn a_wrapper_of_v0_holds_absolute_offsets_and_one_of_v1_counts_from_zero() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let bytes = Message { offset: 42, ..V0 }.around(codec, &three(0, [40, 41, 42]));
        let value = |at: usize| [b"a", b"b", b"c"][at].to_vec();
        let expected = [0, 1, 2].map(|at| (40 + at as i64, None, value(at))).to_vec();
        assert_eq!(read(&bytes), (expected, None), "{codec}");

        // Compaction left the second one out.
        let wrapper = Message { offset: 42, timestamp: 30, ..V1 };
        let bytes = wrapper.around(codec, &three(1, [0, 2, 5]));
        let expected =
            vec![(37, Some(10), value(0)), (39, Some(20), value(1)), (42, Some(30), value(2))];
        assert_eq!(read(&bytes), (expected, None), "{codec}");
        assert_eq!(RecordBatch::decode(&bytes).unwrap().header().last_offset(), 42);
    }
}

#[test]
fn messages_in_a_wrapper_that_the_log_stamped_have_its_time() {
    let wrapper = Message { offset: 2, attributes: 8, timestamp: 99, ..V1 };
    let bytes = wrapper.around(Codec::Gzip, &three(1, [0, 1, 2]));
    let times: Vec<_> = read(&bytes).0.iter().map(|record| record.1).collect();
    assert_eq!(times, [Some(99); 3]);
    // One of v0 in it has none.
    let bytes = wrapper.around(Codec::Gzip, &three(0, [0, 1, 2]));
    let times: Vec<_> = read(&bytes).0.iter().map(|record| record.1).collect();
    assert_eq!(times, [None; 3]);
}

#[test]
fn a_wrapper_of_v1_with_offset_zero_has_its_offsets_as_they_stand() {
    let bytes = Message { offset: 0, ..V1 }.around(Codec::Gzip, &three(1, [0, 1, 2]));
    let offsets: Vec<_> = read(&bytes).0.iter().map(|record| record.0).collect();
    assert_eq!(offsets, [0, 1, 2]);
    let bytes = Message { offset: 1, ..V1 }.around(Codec::Gzip, &three(1, [0, 1, 2]));
    assert_eq!(read(&bytes), (vec![], Some(RecordError::WrapperOffset { wrapper: 1, last: 2 })));
}

#[test]
fn a_message_cut_short_at_the_end_of_a_wrapper_is_left_out_as_in_kafka() {
    let held = three(1, [0, 1, 2]);
    let bytes = Message { offset: 1, ..V1 }.around(Codec::Gzip, &held[..held.len() - 1]);
    let (records, fault) = read(&bytes);
    assert_eq!((records.len(), fault), (2, None));
}

#[test]
fn what_no_wrapper_may_hold_is_refused() {
    let inner = Message { offset: 0, ..V1 }.around(Codec::Gzip, &three(1, [0, 1, 2]));
    let refused = |held: &[u8]| read(&V1.around(Codec::Gzip, held)).1.unwrap();
    assert_eq!(refused(&inner), RecordError::NestedWrapper);
    assert_eq!(refused(b""), RecordError::EmptyWrapper);
    assert_eq!(refused(&three(1, [0, 1, 2])[..20]), RecordError::EmptyWrapper);
    let mut damaged = three(1, [0, 1, 2]);
    let end = damaged.len();
    damaged[end - 1] ^= 1;
    assert!(matches!(refused(&damaged), RecordError::Inner(BatchError::Crc { .. })));
    for length in [i32::MIN, -1, 0, 13] {
        damaged[8..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(refused(&damaged), RecordError::Inner(BatchError::LengthTooSmall(length)));
    }
    let null = Message { attributes: 1, value: None, ..V1 }.bytes();
    assert_eq!(read(&null).1, Some(RecordError::EmptyWrapper));
    let zstd = V1.around(Codec::Zstd, &three(1, [0, 1, 2]));
    assert_eq!(read(&zstd).1, Some(RecordError::UnknownCodec(4)));
}

#[test]
fn the_historic_checksum_of_lz4_is_passed_over_in_v0_alone() {
    let of = |magic| Message { offset: 2, magic, ..V0 };
    let mut bytes = of(0).around(Codec::Lz4, &three(0, [0, 1, 2]));
    assert_eq!(read(&bytes).0.len(), 3);
    bytes = of(1).around(Codec::Lz4, &three(1, [0, 1, 2]));
    assert_eq!(read(&bytes).0.len(), 3);
    let frame = bytes.windows(4).position(|four| four == [4, 0x22, 0x4d, 0x18]).unwrap();
    bytes[frame + 6] = 0x1a;
    let crc = LegacyMessage::decode(&bytes).unwrap().computed_crc();
    bytes[12..16].copy_from_slice(&crc.to_be_bytes());
    assert!(matches!(read(&bytes).1, Some(RecordError::Inflate(InflateError::Malformed { .. }))));
}

#[test]
fn a_wrapper_inflates_to_no_more_than_the_caller_allows() {
    let large = Message { offset: 0, value: Some(&vec![0; 1 << 20]), ..V1 }.bytes();
    let bytes = V1.around(Codec::Gzip, &large);
    assert!(bytes.len() < 2000);
    let error = RecordError::Inflate(InflateError::TooLarge { limit: 1 << 20 });
    assert_eq!(read_within(&bytes, 1 << 20).1, Some(error));
    assert_eq!(read_within(&bytes, large.len()).0.len(), 1);
}

#[test]
fn messages_and_batches_lie_beside_each_other() {
    let mut batch = Batch::of([Record::new().value("v2").timestamp(5)]);
    let wanted = Wanted { now: 0, timestamp_type: TimestampType::CreateTime, compression: None };
    let mut scratch = Vec::new();
    let (draft, _) = batch.draft(wanted, &mut Compressor::new(), &mut scratch).unwrap();
    let bytes = [&V0.bytes()[..], draft.bytes, &V1.bytes(), &V0.bytes()[..20]].concat();
    let magics: Vec<_> =
        Batches::new(&bytes).map(|batch| batch.unwrap().header().magic()).collect();
    assert_eq!(magics, [0, 2, 1]);
}

#[test]
fn a_batch_of_today_whose_magic_is_damaged_is_not_called_an_old_message() {
    let mut batch = Batch::of([Record::new().value("v2").timestamp(5)]);
    let wanted = Wanted { now: 0, timestamp_type: TimestampType::CreateTime, compression: None };
    let mut scratch = Vec::new();
    let (draft, _) = batch.draft(wanted, &mut Compressor::new(), &mut scratch).unwrap();
    for magic in [0, 1] {
        draft.bytes[16] = magic;
        let error = RecordBatch::decode(draft.bytes).unwrap_err();
        assert_eq!(error, BatchError::UnknownMagic(magic as i8));
    }
}

/// The batches that some messages become: header, and its records.
fn upgraded(upgrader: Upgrader, bytes: &[u8]) -> (Vec<BatchHeader>, Read) {
    let (mut upgrader, mut out) = (upgrader, Vec::new());
    upgrader.upgrade(bytes, &mut out).unwrap();
    let (mut headers, mut all) = (Vec::new(), (Vec::new(), None));
    for batch in Batches::new(&out) {
        let batch = batch.unwrap();
        headers.push(*batch.header());
        let (records, fault) = read(batch.bytes());
        all.0.extend(records);
        all.1 = all.1.or(fault);
    }
    (headers, all)
}

fn upgrader() -> Upgrader {
    Upgrader::new(LeaderEpoch(3))
}

#[test]
fn a_wrapper_becomes_one_batch_of_its_codec_with_its_offsets_and_gaps() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let wrapper = Message { offset: 42, timestamp: 30, ..V1 };
        let bytes = wrapper.around(codec, &three(1, [0, 2, 5]));
        let (headers, records) = upgraded(upgrader(), &bytes);
        assert_eq!(records, read(&bytes));
        let [header] = headers[..] else { panic!("{headers:?}") };
        assert_eq!((header.base_offset(), header.last_offset()), (37, 42));
        assert_eq!((header.record_count(), header.attributes().codec()), (3, Some(codec)));
        assert_eq!((header.base_timestamp(), header.max_timestamp()), (10, Some(30)));
        assert_eq!((header.leader_epoch(), header.producer_id()), (Some(LeaderEpoch(3)), None));
    }
}

#[test]
fn messages_without_a_wrapper_are_gathered_up_to_the_size_that_is_asked_for() {
    let bytes: Vec<u8> = (0..10).flat_map(|offset| Message { offset, ..V0 }.bytes()).collect();
    let (headers, records) = upgraded(upgrader(), &bytes);
    assert_eq!((headers.len(), headers[0].record_count()), (1, 10));
    assert_eq!((headers[0].base_timestamp(), headers[0].max_timestamp()), (-1, None));
    assert!(records.0.iter().map(|record| record.0).eq(0..10));
    assert!(records.0.iter().all(|record| record.1.is_none()));
    let (headers, same) = upgraded(upgrader().batch_bytes(120), &bytes);
    assert!(headers.len() > 2 && headers.iter().all(|header| header.size_bytes() <= 120));
    assert_eq!(same, records);
    // Larger than that, a message is a batch alone.
    assert_eq!(upgraded(upgrader().batch_bytes(1), &bytes).0.len(), 10);
}

#[test]
fn the_time_of_the_log_stays_the_time_of_the_log() {
    let stamped = Message { offset: 2, attributes: 8, timestamp: 99, ..V1 };
    let wrapper = stamped.around(Codec::Gzip, &three(1, [0, 1, 2]));
    let plain =
        [3, 4, 5].map(|offset| Message { offset, timestamp: 95 + offset / 5, ..stamped }.bytes());
    let bytes = [&wrapper[..], &plain.concat()].concat();
    let (headers, records) = upgraded(upgrader(), &bytes);
    let kinds = headers.iter().map(|header| header.attributes().timestamp_type());
    assert_eq!(kinds.collect::<Vec<_>>(), [TimestampType::LogAppendTime; 3]);
    let times: Vec<_> = records.0.iter().filter_map(|record| record.1).collect();
    assert_eq!(times, [99, 99, 99, 95, 95, 96]);
    // Messages that have no time get none from the wrapper around them.
    let mixed = stamped.around(Codec::Gzip, &three(0, [0, 1, 2]));
    let (headers, records) = upgraded(upgrader(), &mixed);
    assert_eq!(headers[0].attributes().timestamp_type(), TimestampType::CreateTime);
    assert_eq!(records, read(&mixed));
}

#[test]
fn what_cannot_become_a_batch_is_an_error_and_what_lies_before_it_is_not_lost() {
    let backwards = Message { offset: 9, ..V0 }.around(Codec::Gzip, &three(0, [9, 8, 7]));
    let empty = Message { offset: 9, ..V1 }.around(Codec::Gzip, b"");
    let mut damaged = V1.bytes();
    damaged[20] ^= 1;
    let records = |cause| UpgradeError::Records { last_offset: 9, cause };
    for (bad, wanted) in [
        (backwards, Some(records(RecordError::DeltaOutOfRange))),
        (empty, Some(records(RecordError::EmptyWrapper))),
        (damaged, None),
    ] {
        let (mut upgrader, mut out) = (upgrader(), Vec::new());
        let bytes = [&V0.bytes()[..], &bad].concat();
        let error = upgrader.upgrade(&bytes, &mut out).unwrap_err();
        assert_eq!(error, wanted.unwrap_or(error));
        assert_eq!(read(&out).0.len(), 1, "{error}");
        let len = out.len();
        assert_eq!(RecordBatch::decode(&out).unwrap().bytes().len(), len);
        // It goes on behind it.
        upgrader.upgrade(&V1.bytes(), &mut out).unwrap();
        assert_eq!(Batches::new(&out).count(), 2);
    }
}
