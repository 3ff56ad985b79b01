//! What can go wrong, as far as a caller can act on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use crate::record::{BatchError, Offset, RecordError};

/// The result of nearly everything.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. A variant is there where a caller acts differently, and no other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused. Nothing valid was changed; unless it was a sync, the same call
    /// works once the cause is gone.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Bytes on the disk are damaged. Nothing was changed; what lies beside them stays readable.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// First and last offset that are hit, as far as they are known.
        offsets: Option<(Offset, Offset)>,
        /// What is wrong there.
        cause: Cause,
    },
    /// A later version of strandline or of Kafka wrote it.
    Newer {
        /// The file.
        path: PathBuf,
        /// What is newer.
        what: &'static str,
        /// Its version.
        version: i64,
    },
    /// No record can be at that offset (Kafka's code 1).
    OffsetOutOfRange {
        /// What was asked for.
        wanted: Offset,
        /// First offset that can be read.
        log_start: Offset,
        /// Offset that the next record will get.
        log_end: Offset,
    },
    /// The log was cut below what a [`Follower`](crate::Follower) had read of it: what it read from
    /// there on is no part of the log any more, and so is all of the batch that the cut went through.
    /// It goes on where the log was cut.
    Truncated {
        /// Where the log was cut.
        to: Offset,
        /// Where the reader was.
        read_to: Offset,
    },
    /// A batch is larger than the topic's `max.message.bytes` (Kafka's code 10).
    RecordTooLarge {
        /// Its bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// An append is larger than a segment may become, `segment.bytes` (Kafka's code 18).
    BatchTooLarge {
        /// Its bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// More than the reader wanted to take: its own bound, not damage.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A batch is not what a client may append (Kafka's code 87).
    InvalidRecord(String),
    /// A batch's bytes are damaged or incomplete (Kafka's code 2).
    CorruptBatch(BatchError),
    /// A timestamp lies outside what the topic accepts (Kafka's code 32).
    InvalidTimestamp(String),
    /// An idempotent producer left out records, or repeats some that are forgotten (Kafka's code
    /// 45).
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// The sequence that it sent.
        got: i32,
        /// The sequence that comes next.
        expected: i32,
    },
    /// A later incarnation of the producer has taken over (Kafka's code 47).
    ProducerFenced {
        /// The producer.
        producer_id: i64,
        /// The epoch that it sent.
        got: i16,
        /// The epoch that is current.
        current: i16,
    },
    /// A later transaction coordinator has taken over (Kafka's code 52).
    CoordinatorFenced {
        /// The epoch that it sent.
        got: i32,
        /// The epoch that is current.
        current: i32,
    },
    /// A batch does not fit the state of its producer's transaction (Kafka's code 48).
    InvalidTxnState(String),
    /// An imported batch starts below the log end, or batches are out of order.
    OffsetsOutOfOrder {
        /// The offset that is too low.
        offset: Offset,
        /// The least that is accepted.
        expected: Offset,
    },
    /// The topic's cleanup policy does not allow it (Kafka's code 44).
    PolicyViolation(String),
    /// Another process, or another handle of this one, has the store open.
    Locked {
        /// The store.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        pid: Option<u32>,
    },
    /// Kafka wrote this directory; it is opened for writing only by an explicit adopt
    /// ([`StoreOptions::adopt`](crate::StoreOptions::adopt)).
    NeedsAdopt(PathBuf),
    /// Records are missing that were there once; appending waits until that is accepted.
    GapNotAccepted {
        /// First offset that is missing.
        from: Offset,
        /// Offset behind the last one that is missing.
        to: Offset,
    },
    /// There is no such topic, partition or directory.
    NotFound(String),
    /// It is there already.
    Exists(String),
    /// A name or a setting that cannot be.
    Invalid(String),
    /// The store was opened for reading only.
    ReadOnly,
    /// The time-out passed; whether it happens still is not known.
    TimedOut,
    /// The log or store was closed.
    Closed,
    /// A sync of this log failed, so nobody knows what reached the disk. It reads up to its durable
    /// end; [`Log::reopen`](crate::Log::reopen) goes on.
    Poisoned(Arc<Error>),
}

/// What is wrong with damaged bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// They are no batch.
    Batch(BatchError),
    /// They are a batch that holds no proper records.
    Record(RecordError),
    /// They disagree with what lies beside them, or with what is known of them.
    Mismatch(&'static str),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Batch(cause) => cause.fmt(f),
            Cause::Record(cause) => cause.fmt(f),
            Cause::Mismatch(what) => f.write_str(what),
        }
    }
}

impl From<BatchError> for Cause {
    fn from(cause: BatchError) -> Self {
        Cause::Batch(cause)
    }
}

impl From<RecordError> for Cause {
    fn from(cause: RecordError) -> Self {
        Cause::Record(cause)
    }
}

