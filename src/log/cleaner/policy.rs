//! When a log is cleaned, and how often: round after round, until nothing is left to clean.

use std::sync::PoisonError;
use std::time::Instant;

use super::eligible::{self, Cleanable, Inactive, Standing};
use super::report::{CleanProgress, Cleaned, Cleanness};
use super::run::Round;
use crate::error::{Error, Result};
use crate::log::handle::Log;
use crate::log::opened::Opened;
use crate::record::{Offset, Timestamp};
use crate::segment::Segment;
use crate::sync::{Mutex, MutexGuard};

/// How often a round is begun anew because records were taken from the log while it ran.
const MOST_RETRIES: usize = 3;

/// What is remembered of the cleanings of one opening.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    under_way: Option<CleanProgress>,
    total: Cleaned,
    stopped_by: Option<Error>,
}

/// With what logs are cleaned.
pub(crate) struct Tools<'a> {
    /// What the map of keys may take of memory (`log.cleaner.dedupe.buffer.size`).
    pub(crate) map_bytes: usize,
    /// Told of bytes that were read and written; may wait, and may call it off.
    pub(crate) pace: &'a (dyn Fn(u64) -> Result<()> + Sync),
}

/// How urgent it is to clean a log.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Urgency(f64);

impl Log {
    /// How urgent it is to clean this log at `now`; `None` if it is not due, or damage stopped it.
    pub(crate) fn cleaning_due(&self, now: Timestamp) -> Result<Option<Urgency>> {
        if !self.config().is_compacted() || now <= self.quiet_at_rest().cleaning {
            return Ok(None);
        }
        let opened = self.opened()?;
        let settings = opened.settings();
        if opened.context.read_only || memory(&opened).stopped_by.is_some() {
            return Ok(None);
        }
        let cleanable = cleanable(&opened, now)?;
        let is_due = cleanable.is_due(settings.min_cleanable_dirty_ratio);
        let quiet_until = if is_due { Timestamp::MIN } else { cleanable.same_until };
        self.note_quiet(|quiet| quiet.cleaning = quiet_until);
        Ok(is_due.then(|| Urgency(cleanable.dirty_ratio())))
    }

    /// Cleans all that can be cleaned at `now`, whatever the ratio.
    ///
    /// # Errors
    ///
    /// `PolicyViolation` for a log that is not compacted. `Corrupt`, `TooLarge`: what holds it was
    /// left as it is, and the housekeeper leaves the log alone from then on. `Io`: it is tried
    /// again; `Poisoned`, `ReadOnly`, `Closed`.
    pub(crate) fn clean(&self, tools: &Tools<'_>, now: Timestamp) -> Result<Cleaned> {
        let opened = self.opened()?;
        if opened.context.read_only {
            return Err(Error::ReadOnly);
        }
        if !opened.settings().compact {
            let why = "a log can be cleaned only if cleanup.policy has compact";
            return Err(Error::PolicyViolation(why.into()));
        }
        let began = Instant::now();
        let mut cleaned = Cleaned::default();
        let result = self.clean_rounds(&opened, tools, now, &mut cleaned);
        cleaned.elapsed = began.elapsed();
        let mut memory = memory(&opened);
        memory.under_way = None;
        memory.total.add(&cleaned);
        let stops = |error: &Error| matches!(error, Error::Corrupt { .. } | Error::TooLarge { .. });
        memory.stopped_by = result.as_ref().err().filter(|error| stops(error)).cloned();
        result.map(|()| cleaned)
    }

    fn clean_rounds(
        &self,
        opened: &Opened,
        tools: &Tools<'_>,
        now: Timestamp,
        cleaned: &mut Cleaned,
    ) -> Result<()> {
        let mut retries = MOST_RETRIES;
        loop {
            // What is not sealed yet can be cleaned once it is.
            let cleanable = cleanable(opened, now)?;
            if cleanable.first_dirty >= cleanable.first_uncleanable {
                return Ok(());
            }
            let all = cleanable.clean_bytes + 2 * cleanable.dirty_bytes;
            memory(opened).under_way = Some(CleanProgress { bytes_done: 0, bytes_total: all });
            let pace = |bytes: u64| {
                if let Some(under_way) = &mut memory(opened).under_way {
                    under_way.bytes_done += bytes;
                }
                (tools.pace)(bytes)
            };
            let round = Round {
                first_dirty: cleanable.first_dirty,
                first_uncleanable: cleanable.first_uncleanable,
                map_bytes: tools.map_bytes,
                now,
                pace: &pace,
            };
            let done = self.run_round(&round)?;
            match done.next_dirty {
                Some(next) if next > cleanable.first_dirty => {
                    cleaned.add_round(&done);
                    opened.set_cleaned_to(next)?;
                }
                _ if retries == 0 => return Ok(()),
                _ => retries -= 1,
            }
        }
    }

