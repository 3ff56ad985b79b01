//! Building batches: records encoded, and compressed.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use strandline::compression::Codec;
use strandline::{Batch, Record, testing};
use support::{NOW, ratio, short, timed};

fn building(c: &mut Criterion) {
    for (name, records, size) in [("100 B", 590_usize, 100_usize), ("1 KiB", 63, 1024)] {
        let value = vec![b'x'; size];
        let mut batch = Batch::new();
        let mut group = c.benchmark_group(format!("build a batch, {name}"));
        group.throughput(Throughput::Bytes((records * size) as u64));
        group.bench_function("strandline", |b| b.iter(|| fill(&mut batch, &value, records)));
        group.finish();
        let (mut copied, bytes) = (Vec::new(), (records * size) as u64);
        ratio(
            &format!("build a batch, {name}"),
            "copying the values",
            || timed(bytes, 500, || fill(&mut batch, &value, records)),
            || {
                timed(bytes, 500, || {
                    copied.clear();
                    (0..records).for_each(|_| copied.extend_from_slice(&value));
                    std::hint::black_box(&copied);
                })
            },
        );
    }
}

fn fill(batch: &mut Batch, value: &[u8], records: usize) {
    batch.clear();
    for _ in 0..records {
        batch.push(Record::new().value(value).timestamp(NOW));
    }
    std::hint::black_box(batch);
}

fn compressing(c: &mut Criterion) {
    let lines: Vec<_> = (0..600)
        .map(|n| {
            format!("{{\"path\":\"core/src/main/File{}.scala\",\"added\":{n}}}", n * 7919 % 600)
        })
        .collect();
    let mut group = c.benchmark_group("build and compress a batch of JSON");
    group.throughput(Throughput::Bytes(lines.iter().map(|line| line.len() as u64).sum()));
    for codec in Codec::ALL {
        group.bench_function(codec.name(), |b| {
            b.iter(|| {
                let records = lines.iter().map(|line| (NOW, None, Some(line.as_bytes()), &[][..]));
                testing::build_batch(codec.name(), (-1, -1, -1), false, records).expect("a batch")
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = short();
    targets = building, compressing
}
criterion_main!(benches);
