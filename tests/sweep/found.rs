//! What the sweeps have found, by name.

use std::sync::Arc;

use crate::damage::Damage;
use crate::judge::{Asked, Case, Verdict};
use crate::sample::Left;
use crate::truth::{Batch, File, Truth};

/// Bytes of log in these samples.
const BYTES: usize = 16 << 10;

/// Does to a sample what `choose` wants, one after the other, and asks everything of each.
#[track_caller]
fn demand(left: Left, choose: impl Fn(&Truth) -> Vec<(usize, Damage)>) -> Vec<Verdict> {
    let truth = Truth::new(left, BYTES);
    let mut verdicts = Vec::new();
    for (file, damage) in choose(&truth) {
        let after = damage.done_to(&truth.files[file].bytes).map(Arc::new);
        let case = Case { truth: &truth, file, damage, after, number: 0, share: 1 };
        let verdict = case.judge(Asked { look_ups: true, append: true });
        let path = &truth.files[file].path;
        verdicts.push(verdict.unwrap_or_else(|why| panic!("{left:?}, {path}: {damage}: {why}")));
    }
    assert!(!verdicts.is_empty());
    verdicts
}

fn named(truth: &Truth, name: &str) -> usize {
    truth.files.iter().position(|file| file.path.ends_with(name)).unwrap()
}

/// The last `.log`, which is appended to.
fn active(truth: &Truth) -> usize {
    truth.files.iter().rposition(|file| !file.batches.is_empty()).unwrap()
}

fn batches(truth: &Truth, file: usize) -> &[Batch] {
    &truth.batches[truth.files[file].batches.clone()]
}

/// Each bit of the base offsets in the logs that are `wanted`, but for the highest four bytes.
fn base_offsets(truth: &Truth, wanted: impl Fn(&File) -> bool) -> Vec<(usize, Damage)> {
    let logs = truth.files.iter().enumerate().filter(|(_, file)| wanted(file));
    let bits = logs.flat_map(|(number, _)| {
        let starts = batches(truth, number).iter().map(|batch| batch.place.start);
        starts.flat_map(|start| (start + 4) * 8..(start + 8) * 8).map(move |bit| (number, bit))
    });
    bits.map(|(number, bit)| (number, Damage::Bit(bit))).collect()
}

#[test]
fn an_epoch_that_rotted_costs_nothing_that_is_appended_behind_it() {
    // Bits of the last batch's epoch: it is greater than any that was ever begun.
    demand(Left::Closed, |truth| {
        let file = active(truth);
        let start = batches(truth, file).last().unwrap().place.start;
        (1..7).map(|bit| (file, Damage::Bit((start + 15) * 8 + bit))).collect()
    });
}

#[test]
fn what_is_appended_after_the_active_segment_lost_its_end_is_there_after_another_opening() {
    for left in Left::ALL {
        demand(left, |truth| {
            let file = active(truth);
            let ends = batches(truth, file).iter().flat_map(|batch| {
                // At a batch's end, in its middle, and so short of its end that the next one's
                // first bytes, which are zeros, would make a marker whole again.
                [batch.place.end, batch.place.start + 30, batch.place.end - 6]
            });
            let cuts = ends.map(|len| (file, Damage::Cut(len)));
            cuts.chain([(file, Damage::Cut(0)), (file, Damage::Gone)]).collect()
        });
    }
}

#[test]
fn a_batch_that_claims_another_ones_offsets_hides_it_not_where_offsets_are_left_out() {
    let verdicts = demand(Left::Closed, |truth| base_offsets(truth, |file| file.has_holes));
    // Both may be right where a hole follows: then both are told of.
    let ambiguous = verdicts.iter().filter(|verdict| **verdict == Verdict::Ambiguous).count();
    assert!(ambiguous < 8, "{ambiguous}");
}

#[test]
fn a_base_offset_that_rotted_hits_its_own_batch_alone() {
    for left in Left::ALL {
        demand(left, |truth| base_offsets(truth, |file| !file.has_holes));
    }
}

/// A length that, but for one bit, leads over whole batches to the beginning of another.
#[test]
fn a_length_that_leads_to_a_later_batch_skips_none() {
    let truth = Truth::new(Left::Closed, 64 << 10);
    let mut found = 0;
    for (number, batch) in truth.batches.iter().enumerate() {
        for (later, bit) in
            (number + 2..truth.batches.len()).flat_map(|n| (0..20).map(move |b| (n, b)))
        {
            let claimed = ((batch.place.len() - 12) ^ 1 << bit) + 12;
            let other = &truth.batches[later];
            if other.file != batch.file || batch.place.start + claimed != other.place.start {
                continue;
            }
            found += 1;
            let damage = Damage::Bit((batch.place.start + 11 - bit / 8) * 8 + bit % 8);
            let after = damage.done_to(&truth.files[batch.file].bytes).map(Arc::new);
            let file = batch.file;
            let case = Case { truth: &truth, file, damage, after, number: 0, share: 1 };
            let verdict = case.judge(Asked { look_ups: true, append: true });
            assert_eq!(verdict, Ok(Verdict::Detected), "{damage}");
        }
    }
    assert!(found > 0);
}

#[test]
fn a_time_finds_what_is_intact_behind_damage() {
    demand(Left::Closed, |truth| {
        let first = truth.batches[0].file;
        let ends = batches(truth, first).iter().map(|batch| batch.place.start + 10);
        ends.map(|len| (first, Damage::Cut(len))).collect()
    });
}

#[test]
fn a_manifest_that_lost_its_end_gives_back_nothing_that_was_deleted() {
    for left in Left::ALL {
        demand(left, |truth| {
            let file = named(truth, "segments.manifest");
            let len = truth.files[file].bytes.len();
            let cuts = (0..len).step_by(64).map(Damage::Cut);
            let more = [Damage::Gone, Damage::Zero(1), Damage::Ones(1)];
            cuts.chain(more).map(|damage| (file, damage)).collect()
        });
    }
}

#[test]
fn leader_epochs_that_were_lost_are_found_again() {
    for left in Left::ALL {
        demand(left, |truth| {
            let file = named(truth, "leader-epoch-checkpoint");
            let damages = [Damage::Cut(0), Damage::Gone, Damage::Zero(0), Damage::Ones(0)];
            damages.map(|damage| (file, damage)).to_vec()
        });
    }
}

#[test]
fn a_topic_id_that_rotted_in_a_partition_keeps_nobody_from_its_records() {
    let verdicts = demand(Left::Killed, |truth| {
        let file = named(truth, "partition.metadata");
        let bits = 0..truth.files[file].bytes.len() * 8;
        bits.map(|bit| (file, Damage::Bit(bit))).collect()
    });
    assert!(verdicts.contains(&Verdict::Detected));
}

#[test]
fn what_is_no_file_is_in_the_way_of_nothing_but_itself() {
    for left in Left::ALL {
        demand(left, |truth| {
            let files = 0..truth.files.len();
            files.flat_map(|file| [(file, Damage::Dir), (file, Damage::Other)]).collect()
        });
    }
}
