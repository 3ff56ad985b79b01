//! Syncs that fail, and what is promised after them.

use strandline::testing::sim::{Call, Disk, Fault, SyncFault};
use strandline::{Durability, Error, LogConfig};

use super::ours::{self, SEALED};
use super::scene::{Place, Scene, each_crash};

const WAYS: [SyncFault; 3] = [SyncFault::Cleaned, SyncFault::FellBack, SyncFault::Sticky];

/// The numbers of the syncs since `disk` records whose file's name ends in `of`.
fn syncs(disk: &Disk, of: &str) -> Vec<u64> {
    let recorded = disk.recorded().into_iter().map(|(call, _)| call);
    let of = format!("{of})");
    recorded
        .filter(|it: &Call| it.is_sync() && it.to_string().ends_with(&of))
        .map(|it| it.number)
        .collect()
}

#[test]
fn there_is_no_hole_after_a_failed_sync_another_process_and_a_loss_of_power() {
    for way in WAYS {
        let _place = Place(format!("{way:?}"));
        let scene = Scene::with(LogConfig::default(), |options| options.zeros_ahead(0));
        // Each batch fills pages of its own.
        scene.synced(150);
        let durable = scene.content();
        // Its write, and then its sync.
        scene.disk.fail(scene.disk.calls() + 1, Fault::Sync(way));
        let failed = scene.try_append(150, Durability::Synced);
        assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
        let poisoned = scene.try_append(150, Durability::Synced);
        assert!(matches!(poisoned, Err(Error::Poisoned(_))), "{poisoned:?}");

        let scene = scene.dies();
        if way == SyncFault::Sticky {
            // Only a boot of the machine helps.
            scene.try_append(150, Durability::Synced).unwrap_err();
        } else {
            scene.synced(150);
        }
        let promised = if way == SyncFault::Sticky { durable } else { scene.content() };
        scene.disk.record();
        each_crash(&scene.disk, |crash| {
            if !crash.is_power_cut && way == SyncFault::Sticky {
                return;
            }
            let found = Scene::of(&crash.image);
            let content = found.content();
            assert_eq!(content.batches[..promised.batches.len()], promised.batches);
            found.reports_nothing();
            found.synced(1);
        });
    }
}

/// Two segments, of which the first is inactive and not sealed.
fn unsealed() -> Scene {
    let scene = Scene::new();
    scene.written(8);
    scene.written(8);
    scene
}

#[test]
fn a_seal_works_after_the_sync_of_an_index_has_failed() {
    let twin = unsealed();
    twin.disk.record();
    twin.synced(1);
    let recorded = twin.disk.recorded();
    let indexes = |call: &Call| call.is_sync() && call.to_string().contains("index)");
    let indexes: Vec<_> = recorded.iter().map(|(call, _)| call).filter(|it| indexes(it)).collect();
    assert_eq!(indexes.len(), 2, "offsets and times: {indexes:?}");
    for index in indexes {
        for way in WAYS {
            let _place = Place(format!("{way:?} at {index}"));
            let scene = unsealed();
            scene.disk.fail(index.number, Fault::Sync(way));
            let refused = scene.try_append(1, Durability::Synced);
            assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
            // Nothing of the `.log` is in doubt: the log goes on, and the seal is made.
            scene.synced(1);
            let promised = scene.content();
            let sealed = ours::entries(&scene.disk.image());
            assert!(sealed.iter().any(|entry| (entry.kind, entry.base) == (SEALED, 0)));
            scene.disk.record();
            each_crash(&scene.disk, |crash| {
                let found = Scene::of(&crash.image);
                let content = found.content();
                assert_eq!(content.batches, promised.batches);
                for offset in 0..content.end {
                    let fetched = found.log.fetch(offset, strandline::FetchOptions::new()).unwrap();
                    let first = fetched.batches().next().unwrap();
                    assert!(first.header().base_offset() <= offset);
                }
                found.reports_nothing();
            });
        }
    }
}

/// A log with a torn tail, whose first write cuts it off and syncs what is left.
fn torn() -> Disk {
    let scene = Scene::new();
    scene.written(2);
    let mut image = super::scene::settled(&scene.disk.image());
    let path = "events-0/00000000000000000000.log";
    let mut bytes = image.read(path).unwrap().to_vec();
    bytes.extend([b'~'; 300]);
    image.put(path, bytes);
    Disk::from(image)
}

#[test]
fn a_log_that_its_first_write_could_not_sync_is_poisoned_until_it_is_opened_again() {
    let twin = Scene::on(torn());
    twin.content();
    twin.disk.record();
    twin.written(1);
    let log_syncs = syncs(&twin.disk, ".log");
    assert!(!log_syncs.is_empty());
    for number in log_syncs {
        for way in [SyncFault::Cleaned, SyncFault::FellBack] {
            let _place = Place(format!("{way:?} at call {number}"));
            let scene = Scene::on(torn());
            let before = scene.content();
            scene.disk.fail(number, Fault::Sync(way));
            let failed = scene.try_append(1, Durability::Written);
            assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
            let poisoned = scene.try_append(1, Durability::Synced);
            assert!(matches!(poisoned, Err(Error::Poisoned(_))), "{poisoned:?}");
            scene.log.reopen().unwrap();
            scene.synced(1);
            let promised = scene.content();
            assert_eq!(promised.batches[..1], before.batches);
            assert_eq!(promised.end, 3);
            scene.disk.record();
            each_crash(&scene.disk, |crash| {
                let found = Scene::of(&crash.image);
                assert_eq!(found.content().batches, promised.batches);
                found.reports_nothing();
            });
        }
    }
}
