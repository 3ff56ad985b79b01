//! One partition: offsets, segments, appends, fetches, producer state. See the files for each.

pub(crate) mod checkpoint_lines;
mod config;
pub(crate) mod leader_epoch_file;
mod leader_epochs;
pub(crate) mod manifest;
mod origin;
pub(crate) mod partition_metadata;
mod producers;
mod settings;
mod snapshot;
mod topic_id;
mod validate;
pub(crate) mod watermark;

pub use config::{CleanupPolicy, ConfigError, LogConfig};
pub(crate) use leader_epochs::LeaderEpochs;
pub(crate) use origin::Origin;
pub(crate) use settings::Settings;
pub use snapshot::SnapshotError;
pub use topic_id::{TopicId, TopicIdError};
