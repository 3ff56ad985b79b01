//! What lies in a partition's directory.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::fs::{Dir, Kind};
use crate::record::Offset;
use crate::segment::names::{self, Part, Suffix};

/// The files of a partition, by what their names say. Foreign ones are left out and left alone.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Base offsets of `.log` files.
    pub(super) bases: BTreeSet<Offset>,
    /// Base offsets of compacted segments, whole, that were to take the place of others.
    pub(super) swaps: BTreeSet<Offset>,
    /// Offsets of `.snapshot` files, in order.
    pub(super) snapshots: Vec<Offset>,
    /// Index files, with or without their `.log`.
    pub(super) indexes: Vec<(Offset, Part)>,
    /// Files that wait to be removed, or that an unfinished change left.
    pub(super) leftovers: Vec<(String, Suffix)>,
    /// Files that were being written to replace one of ours.
    pub(super) unfinished: Vec<String>,
}

/// Small files that are replaced through a `.tmp`.
const REPLACED: [&str; 4] =
    [super::LEADER_EPOCHS, super::PARTITION_METADATA, super::MANIFEST, super::WATERMARK];

/// Whether it is an index of a segment, which is replaced in the same way.
fn is_index(name: &str) -> bool {
    matches!(names::parse(name), Some((_, part, None)) if ![Part::Log, Part::Snapshot].contains(&part))
}

impl Listing {
    pub(super) fn read(dir: &Dir) -> Result<Listing> {
        let entries = dir.list().map_err(|error| Error::io("list", dir.path(), error))?;
        let mut listing = Listing::default();
        for entry in entries.into_iter().filter(|entry| entry.kind == Kind::File) {
            match names::parse(&entry.name) {
                Some((base, Part::Log, None)) => {
                    listing.bases.insert(base);
                }
                Some((at, Part::Snapshot, None)) => listing.snapshots.push(at),
                Some((base, part, None)) => listing.indexes.push((base, part)),
                Some((base, part, Some(suffix))) => {
                    if (part, suffix) == (Part::Log, Suffix::Swap) {
                        listing.swaps.insert(base);
                    }
                    listing.leftovers.push((entry.name, suffix));
                }
                None => {
                    let replaced = entry.name.strip_suffix(".tmp");
                    if replaced.is_some_and(|name| REPLACED.contains(&name) || is_index(name)) {
                        listing.unfinished.push(entry.name);
                    }
                }
            }
        }
        listing.snapshots.sort_unstable();
        Ok(listing)
    }
}
