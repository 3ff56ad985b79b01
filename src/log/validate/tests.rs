//! What the leader's questions promise.

use proptest::prelude::*;

use super::*;
use crate::log::LogConfig;
use crate::record::{Attributes, HEADER_LEN, NewHeader, Record, TransactionEnd, encode_marker};

const NOW: Timestamp = 1_700_000_000_000;
const CLIENT: Origin = Origin::Client;
const COORDINATOR: Origin = Origin::Coordinator { transaction_version: 1 };

fn rules(pairs: &[(&str, &str)]) -> Rules {
    let config = LogConfig::from_pairs(pairs.iter().copied()).unwrap();
    Rules::new(config.settings(), NOW)
}

/// A client's batch: the builder's bytes are those of a producer.
fn sent(mut batch: Batch) -> Vec<u8> {
    let wanted = Wanted { now: NOW, timestamp_type: TimestampType::CreateTime, compression: None };
    let (mut compressor, mut room) = (Compressor::new(), Vec::new());
    batch.draft(wanted, &mut compressor, &mut room).unwrap().0.bytes.to_vec()
}

fn record<'a>() -> Record<'a> {
    Record::new().key("k").value("v").timestamp(NOW)
}

fn plain() -> Vec<u8> {
    sent(Batch::of([record(); 3]))
}

/// A batch with this payload, whose header says what `change` makes of that of three plain records.
fn with_header(payload: &[u8], change: impl Fn(&mut NewHeader)) -> Vec<u8> {
    let mut header = NewHeader {
        attributes: Attributes::default(),
        last_offset_delta: 2,
        base_timestamp: NOW,
        max_timestamp: NOW,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 3,
    };
    change(&mut header);
    let mut bytes = [&[0; HEADER_LEN], payload].concat();
    header.from_client().encode(&mut bytes);
    bytes
}

fn changed(change: impl Fn(&mut NewHeader)) -> Vec<u8> {
    with_header(&plain()[HEADER_LEN..], change)
}

fn check(bytes: &[u8], rules: &Rules) -> Result<Option<Checked>, Error> {
    check_client(bytes, rules, CLIENT, &mut Room::default())
}

fn taken(bytes: &[u8], rules: &Rules) -> Checked {
    check(bytes, rules).unwrap().unwrap()
}

fn code(bytes: &[u8], rules: &Rules) -> i16 {
    check(bytes, rules).unwrap_err().kafka_code()
}

fn times(checked: &Checked) -> Vec<Option<Timestamp>> {
    let batch = RecordBatch::decode(&checked.bytes).unwrap();
    let mut room = Vec::new();
    let records = batch.records(&mut Decompressor::new(), 1 << 20, &mut room).unwrap();
    records.map(|record| record.unwrap().timestamp()).collect()
}

const CORRUPT: i16 = 2;
const TOO_LARGE: i16 = 10;
const BAD_TIME: i16 = 32;
const INVALID: i16 = 87;

#[test]
fn a_plain_batch_is_stored_as_it_came() {
    let checked = taken(&plain(), &rules(&[]));
    assert_eq!(checked.bytes, plain());
    assert_eq!((checked.header.max_timestamp(), checked.header.record_count()), (Some(NOW), 3));
}

#[test]
fn nothing_at_all_is_no_append_and_no_error() {
    assert!(check(&[], &rules(&[])).unwrap().is_none());
    assert!(check(&plain()[..80], &rules(&[])).unwrap().is_none());
}

#[test]
fn a_batch_cut_short_behind_a_whole_one_is_ignored() {
    let whole = plain();
    for cut in 0..whole.len() {
        let bytes = [&whole, &whole[..cut]].concat();
        assert_eq!(taken(&bytes, &rules(&[])).bytes, whole, "cut at {cut}");
    }
}

#[test]
fn two_batches_in_one_append_are_refused() {
    assert_eq!(code(&[plain(), plain()].concat(), &rules(&[])), INVALID);
}

#[test]
fn a_client_s_batch_must_start_at_offset_0() {
    let mut bytes = plain();
    bytes[7] = 1;
    assert_eq!(code(&bytes, &rules(&[])), INVALID);
    let room = &mut Room::default();
    let checked = check_client(&bytes, &rules(&[]), COORDINATOR, room).unwrap().unwrap();
    assert_eq!(checked.bytes, plain());
}

#[test]
fn a_flipped_bit_behind_the_leader_epoch_is_noticed() {
    let whole = plain();
    for bit in 8 * 16..8 * whole.len() {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let want = match bit {
            // Magic 0 is an old format, not damage.
            129 => INVALID,
            _ => CORRUPT,
        };
        assert_eq!(code(&bytes, &rules(&[])), want, "bit {bit}");
    }
}

