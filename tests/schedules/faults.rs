//! The fault model (`docs/durability.md`), and for each of its rows the tests that hold it.

use std::fs;
use std::path::{Path, PathBuf};

/// A row, a binary of tests (`lib` for those beside the code), a test.
const TESTS: &[(&str, &str, &str)] = &[
    (
        "A1",
        "crash",
        "every_power_cut_in_every_sequence_of_up_to_three_operations_keeps_what_was_promised",
    ),
    ("A1", "machine", "a_kill_before_any_call_that_changes_something_loses_nothing"),
    ("A1", "machine", "no_acknowledged_record_is_lost_by_a_kill"),
    ("A2", "schedules", "a_truncation_is_untouched_or_done_and_one_slot_is_enough"),
    ("A2", "schedules", "a_log_that_starts_over_is_the_old_one_or_empty"),
    ("A2", "schedules", "a_seal_that_the_power_interrupts_is_made_again_and_true"),
    ("A2", "schedules", "no_marker_stands_beside_a_log_that_is_not_clean"),
    ("A2", "schedules", "deleted_records_are_not_served_again"),
    ("A3", "schedules", "an_apply_that_is_interrupted_anywhere_keeps_its_torn_tail_once"),
    ("A3", "crash", "power_cuts_in_longer_sequences_keep_what_was_promised"),
    ("A4", "schedules", "a_waker_that_panics_hits_nobody_else"),
    ("A4", "schedules", "a_host_that_panics_in_an_iterator_leaves_the_store_usable_and_unlocked"),
    ("A4", "lib", "a_panic_in_a_sync_keeps_nobody_waiting"),
    (
        "B1",
        "crash",
        "every_power_cut_in_every_sequence_of_up_to_three_operations_keeps_what_was_promised",
    ),
    ("B1", "model", "every_length_of_an_unsynced_tail_leaves_whole_batches"),
    ("B1", "machine", "a_power_cut_of_a_real_file_system_loses_nothing_that_was_synced"),
    ("B2", "schedules", "a_segment_behind_one_that_lost_its_tail_goes_to_quarantine"),
    ("B2", "schedules", "there_is_no_hole_after_a_failed_sync_another_process_and_a_loss_of_power"),
    ("B3", "planted", "a_durable_append_behind_a_roll_survives"),
    ("B4", "schedules", "a_truncation_is_untouched_or_done_and_one_slot_is_enough"),
    ("B4", "crash", "power_cuts_in_longer_sequences_keep_what_was_promised"),
    ("B5", "schedules", "nothing_hangs_on_a_marker_or_a_checkpoint"),
    ("B6", "schedules", "deleted_records_are_not_served_again"),
    ("C1", "sweep", "no_damage_to_any_file_costs_a_record_that_is_intact"),
    ("C1", "schedules", "whichever_bit_of_a_durable_batch_flips_its_neighbours_are_read"),
    ("C1", "model", "rot_in_a_closed_log_hits_one_batch_only"),
    ("C1", "model", "rot_in_a_killed_log_hits_one_batch_only"),
    ("C2", "sweep", "no_damage_to_any_file_costs_a_record_that_is_intact"),
    ("C2", "schedules", "whichever_bit_of_a_durable_batch_flips_its_neighbours_are_read"),
    ("C3", "schedules", "whichever_bit_of_a_durable_batch_flips_its_neighbours_are_read"),
    ("C4", "sweep", "no_damage_to_any_file_costs_a_record_that_is_intact"),
    ("C4", "schedules", "whatever_its_indexes_say_a_log_answers_as_a_scan_does"),
    ("C4", "hostile", "index_entries_that_lie"),
    ("C4", "hostile", "indexes_of_a_gibibyte"),
    ("C5", "sweep", "no_damage_to_any_file_costs_a_record_that_is_intact"),
    ("C5", "schedules", "whatever_its_indexes_say_a_log_answers_as_a_scan_does"),
    ("C5", "planted", "a_rotten_transaction_index_shows_nothing_that_was_aborted"),
    ("C6", "sweep", "no_damage_to_any_file_costs_a_record_that_is_intact"),
    ("C6", "schedules", "without_a_snapshot_the_producers_are_found_again_in_the_batches"),
    ("C7", "sweep", "no_damage_to_any_file_costs_a_record_that_is_intact"),
    ("C7", "schedules", "nothing_hangs_on_a_marker_or_a_checkpoint"),
    ("C7", "api", "damaged_checkpoints_count_as_empty_and_are_told_of"),
    ("C8", "api", "a_lost_first_segment_is_missing_data_and_no_new_log_start"),
    ("C8", "api", "a_sealed_segment_that_was_cut_hides_nothing_but_what_is_gone"),
    ("C8", "schedules", "a_segment_that_is_there_twice_hides_no_record_and_gives_none_twice"),
    ("C9", "schedules", "names_that_are_nobodys_are_left_alone"),
    ("C9", "api", "directories_of_nobody_are_left_alone_with_one_warning"),
    ("C10", "schedules", "stale_bytes_behind_the_mark_are_cut_off_and_below_it_named"),
    ("C10", "schedules", "a_last_batch_that_is_there_twice_is_there_once"),
    ("D1", "schedules", "there_is_no_hole_after_a_failed_sync_another_process_and_a_loss_of_power"),
    (
        "D1",
        "schedules",
        "a_log_that_its_first_write_could_not_sync_is_poisoned_until_it_is_opened_again",
    ),
    ("D1", "schedules", "a_seal_works_after_the_sync_of_an_index_has_failed"),
    ("D1", "crash", "a_sync_that_fails_in_any_of_its_ways_loses_nothing_that_was_promised"),
    ("D1", "crash", "a_death_and_then_a_power_cut_leave_no_hole_even_if_pages_were_lost_unseen"),
    ("D2", "planted", "a_write_that_stops_short_leaves_nothing"),
    (
        "D2",
        "crash",
        "whichever_call_fails_nothing_is_lost_and_the_step_works_once_the_cause_is_gone",
    ),
    ("D3", "planted", "a_read_that_fails_in_recovery_cuts_nothing_off"),
    ("D4", "crash", "whichever_call_of_a_recovery_fails_it_destroys_nothing"),
    ("D4", "machine", "an_error_of_any_call_of_an_opening_changes_nothing"),
    ("D5", "lib", "an_interrupted_call_is_made_again"),
    (
        "D6",
        "crash",
        "whichever_call_fails_nothing_is_lost_and_the_step_works_once_the_cause_is_gone",
    ),
    ("D6", "machine", "an_error_of_any_call_loses_nothing_and_is_got_over"),
    ("D7", "schedules", "a_disk_that_is_full_at_the_opening_is_read_and_got_over"),
    ("D7", "machine", "a_full_disk_loses_nothing_and_is_got_over"),
    ("D8", "schedules", "readers_and_writers_go_on_beside_a_sync_that_is_stuck"),
    ("E1", "api", "a_sealed_segment_that_was_cut_hides_nothing_but_what_is_gone"),
    ("E1", "lib", "a_mapping_gives_what_reading_gives"),
    ("E2", "api", "a_second_handle_of_this_process_is_refused_until_the_first_is_gone"),
    ("E2", "api", "another_process_is_named_and_its_death_releases_the_store"),
    ("E2", "api", "nothing_is_written_once_somebody_has_removed_the_lock_file"),
    ("E2", "machine", "of_many_that_open_at_once_one_gets_it_and_the_others_know_who"),
    ("E3", "api", "a_reader_beside_a_writer_writes_nothing_and_sees_what_it_looks_for_again"),
    ("E4", "schedules", "a_timestamp_of_9999_pins_its_segment_and_one_of_1970_goes_as_in_kafka"),
    ("E4", "api", "a_clock_that_jumps_ahead_makes_nothing_old"),
    ("E5", "schedules", "whichever_call_fails_everything_is_closed_in_the_end"),
    ("E5", "api", "a_thousand_partitions_work_with_thirty_two_open_files"),
    ("E6", "hostile", "sizes_and_counts_that_lie"),
    ("E6", "hostile", "lengths_and_offsets_that_lie"),
    ("E6", "hostile", "the_smallest_batch_that_exhausts_kafka"),
    ("E6", "hostile", "names_of_huge_numbers_and_ten_mebibytes_of_zeros"),
    ("E6", "lib", "no_name_leads_out_of_its_directory"),
    ("F1", "model", "what_was_cleaned_of_a_log_that_was_cut_meanwhile_is_dropped"),
    ("F1", "model", "what_was_cleaned_of_records_that_were_deleted_meanwhile_is_dropped"),
    ("F2", "schedules", "a_flush_of_what_was_deleted_meanwhile_is_no_error"),
    ("F2", "schedules", "flushes_beside_deletions_are_no_errors"),
    ("F3", "schedules", "a_batch_that_is_lent_again_is_only_where_it_was_sent"),
];

