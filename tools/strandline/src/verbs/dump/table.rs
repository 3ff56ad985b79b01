//! Batches as a table.

use std::fmt::Write as _;
use std::io::Write as _;

use strandline::record::BatchHeader;

use crate::output::human::{bytes, many, span};
use crate::output::json::codec_name;
use crate::output::style::{Ink, Style};
use crate::time::Times;

/// What a log holds at a first look: for the line above the table, and for its widths.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) batches: u64,
    pub(super) records: u64,
    offsets: Option<(i64, i64)>,
    cells: usize,
}

impl Survey {
    pub(super) fn add(&mut self, header: &BatchHeader) {
        self.batches += 1;
        self.records += u64::try_from(header.record_count()).unwrap_or(0);
        let (first, last) = (header.base_offset(), header.last_offset());
        let (low, high) = self.offsets.unwrap_or((first, last));
        self.offsets = Some((low.min(first), high.max(last)));
        self.cells = self.cells.max(offsets(header).chars().count());
    }

    /// The line above the table.
    pub(super) fn heading(&self, name: &str, size_bytes: u64, style: Style) -> String {
        let (on, off) = (style.on(Ink::Bold), style.off());
        let mut line = format!(
            "{on}{name}{off}  {} · {} · {}",
            bytes(size_bytes),
            many(self.batches, "batch", "batches"),
            many(self.records, "record", "records")
        );
        if let Some((first, last)) = self.offsets {
            let _ = write!(line, " · {}", span(first, last));
        }
        line
    }
}

/// A batch, as a row shows it.
pub(super) struct Row<'a> {
    pub(super) position: u64,
    pub(super) header: &'a BatchHeader,
    /// What a control batch says.
    pub(super) marker: Option<String>,
    pub(super) crc_ok: bool,
}

/// The table's columns.
pub(super) struct Table {
    style: Style,
    /// Cut rows to so many columns.
    width: Option<usize>,
    offsets: usize,
    times: Times,
}

/// The cells of a row, and for each whether it is set to the right, and its width.
type Cell<'a> = (&'a str, bool, usize);

impl Table {
    pub(super) fn new(survey: &Survey, style: Style, width: Option<usize>, times: Times) -> Table {
        Table { style, width, offsets: survey.cells.max(7), times }
    }

    /// Appends the line of column names.
    pub(super) fn columns(&self, out: &mut Vec<u8>) {
        let names = [
            "POSITION",
            "OFFSETS",
            "N",
            &self.times.heading("MAX TIME"),
            "CODEC",
            "SIZE",
            "PRODUCER",
            "SEQ",
            "EPOCH",
            "FLAGS",
            "CRC",
        ];
        self.row(names, Some(Ink::Faint), out);
    }

    /// Appends the line of a batch.
    pub(super) fn batch(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        let Row { position, header, marker, crc_ok } = row;
        let mut time = Vec::new();
        match header.max_timestamp() {
            Some(ms) => self.times.column(ms, &mut time),
            None => time.extend_from_slice("–".as_bytes()),
        }
        let dash = || "–".to_owned();
        let producer = match (header.producer_id(), header.producer_epoch()) {
            (Some(id), Some(epoch)) => format!("{id}/{epoch}"),
            (Some(id), None) => id.to_string(),
            (None, _) => dash(),
        };
        let sequence = match (header.base_sequence(), header.last_sequence()) {
            (Some(base), Some(last)) if base == last => base.to_string(),
            (Some(base), Some(last)) => format!("{base}–{last}"),
            _ => dash(),
        };
        let cells = [
            position.to_string(),
            offsets(header),
            header.record_count().to_string(),
            String::from_utf8_lossy(&time).into_owned(),
            codec_name(header),
            header.size_bytes().to_string(),
            producer,
            sequence,
            header.leader_epoch().map_or_else(dash, |epoch| epoch.to_string()),
            flags(header, marker.as_deref()),
            if *crc_ok { "ok" } else { "BAD" }.to_owned(),
        ];
        self.row(cells.each_ref().map(String::as_str), (!*crc_ok).then_some(Ink::Bad), out);
    }

    fn row(&self, cells: [&str; 11], ink: Option<Ink>, out: &mut Vec<u8>) {
        let [position, offsets, n, time, codec, size, producer, sequence, epoch, flags, crc] =
            cells;
        let cells: [Cell<'_>; 11] = [
            (position, true, 9),
            (offsets, false, self.offsets),
            (n, true, 4),
            (time, false, 24),
            (codec, false, 6),
            (size, true, 6),
            (producer, false, 10),
            (sequence, false, 8),
            (epoch, true, 5),
            (flags, false, 7),
            (crc, false, 0),
        ];
        let mut left = self.width.unwrap_or(usize::MAX);
        let is_row = ink.is_none();
        let _ = out.write_all(ink.map_or("", |ink| self.style.on(ink)).as_bytes());
        for (number, (text, right, width)) in cells.into_iter().enumerate() {
            let gap = if number == 0 { "" } else { "  " };
            let padded =
                if right { format!("{gap}{text:>width$}") } else { format!("{gap}{text:<width$}") };
            let cut: String = padded.chars().take(left).collect();
            left -= cut.chars().count();
            let ink = match number {
                1 if is_row => self.style.on(Ink::Offset),
                5 | 10 if is_row => self.style.on(Ink::Good),
                _ => "",
            };
            let off = if ink.is_empty() { "" } else { self.style.off() };
            let _ = write!(out, "{ink}{cut}{off}");
        }
        let _ = out.write_all(if is_row { "" } else { self.style.off() }.as_bytes());
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }
}

fn offsets(header: &BatchHeader) -> String {
    match (header.base_offset(), header.last_offset()) {
        (base, last) if base == last => base.to_string(),
        (base, last) => format!("{base}–{last}"),
    }
}

/// What is special about a batch. A marker's end says it all.
fn flags(header: &BatchHeader, marker: Option<&str>) -> String {
    let attributes = header.attributes();
    let mut flags = Vec::new();
    match marker {
        Some(marker) => flags.push(marker),
        None if attributes.is_control() => flags.push("control"),
        None if attributes.is_transactional() => flags.push("txn"),
        None => {}
    }
    if attributes.timestamp_type() == strandline::record::TimestampType::LogAppendTime {
        flags.push("append-time");
    }
    if attributes.has_delete_horizon() {
        flags.push("horizon");
    }
    flags.join(",")
}
