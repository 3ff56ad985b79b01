//! `strandline tail` and `follow`: the last records of a log, and those that come.

mod follower;
mod held;
mod watch;

use strandline::record::{BatchError, RecordBatch};
use strandline::{Damage, LogFile, LogPiece, Piece};

use super::dump::finding::Finding;
use super::dump::records::{Inflater, Records, Shape, Wanted};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::Rows;
use crate::output::record::{OF_A_PARTITION, Writer};
use crate::paths::{Input, OneLog, PathArgs};
use crate::reading::{pace::Pieces, place};
use crate::select::{Counter, Filter, Isolation, Range, Select};
use follower::{Event, Follower};
use held::Held;
use watch::Watch;

/// Shows the last records of each log. With -f it goes on as batches come, through rolls, with a
/// word on stderr about truncations and segments that compaction replaced; Ctrl-C ends it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// So many of the last records [default: 10; of `follow`: 0]
    #[arg(short = 'n', value_name = "N")]
    number: Option<u64>,

    /// Go on as records come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// Records, which is what it shows anyway; for hands that are used to `dump -r`
    #[arg(short, long, hide_short_help = true)]
    records: bool,

    #[command(flatten)]
    select: Select,
}

/// Shows the last ones, and goes on if that is asked for.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    show(args, global, args.follow, args.number.unwrap_or(10))
}

/// The same with `-f`, and nothing of what is there already unless `-n` says so.
pub(crate) fn follow(args: &Args, global: &Global) -> Result<Exit> {
    show(args, global, true, args.number.unwrap_or(0))
}

fn show(args: &Args, global: &Global, follow: bool, number: u64) -> Result<Exit> {
    global.only("tail", &[Output::Human, Output::Jsonl, Output::Csv, Output::Raw])?;
    if args.paths.paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::usage("tail needs files: stdin has no end to look at"));
    }
    let (writer, filter) = (Writer::new(global, OF_A_PARTITION)?, args.select.filter()?);
    let mut out = Out::new(global);
    let shape = match &writer {
        Some(writer) => {
            writer.heading(out.line());
            Shape::Programs(writer)
        }
        None => Shape::People(Box::new(Rows::new(out.style, out.width, global))),
    };
    let (logs, exit) = args.paths.logs(global)?;
    // What changes from here on is seen, however long the first look takes.
    let watch = if follow { Some(Watch::new(&logs)?) } else { None };
    let (records, counter) = (Records::new(shape).decoding(global)?, args.select.counter());
    let mut tail = Tail { args, global, filter: &filter, out, records, counter, exit };
    let with_names = logs.len() > 1 && writer.is_none();
    let mut followers = Vec::new();
    for log in logs {
        if with_names {
            tail.out.text(format_args!("== {}", log.name))?;
        }
        // What comes while the last ones are shown is not missed, and not shown twice.
        let shown = Follower::at_the_end(log).and_then(|follower| {
            let held = tail.held(&follower)?;
            tail.last(&follower.log, number, follower.next_offset, held.as_ref())?;
            Ok((follower, held))
        });
        match shown {
            Ok(follower) => followers.push(follower),
            Err(failure) => tail.give_up(failure)?,
        }
    }
    tail.out.flush()?;
    if let Some(watch) = watch {
        tail.follow(&mut followers, &watch)?;
    }
    tail.out.flush()?;
    Ok(tail.exit)
}

struct Tail<'a> {
    args: &'a Args,
    global: &'a Global,
    filter: &'a Filter<'a>,
    out: Out,
    records: Records<'a>,
    counter: Counter,
    exit: Exit,
}

