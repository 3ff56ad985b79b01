//! A log directory.
