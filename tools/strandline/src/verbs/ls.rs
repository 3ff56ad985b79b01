//! `strandline ls`: partitions and segments, from their names and their ends.

use std::collections::BTreeMap;
use std::path::Path;

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::grid::{Align, Grid};
use crate::output::human::{bytes, count, many};
use crate::output::json::{self, Object};
use crate::paths::{Input, Kind, LogDirectory, Partition, PathArgs, State, Target};
use crate::reading::peek::{self, Behind, Ends};
use crate::reading::place;
use crate::time::Times;

/// From so many partitions on there is a row for each topic.
const MANY: usize = 200;

/// Lists partitions, or the segments of one. Reads names, sizes and both ends of each log.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// A row for each partition, however many there are
    #[arg(long)]
    partitions: bool,

    /// A row for each segment
    #[arg(long, conflicts_with = "partitions")]
    segments: bool,

    /// By name, size or number of records (by their offsets), the largest first
    #[arg(long, value_name = "HOW", default_value = "name")]
    sort: Sort,
}

/// What rows are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    Name,
    Size,
    Records,
}

/// What is known of a partition, a topic or a segment.
#[derive(Clone, Debug, Default)]
struct Facts {
    name: String,
    topic: String,
    partition: Option<u32>,
    state: &'static str,
    partitions: u64,
    segments: u64,
    size_bytes: u64,
    /// First offset, and the one behind the last.
    offsets: Option<(i64, i64)>,
    /// At most so many, where they are of several logs and have no offsets together.
    together: u64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    notes: Vec<&'static str>,
}

/// Lists what the paths mean.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("ls", &[Output::Human, Output::Jsonl])?;
    let mut ls = Ls { args, global, out: Out::paged(global), exit: Exit::Done };
    for target in args.paths.targets(global) {
        let done = match target {
            Ok(Target::LogDirectory(directory)) => ls.directory(&directory),
            Ok(Target::Partition(partition)) => ls.partition(&partition),
            Ok(Target::File(input)) => ls.file(&input),
            Err(failure) => Err(failure),
        };
        ls.note(done)?;
    }
    ls.out.flush()?;
    Ok(ls.exit)
}

struct Ls<'a> {
    args: &'a Args,
    global: &'a Global,
    out: Out,
    exit: Exit,
}

