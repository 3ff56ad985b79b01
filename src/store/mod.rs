//! A log directory.

pub(crate) mod checkpoint;
