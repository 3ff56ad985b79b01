//! Random appends, transactions, deletions, openings and steps of the clock, with compaction between
//! them: each leaves what the slow cleaner leaves, and whatever happened the last value of each key
//! is there.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{Batch, Durability, Error, FetchOptions, Isolation, Record, testing};

use crate::slow_cleaner::{self, Rules};

const NOW_MS: i64 = 10_000_000;
const DELETE_RETENTION_MS: i64 = 2_000;
const KEYS: u8 = 6;

/// A key, and how long its value is; none for a tombstone.
type Sent = (u8, Option<u8>);

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<Sent>, &'static str),
    Produce(usize, Vec<Sent>),
    End(usize, bool),
    Delete(u16),
    Roll,
    Reopen {
        cleanly: bool,
    },
    Tick(i64),
    /// With room for few keys, or for all.
    Clean {
        map_bytes: usize,
    },
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    vec((0..KEYS, prop_oneof![1 => Just(None), 4 => (0..60_u8).prop_map(Some)]), 1..8)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (sent(), prop_oneof![3 => Just("none"), 1 => Just("zstd"), 1 => Just("lz4")])
            .prop_map(|(sent, codec)| Op::Append(sent, codec)),
        5 => (0..3_usize, sent()).prop_map(|(who, sent)| Op::Produce(who, sent)),
        4 => (0..3_usize, any::<bool>()).prop_map(|(who, commit)| Op::End(who, commit)),
        1 => any::<u16>().prop_map(Op::Delete),
        2 => Just(Op::Roll),
        2 => any::<bool>().prop_map(|cleanly| Op::Reopen { cleanly }),
        3 => prop_oneof![1..50_i64, 500..5_000_i64].prop_map(Op::Tick),
        4 => prop_oneof![3 => Just(1 << 20), 1 => Just(60_usize)]
            .prop_map(|map_bytes| Op::Clean { map_bytes }),
    ]
}

/// What was appended at an offset.
struct Appended {
    key: u8,
    value: Option<Vec<u8>>,
    /// The transaction that it is of.
    of: Option<usize>,
}

struct World {
    dir: tempfile::TempDir,
    log: Option<testing::Log>,
    now: i64,
    appended: BTreeMap<i64, Appended>,
    /// Of each transaction whether it was committed; those that are open have no answer yet.
    ended: Vec<Option<bool>>,
    open: [Option<usize>; 3],
    sequences: [i32; 3],
    cleaned_to: i64,
}

