//! Putting what was cleaned in the place of what it was made of.
//!
//! The manifest says so first, durably: before that the old segments are the log, after it the next
//! opening finishes what is not finished here.

use std::sync::Arc;

use super::output::{self, Made};
use crate::error::{Error, Result};
use crate::log::manifest::Entry;
use crate::log::opened::Opened;
use crate::log::plan::known_by;
use crate::log::writer::Writer;
use crate::planted::{self, Bug};
use crate::record::Timestamp;
use crate::segment::Segment;
use crate::segment::names::{self, PARTS, Part, SWAP};

/// What is to take which place.
pub(super) struct Swap<'a> {
    pub(super) old: &'a [Arc<Segment>],
    pub(super) made: Made,
    /// How often something was taken from the log when the old segments were begun to be read.
    pub(super) taken: u64,
}

impl Writer {
    /// Puts a segment in the place of others; `false` if those are no longer what they were when
    /// they were read: records were taken from the log meanwhile.
    pub(super) fn swap(&mut self, log: &Opened, swap: &Swap<'_>, now: Timestamp) -> Result<bool> {
        let Some(at) = place_of(log, swap) else { return Ok(false) };
        let before = self.log_end_now();
        let removed =
            |old: &Arc<Segment>| Entry::Removed { base_offset: old.base_offset(), before };
        let mut entries: Vec<Entry> = swap.old.iter().map(removed).collect();
        entries.push(Entry::Sealed(swap.made.entry));
        let too_early = planted::on(Bug::OldSegmentsGoBeforeReplace);
        if too_early {
            self.doom_replaced(log, swap, now)?;
        }
        crate::log::truncate::announce(log, &entries)?;
        let result = self.carry_out_swap(log, (swap, at), !too_early, now);
        if let Err(error) = &result {
            // The next opening finishes it; this one cannot tell how far it came.
            log.poison(error);
        }
        result.map(|()| true)
    }

    fn carry_out_swap(
        &mut self,
        log: &Opened,
        (swap, at): (&Swap<'_>, usize),
        old_are_there: bool,
        now: Timestamp,
    ) -> Result<()> {
        let (dir, entry) = (&log.shared().dir, &swap.made.entry);
        if old_are_there {
            self.doom_replaced(log, swap, now)?;
        }
        let name = |part| names::name(entry.base_offset, part);
        let waiting = name(Part::Log) + SWAP;
        let segment = Segment::named(log.shared(), entry.base_offset, &waiting, known_by(entry));
        for part in output::parts_of(&swap.made) {
            let renamed = match part {
                Part::Log => segment.log_handle().rename(&name(part)),
                _ => dir.rename(&(name(part) + SWAP), &name(part)),
            };
            renamed.map_err(|error| log.io("rename", &name(part), error))?;
        }
        segment.set_aborted(swap.made.aborted.clone());
        let segment = Arc::new(segment);
        self.publish_segments(log, |segments| {
            segments.splice(at..at + swap.old.len(), [segment]);
        });
        log.unsynced.note();
        log.sync_directory()?;
        log.ledger().replace()?;
        self.remove_due(log, now);
        Ok(())
    }

    /// Renames the old segments, the first of them first. What is known of the producers at the base
    /// that stays is kept.
    fn doom_replaced(&mut self, log: &Opened, swap: &Swap<'_>, now: Timestamp) -> Result<()> {
        for old in swap.old {
            let keeps_base = old.base_offset() == swap.made.entry.base_offset;
            let parts = if keeps_base { &output::MADE[..] } else { &PARTS[..] };
            self.doom_parts(log, old, parts, now)?;
        }
        Ok(())
    }
}

/// Where among the log's segments the old ones lie, if they all still do, and nothing was taken from
/// the log since they were read.
fn place_of(log: &Opened, swap: &Swap<'_>) -> Option<usize> {
    let segments = log.published.view().segments;
    let first = swap.old.first()?;
    let at = segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
    let there = segments.get(at..at + swap.old.len())?;
    let are_same = there.iter().zip(swap.old).all(|(there, old)| Arc::ptr_eq(there, old));
    let is_active = at + swap.old.len() == segments.len();
    (are_same && !is_active && log.ledger().taken() == swap.taken).then_some(at)
}

impl Opened {
    /// Gives the files of a segment the names under which they wait, and makes those durable.
    pub(super) fn name_swap(&self, made: &Made) -> Result<()> {
        output::name_swap(&self.shared().dir, made)?;
        self.unsynced.note();
        self.sync_directory().inspect_err(|error: &Error| self.poison(error))
    }
}
