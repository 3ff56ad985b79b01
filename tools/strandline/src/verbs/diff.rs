//! `strandline diff`: where two logs differ first.

use strandline::record::BatchHeader;
use strandline::{LogFile, Piece};

use super::dump::records::{Inflater, Wanted};
use crate::exit::{Exit, Failure, Result};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::Rows;
use crate::output::json::Object;
use crate::paths::{Input, OneLog, PathArgs};
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::{Range, Select};

/// Compares two segments or partitions, batch by batch by their checksums, and record by record
/// where those differ. Exit status: 0 the same, 1 different.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Compare record by record everywhere, however they are batched and compressed
    #[arg(short, long)]
    records: bool,

    /// What may differ: epoch, timestamp, batching
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    ignore: Vec<Ignore>,

    #[command(flatten)]
    select: Select,
}

/// What is left out of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Ignore {
    Epoch,
    Timestamp,
    Batching,
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: usize,
    position: u64,
    header: BatchHeader,
}

/// One of the two.
struct Side<'a> {
    log: &'a OneLog,
    batches: Vec<Place>,
    damaged: bool,
}

/// A record, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    control: bool,
    place: usize,
    row: Vec<u8>,
}

/// The first difference.
struct Difference {
    offset: i64,
    what: &'static str,
    sides: [Option<(usize, Vec<u8>)>; 2],
}

/// Compares the two logs that are named.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("diff", &[Output::Human, Output::Jsonl])?;
    let (logs, exit) = args.paths.logs(global)?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let [a, b] = logs.as_slice() else {
        let found = logs.len();
        return Err(Failure::usage(format!(
            "two logs are wanted to compare, and these are {found}"
        )));
    };
    let range = args.select.range(|| place::log_end(a))?;
    let sides = [Side::of(a, &range)?, Side::of(b, &range)?];
    let mut diff = Diff { args, global, range, sides: &sides, epochs: 0, batchings: 0 };
    let found = diff.first()?;
    let (epochs, batchings) = (diff.epochs, diff.batchings);
    let mut out = Out::paged(global);
    diff.show(found.as_ref(), &mut out)?;
    out.flush()?;
    let ignored = |what| args.ignore.contains(&what);
    let same = found.is_none()
        && (epochs == 0 || ignored(Ignore::Epoch))
        && (batchings == 0 || args.records || ignored(Ignore::Batching));
    let damaged = sides.iter().any(|side| side.damaged);
    let answer = if same { Exit::Done } else { Exit::No };
    Ok(answer.and(if damaged { Exit::Incomplete } else { Exit::Done }))
}

impl<'a> Side<'a> {
    fn of(log: &'a OneLog, range: &Range) -> Result<Side<'a>> {
        let mut side = Side { log, batches: Vec::new(), damaged: false };
        for (segment, input) in log.segments.iter().enumerate() {
            let file = LogFile::open_at(&input.path, input.base()?)?;
            let mut pieces = Pieces::of(&file, &input.path, 0);
            while let Some(piece) = pieces.next_piece()? {
                match &piece.what {
                    Piece::Batch(batch) if range.touches(batch.header()) => {
                        let (position, header) = (piece.position, *batch.header());
                        side.batches.push(Place { segment, position, header });
                    }
                    Piece::Damage(damage) => {
                        side.damaged = true;
                        let cause = damage.cause;
                        let at = piece.position;
                        let name = &input.name;
                        crate::exit::complain(
                            "error",
                            format_args!("{name}: at byte {at}: {cause}"),
                        );
                    }
                    _ => {}
                }
            }
        }
        Ok(side)
    }

    fn end(&self) -> i64 {
        self.batches.last().map_or(0, |place| place.header.next_offset())
    }

    fn input(&self, place: &Place) -> &Input {
        &self.log.segments[place.segment]
    }
}

struct Diff<'a> {
    args: &'a Args,
    global: &'a Global,
    range: Range,
    sides: &'a [Side<'a>; 2],
    /// Batches that differ in their epoch alone, and stretches that are batched differently.
    epochs: u64,
    batchings: u64,
}

