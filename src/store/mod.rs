//! A log directory.

pub(crate) mod checkpoint;
pub(crate) mod clean_shutdown;
