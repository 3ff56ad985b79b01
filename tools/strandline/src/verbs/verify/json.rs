//! Findings as JSON lines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use strandline::{Detail, Explanation, Finding, Report, Severity};

use super::words;
use crate::exit::Result;
use crate::output::Out;
use crate::output::json::{self, Object};

/// A line for each finding, and one summary.
pub(super) fn write(
    report: &Report,
    names: &BTreeMap<PathBuf, String>,
    out: &mut Out,
) -> Result<()> {
    for found in &report.findings {
        finding(found, &words::name_in(names, &found.path), out.line());
        out.settle()?;
    }
    let sum = |of: fn(&strandline::VerifiedLog) -> u64| report.logs.iter().map(of).sum::<u64>();
    let mut line = Object::line("summary", out.line());
    line.text("schema", json::SCHEMA);
    line.size("files", report.logs.len() as u64);
    line.size("batches", sum(|log| log.batches));
    line.size("records", sum(|log| log.records));
    line.size("errors", report.count(Severity::Error));
    line.size("warnings", report.count(Severity::Warning));
    line.size("bytes", sum(|log| log.size_bytes));
    line.end_line();
    out.settle()
}

/// One finding. The fields that its kind does not have are left out.
pub(crate) fn finding(finding: &Finding, path: &str, out: &mut Vec<u8>) {
    let mut line = Object::line("finding", out);
    line.text("code", finding.code.name());
    line.text("severity", words::severity(finding.severity));
    line.text("path", path);
    if let Some(position) = finding.position {
        line.size("position", position);
        line.size("size", finding.size_bytes);
    }
    if let Some((first, last)) = finding.offsets {
        line.number("baseOffset", first);
        line.number("lastOffset", last);
    }
    line.text("message", finding.code.summary());
    match &finding.detail {
        Detail::Crc { stored, computed, .. } => {
            line.number("stored", i64::from(*stored));
            line.number("computed", i64::from(*computed));
        }
        Detail::None => {}
        _ => line.text("detail", &words::detail(finding)),
    }
    match finding.explanation {
        Some(Explanation::FlippedBit { byte, bit, .. }) => {
            let mut flip = Object::begin(line.field("bitflip"));
            flip.size("byte", byte);
            flip.number("bit", i64::from(bit));
            flip.end();
        }
        Some(Explanation::Length { fits, .. }) => line.number("fitsLength", fits),
        Some(Explanation::Magic { fits, .. }) => line.number("fitsMagic", i64::from(fits)),
        _ => {}
    }
    if finding.records > 0 {
        line.size("records", finding.records);
    }
    if let Some((position, offset)) = finding.resumed {
        line.size("resumedAt", position);
        line.number("resumedOffset", offset);
    }
    if finding.more > 0 {
        line.size("more", finding.more);
    }
    line.end_line();
}
