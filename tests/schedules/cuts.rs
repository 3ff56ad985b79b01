//! Truncation, starting over, deletion of records.

use std::rc::Rc;

use strandline::Durability;

use super::ours::{self, ENTRY, LOG_START, MANIFEST, WATERMARK, has_cut};
use super::scene::{self, Place, Scene, bytes, content_len, each_crash, flipped, segments, shape};

#[test]
fn an_append_behind_a_cut_inside_a_batch_survives() {
    let scene = Scene::large();
    scene.synced(10);
    scene.synced(10);
    let before = scene.content();
    scene.disk.record();
    scene.log.truncate_to(15).unwrap();
    let cut = (scene.disk.calls(), scene.content());
    scene.synced(5);
    let appended = (scene.disk.calls(), scene.content());
    assert_eq!(scene.shape(), (0, 20, vec![(0, 10), (15, 20)]));

    each_crash(&scene.disk, |crash| {
        let after = Scene::of(&crash.image);
        let content = after.content();
        if crash.call >= cut.0 {
            let ends: Vec<_> = ours::slots(&crash.image).iter().map(|it| it.durable_end).collect();
            assert!(ends.len() == 2 && ends.iter().all(|end| *end >= 15), "slots say {ends:?}");
        }
        if crash.call >= appended.0 {
            assert_eq!(content.batches, appended.1.batches);
        } else if content.end == 20 && crash.call < cut.0 {
            assert_eq!(content.batches, before.batches);
        } else if content.end == 20 {
            assert_eq!(content.batches, appended.1.batches);
        } else {
            assert_eq!(content.end, 15);
            assert_eq!(content.batches, cut.1.batches);
        }
        after.reports_nothing();
        assert_eq!(after.synced(1).base_offset, content.end);
    });
}

#[test]
fn a_truncation_is_untouched_or_done_and_one_slot_is_enough() {
    let scene = Scene::new();
    for _ in 0..12 {
        scene.synced(10);
    }
    let before = scene.content();
    let epoch = before.batches.last().unwrap().epoch;
    scene.disk.record();
    scene.log.truncate_to(100).unwrap();
    let returned = scene.disk.calls();
    let after = scene.content();
    assert_eq!(after.end, 100);

    let mut announced_at = None;
    each_crash(&scene.disk, |crash| {
        if has_cut(&crash.image) && !crash.is_power_cut {
            announced_at.get_or_insert(crash.call);
        }
        let is_announced = has_cut(&crash.image);
        for bit in [None, Some(100), Some(4196)] {
            let _place = Place(format!("with bit {bit:?} of the slots flipped"));
            let left = bit.map(|bit| flipped(&crash.image, WATERMARK, bit));
            let left = left.unwrap_or(crash.image.clone());
            let found = Scene::of(&left);
            let content = found.content();
            // Until the manifest is replaced the cut stands in it; from then on it was carried out.
            let is_done = is_announced || crash.call >= returned || content.end == 100;
            let is_before = announced_at.is_none_or(|at| crash.call < at);
            assert!(!(is_before && is_done), "it came before it was announced");
            let wanted = if is_done { &after } else { &before };
            assert_eq!((content.end, &content.batches), (wanted.end, &wanted.batches));
            found.reports_nothing();
            let appended = found.synced(1);
            assert_eq!(appended.base_offset, wanted.end);
            let next = found.content().batches.last().unwrap().epoch;
            assert!(next > epoch, "offset {} again under epoch {next}", wanted.end);
        }
    });
}

#[test]
fn a_truncation_is_never_carried_out_twice_whatever_entry_is_flipped() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.synced(8);
    }
    scene.disk.record();
    scene.log.truncate_to(10).unwrap();
    let truncated = scene.disk.calls();
    scene.synced(8);
    let appended = (scene.disk.calls(), scene.content());
    let was_cut = scene.disk.image();

    let mut images = 0;
    each_crash(&scene.disk, |crash| {
        if crash.call < truncated {
            return;
        }
        let entries = crash.image.read(MANIFEST).unwrap().len() / ENTRY - 1;
        for entry in 0..entries {
            let bit = (ENTRY * (entry + 1)) * 8 + (images * 131) % (ENTRY * 8);
            images += 1;
            is_not_cut_again(&flipped(&crash.image, MANIFEST, bit), (crash.call, &appended));
        }
    });
    // Each bit of each entry, once all is done.
    for bit in ENTRY * 8..was_cut.read(MANIFEST).unwrap().len() * 8 {
        is_not_cut_again(&flipped(&was_cut, MANIFEST, bit), (appended.0, &appended));
    }
}

