//! Opening after a crash: the unsealed segments are read and checked.

mod support;

use std::io::Read;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{Scratch, ratio, short};

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
    let mut piece = vec![0; 256 << 10];
    ratio(
        "open after a crash, with what is written again",
        "read + checksum of the same file",
        || (bytes as f64, scratch.reopen_after_crash()),
        || {
            let started = Instant::now();
            let (mut file, mut sum) = (std::fs::File::open(&path).expect("a file"), 0);
            loop {
                match file.read(&mut piece).expect("a read") {
                    0 => break,
                    len => sum = crc32c::crc32c_append(sum, &piece[..len]),
                }
            }
            std::hint::black_box(sum);
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
