//! How cost grows: with segments, with partitions, with readers, with what lies there after a crash.
//! Each figure beside the same work on less, or beside the bare system calls. Only some of it:
//! `cargo bench --bench scale -- segments`, `partitions`, `readers`, `reopen`; and only by its name
//! `hundred-thousand`: as many partitions, on a disk that is memory.

mod support;

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use strandline::{
    Batch, Durability, FetchOptions, Isolation, Log, LogConfig, Record, Store, TopicOptions,
};
use support::{NOW, ratio, scratch_dir, timed};
use tempfile::TempDir;

fn log(store: &Store, config: &[(&str, &str)]) -> Log {
    let config = LogConfig::from_pairs(config.iter().copied()).expect("settings");
    let topic = store.create_topic("events", TopicOptions::new().config(config));
    topic.expect("a topic").partition(0).expect("a log")
}

/// Looks up offsets and times over so many segments, at random.
fn segments(count: i64) {
    let dir = scratch_dir();
    let store = Store::options().housekeeping(false).open(dir.path().join("s")).expect("a store");
    let log = log(&store, &[("retention.ms", "-1"), ("segment.ms", "9223372036854775807")]);
    for number in 0..count {
        let batch = Batch::of([Record::new().value("v").timestamp(NOW + number)]);
        log.append(batch, Durability::Written).expect("an append");
        log.roll().expect("a roll");
    }
    let mut state = 1_u64;
    let mut any = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as i64 % count
    };
    let mut other = any;
    ratio(
        &format!("look up a time and fetch, {count} segments"),
        "fetching by offset",
        || {
            timed(1, 5000, || {
                let time = NOW + any();
                let found = log.offset_for_time(time, Isolation::ReadUncommitted).expect("a look");
                fetch(&log, found.expect("a record").offset)
            })
        },
        || timed(1, 5000, || fetch(&log, other())),
    );
}

fn fetch(log: &Log, offset: i64) -> usize {
    log.fetch(offset, FetchOptions::new().max_bytes(1)).expect("a fetch").bytes().len()
}

/// Opens a store of so many partitions that was closed, and asks each log for its end; beside listing
/// each directory and reading its small files.
fn partitions(count: u32, dir: &TempDir) {
    let path = dir.path().join("s");
    let store = Store::options().housekeeping(false).open(&path).expect("a store");
    let topic = store.create_topic("events", TopicOptions::new().partitions(count));
    let topic = topic.expect("a topic");
    for partition in 0..count {
        let log = topic.partition(partition).expect("a log");
        // What is not synced keeps its descriptor.
        log.append(Batch::of([Record::new().value("v")]), Durability::Synced).expect("an append");
    }
    store.close().expect("a close");
    ratio(
        &format!("open {count} partitions, plans included"),
        "list, open and read their small files",
        || {
            let started = Instant::now();
            let store = Store::options().housekeeping(false).open(&path).expect("a store");
            for partition in 0..count {
                let log = store.log("events", partition).expect("a log");
                assert_eq!(log.log_end_offset().expect("an end"), 1);
            }
            let took = started.elapsed();
            drop(store);
            (count.into(), took)
        },
        || {
            let started = Instant::now();
            (0..count).for_each(|partition| look(&path.join(format!("events-{partition}"))));
            (count.into(), started.elapsed())
        },
    );
}

fn look(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|it| it != "log") {
            std::hint::black_box(std::fs::read(path).expect("a file"));
        }
    }
}

/// Appends with so many readers that follow, beside appends without; and the same by plain code, which
/// is what the machine's processors allow.
fn readers(count: usize) {
    ratio(
        &format!("append 64 KiB with {count} readers following"),
        "appending without readers",
        || appends(count),
        || appends(0),
    );
    ratio(
        &format!("plain code: append with {count} readers"),
        "plain code without readers",
        || plain_appends(count),
        || plain_appends(0),
    );
    ratio(
        &format!("append 64 KiB with {count} readers following"),
        &format!("plain code with {count} readers"),
        || appends(count),
        || plain_appends(count),
    );
}

const APPENDS: u64 = 2000;

fn appends(followers: usize) -> (f64, Duration) {
    let dir = scratch_dir();
    let store = Store::options().housekeeping(false).open(dir.path().join("s"));
    let log = log(&store.expect("a store"), &[]);
    let (mut batch, done) = (support::batch(63, 1024), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..followers {
            scope.spawn(|| {
                let mut follower = log.follow(0, FetchOptions::new()).expect("a follower");
                while !done.load(Ordering::Relaxed) {
                    follower.fetch_within(Duration::from_millis(1)).expect("a fetch");
                }
            });
        }
        let append = || log.append(&mut batch, Durability::Written).expect("an append");
        let took = timed(1, APPENDS, append);
        done.store(true, Ordering::Relaxed);
        took
    })
}

