//! Batches and their records: any bytes, any bytes under a checksum that fits, and whole batches
//! with lies in their numbers.

use std::cell::RefCell;

use super::naive;
use super::support::{Script, with_copy, with_room};
use crate::compression::{Codec, Compressor, Decompressor};
use crate::record::{
    Batch, BatchError, Batches, ControlRecord, FetchedRecord, HEADER_LEN, LEAST_MESSAGE_LEN,
    ProducerEpoch, ProducerId, Record, RecordBatch, Records, TimestampType, Wanted, encode_marker,
};
use crate::wire::varint;

/// What a batch may inflate to here.
const INFLATE_LIMIT: usize = 64 << 10;

/// Any bytes as a batch, as they are and with length, magic and checksum put right: what decodes
/// encodes to the same bytes, and its records are those that another decoder reads.
pub fn batch(bytes: &[u8]) {
    look_at(bytes);
    if bytes.len() >= HEADER_LEN {
        with_copy(bytes, |copy| {
            mend(copy);
            if copy.as_slice() != bytes {
                look_at(copy);
            }
        });
    }
    let mut passed = 0;
    for batch in Batches::new(bytes).flatten() {
        passed += batch.bytes().len();
        assert!(batch.bytes().len() >= LEAST_MESSAGE_LEN && passed <= bytes.len(), "no progress");
    }
}

/// Bytes as a script: a batch is built, then lies are told in it, under a checksum that fits.
pub fn records(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    with_built(&mut script, |script, batch, pushed| {
        if script.is_done() {
            let decoded = RecordBatch::decode(batch).map(|batch| batch.header().record_count());
            assert_eq!(decoded, Ok(pushed), "what was built is not read back");
        }
        look_at(batch);
        lie(script, batch);
        look_at(batch);
    });
}

