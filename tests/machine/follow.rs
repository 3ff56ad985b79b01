//! A process that follows a log while another one writes it: over rolls, retention, cuts, and ten
//! deaths of the writer it gets every record, once and in order.
//!
//! The value of each record is its offset. What a cut takes is written again under another leader
//! epoch, of which the reader is told. The reader says how far it is by its kept position, in a
//! directory of its own; the writer deletes nothing that is not read yet.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use strandline::{
    Batch, CleanupPolicy, Durability, Error, FetchOptions, Fetched, Follower, Log, LogConfig,
    Positions, Record, Store, TopicOptions,
};

use crate::kill::Dice;
use crate::run::{self, Layer, say};

/// Records in a plain `cargo test`; `just follow-long` has ten million.
const RECORDS: usize = 200_000;
/// How often the writer is killed.
const KILLS: i64 = 10;
/// Records in one batch, at most.
const MOST_IN_A_BATCH: i64 = 60;
/// A cut, and the batch that it goes through, take no more records.
const DEEPEST_CUT: i64 = 100 + MOST_IN_A_BATCH;
const SEGMENT_BYTES: u32 = 64 << 10;

fn open(path: &Path) -> (Store, Log) {
    let store = Store::open(path).expect("the store opens");
    let topic = store.topic("events").unwrap_or_else(|_| {
        let config = LogConfig::new()
            .segment_bytes(SEGMENT_BYTES)
            .index_interval_bytes(1024)
            .cleanup_policy(CleanupPolicy::CompactAndDelete)
            .file_delete_delay(Duration::ZERO);
        store.create_topic("events", TopicOptions::new().config(config)).expect("the topic")
    });
    let log = topic.partition(0).expect("the log");
    (store, log)
}

