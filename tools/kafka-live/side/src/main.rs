//! What kafka-live has strandline do, as a program that embeds it would: `fill`, `append`,
//! `forever`, `keyed`, `follow`, `read` and `state`. Answers are lines on standard output.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use strandline::compression::Compression;
use strandline::record::{ProducerEpoch, ProducerId, Sequence, TimestampType, TransactionEnd};
use strandline::{
    Batch, Durability, FetchOptions, Isolation, Log, LogConfig, Record, Store, TopicOptions,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "kafka-live-side fill DIR | append DIR TOPIC PARTITION CODEC COUNT PREFIX | \
                     forever DIR TOPIC PARTITION CODEC PREFIX | keyed DIR COUNT KEYS | \
                     follow DIR TOPIC PARTITION COUNT | read DIR | state DIR";
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["fill", dir] => fill(Path::new(dir)),
        ["append", dir, topic, partition, codec, count, prefix] => {
            let store = Store::options().open(dir)?;
            let log = store.log(topic, partition.parse()?)?;
            append(&log, codec, count.parse()?, prefix)?;
            Ok(store.close()?)
        }
        ["forever", dir, topic, partition, codec, prefix] => {
            let log = Store::options().open(dir)?.log(topic, partition.parse()?)?;
            append(&log, codec, u64::MAX, prefix)
        }
        ["keyed", dir, count, keys] => keyed(Path::new(dir), count.parse()?, keys.parse()?),
        ["follow", dir, topic, partition, count] => {
            let log = open_read_only(Path::new(dir))?.log(topic, partition.parse()?)?;
            follow(&log, count.parse()?)
        }
        ["read", dir] => read(Path::new(dir)),
        ["state", dir] => state(Path::new(dir)),
        _ => Err(USAGE.into()),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Appends records one batch each, and names each on a line once it is durable.
fn append(log: &Log, codec: &str, count: u64, prefix: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for number in 0..count {
        let value = format!("{prefix}-{number:06}");
        let record = Record::new().key("k").value(&value).timestamp(now_ms());
        let compression: Compression = codec.parse()?;
        let batch = Batch::of([record]).compression(compression);
        let appended = log.append(batch, Durability::Synced)?;
        writeln!(out, "{} {value}", appended.base_offset)?;
        out.flush()?;
    }
    Ok(())
}

/// Text that compresses about as well as logs of programs do.
fn text(seed: u64, len: usize) -> String {
    let (mut state, mut text) = (seed | 1, String::new());
    while text.len() < len {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = write!(text, "{:x} ", state >> 40);
    }
    text.truncate(len);
    text
}

/// A batch of records that are all different, with headers, and without keys or values here and
/// there.
fn batch(seed: u64, records: u64, len: usize) -> Batch {
    let mut batch = Batch::new();
    for number in 0..records {
        let (key, value) = (format!("key-{seed}-{number}"), text(seed * 1000 + number, len));
        let headers = [("seed", Some(&value.as_bytes()[..8])), ("none", None)];
        let mut record = Record::new().timestamp(now_ms()).headers(&headers);
        if number % 5 != 4 {
            record = record.key(&key);
        }
        if number % 7 != 6 {
            record = record.value(&value);
        }
        batch.push(record);
    }
    batch
}

/// Makes a store with everything in it that a store can hold.
fn fill(dir: &Path) -> Result<()> {
    let store = Store::options().open(dir)?;
    let topic = |name: &str, partitions: u32, settings: &[(&str, &str)]| -> Result<Vec<Log>> {
        let config = LogConfig::from_pairs(settings.iter().copied())?;
        let options = TopicOptions::new().partitions(partitions).config(config);
        let topic = store.create_topic(name, options)?;
        (0..partitions).map(|number| Ok(topic.partition(number)?)).collect()
    };
    for (log, codec) in topic("codecs", 5, &[("max.message.bytes", "2000000")])?.iter().zip(CODECS)
    {
        let compression: Compression = codec.parse()?;
        for seed in 0..12 {
            log.append(batch(seed, 20, 300).compression(compression), Durability::Written)?;
        }
    }
    let small = [("segment.bytes", "16384"), ("index.interval.bytes", "512")];
    for (name, settings) in [("segments", &[("segment.bytes", "1048576")][..]), ("small", &small)] {
        let log = &topic(name, 1, settings)?[0];
        let (count, len) = if name == "small" { (60, 200) } else { (60, 3000) };
        for seed in 0..count {
            log.append(batch(seed, 20, len), Durability::Written)?;
        }
    }
    idempotent(&topic("idempotent", 1, &[])?[0])?;
    transactions(&topic("txn", 1, &[])?[0])?;
    let log = &topic("started", 1, &[("segment.bytes", "16384")])?[0];
    for seed in 0..30 {
        log.append(batch(seed, 10, 300), Durability::Written)?;
    }
    log.delete_records(Some(133))?;
    let log = &topic("append-time", 1, &[("message.timestamp.type", "LogAppendTime")])?[0];
    log.append(batch(1, 10, 100), Durability::Written)?;
    let compacted = [("cleanup.policy", "compact"), ("segment.bytes", "16384")];
    let log = &topic("compacted", 1, &compacted)?[0];
    for round in 0..40 {
        let mut batch = Batch::new();
        for key in 0..20 {
            let (key, value) = (format!("key-{key}"), text(round * 20 + key, 100));
            batch.push(Record::new().key(&key).value(&value).timestamp(now_ms()));
        }
        log.append(batch, Durability::Written)?;
    }
    log.roll()?;
    let cleaned = store.clean("compacted")?;
    if cleaned.records_after >= cleaned.records_before {
        return Err("nothing was cleaned".into());
    }
    topic("empty", 3, &[])?;
    Ok(store.close()?)
}

/// Makes a store with a topic in which `count` records with `keys` keys in all have followed each
/// other, cleans it, and says of each key the number of its last record: what has to be left.
fn keyed(dir: &Path, count: u64, keys: u64) -> Result<()> {
    const BATCH: u64 = 500;
    let store = Store::options().open(dir)?;
    let config = [("cleanup.policy", "compact"), ("segment.bytes", "1048576")];
    let options = TopicOptions::new().config(LogConfig::from_pairs(config)?);
    let log = store.create_topic("keyed", options)?.partition(0)?;
    let compression: Compression = "lz4".parse()?;
    let mut last = std::collections::BTreeMap::new();
    let mut at = 0;
    while at < count {
        let mut batch = Batch::new().compression(compression);
        for number in at..(at + BATCH).min(count) {
            // Every number below `keys` sooner or later, in no order.
            let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let (key, value) = (format!("key-{:06}", key % keys), format!("value-{number:08}"));
            batch.push(Record::new().key(&key).value(&value).timestamp(now_ms()));
            last.insert(key, value);
        }
        at += BATCH;
        log.append(batch, Durability::Written)?;
    }
    log.roll()?;
    store.clean("keyed")?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (key, value) in last {
        writeln!(out, "{key} {value}")?;
    }
    out.flush()?;
    Ok(store.close()?)
}

/// Follows a log that somebody else writes, until `count` records have come: the value of each on a
/// line.
fn follow(log: &Log, count: u64) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut follower = log.follow(log.log_start_offset()?, FetchOptions::new())?;
    let mut seen = 0;
    while seen < count {
        let fetched = follower.fetch_within(std::time::Duration::from_secs(1))?;
        for record in fetched.records() {
            let value = record?.value().map(<[u8]>::to_vec).unwrap_or_default();
            writeln!(out, "{seen} {}", String::from_utf8_lossy(&value))?;
            seen += 1;
        }
        out.flush()?;
    }
    Ok(())
}

