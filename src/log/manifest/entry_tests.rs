//! What an entry of a manifest promises.

use proptest::option;
use proptest::prelude::*;

use super::*;

const LAST: Place = Place { change: 7, is_last: true };

pub(in super::super) fn segment(base_offset: Offset, next_offset: Offset) -> SegmentEntry {
    SegmentEntry {
        base_offset,
        next_offset,
        log_bytes: 0x1000,
        log_crc: 0x0a0b_0c0d,
        batches: 3,
        dense: true,
        max_timestamp: Some((0x1111, base_offset + 1)),
        last_leader_epoch: Some(LeaderEpoch(2)),
        offset_index: Some(FileSum { bytes: 8, crc: 0x2122_2324 }),
        time_index: Some(FileSum { bytes: 12, crc: 0x3132_3334 }),
        txn_index: None,
        last_batch: Some(LastBatch { position: 0xf00, crc: 0x5152_5354 }),
        reclaimed_bytes: 0x6162,
    }
}

fn sums() -> impl Strategy<Value = Option<FileSum>> {
    option::of((0..1_u32 << 31, any::<u32>()).prop_map(|(bytes, crc)| FileSum { bytes, crc }))
}

fn last_batches(log_bytes: u64) -> impl Strategy<Value = Option<LastBatch>> {
    option::of((0..log_bytes, any::<u32>()).prop_map(|(position, crc)| LastBatch { position, crc }))
}

fn segments() -> impl Strategy<Value = SegmentEntry> {
    let offsets = (0..i64::MAX).prop_flat_map(|base| (Just(base), base..i64::MAX));
    let log = (1..=MOST_LOG_BYTES)
        .prop_flat_map(|bytes| (Just(bytes), last_batches(bytes), any::<(u32, u32, bool, u64)>()));
    let times = (option::of((0..i64::MAX, 0..i64::MAX)), option::of(0..i32::MAX));
    (offsets, log, times, (sums(), sums(), sums())).prop_map(
        |((base_offset, next_offset), (log_bytes, last_batch, log), times, sums)| SegmentEntry {
            base_offset,
            next_offset,
            log_bytes,
            log_crc: log.0,
            batches: log.1,
            dense: log.2,
            max_timestamp: times.0,
            last_leader_epoch: times.1.map(LeaderEpoch),
            offset_index: sums.0,
            time_index: sums.1,
            txn_index: sums.2,
            last_batch,
            reclaimed_bytes: log.3,
        },
    )
}

pub(in super::super) fn entries() -> impl Strategy<Value = Entry> {
    let before = || {
        (0..i64::MAX, last_batches(MOST_LOG_BYTES))
            .prop_map(|(offset, last_batch)| LogEnd { offset, last_batch })
    };
    prop_oneof![
        segments().prop_map(Entry::Sealed),
        segments().prop_map(Entry::Closed),
        (0..i64::MAX).prop_map(Entry::LogStart),
        (0..i64::MAX, before()).prop_map(|(point, before)| Entry::Cut { point, before }),
        (0..i64::MAX, before())
            .prop_map(|(base_offset, before)| Entry::Removed { base_offset, before }),
    ]
}