    /// How far the cleaning is that is under way.
    pub(crate) fn cleaning_under_way(&self) -> Result<CleanProgress> {
        Ok(memory(&*self.opened()?).under_way.unwrap_or_default())
    }

    /// How the log stands with compaction, by the clock.
    ///
    /// # Errors
    ///
    /// `Io` if something has to be looked at that cannot be read, `Closed`.
    pub fn cleanness(&self) -> Result<Cleanness> {
        let opened = self.opened()?;
        let cleanable = cleanable(&opened, opened.context.store.clock.now_ms())?;
        let reclaimed = opened.ledger().entries().map(|entry| entry.reclaimed_bytes).sum();
        let memory = memory(&opened);
        Ok(Cleanness {
            is_compacted: opened.settings().compact,
            cleaned_to: cleanable.first_dirty,
            clean_bytes: cleanable.clean_bytes,
            cleanable_bytes: cleanable.dirty_bytes,
            dirty_ratio: cleanable.dirty_ratio(),
            reclaimed_bytes: reclaimed,
            under_way: memory.under_way,
            total: memory.total,
            stopped_by: memory.stopped_by.as_ref().map(ToString::to_string),
        })
    }
}

/// What can be cleaned of a log.
fn cleanable(opened: &Opened, now: Timestamp) -> Result<Cleanable> {
    let view = opened.published.view();
    let Some((active, older)) = view.segments.split_last() else {
        return Err(Error::Closed);
    };
    let checkpoint = opened.cleaned_to();
    let first_dirty = eligible::first_dirty(checkpoint, view.log_start_offset, view.log_end_offset);
    let is_clean = |at: usize| older.get(at + 1).is_some_and(|it| it.base_offset() <= first_dirty);
    let settings = opened.settings();
    let inactive: Vec<Inactive> = older
        .iter()
        .enumerate()
        .map(|(at, segment)| look_at(segment, is_clean(at), settings.min_compaction_lag_ms))
        .collect::<Result<_>>()?;
    Ok(eligible::cleanable(&Standing {
        inactive: &inactive,
        active: active.base_offset(),
        first_dirty,
        last_stable: view.last_stable_offset,
        now,
        min_lag_ms: settings.min_compaction_lag_ms,
        max_lag_ms: settings.max_compaction_lag_ms,
    }))
}

/// Times are looked at only where they matter: that of a segment may take a scan.
fn look_at(segment: &Segment, is_clean: bool, min_lag_ms: i64) -> Result<Inactive> {
    let largest = match () {
        () if is_clean || min_lag_ms == 0 => 0,
        () => match segment.largest()? {
            Some((largest, _)) => largest,
            None => segment.modified_ms()?,
        },
    };
    let first = if is_clean { None } else { segment.first_timestamp()? };
    Ok(Inactive { base_offset: segment.base_offset(), bytes: segment.end(), largest, first })
}

fn memory(opened: &Opened) -> MutexGuard<'_, Memory> {
    opened.cleanings.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Opened {
    /// Whether something is remembered of a cleaning.
    pub(in crate::log) fn has_cleaned(&mut self) -> bool {
        let memory = self.cleanings.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Memory { under_way, total, stopped_by } = memory;
        under_way.is_some() || stopped_by.is_some() || *total != Cleaned::default()
    }

    /// Where the next cleaning begins, as far as that was noted.
    fn cleaned_to(&self) -> Option<Offset> {
        let Self { context, .. } = self;
        context.store.cleaner.read(&context.topic, context.partition)
    }

    fn set_cleaned_to(&self, offset: Offset) -> Result<()> {
        let Self { context, .. } = self;
        context.store.cleaner.write(&context.topic, context.partition, offset)
    }

    /// What lies from `offset` on is about to go, and what comes in its place was not cleaned.
    pub(in crate::log) fn lower_cleaned_to(&self, offset: Offset) -> Result<()> {
        match self.cleaned_to() {
            Some(cleaned) if cleaned > offset => self.set_cleaned_to(offset),
            _ => Ok(()),
        }
    }
}

/// Where the cleanings of one opening are remembered.
pub(crate) type Memories = Mutex<Memory>;
