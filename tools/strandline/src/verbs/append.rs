//! `strandline append`: lines become records, records batches.

use std::path::PathBuf;
use std::time::Duration;

use strandline::compression::Compression;
use strandline::{Batch, Durability, Log, partition_for_key};

use crate::common::{StoreArgs, name_and_value, size};
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result};
use crate::global::Global;
use crate::input::lines::Fields;
use crate::input::{Next, Parsed, Source, jsonl, lines};
use crate::output::Out;
use crate::output::human::{count, many, span};
use crate::progress::Progress;

/// Appends a record for each line. Nothing is acknowledged before the command says so at its end;
/// a broken line ends it, with everything before that line appended. While it runs the store keeps
/// house as Kafka does: segments that retention.ms or retention.bytes let go are deleted.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic
    pub(crate) topic: String,

    /// A file, decompressed if its name ends in .zst; stdin without it or for -
    pub(crate) file: Option<PathBuf>,

    /// Append to this partition; else the key decides, as in Kafka, and records without a key go
    /// to a partition a batch in turn
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) partition: Option<u32>,

    /// What a line is: a value, or a `record` line as fetch --json writes it
    #[arg(long, value_name = "FORMAT", default_value = "lines")]
    pub(crate) input_format: InputFormat,

    /// Read each line as JSON too, and take the key from this field (a.b reaches into objects)
    #[arg(long, value_name = "FIELD")]
    pub(crate) key_field: Option<String>,

    /// The same for the time: whole milliseconds, or RFC 3339
    #[arg(long, value_name = "FIELD")]
    pub(crate) timestamp_field: Option<String>,

    /// A header for each record
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) header: Vec<(String, String)>,

    /// none, gzip, snappy, lz4 or zstd, with a level behind a colon; else the topic decides
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    pub(crate) codec: Option<Compression>,

    /// Gather records up to so many bytes, uncompressed, for a batch
    #[arg(long, value_name = "N", default_value = "64KiB", value_parser = size)]
    #[arg(allow_negative_numbers = true)]
    pub(crate) batch_bytes: usize,

    /// What the records survive once the command says that they are appended: a loss of power
    /// (synced), or the death of a process
    #[arg(long, value_name = "HOW", default_value = "synced")]
    pub(crate) durability: DurabilityArg,
}

/// What a line of input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum InputFormat {
    Lines,
    Jsonl,
}

/// See [`strandline::Durability`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DurabilityArg {
    Synced,
    Written,
}

/// A batch that is not full waits so long for more.
const LINGER: Duration = Duration::from_millis(200);
/// So many bytes are appended before they are synced, unless the input rests.
const SYNC_BYTES: usize = 64 << 20;

/// Appends what the input holds, and says where it went.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let fields = Fields { key: args.key_field.clone(), timestamp: args.timestamp_field.clone() };
    if args.input_format == InputFormat::Jsonl
        && (fields.key.is_some() || fields.timestamp.is_some())
    {
        let why = "--key-field and --timestamp-field are for --input-format lines";
        return Err(Failure::usage(why));
    }
    let dir = args.store.dir();
    let store = engine::open(&dir, Purpose::Write)?;
    let topic = engine::topic(&store, &dir, &args.topic)?;
    let logs = engine::logs(&topic, args.partition)?;
    let mut source = Source::open(args.file.as_deref())?;
    let mut appender = Appender::new(logs, args, source.name.clone());
    let mut progress = Progress::new(global);
    let fed = feed(&mut source, &fields, &mut appender, &mut progress);
    progress.clear();
    // What was read before a broken line is appended all the same.
    let ended = appender.settle();
    let closed = store.close().map_err(Failure::from);
    appender.report(args, global)?;
    let settled = ended.and(closed);
    match (fed, settled) {
        (Err(failure), Ok(())) => {
            let records = many(appender.appended(), "record", "records");
            Err(failure.and(format_args!("{records} appended")))
        }
        (Err(failure), Err(other)) => Err(failure.and(other.message)),
        (Ok(()), settled) => settled.map(|()| Exit::Done),
    }
}

fn feed(
    source: &mut Source,
    fields: &Fields,
    to: &mut Appender,
    progress: &mut Progress,
) -> Result<()> {
    let (name, total) = (source.name.clone(), source.total);
    loop {
        let done = source.read_bytes();
        let (number, line) = match source.next(LINGER)? {
            Next::Line(number, line) => (number, line),
            Next::Idle => {
                to.settle()?;
                continue;
            }
            Next::End => return Ok(()),
        };
        let parsed = match to.format {
            InputFormat::Lines => lines::parse(line, fields).map(Some),
            InputFormat::Jsonl => jsonl::parse(line),
        };
        let at_line = |why: String| Failure::usage(format!("{name}: line {number}: {why}"));
        if let Some(record) = parsed.map_err(at_line)? {
            to.push(&record, number)?;
        }
        progress.at(to.pushed, done, total);
    }
}

/// Gathers records into batches, a batch for each partition.
struct Appender {
    targets: Vec<Target>,
    /// What the user knows the input as.
    source: String,
    format: InputFormat,
    headers: Vec<(String, String)>,
    batch_bytes: usize,
    synced: bool,
    /// Where records without a key go until that batch is full.
    turn: usize,
    pushed: u64,
    unsynced_bytes: usize,
}

