//! What is compared: a log, a limit of the machine, or a plain loop that does the same.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a write has survived when it returns, and what a read is sure of.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Whether reads notice a flipped bit.
    pub checksummed: bool,
    /// What an acknowledged record of the durable rows has survived.
    pub durable: &'static str,
}

/// A batch: how many records, of how many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub records: usize,
    pub bytes: usize,
    /// Whether that is but their mean, and each has from half to one and a half of it.
    pub mixed: bool,
}

impl Shape {
    /// A batch of one record.
    pub const fn one(bytes: usize) -> Shape {
        Shape { records: 1, bytes, mixed: false }
    }

    /// The values of such records.
    pub fn values(self) -> Values {
        let most = if self.mixed { self.bytes + self.bytes / 2 } else { self.bytes };
        Values { shape: self, bytes: vec![b'x'; most], state: AtomicU64::new(0) }
    }

    /// Bytes of all values.
    pub fn payload(self) -> usize {
        self.records * self.bytes
    }
}

/// Values of records, one after another: the same ones for everybody.
pub struct Values {
    pub shape: Shape,
    bytes: Vec<u8>,
    state: AtomicU64,
}

impl Values {
    /// The next one.
    pub fn draw(&self) -> &[u8] {
        &self.bytes[..self.draw_len()]
    }

    /// The next one's length.
    pub fn draw_len(&self) -> usize {
        let Shape { bytes, mixed, .. } = self.shape;
        if !mixed {
            return bytes;
        }
        // Where several threads draw, some may draw the same.
        let state = stirred(self.state.load(Ordering::Relaxed));
        self.state.store(state, Ordering::Relaxed);
        bytes / 2 + (state >> 33) as usize % (bytes + 1)
    }
}

/// The next state of a simple generator of numbers, whose upper bits are good.
pub fn stirred(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}

/// How long each operation took, and all of them together.
pub struct Times {
    pub each: Vec<Duration>,
    pub all: Duration,
}

/// Something that can do some of the work. `None`: it has no such thing.
pub trait Subject {
    fn name(&self) -> &'static str;

    fn promise(&self) -> Promise;

    /// Appends so many batches, unsynced: they survive the death of the process.
    fn append(&self, _dir: &Path, _shape: Shape, _batches: usize) -> Option<Duration> {
        None
    }

    /// Appends so many batches, each durable before the next begins.
    fn durable(&self, _dir: &Path, _shape: Shape, _batches: usize) -> Option<Times> {
        None
    }

    /// So many writers append so many records each, one at a time, each durable before the next.
    fn group(&self, _dir: &Path, _bytes: usize, _writers: usize, _each: usize) -> Option<Times> {
        None
    }

    /// A log of so many batches, to be read.
    fn stored(&self, _dir: &Path, _shape: Shape, _batches: usize) -> Option<Box<dyn Stored>> {
        None
    }

    /// A log of so many batches, in one segment, that was never closed.
    fn crashed(&self, _dir: &Path, _shape: Shape, _batches: usize) -> Option<Box<dyn Stored>> {
        None
    }
}

/// The largest that a segment can be.
pub const SEGMENT_BYTES: &str = "2147483647";

/// A log that is read. `0`, or `None`: it has no such thing.
pub trait Stored {
    /// Goes through all records from front to back; the bytes of their values.
    fn scan(&mut self) -> usize {
        0
    }

    /// Reads the record with this number; the bytes of its value.
    fn get(&mut self, _number: u64) -> usize {
        0
    }

    /// Opens it as it lies there, up to its end being known; the time that took.
    fn open(&mut self) -> Option<Duration> {
        None
    }

    /// A scan with the time it took.
    fn timed_scan(&mut self) -> (usize, Duration) {
        let started = Instant::now();
        let seen = self.scan();
        (seen, started.elapsed())
    }

    /// Reads records one after another, with the time that took.
    fn timed_gets(&mut self, numbers: &[u64]) -> (usize, Duration) {
        let started = Instant::now();
        let seen = numbers.iter().map(|&number| self.get(number)).sum();
        (seen, started.elapsed())
    }
}

/// Times each run of `work`.
pub fn each(times: usize, mut work: impl FnMut(usize)) -> Times {
    let started = Instant::now();
    let one = |n| {
        let started = Instant::now();
        work(n);
        started.elapsed()
    };
    let each = (0..times).map(one).collect();
    Times { each, all: started.elapsed() }
}

/// Times each run of `work` in so many threads, each of which makes its own.
pub fn together<W: FnMut(usize)>(
    writers: usize,
    times: usize,
    make: impl Fn() -> W + Sync,
) -> Times {
    let started = Instant::now();
    let each = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..writers).map(|_| scope.spawn(|| each(times, make()).each)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a writer")).collect()
    });
    Times { each, all: started.elapsed() }
}
