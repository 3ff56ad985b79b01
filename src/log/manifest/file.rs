//! A whole manifest: which of its changes stand.
//!
//! Only what was appended last can have been torn, for every change is synced before the next. So a
//! change that is not whole is *void*: at the end of the file as a crash left it, with a whole one
//! behind it as rot, which is reported. Never is a part of a change taken for the whole: numbers
//! grow by one, so it is known how many changes the void slots before an entry can have held.

use super::entry::{ENTRY_LEN, Entry, Place};
use super::header::{HEADER_LEN, Header, HeaderError};
use crate::record::Offset;

/// A run of entries that came into force together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its number.
    pub(crate) number: u64,
    /// Its entries, at least one.
    pub(crate) entries: Vec<Entry>,
}

impl Change {
    /// Appends the change's bytes to a file.
    pub(crate) fn encode_to(&self, file: &mut Vec<u8>) {
        for (at, entry) in self.entries.iter().enumerate() {
            let is_last = at + 1 == self.entries.len();
            file.extend_from_slice(&entry.encode(Place { change: self.number, is_last }));
        }
    }

    /// The log start that it sets, if it does nothing else.
    fn log_start(&self) -> Option<Offset> {
        match self.entries[..] {
            [Entry::LogStart(offset)] => Some(offset),
            _ => None,
        }
    }
}

/// What a file of a manifest holds.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Whose it is. If this cannot be told the changes are given nevertheless, but for a later
    /// version of the format.
    pub(crate) header: Result<Header, HeaderError>,
    /// The changes that stand, in order.
    pub(crate) changes: Vec<Change>,
    /// Whether the end of the file was written in part: a void change, or less than an entry.
    pub(crate) torn: bool,
    /// The slots, the first entry's being 0, of void changes that valid ones lie behind: rot.
    pub(crate) damaged: Vec<usize>,
    /// Where in the file the next change goes, once it is cut there. None: what stands in the file
    /// does not lie together, and it is to be replaced whole before another change.
    pub(crate) append_at: Option<u64>,
}

impl Manifest {
    /// Reads a whole file.
    pub(crate) fn decode(file: &[u8]) -> Manifest {
        let header = Header::decode(file);
        let entries = match header {
            Err(HeaderError::UnsupportedVersion(_)) => &[],
            _ => file.get(HEADER_LEN..).unwrap_or_default(),
        };
        let (slots, fraction) = entries.as_chunks::<ENTRY_LEN>();
        let mut reading = Reading::default();
        for (slot, bytes) in slots.iter().enumerate() {
            match Entry::decode(bytes) {
                Ok((entry, place)) => reading.take(slot, entry, place),
                Err(_) => reading.void += 1,
            }
        }
        reading.finish(header, slots.len(), !fraction.is_empty())
    }
}

/// How far a manifest was read.
#[derive(Default)]
struct Reading {
    changes: Vec<Change>,
    damaged: Vec<usize>,
    /// The number of the change that the next slot belongs to, be it void; none before the first
    /// valid entry.
    expected: Option<u64>,
    /// Void slots since it is expected, or since its last valid entry.
    void: u64,
    /// Whether a slot of it is void.
    is_broken: bool,
    /// Its entries so far, while it is not broken.
    entries: Vec<Entry>,
    /// The slot of the first of them.
    start: usize,
    /// The slot behind the last change that stands.
    stands_to: usize,
    /// Among the slots since then: the number that a torn change has there.
    torn_number: Option<u64>,
    /// Among them: a valid entry of a later change than that.
    goes_on: bool,
    /// The last change is the second of a log start's two, and the slot before it is void.
    lone_twin: bool,
    /// The greatest log start of the changes that stand.
    log_start: Offset,
}

/// Where an entry belongs.
enum Belongs {
    /// To the change that is being read; so far it is whole.
    Here,
    /// To a change that begins with it.
    Fresh,
    /// To a change of which a slot is void, or may be.
    Broken,
    /// Nowhere: a leftover, or from another file. It counts as void.
    Nowhere,
}

impl Reading {
    fn take(&mut self, slot: usize, entry: Entry, place: Place) {
        let number = place.change;
        self.goes_on |= number > *self.torn_number.get_or_insert(number);
        match self.belongs(&entry, place) {
            Belongs::Nowhere => {
                self.void += 1;
                return;
            }
            Belongs::Here => self.entries.push(entry),
            Belongs::Fresh => {
                self.is_broken = false;
                self.entries = vec![entry];
                self.start = slot;
            }
            Belongs::Broken => {
                self.is_broken = true;
                self.entries.clear();
            }
        }
        self.void = 0;
        self.expected = Some(number);
        if place.is_last {
            let entries = std::mem::take(&mut self.entries);
            if !self.is_broken {
                self.accept(slot, Change { number, entries });
            }
            self.is_broken = false;
            self.expected = Some(number.saturating_add(1));
        }
    }

    fn belongs(&self, entry: &Entry, place: Place) -> Belongs {
        let in_a_change = self.is_broken || !self.entries.is_empty();
        let stands_alone = place.is_last && matches!(entry, Entry::LogStart(_));
        // Void slots hold at least one change, or the rest of one, and at most one each.
        let Some(expected) = self.expected else {
            return if self.void == 0 || stands_alone { Belongs::Fresh } else { Belongs::Broken };
        };
        match place.change.checked_sub(expected) {
            Some(0) if self.void == 0 && self.is_broken => Belongs::Broken,
            Some(0) if self.void == 0 && in_a_change => Belongs::Here,
            Some(0) if self.void == 0 => Belongs::Fresh,
            Some(0) if in_a_change => Belongs::Broken,
            Some(later) if later == self.void => Belongs::Fresh,
            Some(later) if later < self.void && stands_alone => Belongs::Fresh,
            Some(later) if later < self.void => Belongs::Broken,
            _ => Belongs::Nowhere,
        }
    }

    fn accept(&mut self, slot: usize, change: Change) {
        let raised = change.log_start().filter(|offset| *offset > self.log_start);
        self.lone_twin = raised.is_some() && self.start == self.stands_to + 1;
        self.log_start = raised.unwrap_or(self.log_start);
        self.damaged.extend(self.stands_to..self.start);
        self.stands_to = slot + 1;
        self.torn_number = Some(change.number.saturating_add(1));
        self.goes_on = false;
        self.changes.push(change);
    }

    fn finish(
        mut self,
        header: Result<Header, HeaderError>,
        slots: usize,
        fraction: bool,
    ) -> Manifest {
        let mut torn = fraction;
        if self.goes_on {
            self.damaged.extend(self.stands_to..slots);
        } else if self.stands_to < slots {
            torn = true;
        }
        let mut lies_together = header.is_ok() && self.damaged.is_empty();
        if self.lone_twin && self.stands_to == slots {
            // Both were one write, and a power loss may keep the second only.
            self.damaged.pop();
            torn = true;
            lies_together = false;
        }
        let append_at = (HEADER_LEN + self.stands_to * ENTRY_LEN) as u64;
        Manifest {
            header,
            changes: self.changes,
            torn,
            damaged: self.damaged,
            append_at: lies_together.then_some(append_at),
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
