//! The simulated disk: the power fails before every call of every sequence of operations.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/content.rs"]
mod content;
#[path = "crash/enumerate.rs"]
mod enumerate;
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

use std::sync::atomic::{AtomicUsize, Ordering};
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
