//! The last offset of each key, in a memory that the caller bounds.
//!
//! Keys are kept whole and compared: equal hashes are not taken for equal keys. Entries lie one
//! behind the other in chunks; a table of slots, searched from where a key's hash leads, says where.
//! An entry is 8 bytes of offset, the key's length as a varint, and the key; a slot is 8 bytes, half
//! of it the place of the entry and half a part of the hash. The table grows with the entries, and
//! never to more than the rest of the memory will hold, so that it is nearly full when that is.
//!
//! A map of many keys lies far from the processor, and a search at random waits for memory twice.
//! So many are made at once: where each begins is read before the first one is made, and as no read
//! waits for another, all of that is near by then.

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::quality::RandomState;

use crate::record::Offset;

/// Bytes of a slot.
const SLOT_LEN: usize = size_of::<u64>();
/// Bytes of an entry's offset.
const OFFSET_LEN: usize = size_of::<Offset>();
/// A table is never fuller than this many eighths.
const MOST_EIGHTHS: usize = 7;
const LEAST_SLOTS: usize = 16;
const LEAST_CHUNK_BYTES: usize = 1 << 10;
const MOST_CHUNK_BYTES: usize = 1 << 20;
/// Places are numbered with 32 bits.
const MOST_BYTES: usize = u32::MAX as usize;

/// See the module.
pub(super) struct KeyMap {
    most_bytes: usize,
    /// A power of two.
    chunk_bytes: usize,
    /// Each is filled from the front; an entry lies in one of them whole.
    chunks: Vec<Vec<u8>>,
    slots: Vec<u64>,
    len: usize,
    /// Bytes of all entries.
    entry_bytes: usize,
    hasher: RandomState,
}

/// How many searches are made at once.
pub(super) const AHEAD: usize = 128;

/// What became of a key that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Done,
    /// There is no room for one more.
    Full,
}

/// How much of the memory is used, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapUse {
    /// What it takes at most.
    pub(super) most_bytes: usize,
    /// Keys, offsets and the slots that lead to them.
    pub(super) useful_bytes: usize,
    pub(super) keys: usize,
}

impl KeyMap {
    /// A map of at most `most_bytes`, which are taken as they are needed. Only a key that is longer
    /// than all of it makes it larger, by itself.
    pub(super) fn new(most_bytes: usize) -> KeyMap {
        let most_bytes = most_bytes.min(MOST_BYTES);
        let chunk_bytes = (most_bytes / 128).next_power_of_two();
        KeyMap {
            most_bytes,
            chunk_bytes: chunk_bytes.clamp(LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES),
            chunks: Vec::new(),
            slots: Vec::new(),
            len: 0,
            entry_bytes: 0,
            hasher: RandomState::default(),
        }
    }

    /// How full it is.
    pub(super) fn usage(&self) -> MapUse {
        MapUse {
            most_bytes: self.most_bytes,
            useful_bytes: self.entry_bytes + self.len * SLOT_LEN,
            keys: self.len,
        }
    }

    /// Puts in an offset for each key, in place of one that is there; says how many found room.
    pub(super) fn put_all(&mut self, entries: &[(&[u8], Offset)]) -> usize {
        let mut done = 0;
        for part in entries.chunks(AHEAD) {
            let hashes = self.look_ahead(part.iter().map(|(key, _)| *key));
            for (&(key, offset), hash) in part.iter().zip(hashes) {
                if self.put(hash, key, offset) == Put::Full {
                    return done;
                }
                done += 1;
            }
        }
        done
    }

    /// Appends to `found` the last offset that was put in for each key.
    pub(super) fn get_all(&self, keys: &[&[u8]], found: &mut Vec<Option<Offset>>) {
        for part in keys.chunks(AHEAD) {
            let hashes = self.look_ahead(part.iter().copied());
            found.extend(part.iter().zip(hashes).map(|(key, hash)| self.get(hash, key)));
        }
    }

    /// The hashes of up to [`AHEAD`] keys, where their searches begin being near.
    fn look_ahead<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> [u64; AHEAD] {
        let (mut hashes, mut count) = ([0; AHEAD], 0);
        for (place, key) in hashes.iter_mut().zip(keys) {
            *place = self.hasher.hash_one(key);
            count += 1;
        }
        self.bring_near(&hashes[..count]);
        hashes
    }

