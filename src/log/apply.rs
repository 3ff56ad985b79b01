//! The first write applies the plan: each step can be repeated, and a crash between any two leaves
//! what the next plan finds the same way.

use std::sync::Arc;

use super::leader_epochs::LeaderEpochs;
use super::ledger::{Ledger, Mark};
use super::opened::Opened;
use super::plan::{Plan, Tail, tip_of};
use super::producers::{Producers, Update};
use super::quarantine;
use super::truncate;
use super::writer::{Writer, write_epochs};
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::{LeaderEpoch, Offset};
use crate::segment::names::{self, DELETED, PARTS, Part, SWAP, Suffix};
use crate::segment::{Active, READ_BYTES, Segment};

/// Carries out what a plan says, and makes the writer.
pub(super) fn apply(log: &Opened, plan: &mut Plan) -> Result<Writer> {
    if let Some((from, to)) = plan.gap
        && !plan.gap_accepted
    {
        return Err(Error::GapNotAccepted { from, to });
    }
    let opening = log.context.store.gate.pass()?;
    let may_be_unwritten = !plan.clean && log.ledger().proved && !log.context.store.booted_since;
    if may_be_unwritten {
        // Before anything is done that it says.
        log.ledger().write_again()?;
    }
    // What was announced: both slots lowered before anything goes.
    if let Some(start) = plan.start_over {
        truncate::start_over_slots(&mut log.ledger(), start, plan.epochs.latest())?;
    }
    lower_slots(log, plan)?;
    swap_in(log, plan)?;
    sweep(log, plan)?;
    cut_tail(log, plan)?;
    if may_be_unwritten && !planted::on(Bug::KeptBytesNotRewritten) {
        write_again(log, plan)?;
    }
    sweep_snapshots(log, plan)?;
    let mut jitter = log.context.store.clock.now_ms() as u64 ^ log.context.partition as u64;
    let active = make_active(log, plan, &mut jitter)?;
    if plan.owes_epochs {
        write_epochs(log, &plan.epochs)?;
    }
    log.unsynced.note();
    log.sync_directory()?;
    let epoch = enter(log, plan, opening)?;
    let producers = plan.producers.take().unwrap_or_else(|| Producers::new(plan.log_start));
    let mut writer = Writer {
        active,
        producers,
        epochs: std::mem::replace(&mut plan.epochs, LeaderEpochs::new()),
        epoch,
        log_end: plan.log_end,
        update: Update::default(),
        doomed: Vec::new(),
        jitter,
    };
    if !plan.clean {
        writer.write_snapshot(log);
    }
    let segments = std::mem::take(&mut plan.segments);
    writer.publish_segments(log, |shown| *shown = segments);
    let epochs = Arc::new(writer.epochs.clone());
    log.published.publish(|view| {
        view.epochs = epochs;
        view.gap = None;
    });
    Ok(writer)
}

/// Ends what a compaction began: what it replaced goes, what it made gets its name.
fn swap_in(log: &Opened, plan: &Plan) -> Result<()> {
    for &base in &plan.swapped_out {
        quarantine::keep_file(&log.context.dir, &names::name(base, Part::Log))?;
    }
    for segment in plan.segments.iter().filter(|it| plan.swaps.contains(&it.base_offset())) {
        let (from, name) =
            (segment.log_handle().name(), names::name(segment.base_offset(), Part::Log));
        if *from != *name {
            segment.log_handle().rename(&name).map_err(|error| log.io("rename", &from, error))?;
        }
    }
    for made in &plan.replacing {
        for part in [Part::OffsetIndex, Part::TimeIndex, Part::TxnIndex] {
            let name = names::name(made.base_offset, part);
            match log.context.dir.rename(&format!("{name}{SWAP}"), &name) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                renamed => renamed.map_err(|error| log.io("rename", &name, error))?,
            }
        }
        if made.txn_index.is_none() {
            // That of what was there before.
            log.remove_if_there(&names::name(made.base_offset, Part::TxnIndex))?;
        }
    }
    Ok(())
}

/// Removes what unfinished changes and deletions left, and segments below the log start.
fn sweep(log: &Opened, plan: &Plan) -> Result<()> {
    let proved = log.ledger().proved;
    for (name, suffix) in &plan.listing.leftovers {
        match suffix {
            Suffix::Deleted => log.remove_if_there(name)?,
            // Only a replace that the manifest has could have made them count. Where Kafka wrote,
            // a `.swap` may be the only copy of its records: it stays.
            Suffix::Cleaned | Suffix::Swap if proved => log.remove_if_there(name)?,
            Suffix::Cleaned | Suffix::Swap => {}
        }
    }
    for name in &plan.listing.unfinished {
        log.remove_if_there(name)?;
    }
    for &(base, part) in &plan.listing.indexes {
        if !plan.listing.bases.contains(&base) {
            log.remove_if_there(&names::name(base, part))?;
        }
    }
    let gone_by_cut =
        plan.listing.bases.iter().filter(|&&base| plan.cut.is_some_and(|cut| base > cut));
    for &base in plan.dead.iter().chain(gone_by_cut) {
        for part in PARTS {
            log.remove_if_there(&names::name(base, part))?;
        }
    }
    Ok(())
}

