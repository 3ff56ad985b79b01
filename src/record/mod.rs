//! Records and record batches, as words and as bytes. No I/O, no clock.
//!
//! What is written: [`Record`]s gathered in a [`Batch`]. What is read: a [`RecordBatch`], borrowed
//! and checked, whose records ([`FetchedRecord`]) borrow from it too. What Kafka wrote before there
//! were batches, a [`LegacyMessage`], is read as a batch of its own.

mod attributes;
mod batch;
mod batches;
mod builder;
mod control;
mod encode;
mod error;
mod gathered;
mod header;
mod ids;
mod legacy;
mod legacy_messages;
#[cfg(test)]
mod legacy_tests;
mod pieces;
mod read;
mod rebuild;
#[expect(clippy::module_inception, reason = "it holds a record, as the others hold theirs")]
mod record;
mod rewrite;
#[cfg(test)]
mod rewrite_tests;
mod room;
mod upgrade;

pub use attributes::{Attributes, TimestampType};
pub use batch::{RecordBatch, UncheckedBatch};
pub use batches::Batches;
pub use builder::Batch;
pub(crate) use builder::{BatchFault, Draft, Facts, Wanted};
pub(crate) use control::encode_marker;
pub use control::{ControlRecord, TransactionEnd};
pub use error::{BatchError, RecordError};
pub use header::BatchHeader;
#[cfg(test)]
pub(crate) use header::NewHeader;
pub(crate) use header::{HEADER_LEN, Prefix, RawHeader, Stamp, check_crc, place, stamp};
pub use ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
pub use legacy::LegacyMessage;
pub(crate) use legacy::{LEAST_MESSAGE_LEN, message_beginning, message_covered};
pub use legacy_messages::LegacyMessages;
pub(crate) use pieces::Pieces;
pub use read::{FetchedRecord, Header, Headers, Records};
pub(crate) use rebuild::{RebuildError, Rebuilder, empty_batch};
pub use record::Record;
pub use rewrite::Rewriter;
pub use upgrade::{UpgradeError, Upgrader};
