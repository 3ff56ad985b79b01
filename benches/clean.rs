//! Compaction, beside reading, checking and writing the same bytes: most batches are kept whole, and
//! nothing is compressed. `cargo bench --bench clean -- 100`: values of that size only.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use strandline::testing::Log as Door;
use strandline::{Batch, Durability, Record};
use support::{NOW, ratio, read_and_sum};
use tempfile::TempDir;

const BYTES: usize = 256 << 20;
const BATCH_BYTES: usize = 64 << 10;
/// Every how manyeth batch has the keys of one before it.
const AGAIN: usize = 20;
const MAP_BYTES: usize = 128 << 20;

/// A log to clean, and its segments' files.
struct Dirty {
    _dir: TempDir,
    door: Door,
    end: i64,
    paths: Vec<PathBuf>,
    bytes: usize,
}

impl Dirty {
    fn new(value_bytes: usize) -> Dirty {
        let dir = support::scratch_dir();
        let config = [("cleanup.policy", "compact"), ("internal.segment.bytes", "67108864")];
        let config = config.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let door = Door::open(dir.path(), &config, NOW).expect("a new log");
        let (mut key, mut written, mut batches) = (0_u64, 0, 0);
        let value = vec![b'x'; value_bytes];
        while written < BYTES {
            let records = BATCH_BYTES / (value_bytes + 30);
            let first = if batches % AGAIN == AGAIN - 1 { key - records as u64 } else { key };
            let keys: Vec<_> =
                (first..first + records as u64).map(|n| format!("{n:016}")).collect();
            let mut batch = Batch::new();
            for key in &keys {
                batch.push(Record::new().key(key).value(&value).timestamp(NOW));
            }
            written += batch.size_bytes();
            door.handle().append(batch, Durability::Written).expect("an append");
            key = key.max(first + records as u64);
            batches += 1;
        }
        let end = door.handle().roll().expect("a roll");
        door.handle().flush().expect("a flush");
        let segments = door.handle().segments().expect("segments");
        let paths = segments.iter().filter(|it| !it.is_active).map(|it| it.path.clone()).collect();
        Dirty { _dir: dir, door, end, paths, bytes: written }
    }

    /// Cleans all of it, or what lies behind `first_dirty` of it as the dirty part.
    fn clean(&mut self, first_dirty: i64) -> (f64, Duration) {
        let started = Instant::now();
        let next = self.door.clean_within(first_dirty, self.end, MAP_BYTES).expect("a round");
        let took = started.elapsed();
        assert_eq!(next, self.end);
        (self.bytes as f64, took)
    }

    /// Reads, sums, writes and syncs what is there.
    fn copy(&self) -> (f64, Duration) {
        let started = Instant::now();
        for path in &self.paths {
            let mut to = support::scratch_file();
            read_and_sum(path, |piece| to.write_all(piece).expect("a write"));
            to.sync_data().expect("a sync");
        }
        (self.bytes as f64, started.elapsed())
    }
}

fn main() {
    let limit = "read + checksum + write + sync of the same bytes";
    let only = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    for value_bytes in [1000, 100] {
        if only.as_ref().is_some_and(|only| *only != value_bytes.to_string()) {
            continue;
        }
        let mut dirty = None;
        ratio(
            &format!("clean, values of {value_bytes} bytes, all dirty"),
            limit,
            || dirty.insert(Dirty::new(value_bytes)).clean(0),
            || Dirty::new(value_bytes).copy(),
        );
        ratio(
            &format!("clean, values of {value_bytes} bytes, the last quarter dirty"),
            limit,
            || {
                let dirty = dirty.insert(Dirty::new(value_bytes));
                dirty.clean(dirty.end / 4 * 3)
            },
            || Dirty::new(value_bytes).copy(),
        );
    }
}
