//! Every call fails once, in every way, without and within recovery; and every sync.

use std::rc::Rc;

use strandline::testing::sim::{Call, Dice, Disk, ERRORS, Fault, Image, SyncFault};
use strandline::{Durability, Error, Record};

use super::check::{self, Depth, Expected, check};
use super::content::{Content, Found, said};
use super::enumerate::{Plan, Run, run};
use super::files;
use super::images::cuts;
use super::ops::Op;
use super::world::World;

/// What can strike call number `call`: each error, and a write that stops short.
pub(crate) fn faults(call: u64) -> impl Iterator<Item = Fault> {
    let errors = ERRORS.iter().map(|(_, errno)| Fault::Error(*errno));
    errors.chain([Fault::Short(call as usize % 97)])
}

/// Runs `ops` with `fault` at call `number`. What was acknowledged must be there all the time, and
/// the step that failed must work once the cause is gone.
pub(crate) fn with_fault(
    ops: &[Op],
    plan: Plan,
    (number, fault): (u64, Fault),
) -> Result<(), String> {
    let mut world = World::new(Disk::new(plan.order, plan.seed))?;
    let mut content = Content::of(&world.log)?;
    world.disk.fail(number, fault);
    for op in ops {
        let struck = world.act(*op);
        let failed = struck.is_err();
        if let Err(error) = struck {
            is_typed(&error).map_err(|why| format!("{op}: {why}"))?;
            world.disk.heal();
            if matches!(error, Error::Io { .. }) {
                files::are_whole(&world.disk.image())
                    .map_err(|why| format!("{op} failed and left a part: {why}"))?;
            }
            goes_on(&world, &content, *op)?;
            works_again(&mut world, *op, &error)?;
        }
        let now = Content::of(&world.log).or_else(|_| Content::of(&world.log))?;
        if !op.removes() {
            follows(&content, &now, failed).map_err(|why| format!("after {op}: {why}"))?;
        }
        content = now;
    }
    let death = Disk::from(world.disk.image());
    let image = death.image();
    let content = Rc::new(content);
    let expected = Expected {
        before: Rc::clone(&content),
        after: content,
        is_power_cut: false,
        removes: true,
        cleans: false,
    };
    check(&image, &expected, Depth::Plain).map(drop)
}

/// D3: what a device or the system refuses is never taken for damage, nor for the caller's mistake.
fn is_typed(error: &Error) -> Result<(), String> {
    match error {
        Error::Io { .. } | Error::Poisoned(_) => Ok(()),
        other => Err(format!("a failed call gives {other:?}")),
    }
}

/// After a failure reads go on, and give what was acknowledged.
fn goes_on(world: &World, before: &Content, op: Op) -> Result<(), String> {
    if op.reopens() || op.removes() {
        return Ok(());
    }
    let mut found = Found::in_log(&world.log)?;
    let durable = before.durable;
    // Of a poisoned log what is durable is read, whatever its end was.
    let reached = found.batches()?.last().map_or(found.start, |last| last.next);
    found.end = reached.max(durable.min(found.end));
    let with_one_more = || before.starts(&found);
    before.kept(&found, durable).map(drop).or_else(|why| with_one_more().map_err(|_| why))
}

/// The step works once the cause is gone; after a failed sync, once the log is opened again.
fn works_again(world: &mut World, op: Op, error: &Error) -> Result<(), String> {
    let again = match world.again(op) {
        Err(Error::Poisoned(_)) => {
            said("reopen", world.log.reopen())?;
            world.again(op)
        }
        other => other,
    };
    again.map_err(|why| format!("{op} failed with {error}, and again, healed, with {why}"))
}

/// What was there before is there now; after a failure perhaps with what failed, and as it was sent
/// again.
fn follows(before: &Content, now: &Content, failed: bool) -> Result<(), String> {
    if now.start != before.start {
        return Err(format!("log start {} instead of {}", now.start, before.start));
    }
    let most = before.batches.len() + if failed { 2 } else { 1 };
    if now.batches.get(..before.batches.len()) != Some(&before.batches) {
        return Err(format!("not what was acknowledged: {now}, not {before}"));
    }
    if now.batches.len() > most {
        return Err(format!("more than was sent: {now}, after {before}"));
    }
    Ok(())
}

/// Fails each call of the recovery of `image` in each way, `every`th of them; whatever comes of it,
/// the next recovery finds what is expected. Says how many faults there were.
pub(crate) fn in_recovery(
    image: &Image,
    expected: &Expected,
    (every, dice): (usize, &mut Dice),
) -> Result<u64, String> {
    let calls = {
        let disk = Disk::from(image.clone());
        recover(&disk).map_err(|error| format!("recovery: {error}"))?;
        disk.calls()
    };
    let mut faulted = 0;
    for number in 0..calls {
        for fault in faults(number) {
            if dice.below(every) != 0 {
                continue;
            }
            faulted += 1;
            let disk = Disk::from(image.clone());
            disk.fail(number, fault);
            let result = recover(&disk);
            let place = |why: String| format!("{why}\n  {fault:?} at call {number} of recovery");
            let mut left = disk.image();
            if let Err(error) = result {
                is_typed(&error).map_err(place)?;
            } else if number % 2 == 1 {
                left = left.cut(&cuts(&left, number, 1)[0]);
            }
            expected_after(expected, &left).map_err(place)?;
        }
    }
    Ok(faulted)
}

