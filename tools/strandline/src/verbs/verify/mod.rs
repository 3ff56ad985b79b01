//! `strandline verify`: is it intact?

pub(crate) mod json;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use strandline::{
    FileKind, Finding, Level, Report, Severity, Verification, VerifiedLog, VerifyOptions,
};

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::paths::{Input, Kind, PathArgs, Target};
use crate::progress::Progress;
use crate::reading::pace;
use words::Words;

/// From so many files on, those that are intact are not listed.
const MANY: usize = 200;
/// What one of several threads looks at in one go.
const PIECE_BYTES: u64 = 8 << 20;

/// Proves files, partitions and log directories, in use or not. Nothing is written or locked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Only names, sizes and a walk over the headers
    #[arg(long)]
    quick: bool,

    /// Decode the records too, and compare files with each other
    #[arg(long, conflicts_with = "quick")]
    deep: bool,

    /// From which severity on the answer is no: info, warning or error
    #[arg(long, value_name = "SEVERITY", default_value = "error", hide_possible_values = true)]
    fail_on: FailOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    Info,
    Warning,
    Error,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            FailOn::Info => Severity::Info,
            FailOn::Warning => Severity::Warning,
            FailOn::Error => Severity::Error,
        }
    }
}

/// Verifies what the paths mean.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("verify", &[Output::Human, Output::Jsonl])?;
    let mut asked = Asked::new(args.level(), global);
    let targets = args.paths.targets(global);
    for target in &targets {
        asked.add(target, &args.paths, global)?;
    }
    let exit = asked.exit;
    if asked.verification.pieces() == 0 && exit != Exit::Done {
        return Ok(exit);
    }
    let names = std::mem::take(&mut asked.names);
    let report = work(asked.verification, global);
    let exit = exit.and(unreadable(&report));
    let shown = Shown {
        report: &report,
        names: &names,
        fail_on: args.fail_on.severity(),
        is_quick: args.quick,
        global,
    };
    shown.write()?;
    let fails = report.worst().is_some_and(|worst| worst >= args.fail_on.severity());
    Ok(exit.and(if fails { Exit::No } else { Exit::Done }))
}

impl Args {
    fn level(&self) -> Level {
        match (self.quick, self.deep) {
            (true, _) => Level::Quick,
            (_, true) => Level::Deep,
            _ => Level::Normal,
        }
    }
}

/// What is to be verified.
struct Asked {
    verification: Verification,
    /// What the user knows files as that lie elsewhere.
    names: BTreeMap<PathBuf, String>,
    exit: Exit,
}

impl Asked {
    fn new(level: Level, global: &Global) -> Asked {
        let verification = Verification::new(&options(level, global).pace(pace::passed));
        Asked { verification, names: BTreeMap::new(), exit: Exit::Done }
    }

    fn add(&mut self, target: &Result<Target>, paths: &PathArgs, global: &Global) -> Result<()> {
        let added = match target {
            Ok(Target::File(input)) => self.add_file(input, global),
            Ok(Target::Partition(partition)) => self.verification.add(&partition.path),
            Ok(Target::LogDirectory(directory)) if paths.takes_all() => {
                self.verification.add(&directory.path)
            }
            Ok(Target::LogDirectory(directory)) => {
                let mut partitions = paths.partitions(directory)?.into_iter();
                partitions.try_for_each(|partition| self.verification.add(&partition.path))
            }
            Err(failure) => {
                complain("error", &failure.message);
                self.exit = self.exit.and(failure.exit);
                return Ok(());
            }
        };
        if let Err(error) = added {
            let failure = Failure::from(error);
            complain("error", &failure.message);
            self.exit = self.exit.and(failure.exit);
        }
        Ok(())
    }

    fn add_file(&mut self, input: &Input, global: &Global) -> strandline::Result<()> {
        self.names.insert(input.path.clone(), input.name.clone());
        let named = input.path.file_name().and_then(|name| Kind::of_name(name.to_str()?));
        let overruled = global.kind.is_some() || global.base_offset.is_some();
        if overruled || named != Some(input.kind) {
            let base = input.base_offset;
            return self.verification.add_file(&input.path, file_kind(input.kind), base);
        }
        self.verification.add(&input.path)
    }
}

/// How closely to look, within the bounds and on as many threads as the command line says.
pub(crate) fn options(level: Level, global: &Global) -> VerifyOptions {
    VerifyOptions::new()
        .level(level)
        .piece_bytes(if global.threads() > 1 { PIECE_BYTES } else { 0 })
        .max_inflated_bytes(global.max_inflated())
        .max_batch_bytes(global.max_batch_bytes)
}