impl Diff<'_> {
    fn first(&mut self) -> Result<Option<Difference>> {
        let [a, b] = self.sides;
        let (mut i, mut j) = (0, 0);
        while i < a.batches.len() && j < b.batches.len() {
            let (left, right) = (&a.batches[i].header, &b.batches[j].header);
            let placed = left.base_offset() == right.base_offset();
            if placed && left.crc() == right.crc() && left.size_bytes() == right.size_bytes() {
                self.epochs += u64::from(left.leader_epoch() != right.leader_epoch());
                (i, j) = (i + 1, j + 1);
                continue;
            }
            // Up to where both have a boundary again.
            let (to_i, to_j) = boundary(&a.batches, &b.batches, i, j);
            let (left, right) = (self.read(0, i..to_i)?, self.read(1, j..to_j)?);
            if let Some(found) = self.compare(&left, &right) {
                return Ok(Some(found));
            }
            self.batchings += 1;
            (i, j) = (to_i, to_j);
        }
        let rest = [&a.batches[i..], &b.batches[j..]];
        let Some(side) = rest.iter().position(|rest| !rest.is_empty()) else { return Ok(None) };
        let place = [i, j][side];
        let records = self.read(side, place..place + 1)?;
        let Some(first) = records.first() else { return Ok(None) };
        let mut sides = [None, None];
        sides[side] = Some((first.place, first.row.clone()));
        Ok(Some(Difference { offset: first.offset, what: "one log ends here", sides }))
    }

    fn read(&self, side: usize, places: std::ops::Range<usize>) -> Result<Vec<Held>> {
        let of = &self.sides[side];
        let (filter, mut inflater) = (self.args.select.filter()?, Inflater::new());
        let wanted = Wanted {
            range: self.range,
            filter: &filter,
            hidden: None,
            topic: "",
            partition: 0,
            max_inflated: self.global.max_inflated(),
        };
        let style = crate::output::style::Style::PLAIN;
        let mut rows = Rows::new(style, None, self.global);
        let mut held = Vec::new();
        for number in places {
            let place = of.batches[number];
            let input = of.input(&place);
            let file = LogFile::open_at(&input.path, input.base()?)?;
            let mut pieces = Pieces::of(&file, &input.path, place.position);
            let Some(piece) = pieces.next_piece()? else { continue };
            let Piece::Batch(batch) = &piece.what else { continue };
            inflater.each(batch, &wanted, &mut |record| {
                let mut row = Vec::new();
                rows.record(record, &mut row);
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                let headers = record.headers().map(|it| (it.key.to_vec(), owned(it.value)));
                held.push(Held {
                    offset: record.offset(),
                    timestamp: record.timestamp(),
                    key: owned(record.key()),
                    value: owned(record.value()),
                    headers: headers.collect(),
                    control: place.header.attributes().is_control(),
                    place: number,
                    row,
                });
                Ok(true)
            })?;
        }
        Ok(held)
    }

    fn compare(&self, left: &[Held], right: &[Held]) -> Option<Difference> {
        let mut pairs = left.iter().zip(right);
        let times = !self.args.ignore.contains(&Ignore::Timestamp);
        let differ = |a: &Held, b: &Held| {
            if a.offset != b.offset {
                Some("offsets differ: divergence, or one was compacted")
            } else if a.control != b.control {
                Some("one is a marker")
            } else if a.key != b.key {
                Some("keys differ")
            } else if a.value != b.value {
                Some("values differ")
            } else if a.headers != b.headers {
                Some("headers differ")
            } else if times && a.timestamp != b.timestamp {
                Some("timestamps differ")
            } else {
                None
            }
        };
        let held = |it: &Held| Some((it.place, it.row.clone()));
        if let Some((a, b, what)) = pairs.find_map(|(a, b)| Some((a, b, differ(a, b)?))) {
            let sides = [held(a), held(b)];
            return Some(Difference { offset: a.offset.min(b.offset), what, sides });
        }
        let what = "offsets differ: divergence, or one was compacted";
        match (left.get(right.len()), right.get(left.len())) {
            (Some(a), _) => Some(Difference { offset: a.offset, what, sides: [held(a), None] }),
            (_, Some(b)) => Some(Difference { offset: b.offset, what, sides: [None, held(b)] }),
            _ => None,
        }
    }

    fn show(&self, found: Option<&Difference>, out: &mut Out) -> Result<()> {
        if self.global.is_json() {
            return self.write_json(found, out);
        }
        for (name, side) in ["A", "B"].iter().zip(self.sides) {
            let (log, batches, end) = (&side.log.name, side.batches.len(), side.end());
            out.row(format_args!("{name}  {log}  {batches} batches, ends at offset {end}"))?;
        }
        if self.epochs > 0 {
            out.text(format_args!("{} batches differ in their leader epoch alone", self.epochs))?;
        }
        if self.batchings > 0 {
            out.text(format_args!(
                "{} stretches hold the same records, batched or compressed differently",
                self.batchings
            ))?;
        }
        let Some(found) = found else {
            return out.text("the same records throughout");
        };
        out.text(format_args!("first difference at offset {}: {}", found.offset, found.what))?;
        for ((name, side), at) in ["A", "B"].iter().zip(self.sides).zip(&found.sides) {
            let Some((place, row)) = at else {
                out.text(format_args!("{name}  nothing"))?;
                continue;
            };
            let place = side.batches[*place];
            let file = &side.input(&place).name;
            out.row(format_args!("{name}  {file}  batch at byte {}", place.position))?;
            out.write(b"   ")?;
            out.write(row)?;
        }
        Ok(())
    }

    fn write_json(&self, found: Option<&Difference>, out: &mut Out) -> Result<()> {
        let mut line = Object::line("diff", out.line());
        line.text("schema", crate::output::json::SCHEMA);
        line.maybe_number("offset", found.map(|found| found.offset));
        line.maybe_text("what", found.map(|found| found.what));
        line.size("epochsDiffer", self.epochs);
        line.size("batchingsDiffer", self.batchings);
        for (number, name) in ["a", "b"].into_iter().enumerate() {
            let side = &self.sides[number];
            let at = found.and_then(|found| found.sides[number].as_ref());
            let place = at.map(|(place, _)| side.batches[*place]);
            let mut object = Object::begin(line.field(name));
            object.text("path", &side.log.name);
            object.maybe_text("file", place.as_ref().map(|it| side.input(it).name.as_str()));
            object.maybe_number("position", place.map(|it| it.position as i64));
            object.number("endOffset", side.end());
            object.end();
        }
        line.end_line();
        out.settle()
    }
}

/// The first batches behind `i` and `j` before which both have the same end; the ends of both if
/// there are none.
fn boundary(a: &[Place], b: &[Place], i: usize, j: usize) -> (usize, usize) {
    let (mut to_i, mut to_j) = (i + 1, j + 1);
    loop {
        let end = |places: &[Place], to: usize| places[to - 1].header.next_offset();
        match end(a, to_i).cmp(&end(b, to_j)) {
            std::cmp::Ordering::Less if to_i < a.len() => to_i += 1,
            std::cmp::Ordering::Greater if to_j < b.len() => to_j += 1,
            _ => return (to_i, to_j),
        }
    }
}
