//! A row as a plot: a bar for each subject, with its spread.

use std::fmt::Write;

use crate::rows::{Measured, Row};
use crate::table::{median, spread};

const BAR: usize = 22;
const LABEL: f64 = 290.0;
const WIDTH: f64 = 420.0;

/// A row's name as the name of a file.
pub fn file_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// The plot.
pub fn svg(row: &Row, measured: &[Measured]) -> String {
    let mut bars: Vec<_> = measured.iter().collect();
    bars.sort_by(|a, b| median(&b.speeds).total_cmp(&median(&a.speeds)));
    let most = bars.iter().map(|it| spread(&it.speeds).1).fold(1e-9, f64::max);
    let height = 34 + BAR * bars.len();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"18\" font-weight=\"bold\">{} ({})</text>\n",
        row.name, row.unit,
    );
    for (number, it) in bars.iter().enumerate() {
        let top = 28 + number * BAR;
        let (middle, text) = (top as f64 + 8.0, top + 12);
        let (value, (low, high)) = (median(&it.speeds), spread(&it.speeds));
        let x = |value: f64| LABEL + WIDTH * value / most;
        let colour = match it.name {
            name if name.starts_with("strandline") => "#1f6f8b",
            name if name == row.limit => "#b0b7bd",
            _ => "#d9a441",
        };
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LABEL}\" y=\"{top}\" width=\"{:.1}\" height=\"16\" fill=\"{colour}\"/>\n\
             <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#333\"/>\n\
             <text x=\"{:.1}\" y=\"{text}\">{value:.0}</text>",
            LABEL - 8.0,
            it.name,
            WIDTH * value / most,
            x(low),
            x(high),
            x(high) + 6.0,
        );
    }
    out.push_str("</svg>\n");
    out
}
