//! The checks of one partition: its segments, one after another or side by side, then what stands
//! beside them. Takes no lock and writes nothing.

mod chain;
mod names;
mod ours;
mod rebuild;
mod replay;
mod small;

use std::collections::BTreeSet;

use super::context::KafkaSays;
use super::topic_id::TopicId;
use crate::error::Result;
use crate::finding::{Code, Finding, Findings, Level, Report, Severity};
use crate::fs::Dir;
use crate::record::Offset;
pub(crate) use crate::segment::verify::{Ahead, Checked, Cut, How, Pace};
use crate::segment::verify::{Looked, SegmentCheck, Tail};
use names::Names;
use ours::{Compared, Ours};
pub use rebuild::RebuiltFile;
pub(crate) use rebuild::rebuild;
use replay::Replay;
pub(crate) use small::{check_alone, checkpoint_finding};

/// What is known of a partition from outside its directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    /// Its topic and number, by the directory's name.
    pub(crate) topic: Option<(String, i32)>,
    pub(crate) kafka: KafkaSays,
    /// The opening number that the log directory carries.
    pub(crate) opening: Option<i32>,
    /// The topic's id, where the log directory tells it.
    pub(crate) topic_id: Option<TopicId>,
}

/// One partition that is to be checked.
#[derive(Debug)]
pub(crate) struct PartitionCheck {
    how: How,
    dir: Dir,
    around: Around,
    names: Names,
    ours: Ours,
    /// What is looked at ahead in each segment.
    ahead: Vec<Ahead>,
}

/// What was found in a partition.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its segments, in order.
    pub(crate) segments: Vec<Checked>,
    /// What is about other files, and the directory.
    pub(crate) findings: Vec<Finding>,
    /// The offset behind the last record.
    pub(crate) log_end: Offset,
}

