//! A log whose `.log` files were edited, opened: what is intact is given out, nothing is invented,
//! and what is cut off is kept.

use super::image::{self, Given, Image, NOW, Placed, logs, read_all};
use super::scratch::{self, Named, Scratch};
use super::support::Script;
use crate::error::{Error, Result};
use crate::log::Durability;
use crate::record::{Batch, Offset, Record};
use crate::testing::Log;

/// Where leader epochs lie in a batch, which no checksum covers and no neighbour gives away.
const EPOCH: std::ops::Range<usize> = 12..16;
/// What the checksum vouches for, its own place and the magic included.
const VOUCHED_FOR: usize = 16;

/// A script of edits to the `.log` files of a valid log.
pub fn segment_recover(bytes: &[u8]) {
    let recovered = recover(bytes);
    assert!(recovered.is_ok(), "{recovered:?}");
}

fn recover(bytes: &[u8]) -> Result<()> {
    let mut script = Script::new(bytes);
    let how = script.byte();
    let image = if how & 1 == 0 { image::killed()? } else { image::closed()? };
    let mut files = image.files.clone();
    let mut edits = 0;
    while !script.is_done() && edits < 4 {
        edits += edit(&mut script, image, &mut files);
    }
    let scratch = Scratch::new()?;
    let (dir, path) = (scratch.dir(), scratch.path());
    scratch::fill(&dir, &files)?;

    let log = Log::plan(&path, &image::config(), NOW)?;
    let planned = read_all(log.handle())?;
    assert!(log.log_end_offset()? >= image.durable_end, "it ends at {}", log.log_end_offset()?);
    check(image, &files, &planned, edits);
    assert!(scratch::read(&dir)? == files, "a plan writes");
    let gone = displaced(image, &files);
    let moved = logs(&files).zip(logs(&image.files)).any(|(new, old)| new.1.len() != old.1.len());
    let several = edits > 1 || moved;
    let mut leniently = if apply(&log)? || several { Some(gone.as_slice()) } else { None };
    check_kept(image, &files, &scratch)?;
    same(read_all(log.handle())?, &planned, leniently, "the apply changes answers");
    drop(log);

    // Missing records that were accepted may have to be so again, until something is written.
    let log = Log::plan(&path, &image::config(), NOW)?;
    leniently = leniently.or(apply(&log)?.then_some(&gone));
    same(read_all(log.handle())?, &planned, leniently, "recovering twice is another thing");
    let end = log.log_end_offset()?;
    let batch = Batch::of([Record::new().value("new").timestamp(NOW)]);
    let appended = log.handle().append(batch, Durability::Synced)?;
    assert!(appended.base_offset >= end && end >= image.durable_end);
    let given = read_all(log.handle())?;
    let mut before = given.clone();
    assert_eq!(before.batches.pop().map(|last| last.0), Some(appended.base_offset));
    same(before, &planned, leniently, "an append changes answers");
    drop(log);

    let log = Log::open(&path, &image::config(), NOW)?;
    same(read_all(log.handle())?, &given, leniently, "what was synced is not as it was");
    log.handle().roll()?;
    log.close()?;
    let log = Log::plan(&path, &image::config(), NOW)?;
    same(read_all(log.handle())?, &given, leniently, "a roll and a close change answers");
    Ok(())
}

/// Carries out the plan, whatever is missing; says whether something is.
fn apply(log: &Log) -> Result<bool> {
    match log.apply() {
        Err(Error::GapNotAccepted { .. }) => log.handle().accept_gaps().map(|()| true),
        applied => applied.map(|()| false),
    }
}

