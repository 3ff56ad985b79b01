//! Zig-zag varints, as Kafka writes them: the shortest form, seven bits a byte, low group first.

use super::cursor::{Cursor, CursorError};

/// The most bytes that a 32-bit varint takes.
pub(crate) const MAX_LEN: usize = 5;
/// The most bytes that a 64-bit varint takes.
pub(crate) const MAX_LONG_LEN: usize = 10;

#[inline]
const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Bytes that [`put`] takes for `value`.
#[inline]
pub(crate) const fn len(value: i32) -> usize {
    let bits = 32 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Bytes that [`put_long`] takes for `value`.
#[inline]
pub(crate) const fn len_long(value: i64) -> usize {
    let bits = 64 - (zigzag_long(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Varints one behind the other, in a word: written with one store. To find their bytes takes no branch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    bytes: u64,
    bits: u32,
}

impl Word {
    /// Room that [`Word::put`] needs, however many bytes there are.
    pub(crate) const ROOM: usize = size_of::<u64>();

    /// The varint of `value`, if it has two bytes at most.
    #[inline]
    pub(crate) fn new(value: i64) -> Option<Word> {
        let value = zigzag_long(value);
        let goes_on = u64::from(value >= 1 << 7);
        let bytes = (value & 0x7f) | goes_on << 7 | (value >> 7) << 8;
        (value < 1 << 14).then_some(Word { bytes, bits: 8 + 8 * goes_on as u32 })
    }

    /// A byte that is 0.
    pub(crate) const ZERO: Word = Word { bytes: 0, bits: 8 };

    /// The same, and `next` behind it. There may be eight bytes in all.
    #[inline]
    #[must_use]
    pub(crate) fn and(self, next: Word) -> Word {
        // Without effect, but for a shift that would be by too much.
        let bytes = self.bytes | next.bytes << (self.bits & 63);
        Word { bytes, bits: self.bits + next.bits }
    }

    /// Bytes that they take.
    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.bits / 8) as usize
    }

    /// Writes them at the beginning of `room`, and zeros up to the end of a word.
    #[inline]
    pub(crate) fn put(self, room: &mut [u8]) -> Option<()> {
        *room.first_chunk_mut()? = self.bytes.to_le_bytes();
        Some(())
    }
}

/// Appends `value` to `out`.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, value: i32) {
    put_groups(out, u64::from(zigzag(value)));
}

/// Appends `value` to `out`, in up to ten bytes.
#[inline]
pub(crate) fn put_long(out: &mut Vec<u8>, value: i64) {
    put_groups(out, zigzag_long(value));
}

/// Appends `value` to `out` as it is, without zig-zag: in five bytes at most.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, value: u32) {
    put_groups(out, u64::from(value));
}

#[inline]
fn put_groups(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a 32-bit varint. Longer forms than needed are legal; bits beyond the 32nd are dropped.
#[inline]
pub(crate) fn get(from: &mut Cursor<'_>) -> Result<i32, CursorError> {
    Ok(unzigzag(get_groups(from, MAX_LEN)? as u32))
}

/// Reads a 64-bit varint.
#[inline]
pub(crate) fn get_long(from: &mut Cursor<'_>) -> Result<i64, CursorError> {
    let value = get_groups(from, MAX_LONG_LEN)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

/// Reads what [`put_unsigned`] wrote; bits beyond the 32nd are dropped.
pub(crate) fn get_unsigned(from: &mut Cursor<'_>) -> Result<u32, CursorError> {
    Ok(get_groups(from, MAX_LEN)? as u32)
}

/// The 32-bit varint that `word` begins with at its lowest byte, and how many bytes it takes; none if
/// those are more than four. Bytes that a word does not have count as zeros: who shifted it has to
/// ask whether the varint ends within what is left.
#[inline]
pub(crate) fn in_word(word: u64) -> Option<(i32, usize)> {
    let group = |at: u32| (word >> (8 * at)) as u32 & 0x7f;
    let goes_on = |at: u32| word >> (8 * at + 7) & 1 == 1;
    let mut value = group(0);
    let mut len = 1;
    if goes_on(0) {
        (value, len) = (value | group(1) << 7, 2);
        if goes_on(1) {
            (value, len) = (value | group(2) << 14, 3);
            if goes_on(2) {
                (value, len) = (value | group(3) << 21, 4);
                if goes_on(3) {
                    return None;
                }
            }
        }
    }
    Some((unzigzag(value), len))
}

#[inline]
const fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[inline]
fn get_groups(from: &mut Cursor<'_>, most: usize) -> Result<u64, CursorError> {
    let mut value = 0_u64;
    for group in 0..most {
        let byte = from.u8()?;
        value |= u64::from(byte & 0x7f) << (7 * group);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(CursorError::VarintTooLong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_values_are_the_bytes_that_kafka_writes() {
        let cases: [(i32, &[u8]); 6] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (64, &[0x80, 1]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }

    #[test]
    fn a_varint_that_never_ends_is_refused() {
        assert_eq!(get(&mut Cursor::new(&[0x80; 5])), Err(CursorError::VarintTooLong));
        assert_eq!(get_long(&mut Cursor::new(&[0x80; 10])), Err(CursorError::VarintTooLong));
        assert_eq!(get(&mut Cursor::new(&[0x80; 4])), Err(CursorError::Underflow));
    }

    #[test]
    fn a_longer_form_than_needed_is_read() {
        assert_eq!(get(&mut Cursor::new(&[0x82, 0x80, 0x00])), Ok(1));
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back_and_as_long_as_said(value: i64) {
            let mut out = Vec::new();
            put_long(&mut out, value);
            prop_assert_eq!(out.len(), len_long(value));
            prop_assert_eq!(get_long(&mut Cursor::new(&out)), Ok(value));
            let short = value as i32;
            out.clear();
            put(&mut out, short);
            prop_assert_eq!(out.len(), len(short));
            prop_assert_eq!(get(&mut Cursor::new(&out)), Ok(short));
        }

        #[test]
        fn varints_in_a_word_are_those_that_are_put_one_by_one(
            values in proptest::collection::vec(
                prop_oneof![-70_i64..70, -9000_i64..9000, -(1_i64 << 21)..1 << 21], 1..5,
            ),
        ) {
            let (mut one_by_one, mut word) = (vec![0], Word::ZERO);
            for value in values {
                let next = Word::new(value);
                prop_assert_eq!(next.map(Word::len), Some(len_long(value)).filter(|&len| len <= 2));
                let Some(next) = next.filter(|next| word.len() + next.len() <= 8) else { continue };
                word = word.and(next);
                put_long(&mut one_by_one, value);
            }
            prop_assert_eq!(word.len(), one_by_one.len());
            let mut room = [0xff; 9];
            prop_assert!(word.put(&mut room).is_some() && word.put(&mut room[..7]).is_none());
            prop_assert_eq!(&room[..one_by_one.len()], &one_by_one[..]);
            prop_assert_eq!(room[8], 0xff);
        }

        #[test]
        fn a_varint_in_a_word_is_the_one_that_is_read_byte_by_byte(bytes: [u8; 8], shift in 0_u32..8) {
            // Short ones are rare among random bytes.
            let word = u64::from_le_bytes(bytes) & u64::MAX >> (8 * shift);
            let bytes = word.to_le_bytes();
            let mut cursor = Cursor::new(&bytes);
            let read = get(&mut cursor).ok().map(|value| (value, 8 - cursor.remaining()));
            prop_assert_eq!(in_word(word), read.filter(|&(_, len)| len <= 4));
        }
    }
}
