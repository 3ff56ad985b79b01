//! Kafka's four offset checkpoints of a log directory, kept up to date.
//!
//! | file | Kafka writes it every |
//! |------|-----------------------|
//! | `recovery-point-offset-checkpoint` | `log.flush.offset.checkpoint.interval.ms` |
//! | `log-start-offset-checkpoint`      | `log.flush.start.offset.checkpoint.interval.ms` |
//! | `replication-offset-checkpoint`    | `replica.high.watermark.checkpoint.interval.ms` |
//! | `cleaner-offset-checkpoint`        | time that a log was cleaned |
//!
//! Lines of partitions that were not written to stay as they are. The recovery point of a log is at
//! most the end of its last sealed segment, unless the log was closed.

use std::collections::BTreeMap;

use super::CLEAN_SHUTDOWN;
use super::checkpoint::{self, CheckpointError, OPENING_TOPIC, PartitionOffset};
use super::found::{MOST_BYTES, read, warning};
use crate::error::{Error, Result};
use crate::fs::{Dir, Stamp};
use crate::log::{KafkaSays, Standing};
use crate::record::Offset;
use crate::wire::crc32c;

/// The files.
pub(super) const FILES: [&str; 4] = [
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
];

/// One of the files, by its place among [`FILES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    RecoveryPoint = 0,
    LogStart = 1,
    HighWatermark = 2,
    Cleaner = 3,
}

/// What the files say, and are to say.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// The number on our line: nobody else has written since.
    pub(super) opening: Option<i32>,
    /// Whether Kafka's marker stood.
    pub(super) stopped_cleanly: bool,
    lines: [BTreeMap<(String, u32), Offset>; 4],
    /// Length and checksum of what stands in the files, as far as it is known.
    written: [Option<(usize, u32)>; 4],
    /// How the files were before they were last read, for who only reads them.
    stamps: [Option<Stamp>; 4],
    lowered: u64,
}

impl Checkpoints {
    /// Takes in what one of the files says. What is damaged says nothing, as in Kafka.
    pub(super) fn read(&mut self, at: usize, bytes: &[u8], root: &Dir, warnings: &mut Vec<String>) {
        match checkpoint::decode(bytes) {
            Ok(entries) => self.take(at, entries),
            Err(error) => {
                let what = match error {
                    CheckpointError::UnsupportedVersion(_) => "not read",
                    _ => "counts as empty",
                };
                warnings.push(warning(root, FILES[at], format!("{error}; {what}")));
            }
        }
        self.written[at] = Some(sum(bytes));
    }

    fn take(&mut self, at: usize, entries: Vec<PartitionOffset>) {
        if at == File::HighWatermark as usize {
            self.opening = checkpoint::opening_number(&entries);
        }
        for PartitionOffset { topic, partition, offset } in entries {
            if topic != OPENING_TOPIC {
                self.lines[at].insert((topic, partition.unsigned_abs()), offset);
            }
        }
    }

    /// Reads those again that another process has written since they were last read, for who only
    /// reads. What is strange about them is told when the store is opened.
    pub(super) fn look_again(&mut self, root: &Dir) -> Result<()> {
        let failed = |name: &str, error| Error::io("look at", root.path().join(name), error);
        let marker = root.stamp_of(CLEAN_SHUTDOWN).map_err(|e| failed(CLEAN_SHUTDOWN, e))?;
        self.stopped_cleanly = marker.is_some();
        for (at, name) in FILES.iter().enumerate() {
            let stamp = root.stamp_of(name).map_err(|error| failed(name, error))?;
            if stamp == self.stamps[at] {
                continue;
            }
            let bytes = read(root, name, MOST_BYTES, &mut Vec::new())?;
            self.lines[at].clear();
            if at == File::HighWatermark as usize {
                self.opening = None;
            }
            if let Some(bytes) = bytes {
                self.read(at, &bytes, root, &mut Vec::new());
            }
            self.stamps[at] = stamp;
        }
        Ok(())
    }

