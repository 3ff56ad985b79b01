//! Counting what came of the damages, by kind of file.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::time::Duration;

use crate::damage::Damage;
use crate::judge::Verdict;

/// What came of the damages to one kind of file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) runs: u64,
    pub(crate) same: u64,
    pub(crate) detected: u64,
    pub(crate) whole_file_crc: u64,
    pub(crate) ambiguous: u64,
    pub(crate) unseen: u64,
    pub(crate) failures: u64,
    /// Of these: runs that did not give out an intact record.
    pub(crate) lost: u64,
    pub(crate) busy: Duration,
}

impl Count {
    pub(crate) fn add(&mut self, other: &Count) {
        self.runs += other.runs;
        self.same += other.same;
        self.detected += other.detected;
        self.whole_file_crc += other.whole_file_crc;
        self.ambiguous += other.ambiguous;
        self.unseen += other.unseen;
        self.failures += other.failures;
        self.lost += other.lost;
        self.busy += other.busy;
    }

    fn line(&self, time: Duration) -> String {
        let Count { runs, same, detected, whole_file_crc, ambiguous, unseen, .. } = self;
        let (lost, failures, seconds) = (self.lost, self.failures, time.as_secs_f64());
        format!(
            "runs={runs} same={same} detected={detected} whole_file_crc={whole_file_crc} \
             ambiguous={ambiguous} unseen={unseen} lost={lost} failures={failures} \
             seconds={seconds:.1}"
        )
    }
}

/// Everything that one thread, or all of them, have seen.
#[derive(Default)]
pub(crate) struct Tally {
    /// By kind of file, and whether it was a flipped bit.
    pub(crate) counts: BTreeMap<(&'static str, bool), Count>,
    /// What files became, but for flipped bits, which differ from each other and from all else.
    pub(crate) distinct: HashSet<(usize, usize, &'static str, u64)>,
    pub(crate) flips: u64,
    /// What failed, by what it has in common: how often, and the first one.
    pub(crate) failures: BTreeMap<String, (u64, String)>,
}

impl Tally {
    pub(crate) fn note(
        &mut self,
        kind: &'static str,
        damage: Damage,
        verdict: Result<Verdict, String>,
        replay: impl FnOnce() -> String,
    ) {
        let count = self.counts.entry((kind, matches!(damage, Damage::Bit(_)))).or_default();
        count.runs += 1;
        let why = match verdict {
            Ok(verdict) => {
                *match verdict {
                    Verdict::Same => &mut count.same,
                    Verdict::Detected => &mut count.detected,
                    Verdict::WholeFileCrc => &mut count.whole_file_crc,
                    Verdict::Ambiguous => &mut count.ambiguous,
                    Verdict::Unseen => &mut count.unseen,
                } += 1;
                return;
            }
            Err(why) => why,
        };
        count.failures += 1;
        count.lost += u64::from(why.starts_with("lost") || why.starts_with("cannot"));
        let common: String = why.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
        let class = format!("{kind}, {}: {common}", damage.kind());
        let entry = self.failures.entry(class).or_insert_with(|| {
            (0, format!("{why}\n    again: STRANDLINE_SWEEP='{}' cargo test --test sweep no_damage -- --nocapture", replay()))
        });
        entry.0 += 1;
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        for (key, count) in &other.counts {
            self.counts.entry(*key).or_default().add(count);
        }
        self.distinct.extend(other.distinct);
        self.flips += other.flips;
        for (class, (times, first)) in other.failures {
            self.failures.entry(class).or_insert((0, first)).0 += times;
        }
    }

    /// The counts of a kind of file, flips or all.
    pub(crate) fn of(&self, kind: &str, only_flips: bool) -> Count {
        let mut sum = Count::default();
        for ((_, is_flip), count) in self.counts.iter().filter(|((of, _), _)| *of == kind) {
            if *is_flip || !only_flips {
                sum.add(count);
            }
        }
        sum
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self.counts.keys().map(|key| key.0).collect();
        kinds.dedup();
        kinds
    }

    /// Prints a line for each kind of file, the failures, and the figures beside Kafka's.
    pub(crate) fn print(&self, seconds: Duration) {
        let mut sum = Count::default();
        for kind in self.kinds() {
            let count = self.of(kind, false);
            println!("layer=sweep.{} {}", kind.trim_start_matches('.'), count.line(count.busy));
            sum.add(&count);
        }
        let distinct = self.flips + self.distinct.len() as u64;
        let line = format!("layer=sweep.all {} distinct={distinct}\n", sum.line(seconds));
        // Past the test harness, which shows only what failed.
        let _ = std::io::stdout().write_all(line.as_bytes());
        self.beside_kafka();
        for (class, (times, first)) in &self.failures {
            println!("{times} times: {class}\n    {first}");
        }
    }

    /// Flipped bits, in per cent of them, and what Kafka 4.x was observed to do.
    fn beside_kafka(&self) {
        let share = |part: u64, of: &Count| 100.0 * part as f64 / of.runs.max(1) as f64;
        let kafkas = [
            (".log", "loses intact records 92.6 (unclean), cannot open 1.5, unnoticed 67 (clean)"),
            (".index", "skips or stalls 40.6, fails 4.9, end rewound 4.0, cannot open 1.6"),
            (".timeindex", "wrong look-up 22.7, never deleted 7.9, deleted early 0.8"),
            (".txnindex", "wrong answers 87, cannot start 2.6"),
            (".snapshot", "accepted 0"),
            ("recovery-point-offset-checkpoint", "accepted with a higher recovery point 12.5"),
        ];
        for (kind, kafka) in kafkas {
            let of = self.of(kind, true);
            println!(
                "flips of {kind}, %: loses intact records or cannot open {:.4}, wrong answers {:.4}, \
                 only the whole-file CRC {:.3}, ambiguous {:.4}, nothing shows it {:.3} | Kafka: {kafka}",
                share(of.lost, &of),
                share(of.failures - of.lost, &of),
                share(of.whole_file_crc, &of),
                share(of.ambiguous, &of),
                share(of.unseen, &of),
            );
        }
    }
}