/// Builds a batch of the records that the script says, as a client sends it, and lends it together
/// with their number.
pub(super) fn with_built(
    script: &mut Script<'_>,
    work: impl FnOnce(&mut Script<'_>, &mut Vec<u8>, i32),
) {
    thread_local! {
        static BUILDING: RefCell<(Batch, Compressor)> = RefCell::default();
    }
    let how = script.byte();
    let codec = if how & 0x18 == 0x18 { Codec::from_id(how & 7) } else { None };
    BUILDING.with_borrow_mut(|(building, compressor)| {
        let mut batch = std::mem::take(building).compression(codec.unwrap_or_default());
        batch.clear();
        for _ in 0..=how >> 5 {
            push(script, &mut batch);
        }
        let pushed = batch.len() as i32;
        let kind = TimestampType::CreateTime;
        let wanted = Wanted { now: 1_700_000_000_000, timestamp_type: kind, compression: None };
        with_room(|compressed| {
            if let Ok((draft, _)) = batch.draft(wanted, compressor, compressed) {
                with_copy(draft.bytes, |bytes| work(script, bytes, pushed));
            }
        });
        *building = batch;
    });
}

fn push(script: &mut Script<'_>, batch: &mut Batch) {
    let what = script.byte();
    let mut record = Record::new();
    record = match what & 3 {
        0 => record,
        1 => record.without_timestamp(),
        2 => record.timestamp(1_700_000_000_000 + i64::from(script.u16())),
        _ => record.timestamp(script.number()),
    };
    if what & 4 != 0 {
        record = record.key(script.bytes(40));
    }
    if what & 8 != 0 {
        record = record.value(script.bytes(255));
    }
    let value = (what & 64 != 0).then(|| script.bytes(8));
    let headers = [("h", value), ("", None), ("h", Some(b"x".as_slice()))];
    batch.push(record.headers(&headers[..usize::from(what >> 4 & 3)]));
}

/// Tells lies in a whole batch until the script is at its end, then puts length and checksum right;
/// now and then the length is a lie too.
pub(super) fn lie(script: &mut Script<'_>, batch: &mut Vec<u8>) {
    let mut length = None;
    for _ in 0..4 {
        if script.is_done() {
            break;
        }
        let kind = script.byte();
        let behind = batch.len().saturating_sub(HEADER_LEN).max(1);
        let at = HEADER_LEN + script.below(behind);
        match kind % 8 {
            0 | 1 => {
                let (at, width) = naive::FIELDS[usize::from(kind >> 3) % naive::FIELDS.len()];
                let number = script.number().to_be_bytes();
                batch[at..at + width].copy_from_slice(&number[8 - width..]);
            }
            2 | 3 => _ = batch.get_mut(at).map(|byte| *byte = script.byte()),
            4 => {
                let mut number = Vec::with_capacity(varint::MAX_LONG_LEN);
                varint::put_long(&mut number, script.number());
                let end = (at + usize::from(kind >> 7)).min(batch.len());
                batch.splice(at.min(end)..end, number);
            }
            5 => {
                let end = (at + usize::from(kind >> 3)).min(batch.len());
                batch.drain(at.min(end)..end);
            }
            6 => {
                let end = (at + usize::from(kind >> 3)).min(batch.len());
                let again = batch[at.min(end)..end].to_vec();
                batch.extend_from_slice(&again);
            }
            _ => length = Some(script.number()),
        }
    }
    mend(batch);
    if let Some(length) = length {
        let (at, width) = naive::FIELDS[1];
        batch[at..at + width].copy_from_slice(&(length as i32).to_be_bytes());
    }
}

/// Makes `batch` claim its own length, its format and its checksum.
pub(super) fn mend(batch: &mut [u8]) {
    if batch.len() < HEADER_LEN {
        return;
    }
    let [_, (length, _), _, (magic, _), (crc, crc_width), (covered, _), ..] = naive::FIELDS;
    let claimed = batch.len() as i32 - 12;
    batch[length..length + 4].copy_from_slice(&claimed.to_be_bytes());
    batch[magic] = 2;
    let sum = crate::wire::crc32c::checksum(&batch[covered..]);
    batch[crc..crc + crc_width].copy_from_slice(&sum.to_be_bytes());
}

/// Decodes what `bytes` begin with, and asks everything of it.
fn look_at(bytes: &[u8]) {
    let batch = match RecordBatch::decode(bytes) {
        Ok(batch) => batch,
        Err(BatchError::Incomplete { have, need }) => {
            assert!(have == bytes.len() && need > have, "have {have}, need {need}");
            return;
        }
        Err(_) => return,
    };
    let whole = batch.bytes();
    assert_eq!(whole, &bytes[..whole.len()]);
    if batch.header().is_legacy() {
        // The target `legacy` asks everything of it.
        return;
    }
    let header = naive::header(whole);
    assert_eq!(header.crc, naive::crc32c(&whole[naive::FIELDS[5].0..]), "a wrong checksum");
    let ours = batch.header();
    assert_eq!((ours.base_offset(), ours.size_bytes()), (header.base_offset, header.size));
    let next = i128::from(header.base_offset) + i128::from(header.last_offset_delta) + 1;
    assert_eq!(i128::from(ours.next_offset()), next);
    assert_eq!(ours.leader_epoch().map_or(-1, |epoch| epoch.0), header.leader_epoch.max(-1));
    assert_eq!(ours.max_timestamp().unwrap_or(-1), header.max_timestamp);
    assert_eq!(ours.record_count(), header.count);
    with_copy(whole, |again| {
        again[..HEADER_LEN].fill(0xa5);
        assert_eq!(&ours.encode(again), ours);
        assert_eq!(again, whole, "it encodes to other bytes");
    });
    read_records(&batch, header);
}

/// Reads its records beside the other decoder.
fn read_records(batch: &RecordBatch<'_>, header: naive::Header) {
    thread_local! {
        static INFLATING: RefCell<Decompressor> = RefCell::default();
    }
    with_room(|inflated| {
        let records = INFLATING
            .with_borrow_mut(|with| batch.records(with, INFLATE_LIMIT, inflated).map(drop).is_ok());
        assert!(inflated.len() <= INFLATE_LIMIT, "inflated to {}", inflated.len());
        if !records {
            return;
        }
        assert!(header.count >= 0, "a negative count is read");
        let plain = batch.codec() == Ok(Codec::None);
        let payload = if plain { batch.payload() } else { inflated.as_slice() };
        let Ok(ours) = Records::new(batch.header(), payload) else { return };
        compare(ours, naive::Records::new(header, payload), batch);
    });
}

fn compare<'a>(ours: Records<'a>, mut naive: naive::Records<'a>, batch: &RecordBatch<'_>) {
    let payload_is_plain = batch.codec() == Ok(Codec::None);
    let mut canonical = payload_is_plain && batch.header().record_count() > 0;
    let first_delta_is_0 =
        |record: &FetchedRecord<'_>| record.timestamp() == Some(batch.header().base_timestamp());
    for record in ours.clone() {
        let (record, other) = match (record, naive.read()) {
            (Ok(record), Some(other)) => (record, other),
            (Err(_), None) => return,
            (ours, other) => {
                assert_eq!(ours.is_ok(), other.is_some(), "{ours:?}, the other says {other:?}");
                return;
            }
        };
        let same = record.offset() == other.offset
            && record.timestamp().unwrap_or(-1) == other.timestamp
            && (record.key(), record.value()) == (other.key, other.value)
            && record.headers().map(|h| (h.key, h.value)).eq(naive::headers(&other));
        assert!(same, "{record:?}, the other says {other:?}");
        assert_eq!(record.headers().count(), other.header_count);
        canonical &= other.is_canonical;
        canonical &= naive.count() > 1 || first_delta_is_0(&record);
        if batch.header().attributes().is_control() {
            look_at_control(&record);
        }
    }
    assert_eq!(naive.count(), batch.header().record_count());
    if canonical && batch.header().attributes().timestamp_type() == TimestampType::CreateTime {
        encode_again(ours, batch.payload());
    }
}

/// Records in their shortest form, offsets 0, 1, 2 and so on, encode to the same bytes.
fn encode_again(records: Records<'_>, payload: &[u8]) {
    thread_local! {
        static AGAIN: RefCell<(Batch, Compressor)> = RefCell::default();
    }
    AGAIN.with_borrow_mut(|(again, compressor)| {
        again.clear();
        for record in records.flatten() {
            again.push_read(&record, record.timestamp().unwrap_or(-1));
        }
        let kind = TimestampType::CreateTime;
        let wanted = Wanted { now: 0, timestamp_type: kind, compression: None };
        // Times further apart than a batch can say are read, and never written.
        if let Ok((draft, _)) = again.draft(wanted, compressor, &mut Vec::new()) {
            assert_eq!(&draft.bytes[HEADER_LEN..], payload, "its records encode to other bytes");
        }
    });
}

/// A control record is a marker that would be written so, or something else; never a panic.
fn look_at_control(record: &FetchedRecord<'_>) {
    let Ok(ControlRecord::EndTransaction { end, coordinator_epoch }) =
        ControlRecord::decode(record)
    else {
        return;
    };
    let producer = (ProducerId(1), ProducerEpoch(0));
    let (marker, header) = encode_marker(producer, end, coordinator_epoch, 7);
    let again = Records::new(&header, &marker[HEADER_LEN..]);
    let again = again.ok().and_then(|mut records| records.next()?.ok());
    let again = again.as_ref().map(ControlRecord::decode);
    assert_eq!(again, Some(Ok(ControlRecord::EndTransaction { end, coordinator_epoch })));
}
