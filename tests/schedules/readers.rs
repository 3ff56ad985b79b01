//! Readers beside a writer: at every call of what the writer does, one that looks for the first time
//! and one that has followed it from the start see what was there before the operation or after it,
//! never part of a batch, and no error that is not true.

use strandline::testing::sim::{self, Call, Disk, Image, Order};
use strandline::{
    Batch, Clock, Durability, Error, FetchOptions, Follower, Log, LogConfig, Record, Store,
    StoreOptions, TopicOptions,
};

use crate::disk::world::START;
use crate::scene::{DIR, segments, small};

/// A log's records, as they are seen: its start, and values by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    start: i64,
    values: Vec<(i64, u64)>,
}

impl Seen {
    fn of(log: &Log) -> Result<Seen, Error> {
        let start = log.log_start_offset()?;
        let mut seen = Seen { start, values: Vec::new() };
        let mut next = start;
        loop {
            let fetched = log.fetch(next, FetchOptions::new().max_bytes(200))?;
            if fetched.is_empty() {
                return Ok(seen);
            }
            seen.take(&fetched)?;
            next = fetched.next_offset();
        }
    }

    fn take(&mut self, fetched: &strandline::Fetched) -> Result<(), Error> {
        for record in fetched.records() {
            let record = record?;
            let value = std::str::from_utf8(record.value().unwrap_or_default()).unwrap();
            self.values.push((record.offset(), value.parse().unwrap()));
        }
        Ok(())
    }

    /// What of it lies at or behind `start`.
    fn from(&self, start: i64) -> Vec<(i64, u64)> {
        self.values.iter().filter(|(offset, _)| *offset >= start).copied().collect()
    }
}

/// One that follows, and what it was told so far.
struct Reader {
    disk: Disk,
    _store: Store,
    follower: Follower,
    seen: Seen,
}

fn options() -> StoreOptions {
    Store::options().clock(Clock::manual(START)).housekeeping(false)
}

fn read_only(disk: &Disk) -> Store {
    sim::open(disk, options().read_only(true)).unwrap()
}

impl Reader {
    fn new(image: Image) -> Reader {
        let disk = Disk::from(image);
        let store = read_only(&disk);
        let follower = store.log("events", 0).unwrap().follow(0, FetchOptions::new()).unwrap();
        Reader { disk, _store: store, follower, seen: Seen::default() }
    }

