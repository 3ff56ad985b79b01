//! What strandline keeps in memory: the most that lives on the heap at once while logs are appended to
//! and read, and what a partition costs that nobody uses. The library is built as it is shipped, with
//! an allocator that counts; what the benchmark itself needs is allocated before the count begins.
//!
//!     memory [--dir DIR] [--partitions N]...

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};

static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, which counts what lives.
struct Counting;

fn count(bytes: i64) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is an unsafe trait; it hands all on to the system's")]
// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller promises; it comes from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How much more lives at most while `work` is done than lived before it.
fn peak_of(work: impl FnOnce()) -> i64 {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

fn main() {
    let (mut dir, mut partitions) = (std::env::temp_dir(), Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--dir" => dir = PathBuf::from(value),
            "--partitions" => partitions.push(value.parse().expect("a number")),
            _ => panic!("no such option: {name}"),
        }
    }
    if partitions.is_empty() {
        partitions = vec![1_000, 10_000];
    }
    println!("\n**memory**\n\n| | is | asked |\n|---|---:|---:|");
    // As much as a fetch brings by default, and more.
    for (readers, kibibytes) in [(0, 256), (16, 256), (16, 1024)] {
        appended_and_read(&dir, readers, kibibytes);
    }
    partitions.into_iter().for_each(|count| idle(&dir, count));
}

/// 256 MiB are appended in batches of 64 KiB while readers follow, so much at a time.
fn appended_and_read(dir: &Path, readers: usize, kibibytes: usize) {
    let scratch = tempfile::tempdir_in(dir).expect("a directory");
    let value = vec![b'x'; 1024];
    let mut batch = Batch::of((0..63).map(|_| Record::new().value(&value)));
    let batches = (256 << 20) / batch.size_bytes() as i64;
    let options = FetchOptions::new().max_bytes(kibibytes << 10);
    let start = Barrier::new(readers + 1);
    let peak = peak_of(|| {
        let store = Store::options().open(scratch.path().join("s")).expect("a store");
        let topic = store.create_topic("events", TopicOptions::new()).expect("a topic");
        let log = topic.partition(0).expect("a log");
        std::thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    start.wait();
                    let mut follower = log.follow(0, options).expect("a follower");
                    while follower.offset() < batches * 63 {
                        follower.fetch_within(Duration::from_secs(10)).expect("a fetch");
                    }
                });
            }
            start.wait();
            for _ in 0..batches {
                log.append(&mut batch, Durability::Written).expect("an append");
            }
        });
        store.close().expect("a close");
    });
    let mebibytes = peak as f64 / f64::from(1 << 20);
    let row = format!("heap, 256 MiB appended, {readers} readers, {kibibytes} KiB a fetch");
    println!("| {row} | {mebibytes:.2} MiB | 8 MiB |");
}

/// A store of so many partitions is opened: what is kept for each that is not used, and for each that
/// was asked for its end.
fn idle(dir: &Path, count: u32) {
    let scratch = tempfile::tempdir_in(dir).expect("a directory");
    let path = scratch.path().join("s");
    let open = || Store::options().open(&path).expect("a store");
    let store = open();
    let topic = store.create_topic("events", TopicOptions::new().partitions(count));
    let topic = topic.expect("a topic");
    for partition in 0..count {
        let log = topic.partition(partition).expect("a log");
        // What is not synced keeps its descriptor.
        log.append(Batch::of([Record::new().value("v")]), Durability::Synced).expect("an append");
    }
    store.close().expect("a close");
    drop((topic, store));
    let (bytes, files) = (LIVE.load(Ordering::Relaxed), descriptors());
    let each = |now: i64, before: i64| (now - before) as f64 / f64::from(count);
    let told = |what: &str| {
        let bytes = each(LIVE.load(Ordering::Relaxed), bytes);
        let files = descriptors() - files;
        let what = format!("a partition of {count}, {what}");
        println!(
            "| {what} | {bytes:.0} bytes, {files} descriptors for all | 1024 bytes, none each |"
        );
    };
    let store = open();
    told("not used");
    for partition in 0..count {
        let log = store.log("events", partition).expect("a log");
        assert_eq!(log.log_end_offset().expect("an end"), 1);
    }
    told("looked at");
    drop(store);
}

fn descriptors() -> i64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as i64)
}