impl Tail<'_> {
    fn give_up(&mut self, failure: Failure) -> Result<()> {
        if failure.of_output {
            return Err(failure);
        }
        self.out.flush()?;
        complain("error", &failure.message);
        self.exit = self.exit.and(failure.exit);
        Ok(())
    }

    /// What a read-committed reader is not shown, or not yet.
    fn held(&self, follower: &Follower) -> Result<Option<Held>> {
        match self.args.select.isolation {
            Isolation::Committed => Held::of(&follower.log, follower.next_offset).map(Some),
            Isolation::Uncommitted => Ok(None),
        }
    }

    /// Shows the last records of a log that ends at `end`.
    fn last(&mut self, log: &OneLog, number: u64, end: i64, held: Option<&Held>) -> Result<()> {
        if number == 0 {
            return Ok(());
        }
        let start = log.segments.first().and_then(|input| input.base_offset).unwrap_or(0);
        let asked = self.args.select.range(|| Ok(end))?;
        let wanted = |first: i64| {
            let (topic, partition) = named(log);
            Wanted {
                range: Range { first: asked.first.max(first), end: asked.end.min(end), ..asked },
                filter: self.filter,
                hidden: held.map(|held| &held.hidden),
                topic,
                partition,
                max_inflated: self.global.max_inflated(),
            }
        };
        // Offsets may be missing, and filters leave records out: look further and further back
        // until there are enough.
        let (mut back, mut inflater) = (i64::try_from(number).unwrap_or(i64::MAX), Inflater::new());
        loop {
            let first = end.saturating_sub(back).max(start);
            let mut found = 0;
            over(log, &wanted(first), &mut |_, _| {}, &mut |_, batch| {
                let read = inflater.each(batch, &wanted(first), &mut |_| Ok(true))?;
                found += read.shown;
                Ok(())
            })?;
            if found >= number || first <= start {
                let wanted = wanted(first);
                return self.show_behind(log, &wanted, found.saturating_sub(number));
            }
            back = back.saturating_mul(4);
        }
    }

    /// Shows what is wanted but for so many at the beginning.
    fn show_behind(&mut self, log: &OneLog, wanted: &Wanted<'_>, skip: u64) -> Result<()> {
        let (mut counter, mut too_large) = (Counter::behind(skip), Vec::new());
        let mut note = |input: &Input, piece: &LogPiece<'_>| {
            let finding = finding_of(piece, &wanted.range);
            too_large.extend(finding.map(|it| format!("{}: {}", input.name, it.text)));
        };
        over(log, wanted, &mut note, &mut |position, batch| {
            self.records.batch((position, batch), wanted, &mut counter, self.out.line())?;
            self.out.settle()
        })?;
        for message in too_large {
            self.out.flush()?;
            complain("error", &message);
            self.exit = self.exit.and(Exit::Incomplete);
        }
        Ok(())
    }

    /// Goes on as batches come, until Ctrl-C.
    fn follow(&mut self, followers: &mut [(Follower, Option<Held>)], watch: &Watch) -> Result<()> {
        while !self.counter.is_enough() && !watch.is_stopped() {
            for (follower, held) in followers.iter_mut() {
                self.step(follower, held.as_mut())?;
            }
            self.out.flush()?;
            watch.wait()?;
        }
        Ok(())
    }

    fn step(&mut self, follower: &mut Follower, mut held: Option<&mut Held>) -> Result<()> {
        let (topic, partition) = named(&follower.log);
        let topic = topic.to_owned();
        let wanted = Wanted {
            range: self.args.select.range(|| Ok(0))?,
            filter: self.filter,
            hidden: None,
            topic: &topic,
            partition,
            max_inflated: self.global.max_inflated(),
        };
        let (records, out, counter) = (&mut self.records, &mut self.out, &mut self.counter);
        let name = follower.log.name.clone();
        follower.step(&mut |file, event| match (event, &mut held) {
            (Event::Batch(position, batch), None) => {
                records.batch((position, batch), &wanted, counter, out.line())?;
                out.settle()
            }
            (Event::Batch(position, batch), Some(held)) => {
                held.take(file, position, batch)?;
                held.release(&mut |position, batch, hidden| {
                    let wanted = Wanted { hidden: Some(hidden), ..wanted };
                    records.batch((position, batch), &wanted, counter, out.line())?;
                    out.settle()
                })
            }
            (Event::Cut(end, what), held) => {
                if let Some(held) = held {
                    held.cut(end);
                }
                say(&name, &what, out)
            }
            (Event::Said(what), _) => say(&name, &what, out),
        })
    }
}

fn say(name: &str, what: &str, out: &mut Out) -> Result<()> {
    out.flush()?;
    eprintln!("== {name}: {what}");
    Ok(())
}

fn named(log: &OneLog) -> (&str, u32) {
    log.partition.as_ref().map_or(("", 0), |it| (it.0.as_str(), it.1))
}

/// What there is to say of a batch in a range that is larger than the user takes.
fn finding_of(piece: &LogPiece<'_>, range: &Range) -> Option<Finding> {
    match piece.what {
        Piece::Damage(Damage { cause: BatchError::TooLarge { .. }, header, .. })
            if header.is_none_or(|header| range.touches(&header)) =>
        {
            Finding::of_piece(piece)
        }
        _ => None,
    }
}

/// Goes over the batches of a log that may hold what is wanted. Damage is noted and passed over:
/// `verify` and `dump` tell of it.
fn over(
    log: &OneLog,
    wanted: &Wanted<'_>,
    note: &mut dyn FnMut(&Input, &LogPiece<'_>),
    take: &mut dyn FnMut(u64, &RecordBatch<'_>) -> Result<()>,
) -> Result<()> {
    for input in place::segments(log, &wanted.range, None)? {
        let from = place::start(input, &wanted.range)?.position;
        let file = LogFile::open_at(&input.path, input.base()?)?;
        let mut pieces = Pieces::of(&file, &input.path, from);
        while let Some(piece) = pieces.next_piece()? {
            match &piece.what {
                Piece::Batch(batch) => take(piece.position, batch)?,
                _ => note(input, &piece),
            }
        }
    }
    Ok(())
}
