//! A log directory.

