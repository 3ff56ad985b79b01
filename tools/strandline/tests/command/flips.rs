//! What `verify` makes of single flipped bits, and of what Kafka itself wrote. In this process: a
//! run of the command for each would take too long.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use strandline::record::BatchHeader;
use strandline::{
    Batch, Durability, Explanation, Finding, Level, LogConfig, Piece, Record, Report, Severity,
    Store, TopicOptions, VerifyOptions,
};

use super::made;
use super::pack::broker_directories;

/// With this set every bit is flipped: it takes minutes.
const ALL: &str = "STRANDLINE_ALL_FLIPS";

/// A log of some 64 KiB in several segments, closed, and its partition.
fn log() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::options().housekeeping(false).open(root.path()).unwrap();
    let config = LogConfig::new().segment_bytes(20_000);
    let options = TopicOptions::new().partitions(1).config(config);
    let log = store.create_topic("t", options).unwrap().partition(0).unwrap();
    for number in 0..60_u32 {
        let value: Vec<u8> = (0..100 + number * 35).map(|at| (at * 7 + number) as u8).collect();
        let records = [0, 1].map(|at| {
            let value = if at == 0 { &value[..40] } else { &value[..] };
            Record::new().key("key").value(value).timestamp(1_700_000_000_000 + i64::from(number))
        });
        log.append(Batch::of(records), Durability::Written).unwrap();
    }
    store.close().unwrap();
    let partition = root.path().join("t-0");
    (root, partition)
}

fn verify(path: &Path) -> Report {
    strandline::verify(path, &VerifyOptions::new().level(Level::Deep)).unwrap()
}

/// What was found, but for notes.
fn found(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.severity > Severity::Info).collect()
}

/// Where the batches of a `.log` begin and end.
fn batches(path: &Path) -> Vec<(u64, u64, BatchHeader)> {
    let log = strandline::LogFile::open(path).unwrap();
    let (mut pieces, mut all) = (log.pieces(), Vec::new());
    while let Some(piece) = pieces.next_piece().unwrap() {
        let Piece::Batch(batch) = piece.what else { panic!("{piece:?}") };
        all.push((piece.position, piece.position + piece.size_bytes, *batch.header()));
    }
    all
}

#[test]
fn every_flipped_bit_of_a_log_of_ours_is_told_with_its_file_and_batch() {
    let (_root, partition) = log();
    assert_eq!(found(&verify(&partition)), Vec::<&Finding>::new());
    let all = std::env::var_os(ALL).is_some();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let flips: usize = std::thread::scope(|scope| {
        let flip = |thread| flip((thread, threads), &partition, all);
        let threads: Vec<_> = (0..threads).map(|at| scope.spawn(move || flip(at))).collect();
        // What failed has been told, by that thread.
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(flips > if all { 500_000 } else { 500 }, "{flips}");
    println!("{flips} flips told");
}

/// Flips bits of every file of a copy of a partition: one thread's share. Gives how many.
fn flip((thread, threads): (usize, usize), partition: &Path, all: bool) -> usize {
    let root = tempfile::tempdir().unwrap();
    let partition = &copy(partition, root.path());
    let mut files: Vec<_> =
        fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 16, "{files:?}");
    let mut flips = 0;
    for path in &files {
        let bytes = fs::read(path).unwrap();
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        let is_log = path.extension().is_some_and(|end| end == "log");
        let batches = if is_log { batches(path) } else { Vec::new() };
        // In the gate each header is hit, the rest of a file here and there.
        let step = if all { 1 } else { (bytes.len() / 40).max(1) };
        let in_header =
            |at: u64| batches.iter().step_by(9).any(|&(from, ..)| at >= from && at < from + 23);
        for (at, &byte) in bytes.iter().enumerate() {
            let is_hit = all || at % step == 0 || in_header(at as u64);
            if !is_hit || at / step % threads != thread {
                continue;
            }
            let bits: Vec<usize> = if all { (0..8).collect() } else { vec![at % 8] };
            for bit in bits {
                let flipped = byte ^ 1 << bit;
                file.write_all_at(&[flipped], at as u64).unwrap();
                let report = verify(partition);
                judge(&report, path, &batches, (at as u64, bit as u8), flipped);
                flips += 1;
            }
            file.write_all_at(&[byte], at as u64).unwrap();
        }
    }
    assert_eq!(found(&verify(partition)), Vec::<&Finding>::new());
    flips
}

/// A partition once more, in another log directory that is as the first.
fn copy(partition: &Path, to: &Path) -> PathBuf {
    for dir in [partition.parent().unwrap(), partition] {
        let into = if dir == partition { to.join(dir.file_name().unwrap()) } else { to.to_owned() };
        fs::create_dir_all(&into).unwrap();
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), into.join(entry.file_name())).unwrap();
            }
        }
    }
    to.join(partition.file_name().unwrap())
}

