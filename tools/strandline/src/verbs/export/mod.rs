//! `strandline export`: records elsewhere, as lines, as files, or as segments of Kafka's.

#[cfg(feature = "parquet")]
mod parquet;
mod segment;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::dump::finding::{Finding, Severity};
use super::dump::records::{Inflater, Read, Records, Shape, Wanted};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::decode::Decoder;
use crate::output::destination::{Destination, Gathered};
use crate::output::format::{Format, Row};
use crate::output::record::{Masked, OF_A_PARTITION, Writer};
use crate::paths::{Input, OneLog, PathArgs};
use crate::progress::Progress;
use crate::reading::committed;
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::{Counter, Filter, Isolation, Select};
use strandline::record::RecordBatch;
use strandline::{LogFile, Piece};

/// Writes records elsewhere: -o jsonl (the default) or csv to standard output or a file, raw to
/// one file or, with --name, a file for each; parquet to a file, if it was built so; segment as a log directory of whole batches, byte
/// for byte unless --codec C[:level], --rebatch or --upgrade say otherwise, with indexes. What --to
/// names must not be there; it is whole or not there at all.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// A file, or a directory for -o segment and --name; .csv, .jsonl and .parquet say the form
    /// where -o does not
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,

    /// A file for each record's value, named so: %t-%p-%o.bin
    #[arg(long, value_name = "FMT", value_parser = Format::parse)]
    name: Option<Format>,

    /// With -o segment: begin another segment rather than exceed so many bytes
    #[arg(long, value_name = "N", default_value = "1GiB", value_parser = crate::common::size64)]
    #[arg(hide_default_value = true, hide_short_help = true)]
    segment_bytes: u64,

    /// With -o segment: make batches of so many bytes, uncompressed
    #[arg(long, value_name = "BYTES", value_parser = crate::common::size, hide_short_help = true)]
    rebatch: Option<usize>,

    /// With -o segment: make batches of today (v2) of messages of formats v0 and v1
    #[arg(long, hide_short_help = true)]
    upgrade: bool,

    #[command(flatten)]
    select: Select,
}

/// Exports what the paths mean.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let global = &global.of_suffix(args.to.as_deref());
    let lines = [Output::Human, Output::Jsonl, Output::Csv, Output::Raw];
    global.only("export", &[&lines[..], &[Output::Segment, Output::Parquet]].concat())?;
    let to_segments = global.output() == Output::Segment;
    if !to_segments && (args.rebatch.is_some() || args.upgrade) {
        return Err(Failure::usage("--rebatch and --upgrade go with -o segment"));
    }
    let filter =
        if to_segments { args.select.filter_of_any_codec() } else { args.select.filter()? };
    let destination = match &args.to {
        Some(to) => Some(Destination::new(to, &args.paths.paths)?),
        None => None,
    };
    let (logs, exit) = args.paths.logs(global)?;
    let done = match (global.output(), &args.name, destination) {
        (Output::Segment, _, Some(destination)) => segment::run(
            &logs,
            (&args.select, &filter),
            &segment::How::new(args, global)?,
            destination,
        ),
        (Output::Parquet, None, Some(destination)) => {
            parquet(Export::new(args, global, &filter)?, &logs, destination)
        }
        (Output::Raw, Some(name), Some(destination)) => {
            let export = Export::new(args, global, &filter)?;
            export.files(&logs, name, destination)
        }
        (Output::Parquet, None, None) => {
            return Err(Failure::usage("a file to write to is wanted: --to FILE"));
        }
        (Output::Segment, _, None) | (_, Some(_), None) => {
            return Err(Failure::usage("a directory to write to is wanted: --to DIR"));
        }
        (_, Some(_), Some(_)) => return Err(Failure::usage("--name goes with -o raw")),
        (_, None, None) => {
            let export = Export::new(args, global, &filter)?;
            export.lines(&logs, io::stdout().lock()).map(|(exit, _)| exit)
        }
        (_, None, Some(destination)) => {
            let export = Export::new(args, global, &filter)?;
            let failed = |error| Failure::io("write", destination.path(), &error);
            let file = File::create_new(destination.path()).map_err(failed)?;
            let (exit, _) = export.lines(&logs, file)?;
            destination.finish()?;
            Ok(exit)
        }
    };
    done.map(|done| exit.and(done))
}

#[cfg(feature = "parquet")]
use parquet::write as parquet;

/// Says how to get a command that can.
#[cfg(not(feature = "parquet"))]
fn parquet(_: Export<'_>, _: &[OneLog], _: Destination) -> Result<Exit> {
    let why = "this strandline was built without Parquet; with it: \
               cargo build --release --package strandline-cli --features parquet";
    Err(Failure::usage(why))
}

/// What is done with a batch: what was read of it, and whether that is enough.
type Take<'t> = dyn FnMut((u64, &RecordBatch<'_>), &Wanted<'_>) -> Result<(Read, bool)> + 't;

struct Export<'a> {
    args: &'a Args,
    global: &'a Global,
    filter: &'a Filter<'a>,
    writer: Writer,
    counter: Counter,
    progress: Progress,
    exit: Exit,
    written: u64,
    bytes: u64,
    markers: u64,
}

