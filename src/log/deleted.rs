//! Deleting segments: renamed at once, removed after `file.delete.delay.ms`, and never while a
//! reader is at them.

use std::sync::Arc;

use super::apply::deleted_name;
use super::opened::Opened;
use super::writer::Writer;
use crate::error::Result;
use crate::record::{Offset, Timestamp};
use crate::segment::Segment;
use crate::segment::names::{self, PARTS, Part};

/// Files that wait to be removed.
#[derive(Debug)]
pub(super) struct Doomed {
    segment: Arc<Segment>,
    names: Vec<String>,
    due: Timestamp,
}

impl Writer {
    /// Renames all files of a segment that readers no longer see, the snapshot at its base too.
    pub(super) fn doom(
        &mut self,
        log: &Opened,
        segment: &Arc<Segment>,
        now: Timestamp,
    ) -> Result<()> {
        self.doom_parts(log, segment, &PARTS, now)
    }

    /// Renames some of its files.
    pub(super) fn doom_parts(
        &mut self,
        log: &Opened,
        segment: &Arc<Segment>,
        parts: &[Part],
        now: Timestamp,
    ) -> Result<()> {
        let mut doomed = Vec::new();
        segment.write_indexes();
        for &part in parts {
            let name = names::name(segment.base_offset(), part);
            let to = deleted_name(&name);
            let renamed = match part {
                // Who reads it goes on under the new name.
                Part::Log => segment.log_handle().rename(&to),
                _ => log.shared().dir.rename(&name, &to),
            };
            match renamed {
                Ok(()) => doomed.push(to),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(log.io("rename", &name, error)),
            }
        }
        log.unsynced.note();
        segment.forget_cached();
        let due = now.saturating_add(log.settings().file_delete_delay_ms);
        self.doomed.push(Doomed { segment: Arc::clone(segment), names: doomed, due });
        Ok(())
    }

    /// Renames all files of some segments.
    pub(super) fn doom_all(
        &mut self,
        log: &Opened,
        segments: &[Arc<Segment>],
        now: Timestamp,
    ) -> Result<()> {
        segments.iter().try_for_each(|segment| self.doom(log, segment, now))
    }

    /// Removes what is due and nobody reads; what fails is tried again.
    pub(super) fn remove_due(&mut self, log: &Opened, now: Timestamp) {
        self.doomed.retain_mut(|doomed| {
            if doomed.due > now || Arc::strong_count(&doomed.segment) > 1 {
                return true;
            }
            doomed.segment.log_handle().close();
            doomed.names.retain(|name| log.remove_if_there(name).is_err());
            !doomed.names.is_empty()
        });
    }

    /// Removes snapshots behind `offset` at once.
    pub(super) fn remove_snapshots_behind(log: &Opened, offset: Offset) -> Result<()> {
        for at in super::listing::Listing::read(&log.shared().dir)?.snapshots {
            if at > offset {
                log.remove_if_there(&names::name(at, Part::Snapshot))?;
            }
        }
        Ok(())
    }
}
