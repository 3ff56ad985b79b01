//! How long after an append is called a waiting reader has the record: one of another store handle, as
//! in another process, beside a byte through a pipe, and one of the same log beside a bare condition
//! variable, in the same run. What they are beside is what waking another thread costs.

use std::io::{Read, Write, pipe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};

/// In so many turns, so many samples each.
const TURNS: usize = 6;
const SAMPLES: usize = 500;
/// Between two appends: long enough for the reader to wait again.
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        // `cargo test --benches` only asks whether it runs.
        let _ = (appends(10, Reader::Beside), bytes(10), appends(10, Reader::Within), wakes(10));
        return;
    }
    compare("another process", Reader::Beside, "byte through pipe", bytes);
    compare("the same log", Reader::Within, "condition variable", wakes);
}

/// Takes both in turns, and prints them and the ratios of their quantiles.
fn compare(name: &str, reader: Reader, limit_name: &str, limit: impl Fn(usize) -> Vec<u64>) {
    let (mut append, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        append.extend(appends(SAMPLES, reader));
        bare.extend(limit(SAMPLES));
    }
    append.sort_unstable();
    bare.sort_unstable();
    println!("follow/append to a reader of {name:<16} {}", told(&append));
    println!("follow/{limit_name:<38} {}", told(&bare));
    let ratio = |at: f64| quantile(&append, at) as f64 / quantile(&bare, at) as f64;
    println!("follow/{:<38} p50 {:.1}  p99 {:.1}", "ratio", ratio(0.5), ratio(0.99));
}

fn told(sorted: &[u64]) -> String {
    let micros = |at: f64| quantile(sorted, at) as f64 / 1000.0;
    let (p50, p90, p99) = (micros(0.5), micros(0.9), micros(0.99));
    format!("p50 {p50:.1} µs  p90 {p90:.1} µs  p99 {p99:.1} µs")
}

fn quantile(sorted: &[u64], at: f64) -> u64 {
    sorted[((sorted.len() - 1) as f64 * at) as usize].max(1)
}

/// Times from when `send` is called to when `receive` has returned, in nanoseconds.
fn latencies(
    samples: usize,
    mut send: impl FnMut(usize) + Send,
    mut receive: impl FnMut(usize),
) -> Vec<u64> {
    let start = Instant::now();
    let now = || start.elapsed().as_nanos() as u64;
    let sent: Vec<AtomicU64> = (0..samples).map(|_| AtomicU64::new(0)).collect();
    let mut received = vec![0; samples];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (number, sent) in sent.iter().enumerate() {
                std::thread::sleep(PAUSE);
                sent.store(now(), Ordering::Release);
                send(number);
            }
        });
        for (number, received) in received.iter_mut().enumerate() {
            receive(number);
            *received = now();
        }
    });
    let took = |(sent, received): (&AtomicU64, &u64)| {
        received.saturating_sub(sent.load(Ordering::Acquire))
    };
    sent.iter().zip(&received).map(took).collect()
}

/// Which handle the reader has.
#[derive(Clone, Copy)]
enum Reader {
    /// One of a store that was opened read-only, as another process would.
    Beside,
    /// The one that is appended to.
    Within,
}

fn appends(samples: usize, reader: Reader) -> Vec<u64> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store");
    let store = Store::open(&path).expect("a store");
    let topic = store.create_topic("events", TopicOptions::new()).expect("a topic");
    let log = topic.partition(0).expect("a log");
    let beside =
        matches!(reader, Reader::Beside).then(|| Store::open_read_only(&path).expect("a store"));
    let seen = beside
        .as_ref()
        .map_or_else(|| log.clone(), |beside| beside.log("events", 0).expect("a log"));
    let mut follower = seen.follow(0, FetchOptions::new()).expect("a follower");
    let send = move |_| {
        let batch = Batch::of([Record::new().value("a small record")]);
        log.append(batch, Durability::Written).expect("an append");
    };
    let receive = |number: usize| {
        while follower.offset() <= number as i64 {
            follower.fetch_within(Duration::from_secs(10)).expect("a record");
        }
    };
    latencies(samples, send, receive)
}

fn bytes(samples: usize) -> Vec<u64> {
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let send = move |_| writer.write_all(&[0]).expect("a byte");
    latencies(samples, send, |_| reader.read_exact(&mut [0]).expect("a byte"))
}

/// The bare wake-up: a number under a lock, and who waits for it.
fn wakes(samples: usize) -> Vec<u64> {
    let (sent, bell) = (Mutex::new(0), Condvar::new());
    let send = |number| {
        *sent.lock().expect("a lock") = number + 1;
        bell.notify_all();
    };
    let receive = |number| {
        let sent = sent.lock().expect("a lock");
        drop(bell.wait_while(sent, |sent| *sent <= number).expect("a lock"));
    };
    latencies(samples, send, receive)
}
