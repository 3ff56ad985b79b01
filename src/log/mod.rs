//! One partition.

pub(crate) mod checkpoint_lines;
pub(crate) mod leader_epoch_file;
mod topic_id;

pub use topic_id::{TopicId, TopicIdError};
