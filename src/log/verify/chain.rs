//! Whether a partition's segments follow each other.

use super::about;
use super::names::log_name;
use crate::finding::{Code, Finding, Findings, Severity};
use crate::fs::Dir;
use crate::log::leader_epoch_file::EpochStart;
use crate::record::Offset;
use crate::segment::verify::Checked;

/// A segment all of whose batches lie below its name is one finding.
pub(super) fn below_their_names(segments: &mut [Checked]) {
    for checked in segments {
        let summary = &checked.summary;
        if summary.below == 0 || summary.below != summary.batches {
            continue;
        }
        checked.findings.retain(|it| it.code != Code::OffsetBelowBase);
        let mut finding = Finding::new(Code::SegmentBelowName, &checked.path);
        finding.records = summary.records;
        finding.offsets = summary.first_offset.map(|first| (first, summary.next_offset - 1));
        let first = summary.first_offset.unwrap_or(0);
        checked.findings.push(finding.number("while its name is", first, checked.base));
    }
}

/// Holes and overlaps. What the manifest misses already is no hole once more.
pub(super) fn between(
    dir: &Dir,
    segments: &[Checked],
    epochs: Option<&[EpochStart]>,
    findings: &mut Findings,
) {
    if let (Some(first), Some(epoch)) = (segments.first(), epochs.and_then(<[_]>::first))
        && epoch.start_offset < first.base
        && first.summary.below == 0
        && !is_missed(epoch.start_offset, findings)
    {
        let hole = hole(dir, epoch.start_offset, first.base).severity(Severity::Warning);
        findings.push(hole);
    }
    let has_gaps = segments.iter().enumerate().any(|(at, checked)| {
        let is_last = at + 1 == segments.len();
        checked.summary.gaps > 0 || (checked.summary.batches == 0 && !is_last)
    });
    for pair in segments.windows(2) {
        let [before, after] = pair else { continue };
        let (end, next) = (before.summary.next_offset, after.base);
        let lost =
            before.summary.has_tail || before.summary.damage.iter().any(|it| it.next.is_none());
        let misplaced = before.summary.below > 0;
        if next > end && !lost && !misplaced && !is_missed(end, findings) {
            let severity = if has_gaps { Severity::Info } else { Severity::Error };
            findings.push(hole(dir, end, next).severity(severity));
        } else if next < end && !misplaced {
            let mut finding = about(dir, Code::SegmentOverlap, &log_name(next));
            finding.offsets = Some((next, end - 1));
            findings.push(finding.number("while the one before ends at", next, end));
        }
    }
}

/// Whether a segment that the manifest misses holds this offset.
fn is_missed(offset: Offset, findings: &Findings) -> bool {
    let mut missing = findings.list().iter().filter(|it| it.code == Code::SegmentMissing);
    missing.any(|it| it.offsets.is_some_and(|(first, last)| (first..=last).contains(&offset)))
}

fn hole(dir: &Dir, from: Offset, to: Offset) -> Finding {
    let mut finding = about(dir, Code::SegmentHole, &log_name(to));
    finding.offsets = Some((from, to - 1));
    finding.number("while the one before ends at", to, from)
}
