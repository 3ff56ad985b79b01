//! `strandline txn`: transactions that are open or aborted, and what they hide from readers.

mod ids;
mod replay;

use strandline::record::{ControlRecord, RecordBatch, TransactionEnd};

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::escape;
use crate::output::grid::{Align, Grid};
use crate::output::human::{many, span};
use crate::output::json::{self, Object};
use crate::paths::{OneLog, PathArgs};
use crate::reading::batches::{RecordReader, each_batch};
use crate::time;
use ids::{Id, Ids};
use replay::{Producer, Replay, Transaction};

/// Shows the transactions that are open or were aborted, the offset up to which all is decided,
/// and how many records wait behind it. Transactional ids come from `__transaction_state` in the
/// same log directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// A row for each producer, not for each transaction
    #[arg(long)]
    producers: bool,

    /// Only of this transactional id, and what its coordinator says of it
    #[arg(long, value_name = "ID")]
    transactional_id: Option<String>,

    /// Only transactions open for longer than this: 15m, 1h; exit 1 if there are any
    #[arg(long, value_name = "TIME", value_parser = time::duration_ms, conflicts_with = "producers")]
    hanging_after: Option<i64>,
}

/// Shows what the paths mean.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("txn", &[Output::Human, Output::Jsonl])?;
    global.shows_plain_bytes("txn")?;
    let (logs, exit) = args.paths.logs(global)?;
    let (ids, found) = Ids::beside(&logs, global)?;
    let mut txn = Txn {
        args,
        global,
        ids,
        only: None,
        now_ms: time::now_ms(),
        out: Out::new(global),
        hanging: 0,
        exit: exit.and(found),
    };
    if let Some(name) = &args.transactional_id {
        txn.only = Some(txn.id(name)?);
    }
    for log in &logs {
        match txn.log(log) {
            Err(failure) if failure.of_output => return Err(failure),
            Err(failure) => {
                txn.out.flush()?;
                complain("error", &failure.message);
                txn.exit = txn.exit.and(failure.exit);
            }
            Ok(()) => {}
        }
    }
    txn.out.flush()?;
    let answer = if txn.hanging > 0 { Exit::No } else { Exit::Done };
    Ok(txn.exit.and(answer))
}

struct Txn<'a> {
    args: &'a Args,
    global: &'a Global,
    ids: Ids,
    /// Only this producer.
    only: Option<i64>,
    now_ms: i64,
    out: Out,
    hanging: u64,
    exit: Exit,
}

/// How a transaction stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Hanging,
    Aborted,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Hanging => "hanging",
            State::Aborted => "aborted",
        }
    }
}

