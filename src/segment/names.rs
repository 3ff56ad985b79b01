//! The names of a partition's files: the base offset in 20 digits, and what the file is.

use crate::record::Offset;

/// What a file of a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The batches.
    Log,
    /// Offsets to positions.
    OffsetIndex,
    /// Timestamps to offsets.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// What is known of producers before this offset.
    Snapshot,
}

/// All parts, in the order in which Kafka renames them.
pub(crate) const PARTS: [Part; 5] =
    [Part::Log, Part::OffsetIndex, Part::TimeIndex, Part::TxnIndex, Part::Snapshot];

/// What stands behind a name while a file comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suffix {
    /// Waits to be removed.
    Deleted,
    /// Is being written by compaction.
    Cleaned,
    /// Complete, waits to replace others.
    Swap,
}

/// Behind the name of a file that waits to be removed.
pub(crate) const DELETED: &str = ".deleted";
/// Behind the name of a file that compaction is writing.
pub(crate) const CLEANED: &str = ".cleaned";
/// Behind the name of a file that compaction finished.
pub(crate) const SWAP: &str = ".swap";

impl Part {
    /// The end of the names of such files.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Part::Log => ".log",
            Part::OffsetIndex => ".index",
            Part::TimeIndex => ".timeindex",
            Part::TxnIndex => ".txnindex",
            Part::Snapshot => ".snapshot",
        }
    }
}

/// The name of the part of the segment, or the snapshot, at `base`.
pub(crate) fn name(base: Offset, part: Part) -> String {
    format!("{base:020}{}", part.extension())
}

/// What a file name says; `None` for a foreign one.
pub(crate) fn parse(name: &str) -> Option<(Offset, Part, Option<Suffix>)> {
    let (digits, rest) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let base = digits.parse().ok()?;
    let (extension, suffix) =
        [(DELETED, Suffix::Deleted), (CLEANED, Suffix::Cleaned), (SWAP, Suffix::Swap)]
            .iter()
            .find_map(|(end, suffix)| Some((rest.strip_suffix(end)?, Some(*suffix))))
            .unwrap_or((rest, None));
    let part = PARTS.into_iter().find(|part| part.extension() == extension)?;
    Some((base, part, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafka_s_and_parse_back() {
        assert_eq!(name(5_000_000_000, Part::TimeIndex), "00000000005000000000.timeindex");
        for part in PARTS {
            assert_eq!(parse(&name(42, part)), Some((42, part, None)));
            let swap = name(42, part) + ".swap";
            assert_eq!(parse(&swap), Some((42, part, Some(Suffix::Swap))));
        }
    }

    #[test]
    fn foreign_names_are_none_of_ours() {
        for name in
            ["", "abc.log", "0.log", "00000000000000000000.log.bak", "99999999999999999999.log"]
        {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
