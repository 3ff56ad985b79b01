//! Until when the oldest segments are kept: why a partition is older than its retention.
//!
//! Kafka asks the oldest segment first, and no other before that is gone. A segment goes when its
//! largest time is older than `retention.ms`: one record from the future keeps it, and all behind it.
//! The active segment never goes.

use std::path::{Path, PathBuf};

use strandline::Store;

use super::gather::Stats;
use super::show::line;
use crate::exit::Result;
use crate::global::Global;
use crate::output::Out;
use crate::output::human::many;
use crate::paths::OneLog;
use crate::time;

/// `retention.ms` where nobody says otherwise.
const SEVEN_DAYS: i64 = 604_800_000;

/// The store that was asked last, by its directory: partitions that are shown one after the other lie
/// in one.
#[derive(Default)]
pub(super) struct Asked(Option<(PathBuf, Option<Store>)>);

/// Says it for one log.
pub(super) fn show(
    log: &OneLog,
    stats: &Stats,
    (option, asked): (Option<i64>, &mut Asked),
    (global, out): (&Global, &mut Out),
) -> Result<()> {
    let Some(oldest) = stats.segments.first() else { return Ok(()) };
    let known = option.map(|ms| (ms, "as you say")).or_else(|| asked.of_store(log));
    let (ms, whose) = known.unwrap_or((SEVEN_DAYS, "Kafka's default; say another: --retention-ms"));
    let setting = format!("retention.ms {ms} ({whose})");
    if ms < 0 {
        return line(out, "retention", &format!("{setting}: no segment goes by its age"));
    }
    if log.segments.len() < 2 {
        let why = "the only segment is the active one, which never goes";
        return line(out, "retention", &format!("{setting}: {why}"));
    }
    let Some(largest) = oldest.last_ms else {
        let why = "the oldest segment has no time; that of its file counts";
        return line(out, "retention", &format!("{setting}: {why}"));
    };
    let (times, now) = (global.times(), time::now_ms());
    let until = largest.saturating_add(ms);
    let (at, end) = (times.in_column(largest), times.in_column(until));
    let state = if until < now {
        format!("it could go since {end}: no broker or store has looked since, or none has it open")
    } else {
        format!("it is kept until {end}")
    };
    let name = Path::new(&oldest.name).file_name().and_then(|it| it.to_str()).unwrap_or_default();
    line(out, "retention", &format!("{setting}: the largest time of {name} is {at}, so {state}"))?;
    let keeps = |it: &&super::gather::Segment| {
        it.last_ms.is_some_and(|last| last.saturating_add(ms) >= now)
    };
    let ready = stats.segments.iter().skip(1).filter(|it| !keeps(it)).count() as u64;
    if until >= now && ready > 0 {
        let others = many(ready, "later segment that is", "later segments that are");
        line(out, "", &format!("{others} older than that waits for it: the oldest goes first"))?;
    }
    Ok(())
}

impl Asked {
    /// What the store says that a partition lies in, if it lies in one.
    fn of_store(&mut self, log: &OneLog) -> Option<(i64, &'static str)> {
        let (topic, _) = log.partition.as_ref()?;
        let path = &log.segments.first()?.path;
        let root = path.parent()?.parent()?;
        if self.0.as_ref().is_none_or(|(asked, _)| asked != root) {
            let is_store = root.join("strandline.topics").is_file();
            let store = is_store.then(|| Store::open_read_only(root).ok()).flatten();
            self.0 = Some((root.to_path_buf(), store));
        }
        let (_, store) = self.0.as_ref()?;
        let topic = store.as_ref()?.topic(topic).ok()?;
        let of = |wanted: &str| {
            let config = topic.config();
            let mut pairs = config.to_pairs();
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        if of("cleanup.policy").is_some_and(|policy| !policy.contains("delete")) {
            return Some((-1, "cleanup.policy does not say delete"));
        }
        let ms = of("retention.ms").and_then(|ms| ms.parse().ok());
        Some((ms.unwrap_or(SEVEN_DAYS), "as the store says"))
    }
}
