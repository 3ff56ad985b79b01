//! `strandline offsets`: what groups have committed, from `__consumer_offsets`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use strandline::record::{ControlRecord, FetchedRecord, RecordBatch, TransactionEnd};

use crate::exit::{Exit, Failure, Result, complain};
use crate::global::{Global, Output};
use crate::internal::Release;
use crate::internal::coordinator::{Topic, Undecoded};
use crate::output::Out;
use crate::output::escape;
use crate::output::grid::{Align, Grid};
use crate::output::human::many;
use crate::output::json::Object;
use crate::paths::{OneLog, PathArgs};
use crate::reading::batches::{RecordReader, each_batch};
use crate::time;

/// Shows the offsets that groups have committed, the last one for each partition. Those of open
/// transactions are told apart, those of aborted ones left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Log directories, or the partitions or segments of `__consumer_offsets`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Only this group
    #[arg(long, value_name = "G")]
    group: Option<String>,

    /// Only offsets in this topic
    #[arg(long, value_name = "T")]
    topic: Option<String>,

    /// What was committed up to then, as far as compaction has left it: 2024-05-01T10:00:00Z,
    /// @1714557600000, -15m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
}

/// Group, topic, partition.
type Of = (String, String, i64);

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Committed {
    offset: i64,
    leader_epoch: Option<i64>,
    metadata: String,
    commit_ms: i64,
    expire_ms: Option<i64>,
}

/// What a log says.
#[derive(Default)]
struct State {
    committed: BTreeMap<Of, Committed>,
    /// What producers said in transactions that did not end yet; none takes an offset away.
    pending: BTreeMap<i64, Vec<(Of, Option<Committed>)>>,
    /// Records that could not be read.
    unread: u64,
}

/// Shows what the paths mean.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("offsets", &[Output::Human, Output::Jsonl])?;
    global.shows_plain_bytes("offsets")?;
    let at = args.at.as_deref().map(|text| time::parse(text, time::now_ms()));
    let at = at.transpose().map_err(Failure::usage)?;
    let paths = PathArgs {
        paths: args.paths.clone(),
        topic: vec!["__consumer_offsets".to_owned()],
        partition: None,
        exclude: Vec::new(),
    };
    let (logs, mut exit) = paths.logs(global)?;
    if logs.is_empty() && exit == Exit::Done {
        return Err(Failure::environment("no partition of __consumer_offsets is there"));
    }
    let mut state = State::default();
    for log in &logs {
        match state.read(log, at, global) {
            Ok(read) => exit = exit.and(read),
            Err(failure) => {
                complain("error", &failure.message);
                exit = exit.and(failure.exit);
            }
        }
    }
    if state.unread > 0 {
        let unread = many(state.unread, "record is", "records are");
        complain("warning", format_args!("{unread} of an unknown kind or version, and left out"));
    }
    show(args, global, &state)?;
    Ok(exit)
}

impl State {
    /// Takes in a log, up to a time.
    fn read(&mut self, log: &OneLog, at: Option<i64>, global: &Global) -> Result<Exit> {
        let mut reader = RecordReader::new(global.max_inflated());
        let mut exit = Exit::Done;
        // A producer's transactions are of one partition.
        let mut pending = BTreeMap::new();
        let walked = each_batch(log, |batch| {
            let read = reader.each_record(log, batch, |record| {
                let later = at.zip(record.timestamp()).is_some_and(|(at, time)| time > at);
                if !later {
                    self.record(batch, record, &mut pending);
                }
                Ok(())
            })?;
            exit = exit.and(read);
            Ok(())
        })?;
        for (producer, of) in pending {
            self.pending.entry(producer).or_default().extend(of);
        }
        Ok(exit.and(walked))
    }