/// A log gives out what it gave out before. Where records are missing and that was accepted, or where
/// there are several faults or bytes have moved, only of what lies intact in its place: what is missing need not be
/// reported any more, and a copy that stands elsewhere may be found there, or not.
fn same(mut now: Given, before: &Given, displaced: Option<&[Offset]>, what: &str) {
    let mut before = before.clone();
    if let Some(displaced) = displaced {
        // With several faults an intact batch may be told as damaged; never is one gone untold.
        let (told_now, told_before) = (now.damaged.clone(), before.damaged.clone());
        let is_told = |told: &[(Offset, Offset)], batch: &(Offset, Offset, Vec<u8>)| {
            told.iter().any(|(first, last)| *first <= batch.0 && batch.1 <= *last)
        };
        before.batches.retain(|batch| !is_told(&told_now, batch));
        now.batches.retain(|batch| !is_told(&told_before, batch));
        for given in [&mut now, &mut before] {
            given.damaged.clear();
            given.batches.retain(|batch| !displaced.contains(&batch.0));
        }
    }
    assert_eq!(now, before, "{what}");
}

/// The base offsets of the batches that do not lie where they did, whole.
fn displaced(image: &Image, files: &[Named]) -> Vec<Offset> {
    let lies_there = |batch: &&Placed| {
        let log = logs(files).find(|(base, _)| *base == batch.segment);
        log.is_some_and(|(_, log)| log.get(batch.position..batch.end()) == Some(&batch.bytes))
    };
    let gone = image.batches.iter().filter(|batch| !lies_there(batch));
    gone.map(|batch| batch.base).collect()
}

/// One edit; says for how many it counts.
fn edit(script: &mut Script<'_>, image: &Image, files: &mut [Named]) -> usize {
    let kind = script.byte();
    let hit = &image.batches[script.below(image.batches.len())];
    let other = &image.batches[script.below(image.batches.len())];
    let Some(log) = files.iter_mut().find(|(name, _)| *name == log_name(hit)) else { return 1 };
    let log = &mut log.1;
    // At a batch, or somewhere in it.
    let inside = if kind & 0x10 == 0 { script.below(hit.bytes.len()) } else { 0 };
    let at = (hit.position + inside).min(log.len());
    let len = if kind & 0x20 == 0 { hit.bytes.len() } else { 1 + script.below(700) };
    let end = (at + len).min(log.len());
    match kind & 0x0f {
        0..=3 => _ = log.get_mut(at).map(|byte| *byte ^= 1 << (kind >> 5)),
        4 => log[at..end].fill(0),
        5 => {
            for (n, byte) in log[at..end].iter_mut().enumerate() {
                *byte = (n * 37) as u8 ^ kind;
            }
        }
        6 => log.truncate(at),
        7 => drop(log.drain(at..end)),
        8 => drop(log.splice(at..at, other.bytes.iter().copied())),
        9 => drop(log.splice(at..end, other.bytes.iter().copied())),
        10 => log[at..end].iter_mut().zip(&other.bytes).for_each(|(byte, new)| *byte = *new),
        11 if other.segment == hit.segment && (end..=log.len()).contains(&other.position) => {
            let (first, second) = log.split_at_mut(other.position);
            let len = (end - at).min(second.len());
            first[at..at + len].swap_with_slice(&mut second[..len]);
            return 2;
        }
        12 => log.extend_from_slice(&other.bytes),
        13 => log.extend(std::iter::repeat_n(0, len)),
        14 => log.extend_from_slice(script.bytes(200)),
        _ => {
            let byte = script.byte();
            _ = log.get_mut(at).map(|old| *old = byte);
        }
    }
    1
}

fn log_name(batch: &Placed) -> String {
    format!("{:020}.log", batch.segment)
}

/// Where in each segment the files begin to differ from the image's, and end to.
fn differences(image: &Image, files: &[Named]) -> Vec<(Offset, usize, usize)> {
    let mut found = Vec::new();
    for ((base, old), (_, new)) in logs(&image.files).zip(logs(files)) {
        if old == new {
            continue;
        }
        let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let behind = old.iter().zip(new).rposition(|(old, new)| old != new).map_or(0, |at| at + 1);
        let end = if old.len() == new.len() { behind } else { usize::MAX };
        found.push((base, same, end));
    }
    found
}

