//! Findings in words.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use strandline::record::BatchError;
use strandline::{Code, Detail, Explanation, Finding, Report, Severity, VerifiedLog};

use crate::exit::name_of;
use crate::global::Global;
use crate::layout::batch::place_of;
use crate::output::human::{bytes, count, many, span};
use crate::output::style::{Ink, Style};
use crate::reading;

/// No batch that is larger is read to name a field.
const MOST_NAMED: usize = 16 << 20;

/// How bad, in a word.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// What the user knows a path as.
pub(crate) fn name_in(names: &BTreeMap<PathBuf, String>, path: &Path) -> String {
    names.get(path).cloned().unwrap_or_else(|| name_of(path))
}

/// What stands behind the summary of a finding.
pub(crate) fn detail(finding: &Finding) -> String {
    match &finding.detail {
        Detail::None | Detail::Crc { .. } => String::new(),
        Detail::Batch(cause) => batch_error(*cause),
        Detail::Record(cause) => cause.to_string(),
        Detail::Snapshot(cause) => cause.to_string(),
        Detail::Txn(cause) => cause.to_string(),
        Detail::Number { what, found, against } => format!("{found}, {what} {against}"),
        Detail::Count(bytes) => many(*bytes, "byte", "bytes"),
        Detail::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn batch_error(cause: BatchError) -> String {
    match cause {
        BatchError::Incomplete { have, need } => {
            let length = need.saturating_sub(12);
            format!("batch claims length {length}, only {have} bytes are left")
        }
        BatchError::LengthTooSmall(length) => {
            format!("batch claims length {length}, the minimum is 49")
        }
        other => other.to_string(),
    }
}

/// Words for a report.
pub(crate) struct Words<'a> {
    most_inflated: usize,
    names: &'a BTreeMap<PathBuf, String>,
}

impl<'a> Words<'a> {
    pub(crate) fn new(global: &Global, names: &'a BTreeMap<PathBuf, String>) -> Self {
        Words { most_inflated: global.max_inflated().min(MOST_NAMED), names }
    }

    /// The line that a file begins with.
    pub(super) fn head(name: &str, log: Option<&VerifiedLog>, fails: bool, style: Style) -> String {
        let (word, ink) = if fails { ("FAIL", Ink::Bad) } else { ("PASS", Ink::Good) };
        let mut head = format!("{}{word}{} {name}", style.on(ink), style.off());
        if let Some(log) = log {
            let (batches, records) =
                (many(log.batches, "batch", "batches"), many(log.records, "record", "records"));
            let size = bytes(log.size_bytes);
            let _ = write!(head, "  {size}, {batches}, {records}");
        }
        head
    }

    /// A finding on one line, without what helps.
    pub(crate) fn in_short(&self, finding: &Finding) -> String {
        let detail = crate::output::escape::one_line(&detail(finding));
        let parts = [place(finding), detail, self.explanation(finding), resumed(finding)];
        let mut line = format!("[{}] {}", finding.code.name(), finding.code.summary());
        for part in parts.iter().filter(|part| !part.is_empty()) {
            line.push_str("; ");
            line.push_str(part);
        }
        line
    }

    /// The lines of a finding.
    pub(super) fn finding(&self, finding: &Finding, style: Style) -> Vec<String> {
        let word = severity(finding.severity);
        let ink = if finding.severity == Severity::Error { Ink::Bad } else { Ink::Bold };
        let code = finding.code.name();
        let summary = finding.code.summary();
        let mut lines = vec![format!("  {}{word}[{code}]{} {summary}", style.on(ink), style.off())];
        let mut add = |line: String| {
            if !line.is_empty() {
                lines.push(format!("    {line}"));
            }
        };
        add(place(finding));
        if let Detail::Crc { stored, computed, covered } = &finding.detail {
            let (from, to) = (covered.start, covered.end);
            add(format!(
                "stored {stored:#010x}, computed {computed:#010x} over bytes {from}..{to}"
            ));
        } else {
            add(crate::output::escape::one_line(&detail(finding)));
        }
        add(self.explanation(finding));
        add(resumed(finding));
        if finding.more > 0 {
            add(format!("and {} more of this kind in this file", count(finding.more)));
        }
        if finding.severity == Severity::Error {
            add(self.help(finding));
        }
        lines
    }

    fn explanation(&self, finding: &Finding) -> String {
        match finding.explanation {
            Some(Explanation::FlippedBit { byte, bit, found }) => {
                let was = found ^ 1 << bit;
                let place = self.place_of(finding, byte, bit).unwrap_or_default();
                format!(
                    "exactly one flipped bit explains this: byte {byte} bit {bit} ({} for {}){place}",
                    shown(found),
                    shown(was)
                )
            }
            Some(Explanation::Length { fits, .. }) => {
                format!("with length {fits} the CRC holds and the next batch follows")
            }
            Some(Explanation::Magic { fits, .. }) => {
                format!("with magic {fits} the CRC holds and the next batch follows")
            }
            _ if matches!(finding.code, Code::BatchCrc) && finding.severity < Severity::Error => {
                "no single flipped bit explains this: a torn write and rot look alike here".into()
            }
            _ => String::new(),
        }
    }

    /// Which field a flipped bit lies in.
    fn place_of(&self, finding: &Finding, byte: u64, bit: u8) -> Option<String> {
        let is_batch = matches!(finding.code, Code::BatchCrc | Code::UnknownMagic)
            || (finding.code == Code::ManifestDiffers && finding.header.is_some());
        let position = finding.position.filter(|_| is_batch)?;
        let len = usize::try_from(finding.size_bytes).ok().filter(|&len| len <= MOST_NAMED)?;
        let file = reading::open(&finding.path).ok()?;
        let mut batch = vec![0; len];
        let have = reading::read_at(&file, &mut batch, position).ok()?;
        batch.truncate(have);
        let at = usize::try_from(byte.checked_sub(position)?).ok()?;
        *batch.get_mut(at)? ^= 1 << bit;
        Some(format!(", {}", place_of(&batch, at, self.most_inflated)))
    }

    fn help(&self, finding: &Finding) -> String {
        let is_in_log = finding.path.extension().is_some_and(|end| end == "log");
        if !is_in_log || self.names.contains_key(&finding.path) && !finding.path.is_file() {
            return String::new();
        }
        let partition = finding.path.parent().map(Path::to_path_buf).unwrap_or_default();
        let partition = if partition.as_os_str().is_empty() { ".".into() } else { partition };
        let partition = name_of(&partition);
        match finding.position {
            Some(position) => {
                let file = name_of(&finding.path);
                let shown = if is_only_segment(&finding.path) { &partition } else { &file };
                format!(
                    "help: `strandline explain {shown} --position {position}` shows the bytes, \
                     `strandline repair {partition}` plans a mend"
                )
            }
            None => format!("help: `strandline repair {partition}` plans a mend"),
        }
    }
}

/// Whether no other segment lies beside a `.log`: then its directory stands for it.
fn is_only_segment(path: &Path) -> bool {
    let Some(Ok(entries)) = path.parent().map(std::fs::read_dir) else { return false };
    let is_log = |path: &Path| path.extension().is_some_and(|end| end == "log");
    entries
        .flatten()
        .all(|entry| !is_log(&entry.path()) || entry.path().file_name() == path.file_name())
}

/// What explains a finding, and what it means, for who sees its bytes.
pub(crate) fn explained(finding: &Finding) -> Vec<String> {
    let flip = match finding.explanation {
        Some(Explanation::FlippedBit { byte, bit, found }) => {
            let was = found ^ 1 << bit;
            let (found, was) = (shown(found), shown(was));
            format!(
                "exactly one flipped bit explains this: byte {byte} bit {bit} ({found} for {was})"
            )
        }
        Some(Explanation::Length { fits, .. }) => {
            format!("with length {fits} the CRC holds and the next batch follows")
        }
        Some(Explanation::Magic { fits, .. }) => {
            format!("with magic {fits} the CRC holds and the next batch follows")
        }
        _ => String::new(),
    };
    [flip, resumed(finding)].into_iter().filter(|line| !line.is_empty()).collect()
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("{byte:#04x} '{}'", char::from(byte))
    } else {
        format!("{byte:#04x}")
    }
}

