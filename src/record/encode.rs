//! One record as it lies in a batch: its length, then what it is.

use super::Timestamp;
use super::room::Room;
use crate::wire::varint::{self, Word};

/// What is written of a record, with its place in the batch.
pub(super) struct Parts<'a, H> {
    /// Its timestamp less the batch's base timestamp.
    pub(super) timestamp_delta: Timestamp,
    /// Its offset less the batch's base offset.
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: H,
}

impl<'r, H> Parts<'_, H>
where
    H: ExactSizeIterator<Item = (&'r [u8], Option<&'r [u8]>)> + Clone,
{
    /// Writes it behind what `out` holds, unless there would be more than `most` bytes then; says
    /// whether it did.
    #[expect(
        clippy::inline_always,
        reason = "what a caller's records never have costs nothing then"
    )]
    #[inline(always)]
    pub(super) fn put(self, most: usize, out: &mut Room) -> bool {
        let most = most.saturating_sub(varint::MAX_LEN);
        match self.put_small(most, out) {
            Some(is_there) => is_there,
            None => self.put_large(most, out),
        }
    }

    /// The same, if it has no headers and its numbers are small; else nothing is written.
    #[expect(clippy::inline_always, reason = "see `Parts::put`")]
    #[inline(always)]
    fn put_small(&self, most: usize, out: &mut Room) -> Option<bool> {
        if self.headers.len() > 0 {
            return None;
        }
        let (key, value) = (self.key.unwrap_or_default(), self.value.unwrap_or_default());
        let time = Word::new(self.timestamp_delta)?;
        let offset = Word::new(self.offset_delta.into())?;
        let of_key = Word::new(self.key.map_or(-1, |key| key.len() as i64))?;
        let of_value = Word::new(self.value.map_or(-1, |value| value.len() as i64))?;
        let attributes = Word::ZERO;
        let body = attributes.and(time).and(offset);
        // Behind the value there is its count of headers.
        let size = body.len() + of_key.len() + key.len() + of_value.len() + value.len() + 1;
        let of_size = Word::new(size as i64)?;
        let len = of_size.len() + size;
        if out.len() + size > most {
            return Some(false);
        }
        let room = out.behind(len + Word::ROOM);
        let front = of_size.and(body);
        let lengths = of_key.and(of_value);
        front.put(room)?;
        let room = room.get_mut(front.len()..)?;
        let room = if key.is_empty() {
            lengths.put(room)?;
            room.get_mut(lengths.len()..)?
        } else {
            of_key.put(room)?;
            let room = put_behind(room, of_key.len(), key)?;
            of_value.put(room)?;
            room.get_mut(of_value.len()..)?
        };
        *put_behind(room, 0, value)?.first_mut()? = 0;
        out.take(len);
        Some(true)
    }

    #[cold]
    #[inline(never)]
    fn put_large(self, most: usize, out: &mut Room) -> bool {
        out.append(|out| self.put_any(most, out))
    }

    fn put_any(self, most: usize, out: &mut Vec<u8>) -> bool {
        let size = self.size_bytes();
        if out.len() + size > most {
            return false;
        }
        varint::put(out, size as i32);
        out.push(0); // attributes: none are defined
        varint::put_long(out, self.timestamp_delta);
        varint::put(out, self.offset_delta);
        put_or_null(out, self.key);
        put_or_null(out, self.value);
        varint::put(out, self.headers.len() as i32);
        for (key, value) in self.headers {
            put_or_null(out, Some(key));
            put_or_null(out, value);
        }
        true
    }

    /// Bytes that it takes, without those of its length.
    fn size_bytes(&self) -> usize {
        let headers = self.headers.clone();
        1 + varint::len_long(self.timestamp_delta)
            + varint::len(self.offset_delta)
            + len_or_null(self.key)
            + len_or_null(self.value)
            + varint::len(headers.len() as i32)
            + headers.map(|(k, v)| len_or_null(Some(k)) + len_or_null(v)).sum::<usize>()
    }
}

/// Copies `bytes` into `room` at `at`; what is behind them is the answer.
#[inline]
fn put_behind<'r>(room: &'r mut [u8], at: usize, bytes: &[u8]) -> Option<&'r mut [u8]> {
    let (into, behind) = room.get_mut(at..)?.split_at_mut_checked(bytes.len())?;
    into.copy_from_slice(bytes);
    Some(behind)
}

fn len_or_null(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::len(bytes.len() as i32) + bytes.len())
}

fn put_or_null(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
        None => varint::put(out, -1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        let lens = prop_oneof![0_usize..90, 8150_usize..8250, 0_usize..20_000];
        proptest::option::of(lens.prop_map(|len| vec![b'x'; len]))
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![-70_i64..70, -9000_i64..9000, -(1_i64 << 33)..1 << 33]
    }

    proptest! {
        #[test]
        fn small_records_are_written_as_any_are(
            (timestamp_delta, offset_delta) in (number(), number()),
            (key, value) in (bytes(), bytes()),
            room in 0_usize..60_000,
        ) {
            let parts = || Parts {
                timestamp_delta,
                offset_delta: offset_delta as i32,
                key: key.as_deref(),
                value: value.as_deref(),
                headers: [].into_iter(),
            };
            let room_of = |bytes: &[u8]| {
                let mut room = Room::default();
                room.append(|out| out.extend_from_slice(bytes));
                room
            };
            let mut any = b"before".to_vec();
            prop_assert!(parts().put_any(usize::MAX, &mut any));
            let mut out = room_of(b"before");
            if let Some(is_there) = parts().put_small(usize::MAX, &mut out) {
                prop_assert!(is_there);
                prop_assert_eq!(&*out, &any[..]);
            } else {
                prop_assert_eq!(&*out, b"before");
            }
            let mut out = room_of(b"before");
            let is_there = parts().put(room, &mut out);
            prop_assert_eq!(&*out, if is_there { &any[..] } else { b"before" });
            prop_assert!(!is_there || any.len() <= room);
            prop_assert!(is_there || any.len() + varint::MAX_LEN > room);
        }
    }
}