#[test]
fn old_formats_are_refused() {
    let mut bytes = plain();
    bytes[16] = 1;
    assert_eq!(code(&bytes, &rules(&[])), INVALID);
}

#[test]
fn the_size_limit_is_one_that_can_be_reached() {
    let size = plain().len();
    let limit = |bytes: usize| rules(&[("max.message.bytes", &bytes.to_string())]);
    assert_eq!(taken(&plain(), &limit(size)).header.record_count(), 3);
    assert_eq!(code(&plain(), &limit(size - 1)), TOO_LARGE);
}

#[test]
fn a_batch_that_grows_past_the_limit_in_the_topic_s_codec_is_refused() {
    let value = "v".repeat(2000);
    let small = sent(Batch::of([record().value(&value)]).compression(Codec::Zstd));
    let pairs = [("max.message.bytes", "1000"), ("compression.type", "uncompressed")];
    assert!(small.len() < 200);
    assert_eq!(code(&small, &rules(&pairs)), TOO_LARGE);
}

#[test]
fn counts_that_disagree_are_refused() {
    for (delta, count) in [(2, 0), (2, -1), (2, 2), (2, 4), (0, 3), (-1, 0), (i32::MAX, 3)] {
        let bytes = changed(|header| {
            (header.last_offset_delta, header.record_count) = (delta, count);
        });
        assert_eq!(code(&bytes, &rules(&[])), INVALID, "{delta} {count}");
    }
    for (delta, count) in [(1, 2), (3, 4)] {
        let bytes = changed(|header| {
            (header.last_offset_delta, header.record_count) = (delta, count);
        });
        assert_eq!(code(&bytes, &rules(&[])), INVALID, "{count} declared, 3 there");
    }
}

#[test]
fn a_producer_needs_a_sequence() {
    let numbered = |sequence| {
        changed(|header| {
            (header.producer_id, header.producer_epoch) = (7, 0);
            header.base_sequence = sequence;
        })
    };
    assert_eq!(code(&numbered(-1), &rules(&[])), INVALID);
    assert_eq!(taken(&numbered(0), &rules(&[])).bytes, numbered(0));
}

#[test]
fn markers_are_the_coordinator_s_and_are_never_compressed() {
    let producer = (ProducerId(1), ProducerEpoch(0));
    let (marker, _) = encode_marker(producer, TransactionEnd::Commit, 0, NOW);
    let compressing = rules(&[("compression.type", "lz4"), ("cleanup.policy", "compact")]);
    assert_eq!(code(&marker, &compressing), INVALID);
    let room = &mut Room::default();
    let checked = check_client(&marker, &compressing, COORDINATOR, room).unwrap().unwrap();
    assert_eq!(checked.bytes, marker);
}

#[test]
fn a_compacted_topic_wants_keys_and_an_empty_one_is_a_key() {
    let compact = rules(&[("cleanup.policy", "compact")]);
    let keyless = sent(Batch::of([record(), Record::new().value("v").timestamp(NOW)]));
    let error = check(&keyless, &compact).unwrap_err();
    assert_eq!(error.kafka_code(), INVALID);
    assert!(error.to_string().contains("record 1: compacted topic"), "{error}");
    assert_eq!(taken(&sent(Batch::of([record().key("")])), &compact).header.record_count(), 1);
    assert_eq!(taken(&keyless, &rules(&[])).header.record_count(), 2);
}

#[test]
fn times_are_refused_beyond_the_limits_and_taken_at_them() {
    let pairs =
        [("message.timestamp.before.max.ms", "5000"), ("message.timestamp.after.max.ms", "1000")];
    for (time, fine) in [(-5000, true), (-5001, false), (1000, true), (1001, false)] {
        let mut batch = Batch::of([record(), record().timestamp(NOW + time)]);
        let (facts, rules) = (batch.draft_facts(), rules(&pairs));
        assert_eq!(check_facts(&facts, &rules).is_ok(), fine, "{time}");
        let bytes = sent(batch);
        assert_eq!(check(&bytes, &rules).is_ok(), fine, "{time}");
        if !fine {
            assert_eq!(code(&bytes, &rules), BAD_TIME);
        }
    }
    let none = sent(Batch::of([record().without_timestamp()]));
    assert_eq!(taken(&none, &rules(&pairs)).header.max_timestamp(), None);
}

#[test]
fn by_default_an_hour_ahead_is_the_limit() {
    let ahead = |ms| sent(Batch::of([record().timestamp(NOW + ms)]));
    assert_eq!(taken(&ahead(3_600_000), &rules(&[])).header.record_count(), 1);
    assert_eq!(code(&ahead(3_600_001), &rules(&[])), BAD_TIME);
    assert_eq!(taken(&ahead(i64::MIN), &rules(&[])).header.record_count(), 1);
}