/// Copies, sums and writes as many bytes, while threads read and sum what is there, 256 KiB at a time;
/// who has it all waits a millisecond, or until there is more.
fn plain_appends(readers: usize) -> (f64, Duration) {
    let (file, source) =
        (support::scratch_file(), vec![b'x'; support::batch(63, 1024).size_bytes()]);
    let (written, done) = (Mutex::new(0_u64), AtomicBool::new(false));
    let more = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| {
                let (mut at, mut room) = (0, vec![0; 256 << 10]);
                while !done.load(Ordering::Relaxed) {
                    let end = *written.lock().expect("a lock");
                    if at == end {
                        let end = written.lock().expect("a lock");
                        let is_all = |end: &mut u64| *end == at;
                        let wait = Duration::from_millis(1);
                        drop(more.wait_timeout_while(end, wait, is_all).expect("a lock"));
                        continue;
                    }
                    let piece = &mut room[..(end - at).min(256 << 10) as usize];
                    file.read_exact_at(piece, at).expect("a read");
                    std::hint::black_box(crc32c::crc32c(piece));
                    at += piece.len() as u64;
                }
            });
        }
        let (mut at, mut buffer) = (0, Vec::new());
        let took = timed(1, APPENDS, || {
            at = support::copy_checksum_write(&file, &source, &mut buffer, at);
            *written.lock().expect("a lock") = at;
            more.notify_all();
        });
        done.store(true, Ordering::Relaxed);
        took
    })
}

/// Opens 2 GiB in segments of 64 MiB after a crash; says how much of it was read, beside reading and
/// summing the two segments that have to be.
fn reopen() {
    let dir = scratch_dir();
    let path = dir.path().join("s");
    let open = || Store::options().housekeeping(false).open(&path).expect("a store");
    let (store, mut batch) = (open(), support::batch(63, 1024));
    let log = log(&store, &[("segment.bytes", "67108864"), ("retention.ms", "-1")]);
    let mut written = 0;
    while written < 2 << 30 {
        written += batch.size_bytes();
        log.append(&mut batch, Durability::Written).expect("an append");
    }
    // The last one, and that before it: a segment is sealed when the next but one is made.
    let segments = log.segments().expect("segments");
    let unsealed = &segments[segments.len() - 2..];
    let unsealed_bytes: u64 = unsealed.iter().map(|segment| segment.size_bytes).sum();
    drop((log, store));
    let read = || {
        let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        io.lines().find_map(|it| it.strip_prefix("rchar: ")?.parse::<u64>().ok()).unwrap_or(0)
    };
    ratio(
        "reopen 2 GiB after a crash: the log's first use",
        "read + checksum of the unsealed segments",
        || {
            let before = read();
            let store = open();
            let (opened, started) = (read() - before, Instant::now());
            store.log("events", 0).and_then(|log| log.log_end_offset()).expect("an end");
            let (took, looked) = (started.elapsed(), read() - before - opened);
            assert!(opened < 64 << 10, "opening the store read {opened} bytes");
            assert!(
                looked < unsealed_bytes + (64 << 10),
                "the log's first use read {looked} bytes"
            );
            (unsealed_bytes as f64, took)
        },
        || {
            let started = Instant::now();
            for segment in unsealed {
                support::read_and_sum(&segment.path, |_| ());
            }
            (unsealed_bytes as f64, started.elapsed())
        },
    );
}

/// Opens two logs of 256 MiB each after a crash, by two threads and by one.
fn two_at_once() {
    let dir = scratch_dir();
    let path = dir.path().join("s");
    let open = || Store::options().housekeeping(false).open(&path).expect("a store");
    let (store, mut batch) = (open(), support::batch(63, 1024));
    let topic = store.create_topic("events", TopicOptions::new().partitions(2)).expect("a topic");
    for partition in 0..2 {
        let log = topic.partition(partition).expect("a log");
        for _ in 0..(256 << 20) / batch.size_bytes() {
            log.append(&mut batch, Durability::Written).expect("an append");
        }
    }
    drop((topic, store));
    let look = |store: &Store, partition| {
        store.log("events", partition).and_then(|log| log.log_end_offset()).expect("an end")
    };
    ratio(
        "first use of two logs after a crash, by two threads",
        "by one thread",
        || {
            let store = open();
            timed(1, 1, || {
                std::thread::scope(|scope| {
                    scope.spawn(|| look(&store, 0));
                    look(&store, 1)
                })
            })
        },
        || {
            let store = open();
            timed(1, 1, || (look(&store, 0), look(&store, 1)))
        },
    );
}

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return partitions(3, &scratch_dir());
    }
    let only: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
    if is_wanted("segments") {
        segments(100);
        segments(10_000);
    }
    if is_wanted("partitions") {
        partitions(1_000, &scratch_dir());
        partitions(10_000, &scratch_dir());
    }
    // Minutes, and millions of syncs to make them, which cost nothing where the disk is memory.
    if only.iter().any(|it| it == "hundred-thousand") {
        partitions(100_000, &TempDir::new_in("/dev/shm").expect("a directory"));
    }
    if is_wanted("readers") {
        readers(8);
    }
    if is_wanted("reopen") {
        reopen();
        two_at_once();
    }
}
