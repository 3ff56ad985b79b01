//! kafko: topics with Kafka's words, asynchronous. For each record that it reads it takes the rest of
//! the segment into memory (`Log::read_record_at` of 0.3), which over 64 MiB takes hours: it is not
//! asked to.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafko::{Kafko, Producer, Topic};
use tokio::runtime::Runtime;

use crate::subject::{Promise, Shape, Subject, Times, Values, each, together};

pub struct Peer;

const TOPIC: &str = "compare";

fn open(dir: &Path) -> (Runtime, Kafko, Producer) {
    let runtime = Runtime::new().expect("a runtime");
    let (kafko, producer) = runtime.block_on(async {
        let kafko = Kafko::open(dir).await.expect("a log");
        kafko.create_topic(TOPIC).await.expect("a topic");
        let producer = kafko.producer_for(TOPIC).await.expect("a producer");
        (kafko, producer)
    });
    (runtime, kafko, producer)
}

/// The topic, whose one partition can be synced.
fn topic(runtime: &Runtime, kafko: &Kafko) -> Arc<Topic> {
    runtime.block_on(kafko.topic(TOPIC)).expect("a topic")
}

/// Values that share their bytes.
struct Shared {
    values: Values,
    bytes: Bytes,
}

impl Shared {
    fn new(shape: Shape) -> Shared {
        Shared { values: shape.values(), bytes: Bytes::from(vec![b'x'; 2 * shape.bytes]) }
    }

    fn draw(&self) -> Bytes {
        self.bytes.slice(..self.values.draw_len())
    }
}

async fn append(producer: &Producer, values: &Shared) {
    let records = values.values.shape.records;
    if records == 1 {
        producer.send(None, values.draw()).await.expect("an append");
    } else {
        let records = (0..records).map(|_| (None, values.draw())).collect();
        producer.send_batch(records).await.expect("an append");
    }
}

async fn append_durably(producer: &Producer, topic: &Topic, values: &Shared) {
    append(producer, values).await;
    topic.partition(0).expect("a partition").sync().await.expect("a sync");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "kafko 0.3"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (runtime, _kafko, producer) = open(dir);
        let values = Shared::new(shape);
        Some(runtime.block_on(async {
            append(&producer, &values).await;
            let started = Instant::now();
            for _ in 0..batches {
                append(&producer, &values).await;
            }
            started.elapsed()
        }))
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (runtime, kafko, producer) = open(dir);
        let (topic, values) = (topic(&runtime, &kafko), Shared::new(shape));
        Some(each(batches, |_| {
            runtime.block_on(append_durably(&producer, &topic, &values));
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (runtime, kafko, producer) = open(dir);
        let (topic, values) = (topic(&runtime, &kafko), Shared::new(Shape::one(bytes)));
        Some(together(writers, times, || {
            |_| runtime.block_on(append_durably(&producer, &topic, &values))
        }))
    }
}
