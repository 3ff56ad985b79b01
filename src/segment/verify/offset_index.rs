//! A `.index` against its log: each entry while the batches go by.

use std::cmp::Ordering;
use std::path::Path;

use super::order::{Damaged, Summary};
use crate::finding::{Code, Detail, Finding, Findings, Severity};
use crate::index::{IndexError, OFFSET_ENTRY_LEN, OffsetEntry};
use crate::record::Offset;

/// An entry, and where it lies in the index.
#[derive(Clone, Copy)]
struct Placed {
    at: u64,
    offset: Offset,
    position: u64,
}

/// Follows the batches of a segment with its index in hand.
pub(super) struct OffsetIndex<'a> {
    path: &'a Path,
    /// By position.
    entries: Vec<Placed>,
    next: usize,
    /// Entries whose position was found, and whose offset lies further on.
    pending: Vec<Placed>,
}

impl<'a> OffsetIndex<'a> {
    /// Checks what needs no log, and holds the rest.
    pub(super) fn new(path: &'a Path, base: Offset, file: &[u8], findings: &mut Findings) -> Self {
        let (slots, odd) = file.as_chunks::<OFFSET_ENTRY_LEN>();
        if !odd.is_empty() {
            let at = (file.len() - odd.len()) as u64;
            let finding = Finding::new(Code::IndexSize, path).at(at, odd.len() as u64);
            findings.push(finding.detail(Detail::Count(file.len() as u64)));
        }
        let filled = slots.iter().rposition(|slot| *slot != [0; OFFSET_ENTRY_LEN]);
        let filled = filled.map_or(0, |last| last + 1);
        if filled < slots.len() {
            let zeros = ((slots.len() - filled) * OFFSET_ENTRY_LEN) as u64;
            let at = (filled * OFFSET_ENTRY_LEN) as u64;
            let finding = Finding::new(Code::IndexZeroTail, path).at(at, zeros);
            findings.push(finding.detail(Detail::Count(zeros)));
        }
        let mut entries = Vec::new();
        let mut before: Option<Placed> = None;
        for (slot, bytes) in slots[..filled].iter().enumerate() {
            let at = (slot * OFFSET_ENTRY_LEN) as u64;
            let finding = |code| Finding::new(code, path).at(at, OFFSET_ENTRY_LEN as u64);
            let entry = match OffsetEntry::decode(base, *bytes) {
                Ok(entry) => entry,
                Err(cause) => {
                    let code = match cause {
                        IndexError::ImpossiblePosition(_) => Code::IndexPosition,
                        _ => Code::IndexOffset,
                    };
                    findings.push(finding(code).text(cause.to_string()));
                    continue;
                }
            };
            let placed = Placed { at, offset: entry.offset, position: entry.position.into() };
            if let Some(before) = before {
                if placed.offset <= before.offset {
                    let order = finding(Code::IndexOrder);
                    findings.push(order.number("after offset", placed.offset, before.offset));
                } else if placed.position <= before.position {
                    let (position, last) = (placed.position as i64, before.position as i64);
                    findings.push(finding(Code::IndexOrder).number(
                        "after position",
                        position,
                        last,
                    ));
                }
            }
            before = Some(placed);
            entries.push(placed);
        }
        entries.sort_by_key(|entry| entry.position);
        OffsetIndex { path, entries, next: 0, pending: Vec::new() }
    }

    /// Whether it has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A whole batch goes by.
    pub(super) fn batch(&mut self, position: u64, last_offset: Offset, findings: &mut Findings) {
        if !self.pending.is_empty() {
            self.settle(last_offset, findings);
        }
        while let Some(entry) = self.entries.get(self.next).copied() {
            if entry.position > position {
                break;
            }
            self.next += 1;
            if entry.position < position {
                findings.push(self.finding(Code::IndexPosition, entry));
            } else if entry.offset > last_offset {
                self.pending.push(entry);
            } else if entry.offset < last_offset {
                let finding = self.finding(Code::IndexOffset, entry);
                findings.push(finding.number(
                    "and the batch there ends at",
                    entry.offset,
                    last_offset,
                ));
            }
        }
    }

    fn settle(&mut self, last_offset: Offset, findings: &mut Findings) {
        for entry in std::mem::take(&mut self.pending) {
            match entry.offset.cmp(&last_offset) {
                Ordering::Greater => self.pending.push(entry),
                Ordering::Equal => findings.push(self.finding(Code::IndexOfSeveral, entry)),
                Ordering::Less => {
                    let finding = self.finding(Code::IndexOffset, entry);
                    let against = "and a batch ends at";
                    findings.push(finding.number(against, entry.offset, last_offset));
                }
            }
        }
    }

    /// Damage goes by: what points into it is counted in it.
    pub(super) fn damage(&mut self, region: &Damaged, findings: &mut Findings) {
        while let Some(entry) = self.entries.get(self.next).copied() {
            if entry.position >= region.to {
                break;
            }
            self.next += 1;
            if entry.position < region.from {
                findings.push(self.finding(Code::IndexPosition, entry));
            }
        }
        self.pending.retain(|entry| region.next.is_some_and(|next| entry.offset >= next));
    }

    /// The log ended.
    pub(super) fn finish(self, summary: &Summary, past_end: Severity, findings: &mut Findings) {
        let behind = self.entries[self.next.min(self.entries.len())..].iter();
        for &entry in behind.chain(&self.pending) {
            if entry.position < summary.end && entry.offset < summary.next_offset {
                findings.push(self.finding(Code::IndexPosition, entry));
                continue;
            }
            let finding = self.finding(Code::IndexPastEnd, entry).severity(past_end);
            let end = summary.end as i64;
            findings.push(finding.number("and batches end at", entry.position as i64, end));
        }
    }

    fn finding(&self, code: Code, entry: Placed) -> Finding {
        let text = format!("offset {} at position {}", entry.offset, entry.position);
        let mut finding = Finding::new(code, self.path).at(entry.at, OFFSET_ENTRY_LEN as u64);
        finding.offsets = Some((entry.offset, entry.offset));
        finding.text(text)
    }
}
