//! `strandline dump`: what files hold.

pub(crate) mod finding;
mod index;
mod log;
mod pipeline;
pub(crate) mod records;
mod small;
mod table;

use strandline::{OffsetIndexEntry, SmallFile, TimeIndexEntry};

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::{Rows, many};
use crate::output::json::{self, Object};
use crate::output::record::{OF_A_FILE, Writer};
use crate::paths::{Input, Kind, OneLog, PathArgs, Target};
use crate::reading::committed::Hidden;
use crate::reading::place;
use crate::select::{Counter, Filter, Isolation, Select};
use finding::{Finding, Severity};
use records::{Records, Shape, Wanted};

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

    #[command(flatten)]
    select: Select,
}

/// Dumps each path; what cannot be read is reported, and the next one follows.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let forms = [Output::Human, Output::Jsonl, Output::Csv, Output::Raw];
    global.only("dump", if args.records { &forms } else { &forms[..2] })?;
    let writer = Writer::new(global, OF_A_FILE)?;
    if let Some(writer) = writer.as_ref().filter(|writer| !writer.is_json() && !args.records) {
        let _ = writer;
        return Err(Failure::usage("-F writes records: dump -r -F FMT"));
    }
    let filter = args.select.filter()?;
    let mut dump = Dump::new(args, global, writer.as_ref(), &filter)?;
    let mut exit = Exit::Done;
    for target in args.paths.targets(global) {
        let done = match target {
            Ok(target) => dump.target(target),
            Err(failure) => Err(failure),
        };
        exit = exit.and(match done {
            Ok(exit) => exit,
            Err(failure) => dump.unreadable(failure)?,
        });
        if dump.is_done() {
            break;
        }
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
    /// Markers that the form has no place for.
    unshown_markers: u64,
    errors: u64,
    warnings: u64,
    bytes: u64,
}

/// How and where files are shown.
struct Dump<'a> {
    args: &'a Args,
    global: &'a Global,
    filter: &'a Filter<'a>,
    /// `None` for people.
    writer: Option<&'a Writer>,
    out: Out,
    records: Records<'a>,
    counter: Counter,
    totals: Totals,
}

impl<'a> Dump<'a> {
    fn new(
        args: &'a Args,
        global: &'a Global,
        writer: Option<&'a Writer>,
        filter: &'a Filter<'a>,
    ) -> Result<Self> {
        let mut out = Out::paged(global);
        out.width = out.width.filter(|_| !args.full);
        let shape = match writer {
            Some(writer) => {
                writer.heading(out.line());
                Shape::Programs(writer)
            }
            None => Shape::People(Box::new(Rows::new(out.style, out.width, global))),
        };
        let (records, counter) = (Records::new(shape).decoding(global)?, args.select.counter());
        let totals = Totals::default();
        Ok(Dump { args, global, filter, writer, out, records, counter, totals })
    }

    /// Whether nothing more is to be shown: there is enough, or damage is to end it.
    fn is_done(&self) -> bool {
        self.counter.is_enough() || (self.global.strict && self.totals.errors > 0)
    }

    /// Shows what a path means.
    fn target(&mut self, target: Target) -> Result<Exit> {
        match target {
            Target::File(input) => self.file(input),
            Target::Partition(partition) => self.log(&partition.log()?),
            Target::LogDirectory(directory) => {
                let mut exit = Exit::Done;
                for partition in self.args.paths.partitions(&directory)? {
                    if let Some(log) = partition.log_if_any()?.filter(|_| !self.is_done()) {
                        exit = exit.and(self.log(&log)?);
                    }
                }
                Ok(exit)
            }
        }
    }

    /// Shows a file that was named.
    fn file(&mut self, input: Input) -> Result<Exit> {
        if matches!(input.kind, Kind::Log | Kind::KraftSnapshot) {
            return self.log(&OneLog::of_file(input));
        }
        let shown = match input.kind {
            Kind::Index => self.index::<OffsetIndexEntry>(&input),
            Kind::TimeIndex => self.index::<TimeIndexEntry>(&input),
            Kind::MetaProperties => self.meta_properties(&input),
            Kind::TxnIndex => self.small(&input, SmallFile::TxnIndex),
            Kind::Snapshot => self.small(&input, SmallFile::Snapshot),
            Kind::Checkpoint => self.small(&input, SmallFile::Checkpoint),
            Kind::LeaderEpochs => self.small(&input, SmallFile::LeaderEpochs),
            Kind::PartitionMetadata => self.small(&input, SmallFile::PartitionMetadata),
            Kind::Manifest => self.small(&input, SmallFile::Manifest),
            Kind::Watermark => self.small(&input, SmallFile::Watermark),
            Kind::Owner => self.small(&input, SmallFile::Owner),
            Kind::Topics => self.small(&input, SmallFile::Topics),
            Kind::Log | Kind::KraftSnapshot => Ok(()),
        };
        self.ended(shown)
    }

    /// Shows the segments of a log, as far as they are asked for.
    fn log(&mut self, log: &OneLog) -> Result<Exit> {
        let range = self.args.select.range(|| place::log_end(log))?;
        let hidden = match self.args.select.isolation {
            Isolation::Committed => Some(Hidden::of(log)?),
            Isolation::Uncommitted => None,
        };
        let (topic, partition) = log.partition.as_ref().map_or(("", 0), |it| (it.0.as_str(), it.1));
        let max_inflated = self.global.max_inflated();
        let (filter, hidden) = (self.filter, hidden.as_ref());
        let wanted = Wanted { range, filter, hidden, topic, partition, max_inflated };
        let mut exit = Exit::Done;
        for input in place::segments(log, &range, self.args.select.segment)? {
            if self.is_done() {
                break;
            }
            let shown = self.segment(input, &wanted);
            exit = exit.and(self.ended(shown)?);
        }
        Ok(exit)
    }

    fn ended(&mut self, shown: Result<()>) -> Result<Exit> {
        match shown {
            Ok(()) => Ok(Exit::Done),
            // With --strict, what ended it was said already.
            Err(failure) if failure.message.is_empty() && !failure.of_output => Ok(failure.exit),
            Err(failure) => self.unreadable(failure),
        }
    }

    /// Says what cannot be read, unless it is the output that failed.
    fn unreadable(&mut self, failure: Failure) -> Result<Exit> {
        if failure.of_output {
            return Err(failure);
        }
        self.out.flush()?;
        complain("error", &failure.message);
        Ok(failure.exit)
    }

    /// Counts a file in, and writes its `file` line.
    fn begin_file(&mut self, input: &Input, size_bytes: u64) -> Result<()> {
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
        line.maybe_number("baseOffset", input.base_offset);
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
        if finding.severity == Severity::Error || !self.global.quiet {
            // What precedes it on the way to the user comes first.
            self.out.flush()?;
            complain(finding.severity.name(), format_args!("{}: {}", input.name, finding.text));
        }
        if self.global.strict && finding.severity == Severity::Error {
            let (exit, message) = (Exit::Incomplete, String::new());
            return Err(Failure { exit, message, of_output: false });
        }
        Ok(())
    }

    /// Says what may be wrong and changes nothing in what is shown.
    fn warn(&mut self, message: &str) -> Result<()> {
        if !self.global.quiet {
            self.out.flush()?;
            complain("warning", message);
        }
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
        self.out.flush()?;
        let markers = self.totals.unshown_markers;
        if markers > 0 && !self.global.quiet {
            let markers = many(markers, "control record", "control records");
            complain("note", format_args!("{markers} left out: this form has no place for them"));
        }
        Ok(())
    }
}
