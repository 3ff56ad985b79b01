//! What a store does now and then, and when: every period and every thread of the library is here.
//!
//! The work itself is a method of the floor that owns the data. One thread sleeps until the next job
//! is due or there is something to seal; a program that wants no threads calls
//! [`Store::run_housekeeping`](super::Store::run_housekeeping). Periods go by what nobody can set,
//! ages of records by the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::catalog::Known;
use super::checkpoints::File;
use super::directory::locked;
use super::shared::Core;
use crate::error::{Error, Result};
use crate::log::{Log, Waited};
use crate::record::Timestamp;

/// Everything that is done now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Seals segments that were rolled away from; at once, when a roll asks for it.
    Seal,
    /// Flushes logs that have `flush.ms` (`log.flush.scheduler.interval.ms`, which Kafka never does
    /// by default), and brings watermarks up to what is durable.
    Flush,
    /// Writes `replication-offset-checkpoint` (`replica.high.watermark.checkpoint.interval.ms`).
    HighWatermarks,
    /// Removes deleted files and directories whose `file.delete.delay.ms` has passed.
    Remove,
    /// Writes `recovery-point-offset-checkpoint` (`log.flush.offset.checkpoint.interval.ms`).
    RecoveryPoints,
    /// Writes `log-start-offset-checkpoint` (`log.flush.start.offset.checkpoint.interval.ms`).
    LogStarts,
    /// Deletes old segments (`log.retention.check.interval.ms`).
    Retention,
    /// Forgets idempotent producers (`producer.id.expiration.check.interval.ms`).
    Producers,
    /// Cleans compacted logs (`log.cleaner.backoff.ms`). It may take long: a thread of its own does
    /// it, where there are threads.
    Clean,
}

impl Job {
    const ALL: [Job; 9] = [
        Job::Seal,
        Job::Flush,
        Job::HighWatermarks,
        Job::Remove,
        Job::RecoveryPoints,
        Job::LogStarts,
        Job::Retention,
        Job::Producers,
        Job::Clean,
    ];

    const fn period_ms(self) -> i64 {
        match self {
            Job::Seal | Job::Flush => 1000,
            Job::HighWatermarks => 5000,
            Job::Remove => 10_000,
            Job::Clean => 15_000,
            Job::RecoveryPoints | Job::LogStarts => 60_000,
            Job::Retention => 300_000,
            Job::Producers => 600_000,
        }
    }
}

/// When every job runs for the first time, at the latest (`log.initial.task.delay.ms`).
const INITIAL_DELAY_MS: i64 = 30_000;
/// Nothing is deleted for its age while the clock is so much ahead of the time that has passed.
const MOST_AHEAD_MS: i64 = 3_600_000;
const THREAD_NAME: &str = "strandline-housekeeping";
const CLEANER_NAME: &str = "strandline-cleaner";

/// When each job is due.
#[derive(Debug)]
pub(super) struct Schedule {
    due: [i64; Job::ALL.len()],
    last: i64,
    /// When logs that have `flush.ms` were flushed.
    flushed: BTreeMap<(String, u32), i64>,
}

impl Schedule {
    /// A schedule that begins now; what "now" counts from is the caller's business, as long as it is
    /// always the same.
    pub(super) fn new(now: i64) -> Schedule {
        let first = |job: Job| now.saturating_add(job.period_ms().min(INITIAL_DELAY_MS));
        Schedule { due: Job::ALL.map(first), last: now, flushed: BTreeMap::new() }
    }

    /// Takes the jobs that are due.
    fn take_due(&mut self, now: i64) -> Vec<Job> {
        if now < self.last {
            // A clock that was set back must not keep anything from happening.
            self.due = [now; Job::ALL.len()];
            self.flushed.clear();
        }
        self.last = now;
        let mut taken = Vec::new();
        for (job, due) in Job::ALL.into_iter().zip(&mut self.due) {
            if *due <= now {
                *due = now.saturating_add(job.period_ms());
                taken.push(job);
            }
        }
        taken
    }

    /// How long nothing is due.
    fn idle(&self, now: i64) -> Duration {
        let next = self.due.iter().copied().min().unwrap_or(now);
        Duration::from_millis(next.saturating_sub(now).max(0).unsigned_abs())
    }

    /// Whether a log that was last flushed so long ago is to be flushed.
    fn is_flush_due(&mut self, log: &Log, now: i64) -> bool {
        let every = log.config().settings().flush_ms;
        if every == i64::MAX {
            return false;
        }
        let key = (log.topic().to_owned(), log.partition());
        let last = self.flushed.entry(key).or_insert(now);
        let is_due = now.saturating_sub(*last) >= every;
        if is_due {
            *last = now;
        }
        is_due
    }
}