    /// What they say of one log.
    pub(super) fn of_log(&self, topic: &str, partition: u32) -> KafkaSays {
        let key = (topic.to_owned(), partition);
        let line = |file: File| self.lines[file as usize].get(&key).copied();
        KafkaSays {
            recovery_point: line(File::RecoveryPoint),
            log_start: line(File::LogStart),
            stopped_cleanly: self.stopped_cleanly,
        }
    }

    /// Notes how a log stands.
    pub(super) fn note(&mut self, topic: &str, partition: u32, standing: &Standing) {
        let key = || (topic.to_owned(), partition);
        self.lines[File::RecoveryPoint as usize].insert(key(), standing.recovery_point);
        self.lines[File::HighWatermark as usize].insert(key(), standing.high_watermark);
        let log_starts = &mut self.lines[File::LogStart as usize];
        match standing.log_start {
            Some(offset) => _ = log_starts.insert(key(), offset),
            None => _ = log_starts.remove(&key()),
        }
    }

    /// How far a log was cleaned.
    pub(super) fn cleaned_to(&self, topic: &str, partition: u32) -> Option<Offset> {
        self.lines[File::Cleaner as usize].get(&(topic.to_owned(), partition)).copied()
    }

    /// Notes how far a log was cleaned, and writes it.
    pub(super) fn note_cleaned(
        &mut self,
        root: &Dir,
        (topic, partition): (&str, u32),
        offset: Offset,
    ) -> Result<()> {
        let key = (topic.to_owned(), partition);
        let lines = &mut self.lines[File::Cleaner as usize];
        let before = lines.insert(key.clone(), offset);
        self.write(root, File::Cleaner).inspect_err(|_| {
            let lines = &mut self.lines[File::Cleaner as usize];
            match before {
                Some(before) => _ = lines.insert(key, before),
                None => _ = lines.remove(&key),
            }
        })
    }

    /// Sees to it that the recovery point of a log is at most `offset`, in the file too.
    pub(super) fn lower(&mut self, root: &Dir, log: (&str, u32), offset: Offset) -> Result<()> {
        let key = (log.0.to_owned(), log.1);
        let line = self.lines[File::RecoveryPoint as usize].get_mut(&key);
        let Some(line) = line else { return Ok(()) };
        if *line > offset {
            *line = offset;
            self.lowered += 1;
        }
        self.write(root, File::RecoveryPoint)
    }

    /// How often a recovery point was lowered: what a log said before may be too high.
    pub(super) fn lowered(&self) -> u64 {
        self.lowered
    }

    /// Forgets all partitions of a topic.
    pub(super) fn forget(&mut self, topic: &str) {
        for lines in &mut self.lines {
            lines.retain(|(of, _), _| of != topic);
        }
    }

    /// Writes a file, if it does not say that already.
    pub(super) fn write(&mut self, root: &Dir, file: File) -> Result<()> {
        let at = file as usize;
        if file == File::Cleaner && self.lines[at].is_empty() && self.written[at].is_none() {
            // Nothing was ever cleaned here.
            return Ok(());
        }
        let entry = |((topic, partition), offset): (&(String, u32), &Offset)| PartitionOffset {
            topic: topic.clone(),
            partition: *partition as i32,
            offset: *offset,
        };
        let mut entries: Vec<_> = self.lines[at].iter().map(entry).collect();
        if file == File::HighWatermark {
            entries.extend(self.opening.map(PartitionOffset::opening));
        }
        let bytes = checkpoint::encode(&entries);
        if self.written[at] == Some(sum(&bytes)) {
            return Ok(());
        }
        // After a failure either may stand there.
        self.written[at] = None;
        let replaced = root.replace_small(FILES[at], &bytes);
        replaced.map_err(|error| Error::io("write", root.path().join(FILES[at]), error))?;
        self.written[at] = Some(sum(&bytes));
        Ok(())
    }
}

fn sum(bytes: &[u8]) -> (usize, u32) {
    (bytes.len(), crc32c::checksum(bytes))
}
