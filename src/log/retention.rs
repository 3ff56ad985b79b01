//! What of a log is kept: by its start, its size, its age; and moving its start up.

use std::sync::Arc;

use super::manifest::Entry;
use super::opened::Opened;
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::{Offset, Timestamp};
use crate::segment::Segment;

/// Until when the rules keep the first segment, if nothing is written.
pub(super) fn kept_until(log: &Opened) -> Result<Timestamp> {
    let view = log.published.view();
    let segments = &**view.segments;
    let Some(first) = segments.first() else { return Ok(Timestamp::MAX) };
    if segments.get(1).is_some_and(|next| next.base_offset() <= view.log_start_offset) {
        return Ok(Timestamp::MIN);
    }
    let settings = log.settings();
    if !settings.delete || segments.len() == 1 && first.end() == 0 {
        return Ok(Timestamp::MAX);
    }
    let total: u64 = segments.iter().map(|segment| segment.end()).sum();
    let too_large = settings.retention_bytes.is_some_and(|most| total >= most + first.end());
    if too_large { Ok(Timestamp::MIN) } else { young_until(log, first) }
}

/// Until when a segment is no older than `retention.ms` allows.
fn young_until(log: &Opened, segment: &Segment) -> Result<Timestamp> {
    let Some(most_ms) = log.settings().retention_ms else { return Ok(Timestamp::MAX) };
    let age_from = match segment.largest()? {
        Some((largest, _)) => largest,
        None => segment.modified_ms()?,
    };
    Ok(age_from.saturating_add(most_ms))
}

impl Writer {
    /// Moves the log start up to `offset`: what lies below is deleted once this returns, though its
    /// segments go only with the next retention. Says whether something changed.
    pub(super) fn raise_log_start(&mut self, log: &Opened, offset: Offset) -> Result<bool> {
        let view = log.published.view();
        let (log_start, log_end) = (view.log_start_offset, self.log_end);
        if offset > log_end || offset < 0 {
            return Err(Error::OffsetOutOfRange { wanted: offset, log_start, log_end });
        }
        if offset <= log_start {
            return Ok(false);
        }
        log.ledger().append(&[Entry::LogStart(offset)])?;
        // It has happened, whatever comes of the rest.
        self.producers.log_start_moved(offset);
        log.published.publish(|view| {
            view.log_start_offset = offset;
            view.last_stable_offset = self.producers.last_stable_offset(offset, self.log_end);
        });
        if self.epochs.truncate_from_start(offset) {
            self.write_epochs(log)?;
        }
        Ok(true)
    }

    /// Deletes old segments as the settings say (`retention.ms`, `retention.bytes`) and those below
    /// the log start; says how many. Kafka's three rules, one after the other; each goes from the
    /// oldest segment on and stops at the first that stays.
    pub(super) fn enforce_retention(&mut self, log: &Opened, now: Timestamp) -> Result<usize> {
        let settings = *log.settings();
        let mut deleted = self.delete_first(log, now, |segments, at, log_start| {
            Ok(segments.get(at + 1).is_some_and(|next| next.base_offset() <= log_start))
        })?;
        if !settings.delete {
            return Ok(deleted);
        }
        if let Some(most) = settings.retention_bytes {
            let total: u64 = log.published.view().segments.iter().map(|s| s.end()).sum();
            let mut excess = total.checked_sub(most);
            deleted += self.delete_first(log, now, |segments, at, _| {
                excess = excess.and_then(|excess| excess.checked_sub(segments[at].end()));
                Ok(excess.is_some())
            })?;
        }
        if settings.retention_ms.is_some() {
            self.active.touch_indexes()?;
            let old = |segments: &[Arc<Segment>], at: usize, _| {
                Ok(now > young_until(log, &segments[at])?)
            };
            deleted += self.delete_first(log, now, old)?;
        }
        Ok(deleted)
    }

    /// Deletes segments from the oldest on, as long as `goes` says so.
    fn delete_first(
        &mut self,
        log: &Opened,
        now: Timestamp,
        mut goes: impl FnMut(&[Arc<Segment>], usize, Offset) -> Result<bool>,
    ) -> Result<usize> {
        let view = log.published.view();
        let segments = &view.segments;
        let mut count = 0;
        while count < segments.len() {
            let is_last = count + 1 == segments.len();
            // An empty active segment is what is left of a log.
            if is_last && segments[count].end() == 0
                || !goes(segments, count, view.log_start_offset)?
            {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        if count == segments.len() {
            self.roll(log, self.log_end, now)?;
        }
        let doomed = segments[..count].to_vec();
        drop(view);
        self.delete_segments(log, &doomed, now)?;
        Ok(count)
    }

    /// Deletes the first segments of the log: the log start moves first, and is durable before any
    /// file goes.
    fn delete_segments(
        &mut self,
        log: &Opened,
        doomed: &[Arc<Segment>],
        now: Timestamp,
    ) -> Result<()> {
        let segments = log.published.view().segments;
        let Some(first_kept) = segments.get(doomed.len()) else { return Ok(()) };
        let too_early = planted::on(Bug::SegmentsGoBeforeLogStart);
        if too_early {
            self.doom_all(log, doomed, now)?;
        }
        self.raise_log_start(log, first_kept.base_offset())?;
        let kept = segments[doomed.len()..].to_vec();
        drop(segments);
        self.publish_segments(log, |shown| *shown = kept);
        if !too_early {
            self.doom_all(log, doomed, now)?;
        }
        self.remove_due(log, now);
        Ok(())
    }
}