/// Starts the thread that does it. In a store that other processes write it only looks on for
/// futures that wait.
pub(super) fn start(core: &Arc<Core>) -> Result<JoinHandle<()>> {
    let core = Arc::clone(core);
    let path = core.directory.root.path().to_path_buf();
    let thread = std::thread::Builder::new().name(THREAD_NAME.into());
    let started = thread.spawn(move || {
        if core.directory.read_only { core.keep_looking() } else { core.keep_house() }
    });
    started.map_err(|error| Error::io("start the housekeeping of", path, error))
}

/// Starts the thread that cleans.
pub(super) fn start_cleaner(core: &Arc<Core>) -> Result<JoinHandle<()>> {
    let core = Arc::clone(core);
    let path = core.directory.root.path().to_path_buf();
    let thread = std::thread::Builder::new().name(CLEANER_NAME.into());
    let started = thread.spawn(move || core.keep_clean());
    started.map_err(|error| Error::io("start the cleaner of", path, error))
}

impl Core {
    /// Works until it is told to stop.
    fn keep_house(&self) {
        loop {
            let idle = locked(&self.schedule).idle(self.tick());
            let waited = self.surroundings.work.wait(idle);
            if waited == Waited::Stop || self.is_stopping() {
                return;
            }
            let mut schedule = locked(&self.schedule);
            let mut jobs = schedule.take_due(self.tick());
            jobs.retain(|job| *job != Job::Clean);
            if waited == Waited::Work && !jobs.contains(&Job::Seal) {
                jobs.insert(0, Job::Seal);
            }
            self.run(&jobs, &mut schedule, (self.clock().now_ms(), self.tick()));
        }
    }

    /// Looks at logs for whose growth futures wait, until it is told to stop.
    fn keep_looking(&self) {
        let changes = &self.surroundings.changes;
        while !self.is_stopping() {
            let count = changes.count(None);
            if self.look_for_waiters() {
                changes.wait(None, count, Duration::MAX);
            } else if self.surroundings.work.wait(Duration::MAX) == Waited::Stop {
                return;
            }
        }
    }

    /// Looks at them once; says whether there are some.
    fn look_for_waiters(&self) -> bool {
        let mut logs: Vec<Log> = locked(&self.logs).open.values().cloned().collect();
        logs.retain(Log::is_awaited);
        logs.iter().for_each(Log::look_for_waiters);
        !logs.is_empty()
    }

    /// Milliseconds that nobody can set.
    fn tick(&self) -> i64 {
        let (opened, instant) = self.opened_at;
        let passed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        opened.saturating_add(passed)
    }