impl Txn<'_> {
    /// Shows what the coordinator says of an id, and gives its producer.
    fn id(&mut self, name: &str) -> Result<i64> {
        let Some(id) = self.ids.0.get(name) else {
            let name = escape::one_line(name);
            return Err(Failure {
                exit: Exit::No,
                ..Failure::usage(format!("no transactional id {name} in __transaction_state here"))
            });
        };
        if self.global.is_json() {
            id_line(name, id, self.out.line());
        } else {
            let times = self.global.times();
            let since = id
                .started_ms
                .map_or_else(String::new, |ms| format!(" · begun {}", times.in_column(ms)));
            self.out.row(format_args!(
                "{}  producer {}/{} · {}{since} · updated {} · time-out {} · {}",
                escape::one_line(name),
                id.producer,
                id.epoch,
                id.state,
                times.in_column(id.updated_ms),
                lasted(id.timeout_ms),
                many(id.partitions.len() as u64, "partition", "partitions")
            ))?;
        }
        self.out.settle()?;
        Ok(self.ids.0.get(name).map_or(-1, |id| id.producer))
    }

    /// Shows one log.
    fn log(&mut self, log: &OneLog) -> Result<()> {
        let mut replay = Replay::default();
        let mut reader = RecordReader::new(self.global.max_inflated());
        let mut exit = Exit::Done;
        let walked = each_batch(log, |batch| {
            let header = batch.header();
            let mut end = None;
            if header.attributes().is_control() {
                let (read, said) = marker(log, batch, &mut reader)?;
                exit = exit.and(read);
                end = said;
            }
            replay.batch(header, end);
            Ok(())
        })?;
        self.exit = self.exit.and(exit).and(walked);
        self.heading(log, &replay)?;
        if self.args.producers { self.producers(log, &replay) } else { self.rows(log, &replay) }
    }

    fn heading(&mut self, log: &OneLog, replay: &Replay) -> Result<()> {
        let open = replay.open();
        if self.global.is_json() {
            let (start, next) = replay.offsets.unzip();
            let mut line = Object::line("transactions", self.out.line());
            place(&mut line, log);
            line.maybe_number("logStartOffset", start);
            line.maybe_number("logEndOffset", next);
            line.number("lastStableOffset", replay.last_stable_offset());
            line.size("hiddenRecords", replay.hidden());
            line.maybe_number("blockedBy", open.first().map(|first| first.producer_id));
            line.size("open", open.len() as u64);
            line.size("aborted", replay.aborted.len() as u64);
            line.size("committed", replay.committed);
            line.end_line();
            return self.out.settle();
        }
        let offsets = match replay.offsets {
            Some((start, next)) if next > start => span(start, next - 1),
            _ => "no records".to_owned(),
        };
        let stable = match open.first() {
            None => "all decided".to_owned(),
            Some(first) => format!(
                "last stable offset {}: {} behind the open transaction of producer {}",
                first.first_offset,
                many(replay.hidden(), "record waits", "records wait"),
                first.producer_id
            ),
        };
        self.out.row(format_args!(
            "{}  {offsets} · {} open, {} aborted, {} committed · {stable}",
            log.name,
            open.len(),
            replay.aborted.len(),
            replay.committed
        ))
    }

    /// The transactions that are asked for.
    fn rows(&mut self, log: &OneLog, replay: &Replay) -> Result<()> {
        let mut rows = Vec::new();
        let only = self.only;
        let asked = |id: i64| only.is_none_or(|only| only == id);
        for open in replay.open().into_iter().filter(|it| asked(it.producer_id)) {
            let open_ms = open.first_ms.map_or(0, |first| self.now_ms.saturating_sub(first));
            let state = match self.args.hanging_after {
                Some(after) if open_ms <= after => continue,
                Some(_) => State::Hanging,
                None => State::Open,
            };
            self.hanging += u64::from(state == State::Hanging);
            rows.push((open, state));
        }
        if self.args.hanging_after.is_none() {
            let aborted = replay.aborted.iter().filter(|it| asked(it.producer_id));
            rows.extend(aborted.map(|aborted| (aborted, State::Aborted)));
        }
        if self.global.is_json() {
            for (transaction, state) in rows {
                self.transaction_line(log, transaction, state);
                self.out.settle()?;
            }
            return Ok(());
        }
        if rows.is_empty() {
            return Ok(());
        }
        let times = self.global.times();
        let mut grid = Grid::new(&[
            ("PRODUCER", Align::Left),
            ("STATE", Align::Left),
            ("OFFSETS", Align::Left),
            ("RECORDS", Align::Right),
            (&times.heading("LAST TIME"), Align::Left),
            ("OPEN FOR", Align::Right),
            ("TRANSACTIONAL ID", Align::Left),
        ]);
        for (transaction, state) in rows {
            let open_for = match (state, transaction.first_ms) {
                (State::Open | State::Hanging, Some(first)) => {
                    lasted(self.now_ms.saturating_sub(first))
                }
                _ => String::new(),
            };
            grid.row(vec![
                format!("{}/{}", transaction.producer_id, transaction.epoch),
                state.name().to_owned(),
                format!("{}–{}", transaction.first_offset, transaction.last_offset),
                transaction.records.to_string(),
                transaction.last_ms.map_or_else(String::new, |ms| times.in_column(ms)),
                open_for,
                self.ids.of(transaction.producer_id).map_or_else(String::new, escape::one_line),
            ]);
        }
        grid.write(&mut self.out)
    }

    fn transaction_line(&mut self, log: &OneLog, transaction: &Transaction, state: State) {
        let is_open = state != State::Aborted;
        let open_ms = transaction.first_ms.map(|first| self.now_ms.saturating_sub(first));
        let mut line = Object::line("transaction", self.out.line());
        place(&mut line, log);
        line.number("producerId", transaction.producer_id);
        line.number("producerEpoch", transaction.epoch);
        line.maybe_text("transactionalId", self.ids.of(transaction.producer_id));
        line.text("state", state.name());
        line.number("firstOffset", transaction.first_offset);
        line.number("lastOffset", transaction.last_offset);
        line.size("records", transaction.records);
        line.maybe_number("firstTimestamp", transaction.first_ms);
        line.maybe_number("lastTimestamp", transaction.last_ms);
        line.maybe_number("openMs", open_ms.filter(|_| is_open));
        line.end_line();
    }

    fn producers(&mut self, log: &OneLog, replay: &Replay) -> Result<()> {
        let only = self.only;
        let asked = replay.producers.iter().filter(|(id, _)| only.is_none_or(|it| it == **id));
        if self.global.is_json() {
            for (&id, producer) in asked {
                producer_line(log, (id, producer), self.ids.of(id), self.out.line());
                self.out.settle()?;
            }
            return Ok(());
        }
        let (times, number) = (self.global.times(), |number: Option<i64>| {
            number.map_or_else(String::new, |number| number.to_string())
        });
        let mut grid = Grid::new(&[
            ("PRODUCER", Align::Left),
            ("LAST SEQ", Align::Right),
            ("LAST OFFSET", Align::Right),
            (&times.heading("LAST TIME"), Align::Left),
            ("COORDINATOR", Align::Right),
            ("OPEN SINCE", Align::Right),
            ("TRANSACTIONAL ID", Align::Left),
        ]);
        for (&id, producer) in asked {
            grid.row(vec![
                format!("{id}/{}", producer.epoch),
                number(producer.last_sequence.map(i64::from)),
                number(producer.last_offset),
                producer.last_ms.map_or_else(String::new, |ms| times.in_column(ms)),
                number(producer.coordinator_epoch.map(i64::from)),
                number(producer.open.as_ref().map(|open| open.first_offset)),
                self.ids.of(id).map_or_else(String::new, escape::one_line),
            ]);
        }
        grid.write(&mut self.out)
    }
}