impl PartitionCheck {
    /// Lists the directory and reads our two files.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn read(dir: Dir, how: How, around: Around) -> Result<PartitionCheck> {
        // Ours first: what they vouch for is there by the time that it is listed.
        let ours = Ours::read(&dir, &around)?;
        let names = Names::read(&dir)?;
        let mut check = PartitionCheck { how, dir, around, names, ours, ahead: Vec::new() };
        check.ahead = check.cut();
        Ok(check)
    }

    /// Into how many pieces each segment is cut that threads can look at ahead. A look at everything
    /// goes through the segments one after another, so it is helped in small ones too.
    fn cut(&self) -> Vec<Ahead> {
        let cut = &self.how.cut;
        let is_cut = cut.piece_bytes > 0 && self.how.level > Level::Quick;
        let in_turn = self.how.level == Level::Deep;
        let of = |at| {
            let bytes = self.bytes_of(at);
            let is_wanted = in_turn || bytes > cut.piece_bytes;
            Ahead::of(if is_wanted { bytes } else { 0 }, cut)
        };
        (0..if is_cut { self.segments() } else { 0 }).map(of).collect()
    }

    /// How many stretches of a segment can be looked at ahead.
    pub(crate) fn stretches(&self, segment: usize) -> usize {
        self.ahead.get(segment).map_or(0, Ahead::len)
    }

    /// Looks at one of them, if nobody else does.
    pub(crate) fn look_ahead(&self, segment: usize, stretch: usize) {
        if let Some(check) = self.check_of(segment) {
            check.look_ahead(stretch);
        }
    }

    /// How many segments it has.
    pub(crate) fn segments(&self) -> usize {
        self.names.bases.len()
    }

    /// Bytes of a segment, for a plan of the work; 0 if they cannot be told.
    pub(crate) fn bytes_of(&self, at: usize) -> u64 {
        let name = self.names.bases.get(at).map(|&base| names::log_name(base));
        let open = |name: String| self.dir.open(&name, crate::fs::Access::Read)?.len();
        name.map_or(0, |name| open(name).unwrap_or(0))
    }

    /// Checks one segment, and gives what is seen of its whole batches to `visit`. `None` if it is
    /// gone.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn segment(
        &self,
        at: usize,
        visit: &mut dyn FnMut(&Looked),
    ) -> Result<Option<Checked>> {
        self.check_of(at).map_or(Ok(None), |check| check.run(visit))
    }

    fn check_of(&self, at: usize) -> Option<SegmentCheck<'_>> {
        let base = *self.names.bases.get(at)?;
        let is_active = at + 1 == self.names.bases.len();
        let entry = self.ours.entry(base);
        Some(SegmentCheck {
            how: &self.how,
            dir: &self.dir,
            name: names::log_name(base),
            base,
            tail: Tail {
                is_normal: is_active && !self.around.kafka.stopped_cleanly,
                durable: self.ours.durable_in(base),
            },
            is_active,
            is_internal: self
                .around
                .topic
                .as_ref()
                .is_some_and(|(topic, _)| topic.starts_with("__")),
            is_dense: entry.is_some_and(|entry| entry.dense) && self.ours.proved,
            with_indexes: true,
            with_sum: entry.is_some() && self.how.level > Level::Quick,
            ahead: self.ahead.get(at),
        })
    }

    /// Checks all of it, segment after segment.
    ///
    /// # Errors
    ///
    /// If something cannot be read.
    pub(crate) fn all(&self) -> Result<Found> {
        let mut replay = (self.how.level == Level::Deep).then(|| Replay::new(self));
        let mut segments = Vec::new();
        for at in 0..self.segments() {
            let checked = self.segment(at, &mut |batch| {
                if let Some(replay) = &mut replay {
                    replay.batch(batch);
                }
            })?;
            if let (Some(replay), Some(checked)) = (&mut replay, &checked) {
                replay.segment_ends(checked);
            }
            segments.extend(checked);
        }
        self.finish(segments, replay)
    }

    /// Puts together what was found in the segments, and checks what stands beside them.
    ///
    /// # Errors
    ///
    /// If something cannot be read.
    pub(crate) fn finish(
        &self,
        mut segments: Vec<Checked>,
        replay: Option<Replay<'_>>,
    ) -> Result<Found> {
        let mut findings = Findings::default();
        self.names.findings(&self.dir, &mut findings);
        let log_end = segments.last().map_or(0, |last| last.summary.next_offset);
        chain::below_their_names(&mut segments);
        let Compared { located, lost_end } =
            self.ours.compare(&self.dir, &mut segments, &mut findings)?;
        let epochs = small::read_epochs(&self.dir, &mut findings)?;
        chain::between(&self.dir, &segments, epochs.as_deref(), &mut findings);
        if self.how.level > Level::Quick {
            small::check_snapshots(&self.dir, &self.names.snapshots, log_end, &mut findings)?;
            small::check_txn_indexes(&self.dir, &self.names.bases, &mut findings)?;
            let deep = self.how.level == Level::Deep && !located;
            let start = self.log_start();
            small::check_epochs(
                &self.dir,
                epochs.as_deref(),
                (&segments, start, deep),
                &mut findings,
            );
        }
        small::check_metadata(&self.dir, self.topic_id(), &mut findings)?;
        if let Some(replay) = replay.filter(|_| !located) {
            replay.finish(&segments, &mut findings);
        }
        if lost_end {
            let of_the_end = |it: &Finding| !it.code.is_past_end();
            findings.retain(of_the_end);
            for checked in &mut segments {
                checked.findings.retain(of_the_end);
            }
        }
        Ok(Found { segments, findings: findings.into_list(), log_end })
    }

    fn topic_id(&self) -> Option<TopicId> {
        self.around.topic_id.or(self.ours.topic_id)
    }

    /// The first offset that may be read, as far as it is known.
    fn log_start(&self) -> Offset {
        let kafka = self.around.kafka.log_start.unwrap_or(0);
        self.ours.log_start.max(kafka)
    }
}

impl Found {
    /// The same as a report.
    pub(crate) fn into_report(self) -> Report {
        let mut report = Report { findings: self.findings, ..Report::default() };
        for checked in self.segments {
            report.logs.push(checked.verified());
            report.findings.extend(checked.findings.into_list());
        }
        report.findings.sort_by(Finding::by_place);
        report
    }
}

/// A finding about a file of the directory.
fn about(dir: &Dir, code: Code, name: &str) -> Finding {
    Finding::new(code, &dir.path().join(name))
}

/// What stands in a directory that its segments do not need.
fn note(dir: &Dir, code: Code, names: &BTreeSet<String>, findings: &mut Findings) {
    for name in names {
        findings.push(about(dir, code, name).severity(Severity::Warning));
    }
}
