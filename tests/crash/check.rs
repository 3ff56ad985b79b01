//! Opens what a crash has left, and asks of it everything that was promised.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use strandline::record::Sequence;
use strandline::testing::sim::{self, Disk, Image};
use strandline::{
    Clock, Durability, Error, FetchOptions, Isolation, Log, Record, Store, TimestampedOffset,
};

use super::content::{Batch, Content, Found, said};
use super::files;
use super::world::{PRODUCER, START, options};

/// When the machine is up again.
pub(crate) const LATER: i64 = START + 3_600_000;

/// What may be there after a crash.
#[derive(Clone)]
pub(crate) struct Expected {
    /// What was there before the step in which it happened, and what that step makes of it.
    pub(crate) before: Rc<Content>,
    pub(crate) after: Rc<Content>,
    /// Whether everything that was written survives, or only what was durable.
    pub(crate) is_power_cut: bool,
    /// Whether the step takes records away.
    pub(crate) removes: bool,
    /// Whether it compacts: what it makes takes the place of what was there from the front on, in
    /// several steps.
    pub(crate) cleans: bool,
}

/// What was found after a crash, and what of the expected that is.
pub(crate) struct Recovered {
    pub(crate) found: Found,
    pub(crate) content: Content,
    /// Whether something was lost that may have been given an offset.
    lost_epoch: Option<i32>,
}

impl Expected {
    /// Below which offset nothing may be absent.
    fn promised(&self) -> i64 {
        if self.is_power_cut { self.before.durable } else { self.before.end }
    }

    /// What there is while compaction has come to some batch.
    fn half_cleaned(&self) -> impl Iterator<Item = Content> {
        let steps = self.before.batches.iter().filter(|_| self.cleans);
        steps.map(|step| {
            let cleaned = self.after.batches.iter().filter(|batch| batch.next <= step.base);
            let left = self.before.batches.iter().filter(|batch| batch.base >= step.base);
            Content { batches: cleaned.chain(left).cloned().collect(), ..(*self.before).clone() }
        })
    }

    /// What of the expected `found` is.
    pub(crate) fn recognise(&self, found: Found) -> Result<Recovered, String> {
        let promised = self.promised();
        let of = |content: &Content, promised: i64| {
            content.kept(&found, promised).map(|kept| (content.clone(), kept))
        };
        let (mut content, kept) = of(&self.after, promised.min(self.after.end))
            .or_else(|after| {
                of(&self.before, promised).map_err(|before| format!("{before} (or: {after})"))
            })
            .or_else(|why| self.half_cleaned().find_map(|it| of(&it, promised).ok()).ok_or(why))?;
        let lost = self.before.batches.iter().filter(|batch| batch.base >= found.end);
        let lost_epoch = lost.map(|batch| batch.epoch).max();
        content.batches.truncate(kept);
        (content.end, content.durable) = (found.end, promised.min(found.end));
        Ok(Recovered { found, content, lost_epoch })
    }
}

/// How much is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What is there, and whether an append goes on.
    Plain,
    /// Also look-ups, transactions, retries, and that a second opening finds the same.
    Full,
}

/// A store on what a crash has left.
pub(crate) struct Opened {
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) log: Log,
}

/// Opens the store on `disk`.
pub(crate) fn open(disk: Disk) -> Result<Opened, String> {
    let clock = Clock::manual(LATER);
    let store = said("open the store", sim::open(&disk, options(&clock)))?;
    let log = said("open the log", store.log("events", 0))?;
    Ok(Opened { disk, store, log })
}

/// Opens the store on a `disk` that takes no changes any more.
pub(crate) fn open_read_only(disk: Disk) -> Result<Opened, String> {
    let clock = Clock::manual(LATER);
    let options = options(&clock).read_only(true);
    let store = said("open the store", sim::open(&disk, options))?;
    let log = said("open the log", store.log("events", 0))?;
    Ok(Opened { disk, store, log })
}

/// Checks what a crash has left in `image`. The answer is the disk after recovery and one more
/// append, unclosed, and what it holds.
pub(crate) fn check(
    image: &Image,
    expected: &Expected,
    depth: Depth,
) -> Result<(Disk, Content), String> {
    files::marker_is_true(image)?;
    files::hand_over_is_whole(image)?;
    let opened = open(Disk::from(image.clone()))?;
    let recovered = expected.recognise(Found::in_log(&opened.log)?)?;
    no_damage(&opened)?;
    if depth == Depth::Full {
        look_up(&opened.log, &recovered.content)?;
        transactions(&opened.log, &recovered.content)?;
    }
    let content = goes_on(&opened, recovered, depth)?;
    let disk = opened.disk.clone();
    drop(opened);
    let after = disk.image();
    files::are_whole(&after)?;
    files::hand_over_is_whole(&after)?;
    if !expected.removes {
        let appended = content.batches.last().map_or(0, |last| last.bytes.len());
        files::cut_bytes_are_kept(image, &after, appended)?;
    }
    if disk.open() != 0 {
        return Err(format!("I15: {} files and locks are still open", disk.open()));
    }
    if depth == Depth::Full {
        again(&disk, &content)?;
    }
    Ok((disk, content))
}

