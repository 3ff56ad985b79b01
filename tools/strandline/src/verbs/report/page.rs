//! The page: what it says, and how it looks in the light, in the dark and on a phone.

use std::fmt::Write;

use super::{Bytes, Told};
use crate::output::escape::escaped as readable;
use crate::output::human::{bytes, count};
use crate::paths::OneLog;
use crate::time::Times;
use crate::verbs::stat::gather::Stats;
use crate::verbs::stat::svg::{escaped, over_time, sizes};

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5c6878;--paper:#fbfbfd;--card:#fff;--line:#dfe4ec;--bar:#2a6fdb;--bad:#c62828;--warn:#b26a00}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf3;--soft:#9aa6b8;--paper:#12161d;--card:#1a2029;--line:#2c3542;--bar:#6aa3ff;--bad:#ff7b72;--warn:#e3a13b}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto}
h1{font-size:1.4rem;margin:.5rem 0 1rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;overflow-wrap:anywhere}h3{font-size:1rem;margin:1.2rem 0 .4rem;color:var(--soft);font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.6rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}
.card b{display:block;font-size:1.2rem;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.85rem}
svg{width:100%;height:auto;display:block}svg rect{fill:var(--bar)}svg text{fill:var(--soft);font-size:12px}
svg .track{fill:var(--line)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right}
.finding{background:var(--card);border:1px solid var(--line);border-left:.3rem solid var(--warn);border-radius:.4rem;padding:.6rem .8rem;margin:.6rem 0}
.finding.error{border-left-color:var(--bad)}.finding p{margin:0 0 .4rem;overflow-wrap:anywhere}
pre{margin:0;overflow-x:auto;font:13px/1.45 ui-monospace,monospace}mark{background:var(--bad);color:var(--paper)}
.ok{color:var(--soft)}
@media(max-width:32rem){svg{overflow:visible;margin-bottom:.4rem}svg text{font-size:24px}td:not(.n){white-space:normal;overflow-wrap:anywhere}}
";

/// The whole page.
pub(super) fn page(sections: &[String]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>strandline report</title><style>{STYLE}</style></head><body><main>\
         <h1>strandline report</h1>{}</main></body></html>\n",
        sections.concat()
    )
}

/// What the page says of one log.
pub(super) fn section(log: &OneLog, stats: &Stats, told: &[Told], times: &Times) -> String {
    let mut html = format!("<section><h2>{}</h2>", escaped(&log.name));
    cards(stats, &mut html);
    if let Some((from, to)) = stats.times {
        let (from, to) = (times.in_column(from), times.in_column(to));
        let zone = times.heading("").trim().to_owned();
        let _ = write!(html, "<p>{} to {} {}</p>", escaped(&from), escaped(&to), escaped(&zone));
    }
    findings(told, &mut html);
    html.push_str("<h3>Segments over time</h3>");
    segments(stats, times, &mut html);
    let _ = write!(html, "<h3>Records over time</h3>{}", over_time(stats, times));
    let _ = write!(html, "<h3>Batches by size</h3>{}", sizes(stats));
    codecs(stats, &mut html);
    producers(stats, &mut html);
    largest(stats, &mut html);
    html.push_str("</section>");
    html
}

fn card(name: &str, value: &str, html: &mut String) {
    let _ = write!(html, "<div class=\"card\"><b>{}</b><span>{name}</span></div>", escaped(value));
}

fn cards(stats: &Stats, html: &mut String) {
    html.push_str("<div class=\"cards\">");
    card("records", &count(stats.all.records), html);
    card("batches", &count(stats.all.batches), html);
    card("segments", &count(stats.segments.len() as u64), html);
    card("on disk", &bytes(stats.size_bytes), html);
    if let Some(records) = &stats.records {
        let ratio = records.inflated_bytes as f64 / stats.all.bytes.max(1) as f64;
        card("inflated", &format!("{} ({ratio:.2})", bytes(records.inflated_bytes)), html);
        card("largest record", &bytes(records.sizes.most), html);
        card("tombstones", &count(records.tombstones), html);
    }
    if let Some((from, to)) = stats.offsets {
        card("offsets", &format!("{from} – {}", to - 1), html);
    }
    let (places, offsets) = stats.gaps.all();
    let gaps = format!("{} ({} offsets)", count(places), count(offsets));
    card("gaps", &gaps, html);
    card("transaction markers", &count(stats.markers), html);
    html.push_str("</div>");
}

fn findings(told: &[Told], html: &mut String) {
    html.push_str("<h3>Findings</h3>");
    if told.is_empty() {
        html.push_str("<p class=\"ok\">None: every batch passes its checksum.</p>");
    }
    for finding in told {
        let _ = write!(
            html,
            "<div class=\"finding {0}\"><p><b>{0}</b> {1}: {2}</p>",
            finding.severity,
            escaped(&finding.file),
            escaped(&finding.text)
        );
        if let Some(bytes) = &finding.bytes {
            html.push_str("<pre>");
            hex(bytes, html);
            html.push_str("</pre>");
        }
        html.push_str("</div>");
    }
}

