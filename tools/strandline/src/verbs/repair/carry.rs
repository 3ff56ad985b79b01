//! Carrying a plan out: a copy is built beside its place, synced, verified, and then named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use strandline::{Code, Finding, Level, Severity, Verification, base_offset_of};

use super::account::{Account, sum_of};
use super::place::{Place, UNDER_WAY, sync_dir};
use super::plan::{Plan, Segment, file_name};
use super::{Args, warn};
use crate::exit::{Exit, Failure, Result, name_of};
use crate::global::Global;
use crate::verbs::verify;

/// So much is copied at once.
const PIECE: usize = 256 << 10;
const QUARANTINE: &str = "quarantine";
/// It stands in the copy, and says what was done.
const ACCOUNT: &str = "strandline-repair.json";

/// Makes the mended copy.
pub(super) fn out(plan: &Plan, args: &Args, global: &Global, place: &Place) -> Result<()> {
    let _unfinished = place.begin()?;
    let built = build(plan, args, place).and_then(|()| prove(plan, global, place));
    if let Err(failure) = built.and_then(|()| place.finish()) {
        place.give_up();
        return Err(failure);
    }
    Ok(())
}

fn build(plan: &Plan, args: &Args, place: &Place) -> Result<()> {
    let to = &place.building;
    let mut account = Account::new(&plan.partition);
    let failed = |path: &Path, error: io::Error| Failure::io("write", path, &error);
    for segment in &plan.segments {
        let name = format!("{:020}.log", segment.base);
        write_segment(segment, &to.join(&name)).map_err(|error| failed(&to.join(&name), error))?;
        keep_damaged(segment, to).map_err(|error| failed(&to.join(QUARANTINE), error))?;
        account.segment(segment, &to.join(&name))?;
    }
    for (name, path) in others(plan)? {
        fs::copy(&path, to.join(&name)).map_err(|error| failed(&to.join(&name), error))?;
    }
    let mut wanted = BTreeMap::new();
    for file in strandline::rebuild(to, args.interval_bytes)? {
        if is_wanted(&file.name, file.base_offset, plan) {
            wanted.insert(file.name, file.bytes);
        }
    }
    for (name, bytes) in &wanted {
        fs::write(to.join(name), bytes).map_err(|error| failed(&to.join(name), error))?;
        account.rebuilt(&plan.partition.join(name), &to.join(name))?;
    }
    for action in plan.actions.iter().filter(|action| action.range.is_none()) {
        account.note(action);
    }
    fs::write(to.join(ACCOUNT), account.bytes()).map_err(|e| failed(&to.join(ACCOUNT), e))?;
    sync_all(to).map_err(|error| failed(to, error))
}

/// Whether a file is made again rather than copied.
fn is_wanted(name: &str, base: Option<i64>, plan: &Plan) -> bool {
    match base {
        Some(_) if has_end(name, "snapshot") => plan.snapshots,
        Some(base) => plan.reindex.contains(&base),
        None => plan.epochs,
    }
}

fn has_end(name: &str, end: &str) -> bool {
    Path::new(name).extension().is_some_and(|it| it == end)
}

/// The files that come along as they are.
fn others(plan: &Plan) -> Result<BTreeMap<String, PathBuf>> {
    let failed = |error: io::Error| Failure::io("list", &plan.partition, &error);
    let taken: BTreeSet<i64> = plan.segments.iter().map(|segment| segment.base).collect();
    let mut others = BTreeMap::new();
    for entry in fs::read_dir(&plan.partition).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(failed)?;
        if !kind.is_file() {
            if name != QUARANTINE {
                warn(format_args!("{}: not copied: no file", name_of(&entry.path())));
            }
            continue;
        }
        let base = base_offset_of(Path::new(&name));
        let is_index = ["index", "timeindex", "txnindex"].iter().any(|end| has_end(&name, end));
        let goes = plan.leave_out.contains(&name)
            || has_end(&name, "log")
            || name == ACCOUNT
            || name == UNDER_WAY
            || (has_end(&name, "snapshot") && plan.snapshots)
            || (is_index
                && base.is_some_and(|base| plan.reindex.contains(&base) || !taken.contains(&base)))
            || (name == "leader-epoch-checkpoint" && plan.epochs);
        if !goes {
            others.insert(name, entry.path());
        }
    }
    Ok(others)
}

/// Writes the `.log` of the copy.
fn write_segment(segment: &Segment, to: &Path) -> io::Result<()> {
    if !segment.is_changed() {
        return fs::copy(&segment.source, to).map(|_| ());
    }
    let mut source = File::open(&segment.source)?;
    let mut target = File::create_new(to)?;
    for range in &segment.keep {
        copy_range(&mut source, range, &segment.patches, &mut target)?;
    }
    target.flush()
}

fn copy_range(
    source: &mut File,
    range: &Range<u64>,
    patches: &[(u64, Vec<u8>)],
    target: &mut File,
) -> io::Result<()> {
    source.seek(SeekFrom::Start(range.start))?;
    let (mut at, mut piece) = (range.start, vec![0; PIECE]);
    while at < range.end {
        let len = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
        source.read_exact(&mut piece[..len])?;
        for (place, bytes) in patches {
            for (byte, place) in bytes.iter().zip(*place..) {
                if (at..at + len as u64).contains(&place) {
                    piece[(place - at) as usize] = *byte;
                }
            }
        }
        target.write_all(&piece[..len])?;
        at += len as u64;
    }
    Ok(())
}

/// Puts what is damaged into the copy's quarantine.
fn keep_damaged(segment: &Segment, to: &Path) -> io::Result<()> {
    let mut source = File::open(&segment.source)?;
    for action in segment.actions.iter().filter(|action| action.is_quarantine()) {
        let Some(range) = &action.range else { continue };
        let dir = to.join(QUARANTINE);
        fs::create_dir_all(&dir)?;
        let unnamed = dir.join("part");
        let mut target = File::create(&unnamed)?;
        copy_range(&mut source, range, &[], &mut target)?;
        target.sync_all()?;
        let sum = sum_of(&unnamed)?;
        let name = format!("{:020}.log.{}-{}", segment.base, range.start, &sum[..8]);
        fs::rename(&unnamed, dir.join(name))?;
    }
    Ok(())
}

/// Makes all of it durable.
fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Verifies the copy: it gets its name only without an error, but that records are not there which the
/// plan says are not.
fn prove(plan: &Plan, global: &Global, place: &Place) -> Result<()> {
    let mut verification = Verification::new(&verify::options(Level::Deep, global));
    verification.add(&place.building)?;
    let report = verify::work(verification, global);
    if let Some(error) = report.unreadable.first() {
        return Err(Failure::from(error.clone()));
    }
    // The mark of its being built is no part of it.
    let is_known = |it: &Finding| {
        it.code == Code::SegmentHole && it.offsets.is_some_and(|hole| plan.holes.contains(&hole))
    };
    let is_bad = |it: &&Finding| it.severity == Severity::Error && !is_known(it);
    let mut bad = report.findings.iter().filter(is_bad);
    match bad.next() {
        None => Ok(()),
        Some(finding) => {
            let message = format!(
                "{}: still damaged after the mend ({} in {}: {finding}); nothing was made",
                name_of(&place.to),
                finding.code,
                file_name(&finding.path)
            );
            Err(Failure { exit: Exit::No, message, of_output: false })
        }
    }
}
