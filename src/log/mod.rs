//! One partition.

pub(crate) mod checkpoint_lines;
mod topic_id;

pub use topic_id::{TopicId, TopicIdError};