fn place(finding: &Finding) -> String {
    let mut parts = Vec::new();
    if let Some(position) = finding.position {
        parts.push(format!("at byte {position}"));
    }
    if let Some((first, last)) = finding.offsets {
        parts.push(span(first, last));
    }
    if finding.size_bytes > 0 {
        parts.push(many(finding.size_bytes, "byte", "bytes"));
    }
    if let Some(header) = &finding.header {
        parts.push(format!("codec {}", crate::output::json::codec_name(header)));
        if let Some(epoch) = header.leader_epoch() {
            parts.push(format!("leader epoch {epoch}"));
        }
    }
    parts.join(", ")
}

fn resumed(finding: &Finding) -> String {
    let Some((position, offset)) = finding.resumed else { return String::new() };
    let records = many(finding.records, "record", "records");
    if finding.header.is_some() {
        return format!(
            "next batch at byte {position} is intact: the damage is confined to 1 batch, {records}"
        );
    }
    let confined = if finding.records > 0 { format!(", {records} are hit") } else { String::new() };
    format!(
        "resumed at byte {position} (offset {offset}) after {}{confined}",
        many(finding.size_bytes, "byte", "bytes")
    )
}

/// The last line.
pub(super) fn summary(report: &Report) -> String {
    let files = many(report.logs.len() as u64, "file", "files");
    let errors = many(report.count(Severity::Error), "error", "errors");
    let warnings = many(report.count(Severity::Warning), "warning", "warnings");
    let mut line = format!("{files} · {errors}, {warnings}");
    let bad = report.findings.iter().filter(|finding| {
        finding.severity == Severity::Error && !finding.code.name().starts_with("TIM")
    });
    // Findings of one batch are about the same records.
    let mut places: Vec<_> =
        bad.map(|it| ((&it.path, it.position, it.offsets), it.records)).collect();
    places.sort_unstable();
    places.dedup_by_key(|(place, _)| *place);
    let hit: u64 = places.iter().map(|(_, records)| records).sum();
    if hit > 0 {
        let all: u64 = report.logs.iter().map(|log| log.records).sum();
        let all = many(all.max(hit), "record", "records");
        let _ = write!(line, " · {} of {all} affected", count(hit));
    }
    line
}
