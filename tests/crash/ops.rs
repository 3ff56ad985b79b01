//! What a program does to a log, one step at a time.

use std::fmt;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    AppendWritten,
    AppendSynced,
    /// More than what is left of any segment.
    AppendRolling,
    AppendTransactional,
    Commit,
    Abort,
    Flush,
    Roll,
    DeleteRecords,
    /// Compaction of all that can be compacted.
    Clean,
    /// Ten minutes later: seals, retention, deleted files, checkpoints.
    Housekeeping,
    Reopen,
    /// From here on, longer sequences only: inside the last batch.
    Truncate,
    TruncateAll,
    StartOver,
    /// At the log end + 100.
    Import,
    /// Everything that was appended, `Written` or not, to be deleted.
    DeleteAll,
    /// The process dies, and another one opens the store.
    Die,
    /// Kafka has the log for a while: after a close, and it is closed again, or after a death.
    Kafka,
    /// Kafka's directory, closed and without anything of ours, is opened.
    Adopt,
    /// The store is handed over to Kafka, and opened again before Kafka has started.
    HandOver,
}

/// What all sequences of up to three are made of.
pub(crate) const EVERY: [Op; 12] = [
    Op::AppendWritten,
    Op::AppendSynced,
    Op::AppendRolling,
    Op::AppendTransactional,
    Op::Commit,
    Op::Abort,
    Op::Flush,
    Op::Roll,
    Op::DeleteRecords,
    Op::Clean,
    Op::Housekeeping,
    Op::Reopen,
];

/// What only longer ones have besides.
pub(crate) const RARE: [Op; 9] = [
    Op::Truncate,
    Op::TruncateAll,
    Op::StartOver,
    Op::Import,
    Op::DeleteAll,
    Op::Die,
    Op::Kafka,
    Op::Adopt,
    Op::HandOver,
];

impl Op {
    /// Whether the store is opened anew.
    pub(crate) fn reopens(self) -> bool {
        matches!(self, Op::Reopen | Op::Die | Op::Kafka | Op::Adopt | Op::HandOver)
    }

    /// Whether it takes records away.
    pub(crate) fn removes(self) -> bool {
        let removing = [Op::DeleteRecords, Op::DeleteAll, Op::Truncate, Op::TruncateAll];
        let may_remove = [Op::StartOver, Op::Housekeeping, Op::Clean];
        removing.contains(&self) || may_remove.contains(&self)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