impl Error {
    /// An error of the operating system, with what was being done to which file.
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>, source: io::Error) -> Error {
        Error::Io { doing, path: path.as_ref().to_path_buf(), source: Arc::new(source) }
    }

    /// Damage at a place.
    pub(crate) fn corrupt(path: PathBuf, position: u64, cause: impl Into<Cause>) -> Error {
        Error::Corrupt { path, position, offsets: None, cause: cause.into() }
    }

    /// The number that Kafka's protocol has for it, −1 (unknown server error) if none.
    pub fn kafka_code(&self) -> i16 {
        match self {
            Error::OffsetOutOfRange { .. } => 1,
            Error::CorruptBatch(_) | Error::Corrupt { .. } => 2,
            Error::NotFound(_) => 3,
            Error::TimedOut => 7,
            Error::RecordTooLarge { .. } => 10,
            Error::BatchTooLarge { .. } => 18,
            Error::InvalidTimestamp(_) => 32,
            Error::Exists(_) => 36,
            Error::Invalid(_) => 42,
            Error::Newer { .. } => 43,
            Error::PolicyViolation(_) => 44,
            Error::OutOfOrderSequence { .. } => 45,
            Error::ProducerFenced { .. } => 47,
            Error::InvalidTxnState(_) => 48,
            Error::CoordinatorFenced { .. } => 52,
            Error::Io { .. } | Error::Poisoned(_) => 56,
            Error::InvalidRecord(_) => 87,
            _ => -1,
        }
    }

    /// Whether the same call can succeed later without anything else being done.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Error::Io { .. } | Error::TimedOut | Error::Locked { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
            Error::Corrupt { path, position, offsets, cause } => {
                write!(f, "{}: at byte {position}", path.display())?;
                if let Some((first, last)) = offsets {
                    write!(f, " (offsets {first}–{last})")?;
                }
                write!(f, ": {cause}")
            }
            Error::Newer { path, what, version } => {
                let path = path.display();
                write!(f, "{path}: {what} has version {version}, newer than this program")
            }
            Error::OffsetOutOfRange { wanted, log_start, log_end } => {
                write!(f, "offset {wanted} is out of range: the log holds {log_start} to {log_end}")
            }
            Error::Truncated { to, read_to } => {
                write!(f, "the log was cut to offset {to} after it was read up to {read_to}")
            }
            Error::RecordTooLarge { size, limit } => {
                write!(f, "batch of {size} bytes exceeds max.message.bytes {limit}")
            }
            Error::BatchTooLarge { size, limit } => {
                write!(f, "append of {size} bytes exceeds segment.bytes {limit}")
            }
            Error::TooLarge { what, limit } => write!(f, "{what} exceeds the bound of {limit}"),
            Error::InvalidRecord(why) => write!(f, "invalid record: {why}"),
            Error::CorruptBatch(why) => write!(f, "corrupt batch: {why}"),
            Error::InvalidTimestamp(why) => write!(f, "invalid timestamp: {why}"),
            Error::OutOfOrderSequence { producer_id, got, expected } => {
                write!(f, "producer {producer_id} sent sequence {got}, {expected} comes next")
            }
            Error::ProducerFenced { producer_id, got, current } => {
                write!(f, "producer {producer_id} sent epoch {got}, its current one is {current}")
            }
            Error::CoordinatorFenced { got, current } => {
                write!(f, "coordinator epoch {got} is older than {current}")
            }
            Error::InvalidTxnState(why) => write!(f, "invalid transaction state: {why}"),
            Error::OffsetsOutOfOrder { offset, expected } => {
                write!(f, "imported offset {offset} is below {expected}")
            }
            Error::Locked { path, pid } => {
                write!(f, "{} is in use", path.display())?;
                match pid {
                    Some(pid) => write!(f, " by process {pid}"),
                    None => f.write_str(" by another process, perhaps a Kafka broker"),
                }
            }
            Error::NeedsAdopt(path) => {
                write!(f, "{} was written by Kafka: open it read-only, or adopt it", path.display())
            }
            Error::GapNotAccepted { from, to } => {
                write!(f, "records {from} to {} are gone; appends wait for accept_gaps", to - 1)
            }
            Error::NotFound(what) => write!(f, "{what} does not exist"),
            Error::Exists(what) => write!(f, "{what} exists already"),
            Error::Invalid(why) | Error::PolicyViolation(why) => f.write_str(why),
            Error::ReadOnly => f.write_str("the store was opened read-only"),
            Error::TimedOut => f.write_str("timed out; the result is unknown"),
            Error::Closed => f.write_str("closed"),
            Error::Poisoned(first) => write!(f, "poisoned by an earlier failure: {first}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source.as_ref()),
            Error::CorruptBatch(cause) => Some(cause),
            Error::Poisoned(first) => Some(first.as_ref()),
            _ => None,
        }
    }
}