/// What is expected stays so after a recovery that failed, or that appended one record more.
fn expected_after(expected: &Expected, left: &Image) -> Result<(), String> {
    let opened = check::open(Disk::from(left.clone()))?;
    let found = Found::in_log(&opened.log)?;
    drop(opened);
    let mut shorter = found.clone();
    if let Some(last) = found.batches()?.last().filter(|last| last.bytes.ends_with(MARK)) {
        shorter.bytes.truncate(found.bytes.len() - last.bytes.len());
        shorter.end = last.base;
    }
    expected.recognise(shorter).map(drop)
}

/// How the record ends that a recovery appends: its value, and no headers.
const MARK: &[u8] = b"recovered\0";

fn recover(disk: &Disk) -> strandline::Result<()> {
    let clock = strandline::Clock::manual(check::LATER);
    let store = strandline::testing::sim::open(disk, super::world::options(&clock))?;
    let log = store.log("events", 0)?;
    log.fetch(log.log_start_offset()?, strandline::FetchOptions::new())?;
    let batch = strandline::Batch::of([Record::new().key("k").value("recovered")]);
    log.append(batch, Durability::Synced)?;
    store.close()
}

/// The ways a sync fails.
pub(crate) const SYNC_FAULTS: [Fault; 4] = [
    Fault::Sync(SyncFault::Cleaned),
    Fault::Sync(SyncFault::FellBack),
    Fault::Sync(SyncFault::Sticky),
    Fault::WriteBack,
];

/// The calls of `ops` that a failed sync can strike: for one between syncs, any that changes
/// something.
pub(crate) fn struck_by(ops: &[Op], plan: Plan, fault: Fault) -> Result<Vec<Call>, String> {
    let (_, recorded): Run = run(ops, plan)?;
    let is_struck = |call: &Call| fault == Fault::WriteBack || call.is_sync();
    Ok(recorded.into_iter().map(|(call, _)| call).filter(is_struck).collect())
}

/// Runs `ops` with a sync that fails, until somebody notices; then the power fails, the process
/// dies, or one after the other. Says how many images were looked at.
pub(crate) fn with_failed_sync(
    ops: &[Op],
    plan: Plan,
    (number, fault): (u64, Fault),
) -> Result<u64, String> {
    let mut world = World::new(Disk::new(plan.order, plan.seed))?;
    let mut content = Rc::new(Content::of(&world.log)?);
    world.disk.fail(number, fault);
    let mut after = Rc::clone(&content);
    for (at, op) in ops.iter().enumerate() {
        let before = Rc::clone(&content);
        if let Ok(step) = world.step(*op, before) {
            content = Rc::clone(&step.after);
            after = Rc::clone(&content);
            continue;
        }
        // What it would have come to.
        let mut twin = World::new(Disk::new(plan.order, plan.seed))?;
        let mut there = Rc::new(Content::of(&twin.log)?);
        for op in &ops[..=at] {
            there = twin.step(*op, there)?.after;
        }
        after = Rc::clone(&there);
        // What is promised from here on has to hold too, whatever became of that sync; and what
        // failed may have happened all the same.
        let can_go_on = fault != Fault::WriteBack && world.disk.can_be_written();
        if can_go_on && world.act(Op::AppendSynced).is_ok() {
            content = Rc::new(Content::of(&world.log)?);
            after = Rc::new(content.from(there.start));
        }
        break;
    }
    let words = format!("before: {content}\n  after: {after}");
    let cleans = ops.contains(&Op::Clean);
    let expected = Expected { before: content, after, is_power_cut: true, removes: true, cleans };
    aftermath(&world.disk, &expected, plan).map_err(|why| format!("{why}\n  {words}"))
}

/// The power fails; or the process dies, another goes on, and then the power fails.
pub(crate) fn aftermath(disk: &Disk, expected: &Expected, plan: Plan) -> Result<u64, String> {
    let image = disk.image();
    let mut images = 0;
    let power = Expected { is_power_cut: true, ..expected.clone() };
    for cut in cuts(&image, plan.seed, 2).iter().take(8) {
        check(&image.cut(cut), &power, Depth::Plain).map_err(|why| format!("power cut: {why}"))?;
        images += 1;
    }
    let disk = disk.after_death();
    let dead = |why| format!("process death: {why}");
    let is_broken = !disk.can_be_written();
    let opened =
        if is_broken { check::open_read_only(disk.clone()) } else { check::open(disk.clone()) };
    let opened = opened.map_err(dead)?;
    expected.recognise(Found::in_log(&opened.log)?).map_err(dead)?;
    if is_broken {
        return Ok(images);
    }
    let batch = strandline::Batch::of([Record::new().key("k").value("goes on")]);
    let went_on = opened.log.append(batch, Durability::Synced);
    let content = Rc::new(Content::of(&opened.log)?);
    drop(opened);
    if let Err(error) = went_on {
        // The disk is still broken: only that nothing more is lost.
        is_typed(&error)?;
        return Ok(images);
    }
    let after = Expected {
        before: Rc::clone(&content),
        after: content,
        is_power_cut: true,
        removes: true,
        cleans: false,
    };
    let image = disk.image();
    for cut in cuts(&image, plan.seed, 2).iter().take(8) {
        let left = image.cut(cut);
        check(&left, &after, Depth::Plain).map_err(|why| {
            let found = check::describe(&left);
            format!("process death, an append, power cut: {why}\n  found: {found}")
        })?;
        images += 1;
    }
    Ok(images)
}

/// The process dies, what it wrote is lost on its way without anybody being told, another process
/// goes on, and then the power fails.
pub(crate) fn with_lost_pages(
    image: &Image,
    expected: &Expected,
    plan: Plan,
) -> Result<u64, String> {
    let mut image = image.clone();
    image.write_back_fails();
    let death = Expected { is_power_cut: true, ..expected.clone() };
    aftermath(&Disk::from(image), &death, plan)
}
