//! Whether batches follow each other as they should: offsets, leader epochs, and what each header
//! says of codec and times.

use std::collections::HashSet;
use std::path::Path;

use crate::finding::{Code, Detail, Explanation, Finding, Findings, Severity};
use crate::record::{BatchHeader, LeaderEpoch, Offset, Timestamp};

/// So many batches are remembered, to tell one that is doubled.
const MOST_REMEMBERED: usize = 1 << 20;
/// How far the clocks of producers may be ahead, as in Kafka.
const AHEAD_MS: i64 = 60 * 60 * 1000;
const YEAR_2000: Timestamp = 946_684_800_000;
const YEAR_2100: Timestamp = 4_102_444_800_000;

/// What the batches of a segment come to, as their headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Batches, those that are damaged too.
    pub(crate) batches: u64,
    /// Records, those of damaged batches too.
    pub(crate) records: u64,
    /// The first offset that is there.
    pub(crate) first_offset: Option<Offset>,
    /// The offset behind the last one; the base of the segment if there is none.
    pub(crate) next_offset: Offset,
    /// Where each leader epoch begins and ends: its first offset here, and its last.
    pub(crate) epochs: Vec<(LeaderEpoch, Offset, Offset)>,
    /// How often offsets are missing between batches, before the first too.
    pub(crate) gaps: u64,
    /// Batches that lie below the segment's name.
    pub(crate) below: u64,
    /// Bytes up to the end of the last whole batch.
    pub(crate) end: u64,
    /// Where damage lies, and which offsets it takes, as far as that is known.
    pub(crate) damage: Vec<Damaged>,
    /// Zeros, or an unfinished batch, at the end.
    pub(crate) has_tail: bool,
}

/// A stretch that is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The least offset that can be in it.
    pub(crate) first: Offset,
    /// The least that cannot; none if it goes to the end.
    pub(crate) next: Option<Offset>,
}

impl Summary {
    /// Whether a place of the `.log` is damaged.
    pub(crate) fn is_damaged(&self, position: u64) -> bool {
        self.damage.iter().any(|region| (region.from..region.to).contains(&position))
    }

    /// Whether an offset may be that of damaged records.
    pub(crate) fn may_be_lost(&self, offset: Offset) -> bool {
        self.damage.iter().any(|it| offset >= it.first && it.next.is_none_or(|next| offset < next))
    }
}

/// Follows the headers of a segment.
pub(super) struct Order<'a> {
    path: &'a Path,
    base: Offset,
    now: Timestamp,
    /// Whether each batch starts where the one before ended, by the manifest.
    dense: bool,
    previous: Option<(u64, BatchHeader)>,
    /// Where that was to begin; none behind damage.
    previous_expected: Option<Offset>,
    /// The batch right before, if its offsets go too far, and where it was to begin.
    previous_too_far: Option<(u64, BatchHeader, Offset)>,
    last_epoch: Option<LeaderEpoch>,
    behind_damage: bool,
    highest_next: Offset,
    seen: Option<HashSet<(Offset, Offset, u32)>>,
    headers: Vec<(Offset, Offset, u32)>,
    pub(super) summary: Summary,
}

