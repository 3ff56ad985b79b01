//! What Kafka's log layer does to a log directory between two openings of ours.

use std::fmt::Write;

use strandline::record::Batches;
use strandline::testing::sim::Image;

use super::ours::{LINES, MARKER};
use super::scene::{DIR, VALUE, segments};

const EPOCHS: &str = "events-0/leader-epoch-checkpoint";
const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// The lines behind the first two of a checkpoint.
fn lines(image: &Image, path: &str) -> Vec<String> {
    let text = image.read(path).unwrap_or(b"0\n0\n");
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines().skip(2).map(str::to_owned).collect()
}

fn set_lines(image: &mut Image, path: &str, lines: &[String]) {
    let mut text = format!("0\n{}\n", lines.len());
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    image.put(path, text.into_bytes());
}

/// Kafka starts: it recovers the log if that was not closed, removes the marker, and drops our line
/// at its first checkpoint.
pub(crate) fn starts(image: &mut Image) {
    recovers(image);
    image.remove(MARKER);
    drops_our_line(image);
}

/// The line is gone that says that nobody else has written.
pub(crate) fn drops_our_line(image: &mut Image) {
    let kept = lines(image, LINES).into_iter();
    let kept: Vec<_> = kept.filter(|line| !line.starts_with("strandline")).collect();
    set_lines(image, LINES, &kept);
}

/// What Kafka's start makes of a compaction that a crash interrupted: what is not finished goes, what
/// is takes the place of everything that begins within it.
pub(crate) fn finishes_swaps(image: &mut Image) {
    let there = |image: &Image, suffix: &str| -> Vec<(String, i64)> {
        let prefix = format!("{DIR}/");
        let paths = image.files().into_iter().filter(|path| path.ends_with(suffix));
        let base = |path: &String| path.strip_prefix(&prefix)?.get(..20)?.parse().ok();
        paths.filter_map(|path| base(&path).map(|base| (path, base))).collect()
    };
    let unfinished = there(image, ".cleaned").iter().map(|(_, base)| *base).min();
    for suffix in [".deleted", ".cleaned"] {
        for (path, _) in there(image, suffix) {
            image.remove(&path);
        }
    }
    for (path, base) in there(image, ".swap") {
        if unfinished.is_some_and(|unfinished| base >= unfinished) {
            image.remove(&path);
        }
    }
    let waiting = there(image, ".log.swap");
    let end = |(path, base): &(String, i64)| {
        let batches = Batches::new(image.read(path).unwrap()).map_while(Result::ok);
        batches.last().map_or(*base, |batch| batch.header().next_offset())
    };
    let replaced = waiting.iter().map(|(_, base)| *base).min().zip(waiting.iter().map(end).max());
    for (path, base) in there(image, ".log") {
        if replaced.is_some_and(|(from, to)| (from..to).contains(&base)) {
            image.remove(&path);
            remove_indexes(image, path.strip_prefix(&format!("{DIR}/")).unwrap());
        }
    }
    for (path, _) in there(image, ".swap") {
        let bytes = image.read(&path).unwrap().to_vec();
        image.remove(&path);
        image.put(path.trim_end_matches(".swap"), bytes);
    }
}

/// Cuts the log after its last whole batch.
fn recovers(image: &mut Image) {
    let mut is_over = false;
    for name in segments(image) {
        let path = format!("{DIR}/{name}");
        let there = image.read(&path).unwrap().to_vec();
        if is_over {
            image.remove(&path);
            continue;
        }
        let whole = Batches::new(&there).map_while(Result::ok).map(|batch| batch.bytes().len());
        let whole: usize = whole.sum();
        if whole < there.len() {
            image.put(&path, there[..whole].to_vec());
            is_over = true;
        }
    }
}

/// Where Kafka finds the end of the log.
pub(crate) fn log_end(image: &Image) -> i64 {
    let last = segments(image).last().expect("a segment").clone();
    let there = image.read(&format!("{DIR}/{last}")).unwrap();
    let base = last.trim_end_matches(".log").parse().unwrap();
    Batches::new(there).map_while(Result::ok).last().map_or(base, |it| it.header().next_offset())
}

/// Appends a batch of one record under `epoch`; gives its offset.
pub(crate) fn appends(image: &mut Image, epoch: i32) -> i64 {
    let end = log_end(image);
    let last = format!("{DIR}/{}", segments(image).last().unwrap());
    let mut there = image.read(&last).unwrap().to_vec();
    there.extend(batch(end, epoch));
    image.put(&last, there);
    begins_epoch(image, epoch, end);
    end
}

/// A batch as Kafka writes it.
pub(crate) fn batch(base: i64, epoch: i32) -> Vec<u8> {
    let value = format!("{base:k>VALUE$}");
    let parts = [(1_700_000_000_000, None, Some(value.as_bytes()), &[][..])];
    let built = strandline::testing::build_batch("none", (-1, -1, -1), false, parts.into_iter());
    let mut bytes = built.unwrap();
    bytes[0..8].copy_from_slice(&base.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes
}

fn begins_epoch(image: &mut Image, epoch: i32, at: i64) {
    let mut entries = lines(image, EPOCHS);
    let of = |line: &String| -> Vec<i64> { line.split(' ').map(|n| n.parse().unwrap()).collect() };
    if entries.last().is_some_and(|last| of(last)[0] == i64::from(epoch)) {
        return;
    }
    entries.retain(|line| of(line)[0] < i64::from(epoch) && of(line)[1] < at);
    entries.push(format!("{epoch} {at}"));
    set_lines(image, EPOCHS, &entries);
}

/// Rolls: what comes next is in a segment of its own.
pub(crate) fn rolls(image: &mut Image) {
    let end = log_end(image);
    for part in ["log", "index", "timeindex"] {
        image.put(&format!("{DIR}/{end:020}.{part}"), Vec::new());
    }
}

/// Compacts a segment: every second of its batches goes.
pub(crate) fn compacts(image: &mut Image, name: &str) {
    let path = format!("{DIR}/{name}");
    let there = image.read(&path).unwrap().to_vec();
    let kept = Batches::new(&there).map(Result::unwrap).enumerate();
    let kept: Vec<u8> =
        kept.filter(|(at, _)| at % 2 == 1).flat_map(|(_, batch)| batch.bytes().to_vec()).collect();
    assert!(kept.len() < there.len() && !kept.is_empty());
    image.put(&path, kept);
    remove_indexes(image, name);
}

/// Deletes the oldest segment; the log starts with the next one.
pub(crate) fn retains(image: &mut Image) -> i64 {
    let [oldest, next, ..] = &segments(image)[..] else { panic!("one segment stays") };
    image.remove(&format!("{DIR}/{oldest}"));
    remove_indexes(image, oldest);
    let start = next.trim_end_matches(".log").parse().unwrap();
    set_lines(image, LOG_STARTS, &[format!("events 0 {start}")]);
    start
}

fn remove_indexes(image: &mut Image, name: &str) {
    for part in ["index", "timeindex", "txnindex"] {
        image.remove(&format!("{DIR}/{}", name.replace("log", part)));
    }
}

/// Kafka stops in order.
pub(crate) fn stops(image: &mut Image) {
    let end = log_end(image);
    set_lines(image, "recovery-point-offset-checkpoint", &[format!("events 0 {end}")]);
    set_lines(image, LINES, &[format!("events 0 {end}")]);
    image.put(MARKER, br#"{"version":0,"brokerEpoch":9}"#.to_vec());
}
