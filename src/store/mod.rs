//! A log directory: topics and their partitions, the files at its top, and what has to be done now
//! and then. [`Store`] is the handle of it.

mod catalog;
pub(crate) mod checked_text;
pub(crate) mod checkpoint;
mod checkpoints;
mod cleaner;
pub(crate) mod clean_shutdown;
mod close;
mod directory;
mod found;
mod hand_over;
mod handle;
mod housekeeping;
mod kraft;
mod look;
pub(crate) mod meta_properties;
mod names;
mod options;
pub(crate) mod owner;
mod positions;
mod properties;
mod random;
mod shared;
mod strays;
mod topic;
pub(crate) mod topics;
mod verify;

use checked_text::TextError;
pub use cleaner::CleanerOptions;
pub use hand_over::{HandOver, HandOverOptions, KafkaRelease};
pub use handle::Store;
pub use look::{DurableMark, FaultKind, FileEntry, FileFault, ProducerState};
pub use look::{SealedSegment, SmallFile};
pub use meta_properties::{MetaProperties, MetaPropertiesError};
pub use options::StoreOptions;
pub use positions::Positions;
pub use topic::{Topic, TopicOptions};
pub use verify::{FileKind, Verification, VerifiedPiece, VerifyOptions, rebuild, verify};

/// What is locked while a store is open for writing; never removed.
const LOCK: &str = ".lock";
/// Who has the store open, or had.
const OWNER: &str = "strandline.owner";
/// The topics, with what their directories cannot say.
const TOPICS: &str = "strandline.topics";
/// It stands only while every log is closed.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// To which cluster and broker a directory belongs.
const META_PROPERTIES: &str = "meta.properties";
