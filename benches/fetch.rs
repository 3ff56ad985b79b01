//! Fetching: from front to back, and at random.

mod support;

use std::hint::black_box;
use std::os::unix::fs::FileExt;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use strandline::{FetchOptions, Log};
use support::{Scratch, ratio, read_and_sum, short, timed};

const FILE_BYTES: u64 = 64 << 20;

fn sequential(c: &mut Criterion) {
    for (name, records, size) in [("1 KiB", 63, 1024), ("100 B", 590, 100)] {
        let scratch = Scratch::new(&[]);
        let bytes = scratch.fill(FILE_BYTES, records, size);
        let log = scratch.log();
        let path = log.segments().expect("segments")[0].path.clone();
        let mut group = c.benchmark_group(format!("scan, {name}"));
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function("strandline", |b| b.iter(|| scan(&log)));
        group.bench_function("limit: read, checksum", |b| b.iter(|| read_and_sum(&path, |_| ())));
        group.finish();
        ratio(
            &format!("scan, {name}"),
            "read 256 KiB + checksum of the same file",
            || timed(bytes, 1, || scan(&log)),
            || timed(bytes, 1, || read_and_sum(&path, |_| ())),
        );
    }
}

fn scan(log: &Log) -> usize {
    let (mut at, mut seen) = (0, 0);
    let end = log.log_end_offset().expect("an end");
    while at < end {
        let fetched = log.fetch(at, FetchOptions::new()).expect("a fetch");
        for record in fetched.records() {
            seen += record.expect("a record").value().map_or(0, <[u8]>::len);
        }
        at = fetched.next_offset();
    }
    seen
}

fn random(c: &mut Criterion) {
    for (name, records, size) in [("64 KiB batches of 1 KiB", 63, 1024), ("single 1 KiB", 1, 1024)]
    {
        let scratch = Scratch::new(&[]);
        scratch.fill(FILE_BYTES, records, size);
        let log = scratch.log();
        let path = log.segments().expect("segments")[0].path.clone();
        let mut group = c.benchmark_group(format!("get, {name}"));
        let mut places = Places::default();
        group.bench_function("strandline", |b| b.iter(|| get(&log, &mut places)));
        group.finish();
        let file = std::fs::File::open(path).expect("a file");
        let (mut ours, mut limits) = (Places::default(), Places::default());
        ratio(
            &format!("get, {name}"),
            "pread of 1 KiB",
            || timed(1, 5000, || get(&log, &mut ours)),
            || timed(1, 5000, || pread(&file, &mut limits)),
        );
    }
}

/// Numbers that look random, and are the same each time.
struct Places(u64);

impl Default for Places {
    fn default() -> Self {
        Places(0x5d1f_9c02)
    }
}

impl Places {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

fn get(log: &Log, places: &mut Places) {
    let end = log.log_end_offset().expect("an end");
    let offset = places.below(end as u64) as i64;
    let fetched = log.fetch(offset, FetchOptions::new().max_bytes(1)).expect("a fetch");
    let first = fetched.records().next().expect("a record").expect("a record");
    assert_eq!(first.offset(), offset);
}

fn pread(file: &std::fs::File, places: &mut Places) {
    let mut piece = [0; 1024];
    file.read_exact_at(&mut piece, places.below(FILE_BYTES - 1024)).expect("a read");
    black_box(piece);
}

criterion_group! {
    name = benches;
    config = short();
    targets = sequential, random
}
criterion_main!(benches);
