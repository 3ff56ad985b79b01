//! The simulated disk: the power fails before every call of every sequence of operations, every call
//! fails once, every sync in every way.

#[path = "crash/mod.rs"]
mod disk;

use strandline::testing::sim::{Disk, Order};

use disk::check::Expected;
use disk::enumerate::{self, Plan};
use disk::{
    LAST, errors, for_all, images, in_words, replay, sampled, sequences, some_sequences, try_all,
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
    for order in [Order::Strict, Order::Journal] {
        let plan = Plan { order, every_step: true, ..LAST };
        try_all(&format!("crash.{order:?}.4"), &sampled(430, 4, 44), plan);
        try_all(&format!("crash.{order:?}.12"), &sampled(82, 12, 1212), plan);
    }
}

#[test]
fn power_cuts_while_kafka_s_directory_is_adopted_and_ours_handed_over_leave_it_before_or_after() {
    use disk::ops::Op::{
        Adopt, AppendSynced, AppendWritten, Commit, DeleteAll, DeleteRecords, Die, Flush, HandOver,
        Import, Reopen,
    };
    let sequences = [
        vec![AppendSynced, Adopt, AppendWritten, Reopen],
        vec![AppendWritten, Adopt, Die, AppendSynced, Adopt, AppendSynced],
        vec![AppendSynced, HandOver, AppendWritten, HandOver, HandOver],
        vec![AppendWritten, Die, HandOver, Reopen, AppendSynced],
        vec![Flush, AppendWritten, DeleteRecords, HandOver],
        vec![Commit, Import, DeleteAll, HandOver],
    ];
    for order in [Order::Strict, Order::Journal] {
        let plan = Plan { order, every_step: true, ..LAST };
        try_all(&format!("crash.{order:?}.kafka"), &sequences, plan);
    }
}

/// `STRANDLINE_SIM_ROUNDS` says how many rounds of about 1.3 million images; without it none. They
/// are numbered from 1, or from `STRANDLINE_SIM_FROM`.
#[test]
#[ignore = "as long as one likes: just sim-long"]
fn power_cuts_in_very_many_sequences_keep_what_was_promised() {
    let first = std::env::var("STRANDLINE_SIM_FROM").map_or(1, |first| first.parse().unwrap());
    for round in first..first + disk::rounds() as u64 {
        for order in [Order::Strict, Order::Journal] {
            let plan = Plan { order, seed: round, every_step: true, ..LAST };
            try_all(&format!("crash.{order:?}.16.{round}"), &sampled(150, 16, round), plan);
        }
    }
}

#[test]
fn whichever_call_fails_nothing_is_lost_and_the_step_works_once_the_cause_is_gone() {
    for_all("errors", &some_sequences(60), |ops, dice| {
        let place = |why: String| format!("{why}\n  workload [{}]", in_words(ops));
        let (steps, _) = enumerate::run(ops, LAST).map_err(place)?;
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(0) };
        let mut runs = 0;
        for number in first.from..last.to {
            for fault in errors::faults(number) {
                if dice.below(2) == 0 {
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
    for_all("errors.recovery", &some_sequences(200), |ops, dice| {
        let place = |why: String| format!("{why}\n  workload [{}]", in_words(ops));
        let (steps, recorded) = enumerate::run(ops, LAST).map_err(place)?;
        let mut runs = 0;
        for _ in 0..4 {
            let (call, image) = &recorded[dice.below(recorded.len())];
            let expected = enumerate::expected(&steps, call.number);
            let cuts = images::cuts(image, dice.roll(), 4);
            let left = image.cut(&cuts[dice.below(cuts.len())]);
            runs += errors::in_recovery(&left, &expected, (8, dice))
                .map_err(|why| place(format!("{why}\n  crash before {call}")))?;
        }
        Ok(runs)
    });
}

#[test]
fn a_sync_that_fails_in_any_of_its_ways_loses_nothing_that_was_promised() {
    for fault in errors::SYNC_FAULTS {
        for_all(&format!("sync.{fault:?}"), &some_sequences(20), |ops, _| {
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
fn a_death_and_then_a_power_cut_leave_no_hole_even_if_pages_were_lost_unseen() {
    for_all("death", &some_sequences(20), |ops, _| {
        let place = |why: String| format!("{why}\n  workload [{}]", in_words(ops));
        let (steps, recorded) = enumerate::run(ops, LAST).map_err(place)?;
        let mut runs = 0;
        for (call, image) in &recorded {
            let expected = enumerate::expected(&steps, call.number);
            let place = |why| place(format!("{why}\n  the process dies before {call}"));
            runs += errors::with_lost_pages(image, &expected, LAST).map_err(place)?;
            let death = Expected { is_power_cut: false, ..expected };
            runs += errors::aftermath(&Disk::from(image.clone()), &death, LAST).map_err(place)?;
        }
        Ok(runs)
    });
}

/// What the disk found in the engine, each by the shortest work that shows it.
mod found {
    use super::*;
    use disk::ops::Op;

    fn power_cuts(ops: &[Op]) {
        try_all("", &[ops.to_vec()], Plan { every_step: true, ..LAST });
    }

    fn failed_syncs(ops: &[Op]) {
        for fault in errors::SYNC_FAULTS {
            for call in errors::struck_by(ops, LAST, fault).unwrap() {
                let done = errors::with_failed_sync(ops, LAST, (call.number, fault));
                done.unwrap_or_else(|why| panic!("{why}\n  {fault:?} at {call}"));
            }
        }
    }

    #[test]
    fn a_start_over_that_is_interrupted_is_finished() {
        power_cuts(&[Op::AppendSynced, Op::StartOver]);
    }

    #[test]
    fn a_cut_leaves_no_hole_below_it() {
        let records = [Op::AppendTransactional, Op::AppendRolling, Op::AppendWritten];
        power_cuts(&[Op::StartOver, records[0], records[1], records[2], Op::Truncate]);
    }

    #[test]
    fn a_segment_before_the_mark_takes_no_more_records() {
        let plan = Plan { every_step: true, twice: 1, ..LAST };
        try_all("", &[vec![Op::Commit, Op::Roll, Op::Adopt, Op::Roll]], plan);
    }

    #[test]
    fn a_producer_is_known_by_the_records_that_are_left() {
        let again = Op::AppendTransactional;
        power_cuts(&[again, Op::Commit, Op::DeleteAll, Op::Reopen, Op::AppendWritten, again]);
    }

    #[test]
    fn what_a_manifest_says_is_durable_before_it_is_acted_upon() {
        failed_syncs(&[Op::AppendWritten, Op::DeleteRecords]);
    }

    #[test]
    fn a_sealed_segment_takes_no_more_records() {
        failed_syncs(&[Op::Import, Op::AppendSynced, Op::Roll]);
    }

    #[test]
    fn the_mark_waits_for_a_roll_to_settle() {
        let cut = [Op::AppendRolling, Op::AppendTransactional, Op::Truncate];
        failed_syncs(&[cut[0], cut[1], cut[2], Op::Roll, Op::Housekeeping]);
    }

    #[test]
    fn a_cut_that_was_refused_is_taken_back() {
        failed_syncs(&[Op::Reopen, Op::AppendSynced, Op::TruncateAll, Op::AppendWritten]);
    }

    #[test]
    fn the_removal_of_the_marker_is_synced_whoever_made_it() {
        failed_syncs(&[Op::Reopen, Op::AppendWritten]);
    }
}
