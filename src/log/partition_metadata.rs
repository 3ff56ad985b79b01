//! `partition.metadata`: which topic a partition directory belongs to, by its id.
//!
//! ```text
//! version: 0
//! topic_id: AAAAAAAAAAEAAAAAAAAAAg
//! ```
//!
//! 43 bytes; the second line has no end.

use std::fmt;

use super::topic_id::{TopicId, TopicIdError};

/// The version that is written. As in Kafka, a later one is read: its first two lines are these.
const VERSION: i32 = 0;
const VERSION_KEY: &str = "version";
const TOPIC_ID_KEY: &str = "topic_id";

/// Why bytes are no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum PartitionMetadataError {
    /// A line is not `<key>: <value>` with the key it should have.
    Malformed {
        /// Its number; the first is 1.
        line: usize,
    },
    /// The version is negative, or no number.
    Version,
    /// The second line's value is no topic id.
    TopicId(TopicIdError),
}

impl fmt::Display for PartitionMetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionMetadataError::Malformed { line } => write!(f, "line {line} is malformed"),
            PartitionMetadataError::Version => f.write_str("the version is no number from 0 on"),
            PartitionMetadataError::TopicId(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PartitionMetadataError {}

/// Reads the file. What follows the second line is ignored, as in Kafka.
///
/// # Errors
///
/// If a line, the version or the topic id is not what it should be; the id of zeros is none.
pub(crate) fn decode(file: &[u8]) -> Result<TopicId, PartitionMetadataError> {
    let mut lines = file.split(|&byte| byte == b'\n');
    let version = value(lines.next(), 1, VERSION_KEY)?;
    if version.parse::<i32>().is_ok_and(|version| version >= VERSION) {
        let topic_id = value(lines.next(), 2, TOPIC_ID_KEY)?;
        topic_id.parse().map_err(PartitionMetadataError::TopicId)
    } else {
        Err(PartitionMetadataError::Version)
    }
}

/// The value of `line` if it has that key.
fn value<'a>(
    line: Option<&'a [u8]>,
    number: usize,
    key: &str,
) -> Result<&'a str, PartitionMetadataError> {
    line.and_then(|line| std::str::from_utf8(line).ok())
        .and_then(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .filter(|value| value.starts_with(|first: char| first.is_ascii_whitespace()))
        .map(|value| value.trim_matches(|end: char| end.is_ascii_whitespace()))
        .ok_or(PartitionMetadataError::Malformed { line: number })
}

/// The file's bytes.
pub(crate) fn encode(topic_id: TopicId) -> Vec<u8> {
    format!("{VERSION_KEY}: {VERSION}\n{TOPIC_ID_KEY}: {topic_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `txn-0/partition.metadata`, as a broker wrote it.
    const FROM_KAFKA: &[u8; 43] = b"version: 0\ntopic_id: gMflXnwDS2K7CfvVf3do3Q";

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let id = decode(FROM_KAFKA).unwrap();
        assert_eq!(id.to_string(), "gMflXnwDS2K7CfvVf3do3Q");
        assert_eq!(encode(id), FROM_KAFKA);
    }

    #[test]
    fn a_later_version_and_what_it_adds_are_read_past() {
        let later = b"version: 7\r\ntopic_id:  gMflXnwDS2K7CfvVf3do3Q \r\nmore: 1\n";
        assert_eq!(decode(later), decode(FROM_KAFKA));
    }

    #[test]
    fn what_is_wrong_is_said() {
        use PartitionMetadataError::{Malformed, Version};
        assert_eq!(decode(b""), Err(Malformed { line: 1 }));
        assert_eq!(decode(b"version 0\n"), Err(Malformed { line: 1 }));
        assert_eq!(decode(b"version:0\n"), Err(Malformed { line: 1 }));
        assert_eq!(decode(b"version: 0"), Err(Malformed { line: 2 }));
        assert_eq!(decode(b"version: -1\n"), Err(Version));
        let zero = b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(decode(zero), Err(PartitionMetadataError::TopicId(TopicIdError::Zero)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_no_flip_gives_the_zero_id(
            raw: Vec<u8>, at in 0..43_usize, bit in 0..8_u32,
        ) {
            let _ = decode(&raw);
            let mut file = *FROM_KAFKA;
            file[at] ^= 1 << bit;
            prop_assert!(decode(&file).is_ok_and(|id| !id.is_zero()) || decode(&file).is_err());
        }
    }
}