fn check(image: &Image, files: &[Named], given: &Given, edits: usize) {
    let mut before = -1;
    for (base, last, bytes) in &given.batches {
        // Of two faults the one can hide the other: base offsets have no checksum.
        let in_order = *base > before && last >= base;
        assert!(in_order || edits > 1, "batch {base} to {last} behind offset {before}");
        before = *last;
        let vouched = |batch: &&Placed| batch.bytes[VOUCHED_FOR..] == bytes[VOUCHED_FOR..];
        assert!(image.batches.iter().any(|batch| vouched(&batch)), "batch {base} is invented");
    }
    let is_given = |batch: &Placed| {
        given.batches.iter().any(|(base, _, bytes)| *base == batch.base && *bytes == batch.bytes)
    };
    let edited = differences(image, files);
    // What lies before every edit is there, durable or not.
    let first = edited.first().map_or((Offset::MAX, 0), |&(base, at, _)| (base, at));
    let before = image.batches.iter().filter(|batch| (batch.segment, batch.end()) <= first);
    // The one next to several faults can be the one that seems not to fit.
    let sure = before.clone().count() - usize::from(edits > 1).min(before.clone().count());
    for batch in before.take(sure) {
        assert!(is_given(batch), "batch {} lies before any edit and is not there", batch.base);
    }
    if edited.is_empty() {
        assert_eq!((given.batches.len(), given.damaged.len()), (image.batches.len(), 0));
    }
    if let ([(base, at, end)], 1) = (edited.as_slice(), edits) {
        check_one(image, given, (*base, *at, *end), is_given);
    }
}

/// One edit that leaves the length alone hits the batches that it touches, if they were durable;
/// else the log ends at the first of them.
fn check_one(
    image: &Image,
    given: &Given,
    (base, at, end): (Offset, usize, usize),
    is_given: impl Fn(&Placed) -> bool,
) {
    if end == usize::MAX {
        return;
    }
    let is_touched =
        |batch: &Placed| batch.segment == base && batch.position < end && at < batch.end();
    let epoch_alone = |batch: &Placed| {
        let inside = batch.position + EPOCH.start..batch.position + EPOCH.end;
        inside.contains(&at) && end <= inside.end
    };
    let mut cut = false;
    for batch in &image.batches {
        let is_durable = (batch.segment, batch.position) < image.mark;
        let touched = is_touched(batch);
        if touched && epoch_alone(batch) {
            return;
        }
        cut |= touched && !is_durable;
        assert_eq!(is_given(batch), !touched && !cut, "batch {}, one edit; {given:?}", batch.base);
        if touched && is_durable {
            let is_damaged = given
                .damaged
                .iter()
                .any(|&(first, last)| first <= batch.base && batch.last <= last);
            assert!(is_damaged, "batch {} is damaged and not said to be; {given:?}", batch.base);
        }
    }
}

/// Below the mark no byte has changed; what is gone above it lies in quarantine, but for zeros.
fn check_kept(image: &Image, edited: &[Named], scratch: &Scratch) -> Result<()> {
    let now = scratch::read(&scratch.dir())?;
    let kept = scratch.dir().child("quarantine");
    let kept = if kept.exists().unwrap_or(false) { scratch::read(&kept)? } else { Vec::new() };
    for (base, old) in logs(edited) {
        let name = format!("{base:020}.log");
        let new = now.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, bytes)| bytes);
        let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        assert_eq!(same, new.len(), "{name}: bytes are changed in place");
        let durable = match base.cmp(&image.mark.0) {
            std::cmp::Ordering::Less => old.len(),
            std::cmp::Ordering::Equal => image.mark.1.min(old.len()),
            std::cmp::Ordering::Greater => 0,
        };
        let zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        assert!(same >= durable || zeros(&old[same..]), "{name}: durable bytes are cut off");
        let end = old.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if same < end {
            let is_it = |(of, bytes): &&Named| {
                of.starts_with(&name) && (bytes[..] == old[same..end] || bytes == old)
            };
            assert!(kept.iter().any(|file| is_it(&file)), "{name}: cut at {same}, and not kept");
        }
    }
    Ok(())
}
