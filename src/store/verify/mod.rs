//! Proving files and directories, in use or not: nothing is locked, created or written.
//!
//! A [`Verification`] is planned first, then done piece by piece, on as many threads as the caller
//! has, and put together at the end. [`verify`] does all of that in one call.

mod file;
mod log_dir;
mod shown;
mod target;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::finding::{Level, Report};
use crate::log::RebuiltFile;
use crate::log::verify::{Checked, Cut, Found, How, Pace};
use crate::record::Offset;
pub use file::FileKind;
use target::{Content, Target};

/// How to verify.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifyOptions {
    level: Level,
    most_inflated: usize,
    most_held: usize,
    piece_bytes: u64,
    clock: Clock,
    pace: Option<Pace>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        VerifyOptions::new()
    }
}

impl VerifyOptions {
    /// [`Level::Normal`], batches of any size, inflated to at most 4 GiB, the machine's clock.
    pub fn new() -> Self {
        VerifyOptions {
            level: Level::Normal,
            most_inflated: 4 << 30,
            most_held: usize::MAX,
            piece_bytes: 0,
            clock: Clock::wall(),
            pace: None,
        }
    }

    /// How closely to look.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The most that a batch may inflate to; one that would become larger is damage.
    pub fn max_inflated_bytes(mut self, bytes: usize) -> Self {
        self.most_inflated = bytes;
        self
    }

    /// Does not hold a batch of more bytes. Its checksum is compared all the same; that its records
    /// are not looked at is a finding of [`Level::Deep`], as is one of an old format by itself.
    pub fn max_batch_bytes(mut self, bytes: u64) -> Self {
        self.most_held = usize::try_from(bytes).unwrap_or(usize::MAX);
        self
    }

    /// Cuts a `.log` into pieces of about so many bytes, so that several threads can do one file. What
    /// is found is the same. Not done by default, nor with 0.
    pub fn piece_bytes(mut self, bytes: u64) -> Self {
        self.piece_bytes = bytes;
        self
    }

    /// Calls `tell` behind every few megabytes of a `.log` that were looked at, with the file's path
    /// and the stretch, from whichever thread did it. It may wait, to slow the work down.
    pub fn pace(mut self, tell: impl Fn(&Path, Range<u64>) + Send + Sync + 'static) -> Self {
        self.pace = Some(Pace(Arc::new(tell)));
        self
    }

    /// What is compared with timestamps, to see which lie in the future.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

/// Files and directories that are to be verified.
#[derive(Debug)]
pub struct Verification {
    how: How,
    targets: Vec<Target>,
    pieces: Vec<Piece>,
}

/// A part of the work.
#[derive(Clone, Copy, Debug)]
struct Piece {
    target: usize,
    work: Work,
}

/// What is to be done in a piece.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// A file, or all segments of a partition, one after another.
    All,
    /// One segment of a partition.
    Segment(usize),
    /// A stretch of a `.log`, looked at ahead of who does one of the others.
    Ahead { segment: usize, stretch: usize },
}

/// What came out of one piece of a verification.
#[derive(Debug)]
pub struct VerifiedPiece(Outcome);

#[derive(Debug)]
enum Outcome {
    Segment(Option<Checked>),
    Partition(Found),
    Failed(Error),
}

impl Verification {
    /// One of nothing yet.
    pub fn new(options: &VerifyOptions) -> Verification {
        let how = How {
            level: options.level,
            now: options.clock.now_ms(),
            most_inflated: options.most_inflated,
            most_held: options.most_held,
            cut: Cut::into(options.piece_bytes),
            progress: Arc::new(AtomicU64::new(0)),
            pace: options.pace.clone(),
        };
        Verification { how, targets: Vec::new(), pieces: Vec::new() }
    }

    /// Adds what lies at `path`: a file, a partition's directory, or a log directory.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no Kafka file in it, `Invalid` if the kind of a file cannot be told,
    /// `Io`.
    pub fn add(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let targets = target::of(path.as_ref(), &self.how)?;
        self.plan(targets);
        Ok(())
    }

    /// Adds a file of that kind, whatever its name. A `.log` or an index that does not tell its base
    /// offset needs it.
    ///
    /// # Errors
    ///
    /// `Invalid` if the base offset is missing, `Io`.
    pub fn add_file(
        &mut self,
        path: impl AsRef<Path>,
        kind: FileKind,
        base_offset: Option<Offset>,
    ) -> Result<()> {
        let target = target::of_file(path.as_ref(), kind, base_offset)?;
        self.plan(vec![target]);
        Ok(())
    }

