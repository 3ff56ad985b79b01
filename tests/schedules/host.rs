//! The program around the library: it panics, waits, sets clocks, lends buffers, deletes what is in
//! use.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use strandline::testing::sim::{ERRORS, Fault};
use strandline::{Batch, Durability, Error, FetchOptions, Isolation, LogConfig, Record, testing};

use super::scene::{Scene, batch, segments, small};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("in the host's waker");
    }
}

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets a waker that panics wait for the next change of `scene`, and one that counts.
fn waiting(scene: &Scene) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let wakers = [Waker::from(Arc::new(Panics)), Waker::from(Arc::clone(&counts))];
    for waker in wakers {
        let end = scene.log.log_end_offset().unwrap();
        let grown = scene.log.grown(end, Isolation::ReadUncommitted).unwrap();
        assert_eq!(pin!(grown).poll(&mut Context::from_waker(&waker)), Poll::Pending);
    }
    counts
}

#[test]
fn a_waker_that_panics_hits_nobody_else() {
    let works: [fn(&Scene); 5] = [
        |scene| _ = scene.synced(1),
        |scene| _ = scene.log.roll(),
        |scene| _ = scene.log.truncate_to(9),
        |scene| _ = scene.log.delete_records(Some(3)),
        |scene| _ = scene.log.start_over_at(70),
    ];
    for (at, work) in works.into_iter().enumerate() {
        let scene = Scene::new();
        scene.synced(8);
        scene.synced(8);
        let counts = waiting(&scene);
        let _ = catch_unwind(AssertUnwindSafe(|| work(&scene)));
        scene.synced(1);
        assert!(counts.0.load(Ordering::Relaxed) > 0, "{at}: the other one waits for ever");
        let content = scene.content();
        let scene = scene.dies();
        assert_eq!(scene.content().batches, content.batches, "{at}");
        scene.reports_nothing();
        scene.synced(1);
        scene.store.close().unwrap();
        assert_eq!(scene.disk.open(), 0, "{at}: the lock is held");
    }
}

#[test]
fn a_host_that_panics_in_an_iterator_leaves_the_store_usable_and_unlocked() {
    let scene = Scene::new();
    scene.synced(2);
    let disk = scene.disk.clone();
    let died = catch_unwind(AssertUnwindSafe(move || {
        // All of it, so that it goes as the stack unwinds.
        let scene = scene;
        let records = (0..3).map(|at| {
            assert!(at < 2, "in the host's iterator");
            Record::new().value("x")
        });
        scene.log.append(Batch::of(records), Durability::Synced)
    }));
    assert!(died.is_err());
    assert_eq!(disk.open(), 0, "what unwinds lets go of the lock");
    let scene = Scene::on(disk);
    assert_eq!(scene.log.log_end_offset().unwrap(), 2);
    let fetched = scene.log.fetch(0, FetchOptions::new()).unwrap();
    let died = catch_unwind(AssertUnwindSafe(|| {
        for (at, _) in fetched.records().enumerate() {
            assert!(at < 1, "in the host's loop");
        }
    }));
    assert!(died.is_err());
    assert_eq!(scene.synced(1).base_offset, 2);
}

#[test]
fn readers_and_writers_go_on_beside_a_sync_that_is_stuck() {
    let dir = tempfile::tempdir().unwrap();
    let log = testing::Log::open(dir.path(), &[], 1_700_000_000_000).unwrap();
    let handle = log.handle();
    handle.append(batch(0, 2), Durability::Written).unwrap();
    log.reach_by(2, || {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                handle.append(batch(2, 1), Durability::Written).unwrap();
                let fetched = handle.fetch(0, FetchOptions::new()).unwrap();
                (fetched.next_offset(), fetched.durable_end(), handle.log_end_offset().unwrap())
            });
            assert_eq!(other.join().unwrap(), (3, 0, 3));
        });
        Ok(2)
    })
    .unwrap();
    assert_eq!(log.acknowledged_end().unwrap(), 2);
}

