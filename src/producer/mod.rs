//! What a producer does before it appends: choose a partition, accumulate, number, send.

mod partitioner;

pub use partitioner::partition_for_key;
