//! A log directory.

pub(crate) mod checkpoint;
pub(crate) mod clean_shutdown;
pub(crate) mod meta_properties;
mod properties;

