//! Whole batches into segments of another log directory, byte for byte.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use strandline::record::RecordBatch;
use strandline::{LogFile, Piece};

use crate::exit::{Exit, Failure, Result, complain};
use crate::output::destination::Destination;
use crate::paths::OneLog;
use crate::reading::place;
use crate::select::{Filter, Range, Select, Verdict};
use crate::verbs::dump::finding::{Finding, Severity};

/// Copies the batches of the logs into partitions of a new log directory. Indexes are left for
/// whoever opens it: Kafka and strandline make those that are missing.
pub(super) fn run(
    logs: &[OneLog],
    (select, filter): (&Select, &Filter<'_>),
    segment_bytes: u64,
    to: Destination,
) -> Result<Exit> {
    let failed = |error: io::Error| Failure::io("write", to.path(), &error);
    fs::create_dir(to.path()).map_err(failed)?;
    let mut exit = Exit::Done;
    for log in logs {
        let range = select.range(|| place::log_end(log))?;
        let name = match &log.partition {
            Some((topic, number)) => format!("{topic}-{number}"),
            None => "exported-0".to_owned(),
        };
        let dir = to.path().join(name);
        fs::create_dir(&dir).map_err(failed)?;
        let mut copy = Copy { dir, segment_bytes, open: None };
        for input in place::segments(log, &range, select.segment)? {
            let file = LogFile::open_at(&input.path, input.base()?)?;
            let mut pieces = file.pieces_from(place::start(input, &range)?.position);
            while let Some(piece) = pieces.next_piece()? {
                match &piece.what {
                    Piece::Batch(batch) => {
                        if is_wanted(batch, &range, filter)? {
                            copy.add(batch)?;
                        }
                    }
                    _ => {
                        if let Some(finding) = Finding::of_piece(&piece) {
                            complain(
                                finding.severity.name(),
                                format_args!("{}: {}", input.name, finding.text),
                            );
                            if finding.severity == Severity::Error {
                                exit = exit.and(Exit::Incomplete);
                            }
                        }
                    }
                }
            }
        }
        copy.end()?;
    }
    to.finish()?;
    Ok(exit)
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

/// A partition that is being written.
struct Copy {
    dir: PathBuf,
    segment_bytes: u64,
    open: Option<(io::BufWriter<File>, u64, PathBuf)>,
}

impl Copy {
    fn add(&mut self, batch: &RecordBatch<'_>) -> Result<()> {
        let size = batch.bytes().len() as u64;
        if self.open.as_ref().is_some_and(|open| open.1 + size > self.segment_bytes) {
            self.end()?;
        }
        if self.open.is_none() {
            let path = self.dir.join(format!("{:020}.log", batch.header().base_offset()));
            let file = File::create_new(&path).map_err(|error| failed(&path, &error))?;
            self.open = Some((io::BufWriter::with_capacity(256 << 10, file), 0, path));
        }
        let Some((file, written, path)) = &mut self.open else { return Ok(()) };
        file.write_all(batch.bytes()).map_err(|error| failed(path, &error))?;
        *written += size;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        match self.open.take() {
            Some((mut file, _, path)) => file.flush().map_err(|error| failed(&path, &error)),
            None => Ok(()),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::io("write", path, error)
}
