//! Closing, opening cleanly, and the marker that Kafka goes by.

use strandline::testing::sim::{self, Disk, Image, Order};
use strandline::{Clock, Durability, Store, TopicOptions};

use super::ours::{self, MARKER};
use super::scene::{Scene, batch, each_crash, settled};
use crate::disk::world::START;

fn marker(image: &Image) -> bool {
    image.read(MARKER).is_some()
}

/// Whether the newest slot says that the log was closed.
fn is_clean(image: &Image, dir: &str) -> bool {
    ours::slots_of(image, dir).first().is_some_and(|newest| newest.clean)
}

#[test]
fn no_marker_stands_beside_a_log_that_is_not_clean() {
    let scene = Scene::new();
    scene.disk.record();
    scene.written(8);
    scene.written(8);
    let written = (scene.disk.calls(), scene.content());
    let scene = scene.reopens();
    let closed = scene.disk.calls();
    scene.written(1);
    let again = scene.disk.calls();
    scene.store.close().unwrap();

    let mut between_slots = 0;
    each_crash(&scene.disk, |crash| {
        assert!(!marker(&crash.image) || is_clean(&crash.image, "events-0"));
        let slots = ours::slots(&crash.image);
        between_slots += usize::from(slots.len() == 2 && slots[0].clean != slots[1].clean);
        let found = Scene::of(&crash.image);
        let content = found.content();
        if (closed..again).contains(&crash.call) {
            assert_eq!(content.batches[..2], written.1.batches[..]);
        }
        found.reports_nothing();
        // However far it came: what is there is closed in order the next time.
        found.synced(1);
        assert!(!marker(&found.disk.image()));
        let now = found.content();
        let found = found.reopens();
        assert!(marker(&found.disk.image()) && is_clean(&found.disk.image(), "events-0"));
        assert_eq!(found.content().batches, now.batches);
    });
    assert!(between_slots > 0, "no crash came between the slots");
}

#[test]
fn a_clean_log_is_clean_until_its_first_write() {
    let scene = Scene::new();
    scene.synced(3);
    let epoch = scene.content().batches[0].epoch;
    let scene = scene.reopens();
    let before = scene.content();
    // The process dies before it has written anything.
    let scene = scene.dies();
    assert_eq!(Scene::of(&scene.disk.image()).next_epoch(), epoch, "it is scanned");
    scene.disk.record();
    scene.synced(1);
    let (returned, after) = (scene.disk.calls(), scene.content());

    let mut states = [0; 3];
    each_crash(&scene.disk, |crash| {
        let slots = ours::slots(&crash.image);
        let clean = slots.iter().filter(|slot| slot.clean).count();
        states[clean] += 1;
        let found = Scene::of(&crash.image);
        let content = found.content();
        assert_eq!(content.batches[0], before.batches[0]);
        assert!(
            content.batches == before.batches && crash.call < returned
                || content.batches == after.batches
        );
        found.reports_nothing();
        // A log that may have been written to is scanned, and goes on under a later epoch.
        let next = found.next_epoch();
        assert_eq!(next, if slots[0].clean { epoch } else { epoch + 1 });
    });
    assert!(states.iter().all(|count| *count > 0), "off in both, in one, in none: {states:?}");
}

/// A store with two logs, both written to.
fn two_logs() -> (Disk, Store) {
    let disk = Disk::new(Order::Strict, 1);
    let clock = Clock::manual(START - 1000);
    let options = Store::options().clock(clock.clone()).housekeeping(false);
    let store = sim::open(&disk, options).unwrap();
    let topic = store.create_topic("events", TopicOptions::new().partitions(2)).unwrap();
    for partition in 0..2 {
        let log = topic.partition(partition).unwrap();
        log.append(batch(0, 1), Durability::Written).unwrap();
        // By now the mark is due to move.
        clock.set(clock.now_ms() + 200);
        log.append(batch(1, 1), Durability::Synced).unwrap();
        log.append(batch(2, 2), Durability::Written).unwrap();
    }
    (disk, store)
}

fn open(disk: &Disk) -> Store {
    let options = Store::options().clock(Clock::manual(START)).housekeeping(false);
    sim::open(disk, options).unwrap()
}

#[test]
fn a_log_that_nobody_used_is_closed_before_there_is_a_marker() {
    let (disk, _store) = two_logs();
    // Killed. The next process uses one of them only.
    let disk = disk.after_death();
    let store = open(&disk);
    disk.record();
    store.log("events", 0).unwrap().append(batch(4, 1), Durability::Synced).unwrap();
    store.close().unwrap();
    assert!(marker(&disk.image()));

    let mut marked = 0;
    each_crash(&disk, |crash| {
        for dir in ["events-0", "events-1"] {
            assert!(!marker(&crash.image) || is_clean(&crash.image, dir), "{dir} is not clean");
        }
        marked += usize::from(marker(&crash.image));
        let store = open(&Disk::from(crash.image.clone()));
        let end = store.log("events", 1).unwrap().log_end_offset().unwrap();
        assert!(end == 4 || crash.is_power_cut && end == 2);
        assert_eq!(store.warnings(), [""; 0]);
    });
    assert!(marked > 0);
}

#[test]
fn there_is_no_marker_if_a_log_that_nobody_used_cannot_be_closed() {
    let (disk, _store) = two_logs();
    let mut image = settled(&disk.image());
    // Its only segment is gone: appends wait for somebody to accept that.
    image.remove("events-1/00000000000000000000.log");
    let disk = Disk::from(image);
    let store = open(&disk);
    store.log("events", 0).unwrap().append(batch(4, 1), Durability::Synced).unwrap();
    store.close().unwrap();
    assert!(!marker(&disk.image()) && is_clean(&disk.image(), "events-0"));
    assert!(!is_clean(&disk.image(), "events-1"));
    assert_eq!(store.warnings().len(), 1, "{:?}", store.warnings());
}
