//! A store on a simulated disk, and every crash of what is done to it.

use std::collections::HashSet;

use strandline::testing::sim::{self, Call, Cut, Disk, Image, Order, Sectors};
use strandline::{
    Appended, Batch, Clock, Durability, Log, LogConfig, Record, Store, StoreOptions, TopicOptions,
};

use crate::disk::content::Content;
use crate::disk::images::cuts;
use crate::disk::world::START;

/// Where the only log is.
pub(crate) const DIR: &str = "events-0";
/// Bytes of a value: ten records are the most that a segment takes.
pub(crate) const VALUE: usize = 50;

/// A store with the topic `events`, open.
pub(crate) struct Scene {
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) log: Log,
    clock: Clock,
}

/// Small segments and indexes that are worth it.
pub(crate) fn small() -> LogConfig {
    let pairs = [
        ("internal.segment.bytes", "700"),
        ("index.interval.bytes", "64"),
        ("segment.index.bytes", "4096"),
        ("file.delete.delay.ms", "0"),
    ];
    LogConfig::from_pairs(pairs).unwrap()
}

/// How a store is opened here.
fn options(clock: &Clock) -> StoreOptions {
    Store::options().clock(clock.clone()).housekeeping(false)
}

impl Scene {
    /// A new store on a new disk, its segments of 700 bytes, nothing deleted unless asked for.
    pub(crate) fn new() -> Scene {
        Scene::with(small(), |options| options)
    }

    /// The same, its segments large.
    pub(crate) fn large() -> Scene {
        Scene::with(LogConfig::default(), |options| options)
    }

    pub(crate) fn with(config: LogConfig, set: impl Fn(StoreOptions) -> StoreOptions) -> Scene {
        Scene::made(Disk::new(Order::Strict, 1), config, set)
    }

    pub(crate) fn made(
        disk: Disk,
        config: LogConfig,
        set: impl Fn(StoreOptions) -> StoreOptions,
    ) -> Scene {
        let clock = Clock::manual(START);
        let store = sim::open(&disk, set(options(&clock))).unwrap();
        let topic = store.create_topic("events", TopicOptions::new().config(config)).unwrap();
        Scene { disk, log: topic.partition(0).unwrap(), store, clock }
    }

    /// Opens what is on a disk, an hour later.
    pub(crate) fn on(disk: Disk) -> Scene {
        let clock = Clock::manual(START + 3_600_000);
        let store = sim::open(&disk, options(&clock)).unwrap();
        Scene { disk, log: store.log("events", 0).unwrap(), store, clock }
    }

    /// What another process finds on a disk that a crash has left.
    pub(crate) fn of(image: &Image) -> Scene {
        Scene::on(Disk::from(image.clone()))
    }

    /// The process dies, and another one opens the store.
    pub(crate) fn dies(self) -> Scene {
        let disk = self.disk.after_death();
        drop(self);
        Scene::on(disk)
    }

    /// The store is closed and opened again.
    pub(crate) fn reopens(self) -> Scene {
        self.store.close().unwrap();
        Scene::on(self.disk.clone())
    }

    /// Appends one batch of so many records, each with its own value, 60 ms later: every second one
    /// moves the mark if it is synced.
    pub(crate) fn try_append(
        &self,
        records: i64,
        durability: Durability,
    ) -> strandline::Result<Appended> {
        let end = self.log.log_end_offset()?;
        self.clock.set(self.clock.now_ms() + 60);
        self.log.append(batch(end, records), durability)
    }

    pub(crate) fn synced(&self, records: i64) -> Appended {
        self.try_append(records, Durability::Synced).unwrap()
    }

    pub(crate) fn written(&self, records: i64) -> Appended {
        self.try_append(records, Durability::Written).unwrap()
    }

    /// What the log holds.
    pub(crate) fn content(&self) -> Content {
        Content::of(&self.log).unwrap()
    }

    /// Ten minutes later: seals, retention, deletion of files.
    pub(crate) fn keeps_house(&self) {
        self.clock.set(self.clock.now_ms() + 600_000);
        self.store.run_housekeeping(self.clock.now_ms()).unwrap();
    }

    /// That a crash alone is reported as nothing else.
    pub(crate) fn reports_nothing(&self) {
        assert_eq!(self.log.gap().unwrap(), None, "a gap");
        assert_eq!(self.store.warnings(), [""; 0]);
    }

