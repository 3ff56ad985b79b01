//! The rows of the table: what work is done, and by which limit it is measured.

use std::path::Path;
use std::time::Duration;

use crate::limits::{GroupCommit, Limit};
use crate::peers::{self, strandline::Strandline};
use crate::subject::{Shape, Stored, Subject, Times, stirred};

/// One kind of work.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Unsynced appends of so many batches.
    Append(Shape, usize),
    /// Batches, each synced.
    Durable(Shape, usize),
    /// Writers of one record each at a time, each synced.
    Group { bytes: usize, writers: usize, each: usize },
    /// All records of so many batches, from front to back.
    Scan(Shape, usize),
    /// So many records by number, at random, from so many batches.
    Get(Shape, usize, usize),
    /// The opening of so many batches after a crash, each of which is to be checked.
    Open(Shape, usize),
}

/// A row of the table.
pub struct Row {
    pub name: &'static str,
    pub work: Work,
    pub unit: &'static str,
    /// The subject that bounds it.
    pub limit: &'static str,
}

const fn batches(records: usize, bytes: usize) -> Shape {
    Shape { records, bytes, mixed: false }
}

pub const ROWS: &[Row] = &[
    Row {
        name: "append, 1 KiB records in batches of 64 KiB",
        work: Work::Append(batches(63, 1024), 1500),
        unit: "MB/s",
        limit: "copy + checksum + write, space reserved",
    },
    Row {
        name: "append, 16 KiB records in batches of 64 KiB",
        work: Work::Append(batches(4, 16_384), 1500),
        unit: "MB/s",
        limit: "copy + checksum + write, space reserved",
    },
    Row {
        name: "append, 100-byte records in batches of 64 KiB",
        work: Work::Append(batches(590, 100), 1500),
        unit: "MB/s",
        limit: "copy + checksum + write, space reserved",
    },
    Row {
        name: "append, one 100-byte record a call",
        work: Work::Append(batches(1, 100), 100_000),
        unit: "k/s",
        limit: "write(2)",
    },
    Row {
        name: "durable, a batch of 64 KiB, one writer",
        work: Work::Durable(batches(63, 1024), 400),
        unit: "/s",
        limit: "pwrite + fdatasync over zeros",
    },
    Row {
        name: "durable, 1 KiB records, 8 writers",
        work: Work::Group { bytes: 1024, writers: 8, each: 250 },
        unit: "/s",
        limit: "a plain group commit, growing file",
    },
    Row {
        name: "scan, 1 KiB records in batches of 64 KiB",
        work: Work::Scan(batches(63, 1024), 1000),
        unit: "MB/s",
        limit: "read + checksum of strandline's file",
    },
    Row {
        name: "scan, 100-byte records in batches of 64 KiB",
        work: Work::Scan(batches(590, 100), 1000),
        unit: "MB/s",
        limit: "read + checksum of strandline's file",
    },
    Row {
        name: "scan, records of 50 to 150 bytes in batches of 64 KiB",
        work: Work::Scan(Shape { records: 590, bytes: 100, mixed: true }, 1000),
        unit: "MB/s",
        limit: "read + checksum of strandline's file",
    },
    Row {
        name: "get, a 1 KiB record of a batch of 64 KiB",
        work: Work::Get(batches(63, 1024), 1000, 20_000),
        unit: "k/s",
        limit: "pread of a record's bytes",
    },
    Row {
        name: "get, a 1 KiB record of a batch of its own",
        work: Work::Get(batches(1, 1024), 63_000, 20_000),
        unit: "k/s",
        limit: "pread of a record's bytes",
    },
    Row {
        name: "open after a crash, 2 GB in one segment",
        work: Work::Open(batches(63, 1024), 31_000),
        unit: "MB/s",
        limit: "read + checksum of strandline's file",
    },
];

/// What one subject achieved in each round that counts, in the row's unit; and how long operations
/// took, if that was asked.
pub struct Measured {
    pub name: &'static str,
    pub speeds: Vec<f64>,
    pub each: Vec<Duration>,
}

/// All subjects, strandline first.
pub fn subjects() -> Vec<Box<dyn Subject>> {
    let mut all: Vec<Box<dyn Subject>> = vec![
        Box::new(Strandline { is_growing: false }),
        Box::new(Strandline { is_growing: true }),
        Box::new(Limit::Write),
        Box::new(Limit::CopySumWrite),
        Box::new(Limit::Reserved),
        Box::new(Limit::SyncOverZeros),
        Box::new(Limit::SyncGrowing),
        Box::new(GroupCommit),
        Box::new(Limit::ReadSum),
        Box::new(Limit::Read),
    ];
    all.extend(peers::all());
    all
}