    fn plan(&mut self, targets: Vec<Target>) {
        for mut target in targets {
            let at = self.targets.len();
            target.cut(&self.how);
            let piece = |work| Piece { target: at, work };
            let segments = match &target.content {
                Content::Partition(partition) => partition.segments(),
                Content::File(_) => 1,
                Content::LogDir(_) => 0,
            };
            let in_turn =
                self.how.level == Level::Deep || matches!(target.content, Content::File(_));
            if in_turn && !matches!(target.content, Content::LogDir(_)) {
                self.pieces.push(piece(Work::All));
            }
            // Who comes to a pass first makes it, and the others look ahead.
            for segment in 0..segments {
                if !in_turn {
                    self.pieces.push(piece(Work::Segment(segment)));
                }
                let stretches = 0..target.stretches(segment);
                let ahead = |stretch| piece(Work::Ahead { segment, stretch });
                self.pieces.extend(stretches.map(ahead));
            }
            self.targets.push(target);
        }
    }

    /// How many pieces there are to do.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Bytes of all `.log` files that are to be looked at, as long as they are now.
    pub fn total_bytes(&self) -> u64 {
        self.targets.iter().map(Target::bytes).sum()
    }

    /// Bytes that were looked at so far.
    pub fn done_bytes(&self) -> u64 {
        self.how.progress.load(Ordering::Relaxed)
    }

    /// Does one piece. Any thread may do any piece, in any order; where a `.log` is cut
    /// ([`VerifyOptions::piece_bytes`]) threads that take pieces in their order keep each other busy,
    /// and one may wait for another that is at a piece.
    pub fn check(&self, piece: usize) -> VerifiedPiece {
        let Some(piece) = self.pieces.get(piece) else {
            return VerifiedPiece(Outcome::Segment(None));
        };
        let done = match (&self.targets[piece.target].content, piece.work) {
            (Content::Partition(partition), Work::Segment(segment)) => {
                partition.segment(segment, &mut |_| {}).map(Outcome::Segment)
            }
            (Content::Partition(partition), Work::All) => partition.all().map(Outcome::Partition),
            (Content::Partition(partition), Work::Ahead { segment, stretch }) => {
                partition.look_ahead(segment, stretch);
                Ok(Outcome::Segment(None))
            }
            (Content::File(file), Work::Ahead { stretch, .. }) => {
                file.look_ahead(&self.how, stretch);
                Ok(Outcome::Segment(None))
            }
            (Content::File(file), _) => file.check(&self.how).map(Outcome::Partition),
            (Content::LogDir(_), _) => Ok(Outcome::Segment(None)),
        };
        VerifiedPiece(done.unwrap_or_else(Outcome::Failed))
    }

    /// Puts together what came out of all pieces, in their order.
    pub fn finish(self, done: Vec<VerifiedPiece>) -> Report {
        let mut report = Report::default();
        let mut of_targets: Vec<Vec<Outcome>> = Vec::new();
        of_targets.resize_with(self.targets.len(), Vec::new);
        for (piece, done) in self.pieces.iter().zip(done) {
            of_targets[piece.target].push(done.0);
        }
        let mut founds = Vec::new();
        for (target, outcomes) in self.targets.iter().zip(of_targets) {
            founds.push(target.put_together(outcomes, &mut report));
        }
        log_dir::finish(&self.targets, &founds, &mut report);
        report
    }
}

/// Verifies what lies at `path`: a file, a partition's directory, or a log directory. Nothing is
/// locked or written; what is being written to meanwhile may be looked at.
///
/// # Errors
///
/// As [`Verification::add`]; what cannot be read later stands in the report.
pub fn verify(path: impl AsRef<Path>, options: &VerifyOptions) -> Result<Report> {
    let mut verification = Verification::new(options);
    verification.add(path)?;
    let done = (0..verification.pieces()).map(|piece| verification.check(piece)).collect();
    Ok(verification.finish(done))
}

/// Makes the files again that follow from the segments of the partition at `path`, as Kafka's
/// recovery would: offset, time and transaction indexes, producer snapshots, leader epochs. An index
/// has an entry for a batch once more than `interval_bytes` have passed (`index.interval.bytes`).
/// Damage is stepped over. Nothing is written.
///
/// # Errors
///
/// `Io`.
pub fn rebuild(path: impl AsRef<Path>, interval_bytes: u32) -> Result<Vec<RebuiltFile>> {
    let shown = shown::Shown::of(path.as_ref())?;
    let rebuilt = crate::log::verify::rebuild(&target::open(&shown)?, interval_bytes);
    rebuilt.map_err(|error| shown.error(error))
}
