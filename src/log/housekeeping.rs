//! What a log has to do now and then. When it is done is the store's business.

use super::handle::Log;
use super::ledger::Mark;
use super::retention;
use super::view::View;
use crate::error::{Error, Result};
use crate::record::{Offset, Timestamp};

/// What Kafka's checkpoint files say of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// First offset not known to be flushed: unless the log was closed, the end of the last segment
    /// that is sealed, so that a Kafka that starts after our death looks at all that may be torn.
    pub(crate) recovery_point: Offset,
    /// First offset that may be read, if it is not the first segment's base.
    pub(crate) log_start: Option<Offset>,
    pub(crate) high_watermark: Offset,
}

impl Standing {
    /// That of a closed log.
    pub(super) fn of(view: &View) -> Standing {
        let first = view.segments.first().map_or(0, |segment| segment.base_offset());
        Standing {
            recovery_point: view.log_end_offset,
            log_start: Some(view.log_start_offset).filter(|&start| start > first),
            high_watermark: view.log_end_offset,
        }
    }
}

impl Log {
    /// Seals segments that were rolled away from.
    pub(crate) fn seal_rolled(&self) -> Result<()> {
        let Some(opened) = self.used() else { return Ok(()) };
        if opened.is_untouched_and_clean().0 || opened.group.poison().is_some() {
            return Ok(());
        }
        // As an appender's sync does: nothing is cut off meanwhile, or the entry of a segment that
        // is gone could come behind the cut.
        opened.group.cut(|| {
            let sealed = opened.seal_older(&opened.published.view());
            sealed.map_err(|failure| opened.failed(failure))?;
            Ok((opened.group.durable_end(), ()))
        })
    }

    /// Whether a future waits for what another process writes to the log.
    pub(crate) fn is_awaited(&self) -> bool {
        self.used().is_some_and(|opened| opened.sight.is_some() && opened.published.is_awaited())
    }

    /// Looks at what another process has written, for who waits for it. Who waits is woken, and what
    /// goes wrong here goes wrong there as well.
    pub(crate) fn look_for_waiters(&self) {
        let Some(opened) = self.used() else { return };
        if let Err(error) = opened.look_again(false)
            && !matches!(error, Error::NotFound(_))
        {
            opened.published.publish(|_| {});
        }
    }

    /// Removes files that are due.
    pub(crate) fn remove_deleted(&self, now: Timestamp) -> Result<()> {
        self.if_writing(|writer, opened| {
            writer.remove_due(opened, now);
            Ok(())
        })
    }

    /// Forgets producers that have expired.
    pub(crate) fn expire_producers(&self, now: Timestamp) -> Result<()> {
        self.if_writing(|writer, opened| {
            writer.producers.expire(opened.settings(), now);
            Ok(())
        })
    }

    /// Deletes old segments, if there are some: a log that keeps all of its own is not written to.
    pub(crate) fn retain(&self, now: Timestamp) -> Result<usize> {
        let asked = self.config().asks_retention();
        if now <= self.quiet_at_rest().retention {
            return Ok(0);
        }
        let Some(opened) = (if asked { Some(self.opened()?) } else { self.used() }) else {
            return Ok(0);
        };
        if opened.context.read_only {
            return Ok(0);
        }
        let kept_until = retention::kept_until(&opened)?;
        self.note_quiet(|quiet| quiet.retention = kept_until);
        if now <= kept_until {
            return Ok(0);
        }
        self.write(|writer, opened| writer.enforce_retention(opened, now))
    }

    /// Makes durable what was written (`flush.ms`).
    pub(crate) fn flush_written(&self) -> Result<()> {
        let Some(opened) = self.used() else { return Ok(()) };
        if opened.is_untouched_and_clean().0 {
            return Ok(());
        }
        let end = opened.published.number(|view| view.log_end_offset);
        opened.reach(end)
    }

    /// Brings the watermark up to what is durable, when appends stopped before it was due.
    pub(crate) fn bring_watermark(&self, now: Timestamp) -> Result<()> {
        // With the writer held nothing is cut: the mark may lag, it never leads.
        self.if_writing(|_, opened| {
            let view = opened.published.view();
            let mark = Mark { tip: view.tip, durable_end: view.log_end_offset };
            let mut ledger = opened.ledger();
            let reached = (mark.tip.base_offset, mark.tip.bytes, mark.durable_end);
            let lags = ledger
                .slot()
                .is_some_and(|slot| (slot.base_offset, slot.point, slot.durable_end) < reached);
            // A roll leaves all offsets durable, and not yet the segment that the mark would name,
            // nor where the one before it leads.
            let older = view.segments.split_last().map_or(&[][..], |(_, older)| older);
            let settled = older.iter().all(|segment| ledger.is_sealed(segment.base_offset()))
                && opened.unsynced.is_settled();
            if lags && settled && view.durable_end >= view.log_end_offset {
                ledger.note_durable(mark, now);
            }
            Ok(())
        })
    }

    /// What Kafka's checkpoint files are to say, if the log was written to in this opening.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let opened = self.used().filter(|opened| !opened.is_untouched_and_clean().0)?;
        let view = opened.published.view();
        let ledger = opened.ledger();
        let unsealed =
            view.segments.iter().find(|segment| !ledger.is_sealed(segment.base_offset()));
        let recovery_point = unsealed.map_or(view.log_start_offset, |s| s.base_offset());
        Some(Standing { recovery_point, ..Standing::of(&view) })
    }

    /// Closes the log; the answer is what the checkpoint files are to say of it then, where it is
    /// closed in order, now or since before: Kafka may have forgotten it meanwhile.
    pub(crate) fn close_standing(&self) -> Result<Option<Standing>> {
        let told = self.used().filter(|opened| opened.is_untouched_and_clean() != (true, false));
        // Asked second: what is in our hands does not come to rest.
        let at_rest = self.standing_at_rest();
        self.close()?;
        Ok(told.map(|opened| Standing::of(&opened.published.view())).or(at_rest))
    }

    /// Carries out what the opening of a log owes that was not closed, so that it can be closed.
    pub(crate) fn finish_opening(&self) -> Result<()> {
        let opened = self.opened()?;
        if opened.is_untouched_and_clean() == (true, false) {
            opened.with_writer(|_| Ok(()))?;
        }
        Ok(())
    }

    /// Closes a log whose files are about to go: nothing is written any more, and whoever uses it
    /// is told that it is closed.
    pub(crate) fn abandon(&self) {
        let Some(opened) = self.set_closed() else { return };
        // After the append and the sync that are under way there is none.
        let _ = opened.take_writer();
        let _ = opened.group.cut(|| {
            opened.poison(&Error::Closed);
            Ok((opened.group.durable_end(), ()))
        });
    }

    /// Runs `work` if the log was written to in this opening.
    fn if_writing<T: Default>(
        &self,
        work: impl FnOnce(&mut super::writer::Writer, &super::opened::Opened) -> Result<T>,
    ) -> Result<T> {
        match self.used() {
            Some(opened) if !opened.is_untouched_and_clean().0 => {
                match opened.with_writer(|writer| work(writer, &opened)) {
                    Err(Error::Closed) => Ok(T::default()),
                    done => done,
                }
            }
            _ => Ok(T::default()),
        }
    }
}
