//! `strandline report`: one page about logs that needs nothing else: no network, no scripts.

mod page;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::path::PathBuf;

use strandline::{Explanation, FileKind, Finding, Verification, VerifyOptions};

use super::stat::gather::{How, Stats};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::destination::Destination;
use crate::paths::{Input, OneLog, PathArgs};
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
    /// Where the bytes begin, and the bytes.
    pub(super) bytes: (u64, Vec<u8>),
    /// Where among them the finding is.
    pub(super) at: usize,
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
                let told = tell(log, &stats)?;
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
    Ok(exit)
}

/// The findings, each with the bytes around its place: around the one bit that explains it, if that
/// is what it is.
fn tell(log: &OneLog, stats: &Stats) -> Result<Vec<Told>> {
    let mut told = Vec::new();
    let mut flips: BTreeMap<&str, BTreeMap<u64, (u64, u8)>> = BTreeMap::new();
    for (name, finding) in &stats.findings {
        let Some(input) = log.segments.iter().find(|input| input.name == *name) else { continue };
        let of_file = match flips.entry(name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(flipped_bits(input)?),
        };
        let flipped = of_file.get(&finding.position()).copied();
        let marked = flipped.map_or(finding.position(), |(byte, _)| byte);
        let from = marked.saturating_sub(BEFORE);
        let mut bytes = vec![0; AROUND];
        let read = open(&input.path).and_then(|file| read_at(&file, &mut bytes, from));
        bytes.truncate(read.map_err(|error| Failure::io("read", &input.path, &error))?);
        told.push(Told {
            file: name.clone(),
            severity: finding.severity.name(),
            text: match flipped {
                None => finding.text.clone(),
                Some((byte, bit)) => {
                    format!("{}; one flipped bit explains it: byte {byte} bit {bit}", finding.text)
                }
            },
            bytes: (from, bytes),
            at: (marked - from) as usize,
        });
    }
    Ok(told)
}

/// The byte and the bit that explain what is wrong, by where, if one flipped bit does.
fn flipped_bits(input: &Input) -> Result<BTreeMap<u64, (u64, u8)>> {
    let mut verification = Verification::new(&VerifyOptions::new());
    verification.add_file(&input.path, FileKind::Log, input.base_offset)?;
    let checked = (0..verification.pieces()).map(|piece| verification.check(piece)).collect();
    let flip = |finding: &Finding| match finding.explanation {
        Some(Explanation::FlippedBit { byte, bit, .. }) => Some((finding.position?, (byte, bit))),
        _ => None,
    };
    Ok(verification.finish(checked).findings.iter().filter_map(flip).collect())
}
