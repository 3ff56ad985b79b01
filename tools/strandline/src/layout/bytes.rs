//! Reading bytes field by field, without ever leaving them.

use crate::output::escape;

/// Bytes that are read from front to back, and where one is among them.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Reader { bytes, at }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    /// A big-endian integer of so many bytes, signed.
    pub(crate) fn integer(&mut self, len: usize) -> Option<i64> {
        let bytes = self.take(len)?;
        let first = i64::from(bytes.first()?.cast_signed());
        Some(bytes[1..].iter().fold(first, |value, &byte| value << 8 | i64::from(byte)))
    }

    /// A zig-zag varint of at most so many bytes.
    pub(crate) fn varint(&mut self, most: usize) -> Option<i64> {
        let mut value = 0_u64;
        for group in 0..most {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << (7 * group);
            if byte < 0x80 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }
}

/// Bytes in quotes, cut where they become too long to read.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const MOST: usize = 48;
    let mut out = Vec::new();
    escape::escaped(&bytes[..bytes.len().min(MOST)], &mut out);
    let text = String::from_utf8_lossy(&out).into_owned();
    if bytes.len() > MOST {
        format!("\"{text}\"…(+{} B)", bytes.len() - MOST)
    } else {
        format!("\"{text}\"")
    }
}
