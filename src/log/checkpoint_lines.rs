//! The container of Kafka's small text files (`CheckpointFile`): a version, a count, then one entry
//! a line. The leader epochs of a partition and the offset checkpoints of a log directory use it.
//!
//! ```text
//! 0        version
//! 2        number of entries
//! 0 0      an entry: fields with white space between them
//! 5 1
//! ```
//!
//! An empty file, and one with a version only, hold no entries. On reading, any white space
//! separates fields and stands around them, lines may end as on Windows, blank lines behind the
//! count are skipped; Kafka takes less, so all that it takes is taken.

use std::fmt::{self, Write};

/// The only version there is.
const VERSION: i32 = 0;
/// Bytes that a line may have: the longest topic name and two numbers take 290.
const MOST_LINE_BYTES: usize = 512;

/// Why bytes are no such file. Knows no file: the caller adds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum CheckpointError {
    /// Another version of the format; not corruption.
    UnsupportedVersion(i32),
    /// A line is not what it should be.
    Malformed {
        /// Its number; the first is 1.
        line: usize,
    },
    /// There are more or fewer entries than the second line says.
    CountMismatch {
        /// What it says.
        said: i32,
        /// What is there.
        found: usize,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::UnsupportedVersion(version) => {
                write!(f, "unsupported version {version}")
            }
            CheckpointError::Malformed { line } => write!(f, "line {line} is malformed"),
            CheckpointError::CountMismatch { said, found } => {
                write!(f, "{found} entries, the file says {said}")
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

/// Reads a file whose entries have `FIELDS` fields each; `entry` makes something of them, or says
/// that they are none.
///
/// # Errors
///
/// If it is another version, a line is malformed, or the count is wrong.
pub(crate) fn decode<const FIELDS: usize, T>(
    file: &[u8],
    mut entry: impl FnMut([&str; FIELDS]) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    let mut lines = lines(file).enumerate().map(|(at, line)| (at + 1, line));
    let Some(version) = number(lines.next())? else { return Ok(Vec::new()) };
    if version != VERSION {
        return Err(CheckpointError::UnsupportedVersion(version));
    }
    let Some(said) = number(lines.next())? else { return Ok(Vec::new()) };
    // The count reserves nothing: it is not trusted.
    let mut entries = Vec::new();
    for (at, line) in lines {
        let malformed = CheckpointError::Malformed { line: at };
        let text = text(line).ok_or(malformed)?;
        if text.split(is_space).all(str::is_empty) {
            continue;
        }
        entries.push(fields(text).and_then(&mut entry).ok_or(malformed)?);
    }
    if usize::try_from(said) != Ok(entries.len()) {
        return Err(CheckpointError::CountMismatch { said, found: entries.len() });
    }
    Ok(entries)
}

/// Writes a file, each of `entries` being a line.
pub(crate) fn encode<T: fmt::Display>(entries: impl ExactSizeIterator<Item = T>) -> Vec<u8> {
    let mut file = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        // Writing to a string does not fail.
        let _ = writeln!(file, "{entry}");
    }
    file.into_bytes()
}

/// The lines of a file, as Java tells them apart: each ends with `\n`, `\r`, `\r\n`, or the file.
fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, ending) = rest.split_at(end);
        let ending_len = if ending.starts_with(b"\r\n") { 2 } else { ending.len().min(1) };
        rest = &ending[ending_len..];
        Some(line)
    })
}

/// What separates fields: what Java's `\s` means and no line end is.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0b' | '\x0c')
}

fn text(line: &[u8]) -> Option<&str> {
    if line.len() > MOST_LINE_BYTES { None } else { std::str::from_utf8(line).ok() }
}

/// The number that a line of its own holds; none if there is no such line.
fn number(line: Option<(usize, &[u8])>) -> Result<Option<i32>, CheckpointError> {
    let Some((at, line)) = line else { return Ok(None) };
    let number = text(line).and_then(|text| text.trim_matches(is_space).parse().ok());
    number.map(Some).ok_or(CheckpointError::Malformed { line: at })
}

/// The fields of a line, if they are so many.
fn fields<const FIELDS: usize>(line: &str) -> Option<[&str; FIELDS]> {
    let mut all = line.split(is_space).filter(|field| !field.is_empty());
    let mut fields = [""; FIELDS];
    for field in &mut fields {
        *field = all.next()?;
    }
    all.next().is_none().then_some(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(file: &[u8]) -> Result<Vec<(u8, u8)>, CheckpointError> {
        decode(file, |[a, b]| Some((a.parse().ok()?, b.parse().ok()?)))
    }

    #[test]
    fn a_file_without_entries_is_empty_cleared_or_cut_behind_its_version() {
        for file in ["", "0\n", "0", "0\n0\n", "0\n0"] {
            assert_eq!(pairs(file.as_bytes()), Ok(vec![]), "{file:?}");
        }
        assert_eq!(encode([0; 0].iter()), b"0\n0\n");
    }

    #[test]
    fn white_space_of_any_kind_separates_and_surrounds() {
        let file = b" 0\r\n2\t\r\n 1 \t 2 \r\n\r\n3\x0b4\n\n";
        assert_eq!(pairs(file), Ok(vec![(1, 2), (3, 4)]));
        assert_eq!(pairs(b"0\r1\r1 2\r"), Ok(vec![(1, 2)]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let malformed = |line| Err(CheckpointError::Malformed { line });
        assert_eq!(pairs(b"1\n0\n"), Err(CheckpointError::UnsupportedVersion(1)));
        assert_eq!(pairs(b"\n0\n"), malformed(1));
        assert_eq!(pairs(b"0\nx\n"), malformed(2));
        assert_eq!(pairs(b"0\n2\n1 2\n3\n"), malformed(4));
        assert_eq!(pairs(b"0\n1\n1 2 3\n"), malformed(3));
        assert_eq!(pairs(b"0\n1\n1 \xff\n"), malformed(3));
    }

    #[test]
    fn a_count_that_is_wrong_is_refused_and_reserves_nothing() {
        for said in [-1, 0, 2, i32::MAX] {
            let file = format!("0\n{said}\n1 2\n");
            let mismatch = CheckpointError::CountMismatch { said, found: 1 };
            assert_eq!(pairs(file.as_bytes()), Err(mismatch));
        }
    }

    #[test]
    fn a_line_longer_than_any_that_is_written_is_refused() {
        let file = |blanks| format!("0\n1\n1{:blanks$}2\n", "").into_bytes();
        assert_eq!(pairs(&file(510)), Ok(vec![(1, 2)]));
        assert_eq!(pairs(&file(511)), Err(CheckpointError::Malformed { line: 3 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(file in "[0-9 \t\r\n-]{0,40}|.{0,40}", raw: Vec<u8>) {
            let _ = (pairs(file.as_bytes()), pairs(&raw));
        }
    }
}
