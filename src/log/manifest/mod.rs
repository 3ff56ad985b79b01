//! `segments.manifest`: which segments of a partition are sealed, its log start, and changes that
//! are under way.
//!
//! A header, then entries, 128 bytes each, so that none straddles a sector. A *change* is a run of
//! entries with one number, the last of which says so; numbers grow by one. Changes are appended
//! and synced before what they announce. When many entries are dead, and when an open change was
//! carried out, the file is replaced whole.
//!
//! | change | entries | what it says |
//! |--------|---------|--------------|
//! | sealed | `Sealed` | a segment is durable, and these are its bytes |
//! | closed | `Closed` | the same of the active one, until its next write |
//! | log start | `LogStart` | what lies below it is deleted; written twice, as two changes |
//! | cut | `Cut` | everything from the point on goes: open while it stands in the file |
//! | start over | `LogStart`, `Cut` at 0 | the log is empty from there on: open |
//! | replace | `Removed`…, `Sealed`… | segments give way to others: open |
//!
//! In a start over the log start comes first, so that a log start which ends its change always
//! stands for itself, whatever became of the entry before it.

pub(crate) mod entry;
mod file;
mod header;
mod view;

pub(crate) use entry::{ENTRY_LEN, Entry, EntryError, FileSum, LogEnd, SegmentEntry};
pub(crate) use file::{Change, Manifest};
pub(crate) use header::{HEADER_LEN, Header, HeaderError};
pub(crate) use view::{OpenChanges, View};

use crate::record::Offset;

/// The entries of a start over: the log is empty at `log_start`, and `before` is how it was.
pub(crate) fn start_over(log_start: Offset, before: LogEnd) -> [Entry; 2] {
    [Entry::LogStart(log_start), Entry::Cut { point: 0, before }]
}
