//! What there is to mend in a partition, and how: found without a write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use strandline::record::BatchError;
use strandline::{
    Code, Damage, Explanation, Finding, Level, LogFile, LogPiece, Piece, Severity, Verification,
    base_offset_of,
};

use super::Args;
use super::action::{Action, Deed};
use crate::exit::{Exit, Failure, Result, name_of};
use crate::global::Global;
use crate::reading::pace::Pieces;
use crate::verbs::verify;

/// A `.log` of the copy.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base: i64,
    pub(super) source: PathBuf,
    pub(super) keep: Vec<Range<u64>>,
    /// Bytes that are written over what is kept, by their place in the source.
    pub(super) patches: Vec<(u64, Vec<u8>)>,
    pub(super) actions: Vec<Action>,
}

impl Segment {
    pub(super) fn is_changed(&self) -> bool {
        !self.actions.is_empty()
    }
}

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) partition: PathBuf,
    pub(super) actions: Vec<Action>,
    pub(super) segments: Vec<Segment>,
    /// Files that do not come along.
    pub(super) leave_out: BTreeSet<String>,
    /// Indexes of these segments are made again.
    pub(super) reindex: BTreeSet<i64>,
    pub(super) snapshots: bool,
    pub(super) epochs: bool,
    /// Offsets whose records are not there, and that no copy can have: of whole segments, or of the
    /// end of one that others follow.
    pub(super) holes: Vec<(i64, i64)>,
    pub(super) kept: u64,
    pub(super) lost: u64,
    /// Damage that is explained.
    pub(super) fixable: u64,
    pub(super) fixes: bool,
}

/// A walk over all segments.
struct Walk<'a> {
    args: &'a Args,
    by_place: BTreeMap<(PathBuf, u64), &'a Finding>,
    next_offset: i64,
    /// Nothing behind this comes along.
    ended: bool,
    plan: Plan,
}

impl Plan {
    pub(super) fn make(partition: &Path, args: &Args, global: &Global) -> Result<Plan> {
        let mut verification = Verification::new(&verify::options(Level::Deep, global));
        verification.add(partition)?;
        let report = verify::work(verification, global);
        if let Some(error) = report.unreadable.first() {
            return Err(Failure::from(error.clone()));
        }
        let mut by_place = BTreeMap::new();
        for finding in &report.findings {
            if let Some(position) = finding.position {
                let key = (finding.path.clone(), position);
                let worse = |other: &&Finding| other.severity < finding.severity;
                if by_place.get(&key).is_none_or(worse) {
                    by_place.insert(key, finding);
                }
            }
        }
        let plan = Plan {
            partition: partition.to_path_buf(),
            fixes: args.fix_bitflips,
            ..Plan::default()
        };
        let mut walk = Walk { args, by_place, next_offset: 0, ended: false, plan };
        let names = names(partition)?;
        let mut sources = walk.sources(partition, &names)?.into_iter().peekable();
        while let Some((base, source)) = sources.next() {
            let next = sources.peek().map(|(next, _)| *next);
            walk.segment((base, next), source)?;
        }
        for finding in report.findings.iter().filter(|it| it.code == Code::SegmentHole) {
            walk.plan.holes.extend(finding.offsets);
        }
        walk.side_files(&report.findings, &names);
        Ok(walk.plan)
    }
}

fn ends(name: &str, end: &str) -> bool {
    name.ends_with(end)
}

