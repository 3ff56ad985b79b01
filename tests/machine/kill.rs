//! A process that appends is killed at any moment, again and again.
//!
//! The child tells each acknowledgement through a pipe; the parent kills it after some number of
//! them, reads what is still in the pipe, opens the store and looks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use strandline::{Batch, Durability, FetchOptions, Log, LogConfig, Record, Store, TopicOptions};

use crate::run::{self, Layer};

const THREADS: u64 = 4;
/// Rounds in a plain `cargo test`; `just kill-long` runs more.
const ROUNDS: usize = 300;

/// Numbers that look random and come from a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn open(path: &Path) -> (Store, Log) {
    let store = Store::options().open(path).expect("the store opens");
    let topic = store.topic("events").unwrap_or_else(|_| {
        // Small segments, so that rolls and seals are killed too.
        let config = LogConfig::new().segment_bytes(64 << 10).index_interval_bytes(1024);
        let options = TopicOptions::new().partitions(1).config(config);
        store.create_topic("events", options).expect("the topic is made")
    });
    let log = topic.partition(0).expect("the log");
    (store, log)
}

/// What the record with this number of this thread and round holds.
fn value(round: u64, thread: u64, number: u64) -> String {
    let filler = "x".repeat((number * 37 % 900) as usize);
    format!("{round}/{thread}/{number}/{filler}")
}

/// Appends from four threads until it is killed, and says what was acknowledged.
pub(crate) fn child(path: &Path, round: u64) {
    let (_store, log) = open(path);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || append_for_ever(&log, round, thread));
        }
    });
}

fn append_for_ever(log: &Log, round: u64, thread: u64) {
    let mut dice = Dice(round * 31 + thread);
    let mut number = 0;
    loop {
        let count = 1 + dice.below(5);
        let values: Vec<_> = (number..number + count).map(|n| value(round, thread, n)).collect();
        let durability = match dice.below(3) {
            0 => Durability::Synced,
            _ => Durability::Written,
        };
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        let appended = log.append(batch, durability).expect("an append");
        number += count;
        let (base, first) = (appended.base_offset, number - count);
        let line = format!("{base} {count} {thread} {first} {durability:?}\n");
        // One write for a line, so that lines of threads do not mix; nobody listens any more once
        // the parent is done.
        if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Starts a child that appends to the store at `path` until it is killed.
pub(crate) fn start(path: &Path, round: u64) -> Child {
    let mut command = run::child(&["kill", run::word(path), &round.to_string()]);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a child")
}

/// What a child acknowledged: records by their offsets.
pub(crate) type Acknowledged = BTreeMap<i64, String>;

/// Takes in a line of a child's; says whether it is an acknowledgement, of a durability if one is
/// asked for.
pub(crate) fn take(
    line: &str,
    round: u64,
    wanted: Option<Durability>,
    acknowledged: &mut Acknowledged,
) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let numbers: Vec<u64> = words.iter().map_while(|word| word.parse().ok()).collect();
    let ([base, count, thread, first], Some(durability)) = (&numbers[..], words.get(4)) else {
        return false;
    };
    if wanted.is_some_and(|wanted| format!("{wanted:?}") != *durability) {
        return false;
    }
    for n in 0..*count {
        let before = acknowledged.insert((base + n) as i64, value(round, *thread, first + n));
        assert_eq!(before, None, "round {round}: offset {base} was given twice");
    }
    true
}

#[test]
fn no_acknowledged_record_is_lost_by_a_kill() {
    let layer = Layer::new("kill");
    let rounds = run::number("STRANDLINE_KILLS", ROUNDS) as u64;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store");
    let mut dice = Dice(0x5d1f_9c02);
    // Everything that was ever acknowledged: by offset.
    let mut acknowledged = Acknowledged::new();
    let mut checked_to = 0;
    for round in 0..rounds {
        let mut process = start(&path, round);
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let patience = dice.below(60);
        let mut acks = 0;
        while let Some(Ok(line)) = lines.next() {
            acks += u64::from(take(&line, round, None, &mut acknowledged));
            if acks == patience {
                process.kill().expect("a kill");
            }
        }
        process.wait().expect("an end");
        // Old rounds were checked before; the last one of all looks at everything again.
        let from = if round + 1 == rounds { 0 } else { checked_to };
        checked_to = check(&path, round, from, &acknowledged);
    }
    layer.done(rounds as usize, acknowledged.len());
}

/// Looks at all records from `from` on; returns where the log ends.
pub(crate) fn check(path: &Path, round: u64, from: i64, acknowledged: &Acknowledged) -> i64 {
    let (store, log) = open(path);
    let end = log.log_end_offset().expect("the end");
    let last = acknowledged.last_key_value().map_or(-1, |(offset, _)| *offset);
    assert!(end > last, "round {round}: ends at {end}, {last} was acknowledged");
    let (mut at, mut expected) = (from, from);
    while at < end {
        let fetched = log.fetch(at, FetchOptions::new()).expect("no damage");
        for record in fetched.records() {
            let record = record.expect("no damage");
            let offset = record.offset();
            assert_eq!(offset, expected, "round {round}: offsets are dense");
            expected += 1;
            let found = std::str::from_utf8(record.value().expect("a value")).expect("text");
            if let Some(wanted) = acknowledged.get(&offset) {
                assert_eq!(found, wanted, "round {round}: offset {offset}");
            } else {
                let mut parts = found.split('/').map(str::parse);
                let mut part = || parts.next().expect("a part").expect("a number");
                let (of_round, thread, number) = (part(), part(), part());
                assert_eq!(found, value(of_round, thread, number), "round {round}: {offset}");
            }
        }
        at = fetched.next_offset();
    }
    assert_eq!(expected, end, "round {round}: nothing is missing below the end");
    if round.is_multiple_of(7) {
        store.close().expect("a clean close");
    }
    end
}
