//! Limits of the machine, and plain loops that promise what a log does: the bounds that logs are
//! measured by, in the same process and run.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, fallocate};

use crate::subject::{Promise, Shape, Stored, Subject, Times, each, together};

/// What a limit does of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// One `write` of the same bytes for each batch.
    Write,
    /// Copies the bytes, sums them, writes them.
    CopySumWrite,
    /// The same, in a file whose space is taken ahead, its length kept.
    Reserved,
    /// A write and a sync for each batch, over zeros that were written before.
    SyncOverZeros,
    /// The same in a file that grows.
    SyncGrowing,
    /// Reads 256 KiB at a time and sums them.
    ReadSum,
    /// Reads as many bytes as a record has, where it may lie.
    Read,
}

/// The checksum of a batch, by the crate that strandline has it from.
fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Bytes of a batch, with what a log adds to it.
fn framed(shape: Shape) -> usize {
    let per_record = if shape.bytes > 120 { 10 } else { 8 };
    61 + shape.records * (shape.bytes + per_record)
}

fn create(dir: &Path) -> File {
    std::fs::create_dir_all(dir).expect("a directory");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    options.open(dir.join("limit")).expect("a file")
}

impl Limit {
    fn is_sync(self) -> bool {
        matches!(self, Limit::SyncOverZeros | Limit::SyncGrowing)
    }
}

impl Subject for Limit {
    fn name(&self) -> &'static str {
        match self {
            Limit::Write => "write(2)",
            Limit::CopySumWrite => "copy + checksum + write",
            Limit::Reserved => "copy + checksum + write, space reserved",
            Limit::SyncOverZeros => "pwrite + fdatasync over zeros",
            Limit::SyncGrowing => "pwrite + fdatasync, growing file",
            Limit::ReadSum => "read + checksum of strandline's file",
            Limit::Read => "pread of a record's bytes",
        }
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: false, durable: if self.is_sync() { "power loss" } else { "—" } }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        if !matches!(self, Limit::Write | Limit::CopySumWrite | Limit::Reserved) {
            return None;
        }
        const STEP: u64 = 4 << 20;
        let file = create(dir);
        // What is bare is a whole number of pages, if it is about as many.
        let bytes = framed(shape);
        let bare = *self == Limit::Write;
        let bytes = if bare && bytes > 32 << 10 { 64 << 10 } else { bytes };
        let (source, mut buffer) = (vec![b'x'; bytes], Vec::new());
        let (mut at, mut reserved) = (0, 0);
        let total = (framed(shape) * batches) as u64;
        let started = Instant::now();
        while at < total {
            if bare {
                file.write_all_at(&source, at).expect("a write");
            } else {
                buffer.clear();
                buffer.extend_from_slice(&source);
                std::hint::black_box(checksum(&buffer));
                if *self == Limit::Reserved && at + bytes as u64 > reserved {
                    let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
                    fallocate(&file, keep, reserved as i64, STEP as i64).expect("space");
                    reserved += STEP;
                }
                file.write_all_at(&buffer, at).expect("a write");
            }
            at += bytes as u64;
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        if !self.is_sync() {
            return None;
        }
        let (file, source) = (create(dir), vec![b'x'; framed(shape)]);
        if *self == Limit::SyncOverZeros {
            let zeros = vec![0; source.len()];
            for n in 0..batches {
                file.write_all_at(&zeros, (n * source.len()) as u64).expect("a write");
            }
            file.sync_all().expect("a sync");
        }
        Some(each(batches, |n| {
            file.write_all_at(&source, (n * source.len()) as u64).expect("a write");
            file.sync_data().expect("a sync");
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, _batches: usize) -> Option<Box<dyn Stored>> {
        if !matches!(self, Limit::ReadSum | Limit::Read) {
            return None;
        }
        // Beside strandline's, which is made first.
        let path = find_log(dir.parent().expect("a directory"))?;
        let file = File::open(path).expect("strandline's log");
        let bytes = file.metadata().expect("a length").len();
        let (limit, record, room) = (*self, shape.bytes, vec![0; 256 << 10]);
        Some(Box::new(Plain { limit, file, bytes, record, room }))
    }

    fn crashed(&self, dir: &Path, _shape: Shape, _batches: usize) -> Option<Box<dyn Stored>> {
        if *self != Limit::ReadSum {
            return None;
        }
        Some(Box::new(Whole(find_log(dir.parent().expect("a directory"))?)))
    }
}

/// A file that is read from front to back.
struct Whole(PathBuf);

impl Stored for Whole {
    fn open(&mut self) -> Option<Duration> {
        let started = Instant::now();
        read_and_sum(&File::open(&self.0).expect("strandline's log"), &mut vec![0; 256 << 10]);
        Some(started.elapsed())
    }
}

/// Reads all of a file, a piece at a time, and sums each; how much there was.
fn read_and_sum(file: &File, room: &mut [u8]) -> usize {
    let mut at = 0;
    loop {
        let read = file.read_at(room, at).expect("a read");
        if read == 0 {
            return at as usize;
        }
        std::hint::black_box(checksum(&room[..read]));
        at += read as u64;
    }
}

/// The first `.log` beneath a directory that is not empty.
fn find_log(dir: &Path) -> Option<PathBuf> {
    let mut within = Vec::new();
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            within.push(path);
        } else if path.extension().is_some_and(|it| it == "log")
            && entry.metadata().is_ok_and(|it| it.len() > 0)
        {
            return Some(path);
        }
    }
    within.sort();
    within.iter().find_map(|dir| find_log(dir))
}

struct Plain {
    limit: Limit,
    file: File,
    bytes: u64,
    record: usize,
    room: Vec<u8>,
}

impl Stored for Plain {
    fn scan(&mut self) -> usize {
        let sums = self.limit == Limit::ReadSum;
        if sums { read_and_sum(&self.file, &mut self.room) } else { 0 }
    }

    fn get(&mut self, number: u64) -> usize {
        if self.limit != Limit::Read {
            return 0;
        }
        let at = number * self.record as u64 % (self.bytes - self.record as u64);
        let room = &mut self.room[..self.record];
        self.file.read_exact_at(room, at).expect("a read");
        std::hint::black_box(&room);
        self.record
    }
}

/// The simplest group commit: who finds nobody syncing waits a moment for others, and syncs for all.
pub struct GroupCommit;

#[derive(Default)]
struct Group {
    written: u64,
    synced: u64,
    syncing: bool,
}

const GATHER: Duration = Duration::from_micros(60);

impl Subject for GroupCommit {
    fn name(&self) -> &'static str {
        "a plain group commit, growing file"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (file, source) = (create(dir), vec![b'x'; framed(Shape::one(bytes))]);
        let (group, done) = (Mutex::new(Group::default()), Condvar::new());
        Some(together(writers, times, || {
            |_| {
                std::hint::black_box(checksum(&source));
                let mut state = group.lock().expect("a lock");
                file.write_all_at(&source, state.written).expect("a write");
                state.written += source.len() as u64;
                let mine = state.written;
                while state.synced < mine {
                    if state.syncing {
                        state = done.wait(state).expect("a lock");
                        continue;
                    }
                    state.syncing = true;
                    drop(state);
                    std::thread::sleep(GATHER);
                    let covered = group.lock().expect("a lock").written;
                    file.sync_data().expect("a sync");
                    state = group.lock().expect("a lock");
                    (state.synced, state.syncing) = (covered, false);
                    done.notify_all();
                }
            }
        }))
    }
}