fn is_not_cut_again(
    image: &strandline::testing::sim::Image,
    (call, appended): (u64, &(u64, crate::disk::content::Content)),
) {
    let content = Scene::of(image).content();
    if call >= appended.0 {
        assert_eq!(content.batches, appended.1.batches);
    } else {
        // The append was on its way.
        let whole = &appended.1.batches;
        assert!(content.batches == *whole || content.batches[..] == whole[..whole.len() - 1]);
    }
}

#[test]
fn written_records_that_were_deleted_leave_an_empty_log_behind_them() {
    let scene = Scene::large();
    for _ in 0..4 {
        scene.synced(100);
    }
    let synced = scene.content();
    for _ in 0..6 {
        scene.written(100);
    }
    let before = scene.content();
    let epoch = before.batches.last().unwrap().epoch;
    scene.disk.record();
    assert_eq!(scene.log.delete_records(None).unwrap(), 1000);
    let returned = scene.disk.calls();

    let mut lost = 0;
    each_crash(&scene.disk, |crash| {
        let found = Scene::of(&crash.image);
        let content = found.content();
        let is_set =
            ours::entries(&crash.image).iter().any(|it| (it.kind, it.next) == (LOG_START, 1000));
        assert!(is_set || crash.call < returned);
        if is_set {
            assert_eq!(shape(&content), (1000, 1000, vec![]));
        } else {
            assert!(content.end >= 400 && content.start == 0);
            assert_eq!(content.batches[..], before.batches[..content.batches.len()]);
        }
        found.reports_nothing();
        let held = content_len(bytes(&crash.image, "00000000000000000000.log"));
        lost += u32::from(is_set && held <= synced.batches.iter().map(|it| it.bytes.len()).sum());
        assert!(found.next_epoch() > epoch);
    });
    assert!(lost > 0, "no image ends at 400");
}

#[test]
fn deleted_records_are_not_served_again() {
    let scene = Scene::new();
    for _ in 0..6 {
        scene.synced(6);
    }
    let before = segments(&scene.disk.image());
    assert!(before.len() > 3, "{before:?}");
    scene.disk.record();
    scene.log.delete_records(Some(25)).unwrap();
    let started = scene.disk.calls();
    // Renames to `.deleted`, and a while later they go.
    scene.log.enforce_retention().unwrap();
    let kept = scene.content();
    assert_eq!(kept.start, 25);
    assert!(segments(&scene.disk.image()).len() < before.len());

    let mut turn = 0;
    let mut reappeared = 0;
    each_crash(&scene.disk, |crash| {
        if crash.call < started {
            return;
        }
        reappeared += usize::from(segments(&crash.image) == before);
        let owner = crash.image.read("strandline.owner").unwrap().len() * 8;
        let manifest = crash.image.read(MANIFEST).unwrap().len() * 8;
        let mut images = vec![crash.image.clone()];
        images.push(flipped(&crash.image, "strandline.owner", turn * 37 % owner));
        for entry in (ENTRY * 8..manifest).step_by(ENTRY * 8) {
            images.push(flipped(&crash.image, MANIFEST, entry + turn * 131 % (ENTRY * 8)));
        }
        turn += 1;
        for image in images {
            let found = Scene::of(&image);
            assert_eq!(found.log.log_start_offset().unwrap(), 25);
            assert!(found.log.fetch(24, strandline::FetchOptions::new()).is_err());
            assert_eq!(found.content().batches, kept.batches);
        }
        let found = Scene::of(&crash.image);
        found.reports_nothing();
        found.synced(1);
        assert!(!segments(&found.disk.image()).contains(&before[0]), "it is not removed again");
    });
    assert!(reappeared > 0, "no image has the old names");
}

#[test]
fn a_log_that_starts_over_is_the_old_one_or_empty() {
    for start in [5000, 4] {
        let scene = Scene::new();
        for _ in 0..4 {
            scene.synced(5);
        }
        let before = Rc::new(scene.content());
        let epoch = before.batches.last().unwrap().epoch;
        scene.disk.record();
        scene.log.start_over_at(start).unwrap();
        let returned = scene.disk.calls();
        each_crash(&scene.disk, |crash| {
            let found = Scene::of(&crash.image);
            let content = found.content();
            if content.batches.is_empty() {
                assert_eq!((content.start, content.end), (start, start));
            } else {
                assert!(crash.call < returned && !has_cut(&crash.image), "it has happened");
                assert_eq!(shape(&content), shape(&before));
                assert_eq!(content.batches, before.batches);
            }
            found.reports_nothing();
            let appended = found.try_append(1, Durability::Synced).unwrap();
            assert_eq!(appended.base_offset, content.end);
            assert!(found.content().batches.last().unwrap().epoch > epoch);
            let left = segments(&found.disk.image());
            let is_new = content.batches.is_empty();
            assert!(!is_new || left == [format!("{start:020}.log")], "{left:?} are left");
        });
        assert_eq!(scene::quarantine(&scene.disk.image()), [""; 0]);
    }
}
