//! Our own two files, by themselves and against the log: the manifest and the durable watermark.

use std::collections::BTreeMap;
use std::path::Path;

use super::small::{flip_in, read};
use super::{Around, about};
use crate::error::{Error, Result};
use crate::finding::{Code, Detail, Explanation, Finding, Findings, Severity};
use crate::fs::{Access, Dir};
use crate::log::manifest::{
    self, ENTRY_LEN, Entry, EntryError, FileSum, HEADER_LEN, HeaderError, Manifest, OpenChanges,
    SegmentEntry,
};
use crate::log::topic_id::TopicId;
use crate::log::watermark::{self, FILE_LEN, SLOT_AT, SLOT_LEN, Slot, SlotError};
use crate::log::{MANIFEST, WATERMARK};
use crate::record::{BatchHeader, HEADER_LEN as BATCH_HEADER_LEN, Offset};
use crate::segment::names::{self, Part};
use crate::segment::verify::{Checked, batch_around};
use crate::wire::crc32c::checksum;
use crate::wire::syndrome::flipped_bit;

/// What else the comparison says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared {
    /// A flipped bit was located in a header: what follows from it is no finding of its own.
    pub(super) located: bool,
    /// The log lost its end: so has what points there.
    pub(super) lost_end: bool,
}

/// What both files say.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// Whether nobody else has written since our slot.
    pub(super) proved: bool,
    pub(super) topic_id: Option<TopicId>,
    pub(super) log_start: Offset,
    slot: Option<Slot>,
    entries: BTreeMap<Offset, SegmentEntry>,
    /// What is wrong with the files themselves.
    damaged: Vec<Finding>,
}

impl Ours {
    pub(super) fn read(dir: &Dir, around: &Around) -> Result<Ours> {
        let mut ours = Ours::default();
        let slots = read(dir, WATERMARK)?;
        if let Some(file) = &slots {
            check_slots(dir, file, &mut ours.damaged);
            ours.slot = watermark::in_force(file).current;
        }
        ours.proved = ours.slot.is_some_and(|slot| Some(slot.opening) == around.opening);
        let Some(file) = read(dir, MANIFEST)? else { return Ok(ours) };
        let manifest = Manifest::decode(&file);
        check_manifest(dir, &file, &manifest, &mut ours.damaged);
        if let Ok(header) = &manifest.header {
            ours.topic_id = Some(header.topic_id);
            if around.topic.as_ref().is_some_and(|(_, number)| *number != header.partition) {
                // It was copied from another partition: nothing of it is believed.
                ours.proved = false;
                return Ok(ours);
            }
        }
        let open = if ours.proved { OpenChanges::CarriedOut } else { OpenChanges::Void };
        let view = manifest::View::of(&manifest.changes, open);
        ours.log_start = view.log_start;
        if !view.open.is_empty() {
            // A change is under way: the files are between two states.
            return Ok(ours);
        }
        ours.entries = view.sealed;
        let slot = ours.slot;
        let still_closed = |entry: &SegmentEntry| {
            slot.is_some_and(|slot| {
                slot.clean
                    && slot.base_offset == entry.base_offset
                    && slot.point == entry.log_bytes
                    && slot.durable_end == entry.next_offset
            })
        };
        if let Some(closed) = view.closed.filter(still_closed) {
            ours.entries.insert(closed.base_offset, closed);
        }
        Ok(ours)
    }

    /// What the manifest says of a segment.
    pub(super) fn entry(&self, base: Offset) -> Option<&SegmentEntry> {
        self.entries.get(&base)
    }

    /// How much of a segment is known to be durable.
    pub(super) fn durable_in(&self, base: Offset) -> u64 {
        match self.slot.filter(|_| self.proved) {
            Some(slot) if slot.base_offset > base => u64::MAX,
            Some(slot) if slot.base_offset == base => slot.point,
            _ => 0,
        }
    }

