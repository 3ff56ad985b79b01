//! The container of our own text files: lines of `<key> <value>`, of which the first is `version 1`
//! and the last `crc <8 hexadecimal digits>`, the CRC-32C of everything before that line.
//!
//! They can be read and edited by hand: who edits one writes `crc -` for its last line, which
//! vouches for nothing; the next time the file is written it gets its checksum again. Blank lines
//! and lines that begin with `#` say nothing.

use std::fmt;

use crate::wire::crc32c;

/// The version that is written, and the latest that is read.
const VERSION: u32 = 1;

/// Why bytes are no such file. Knows no file: the caller adds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum TextError {
    /// A later version of the format; not corruption.
    Newer(u32),
    /// The last line is no `crc` line: the file was cut off, or is another.
    NoCrc,
    /// The checksum does not fit what stands before it.
    Crc {
        /// What the file says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A line is not what it should be, or stands where it should not.
    Malformed {
        /// Its number; the first is 1.
        line: usize,
    },
    /// A line that must be there is not.
    Missing(&'static str),
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextError::Newer(version) => write!(f, "version {version} is newer than this program"),
            TextError::NoCrc => f.write_str("the last line is not `crc <8 hexadecimal digits>`"),
            TextError::Crc { stored, computed } => write!(
                f,
                "the last line says crc {stored:08x}, the text gives {computed:08x} (after an \
                 edit by hand: `crc -`)"
            ),
            TextError::Malformed { line } => write!(f, "line {line} is malformed"),
            TextError::Missing(key) => write!(f, "there is no line `{key}`"),
        }
    }
}

impl std::error::Error for TextError {}

/// A line that says something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// What stands before the first space.
    pub(super) key: &'a str,
    /// What stands behind it.
    pub(super) value: &'a str,
    number: usize,
}

impl Line<'_> {
    /// What is wrong if the line is not what it should be.
    pub(super) fn malformed(self) -> TextError {
        TextError::Malformed { line: self.number }
    }

    /// The value as a number from 0 to `most`.
    pub(super) fn number(self, most: u32) -> Result<u32, TextError> {
        let number = self.value.parse().ok().filter(|number| *number <= most);
        number.ok_or(self.malformed())
    }

    /// The value without its escapes.
    pub(super) fn text(self) -> Result<String, TextError> {
        unescape(self.value).ok_or(self.malformed())
    }

    /// What stands before and behind the first `=`, without escapes.
    pub(super) fn pair(self) -> Result<(String, String), TextError> {
        let (name, value) = self.value.split_once('=').ok_or(self.malformed())?;
        let pair = unescape(name).zip(unescape(value));
        pair.ok_or(self.malformed())
    }
}

/// More lines than a hundred thousand topics have. In memory each takes far more than in the file.
const MOST_LINES: usize = 500_000;

/// The lines of a file behind its version, if its checksum fits.
///
/// # Errors
///
/// If the checksum is missing or wrong, the version another, or the bytes are no text.
pub(super) fn decode(file: &[u8]) -> Result<Vec<Line<'_>>, TextError> {
    let text = checked(file)?;
    let mut lines = Vec::new();
    for (at, bytes) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = at + 1;
        let line = std::str::from_utf8(bytes).map_err(|_| TextError::Malformed { line: number })?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let line = Line { key, value, number };
        if lines.len() > MOST_LINES {
            return Err(line.malformed());
        }
        if lines.is_empty() && line.key == "version" {
            let version = line.number(u32::MAX)?;
            if version > VERSION {
                return Err(TextError::Newer(version));
            }
        }
        lines.push(line);
    }
    match lines.first() {
        Some(line) if line.key == "version" && line.value == "1" => {}
        Some(line) => return Err(line.malformed()),
        None => return Err(TextError::Missing("version")),
    }
    lines.remove(0);
    Ok(lines)
}

/// What stands before the last line, if that is its checksum or vouches for nothing.
fn checked(file: &[u8]) -> Result<&[u8], TextError> {
    let trimmed = file.trim_ascii_end();
    let start = trimmed.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let (text, last) = trimmed.split_at(start);
    let stored = last.strip_prefix(b"crc ").ok_or(TextError::NoCrc)?;
    if stored == b"-" {
        return Ok(text);
    }
    let stored = std::str::from_utf8(stored).ok().filter(|digits| {
        digits.len() == 8 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    });
    let stored = stored.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let stored = stored.ok_or(TextError::NoCrc)?;
    let computed = crc32c::checksum(text);
    if stored == computed { Ok(text) } else { Err(TextError::Crc { stored, computed }) }
}

/// The file's bytes: its version, `lines`, each of which ends with `\n`, and its checksum.
pub(super) fn encode(lines: &str) -> Vec<u8> {
    let text = format!("version {VERSION}\n{lines}");
    let crc = crc32c::checksum(text.as_bytes());
    format!("{text}crc {crc:08x}\n").into_bytes()
}

/// A text on one line: `%` and line ends as `%` and two hexadecimal digits.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['%', '\n', '\r']) {
            let plain = part.trim_end_matches(['%', '\n', '\r']);
            f.write_str(plain)?;
            for byte in part[plain.len()..].bytes() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// Takes back [`Escaped`], and an escape of any other ASCII character. None if there is another.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let is_escape = byte.is_ascii() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        plain.push(if is_escape { char::from(byte) } else { return None });
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_line_vouches_for_all_before_it() {
        let file = encode("a b\n");
        assert_eq!(file, b"version 1\na b\ncrc 6fe60822\n");
        let lines = decode(&file).unwrap();
        assert_eq!((lines.len(), lines[0].key, lines[0].value), (1, "a", "b"));
        for cut in 0..file.len() - 1 {
            assert_eq!(decode(&file[..cut]).unwrap_err(), TextError::NoCrc, "cut at {cut}");
        }
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let same = flipped.trim_ascii_end() == file.trim_ascii_end();
            assert!(decode(&flipped).is_err() || same, "bit {bit}");
        }
    }

    #[test]
    fn who_edits_by_hand_says_so_in_the_last_line() {
        let edited = b"version 1\r\n# mine\n\na b c\r\ncrc -\r\n";
        assert_eq!(decode(edited).unwrap()[0].value, "b c");
        let line = decode(b"version 1\n\na b\n\xff\ncrc -").unwrap_err();
        assert_eq!(line, TextError::Malformed { line: 4 });
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let error = |file: &[u8]| decode(file).unwrap_err();
        assert_eq!(error(b"version 2\nnew line\ncrc -\n"), TextError::Newer(2));
        assert_eq!(error(b"version 0\ncrc -\n"), TextError::Malformed { line: 1 });
        assert_eq!(error(b"a b\nversion 1\ncrc -\n"), TextError::Malformed { line: 1 });
        assert_eq!(error(b"crc -\n"), TextError::Missing("version"));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_one_line_and_is_read_back(text in ".{0,9}|[%\n\r0Aa=]{0,9}") {
            let escaped = Escaped(&text).to_string();
            prop_assert!(!escaped.contains(['\n', '\r']));
            prop_assert_eq!(unescape(&escaped), Some(text));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(mut file: Vec<u8>, text in "[a-c 1%\n]{0,30}") {
            let _ = decode(&file);
            file.extend_from_slice(b"\ncrc -");
            let _ = (decode(&file), unescape(&text));
        }
    }
}
