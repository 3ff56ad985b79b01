//! Offset checkpoints: one offset for each partition of a log directory.
//!
//! An entry a line, `<topic> <partition> <offset>`, in any order, in the container that the leader
//! epochs of a partition use too. The files, all at the top of the log directory:
//!
//! | file | the offset |
//! |------|------------|
//! | `recovery-point-offset-checkpoint` | recovery point of every partition |
//! | `log-start-offset-checkpoint`      | log start offset, where it lies above the first segment's base |
//! | `replication-offset-checkpoint`    | high watermark of every partition; and our opening number |
//! | `cleaner-offset-checkpoint`        | first offset not cleaned yet of compacted partitions |

use std::fmt;

use crate::log::checkpoint_lines;
pub(crate) use crate::log::checkpoint_lines::CheckpointError;
use crate::record::Offset;

/// More entries than any log directory has partitions. In memory each takes ten times its line.
const MOST_ENTRIES: usize = 200_000;

/// The topic name of the line that holds our opening number: no topic may have it.
pub(crate) const OPENING_TOPIC: &str = "strandline-opening";

/// The offset of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionOffset {
    /// The topic's name.
    pub(crate) topic: String,
    /// The partition's number, from 0 on.
    pub(crate) partition: i32,
    /// What it means depends on the file.
    pub(crate) offset: Offset,
}

impl PartitionOffset {
    /// The line `strandline-opening 0 <number>`: it stands as long as nobody else has written.
    pub(crate) fn opening(number: i32) -> Self {
        let topic = OPENING_TOPIC.to_owned();
        PartitionOffset { topic, partition: 0, offset: Offset::from(number) }
    }
}

impl fmt::Display for PartitionOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.topic, self.partition, self.offset)
    }
}

/// The opening number among the entries of `replication-offset-checkpoint`. None if there is no
/// such line, or it holds what no opening number is: then somebody else has written.
pub(crate) fn opening_number(entries: &[PartitionOffset]) -> Option<i32> {
    let ours = entries.iter().find(|entry| entry.topic == OPENING_TOPIC && entry.partition == 0)?;
    i32::try_from(ours.offset).ok()
}

/// Reads a file. An entry that stands there twice is given twice.
///
/// # Errors
///
/// Any [`CheckpointError`]; a negative partition or offset, or an entry too many, is malformed.
pub(crate) fn decode(file: &[u8]) -> Result<Vec<PartitionOffset>, CheckpointError> {
    let mut left = MOST_ENTRIES;
    checkpoint_lines::decode(file, |[topic, partition, offset]| {
        left = usize::checked_sub(left, 1)?;
        let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
        let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
        Some(PartitionOffset { topic: topic.to_owned(), partition, offset })
    })
}

/// The file's bytes. A topic's name holds no white space: it is one that Kafka allows.
pub(crate) fn encode(entries: &[PartitionOffset]) -> Vec<u8> {
    checkpoint_lines::encode(entries.iter())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `log-start-offset-checkpoint`, as a broker wrote it.
    const FROM_KAFKA: &[u8] = b"0\n2\ndeleted-records 0 77\ndeleted-records 1 42\n";

    fn entry(topic: &str, partition: i32, offset: Offset) -> PartitionOffset {
        PartitionOffset { topic: topic.to_owned(), partition, offset }
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let entries = decode(FROM_KAFKA).unwrap();
        assert_eq!(entries, [entry("deleted-records", 0, 77), entry("deleted-records", 1, 42)]);
        assert_eq!(encode(&entries), FROM_KAFKA);
        assert_eq!(opening_number(&entries), None);
    }

    #[test]
    fn the_opening_number_is_a_line_among_the_others() {
        let entries = [entry("a", 0, 5), PartitionOffset::opening(1_234_567), entry("b", 0, 6)];
        let file = encode(&entries);
        assert!(file.ends_with(b"\nstrandline-opening 0 1234567\nb 0 6\n"));
        assert_eq!(opening_number(&decode(&file).unwrap()), Some(1_234_567));
    }

    #[test]
    fn a_line_of_ours_that_holds_no_opening_number_counts_as_none() {
        assert_eq!(opening_number(&[entry(OPENING_TOPIC, 0, 1 << 31)]), None);
        assert_eq!(opening_number(&[entry(OPENING_TOPIC, 1, 7)]), None);
    }

    #[test]
    fn a_line_that_is_no_partition_and_offset_is_malformed() {
        for line in ["a 0", "a 0 1 2", "a -1 2", "a 0 -2", "a b 2", "a 0 9223372036854775808"] {
            let file = format!("0\n1\n{line}\n");
            let malformed = CheckpointError::Malformed { line: 3 };
            assert_eq!(decode(file.as_bytes()), Err(malformed), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            entries in prop::collection::vec(
                ("[a-zA-Z0-9._-]{1,249}", 0..i32::MAX, 0..i64::MAX), 0..10)
        ) {
            let entries: Vec<_> = entries.into_iter().map(|(t, p, o)| entry(&t, p, o)).collect();
            prop_assert_eq!(decode(&encode(&entries)), Ok(entries));
        }
    }
}
