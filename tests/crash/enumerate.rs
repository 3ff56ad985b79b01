//! The power fails before each call of each sequence of operations, in every way.

use std::collections::HashSet;
use std::fmt;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use strandline::testing::sim::{Call, Cut, Disk, Image, Order};

use super::check::{Depth, Expected, check, check_with_one_slot, check_without_owner};
use super::content::Content;
use super::images::cuts;
use super::ops::Op;
use super::world::{Step, World};

/// Which crashes are tried.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) order: Order,
    pub(crate) seed: u64,
    /// How many random subsets where there are too many to try all.
    pub(crate) random: usize,
    /// One of how many images, by what is in them, is asked everything, cut again in its recovery,
    /// and again in that.
    pub(crate) full: u64,
    pub(crate) twice: u64,
    pub(crate) thrice: u64,
    /// Whether crashes in all steps are tried, or in the last only.
    pub(crate) every_step: bool,
}

/// What was tried, by all threads.
#[derive(Default)]
pub(crate) struct Tally {
    seen: [Mutex<HashSet<u64>>; 16],
    pub(crate) runs: AtomicU64,
    /// By how often the power failed.
    pub(crate) images: [AtomicU64; 3],
    pub(crate) failures: Mutex<Vec<Failure>>,
}

/// A broken promise, and how to see it again.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) why: String,
    pub(crate) ops: Vec<Op>,
    pub(crate) plan: Plan,
    pub(crate) when: String,
    pub(crate) left: Vec<String>,
    /// Before which call, and which image of those that may be left; none if only the process died.
    pub(crate) place: Option<(u64, Option<usize>)>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops: Vec<_> = self.ops.iter().map(Op::to_string).collect();
        writeln!(f, "{}", self.why)?;
        writeln!(
            f,
            "  seed {:#x}, {:?}, workload [{}]",
            self.plan.seed,
            self.plan.order,
            ops.join(", ")
        )?;
        writeln!(f, "  {}", self.when)?;
        for left in &self.left {
            writeln!(f, "  {left}")?;
        }
        let (call, image) = self.place.unwrap_or((0, None));
        let image = image.map_or("death".into(), |image| image.to_string());
        let (seed, order, ops) = (self.plan.seed, self.plan.order, ops.join(","));
        write!(f, "  again: STRANDLINE_SIM={seed:x}:{order:?}:{ops}:{call}:{image} ")?;
        write!(f, "cargo test --features sim --test crash replay -- --nocapture")
    }
}

impl Tally {
    /// The number of such an image with such expectations, if it is seen for the first time at this
    /// depth, where it is counted then: what is tried hangs on no order of threads.
    fn new_number(&self, image: &Image, expected: &Expected, depth: usize) -> Option<u64> {
        let (before, after) = (&expected.before, &expected.after);
        let mark = |content: &Content| {
            (content.end as u64) << 20 ^ (content.durable as u64) << 40 ^ content.start as u64
        };
        let kind = (depth as u64) << 1 | u64::from(expected.is_power_cut);
        let of = image.fingerprint()
            ^ kind.wrapping_mul(0xd6e8_feb8_6659_fd93)
            ^ mark(before).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ mark(after).rotate_left(17);
        let place = &self.seen[(of >> 60) as usize];
        let is_new = place.lock().unwrap().insert(of);
        self.images[depth].fetch_add(u64::from(is_new), Ordering::Relaxed);
        is_new.then_some(of)
    }

