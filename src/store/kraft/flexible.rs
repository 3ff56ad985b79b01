//! The flexible encoding of Kafka's messages: lengths are unsigned varints, one more than they say,
//! and a list of tagged fields ends each structure.

use crate::log::TopicId;
use crate::wire::{Cursor, CursorError, varint};

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<CursorError> for Malformed {
    fn from(_: CursorError) -> Self {
        Malformed
    }
}

pub(super) type Result<T> = std::result::Result<T, Malformed>;

/// A length or a number of elements; none for null. Never more than there are bytes left.
fn length(from: &mut Cursor<'_>) -> Result<Option<usize>> {
    let Some(length) = varint::get_unsigned(from)?.checked_sub(1) else { return Ok(None) };
    if length as usize > from.remaining() {
        return Err(Malformed);
    }
    Ok(Some(length as usize))
}

/// A string that may be null.
pub(super) fn maybe_text(from: &mut Cursor<'_>) -> Result<Option<String>> {
    let Some(len) = length(from)? else { return Ok(None) };
    let bytes = from.take(len)?.to_vec();
    String::from_utf8(bytes).map(Some).map_err(|_| Malformed)
}

pub(super) fn text(from: &mut Cursor<'_>) -> Result<String> {
    maybe_text(from)?.ok_or(Malformed)
}

pub(super) fn uuid(from: &mut Cursor<'_>) -> Result<TopicId> {
    let bytes = from.take(16)?.try_into().map_err(|_| Malformed)?;
    Ok(TopicId::from_bytes(bytes))
}

/// A list of numbers; an absent one is empty.
pub(super) fn numbers(from: &mut Cursor<'_>) -> Result<Vec<i32>> {
    let count = length(from)?.unwrap_or(0);
    (0..count).map(|_| Ok(from.integer()?)).collect()
}

/// The tagged fields at a structure's end: each tag and its bytes.
pub(super) fn tagged<'a>(from: &mut Cursor<'a>) -> Result<Vec<(u32, &'a [u8])>> {
    let count = varint::get_unsigned(from)?;
    let mut fields = Vec::new();
    for _ in 0..count {
        let tag = varint::get_unsigned(from)?;
        let len = varint::get_unsigned(from)? as usize;
        fields.push((tag, from.take(len)?));
    }
    Ok(fields)
}

pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    varint::put_unsigned(out, length as u32 + 1);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_numbers(out: &mut Vec<u8>, numbers: &[i32]) {
    put_length(out, numbers.len());
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// No tagged fields.
pub(super) fn put_no_tags(out: &mut Vec<u8>) {
    out.push(0);
}