impl Ls<'_> {
    /// Reports what could not be looked at; the rest goes on.
    fn note(&mut self, done: Result<()>) -> Result<()> {
        match done {
            Err(failure) if failure.of_output => return Err(failure),
            Err(failure) => {
                self.out.flush()?;
                complain("error", &failure.message);
                self.exit = self.exit.and(failure.exit);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn directory(&mut self, directory: &LogDirectory) -> Result<()> {
        let chosen = self.args.paths.partitions(directory)?;
        let mut all = Vec::new();
        for partition in &directory.partitions {
            let kept = chosen.iter().any(|it| it.path == partition.path)
                || (partition.state != State::Live && self.args.paths.takes_all());
            if !kept {
                continue;
            }
            let found = if self.args.segments { segments(partition) } else { one_row(partition) };
            match found {
                Ok(rows) => all.extend(rows),
                Err(failure) => self.note(Err(failure))?,
            }
        }
        let by_topic = !self.args.partitions && !self.args.segments && all.len() >= MANY;
        let kind = match (by_topic, self.args.segments) {
            (true, _) => "topic",
            (_, true) => "segment",
            _ => "partition",
        };
        let total = total(&all);
        let mut rows = if by_topic { topics(all) } else { all };
        self.sort(&mut rows);
        if !self.global.is_json() {
            self.out.text(heading(directory, &total))?;
            rows.iter_mut().filter(|_| !by_topic && !self.args.segments).for_each(Facts::shorten);
        }
        self.show(kind, &rows, Some(&total))
    }

    fn partition(&mut self, partition: &Partition) -> Result<()> {
        let mut rows = segments(partition)?;
        if rows.is_empty() {
            let name = &partition.name;
            return Err(Failure::environment(format!(
                "{name}: no segment (*.log) in this directory"
            )));
        }
        let total = total(&rows);
        if self.args.partitions {
            return self.show("partition", &one_row(partition)?, None);
        }
        self.sort(&mut rows);
        if !self.global.is_json() {
            let segments = many(total.segments, "segment", "segments");
            let size = bytes(total.size_bytes);
            self.out.text(format_args!("{}  {segments} · {size}", partition.name))?;
            rows.iter_mut().for_each(Facts::shorten);
        }
        self.show("segment", &rows, (rows.len() > 1).then_some(&total))
    }

    fn file(&mut self, input: &Input) -> Result<()> {
        let row = match input.kind {
            Kind::Log => segment(input, true, true)?,
            _ => Facts {
                name: input.name.clone(),
                size_bytes: size_of(&input.path)?,
                state: input.kind.name(),
                ..Facts::default()
            },
        };
        self.show("segment", &[row], None)
    }

    fn sort(&self, rows: &mut [Facts]) {
        match self.args.sort {
            Sort::Name => {}
            Sort::Size => rows.sort_by_key(|row| std::cmp::Reverse(row.size_bytes)),
            Sort::Records => rows.sort_by_key(|row| std::cmp::Reverse(row.records())),
        }
    }

    fn show(&mut self, kind: &str, rows: &[Facts], total: Option<&Facts>) -> Result<()> {
        if self.global.is_json() {
            for row in rows {
                row.write_json(kind, self.out.line());
                self.out.settle()?;
            }
            if let Some(total) = total {
                total.write_json("summary", self.out.line());
            }
            return Ok(());
        }
        let times = self.global.times();
        let first = match kind {
            "topic" => "TOPIC",
            "segment" => "SEGMENT",
            _ => "PARTITION",
        };
        let (from, to) = (times.heading("FROM"), times.heading("TO"));
        let inner = if kind == "topic" { "PARTITIONS" } else { "SEGMENTS" };
        let columns = [
            (first, Align::Left),
            (if kind == "segment" { "" } else { inner }, Align::Right),
            ("SIZE", Align::Right),
            ("OFFSETS", Align::Left),
            ("RECORDS ≤", Align::Right),
            (from.as_str(), Align::Left),
            (to.as_str(), Align::Left),
            ("STATE", Align::Left),
        ];
        let mut grid = Grid::new(&columns);
        for row in rows {
            grid.row(row.cells(kind, &times));
        }
        if let Some(total) = total.filter(|_| rows.len() > 1) {
            grid.total(total.cells(kind, &times));
        }
        grid.write(&mut self.out)
    }
}

fn heading(directory: &LogDirectory, total: &Facts) -> String {
    format!(
        "{}  {} · {} · {}",
        directory.name,
        many(total.partitions, "partition", "partitions"),
        many(total.segments, "segment", "segments"),
        bytes(total.size_bytes)
    )
}

impl Facts {
    /// At most so many records: offsets may be missing.
    fn records(&self) -> u64 {
        self.offsets.map_or(self.together, |(from, to)| to.abs_diff(from))
    }

    /// Leaves of the path what stands below the heading.
    fn shorten(&mut self) {
        let name = Path::new(&self.name).file_name().and_then(|name| name.to_str());
        self.name = name.unwrap_or_default().to_owned();
    }

    fn cells(&self, kind: &str, times: &Times) -> Vec<String> {
        let time = |ms: Option<i64>| ms.map_or("–".to_owned(), |ms| times.in_column(ms));
        let offsets = match self.offsets {
            Some((from, to)) if kind != "topic" && to > from => format!("{from}–{}", to - 1),
            _ => "–".to_owned(),
        };
        let mut state = vec![self.state];
        state.extend(&self.notes);
        state.retain(|word| !word.is_empty() && *word != "live");
        let inner = if kind == "topic" { self.partitions } else { self.segments };
        vec![
            self.name.clone(),
            if kind == "segment" { String::new() } else { count(inner) },
            bytes(self.size_bytes),
            offsets,
            count(self.records()),
            time(self.first_ms),
            time(self.last_ms),
            state.join(", "),
        ]
    }

    fn write_json(&self, kind: &str, out: &mut Vec<u8>) {
        let mut line = Object::line(kind, out);
        if kind == "summary" {
            line.text("schema", json::SCHEMA);
        } else {
            line.text("path", &self.name);
            line.text("topic", &self.topic);
            line.maybe_number("partition", self.partition);
            line.text("state", self.state);
        }
        line.size("partitions", self.partitions);
        line.size("segments", self.segments);
        line.size("size", self.size_bytes);
        line.maybe_number("startOffset", self.offsets.map(|it| it.0));
        line.maybe_number("endOffset", self.offsets.map(|it| it.1));
        line.size("recordsAtMost", self.records());
        line.maybe_number("firstTimestamp", self.first_ms);
        line.maybe_number("lastTimestamp", self.last_ms);
        line.texts("notes", &self.notes);
        line.end_line();
    }
}

fn size_of(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path);
    Ok(metadata.map_err(|error| Failure::io("read", path, &error))?.len())
}

/// A row for a partition: its ends, and the sizes of its segments.
fn one_row(partition: &Partition) -> Result<Vec<Facts>> {
    let logs = logs_of(partition)?;
    let mut row = Facts {
        name: partition.name.clone(),
        topic: partition.topic.clone(),
        partition: Some(partition.number),
        state: partition.state.name(),
        partitions: 1,
        ..Facts::default()
    };
    let last = logs.len().saturating_sub(1);
    for (number, input) in logs.iter().enumerate() {
        if number != 0 && number != last {
            row.segments += 1;
            row.size_bytes += size_of(&input.path)?;
            continue;
        }
        let ends = segment(input, number == 0, number == last)?;
        row.segments += 1;
        row.size_bytes += ends.size_bytes;
        row.first_ms = row.first_ms.or(ends.first_ms);
        row.last_ms = row.last_ms.max(ends.last_ms);
        let (from, to) = ends.offsets.unwrap_or((0, 0));
        row.offsets = Some((row.offsets.map_or(from, |offsets| offsets.0), to));
        row.notes.extend(ends.notes);
    }
    Ok(vec![row])
}

fn logs_of(partition: &Partition) -> Result<Vec<Input>> {
    Ok(partition.log_if_any()?.map(|log| log.segments).unwrap_or_default())
}

/// A row for each segment of a partition, and for what else of a segment lies there.
fn segments(partition: &Partition) -> Result<Vec<Facts>> {
    let logs = logs_of(partition)?;
    let mut rows = Vec::new();
    for (number, input) in logs.iter().enumerate() {
        let mut row = segment(input, true, true)?;
        row.state = if number + 1 == logs.len() { "active" } else { "inactive" };
        rows.push(row);
    }
    for input in partition.files()?.iter().filter(|input| input.kind == Kind::Log) {
        let name = input.path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        let state = match name {
            "deleted" => "deleted",
            "cleaned" => "cleaned",
            "swap" => "swap",
            _ => continue,
        };
        let size_bytes = size_of(&input.path)?;
        let name = input.name.clone();
        let topic = partition.topic.clone();
        rows.push(Facts { name, topic, state, size_bytes, segments: 1, ..Facts::default() });
    }
    for row in &mut rows {
        row.partition = Some(partition.number);
        row.topic.clone_from(&partition.topic);
    }
    Ok(rows)
}

/// A segment by its ends.
fn segment(input: &Input, first: bool, last: bool) -> Result<Facts> {
    let failed = |error| Failure::io("read", &input.path, &error);
    let ends = if first || last {
        peek::ends(&input.path, first).map_err(failed)?
    } else {
        Ends { size_bytes: size_of(&input.path)?, ..Ends::default() }
    };
    let base = input.base()?;
    // A wrapper of an old format tells its last offset alone.
    let first = ends.first.filter(|header| !header.is_legacy());
    let from = first.map_or(base, |header| header.base_offset());
    let to = ends.last.map_or(from, |header| header.next_offset());
    let note = ends.behind.map(|behind| match behind {
        Behind::Zeros => "zeros behind",
        Behind::Unfinished => "unfinished batch",
        Behind::Damage => "damage",
    });
    Ok(Facts {
        name: input.name.clone(),
        topic: input.partition.as_ref().map(|it| it.0.clone()).unwrap_or_default(),
        partition: input.partition.as_ref().map(|it| it.1),
        state: "",
        partitions: 0,
        segments: 1,
        size_bytes: ends.size_bytes,
        offsets: Some((from, to.max(from))),
        together: 0,
        first_ms: ends.first.and_then(|header| {
            Some(header.base_timestamp()).filter(|&ms| ms != -1).or(header.max_timestamp())
        }),
        last_ms: ends.max_timestamp.max(place::largest_time(input, from..to)),
        notes: note.into_iter().collect(),
    })
}

/// A row for each topic.
fn topics(partitions: Vec<Facts>) -> Vec<Facts> {
    let mut topics: BTreeMap<String, Vec<Facts>> = BTreeMap::new();
    for row in partitions {
        topics.entry(row.topic.clone()).or_default().push(row);
    }
    let row = |(topic, rows): (String, Vec<Facts>)| Facts {
        name: topic.clone(),
        topic,
        state: "live",
        ..total(&rows)
    };
    topics.into_iter().map(row).collect()
}

/// All of them together.
fn total(rows: &[Facts]) -> Facts {
    let records = rows.iter().map(Facts::records).sum::<u64>();
    let of_one_log =
        rows.iter().all(|row| (&row.topic, row.partition) == (&rows[0].topic, rows[0].partition));
    let ends = rows
        .iter()
        .filter(|row| of_one_log && row.partition.is_some())
        .filter_map(|row| row.offsets);
    let offsets = ends.reduce(|all, next| (all.0.min(next.0), all.1.max(next.1)));
    Facts {
        name: "total".to_owned(),
        partitions: rows.iter().map(|row| row.partitions).sum(),
        segments: rows.iter().map(|row| row.segments).sum(),
        size_bytes: rows.iter().map(|row| row.size_bytes).sum(),
        offsets,
        together: records,
        first_ms: rows.iter().filter_map(|row| row.first_ms).min(),
        last_ms: rows.iter().filter_map(|row| row.last_ms).max(),
        ..Facts::default()
    }
}
