//! What a log has to do now and then. When it is done is the store's business.

use super::group::Failure;
use super::handle::Log;
use crate::error::{Error, Result};
use crate::record::Timestamp;

impl Log {
    /// Seals segments that were rolled away from.
    pub(crate) fn seal_rolled(&self) -> Result<()> {
        let Some(opened) = self.used() else { return Ok(()) };
        if opened.is_untouched_and_clean().0 || opened.group.poison().is_some() {
            return Ok(());
        }
        let view = opened.published.view();
        opened.seal_older(&view).map_err(|failure| {
            if let Failure::Final(error) = &failure {
                opened.poison(error);
            }
            failure.into_error()
        })
    }

    /// Removes files that are due, and forgets producers that have expired.
    pub(crate) fn tidy(&self, now: Timestamp) -> Result<()> {
        self.if_writing(|writer, opened| {
            writer.remove_due(opened, now);
            writer.producers.expire(opened.settings(), now);
            Ok(())
        })
    }

    /// Deletes old segments, if the log is in use and its settings ask for it.
    pub(crate) fn retain(&self, now: Timestamp) -> Result<usize> {
        let settings = self.config().settings();
        let asked = settings.retention_ms.is_some() || settings.retention_bytes.is_some();
        if asked && self.used().is_some_and(|opened| !opened.context.read_only) {
            return self.write(|writer, opened| writer.enforce_retention(opened, now));
        }
        self.if_writing(|writer, opened| writer.enforce_retention(opened, now))
    }

    /// Makes durable what was written long enough ago (`flush.ms`), and brings the watermark after.
    pub(crate) fn flush_if_due(&self, older_than_ms: i64) -> Result<()> {
        let Some(opened) = self.used() else { return Ok(()) };
        if opened.is_untouched_and_clean().0 || older_than_ms == i64::MAX {
            return Ok(());
        }
        let end = opened.published.number(|view| view.log_end_offset);
        opened.reach(end)
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