impl World {
    fn config() -> Vec<(String, String)> {
        let pairs = [
            ("internal.segment.bytes", "900".to_owned()),
            ("index.interval.bytes", "100".to_owned()),
            ("cleanup.policy", "compact,delete".to_owned()),
            ("delete.retention.ms", DELETE_RETENTION_MS.to_string()),
            ("file.delete.delay.ms", "0".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    fn new() -> World {
        let mut world = World {
            dir: crate::world::scratch(),
            log: None,
            now: NOW_MS,
            appended: BTreeMap::new(),
            ended: Vec::new(),
            open: [None; 3],
            sequences: [0; 3],
            cleaned_to: 0,
        };
        world.open();
        world
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("topic-0")
    }

    fn open(&mut self) {
        self.log = Some(testing::Log::open(&self.path(), &World::config(), self.now).unwrap());
    }

    fn log(&self) -> &testing::Log {
        self.log.as_ref().unwrap()
    }

    fn append(
        &mut self,
        sent: &[Sent],
        mut batch: Batch,
        of: Option<usize>,
    ) -> strandline::Result<()> {
        let value = |len: u8| vec![len; usize::from(len)];
        for (key, len) in sent {
            let value = len.map(value);
            let record = Record::new().timestamp(self.now);
            let (key, record) = ([*key], record);
            let record = record.key(&key);
            batch.push(match &value {
                Some(value) => record.value(value),
                None => record,
            });
        }
        let appended = self.log().handle().append(batch, Durability::Written)?;
        for (at, (key, len)) in (appended.base_offset..).zip(sent) {
            self.appended.insert(at, Appended { key: *key, value: len.map(value), of });
        }
        Ok(())
    }

    fn produce(&mut self, who: usize, sent: &[Sent]) {
        let of = *self.open[who].get_or_insert_with(|| {
            self.ended.push(None);
            self.ended.len() - 1
        });
        let (id, epoch) = (ProducerId(who as i64), ProducerEpoch(0));
        let batch = |sequence| Batch::new().producer(id, epoch, Sequence(sequence));
        let first = batch(self.sequences[who]).transactional(true);
        match self.append(sent, first, Some(of)) {
            // Of a producer whose records were deleted less may be known after an opening.
            Err(Error::OutOfOrderSequence { expected, .. }) => {
                self.sequences[who] = expected;
                self.append(sent, batch(expected).transactional(true), Some(of)).unwrap();
            }
            appended => appended.unwrap(),
        }
        self.sequences[who] += sent.len() as i32;
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Append(sent, codec) => {
                let codec: strandline::compression::Codec = codec.parse().unwrap();
                self.append(sent, Batch::new().compression(codec), None).unwrap();
            }
            Op::Produce(who, sent) => self.produce(*who, sent),
            Op::End(who, commit) => {
                let Some(of) = self.open[*who].take() else { return };
                self.ended[of] = Some(*commit);
                let end = if *commit { TransactionEnd::Commit } else { TransactionEnd::Abort };
                let producer = (ProducerId(*who as i64), ProducerEpoch(0));
                let handle = self.log().handle();
                handle.end_transaction(producer, end, 0, Durability::Written).unwrap();
            }
            Op::Delete(at) => {
                let (start, end) = (self.start(), self.log().last_stable_offset().unwrap());
                let to = start + (end - start) * i64::from(*at) / 65_536;
                self.log().handle().delete_records(Some(to)).unwrap();
                self.log().handle().enforce_retention().unwrap();
            }
            Op::Roll => {
                self.log().handle().roll().unwrap();
            }
            Op::Reopen { cleanly } => {
                let log = self.log.take().unwrap();
                if *cleanly {
                    log.close().unwrap();
                }
                self.open();
            }
            Op::Tick(ms) => {
                self.now += ms;
                let now = self.now;
                self.log.as_mut().unwrap().set_now(now);
            }
            Op::Clean { map_bytes } => self.clean(*map_bytes),
        }
    }

    fn start(&self) -> i64 {
        self.log().log_start_offset().unwrap()
    }

    fn clean(&mut self, map_bytes: usize) {
        let bases = self.log().segment_bases().unwrap();
        let stable = self.log().last_stable_offset().unwrap();
        let end = bases.iter().copied().filter(|base| *base <= stable).max().unwrap_or(0);
        let first_dirty = self.cleaned_to.max(self.start());
        let path = self.path();
        let before = slow_cleaner::batches_in(&path, i64::MAX);
        let producers = self.log().producers().unwrap().into_iter();
        let producers = producers
            .map(|it| (it.id, (it.epoch, it.batches.last().map(|batch| batch.last_offset))))
            .collect();
        let rules = Rules {
            now: self.now,
            delete_retention_ms: DELETE_RETENTION_MS,
            first_dirty,
            first_uncleanable: end,
            producers,
        };
        let wanted = slow_cleaner::clean(&before, &rules);
        let next = self.log.as_mut().unwrap().clean_within(first_dirty, end, map_bytes).unwrap();
        assert!(
            next <= end.max(first_dirty) && next >= first_dirty,
            "{first_dirty}, {next}, {end}"
        );
        self.cleaned_to = next;
        if next == end || first_dirty >= end {
            let after = slow_cleaner::batches_in(&path, end);
            assert_eq!(slow_cleaner::difference(&after, &wanted), None);
        } else {
            assert!(next > first_dirty, "a round that leads nowhere");
        }
    }

    /// The last committed record of each key is given out, and no older one in its place; records
    /// come in order, each as it was appended.
    fn check(&self) {
        let (start, handle) = (self.start(), self.log().handle());
        let stable = handle.last_stable_offset().unwrap();
        let (mut seen, mut from) = (BTreeMap::new(), start);
        while from < stable {
            let options = FetchOptions::new().isolation(Isolation::ReadCommitted);
            let fetched = handle.fetch(from, options).unwrap();
            for record in fetched.records() {
                let record = record.unwrap();
                let sent = &self.appended[&record.offset()];
                assert_eq!(
                    (record.key(), record.value()),
                    (Some(&[sent.key][..]), sent.value.as_deref())
                );
                assert!(sent.of.is_none_or(|of| self.ended[of] == Some(true)), "aborted");
                if let Some(before) = seen.insert(sent.key, record.offset()) {
                    assert!(before < record.offset());
                }
            }
            if fetched.next_offset() <= from {
                break;
            }
            from = fetched.next_offset();
        }
        for key in 0..KEYS {
            let is_committed = |sent: &Appended| {
                sent.key == key && sent.of.is_none_or(|of| self.ended[of] == Some(true))
            };
            let last = self.appended.range(start..stable).rfind(|(_, sent)| is_committed(sent));
            match last {
                Some((at, sent)) if sent.value.is_some() => assert_eq!(seen.get(&key), Some(at)),
                Some((at, _)) => assert!(seen.get(&key).is_none_or(|seen| seen == at)),
                None => assert_eq!(seen.get(&key), None),
            }
        }
        self.check_times(start);
    }

    /// What the time indexes lead to is what a scan finds, by Kafka's rule: only the first segment
    /// that reaches that time is asked. One without times reaches any, for it was written today.
    fn check_times(&self, start: i64) {
        let logs = slow_cleaner::logs_in(&self.path());
        let segments: Vec<_> = logs.iter().map(|path| slow_cleaner::batches_of(path)).collect();
        for wanted in [NOW_MS, i64::midpoint(NOW_MS, self.now), self.now] {
            let reaches = |segment: &&Vec<slow_cleaner::Bat>| {
                let largest = segment.iter().filter_map(|batch| batch.max_timestamp).max();
                largest.is_none_or(|largest| largest >= wanted)
            };
            let records = segments.iter().find(reaches).into_iter().flatten();
            let mut records =
                records.flat_map(|batch| &batch.records).filter(|it| it.offset >= start);
            let first = records.find(|record| record.timestamp >= wanted).map(|it| it.offset);
            let handle = self.log().handle();
            let found = handle.offset_for_time(wanted, Isolation::LogEnd).unwrap();
            assert_eq!(found.map(|found| found.offset), first, "at or after {wanted}");
        }
    }
}

fn run(ops: &[Op]) {
    let mut world = World::new();
    for op in ops {
        world.run(op);
        if matches!(op, Op::Clean { .. } | Op::Reopen { .. }) {
            world.check();
        }
    }
    world.check();
}

fn config() -> ProptestConfig {
    let asked = std::env::var("STRANDLINE_MODEL_CASES").ok();
    let cases = asked.and_then(|cases| cases.parse().ok()).unwrap_or(150);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_compacted_log_keeps_the_last_value_of_each_key_whatever_is_done_to_it(
        ops in vec(op(), 1..60),
    ) {
        run(&ops);
    }
}

/// A log with two segments below the active one, each of which compaction would change.
fn dirty() -> (World, i64) {
    let mut world = World::new();
    for _ in 0..2 {
        world.run(&Op::Append(vec![(0, Some(9)), (1, Some(9)), (0, Some(8))], "none"));
        world.run(&Op::Roll);
    }
    let end = world.log().log_end_offset().unwrap();
    (world, end)
}

/// Runs `once` while a log is cleaned; says whether something came of that.
fn cleaned_beside(world: &World, end: i64, once: impl Fn(&strandline::Log) + Sync) -> bool {
    let calls = std::sync::atomic::AtomicU32::new(0);
    let beside = || {
        if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            once(world.log().handle());
        }
    };
    world.log().clean_beside((0, end), 1 << 20, beside).unwrap().is_some()
}

#[test]
fn what_was_cleaned_of_a_log_that_was_cut_meanwhile_is_dropped() {
    let (world, end) = dirty();
    assert!(!cleaned_beside(&world, end, |log| assert!(log.truncate_to(4).unwrap())));
    assert_eq!(world.log().log_end_offset().unwrap(), 4);
    let batches = slow_cleaner::batches_in(&world.path(), i64::MAX);
    assert_eq!(batches.iter().map(|batch| batch.last).collect::<Vec<_>>(), [2]);
}

#[test]
fn what_was_cleaned_of_records_that_were_deleted_meanwhile_is_dropped() {
    let (world, end) = dirty();
    let deletes = |log: &strandline::Log| {
        log.delete_records(Some(4)).unwrap();
        log.enforce_retention().unwrap();
    };
    assert!(!cleaned_beside(&world, end, deletes));
    assert_eq!(world.start(), 4);
    let names: Vec<_> = slow_cleaner::logs_in(&world.path());
    assert_eq!(names.len(), 2, "{names:?}: nothing comes back");
    let left = std::fs::read_dir(world.path()).unwrap().map(|it| it.unwrap().file_name());
    let left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    let is_left = |name: &String| [".cleaned", ".swap"].iter().any(|end| name.contains(end));
    assert!(!left.iter().any(is_left), "{left:?}");
}

#[test]
fn appends_and_rolls_beside_a_cleaning_do_it_no_harm() {
    let (world, end) = dirty();
    let appends = |log: &strandline::Log| {
        let batch = Batch::of([Record::new().key(&[0_u8]).value(&[7_u8; 3])]);
        log.append(batch, Durability::Synced).unwrap();
        log.roll().unwrap();
    };
    assert!(cleaned_beside(&world, end, appends));
    let batches = slow_cleaner::batches_in(&world.path(), i64::MAX);
    let offsets: Vec<_> = batches.iter().flat_map(|it| &it.records).map(|it| it.offset).collect();
    assert_eq!(offsets, [4, 5, 6]);
}