#[test]
fn one_bad_time_outweighs_records_without_a_key() {
    let compact = rules(&[("cleanup.policy", "compact")]);
    let late = NOW + 9_999_999;
    let batch = [Record::new(), record().timestamp(late), Record::new(), Record::new()];
    let error = check(&sent(Batch::of(batch)), &compact).unwrap_err();
    assert_eq!(error.kafka_code(), BAD_TIME);
    let text = error.to_string();
    assert!(text.contains("4 records, the first: record 0: compacted"), "{text}");
    assert!(text.contains("; record 1: timestamp") && !text.contains("record 3"), "{text}");
    let keyless = sent(Batch::of([Record::new().timestamp(late)]));
    assert_eq!(code(&keyless, &compact), INVALID, "its time is not asked for");
}

#[test]
fn a_wrong_largest_timestamp_is_corrected() {
    let wrong = changed(|header| header.max_timestamp = NOW + 999);
    let checked = taken(&wrong, &rules(&[]));
    assert_eq!(checked.bytes, plain());
    assert_eq!(checked.header.max_timestamp(), Some(NOW));
}

#[test]
fn times_before_1970_alone_count_as_none() {
    let old = sent(Batch::of([-7, -3, -900].map(|time| record().timestamp(time))));
    let checked = taken(&old, &rules(&[]));
    assert_eq!(checked.header.max_timestamp(), None);
    assert_eq!(times(&checked), [Some(-7), Some(-3), Some(-900)]);
}

#[test]
fn unused_attribute_bits_stay_until_the_timestamps_change() {
    let odd = |max| {
        changed(|header| {
            (header.attributes, header.max_timestamp) = (Attributes(0x7f80), max);
        })
    };
    assert_eq!(taken(&odd(NOW), &rules(&[])).bytes, odd(NOW));
    assert_eq!(taken(&odd(NOW + 1), &rules(&[])).header.attributes().bits(), 0);
}

#[test]
fn a_topic_of_append_times_stamps_them_and_keeps_the_producer_s_below() {
    let stamped = rules(&[("message.timestamp.type", "LogAppendTime")]);
    let old = sent(Batch::of([5, 6].map(|time| record().timestamp(time))));
    let checked = taken(&old, &stamped);
    assert_eq!(times(&checked), [Some(NOW); 2]);
    assert_eq!((checked.header.base_timestamp(), checked.header.max_timestamp()), (5, Some(NOW)));
}

#[test]
fn append_times_from_a_producer_are_refused_but_for_kafkas_oversight() {
    let flagged = |max| {
        changed(|header| {
            header.attributes =
                Attributes::default().with_timestamp_type(TimestampType::LogAppendTime);
            header.max_timestamp = max;
        })
    };
    let stamped = rules(&[("message.timestamp.type", "LogAppendTime")]);
    assert_eq!(code(&flagged(NOW), &stamped), BAD_TIME);
    assert_eq!(code(&flagged(-1), &rules(&[])), BAD_TIME);
    assert_eq!(taken(&flagged(NOW), &rules(&[])).bytes, plain());
}

/// Three records with these deltas.
fn payload(deltas: [u8; 3]) -> Vec<u8> {
    deltas.iter().flat_map(|delta| [14, 0, 0, 2 * delta, 1, 2, b'v', 0]).collect()
}

#[test]
fn deltas_are_free_in_an_uncompressed_batch_and_strict_in_a_compressed_one() {
    let loose = with_header(&payload([0, 2, 1]), |_| ());
    assert_eq!(taken(&loose, &rules(&[])).bytes, loose);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let packed = |deltas| {
            let mut out = Vec::new();
            Compressor::new().compress(codec.into(), &payload(deltas), &mut out).unwrap();
            with_header(&out, |header| header.attributes = Attributes::default().with_codec(codec))
        };
        assert_eq!(taken(&packed([0, 1, 2]), &rules(&[])).bytes, packed([0, 1, 2]));
        assert_eq!(code(&packed([0, 2, 1]), &rules(&[])), INVALID, "{codec}");
        let rebuilt = taken(&packed([0, 2, 1]), &rules(&[("compression.type", "uncompressed")]));
        assert_eq!(rebuilt.bytes[HEADER_LEN..], payload([0, 1, 2]));
    }
}

#[test]
fn another_level_of_the_topic_s_codec_stays_as_it_is() {
    let value = "some words and some words ".repeat(40);
    let level = |level| Compression::from(Codec::Zstd).level(level).unwrap();
    let sent = sent(Batch::of([record().value(&value)]).compression(level(1)));
    let pairs = [("compression.type", "zstd"), ("compression.zstd.level", "19")];
    assert_eq!(taken(&sent, &rules(&pairs)).bytes, sent);
}

