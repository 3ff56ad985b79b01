//! One record as it lies in a batch: its length, then what it is.

use super::Timestamp;
use crate::wire::varint::{self, Short};

/// The fewest and the most bytes that a record without headers has besides its length, key and value,
/// if its numbers are small.
const LEAST_OTHERS: usize = 6;
const MOST_OTHERS: usize = 14;

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
    #[inline]
    pub(super) fn put(self, most: usize, out: &mut Vec<u8>) -> bool {
        let most = most.saturating_sub(varint::MAX_LEN);
        match self.put_short(most, out) {
            Some(is_there) => is_there,
            None => self.put_any(most, out),
        }
    }

    /// The same, if it has no headers and its numbers are small; else nothing is written.
    #[inline]
    fn put_short(&self, most: usize, out: &mut Vec<u8>) -> Option<bool> {
        if self.headers.len() > 0 {
            return None;
        }
        let (key, value) = (self.key.unwrap_or_default(), self.value.unwrap_or_default());
        let of_value = if self.value.is_some() { value.len() as i64 } else { -1 };
        // What comes behind its length is written first.
        let bytes = key.len() + value.len();
        let start = match (len_of_size(bytes + LEAST_OTHERS), len_of_size(bytes + MOST_OTHERS)) {
            (least, most) if least == most => least,
            _ => len_of_size(self.size_bytes()),
        };
        let before = out.len();
        out.extend_from_slice(&[0; Short::ROOM]);
        let mut front = Short::new(out.last_chunk_mut()?, start);
        let is_short = front.put(0) // attributes: none are defined
            && front.put(self.timestamp_delta)
            && front.put(self.offset_delta.into())
            && match self.key {
                None => front.put(-1) && front.put(of_value),
                Some(key) => front.put(key.len() as i64),
            };
        let end = front.end();
        let behind = if self.key.is_some() { varint::len(of_value as i32) } else { 0 };
        let size = end - start + key.len() + behind + value.len() + 1;
        let is_short = is_short && Short::new(out.last_chunk_mut()?, 0).put(size as i64);
        if !is_short || before + size > most {
            out.truncate(before);
            return if is_short { Some(false) } else { None };
        }
        out.truncate(before + end);
        if self.key.is_some() {
            out.extend_from_slice(key);
            varint::put(out, of_value as i32);
        }
        out.extend_from_slice(value);
        out.push(0);
        Some(true)
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

/// Bytes that a record's length takes as a varint, if they are at most three.
#[inline]
fn len_of_size(size: usize) -> usize {
    1 + usize::from(size >= 1 << 6) + usize::from(size >= 1 << 13)
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
        fn short_records_are_written_as_any_are(
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
            let mut any = b"before".to_vec();
            prop_assert!(parts().put_any(usize::MAX, &mut any));
            let mut out = b"before".to_vec();
            if let Some(is_there) = parts().put_short(usize::MAX, &mut out) {
                prop_assert!(is_there);
                prop_assert_eq!(&out, &any);
            } else {
                prop_assert_eq!(&out, b"before");
            }
            let mut out = b"before".to_vec();
            let is_there = parts().put(room, &mut out);
            prop_assert_eq!(&out, if is_there { &any[..] } else { b"before" });
            prop_assert!(!is_there || any.len() <= room);
            prop_assert!(is_there || any.len() + varint::MAX_LEN > room);
        }
    }
}
