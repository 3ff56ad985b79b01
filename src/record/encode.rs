//! One record as it lies in a batch: its length, then what it is.

use super::Timestamp;
use crate::wire::varint::{self, Packed};

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
    /// Bytes that it takes, without those of its length.
    pub(super) fn size_bytes(&self) -> usize {
        let headers = self.headers.clone();
        1 + varint::len_long(self.timestamp_delta)
            + varint::len(self.offset_delta)
            + len_or_null(self.key)
            + len_or_null(self.value)
            + varint::len(headers.len() as i32)
            + headers.map(|(k, v)| len_or_null(Some(k)) + len_or_null(v)).sum::<usize>()
    }

    /// Writes it, `size` being what [`Parts::size_bytes`] says.
    #[inline]
    pub(super) fn put(self, size: usize, out: &mut Vec<u8>) {
        if self.put_packed(size, out).is_none() {
            self.put_any(size, out);
        }
    }

    /// The same, if it has no headers and its numbers are small; else nothing is written.
    #[inline]
    fn put_packed(&self, size: usize, out: &mut Vec<u8>) -> Option<()> {
        if self.headers.len() > 0 {
            return None;
        }
        let front = Packed::default().with(size as i64)?.with(0)?; // attributes: none are defined
        let front = front.with(self.timestamp_delta)?.with(self.offset_delta.into())?;
        let of_value = self.value.map_or(-1, |value| value.len() as i64);
        match self.key {
            None => front.with(-1)?.with(of_value)?.append_to(out),
            Some(key) => {
                let behind = Packed::default().with(of_value)?;
                front.with(key.len() as i64)?.append_to(out);
                out.extend_from_slice(key);
                behind.append_to(out);
            }
        }
        out.extend_from_slice(self.value.unwrap_or_default());
        out.push(0);
        Some(())
    }

    fn put_any(self, size: usize, out: &mut Vec<u8>) {
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
    }
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