fn idempotent(log: &Log) -> Result<()> {
    for (id, epoch) in [(4711, 0), (815, 3)] {
        for at in 0..8 {
            let (id, epoch) = (ProducerId(id), ProducerEpoch(epoch));
            let batch = batch(at, 10, 100).producer(id, epoch, Sequence(i32::try_from(at)? * 10));
            log.append(batch, Durability::Written)?;
        }
    }
    Ok(())
}

/// Committed, aborted and committed again, beside records that are in no transaction.
fn transactions(log: &Log) -> Result<()> {
    let producer = (ProducerId(1234), ProducerEpoch(0));
    let ends = [TransactionEnd::Commit, TransactionEnd::Abort, TransactionEnd::Commit];
    for (round, end) in ends.into_iter().enumerate() {
        let round = u64::try_from(round)?;
        for part in 0..2 {
            let sequence = Sequence(i32::try_from(round * 20 + part * 10)?);
            let batch = batch(round * 2 + part, 10, 100);
            let batch = batch.producer(producer.0, producer.1, sequence).transactional(true);
            log.append(batch, Durability::Written)?;
            log.append(self::batch(100 + round, 3, 50), Durability::Written)?;
        }
        log.end_transaction(producer, end, 0, Durability::Written)?;
    }
    Ok(())
}

fn open_read_only(dir: &Path) -> Result<Store> {
    Ok(Store::options().read_only(true).open(dir)?)
}

/// Every record of every topic but Kafka's own, in both isolations.
fn read(dir: &Path) -> Result<()> {
    let store = open_read_only(dir)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (topic, partition) in store.partitions()? {
        if topic.starts_with("__") {
            continue;
        }
        let log = store.log(&topic, partition)?;
        for (word, isolation) in
            [("U", Isolation::ReadUncommitted), ("C", Isolation::ReadCommitted)]
        {
            let mut from = log.log_start_offset()?;
            loop {
                let fetched = log.fetch(from, FetchOptions::new().isolation(isolation))?;
                for record in fetched.records() {
                    let record = record?;
                    let kind = match record.timestamp_type() {
                        TimestampType::CreateTime => 'C',
                        TimestampType::LogAppendTime => 'L',
                    };
                    let (offset, time) = (record.offset(), record.timestamp().unwrap_or(-1));
                    write!(out, "{word} {topic} {partition} {offset} {time} {kind} ")?;
                    write!(out, "{} {}", hex(record.key()), hex(record.value()))?;
                    for header in record.headers() {
                        write!(out, " {}={}", hex(Some(header.key)), hex(header.value))?;
                    }
                    writeln!(out)?;
                }
                if fetched.next_offset() == from {
                    break;
                }
                from = fetched.next_offset();
            }
        }
    }
    Ok(out.flush()?)
}

fn hex(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let mut text = String::with_capacity(bytes.len() * 2 + 1);
    text.push('x');
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What there is to compare beside records: ids, bounds, settings.
fn state(dir: &Path) -> Result<()> {
    let store = open_read_only(dir)?;
    for topic in store.topics()?.iter().filter(|topic| !topic.name().starts_with("__")) {
        let name = topic.name();
        let id = topic.id().map(|id| id.to_string()).unwrap_or_default();
        println!("id {name} {id}");
        for (setting, value) in topic.config().to_pairs() {
            println!("setting {name} {setting} {value}");
        }
        for number in topic.partition_numbers() {
            let log = topic.partition(number)?;
            let (start, end) = (log.log_start_offset()?, log.log_end_offset()?);
            println!("bounds {name} {number} {start} {end} {}", log.last_stable_offset()?);
        }
    }
    for warning in store.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
