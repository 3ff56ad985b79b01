//! `strandline topic`: make, list, describe, delete.

use strandline::{Cleanness, LogConfig, Topic, TopicOptions};

use crate::common::{StoreArgs, name_and_value};
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result, complain, name_of};
use crate::global::Global;
use crate::output::Out;
use crate::output::human::{bytes, count, many};
use crate::output::json::{self, Object};
use crate::output::style::Ink;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Make a topic, and the log directory if it is not there
    Create(Create),
    /// List the topics
    List(List),
    /// Show partitions, offsets, sizes and settings of one topic or of all
    Describe(Describe),
    /// Delete a topic with all its records
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic's name: up to 249 of a-z A-Z 0-9 . _ -
    pub(crate) topic: String,

    /// How many partitions
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) partitions: u32,

    /// A setting under Kafka's name, such as segment.bytes=1048576
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) config: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic; all of them without it
    pub(crate) topic: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic's name
    pub(crate) topic: String,
}

/// Runs one of the verbs.
pub(crate) fn run(verb: &Verb, global: &Global) -> Result<Exit> {
    match verb {
        Verb::Create(args) => create(args, global),
        Verb::List(args) => list(args, global),
        Verb::Describe(args) => describe(args, global),
        Verb::Delete(args) => delete(args, global),
    }
}

