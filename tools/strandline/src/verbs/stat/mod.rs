//! `strandline stat`: counts, sizes, codecs, producers, times, gaps, top lists, plots.

mod compaction;
pub(crate) mod gather;
mod recompress;
mod retention;
mod show;
pub(crate) mod svg;

use std::io::Write;
use std::path::PathBuf;

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::paths::{OneLog, PathArgs};
use crate::reading::place;
use crate::select::{Filter, Select};
use crate::time;
use gather::{How, Stats};

/// One screen about each log. Reads only the headers of batches, unless records are asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Read the records too: what they inflate to, sizes of keys and values, tombstones
    #[arg(short, long)]
    records: bool,

    /// The N largest records, and the keys and producers with the most bytes
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10")]
    top: Option<usize>,

    /// A line for each stretch of time
    #[arg(long)]
    timeline: bool,

    /// What other codecs would make of it: gzip,snappy,lz4,zstd, with levels behind a colon
    #[arg(long, value_name = "CODECS", num_args = 0..=1, value_delimiter = ',')]
    #[arg(default_missing_values = ["gzip", "snappy", "lz4", "zstd"], require_equals = true)]
    recompress: Vec<strandline::compression::Compression>,

    /// What compaction would reclaim
    #[arg(long)]
    compaction: bool,

    /// `retention.ms` of the topic, to tell how long segments are kept [default: what the store says
    /// beside which the partition lies, else Kafka's 604800000, 7 days]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(-1..))]
    #[arg(allow_negative_numbers = true, hide_short_help = true)]
    retention_ms: Option<i64>,

    /// Write the pictures as SVG into this file, which must not be there
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    select: Select,
}

/// Counts each log, one after the other.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("stat", &[Output::Human, Output::Jsonl])?;
    let filter = args.select.filter()?;
    let mut out = Out::paged(global);
    let (logs, mut exit) = args.paths.logs(global)?;
    let mut asked = retention::Asked::default();
    for (number, log) in logs.iter().enumerate() {
        if number > 0 && !global.is_json() {
            out.text("")?;
        }
        match one((args, global), &filter, (log, &mut asked), &mut out) {
            Ok(done) => exit = exit.and(done),
            Err(failure) if failure.of_output => return Err(failure),
            Err(failure) => {
                out.flush()?;
                complain("error", &failure.message);
                exit = exit.and(failure.exit);
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

fn one(
    (args, global): (&Args, &Global),
    filter: &Filter<'_>,
    (log, asked): (&OneLog, &mut retention::Asked),
    out: &mut Out,
) -> Result<Exit> {
    let range = args.select.range(|| place::log_end(log))?;
    let with_records = args.records || args.top.is_some();
    let how = How {
        range,
        filter,
        segment: args.select.segment,
        with_records,
        top: args.top.unwrap_or(0),
        now_ms: time::now_ms(),
        max_inflated: global.max_inflated(),
    };
    let stats = Stats::of(log, &how)?;
    show::stats(log, &stats, args.top.unwrap_or(0), args.timeline, (global, out))?;
    if !args.recompress.is_empty() {
        recompress::show(log, &how, &args.recompress, (global, out))?;
    }
    if !global.is_json() && args.select.means_all() {
        retention::show(log, &stats, (args.retention_ms, asked), (global, out))?;
    }
    if args.compaction {
        compaction::show(log, &how, (global, out))?;
    }
    if let Some(path) = &args.svg {
        let failed = |error| Failure::io("write", path, &error);
        let mut file = std::fs::File::create_new(path).map_err(failed)?;
        let times = global.times();
        file.write_all(svg::standalone(&log.name, &stats, &times).as_bytes()).map_err(failed)?;
    }
    out.flush()?;
    for (name, finding) in &stats.findings {
        if finding.severity == crate::verbs::dump::finding::Severity::Error || !global.quiet {
            complain(finding.severity.name(), format_args!("{name}: {}", finding.text));
        }
    }
    Ok(if stats.is_incomplete() { Exit::Incomplete } else { Exit::Done })
}
