//! What a loss of power can leave of a log's files: a copy of the directory is damaged as one could
//! have damaged it, and opened.
//!
//! What was synced stays. Of the rest any part may be gone, zeros or garbage; of the watermark
//! either slot may be an older one, or torn. Indexes, snapshots and leader epochs may be anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::ops::PRODUCERS;
use crate::reading::check_all;
use crate::world::{World, scratch};

/// A few numbers drawn from a seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed | 1)
    }

    /// Below `most`, which is not 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most
    }

    fn garbage(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The mark: base offset of its segment, and bytes of that segment.
pub(crate) fn mark_of(dir: &Path) -> (i64, usize) {
    let file = fs::read(dir.join("durable.watermark")).unwrap();
    let number = |at: usize| i64::from_be_bytes(file[at..at + 8].try_into().unwrap());
    let at = if number(8) >= number(512 + 8) { 0 } else { 512 };
    (number(at + 16), number(at + 24) as usize)
}

/// Base offsets of the segments that the manifest says are sealed.
pub(crate) fn sealed(dir: &Path) -> BTreeSet<i64> {
    let file = fs::read(dir.join("segments.manifest")).unwrap();
    let entries = file[128..].as_chunks::<128>().0.iter();
    let base = |entry: &[u8; 128]| i64::from_be_bytes(entry[16..24].try_into().unwrap());
    entries.filter(|entry| entry[4] == 1).map(base).collect()
}

/// One file that may have lost something.
struct Volatile {
    base: i64,
    next: i64,
    path: PathBuf,
    /// Bytes that it has for sure.
    sure: usize,
}

fn volatile(world: &World, dir: &Path) -> Vec<Volatile> {
    let (mark, point) = mark_of(dir);
    let sealed = sealed(dir);
    let segments = world.log().segments().unwrap();
    let mut found = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let base = segment.base_offset;
        if sealed.contains(&base) || base < mark {
            continue;
        }
        let next = segments.get(at + 1).map(|next| next.base_offset);
        let durable = world.model.segment(base, next);
        let durable = durable.take_while(|batch| batch.last < world.model.durable);
        let sure: usize = durable.map(|batch| batch.bytes.len()).sum();
        let sure = if base == mark { sure.max(point) } else { sure };
        let path = dir.join(format!("{base:020}.log"));
        found.push(Volatile { base, next: next.unwrap_or(i64::MAX), path, sure });
    }
    found
}

/// What becomes of a file of which only the first `sure` bytes are sure.
fn damage(draw: &mut Draw, world: &World, file: &Volatile) {
    let mut bytes = fs::read(&file.path).unwrap();
    let (sure, len) = (file.sure, bytes.len());
    let cut = sure + draw.below(len - sure + 1);
    match draw.below(8) {
        0 => {}
        1 => bytes.truncate(cut),
        2 => bytes[cut..].fill(0),
        3 => {
            let garbage = draw.garbage(len - cut);
            bytes.splice(cut.., garbage);
        }
        4 => {
            let more = 1 + draw.below(300);
            let garbage = draw.garbage(more);
            bytes.splice(cut.., garbage);
        }
        5 => {
            bytes.truncate(cut);
            bytes.resize(cut + draw.below(5_000), 0);
        }
        6 => {
            // A sector that never came, before one that did.
            let from = sure.max(cut / 512 * 512);
            let to = (cut / 512 * 512 + 512).min(len);
            if from < to {
                bytes[from..to].fill(0);
            }
        }
        _ => {
            // Where it ends lies what was there before: a batch of this log.
            let ends = world.model.segment(file.base, Some(file.next));
            let mut end = 0;
            let ends: Vec<_> = ends
                .map(|batch| {
                    end += batch.bytes.len();
                    end
                })
                .collect();
            let ends: Vec<_> = ends.into_iter().filter(|&end| end >= sure).collect();
            if let Some(&end) = ends.get(draw.below(ends.len().max(1))) {
                bytes.truncate(end);
                let upto = world.model.segment(0, Some(file.base)).count();
                let old = &world.model.batches[draw.below(upto + 1).min(upto.max(1) - 1)];
                bytes.extend_from_slice(&old.bytes);
            }
        }
    }
    fs::write(&file.path, bytes).unwrap();
}

fn damage_watermark(draw: &mut Draw, world: &World, dir: &Path) {
    let path = dir.join("durable.watermark");
    let mut file = fs::read(&path).unwrap();
    let at = draw.below(2) * 512;
    match draw.below(6) {
        0 => file[at..at + 64].copy_from_slice(&world.old_watermark()[at..at + 64]),
        1 => file[at..at + 64].fill(0),
        2 => file[at + draw.below(64)] ^= 1 << draw.below(8),
        3 => file.copy_from_slice(world.old_watermark()),
        _ => {}
    }
    fs::write(path, file).unwrap();
}

