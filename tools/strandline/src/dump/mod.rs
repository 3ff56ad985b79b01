//! `strandline dump`: what files hold.

mod finding;
mod index;
mod input;
mod log;
mod table;

use strandline::{OffsetIndexEntry, TimeIndexEntry};

use crate::args::{DumpArgs, FileKind};
use crate::exit::{Exit, Result, complain};
use crate::output::Out;
use crate::output::human::Rows;
use crate::output::json::{self, Object};
use finding::{Finding, Severity};
use input::Input;

/// Dumps each path; what cannot be read is reported, and the next one follows.
pub(crate) fn run(args: &DumpArgs) -> Result<Exit> {
    let mut dump = Dump::new(args);
    let mut exit = Exit::Done;
    for path in &args.paths {
        match input::find(path, args) {
            Ok(inputs) => {
                for input in &inputs {
                    exit = exit.and(dump.file(input)?);
                }
            }
            Err(failure) => exit = exit.and(dump.unreadable(&failure)?),
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
    errors: u64,
    warnings: u64,
    bytes: u64,
}

/// How and where files are shown.
struct Dump<'a> {
    args: &'a DumpArgs,
    out: Out,
    rows: Rows,
    totals: Totals,
}

impl<'a> Dump<'a> {
    fn new(args: &'a DumpArgs) -> Self {
        let mut out = Out::new();
        out.width = out.width.filter(|_| !args.full);
        Dump { args, rows: Rows::new(out.style, out.width), out, totals: Totals::default() }
    }

    /// Shows one file.
    fn file(&mut self, input: &Input) -> Result<Exit> {
        let shown = match input.kind {
            FileKind::Log => self.log(input),
            FileKind::Index => self.index::<OffsetIndexEntry>(input),
            FileKind::TimeIndex => self.index::<TimeIndexEntry>(input),
        };
        match shown {
            Ok(()) => Ok(Exit::Done),
            Err(failure) if failure.of_output => Err(failure),
            Err(failure) => self.unreadable(&failure),
        }
    }

    fn unreadable(&mut self, failure: &crate::exit::Failure) -> Result<Exit> {
        self.out.flush()?;
        complain("error", &failure.message);
        Ok(failure.exit)
    }

    /// Counts a file in, and writes its `file` line.
    fn begin_file(&mut self, input: &Input, base_offset: i64, size_bytes: u64) -> Result<()> {
        self.totals.files += 1;
        self.totals.bytes += size_bytes;
        if !self.args.json {
            return Ok(());
        }
        let mut line = Object::line("file", self.out.line());
        line.text("schema", json::SCHEMA);
        line.text("path", &input.name);
        line.text("kind", input.kind_name());
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
        if self.args.json {
            finding.write_json(&input.name, self.out.line());
        }
        // What precedes it on the way to the user comes first.
        self.out.flush()?;
        complain(finding.severity.name(), format_args!("{}: {}", input.name, finding.text));
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.args.json {
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
