//! Whole batches into segments of another log directory: byte for byte, or written anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use strandline::compression::Compression;
use strandline::record::{Batches, LeaderEpoch, RecordBatch, Rewriter, UpgradeError, Upgrader};
use strandline::{Level, LogFile, Piece, Severity, Verification};

use super::Args;
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::Global;
use crate::output::destination::Destination;
use crate::paths::{Input, OneLog};
use crate::progress::Progress;
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::{Filter, Isolation, Range, Select, Verdict};
use crate::verbs::dump::finding::{Finding, Severity as Bad};
use crate::verbs::verify;

/// An index of what is written has an entry for a batch once more than so many bytes have passed.
const INTERVAL_BYTES: u32 = 4096;

/// How segments are to be written.
pub(super) struct How<'a> {
    global: &'a Global,
    segment_bytes: u64,
    codec: Option<Compression>,
    rebatch: Option<usize>,
    upgrade: bool,
}

impl<'a> How<'a> {
    /// As the command line says.
    ///
    /// # Errors
    ///
    /// Usage, if a codec is none, or records are asked for that are no whole batches.
    pub(super) fn new(args: &Args, global: &'a Global) -> Result<How<'a>> {
        let codec = match args.select.codec.as_slice() {
            [] => None,
            [codec] => Some(codec.parse().map_err(|error| {
                Failure::usage(format!(
                    "--codec {codec}: {error}; with -o segment it is the new one"
                ))
            })?),
            _ => return Err(Failure::usage("-o segment takes one --codec: the new one")),
        };
        if args.select.isolation == Isolation::Committed || args.select.counts() {
            let why = "-o segment copies whole batches: --isolation, --limit, --skip and --sample \
                       go with the other forms";
            return Err(Failure::usage(why));
        }
        let (segment_bytes, rebatch, upgrade) = (args.segment_bytes, args.rebatch, args.upgrade);
        Ok(How { global, segment_bytes, codec, rebatch, upgrade })
    }

    fn rewriter(&self) -> Option<Rewriter> {
        if self.codec.is_none() && self.rebatch.is_none() {
            return None;
        }
        let mut rewriter = Rewriter::new().max_inflated_bytes(self.global.max_inflated());
        if let Some(codec) = self.codec {
            rewriter = rewriter.compression(codec);
        }
        Some(match self.rebatch {
            Some(bytes) => rewriter.batch_bytes(bytes),
            None => rewriter,
        })
    }

    fn upgrader(&self) -> Option<Upgrader> {
        let upgrader =
            || Upgrader::new(LeaderEpoch(0)).max_inflated_bytes(self.global.max_inflated());
        self.upgrade.then(upgrader)
    }
}

/// Copies the batches of the logs into partitions of a new log directory, with indexes, and proves
/// what it wrote.
pub(super) fn run(
    logs: &[OneLog],
    (select, filter): (&Select, &Filter<'_>),
    how: &How<'_>,
    to: Destination,
) -> Result<Exit> {
    fs::create_dir(to.path()).map_err(|error| failed(to.path(), &error))?;
    let (mut exit, mut progress, mut bytes) = (Exit::Done, Progress::new(how.global), 0);
    for log in logs {
        let range = select.range(|| place::log_end(log))?;
        let name = match &log.partition {
            Some((topic, number)) => format!("{topic}-{number}"),
            None => "exported-0".to_owned(),
        };
        let dir = to.path().join(name);
        fs::create_dir(&dir).map_err(|error| failed(&dir, &error))?;
        let copy = Copy {
            dir: dir.clone(),
            segment_bytes: how.segment_bytes,
            open: None,
            next_offset: log.segments.first().map_or(Ok(0), Input::base)?,
        };
        let mut anew =
            Anew { upgrader: how.upgrader(), rewriter: how.rewriter(), made: Vec::new(), copy };
        for input in place::segments(log, &range, select.segment)? {
            let file = LogFile::open_at(&input.path, input.base()?)?;
            let mut pieces = Pieces::of(&file, &input.path, place::start(input, &range)?.position);
            while let Some(piece) = pieces.next_piece()? {
                bytes += piece.size_bytes;
                progress.bytes_at(bytes, None);
                if let Piece::Batch(batch) = &piece.what {
                    if is_wanted(batch, &range, filter)? {
                        exit = exit.and(anew.add(batch, input, piece.position)?);
                    }
                } else if let Some(finding) = Finding::of_piece(&piece) {
                    progress.clear();
                    exit = exit.and(report(input, &finding));
                }
            }
        }
        anew.end(log)?;
        indexes(&dir)?;
    }
    progress.clear();
    prove(to.path(), how.global)?;
    to.finish()?;
    Ok(exit)
}

fn report(input: &Input, finding: &Finding) -> Exit {
    complain(finding.severity.name(), format_args!("{}: {}", input.name, finding.text));
    if finding.severity == Bad::Error { Exit::Incomplete } else { Exit::Done }
}

/// Whether a batch goes along. Only whole batches do: of a part of one the bytes would be others.
fn is_wanted(batch: &RecordBatch<'_>, range: &Range, filter: &Filter<'_>) -> Result<bool> {
    let header = batch.header();
    if !range.touches(header) {
        return Ok(false);
    }
    let verdict = filter.batch(header);
    let whole = header.base_offset() >= range.first && header.last_offset() < range.end;
    match verdict {
        Verdict::None => Ok(false),
        Verdict::All if whole && range.is_all_times() => Ok(true),
        _ => Err(Failure::usage(format!(
            "-o segment copies whole batches: the one of offsets {}–{} is asked for in part",
            header.base_offset(),
            header.last_offset()
        ))),
    }
}

/// Makes the files again that stand beside segments.
fn indexes(dir: &Path) -> Result<()> {
    for file in strandline::rebuild(dir, INTERVAL_BYTES)? {
        let path = dir.join(&file.name);
        fs::write(&path, &file.bytes).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

/// Looks deeply at what was written, before it gets its name. What the originals had comes along.
fn prove(dir: &Path, global: &Global) -> Result<()> {
    let mut verification = Verification::new(&verify::options(Level::Deep, global));
    for entry in fs::read_dir(dir).map_err(|error| failed(dir, &error))? {
        verification.add(entry.map_err(|error| failed(dir, &error))?.path())?;
    }
    let report = verify::work(verification, global);
    if let Some(error) = report.unreadable.first() {
        return Err(Failure::from(error.clone()));
    }
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    for finding in errors {
        let name = finding.path.strip_prefix(dir).unwrap_or(&finding.path);
        complain("warning", format_args!("{}: it has {}: {finding}", name.display(), finding.code));
    }
    Ok(())
}

/// What batches go through on their way to a segment.
struct Anew {
    upgrader: Option<Upgrader>,
    rewriter: Option<Rewriter>,
    /// What came out, and is not written yet.
    made: Vec<u8>,
    copy: Copy,
}

impl Anew {
    fn add(&mut self, batch: &RecordBatch<'_>, input: &Input, position: u64) -> Result<Exit> {
        let mut made = std::mem::take(&mut self.made);
        made.clear();
        let done = match (&mut self.upgrader, &mut self.rewriter) {
            (None, None) => {
                self.made = made;
                return self.copy.add(batch).map(|()| Exit::Done);
            }
            (Some(upgrader), _) => upgrader.add(batch, &mut made),
            (None, Some(rewriter)) => rewriter.add(batch, &mut made),
        };
        let both = self.upgrader.is_some() && self.rewriter.is_some();
        let done = if both { done.and(self.again(&mut made)) } else { done };
        let written = Batches::new(&made).flatten().try_for_each(|batch| self.copy.add(&batch));
        self.made = made;
        written?;
        match done {
            Ok(()) => Ok(Exit::Done),
            Err(error) => left_out(&error, &input.name, Some(position)),
        }
    }

    /// Lets what the upgrader made go through the rewriter, too.
    fn again(&mut self, made: &mut Vec<u8>) -> std::result::Result<(), UpgradeError> {
        let Some(rewriter) = &mut self.rewriter else { return Ok(()) };
        let upgraded = std::mem::take(made);
        Batches::new(&upgraded).flatten().try_for_each(|batch| rewriter.add(&batch, made))
    }

    /// Writes what still waits.
    fn end(&mut self, log: &OneLog) -> Result<()> {
        let mut made = Vec::new();
        let mut done = self.upgrader.as_mut().map_or(Ok(()), |upgrader| upgrader.finish(&mut made));
        if self.rewriter.is_some() {
            done = done.and(self.again(&mut made));
        }
        if let Some(rewriter) = &mut self.rewriter {
            done = done.and(rewriter.finish(&mut made));
        }
        if let Err(error) = done {
            left_out(&error, &log.name, None)?;
        }
        Batches::new(&made).flatten().try_for_each(|batch| self.copy.add(&batch))?;
        self.copy.end()
    }
}

/// Says what cannot be written, and is left out.
fn left_out(error: &UpgradeError, name: &str, position: Option<u64>) -> Result<Exit> {
    if let UpgradeError::Batch(strandline::record::BatchError::Legacy(magic)) = error {
        let why =
            format!("{name}: messages of format v{magic}: say --upgrade to make batches of them");
        return Err(Failure::usage(why));
    }
    let place = position.map_or(String::new(), |position| format!(" at byte {position}"));
    complain("error", format_args!("{name}: left out{place}: {error}"));
    Ok(Exit::Incomplete)
}

/// A partition that is being written.
struct Copy {
    dir: PathBuf,
    segment_bytes: u64,
    open: Option<Open>,
    /// Behind what was written last.
    next_offset: i64,
}

/// The segment that is written to.
struct Open {
    file: io::BufWriter<File>,
    path: PathBuf,
    base: i64,
    written: u64,
}

impl Copy {
    fn add(&mut self, batch: &RecordBatch<'_>) -> Result<()> {
        let (header, size) = (batch.header(), batch.bytes().len() as u64);
        let is_full = |open: &Open| {
            let too_far = header.last_offset() - open.base > i64::from(i32::MAX);
            open.written + size > self.segment_bytes || too_far
        };
        if self.open.as_ref().is_some_and(is_full) {
            self.end()?;
        }
        if self.open.is_none() {
            // A wrapper of an old format tells its last offset alone.
            let is_last = header.is_legacy();
            let lowest = if is_last { self.next_offset } else { i64::MAX };
            let base = header.base_offset().min(lowest);
            let path = self.dir.join(format!("{base:020}.log"));
            let file = File::create_new(&path).map_err(|error| failed(&path, &error))?;
            let file = io::BufWriter::with_capacity(256 << 10, file);
            self.open = Some(Open { file, path, base, written: 0 });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.file.write_all(batch.bytes()).map_err(|error| failed(&open.path, &error))?;
        open.written += size;
        self.next_offset = header.next_offset();
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        match self.open.take() {
            Some(mut open) => open.file.flush().map_err(|error| failed(&open.path, &error)),
            None => Ok(()),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::io("write", path, error)
}