/// Files that can be found again from others.
fn damage_side_files(draw: &mut Draw, dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_side = [".index", ".timeindex", ".txnindex", ".snapshot"]
            .iter()
            .any(|extension| name.ends_with(extension));
        if is_side && draw.below(3) == 0 {
            let mut bytes = fs::read(&path).unwrap();
            let at = draw.below(bytes.len().max(1));
            match draw.below(4) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << draw.below(8),
                1 => bytes.truncate(at),
                2 => bytes.resize(bytes.len() + 1 + draw.below(40), 0),
                _ => {
                    fs::remove_file(&path).unwrap();
                    continue;
                }
            }
            fs::write(&path, bytes).unwrap();
        }
        if name == "leader-epoch-checkpoint" && draw.below(4) == 0 {
            fs::remove_file(&path).unwrap();
        }
    }
}

/// Power fails now; what is left is opened.
pub(crate) fn power_cut(world: &World, seed: u64) {
    let mut draw = Draw::new(seed);
    let scratch = scratch();
    let dir = scratch.path().join("topic-0");
    copy_dir(world.dir(), &dir);
    damage_watermark(&mut draw, world, &dir);
    // With the lower mark of a lost slot no more may be lost than with the one that was there.
    let files = volatile(world, world.dir());
    let files: Vec<Volatile> = files
        .into_iter()
        .map(|file| Volatile { path: dir.join(file.path.file_name().unwrap()), ..file })
        .collect();
    for (at, file) in files.iter().enumerate() {
        if at > 0 && file.sure == 0 && draw.below(4) == 0 {
            fs::remove_file(&file.path).unwrap();
        } else if draw.below(4) > 0 {
            damage(&mut draw, world, file);
        }
    }
    if draw.below(2) == 0 {
        damage_side_files(&mut draw, &dir);
    }
    let left: Vec<_> = files.iter().map(|file| fs::read(&file.path).ok()).collect();

    let log = world.open_copy(&dir).unwrap();
    let end = log.handle().log_end_offset().unwrap();
    let full = &world.model;
    assert!(end >= full.durable.max(full.log_start) && end <= full.log_end, "ends at {end}");
    let is_whole = !full.batches.iter().any(|batch| batch.base < end && end <= batch.last);
    assert!(is_whole || end == full.log_start, "ends inside a batch, at {end}");
    let mut model = full.cut_at(end);
    model.log_start = full.log_start;
    model.needs_later_epoch = true;
    for (file, left) in files.iter().zip(&left) {
        // What was deleted may be lost as well: then it is not known how much of it was read.
        let is_deleted = end == model.log_start && file.base < end;
        if file.next > model.log_start && !is_deleted {
            check_quarantine(&dir, &model, file, left.as_deref().unwrap_or_default(), &log);
        }
    }
    if model.is_vague() {
        return;
    }
    check_all(log.handle(), &model);
    let mut image = world.fork(&dir, log, model);
    image.kill();
    check_all(image.log(), &image.model);
    for who in 0..PRODUCERS {
        image.retry(who, 0);
    }
    image.append_one();
    image.close_and_open();
    check_all(image.log(), &image.model);
}

/// A log that was closed is opened with side files of any kind, and with rot in our own two: none of
/// the answers hangs on them alone.
pub(crate) fn closed(world: &World) {
    let mut draw = Draw::new((world.model.log_end as u64 + 77).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let scratch = scratch();
    let dir = scratch.path().join("topic-0");
    copy_dir(world.dir(), &dir);
    damage_side_files(&mut draw, &dir);
    match draw.below(3) {
        0 => rot(&mut draw, &dir.join("durable.watermark"), 0..64),
        1 => rot(&mut draw, &dir.join("durable.watermark"), 512..576),
        _ => {
            let path = dir.join("segments.manifest");
            let len = fs::read(&path).unwrap().len();
            rot(&mut draw, &path, 0..len);
        }
    }
    let log = world.open_copy(&dir).unwrap();
    let mut model = world.model.clone();
    model.reload();
    check_all(log.handle(), &model);
    let mut image = world.fork(&dir, log, model);
    image.kill();
    check_all(image.log(), &image.model);
    image.append_one();
    image.close_and_open();
    check_all(image.log(), &image.model);
}

fn rot(draw: &mut Draw, path: &Path, range: std::ops::Range<usize>) {
    let mut bytes = fs::read(path).unwrap();
    bytes[range.start + draw.below(range.len())] ^= 1 << draw.below(8);
    fs::write(path, bytes).unwrap();
}

/// What of a file does not belong to the log is in quarantine, but for zeros at its end.
fn check_quarantine(
    dir: &Path,
    model: &crate::model::Model,
    file: &Volatile,
    left: &[u8],
    log: &strandline::testing::Log,
) {
    let segments = log.handle().segments().unwrap();
    let is_there = segments.iter().any(|segment| segment.base_offset == file.base);
    let kept: usize =
        model.segment(file.base, Some(file.next)).map(|batch| batch.bytes.len()).sum();
    let used = left.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if used <= kept {
        return;
    }
    let base = file.base;
    let name = if is_there { format!("{base:020}.log.{kept}-") } else { format!("{base:020}.log") };
    let (from, used) = if is_there { (kept, used) } else { (0, left.len()) };
    let entries = fs::read_dir(dir.join("quarantine")).expect("a quarantine");
    let found = entries.map(Result::unwrap).any(|entry| {
        entry.file_name().to_str().unwrap().starts_with(&name)
            && fs::read(entry.path()).unwrap() == left[from..used]
    });
    assert!(found, "{name} is not in quarantine");
}