#[test]
fn a_segments_entry_lies_as_the_table_says() {
    let bytes = Entry::Sealed(segment(100, 200)).encode(LAST);
    assert_eq!(bytes[..4], crc32c::checksum(&bytes[4..]).to_be_bytes());
    assert_eq!(bytes[4..16], [1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    assert_eq!(bytes[16..32], [[0, 0, 0, 0, 0, 0, 0, 100], [0, 0, 0, 0, 0, 0, 0, 200]].concat());
    assert_eq!(bytes[32..48], [0, 0, 0, 0, 0, 0, 0x10, 0, 10, 11, 12, 13, 0, 0, 0, 3]);
    assert_eq!(bytes[48..64], [0, 0, 0, 0, 0, 0, 0x11, 0x11, 0, 0, 0, 0, 0, 0, 0, 101]);
    assert_eq!(bytes[64..76], [0, 0, 0, 2, 0, 0, 0, 8, 0x21, 0x22, 0x23, 0x24]);
    assert_eq!(
        bytes[76..92],
        [0, 0, 0, 12, 0x31, 0x32, 0x33, 0x34, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]
    );
    assert_eq!(bytes[92..108], [0x51, 0x52, 0x53, 0x54, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0]);
    assert_eq!(bytes[108..], *b"\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn the_other_kinds_lie_as_the_table_says() {
    let before = LogEnd { offset: 9, last_batch: Some(LastBatch { position: 5, crc: 6 }) };
    let place = Place { is_last: false, ..LAST };
    let cut = Entry::Cut { point: 4, before }.encode(place);
    assert_eq!((cut[4], cut[5], cut[23], cut[31]), (4, 0, 0, 4));
    assert_eq!(cut[92..108], [0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 5]);
    let removed = Entry::Removed { base_offset: 4, before }.encode(LAST);
    assert_eq!((removed[4], removed[5], removed[23], removed[31]), (5, 1, 4, 0));
    assert_eq!(removed[92..], cut[92..]);
    let log_start = Entry::LogStart(4).encode(LAST);
    assert_eq!((log_start[4], log_start[5], log_start[23], log_start[31]), (3, 1, 0, 4));
    assert_eq!(log_start[104..108], [0xff; 4]);
}

#[test]
fn values_that_no_log_has_are_refused_though_their_checksum_fits() {
    let behind_the_end = Some(LastBatch { position: 0x1000, crc: 1 });
    let impossible = [
        SegmentEntry { base_offset: -1, ..segment(0, 1) },
        segment(5, 4),
        SegmentEntry { log_bytes: 1 << 31, ..segment(0, 1) },
        SegmentEntry { last_batch: behind_the_end, ..segment(0, 1) },
    ];
    for segment in impossible {
        let bytes = Entry::Closed(segment).encode(LAST);
        assert_eq!(Entry::decode(&bytes), Err(EntryError::Impossible), "{segment:?}");
    }
    let bytes = Entry::LogStart(-1).encode(LAST);
    assert_eq!(Entry::decode(&bytes), Err(EntryError::Impossible));
    // The last position that the field can say, which is not written, is none that a batch has.
    let before = LogEnd { offset: 1, last_batch: None };
    let mut bytes = Entry::Cut { point: 0, before }.encode(LAST);
    LAST_BATCH_POSITION.set(&mut bytes, i32::MAX);
    let crc = crc32c::checksum(&bytes[KIND.start()..]);
    CRC.set(&mut bytes, crc);
    assert_eq!(Entry::decode(&bytes), Err(EntryError::Impossible));
}

#[test]
fn an_entry_of_zeros_is_none() {
    assert!(matches!(Entry::decode(&[0; ENTRY_LEN]), Err(EntryError::Crc { stored: 0, .. })));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        entry in entries(), change in 0..=MOST_CHANGES, is_last: bool,
    ) {
        let place = Place { change, is_last };
        prop_assert_eq!(Entry::decode(&entry.encode(place)), Ok((entry, place)));
    }

    #[test]
    fn any_bit_flipped_is_found(entry in entries()) {
        let whole = entry.encode(LAST);
        for bit in 0..ENTRY_LEN * 8 {
            let mut bytes = whole;
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Entry::decode(&bytes).is_err(), "bit {}", bit);
        }
    }

    #[test]
    fn bytes_whose_checksum_fits_are_refused_or_written_to_the_same_values(
        mut bytes: [[u8; 32]; 4], kind in 0..7_u8,
    ) {
        let (bytes, _) = bytes.as_flattened_mut().split_first_chunk_mut::<ENTRY_LEN>().unwrap();
        KIND.set(bytes, kind);
        let change = CHANGE.get(bytes) >> 1;
        CHANGE.set(bytes, change);
        for field in [BASE_OFFSET, NEXT_OFFSET, LOG_END_BEFORE] {
            let value = field.get(bytes) & i64::MAX;
            field.set(bytes, value);
        }
        let log_bytes = LOG_BYTES.get(bytes) >> 32;
        LOG_BYTES.set(bytes, log_bytes);
        let crc = crc32c::checksum(&bytes[KIND.start()..]);
        CRC.set(bytes, crc);
        if let Ok((entry, place)) = Entry::decode(bytes) {
            prop_assert!((1..=5).contains(&kind));
            prop_assert_eq!(Entry::decode(&entry.encode(place)), Ok((entry, place)));
        }
    }
}