    /// The epoch that the next append gets.
    pub(crate) fn next_epoch(&self) -> i32 {
        self.synced(1);
        self.content().batches.last().unwrap().epoch
    }

    /// Where the log begins and ends, and where its batches do.
    pub(crate) fn shape(&self) -> Shape {
        shape(&self.content())
    }
}

/// Where a log begins and ends, and where its batches do.
pub(crate) type Shape = (i64, i64, Vec<(i64, i64)>);

pub(crate) fn shape(content: &Content) -> Shape {
    let batches = content.batches.iter().map(|batch| (batch.base, batch.next));
    (content.start, content.end, batches.collect())
}

/// A batch of records that tell their offsets.
pub(crate) fn batch(from: i64, records: i64) -> Batch {
    let mut batch = Batch::new();
    for offset in from..from + records {
        batch.push(Record::new().value(&format!("{offset:0>VALUE$}")));
    }
    batch
}

/// What a crash has left.
pub(crate) struct Crash {
    pub(crate) image: Image,
    /// The call that it came before.
    pub(crate) call: u64,
    pub(crate) is_power_cut: bool,
}

/// Says where it was if the test fails within.
pub(crate) struct Place(pub(crate) String);

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("in {}", self.0);
        }
    }
}

/// Checks what each crash has left since `disk` records: of the process and of the power, before
/// each call that changes something and at the end. What was left before is not looked at again.
pub(crate) fn each_crash(disk: &Disk, mut check: impl FnMut(&Crash)) {
    let mut recorded = disk.recorded();
    recorded.push((disk.end(), disk.image()));
    let mut seen = HashSet::new();
    for (call, image) in &recorded {
        crashes_before(call, image, &mut seen, &mut check);
    }
}

fn crashes_before(
    call: &Call,
    image: &Image,
    seen: &mut HashSet<(u64, bool)>,
    check: &mut impl FnMut(&Crash),
) {
    if seen.insert((image.fingerprint(), false)) {
        let _place = Place(format!("the process's death before {call}"));
        let image = image.clone();
        check(&Crash { image, call: call.number, is_power_cut: false });
    }
    for (index, cut) in cuts(image, call.number, 8).iter().enumerate() {
        let left = image.cut(cut);
        if seen.insert((left.fingerprint(), true)) {
            let _place = Place(format!("power cut {index} before {call}: {cut:?}"));
            check(&Crash { image: left, call: call.number, is_power_cut: true });
        }
    }
}

/// The same with all that was on its way to the disk there, so that another hand can be laid on it.
pub(crate) fn settled(image: &Image) -> Image {
    image.cut(&Cut { kept: vec![true; image.pending().len()], sectors: Sectors::Whole })
}

/// The same image with one bit flipped.
pub(crate) fn flipped(image: &Image, path: &str, bit: usize) -> Image {
    let mut bytes = image.read(path).unwrap_or_else(|| panic!("no {path}")).to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    let mut image = image.clone();
    image.put(path, bytes);
    image
}

/// The names in the log's directory that `wanted` takes, sorted.
pub(crate) fn names(image: &Image, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let beneath = format!("{DIR}/");
    let files = image.files().into_iter();
    let mut names: Vec<_> = files
        .filter_map(|path| path.strip_prefix(&beneath).map(str::to_owned))
        .filter(|name| wanted(name))
        .collect();
    names.sort();
    names
}

/// The `.log` files, by base offset: their names.
pub(crate) fn segments(image: &Image) -> Vec<String> {
    names(image, |name| name.len() == 24 && name.strip_suffix(".log").is_some())
}

/// What is in quarantine.
pub(crate) fn quarantine(image: &Image) -> Vec<String> {
    names(image, |name| name.starts_with("quarantine/"))
}

/// The bytes of a file of the log.
pub(crate) fn bytes<'a>(image: &'a Image, name: &str) -> &'a [u8] {
    image.read(&format!("{DIR}/{name}")).unwrap_or_else(|| panic!("no {name}"))
}

/// Where the batches of a file end at the latest: each ends with a zero, for it has no headers.
pub(crate) fn content_len(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| bytes.len().min(last + 2))
}
