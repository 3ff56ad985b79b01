//! Entries of the three indexes: what decodes encodes to the same bytes, and a search finds what a
//! look at each entry finds.

use super::support::Script;
use crate::index::{
    AbortedTxn, OFFSET_ENTRY_LEN, OffsetEntry, TIME_ENTRY_LEN, TXN_ENTRY_LEN, TimeEntry,
    TxnIndexError, last_before, slots_to_trust, txn_index,
};

/// Bytes before the entries: the base offset, and what a look-up asks for.
const ASKED_LEN: usize = 16;

fn asked(bytes: &[u8]) -> Option<(i64, i64, &[u8])> {
    let (asked, entries) = bytes.split_at_checked(ASKED_LEN)?;
    let number = |at: usize| asked[at..at + 8].iter().fold(0, |n, byte| n << 8 | i64::from(*byte));
    Some((number(0), number(8), entries))
}

/// A base offset, an offset, and the entries of an offset index.
pub fn offset_index(bytes: &[u8]) {
    let Some((base, wanted, entries)) = asked(bytes) else { return };
    let (entries, _) = entries.as_chunks::<OFFSET_ENTRY_LEN>();
    let mut last: Option<i64> = None;
    let mut is_sorted = true;
    for entry in entries {
        let Ok(decoded) = OffsetEntry::decode(base, *entry) else {
            is_sorted = false;
            continue;
        };
        assert!(decoded.offset >= base && i32::try_from(decoded.position).is_ok());
        assert_eq!(decoded.encode(base), Ok(*entry));
        is_sorted &= last.is_none_or(|last| last < decoded.offset);
        last = Some(decoded.offset);
    }
    let read = |slot: usize| OffsetEntry::decode(base, entries[slot]);
    let is_before = |entry: &OffsetEntry| entry.offset <= wanted;
    let found = last_before(entries.len(), read, is_before);
    if is_sorted {
        let all = entries.iter().filter_map(|entry| OffsetEntry::decode(base, *entry).ok());
        assert_eq!(found, Ok(all.enumerate().filter(|(_, entry)| is_before(entry)).last()));
    }
}

/// A base offset, a time, and the entries of a time index.
pub fn time_index(bytes: &[u8]) {
    let Some((base, wanted, entries)) = asked(bytes) else { return };
    let (entries, _) = entries.as_chunks::<TIME_ENTRY_LEN>();
    let mut last: Option<i64> = None;
    let mut is_sorted = true;
    for entry in entries {
        let Ok(decoded) = TimeEntry::decode(base, *entry) else {
            is_sorted = false;
            continue;
        };
        assert!(decoded.offset >= base);
        assert_eq!(decoded.encode(base), Ok(*entry));
        is_sorted &= last.is_none_or(|last| last < decoded.timestamp);
        last = Some(decoded.timestamp);
    }
    let read = |slot: usize| TimeEntry::decode(base, entries[slot]);
    let is_before = |entry: &TimeEntry| entry.timestamp < wanted;
    let found = last_before(entries.len(), read, is_before);
    if is_sorted {
        let all = entries.iter().filter_map(|entry| TimeEntry::decode(base, *entry).ok());
        assert_eq!(found, Ok(all.enumerate().filter(|(_, entry)| is_before(entry)).last()));
    }
    let slots = slots_to_trust(wanted as u64, TIME_ENTRY_LEN, base as u64);
    assert!(slots as u64 <= base as u64 / 26 && slots as u64 <= wanted as u64 / 12);
}

/// The entries of a transaction index.
pub fn txn_index(bytes: &[u8]) {
    let (entries, _) = bytes.as_chunks::<TXN_ENTRY_LEN>();
    let mut decoded = txn_index::entries(bytes);
    assert_eq!(decoded.len(), entries.len());
    for entry in entries {
        match decoded.next() {
            Some(Ok(txn)) => {
                assert!(txn.last_offset >= txn.first_offset);
                let again = txn.encode();
                // Of the version Kafka reads the first byte only.
                assert_eq!((again[..2] == [0, 0], entry[0]), (true, 0));
                assert_eq!(again[2..], entry[2..]);
                assert_eq!(AbortedTxn::decode(&again), Ok(txn));
            }
            Some(Err(TxnIndexError::UnsupportedVersion(_))) => assert_ne!(entry[0], 0),
            Some(Err(TxnIndexError::EndsBeforeItStarts(_))) => {
                let mut offsets = Script::new(&entry[10..26]);
                let mut offset = || (0..8).fold(0, |n, _| n << 8 | i64::from(offsets.byte()));
                let (first, last) = (offset(), offset());
                assert!(last < first);
            }
            None => assert!(entries.is_empty(), "an entry is left out"),
        }
    }
    assert_eq!(decoded.next(), None);
}
