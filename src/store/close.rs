//! Closing a store: its logs, then Kafka's checkpoints, last the marker of a clean stop.

use std::collections::BTreeMap;

use super::checkpoints::File;
use super::directory::locked;
use super::shared::Core;
use crate::error::{Error, Result};
use crate::log::Log;

/// What becomes of a store while it is closed.
#[derive(Debug, Default)]
struct Outcome {
    /// The first error of a log that could not be closed, or of the checkpoints.
    error: Option<Error>,
    /// Why the first log could not be finished that stays as it is.
    unfinished: Option<Error>,
}

impl Core {
    /// Closes the store; a second time there is nothing to do. The housekeeper has ended.
    pub(super) fn close(&self) -> Result<()> {
        self.close_and(|_| Ok(())).unwrap_or(Ok(()))
    }

    /// Closes the store, does `last` if every log that was in use could be closed, and lets go of the
    /// lock; none if the store was closed already. `last` is told what kept another log from that.
    pub(super) fn close_and<T>(
        &self,
        last: impl FnOnce(Option<Error>) -> Result<T>,
    ) -> Option<Result<T>> {
        // What is under way ends first, and nothing begins any more.
        let _schedule = locked(&self.schedule);
        let _changing = locked(&self.changing);
        let open = {
            let mut logs = locked(&self.logs);
            if std::mem::replace(&mut logs.closed, true) {
                return None;
            }
            std::mem::take(&mut logs.open)
        };
        let done = self.close_logs(&open).and_then(last);
        self.directory.unlock();
        Some(done)
    }

    fn close_logs(&self, open: &BTreeMap<(String, u32), Log>) -> Result<Option<Error>> {
        let mut outcome = Outcome::default();
        let has_written = !self.directory.read_only && self.surroundings.gate.is_passed();
        for log in open.values() {
            if has_written && self.directory.checkpoints().stopped_cleanly {
                // Those that were not written to are as clean as they were.
                self.close_log(log, &mut outcome);
            } else if has_written {
                self.finish_log(log, &mut outcome);
                self.close_log(log, &mut outcome);
            } else {
                self.close_log(log, &mut outcome);
            }
        }
        if has_written {
            self.close_unused(open, &mut outcome);
            let written = self.finish(&outcome);
            outcome.error = outcome.error.or(written.err());
        }
        outcome.error.map_or(Ok(outcome.unfinished), Err)
    }

    /// Without a marker at the opening any log may be torn: all are looked at.
    fn close_unused(&self, used: &BTreeMap<(String, u32), Log>, outcome: &mut Outcome) {
        if self.directory.checkpoints().stopped_cleanly {
            return;
        }
        for (topic, partition) in self.all_partitions() {
            if used.contains_key(&(topic.clone(), partition)) {
                continue;
            }
            match self.unused_log(&topic, partition) {
                Ok(log) => {
                    self.finish_log(&log, outcome);
                    self.close_log(&log, outcome);
                }
                Err(error) => self.leave_unfinished((&topic, partition), error, outcome),
            }
        }
    }

    /// Carries out what the opening of a log owes. That it cannot be is no error of this program:
    /// the log stays as it is, and the store is not cleanly closed.
    fn finish_log(&self, log: &Log, outcome: &mut Outcome) {
        if let Err(error) = log.finish_opening() {
            self.leave_unfinished((log.topic(), log.partition()), error, outcome);
        }
    }

    fn leave_unfinished(&self, of: (&str, u32), error: Error, outcome: &mut Outcome) {
        self.directory.warn(format!("{}-{}: {error}", of.0, of.1));
        outcome.unfinished.get_or_insert(error);
    }

    fn close_log(&self, log: &Log, outcome: &mut Outcome) {
        match log.close_standing() {
            Ok(Some(standing)) => {
                self.directory.checkpoints().note(log.topic(), log.partition(), &standing);
            }
            Ok(None) => {}
            Err(error) => _ = outcome.error.get_or_insert(error),
        }
    }

    /// Checkpoints, and the marker if every log is closed.
    fn finish(&self, outcome: &Outcome) -> Result<()> {
        self.directory.check_lock()?;
        {
            let mut checkpoints = self.directory.checkpoints();
            for file in [File::RecoveryPoint, File::LogStart, File::HighWatermark] {
                checkpoints.write(&self.directory.root, file)?;
            }
        }
        let all_closed = outcome.error.is_none() && outcome.unfinished.is_none();
        if all_closed { self.directory.write_marker() } else { Ok(()) }
    }
}