    /// Compares the files with what is said of them.
    pub(super) fn compare(
        &self,
        dir: &Dir,
        segments: &mut [Checked],
        findings: &mut Findings,
    ) -> Result<Compared> {
        findings.extend(self.damaged.iter().cloned());
        let mut located = false;
        for (&base, entry) in &self.entries {
            let found = segments.iter_mut().find(|checked| checked.base == base);
            let Some(checked) = found else {
                if self.proved && entry.next_offset > self.log_start {
                    let mut finding =
                        about(dir, Code::SegmentMissing, &names::name(base, Part::Log));
                    finding.offsets = Some((base, entry.next_offset - 1));
                    finding.records = (entry.next_offset - base).unsigned_abs();
                    findings.push(finding);
                }
                continue;
            };
            located |= self.compare_log(dir, entry, checked)?;
            self.compare_indexes(dir, entry, checked)?;
        }
        if let Some(slot) = self.slot.filter(|_| self.proved) {
            let differs = compare_slot(dir, &slot, segments)?;
            findings.extend(differs.filter(|finding| !is_told(&finding.path, segments)));
        }
        Ok(Compared { located, lost_end: self.lost_end(segments) })
    }

    /// Whether the last segment ends before what was durable of it.
    fn lost_end(&self, segments: &[Checked]) -> bool {
        let Some(last) = segments.last().filter(|_| self.proved) else { return false };
        let slot = self.slot.filter(|slot| slot.base_offset == last.base);
        let sealed = self.entries.get(&last.base).map(|entry| entry.log_bytes);
        slot.map(|slot| slot.point).max(sealed).is_some_and(|durable| last.size_bytes < durable)
    }

    /// Whether a difference is damage: what is stale is none, unless one bit explains it.
    fn severity(&self, explanation: Option<Explanation>) -> Severity {
        if self.proved || explanation.is_some() { Severity::Error } else { Severity::Info }
    }

    fn compare_log(&self, dir: &Dir, entry: &SegmentEntry, checked: &mut Checked) -> Result<bool> {
        let Some(computed) = checked.log_crc else { return Ok(false) };
        let path = checked.path.clone();
        let finding = Finding::new(Code::ManifestDiffers, &path);
        if checked.size_bytes != entry.log_bytes {
            let told = checked.summary.has_tail || !checked.summary.damage.is_empty();
            if !told || checked.size_bytes < entry.log_bytes {
                let (size, said) = (checked.size_bytes as i64, entry.log_bytes as i64);
                let finding = finding.severity(self.severity(None));
                checked.findings.push(finding.number("bytes, and it was sealed with", size, said));
            }
            return Ok(false);
        }
        if computed == entry.log_crc {
            return Ok(false);
        }
        let bit = flipped_bit(entry.log_crc ^ computed, checked.size_bytes);
        let Some((byte, bit)) = bit else {
            if !checked.summary.damage.is_empty() {
                return Ok(false);
            }
            let covered = 0..checked.size_bytes;
            let detail = Detail::Crc { stored: entry.log_crc, computed, covered };
            checked.findings.push(finding.severity(self.severity(None)).detail(detail));
            return Ok(false);
        };
        let name = names::name(checked.base, Part::Log);
        let file = dir.open(&name, Access::Read).map_err(|e| Error::io("open", &path, e))?;
        let mut found = [0];
        file.read_exact_at(&mut found, byte).map_err(|e| Error::io("read", &path, e))?;
        let explanation = Explanation::FlippedBit { byte, bit, found: found[0] };
        let detail =
            Detail::Crc { stored: entry.log_crc, computed, covered: 0..checked.size_bytes };
        Self::locate(dir, checked, (byte, explanation), detail)
    }

    /// Names the batch that a flipped bit lies in, by the finding that there is or by a new one.
    fn locate(
        dir: &Dir,
        checked: &mut Checked,
        (byte, explanation): (u64, Explanation),
        detail: Detail,
    ) -> Result<bool> {
        if checked.findings.explain(byte, explanation) {
            return Ok(true);
        }
        let name = names::name(checked.base, Part::Log);
        let around = batch_around(dir, &name, byte)
            .map_err(|error| Error::io("read", &checked.path, error))?;
        let mut finding = Finding::new(Code::ManifestDiffers, &checked.path).detail(detail);
        if let Some((position, size, header)) = around {
            finding = finding.at(position, size);
            if let Some(header) = header {
                finding = finding.of_batch(position, &header);
                finding.header = Some(header);
            }
            let next = finding.end();
            // What its neighbours make of it is this, seen from beside it.
            checked.findings.retain(|it| {
                let beside = [Some(position), Some(next)].contains(&it.position);
                let of_order = beside && it.path == finding.path && it.code.is_of_order();
                !of_order && !it.code.is_of_index()
            });
        }
        finding.explanation = Some(explanation);
        checked.findings.push(finding.severity(Severity::Error));
        Ok(true)
    }