    /// Tells the housekeeper to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.surroundings.work.stop();
        self.cleaner_signal.stop();
        self.surroundings.changes.ring();
    }

    /// Does what is due at `now`, and seals what waits for it.
    ///
    /// # Errors
    ///
    /// `Closed`; else the first error, once everything was tried.
    pub(super) fn run_due(&self, now: Timestamp) -> Result<()> {
        let mut schedule = locked(&self.schedule);
        self.check_open()?;
        let mut jobs = schedule.take_due(now);
        if !jobs.contains(&Job::Seal) {
            jobs.insert(0, Job::Seal);
        }
        self.run(&jobs, &mut schedule, (now, now)).map_or(Ok(()), Err)
    }

    /// Runs jobs; the first error is the answer, and all of them are warnings.
    fn run(&self, jobs: &[Job], schedule: &mut Schedule, (now, tick): (i64, i64)) -> Option<Error> {
        if self.directory.read_only {
            self.look_for_waiters();
            return None;
        }
        let mut first = None;
        for &job in jobs {
            if job == Job::Clean {
                first = first.or(self.clean_due(now));
                continue;
            }
            let logs = self.logs_for(job);
            for log in &logs {
                if self.is_stopping() {
                    return first;
                }
                if let Err(error) = self.run_on_log(job, log, schedule, (now, tick)) {
                    let (topic, partition) = (log.topic(), log.partition());
                    self.directory.warn(format!("{topic}-{partition}: {error}"));
                    first.get_or_insert(error);
                }
            }
            if let Err(error) = self.run_on_store(job, now) {
                self.directory.warn(error.to_string());
                first.get_or_insert(error);
            }
        }
        first
    }

    /// The logs that a job looks at: those in use. Retention looks at all that have some.
    fn logs_for(&self, job: Job) -> Vec<Log> {
        if job == Job::Retention {
            self.use_logs(|known| known.config.asks_retention());
        }
        locked(&self.logs).open.values().cloned().collect()
    }

    /// Takes all logs into use of the topics that are `wanted`.
    pub(super) fn use_logs(&self, wanted: impl Fn(&Known) -> bool) {
        for (topic, partition) in self.partitions_of(wanted) {
            if let Err(error) = self.log(&topic, partition, None) {
                self.directory.warn(format!("{topic}-{partition}: {error}"));
            }
        }
    }

    fn run_on_log(
        &self,
        job: Job,
        log: &Log,
        schedule: &mut Schedule,
        (now, tick): (i64, i64),
    ) -> Result<()> {
        match job {
            Job::Seal => log.seal_rolled(),
            Job::Flush => {
                if schedule.is_flush_due(log, tick) {
                    log.flush_written()?;
                }
                log.bring_watermark(now)
            }
            Job::Remove => log.remove_deleted(now),
            Job::Retention if self.is_ahead(now) => Ok(()),
            Job::Retention => log.retain(now).map(drop),
            Job::Producers => log.expire_producers(now),
            Job::HighWatermarks | Job::RecoveryPoints | Job::LogStarts | Job::Clean => Ok(()),
        }
    }

    fn run_on_store(&self, job: Job, now: Timestamp) -> Result<()> {
        // Nothing is written at the top before the first write to a log.
        if !self.surroundings.gate.is_passed() {
            return Ok(());
        }
        match job {
            Job::HighWatermarks => self.write_checkpoint(File::HighWatermark),
            Job::RecoveryPoints => self.write_checkpoint(File::RecoveryPoint),
            Job::LogStarts => self.write_checkpoint(File::LogStart),
            Job::Remove => self.directory.remove_due(now),
            Job::Retention if self.is_ahead(now) => {
                let why = "the clock is far ahead of the time that has passed since the opening";
                self.directory.warn(format!("{why}: nothing is deleted for its age"));
                Ok(())
            }
            Job::Seal | Job::Flush | Job::Retention | Job::Producers | Job::Clean => Ok(()),
        }
    }

    /// Whether the machine's clock was set forward: then ages are not to be trusted.
    pub(super) fn is_ahead(&self, now: Timestamp) -> bool {
        self.clock().is_wall() && now.saturating_sub(self.tick()) > MOST_AHEAD_MS
    }

    /// Writes one of Kafka's checkpoints, as the logs stand.
    fn write_checkpoint(&self, file: File) -> Result<()> {
        self.directory.check_lock()?;
        let logs: Vec<_> = {
            let logs = locked(&self.logs);
            logs.open.iter().map(|(key, log)| (key.clone(), log.clone())).collect()
        };
        let lowered = self.directory.checkpoints().lowered();
        let standings = logs.into_iter().filter_map(|(key, log)| Some((key, log.standing()?)));
        let standings: Vec<_> = standings.collect();
        let logs = locked(&self.logs);
        let mut checkpoints = self.directory.checkpoints();
        // How they stood may no longer be true of a log that was cut meanwhile: the next run tells.
        let is_true = checkpoints.lowered() == lowered;
        // A log that was deleted meanwhile is out of the list before its lines are.
        let open = |key: &(String, u32)| is_true && logs.open.contains_key(key);
        for (key, standing) in standings.iter().filter(|(key, _)| open(key)) {
            checkpoints.note(&key.0, key.1, standing);
        }
        drop(logs);
        checkpoints.write(&self.directory.root, file)
    }

    /// Writes all of them.
    pub(super) fn write_checkpoints(&self) -> Result<()> {
        self.write_checkpoint(File::RecoveryPoint)?;
        self.write_checkpoint(File::LogStart)?;
        self.write_checkpoint(File::HighWatermark)?;
        self.write_checkpoint(File::Cleaner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_runs_once_a_period_and_none_waits_longer_than_half_a_minute_for_its_first() {
        let mut schedule = Schedule::new(0);
        let mut runs = [0; Job::ALL.len()];
        for now in (0..=1_230_000).step_by(500) {
            for job in schedule.take_due(now) {
                runs[job as usize] += 1;
            }
            if now == 30_000 {
                assert!(runs.iter().all(|&count| count > 0), "{runs:?}");
            }
        }
        assert_eq!(runs, [1230, 1230, 246, 123, 21, 21, 5, 3, 82]);
    }

    #[test]
    fn a_sleep_ends_when_the_next_job_is_due() {
        let mut schedule = Schedule::new(1000);
        assert_eq!(schedule.idle(1000), Duration::from_secs(1));
        assert_eq!(schedule.idle(1900), Duration::from_millis(100));
        assert_eq!(schedule.idle(5000), Duration::ZERO);
        schedule.take_due(5000);
        assert_eq!(schedule.idle(5000), Duration::from_secs(1));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_from_happening() {
        let mut schedule = Schedule::new(1_000_000);
        assert!(schedule.take_due(1_000_000).is_empty());
        assert_eq!(schedule.take_due(5000), Job::ALL);
        assert!(schedule.take_due(5000).is_empty());
    }
}
