//! `strandline clean`: compacts topics now, and says what that gave.

use std::sync::{Mutex, PoisonError};

use strandline::{CleanProgress, Cleaned, CleanerOptions, Store, Topic};

use crate::common::{StoreArgs, size};
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result, complain};
use crate::global::Global;
use crate::output::Out;
use crate::output::human::{bytes, count, many};
use crate::output::json::{self, Object};
use crate::progress::Progress;

/// Compacts what can be compacted, whatever its dirty ratio: not the active segment, not what
/// min.compaction.lag.ms protects, not what is undecided.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic; all that are compacted without it
    pub(crate) topic: Option<String>,

    /// Memory for the keys of one round [default: 128MiB]
    #[arg(long, value_name = "N", value_parser = size, allow_negative_numbers = true)]
    pub(crate) memory: Option<usize>,

    /// Read and write no more than so many bytes a second
    #[arg(long, value_name = "N", value_parser = size, allow_negative_numbers = true)]
    pub(crate) max_bytes_per_second: Option<usize>,
}

/// Cleans the topic that is named, or all that are compacted.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let dir = args.store.dir();
    let mut cleaner = CleanerOptions::new().enabled(false);
    if let Some(most) = args.memory {
        cleaner = cleaner.memory_bytes(most);
    }
    if let Some(most) = args.max_bytes_per_second {
        cleaner = cleaner.max_bytes_per_second(most as u64);
    }
    let store = engine::open_with(&dir, Purpose::Write, |options| options.cleaner(cleaner))?;
    let topics = match &args.topic {
        Some(name) => vec![engine::topic(&store, &dir, name)?],
        None => store.topics()?.into_iter().filter(is_compacted).collect(),
    };
    if topics.is_empty() {
        let why = "no topic is compacted here";
        return Err(Failure::environment(why).and("compact one: cleanup.policy=compact"));
    }
    let (mut out, mut exit) = (Out::new(global), Exit::Done);
    for topic in &topics {
        match clean(&store, topic, global) {
            Ok(cleaned) if global.is_json() => write_json(topic.name(), &cleaned, out.line()),
            Ok(cleaned) => write_text(topic.name(), &cleaned, &mut out)?,
            Err(failure) => {
                out.flush()?;
                exit = exit.and(failure.exit);
                complain("error", failure.at(topic.name().to_owned()).message);
            }
        }
        out.settle()?;
    }
    store.close()?;
    out.flush()?;
    Ok(exit)
}

fn is_compacted(topic: &Topic) -> bool {
    let mut policies = topic.config().to_pairs().filter(|(name, _)| *name == "cleanup.policy");
    policies.any(|(_, policy)| policy.to_ascii_lowercase().contains("compact"))
}

fn clean(store: &Store, topic: &Topic, global: &Global) -> Result<Cleaned> {
    let progress = Mutex::new(Progress::new(global));
    let watch = |at: CleanProgress| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.bytes_at(at.bytes_done, Some(at.bytes_total));
    };
    let cleaned = store.clean_watched(topic.name(), watch);
    progress.lock().unwrap_or_else(PoisonError::into_inner).clear();
    Ok(cleaned?)
}

fn write_text(topic: &str, cleaned: &Cleaned, out: &mut Out) -> Result<()> {
    if cleaned.segments_before == 0 {
        return out.text(format_args!("{topic}: nothing to clean"));
    }
    let records =
        format!("{} of {} records", count(cleaned.records_after), count(cleaned.records_before));
    let size = format!("{} of {}", bytes(cleaned.bytes_after), bytes(cleaned.bytes_before));
    out.text(format_args!("{topic}: {records} left, {size}"))?;
    let segments = many(cleaned.segments_before, "segment", "segments");
    let keys = many(cleaned.keys, "key", "keys");
    out.text(format_args!(
        "  {} reclaimed; {segments} became {}; {keys}; {} of {} tombstones left; {:.1} s",
        bytes(cleaned.reclaimed_bytes()),
        count(cleaned.segments_after),
        count(cleaned.tombstones_after),
        count(cleaned.tombstones_before),
        cleaned.elapsed.as_secs_f64(),
    ))
}

fn write_json(topic: &str, cleaned: &Cleaned, out: &mut Vec<u8>) {
    let mut line = Object::line("cleaned", out);
    line.text("schema", json::SCHEMA);
    line.text("topic", topic);
    line.size("recordsBefore", cleaned.records_before);
    line.size("recordsAfter", cleaned.records_after);
    line.size("tombstonesBefore", cleaned.tombstones_before);
    line.size("tombstonesAfter", cleaned.tombstones_after);
    line.size("bytesBefore", cleaned.bytes_before);
    line.size("bytesAfter", cleaned.bytes_after);
    line.size("segmentsBefore", cleaned.segments_before);
    line.size("segmentsAfter", cleaned.segments_after);
    line.size("keys", cleaned.keys);
    line.size("milliseconds", cleaned.elapsed.as_millis() as u64);
    line.end_line();
}
