//! Torn tails: what is cut off, what is kept of it, and for want of room.

use strandline::testing::sim::{Disk, Image};
use strandline::{Durability, Error};

use super::kafka;
use super::scene::{
    DIR, Scene, bytes, content_len, each_crash, quarantine, segments, settled, small,
};

const FIRST: &str = "00000000000000000000.log";

#[test]
fn zeros_that_a_roll_trimmed_are_cut_again_and_the_next_segment_stays() {
    let scene = Scene::with(small(), |options| options.zeros_ahead(4096));
    for _ in 0..3 {
        scene.synced(1);
    }
    scene.disk.record();
    scene.log.roll().unwrap();
    scene.written(1);
    scene.written(1);
    let whole = scene.content();

    let mut met = 0;
    each_crash(&scene.disk, |crash| {
        let found = Scene::of(&crash.image);
        let content = found.content();
        assert_eq!(content.batches[..], whole.batches[..content.batches.len()]);
        assert!(content.end >= 3);
        let first = bytes(&crash.image, FIRST);
        let has_zeros = content_len(first) < first.len();
        let second =
            segments(&crash.image).get(1).map_or(0, |name| content_len(bytes(&crash.image, name)));
        let is_whole = second == whole.batches[3].bytes.len() * 2;
        met += usize::from(has_zeros && is_whole);
        assert!(!is_whole || content.end == 5, "the second segment is there and not served");
        found.reports_nothing();
        assert_eq!(found.synced(1).base_offset, content.end);
        let now = found.disk.image();
        if content.end == 5 {
            let first: usize = whole.batches[..3].iter().map(|it| it.bytes.len()).sum();
            assert_eq!(bytes(&now, FIRST).len(), first, "the zeros are cut");
        }
        assert!(!is_whole || quarantine(&now).is_empty(), "zeros are kept");
    });
    assert!(met > 0, "no crash left zeros before a whole segment");
}

#[test]
fn a_segment_behind_one_that_lost_its_tail_goes_to_quarantine() {
    let scene = Scene::new();
    scene.synced(2);
    scene.written(2);
    scene.disk.record();
    scene.log.roll().unwrap();
    scene.written(2);
    let whole = scene.content();
    let first = whole.batches[0].bytes.len();
    let third = &whole.batches[2].bytes;

    let mut met = 0;
    each_crash(&scene.disk, |crash| {
        let has_lost = content_len(bytes(&crash.image, FIRST)) <= first;
        let names = segments(&crash.image);
        let behind = names.get(1).map_or(0, |name| content_len(bytes(&crash.image, name)));
        let found = Scene::of(&crash.image);
        let content = found.content();
        assert_eq!(content.batches[..], whole.batches[..content.batches.len()]);
        assert!(content.end >= 2);
        found.reports_nothing();
        assert_eq!(found.synced(1).base_offset, content.end);
        if has_lost && behind > 0 {
            met += 1;
            assert_eq!(content.end, 2, "the hole is closed");
            let now = found.disk.image();
            let kept = format!("quarantine/{}", names[1]);
            let kept = now.read(&format!("{DIR}/{kept}")).expect("the segment in quarantine");
            assert_eq!(content_len(kept), behind);
            assert!(behind < third.len() || kept.starts_with(third) || crash.is_power_cut);
        }
    });
    assert!(met > 0, "no crash kept the later segment alone");
}

#[test]
fn while_gaps_are_allowed_no_segment_is_written_behind_one_that_may_lose_its_tail() {
    let scene = Scene::new();
    scene.synced(2);
    scene.log.import(&kafka::batch(102, 0), Durability::Written).unwrap();
    scene.written(2);
    scene.disk.record();
    scene.log.roll().unwrap();
    scene.written(2);
    let whole = scene.content();
    let sealed: usize = whole.batches[..3].iter().map(|batch| batch.bytes.len()).sum();

    let mut met = 0;
    each_crash(&scene.disk, |crash| {
        let found = Scene::of(&crash.image);
        let content = found.content();
        assert_eq!(content.batches[..], whole.batches[..content.batches.len()]);
        let next =
            segments(&crash.image).get(1).map_or(0, |name| content_len(bytes(&crash.image, name)));
        if next > 0 {
            met += 1;
            assert_eq!(bytes(&crash.image, FIRST).len(), sealed, "it was not sealed");
            assert_eq!(content.batches[..3], whole.batches[..3]);
        }
        found.reports_nothing();
        found.synced(1);
    });
    assert!(met > 0);
}

/// A log with zeros at the end of its first segment and a torn tail in its second.
fn torn() -> (Image, Vec<u8>) {
    let scene = Scene::new();
    scene.written(2);
    scene.log.roll().unwrap();
    scene.written(2);
    let mut image = settled(&scene.disk.image());
    let names = segments(&image);
    let mut first = bytes(&image, &names[0]).to_vec();
    first.resize(first.len() + 900, 0);
    let mut second = bytes(&image, &names[1]).to_vec();
    let tail = vec![b'~'; 5000];
    second.extend_from_slice(&tail);
    image.put(&format!("{DIR}/{}", names[0]), first);
    image.put(&format!("{DIR}/{}", names[1]), second);
    (image, tail)
}

#[test]
fn an_apply_that_is_interrupted_anywhere_keeps_its_torn_tail_once() {
    let (image, tail) = torn();
    let scene = Scene::of(&image);
    let before = scene.content();
    assert_eq!(before.end, 4);
    scene.disk.record();
    scene.log.flush().unwrap();

    let (mut uncut, mut half_cut) = (0, 0);
    each_crash(&scene.disk, |crash| {
        let lens: Vec<_> =
            segments(&crash.image).iter().map(|it| bytes(&crash.image, it).len()).collect();
        uncut += usize::from(lens[1] > 5000 && !quarantine(&crash.image).is_empty());
        half_cut += usize::from(lens[0] < 900 && lens[1] > 5000);
        let found = Scene::of(&crash.image);
        let content = found.content();
        assert_eq!((content.end, &content.batches), (4, &before.batches));
        found.reports_nothing();
        found.synced(1);
        let now = found.disk.image();
        let kept = quarantine(&now);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(now.read(&format!("{DIR}/{}", kept[0])).unwrap(), tail);
    });
    assert!(uncut > 0 && half_cut > 0, "{uncut} after the quarantine, {half_cut} between the cuts");
}

#[test]
fn a_disk_that_is_full_at_the_opening_is_read_and_got_over() {
    let scene = Scene::new();
    scene.disk.record();
    scene.synced(3);
    scene.written(8);
    scene.written(8);
    let scene = scene.reopens();
    scene.written(1);

    each_crash(&scene.disk, |crash| {
        let wanted = Scene::of(&crash.image).content();
        let disk = Disk::from(crash.image.clone());
        disk.room(Some(0));
        let found = Scene::on(disk.clone());
        let same = |when: &str| {
            let content = found.content();
            assert_eq!((content.start, content.end), (wanted.start, wanted.end), "{when}");
            assert_eq!(content.batches, wanted.batches, "{when}");
        };
        same("at first");
        for _ in 0..2 {
            match found.try_append(1, Durability::Synced) {
                Err(Error::Io { source, .. }) if source.raw_os_error() == Some(28) => {}
                other => panic!("without room an append gives {other:?}"),
            }
            same("after an append");
        }
        disk.room(None);
        assert_eq!(found.synced(1).base_offset, wanted.end);
        found.reports_nothing();
    });
}
