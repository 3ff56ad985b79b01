//! Appending: unsynced, durable, and durable from many threads.

mod support;

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use strandline::Durability;
use support::{Scratch, batch, copy_checksum_write, ratio, scratch_file, short, timed};

/// Name, records a batch, bytes a record: batches of about 64 KiB, and one record each.
const SHAPES: [(&str, usize, usize); 4] =
    [("1 KiB", 63, 1024), ("16 KiB", 4, 16_384), ("100 B", 590, 100), ("one of 100 B", 1, 100)];

fn written(c: &mut Criterion) {
    for (name, records, size) in SHAPES {
        let mut group = c.benchmark_group(format!("append written, {name}"));
        let bytes = batch(records, size).size_bytes();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("strandline", |b| b.iter_custom(|n| append(records, size, n).1));
        group.bench_function("limit: copy, checksum, write", |b| {
            b.iter_custom(|n| bare_append(bytes, n).1);
        });
        group.finish();
        let times = (64 << 20) / bytes as u64;
        ratio(
            &format!("append written, {name}"),
            "copy + checksum + write",
            || append(records, size, times),
            || bare_append(bytes, times),
        );
    }
}

fn append(records: usize, size: usize, times: u64) -> (f64, Duration) {
    let scratch = Scratch::new(&[]);
    let (log, mut batch) = (scratch.log(), batch(records, size));
    let bytes = batch.size_bytes() as u64;
    timed(bytes, times, || log.append(&mut batch, Durability::Written).expect("an append"))
}

fn bare_append(bytes: usize, times: u64) -> (f64, Duration) {
    let (file, source, mut buffer) = (scratch_file(), vec![b'x'; bytes], Vec::new());
    let started = Instant::now();
    let mut at = 0;
    for _ in 0..times {
        at = copy_checksum_write(&file, &source, &mut buffer, at);
    }
    (at as f64, started.elapsed())
}

fn durable(c: &mut Criterion) {
    let mut group = c.benchmark_group("append durable, 64 KiB");
    group.sample_size(10);
    group.bench_function("strandline", |b| b.iter_custom(|n| append_durable(n).1));
    group.bench_function("limit: pwrite, fdatasync", |b| b.iter_custom(|n| bare_durable(n).1));
    group.finish();
    let (ours, limit) = (|| append_durable(200), || bare_durable(200));
    ratio("append durable, 64 KiB", "pwrite + fdatasync, growing", ours, limit);
}

fn append_durable(times: u64) -> (f64, Duration) {
    let scratch = Scratch::new(&[]);
    let (log, mut batch) = (scratch.log(), batch(63, 1024));
    timed(1, times, || log.append(&mut batch, Durability::Synced).expect("an append"))
}

fn bare_durable(times: u64) -> (f64, Duration) {
    let (file, source) = (scratch_file(), vec![b'x'; batch(63, 1024).size_bytes()]);
    let started = Instant::now();
    for n in 0..times {
        file.write_all_at(&source, n * source.len() as u64).expect("a write");
        file.sync_data().expect("a sync");
    }
    (times as f64, started.elapsed())
}

fn group_commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("group commit, 8 threads, 1 KiB");
    group.sample_size(10);
    group.bench_function("strandline", |b| b.iter_custom(|n| append_together(n).1));
    group.finish();
    ratio(
        "group commit, 8 threads, 1 KiB (records)",
        "pwrite + fdatasync one by one",
        || append_together(1000),
        || bare_durable(200),
    );
}

/// Eight threads share `times` appends.
fn append_together(times: u64) -> (f64, Duration) {
    const THREADS: u64 = 8;
    let scratch = Scratch::new(&[]);
    let log = scratch.log();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || {
                let mut batch = batch(1, 1024);
                for _ in (thread..times).step_by(THREADS as usize) {
                    log.append(&mut batch, Durability::Synced).expect("an append");
                }
            });
        }
    });
    (times as f64, started.elapsed())
}

criterion_group! {
    name = benches;
    config = short();
    targets = written, durable, group_commit
}
criterion_main!(benches);
