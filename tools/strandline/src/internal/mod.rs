//! The records of Kafka's internal topics: who committed which offset, which transactions there
//! are, what the cluster is made of. As words, whoever shows them.
//!
//! No crate that generates Kafka's messages has those of the coordinators and of the metadata log,
//! so the tables are ours: each message is a list of fields with the versions that have them.

pub(crate) mod cluster;
pub(crate) mod control;
pub(crate) mod coordinator;
pub(crate) mod cursor;
pub(crate) mod framed;
#[cfg(test)]
mod fuzz_tests;
mod groups;
pub(crate) mod membership;
pub(crate) mod read;
pub(crate) mod remote;
mod share;
pub(crate) mod spoken;
mod streams;
pub(crate) mod table;
pub(crate) mod text;
mod transactions;
pub(crate) mod value;

/// The release whose tables are used. An older one skips the tagged fields and the record types
/// that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    /// 3.9.
    V3,
    /// 4.3.
    V4,
}
