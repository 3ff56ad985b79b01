//! A verification in pieces: whatever is damaged, wherever a `.log` is cut, and whoever does which
//! piece when, the findings are those of one look from front to back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use strandline::compression::Codec;
use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{Batch, Clock, Durability, Level, LogConfig, Record, Report, Store, TopicOptions};
use strandline::{Verification, VerifyOptions};

/// Segments of different sizes with an index entry for nearly every batch, closed, so that a
/// manifest holds their sums; some batches are compressed, some large, some of a producer.
fn partition() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::options().housekeeping(false).open(root.path()).unwrap();
    let config = LogConfig::new().segment_bytes(9_000).index_interval_bytes(1);
    let options = TopicOptions::new().partitions(1).config(config);
    let log = store.create_topic("t", options).unwrap().partition(0).unwrap();
    let (producer, mut next) = ((ProducerId(7), ProducerEpoch(0)), 0);
    for number in 0..90_u32 {
        let len = if number % 20 == 7 { 2000 } else { 20 + number * 3 };
        let value: Vec<u8> = (0..len).map(|at| (at * 7 + number) as u8).collect();
        let records = (0..=number % 3).map(|at| {
            let time = 1_700_000_000_000 + i64::from(number);
            Record::new().key(["a", "b", "c"][at as usize]).value(&value[..]).timestamp(time)
        });
        let mut batch = Batch::of(records);
        if number % 5 == 0 {
            batch = batch.compression(Codec::Lz4);
        }
        if number % 4 == 1 {
            batch = batch.producer(producer.0, producer.1, Sequence(next)).transactional(true);
            next += (number % 3 + 1) as i32;
        }
        log.append(batch, Durability::Written).unwrap();
        if number % 12 == 9 {
            let end = TransactionEnd::Abort;
            log.end_transaction(producer, end, 0, Durability::Written).unwrap();
        }
    }
    store.close().unwrap();
    let path = root.path().join("t-0");
    (root, path)
}

/// Numbers that a seed decides.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Does something to a file.
fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let (at, len) = (numbers.below(bytes.len()), numbers.below(300) + 1);
    let to = (at + len).min(bytes.len());
    match numbers.below(8) {
        0 | 1 if at < to => bytes[at] ^= 1 << numbers.below(8),
        2 => bytes[at..to].fill(0),
        3 => bytes.truncate(at),
        4 => bytes.resize(bytes.len() + len, 0),
        5 => bytes.extend((0..len).map(|_| numbers.below(256) as u8)),
        6 => {
            let part = bytes[at..to].to_vec();
            let into = numbers.below(bytes.len());
            bytes.splice(into..into, part);
        }
        _ => {
            bytes.drain(at..to);
        }
    }
}

/// Lets an index say anything.
fn lie(index: &mut [u8], numbers: &mut Numbers) {
    for entry in index.chunks_exact_mut(8) {
        if numbers.below(3) == 0 {
            entry[4..].copy_from_slice(&(numbers.below(10_000) as u32).to_be_bytes());
        }
    }
}

/// Who does the pieces.
#[derive(Clone, Copy, Debug)]
enum By {
    Front,
    Back,
    Threads,
}

fn verified(path: &Path, level: Level, piece_bytes: u64, by: By) -> Report {
    // Times of damaged records may lie in the future, and it is told by how much.
    let clock = Clock::manual(1_700_000_100_000);
    let options = VerifyOptions::new().level(level).piece_bytes(piece_bytes).clock(clock);
    let mut verification = Verification::new(&options);
    verification.add(path).unwrap();
    let pieces = verification.pieces();
    let mut done: Vec<_> = match by {
        By::Front => (0..pieces).map(|piece| (piece, verification.check(piece))).collect(),
        By::Back => (0..pieces).rev().map(|piece| (piece, verification.check(piece))).collect(),
        By::Threads => {
            let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        loop {
                            let piece = next.fetch_add(1, Ordering::Relaxed);
                            if piece >= pieces {
                                break;
                            }
                            let checked = verification.check(piece);
                            done.lock().unwrap().push((piece, checked));
                        }
                    });
                }
            });
            done.into_inner().unwrap()
        }
    };
    done.sort_by_key(|&(piece, _)| piece);
    verification.finish(done.into_iter().map(|(_, checked)| checked).collect())
}

/// Verifies the partition, and its files alone, in every way.
#[track_caller]
fn compare(dir: &Path, what: &str) -> usize {
    let logs = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|end| end == "log"));
    let mut findings = 0;
    for path in logs.take(1).chain([dir.to_path_buf()]) {
        for level in [Level::Quick, Level::Normal, Level::Deep] {
            let whole = verified(&path, level, 0, By::Front);
            findings += whole.findings.len();
            for (piece_bytes, by) in [
                (1, By::Back),
                (1, By::Threads),
                (700, By::Back),
                (700, By::Threads),
                (4000, By::Front),
                (4000, By::Threads),
            ] {
                let pieces = verified(&path, level, piece_bytes, by);
                let place = format!("{what}, {}, {level:?} {piece_bytes} {by:?}", path.display());
                assert_eq!(format!("{pieces:#?}"), format!("{whole:#?}"), "{place}");
            }
        }
    }
    findings
}

#[test]
fn a_log_in_pieces_is_found_to_be_what_it_is_as_a_whole() {
    let (_root, dir) = partition();
    let whole = verified(&dir, Level::Deep, 0, By::Front);
    assert!(
        whole.logs.len() > 2 && whole.worst() != Some(strandline::Severity::Error),
        "{whole:?}"
    );
    assert!(verification_pieces(&dir) > 60);
    compare(&dir, "intact");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "log" || end == "index"));
    files.sort();
    let mut findings = 0;
    let seeds = std::env::var("STRANDLINE_PIECES").map_or(12, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let mut numbers = Numbers(seed * 2 + 1);
        let mut before = Vec::new();
        for _ in 0..=numbers.below(3) {
            let path = &files[numbers.below(files.len())];
            let bytes = fs::read(path).unwrap();
            let mut damaged = bytes.clone();
            if path.extension().is_some_and(|end| end == "index") {
                lie(&mut damaged, &mut numbers);
            } else if !damaged.is_empty() {
                damage(&mut damaged, &mut numbers);
            }
            fs::write(path, damaged).unwrap();
            before.push((path, bytes));
        }
        findings += compare(&dir, &format!("seed {seed}"));
        for (path, bytes) in before.into_iter().rev() {
            fs::write(path, bytes).unwrap();
        }
    }
    assert!(findings > 100, "{findings}");
}

fn verification_pieces(dir: &Path) -> usize {
    let mut verification = Verification::new(&VerifyOptions::new().piece_bytes(500));
    verification.add(dir).unwrap();
    verification.pieces()
}
