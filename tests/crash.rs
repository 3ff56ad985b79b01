//! The simulated disk: the power fails before every call of every sequence of operations.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/content.rs"]
mod content;
#[path = "crash/enumerate.rs"]
mod enumerate;
#[path = "crash/errors.rs"]
mod errors;
#[path = "crash/files.rs"]
mod files;
#[path = "crash/images.rs"]
mod images;
#[path = "crash/ops.rs"]
mod ops;
#[path = "crash/replay.rs"]
mod replay;
#[path = "crash/world.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use strandline::testing::sim::Order;

use enumerate::{Plan, Tally, enumerate};
use images::Random;
use ops::{EVERY, Op, RARE};

fn sequences(len: usize) -> Vec<Vec<Op>> {
    let mut all = vec![Vec::new()];
    for _ in 0..len {
        let longer = |sequence: &Vec<Op>| {
            EVERY.map(|op| sequence.iter().copied().chain([op]).collect::<Vec<_>>())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Random sequences of `len` operations, the rare ones among them.
fn sampled(count: usize, len: usize, seed: u64) -> Vec<Vec<Op>> {
    let mut dice = Random(seed);
    let mut op = || match dice.below(EVERY.len() + RARE.len()) {
        common if common < EVERY.len() => EVERY[common],
        rare => RARE[rare - EVERY.len()],
    };
    (0..count).map(|_| (0..len).map(|_| op()).collect()).collect()
}

fn try_all(layer: &str, sequences: &[Vec<Op>], plan: Plan) {
    let began = Instant::now();
    let tally = Tally::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(ops) = sequences.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if tally.failures.lock().unwrap().len() > 5 {
                        return;
                    }
                    enumerate(ops, plan, &tally);
                }
            });
        }
    });
    let failures = tally.failures.lock().unwrap();
    let images: Vec<_> = tally.images.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    println!(
        "layer={layer} runs={} distinct={} depth2={} depth3={} failures={} seconds={}",
        tally.runs.load(Ordering::Relaxed),
        tally.distinct(),
        images[1],
        images[2],
        failures.len(),
        began.elapsed().as_secs(),
    );
    for failure in failures.iter() {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} broken promises", failures.len());
}

/// Does `work` for all `items`, on both cores, and says how many runs that were.
fn for_all<T: Sync>(
    layer: &str,
    items: &[T],
    work: impl Fn(&T, &mut Random) -> Result<u64, String> + Sync,
) {
    let began = Instant::now();
    let (next, runs) = (AtomicUsize::new(0), AtomicU64::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    if failures.lock().unwrap().len() > 5 {
                        return;
                    }
                    match work(item, &mut Random(at as u64)) {
                        Ok(count) => _ = runs.fetch_add(count, Ordering::Relaxed),
                        Err(why) => failures.lock().unwrap().push(why),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!(
        "layer={layer} runs={} distinct={} failures={} seconds={}",
        runs.load(Ordering::Relaxed),
        runs.load(Ordering::Relaxed),
        failures.len(),
        began.elapsed().as_secs(),
    );
    assert!(failures.is_empty(), "{} broken promises\n{}", failures.len(), failures.join("\n"));
}

/// All crashes of the last operation, the others being those of shorter sequences.
const LAST: Plan = Plan {
    order: Order::Strict,
    seed: 1,
    random: 16,
    full: 16,
    twice: 50,
    thrice: 1000,
    every_step: false,
};

#[test]
fn replay() {
    if let Ok(what) = std::env::var("STRANDLINE_SIM") {
        println!("{}", replay::replay(&what, LAST).unwrap_or_else(|why| panic!("{why}")));
    }
}

#[test]
fn every_power_cut_in_every_sequence_of_up_to_three_operations_keeps_what_was_promised() {
    for len in 1..=3 {
        try_all(&format!("crash.strict.{len}"), &sequences(len), LAST);
    }
}

#[test]
fn power_cuts_in_longer_sequences_keep_what_was_promised() {
    let long = Plan { every_step: true, ..LAST };
    for order in [Order::Strict, Order::Journal] {
        let plan = Plan { order, ..long };
        try_all(&format!("crash.{order:?}.4"), &sampled(300, 4, 44), plan);
        try_all(&format!("crash.{order:?}.12"), &sampled(60, 12, 1212), plan);
    }
}

/// Short sequences, and some longer ones.
fn some_sequences() -> Vec<Vec<Op>> {
    let mut all = sequences(1);
    all.extend(sequences(2));
    all.extend(sampled(400, 5, 5));
    all
}

fn in_words(ops: &[Op]) -> String {
    ops.iter().map(Op::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn whichever_call_fails_nothing_is_lost_and_the_step_works_once_the_cause_is_gone() {
    for_all("errors", &some_sequences(), |ops, dice| {
        let place = |why: String| format!("{why}\n  workload [{}]", in_words(ops));
        let (steps, _) = enumerate::run(ops, LAST).map_err(place)?;
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(0) };
        let mut runs = 0;
        for number in first.from..last.to {
            for fault in errors::faults(number) {
                if dice.below(4) == 0 {
                    let place = |why| place(format!("{why}\n  {fault:?} at call {number}"));
                    errors::with_fault(ops, LAST, (number, fault)).map_err(place)?;
                    runs += 1;
                }
            }
        }
        Ok(runs)
    });
}

#[test]
fn whichever_call_of_a_recovery_fails_it_destroys_nothing() {
    for_all("errors.recovery", &some_sequences(), |ops, dice| {
        let place = |why: String| format!("{why}\n  workload [{}]", in_words(ops));
        let (steps, recorded) = enumerate::run(ops, LAST).map_err(place)?;
        let mut runs = 0;
        for _ in 0..4 {
            let (call, image) = &recorded[dice.below(recorded.len())];
            let expected = enumerate::expected(&steps, call.number);
            let cuts = images::cuts(image, dice.next(), 4);
            let left = image.cut(&cuts[dice.below(cuts.len())]);
            runs += errors::in_recovery(&left, &expected, (4, dice))
                .map_err(|why| place(format!("{why}\n  crash before {call}")))?;
        }
        Ok(runs)
    });
}

#[test]
fn a_sync_that_fails_in_any_of_its_ways_loses_nothing_that_was_promised() {
    for fault in errors::SYNC_FAULTS {
        for_all(&format!("sync.{fault:?}"), &some_sequences(), |ops, _| {
            let place = |why: String| format!("{why}\n  workload [{}], {fault:?}", in_words(ops));
            let mut runs = 0;
            for call in errors::struck_by(ops, LAST, fault).map_err(place)? {
                let place = |why| place(format!("{why}\n  at {call}"));
                runs += errors::with_failed_sync(ops, LAST, (call.number, fault)).map_err(place)?;
            }
            Ok(runs)
        });
    }
}

#[test]
fn pages_lost_behind_everybodys_back_leave_no_hole_under_what_is_promised_later() {
    for_all("sync.untold", &some_sequences(), |ops, _| {
        let place = |why: String| format!("{why}\n  workload [{}]", in_words(ops));
        let (steps, recorded) = enumerate::run(ops, LAST).map_err(place)?;
        let mut runs = 0;
        for (call, image) in &recorded {
            let expected = enumerate::expected(&steps, call.number);
            runs += errors::with_lost_pages(image, &expected, LAST)
                .map_err(|why| place(format!("{why}\n  the process dies before {call}")))?;
        }
        Ok(runs)
    });
}
