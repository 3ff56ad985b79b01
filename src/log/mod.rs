//! One partition.

mod topic_id;

pub use topic_id::{TopicId, TopicIdError};