    fn bring_near(&self, hashes: &[u64]) {
        let slots =
            hashes.iter().filter_map(|&hash| Some((hash, *self.slots.get(self.home(hash))?)));
        black_box(slots.clone().fold(0, |seen, (_, slot)| seen ^ slot));
        let entries = slots.filter(|&(hash, slot)| slot != 0 && tag(slot) == hash as u32);
        let first = entries.filter_map(|(_, slot)| self.entry(slot)?.first());
        black_box(first.fold(0, |seen, byte| seen ^ byte));
    }

    fn get(&self, hash: u64, key: &[u8]) -> Option<Offset> {
        let slot = self.find(hash, key).ok()?;
        let entry = self.entry(self.slots[slot])?;
        Some(Offset::from_be_bytes(*entry.first_chunk::<OFFSET_LEN>()?))
    }

    fn put(&mut self, hash: u64, key: &[u8], offset: Offset) -> Put {
        if let Ok(slot) = self.find(hash, key) {
            let (chunk, at) = self.place(self.slots[slot]);
            let place = self.chunks.get_mut(chunk).and_then(|chunk| chunk.get_mut(at..));
            if let Some(place) = place.and_then(|bytes| bytes.first_chunk_mut::<OFFSET_LEN>()) {
                *place = offset.to_be_bytes();
            }
            return Put::Done;
        }
        if !self.has_free_slot() && !self.grow() {
            return Put::Full;
        }
        let Some(place) = self.add_entry(key, offset) else { return Put::Full };
        self.len += 1;
        self.fill_slot(hash, place);
        Put::Done
    }

