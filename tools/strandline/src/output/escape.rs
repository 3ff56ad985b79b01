//! Bytes for people's eyes: text as it is, everything else escaped. No raw control byte gets out,
//! nor a character that changes the direction of what follows.

use std::io::Write;

/// Appends `bytes`: UTF-8 as it is, `\n \t \r \\ \0`, other control characters as `\u{85}`, bytes
/// that are no UTF-8 as `\xff`.
pub(crate) fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            character(c, out);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

fn character(c: char, out: &mut Vec<u8>) {
    let _ = match c {
        '\n' => out.write_all(b"\\n"),
        '\t' => out.write_all(b"\\t"),
        '\r' => out.write_all(b"\\r"),
        '\0' => out.write_all(b"\\0"),
        '\\' => out.write_all(b"\\\\"),
        c if c.is_ascii_control() => write!(out, "\\x{:02x}", c as u32),
        c if is_unseen(c) => write!(out, "\\u{{{:x}}}", c as u32),
        c => out.write_all(c.encode_utf8(&mut [0; 4]).as_bytes()),
    };
}

/// Control characters beyond ASCII, line and paragraph separators, what turns the direction.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of others for one line of a message.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| -> Box<dyn Iterator<Item = char>> {
            if c.is_control() || is_unseen(c) {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escaped(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_itself_and_the_rest_is_spelled_out() {
        assert_eq!(shown("é✓ a\"b".as_bytes()), "é✓ a\"b");
        assert_eq!(shown(b"\xff\xfe\0\nA"), "\\xff\\xfe\\0\\nA");
        assert_eq!(shown(b"a\\nb"), "a\\\\nb");
        assert_eq!(shown("\u{1b}[31m\u{85}\u{202e}".as_bytes()), "\\x1b[31m\\u{85}\\u{202e}");
    }

    #[test]
    fn no_byte_gets_out_raw_that_a_terminal_obeys() {
        for byte in 0..=255_u8 {
            let shown = shown(&[byte, b'.']);
            assert!(shown.chars().all(|c| !c.is_control()), "{byte:#x}: {shown:?}");
        }
        assert_eq!(one_line("a\nb\u{1b}c✓"), "a\\nb\\u{1b}c✓");
    }
}