/// What is there is the same with the newer slot of the watermark flipped.
pub(crate) fn check_with_one_slot(
    image: &Image,
    expected: &Expected,
    bit: usize,
) -> Result<(), String> {
    let Some(image) = files::without_newer_slot(image, bit) else { return Ok(()) };
    let opened = open(Disk::from(image))?;
    let recovered = expected.recognise(Found::in_log(&opened.log)?)?;
    if let Some(gap) = said("gap", opened.log.gap())? {
        return Err(format!("a gap of {gap:?} is reported"));
    }
    goes_on(&opened, recovered, Depth::Plain).map(drop)
}

/// What of the expected `log` holds.
pub(crate) fn recognised(log: &Log, expected: &Expected) -> Result<Content, String> {
    Ok(expected.recognise(Found::in_log(log)?)?.content)
}

/// What lies in `image` before recovery, and what recovery makes of it, in words.
pub(crate) fn describe(image: &Image) -> String {
    let files = image.files().into_iter().map(|path| {
        let len = image.read(&path).map_or(0, <[u8]>::len);
        format!("\n  {path} ({len} bytes)")
    });
    let files: String = files.collect();
    match open(Disk::from(image.clone())).and_then(|opened| Content::of(&opened.log)) {
        Ok(content) => format!("{content}{files}"),
        Err(why) => format!("{why}{files}"),
    }
}

/// What is there without `strandline.owner` is the same: no answer hangs on it.
pub(crate) fn check_without_owner(image: &Image, expected: &Expected) -> Result<(), String> {
    let mut image = image.clone();
    image.remove("strandline.owner");
    let opened = open(Disk::from(image))?;
    expected.recognise(Found::in_log(&opened.log)?)?;
    no_damage(&opened)
}

/// I3: a crash alone yields no damage report.
fn no_damage(opened: &Opened) -> Result<(), String> {
    if let Some(gap) = said("gap", opened.log.gap())? {
        return Err(format!("I3: a gap of {gap:?} is reported after a mere crash"));
    }
    match opened.store.warnings() {
        warnings if warnings.is_empty() => Ok(()),
        warnings => Err(format!("I3: a mere crash is reported as {warnings:?}")),
    }
}

/// An append goes on where the log ends, and everything is still there after it.
fn goes_on(opened: &Opened, recovered: Recovered, depth: Depth) -> Result<Content, String> {
    let Recovered { found, mut content, lost_epoch } = recovered;
    if depth == Depth::Full {
        retry(opened, &mut content)?;
    }
    let batch = strandline::Batch::of([Record::new().key("after").value("the crash")]);
    let before = said("log end", opened.log.log_end_offset())?;
    let appended = said("append", opened.log.append(batch, Durability::Synced))?;
    if appended.base_offset != before {
        return Err(format!("appended at {}, not {before}", appended.base_offset));
    }
    let now = Found::in_log(&opened.log)?;
    if now.start != found.start || now.bytes.get(..found.bytes.len()) != Some(&found.bytes) {
        return Err("I11: what was planned is not what was applied".into());
    }
    let now_content = Content::of(&opened.log)?;
    let last = now_content.batches.last().ok_or("I1: the new batch is absent")?;
    if last.base != before {
        return Err(format!("I1: the new batch is at {}, not {before}", last.base));
    }
    if lost_epoch.is_some_and(|lost| last.epoch <= lost) {
        return Err(format!("I5: offset {before} is given out again under epoch {}", last.epoch));
    }
    Ok(now_content)
}

/// I7: the last batch of the producer is a duplicate if it is there, and accepted if it is not.
fn retry(opened: &Opened, content: &mut Content) -> Result<(), String> {
    let (id, epoch) = PRODUCER;
    let of_producer =
        |batch: &&Arc<Batch>| batch.transactional == Some(id.0) && batch.commits.is_none();
    let Some(last) = content.batches.iter().rfind(of_producer) else { return Ok(()) };
    let sequence = sequence_of(last);
    let mut batch = strandline::Batch::new();
    batch.push(Record::new().key("k").value("a")).push(Record::new().key("k").value("b"));
    let mut batch = batch.producer(id, epoch, Sequence(sequence)).transactional(true);
    let appended = said("I7: retry", opened.log.append(&mut batch, Durability::Written))?;
    if !appended.duplicate || appended.base_offset != last.base {
        return Err(format!("I7: the batch at {} is taken again: {appended:?}", last.base));
    }
    let mut gap = strandline::Batch::of([Record::new().key("k").value("c")])
        .producer(id, epoch, Sequence(sequence + 3))
        .transactional(true);
    match opened.log.append(&mut gap, Durability::Written) {
        Err(Error::OutOfOrderSequence { expected, .. }) if expected == sequence + 2 => Ok(()),
        other => Err(format!("I7: a gap in sequences gives {other:?}")),
    }
}

