//! What the changes of a manifest come to.

use std::collections::BTreeMap;

use super::entry::{Entry, SegmentEntry};
use super::file::Change;
use super::header::Header;
use crate::record::Offset;

/// By how many the dead entries outnumber the living before the file is replaced.
const MORE_DEAD: usize = 64;
/// Entries of the log start that live: it is written twice.
const LOG_START_ENTRIES: usize = 2;

/// What becomes of open changes, cuts and replacements that may not have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenChanges {
    /// They are seen as if they had been.
    CarriedOut,
    /// They are void: the log is not the one that they were meant for.
    Void,
}

/// The state that a manifest's changes lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The sealed segments by base offset, without those that end at or below the log start.
    pub(crate) sealed: BTreeMap<Offset, SegmentEntry>,
    /// The active segment when the log was last closed. Whether it was written since is for the
    /// watermark and the file to say.
    pub(crate) closed: Option<SegmentEntry>,
    /// The log start; 0 if none was set.
    pub(crate) log_start: Offset,
    /// The open changes in order, whether seen as carried out or void. While there are any the file
    /// must be replaced before another change is appended.
    pub(crate) open: Vec<Change>,
    /// The number of the last change; 0 if there was none.
    pub(crate) last_change: u64,
    /// Entries in the file.
    entries: usize,
}

impl View {
    /// What `changes` lead to.
    pub(crate) fn of(changes: &[Change], open: OpenChanges) -> View {
        let mut view = View::default();
        for change in changes {
            view.apply(change, open);
        }
        view
    }

    /// The changes that `entries` become behind this view: one, or two if it is a log start alone.
    /// They go into the file in one write, and into the view when it is synced.
    pub(crate) fn next_changes(&self, entries: &[Entry]) -> Vec<Change> {
        let times = if let [Entry::LogStart(_)] = entries { LOG_START_ENTRIES } else { 1 };
        let numbers = self.last_change.saturating_add(1)..;
        numbers.take(times).map(|number| Change { number, entries: entries.to_vec() }).collect()
    }

    /// Takes in the change that follows.
    pub(crate) fn apply(&mut self, change: &Change, open: OpenChanges) {
        self.last_change = change.number;
        self.entries += change.entries.len();
        if change.is_open() {
            self.open.push(change.clone());
            if open == OpenChanges::Void {
                return;
            }
        }
        // What goes, goes before what takes its place, in whichever order they stand.
        for entry in &change.entries {
            self.take_away(entry);
        }
        for entry in &change.entries {
            self.add(entry);
        }
        let log_start = self.log_start;
        self.sealed.retain(|_, segment| segment.next_offset > log_start);
    }

    fn take_away(&mut self, entry: &Entry) {
        match *entry {
            Entry::Cut { point, .. } => {
                // A segment that the point lies in, or at the base of, becomes the active one.
                self.sealed.retain(|_, segment| segment.next_offset <= point);
                self.closed = self.closed.filter(|segment| segment.next_offset <= point);
                self.log_start = self.log_start.min(point);
            }
            Entry::Removed { base_offset, .. } => {
                self.sealed.remove(&base_offset);
                self.closed = self.closed.filter(|segment| segment.base_offset != base_offset);
            }
            Entry::Sealed(_) | Entry::Closed(_) | Entry::LogStart(_) => {}
        }
    }

    fn add(&mut self, entry: &Entry) {
        match *entry {
            Entry::Sealed(segment) => {
                // What was active at or before it was written to, or is this.
                let base_offset = segment.base_offset;
                self.closed = self.closed.filter(|closed| closed.base_offset > base_offset);
                self.sealed.insert(base_offset, segment);
            }
            Entry::Closed(segment) => {
                self.sealed.split_off(&segment.base_offset);
                self.closed = Some(segment);
            }
            Entry::LogStart(offset) => self.log_start = self.log_start.max(offset),
            Entry::Cut { .. } | Entry::Removed { .. } => {}
        }
    }

    /// How many entries a replaced file would have.
    fn living(&self) -> usize {
        self.sealed.len() + usize::from(self.closed.is_some()) + LOG_START_ENTRIES
    }

    /// Whether so many entries are dead that the file is to be replaced. While a change is open it
    /// is not: carrying that out replaces the file anyway.
    pub(crate) fn should_replace(&self) -> bool {
        let dead = self.entries.saturating_sub(self.living());
        self.open.is_empty() && dead >= self.living() + MORE_DEAD
    }

    /// A file that says what this view does, without the open changes, and the view of it. Numbers
    /// go on; the log start's two entries lie as far apart as they can.
    pub(crate) fn rewritten(&self, header: &Header) -> (Vec<u8>, View) {
        let log_start = Entry::LogStart(self.log_start);
        let entries = std::iter::once(log_start)
            .chain(self.sealed.values().copied().map(Entry::Sealed))
            .chain(self.closed.map(Entry::Closed))
            .chain(std::iter::once(log_start));
        let mut file = header.encode().to_vec();
        let mut view = View { last_change: self.last_change, ..View::default() };
        for entry in entries {
            let number = view.last_change.saturating_add(1);
            let change = Change { number, entries: vec![entry] };
            change.encode_to(&mut file);
            view.apply(&change, OpenChanges::CarriedOut);
        }
        (file, view)
    }
}

impl Change {
    /// Whether it must be carried out, and the file replaced without it.
    pub(crate) fn is_open(&self) -> bool {
        let is_open = |entry: &Entry| matches!(entry, Entry::Cut { .. } | Entry::Removed { .. });
        self.entries.iter().any(is_open)
    }

    /// Where the log starts over, if that is what it does ([`super::start_over`]).
    pub(crate) fn start_over(&self) -> Option<Offset> {
        match self.entries[..] {
            [Entry::LogStart(start), Entry::Cut { point: 0, .. }] => Some(start),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