/// Quarantines what does not belong to the log, then cuts it off.
fn cut_tail(log: &Opened, plan: &Plan) -> Result<()> {
    let dir = &log.context.dir;
    for &base in &plan.behind_tail {
        quarantine::keep_file(dir, &names::name(base, Part::Log))?;
        for part in [Part::OffsetIndex, Part::TimeIndex, Part::TxnIndex] {
            log.remove_if_there(&names::name(base, part))?;
        }
    }
    for &Tail { base_offset, position, len, zeros } in &plan.tails {
        let segment = plan.segments.iter().find(|segment| segment.base_offset() == base_offset);
        let Some(segment) = segment else { continue };
        let file = segment.log_file()?;
        // Cut already, if an earlier attempt failed later on.
        let len = len.min(segment.file_len()?);
        if !zeros && position < len && !planted::on(Bug::CutWithoutQuarantine) {
            quarantine::keep_bytes(dir, &file, base_offset, position..len)?;
        }
        if planted::on(Bug::TornTailStays) {
            continue;
        }
        let path = || segment.path(Part::Log);
        file.truncate(position).map_err(|e| Error::io("cut", path(), e))?;
        log.sync_log(segment)?;
    }
    Ok(())
}

/// Writes what was kept above the mark once more: an earlier write-back may have failed unseen, and
/// a sync says nothing of pages that the kernel believes clean.
fn write_again(log: &Opened, plan: &Plan) -> Result<()> {
    let Some(slot) = log.ledger().slot().copied() else { return Ok(()) };
    for segment in plan.segments.iter().filter(|s| s.base_offset() >= slot.base_offset) {
        if log.ledger().entry(segment.base_offset()).is_some() || segment.end() == 0 {
            continue;
        }
        let from = if segment.base_offset() == slot.base_offset { slot.point } else { 0 };
        rewrite(segment, from)?;
    }
    Ok(())
}

fn rewrite(segment: &Segment, from: u64) -> Result<()> {
    let file = segment.log_file()?;
    let mut piece = vec![0; READ_BYTES];
    let mut at = from;
    while at < segment.end() {
        let len = piece.len().min((segment.end() - at) as usize);
        let path = || segment.path(Part::Log);
        file.read_exact_at(&mut piece[..len], at).map_err(|e| Error::io("read", path(), e))?;
        file.write_all_at(&piece[..len], at).map_err(|e| Error::io("write", path(), e))?;
        at += len as u64;
    }
    Ok(())
}

/// Removes snapshots that nothing refers to, as Kafka does when it loads a log: those beyond the
/// end, and those at no segment's base but the largest of them.
fn sweep_snapshots(log: &Opened, plan: &Plan) -> Result<()> {
    let bases: Vec<Offset> = plan.segments.iter().map(|segment| segment.base_offset()).collect();
    let highest = bases.last().copied().unwrap_or(0);
    let strays = plan.listing.snapshots.iter().copied().filter(|at| !bases.contains(at));
    let kept = strays.filter(|&at| at > highest && at <= plan.log_end).max();
    for &at in &plan.listing.snapshots {
        let is_wanted = bases.contains(&at) && at > plan.log_start || Some(at) == kept;
        if !is_wanted || at > plan.log_end {
            log.remove_if_there(&names::name(at, Part::Snapshot))?;
        }
    }
    Ok(())
}

/// The segment to append to: the last one, or a new one if the log goes on behind its records, or
/// the last one has lost its end: what is appended there could make a batch that was cut whole again.
fn make_active(log: &Opened, plan: &mut Plan, jitter: &mut u64) -> Result<Active> {
    let now = log.context.store.clock.now_ms();
    let limits = log.limits(jitter);
    // One that the manifest vouches for, or that lies before the mark, takes nothing more, be what
    // came after it lost: no opening looks through it.
    let is_sealed = |last: &Arc<Segment>| {
        let (ledger, base) = (log.ledger(), last.base_offset());
        let marked = ledger.slot().filter(|_| ledger.proved).map_or(0, |slot| slot.base_offset);
        (ledger.entry(base).is_some() || marked > base) && plan.log_end > base
    };
    let last = plan.segments.last().filter(|last| !is_sealed(last)).map(Arc::clone);
    if let Some(last) = last
        && plan.listing.bases.contains(&last.base_offset())
        && plan.log_end == plan.found_end.max(last.base_offset())
        && !ends_in_damage(log, plan, &last)?
    {
        last.grow_indexes()?;
        let mut active = Active::resume(last, limits, now);
        active.touch_indexes()?;
        return Ok(active);
    }
    // Left by an earlier attempt that failed later on.
    log.remove_if_there(&names::name(plan.log_end, Part::Log))?;
    let active = Active::create(log.shared(), plan.log_end, limits, now)?;
    plan.segments.retain(|segment| plan.listing.bases.contains(&segment.base_offset()));
    if plan.found_end < plan.log_start {
        // All that is there is deleted data: the empty segment takes its place.
        for segment in plan.segments.drain(..) {
            for part in PARTS {
                let name = names::name(segment.base_offset(), part);
                log.remove_if_there(&name)?;
            }
        }
    }
    plan.segments.push(Arc::clone(active.segment()));
    Ok(active)
}

