//! What an opening reads: nothing of a `.log` after a clean close, the unsealed segments after any
//! other stop. A test of its own, for it counts what the whole process reads.

use strandline::{Batch, Durability, LogConfig, Record, Store, TopicOptions};

const MIB: u64 = 1 << 20;

/// Bytes that this process has read, if the system says.
fn bytes_read() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

/// What opening the store and asking for the log's bounds reads.
fn cost_of_opening(path: &std::path::Path) -> (Store, u64) {
    let before = bytes_read().expect("it was there before");
    let store = Store::options().housekeeping(false).open(path).expect("the store opens");
    let log = store.log("events", 0).expect("the log");
    assert!(log.log_end_offset().expect("an end") > 0);
    let read = bytes_read().expect("it was there before") - before;
    (store, read)
}

#[test]
fn an_opening_reads_the_unsealed_segments_and_none_after_a_clean_close() {
    if bytes_read().is_none() {
        println!("skipped: the system does not count what a process reads");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data");
    let store = Store::options().housekeeping(false).open(&path).expect("the store opens");
    let config = LogConfig::new().segment_bytes(2 * MIB as u32);
    let topic = store.create_topic("events", TopicOptions::new().config(config)).expect("a topic");
    let log = topic.partition(0).expect("the log");
    let value = vec![7; 16 << 10];
    let mut batch = Batch::of([Record::new().value(&value)]);
    for _ in 0..640 {
        log.append(&mut batch, Durability::Written).expect("an append");
    }
    let segments = log.segments().expect("segments");
    assert!(segments.len() >= 5, "{} segments", segments.len());
    let unsealed: u64 = segments[segments.len() - 2..].iter().map(|s| s.size_bytes).sum();

    // The process dies: only what two segments hold is read.
    drop((log, topic, store));
    let (store, read) = cost_of_opening(&path);
    assert!(read <= unsealed + MIB / 2, "{read} bytes read, {unsealed} are unsealed");

    // Closed in order: less is read than the smallest part of a segment.
    store.log("events", 0).expect("the log").append(&mut batch, Durability::Synced).expect("more");
    store.close().expect("a clean close");
    let (store, read) = cost_of_opening(&path);
    assert!(read < MIB / 16, "{read} bytes read");
    drop(store);
}