    /// The slot of a key, or the free one that its search ends at; none while there is no table.
    fn find(&self, hash: u64, key: &[u8]) -> Result<usize, Option<usize>> {
        if self.slots.is_empty() {
            return Err(None);
        }
        let mut slot = self.home(hash);
        loop {
            match self.slots[slot] {
                0 => return Err(Some(slot)),
                there if tag(there) == hash as u32 && self.key(there) == Some(key) => {
                    return Ok(slot);
                }
                _ => slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 },
            }
        }
    }

    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    /// Enters a key that is in no slot yet; there is a free one.
    fn fill_slot(&mut self, hash: u64, place: u32) {
        let mut slot = self.home(hash);
        while self.slots[slot] != 0 {
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
        self.slots[slot] = u64::from(hash as u32) << 32 | u64::from(place);
    }

    fn fill_slots(&mut self, part: &mut Vec<(u64, u32)>) {
        let near = part.iter().map(|&(hash, _)| self.slots[self.home(hash)]);
        black_box(near.fold(0, |seen, slot| seen ^ slot));
        for (hash, place) in part.drain(..) {
            self.fill_slot(hash, place);
        }
    }

    fn has_free_slot(&self) -> bool {
        (self.len + 1) * 8 <= self.slots.len() * MOST_EIGHTHS
    }

    /// Bytes that chunks may take while the table has this many slots.
    fn room_beside(&self, slots: usize) -> usize {
        self.most_bytes.saturating_sub(self.chunk_capacity() + slots * SLOT_LEN)
    }

    fn chunk_capacity(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Makes the table twice as large, but not larger than what the rest of the memory will need if
    /// keys stay as long as they were so far. Says whether a key more has a slot now.
    fn grow(&mut self) -> bool {
        let entry = self.entry_bytes.div_ceil(self.len.max(1)).max(OFFSET_LEN + 2);
        // Each key more takes an entry, and 8 slots of 7 that are filled.
        let unused = self.chunks.last().map_or(0, |last| last.capacity() - last.len());
        let needed = |keys: usize| (keys * 8).div_ceil(MOST_EIGHTHS);
        let room = self.room_beside(needed(self.len)) + unused;
        let more = room / (entry + needed(SLOT_LEN));
        let wanted = (self.slots.len() * 2).max(LEAST_SLOTS);
        let slots = wanted.min(needed(self.len + more.max(1)) + 1);
        if slots <= self.slots.len() || self.room_beside(slots) == 0 && self.len > 0 {
            return false;
        }
        self.rebuild(slots)
    }

    /// Makes a table of `slots` for the entries that are there. The old one goes first: both never
    /// take memory at once.
    fn rebuild(&mut self, slots: usize) -> bool {
        let before = std::mem::take(&mut self.slots).len();
        let mut table = Vec::new();
        let has_grown = table.try_reserve_exact(slots).is_ok();
        if !has_grown && table.try_reserve_exact(before).is_err() {
            // Not even what was just given back: without a table nothing is found, nor put in.
            return false;
        }
        table.resize(if has_grown { slots } else { before }, 0);
        self.slots = table;
        let mut part = Vec::with_capacity(AHEAD);
        for chunk in 0..self.chunks.len() {
            let mut at = 0;
            while let Some((key, behind)) = self.chunks[chunk].get(at..).and_then(read_entry) {
                part.push((self.hasher.hash_one(key), self.number(chunk, at)));
                at += behind;
                if part.len() == AHEAD {
                    self.fill_slots(&mut part);
                }
            }
        }
        self.fill_slots(&mut part);
        has_grown
    }

    /// Writes an entry behind the others; the answer is its place, `None` if there is no room.
    fn add_entry(&mut self, key: &[u8], offset: Offset) -> Option<u32> {
        let size = OFFSET_LEN + len_of_len(key.len()) + key.len();
        let has_room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= size;
        if !self.chunks.last().is_some_and(has_room) && !self.add_chunk(size) {
            return None;
        }
        let chunk = self.chunks.len() - 1;
        let bytes = self.chunks.last_mut()?;
        let at = bytes.len();
        bytes.extend_from_slice(&offset.to_be_bytes());
        put_len(bytes, key.len());
        bytes.extend_from_slice(key);
        self.entry_bytes += size;
        Some(self.number(chunk, at))
    }

    fn add_chunk(&mut self, size: usize) -> bool {
        let left = self.room_beside(self.slots.len());
        // The first key of all is taken however long it is, or nothing would ever be cleaned.
        let capacity = if self.len == 0 { size.max(self.chunk_bytes.min(left)) } else { left };
        let capacity = capacity.min(self.chunk_bytes.max(size));
        let is_numbered = (self.chunks.len() + 1).saturating_mul(self.chunk_bytes) <= MOST_BYTES;
        let mut chunk = Vec::new();
        if capacity < size || !is_numbered || chunk.try_reserve_exact(capacity).is_err() {
            return false;
        }
        self.chunks.push(chunk);
        true
    }

    /// The number of a place, never 0. Only the start of an entry is numbered, and of one that is
    /// longer than a chunk nothing else lies in its chunk.
    fn number(&self, chunk: usize, at: usize) -> u32 {
        (chunk * self.chunk_bytes + at + 1) as u32
    }

    fn place(&self, slot: u64) -> (usize, usize) {
        let place = (slot as u32 as usize).saturating_sub(1);
        (place >> self.chunk_bytes.trailing_zeros(), place & (self.chunk_bytes - 1))
    }

    fn entry(&self, slot: u64) -> Option<&[u8]> {
        let (chunk, at) = self.place(slot);
        self.chunks.get(chunk)?.get(at..)
    }

    fn key(&self, slot: u64) -> Option<&[u8]> {
        read_entry(self.entry(slot)?).map(|(key, _)| key)
    }
}

fn tag(slot: u64) -> u32 {
    (slot >> 32) as u32
}

/// The key of the entry that `bytes` begin with, and where the next one begins.
fn read_entry(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (mut len, mut at, mut shift) = (0, OFFSET_LEN, 0);
    loop {
        let byte = *bytes.get(at)?;
        len |= usize::from(byte & 0x7f) << shift;
        at += 1;
        shift += 7;
        if byte < 0x80 {
            return Some((bytes.get(at..at + len)?, at + len));
        }
    }
}

fn len_of_len(len: usize) -> usize {
    (usize::BITS - (len | 1).leading_zeros()).div_ceil(7) as usize
}

fn put_len(out: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Fills a map with keys made by `key`; the answer is how many it took.
    fn fill(map: &mut KeyMap, key: impl Fn(usize) -> Vec<u8>) -> usize {
        (0..1 << 30).take_while(|&n| put(map, &key(n), n as Offset) == Put::Done).count()
    }

    fn put(map: &mut KeyMap, key: &[u8], offset: Offset) -> Put {
        map.put(map.hasher.hash_one(key), key, offset)
    }

    fn get(map: &KeyMap, key: &[u8]) -> Option<Offset> {
        map.get(map.hasher.hash_one(key), key)
    }

    #[test]
    fn a_full_map_holds_nine_tenths_of_its_bytes_as_entries() {
        for most_bytes in [64 << 10, 300_000, 1 << 20, 10 << 20] {
            for len in [4, 8, 16, 36, 100] {
                let mut map = KeyMap::new(most_bytes);
                let key = |n: usize| format!("{n:0len$}").into_bytes();
                let count = fill(&mut map, key);
                let usage = map.usage();
                let share = usage.useful_bytes as f64 / most_bytes as f64;
                assert!(share >= 0.9, "{share:.3} of {most_bytes} bytes, {len} a key");
                assert_eq!((usage.keys, usage.most_bytes), (count, most_bytes));
                let taken = map.chunk_capacity() + map.slots.capacity() * SLOT_LEN;
                assert!(taken <= most_bytes, "{taken} of {most_bytes}");
            }
        }
    }

    #[test]
    fn keys_of_all_lengths_fill_a_map_as_well() {
        let mut map = KeyMap::new(4 << 20);
        fill(&mut map, |n| n.to_be_bytes().repeat(1 + n * 7 % 13));
        let share = map.usage().useful_bytes as f64 / f64::from(4 << 20);
        assert!(share >= 0.9, "{share:.3}");
    }

    #[test]
    fn a_full_map_still_takes_the_keys_that_it_has() {
        let mut map = KeyMap::new(8 << 10);
        let count = fill(&mut map, |n| n.to_be_bytes().to_vec());
        assert_eq!(put(&mut map, &count.to_be_bytes(), 1), Put::Full);
        assert_eq!(put(&mut map, &0_usize.to_be_bytes(), 77), Put::Done);
        assert_eq!((get(&map, &0_usize.to_be_bytes()), get(&map, b"absent")), (Some(77), None));
    }

    #[test]
    fn the_first_key_is_taken_however_long_it_is() {
        for most_bytes in [0, 1, 100, 5000] {
            let mut map = KeyMap::new(most_bytes);
            let long = vec![b'k'; 20_000];
            assert_eq!(put(&mut map, &long, 5), Put::Done, "{most_bytes}");
            assert_eq!(get(&map, &long), Some(5));
            let other = vec![b'l'; 20_000];
            assert_eq!(put(&mut map, &other, 6), Put::Full);
            assert_eq!((get(&map, &other), get(&map, &long[1..])), (None, None));
        }
    }

    #[test]
    fn keys_whose_hashes_are_alike_are_told_apart() {
        let mut map = KeyMap::new(1 << 20);
        for n in 0..1000_u32 {
            // As if all hashes were the same.
            let key = n.to_be_bytes();
            if !map.has_free_slot() {
                assert!(map.grow());
            }
            assert!(map.find(7, &key).is_err());
            let place = map.add_entry(&key, n.into()).unwrap();
            map.len += 1;
            // A table that grows puts them where their true hashes lead.
            map.slots.fill(0);
            for at in 0..map.len {
                map.fill_slot(7, place - ((map.len - 1 - at) * 13) as u32);
            }
            if n == 50 {
                break;
            }
        }
        for n in 0..=50_u32 {
            let slot = map.find(7, &n.to_be_bytes()).unwrap();
            assert_eq!(map.entry(map.slots[slot]).unwrap()[..8], i64::from(n).to_be_bytes());
        }
    }

    proptest! {
        #[test]
        fn it_says_what_a_map_of_the_library_says(
            puts in proptest::collection::vec((proptest::collection::vec(0_u8..3, 0..6), 0..1000_i64), 0..400),
        ) {
            let mut map = KeyMap::new(1 << 20);
            let mut plain = HashMap::new();
            for (key, offset) in &puts {
                prop_assert_eq!(put(&mut map, key, *offset), Put::Done);
                plain.insert(key.clone(), *offset);
            }
            prop_assert_eq!(map.usage().keys, plain.len());
            for (key, offset) in &plain {
                prop_assert_eq!(get(&map, key), Some(*offset));
            }
            prop_assert_eq!(get(&map, &[9]), None);
        }
    }
}
