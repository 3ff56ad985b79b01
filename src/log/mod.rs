//! One partition: offsets, segments, appends, fetches, producer state. See the files for each.

mod append;
mod appender;
mod apply;
mod changes;
pub(crate) mod checkpoint_lines;
mod cleaner;
mod close;
#[cfg(all(test, shuttle))]
mod concurrency_tests;
mod config;
mod context;
mod deleted;
mod fetch;
mod fetched;
mod flushes;
mod follower;
mod get;
mod group;
mod growth;
mod handle;
mod housekeeping;
pub(crate) mod leader_epoch_file;
pub(crate) mod leader_epochs;
mod ledger;
mod listing;
mod lookup;
pub(crate) mod manifest;
mod opened;
mod origin;
pub(crate) mod partition_metadata;
mod plan;
mod producers;
mod quarantine;
mod replaced;
mod replay;
mod rest;
mod retention;
mod scan;
mod seal;
mod segment_list;
mod settings;
mod sight;
pub(crate) mod snapshot;
#[cfg(feature = "sim")]
pub(crate) mod testing;
mod survey;
mod topic_id;
mod truncate;
mod unsynced;
mod validate;
pub(crate) mod verify;
mod view;
pub(crate) mod watermark;
mod writer;

pub use append::{Appended, Durability};
pub use appender::Appender;
pub(crate) use changes::Changes;
pub use cleaner::{CleanProgress, Cleaned, Cleanness};
pub(crate) use cleaner::{Tools, Urgency};
pub(crate) use close::fill_directory;
pub use config::{CleanupPolicy, ConfigError, LogConfig};
pub(crate) use context::{
    CleanerCheckpoint, Context, Gate, KafkaSays, Signal, Surroundings, Waited,
};
pub use fetch::{FetchOptions, Isolation};
pub use fetched::Fetched;
pub use follower::Follower;
pub use handle::{Log, SegmentInfo};
pub(crate) use housekeeping::Standing;
pub(crate) use ledger::manifest_topic_id;
pub use lookup::TimestampedOffset;
pub(crate) use origin::Origin;
pub(crate) use producers::ProducerEntry;
pub(crate) use rest::Resting;
pub(crate) use settings::Settings;
pub use snapshot::SnapshotError;
pub(crate) use survey::Survey;
pub use topic_id::{TopicId, TopicIdError};
pub use verify::RebuiltFile;
pub use view::Grown;

/// Which leader epoch began where.
pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// Which topic the partition is of.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";
/// Which segments are sealed.
pub(crate) const MANIFEST: &str = "segments.manifest";
/// How far the log is durable.
pub(crate) const WATERMARK: &str = "durable.watermark";
