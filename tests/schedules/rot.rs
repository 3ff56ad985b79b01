//! Bits that flip in what was durable: found or harmless, and nobody else is hit.

use std::rc::Rc;

use strandline::testing::sim::{Disk, Image};
use strandline::{Durability, Error, FetchOptions};

use super::ours::{MANIFEST, WATERMARK};
use super::scene::{DIR, Place, Scene, flipped, names, quarantine, settled};
use crate::disk::LAST;
use crate::disk::check::{Depth, Expected, check};
use crate::disk::content::{Batch, Content};
use crate::disk::enumerate;
use crate::disk::ops::Op;

/// Where the fields of a batch lie that its own checksum does not cover.
const EPOCH: std::ops::Range<usize> = 12..16;

/// Three batches that are durable, in the last segment or in one that is sealed, closed or not.
fn durable(sealed: bool, close: bool) -> (Image, Content) {
    let scene = Scene::large();
    for _ in 0..3 {
        scene.written(1);
    }
    scene.synced(1);
    if sealed {
        scene.log.roll().unwrap();
        scene.synced(1);
    }
    let content = scene.content();
    if close {
        scene.store.close().unwrap();
    }
    (settled(&scene.disk.image()), content)
}

#[test]
fn whichever_bit_of_a_durable_batch_flips_its_neighbours_are_read() {
    for (sealed, close) in [(false, false), (false, true), (true, false), (true, true)] {
        let (image, content) = durable(sealed, close);
        let path = format!("{DIR}/00000000000000000000.log");
        let (first, second) = (content.batches[0].bytes.len(), content.batches[1].bytes.len());
        for bit in first * 8..(first + second) * 8 {
            let _place = Place(format!("sealed {sealed}, closed {close}, bit {bit}"));
            let rotten = flipped(&image, &path, bit);
            let scene = Scene::of(&rotten);
            only_one_is_hit(&scene, &content, bit / 8 - first);
            if bit % 5 == 0 {
                // So it is after a write, which destroys nothing.
                let next = scene.log.log_end_offset().unwrap();
                assert_eq!(scene.try_append(1, Durability::Synced).unwrap().base_offset, next);
                only_one_is_hit(&scene, &content, bit / 8 - first);
                assert_eq!(quarantine(&scene.disk.image()), [""; 0]);
            }
        }
    }
}

/// Of the batches of `content` only the second is damaged, at a byte of it.
fn only_one_is_hit(scene: &Scene, content: &Content, at: usize) {
    assert!(scene.log.log_end_offset().unwrap() >= content.end, "nothing is cut off");
    for (index, batch) in content.batches.iter().enumerate() {
        let fetched = scene.log.fetch(batch.base, FetchOptions::new().max_bytes(1));
        match fetched {
            Ok(fetched) if fetched.bytes() == batch.bytes => assert_ne!(index, 1, "unnoticed"),
            Ok(fetched) if index == 1 => is_epoch_flip(fetched.bytes(), batch, at),
            Err(Error::Corrupt { .. }) => assert_eq!(index, 1, "an intact batch is refused"),
            other => panic!("batch {index}: {other:?}"),
        }
    }
}

/// A leader epoch that might stand there is seen by the checksum of the whole file only.
fn is_epoch_flip(found: &[u8], batch: &Batch, at: usize) {
    assert!(EPOCH.contains(&at), "byte {at} is wrong, and given out");
    assert_eq!(found.len(), batch.bytes.len());
    let differ = (0..found.len()).filter(|&byte| found[byte] != batch.bytes[byte]);
    assert!(differ.eq([at]));
}

/// A closed log with transactions over several segments, and what it holds.
fn transactions() -> (Image, Expected) {
    let ops = [
        Op::AppendTransactional,
        Op::AppendRolling,
        Op::Abort,
        Op::AppendSynced,
        Op::AppendRolling,
        Op::AppendTransactional,
        Op::Abort,
        Op::AppendRolling,
        Op::AppendTransactional,
        Op::Commit,
        Op::AppendSynced,
        Op::Reopen,
    ];
    let (steps, recorded) = enumerate::run(&ops, LAST).unwrap();
    let content = Rc::clone(&steps.last().unwrap().after);
    let (before, after) = (Rc::clone(&content), content);
    let expected = Expected { before, after, is_power_cut: false, removes: true, cleans: false };
    (settled(&recorded.last().unwrap().1), expected)
}

/// `image` with each file that `wanted` takes cut, padded, lost, and each so manyeth bit flipped.
fn damaged(image: &Image, every: usize, wanted: impl Fn(&str) -> bool) -> Vec<(String, Image)> {
    let mut images = Vec::new();
    for name in names(image, wanted) {
        let path = format!("{DIR}/{name}");
        let whole = image.read(&path).unwrap().to_vec();
        let mut with = |what: String, bytes: Vec<u8>| {
            let mut image = image.clone();
            image.put(&path, bytes);
            images.push((format!("{name}, {what}"), image));
        };
        for len in [0, 1, whole.len() / 2, whole.len().saturating_sub(1)] {
            with(format!("cut to {len}"), whole[..len.min(whole.len())].to_vec());
        }
        for fill in [0, 0x41, 0xff] {
            let mut longer = whole.clone();
            longer.extend([fill; 50]);
            with(format!("padded with {fill}"), longer);
            with(format!("all {fill}"), vec![fill; whole.len()]);
        }
        for bit in (0..whole.len() * 8).step_by(every) {
            images.push((format!("{name}, bit {bit}"), flipped(image, &path, bit)));
        }
        let mut without = image.clone();
        without.remove(&path);
        images.push((format!("no {name}"), without));
    }
    images
}

#[test]
fn whatever_its_indexes_say_a_log_answers_as_a_scan_does() {
    let (image, expected) = transactions();
    let indexes = names(&image, |name| name.ends_with("index"));
    assert!(indexes.iter().any(|name| name.ends_with(".txnindex")), "{indexes:?}");
    for (what, image) in damaged(&image, 5, |name| name.ends_with("index")) {
        let _place = Place(what);
        check(&image, &expected, Depth::Full).unwrap();
    }
}

#[test]
fn whatever_our_own_files_say_nothing_intact_is_lost() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.synced(4);
        scene.synced(4);
    }
    for close in [false, true] {
        if close {
            scene.store.close().unwrap();
        }
        let image = settled(&scene.disk.image());
        let wanted = Scene::of(&image).content();
        let ours = |name: &str| [WATERMARK, MANIFEST].contains(&format!("{DIR}/{name}").as_str());
        for (what, image) in damaged(&image, 3, ours) {
            let _place = Place(what);
            let found = Scene::on(Disk::from(image));
            let content = found.content();
            assert_eq!((content.start, content.end), (0, wanted.end));
            assert_eq!(content.batches, wanted.batches);
            assert_eq!(found.synced(1).base_offset, wanted.end);
        }
    }
}