    /// Looks at what the disk has become.
    fn look(&mut self, image: Image) -> Result<(), Error> {
        self.disk.show(image);
        loop {
            match self.follower.fetch() {
                Ok(fetched) if fetched.is_empty() => break,
                Ok(fetched) => {
                    let before = self.seen.values.last().map_or(-1, |last| last.0);
                    self.seen.take(&fetched)?;
                    let (first, last) = (fetched.next_offset(), before);
                    assert!(first > last, "offset {first} comes behind {last}");
                }
                Err(Error::Truncated { to, .. }) => {
                    self.seen.values.retain(|(offset, _)| *offset < to);
                }
                Err(Error::OffsetOutOfRange { log_start, .. }) => {
                    self.seen.values.clear();
                    self.follower.seek(log_start)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.seen.start = self.follower.log().log_start_offset()?;
        Ok(())
    }
}

/// The writer, and everything that it did to the disk.
struct Writer {
    disk: Disk,
    store: Option<Store>,
    appended: u64,
}

impl Writer {
    fn log(&self) -> Log {
        self.store.as_ref().unwrap().log("events", 0).unwrap()
    }

    fn append(&mut self, records: usize, durability: Durability) {
        let mut values = Vec::new();
        for _ in 0..records {
            self.appended += 1;
            values.push(format!("{:050}", self.appended).into_bytes());
        }
        // A key of its own: a cleaning keeps each record.
        let batch =
            Batch::of(values.iter().map(|value| Record::new().key(&value[47..]).value(value)));
        self.log().append(batch, durability).unwrap();
    }

    /// Dies, and is there again.
    fn restart(&mut self, closes: bool) {
        if closes {
            self.store.as_ref().unwrap().close().unwrap();
        }
        self.store = None;
        self.store = Some(sim::open(&self.disk, options()).unwrap());
    }
}

/// What the writer does, one thing after the other.
type Step = (&'static str, fn(&mut Writer));

const STEPS: &[Step] = &[
    ("append", |w| w.append(1, Durability::Written)),
    ("append synced", |w| w.append(2, Durability::Synced)),
    ("append", |w| w.append(3, Durability::Written)),
    ("fill", |w| w.append(4, Durability::Synced)),
    ("roll", |w| _ = w.log().roll().unwrap()),
    ("append behind a roll", |w| w.append(2, Durability::Written)),
    ("seal", |w| w.store.as_ref().unwrap().run_housekeeping(START + 2000).unwrap()),
    ("append that rolls", |w| w.append(9, Durability::Synced)),
    ("delete records", |w| _ = w.log().delete_records(Some(8)).unwrap()),
    ("retention", |w| _ = w.log().enforce_retention().unwrap()),
    ("roll", |w| _ = w.log().roll().unwrap()),
    ("clean", |w| _ = w.store.as_ref().unwrap().clean("events").unwrap()),
    ("die", |w| w.restart(false)),
    ("append in a later term", |w| w.append(2, Durability::Synced)),
    ("cut in the last segment", |w| _ = w.log().truncate_to(21).unwrap()),
    ("append behind a cut", |w| w.append(3, Durability::Written)),
    ("append", |w| w.append(8, Durability::Synced)),
    ("append", |w| w.append(8, Durability::Synced)),
    ("clean", |w| _ = w.store.as_ref().unwrap().clean("events").unwrap()),
    ("cut over segments", |w| _ = w.log().truncate_to(24).unwrap()),
    ("append behind a cut", |w| w.append(1, Durability::Synced)),
    ("close", |w| w.restart(true)),
    ("append to what was closed", |w| w.append(2, Durability::Written)),
    ("start over", |w| w.log().start_over_at(50).unwrap()),
    ("append to what was started over", |w| w.append(2, Durability::Synced)),
    ("start over below", |w| w.log().start_over_at(51).unwrap()),
    ("append to what was started over", |w| w.append(3, Durability::Synced)),
    ("remove files", |w| w.store.as_ref().unwrap().run_housekeeping(START + 400_000).unwrap()),
];

/// That a reader sees one of two states, or a part from the front of what was being appended.
#[track_caller]
fn assert_between(seen: &Seen, before: &Seen, after: &Seen, place: &str) {
    let starts = [before.start, after.start];
    let is_start = starts.contains(&seen.start);
    // Records that are deleted may be seen until the reader has seen that they are.
    let is = |state: &Seen| seen.from(after.start) == state.from(after.start);
    let grows = after.from(after.start).starts_with(&before.from(after.start));
    let is_part = grows
        && after.from(after.start).starts_with(&seen.from(after.start))
        && seen.from(after.start).len() >= before.from(after.start).len();
    let fits = is(before) || is(after) || is_part;
    assert!(is_start && fits, "{place}: {seen:?}\nbefore {before:?}\nafter {after:?}");
}

#[test]
fn readers_see_what_was_before_or_after_each_operation_at_every_call_of_it() {
    let disk = Disk::new(Order::Strict, 1);
    let store = sim::open(&disk, options()).unwrap();
    let mut config: LogConfig = small();
    config.set("cleanup.policy", "compact,delete").unwrap();
    store.create_topic("events", TopicOptions::new().config(config)).unwrap();
    let mut writer = Writer { disk: disk.clone(), store: Some(store), appended: 0 };
    let mut reader = Reader::new(disk.image());
    let mut lazy = Reader::new(disk.image());
    let mut before = Seen { start: 0, values: Vec::new() };
    let (mut looks, mut torn) = (0, 0);
    for (number, (what, step)) in STEPS.iter().enumerate() {
        disk.record();
        step(&mut writer);
        let mut images = disk.recorded();
        images.push((disk.end(), disk.image()));
        let after = Seen::of(&writer.log()).unwrap();
        for (call, image) in &images {
            let place = format!("step {number} ({what}), before {call}");
            reader.look(image.clone()).unwrap_or_else(|error| panic!("{place}: {error:?}"));
            assert_between(&reader.seen, &before, &after, &format!("{place}, following"));
            let fresh = read_only(&Disk::from(image.clone()));
            let seen = Seen::of(&fresh.log("events", 0).unwrap());
            let seen = seen.unwrap_or_else(|error| panic!("{place}: {error:?}"));
            assert_between(&seen, &before, &after, &format!("{place}, fresh"));
            looks += 1;
        }
        for images in images.windows(2) {
            torn += half_written(&images[0], &images[1].1, (&before, &after));
        }
        // One that looks only now and then sees the same.
        if number % 3 == 2 {
            lazy.look(disk.image()).unwrap();
            assert_eq!(lazy.seen.from(after.start), after.values, "step {number} ({what})");
        }
        assert_eq!(reader.seen.from(after.start), after.values, "step {number} ({what})");
        before = after;
    }
    assert!(looks > 400 && torn > 10, "{looks} looks, {torn} of them at half a batch");
}

/// Looks at the disk between two calls, when half of what the first one writes to a `.log` is there.
/// Says whether it did.
fn half_written((call, image): &(Call, Image), next: &Image, ends: (&Seen, &Seen)) -> usize {
    let path = |name: &String| format!("{DIR}/{name}");
    let grown = segments(next).into_iter().map(|name| path(&name)).find_map(|path| {
        let (old, new) = (image.read(&path)?, next.read(&path)?);
        (new.len() > old.len()).then(|| {
            let half = (new.len() - old.len()) / 2;
            (path.clone(), new[..old.len() + half].to_vec())
        })
    });
    let Some((path, bytes)) = grown else { return 0 };
    let mut image = image.clone();
    image.put(&path, bytes);
    let reader = read_only(&Disk::from(image));
    let seen = Seen::of(&reader.log("events", 0).unwrap()).unwrap();
    assert_between(&seen, ends.0, ends.1, &format!("in the middle of {call}"));
    1
}
