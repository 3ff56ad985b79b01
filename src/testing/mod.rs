//! The inner doors that tests drive, behind the feature `sim`. Not part of the crate's promise.

pub mod sim;
pub mod fuzz;

pub use crate::log::testing::*;