impl<'a> Export<'a> {
    fn new(args: &'a Args, global: &'a Global, filter: &'a Filter<'a>) -> Result<Export<'a>> {
        let writer = match Writer::new(global, OF_A_PARTITION)? {
            Some(writer) => writer,
            None => Writer::always_json(global, OF_A_PARTITION),
        };
        let (counter, progress) = (args.select.counter(), Progress::new(global));
        let exit = Exit::Done;
        let (written, bytes, markers) = (0, 0, 0);
        Ok(Export {
            args,
            global,
            filter,
            writer,
            counter,
            progress,
            exit,
            written,
            bytes,
            markers,
        })
    }

    /// All records as lines.
    fn lines(mut self, logs: &[OneLog], to: impl Write) -> Result<(Exit, u64)> {
        let mut out = Gathered::new(to);
        let (writer, failed) = (self.writer.clone(), |error: io::Error| Failure::output(&error));
        writer.heading(&mut out.bytes);
        let mut records = Records::new(Shape::Programs(&writer)).decoding(self.global)?;
        let mut counter = self.counter;
        self.each(logs, &mut |at, wanted| {
            let read = records.batch(at, wanted, &mut counter, &mut out.bytes)?;
            out.settle().map_err(failed)?;
            Ok((read, counter.is_enough()))
        })?;
        out.flush().map_err(failed)?;
        self.end();
        Ok((self.exit, counter.given))
    }

    /// Each record's value as a file.
    fn files(mut self, logs: &[OneLog], name: &Format, to: Destination) -> Result<Exit> {
        let dir = to.path().to_path_buf();
        let failed = |error: io::Error| Failure::io("write", &dir, &error);
        std::fs::create_dir(&dir).map_err(failed)?;
        let (mut inflater, redact) = (Inflater::new(), &self.global.redact);
        let mut decoder = Decoder::new(self.global)?;
        let (mut counter, mut names) = (self.counter, std::collections::HashSet::new());
        self.each(logs, &mut |(position, batch), wanted| {
            if batch.header().attributes().is_control() {
                return Ok((Read::default(), false));
            }
            let read = inflater.each(batch, wanted, &mut |record| {
                if !counter.take() {
                    return Ok(!counter.is_enough());
                }
                let place = (wanted.topic, wanted.partition, counter.given - 1);
                let mut row = Row::of(record, Some(batch.header()), Some(position), place);
                if let Some(decoder) = &mut decoder {
                    (row.key, row.value) = decoder.record(record)?;
                }
                let hidden = Masked::of(row, redact);
                let row = hidden.row(row);
                let mut text = Vec::new();
                name.write(row, &mut text).map_err(Failure::usage)?;
                let text = file_name(&text)?;
                if !names.insert(text.clone()) {
                    let why = format!("--name gives {text} twice; put %o or %i into it");
                    return Err(Failure::usage(why));
                }
                std::fs::write(dir.join(&text), row.value.bytes.unwrap_or_default())
                    .map_err(failed)?;
                Ok(!counter.is_enough())
            })?;
            Ok((read, counter.is_enough()))
        })?;
        self.end();
        to.finish()?;
        Ok(self.exit)
    }

    fn each(&mut self, logs: &[OneLog], take: &mut Take<'_>) -> Result<()> {
        for log in logs {
            let range = self.args.select.range(|| place::log_end(log))?;
            let hidden = match self.args.select.isolation {
                Isolation::Committed => Some(committed::Hidden::of(log)?),
                Isolation::Uncommitted => None,
            };
            let partition = log.partition.as_ref().map_or(("", 0), |it| (it.0.as_str(), it.1));
            let wanted = Wanted {
                range,
                filter: self.filter,
                hidden: hidden.as_ref(),
                topic: partition.0,
                partition: partition.1,
                max_inflated: self.global.max_inflated(),
            };
            for input in place::segments(log, &range, self.args.select.segment)? {
                if self.segment(input, &wanted, take)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Goes over a segment; says whether there is enough.
    fn segment(&mut self, input: &Input, wanted: &Wanted<'_>, take: &mut Take<'_>) -> Result<bool> {
        let log = LogFile::open_at(&input.path, input.base()?)?;
        let mut pieces =
            Pieces::of(&log, &input.path, place::start(input, &wanted.range)?.position);
        while let Some(piece) = pieces.next_piece()? {
            let Piece::Batch(batch) = &piece.what else {
                if let Some(finding) = Finding::of_piece(&piece) {
                    self.report(input, &finding)?;
                }
                continue;
            };
            if batch.header().base_offset() >= wanted.range.end {
                break;
            }
            let (read, enough) = take((piece.position, batch), wanted)?;
            self.written += read.shown;
            self.markers += read.unshown_markers;
            self.bytes += piece.size_bytes;
            self.progress.at(self.written, self.bytes, None);
            if let Some(cause) = read.fault {
                let header = batch.header();
                let finding = Finding::records(piece.position, header, read.records, cause);
                self.report(input, &finding)?;
            }
            if enough {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn report(&mut self, input: &Input, finding: &Finding) -> Result<()> {
        let is_error = finding.severity == Severity::Error;
        if is_error || !self.global.quiet {
            self.progress.clear();
            complain(finding.severity.name(), format_args!("{}: {}", input.name, finding.text));
        }
        if is_error {
            self.exit = self.exit.and(Exit::Incomplete);
            if self.global.strict {
                let (exit, message) = (Exit::Incomplete, "stopped there (--strict)".to_owned());
                return Err(Failure { exit, message, of_output: false });
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.progress.clear();
        if self.markers > 0 && !self.global.quiet && !self.writer.is_json() {
            complain("note", format_args!("{} control records left out", self.markers));
        }
    }
}

/// A name that stays in the directory.
fn file_name(text: &[u8]) -> Result<String> {
    let name = String::from_utf8_lossy(text).replace(['/', '\0', '\\'], "_");
    if name.is_empty() || name == "." || name == ".." {
        return Err(Failure::usage(format!("--name gives `{name}`, which is no file's name")));
    }
    Ok(name)
}
