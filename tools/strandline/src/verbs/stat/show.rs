//! What was counted, on one screen or as JSON lines.

use super::gather::{Share, Stats, Timeline};
use crate::exit::Result;
use crate::global::Global;
use crate::output::Out;
use crate::output::escape::escaped;
use crate::output::grid::{Align, Grid};
use crate::output::human::{bytes, count, many, shorten};
use crate::output::json::{self, Object};
use crate::output::plot::{Histogram, spark, squeeze};
use crate::output::record::Redact;
use crate::output::style::Ink;
use crate::paths::OneLog;

/// Characters of a plot.
const PLOT: usize = 32;
/// Lines of a timeline.
const LINES: usize = 60;

/// Shows what was counted of a log.
pub(super) fn stats(
    log: &OneLog,
    stats: &Stats,
    top: usize,
    timeline: bool,
    (global, out): (&Global, &mut Out),
) -> Result<()> {
    if global.is_json() {
        write_json(log, stats, top, (global, out.line()));
        return out.settle();
    }
    head(log, stats, out)?;
    let times = global.times();
    let offsets = stats.offsets.map_or("–".to_owned(), |(from, to)| {
        format!("{} – {}", count(from.unsigned_abs()), count((to - 1).unsigned_abs()))
    });
    let gaps = stats.gaps.words(stats.markers);
    let (on, off) = (out.style.on(Ink::Offset), out.style.off());
    line(out, "offsets", &format!("{on}{offsets}{off}   {gaps}"))?;
    if let Some((from, to)) = stats.times {
        let zone = times.heading("").trim().to_owned();
        let order = share(stats.out_of_order, stats.all.batches);
        let (from, to) = (times.in_column(from), times.in_column(to));
        let future = count(stats.future);
        let text = format!("{from} – {to} {zone}   out of order {order}   future {future}");
        line(out, "times", &text)?;
    }
    batches(stats, out)?;
    codecs(stats, out)?;
    producers(stats, top, out)?;
    if let Some(records) = &stats.records {
        let sizes = sizes_in_words(&records.sizes);
        let (keys, values) = (bytes(records.key_bytes), bytes(records.value_bytes));
        line(out, "records", &format!("{sizes}   keys {keys}   values {values}"))?;
        let (null, tombs) = (count(records.null_keys), count(records.tombstones));
        line(out, "", &format!("without a key {null}   tombstones {tombs}"))?;
        tops(stats, top, (global, out))?;
    }
    plots(stats, global, out)?;
    if timeline {
        lines(&stats.timeline, global, out)?;
    }
    Ok(())
}

pub(super) fn line(out: &mut Out, name: &str, text: &str) -> Result<()> {
    let (faint, off) = (out.style.on(Ink::Faint), out.style.off());
    out.row(format_args!("{faint}{name:<10}{off} {text}"))
}

fn head(log: &OneLog, stats: &Stats, out: &mut Out) -> Result<()> {
    let (bold, off) = (out.style.on(Ink::Bold), out.style.off());
    let inflated = stats.records.as_ref().map_or(String::new(), |records| {
        let ratio = records.inflated_bytes as f64 / (stats.all.bytes.max(1)) as f64;
        format!(" · {} inflated ({ratio:.2})", bytes(records.inflated_bytes))
    });
    out.row(format_args!(
        "{bold}{}{off} · {} · {}{inflated} · {} in {}",
        log.name,
        many(stats.segments.len() as u64, "segment", "segments"),
        bytes(stats.size_bytes),
        many(stats.all.records, "record", "records"),
        many(stats.all.batches, "batch", "batches"),
    ))
}

fn sizes_in_words(sizes: &Histogram) -> String {
    format!(
        "avg {}  p50 {}  p99 {}  max {}",
        bytes(sizes.average() as u64),
        bytes(sizes.permille(500)),
        bytes(sizes.permille(990)),
        bytes(sizes.most)
    )
}

fn batches(stats: &Stats, out: &mut Out) -> Result<()> {
    let per_batch = stats.all.records as f64 / stats.all.batches.max(1) as f64;
    let single = share(stats.single_record, stats.all.batches);
    let sizes = sizes_in_words(&stats.batch_sizes);
    let at = count(stats.largest_batch_at.unsigned_abs());
    line(
        out,
        "batches",
        &format!("{per_batch:.1} records each   {sizes} @ {at}   single-record {single}"),
    )
}

fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    if part > 0 && percent < 0.1 { "< 0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

fn codecs(stats: &Stats, out: &mut Out) -> Result<()> {
    let mut codecs: Vec<_> = stats.codecs.iter().collect();
    codecs.sort_by_key(|(_, share)| std::cmp::Reverse(share.bytes));
    let words = codecs.iter().map(|(name, it)| {
        format!("{name} {} in {}", bytes(it.bytes), many(it.batches, "batch", "batches"))
    });
    let epochs = match stats.leader_epochs {
        Some((low, high)) if low == high => format!("   leader epoch {low}"),
        Some((low, high)) => format!("   leader epochs {low}–{high}"),
        None => String::new(),
    };
    line(out, "codecs", &format!("{}{epochs}", words.collect::<Vec<_>>().join(" · ")))
}

/// Producers by bytes.
fn by_bytes(stats: &Stats) -> Vec<(i64, Share)> {
    let mut all: Vec<_> = stats.producers.iter().map(|(id, share)| (*id, *share)).collect();
    all.sort_by_key(|(id, share)| (std::cmp::Reverse(share.bytes), *id));
    all
}

fn producers(stats: &Stats, top: usize, out: &mut Out) -> Result<()> {
    if stats.producers.is_empty() {
        return Ok(());
    }
    let all = by_bytes(stats);
    let first = all.iter().take(top.max(3)).map(|(id, it)| {
        format!("{id}: {} in {}", bytes(it.bytes), many(it.batches, "batch", "batches"))
    });
    let number = count(all.len() as u64);
    let txn = count(stats.transactional);
    let words = first.collect::<Vec<_>>().join(" · ");
    line(out, "producers", &format!("{number}   {words}   transactional batches {txn}"))
}

/// Keys by bytes.
fn keys(stats: &Stats, top: usize) -> Vec<(&[u8], u64, u64)> {
    let Some(records) = &stats.records else { return Vec::new() };
    let mut all: Vec<_> =
        records.keys.iter().map(|(key, it)| (key.as_slice(), it.0, it.1)).collect();
    all.sort_by_key(|(key, _, bytes)| (std::cmp::Reverse(*bytes), *key));
    all.truncate(top);
    all
}

/// A key as it may be shown.
fn key_text(key: &[u8], global: &Global) -> Vec<u8> {
    let hidden = Redact::of_key(&global.redact, key);
    let mut text = Vec::new();
    escaped(hidden.as_deref().unwrap_or(key), &mut text);
    text
}

fn tops(stats: &Stats, top: usize, (global, out): (&Global, &mut Out)) -> Result<()> {
    let Some(records) = stats.records.as_ref().filter(|_| top > 0) else { return Ok(()) };
    let mut grid = Grid::new(&[("LARGEST RECORDS", Align::Right), ("OFFSET", Align::Right)]);
    for (size, offset) in &records.largest {
        grid.row(vec![bytes(*size), offset.to_string()]);
    }
    grid.write(out)?;
    let name = if records.forgot_keys { "KEYS BY BYTES (ABOUT)" } else { "KEYS BY BYTES" };
    let columns = [(name, Align::Left), ("RECORDS", Align::Right), ("BYTES", Align::Right)];
    let mut grid = Grid::new(&columns);
    for (key, number, size) in keys(stats, top) {
        let mut text = key_text(key, global);
        shorten(&mut text, 60);
        grid.row(vec![String::from_utf8_lossy(&text).into_owned(), count(number), bytes(size)]);
    }
    grid.write(out)
}

fn plots(stats: &Stats, global: &Global, out: &mut Out) -> Result<()> {
    let (least, octaves) = stats.batch_sizes.octaves();
    if octaves.is_empty() {
        return Ok(());
    }
    let sizes = spark(&octaves);
    let most = bytes(stats.batch_sizes.most);
    line(out, "sizes", &format!("{sizes}  {} … {most}", bytes(least)))?;
    let Some((from, to, bars)) = stats.timeline.bars(PLOT) else { return Ok(()) };
    let times = global.times();
    let plot = spark(&squeeze(&bars, PLOT));
    line(out, "over time", &format!("{plot}  {} … {}", times.in_column(from), times.in_column(to)))
}

fn lines(timeline: &Timeline, global: &Global, out: &mut Out) -> Result<()> {
    let Some((from, to, bars)) = timeline.bars(LINES) else { return Ok(()) };
    let times = global.times();
    let most = bars.iter().copied().max().unwrap_or(1).max(1);
    for (number, records) in bars.iter().enumerate() {
        let span = i128::from(to) - i128::from(from);
        let at = i128::from(from) + span * number as i128 / bars.len() as i128;
        let bar = "█".repeat((40 * u128::from(*records) / u128::from(most)) as usize);
        let at = times.in_column(at as i64);
        out.row(format_args!("{at}  {:>12}  {bar}", count(*records)))?;
    }
    Ok(())
}

fn write_json(log: &OneLog, stats: &Stats, top: usize, (global, out): (&Global, &mut Vec<u8>)) {
    let mut line = Object::line("stat", out);
    line.text("schema", json::SCHEMA);
    line.text("path", &log.name);
    line.maybe_text("topic", log.partition.as_ref().map(|it| it.0.as_str()));
    line.maybe_number("partition", log.partition.as_ref().map(|it| it.1));
    line.size("segments", stats.segments.len() as u64);
    line.size("size", stats.size_bytes);
    line.size("batches", stats.all.batches);
    line.size("records", stats.all.records);
    line.size("markers", stats.markers);
    line.size("transactionalBatches", stats.transactional);
    line.maybe_number("startOffset", stats.offsets.map(|it| it.0));
    line.maybe_number("endOffset", stats.offsets.map(|it| it.1));
    let (places, missing) = stats.gaps.all();
    line.size("gaps", places);
    line.size("missingOffsets", missing);
    line.size("compactionGaps", stats.gaps.compaction());
    line.size("unexplainedGaps", stats.gaps.unexplained());
    line.size("damagedGaps", stats.gaps.damaged.0);
    line.maybe_number("firstTimestamp", stats.times.map(|it| it.0));
    line.maybe_number("lastTimestamp", stats.times.map(|it| it.1));
    line.size("outOfOrderBatches", stats.out_of_order);
    line.size("futureBatches", stats.future);
    line.size("largestBatch", stats.batch_sizes.most);
    line.size("medianBatch", stats.batch_sizes.permille(500));
    line.size("singleRecordBatches", stats.single_record);
    let mut codecs = Object::begin(line.field("codecs"));
    for (name, it) in &stats.codecs {
        json_share(it, codecs.field(name));
    }
    codecs.end();
    let mut producers = Object::begin(line.field("producers"));
    for (id, it) in by_bytes(stats).iter().take(top.max(10)) {
        json_share(it, producers.field(&id.to_string()));
    }
    producers.end();
    if let Some(records) = &stats.records {
        line.size("recordsRead", records.read);
        line.size("inflated", records.inflated_bytes);
        line.size("keyBytes", records.key_bytes);
        line.size("valueBytes", records.value_bytes);
        line.size("nullKeys", records.null_keys);
        line.size("tombstones", records.tombstones);
        line.size("largestRecord", records.sizes.most);
    }
    line.end_line();
    json_tops(stats, top, (global, out));
}

fn json_share(share: &Share, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.size("batches", share.batches);
    object.size("records", share.records);
    object.size("bytes", share.bytes);
    object.end();
}

fn json_tops(stats: &Stats, top: usize, (global, out): (&Global, &mut Vec<u8>)) {
    let Some(records) = stats.records.as_ref().filter(|_| top > 0) else { return };
    for (size, offset) in &records.largest {
        let mut line = Object::line("largestRecord", out);
        line.number("offset", *offset);
        line.size("bytes", *size);
        line.end_line();
    }
    for (key, number, size) in keys(stats, top) {
        let mut line = Object::line("topKey", out);
        let text = key_text(key, global);
        line.text("key", &String::from_utf8_lossy(&text));
        line.size("records", number);
        line.size("bytes", size);
        line.end_line();
    }
}