/// How many rows there are of each letter.
const ROWS: [(char, usize); 6] = [('A', 4), ('B', 6), ('C', 10), ('D', 8), ('E', 6), ('F', 3)];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The text of all sources of a binary.
fn text_of(binary: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    if binary == "lib" {
        sources(&root.join("src"), &mut found);
    } else {
        found.push(root.join(format!("tests/{binary}.rs")));
        sources(&root.join("tests").join(binary), &mut found);
    }
    let texts = found.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.collect()
}

/// Whether a text has a test of that name.
fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let before = text[..at].trim_end();
    // Between the two may stand why it is not run everywhere.
    let attributes = before.rsplit_once("\n\n").map_or(before, |(_, last)| last);
    attributes.contains("#[test]")
}

#[test]
fn each_row_of_the_fault_model_has_a_test_that_is_there() {
    let mut missing = Vec::new();
    for (row, binary, name) in TESTS {
        if !has_test(&text_of(binary), name) {
            missing.push(format!("{row}: {binary} has no test {name}"));
        }
    }
    for (letter, rows) in ROWS {
        for number in 1..=rows {
            let row = format!("{letter}{number}");
            let is_tested = TESTS.iter().any(|(tested, ..)| *tested == row);
            if !is_tested {
                missing.push(format!("{row}: not tested"));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}
