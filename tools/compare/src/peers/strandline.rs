//! strandline itself, with its defaults; and without zeros written ahead, which is an option.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use strandline::record::FetchedRecord;
use strandline::{Batch, Durability, FetchOptions, Log, LogConfig, Record, Store, TopicOptions};

use crate::subject::{Promise, SEGMENT_BYTES, Shape, Stored, Subject, Times, each, together};

pub struct Strandline {
    /// Whether a durable append makes the file grow.
    pub is_growing: bool,
}

/// A store of one log.
struct Opened {
    _store: Store,
    log: Log,
}

/// A store that is opened again and again, and never closed.
struct Crashed(PathBuf);

const TOPIC: &str = "compare";

impl Strandline {
    fn open(&self, dir: &Path) -> Opened {
        self.open_with(dir, TopicOptions::new())
    }

    fn open_with(&self, dir: &Path, topic: TopicOptions) -> Opened {
        let options = Store::options();
        let options = if self.is_growing { options.zeros_ahead(0) } else { options };
        let store = options.open(dir).expect("a store");
        let topic = store.create_topic(TOPIC, topic).expect("a topic");
        let log = topic.partition(0).expect("a log");
        Opened { _store: store, log }
    }
}

fn batch(shape: Shape) -> Batch {
    let value = vec![b'x'; shape.bytes];
    Batch::of((0..shape.records).map(|_| Record::new().value(&value)))
}

/// Appends through the appender that gathers, a batch at a time.
fn fill(log: &Log, shape: Shape, batches: usize) {
    let values = shape.values();
    let size = batch(shape).size_bytes();
    let mut appender = log.appender(size, Duration::ZERO).durability(Durability::Written);
    for _ in 0..shape.records * batches {
        appender.push(Record::new().value(values.draw())).expect("an append");
    }
    appender.flush().expect("an append");
}

impl Subject for Strandline {
    fn name(&self) -> &'static str {
        if self.is_growing { "strandline, no zeros ahead" } else { "strandline" }
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        if self.is_growing {
            return None;
        }
        let Opened { _store, log } = self.open(dir);
        let mut one = batch(shape);
        log.append(&mut one, Durability::Written).expect("an append");
        let started = Instant::now();
        if shape.records == 1 {
            let value = vec![b'x'; shape.bytes];
            for _ in 0..batches {
                one.clear();
                one.push(Record::new().value(&value));
                log.append(&mut one, Durability::Written).expect("an append");
            }
        } else {
            fill(&log, shape, batches);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let Opened { _store, log } = self.open(dir);
        let (value, mut one) = (vec![b'x'; shape.bytes], Batch::new());
        Some(each(batches, |_| {
            one.clear();
            one.extend((0..shape.records).map(|_| Record::new().value(&value)));
            log.append(&mut one, Durability::Synced).expect("an append");
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let Opened { _store, log } = self.open(dir);
        Some(together(writers, times, || {
            let log = log.clone();
            let mut one = batch(Shape::one(bytes));
            move |_| {
                log.append(&mut one, Durability::Synced).expect("an append");
            }
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        if self.is_growing {
            return None;
        }
        let opened = self.open(dir);
        fill(&opened.log, shape, batches);
        opened.log.flush().expect("a flush");
        Some(Box::new(opened))
    }

    fn crashed(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        if self.is_growing {
            return None;
        }
        let settings = [("segment.bytes", SEGMENT_BYTES), ("retention.ms", "-1")];
        let config = LogConfig::from_pairs(settings).expect("settings");
        let opened = self.open_with(dir, TopicOptions::new().config(config));
        fill(&opened.log, shape, batches);
        opened.log.flush().expect("a flush");
        drop(opened);
        Some(Box::new(Crashed(dir.to_owned())))
    }
}

impl Stored for Crashed {
    fn open(&mut self) -> Option<Duration> {
        let started = Instant::now();
        let store = Store::options().housekeeping(false).open(&self.0).expect("a store");
        let end = store.log(TOPIC, 0).and_then(|log| log.log_end_offset()).expect("an end");
        assert!(end > 0);
        Some(started.elapsed())
    }
}

impl Stored for Opened {
    fn scan(&mut self) -> usize {
        let (mut at, mut seen) = (0, 0);
        let end = self.log.log_end_offset().expect("an end");
        while at < end {
            let fetched = self.log.fetch(at, FetchOptions::new()).expect("a fetch");
            for record in fetched.records() {
                seen += record.expect("a record").value().map_or(0, <[u8]>::len);
            }
            at = fetched.next_offset();
        }
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let value = |record: &FetchedRecord<'_>| record.value().map_or(0, <[u8]>::len);
        let got = self.log.get(number as i64, FetchOptions::new(), value);
        got.expect("a read").expect("a record")
    }
}
