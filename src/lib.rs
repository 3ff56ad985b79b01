//! Apache Kafka's log as a library: an append-only segment store whose directories are Kafka's,
//! byte for byte, that any Rust program can embed.
//!
//! A [`Store`] is a log directory; it hands out [`Log`]s, the partitions of its topics. Records are
//! appended in [`Batch`]es and fetched by offset or by time.
//!
//! ```
//! use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! let store = Store::options().open(&path)?;
//! let log = store.create_topic("events", TopicOptions::new().partitions(1))?.partition(0)?;
//! let batch = Batch::of([Record::new().key("k").value("v")]);
//! let appended = log.append(batch, Durability::Synced)?;
//! for record in log.fetch(appended.base_offset, FetchOptions::new())?.records() {
//!     println!("{:?}", record?.value());
//! }
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What survives what
//!
//! A record whose append returned with [`Durability::Written`] survives the death of the process;
//! with [`Durability::Synced`], or followed by [`Log::flush`], a loss of power too. Several records
//! of one batch are there together or not at all, and of what was not yet durable a prefix is.
//! What recovery cuts off goes to `quarantine/` in the partition's directory. An I/O error is never
//! taken for damage ([`Error::Io`] against [`Error::Corrupt`]), and a failed sync makes a log
//! [`Error::Poisoned`] until [`Log::reopen`].
//!
//! # Kafka
//!
//! Topic settings ([`LogConfig`]) have Kafka's names and meaning, and its defaults but for
//! retention, which is off until it is asked for. A directory that Kafka wrote can be opened
//! read-only, or adopted ([`StoreOptions::adopt`]).

// The floors, lowest first; each uses its own and those below it, never one above.
mod clock; //            the only source of "now"
mod error; //            what a caller can act on
mod finding; //          what is wrong in a log's files, or worth knowing
mod planted; //          mistakes that tests switch on, to see that they are noticed
mod sync; //             what threads meet at: std's, or a checker's
mod wire; //         1  integers and bytes without meaning
mod fs; //           1  files and directories without meaning: the seam
pub mod compression; //  2  none, gzip, snappy, lz4, zstd, framed as Kafka frames them
pub mod record; //       3  records and batches, as words and as bytes
mod index; //        4  what finds a place in a segment
mod segment; //      5  one .log file and its indexes
mod log; //          6  one partition
mod store; //        7  a log directory
mod producer; //     9  partition, accumulate, number, send
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod testing; //      the inner doors that tests drive

pub use clock::Clock;
pub use error::{Cause, Error, Result};
pub use finding::{Code, Detail, Explanation, Finding, Level, Report, Severity, VerifiedLog};
pub use index::{AbortedTxn, TxnIndexError};
pub use log::{
    Appended, Appender, CleanProgress, Cleaned, Cleanness, CleanupPolicy, ConfigError, Durability,
    FetchOptions, Fetched, Follower, Grown, Isolation, Log, LogConfig, RebuiltFile, SegmentInfo,
    SnapshotError, TimestampedOffset, TopicId, TopicIdError,
};
pub use producer::partition_for_key;
pub use record::{Batch, Record};
pub use segment::{
    Damage, IndexFile, IndexFileEntry, LogFile, LogPiece, LogPieces, OffsetIndexEntry, Piece,
    TimeIndexEntry, base_offset_of,
};
pub use store::{
    CleanerOptions, DurableMark, FaultKind, FileEntry, FileFault, FileKind, HandOver,
    HandOverOptions, KafkaRelease, MetaProperties, MetaPropertiesError, Positions, ProducerState,
    SealedSegment, SmallFile, Store, StoreOptions, Topic, TopicOptions, Verification,
    VerifiedPiece, VerifyOptions, rebuild, verify,
};
