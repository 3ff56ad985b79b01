//! Bytes and names that are not the log's, or are not what they were.

use strandline::record::{ProducerEpoch, ProducerId, Sequence};
use strandline::testing::sim::{Disk, Image};
use strandline::{Batch, Durability, Error, FetchOptions, Log, Record};

use super::kafka;
use super::ours::{self, ENTRY, MANIFEST, MARKER};
use super::scene::{
    DIR, Place, Scene, bytes, each_crash, flipped, names, quarantine, segments, settled,
};

const FIRST: &str = "events-0/00000000000000000000.log";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const LOG_STARTS: &str = "log-start-offset-checkpoint";

#[test]
fn nothing_hangs_on_a_marker_or_a_checkpoint() {
    let scene = Scene::new();
    scene.disk.record();
    scene.synced(3);
    scene.written(8);
    scene.log.delete_records(Some(2)).unwrap();
    scene.keeps_house();
    scene.written(8);
    scene.log.truncate_to(12).unwrap();
    scene.written(1);

    each_crash(&scene.disk, |crash| {
        let wanted = Scene::of(&crash.image).content();
        let says = |path: &str, text: &str| {
            let mut image = crash.image.clone();
            image.put(path, text.as_bytes().to_vec());
            (format!("{path} says {text:?}"), image)
        };
        let without = |path: &str| {
            let mut image = crash.image.clone();
            image.remove(path);
            (format!("no {path}"), image)
        };
        let mut images = vec![
            says(MARKER, r#"{"version":0,"brokerEpoch":7}"#),
            says(RECOVERY_POINTS, "0\n1\nevents 0 1000000\n"),
            says(RECOVERY_POINTS, "0\n0\n"),
            says(LOG_STARTS, "0\n0\n"),
            without(RECOVERY_POINTS),
            without(LOG_STARTS),
        ];
        let manifest = crash.image.read(MANIFEST).map_or(0, <[u8]>::len);
        if manifest == ENTRY * (1 + ours::entries(&crash.image).len()) {
            // Where it is torn, what Kafka's file says of deleted records counts as well.
            images.push(says(LOG_STARTS, "0\n1\nevents 0 1000000\n"));
        }
        let mut all = says(MARKER, "").1;
        all.put(RECOVERY_POINTS, b"0\n1\nevents 0 1000000\n".to_vec());
        images.push(("a marker and a checkpoint".into(), all));
        for (what, image) in images {
            let _place = Place(what);
            let found = Scene::of(&image);
            let content = found.content();
            assert_eq!((content.start, content.end), (wanted.start, wanted.end));
            assert_eq!(content.batches, wanted.batches);
            found.reports_nothing();
            // Not clean, whatever stands there.
            let epoch = wanted.batches.last().map_or(-1, |last| last.epoch);
            assert!(found.next_epoch() > epoch);
        }
    });
}

#[test]
fn names_that_are_nobodys_are_left_alone() {
    let scene = Scene::new();
    scene.synced(8);
    let mut image = settled(&scene.disk.image());
    let foreign = [
        "abc.log",
        "00000000000000000000.log.bak",
        "00000000000000000000.log~",
        "0.log",
        "-0000000000000000001.log",
        "99999999999999999999.log",
        "00000000000000000005.log.tmp",
        "notes.tmp",
        "lost+found/00000000000000000000.log",
        "quarantine/mine",
    ];
    for name in foreign {
        image.put(&format!("{DIR}/{name}"), name.as_bytes().to_vec());
    }
    image.put_other(&format!("{DIR}/00000000000000000003.index"));
    image.put_other(&format!("{DIR}/00000000000000000003.log"));
    image.put_dir(&format!("{DIR}/00000000000000000004.log"));

    let scene = Scene::of(&image);
    assert_eq!(scene.shape(), (0, 8, vec![(0, 8)]));
    for _ in 0..4 {
        scene.synced(8);
    }
    scene.log.delete_records(Some(10)).unwrap();
    scene.keeps_house();
    scene.log.truncate_to(30).unwrap();
    let scene = scene.dies();
    scene.synced(1);
    scene.log.start_over_at(100).unwrap();
    scene.reports_nothing();
    scene.store.close().unwrap();
    let left = scene.disk.image();
    for name in foreign {
        assert_eq!(bytes(&left, name), name.as_bytes(), "{name}");
    }
    let others = names(&left, |name| name.starts_with("00000000000000000003."));
    assert_eq!(others.len(), 2, "{others:?}");
}

/// Four batches, the last of them above the mark; what lies in the file, and where each ends.
fn four() -> (Image, Vec<u8>, Vec<usize>) {
    let scene = Scene::large();
    scene.written(2);
    scene.written(2);
    scene.synced(2);
    scene.written(2);
    let image = settled(&scene.disk.image());
    let file = image.read(FIRST).unwrap().to_vec();
    let mut at = 0;
    let content = scene.content();
    let ends = content.batches.iter().map(|batch| {
        at += batch.bytes.len();
        at
    });
    let ends = ends.collect();
    (image, file, ends)
}

#[test]
fn a_last_batch_that_is_there_twice_is_there_once() {
    let (mut image, file, ends) = four();
    let mut doubled = file.clone();
    doubled.extend_from_slice(&file[ends[2]..]);
    image.put(FIRST, doubled);
    let scene = Scene::of(&image);
    let content = scene.content();
    assert_eq!(content.end, 8);
    assert_eq!(content.batches.len(), 4);
    assert_eq!(scene.synced(1).base_offset, 8);
    assert_eq!(quarantine(&scene.disk.image()).len(), 1);
}

#[test]
fn stale_bytes_behind_the_mark_are_cut_off_and_below_it_named() {
    let (image, file, ends) = four();
    let batches: Vec<_> = std::iter::once(0).chain(ends.iter().copied()).collect();
    let batch = |at: usize| &file[batches[at]..batches[at + 1]];
    // Above the mark: of another place, of another partition that is ahead, of a later epoch.
    for stale in [batch(0).to_vec(), kafka::batch(57, 0), kafka::batch(8, 99)] {
        let mut image = image.clone();
        let mut bytes = file.clone();
        bytes.extend_from_slice(&stale);
        image.put(FIRST, bytes);
        let scene = Scene::of(&image);
        assert_eq!(scene.log.log_end_offset().unwrap(), 8);
        assert_eq!(scene.synced(1).base_offset, 8);
        assert_eq!(quarantine(&scene.disk.image()).len(), 1);
    }
    // Below it: one batch lies where another was.
    for (lost, by) in [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)] {
        let _place = Place(format!("batch {by} in place of batch {lost}"));
        let mut image = image.clone();
        let mut bytes = file.clone();
        bytes[batches[lost]..batches[lost + 1]].copy_from_slice(batch(by));
        image.put(FIRST, bytes);
        let scene = Scene::of(&image);
        // Once as it is found, once as it was written to.
        for _ in 0..2 {
            for at in 0..4 {
                let fetched = fetch_one(&scene.log, at as i64 * 2);
                if at == lost {
                    assert!(matches!(fetched, Err(Error::Corrupt { .. })), "{fetched:?}");
                } else {
                    assert_eq!(fetched.unwrap(), batch(at), "batch {at}");
                }
            }
            scene.synced(1);
        }
        assert_eq!(quarantine(&scene.disk.image()), [""; 0], "nothing is cut off");
    }
}

