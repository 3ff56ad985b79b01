//! `strandline find`: where records are that match.

use strandline::record::{BatchHeader, FetchedRecord};
use strandline::{LogFile, Piece};

use super::dump::finding::{self, Severity};
use super::dump::records::{Inflater, Wanted};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::{Rows, count};
use crate::output::json::Object;
use crate::paths::{Input, OneLog, PathArgs};
use crate::reading::committed::Hidden;
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::{Counter, Filter, Isolation, Range, Select, Verdict};

/// Finds records: the first of each partition, the last, all, or how many there are. Offsets and
/// times are looked up in the indexes, which are believed only as far as the log bears them out;
/// keys and values have no index, and every batch is read. It says where records are; `dump -r` with
/// the same options writes the records.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// The first of each partition: this is the default
    #[arg(long)]
    first: bool,

    /// The last of each partition
    #[arg(long, conflicts_with = "first")]
    last: bool,

    /// All of them
    #[arg(long, conflicts_with_all = ["first", "last"])]
    all: bool,

    /// Do not cut lines to the terminal's width
    #[arg(long)]
    full: bool,

    /// How many there are
    #[arg(long, conflicts_with_all = ["first", "last", "all"])]
    count: bool,

    #[command(flatten)]
    select: Select,
}

/// Finds them; exit status 1 if there is none.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("find", &[Output::Human, Output::Jsonl])?;
    let is_asked = args.first || args.last || args.all || args.count;
    if !is_asked && args.select.means_all() {
        let what = "say what to find: --key, --value, --time, --offset and so on";
        return Err(Failure::usage(format!("{what}; `strandline help find` has all of them")));
    }
    let filter = args.select.filter()?;
    let mut out = Out::paged(global);
    out.width = out.width.filter(|_| !args.full);
    let rows = Rows::new(out.style, out.width, global);
    let counter = args.select.counter();
    let mut find =
        Find { args, global, filter: &filter, out, rows, counter, exit: Exit::Done, matches: 0 };
    let (logs, unread) = args.paths.logs(global)?;
    for log in &logs {
        find.log(log)?;
        if find.counter.is_enough() {
            break;
        }
    }
    find.out.flush()?;
    if !global.is_json() && !global.quiet && !args.count {
        if find.matches == 0 {
            complain("note", "nothing matches");
        } else if !args.all && !args.last && args.select.offset.is_none() {
            complain("note", "these are the first ones: --all finds all, --count counts them");
        }
    }
    let answer = if find.matches == 0 { Exit::No } else { Exit::Done };
    Ok(answer.and(find.exit).and(unread))
}

struct Find<'a> {
    args: &'a Args,
    global: &'a Global,
    filter: &'a Filter<'a>,
    out: Out,
    rows: Rows,
    counter: Counter,
    exit: Exit,
    matches: u64,
}

/// A record that matches, kept until it is known to be the one.
struct Match {
    path: String,
    offset: i64,
    batch_position: u64,
    batch: (i64, i64),
    /// Its number among the records of its batch.
    number: u64,
    timestamp: Option<i64>,
    sizes: (Option<usize>, Option<usize>),
    /// As people see it.
    row: Vec<u8>,
    by: Option<&'static str>,
}