#[test]
fn a_timestamp_of_9999_pins_its_segment_and_one_of_1970_goes_as_in_kafka() {
    let pairs = [
        ("internal.segment.bytes", "700"),
        ("retention.ms", "60000"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
        ("file.delete.delay.ms", "0"),
    ];
    for (timestamp, stays) in [(253_402_300_799_000, true), (0, false)] {
        let scene = Scene::with(LogConfig::from_pairs(pairs).unwrap(), |options| options);
        let mut old = Batch::new();
        old.push(Record::new().timestamp(timestamp).value("far away"));
        scene.log.append(&mut old, Durability::Synced).unwrap();
        scene.log.roll().unwrap();
        scene.synced(1);
        scene.log.enforce_retention().unwrap();
        let names = segments(&scene.disk.image());
        assert_eq!(names.len(), if stays { 2 } else { 1 }, "{names:?}");
        assert_eq!(scene.log.log_start_offset().unwrap(), i64::from(!stays));
        // Nor does it change what is found by time.
        let found = scene.log.offset_for_time(1_700_000_000_000, Isolation::ReadUncommitted);
        let offset = found.unwrap().map(|found| found.offset);
        assert_eq!(offset, Some(i64::from(!stays)));
    }
}

#[test]
fn whichever_call_fails_everything_is_closed_in_the_end() {
    let work = |disk: &testing::sim::Disk| -> strandline::Result<()> {
        let clock = strandline::Clock::manual(1_700_000_000_000);
        let options = strandline::Store::options().clock(clock).housekeeping(false);
        let store = testing::sim::open(disk, options)?;
        let log = store.log("events", 0)?;
        log.fetch(0, FetchOptions::new())?;
        log.append(batch(16, 8), Durability::Synced)?;
        log.roll()?;
        log.append(batch(24, 1), Durability::Synced)?;
        store.close()
    };
    let scene = Scene::new();
    scene.synced(8);
    scene.written(8);
    let image = scene.disk.image();
    let calls = {
        let disk = testing::sim::Disk::from(image.clone());
        work(&disk).unwrap();
        disk.calls()
    };
    for number in 0..calls {
        for (name, errno) in [ERRORS[0], ERRORS[3]] {
            let disk = testing::sim::Disk::from(image.clone());
            disk.fail(number, Fault::Error(errno));
            let _ = work(&disk);
            assert_eq!(disk.open(), 0, "{name} at call {number}");
            disk.heal();
            work(&disk).unwrap();
            let files = disk.image().files();
            let left = files.iter().find(|path| path.contains(".tmp"));
            assert_eq!(left, None, "after {name} at call {number}");
        }
    }
}

#[test]
fn a_flush_of_what_was_deleted_meanwhile_is_no_error() {
    let scene = Scene::new();
    scene.written(8);
    scene.written(8);
    scene.written(8);
    // The first two are to be flushed, and go before they are.
    scene.log.delete_records(Some(16)).unwrap();
    scene.log.enforce_retention().unwrap();
    assert_eq!(segments(&scene.disk.image()).len(), 1);
    assert_eq!(scene.log.flush().unwrap(), 24);
    scene.synced(1);
    scene.reports_nothing();

    scene.written(1);
    scene.store.delete_topic("events").unwrap();
    scene.keeps_house();
    match scene.log.flush() {
        Ok(_) | Err(Error::Closed) => {}
        Err(error) => panic!("a flush of a topic that was deleted: {error}"),
    }
    scene.store.close().unwrap();
    assert_eq!(scene.disk.open(), 0);
}

#[test]
fn flushes_beside_deletions_are_no_errors() {
    let scene = Scene::new();
    scene.synced(1);
    let (log, done) = (&scene.log, AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) == 0 {
                log.flush().unwrap();
            }
        });
        for _ in 0..200 {
            scene.written(8);
            log.delete_records(None).unwrap();
            log.enforce_retention().unwrap();
        }
        done.store(1, Ordering::Relaxed);
    });
    scene.synced(1);
    scene.reports_nothing();
}

#[test]
fn a_batch_that_is_lent_again_is_only_where_it_was_sent() {
    let records = |scene: &Scene| -> Vec<String> {
        let mut values = Vec::new();
        let mut from = 0;
        while from < scene.log.log_end_offset().unwrap() {
            let fetched = scene.log.fetch(from, FetchOptions::new()).unwrap();
            for record in fetched.records() {
                let value = record.unwrap().value().unwrap().to_vec();
                values.push(String::from_utf8(value).unwrap());
            }
            from = fetched.next_offset();
        }
        values
    };
    for number in 0..40 {
        let logs = [Scene::with(small(), |options| options), Scene::new()];
        logs[0].synced(1);
        // Some call of the appends below fails, whichever it is.
        logs[0].disk.fail(logs[0].disk.calls() + number, Fault::Error(ERRORS[1].1));
        let mut lent = Batch::new();
        let mut sent = [vec![format!("{:0>50}", 0)], vec![]];
        for turn in 0..12 {
            let to = turn % 2;
            let value = format!("to {to} in turn {turn}");
            lent.clear();
            lent.push(Record::new().value(&value));
            if logs[to].log.append(&mut lent, Durability::Written).is_ok() {
                sent[to].push(value);
            }
        }
        assert!(sent[0].len() >= 6 && sent[1].len() == 6);
        logs[0].disk.heal();
        for (log, sent) in logs.iter().zip(&sent) {
            assert_eq!(records(log), *sent, "with call {number} failing");
        }
    }
}
