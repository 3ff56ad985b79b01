//! `strandline fetch`: records by offset or by time, of any of Kafka's log directories.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::SIGINT;
use strandline::record::{BatchHeader, FetchedRecord};
use strandline::{Error, FetchOptions, Fetched, Follower, Isolation, Log, Store};

use crate::common::StoreArgs;
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::Global;
use crate::output::Out;
use crate::output::decode::Decoder;
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
/// How long Ctrl-C may have to wait.
const PATIENCE: Duration = Duration::from_millis(100);

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
            Ok(follower) => Reader { follower, has_begun: false, is_stuck: false, is_over: false },
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
        fetch.follow(&store, &mut readers)?;
    }
    fetch.out.flush()?;
    Ok(fetch.exit)
}

/// A partition, and how far it was read.
struct Reader {
    follower: Follower,
    /// Whether something was read.
    has_begun: bool,
    /// Whether it was told that what comes next is damaged.
    is_stuck: bool,
    /// Whether nothing more is read.
    is_over: bool,
}

struct Fetch<'a> {
    args: &'a Args,
    global: &'a Global,
    options: FetchOptions,
    isolation: Isolation,
    out: Out,
    writer: Option<Writer>,
    rows: Rows,
    decoder: Option<Decoder>,
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
        let rows = Rows::new(out.style, out.width, global);
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
            decoder: Decoder::new(global)?,
            written: 0,
            exit: Exit::Done,
        })
    }

    fn is_enough(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.written >= limit)
    }

    /// The place to begin at.
    fn begin(&self, log: &Log, from_ms: Option<i64>) -> Result<Follower> {
        let offset = match (from_ms, self.args.offset) {
            (Some(ms), _) => match log.offset_for_time(ms, self.isolation)? {
                Some(found) => found.offset,
                None => log.log_end_offset()?,
            },
            (None, Some(offset)) => offset,
            (None, None) => log.log_start_offset()?,
        };
        Ok(log.follow(offset, self.options)?)
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
        let log = reader.follower.log();
        match log.gap() {
            Ok(Some(gap)) if gap.end > reader.follower.offset() => {
                let (from, to) = (gap.start, gap.end);
                let missing = Error::GapNotAccepted { from, to };
                let failure = Failure { exit: Exit::Incomplete, ..missing.into() };
                self.give_up(log, &failure)
            }
            Ok(_) => Ok(()),
            Err(error) => self.give_up(log, &error.into()),
        }
    }

    /// Writes what there is behind the reader's place.
    fn drain(&mut self, reader: &mut Reader) -> Result<()> {
        while !self.is_enough() && !reader.is_over {
            match reader.follower.fetch() {
                Ok(fetched) if fetched.is_empty() => break,
                Ok(fetched) => {
                    (reader.has_begun, reader.is_stuck) = (true, false);
                    self.write(reader.follower.log(), &fetched)?;
                }
                Err(error) => {
                    if !self.goes_on(reader, error)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Says what happened to a log, and whether there may be more to read all the same.
    fn goes_on(&mut self, reader: &mut Reader, error: Error) -> Result<bool> {
        let offset = reader.follower.offset();
        let behind = match &error {
            Error::Corrupt { offsets: Some((_, last)), .. } if *last >= offset => Some(last + 1),
            Error::OffsetOutOfRange { log_start, .. } if offset < *log_start => {
                Some(*log_start).filter(|_| reader.has_begun)
            }
            Error::Truncated { .. } => Some(offset),
            _ => None,
        };
        // What fails at the log's end may come after all.
        let may_come = matches!(error, Error::Corrupt { .. }) && self.args.follow;
        if !reader.is_stuck {
            let failure = Failure::from(error);
            // What was asked for was there, and is gone.
            let exit = if reader.has_begun { Exit::Incomplete } else { failure.exit };
            let exit = if behind.is_some() { exit } else { failure.exit };
            self.give_up(reader.follower.log(), &Failure { exit, ..failure })?;
        }
        match behind {
            Some(behind) if behind == offset => {}
            Some(behind) => reader.follower.seek(behind)?,
            None => (reader.is_stuck, reader.is_over) = (may_come, !may_come),
        }
        Ok(behind.is_some())
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
        let place = (log.topic(), log.partition(), self.written);
        let mut row = Row::of(record, batch, None, place);
        if let Some(decoder) = &mut self.decoder {
            (row.key, row.value) = decoder.record(record)?;
        }
        let out = self.out.line();
        match &self.writer {
            Some(writer) => writer.write(row, out)?,
            None => self.rows.row(row, out),
        }
        self.out.settle()
    }

    /// Goes on as records come, until Ctrl-C.
    fn follow(&mut self, store: &Store, readers: &mut [Reader]) -> Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let failed = |error| Failure::environment(format!("cannot wait for Ctrl-C: {error}"));
        // A second one ends it whatever it is doing.
        signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&stop))
            .map_err(failed)?;
        signal_hook::flag::register(SIGINT, Arc::clone(&stop)).map_err(failed)?;
        let mut changes = store.changes();
        while !self.is_enough() && !stop.load(Ordering::Relaxed) {
            for reader in readers.iter_mut() {
                self.drain(reader)?;
            }
            self.out.flush()?;
            if readers.iter().all(|reader| reader.is_over) {
                break;
            }
            changes = store.wait_for_changes(changes, PATIENCE);
        }
        Ok(())
    }
}
