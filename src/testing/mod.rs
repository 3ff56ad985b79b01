//! The inner doors that tests drive, behind the feature `sim`. Not part of the crate's promise.

pub mod sim;
pub mod fuzz;

pub use crate::log::testing::*;

use crate::log::Log as Handle;
use crate::store::StoreOptions;

/// The same options, but that only about so many logs stay in memory that nobody writes to.
#[must_use]
pub fn most_awake(options: StoreOptions, logs: usize) -> StoreOptions {
    options.most_awake(logs)
}

/// Whether nothing of a log's files is kept in memory.
pub fn is_at_rest(log: &Handle) -> bool {
    log.is_at_rest()
}