impl<'a> Order<'a> {
    pub(super) fn new(path: &'a Path, base: Offset, now: Timestamp, dense: bool) -> Self {
        Order {
            path,
            base,
            now,
            dense,
            previous: None,
            previous_expected: None,
            previous_too_far: None,
            last_epoch: None,
            behind_damage: false,
            highest_next: base,
            seen: None,
            headers: Vec::new(),
            summary: Summary { next_offset: base, ..Summary::default() },
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// The least offset that can follow.
    pub(super) fn expected(&self) -> Offset {
        self.summary.next_offset
    }

    /// Takes in damage: what it hides is not missed again.
    pub(super) fn damage(&mut self, finding: &Finding) {
        let position = finding.position.unwrap_or(0);
        if matches!(finding.code, Code::ZeroTail | Code::UnfinishedBatch) {
            self.summary.has_tail = true;
            if finding.severity < Severity::Error {
                return;
            }
        }
        self.summary.batches += u64::from(finding.header.is_some());
        self.summary.records += finding.records;
        self.summary.damage.push(Damaged {
            from: position,
            to: finding.end(),
            first: self.summary.next_offset,
            next: finding.resumed.map(|(_, offset)| offset),
        });
        self.behind_damage = true;
        self.summary.end = finding.end();
        let claimed = finding.header.and(finding.offsets).map(|(_, last)| last + 1);
        let next = finding.resumed.map(|(_, offset)| offset).or(claimed);
        self.summary.next_offset = self.summary.next_offset.max(next.unwrap_or(0));
    }

    /// Takes in the next whole batch. Whether it can lie there: one that cannot is a region of damage.
    pub(super) fn batch(
        &mut self,
        position: u64,
        header: &BatchHeader,
        findings: &mut Findings,
    ) -> bool {
        let is_too_far = header.last_offset() - self.base > i64::from(i32::MAX);
        if let Some((at, before, expected)) = self.previous_too_far.take()
            && let Some(explanation) = flipped_base((at, &before), expected, header)
        {
            findings.explain(at, explanation);
        }
        if is_too_far {
            self.too_far(position, header, findings);
        } else {
            let expected = Some(self.summary.next_offset).filter(|_| !self.behind_damage);
            self.offsets(position, header, findings);
            self.previous_expected = expected;
        }
        self.doubled(position, header, findings);
        self.epoch(position, header, findings);
        self.attributes(position, header, findings);
        self.times(position, header, findings);
        let summary = &mut self.summary;
        summary.batches += 1;
        summary.records += u64::try_from(header.record_count()).unwrap_or(0);
        let first = summary.first_offset.unwrap_or(Offset::MAX);
        summary.first_offset = Some(first.min(header.base_offset()));
        summary.end = position + header.size_bytes() as u64;
        self.behind_damage = is_too_far;
        if !is_too_far {
            summary.next_offset = header.next_offset();
            self.highest_next = self.highest_next.max(header.next_offset());
            self.previous = Some((position, *header));
        }
        !is_too_far
    }

    /// A batch whose offsets no index of the segment can say: it is not believed, and what follows
    /// goes on where the one before it ended.
    fn too_far(&mut self, position: u64, header: &BatchHeader, findings: &mut Findings) {
        let finding = Finding::new(Code::OffsetTooFar, self.path).of_batch(position, header);
        push_run(findings, finding.number("in the segment of", header.last_offset(), self.base));
        let (first, to) = (self.summary.next_offset, position + header.size_bytes() as u64);
        let next = Some(first + i64::from(header.last_offset_delta()) + 1);
        match self.summary.damage.last_mut() {
            Some(last) if last.to == position => (last.to, last.next) = (to, next),
            _ => self.summary.damage.push(Damaged { from: position, to, first, next }),
        }
        self.previous_expected = None;
        self.previous_too_far = Some((position, *header, first));
    }

    /// The batch before this one, if it is that which stands too high, and this one goes on where the
    /// one before both ended.
    fn outlier(&mut self, header: &BatchHeader, findings: &mut Findings) -> Option<Finding> {
        let (expected, (position, before)) = (self.previous_expected?, self.previous?);
        let base = before.base_offset();
        let is_wrapper = before.is_legacy() && before.attributes().codec_id() != 0;
        if base <= expected || header.base_offset() < expected || is_wrapper {
            return None;
        }
        // It was told as a gap.
        self.summary.gaps = self.summary.gaps.saturating_sub(1);
        findings.retain(|it| it.code != Code::OffsetGap || it.position != Some(position));
        let finding = Finding::new(Code::OffsetGoesBack, self.path).of_batch(position, &before);
        let mut finding = finding.number("and behind it is", base, header.base_offset());
        finding.explanation = flipped_base((position, &before), expected, header);
        Some(finding)
    }

    fn offsets(&mut self, position: u64, header: &BatchHeader, findings: &mut Findings) {
        let (base, expected) = (header.base_offset(), self.summary.next_offset);
        let finding = |code| Finding::new(code, self.path).of_batch(position, header);
        if base < self.base {
            self.summary.below += 1;
            let finding = finding(Code::OffsetBelowBase);
            push_run(findings, finding.number("in the segment of", base, self.base));
            return;
        }
        if base < expected && self.previous.is_some() {
            let goes_back = || finding(Code::OffsetGoesBack).number("after", base, expected - 1);
            let outlier = self.outlier(header, findings);
            findings.push(outlier.unwrap_or_else(goes_back));
        } else if base > expected && !self.behind_damage && !header.is_legacy() {
            // A wrapper of an old format says its last offset alone.
            self.summary.gaps += 1;
            let mut gap = Finding::new(Code::OffsetGap, self.path).at(position, 0);
            gap.offsets = Some((expected, base - 1));
            if self.dense {
                gap.severity = Severity::Warning;
                gap.records = (base - expected).unsigned_abs();
            }
            findings.push(gap.number("where this was to follow:", base, expected));
        }
    }

    /// Whether it is an earlier batch once more. Batches are remembered for that, and compared once
    /// offsets go back.
    fn doubled(&mut self, position: u64, header: &BatchHeader, findings: &mut Findings) {
        let key = (header.base_offset(), header.last_offset(), header.crc());
        if header.base_offset() < self.highest_next && self.previous.is_some() {
            let headers = &self.headers;
            let seen = self.seen.get_or_insert_with(|| headers.iter().copied().collect());
            if seen.contains(&key) {
                let finding = Finding::new(Code::BatchDoubled, self.path);
                findings.push(finding.of_batch(position, header));
            }
        }
        if self.headers.len() < MOST_REMEMBERED {
            self.headers.push(key);
            if let Some(seen) = &mut self.seen {
                seen.insert(key);
            }
        }
    }

    fn epoch(&mut self, position: u64, header: &BatchHeader, findings: &mut Findings) {
        let Some(epoch) = header.leader_epoch() else { return };
        if let Some(last) = self.last_epoch.filter(|&last| epoch < last) {
            let finding = Finding::new(Code::EpochGoesBack, self.path).of_batch(position, header);
            findings.push(finding.number("after", epoch.0.into(), last.0.into()));
        }
        self.last_epoch = Some(epoch);
        match self.summary.epochs.last_mut() {
            Some((last, _, to)) if *last == epoch => *to = header.last_offset(),
            _ => self.summary.epochs.push((epoch, header.base_offset(), header.last_offset())),
        }
    }

    fn attributes(&self, position: u64, header: &BatchHeader, findings: &mut Findings) {
        let attributes = header.attributes();
        let finding = Finding::new(Code::UnknownCodec, self.path).of_batch(position, header);
        if attributes.codec().is_none() {
            let text = format!("codec {}", attributes.codec_id());
            findings.push(finding.text(text));
        } else if attributes.known() != attributes {
            let unknown = attributes.bits() & !attributes.known().bits();
            let text = format!("attribute bits {unknown:#06x}");
            push_run(findings, finding.severity(Severity::Info).text(text));
        }
    }

    fn times(&self, position: u64, header: &BatchHeader, findings: &mut Findings) {
        let Some(time) = header.max_timestamp() else { return };
        let finding = |code| Finding::new(code, self.path).of_batch(position, header);
        if time > self.now.saturating_add(AHEAD_MS) {
            push_run(
                findings,
                finding(Code::FutureTimestamp).number("and now it is", time, self.now),
            );
        }
        if !(YEAR_2000..YEAR_2100).contains(&time) {
            // Not milliseconds, perhaps.
            let unit = match time {
                1_000_000_000..=4_102_444_800 => "; as seconds it would be of this century",
                946_684_800_000_000..=4_102_444_800_000_000 => {
                    "; as microseconds it would be of this century"
                }
                946_684_800_000_000_000..=4_102_444_800_000_000_000 => {
                    "; as nanoseconds it would be of this century"
                }
                _ => "",
            };
            push_run(findings, finding(Code::OddTimestamp).text(format!("{time} ms{unit}")));
        }
    }
}

/// The bit that was flipped in the base offset of a batch, if it was to begin at `expected`, and the
/// one behind it goes on there. It is the first field, big-endian, and no checksum covers it.
fn flipped_base(
    (position, batch): (u64, &BatchHeader),
    expected: Offset,
    next: &BatchHeader,
) -> Option<Explanation> {
    let base = batch.base_offset();
    let span = i64::from(batch.last_offset_delta()) + 1;
    let difference = (base ^ expected) as u64;
    if next.base_offset() != expected + span || !difference.is_power_of_two() {
        return None;
    }
    let bit = difference.trailing_zeros();
    let (byte, found) = (position + u64::from(7 - bit / 8), (base >> (bit / 8 * 8)) as u8);
    Some(Explanation::FlippedBit { byte, bit: (bit % 8) as u8, found })
}

/// Takes in a finding about a batch; one that goes on where the last of its code ended grows that.
pub(super) fn push_run(findings: &mut Findings, finding: Finding) {
    let position = finding.position.unwrap_or(0);
    let Some(last) = findings.goes_on(finding.code, position) else {
        return findings.push(finding);
    };
    if last.severity != finding.severity {
        return findings.push(finding);
    }
    last.size_bytes += finding.size_bytes;
    last.records += finding.records;
    if let (Some((_, last)), Some((_, to))) = (&mut last.offsets, finding.offsets) {
        *last = (*last).max(to);
    }
    if matches!(last.detail, Detail::None) {
        last.detail = finding.detail;
    }
}
