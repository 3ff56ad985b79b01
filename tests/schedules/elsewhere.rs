//! What Kafka does between two openings, and files that are copied.

use strandline::testing::sim::{self, Disk, Image, Order};
use strandline::{Clock, Durability, Store, TopicOptions};

use super::kafka;
use super::ours::{self, CUT, MARKER, SEALED, has_cut};
use super::scene::{DIR, Scene, batch, bytes, each_crash, segments, settled, small};
use crate::disk::content::Content;
use crate::disk::world::START;

#[test]
fn a_cut_that_was_announced_is_void_once_kafka_has_appended() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.synced(8);
    }
    scene.disk.record();
    scene.log.truncate_to(10).unwrap();

    let mut announced = 0;
    each_crash(&scene.disk, |crash| {
        if !has_cut(&crash.image) {
            return;
        }
        announced += 1;
        let mut image = settled(&crash.image);
        kafka::starts(&mut image);
        let offset = kafka::appends(&mut image, 40);
        let found = Scene::of(&image);
        let content = found.content();
        let last = content.batches.last().unwrap();
        assert_eq!((last.base, last.epoch, content.end), (offset, 40, offset + 1));
        assert_eq!(content.batches, in_files(&image, content.start), "Kafka's records stay");
        found.reports_nothing();
        assert_eq!(found.next_epoch(), 41);
        assert!(ours::entries(&found.disk.image()).iter().all(|entry| entry.kind != CUT));
        let again = Scene::of(&found.disk.image()).content();
        assert_eq!(again.batches[..content.batches.len()], content.batches);
    });
    assert!(announced > 10, "{announced} crashes with an open cut");
}

/// The batches that lie in the files of an image, from `start` on.
fn in_files(image: &Image, start: i64) -> Vec<std::sync::Arc<crate::disk::content::Batch>> {
    let bytes: Vec<u8> = segments(image).iter().flat_map(|it| bytes(image, it).to_vec()).collect();
    let found = crate::disk::content::Found { start, end: 0, bytes };
    let mut batches = found.batches().unwrap();
    batches.retain(|batch| batch.next > start);
    batches
}

/// A log whose epoch is `epoch`: so many processes have died.
fn of_epoch(epoch: i32) -> Scene {
    let mut scene = Scene::new();
    scene.synced(1);
    for _ in 0..epoch {
        scene = scene.dies();
        scene.synced(1);
    }
    assert_eq!(scene.content().batches.last().unwrap().epoch, epoch);
    scene
}

#[test]
fn an_epoch_below_ours_is_kept_and_the_next_one_is_above_both() {
    let scene = of_epoch(7);
    for close in [true, false] {
        if close {
            scene.store.close().unwrap();
        }
        let mut image = settled(&scene.disk.image());
        kafka::starts(&mut image);
        kafka::appends(&mut image, 4);
        kafka::appends(&mut image, 4);
        let all = in_files(&image, 0);
        assert_eq!(all.len(), 10);
        let found = Scene::of(&image);
        assert_eq!(found.content().batches, all);
        found.disk.record();
        found.synced(1);
        assert_eq!(found.content().batches.last().unwrap().epoch, 8);
        each_crash(&found.disk, |crash| {
            let found = Scene::of(&crash.image);
            assert_eq!(found.content().batches[..10], all);
            found.reports_nothing();
            let next = found.next_epoch();
            assert!(next >= 8, "epoch {next}");
        });
    }
}

#[test]
fn a_lost_leader_epoch_file_is_found_again_in_the_batches() {
    let scene = of_epoch(5);
    let all = scene.content();
    let mut image = settled(&scene.disk.image());
    image.remove("events-0/leader-epoch-checkpoint");
    let found = Scene::of(&image);
    assert_eq!(found.content().batches, all.batches);
    let epochs: Vec<_> = found.log.leader_epochs().unwrap();
    let epochs: Vec<_> = epochs.iter().map(|(epoch, at)| (epoch.0, *at)).collect();
    assert_eq!(epochs, (0..6).map(|n| (n, i64::from(n))).collect::<Vec<_>>());
    found.disk.record();
    found.synced(1);
    assert_eq!(found.content().batches.last().unwrap().epoch, 6);
    each_crash(&found.disk, |crash| {
        let found = Scene::of(&crash.image);
        assert_eq!(found.content().batches[..6], all.batches);
        found.reports_nothing();
        assert!(found.next_epoch() >= 6);
    });
}

