//! Compaction: of the records of each key only the last is kept.
//!
//! One round reads the part of a log that no round has seen, and remembers the last offset of each
//! key (`keys`); then it writes every segment up to there anew (`filter`, `output`), several as one
//! where they fit (`groups`), and puts what it wrote in their place (`swap`). Offsets, order and what
//! is behind stay. What of a log can be cleaned, and when, is in `eligible` and `policy`.

mod eligible;
mod filter;
mod groups;
mod keys;
mod output;
mod policy;
mod report;
mod run;
mod swap;
mod transactions;

pub(crate) use policy::{Memories, Tools, Urgency};
pub use report::{CleanProgress, Cleaned, Cleanness};
#[cfg(feature = "sim")]
pub(crate) use run::Round;
