//! The tests notice what an engine like this one gets wrong: for each bug that can be planted
//! (`src/planted.rs`) there is a test that goes red once it is on.
//!
//! Everything that catches is a module of this one binary, which starts itself again for each bug,
//! with `STRANDLINE_PLANTED` set and the catching test's name as its filter. So no other binary has
//! to be found, or could be an old one; and the same tests, run here as any others, show that they
//! are green without a bug.

// Not all of it is used here.
#[allow(dead_code)]
#[path = "crash/mod.rs"]
mod disk;
#[path = "planted/power.rs"]
mod power;
#[path = "planted/scenes.rs"]
mod scenes;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Each bug, and the test in this binary that notices it.
const CATCHERS: &[(&str, &str)] = &[
    ("WokenBeforeSync", "scenes::nothing_is_durable_while_the_sync_is_under_way"),
    ("SyncErrorDropped", "scenes::a_failed_sync_makes_nothing_durable"),
    ("OneSlotOnly", "scenes::a_close_stands_in_both_slots"),
    ("TornTailStays", "scenes::a_torn_tail_is_cut_off"),
    ("CutWithoutQuarantine", "scenes::a_torn_tail_is_kept_in_quarantine"),
    ("IndexBelieved", "scenes::a_rotten_transaction_index_shows_nothing_that_was_aborted"),
    ("CleanLeftOn", "scenes::a_loss_after_a_clean_opening_raises_the_epoch"),
    ("CrcNotChecked", "scenes::a_batch_that_fails_its_checksum_ends_the_log"),
    ("ContinuityNotChecked", "scenes::a_batch_from_elsewhere_ends_the_log"),
    ("EpochNotRaised", "scenes::a_kill_raises_the_epoch"),
    ("OpeningNotCompared", "scenes::what_somebody_else_wrote_stays"),
    ("LockUnlinked", "scenes::the_lock_file_outlives_the_store"),
    ("RollWithoutDirectorySync", "power::a_durable_append_behind_a_roll_survives"),
    ("DataNotSynced", "power::a_durable_append_survives"),
    ("SecondSyncCounts", "power::a_second_sync_makes_nothing_good"),
    ("MarkBeforeSync", "power::the_mark_never_leads"),
    ("SealedBeforeSync", "power::what_a_seal_vouches_for_survives"),
    ("IoErrorTakenForBadBatch", "power::a_read_that_fails_in_recovery_cuts_nothing_off"),
    ("MarkerRemovalNotSynced", "power::no_clean_marker_stands_beside_a_log_in_use"),
    ("SmallFileNotSynced", "power::no_clean_marker_stands_beside_a_log_in_use"),
    ("SegmentsGoBeforeLogStart", "power::deletion_leaves_no_gap"),
    ("OldSegmentsGoBeforeReplace", "power::compaction_happens_or_does_not"),
    ("BytesCutBeforeCut", "power::a_cut_happens_or_does_not"),
    ("ShortWriteStays", "power::a_write_that_stops_short_leaves_nothing"),
    ("KeptBytesNotRewritten", "power::what_a_dead_process_left_is_written_again"),
];

/// Runs one test of this binary with a bug on; says whether it ran and failed.
fn is_noticed(bug: &str, test: &str) -> bool {
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact", "--test-threads=1"])
        .env("STRANDLINE_PLANTED", bug)
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::null())
        .output()
        .expect("a child");
    let said = String::from_utf8_lossy(&child.stdout);
    !child.status.success() && said.contains(&format!("test {test} ... FAILED"))
}

#[test]
fn every_planted_bug_is_noticed() {
    let started = Instant::now();
    let unnoticed: Vec<_> = CATCHERS.iter().filter(|(bug, test)| !is_noticed(bug, test)).collect();
    let line = format!(
        "layer=planted runs={} failures={} seconds={:.1}\n",
        CATCHERS.len(),
        unnoticed.len(),
        started.elapsed().as_secs_f64(),
    );
    // Past the test harness, which shows only what failed.
    let _ = std::io::stdout().write_all(line.as_bytes());
    assert!(unnoticed.is_empty(), "green with the bug on: {unnoticed:?}");
}

#[test]
fn a_bug_that_nobody_planted_is_not_noticed() {
    let (bug, test) = CATCHERS[0];
    assert!(!is_noticed("NoSuchBug", test), "{test} is red without a bug");
    assert!(!is_noticed(bug, "scenes::no_such_test"));
}
