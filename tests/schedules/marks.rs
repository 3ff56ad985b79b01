//! How far a log is durable, and who says so: the slots of the watermark, and seals.

use strandline::Durability;

use super::kafka;
use super::ours::{self, SEALED, WATERMARK};
use super::scene::{Place, Scene, bytes, each_crash, flipped, segments};

#[test]
fn an_imported_batch_behind_missing_offsets_survives() {
    let scene = Scene::new();
    scene.synced(2);
    let before = scene.content();
    scene.disk.record();
    let far = kafka::batch(102, before.batches[0].epoch);
    scene.log.import(&far, Durability::Synced).unwrap();
    let imported = (scene.disk.calls(), scene.content());
    // No slot has moved since: only the flag makes the batch one that may stand there.
    scene.written(1);

    each_crash(&scene.disk, |crash| {
        let found = Scene::of(&crash.image);
        let content = found.content();
        let has_it = content.batches.iter().any(|batch| batch.bytes == far);
        assert!(has_it || crash.call < imported.0, "it was acknowledged");
        if has_it {
            assert_eq!(content.batches[..2], imported.1.batches[..]);
            assert!(ours::slots(&crash.image).iter().all(|slot| slot.gaps), "gaps, in both slots");
        } else {
            assert_eq!(content.batches, before.batches);
        }
        found.reports_nothing();
        assert_eq!(found.synced(1).base_offset, content.end);
    });
}

/// A log in which everything happens that changes a slot.
fn eventful() -> Scene {
    let scene = Scene::new();
    scene.disk.record();
    scene.synced(3);
    scene.written(8);
    scene.written(8);
    scene.synced(2);
    scene.log.truncate_to(15).unwrap();
    scene.synced(1);
    scene.log.delete_records(Some(4)).unwrap();
    scene.log.enforce_retention().unwrap();
    let scene = scene.reopens();
    scene.synced(1);
    let end = scene.log.log_end_offset().unwrap();
    scene.log.import(&kafka::batch(end + 100, 9), Durability::Synced).unwrap();
    scene.written(3);
    let scene = scene.dies();
    scene.synced(1);
    scene.log.start_over_at(3000).unwrap();
    scene.synced(1);
    scene.store.close().unwrap();
    scene
}

#[test]
fn without_the_newer_slot_the_same_is_there_in_each_state() {
    let (mut bit, mut flips) = (0, 0);
    each_crash(&eventful().disk, |crash| {
        let [newer, older] = ours::slots(&crash.image)[..] else { return };
        bit = (bit + 37) % 512;
        flips += 1;
        let image = flipped(&crash.image, WATERMARK, newer.at * 8 + bit);
        let _place = Place(format!("with bit {bit} of the newer slot flipped"));
        assert_eq!(ours::slots(&image), [older]);
        let (whole, one) = (Scene::of(&crash.image), Scene::of(&image));
        let (with, without) = (whole.content(), one.content());
        assert_eq!(
            (with.start, with.end, &with.batches),
            (without.start, without.end, &without.batches)
        );
        assert!(without.durable <= with.durable);
        assert_eq!(one.log.gap().unwrap(), None);
        assert_eq!(one.synced(1).base_offset, with.end);
    });
    assert!(flips > 200, "{flips} states");
}

#[test]
fn the_mark_never_says_more_than_the_other_slot_does_of_a_flag_or_an_epoch() {
    // What is no mere move of the point is in both slots before it is acted upon: so the older one
    // differs by its point alone, or something is being announced.
    let scene = eventful();
    let last = ours::slots(&scene.disk.image());
    let [newer, older] = last[..] else { panic!("{last:?}") };
    assert_eq!(
        (newer.epoch, newer.opening, newer.clean, newer.gaps),
        (older.epoch, older.opening, older.clean, older.gaps)
    );
}

#[test]
fn a_seal_that_the_power_interrupts_is_made_again_and_true() {
    let scene = Scene::new();
    scene.disk.record();
    for _ in 0..3 {
        scene.written(8);
    }
    scene.synced(1);
    let done = scene.disk.calls();
    let whole = scene.content();

    each_crash(&scene.disk, |crash| {
        seals_are_true(&crash.image, crash.is_power_cut);
        let found = Scene::of(&crash.image);
        let content = found.content();
        assert!(crash.call < done || content.batches == whole.batches);
        found.reports_nothing();
        found.written(1);
        found.keeps_house();
        let now = found.disk.image();
        let sealed = ours::entries(&now).into_iter().filter(|entry| entry.kind == SEALED);
        let names: Vec<_> = sealed.map(|entry| format!("{:020}.log", entry.base)).collect();
        let all = segments(&now);
        assert_eq!(names, all[..all.len() - 1], "all but the last are sealed");
        seals_are_true(&now, true);
    });
}

/// A sealed segment has the length that its entry says.
fn seals_are_true(image: &strandline::testing::sim::Image, is_settled: bool) {
    for entry in ours::entries(image).iter().filter(|entry| entry.kind == SEALED) {
        let len = bytes(image, &format!("{:020}.log", entry.base)).len() as u64;
        assert!(len == entry.log_bytes || !is_settled, "{len} bytes, not {}", entry.log_bytes);
    }
}
