//! A log directory.

mod checked_text;
pub(crate) mod checkpoint;
pub(crate) mod clean_shutdown;
pub(crate) mod meta_properties;
pub(crate) mod owner;
mod properties;
pub(crate) mod topics;

pub(crate) use checked_text::TextError;
