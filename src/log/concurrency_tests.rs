//! The threads of a log under a checker that chooses who goes on at each lock, so that a schedule
//! that breaks something is found, printed, and can be run again. A thread that waits for ever is
//! a deadlock, which the checker reports. `just concurrency` runs this.
//!
//! Time does not pass here: a wait with a time-out ends only when somebody wakes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use shuttle::{Config, Runner, thread};

use super::group::{Failure, Group};
use super::opened::Tip;
use super::testing::{Log, build_batch};
use super::unsynced::Unsynced;
use super::view::{Grown, Published, View};
use super::{Durability, FetchOptions, Isolation};
use crate::error::{Error, Result};
use crate::record::Offset;

/// Schedules of each kind for each scene; `STRANDLINE_SCHEDULES` says otherwise.
const SCHEDULES: usize = 2_000;
/// Of a scene that opens a log on the disk there are so many times fewer.
const ON_DISK: usize = 4;
/// How often the second kind of schedule takes a thread off where it would go on.
const CHANGES: usize = 3;
const HOUR: Duration = Duration::from_hours(1);

/// Runs `scene` under schedules drawn at random, and under such that change threads seldom.
fn explore(what: &str, fewer: usize, scene: fn()) {
    let told = std::env::var("STRANDLINE_SCHEDULES").ok().and_then(|n| n.parse().ok());
    let runs = (told.unwrap_or(SCHEDULES) / fewer).max(1);
    let started = Instant::now();
    let seed = runs as u64;
    let mut config = Config::default();
    config.stack_size = 1 << 20;
    Runner::new(RandomScheduler::new_from_seed(seed, runs), config.clone()).run(scene);
    Runner::new(PctScheduler::new_from_seed(seed, CHANGES, runs), config).run(scene);
    let seconds = started.elapsed().as_secs_f64();
    println!("layer=shuttle.{what} runs={} failures=0 seconds={seconds:.1}", 2 * runs);
}