#[test]
fn a_batch_rebuilt_in_the_topic_s_codec_keeps_its_producer_and_its_records() {
    let batch = Batch::of([record(), record().timestamp(NOW - 9)])
        .producer(ProducerId(7), ProducerEpoch(3), Sequence(11))
        .transactional(true)
        .compression(Codec::Gzip);
    for (name, codec) in [("lz4", Codec::Lz4), ("uncompressed", Codec::None)] {
        let checked = taken(&sent(batch.clone()), &rules(&[("compression.type", name)]));
        let header = RecordBatch::decode(&checked.bytes).unwrap().header().to_owned();
        assert_eq!(header, checked.header);
        assert_eq!(header.attributes().codec(), Some(codec));
        assert!(header.attributes().is_transactional());
        let producer = (header.producer_id(), header.producer_epoch(), header.base_sequence());
        assert_eq!(producer, (Some(ProducerId(7)), Some(ProducerEpoch(3)), Some(Sequence(11))));
        assert_eq!(times(&checked), [Some(NOW), Some(NOW - 9)]);
    }
}

#[test]
fn a_sequence_without_a_producer_survives_a_rebuild() {
    let odd = changed(|header| header.base_sequence = 0);
    let checked = taken(&odd, &rules(&[("compression.type", "snappy")]));
    assert_eq!(
        (checked.header.producer_id(), checked.header.base_sequence()),
        (None, Some(Sequence(0)))
    );
}

#[test]
fn a_batch_that_inflates_beyond_the_bound_is_too_large_and_not_corrupt() {
    let zeros = vec![0; 100_000];
    let bomb = sent(Batch::of([record().value(&zeros)]).compression(Codec::Zstd));
    let rules = Rules { inflate_limit: 99_999, ..rules(&[]) };
    assert!(matches!(check(&bomb, &rules), Err(Error::TooLarge { limit: 99_999, .. })));
}

#[test]
fn a_codec_that_nobody_knows_is_refused() {
    for id in 5..8 {
        let bytes = changed(|header| header.attributes = Attributes(id));
        assert_eq!(code(&bytes, &rules(&[])), INVALID, "{id}");
    }
}

#[test]
fn a_payload_that_is_no_records_is_refused() {
    for garbage in [&[][..], &[1], &[0xff; 30], &[14, 0, 0, 0, 1, 2, b'v']] {
        assert_eq!(code(&with_header(garbage, |_| ()), &rules(&[])), INVALID, "{garbage:?}");
    }
}

#[test]
fn our_own_batches_are_refused_as_a_client_s_are() {
    let compact = rules(&[("cleanup.policy", "compact")]);
    let keyless = Batch::of([Record::new()]).draft_facts();
    assert_eq!(check_facts(&keyless, &compact).unwrap_err().kafka_code(), INVALID);
    assert!(check_facts(&keyless, &rules(&[])).is_ok());
    let untimed = Batch::of([record().without_timestamp()]).draft_facts();
    assert!(check_facts(&untimed, &rules(&[("message.timestamp.before.max.ms", "0")])).is_ok());
}

impl Batch {
    /// Its facts at `NOW`.
    fn draft_facts(&mut self) -> Facts {
        self.draft(rules(&[]).wanted(), &mut Compressor::new(), &mut Vec::new()).unwrap().1
    }
}

proptest! {
    #[test]
    fn both_doors_take_the_same_batches_and_find_the_same_largest_time(
        records in proptest::collection::vec((any::<bool>(), -9..9_i64), 1..9),
        compact: bool,
    ) {
        let pairs = [
            ("cleanup.policy", if compact { "compact" } else { "delete" }),
            ("message.timestamp.before.max.ms", "6"),
            ("message.timestamp.after.max.ms", "7"),
        ];
        let mut batch = Batch::new();
        for (key, time) in records {
            let record = Record::new().timestamp(NOW + time);
            batch.push(if key { record.key("k") } else { record });
        }
        let (facts, rules) = (batch.draft_facts(), rules(&pairs));
        let own = check_facts(&facts, &rules);
        match check(&sent(batch), &rules) {
            Ok(checked) => {
                prop_assert!(own.is_ok());
                prop_assert_eq!(checked.unwrap().header.max_timestamp(), Some(facts.max_timestamp));
            }
            Err(_) => prop_assert!(own.is_err()),
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused_without_a_panic(
        bytes: Vec<u8>,
        payload in proptest::collection::vec(any::<u8>(), 0..90),
        attributes: i16, count in 0..4_i32,
    ) {
        let _ = check(&bytes, &rules(&[]));
        let sealed = with_header(&payload, |header| {
            header.attributes = Attributes(attributes);
            (header.record_count, header.last_offset_delta) = (count, count - 1);
        });
        let _ = check(&sealed, &rules(&[("compression.type", "lz4")]));
    }
}
