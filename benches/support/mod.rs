//! What the benchmarks share: logs to work on, the limits of the machine, and ratios to them.
//!
//! A figure means little on its own: disks, caches and neighbours differ from minute to minute. So
//! each is measured beside the bare system call, or the bare checksum, over the same bytes, in
//! turns, and the ratio is printed.

// Each benchmark uses some of it.
#![allow(dead_code)]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;

use strandline::testing::Log as Door;
use strandline::{Batch, Durability, Log, Record};
use tempfile::TempDir;

/// When the records of the benchmarks are from.
pub(crate) const NOW: i64 = 1_700_000_000_000;

/// A log in a directory of its own, gone when this is dropped.
pub(crate) struct Scratch {
    door: Option<Door>,
    pub(crate) dir: TempDir,
    config: Vec<(String, String)>,
}

impl Scratch {
    /// An empty log with these settings, in the working directory's file system: what is measured
    /// should not be a memory disk.
    pub(crate) fn new(config: &[(&str, &str)]) -> Scratch {
        let dir = scratch_dir();
        let config: Vec<_> =
            config.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let door = Door::open(dir.path(), &config, NOW).expect("a new log");
        Scratch { door: Some(door), dir, config }
    }

    pub(crate) fn log(&self) -> Log {
        self.door.as_ref().expect("open").handle().clone()
    }

    /// Lets go of the log as a crash does, and opens it again; the time that took.
    pub(crate) fn reopen_after_crash(&mut self) -> Duration {
        drop(self.door.take());
        let started = Instant::now();
        self.door = Some(Door::open(self.dir.path(), &self.config, NOW).expect("a log"));
        started.elapsed()
    }

    /// Fills it with batches of `records` records of `size` bytes, up to about `bytes`.
    pub(crate) fn fill(&self, bytes: u64, records: usize, size: usize) -> u64 {
        let (log, mut batch) = (self.log(), batch(records, size));
        let mut written = 0;
        while written < bytes {
            log.append(&mut batch, Durability::Written).expect("an append");
            written += batch.size_bytes() as u64;
        }
        log.flush().expect("a flush");
        written
    }
}

/// A batch of equal records.
pub(crate) fn batch(records: usize, size: usize) -> Batch {
    let value = vec![b'x'; size];
    Batch::of((0..records).map(|_| Record::new().value(&value).timestamp(NOW)))
}

/// A directory in the working directory's file system, gone when this is dropped.
pub(crate) fn scratch_dir() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

/// A file beside the logs, for limits.
pub(crate) fn scratch_file() -> File {
    tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a file")
}

/// The checksum of batches, by the crate that the library has it from.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Reads a file in pieces of 256 KiB, sums each, and gives it to `with`.
pub(crate) fn read_and_sum(path: &Path, mut with: impl FnMut(&[u8])) {
    let mut file = File::open(path).expect("a file");
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece).expect("a read") {
            0 => return,
            len => {
                std::hint::black_box(checksum(&piece[..len]));
                with(&piece[..len]);
            }
        }
    }
}

/// The limit of appends: copying the bytes, one checksum over them, one write.
pub(crate) fn copy_checksum_write(
    file: &File,
    source: &[u8],
    buffer: &mut Vec<u8>,
    at: u64,
) -> u64 {
    buffer.clear();
    buffer.extend_from_slice(source);
    std::hint::black_box(checksum(buffer));
    file.write_all_at(buffer, at).expect("a write");
    at + buffer.len() as u64
}

/// Runs both in turns, drops the first round, and prints the median of the ratios with its spread.
/// Each gives the work done in some unit and the time it took.
pub(crate) fn ratio(
    name: &str,
    limit_name: &str,
    mut ours: impl FnMut() -> (f64, Duration),
    mut limit: impl FnMut() -> (f64, Duration),
) {
    let speed = |(work, took): (f64, Duration)| work / took.as_secs_f64().max(1e-9);
    let mut ratios = Vec::new();
    for round in 0..6 {
        let (our, bound) = (speed(ours()), speed(limit()));
        if round > 0 {
            ratios.push(our / bound);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("ratio  {name:<44} {median:5.2} of {limit_name}  [{least:.2} – {most:.2}]");
}

/// Runs `work` `times` times; each run does `amount` of work.
pub(crate) fn timed<T>(amount: u64, times: u64, mut work: impl FnMut() -> T) -> (f64, Duration) {
    let started = Instant::now();
    for _ in 0..times {
        std::hint::black_box(work());
    }
    ((amount * times) as f64, started.elapsed())
}

/// How criterion measures here: short, for the ratios are what counts.
pub(crate) fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}
