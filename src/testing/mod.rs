//! The inner doors that tests drive, behind the feature `sim`. Not part of the crate's promise.

pub use crate::log::testing::*;
