//! The pictures of `stat` as SVG, for files and for the report.

use std::fmt::Write;

use super::gather::Stats;
use crate::output::human::{bytes, count};
use crate::time::Times;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;
/// Room for what stands below the bars.
const FOOT: f64 = 22.0;
/// A bar is not wider, however few there are.
const WIDEST: f64 = 60.0;
/// Bars of a picture over time.
const BARS: usize = 96;

/// A bar: how high it is, and what it says of itself.
pub(crate) struct Bar {
    pub(crate) value: u64,
    pub(crate) title: String,
}

/// A picture of bars, with what stands below its ends. Colours come from around it.
pub(crate) fn bars(title: &str, bars: &[Bar], from: &str, to: &str) -> String {
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or(1).max(1);
    let step = (WIDTH / bars.len().max(1) as f64).min(WIDEST);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\" class=\"bars\">",
        HEIGHT + FOOT,
        escaped(title)
    );
    for (number, bar) in bars.iter().enumerate().filter(|(_, bar)| bar.value > 0) {
        let height = (HEIGHT * bar.value as f64 / most as f64).max(1.5);
        let _ = write!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            step * number as f64,
            HEIGHT - height,
            (step - 1.0).max(1.0),
            escaped(&bar.title)
        );
    }
    let y = HEIGHT + 16.0;
    let _ = write!(svg, "<text x=\"0\" y=\"{y}\">{}</text>", escaped(from));
    let end =
        format!("<text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{}</text></svg>", escaped(to));
    svg.push_str(&end);
    svg
}

/// How many batches there are of each size.
pub(crate) fn sizes(stats: &Stats) -> String {
    let (least, octaves) = stats.batch_sizes.octaves();
    let bar = |(number, &value): (usize, &u64)| {
        let from = if least == 0 && number == 0 { 0 } else { least.max(4) << number };
        Bar { value, title: format!("{} batches from {}", count(value), bytes(from)) }
    };
    let all: Vec<Bar> = octaves.iter().enumerate().map(bar).collect();
    bars("Batch sizes", &all, &bytes(least), &bytes(stats.batch_sizes.most))
}

/// Records over time.
pub(crate) fn over_time(stats: &Stats, times: &Times) -> String {
    let Some((from, to, values)) = stats.timeline.bars(BARS) else { return String::new() };
    let span = i128::from(to) - i128::from(from);
    let bar = |(number, &value): (usize, &u64)| {
        let at = i128::from(from) + span * number as i128 / values.len() as i128;
        let at = times.in_column(at as i64);
        Bar { value, title: format!("{at}: {} records", count(value)) }
    };
    let all: Vec<Bar> = values.iter().enumerate().map(bar).collect();
    bars("Records over time", &all, &times.in_column(from), &times.in_column(to))
}

/// Text within XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Both pictures as a file of their own.
pub(super) fn standalone(name: &str, stats: &Stats, times: &Times) -> String {
    let (time, sizes) = (over_time(stats, times), sizes(stats));
    let at = |y: u32, svg: &str| {
        svg.replacen("<svg ", &format!("<svg x=\"20\" y=\"{y}\" width=\"720\" height=\"172\" "), 1)
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 470\" font-family=\"sans-serif\" \
         font-size=\"13\"><style>rect{{fill:#2a6fdb}}text{{fill:#555}}</style>\
         <rect width=\"760\" height=\"470\" style=\"fill:#fff\"/>\
         <text x=\"20\" y=\"26\" font-size=\"16\">{}</text>\
         <text x=\"20\" y=\"52\">Records over time</text>{}\
         <text x=\"20\" y=\"262\">Batches by size</text>{}</svg>\n",
        escaped(name),
        at(62, &time),
        at(272, &sizes)
    )
}
