//! Apache Kafka's log as a library: an append-only segment store whose directories are Kafka's,
//! byte for byte, that any Rust program can embed.

// The floors, lowest first; each uses its own and those below it, never one above.
mod clock; //            the only source of "now"
mod error; //            what a caller can act on
mod wire; //         1  integers and bytes without meaning
mod fs; //           1  files and directories without meaning: the seam
pub mod compression; //  2  none, gzip, snappy, lz4, zstd, framed as Kafka frames them
pub mod record; //   3  records and batches, as words and as bytes

pub use clock::Clock;
pub use error::{Cause, Error, Result};
pub use record::{Batch, Record};