fn fetch_one(log: &Log, offset: i64) -> strandline::Result<Vec<u8>> {
    let fetched = log.fetch(offset, FetchOptions::new().max_bytes(1))?;
    Ok(fetched.bytes().to_vec())
}

#[test]
fn a_segment_that_is_there_twice_hides_no_record_and_gives_none_twice() {
    let scene = Scene::new();
    for _ in 0..4 {
        scene.synced(4);
        scene.synced(4);
    }
    let wanted = scene.content();
    scene.store.close().unwrap();
    let image = settled(&scene.disk.image());
    let all = segments(&image);
    for (copied, base) in [(0, 3), (1, 5), (1, 13), (2, 4), (0, 30), (3, 31)] {
        let _place = Place(format!("{} again as {base}", all[copied]));
        let mut image = image.clone();
        let copy = bytes(&image, &all[copied]).to_vec();
        image.put(&format!("{DIR}/{base:020}.log"), copy);
        let scene = Scene::of(&image);
        let mut found = Vec::new();
        let mut from = 0;
        while from < wanted.end {
            match scene.log.fetch(from, FetchOptions::new()) {
                Ok(fetched) => {
                    for batch in fetched.batches() {
                        assert!(batch.header().next_offset() > from, "given twice");
                        found.push(batch.bytes().to_vec());
                    }
                    from = fetched.next_offset();
                }
                Err(error) => panic!("a fetch at {from}: {error}"),
            }
        }
        let wanted: Vec<_> = wanted.batches.iter().map(|batch| batch.bytes.clone()).collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn without_a_snapshot_the_producers_are_found_again_in_the_batches() {
    let scene = Scene::new();
    let send = |scene: &Scene, sequence: i32| {
        let mut batch = Batch::new();
        for _ in 0..4 {
            batch.push(Record::new().value(&format!("{sequence:0>50}")));
        }
        let batch = batch.producer(ProducerId(5), ProducerEpoch(0), Sequence(sequence));
        scene.log.append(batch, Durability::Synced)
    };
    for at in 0..6 {
        send(&scene, at * 4).unwrap();
    }
    for close in [false, true] {
        if close {
            scene.store.close().unwrap();
        }
        let image = settled(&scene.disk.image());
        let snapshots = names(&image, |name| name.ends_with(".snapshot"));
        assert!(snapshots.len() > 1, "{snapshots:?}");
        let mut images = vec![];
        for name in &snapshots {
            let path = format!("{DIR}/{name}");
            let whole = image.read(&path).unwrap().to_vec();
            for bit in (0..whole.len() * 8).step_by(13) {
                images.push(flipped(&image, &path, bit));
            }
            for len in [0, whole.len() / 2, whole.len() - 1] {
                let mut cut = image.clone();
                cut.put(&path, whole[..len].to_vec());
                images.push(cut);
            }
        }
        let mut none = image.clone();
        for name in &snapshots {
            none.remove(&format!("{DIR}/{name}"));
        }
        images.push(none);
        for image in images {
            let scene = Scene::on(Disk::from(image));
            let last = send(&scene, 20).unwrap();
            assert!(last.duplicate && last.base_offset == 20);
            let gap = send(&scene, 32);
            let wanted = matches!(gap, Err(Error::OutOfOrderSequence { expected: 24, .. }));
            assert!(wanted, "{gap:?}");
            assert!(!send(&scene, 24).unwrap().duplicate);
        }
    }
}