/// Runs each in a thread of its own and waits for all.
fn together(threads: Vec<Box<dyn FnOnce() + Send>>) {
    let threads: Vec<_> = threads.into_iter().map(thread::spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// What stands for a `.log` and its disk: where what was written ends, and where what is durable.
#[derive(Default)]
struct Disk {
    written: AtomicI64,
    durable: AtomicI64,
    syncs: AtomicI64,
    has_failed: AtomicBool,
}

impl Disk {
    /// Writes one record; the answer is the offset behind it.
    fn append(&self) -> Offset {
        self.written.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn sync(&self) -> Offset {
        let end = self.written.load(Ordering::SeqCst);
        thread::yield_now();
        self.durable.fetch_max(end, Ordering::SeqCst);
        end
    }

    /// As [`Disk::sync`], but the sync number `failing` fails, with what `failure` makes of it.
    fn sync_but(
        &self,
        failing: i64,
        failure: fn(Error) -> Failure,
    ) -> std::result::Result<Offset, Failure> {
        if self.syncs.fetch_add(1, Ordering::SeqCst) == failing {
            thread::yield_now();
            self.has_failed.store(true, Ordering::SeqCst);
            return Err(failure(Error::TimedOut));
        }
        Ok(self.sync())
    }

    fn durable(&self) -> Offset {
        self.durable.load(Ordering::SeqCst)
    }
}

#[test]
fn who_waits_is_woken_only_by_the_sync_that_covers_it() {
    explore("group", 1, || {
        let (group, disk) = (Arc::new(Group::new(0, Duration::MAX)), Arc::new(Disk::default()));
        let appender = || {
            let (group, disk) = (Arc::clone(&group), Arc::clone(&disk));
            Box::new(move || {
                for _ in 0..2 {
                    let end = disk.append();
                    group.reach(end, || Ok(disk.sync())).unwrap();
                    assert!(disk.durable() >= end, "answered before its sync");
                    let said = group.durable_end();
                    assert!(disk.durable() >= said, "the durable end leads the disk");
                }
            }) as Box<dyn FnOnce() + Send>
        };
        together(vec![appender(), appender(), appender()]);
    });
}

#[test]
fn a_failed_sync_fails_all_that_wait_and_all_that_come_later() {
    explore("poison", 1, || {
        let (group, disk) = (Arc::new(Group::new(0, Duration::MAX)), Arc::new(Disk::default()));
        let appender = || {
            let (group, disk) = (Arc::clone(&group), Arc::clone(&disk));
            Box::new(move || {
                let end = disk.append();
                let reached = group.reach(end, || {
                    assert!(!disk.has_failed.load(Ordering::SeqCst), "synced after a failed sync");
                    disk.sync_but(1, Failure::Final)
                });
                match reached {
                    Ok(()) => assert!(disk.durable() >= end, "answered without a sync"),
                    Err(_) => assert!(group.poison().is_some()),
                }
                if disk.has_failed.load(Ordering::SeqCst) && group.poison().is_some() {
                    let later = group.reach(disk.append(), || Ok(disk.sync()));
                    assert!(later.is_err(), "a poisoned log goes on");
                }
            }) as Box<dyn FnOnce() + Send>
        };
        together(vec![appender(), appender(), appender()]);
    });
}

#[test]
fn a_passing_failure_hits_its_caller_and_keeps_nobody_waiting() {
    explore("passing", 1, || {
        let (group, disk) = (Arc::new(Group::new(0, Duration::MAX)), Arc::new(Disk::default()));
        let failed = Arc::new(AtomicI64::new(0));
        let appender = || {
            let (group, disk) = (Arc::clone(&group), Arc::clone(&disk));
            let failed = Arc::clone(&failed);
            Box::new(move || {
                let end = disk.append();
                match group.reach(end, || disk.sync_but(0, Failure::Passing)) {
                    Ok(()) => assert!(disk.durable() >= end, "answered without a sync"),
                    Err(_) => _ = failed.fetch_add(1, Ordering::SeqCst),
                }
            }) as Box<dyn FnOnce() + Send>
        };
        together(vec![appender(), appender(), appender()]);
        assert_eq!(failed.load(Ordering::SeqCst), 1);
        assert!(group.poison().is_none());
    });
}

#[test]
fn a_sync_before_a_cut_covers_nothing_that_was_written_after_it() {
    explore("cut", 1, || {
        let group = Arc::new(Group::new(0, Duration::MAX));
        // What each record is: of before the cut, or of after it. And what of it is durable.
        let log = Arc::new(crate::sync::Mutex::new(vec!["before"; 3]));
        let disk = Arc::new(crate::sync::Mutex::new(Vec::new()));
        let sync = {
            let (log, disk) = (Arc::clone(&log), Arc::clone(&disk));
            move || {
                let written = log.lock().unwrap().clone();
                thread::yield_now();
                let end = written.len() as Offset;
                *disk.lock().unwrap() = written;
                Ok(end)
            }
        };
        let (of_appender, sync_of_appender) = (Arc::clone(&group), sync.clone());
        together(vec![
            Box::new(move || of_appender.reach(3, sync_of_appender).unwrap()),
            Box::new(move || {
                let cut = || {
                    log.lock().unwrap().truncate(1);
                    disk.lock().unwrap().truncate(1);
                    Ok((group.durable_end().min(1), ()))
                };
                group.cut(cut).unwrap();
                log.lock().unwrap().extend(["after"; 2]);
                group.reach(3, sync).unwrap();
                assert_eq!(disk.lock().unwrap()[1..], ["after"; 2]);
            }),
        ]);
    });
}

#[test]
fn nobody_is_told_that_names_are_durable_while_another_syncs_them() {
    explore("names", 1, || {
        let unsynced = Arc::new(Unsynced::default());
        // How many names there are stands for the file's end.
        let names = Arc::new(Disk::default());
        let maker = || {
            let (unsynced, names) = (Arc::clone(&unsynced), Arc::clone(&names));
            Box::new(move || {
                let end = names.append();
                unsynced.note();
                let sync = || {
                    names.sync();
                    Ok(())
                };
                unsynced.settle(sync).unwrap();
                assert!(names.durable() >= end, "answered before its sync");
            }) as Box<dyn FnOnce() + Send>
        };
        together(vec![maker(), maker(), maker()]);
    });
}

/// A view of a log without segments.
fn view_to(end: Offset) -> View {
    View {
        segments: Arc::new(Vec::new().into()),
        log_start_offset: 0,
        log_end_offset: end,
        last_stable_offset: end,
        durable_end: 0,
        tip: Tip { base_offset: 0, bytes: 0, last_batch: None },
        epochs: Arc::default(),
        gap: None,
        cuts: 0,
        ended: false,
        stuck: None,
    }
}

#[test]
fn who_waits_for_records_is_woken_when_they_are_there() {
    explore("wait", 1, || {
        let published = Arc::new(Published::new(view_to(0)));
        let [blocked, polled] = [Arc::clone(&published), Arc::clone(&published)];
        together(vec![
            Box::new(move || assert!(blocked.wait(HOUR, |view| view.log_end_offset > 1))),
            Box::new(move || {
                let published = Arc::clone(&polled);
                shuttle::future::block_on(Grown {
                    published,
                    beside: None,
                    offset: 1,
                    options: FetchOptions::new(),
                    tells_cuts: false,
                });
                assert!(polled.view().log_end_offset > 1);
            }),
            Box::new(move || {
                published.publish(|view| *view = view_to(1));
                published.publish(|view| *view = view_to(2));
            }),
        ]);
    });
}

#[test]
fn a_close_wakes_who_waits_for_what_never_comes() {
    explore("wait_close", 1, || {
        let published = Arc::new(Published::new(view_to(0)));
        let [blocked, polled, closing] = [(); 3].map(|()| Arc::clone(&published));
        together(vec![
            Box::new(move || assert!(!blocked.wait(HOUR, |view| view.log_end_offset > 9))),
            Box::new(move || {
                let published = Arc::clone(&polled);
                let options = FetchOptions::new().isolation(Isolation::ReadCommitted);
                let grown =
                    Grown { published, beside: None, offset: 9, options, tells_cuts: false };
                shuttle::future::block_on(grown);
            }),
            Box::new(move || published.publish(|view| view.log_end_offset = 1)),
            Box::new(move || closing.publish(|view| view.ended = true)),
        ]);
    });
}

/// A log in a directory of its own.
fn log() -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), &[], 0).unwrap();
    (dir, log)
}

