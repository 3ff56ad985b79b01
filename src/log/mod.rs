//! One partition.

pub(crate) mod checkpoint_lines;
pub(crate) mod leader_epoch_file;
pub(crate) mod manifest;
pub(crate) mod partition_metadata;
mod topic_id;
pub(crate) mod watermark;

pub use topic_id::{TopicId, TopicIdError};
