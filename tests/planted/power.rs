//! Short works on the simulated disk, for each bug that shows when the power fails or a call does.

use strandline::testing::sim::{Dice, Fault, SyncFault};

use crate::disk::enumerate::{self, Plan};
use crate::disk::ops::Op;
use crate::disk::{LAST, errors, try_all};

/// Everything that the power can do to these steps.
fn power_cuts(ops: &[Op]) {
    try_all("", &[ops.to_vec()], Plan { every_step: true, ..LAST });
}

#[test]
fn a_durable_append_survives() {
    power_cuts(&[Op::AppendSynced]);
}

#[test]
fn a_durable_append_behind_a_roll_survives() {
    power_cuts(&[Op::AppendWritten, Op::Roll, Op::AppendSynced]);
}

#[test]
fn what_a_seal_vouches_for_survives() {
    power_cuts(&[Op::AppendRolling, Op::AppendRolling, Op::AppendSynced]);
}

#[test]
fn the_mark_never_leads() {
    power_cuts(&[Op::AppendWritten, Op::AppendSynced, Op::AppendSynced]);
}

#[test]
fn no_clean_marker_stands_beside_a_log_in_use() {
    power_cuts(&[Op::Reopen, Op::AppendSynced]);
}

#[test]
fn deletion_leaves_no_gap() {
    let rolls = [Op::AppendRolling; 4];
    power_cuts(&[rolls[0], rolls[1], rolls[2], rolls[3], Op::Housekeeping]);
}

#[test]
fn compaction_happens_or_does_not() {
    let rolls = [Op::AppendRolling; 3];
    power_cuts(&[rolls[0], rolls[1], rolls[2], Op::Clean]);
}

#[test]
fn a_cut_happens_or_does_not() {
    power_cuts(&[Op::AppendRolling, Op::AppendRolling, Op::AppendSynced, Op::TruncateAll]);
}

#[test]
fn what_a_dead_process_left_is_written_again() {
    // Almost a segment: what comes next is in another, and so in another page.
    let ops = [Op::AppendRolling, Op::AppendWritten];
    let (steps, recorded) = enumerate::run(&ops, LAST).unwrap();
    for (call, image) in &recorded {
        let expected = enumerate::expected(&steps, call.number);
        errors::with_lost_pages(image, &expected, LAST).unwrap();
    }
}

#[test]
fn a_second_sync_makes_nothing_good() {
    let ops = [Op::AppendSynced, Op::AppendSynced];
    let fault = Fault::Sync(SyncFault::Cleaned);
    for call in errors::struck_by(&ops, LAST, fault).unwrap() {
        errors::with_failed_sync(&ops, LAST, (call.number, fault)).unwrap();
    }
}

#[test]
fn a_write_that_stops_short_leaves_nothing() {
    let ops = [Op::AppendSynced, Op::AppendSynced];
    let (steps, _) = enumerate::run(&ops, LAST).unwrap();
    for number in steps[0].from..steps[1].to {
        errors::with_fault(&ops, LAST, (number, Fault::Short(30))).unwrap();
    }
}

#[test]
fn a_read_that_fails_in_recovery_cuts_nothing_off() {
    let (steps, recorded) = enumerate::run(&[Op::AppendSynced, Op::AppendWritten], LAST).unwrap();
    let (call, image) = recorded.last().unwrap();
    let expected = enumerate::expected(&steps, call.number);
    errors::in_recovery(image, &expected, (1, &mut Dice(1))).unwrap();
}