    pub(crate) fn distinct(&self) -> u64 {
        self.images.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// The steps of a run, and what the disk held before each call that changed something.
pub(crate) type Run = (Vec<Step>, Vec<(Call, Image)>);

/// Runs `ops` once on a new disk, and gives all its steps with the images from before each call.
pub(crate) fn run(ops: &[Op], plan: Plan) -> Result<Run, String> {
    let mut world = World::new(Disk::new(plan.order, plan.seed))?;
    let mut content = Rc::new(Content::of(&world.log)?);
    let mut steps = Vec::new();
    world.disk.record();
    for op in ops {
        let step = world.step(*op, content)?;
        content = Rc::clone(&step.after);
        steps.push(step);
    }
    let mut recorded = world.disk.recorded();
    recorded.push((world.disk.end(), world.disk.image()));
    Ok((steps, recorded))
}

/// Tries every crash in `ops` that `plan` asks for.
pub(crate) fn enumerate(ops: &[Op], plan: Plan, tally: &Tally) {
    tally.runs.fetch_add(1, Ordering::Relaxed);
    let fail = |why, when, left, place| {
        let failure = Failure { why, ops: ops.to_vec(), plan, when, left, place };
        tally.failures.lock().unwrap().push(failure);
    };
    let (steps, recorded) = match run(ops, plan) {
        Ok(run) => run,
        Err(why) => return fail(why, "no crash".into(), Vec::new(), None),
    };
    let Some(last) = steps.last() else { return };
    let first_call = if plan.every_step { steps[0].from } else { last.from };
    for (call, image) in recorded.iter().filter(|(call, _)| call.number >= first_call) {
        let expected = expected(&steps, call.number);
        if let Err((why, index, left)) = crash(&expected, call, image, (plan, tally)) {
            let what = match index {
                None => "the process dies".into(),
                Some(index) => format!("power cut, image {index},"),
            };
            fail(why, format!("{what} before {call}"), left, Some((call.number, index)));
            return;
        }
    }
}

/// What may be there if the crash comes before call `number`.
pub(crate) fn expected(steps: &[Step], number: u64) -> Expected {
    let step = steps.iter().find(|step| number < step.to).or(steps.last()).expect("a step");
    let before = if number < step.to { &step.before } else { &step.after };
    let (before, after) = (Rc::clone(before), Rc::clone(&step.after));
    let (removes, cleans) = (step.op.removes(), step.op == Op::Clean);
    Expected { before, after, is_power_cut: true, removes, cleans }
}

/// Why, which image, and what of it was kept.
type Broken = (String, Option<usize>, Vec<String>);

/// Tries the process's death and every power cut at one place.
fn crash(
    expected: &Expected,
    call: &Call,
    image: &Image,
    (plan, tally): (Plan, &Tally),
) -> Result<(), Broken> {
    let death = Expected { is_power_cut: false, ..expected.clone() };
    if tally.new_number(image, &death, 0).is_some() {
        check(image, &death, Depth::Full).map_err(|why| (why, None, Vec::new()))?;
    }
    for (index, cut) in cuts(image, plan.seed ^ call.number, plan.random).iter().enumerate() {
        let after = image.cut(cut);
        let Some(number) = tally.new_number(&after, expected, 0) else { continue };
        one(&after, expected, number, (plan, tally))
            .map_err(|why| (why, Some(index), kept_of(image, cut)))?;
    }
    Ok(())
}

/// What of the things on their way to the disk a cut keeps, in words.
fn kept_of(image: &Image, cut: &Cut) -> Vec<String> {
    let pending = image.pending().into_iter().zip(&cut.kept);
    let words = pending.map(|(pending, kept)| {
        format!("{}: {}", if *kept { "kept" } else { "lost" }, image.describe(pending))
    });
    words.chain([format!("sectors: {:?}", cut.sectors)]).collect()
}

/// Tries one crash again, and says what was found.
pub(crate) fn again(
    ops: &[Op],
    plan: Plan,
    (number, index): (u64, Option<usize>),
) -> Result<String, String> {
    let (steps, recorded) = run(ops, plan)?;
    let place = recorded.iter().find(|(call, _)| call.number == number);
    let (call, image) = place.ok_or(format!("call {number} changes nothing"))?;
    let mut expected = expected(&steps, number);
    expected.is_power_cut = index.is_some();
    let Some(index) = index else {
        check(image, &expected, Depth::Full)?;
        return Ok(format!("the process dies before {call}: all promises are kept"));
    };
    let cuts = cuts(image, plan.seed ^ number, plan.random);
    let cut = cuts.get(index).ok_or(format!("there are {} images", cuts.len()))?;
    let left = image.cut(cut);
    for line in kept_of(image, cut) {
        println!("{line}");
    }
    println!("before: {}", expected.before);
    println!("after: {}", expected.after);
    println!("found: {}", super::check::describe(&left));
    one(&left, &expected, 0, (plan, &Tally::default()))?;
    Ok(format!("power cut before {call}: all promises are kept"))
}

/// Checks one image, and now and then what a crash in its recovery leaves.
fn one(
    image: &Image,
    expected: &Expected,
    number: u64,
    (plan, tally): (Plan, &Tally),
) -> Result<(), String> {
    let depth = if number.is_multiple_of(plan.full) { Depth::Full } else { Depth::Plain };
    check(image, expected, depth)?;
    check_without_owner(image, expected).map_err(|why| format!("without owner: {why}"))?;
    check_with_one_slot(image, expected, number as usize)
        .map_err(|why| format!("newer slot flipped: {why}"))?;
    if number.is_multiple_of(plan.twice) {
        within_recovery(image, expected, 1, (plan, tally))?;
    }
    Ok(())
}

/// The power fails again while the log recovers and goes on.
fn within_recovery(
    image: &Image,
    expected: &Expected,
    times: usize,
    (plan, tally): (Plan, &Tally),
) -> Result<(), String> {
    let disk = Disk::from(image.clone());
    disk.record();
    let opened = super::check::open(disk)?;
    let before = super::check::recognised(&opened.log, expected)?;
    let batch = strandline::Batch::of([strandline::Record::new().key("k").value("in recovery")]);
    let appended = opened.log.append(batch, strandline::Durability::Synced);
    appended.map_err(|why| format!("append in recovery: {why}"))?;
    let after = Rc::new(Content::of(&opened.log)?);
    opened.store.close().map_err(|why| format!("close in recovery: {why}"))?;
    let Expected { removes, .. } = *expected;
    let cleans = false;
    let again = Expected { before: Rc::new(before), after, is_power_cut: true, removes, cleans };
    for (call, image) in opened.disk.recorded() {
        for cut in cuts(&image, plan.seed ^ call.number, 4) {
            let left = image.cut(&cut);
            let Some(number) = tally.new_number(&left, &again, times) else { continue };
            let place =
                |why: String| format!("{why}\n  power cut number {} before {call}", times + 1);
            check(&left, &again, Depth::Plain).map_err(place)?;
            if times == 1 && number.is_multiple_of(plan.thrice) {
                within_recovery(&left, &again, 2, (plan, tally)).map_err(place)?;
            }
        }
    }
    Ok(())
}
