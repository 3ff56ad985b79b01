//! kafko: topics with Kafka's words, asynchronous.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafko::{Kafko, Producer};
use tokio::runtime::Runtime;

use crate::subject::{Promise, Shape, Stored, Subject};

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

async fn append(producer: &Producer, shape: Shape, value: &Bytes) {
    if shape.records == 1 {
        producer.send(None, value.clone()).await.expect("an append");
    } else {
        let records = vec![(None, value.clone()); shape.records];
        producer.send_batch(records).await.expect("an append");
    }
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "kafko 0.3"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "no sync for each append" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (runtime, _kafko, producer) = open(dir);
        let value = Bytes::from(vec![b'x'; shape.bytes]);
        Some(runtime.block_on(async {
            append(&producer, shape, &value).await;
            let started = Instant::now();
            for _ in 0..batches {
                append(&producer, shape, &value).await;
            }
            started.elapsed()
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (runtime, kafko, producer) = open(dir);
        let value = Bytes::from(vec![b'x'; shape.bytes]);
        runtime.block_on(async {
            for _ in 0..batches {
                append(&producer, shape, &value).await;
            }
        });
        Some(Box::new(Log { runtime, kafko, records: batches * shape.records }))
    }
}

struct Log {
    runtime: Runtime,
    kafko: Kafko,
    records: usize,
}

impl Stored for Log {
    fn scan(&mut self) -> usize {
        self.runtime.block_on(async {
            let mut consumer = self.kafko.consumer_for(TOPIC).await.expect("a consumer");
            consumer.seek_all(0);
            let mut seen = 0;
            for _ in 0..self.records {
                seen += consumer.next_record().await.expect("a record").value().len();
            }
            seen
        })
    }

    fn get(&mut self, number: u64) -> usize {
        self.runtime.block_on(async {
            let mut consumer = self.kafko.consumer_for(TOPIC).await.expect("a consumer");
            consumer.seek_all(number);
            consumer.next_record().await.expect("a record").value().len()
        })
    }
}
