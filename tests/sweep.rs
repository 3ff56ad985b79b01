//! The sweeps: every damage to every file of a log, and what it answers afterwards.
//!
//! Allowed is that all answers are the same, or that the damage is told of and everything intact is
//! still there. Exhaustive over each file: every bit flipped, every sector zeroed, filled, exchanged
//! with its neighbour, every length, the file gone or replaced by what is no file.
//!
//! `STRANDLINE_SWEEP=long` takes larger logs and asks more of each, `STRANDLINE_SWEEP='only .index'`
//! sweeps the files whose names end so. A failure prints the value with which it happens alone.

#[path = "sweep/after.rs"]
mod after;
#[path = "sweep/answers.rs"]
mod answers;
#[path = "sweep/damage.rs"]
mod damage;
#[path = "sweep/found.rs"]
mod found;
#[path = "sweep/judge.rs"]
mod judge;
#[path = "sweep/sample.rs"]
mod sample;
#[path = "sweep/tally.rs"]
mod tally;
#[path = "sweep/truth.rs"]
mod truth;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use answers::Answers;
use damage::Damage;
use judge::{Asked, Case};
use sample::Left;
use tally::Tally;
use truth::Truth;

/// Damages that a thread takes at once.
const PIECE: usize = 256;

/// What is asked of how many.
#[derive(Clone, Copy)]
struct Plan {
    /// Bytes of each sample's log, in the order of [`Left::ALL`].
    bytes: [usize; 3],
    /// Of the damages to a `.log` each such-and-such is looked up in every way …
    look_up: usize,
    /// … and appended to.
    append: usize,
}

const GATE: Plan = Plan { bytes: [64 << 10, 40 << 10, 16 << 10], look_up: 61, append: 127 };
const LONG: Plan = Plan { bytes: [128 << 10; 3], look_up: 7, append: 23 };

/// The kind of a file.
fn kind(path: &str) -> &'static str {
    const KINDS: [&str; 16] = [
        ".log",
        ".index",
        ".timeindex",
        ".txnindex",
        ".snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
        "segments.manifest",
        "durable.watermark",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "log-start-offset-checkpoint",
        "meta.properties",
        ".kafka_cleanshutdown",
        "strandline.owner",
        "strandline.topics",
    ];
    KINDS.into_iter().find(|kind| path.ends_with(kind)).unwrap_or("other")
}

/// Tries the damage of number `n` to a file.
fn try_one(truth: &Truth, file: usize, n: usize, plan: Plan, tally: &mut Tally) {
    let before = &truth.files[file].bytes;
    let damage = Damage::of(n, before.len());
    let after = damage.done_to(before).map(Arc::new);
    let is_log = !truth.files[file].batches.is_empty();
    let is_small = matches!(damage, Damage::Bit(_) | Damage::Cut(_)) && is_log;
    let asked = Asked {
        look_ups: !is_small || n.is_multiple_of(plan.look_up),
        append: n.is_multiple_of(if is_small { plan.append } else { 8 })
            || n + 3 >= Damage::count(before.len()),
    };
    if matches!(damage, Damage::Bit(_)) {
        tally.flips += 1;
    } else {
        let mut hasher = DefaultHasher::new();
        after.as_deref().map(|bytes| (bytes.len(), crc32c::crc32c(bytes))).hash(&mut hasher);
        let kind = if after.is_none() { damage.kind() } else { "" };
        tally.distinct.insert((truth.left as usize, file, kind, hasher.finish()));
    }
    let verdict = Case { truth, file, damage, after, number: n, share: 16 }.judge(asked);
    let path = &truth.files[file].path;
    tally.note(kind(path), damage, verdict, || format!("{}:{path}:{damage}", truth.left.name()));
}

fn sweep(plan: Plan, wanted: impl Fn(&str) -> bool) -> Tally {
    let truths: Vec<_> =
        Left::ALL.iter().zip(plan.bytes).map(|(left, bytes)| Truth::new(*left, bytes)).collect();
    let mut pieces = Vec::new();
    for (at, truth) in truths.iter().enumerate() {
        for (file, it) in truth.files.iter().enumerate().filter(|(_, it)| wanted(&it.path)) {
            let count = Damage::count(it.bytes.len());
            pieces.extend(
                (0..count).step_by(PIECE).map(|from| (at, file, from..(from + PIECE).min(count))),
            );
        }
    }
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut tally = Tally::default();
                while let Some((at, file, numbers)) =
                    pieces.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let (began, truth) = (Instant::now(), &truths[*at]);
                    for n in numbers.clone() {
                        try_one(truth, *file, n, plan, &mut tally);
                    }
                    let count = tally.counts.entry((kind(&truth.files[*file].path), false));
                    count.or_default().busy += began.elapsed();
                }
                all.lock().unwrap().merge(tally);
            });
        }
    });
    all.into_inner().unwrap()
}

#[test]
fn no_damage_to_any_file_costs_a_record_that_is_intact() {
    let wanted = std::env::var("STRANDLINE_SWEEP").unwrap_or_default();
    if let [left, path, damage] = wanted.split(':').collect::<Vec<_>>()[..] {
        return again(left, path, damage);
    }
    let began = Instant::now();
    let (is_long, only) = match wanted.strip_prefix("only ") {
        Some(only) => (false, only),
        None => (wanted == "long", ""),
    };
    let tally = sweep(if is_long { LONG } else { GATE }, |path| path.ends_with(only));
    tally.print(began.elapsed());
    assert!(tally.failures.is_empty(), "{} kinds of broken promises", tally.failures.len());
}

/// Does one damage again, and shows what came of it.
fn again(left: &str, path: &str, damage: &str) {
    let at = Left::ALL.iter().position(|it| it.name() == left).expect("how it was left");
    let truth = Truth::new(Left::ALL[at], GATE.bytes[at]);
    let file = truth.files.iter().position(|file| file.path == path).expect("a file of it");
    let damage: Damage = damage.parse().unwrap();
    let after = damage.done_to(&truth.files[file].bytes).map(Arc::new);
    let case = Case { truth: &truth, file, damage, after, number: 0, share: 1 };
    let hit = case.touched();
    for batch in &truth.batches[hit.start.saturating_sub(2)..(hit.end + 3).min(truth.batches.len())]
    {
        println!("near: offsets {}..{} at bytes {:?}", batch.base, batch.next, batch.place);
    }
    if let Ok(Ok(answers)) = case.open().map(|opened| Answers::of(&opened.log)) {
        println!("reported: {:?}, gap {:?}", answers.reports, answers.gap);
    }
    println!("{:?}", case.judge(Asked { look_ups: true, append: true }).unwrap());
}