fn batch(value: &[u8]) -> Vec<u8> {
    let nobody = (-1, -1, -1);
    let record = (0, None, Some(value), &[][..]);
    build_batch("none", nobody, false, std::iter::once(record)).unwrap()
}

/// The values of all records, which lie without a gap, up to where the log ends or is cut.
fn values(log: &super::Log) -> Result<Vec<Vec<u8>>> {
    let (mut values, mut from) = (Vec::new(), 0);
    loop {
        let fetched = match log.fetch(from, FetchOptions::new()) {
            Err(Error::OffsetOutOfRange { .. }) => return Ok(values),
            fetched => fetched?,
        };
        if fetched.is_empty() {
            return Ok(values);
        }
        for record in fetched.records() {
            let record = record?;
            assert_eq!(record.offset(), values.len() as Offset, "offsets are dense");
            values.push(record.value().unwrap_or_default().to_vec());
        }
        from = fetched.next_offset();
    }
}

#[test]
fn readers_see_whole_records_and_no_end_before_them() {
    explore("read", ON_DISK, || {
        let (_dir, log) = log();
        let [first, second, reader] = [(); 3].map(|()| log.handle().clone());
        together(vec![
            Box::new(move || {
                let appended = first.append_encoded(&batch(b"a"), Durability::Synced).unwrap();
                assert!(appended.durable_end > appended.last_offset);
                first.roll().unwrap();
            }),
            Box::new(move || {
                second.append_encoded(&batch(b"b"), Durability::Written).unwrap();
                let appended = second.append_encoded(&batch(b"c"), Durability::Synced).unwrap();
                assert!(appended.durable_end > appended.last_offset);
            }),
            Box::new(move || {
                for _ in 0..3 {
                    let durable_end = reader.durable_end().unwrap();
                    let end = reader.log_end_offset().unwrap();
                    assert!(durable_end <= end);
                    assert!(values(&reader).unwrap().len() as Offset >= end, "an end too early");
                }
            }),
        ]);
        let mut all = values(log.handle()).unwrap();
        all.sort();
        assert_eq!(all, [b"a", b"b", b"c"]);
    });
}

#[test]
fn readers_find_no_damage_while_a_log_is_truncated_and_appended_to() {
    explore("truncate", ON_DISK, || {
        let (_dir, log) = log();
        log.handle().append_encoded(&batch(b"a"), Durability::Written).unwrap();
        log.handle().append_encoded(&batch(b"b"), Durability::Written).unwrap();
        let [cutter, appender, reader] = [(); 3].map(|()| log.handle().clone());
        together(vec![
            Box::new(move || assert!(cutter.truncate_to(1).unwrap())),
            Box::new(move || {
                _ = appender.append_encoded(&batch(b"c"), Durability::Synced).unwrap();
            }),
            Box::new(move || {
                for _ in 0..2 {
                    let seen = values(&reader).unwrap();
                    assert_eq!(seen[0], b"a");
                }
            }),
        ]);
        let left = values(log.handle()).unwrap();
        assert!(left == [b"a"] || left == [b"a", b"c"], "{left:?}");
    });
}

#[test]
fn who_waited_for_the_writer_of_a_log_that_was_poisoned_writes_nothing() {
    explore("writer", ON_DISK, || {
        let (_dir, log) = log();
        let opened = log.handle().opened().unwrap();
        let poisoning = Arc::clone(&opened);
        together(vec![
            Box::new(move || {
                let poison = |_: &mut _| {
                    poisoning.poison(&Error::TimedOut);
                    Ok(())
                };
                poisoning.with_writer(poison).unwrap();
            }),
            Box::new(move || {
                let is_poisoned = |_: &mut _| Ok(opened.group.poison().is_some());
                assert!(!opened.with_writer(is_poisoned).unwrap_or(false), "it has the writer");
            }),
        ]);
    });
}

