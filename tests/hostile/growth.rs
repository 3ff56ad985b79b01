//! Four times as many hostile units cost at most six times as much: bytes read, allocations, and
//! bytes allocated, which no machine's speed changes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::batches::{Lie, batch, honest, varint};
use crate::child::confined;
use crate::use_all::{dumped, name, partition, read_only};

/// Units of the smaller of two runs.
const UNITS: i64 = 2_000;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, which counts.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is an unsafe trait; it hands all on to the system's")]
// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; it comes from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes read, allocations, bytes allocated.
type Cost = [u64; 3];
const WHAT: [&str; 3] = ["bytes read", "allocations", "bytes allocated"];

fn spent() -> Cost {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    let read = read.and_then(|number| number.parse().ok()).unwrap_or(0);
    [read, ALLOCATIONS.load(Ordering::Relaxed), ALLOCATED.load(Ordering::Relaxed)]
}

/// What it costs to dump and to use a partition that `make` made.
fn cost_of(make: &dyn Fn(&Path, i64), units: i64) -> Cost {
    let (directory, partition) = partition();
    make(&partition, units);
    let before = spent();
    dumped(&partition);
    read_only(directory.path());
    let after = spent();
    [0, 1, 2].map(|at| after[at] - before[at])
}

#[track_caller]
fn is_linear(test: &str, make: &dyn Fn(&Path, i64)) {
    confined(test, || {
        // What is made once for a thread counts for neither.
        cost_of(make, 10);
        let (one, four) = (cost_of(make, UNITS), cost_of(make, 4 * UNITS));
        for ((one, four), what) in one.into_iter().zip(four).zip(WHAT) {
            assert!(four <= 6 * one, "{what}: {one} for {UNITS} units, {four} for four times");
        }
    });
}

/// A log of one batch for each unit.
fn log_of(partition: &Path, units: i64, unit: impl Fn(i64) -> Lie) {
    let bytes: Vec<u8> = (0..units).flat_map(|number| unit(number).bytes()).collect();
    fs::write(partition.join(name(0, "log")), bytes).unwrap();
}

/// The attribute bits of transactional and of control batches.
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

#[test]
fn producers() {
    is_linear("growth::producers", &|partition, units| {
        // All in one bucket of Java's map.
        let unit = |n| Lie { producer: (n << 32 | n, 0, 0), ..batch(n, &[honest(0)]) };
        log_of(partition, units, unit);
    });
}

#[test]
fn open_transactions() {
    is_linear("growth::open_transactions", &|partition, units| {
        let unit =
            |n| Lie { attributes: TRANSACTIONAL, producer: (n, 0, 0), ..batch(n, &[honest(0)]) };
        log_of(partition, units, unit);
    });
}

/// An end-of-transaction marker that aborts.
fn abort(offset: i64, producer: i64) -> Lie {
    let mut body = vec![0, 0, 0];
    body.extend(varint(4));
    body.extend([0, 0, 0, 0]);
    body.extend(varint(6));
    body.extend([0; 6]);
    body.push(0);
    let record = [varint(body.len() as i64), body].concat();
    let attributes = TRANSACTIONAL | CONTROL;
    Lie { attributes, producer: (producer, 0, -1), ..batch(offset, &[record]) }
}

#[test]
fn aborted_transactions() {
    is_linear("growth::aborted_transactions", &|partition, units| {
        let unit = |n| {
            // All begin, then all are aborted: each overlaps all others.
            let half = units / 2;
            match n - half {
                ..0 => {
                    Lie { attributes: TRANSACTIONAL, producer: (n, 0, 0), ..batch(n, &[honest(0)]) }
                }
                producer => abort(n, producer),
            }
        };
        log_of(partition, units / 2 * 2, unit);
    });
}

#[test]
fn headers() {
    is_linear("growth::headers", &|partition, units| {
        let mut body = vec![0, 0, 0, 1, 1];
        body.extend(varint(units));
        body.extend((0..units).flat_map(|_| [0, 1]));
        let record = [varint(body.len() as i64), body].concat();
        fs::write(partition.join(name(0, "log")), batch(0, &[record]).bytes()).unwrap();
    });
}

#[test]
fn tiny_batches() {
    is_linear("growth::tiny_batches", &|partition, units| {
        log_of(partition, units, |n| batch(n, &[honest(0)]));
    });
}

#[test]
fn gaps() {
    is_linear("growth::gaps", &|partition, units| {
        log_of(partition, units, |n| batch(n << 30, &[honest(0)]));
    });
}

#[test]
fn damaged_batches_of_an_old_segment() {
    is_linear("growth::damaged_batches_of_an_old_segment", &|partition, units| {
        let unit = |n: i64| Lie { length: (n % 2 == 1).then_some(40), ..batch(n, &[honest(0)]) };
        // No more steps than a reader takes.
        log_of(partition, units / 50, unit);
        let end = units / 50;
        fs::write(partition.join(name(end, "log")), batch(end, &[honest(0)]).bytes()).unwrap();
    });
}

#[test]
fn index_entries_that_lie() {
    is_linear("growth::index_entries_that_lie", &|partition, units| {
        log_of(partition, units, |n| batch(n, &[honest(0)]));
        let end = units;
        fs::write(partition.join(name(end, "log")), batch(end, &[honest(0)]).bytes()).unwrap();
        let entries = (0..units as u32).flat_map(|n| [n.to_be_bytes(), (n * 7 + 1).to_be_bytes()]);
        let bytes: Vec<u8> = entries.flatten().collect();
        fs::write(partition.join(name(0, "index")), &bytes).unwrap();
        fs::write(partition.join(name(0, "timeindex")), &bytes).unwrap();
    });
}

#[test]
fn files() {
    is_linear("growth::files", &|partition, units| {
        for base in 0..units / 20 {
            let bytes = batch(base, &[honest(0)]).bytes();
            fs::write(partition.join(name(base, "log")), bytes).unwrap();
            fs::write(partition.join(name(base, "snapshot")), "none").unwrap();
        }
    });
}