    fn compare_indexes(
        &self,
        dir: &Dir,
        entry: &SegmentEntry,
        checked: &mut Checked,
    ) -> Result<()> {
        let parts = [
            (Part::OffsetIndex, entry.offset_index, checked.index_sums[0]),
            (Part::TimeIndex, entry.time_index, checked.index_sums[1]),
        ];
        if checked.log_crc.is_none() {
            return Ok(());
        }
        for (part, said, found) in parts {
            if let (Some(said), Some(found)) = (said, found) {
                self.compare_index(dir, (part, said, found), checked)?;
            }
        }
        let name = names::name(checked.base, Part::TxnIndex);
        if let (Some(said), Some(bytes)) = (entry.txn_index, read(dir, &name)?) {
            let found = (bytes.len() as u64, checksum(&bytes));
            self.compare_index(dir, (Part::TxnIndex, said, found), checked)?;
        }
        Ok(())
    }

    fn compare_index(
        &self,
        dir: &Dir,
        (part, said, found): (Part, FileSum, (u64, u32)),
        checked: &mut Checked,
    ) -> Result<()> {
        if found == (u64::from(said.bytes), said.crc) {
            return Ok(());
        }
        let name = names::name(checked.base, part);
        let finding = about(dir, Code::ManifestDiffers, &name);
        if found.0 != u64::from(said.bytes) {
            let finding = finding.severity(self.severity(None));
            let (size, said) = (found.0 as i64, said.bytes.into());
            checked.findings.push(finding.number("bytes, and it was sealed with", size, said));
            return Ok(());
        }
        let bytes = read(dir, &name)?.unwrap_or_default();
        let located = flipped_bit(said.crc ^ found.1, found.0)
            .and_then(|(byte, bit)| Some((byte, bit, *bytes.get(usize::try_from(byte).ok()?)?)));
        let explanation =
            located.map(|(byte, bit, found)| Explanation::FlippedBit { byte, bit, found });
        let is_told = checked
            .findings
            .list()
            .iter()
            .any(|it| it.path == finding.path && it.severity == Severity::Error);
        if explanation.is_none() && is_told {
            return Ok(());
        }
        checked.findings.retain(|it| it.path != finding.path);
        let detail = Detail::Crc { stored: said.crc, computed: found.1, covered: 0..found.0 };
        let mut finding = finding.severity(self.severity(explanation)).detail(detail);
        finding.position = located.map(|(byte, ..)| byte);
        finding.explanation = explanation;
        checked.findings.push(finding);
        Ok(())
    }
}

/// What is wrong with one of our two files by itself.
pub(super) fn damaged(dir: &Dir, name: &str, bytes: &[u8]) -> Vec<Finding> {
    let mut damaged = Vec::new();
    if name == WATERMARK {
        check_slots(dir, bytes, &mut damaged);
    } else {
        check_manifest(dir, bytes, &Manifest::decode(bytes), &mut damaged);
    }
    damaged
}

/// Whether it was said of a `.log` already that it is not as it was sealed.
fn is_told(path: &Path, segments: &[Checked]) -> bool {
    let of_it = segments.iter().filter(|checked| checked.path == path);
    let mut found = of_it.flat_map(|checked| checked.findings.list());
    found.any(|it| it.code == Code::ManifestDiffers && it.path == path)
}

/// Whether the log is what the slot says, up to its point.
fn compare_slot(dir: &Dir, slot: &Slot, segments: &[Checked]) -> Result<Option<Finding>> {
    let name = names::name(slot.base_offset, Part::Log);
    let finding = about(dir, Code::WatermarkDiffers, &name);
    let Some(checked) = segments.iter().find(|checked| checked.base == slot.base_offset) else {
        return Ok(None);
    };
    if checked.size_bytes < slot.point {
        let (size, point) = (checked.size_bytes as i64, slot.point as i64);
        let finding = finding.at(checked.size_bytes, 0);
        return Ok(Some(finding.number("bytes, of which were durable", size, point)));
    }
    let Some(last) = slot.last_batch.filter(|last| !checked.summary.is_damaged(last.position))
    else {
        return Ok(None);
    };
    let file = dir.open(&name, Access::Read).map_err(|e| Error::io("open", &checked.path, e))?;
    let mut head = [0; BATCH_HEADER_LEN];
    let read = file.read_at(&mut head, last.position);
    let read = read.map_err(|e| Error::io("read", &checked.path, e))?;
    let header = BatchHeader::decode(&head[..read]).ok();
    if header.is_some_and(|header| header.crc() == last.crc) {
        return Ok(None);
    }
    let detail = Detail::Text("another batch is where the last durable one was".to_owned());
    Ok(Some(finding.at(last.position, 0).detail(detail)))
}

