//! `strandline explain`: bytes with their meaning beside them.

mod log;
mod show;

use std::fs::File;
use std::path::Path;

use strandline::{Finding, Level, Verification};

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::layout::files::Look;
use crate::output::Out;
use crate::paths::{Input, Kind, OneLog, PathArgs, Target};
use crate::reading;
use crate::verbs::verify::{file_kind, options};
use show::Shown;

/// The most that is held of one file, or of one batch.
const MOST_BYTES: u64 = 64 << 20;

/// Shows the bytes of a batch, a record, an entry or a small file, field by field, and what is wrong
/// with them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// What lies at this byte of the file [default: what comes first]; of several segments the file
    /// has to be named
    #[arg(long, value_name = "N")]
    position: Option<u64>,

    /// The batch that holds this offset
    #[arg(long, value_name = "N", conflicts_with = "position")]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    offset: Option<i64>,

    /// The plain bytes, in the form of xxd, from which `xxd -r` makes them again
    #[arg(long)]
    xxd: bool,
}

/// Explains what each path means.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("explain", &[Output::Human, Output::Jsonl])?;
    global.shows_plain_bytes("explain")?;
    let mut out = Out::new(global);
    let mut exit = Exit::Done;
    for target in args.paths.targets(global) {
        let done = match target {
            Ok(Target::File(input)) => one(&input, args, global, &mut out),
            Ok(Target::Partition(partition)) => partition.log().and_then(|log| {
                let input = choose(&log, args)?;
                one(input, args, global, &mut out)
            }),
            Ok(Target::LogDirectory(directory)) => Err(Failure::usage(format!(
                "{}: a file or one partition is wanted, not a log directory",
                directory.name
            ))),
            Err(failure) => Err(failure),
        };
        match done {
            Ok(()) => {}
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

/// The segment that holds an offset, else the first. A position is one of a file, so that has to be
/// told where there are several.
fn choose<'a>(log: &'a OneLog, args: &Args) -> Result<&'a Input> {
    const MOST_NAMED: usize = 5;
    let segments = &log.segments;
    if let (Some(position), [first, _, ..]) = (args.position, segments.as_slice()) {
        let mut names: Vec<_> = segments.iter().map(|input| input.name.as_str()).collect();
        let more = names.split_off(names.len().min(MOST_NAMED)).len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Err(Failure::usage(format!(
            "{}: byte {position} of which segment? say the file, such as {}: {}{more}",
            log.name,
            first.name,
            names.join(", ")
        )));
    }
    let at = args.offset.map_or(0, |offset| {
        let before =
            segments.partition_point(|it| it.base_offset.is_some_and(|base| base <= offset));
        before.saturating_sub(1)
    });
    segments.get(at).ok_or_else(|| Failure::environment("no segment (*.log) in this directory"))
}

fn one(input: &Input, args: &Args, global: &Global, out: &mut Out) -> Result<()> {
    if matches!(input.kind, Kind::Log | Kind::KraftSnapshot) {
        return log::explain(input, args, global, out);
    }
    let failed = |error| Failure::io("read", &input.path, &error);
    let file = reading::open(&input.path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len > MOST_BYTES {
        return Err(Failure::usage(format!("{}: {len} bytes are too many to explain", input.name)));
    }
    let bytes = read(&file, 0, len).map_err(failed)?;
    let position = args.position.and_then(|at| usize::try_from(at).ok());
    if position.is_some_and(|at| at >= bytes.len()) {
        return Err(past_end(input, len));
    }
    let times = global.times();
    let base_offset = input.base_offset.unwrap_or(0);
    let look = Look { bytes: &bytes, base_offset, position, times: &times };
    let findings = findings(input, global);
    let mut fields = look.fields(input.kind);
    for field in fields.iter_mut().filter(|field| field.name == "crc") {
        let at = field.at as u64;
        let hit = findings.iter().any(|it| {
            let from = it.position.unwrap_or(0);
            (from..from + it.size_bytes.max(1)).contains(&at)
        });
        field.holds = Some(!hit);
    }
    let title = format!("{}  {} · {len} bytes", input.name, input.kind.name());
    let shown = Shown {
        name: &input.name,
        title,
        start: 0,
        bytes: &bytes,
        inflated: &[],
        fields,
        json: global.is_json(),
    };
    shown.write(args.xxd, &findings, out)
}

fn past_end(input: &Input, len: u64) -> Failure {
    Failure::usage(format!("{}: the file ends at byte {len}", input.name))
}

fn read(file: &File, position: u64, len: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len.min(MOST_BYTES)).unwrap_or(0)];
    let have = reading::read_at(file, &mut bytes, position)?;
    bytes.truncate(have);
    Ok(bytes)
}

/// What a verification of the file alone finds. What cannot be verified has no findings here: the
/// bytes are shown all the same.
fn findings(input: &Input, global: &Global) -> Vec<Finding> {
    let kind = file_kind(input.kind);
    let mut verification = Verification::new(&options(Level::Normal, global));
    let base = Some(input.base_offset.unwrap_or(0));
    if verification.add_file(Path::new(&input.path), kind, base).is_err() {
        return Vec::new();
    }
    let done = (0..verification.pieces()).map(|piece| verification.check(piece)).collect();
    verification.finish(done).findings
}