/// What settings of topics Kafka 4.3 knows; other versions know most of them.
const SETTINGS: &[&str] = &[
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "errors.deadletterqueue.group.enable",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "internal.segment.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

fn create(args: &Create, global: &Global) -> Result<Exit> {
    if let Some((name, _)) = args.config.iter().find(|(name, _)| !SETTINGS.contains(&name.as_str()))
    {
        let near = crate::cli::nearest(name, SETTINGS.iter().copied());
        let hint = near.map_or(String::new(), |(_, near)| format!("; did you mean {near}?"));
        return Err(Failure::usage(format!("{name} is no setting of a topic{hint}")));
    }
    let pairs = args.config.iter().map(|(name, value)| (name, value));
    let config = LogConfig::from_pairs(pairs).map_err(|error| Failure::usage(error.to_string()))?;
    let dir = args.store.dir();
    let store = engine::open(&dir, Purpose::Create)?;
    let options = TopicOptions::new().partitions(args.partitions).config(config);
    let topic = store.create_topic(&args.topic, options)?;
    let partitions = many(args.partitions.into(), "partition", "partitions");
    let mut out = Out::new(global);
    out.text(format_args!(
        "created topic {} with {partitions} in {}",
        topic.name(),
        name_of(&dir)
    ))?;
    store.close()?;
    out.flush()?;
    Ok(Exit::Done)
}

fn delete(args: &Delete, global: &Global) -> Result<Exit> {
    let dir = args.store.dir();
    let store = engine::open(&dir, Purpose::Write)?;
    // Told apart from a store that cannot be changed, and with what to do about it.
    engine::topic(&store, &dir, &args.topic)?;
    store.delete_topic(&args.topic)?;
    store.close()?;
    let mut out = Out::new(global);
    out.text(format_args!("deleted topic {}", args.topic))?;
    out.flush()?;
    Ok(Exit::Done)
}

fn list(args: &List, global: &Global) -> Result<Exit> {
    let store = engine::open(&args.store.dir(), Purpose::Read)?;
    let mut out = Out::new(global);
    let topics = store.topics()?;
    let width = topics.iter().map(|topic| topic.name().len()).max().unwrap_or(0);
    for topic in &topics {
        if global.is_json() {
            topic_line(topic, None, out.line());
            out.settle()?;
            continue;
        }
        let partitions = topic.partition_numbers().len() as u64;
        let id = topic.id().map(|id| id.to_string()).unwrap_or_default();
        let partitions = many(partitions, "partition", "partitions");
        let line = format!("{:<width$}  {partitions:>14}  {id}", topic.name());
        out.row(line)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn describe(args: &Describe, global: &Global) -> Result<Exit> {
    let dir = args.store.dir();
    let store = engine::open(&dir, Purpose::Read)?;
    let topics = match &args.topic {
        Some(name) => vec![engine::topic(&store, &dir, name)?],
        None => store.topics()?,
    };
    let (mut out, mut exit) = (Out::new(global), Exit::Done);
    for (number, topic) in topics.iter().enumerate() {
        if global.is_json() {
            topic_line(topic, Some(topic.config()), out.line());
        } else {
            heading(topic, number > 0, &mut out)?;
        }
        for partition in topic.partition_numbers() {
            match look(topic, partition) {
                Ok(facts) if global.is_json() => facts.write_json(topic.name(), out.line()),
                Ok(facts) => facts.write_row(&mut out)?,
                Err(failure) => {
                    out.flush()?;
                    let at = format!("{}-{partition}", topic.name());
                    exit = exit.and(failure.exit);
                    complain("error", failure.at(at).message);
                }
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

/// What there is to say of a partition.
struct Facts {
    partition: u32,
    start: i64,
    end: i64,
    stable: i64,
    segments: u64,
    size_bytes: u64,
    /// Of a compacted topic.
    cleanness: Option<Cleanness>,
}

fn look(topic: &Topic, partition: u32) -> Result<Facts> {
    let log = topic.partition(partition)?;
    let segments = log.segments()?;
    Ok(Facts {
        partition,
        start: log.log_start_offset()?,
        end: log.log_end_offset()?,
        stable: log.last_stable_offset()?,
        segments: segments.len() as u64,
        size_bytes: segments.iter().map(|segment| segment.size_bytes).sum(),
        cleanness: Some(log.cleanness()?).filter(|cleanness| cleanness.is_compacted),
    })
}

impl Facts {
    fn write_json(&self, topic: &str, out: &mut Vec<u8>) {
        let mut line = Object::line("partition", out);
        line.text("topic", topic);
        line.number("partition", self.partition);
        line.number("logStartOffset", self.start);
        line.number("logEndOffset", self.end);
        line.number("lastStableOffset", self.stable);
        line.size("segments", self.segments);
        line.size("size", self.size_bytes);
        if let Some(cleanness) = &self.cleanness {
            line.number("cleanedToOffset", cleanness.cleaned_to);
            line.size("cleanBytes", cleanness.clean_bytes);
            line.size("cleanableBytes", cleanness.cleanable_bytes);
            line.size("reclaimedBytes", cleanness.reclaimed_bytes);
        }
        line.end_line();
    }

    fn write_row(&self, out: &mut Out) -> Result<()> {
        let (on, off) = (out.style.on(Ink::Offset), out.style.off());
        let span = format!("{on}{:>12}  {:>12}{off}", self.start, self.end);
        let (segments, size) = (count(self.segments), bytes(self.size_bytes));
        let stable = self.stable;
        out.row(format_args!(
            "{:>11}  {span}  {stable:>12}  {segments:>8}  {size:>10}",
            self.partition
        ))?;
        let Some(cleanness) = &self.cleanness else { return Ok(()) };
        let (faint, off) = (out.style.on(Ink::Faint), out.style.off());
        let dirty = (cleanness.dirty_ratio * 100.0).round();
        out.row(format_args!(
            "{faint}             cleaned to {}, {dirty} % of {} dirty, {} reclaimed{off}",
            cleanness.cleaned_to,
            bytes(cleanness.clean_bytes + cleanness.cleanable_bytes),
            bytes(cleanness.reclaimed_bytes),
        ))
    }
}

fn heading(topic: &Topic, behind_another: bool, out: &mut Out) -> Result<()> {
    if behind_another {
        out.text("")?;
    }
    let (bold, faint, off) = (out.style.on(Ink::Bold), out.style.on(Ink::Faint), out.style.off());
    let partitions = many(topic.partition_numbers().len() as u64, "partition", "partitions");
    let id = topic.id().map(|id| format!("  id {id}")).unwrap_or_default();
    out.row(format_args!("{bold}{}{off}  {partitions}{id}", topic.name()))?;
    for (name, value) in topic.config().to_pairs() {
        out.row(format_args!("  {name}={value}"))?;
    }
    out.row(format_args!(
        "{faint}  PARTITION         START           END        STABLE  SEGMENTS        SIZE{off}"
    ))
}

fn topic_line(topic: &Topic, config: Option<&LogConfig>, out: &mut Vec<u8>) {
    let mut line = Object::line("topic", out);
    line.text("schema", json::SCHEMA);
    line.text("topic", topic.name());
    line.maybe_text("topicId", topic.id().map(|id| id.to_string()).as_deref());
    line.size("partitions", topic.partition_numbers().len() as u64);
    if let Some(config) = config {
        let mut settings = Object::begin(line.field("config"));
        for (name, value) in config.to_pairs() {
            settings.named_text(name, value);
        }
        settings.end();
    }
    line.end_line();
}
