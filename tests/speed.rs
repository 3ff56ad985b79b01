//! That nothing has become several times slower: ratios to what the machine does with the same bytes,
//! measured in turns in this process. Unoptimised as tests are, and beside whatever else runs here,
//! so the margins are wide and the best round of several counts; the real figures are those of
//! `cargo bench` and `tools/compare`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use strandline::{Batch, Durability, FetchOptions, Log, Record, Store, TopicOptions};
use tempfile::TempDir;

const ROUNDS: usize = 12;
const BATCHES: u64 = 120;

/// A store of one log, and a plain file beside it.
struct Pair {
    store: Store,
    log: Log,
    plain: File,
    dir: TempDir,
}

impl Pair {
    fn new() -> Pair {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let log = store.create_topic("t", TopicOptions::new()).unwrap().partition(0).unwrap();
        let mut options = File::options();
        let plain = options.read(true).write(true).create_new(true);
        let plain = plain.open(dir.path().join("plain")).unwrap();
        Pair { store, log, plain, dir }
    }
}

fn batch(records: usize, bytes: usize) -> Batch {
    let value = vec![b'x'; bytes];
    Batch::of((0..records).map(|_| Record::new().value(&value).timestamp(1)))
}

fn timed(times: u64, mut work: impl FnMut(u64)) -> Duration {
    let started = Instant::now();
    (0..times).for_each(&mut work);
    started.elapsed()
}

/// Fails if `ours` never comes near `limit`: what both did of the same work, each round.
#[track_caller]
fn demand(
    least: f64,
    what: &str,
    mut ours: impl FnMut() -> Duration,
    mut limit: impl FnMut() -> Duration,
) {
    let mut best = 0.0;
    for _ in 0..ROUNDS {
        best = f64::max(best, limit().as_secs_f64() / ours().as_secs_f64().max(1e-9));
    }
    println!("{what}: {best:.2} of the limit, {least} are demanded");
    assert!(best >= least, "{what}: {best:.2} of the limit in the best round, not {least}");
}

fn appends(pair: &Pair, (records, bytes): (usize, usize), times: u64, least: f64, what: &str) {
    let mut batch = batch(records, bytes);
    let (source, mut copy, mut at) = (vec![b'x'; batch.size_bytes()], Vec::new(), 0);
    let ours = || {
        timed(times, |_| {
            pair.log.append(&mut batch, Durability::Written).unwrap();
        })
    };
    let limit = || {
        timed(times, |_| {
            copy.clear();
            copy.extend_from_slice(&source);
            pair.plain.write_all_at(&copy, at).unwrap();
            at += copy.len() as u64;
        })
    };
    demand(least, what, ours, limit);
}

fn scan(log: &Log) -> usize {
    let (mut at, mut seen) = (0, 0);
    let end = log.log_end_offset().unwrap();
    while at < end {
        let fetched = log.fetch(at, FetchOptions::new()).unwrap();
        seen +=
            fetched.records().map(|record| record.unwrap().value().unwrap().len()).sum::<usize>();
        at = fetched.next_offset();
    }
    seen
}

fn read_all(path: &Path) -> usize {
    let (file, mut room, mut at) = (File::open(path).unwrap(), vec![0; 256 << 10], 0);
    loop {
        let read = file.read_at(&mut room, at).unwrap();
        if read == 0 {
            return at as usize;
        }
        at += read as u64;
    }
}

#[test]
fn appends_scans_and_gets_are_within_sight_of_the_machine() {
    let pair = Pair::new();
    appends(&pair, (63, 1024), BATCHES, 0.25, "append, 64 KiB");
    let path = pair.log.segments().unwrap()[0].path.clone();
    let ours = || timed(1, |_| assert!(scan(&pair.log) > 0));
    demand(0.08, "scan, 1 KiB records", ours, || timed(1, |_| assert!(read_all(&path) > 0)));

    let (end, mut state) = (pair.log.log_end_offset().unwrap() as u64, 1_u64);
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % end
    };
    let ours = || {
        timed(3000, |_| {
            let offset = next() as i64;
            let found = pair.log.get(offset, FetchOptions::new(), |it| it.value().map(<[u8]>::len));
            assert_eq!(found.unwrap(), Some(Some(1024)));
        })
    };
    let file = File::open(&path).unwrap();
    let limit =
        || timed(3000, |n| file.read_exact_at(&mut [0; 1024], n * 1024 % (4 << 20)).unwrap());
    demand(0.03, "get, of 64 KiB batches", ours, limit);

    appends(&pair, (1, 100), 5000, 0.1, "append, one record of 100 bytes");
    pair.store.close().unwrap();
    drop(pair.dir);
}