/// Sixteen bytes a line, the place of the finding marked.
fn hex(bytes: &Bytes, html: &mut String) {
    let from = bytes.from;
    for (number, line) in bytes.shown.chunks(16).enumerate() {
        let _ = write!(html, "{:>10}  ", from + 16 * number as u64);
        for (at, byte) in line.iter().enumerate() {
            let marked = number * 16 + at == bytes.marked;
            let (on, off) = if marked { ("<mark>", "</mark>") } else { ("", "") };
            let _ = write!(html, "{on}{byte:02x}{off} ");
        }
        let pad = "   ".repeat(16 - line.len());
        let text: String =
            line.iter()
                .map(|byte| {
                    if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '·' }
                })
                .collect();
        let _ = writeln!(html, "{pad} {}", escaped(&text));
    }
}

/// A bar for each segment, from its first time to its last.
fn segments(stats: &Stats, times: &Times, html: &mut String) {
    let Some((from, to)) = stats.times else { return };
    let span = (to as f64 - from as f64).max(1.0);
    let most = 40;
    let shown = stats.segments.len().min(most);
    let height = 14 * shown + 22;
    let _ = write!(html, "<svg viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"Segments\">");
    for (number, segment) in stats.segments.iter().rev().take(most).enumerate() {
        let y = 14 * number;
        let _ = write!(
            html,
            "<rect class=\"track\" x=\"0\" y=\"{y}\" width=\"720\" height=\"10\" rx=\"2\"/>"
        );
        let (Some(first), Some(last)) = (segment.first_ms, segment.last_ms) else { continue };
        let x = 720.0 * (first as f64 - from as f64) / span;
        let width = (720.0 * (last as f64 - first as f64) / span).clamp(3.0, 720.0);
        let _ = write!(
            html,
            "<rect x=\"{:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"10\" rx=\"2\"><title>{}, {}, {} to {}</title></rect>",
            x.min(717.0),
            escaped(&segment.name),
            bytes(segment.size_bytes),
            escaped(&times.in_column(first)),
            escaped(&times.in_column(last)),
        );
    }
    let (y, from, to) = (height - 6, times.in_column(from), times.in_column(to));
    let _ = write!(
        html,
        "<text x=\"0\" y=\"{y}\">{}</text><text x=\"720\" y=\"{y}\" text-anchor=\"end\">{}</text></svg>",
        escaped(&from),
        escaped(&to)
    );
    if stats.segments.len() > most {
        let _ = write!(html, "<p class=\"ok\">the last {most} of {}</p>", stats.segments.len());
    }
}

/// A table; names that begin with `#` head columns of numbers.
fn table(title: &str, names: &[&str], rows: &[Vec<String>], html: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(html, "<h3>{title}</h3><div class=\"scroll\"><table><tr>");
    let class = |name: &str| if name.starts_with('#') { " class=\"n\"" } else { "" };
    for name in names {
        let _ = write!(html, "<th{}>{}</th>", class(name), name.trim_start_matches('#'));
    }
    html.push_str("</tr>");
    for row in rows {
        html.push_str("<tr>");
        for (cell, name) in row.iter().zip(names) {
            let _ = write!(html, "<td{}>{}</td>", class(name), escaped(cell));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
}

fn codecs(stats: &Stats, html: &mut String) {
    let row = |(name, it): (&String, &crate::verbs::stat::gather::Share)| {
        vec![name.clone(), count(it.batches), count(it.records), bytes(it.bytes)]
    };
    let rows: Vec<_> = stats.codecs.iter().map(row).collect();
    table("Codecs", &["codec", "#batches", "#records", "#bytes"], &rows, html);
}

fn producers(stats: &Stats, html: &mut String) {
    let mut all: Vec<_> = stats.producers.iter().collect();
    all.sort_by_key(|(id, it)| (std::cmp::Reverse(it.bytes), **id));
    let row = |(id, it): &(&i64, &crate::verbs::stat::gather::Share)| {
        vec![id.to_string(), count(it.batches), count(it.records), bytes(it.bytes)]
    };
    let rows: Vec<_> = all.iter().take(20).map(row).collect();
    table("Producers", &["producer id", "#batches", "#records", "#bytes"], &rows, html);
}

fn largest(stats: &Stats, html: &mut String) {
    let Some(records) = &stats.records else { return };
    let row = |(size, offset): &(u64, i64)| vec![offset.to_string(), bytes(*size)];
    let rows: Vec<_> = records.largest.iter().map(row).collect();
    table("Largest records", &["offset", "#size"], &rows, html);
    let mut keys: Vec<_> = records.keys.iter().collect();
    keys.sort_by_key(|(key, it)| (std::cmp::Reverse(it.1), *key));
    let row = |(key, it): &(&Vec<u8>, &(u64, u64))| {
        let mut text = Vec::new();
        readable(key, &mut text);
        let text: String = String::from_utf8_lossy(&text).chars().take(60).collect();
        vec![text, count(it.0), bytes(it.1)]
    };
    let rows: Vec<_> = keys.iter().take(10).map(row).collect();
    table("Keys by bytes", &["key", "#records", "#bytes"], &rows, html);
}
