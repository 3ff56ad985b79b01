//! A `.timeindex` against its log: each entry while the batches go by.

use std::path::Path;

use super::order::Damaged;
use crate::finding::{Code, Detail, Finding, Findings, Severity};
use crate::index::{TIME_ENTRY_LEN, TimeEntry};
use crate::record::{BatchHeader, Offset, Timestamp};

/// An entry, and where it lies in the index.
#[derive(Clone, Copy)]
struct Placed {
    at: u64,
    timestamp: Timestamp,
    offset: Offset,
}

/// Follows the batches of a segment with its time index in hand.
pub(super) struct TimeIndex<'a> {
    path: &'a Path,
    /// By offset.
    entries: Vec<Placed>,
    next: usize,
    /// The largest timestamp so far; none once a damaged batch may have had a larger one.
    largest: Option<Timestamp>,
    last_offset: Option<Offset>,
}

impl<'a> TimeIndex<'a> {
    /// Checks what needs no log, and holds the rest.
    pub(super) fn new(path: &'a Path, base: Offset, file: &[u8], findings: &mut Findings) -> Self {
        let (slots, odd) = file.as_chunks::<TIME_ENTRY_LEN>();
        if !odd.is_empty() {
            let at = (file.len() - odd.len()) as u64;
            let finding = Finding::new(Code::TimeIndexSize, path).at(at, odd.len() as u64);
            findings.push(finding.detail(Detail::Count(file.len() as u64)));
        }
        let filled = slots.iter().rposition(|slot| *slot != [0; TIME_ENTRY_LEN]);
        // The first counts if it is alone: an entry of 1970 at the base offset is all zeros.
        let filled = filled.map_or(usize::from(slots.len() == 1), |last| last + 1);
        if filled < slots.len() {
            let zeros = ((slots.len() - filled) * TIME_ENTRY_LEN) as u64;
            let at = (filled * TIME_ENTRY_LEN) as u64;
            let finding = Finding::new(Code::TimeIndexZeroTail, path).at(at, zeros);
            findings.push(finding.detail(Detail::Count(zeros)));
        }
        let mut entries = Vec::new();
        let mut before: Option<Placed> = None;
        for (slot, bytes) in slots[..filled].iter().enumerate() {
            let at = (slot * TIME_ENTRY_LEN) as u64;
            let finding = |code| Finding::new(code, path).at(at, TIME_ENTRY_LEN as u64);
            let entry = match TimeEntry::decode(base, *bytes) {
                Ok(entry) => entry,
                Err(cause) => {
                    findings.push(finding(Code::TimeIndexOffset).text(cause.to_string()));
                    continue;
                }
            };
            let placed = Placed { at, timestamp: entry.timestamp, offset: entry.offset };
            if let Some(before) = before {
                let order = finding(Code::TimeIndexOrder);
                if placed.timestamp <= before.timestamp {
                    let (time, last) = (placed.timestamp, before.timestamp);
                    findings.push(order.number("after timestamp", time, last));
                } else if placed.offset < before.offset {
                    findings.push(order.number("after offset", placed.offset, before.offset));
                }
            }
            before = Some(placed);
            entries.push(placed);
        }
        entries.sort_by_key(|entry| entry.offset);
        TimeIndex { path, entries, next: 0, largest: Some(-1), last_offset: None }
    }

    /// Whether it has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A whole batch goes by.
    pub(super) fn batch(&mut self, header: &BatchHeader, findings: &mut Findings) {
        let (last, time) = (header.last_offset(), header.max_timestamp().unwrap_or(-1));
        while let Some(entry) = self.entries.get(self.next).copied() {
            if entry.offset > last {
                break;
            }
            self.next += 1;
            if entry.offset < last {
                findings.push(self.finding(Code::TimeIndexOffset, entry));
            } else if entry.timestamp != time {
                let finding = self.finding(Code::TimeIndexTimestamp, entry);
                findings.push(finding.number("and its batch has", entry.timestamp, time));
            } else if self.largest.is_some_and(|largest| largest >= time) {
                let finding = self.finding(Code::TimeIndexTimestamp, entry);
                findings.push(finding.number(
                    "which an earlier batch had reached:",
                    entry.timestamp,
                    self.largest.unwrap_or(time),
                ));
            }
        }
        self.largest = self.largest.map(|largest| largest.max(time));
        self.last_offset = Some(last);
    }

    /// Damage goes by: what points into it is counted in it.
    pub(super) fn damage(&mut self, region: &Damaged) {
        let is_inside = |entry: &Placed| {
            entry.offset >= region.first && region.next.is_none_or(|next| entry.offset < next)
        };
        while self.entries.get(self.next).is_some_and(is_inside) {
            self.next += 1;
        }
        self.largest = None;
    }

    /// The log ended.
    pub(super) fn finish(self, past_end: Severity, findings: &mut Findings) {
        for &entry in &self.entries[self.next.min(self.entries.len())..] {
            let finding = self.finding(Code::TimeIndexPastEnd, entry).severity(past_end);
            let last = self.last_offset.unwrap_or(-1);
            findings.push(finding.number("and the last batch ends at", entry.offset, last));
        }
    }

    fn finding(&self, code: Code, entry: Placed) -> Finding {
        let text = format!("timestamp {} at offset {}", entry.timestamp, entry.offset);
        let mut finding = Finding::new(code, self.path).at(entry.at, TIME_ENTRY_LEN as u64);
        finding.offsets = Some((entry.offset, entry.offset));
        finding.text(text)
    }
}
