//! `leader-epoch-checkpoint`: at which offset each leader epoch of a partition began.
//!
//! An entry a line, `<epoch> <start offset>`, in the container of `checkpoint_lines`; an empty file
//! has none. The file is read as it stands: what to make of entries out of order is for the leader
//! epochs to say.

use std::fmt;

use super::checkpoint_lines::{self, CheckpointError};
use crate::record::{LeaderEpoch, Offset};

/// Where a leader epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochStart {
    /// The epoch.
    pub(crate) epoch: LeaderEpoch,
    /// The first offset that it gave out, or would have.
    pub(crate) start_offset: Offset,
}

impl fmt::Display for EpochStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.epoch, self.start_offset)
    }
}

/// Reads the file.
///
/// # Errors
///
/// Any [`CheckpointError`]; a negative epoch or offset is malformed, as Kafka refuses it too.
pub(crate) fn decode(file: &[u8]) -> Result<Vec<EpochStart>, CheckpointError> {
    checkpoint_lines::decode(file, |[epoch, start_offset]| {
        let epoch = LeaderEpoch::from_wire(epoch.parse().ok()?)?;
        let start_offset = start_offset.parse().ok().filter(|offset| *offset >= 0)?;
        Some(EpochStart { epoch, start_offset })
    })
}

/// The file's bytes.
pub(crate) fn encode(epochs: &[EpochStart]) -> Vec<u8> {
    checkpoint_lines::encode(epochs.iter())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `multi-seg-0/leader-epoch-checkpoint`, as a broker wrote it.
    const FROM_KAFKA: &[u8] = b"0\n2\n0 0\n2 328\n";

    fn starts(epoch: i32, start_offset: Offset) -> EpochStart {
        EpochStart { epoch: LeaderEpoch(epoch), start_offset }
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let epochs = decode(FROM_KAFKA).unwrap();
        assert_eq!(epochs, [starts(0, 0), starts(2, 328)]);
        assert_eq!(encode(&epochs), FROM_KAFKA);
        assert_eq!((decode(b""), encode(&[])), (Ok(vec![]), b"0\n0\n".to_vec()));
    }

    #[test]
    fn entries_out_of_order_are_read_as_they_stand() {
        let epochs = decode(b"0\n3\n0 0\n5 2\n3 4\n").unwrap();
        assert_eq!(epochs, [starts(0, 0), starts(5, 2), starts(3, 4)]);
    }

    #[test]
    fn a_negative_epoch_or_offset_is_malformed() {
        for line in ["-1 0", "0 -1", "2147483648 0", "0 9223372036854775808"] {
            let file = format!("0\n1\n{line}\n");
            let malformed = CheckpointError::Malformed { line: 3 };
            assert_eq!(decode(file.as_bytes()), Err(malformed), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            entries in prop::collection::vec((0..i32::MAX, 0..i64::MAX), 0..20)
        ) {
            let epochs: Vec<_> = entries.into_iter().map(|(e, o)| starts(e, o)).collect();
            prop_assert_eq!(decode(&encode(&epochs)), Ok(epochs));
        }
    }
}
