//! Readers that wait for what another store, as in another process, writes, and that keep their place.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use strandline::{Error, FetchOptions, Isolation, Positions, Store, TopicOptions};

use crate::following::{drain, follow, small_log, texts};
use crate::help::{START, append, by_hand, open, open_read_only, place};

#[test]
fn who_waits_is_woken_by_an_append_a_close_and_a_deletion_of_another_store() {
    let (_dir, path) = place();
    let (writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    let seen = reader.log("events", 0).unwrap();
    // Each waits for what comes only once the one before has it.
    let (told, tell) = mpsc::channel();
    let hour = Duration::from_hours(1);
    std::thread::scope(|scope| {
        let waits = |offset: i64| {
            let (seen, told) = (seen.clone(), told.clone());
            scope.spawn(move || {
                let mut follower = seen.follow(offset, FetchOptions::new()).unwrap();
                let first = follower.fetch_within(hour).map(|fetched| texts(&fetched));
                told.send(first).unwrap();
                told.send(follower.fetch_within(hour).map(|fetched| texts(&fetched))).unwrap();
            });
        };
        waits(0);
        waits(0);
        for value in ["one", "two"] {
            append(&log, value);
            assert_eq!(tell.recv().unwrap().unwrap(), [value]);
            assert_eq!(tell.recv().unwrap().unwrap(), [value]);
        }
        waits(2);
        append(&log, "three");
        assert_eq!(tell.recv().unwrap().unwrap(), ["three"]);
        writer.delete_topic("events").unwrap();
        assert!(matches!(tell.recv().unwrap(), Err(Error::NotFound(_))));
    });
    let topic = writer.create_topic("events", TopicOptions::new()).unwrap();
    append(&topic.partition(0).unwrap(), "new");
    let seen = reader.topic("events").unwrap().partition(0).unwrap();
    std::thread::scope(|scope| {
        let (told, tell) = mpsc::channel();
        scope.spawn(move || {
            let mut follower = seen.follow(0, FetchOptions::new()).unwrap();
            told.send(follower.fetch_within(hour).map(|fetched| texts(&fetched))).unwrap();
            told.send(follower.fetch_within(hour).map(|fetched| texts(&fetched))).unwrap();
        });
        assert_eq!(tell.recv().unwrap().unwrap(), ["new"]);
        reader.close().unwrap();
        assert!(matches!(tell.recv().unwrap(), Err(Error::Closed)));
    });
}

/// Tells that it was woken.
struct Bell(mpsc::Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_future_of_a_reader_is_woken_by_housekeeping_in_a_thread_or_by_hand() {
    for in_thread in [true, false] {
        let (_dir, path) = place();
        let (writer, log) = small_log(&path);
        let options = by_hand().0.read_only(true).housekeeping(in_thread);
        let reader = options.open(&path).unwrap();
        let follower = follow(&reader);
        let (rings, rung) = mpsc::channel();
        let waker = Waker::from(Arc::new(Bell(rings)));
        let mut context = Context::from_waker(&waker);
        let mut grown = pin!(follower.grown().unwrap());
        assert_eq!(grown.as_mut().poll(&mut context), Poll::Pending);
        append(&log, "one");
        if !in_thread {
            reader.run_housekeeping(START).unwrap();
        }
        rung.recv_timeout(Duration::from_mins(1)).expect("nobody rang");
        assert_eq!(grown.as_mut().poll(&mut context), Poll::Ready(()));
        let mut gone = pin!(follower.log().grown(7, Isolation::ReadUncommitted).unwrap());
        assert_eq!(gone.as_mut().poll(&mut context), Poll::Pending);
        writer.delete_topic("events").unwrap();
        if !in_thread {
            reader.run_housekeeping(START).unwrap();
        }
        rung.recv_timeout(Duration::from_mins(1)).expect("nobody rang");
        assert_eq!(gone.as_mut().poll(&mut context), Poll::Ready(()));
    }
}

#[test]
fn one_thread_waits_for_many_logs() {
    let (_dir, path) = place();
    let writer = open(&path);
    let topic = writer.create_topic("many", TopicOptions::new().partitions(5)).unwrap();
    let reader = open_read_only(&path);
    let seen = reader.topic("many").unwrap();
    let follow = |number| seen.partition(number).unwrap().follow(0, FetchOptions::new()).unwrap();
    let mut followers: Vec<_> = (0..5).map(follow).collect();
    let mut changes = reader.changes();
    for number in [3, 0, 4, 4, 1, 2_u32] {
        append(&topic.partition(number).unwrap(), "one");
        let mut found = Vec::new();
        while found.is_empty() {
            for (at, follower) in followers.iter_mut().enumerate() {
                found.extend(drain(follower).iter().map(|_| at));
            }
            changes = reader.wait_for_changes(changes, Duration::from_mins(1));
        }
        assert_eq!(found, [number as usize]);
    }
}

#[test]
fn a_kept_position_is_where_the_reader_goes_on_and_a_cut_meanwhile_is_told() {
    let (dir, path) = place();
    let own = dir.path().join("reader");
    let (writer, log) = small_log(&path);
    for number in 0..10 {
        append(&log, &number.to_string());
    }
    let seen = |reader: &Store| reader.log("events", 0).unwrap();
    let options = FetchOptions::new();
    let before = crate::help::tree(&path);
    {
        let reader = open_read_only(&path);
        let mut positions = Positions::open(&own, "indexer").unwrap();
        assert!(positions.follower(&seen(&reader), options).unwrap().is_none());
        let mut follower = follow(&reader);
        assert_eq!(drain(&mut follower).len(), 10);
        positions.keep(&follower);
        positions.save().unwrap();
        let second = Positions::open(&own, "indexer");
        assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    }
    assert_eq!(crate::help::tree(&path), before, "nothing is written into the store");
    append(&log, "ten");
    let reader = open_read_only(&path);
    let mut positions = Positions::open(&own, "indexer").unwrap();
    let mut follower = positions.follower(&seen(&reader), options).unwrap().unwrap();
    assert_eq!(drain(&mut follower), ["ten"]);
    positions.keep(&follower);
    positions.save().unwrap();
    drop((positions, follower, reader));

    log.truncate_to(6).unwrap();
    for number in 0..9 {
        append(&log, &format!("new {number}"));
    }
    let reader = open_read_only(&path);
    let positions = Positions::open(&own, "indexer").unwrap();
    let mut follower = positions.follower(&seen(&reader), options).unwrap().unwrap();
    let told = follower.fetch();
    assert!(matches!(told, Err(Error::Truncated { to: 6, read_to: 11 })), "{told:?}");
    assert_eq!(drain(&mut follower).len(), 9);

    // Another topic of that name is another topic.
    writer.delete_topic("events").unwrap();
    let topic = writer.create_topic("events", TopicOptions::new()).unwrap();
    append(&topic.partition(0).unwrap(), "other");
    let reader = open_read_only(&path);
    assert!(positions.follower(&seen(&reader), options).unwrap().is_none());
}

#[test]
fn positions_are_not_kept_in_a_store_nor_taken_from_what_is_damaged() {
    let (dir, path) = place();
    let (_writer, log) = small_log(&path);
    append(&log, "one");
    let before = crate::help::tree(&path);
    for place in [path.clone(), path.join("events-0")] {
        let error = Positions::open(place, "indexer").unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
    assert_eq!(crate::help::tree(&path), before);
    let own = dir.path().join("reader");
    for name in ["", "..", "a/b", "a b"] {
        assert!(matches!(Positions::open(&own, name), Err(Error::Invalid(_))), "{name}");
    }
    Positions::open(&own, "indexer").unwrap().save().unwrap();
    let file = own.join("indexer.position");
    let text =
        crate::help::text(file.clone()).replace("version 1\n", "version 1\nat events 0 5 0 -\n");
    std::fs::write(&file, text).unwrap();
    let error = Positions::open(&own, "indexer").unwrap_err();
    assert!(error.to_string().contains("indexer.position"), "{error}");
}