/// What the library calls a kind of file.
pub(crate) fn file_kind(kind: Kind) -> FileKind {
    match kind {
        Kind::Log | Kind::KraftSnapshot => FileKind::Log,
        Kind::Index => FileKind::Index,
        Kind::TimeIndex => FileKind::TimeIndex,
        Kind::TxnIndex => FileKind::TxnIndex,
        Kind::Snapshot => FileKind::Snapshot,
        Kind::Checkpoint => FileKind::Checkpoint,
        Kind::LeaderEpochs => FileKind::LeaderEpochs,
        Kind::PartitionMetadata => FileKind::PartitionMetadata,
        Kind::MetaProperties => FileKind::MetaProperties,
        Kind::Manifest => FileKind::Manifest,
        Kind::Watermark => FileKind::Watermark,
        Kind::Owner => FileKind::Owner,
        Kind::Topics => FileKind::Topics,
    }
}

/// Does all pieces, on as many threads as are asked for.
pub(crate) fn work(verification: Verification, global: &Global) -> Report {
    let pieces = verification.pieces();
    let threads = global.threads().min(pieces);
    if threads <= 1 && !global.shows_progress() {
        let done = (0..pieces).map(|piece| verification.check(piece)).collect();
        return verification.finish(done);
    }
    let (next, left) = (AtomicUsize::new(0), AtomicUsize::new(threads.max(1)));
    let done = Mutex::new(Vec::new());
    let total = verification.total_bytes();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let piece = next.fetch_add(1, Ordering::Relaxed);
                    if piece >= pieces {
                        break;
                    }
                    let checked = verification.check(piece);
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((piece, checked));
                }
                left.fetch_sub(1, Ordering::Release);
            });
        }
        if global.shows_progress() {
            let mut progress = Progress::new(global);
            while left.load(Ordering::Acquire) > 0 {
                std::thread::sleep(Duration::from_millis(20));
                // What was looked at in vain counts, too.
                progress.at(0, verification.done_bytes().min(total), Some(total));
            }
            progress.clear();
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|&(piece, _)| piece);
    verification.finish(done.into_iter().map(|(_, checked)| checked).collect())
}

/// Says what could not be read.
pub(crate) fn unreadable(report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for error in &report.unreadable {
        let failure = Failure::from(error.clone());
        complain("error", &failure.message);
        exit = exit.and(failure.exit);
    }
    exit
}

/// A report, as it is to be shown.
struct Shown<'a> {
    report: &'a Report,
    names: &'a BTreeMap<PathBuf, String>,
    fail_on: Severity,
    is_quick: bool,
    global: &'a Global,
}

impl Shown<'_> {
    fn write(&self) -> Result<()> {
        let mut out = Out::new(self.global);
        if self.global.is_json() {
            json::write(self.report, self.names, &mut out)?;
        } else {
            self.for_people(&mut out)?;
        }
        out.flush()
    }

    fn name(&self, path: &Path) -> String {
        words::name_in(self.names, path)
    }

    /// What people see of a file's findings: notes about side files, and many about one thing, only
    /// if they are asked for.
    fn wanted<'f>(&self, findings: &[&'f Finding], is_log: bool) -> Vec<&'f Finding> {
        const MOST_NOTES: usize = 3;
        let mut notes = BTreeMap::new();
        let mut wanted = findings.to_vec();
        wanted.retain(|finding| {
            if finding.severity > Severity::Info
                || self.global.verbose > 0
                || finding.severity >= self.fail_on
            {
                return true;
            }
            let of_code = notes.entry(finding.code).or_insert(0);
            *of_code += 1;
            (is_log || finding.path.is_dir()) && *of_code <= MOST_NOTES
        });
        wanted
    }

    /// A block for each file, in order.
    fn for_people(&self, out: &mut Out) -> Result<()> {
        let mut by_path: BTreeMap<&Path, Vec<&Finding>> = BTreeMap::new();
        for finding in &self.report.findings {
            by_path.entry(&finding.path).or_default().push(finding);
        }
        let logs: BTreeMap<&Path, &VerifiedLog> =
            self.report.logs.iter().map(|log| (log.path.as_path(), log)).collect();
        let mut order: Vec<&Path> = self.report.logs.iter().map(|log| log.path.as_path()).collect();
        order.extend(by_path.keys().filter(|path| !logs.contains_key(*path)));
        order.sort();
        let words = Words::new(self.global, self.names);
        let many = self.report.logs.len() > MANY;
        for path in order {
            let all = by_path.get(path).map(Vec::as_slice).unwrap_or_default();
            let log = logs.get(path).copied();
            let findings = &self.wanted(all, log.is_some());
            if log.is_none() && findings.is_empty() {
                continue;
            }
            let fails = findings.iter().any(|finding| finding.severity >= self.fail_on);
            if !fails && (self.global.quiet || (many && findings.is_empty())) {
                continue;
            }
            let head = Words::head(&self.name(path), log, fails, out.style);
            if !many || fails {
                out.row(head)?;
            }
            for finding in findings {
                if self.global.quiet && finding.severity < self.fail_on || many && !fails {
                    continue;
                }
                for line in words.finding(finding, out.style) {
                    out.text(line)?;
                }
            }
        }
        if !self.global.quiet {
            out.text(words::summary(self.report))?;
            if self.is_quick {
                out.text("headers only: no checksum was looked at")?;
            }
        }
        Ok(())
    }
}