/// Whether a file ends in damage, which might claim what was written behind it, or ends below the
/// point up to which it was durable, or sealed: what was written there would be sought from that
/// point on.
fn ends_in_damage(log: &Opened, plan: &Plan, segment: &Segment) -> Result<bool> {
    let last = segment.known_facts().and_then(|facts| facts.last_batch);
    let behind_last = |at: u64| last.is_none_or(|(position, _)| at > position);
    if plan.damage.iter().any(|&(base, at, _)| base == segment.base_offset() && behind_last(at)) {
        return Ok(true);
    }
    segment.note_cut()?;
    let ledger = log.ledger();
    let slot = ledger.slot().filter(|slot| slot.base_offset == segment.base_offset());
    let point = slot.filter(|_| ledger.proved).map_or(0, |slot| slot.point);
    let sealed = segment.known_facts().map_or(0, |facts| facts.log_bytes);
    Ok(point.max(sealed) > segment.end())
}

/// The last step, after which the log is no longer clean, is proved, and has its epoch.
fn enter(log: &Opened, plan: &Plan, opening: i32) -> Result<LeaderEpoch> {
    let mut ledger = log.ledger();
    let known = plan.epochs.latest();
    let last = plan.segments.iter().filter_map(|s| s.known_facts()?.last_epoch).max();
    let known = known.max(last);
    let current = ledger.slot().and_then(|slot| slot.leader_epoch).max(known);
    let epoch = if plan.clean || planted::on(Bug::EpochNotRaised) {
        current.unwrap_or(LeaderEpoch(0))
    } else {
        LeaderEpoch(current.map_or(0, |epoch| epoch.0.saturating_add(1)))
    };
    let was_proved = ledger.proved;
    if !was_proved {
        // What somebody else wrote is made ours: durable first.
        for segment in &plan.segments {
            log.sync_log(segment)?;
        }
        // From now on Kafka's checkpoint says nothing of it.
        ledger.take_log_start(plan.log_start);
    }
    for &base in &plan.missing {
        ledger.forget(base);
    }
    if let (Some(cut), Some(last)) = (plan.cut, plan.segments.last()) {
        log.sync_log(last)?;
        truncate::raise_slots(&mut ledger, Mark { tip: tip_of(last), durable_end: cut })?;
    }
    if ledger.owes_replacing() {
        ledger.replace()?;
    }
    let mark = mark_behind_loss(log, plan, &mut ledger)?;
    let tip = plan.segments.last().map(|last| tip_of(last));
    ledger.change_slots(|slot| {
        if let Some(mark) = mark {
            *slot = slot.moved_to(mark);
        }
        if let Some(tip) = tip.filter(|_| !was_proved) {
            *slot = slot.moved_to(Mark { tip, durable_end: plan.log_end });
            slot.gaps = true;
        }
        slot.clean &= planted::on(Bug::CleanLeftOn);
        slot.opening = opening;
        slot.leader_epoch = Some(epoch);
    })?;
    ledger.proved = true;
    Ok(epoch)
}

/// Where the mark has to go because durable bytes are missing before it: what is appended from now
/// on lies behind it, or the next opening would take it for a part of what is lost. The segments that
/// it passes over are sealed, damaged as they are: what is known of them, that no offset was ever
/// left out above all, is what tells later readers of the damage.
fn mark_behind_loss(log: &Opened, plan: &Plan, ledger: &mut Ledger) -> Result<Option<Mark>> {
    let (Some(slot), Some(last)) = (ledger.slot().copied(), plan.segments.last()) else {
        return Ok(None);
    };
    let is_new = !plan.listing.bases.contains(&last.base_offset());
    if !ledger.proved || !is_new {
        return Ok(None);
    }
    for pair in plan.segments.windows(2) {
        let (segment, next) = (&pair[0], &pair[1]);
        let base = segment.base_offset();
        if base >= slot.base_offset && ledger.entry(base).is_none() {
            let sealed = log.seal(ledger, segment, next.base_offset());
            sealed.map_err(|failure| log.failed(failure))?;
        }
    }
    log.sync_directory()?;
    Ok(Some(Mark { tip: tip_of(last), durable_end: plan.log_end }))
}

/// Lowers both slots to a cut that an earlier opening announced and did not carry out.
fn lower_slots(log: &Opened, plan: &Plan) -> Result<()> {
    let (Some(cut), Some(last)) = (plan.cut, plan.segments.last()) else { return Ok(()) };
    truncate::lower_slots(&mut log.ledger(), (cut, last), plan.epochs.latest())
}

/// Renames a file so that it is removed later.
pub(super) fn deleted_name(name: &str) -> String {
    format!("{name}{DELETED}")
}
