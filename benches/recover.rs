//! Opening after a crash: the unsealed segments are read and checked.

mod support;

use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{Scratch, ratio, read_and_sum, short};

const BYTES: u64 = 64 << 20;

fn unclean(c: &mut Criterion) {
    let mut scratch = Scratch::new(&[]);
    let bytes = scratch.fill(BYTES, 63, 1024);
    let path = scratch.log().segments().expect("segments")[0].path.clone();
    let mut group = c.benchmark_group("open after a crash, 64 MiB unsealed");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("strandline", |b| {
        b.iter_custom(|n| (0..n).map(|_| scratch.reopen_after_crash()).sum());
    });
    group.finish();
    ratio(
        "open after a crash, with what is written again",
        "read + checksum of the same file",
        || (bytes as f64, scratch.reopen_after_crash()),
        || {
            let started = Instant::now();
            read_and_sum(&path, |_| ());
            (bytes as f64, started.elapsed())
        },
    );
}

criterion_group! {
    name = benches;
    config = short();
    targets = unclean
}
criterion_main!(benches);
