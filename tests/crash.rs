//! The simulated disk: the power fails before every call of every sequence of operations.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/content.rs"]
mod content;
#[path = "crash/enumerate.rs"]
mod enumerate;
#[path = "crash/images.rs"]
mod images;
#[path = "crash/ops.rs"]
mod ops;
#[path = "crash/world.rs"]
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use strandline::testing::sim::Order;

use enumerate::{Plan, Tally, enumerate};
use ops::{EVERY, Op};

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

#[test]
fn every_power_cut_in_every_sequence_of_up_to_three_operations_keeps_what_was_promised() {
    let plan = Plan {
        order: Order::Strict,
        seed: 1,
        random: 16,
        full: 16,
        twice: 50,
        thrice: 1000,
        every_step: false,
    };
    for len in 1..=3 {
        try_all(&format!("crash.strict.{len}"), &sequences(len), plan);
    }
}