/// What the marker of a control batch says.
fn marker(
    log: &OneLog,
    batch: &RecordBatch<'_>,
    reader: &mut RecordReader,
) -> Result<(Exit, Option<(TransactionEnd, i32)>)> {
    let mut end = None;
    let exit = reader.each_record(log, batch, |record| {
        if let Ok(ControlRecord::EndTransaction { end: how, coordinator_epoch }) =
            ControlRecord::decode(record)
        {
            end = Some((how, coordinator_epoch));
        }
        Ok(())
    })?;
    Ok((exit, end))
}

/// Topic and partition of a log, where its directory tells.
fn place(line: &mut Object<'_>, log: &OneLog) {
    let (topic, partition) = log.partition.as_ref().map(|(t, p)| (t.as_str(), *p)).unzip();
    line.text("path", &log.name);
    line.maybe_text("topic", topic);
    line.maybe_number("partition", partition);
}

fn producer_line(
    log: &OneLog,
    (id, producer): (i64, &Producer),
    transactional_id: Option<&str>,
    out: &mut Vec<u8>,
) {
    let mut line = Object::line("producer", out);
    place(&mut line, log);
    line.number("producerId", id);
    line.number("producerEpoch", producer.epoch);
    line.maybe_text("transactionalId", transactional_id);
    line.maybe_number("coordinatorEpoch", producer.coordinator_epoch);
    let open = producer.open.as_ref().map(|open| open.first_offset);
    line.maybe_number("currentTxnFirstOffset", open);
    line.maybe_number("lastSequence", producer.last_sequence);
    line.maybe_number("lastOffset", producer.last_offset);
    line.maybe_number("lastTimestamp", producer.last_ms);
    line.end_line();
}

fn id_line(name: &str, id: &Id, out: &mut Vec<u8>) {
    let mut line = Object::line("transactionalId", out);
    line.text("transactionalId", name);
    line.number("producerId", id.producer);
    line.number("producerEpoch", id.epoch);
    line.text("state", id.state);
    line.number("timeoutMs", id.timeout_ms);
    line.maybe_number("startTimestamp", id.started_ms);
    line.number("lastUpdateTimestamp", id.updated_ms);
    let list = line.field("partitions");
    list.push(b'[');
    for (number, (topic, partition)) in id.partitions.iter().enumerate() {
        if number > 0 {
            list.push(b',');
        }
        json::string(&format!("{topic}-{partition}"), list);
    }
    list.push(b']');
    line.end_line();
}

/// A span of time in its two largest units.
fn lasted(ms: i64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d {}h", hours % 24),
        () if hours > 0 => format!("{hours}h {}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m {}s", seconds % 60),
        () => format!("{seconds}s"),
    }
}