/// Runs a row: all subjects in turns, one round more than counts. Where some are `wanted`, they and
/// the row's limit.
pub fn measure(
    row: &Row,
    scratch: &Path,
    wanted: &[String],
    (rounds, scale): (usize, usize),
) -> Vec<Measured> {
    let mut subjects = subjects();
    let is_wanted = |name: &str| wanted.iter().any(|it| name.contains(it.as_str()));
    subjects.retain(|it| wanted.is_empty() || is_wanted(it.name()) || it.name() == row.limit);
    let work = row.work.scaled(scale);
    let within = tempfile::tempdir_in(scratch).expect("a directory");
    let mut stored = work.stored(&subjects, within.path());
    let mut measured: Vec<_> = subjects
        .iter()
        .map(|it| Measured { name: it.name(), speeds: Vec::new(), each: Vec::new() })
        .collect();
    for round in 0..=rounds {
        // In another order each time: what one leaves, to be written back or in the processor's
        // caches, meets the next.
        for number in shuffled(subjects.len(), round as u64) {
            let subject = &subjects[number];
            if matches!(work, Work::Durable(..) | Work::Group { .. }) {
                nix::unistd::sync();
            }
            let dir = within.path().join(format!("{number}-{round}"));
            let mut log = stored[number].as_deref_mut();
            if log.is_some() {
                // Reads are of what is warm, for everybody.
                let before = u64::MAX - round as u64;
                work.run(subject.as_ref(), log.as_deref_mut(), &dir, before);
            }
            let done = work.run(subject.as_ref(), log, &dir, round as u64);
            // One of them keeps its files elsewhere; see `main`.
            let _ = std::fs::remove_dir_all(scratch.join(format!("{number}-{round}")));
            let _ = std::fs::remove_dir_all(&dir);
            let Some((amount, times)) = done else { continue };
            if round > 0 {
                measured[number].speeds.push(amount / times.all.as_secs_f64());
                measured[number].each.extend(times.each);
            }
        }
    }
    measured.retain(|it| !it.speeds.is_empty());
    measured
}

impl Work {
    fn scaled(self, by: usize) -> Work {
        match self {
            Work::Append(shape, batches) => Work::Append(shape, batches * by),
            Work::Durable(shape, batches) => Work::Durable(shape, batches * by),
            Work::Group { bytes, writers, each } => Work::Group { bytes, writers, each: each * by },
            Work::Scan(shape, batches) => Work::Scan(shape, batches * by),
            Work::Get(shape, batches, times) => Work::Get(shape, batches * by, times * by),
            Work::Open(shape, batches) => Work::Open(shape, batches * by),
        }
    }

    /// What is read by each subject, if this reads.
    fn stored(self, subjects: &[Box<dyn Subject>], dir: &Path) -> Vec<Option<Box<dyn Stored>>> {
        let one = |(number, subject): (usize, &dyn Subject)| {
            let dir = dir.join(format!("{number}-stored"));
            match self {
                Work::Scan(shape, batches) | Work::Get(shape, batches, _) => {
                    subject.stored(&dir, shape, batches)
                }
                Work::Open(shape, batches) => subject.crashed(&dir, shape, batches),
                Work::Append(..) | Work::Durable(..) | Work::Group { .. } => None,
            }
        };
        subjects.iter().map(AsRef::as_ref).enumerate().map(one).collect()
    }

    /// How much was done, in the unit of the row, and how long it took.
    fn run(
        self,
        subject: &dyn Subject,
        stored: Option<&mut (dyn Stored + 'static)>,
        dir: &Path,
        seed: u64,
    ) -> Option<(f64, Times)> {
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        let whole = |all| Times { each: Vec::new(), all };
        match self {
            Work::Append(shape, batches) => {
                let took = subject.append(dir, shape, batches)?;
                let done = if shape.records == 1 {
                    batches as f64 / 1e3
                } else {
                    megabytes(shape.payload() * batches)
                };
                Some((done, whole(took)))
            }
            Work::Durable(shape, batches) => {
                Some((batches as f64, subject.durable(dir, shape, batches)?))
            }
            Work::Group { bytes, writers, each } => {
                Some(((writers * each) as f64, subject.group(dir, bytes, writers, each)?))
            }
            Work::Scan(shape, batches) => {
                let (seen, took) = stored?.timed_scan();
                // A limit sees the bytes of the file; the payload is the same for all.
                (seen > 0).then(|| (megabytes(shape.payload() * batches), whole(took)))
            }
            Work::Get(shape, batches, times) => {
                let numbers = at_random((shape.records * batches) as u64, times, seed);
                let (seen, took) = stored?.timed_gets(&numbers);
                (seen > 0).then(|| (times as f64 / 1e3, whole(took)))
            }
            Work::Open(shape, batches) => {
                Some((megabytes(shape.payload() * batches), whole(stored?.open()?)))
            }
        }
    }
}

/// The numbers below a bound, in an order that the seed decides.
fn shuffled(bound: usize, seed: u64) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..bound).collect();
    let mut state = stirred(seed);
    for at in (1..bound).rev() {
        state = stirred(state);
        numbers.swap(at, (state >> 33) as usize % (at + 1));
    }
    numbers
}

/// So many numbers below a bound.
fn at_random(bound: u64, count: usize, seed: u64) -> Vec<u64> {
    let mut state = seed;
    let next = || {
        state = stirred(state);
        (state >> 33) % bound
    };
    std::iter::repeat_with(next).take(count).collect()
}
