//! `strandline fetch`: records by offset or by time, of any of Kafka's log directories.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use signal_hook::consts::SIGINT;
use strandline::record::{BatchHeader, FetchedRecord};
use strandline::{Error, FetchOptions, Fetched, Isolation, Log};

use crate::common::StoreArgs;
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::Global;
use crate::output::Out;
use crate::output::format::Row;
use crate::output::human::Rows;
use crate::output::record::{OF_A_PARTITION, Writer};
use crate::time;

/// Fetches records, of one partition after the other. The directory is opened for reading, needs
/// not be ours, and may be in use.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic
    pub(crate) topic: String,

    /// Only this partition
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) partition: Option<u32>,

    /// Begin at this offset [default: the first that is there]
    #[arg(long, value_name = "N", conflicts_with = "time", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offset: Option<i64>,

    /// Begin at the first record of that time or later: 2024-05-01T10:00:00Z, @1714557600000, -15m
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) time: Option<String>,

    /// At most so many records
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<u64>,

    /// Whether records of open and aborted transactions are left out
    #[arg(long, value_name = "WHICH", default_value = "uncommitted")]
    pub(crate) isolation: IsolationArg,

    /// Go on as records come, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// See [`strandline::Isolation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IsolationArg {
    Committed,
    Uncommitted,
}

/// What one fetch brings.
const FETCH_BYTES: usize = 4 << 20;
/// No batch is inflated to more.
const MOST_INFLATED: usize = 1 << 30;
/// How often files that somebody else writes are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Writes the records that are asked for.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let dir = args.store.dir();
    let store = engine::open(&dir, Purpose::Read)?;
    let topic = engine::topic(&store, &dir, &args.topic)?;
    let logs = engine::logs(&topic, args.partition)?;
    let mut fetch = Fetch::new(args, global)?;
    let from_ms = args.time.as_deref().map(|text| time::parse(text, time::now_ms())).transpose();
    let from_ms = from_ms.map_err(Failure::usage)?;
    let mut readers = Vec::new();
    for log in logs {
        let mut reader = match fetch.begin(&log, from_ms) {
            Ok(next) => Reader { log, next, seen: None },
            Err(failure) => {
                fetch.give_up(&log, &failure)?;
                continue;
            }
        };
        fetch.say_what_is_missing(&reader)?;
        fetch.drain(&mut reader)?;
        readers.push(reader);
    }
    fetch.out.flush()?;
    if args.follow {
        fetch.follow(&mut readers)?;
    }
    fetch.out.flush()?;
    Ok(fetch.exit)
}

/// A partition, and how far it was read.
struct Reader {
    log: Log,
    next: i64,
    /// What its files looked like when they were last opened.
    seen: Option<Seen>,
}

/// Enough of a partition's files to see that something was written.
#[derive(PartialEq, Eq)]
struct Seen {
    active: PathBuf,
    len: u64,
    changed: [Option<SystemTime>; 2],
}

struct Fetch<'a> {
    args: &'a Args,
    global: &'a Global,
    options: FetchOptions,
    isolation: Isolation,
    out: Out,
    writer: Option<Writer>,
    rows: Rows,
    written: u64,
    exit: Exit,
}

impl<'a> Fetch<'a> {
    fn new(args: &'a Args, global: &'a Global) -> Result<Self> {
        let isolation = match args.isolation {
            IsolationArg::Committed => Isolation::ReadCommitted,
            IsolationArg::Uncommitted => Isolation::ReadUncommitted,
        };
        let options = FetchOptions::new()
            .max_bytes(FETCH_BYTES)
            .max_inflated_bytes(MOST_INFLATED)
            .isolation(isolation);
        let mut out = Out::new(global);
        let rows = Rows::new(out.style, out.width, global.times());
        let writer = Writer::new(global, OF_A_PARTITION)?;
        if let Some(writer) = &writer {
            writer.heading(out.line());
        }
        Ok(Fetch {
            args,
            global,
            options,
            isolation,
            out,
            writer,
            rows,
            written: 0,
            exit: Exit::Done,
        })
    }

