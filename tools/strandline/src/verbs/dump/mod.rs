//! `strandline dump`: what files hold.

mod finding;
mod index;
mod log;
mod table;

use strandline::{OffsetIndexEntry, TimeIndexEntry};

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::Rows;
use crate::output::json::{self, Object};
use crate::paths::{Input, Kind, OneLog, PathArgs, Target};
use finding::{Finding, Severity};

/// Shows what files hold. They are opened for reading, need no store around them, and may be in
/// use. Damage is reported on stderr, and reading goes on behind it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Show records rather than batches
    #[arg(short, long)]
    records: bool,

    /// Do not cut lines to the terminal's width
    #[arg(long)]
    full: bool,
}

/// Dumps each path; what cannot be read is reported, and the next one follows.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("dump", &[Output::Human, Output::Jsonl])?;
    let mut dump = Dump::new(args, global);
    let mut exit = Exit::Done;
    for target in args.paths.targets(global) {
        let done = match target {
            Ok(target) => dump.target(target),
            Err(failure) => Err(failure),
        };
        exit = exit.and(match done {
            Ok(exit) => exit,
            Err(failure) if failure.of_output => return Err(failure),
            Err(failure) => dump.unreadable(&failure)?,
        });
    }
    dump.finish()?;
    Ok(exit.and(if dump.totals.errors > 0 { Exit::Incomplete } else { Exit::Done }))
}

/// What was seen so far, over all files.
#[derive(Default)]
struct Totals {
    files: u64,
    batches: u64,
    records: u64,
    errors: u64,
    warnings: u64,
    bytes: u64,
}

/// How and where files are shown.
struct Dump<'a> {
    args: &'a Args,
    global: &'a Global,
    out: Out,
    rows: Rows,
    totals: Totals,
}

impl<'a> Dump<'a> {
    fn new(args: &'a Args, global: &'a Global) -> Self {
        let mut out = Out::new(global);
        out.width = out.width.filter(|_| !args.full);
        let rows = Rows::new(out.style, out.width, global.times());
        Dump { args, global, rows, out, totals: Totals::default() }
    }

    /// Shows what a path means.
    fn target(&mut self, target: Target) -> Result<Exit> {
        match target {
            Target::File(input) => self.file(&input),
            Target::Partition(partition) => self.segments(&partition.log()?),
            Target::LogDirectory(directory) => {
                let mut exit = Exit::Done;
                for partition in self.args.paths.partitions(&directory)? {
                    if let Some(log) = partition.log_if_any()? {
                        exit = exit.and(self.segments(&log)?);
                    }
                }
                Ok(exit)
            }
        }
    }

    fn segments(&mut self, log: &OneLog) -> Result<Exit> {
        let mut exit = Exit::Done;
        for input in &log.segments {
            exit = exit.and(self.file(input)?);
        }
        Ok(exit)
    }

    /// Shows one file.
    fn file(&mut self, input: &Input) -> Result<Exit> {
        let shown = match input.kind {
            Kind::Log | Kind::KraftSnapshot => self.log(input),
            Kind::Index => self.index::<OffsetIndexEntry>(input),
            Kind::TimeIndex => self.index::<TimeIndexEntry>(input),
            kind => Err(Failure::usage(format!(
                "{}: a {} is not shown by this version",
                input.name,
                kind.name()
            ))),
        };
        match shown {
            Ok(()) => Ok(Exit::Done),
            Err(failure) if failure.of_output => Err(failure),
            Err(failure) => self.unreadable(&failure),
        }
    }

    fn unreadable(&mut self, failure: &Failure) -> Result<Exit> {
        self.out.flush()?;
        complain("error", &failure.message);
        Ok(failure.exit)
    }

    /// Counts a file in, and writes its `file` line.
    fn begin_file(&mut self, input: &Input, base_offset: i64, size_bytes: u64) -> Result<()> {
        self.totals.files += 1;
        self.totals.bytes += size_bytes;
        if !self.global.is_json() {
            return Ok(());
        }
        let mut line = Object::line("file", self.out.line());
        line.text("schema", json::SCHEMA);
        line.text("path", &input.name);
        line.text("kind", input.kind.name());
        let (topic, partition) = input.partition.as_ref().map(|(t, p)| (t.as_str(), *p)).unzip();
        line.maybe_text("topic", topic);
        line.maybe_number("partition", partition);
        line.number("baseOffset", base_offset);
        line.size("size", size_bytes);
        line.end_line();
        self.out.settle()
    }

    /// Reports what is not as it should be: a line on stderr, and one among the output in JSON.
    fn report(&mut self, input: &Input, finding: &Finding) -> Result<()> {
        match finding.severity {
            Severity::Error => self.totals.errors += 1,
            Severity::Warning => self.totals.warnings += 1,
            Severity::Info => {}
        }
        if self.global.is_json() {
            finding.write_json(&input.name, self.out.line());
        }
        // What precedes it on the way to the user comes first.
        self.out.flush()?;
        complain(finding.severity.name(), format_args!("{}: {}", input.name, finding.text));
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.global.is_json() {
            let totals = &self.totals;
            let mut line = Object::line("summary", self.out.line());
            line.text("schema", json::SCHEMA);
            line.size("files", totals.files);
            line.size("batches", totals.batches);
            line.size("records", totals.records);
            line.size("errors", totals.errors);
            line.size("warnings", totals.warnings);
            line.size("bytes", totals.bytes);
            line.end_line();
        }
        self.out.flush()
    }
}