fn sequence_of(batch: &Batch) -> i32 {
    batch.bytes.get(53..57).and_then(|four| four.try_into().ok()).map_or(-1, i32::from_be_bytes)
}

/// I6: what indexes find is what a scan finds.
fn look_up(log: &Log, content: &Content) -> Result<(), String> {
    for batch in &content.batches {
        let offset = batch.base.max(content.start);
        let options = FetchOptions::new().max_bytes(1);
        let fetched = said("I6: fetch", log.fetch(offset, options))?;
        if !fetched.bytes().starts_with(&batch.bytes) {
            return Err(format!("I6: a fetch at {offset} does not find its batch"));
        }
        let mut scan = content.batches.iter().filter(|other| !other.offsets.is_empty());
        let first = scan.find(|other| other.max_timestamp >= batch.max_timestamp);
        let found =
            said("I6: time", log.offset_for_time(batch.max_timestamp, Isolation::ReadUncommitted))?;
        let is_first = |found: &TimestampedOffset| {
            first.is_some_and(|first| (first.base..first.next).contains(&found.offset))
        };
        // Kafka asks the first segment that reaches that time, and no other: of a batch that was
        // emptied, and kept its time, there is no record to be found; nor in the segment in which the
        // log starts behind all records.
        let mut before = content.batches.iter().take_while(|it| Some(*it) != first);
        let starts_in_a_gap = content.batches.first().is_some_and(|it| it.base > content.start);
        let may_be_none = first.is_none()
            || starts_in_a_gap
            || before.any(|it| it.offsets.is_empty() && it.max_timestamp >= batch.max_timestamp);
        if !found.as_ref().map_or(may_be_none, is_first) {
            return Err(format!("I6: time {} leads to {found:?}", batch.max_timestamp));
        }
    }
    Ok(())
}

/// I8: read committed gives exactly what is committed, below the first open transaction.
fn transactions(log: &Log, content: &Content) -> Result<(), String> {
    let mut open: BTreeMap<i64, i64> = BTreeMap::new();
    let mut ends: Vec<(i64, i64, i64)> = Vec::new();
    for batch in &content.batches {
        let Some(id) = batch.transactional else { continue };
        match batch.commits {
            None => _ = open.entry(id).or_insert(batch.base),
            Some(commits) => {
                if let Some(first) = open.remove(&id).filter(|_| !commits) {
                    ends.push((id, first, batch.base));
                }
            }
        }
    }
    let stable = open.values().min().copied().unwrap_or(content.end).max(content.start);
    let found = said("last stable offset", log.last_stable_offset())?;
    // A transaction that began below the log start is known only to who remembers it.
    if found != stable && content.start == 0 {
        return Err(format!("I8: last stable offset {found} instead of {stable}"));
    }
    let is_aborted = |batch: &Batch| {
        let of = |(id, first, last): &(i64, i64, i64)| {
            batch.transactional == Some(*id) && (*first..*last).contains(&batch.base)
        };
        ends.iter().any(of)
    };
    let mut want = Vec::new();
    for batch in content.batches.iter().filter(|batch| batch.next <= found) {
        if batch.commits.is_none() && !is_aborted(batch) {
            want.extend(batch.offsets.iter().filter(|offset| **offset >= content.start));
        }
    }
    let got = committed(log, content.start, found)?;
    if got != want && content.start == 0 {
        return Err(format!("I8: read committed gives {got:?} instead of {want:?}"));
    }
    Ok(())
}

fn committed(log: &Log, start: i64, stable: i64) -> Result<Vec<i64>, String> {
    let (mut offsets, mut from) = (Vec::new(), start);
    while from < stable {
        let options = FetchOptions::new().isolation(Isolation::ReadCommitted);
        let fetched = said("I8: fetch", log.fetch(from, options))?;
        for record in fetched.records() {
            offsets.push(said("I8: record", record)?.offset());
        }
        if fetched.next_offset() <= from {
            break;
        }
        from = fetched.next_offset();
    }
    Ok(offsets)
}

/// I11: opening again, after another death and after a close, finds the same.
fn again(disk: &Disk, content: &Content) -> Result<(), String> {
    let same = |opened: &Opened, when: &str| {
        let found = Found::in_log(&opened.log)?;
        let kept =
            content.kept(&found, content.end).map_err(|why| format!("I11, {when}: {why}"))?;
        if kept < content.batches.len() {
            return Err(format!("I11, {when}: {kept} of {} batches", content.batches.len()));
        }
        no_damage(opened)
    };
    let opened = open(Disk::from(disk.image()))?;
    same(&opened, "after another death")?;
    said("close", opened.store.close())?;
    let opened = open(Disk::from(opened.disk.image()))?;
    same(&opened, "after a close")?;
    look_up(&opened.log, content)?;
    transactions(&opened.log, content)
}
