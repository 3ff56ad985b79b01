//! `strandline report`: one page about logs that needs nothing else: no network, no scripts.

mod page;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use strandline::{Explanation, FileKind, Finding, Level, Report, Severity, Verification};

use super::dump::finding as counting;
use super::stat::gather::{How, Stats};
use super::verify::{self, words, words::Words};
use crate::exit::{Exit, Failure, Result, complain, name_of};
use crate::global::{Global, Output};
use crate::output::destination::Destination;
use crate::paths::{OneLog, PathArgs};
use crate::reading::{open, place, read_at};
use crate::select::Select;
use crate::time;

/// Bytes that are shown before the place of a finding, and from there on.
const BEFORE: u64 = 16;
const AROUND: usize = 64;

/// Writes one self-contained HTML page: segments on a time axis, sizes, codecs and ratios,
/// producers, gaps, findings with the bytes around them. Reads all records.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Where to write it; it must not be there
    #[arg(long, value_name = "FILE.html")]
    to: PathBuf,

    #[command(flatten)]
    select: Select,
}

/// What a page says of a finding.
pub(super) struct Told {
    pub(super) file: String,
    pub(super) severity: &'static str,
    pub(super) text: String,
    pub(super) bytes: Option<Bytes>,
}

/// Bytes around the place of a finding.
pub(super) struct Bytes {
    /// Where in the file they begin.
    pub(super) from: u64,
    pub(super) shown: Vec<u8>,
    /// Which of them is meant.
    pub(super) marked: usize,
}

/// Writes the page.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("report", &[Output::Human])?;
    global.shows_plain_bytes("report")?;
    let filter = args.select.filter()?;
    let destination = Destination::new(&args.to, &args.paths.paths)?;
    let (logs, mut exit) = args.paths.logs(global)?;
    let mut sections = Vec::new();
    for log in &logs {
        let how = How {
            range: args.select.range(|| place::log_end(log))?,
            filter: &filter,
            segment: args.select.segment,
            with_records: true,
            top: 5,
            now_ms: time::now_ms(),
            max_inflated: global.max_inflated(),
        };
        match Stats::of(log, &how) {
            Ok(stats) => {
                if stats.is_incomplete() {
                    exit = exit.and(Exit::Incomplete);
                }
                let report = verified(log, global)?;
                exit = exit.and(verify::unreadable(&report));
                let told = tell(log, &stats, &report, global)?;
                sections.push(page::section(log, &stats, &told, &global.times()));
            }
            Err(failure) => {
                complain("error", &failure.message);
                exit = exit.and(failure.exit);
            }
        }
    }
    let failed = |error| Failure::io("write", &args.to, &error);
    let page = page::page(&sections);
    let file = std::fs::File::create_new(destination.path());
    file.and_then(|mut file| file.write_all(page.as_bytes())).map_err(failed)?;
    destination.finish()?;
    if !global.quiet {
        let damage = if exit == Exit::Incomplete { "; it tells of damage" } else { "" };
        complain("note", format_args!("{} is written{damage}", name_of(&args.to)));
    }
    Ok(exit)
}

/// What `verify` finds, and what was in the way of counting, each with the bytes around its place:
/// around the one bit that explains it, if that is what it is.
fn tell(log: &OneLog, stats: &Stats, report: &Report, global: &Global) -> Result<Vec<Told>> {
    let mut told = unread(report);
    for finding in report.findings.iter().filter(|it| it.severity > Severity::Info) {
        let flipped = match finding.explanation {
            Some(Explanation::FlippedBit { byte, .. }) => Some(byte),
            _ => None,
        };
        let words = Words::new(global, &BTreeMap::new()).in_short(finding);
        let marked = flipped.or(finding.position);
        told.push(Told {
            file: name_of(&finding.path),
            severity: words::severity(finding.severity),
            text: words,
            bytes: marked.map(|at| around(&finding.path, at)).transpose()?,
        });
    }
    for (name, finding) in &stats.findings {
        let is_told =
            |it: &Finding| it.position == Some(finding.position()) && name_of(&it.path) == *name;
        if finding.severity == counting::Severity::Error && !report.findings.iter().any(is_told) {
            let input = log.segments.iter().find(|input| input.name == *name);
            let bytes = input.map(|input| around(&input.path, finding.position())).transpose()?;
            told.push(Told {
                file: name.clone(),
                severity: finding.severity.name(),
                text: finding.text.clone(),
                bytes,
            });
        }
    }
    Ok(told)
}

/// What could not be verified.
fn unread(report: &Report) -> Vec<Told> {
    let told = |error: &strandline::Error| Told {
        file: match error {
            strandline::Error::Io { path, .. } => name_of(path),
            _ => String::new(),
        },
        severity: words::severity(Severity::Error),
        text: Failure::from(error.clone()).message,
        bytes: None,
    };
    report.unreadable.iter().map(told).collect()
}

/// The bytes around a place of a file.
fn around(path: &Path, at: u64) -> Result<Bytes> {
    let from = at.saturating_sub(BEFORE);
    let mut shown = vec![0; AROUND];
    let read = open(path).and_then(|file| read_at(&file, &mut shown, from));
    shown.truncate(read.map_err(|error| Failure::io("read", path, &error))?);
    Ok(Bytes { from, shown, marked: (at - from) as usize })
}

/// What `verify` says of a log: of its directory, if that is a partition's, else of its files.
fn verified(log: &OneLog, global: &Global) -> Result<Report> {
    let mut verification = Verification::new(&verify::options(Level::Normal, global));
    let dir = log.segments.first().and_then(|input| input.path.parent());
    match dir.filter(|_| log.is_directory) {
        Some(dir) => verification.add(dir)?,
        None => {
            for input in &log.segments {
                verification.add_file(&input.path, FileKind::Log, input.base_offset)?;
            }
        }
    }
    Ok(verify::work(verification, global))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_of_files_that_could_not_be_verified() {
        let mut report = Report::default();
        report.unreadable.push(strandline::Error::Io {
            doing: "read",
            path: "t-0/00000000000000000000.log".into(),
            source: std::sync::Arc::new(std::io::ErrorKind::PermissionDenied.into()),
        });
        let told = unread(&report);
        assert_eq!(told[0].file, "t-0/00000000000000000000.log");
        assert!(told[0].text.contains("cannot read"), "{}", told[0].text);
    }
}