fn check_slots(dir: &Dir, file: &[u8], damaged: &mut Vec<Finding>) {
    let finding = about(dir, Code::WatermarkDamaged, WATERMARK);
    let mut valid = 0;
    for (number, at) in SLOT_AT.into_iter().enumerate() {
        let slot = file.get(at..).unwrap_or_default();
        match Slot::decode(slot) {
            Ok(slot) => valid += usize::from(slot.is_some()),
            Err(error) => {
                let mut finding = finding.clone().at(at as u64, SLOT_LEN as u64);
                if let (SlotError::Crc { stored, computed }, Some(slot)) =
                    (error, slot.get(..SLOT_LEN))
                {
                    let sums = (stored, computed);
                    finding.explanation = moved(flip_in(slot, sums, 8, 4), at as u64);
                }
                damaged.push(finding.text(format!("slot {number}: {error}")));
            }
        }
    }
    let is_slot = |at: usize| SLOT_AT.iter().any(|&slot| (slot..slot + SLOT_LEN).contains(&at));
    let stray = file.iter().enumerate().find(|&(at, &byte)| byte != 0 && !is_slot(at));
    if let Some((at, &byte)) = stray {
        let text = format!("byte {byte:#04x} where nothing is written");
        damaged.push(finding.clone().at(at as u64, 1).text(text));
    }
    if file.len() < FILE_LEN {
        damaged.push(finding.clone().text(format!("{} bytes of {FILE_LEN}", file.len())));
    }
    if valid == 0 {
        for finding in damaged.iter_mut() {
            finding.severity = Severity::Error;
        }
        if damaged.is_empty() {
            damaged.push(finding.severity(Severity::Error).text("no slot was ever written"));
        }
    }
}

fn check_manifest(dir: &Dir, file: &[u8], manifest: &Manifest, damaged: &mut Vec<Finding>) {
    let finding = about(dir, Code::ManifestDamaged, MANIFEST);
    if let Err(error) = manifest.header {
        let mut finding = finding.clone().at(0, HEADER_LEN.min(file.len()) as u64);
        if let (HeaderError::Crc { stored, computed }, Some(header)) =
            (error, file.get(..HEADER_LEN))
        {
            finding.explanation = flip_in(header, (stored, computed), 8, 4);
        }
        damaged.push(finding.text(error.to_string()));
        if let HeaderError::UnsupportedVersion(_) | HeaderError::Short(_) = error {
            return;
        }
    }
    let (slots, rest) = file.get(HEADER_LEN..).unwrap_or_default().as_chunks::<ENTRY_LEN>();
    let place = |slot: usize| (HEADER_LEN + slot * ENTRY_LEN) as u64;
    let mut told = 0;
    for (slot, bytes) in slots.iter().enumerate() {
        let Err(error) = Entry::decode(bytes) else { continue };
        let mut finding = finding.clone().at(place(slot), ENTRY_LEN as u64);
        if let EntryError::Crc { stored, computed } = error {
            let explanation = flip_in(bytes, (stored, computed), 4, 0);
            finding.explanation = moved(explanation, place(slot));
        }
        told += 1;
        damaged.push(finding.text(format!("entry {slot}: {error}")));
    }
    if told == 0 && !manifest.damaged.is_empty() {
        let at = manifest.damaged.first().map_or(0, |&slot| place(slot));
        damaged.push(finding.clone().at(at, 0).text("a change is not whole"));
    } else if !rest.is_empty() {
        let finding = finding.at(place(slots.len()), rest.len() as u64);
        damaged.push(finding.text(format!("{} stray bytes at the end", rest.len())));
    } else if told == 0 && manifest.torn {
        damaged.push(finding.text("the last change is not whole"));
    }
}

/// The same in a file where the bytes lie further on.
fn moved(explanation: Option<Explanation>, by: u64) -> Option<Explanation> {
    match explanation {
        Some(Explanation::FlippedBit { byte, bit, found }) => {
            Some(Explanation::FlippedBit { byte: byte + by, bit, found })
        }
        other => other,
    }
}