/// Appends until there are so many records, and then closes the store.
pub(crate) fn child(path: &Path, own: &Path, records: i64) {
    let (store, log) = open(path);
    let mut dice = Dice(log.log_end_offset().expect("an end").unsigned_abs());
    let mut batch = Batch::new();
    let mut end = log.log_end_offset().expect("an end");
    let mut appends = 0_u64;
    while end < records {
        let count = (1 + dice.below(MOST_IN_A_BATCH.unsigned_abs()) as i64).min(records - end);
        batch.clear();
        for offset in end..end + count {
            // A key of its own: a cleaning rewrites segments and keeps each record.
            let text = offset.to_string();
            batch.push(Record::new().key(&text).value(&text));
        }
        let durability = if appends % 100 == 7 { Durability::Synced } else { Durability::Written };
        end = log.append(&mut batch, durability).expect("an append").last_offset + 1;
        appends += 1;
        if appends.is_multiple_of(40) {
            // Only what was read may go; a cut may have taken the reader back a little since.
            let read = (read_to(own) - DEEPEST_CUT).clamp(0, end);
            log.delete_records(Some(read)).expect("to delete records");
            log.enforce_retention().expect("to delete segments");
            // Nor does the reader have to catch up in the end.
            let mut patience = 60_000;
            while end - read_to(own) > 50_000 {
                patience -= 1;
                assert!(patience > 0, "the reader is gone");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if appends % 90 == 89 {
            store.clean("events").expect("a cleaning");
        }
        if appends % 150 == 149 {
            let target = end - dice.below(100) as i64;
            if target > log.log_start_offset().expect("a start") {
                log.truncate_to(target).expect("a cut");
                // A cut inside a batch takes all of it, and goes on behind a hole.
                end = log.log_end_offset().expect("an end");
                say(&format!("cut {target}"));
            }
        }
    }
    store.close().expect("to close");
    say("done");
}

/// How far the reader says that it is.
fn read_to(own: &Path) -> i64 {
    let text = std::fs::read_to_string(own.join("test.position")).unwrap_or_default();
    let at = text.lines().find_map(|line| line.strip_prefix("at events 0 "));
    at.and_then(|at| at.split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn start(path: &Path, own: &Path, records: i64) -> Child {
    let words = ["follow", run::word(path), run::word(own), &records.to_string()];
    let mut command = run::child(&words);
    command.stdout(Stdio::piped()).spawn().expect("a child")
}

/// What the reader has, and how often what happened.
#[derive(Default)]
struct Tale {
    next: i64,
    epoch: i32,
    records: u64,
    cuts: u64,
}

impl Tale {
    /// Takes in records, each of which must be the next one: its value says its offset. Only the
    /// first of a later epoch may leave some out, which a cut inside a batch took.
    fn take(&mut self, fetched: &Fetched) {
        for record in fetched.records() {
            let record = record.expect("a whole record");
            let epoch = record.leader_epoch().expect("an epoch").0;
            let offset = record.offset();
            let is_behind_a_hole = epoch > self.epoch && offset < self.next + MOST_IN_A_BATCH;
            assert!(
                offset == self.next || offset > self.next && is_behind_a_hole,
                "offset {offset} of epoch {epoch} comes behind {} of {}",
                self.next - 1,
                self.epoch
            );
            let value = record.value().expect("a value");
            assert_eq!(value, offset.to_string().as_bytes(), "at offset {offset}");
            (self.next, self.epoch) = (offset + 1, epoch);
            self.records += 1;
        }
    }
}

#[test]
fn a_follower_misses_nothing_and_doubles_nothing_while_its_writer_dies_ten_times() {
    let layer = Layer::new("follow");
    let records = run::number("STRANDLINE_FOLLOWED", RECORDS) as i64;
    let dir = run::scratch();
    let (path, own) = (dir.path().join("store"), dir.path().join("reader"));
    drop(open(&path));
    let reader = Store::open_read_only(&path).expect("the store opens");
    let log = reader.log("events", 0).expect("the log");
    let mut positions = Positions::open(&own, "test").expect("positions");
    let mut follower = log.follow(0, FetchOptions::new()).expect("a follower");
    let (mut tale, mut kills, mut saved) = (Tale::default(), 0, 0);
    let mut writer = start(&path, &own, records);
    while tale.next < records {
        step(&mut follower, &mut tale);
        if tale.next >= saved + 2000 || tale.next + 2000 > records {
            positions.keep(&follower);
            positions.save().expect("to save");
            saved = tale.next;
        }
        if kills < KILLS && tale.next > (kills + 1) * records / (KILLS + 1) {
            writer.kill().expect("a kill");
            writer.wait().expect("an end");
            kills += 1;
            if kills % 3 == 0 {
                // The reader dies as well, and goes on where it was.
                positions.keep(&follower);
                let again = positions.follower(&log, FetchOptions::new());
                follower = again.expect("a follower").expect("a position");
            }
            writer = start(&path, &own, records);
        }
    }
    let output = writer.stdout.take().expect("a pipe");
    let lines: Vec<_> = BufReader::new(output).lines().map_while(Result::ok).collect();
    assert!(writer.wait().expect("an end").success(), "{lines:?}");
    assert!(lines.iter().any(|line| line == "| done"), "{lines:?}");
    assert_eq!((tale.next, kills), (records, KILLS));
    assert!(follower.fetch().expect("no damage").is_empty());
    let deleted = log.log_start_offset().expect("a start");
    assert!(deleted > records / 2, "retention took only what is below {deleted}");
    layer.done(tale.records as usize, tale.cuts as usize);
}

/// Takes in what comes next.
fn step(follower: &mut Follower, tale: &mut Tale) {
    match follower.fetch_within(Duration::from_secs(1)) {
        Ok(fetched) => tale.take(&fetched),
        Err(Error::Truncated { to, read_to }) => {
            assert!(to < read_to && read_to == tale.next, "cut to {to} after {read_to}");
            tale.next = to;
            tale.cuts += 1;
        }
        Err(error) => panic!("at {}: {error:?}", tale.next),
    }
}
