//! The table, as Markdown.

use std::fmt::Write;
use std::time::Duration;

use crate::rows::{Measured, Row};
use crate::subject::Subject;

/// A row: a line for each subject, the fastest first.
pub fn markdown(row: &Row, measured: &[Measured]) -> String {
    let of = |name: &str| measured.iter().find(|it| it.name == name);
    let (ours, limit) = (of("strandline"), of(row.limit));
    let has_latencies = measured.iter().any(|it| !it.each.is_empty());
    let mut lines: Vec<_> = measured.iter().collect();
    lines.sort_by(|a, b| median(&b.speeds).total_cmp(&median(&a.speeds)));
    let mut out = format!("\n**{}**\n\n| | {} | spread |", row.name, row.unit);
    let more = if has_latencies { " p50 µs | p99 µs |" } else { "" };
    let _ = writeln!(out, "{more} of the limit | strandline is |");
    let rules = if has_latencies { "---:|---:|" } else { "" };
    let _ = writeln!(out, "|---|---:|---:|{rules}---:|---:|");
    for it in lines {
        let speed = |value: f64| {
            if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
        };
        let (least, most) = spread(&it.speeds);
        let _ = write!(out, "| {} | {} |", it.name, speed(median(&it.speeds)));
        let _ = write!(out, " {} – {} |", speed(least), speed(most));
        if has_latencies {
            let _ = write!(out, " {:.0} | {:.0} |", micros(&it.each, 0.5), micros(&it.each, 0.99));
        }
        let ratio = |a: Option<&Measured>, b: Option<&Measured>| match (a, b) {
            (Some(a), Some(b)) => format!("{:.2}", ratio(a, b)),
            _ => "—".to_owned(),
        };
        let _ = writeln!(out, " {} | {} × |", ratio(Some(it), limit), ratio(ours, Some(it)));
    }
    out
}

/// What each subject promises.
pub fn promises(subjects: &[Box<dyn Subject>]) -> String {
    let mut out = "\n| | checksummed | a durable row survives |\n|---|---|---|\n".to_owned();
    for subject in subjects {
        let promise = subject.promise();
        let checksummed = if promise.checksummed { "yes" } else { "no" };
        let _ = writeln!(out, "| {} | {checksummed} | {} |", subject.name(), promise.durable);
    }
    out
}

/// The median of the ratios of the same rounds.
pub fn ratio(a: &Measured, b: &Measured) -> f64 {
    let ratios: Vec<_> = a.speeds.iter().zip(&b.speeds).map(|(a, b)| a / b).collect();
    median(&ratios)
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

pub fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, 0.0), |(least, most), &it| (least.min(it), f64::max(most, it)))
}

fn micros(each: &[Duration], at: f64) -> f64 {
    let mut sorted = each.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len().saturating_sub(1) as f64 * at) as usize;
    sorted.get(place).map_or(f64::NAN, |it| it.as_secs_f64() * 1e6)
}