/// A log of ours that Kafka has written to, compacted and deleted from since.
fn taken_over(close: bool) -> Image {
    let scene = Scene::new();
    for _ in 0..4 {
        for _ in 0..4 {
            scene.synced(2);
        }
    }
    if close {
        scene.store.close().unwrap();
    }
    let mut image = settled(&scene.disk.image());
    kafka::starts(&mut image);
    kafka::appends(&mut image, 3);
    kafka::rolls(&mut image);
    kafka::appends(&mut image, 3);
    kafka::appends(&mut image, 5);
    let compacted = segments(&image)[2].clone();
    kafka::compacts(&mut image, &compacted);
    kafka::retains(&mut image);
    image
}

#[test]
fn what_kafka_compacts_and_deletes_is_no_damage_whenever_we_die() {
    for (close, stop) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut image = taken_over(close);
        if stop {
            kafka::stops(&mut image);
        }
        let start = segments(&image)[0].trim_end_matches(".log").parse().unwrap();
        let wanted = in_files(&image, start);
        let holds = |found: &Scene| {
            let content = found.content();
            assert_eq!((content.start, &content.batches[..wanted.len()]), (start, &wanted[..]));
            found.reports_nothing();
            content
        };
        let found = Scene::of(&image);
        holds(&found);
        assert!(!ours::is_proved(&image));
        // We die before the first write.
        let found = found.dies();
        holds(&found);
        found.disk.record();
        found.synced(1);
        assert!(ours::is_proved(&found.disk.image()));

        each_crash(&found.disk, |crash| {
            if ours::is_proved(&crash.image) {
                // Then what our files say is true.
                let lines = ours::line(&crash.image);
                assert_eq!(ours::slots(&crash.image)[0].opening, lines.unwrap());
                for entry in ours::entries(&crash.image).iter().filter(|it| it.kind == SEALED) {
                    let len = bytes(&crash.image, &format!("{:020}.log", entry.base)).len();
                    assert_eq!(len as u64, entry.log_bytes);
                }
            }
            let found = Scene::of(&crash.image);
            let content = holds(&found);
            assert_eq!(found.synced(1).base_offset, content.end);
            assert!(found.content().batches.last().unwrap().epoch > 5);
        });
    }
}

#[test]
fn what_kafka_cuts_off_is_no_gap() {
    let scene = Scene::new();
    for _ in 0..4 {
        scene.synced(8);
    }
    scene.store.close().unwrap();
    let mut image = settled(&scene.disk.image());
    kafka::starts(&mut image);
    // As a follower that was told to, inside the second segment.
    let names = segments(&image);
    for gone in &names[2..] {
        image.remove(&format!("{DIR}/{gone}"));
    }
    image.put(&format!("{DIR}/{}", names[1]), Vec::new());
    kafka::appends(&mut image, 8);
    let wanted = in_files(&image, 0);
    let found = Scene::of(&image);
    assert_eq!(found.shape(), (0, 9, vec![(0, 8), (8, 9)]));
    found.disk.record();
    found.synced(1);
    each_crash(&found.disk, |crash| {
        let found = Scene::of(&crash.image);
        assert_eq!(found.content().batches[..2], wanted);
        found.reports_nothing();
        assert!(found.next_epoch() > 8);
    });
}

/// The files of an image, one by one, on a new disk.
fn copied(image: &Image, seed: u64) -> Image {
    let mut copy = Disk::new(Order::Strict, seed).image();
    for path in image.files() {
        copy.put(&path, image.read(&path).unwrap().to_vec());
    }
    copy
}