fn names(partition: &Path) -> Result<BTreeSet<String>> {
    let failed = |error| Failure::io("list", partition, &error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(partition).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

impl Walk<'_> {
    /// The `.log` of each segment of the copy. A compaction that was complete takes its place.
    fn sources(
        &mut self,
        partition: &Path,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<i64, PathBuf>> {
        let of = |end: &str| {
            let all = names.iter().filter(|name| name.ends_with(end));
            let with_base = all
                .filter_map(|name| Some((base_offset_of(Path::new(name))?, partition.join(name))));
            with_base.collect::<BTreeMap<i64, PathBuf>>()
        };
        let mut sources = of(".log");
        for (base, path) in of(".log.swap") {
            let Some(end) = whole(&path, base)? else { continue };
            sources.retain(|&other, _| other < base || other >= end.max(base + 1));
            let file = file_name(&path);
            let action = Action {
                code: Some(Code::Leftover),
                file,
                range: None,
                deed: Deed::TakeSwap,
                offsets: Some((base, end - 1)),
                lost: 0,
            };
            self.plan.actions.push(action);
            self.plan.reindex.insert(base);
            self.plan.snapshots = true;
            sources.insert(base, path);
        }
        Ok(sources)
    }

    /// Goes through the segment at `base`, behind which there is one at `next`.
    fn segment(&mut self, (base, next): (i64, Option<i64>), source: PathBuf) -> Result<()> {
        if self.ended {
            let len = fs::metadata(&source).map_err(|e| Failure::io("read", &source, &e))?.len();
            let (records, offsets) = records_in(&source, base)?;
            let action = Self::action(&source, 0..len, Deed::CutOff, (None, records));
            self.plan.lost += records;
            self.plan.actions.push(Action { offsets, ..action });
            self.plan.leave_out.insert(file_name(&source));
            self.plan.snapshots = true;
            self.plan.epochs = true;
            return Ok(());
        }
        let path = source.clone();
        let mut segment =
            Segment { base, source, keep: Vec::new(), patches: Vec::new(), actions: Vec::new() };
        each_piece(&path, base, &mut |piece| {
            self.piece(piece, &mut segment, next);
            true
        })?;
        if segment.is_changed() {
            self.plan.reindex.insert(base);
            self.plan.snapshots = true;
        }
        self.plan.actions.extend(segment.actions.iter().cloned());
        self.plan.segments.push(segment);
        Ok(())
    }

    /// Decides on a stretch of a segment.
    fn piece(&mut self, piece: &LogPiece<'_>, segment: &mut Segment, next: Option<i64>) {
        let range = piece.position..piece.position + piece.size_bytes;
        let finding = self.by_place.get(&(segment.source.clone(), range.start)).copied();
        let explained = finding.filter(|it| it.explanation.is_some());
        self.plan.fixable += u64::from(explained.is_some());
        let (deed, records, offsets) = match &piece.what {
            Piece::Batch(batch) => {
                let header = batch.header();
                let records = u64::try_from(header.record_count()).unwrap_or(0);
                let offsets = Some((header.base_offset(), header.last_offset()));
                let cut = self.args.cut_at.is_some_and(|at| header.last_offset() >= at);
                if let Some(fix) = explained.filter(|_| self.args.fix_bitflips && !self.ended) {
                    return self.fix(fix, range, segment);
                }
                let is_bad = header.base_offset() < self.next_offset.max(segment.base)
                    || finding.is_some_and(is_of_bad_batch);
                if self.ended || cut {
                    self.ended = true;
                    (Deed::CutOff, records, offsets)
                } else if is_bad {
                    (self.bad(), records, offsets)
                } else {
                    self.next_offset = header.next_offset();
                    self.plan.kept += records;
                    push(&mut segment.keep, range);
                    return;
                }
            }
            Piece::Damage(_) | Piece::Unfinished
                if explained.is_some() && self.args.fix_bitflips =>
            {
                if let Some(finding) = explained.filter(|_| !self.ended) {
                    return self.fix(finding, range, segment);
                }
                (Deed::CutOff, 0, None)
            }
            Piece::Damage(_) => {
                let records = finding.map_or(0, |it| it.records);
                (self.bad(), records, finding.and_then(|it| it.offsets))
            }
            Piece::Unfinished | Piece::Zeros => self.lost_end(segment.base, next),
        };
        self.plan.lost += records;
        let mut action = Self::action(
            &segment.source,
            range.clone(),
            deed,
            (finding.map(|it| it.code), records),
        );
        action.offsets = offsets;
        // What lies side by side and shares its fate is one step.
        let last = segment.actions.last_mut().filter(|last| {
            last.deed == deed
                && last.code == action.code
                && last.range.as_ref().is_some_and(|it| it.end == range.start)
        });
        match last {
            Some(last) => {
                last.range = last.range.take().map(|it| it.start..range.end);
                last.lost += records;
                if let (Some((_, to)), Some((_, end))) = (&mut last.offsets, offsets) {
                    *to = end;
                }
            }
            None => segment.actions.push(action),
        }
    }

    /// What becomes of an end that is no batch: with it everything is gone that was behind it in a
    /// segment that others follow.
    fn lost_end(&mut self, base: i64, next: Option<i64>) -> (Deed, u64, Option<(i64, i64)>) {
        let from = self.next_offset.max(base);
        let Some(next) = next.filter(|next| *next > from) else {
            return (Deed::CutTail, 0, None);
        };
        let hole = (from, next - 1);
        self.ended |= self.args.like_broker;
        if !self.ended {
            self.plan.holes.push(hole);
        }
        (Deed::CutTail, next.abs_diff(from), Some(hole))
    }

    /// What becomes of a damaged stretch.
    fn bad(&mut self) -> Deed {
        if self.ended || self.args.like_broker {
            self.ended = true;
            Deed::CutOff
        } else if self.args.drop_batches {
            Deed::Drop
        } else {
            Deed::Quarantine
        }
    }

    /// Sets right what an explanation says.
    fn fix(&mut self, finding: &Finding, range: Range<u64>, segment: &mut Segment) {
        let Some(explanation) = finding.explanation else { return };
        let (at, bytes, end) = match explanation {
            Explanation::FlippedBit { byte, bit, found } => {
                (byte, vec![found ^ 1 << bit], range.end)
            }
            Explanation::Length { fits, .. } => {
                let end = range.start + 12 + u64::from(fits.unsigned_abs());
                (range.start + 8, fits.to_be_bytes().to_vec(), end)
            }
            Explanation::Magic { fits, .. } => {
                (range.start + 16, vec![fits.cast_unsigned()], range.end)
            }
            _ => return,
        };
        let code = Some(finding.code);
        let mut action =
            Self::action(&segment.source, range.start..end, Deed::Fix(explanation), (code, 0));
        action.offsets = finding.offsets;
        segment.patches.push((at, bytes));
        push(&mut segment.keep, range.start..end);
        self.plan.kept += finding.records;
        if let Some((first, last)) = finding.offsets {
            let moved = by_base_offset(explanation, range.start, first);
            self.next_offset = self.next_offset.max(last.saturating_add(moved).saturating_add(1));
        }
        segment.actions.push(action);
        if end < range.end {
            let deed = self.bad();
            segment.actions.push(Self::action(&segment.source, end..range.end, deed, (code, 0)));
        }
    }

    fn action(
        source: &Path,
        range: Range<u64>,
        deed: Deed,
        (code, lost): (Option<Code>, u64),
    ) -> Action {
        Action { code, file: file_name(source), range: Some(range), deed, offsets: None, lost }
    }

    /// What follows for the files beside the logs.
    fn side_files(&mut self, findings: &[Finding], names: &BTreeSet<String>) {
        let plan = &mut self.plan;
        for name in names {
            let is_leftover = ends(name, ".cleaned")
                || ends(name, ".tmp")
                || (ends(name, ".swap") && !ends(name, ".log.swap"));
            if is_leftover {
                plan.actions.push(Action::of_file(Code::Leftover, name, Deed::LeaveOut));
                plan.leave_out.insert(name.clone());
            } else if ends(name, ".deleted") || ends(name, ".log.swap") {
                plan.leave_out.insert(name.clone());
            }
        }
        let bad = findings.iter().filter(|finding| finding.severity > Severity::Info);
        let mut told = BTreeSet::new();
        for finding in bad {
            let name = file_name(&finding.path);
            let of_file = |deed| Action::of_file(finding.code, &name, deed);
            let action = match &finding.code.name()[..3] {
                "IDX" | "TIX" | "TXN" => {
                    let Some(base) = base_offset_of(Path::new(&name)) else { continue };
                    if finding.code.name().ends_with('7') || finding.code == Code::TxnOrphan {
                        plan.leave_out.insert(name.clone());
                        of_file(Deed::LeaveOut)
                    } else {
                        plan.reindex.insert(base);
                        of_file(Deed::Rebuild)
                    }
                }
                "SNP" => {
                    plan.snapshots = true;
                    of_file(Deed::Rebuild)
                }
                "EPO" | "CKP" => {
                    plan.epochs = true;
                    of_file(Deed::Rebuild)
                }
                "MAN" | "WMK" if !ends(&name, ".log") => {
                    if let Some(base) = base_offset_of(Path::new(&name)) {
                        plan.reindex.insert(base);
                        of_file(Deed::Rebuild)
                    } else {
                        plan.leave_out.insert(name.clone());
                        of_file(Deed::LeaveOut)
                    }
                }
                "DIR" if finding.code == Code::PartitionMetadata => {
                    plan.leave_out.insert(name.clone());
                    of_file(Deed::LeaveOut)
                }
                _ => continue,
            };
            if told.insert(name) {
                plan.actions.push(action);
            }
        }
        if !plan.actions.is_empty() {
            // They vouch for bytes that are not these any more; the next start makes them again.
            for name in ["segments.manifest", "durable.watermark"] {
                plan.leave_out.insert(name.to_owned());
            }
        }
    }
}

/// How far a flipped bit moves the offsets of the batch at `start` when it is set right: it may be
/// one of the base offset, the first eight bytes.
fn by_base_offset(explanation: Explanation, start: u64, base: i64) -> i64 {
    match explanation {
        Explanation::FlippedBit { byte, bit, .. } if (start..start + 8).contains(&byte) => {
            let bit = 8 * (start + 7 - byte) + u64::from(bit);
            (base ^ 1 << bit).saturating_sub(base)
        }
        _ => 0,
    }
}

/// Whether a finding is about a batch that is whole and cannot stay.
fn is_of_bad_batch(finding: &Finding) -> bool {
    finding.severity == Severity::Error
        && matches!(
            finding.code,
            Code::UnknownCodec
                | Code::RecordCount
                | Code::DoesNotInflate
                | Code::OffsetBelowBase
                | Code::OffsetGoesBack
                | Code::OffsetTooFar
                | Code::BatchDoubled
                | Code::RecordOffset
                | Code::ControlRecord
                | Code::LegacyWrapper
                | Code::MalformedRecord
        )
}

fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut().filter(|last| last.end == range.start) {
        Some(last) => last.end = range.end,
        None => ranges.push(range),
    }
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Gives the pieces of a `.log` to `visit`, until that has seen enough. A batch that is larger than
/// is taken is not to be lost for that: nothing is planned then.
pub(in crate::verbs) fn each_piece(
    path: &Path,
    base: i64,
    visit: &mut dyn FnMut(&LogPiece<'_>) -> bool,
) -> Result<()> {
    let log = LogFile::open_at(path, base)?;
    let mut pieces = Pieces::of(&log, path, 0);
    while let Some(piece) = pieces.next_piece()? {
        if let Piece::Damage(Damage { cause: BatchError::TooLarge { size, limit }, .. }) =
            piece.what
        {
            let (name, at) = (name_of(path), piece.position);
            let message = format!(
                "{name}: the batch at byte {at} has {size} bytes, --max-batch-bytes takes {limit}; \
                 with more, it can come along"
            );
            return Err(Failure { exit: Exit::Refused, message, of_output: false });
        }
        if !visit(&piece) {
            break;
        }
    }
    Ok(())
}

/// Where a `.log` leads that is nothing but whole batches; none if it is not, or has none.
fn whole(path: &Path, base: i64) -> Result<Option<i64>> {
    let mut end = None;
    each_piece(path, base, &mut |piece| {
        end = match piece.what {
            Piece::Batch(batch) => Some(batch.header().next_offset()),
            _ => None,
        };
        end.is_some()
    })?;
    Ok(end)
}

/// Records in a `.log`, and their offsets.
fn records_in(path: &Path, base: i64) -> Result<(u64, Option<(i64, i64)>)> {
    let (mut records, mut offsets) = (0, None);
    each_piece(path, base, &mut |piece| {
        if let Piece::Batch(batch) = piece.what {
            let header = batch.header();
            records += u64::try_from(header.record_count()).unwrap_or(0);
            let first = offsets.map_or(header.base_offset(), |(first, _)| first);
            offsets = Some((first, header.last_offset()));
        }
        true
    })?;
    Ok((records, offsets))
}
