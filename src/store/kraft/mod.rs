//! KRaft's metadata: the log and the snapshots in which Kafka's controllers keep topics, partitions
//! and settings. Read to know what a broker's directory is about, written (a first snapshot) to hand
//! a directory over.

mod flexible;
mod image;
mod reading;
mod records;
mod snapshot;

pub(super) use image::Image;
pub(super) use reading::{Metadata, is_taken};
pub(super) use records::MetadataRecord;
pub(super) use snapshot::{Controller, bootstrap, first_snapshot};

/// The metadata log's directory.
pub(super) const METADATA_LOG: &str = "__cluster_metadata-0";
/// What a controller begins with whose metadata log is empty.
pub(super) const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// The snapshot that a log begins with which knows its voters.
pub(super) const FIRST_SNAPSHOT: &str = "00000000000000000000-0000000000.checkpoint";