/// The files of a log, and what they hold.
fn files(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let dir = crate::fs::Dir::open_root(dir).unwrap();
    let read = |name: String| {
        let bytes = dir.read_small(&name, 1 << 20).unwrap().unwrap();
        (name, bytes)
    };
    dir.list().unwrap().into_iter().map(|entry| read(entry.name)).collect()
}

#[test]
fn once_a_log_is_closed_nothing_is_written_and_its_next_opening_scans_nothing() {
    explore("close", ON_DISK, || {
        let (dir, mut log) = log();
        // Long enough for the next sync to write the watermark.
        log.set_now(60_000);
        let [appender, closing, waiting] = [(); 3].map(|()| log.handle().clone());
        let path = dir.path().to_owned();
        let appended = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&appended);
        let closed = Arc::new(crate::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&closed);
        together(vec![
            Box::new(move || match appender.append_encoded(&batch(b"a"), Durability::Synced) {
                Ok(_) => noted.store(true, Ordering::SeqCst),
                Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
            }),
            Box::new(move || {
                closing.append_encoded(&batch(b"b"), Durability::Written).unwrap();
                closing.close().unwrap();
                *seen.lock().unwrap() = files(&path);
            }),
            Box::new(move || {
                let waited = waiting.wait_for(7, HOUR);
                assert!(matches!(waited, Ok(false) | Err(Error::Closed)), "{waited:?}");
            }),
        ]);
        assert!(*closed.lock().unwrap() == files(dir.path()), "written after the close");
        drop(log);
        let context = Log::context(dir.path(), &[], 0).unwrap();
        let again = super::opened::Opened::plan(context.into()).unwrap();
        assert_eq!(again.is_untouched_and_clean(), (true, true));
        let end = again.published.view().log_end_offset;
        assert_eq!(end, 1 + i64::from(appended.load(Ordering::SeqCst)), "records of a closed log");
    });
}

/// Two logs of one store, where none stays awake that can rest.
fn closed_pair() -> ([tempfile::TempDir; 2], [super::Log; 2]) {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for dir in &dirs {
        let log = Log::open(dir.path(), &[], 0).unwrap();
        log.handle().append_encoded(&batch(b"a"), Durability::Written).unwrap();
        log.close().unwrap();
    }
    let contexts = [0, 1].map(|at| Log::context(dirs[at].path(), &[], 0).unwrap());
    let store = Arc::clone(&contexts[0].store);
    let logs = contexts
        .map(|context| super::Log::new(super::Context { store: Arc::clone(&store), ..context }));
    (dirs, logs)
}

/// Looks at one log after the other, so that each comes to rest as soon as nobody uses it.
fn look_at_both(log: &super::Log, other: &super::Log) {
    for _ in 0..2 {
        assert_eq!(other.log_end_offset().unwrap(), 1);
        assert_eq!(log.log_start_offset().unwrap(), 0);
        assert_eq!(values(log).unwrap()[0], b"a");
    }
}

#[test]
fn a_log_does_not_rest_while_somebody_waits_for_it() {
    explore("rest", 2 * ON_DISK, || {
        let (_dirs, [log, other]) = closed_pair();
        let [looking, appender] = [(); 2].map(|()| log.clone());
        together(vec![
            Box::new(move || look_at_both(&looking, &other)),
            Box::new(move || {
                let grown = appender.grown(1, Isolation::ReadUncommitted).unwrap();
                appender.append_encoded(&batch(b"b"), Durability::Written).unwrap();
                shuttle::future::block_on(grown);
            }),
        ]);
        assert_eq!(values(&log).unwrap(), [b"a", b"b"]);
    });
}

#[test]
fn a_log_that_rests_between_its_users_shows_each_what_the_others_did() {
    explore("rest_users", 4 * ON_DISK, || {
        let (_dirs, [log, other]) = closed_pair();
        let [looking, waiting, appender] = [(); 3].map(|()| log.clone());
        together(vec![
            Box::new(move || look_at_both(&looking, &other)),
            Box::new(move || assert!(waiting.wait_for(1, HOUR).unwrap())),
            Box::new(move || {
                let end = appender.log_end_offset().unwrap();
                let appended = appender.append_encoded(&batch(b"b"), Durability::Written);
                assert_eq!(appended.unwrap().base_offset, end);
            }),
        ]);
        assert_eq!(values(&log).unwrap(), [b"a", b"b"]);
    });
}