    fn is_enough(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.written >= limit)
    }

    /// The offset to begin at.
    fn begin(&self, log: &Log, from_ms: Option<i64>) -> Result<i64> {
        if let Some(ms) = from_ms {
            let found = log.offset_for_time(ms, self.isolation)?;
            return match found {
                Some(found) => Ok(found.offset),
                None => Ok(log.log_end_offset()?),
            };
        }
        match self.args.offset {
            Some(offset) => Ok(offset),
            None => Ok(log.log_start_offset()?),
        }
    }

    /// Says why a partition is not read any further; the others are.
    fn give_up(&mut self, log: &Log, failure: &Failure) -> Result<()> {
        self.out.flush()?;
        self.exit = self.exit.and(failure.exit);
        complain("error", format_args!("{}-{}: {}", log.topic(), log.partition(), failure.message));
        Ok(())
    }

    /// Says which records of those that are asked for were there once and are gone.
    fn say_what_is_missing(&mut self, reader: &Reader) -> Result<()> {
        match reader.log.gap() {
            Ok(Some(gap)) if gap.end > reader.next => {
                let (from, to) = (gap.start, gap.end);
                let missing = Error::GapNotAccepted { from, to };
                let failure = Failure { exit: Exit::Incomplete, ..missing.into() };
                self.give_up(&reader.log, &failure)
            }
            Ok(_) => Ok(()),
            Err(error) => self.give_up(&reader.log, &error.into()),
        }
    }

    /// Writes what there is behind `reader.next`.
    fn drain(&mut self, reader: &mut Reader) -> Result<()> {
        while !self.is_enough() {
            match reader.log.fetch(reader.next, self.options) {
                Ok(fetched) => {
                    self.write(&reader.log, &fetched)?;
                    if fetched.next_offset() <= reader.next {
                        break;
                    }
                    reader.next = fetched.next_offset();
                }
                Err(Error::Corrupt { path, position, offsets: Some((first, last)), cause })
                    if last >= reader.next =>
                {
                    let offsets = Some((first, last));
                    let failure = Error::Corrupt { path, position, offsets, cause }.into();
                    self.give_up(&reader.log, &failure)?;
                    reader.next = last + 1;
                }
                Err(error) => {
                    self.give_up(&reader.log, &error.into())?;
                    reader.next = i64::MAX;
                    break;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, log: &Log, fetched: &Fetched) -> Result<()> {
        let with_batches = self.global.format.is_some() || !self.global.fields.is_empty();
        let mut headers: Vec<BatchHeader> = Vec::new();
        if with_batches {
            headers.extend(fetched.batches().map(|batch| *batch.header()));
        }
        let mut batch = 0;
        for record in fetched.records() {
            if self.is_enough() {
                break;
            }
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.give_up(log, &error.into())?;
                    continue;
                }
            };
            while headers.get(batch).is_some_and(|header| header.last_offset() < record.offset()) {
                batch += 1;
            }
            self.write_record(log, &record, headers.get(batch))?;
            self.written += 1;
        }
        Ok(())
    }

    fn write_record(
        &mut self,
        log: &Log,
        record: &FetchedRecord<'_>,
        batch: Option<&BatchHeader>,
    ) -> Result<()> {
        let (topic, partition) = (log.topic(), log.partition());
        let out = self.out.line();
        match &self.writer {
            Some(writer) => {
                let number = self.written;
                writer.write(
                    Row { record, batch, batch_position: None, topic, partition, number },
                    out,
                )?;
            }
            None => self.rows.record(record, out),
        }
        self.out.settle()
    }

    /// Goes on as records come, until Ctrl-C.
    fn follow(&mut self, readers: &mut [Reader]) -> Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let failed = |error| Failure::environment(format!("cannot wait for Ctrl-C: {error}"));
        // A second one ends it whatever it is doing.
        signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&stop))
            .map_err(failed)?;
        signal_hook::flag::register(SIGINT, Arc::clone(&stop)).map_err(failed)?;
        while !self.is_enough() && !stop.load(Ordering::Relaxed) {
            for reader in readers.iter_mut().filter(|reader| reader.next < i64::MAX) {
                let seen = reader.look()?;
                if reader.seen.as_ref() != Some(&seen) {
                    reader.log.refresh()?;
                    reader.seen = Some(seen);
                    self.drain(reader)?;
                }
            }
            self.out.flush()?;
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Reader {
    /// What the files look like now.
    fn look(&self) -> Result<Seen> {
        let segments = self.log.segments()?;
        let active = segments.last().map(|segment| segment.path.clone()).unwrap_or_default();
        let file = std::fs::metadata(&active).ok();
        let dir = active.parent().and_then(|dir| std::fs::metadata(dir).ok());
        let changed = [&file, &dir].map(|metadata| metadata.as_ref()?.modified().ok());
        Ok(Seen { active, len: file.map_or(0, |file| file.len()), changed })
    }
}