    fn record(
        &mut self,
        batch: &RecordBatch<'_>,
        record: &FetchedRecord<'_>,
        pending: &mut BTreeMap<i64, Vec<(Of, Option<Committed>)>>,
    ) {
        let attributes = batch.header().attributes();
        let producer = batch.header().producer_id().map_or(-1, |id| id.0);
        if attributes.is_control() {
            let control = ControlRecord::decode(record);
            if let Ok(ControlRecord::EndTransaction { end, .. }) = control {
                let ended = pending.remove(&producer).unwrap_or_default();
                let ended = ended.into_iter().filter(|_| end == TransactionEnd::Commit);
                ended.for_each(|(of, committed)| self.set(of, committed));
            }
            return;
        }
        match decode(record) {
            Ok(Some((of, committed))) if attributes.is_transactional() => {
                pending.entry(producer).or_default().push((of, committed));
            }
            Ok(Some((of, committed))) => self.set(of, committed),
            Ok(None) => {}
            Err(_) => self.unread += 1,
        }
    }

    fn set(&mut self, of: Of, committed: Option<Committed>) {
        match committed {
            Some(committed) => drop(self.committed.insert(of, committed)),
            None => drop(self.committed.remove(&of)),
        }
    }
}

/// What a record says of an offset; records of groups say nothing here.
fn decode(
    record: &FetchedRecord<'_>,
) -> std::result::Result<Option<(Of, Option<Committed>)>, Undecoded> {
    let Some(key) = record.key() else { return Ok(None) };
    let record = Topic::Offsets.decode(Release::V4, key, record.value())?;
    if !matches!(record.kind, 0 | 1) {
        return Ok(None);
    }
    let text = |name| record.key.text(name).unwrap_or_default().to_owned();
    let of = (text("group"), text("topic"), record.key.number("partition").unwrap_or(-1));
    let committed = record.value.as_ref().map(|(_, fields)| Committed {
        offset: fields.number("offset").unwrap_or(-1),
        leader_epoch: fields.number("leaderEpoch").filter(|&epoch| epoch >= 0),
        metadata: fields.text("metadata").unwrap_or_default().to_owned(),
        commit_ms: fields.number("commitTimestamp").unwrap_or(-1),
        expire_ms: fields.number("expireTimestamp").filter(|&ms| ms >= 0),
    });
    Ok(Some((of, committed)))
}

fn show(args: &Args, global: &Global, state: &State) -> Result<()> {
    let wanted = |(group, topic, _): &Of| {
        args.group.as_ref().is_none_or(|only| only == group)
            && args.topic.as_ref().is_none_or(|only| only == topic)
    };
    let pending = state.pending.values().flatten();
    let pending = pending.filter_map(|(of, committed)| Some((of, committed.as_ref()?, true)));
    let mut rows: Vec<_> = state
        .committed
        .iter()
        .map(|(of, committed)| (of, committed, false))
        .chain(pending)
        .filter(|(of, ..)| wanted(of))
        .collect();
    rows.sort_by_key(|(of, _, pending)| (*of, *pending));
    let mut out = Out::new(global);
    if global.is_json() {
        for (of, committed, pending) in rows {
            line(of, committed, pending, out.line());
            out.settle()?;
        }
        return out.flush();
    }
    let times = global.times();
    let mut grid = Grid::new(&[
        ("GROUP", Align::Left),
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("OFFSET", Align::Right),
        ("EPOCH", Align::Right),
        (&times.heading("COMMITTED"), Align::Left),
        ("METADATA", Align::Left),
        ("", Align::Left),
    ]);
    for ((group, topic, partition), committed, pending) in &rows {
        grid.row(vec![
            escape::one_line(group),
            escape::one_line(topic),
            partition.to_string(),
            committed.offset.to_string(),
            committed.leader_epoch.map_or_else(String::new, |epoch| epoch.to_string()),
            times.in_column(committed.commit_ms),
            escape::one_line(&committed.metadata),
            if *pending { "in an open transaction" } else { "" }.to_owned(),
        ]);
    }
    grid.write(&mut out)?;
    out.flush()
}

fn line((group, topic, partition): &Of, committed: &Committed, pending: bool, out: &mut Vec<u8>) {
    let mut line = Object::line("committedOffset", out);
    line.text("group", group);
    line.text("topic", topic);
    line.number("partition", *partition);
    line.number("offset", committed.offset);
    line.maybe_number("leaderEpoch", committed.leader_epoch);
    line.text("metadata", &committed.metadata);
    line.number("commitTimestamp", committed.commit_ms);
    line.maybe_number("expireTimestamp", committed.expire_ms);
    line.flag("pending", pending);
    line.end_line();
}