#[track_caller]
fn judge(
    report: &Report,
    file: &Path,
    batches: &[(u64, u64, BatchHeader)],
    (at, bit): (u64, u8),
    now: u8,
) {
    let found = found(report);
    let place = format!("{} byte {at} bit {bit}", file.display());
    assert!(report.unreadable.is_empty(), "{place}: {:?}", report.unreadable);
    let of_file: Vec<_> = found.iter().filter(|finding| finding.path == file).collect();
    assert!(!of_file.is_empty(), "{place} is not told: {found:?}");
    let Some(&(from, to, _)) = batches.iter().find(|&&(from, to, _)| at >= from && at < to) else {
        return;
    };
    let of_batch = of_file
        .iter()
        .find(|it| it.position.is_some_and(|position| position >= from && position < to));
    let of_batch = of_batch.unwrap_or_else(|| panic!("{place}, batch at {from}: {of_file:?}"));
    if at >= from + 17 {
        let want = Explanation::FlippedBit { byte: at, bit, found: now };
        assert_eq!(of_batch.explanation, Some(want), "{place}: {of_batch:?}");
    }
}

#[test]
fn what_kafka_wrote_is_no_error() {
    let brokers = broker_directories();
    for version in ["4.3.1", "3.9.2", "2.8.2"] {
        for state in ["clean", "unclean", "reopened"] {
            let path = brokers.path().join(version).join(state);
            if !path.exists() {
                continue;
            }
            let report = verify(&path);
            assert!(report.unreadable.is_empty(), "{:?}", report.unreadable);
            let errors: Vec<_> =
                report.findings.iter().filter(|it| it.severity == Severity::Error).collect();
            assert_eq!(errors, Vec::<&Finding>::new(), "{version} {state}");
            assert!(report.logs.len() >= 30, "{version} {state}");
        }
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_of_an_old_message_is_located() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("00000000000000000100.log");
    let inner = [0, 1].map(|at| made::message(1, at, 0, made::TIME + at, b"within"));
    let messages = [
        made::message(0, 100, 0, 0, b"a message of v0"),
        made::message(1, 101, 0, made::TIME, b"a message of v1"),
        made::message(1, 103, 1, made::TIME + 1, &made::gzip(&inner.concat())),
        made::message(1, 104, 0, made::TIME + 2, b"the last"),
    ];
    let whole = messages.concat();
    let mut from = 0;
    for message in &messages {
        for at in (from + 12..from + message.len()).step_by(2) {
            let bit = (at % 8) as u8;
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let report = verify(&path);
            let found = found(&report);
            let want = Explanation::FlippedBit { byte: at as u64, bit, found: flipped[at] };
            let located: Vec<_> = found.iter().map(|it| (it.position, it.explanation)).collect();
            assert_eq!(located, [(Some(from as u64), Some(want))], "byte {at} bit {bit}");
        }
        from += message.len();
    }
}
