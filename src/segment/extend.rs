//! A segment to which another process appends: this one only takes in what it finds behind its end.

use std::sync::Arc;

use super::cache::IndexBytes;
use super::names::{self, Part};
use super::source::Source;
use super::{Facts, Segment};
use crate::error::Result;
use crate::index::{AbortedTxn, OFFSET_ENTRY_LEN, OffsetEntry};

/// What was found behind the end of a segment.
#[derive(Debug)]
pub(crate) struct Extension {
    /// Where its batches end now.
    pub(crate) end: u64,
    /// What is known of all of them.
    pub(crate) facts: Facts,
    /// Entries for its offset index.
    pub(crate) offsets: Vec<u8>,
    /// Entries for its time index.
    pub(crate) times: Vec<u8>,
    /// Transactions whose abort markers were found.
    pub(crate) aborted: Vec<AbortedTxn>,
}

impl Segment {
    /// Whether its `.log` has the name that it is to keep.
    pub(crate) fn has_its_name(&self) -> bool {
        *self.log.name() == *names::name(self.base_offset, Part::Log)
    }

    /// Takes both indexes into memory, whole, so that they can grow there.
    pub(crate) fn hold_indexes(&self) -> Result<()> {
        let expected = match &self.state().offset_index {
            Source::File(expected) => Some(*expected),
            Source::Memory(_) | Source::Growing(_) => None,
        };
        if let Some(expected) = expected {
            let held =
                self.index_file(&|state| &state.offset_index, Part::OffsetIndex, expected)?;
            self.state().offset_index = Source::Memory(held);
        }
        let expected = match &self.state().time_index {
            Source::File(expected) => Some(*expected),
            Source::Memory(_) | Source::Growing(_) => None,
        };
        if let Some(expected) = expected {
            let held = self.index_file(&|state| &state.time_index, Part::TimeIndex, expected)?;
            self.state().time_index = Source::Memory(held);
        }
        self.shared.cache.forget(self.number);
        Ok(())
    }

    /// How many bytes lie behind the last batch that has an entry in the offset index, if that is in
    /// memory: from there on the next entry is counted.
    pub(crate) fn bytes_since_entry(&self) -> u64 {
        let state = self.state();
        let Source::Memory(entries) = &state.offset_index else { return 0 };
        let mut last = [0; OFFSET_ENTRY_LEN];
        let at = entries.len() / OFFSET_ENTRY_LEN;
        let copied = at.checked_sub(1).map(|at| entries.copy_at(at * OFFSET_ENTRY_LEN, &mut last));
        let position = match copied {
            Some(Ok(())) => {
                let entry = OffsetEntry::decode(self.base_offset, last);
                entry.map_or(0, |entry| u64::from(entry.position))
            }
            _ => 0,
        };
        self.end().saturating_sub(position)
    }

    /// Takes in what was found behind the end, and then makes it readable.
    pub(crate) fn extend(&self, found: Extension) {
        let mut state = self.state();
        state.facts = Some(found.facts);
        append(&mut state.offset_index, found.offsets);
        append(&mut state.time_index, found.times);
        if !found.aborted.is_empty() {
            // Copied only while a reader holds the list.
            Arc::make_mut(state.aborted.get_or_insert_default()).extend(found.aborted);
        }
        drop(state);
        self.set_end(found.end);
    }
}

/// Adds entries to an index in memory, which is copied only while a reader holds it.
fn append<const N: usize>(source: &mut Source<N>, entries: Vec<u8>) {
    let Source::Memory(held) = source else { return };
    if entries.is_empty() {
        return;
    }
    if let Some(IndexBytes::Held(bytes)) = Arc::get_mut(held) {
        bytes.extend(entries);
        return;
    }
    let mut bytes = held.to_vec().unwrap_or_default();
    bytes.extend(entries);
    *source = Source::held(bytes);
}