/// A partition, and what is gathered for it.
struct Target {
    log: Log,
    batch: Batch,
    /// Lines that are gathered: the first, the last.
    lines: (u64, u64),
    /// Offsets of what was appended: the first, the last.
    offsets: Option<(i64, i64)>,
    records: u64,
    batches: u64,
    synced: bool,
}

impl Target {
    /// What was in its batch, as the user can find it.
    fn gathered(&self, records: u64) -> String {
        let (first, last) = self.lines;
        let partition = format!("{}-{}", self.log.topic(), self.log.partition());
        match records {
            1 => format!("line {last}, for {partition}"),
            _ => format!("{records} records of lines {first}–{last}, for {partition}"),
        }
    }
}

impl Appender {
    fn new(logs: Vec<Log>, args: &Args, source: String) -> Appender {
        let most = logs.first().map_or(usize::MAX, max_message_bytes);
        let target = |log| {
            let batch = match args.codec {
                Some(codec) => Batch::new().compression(codec),
                None => Batch::new(),
            };
            Target {
                log,
                batch,
                lines: (0, 0),
                offsets: None,
                records: 0,
                batches: 0,
                synced: true,
            }
        };
        Appender {
            targets: logs.into_iter().map(target).collect(),
            source,
            format: args.input_format,
            headers: args.header.clone(),
            batch_bytes: args.batch_bytes.min(most),
            synced: args.durability == DurabilityArg::Synced,
            turn: 0,
            pushed: 0,
            unsynced_bytes: 0,
        }
    }

    /// Takes a record. A batch that it does not fit into is appended first.
    fn push(&mut self, record: &Parsed<'_>, line: u64) -> Result<()> {
        let partitions = self.targets.len();
        let target = match &record.key {
            Some(key) if partitions > 1 => partition_for_key(key, partitions as u32) as usize,
            _ => self.turn,
        };
        let more: usize =
            self.headers.iter().map(|(name, value)| 10 + name.len() + value.len()).sum();
        let size = record.size_at_most() + more;
        let batch = &self.targets[target].batch;
        if !batch.is_empty() && batch.size_bytes() + size > self.batch_bytes {
            self.append(target)?;
        }
        let gathering = &mut self.targets[target];
        let first = if gathering.batch.is_empty() { line } else { gathering.lines.0 };
        gathering.lines = (first, line);
        record.push_to(&mut gathering.batch, &self.headers);
        self.pushed += 1;
        if self.targets[target].batch.size_bytes() >= self.batch_bytes {
            self.append(target)?;
        }
        Ok(())
    }

    /// Appends what is gathered for a partition. It is dropped if it is refused.
    fn append(&mut self, number: usize) -> Result<()> {
        if number == self.turn {
            self.turn = (number + 1) % self.targets.len();
        }
        let target = &mut self.targets[number];
        let (records, size) = (target.batch.len() as u64, target.batch.size_bytes());
        let appended = target.log.append(&mut target.batch, Durability::Written);
        target.batch.clear();
        let appended = appended.map_err(|error| {
            let place = format!("{}: {}", self.source, target.gathered(records));
            Failure::from(error).at(place)
        })?;
        let first = target.offsets.map_or(appended.base_offset, |(first, _)| first);
        target.offsets = Some((first, appended.last_offset));
        target.records += records;
        target.batches += 1;
        target.synced = false;
        self.unsynced_bytes += size;
        if self.unsynced_bytes >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }

    /// Appends all that is gathered, and makes it as durable as was asked.
    fn settle(&mut self) -> Result<()> {
        let mut first = Ok(());
        for number in 0..self.targets.len() {
            if !self.targets[number].batch.is_empty() {
                first = first.and(self.append(number));
            }
        }
        first.and(self.sync())
    }

    fn sync(&mut self) -> Result<()> {
        self.unsynced_bytes = 0;
        if self.synced {
            for target in self.targets.iter_mut().filter(|target| !target.synced) {
                target.log.flush()?;
                target.synced = true;
            }
        }
        Ok(())
    }

    fn appended(&self) -> u64 {
        self.targets.iter().map(|target| target.records).sum()
    }

    /// Says what was appended where: the acknowledgement.
    fn report(&self, args: &Args, global: &Global) -> Result<()> {
        let mut out = Out::new(global);
        let (topic, all) = (&args.topic, many(self.appended(), "record", "records"));
        let how = match self.synced {
            false => "written",
            true if self.targets.iter().all(|target| target.synced) => "durable",
            true => "not known to be durable",
        };
        let used: Vec<_> = self.targets.iter().filter(|target| target.records > 0).collect();
        out.text(match used.as_slice() {
            [one] => {
                let (first, last) = one.offsets.unwrap_or_default();
                let partition = one.log.partition();
                format!("appended {all} to {topic}-{partition}, {}, {how}", span(first, last))
            }
            _ => format!("appended {all} to {topic}, {how}"),
        })?;
        for target in used.iter().filter(|_| used.len() > 1) {
            let (first, last) = target.offsets.unwrap_or_default();
            let (partition, records) = (target.log.partition(), count(target.records));
            out.text(format!("  partition {partition}: {records} at {}", span(first, last)))?;
        }
        out.flush()
    }
}

/// The topic's `max.message.bytes`: a batch of the default size must not be refused.
fn max_message_bytes(log: &Log) -> usize {
    let set = log.config().to_pairs().find(|(name, _)| *name == "max.message.bytes");
    set.and_then(|(_, value)| value.parse().ok()).unwrap_or(1_048_588)
}