#[test]
fn a_copy_of_a_closed_store_is_as_good_as_the_original() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.synced(8);
    }
    let scene = scene.reopens();
    let original = scene.content();
    let epoch = original.batches.last().unwrap().epoch;
    let found = Scene::of(&copied(&scene.disk.image(), 99));
    assert_eq!(found.content().batches, original.batches);
    assert_eq!(found.content().durable, original.durable);
    found.disk.record();
    found.synced(1);
    // It was clean, as the original.
    assert_eq!(found.content().batches.last().unwrap().epoch, epoch);
    each_crash(&found.disk, |crash| {
        let found = Scene::of(&crash.image);
        assert_eq!(found.content().batches[..3], original.batches);
        found.reports_nothing();
        found.synced(1);
    });
}

/// A closed store with a topic of so many partitions, each with records of its own.
fn store_of(topic: &str, partitions: u32, seed: u64) -> Image {
    let disk = Disk::new(Order::Strict, seed);
    let store = opened(&disk);
    let options = TopicOptions::new().partitions(partitions).config(small());
    let topic = store.create_topic(topic, options).unwrap();
    for partition in 0..partitions {
        let log = topic.partition(partition).unwrap();
        for at in 0..=i64::from(partition) + 2 {
            log.append(batch(at * 8, 8), Durability::Synced).unwrap();
        }
    }
    store.close().unwrap();
    settled(&disk.image())
}

fn opened(disk: &Disk) -> Store {
    let options = Store::options().clock(Clock::manual(START)).housekeeping(false);
    sim::open(disk, options).unwrap()
}

/// Copies the files of a partition's directory over another's.
fn copy_partition((from, dir): (&Image, &str), (to, other): (&mut Image, &str)) {
    let old = to.files().into_iter().filter(|path| path.starts_with(&format!("{other}/")));
    for path in old.collect::<Vec<_>>() {
        to.remove(&path);
    }
    for path in from.files() {
        if let Some(name) = path.strip_prefix(&format!("{dir}/")) {
            to.put(&format!("{other}/{name}"), from.read(&path).unwrap().to_vec());
        }
    }
}

/// Whatever crash comes while the log is made ours, it holds what it held.
fn is_made_ours(image: &Image, (topic, partition): (&str, u32), ends: i64) {
    let disk = Disk::from(image.clone());
    let store = opened(&disk);
    let log = store.log(topic, partition).unwrap();
    let (whole, warned) = (Content::of(&log).unwrap(), store.warnings());
    assert_eq!((whole.start, whole.end), (0, ends));
    assert_eq!(log.gap().unwrap(), None);
    disk.record();
    log.append(batch(ends, 1), Durability::Synced).unwrap();
    each_crash(&disk, |crash| {
        let store = opened(&Disk::from(crash.image.clone()));
        let log = store.log(topic, partition).unwrap();
        let content = Content::of(&log).unwrap();
        assert_eq!(content.batches[..whole.batches.len()], whole.batches);
        assert_eq!(log.gap().unwrap(), None);
        assert!(store.warnings().iter().all(|warning| warned.contains(warning)));
        let epoch = content.batches.last().unwrap().epoch;
        log.append(batch(content.end, 1), Durability::Synced).unwrap();
        let next = Content::of(&log).unwrap().batches.last().unwrap().epoch;
        assert!(next > epoch, "epoch {next} after {epoch}");
    });
}

#[test]
fn a_partition_of_another_store_is_unproved_and_kept_whole() {
    let other = store_of("orders", 1, 7);
    let mut image = store_of("events", 1, 8);
    copy_partition((&other, "orders-0"), (&mut image, "orders-0"));
    let slot = ours::slots_of(&image, "orders-0")[0];
    assert!(slot.clean && Some(slot.opening) != ours::line(&image));
    is_made_ours(&image, ("orders", 0), 24);
}

#[test]
fn a_partition_under_another_number_has_nothing_of_ours_and_is_kept_whole() {
    let mut image = store_of("events", 3, 7);
    let from = image.clone();
    copy_partition((&from, "events-1"), (&mut image, "events-2"));
    let slot = ours::slots_of(&image, "events-2")[0];
    assert_eq!(Some(slot.opening), ours::line(&image), "only the manifest tells");
    assert!(image.read(MARKER).is_some());
    is_made_ours(&image, ("events", 2), 32);
}