impl Find<'_> {
    fn log(&mut self, log: &OneLog) -> Result<()> {
        let done = self.search(log);
        match done {
            Err(failure) if !failure.of_output => {
                self.out.flush()?;
                complain("error", &failure.message);
                self.exit = self.exit.and(failure.exit);
                Ok(())
            }
            done => done,
        }
    }

    fn search(&mut self, log: &OneLog) -> Result<()> {
        let range = self.args.select.range(|| place::log_end(log))?;
        let hidden = match self.args.select.isolation {
            Isolation::Committed => Some(Hidden::of(log)?),
            Isolation::Uncommitted => None,
        };
        let (topic, partition) = log.partition.as_ref().map_or(("", 0), |it| (it.0.as_str(), it.1));
        let wanted = Wanted {
            range,
            filter: self.filter,
            hidden: hidden.as_ref(),
            topic,
            partition,
            max_inflated: self.global.max_inflated(),
        };
        let mut segments = place::segments(log, &range, self.args.select.segment)?;
        if self.args.last {
            segments.reverse();
        }
        let (mut found, mut last) = (0, None);
        for input in segments {
            found += self.segment(input, &wanted, &mut last)?;
            let one_is_enough = !self.args.all && !self.args.count;
            if self.counter.is_enough() || (one_is_enough && found > 0) {
                break;
            }
        }
        if let Some(found) = last {
            self.show(&found, &wanted)?;
        }
        self.matches += found;
        if self.args.count {
            self.show_count(log, found)?;
        }
        Ok(())
    }

    /// How many were found in a segment; the last one is left for the caller to show.
    fn segment(
        &mut self,
        input: &Input,
        wanted: &Wanted<'_>,
        last: &mut Option<Match>,
    ) -> Result<u64> {
        let place = place::start(input, &wanted.range)?;
        if let Some(doubt) = &place.doubt {
            self.complain("warning", doubt)?;
        }
        let log = LogFile::open_at(&input.path, input.base()?)?;
        let mut inflater = Inflater::new();
        let (mut pieces, mut found) = (Pieces::of(&log, &input.path, place.position), 0);
        while let Some(piece) = pieces.next_piece()? {
            let Piece::Batch(batch) = &piece.what else {
                self.damage(input, &piece)?;
                continue;
            };
            let header = *batch.header();
            if header.base_offset() >= wanted.range.end {
                break;
            }
            if self.args.count && !self.args.select.counts() && is_all(wanted, &header) {
                found += u64::try_from(header.record_count()).unwrap_or(0);
                continue;
            }
            let mut hits = Vec::new();
            let first_only = !self.args.last && !self.args.all && !self.args.count;
            let (rows, counter, count_only) = (&mut self.rows, &mut self.counter, self.args.count);
            let read = inflater.each(batch, wanted, &mut |record| {
                if counter.take() {
                    found += 1;
                    if !count_only {
                        hits.push(hit(rows, (input, piece.position, &header), record, place.by));
                    }
                }
                let enough = counter.is_enough() || (first_only && found > 0);
                Ok(!enough)
            })?;
            if let Some(cause) = read.fault {
                let fault = finding::Finding::records(piece.position, &header, read.records, cause);
                self.report(input, &fault)?;
            }
            if self.args.last {
                *last = hits.pop().or(last.take());
            } else {
                for hit in &hits {
                    self.show(hit, wanted)?;
                }
            }
            if self.counter.is_enough() || (first_only && found > 0) {
                break;
            }
        }
        Ok(found)
    }

    fn damage(&mut self, input: &Input, piece: &strandline::LogPiece<'_>) -> Result<()> {
        match finding::Finding::of_piece(piece) {
            Some(found) if found.severity == Severity::Error => self.report(input, &found),
            _ => Ok(()),
        }
    }

    /// What is damaged was not searched: that is said, and the exit status says it too.
    fn report(&mut self, input: &Input, found: &finding::Finding) -> Result<()> {
        self.exit = self.exit.and(Exit::Incomplete);
        self.complain(found.severity.name(), &format!("{}: {}", input.name, found.text))
    }

    fn complain(&mut self, severity: &str, message: &str) -> Result<()> {
        self.out.flush()?;
        complain(severity, message);
        Ok(())
    }

    fn show(&mut self, found: &Match, wanted: &Wanted<'_>) -> Result<()> {
        if !self.global.is_json() {
            let by = found.by.map_or(String::new(), |by| format!("  (by .{by})"));
            self.out.row(format_args!(
                "{}  batch at byte {}, record {} of offsets {}–{}{by}",
                found.path, found.batch_position, found.number, found.batch.0, found.batch.1
            ))?;
            return self.out.write(&found.row);
        }
        let mut line = Object::line("match", self.out.line());
        line.text("path", &found.path);
        line.text("topic", wanted.topic);
        line.number("partition", wanted.partition);
        line.number("offset", found.offset);
        line.size("batchPosition", found.batch_position);
        line.size("recordNumber", found.number);
        line.maybe_number("timestamp", found.timestamp);
        line.maybe_number("keySize", found.sizes.0.map(|size| size as i64));
        line.maybe_number("valueSize", found.sizes.1.map(|size| size as i64));
        line.maybe_text("index", found.by);
        line.end_line();
        self.out.settle()
    }

    fn show_count(&mut self, log: &OneLog, found: u64) -> Result<()> {
        if !self.global.is_json() {
            return self.out.text(format_args!("{}  {}", log.name, count(found)));
        }
        let mut line = Object::line("count", self.out.line());
        line.text("path", &log.name);
        line.size("count", found);
        line.end_line();
        self.out.settle()
    }
}

/// Whether all records of a batch match, as far as its header tells. Offsets may be missing in the
/// middle of it, so the ends have to lie within the range.
fn is_all(wanted: &Wanted<'_>, header: &BatchHeader) -> bool {
    let Range { first, end, .. } = wanted.range;
    wanted.filter.batch(header) == Verdict::All
        && wanted.range.is_all_times()
        && wanted.hidden.is_none()
        && header.base_offset() >= first
        && header.last_offset() < end
}

fn hit(
    rows: &mut Rows,
    (input, batch_position, header): (&Input, u64, &BatchHeader),
    record: &FetchedRecord<'_>,
    by: Option<&'static str>,
) -> Match {
    let mut row = Vec::new();
    rows.record(record, &mut row);
    Match {
        path: input.name.clone(),
        offset: record.offset(),
        batch_position,
        batch: (header.base_offset(), header.last_offset()),
        number: (record.offset() - header.base_offset()).unsigned_abs(),
        timestamp: record.timestamp(),
        sizes: (record.key().map(<[u8]>::len), record.value().map(<[u8]>::len)),
        row,
        by,
    }
}
