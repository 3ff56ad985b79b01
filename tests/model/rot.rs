//! Sweeps: every length of an unsynced tail, every byte of what no checksum covers.

use std::fs;
use std::path::{Path, PathBuf};

use strandline::{Error, FetchOptions, Log};

use crate::image::{copy_dir, mark_of};
use crate::model::{Batch, Model};
use crate::ops::{NOW_MS, Op, Rec, Send};
use crate::world::{World, scratch};

fn send(n: usize, synced: bool) -> Send {
    let record = |at: usize| Rec {
        time: NOW_MS + (n * 10 + at) as i64,
        key: Some(vec![b'k'; at]),
        value: Some((0..20 + n * 7 % 60).map(|byte| (byte * (n + at)) as u8 | 1).collect()),
        headers: Vec::new(),
    };
    let codec = ["none", "none", "lz4", "none", "gzip"][n % 5];
    Send { records: (0..=n % 4).map(record).collect(), codec, synced }
}

fn config(segment_bytes: u32) -> Vec<(String, String)> {
    [("internal.segment.bytes", segment_bytes), ("index.interval.bytes", 100)]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .to_vec()
}

/// The whole batches that can be fetched, and the offsets that are reported damaged.
fn read(log: &Log) -> (Vec<Vec<u8>>, Vec<(i64, i64)>) {
    let (mut at, end) = (log.log_start_offset().unwrap(), log.log_end_offset().unwrap());
    let (mut batches, mut damaged) = (Vec::new(), Vec::new());
    while at < end {
        match log.fetch(at, FetchOptions::new().max_bytes(400)) {
            Ok(fetched) => {
                batches.extend(fetched.batches().map(|batch| batch.bytes().to_vec()));
                assert!(fetched.next_offset() > at, "a fetch at {at} stands still");
                at = fetched.next_offset();
            }
            Err(Error::Corrupt { offsets: Some((first, last)), .. }) => {
                assert!(first <= at && at <= last, "{first} to {last} are not at {at}");
                damaged.push((first, last));
                at = last + 1;
            }
            Err(error) => panic!("at {at}: {error}"),
        }
    }
    (batches, damaged)
}

fn bytes_of<'a>(batches: impl Iterator<Item = &'a Batch>) -> Vec<Vec<u8>> {
    batches.map(|batch| batch.bytes.clone()).collect()
}

#[test]
fn every_length_of_an_unsynced_tail_leaves_whole_batches() {
    let scratch = scratch();
    let mut world = World::new(&scratch.path().join("topic-0"), &config(1 << 20));
    for n in 0..16 {
        world.step(&Op::Append(send(n, n == 2)));
    }
    let name = "00000000000000000000.log";
    let whole = fs::read(world.dir().join(name)).unwrap();
    let model = &world.model;
    let sure: usize = model.batches[..3].iter().map(|batch| batch.bytes.len()).sum();
    let image = scratch.path().join("image");
    for len in sure..=whole.len() {
        copy_dir(world.dir(), &image);
        fs::write(image.join(name), &whole[..len]).unwrap();
        let mut left = 0;
        let kept = model.batches.iter().take_while(|batch| {
            left += batch.bytes.len();
            left <= len
        });
        let wanted = bytes_of(kept);
        let log = world.open_copy(&image).unwrap();
        assert_eq!(read(log.handle()), (wanted.clone(), vec![]), "{len} bytes");
        drop(log);
        let log = world.open_copy(&image).unwrap();
        assert_eq!(read(log.handle()), (wanted, vec![]), "{len} bytes, opened again");
        drop(log);
        fs::remove_dir_all(&image).unwrap();
    }
}

/// Three segments, the last of which is durable in part.
fn three_segments(dir: &Path) -> World {
    let mut world = World::new(dir, &config(1_300));
    let mut n = 0;
    while world.log().segments().unwrap().len() < 3
        || world.log().segments().unwrap()[2].size_bytes < 900
    {
        world.tick(200);
        world.step(&Op::Append(send(n, true)));
        n += 1;
    }
    world
}

/// Where a batch lies.
struct Place {
    path: PathBuf,
    base: i64,
    position: usize,
}

fn places(log: &Log, model: &Model) -> Vec<Place> {
    let segments = log.segments().unwrap();
    let mut places = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let next = segments.get(at + 1).map(|next| next.base_offset);
        let mut position = 0;
        for batch in model.segment(segment.base_offset, next) {
            let path = segment.path.file_name().unwrap().into();
            places.push(Place { path, base: segment.base_offset, position });
            position += batch.bytes.len();
        }
    }
    places
}

/// Damages one byte of a copy, opens it and reads all of it.
fn flip(world: &World, image: &Path, (place, at, mask): (&Place, usize, u8), hit: usize) {
    let model = &world.model;
    let what = format!("byte {at} of batch {hit} ^ {mask:#04x}");
    copy_dir(world.dir(), image);
    let path = image.join(&place.path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[place.position + at] ^= mask;
    fs::write(&path, &bytes).unwrap();
    let is_durable = (place.base, place.position) < mark_of(image);

    let log = world.open_copy(image).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (found, damaged) = read(log.handle());
    if is_durable {
        let (before, behind) = (&model.batches[..hit], &model.batches[hit + 1..]);
        assert!(found == bytes_of(before.iter().chain(behind)), "{what}: {damaged:?}");
        let batch = &model.batches[hit];
        assert_eq!(damaged, [(batch.base, batch.last)], "{what}");
        for (number, batch) in model.batches.iter().enumerate() {
            let fetched = log.handle().fetch(batch.last, FetchOptions::new().max_bytes(1));
            if number != hit {
                assert!(fetched.is_ok_and(|it| it.bytes() == batch.bytes), "{what}: {number}");
            }
        }
        drop(log);
        assert!(fs::read(&path).unwrap() == bytes, "{what}: something was changed");
    } else {
        assert_eq!((found, damaged), (bytes_of(model.batches[..hit].iter()), vec![]), "{what}");
        drop(log);
        assert!(image.join("quarantine").exists(), "{what}");
    }
    fs::remove_dir_all(image).unwrap();
}

fn flip_all(world: &World, image: &Path) {
    let places = places(world.log(), &world.model);
    // Base offset, length, magic and checksum: not the epoch, which only `verify` can judge.
    let fields: Vec<usize> = (0..12).chain(16..21).collect();
    for (hit, place) in places.iter().enumerate() {
        for &at in &fields {
            for mask in [0x01, 0x02, 0x80] {
                flip(world, image, (place, at, mask), hit);
            }
        }
    }
}

#[test]
fn rot_in_a_killed_log_hits_one_batch_only() {
    let scratch = scratch();
    let world = three_segments(&scratch.path().join("topic-0"));
    flip_all(&world, &scratch.path().join("image"));
}

#[test]
fn rot_in_a_closed_log_hits_one_batch_only() {
    let scratch = scratch();
    let mut world = three_segments(&scratch.path().join("topic-0"));
    world.close_and_keep();
    flip_all(&world, &scratch.path().join("image"));
}
