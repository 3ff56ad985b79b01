//! Apache Kafka's log as a library: an append-only segment store whose directories are Kafka's,
//! byte for byte, that any Rust program can embed.

// The floors, lowest first; each uses its own and those below it, never one above.
mod clock; //            the only source of "now"
mod error; //            what a caller can act on
mod wire; //         1  integers and bytes without meaning
mod fs; //           1  files and directories without meaning: the seam
pub mod compression; //  2  none, gzip, snappy, lz4, zstd, framed as Kafka frames them
pub mod record; //       3  records and batches, as words and as bytes
mod index; //        4  what finds a place in a segment
mod segment; //      5  one .log file and its indexes
mod log; //          6  one partition
mod store; //        7  a log directory
mod producer; //     9  partition, accumulate, number, send

pub use clock::Clock;
pub use error::{Cause, Error, Result};
pub use index::{AbortedTxn, TxnIndexError};
#[cfg(feature = "sim")]
#[doc(hidden)]
pub use log::testing;
pub use log::{
    Appended, Appender, CleanupPolicy, ConfigError, Durability, FetchOptions, Fetched, Grown,
    Isolation, Log, LogConfig, SegmentInfo, SnapshotError, TimestampedOffset, TopicId,
    TopicIdError,
};
pub use producer::partition_for_key;
pub use record::{Batch, Record};
pub use segment::{
    Damage, IndexFile, IndexFileEntry, LogFile, LogPiece, LogPieces, OffsetIndexEntry, Piece,
    TimeIndexEntry, base_offset_of,
};
pub use store::{MetaProperties, MetaPropertiesError, Store, StoreOptions, Topic, TopicOptions};
