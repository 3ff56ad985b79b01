//! Bytes as text, as Java reads UTF-8.

use std::borrow::Cow;

/// The text, with U+FFFD for each part that is none. Where Java and Rust differ, Java's way: half
/// of a surrogate pair is one part, not one for each of its bytes.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(mended(bytes)),
    }
}

/// Appends the text of `bytes`.
pub(crate) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(decode(bytes).as_bytes());
}

fn mended(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => error,
        };
        let (good, bad) = bytes.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(good));
        text.push(char::REPLACEMENT_CHARACTER);
        let len = match bad {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => error.error_len().unwrap_or(bad.len()),
        };
        bytes = bad.get(len..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_one_part_and_everything_else_as_in_rust() {
        assert_eq!(decode(b"\xed\xa0\x41"), "\u{fffd}A");
        assert_eq!(decode(b"\xed\xa0\x80\xed\xbf\xbfx"), "\u{fffd}\u{fffd}x");
        for bytes in [&b"plain"[..], b"\xff\xfea", b"\xe2\x82", b"\xf0\x9f\x92", b"a\x80b", b""] {
            assert_eq!(decode(bytes), String::from_utf8_lossy(bytes));
        }
    }
}
