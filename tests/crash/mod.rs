//! Programs at work on a simulated disk: everything that can happen to them is tried, and what is
//! left is asked for everything that was promised (`docs/durability.md`).

pub(crate) mod check;
pub(crate) mod content;
pub(crate) mod enumerate;
pub(crate) mod errors;
pub(crate) mod files;
pub(crate) mod images;
pub(crate) mod ops;
pub(crate) mod replay;
pub(crate) mod world;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use strandline::testing::sim::{Dice, Order};

use enumerate::{Plan, Tally, enumerate};
use ops::{EVERY, Op, RARE};

/// All sequences of so many of the usual operations.
pub(crate) fn sequences(len: usize) -> Vec<Vec<Op>> {
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
pub(crate) fn sampled(count: usize, len: usize, seed: u64) -> Vec<Vec<Op>> {
    let mut dice = Dice(seed);
    let mut op = || match dice.below(EVERY.len() + RARE.len()) {
        common if common < EVERY.len() => EVERY[common],
        rare => RARE[rare - EVERY.len()],
    };
    (0..count).map(|_| (0..len).map(|_| op()).collect()).collect()
}

/// Says how a layer went, past the test harness, which shows only what failed.
fn report(layer: &str, of: &str, failures: usize, began: Instant) {
    if layer.is_empty() {
        return;
    }
    let seconds = began.elapsed().as_secs_f32();
    let line = format!("layer={layer} {of} failures={failures} seconds={seconds:.1}\n");
    // Nobody is told of it if that cannot be said; the tests go on.
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Tries all crashes that `plan` asks for, in all `sequences`, on both cores.
pub(crate) fn try_all(layer: &str, sequences: &[Vec<Op>], plan: Plan) {
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
    let runs = tally.runs.load(Ordering::Relaxed);
    let (distinct, depth2, depth3) = (tally.distinct(), images[1], images[2]);
    let of = format!("runs={runs} distinct={distinct} depth2={depth2} depth3={depth3}");
    report(layer, &of, failures.len(), began);
    for failure in failures.iter() {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} broken promises", failures.len());
}

/// Does `work` for all `items`, on both cores, and says how many runs that were.
pub(crate) fn for_all<T: Sync>(
    layer: &str,
    items: &[T],
    work: impl Fn(&T, &mut Dice) -> Result<u64, String> + Sync,
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
                    match work(item, &mut Dice(at as u64)) {
                        Ok(count) => _ = runs.fetch_add(count, Ordering::Relaxed),
                        Err(why) => failures.lock().unwrap().push(why),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    report(layer, &format!("runs={}", runs.into_inner()), failures.len(), began);
    assert!(failures.is_empty(), "{} broken promises\n{}", failures.len(), failures.join("\n"));
}

/// All crashes of the last operation, the others being those of shorter sequences.
pub(crate) const LAST: Plan = Plan {
    order: Order::Strict,
    seed: 1,
    random: 16,
    full: 16,
    twice: 50,
    thrice: 1000,
    every_step: false,
};

/// Short sequences, and `longer` of five operations, more of them where rounds are asked for.
pub(crate) fn some_sequences(longer: usize) -> Vec<Vec<Op>> {
    let mut all = sequences(1);
    all.extend(sequences(2));
    all.extend(sampled(longer * rounds().max(1), 5, 5));
    all
}

/// `STRANDLINE_SIM_ROUNDS`: how often as much as the gate does.
pub(crate) fn rounds() -> usize {
    std::env::var("STRANDLINE_SIM_ROUNDS").map_or(0, |rounds| rounds.parse().unwrap())
}

/// A sequence, for messages.
pub(crate) fn in_words(ops: &[Op]) -> String {
    ops.iter().map(Op::to_string).collect::<Vec<_>>().join(", ")
}
