//! `strandline ls`, and which files paths mean.

use std::fs;

use super::run::{fixtures, run, strandline};

#[test]
fn a_log_directory_is_listed_by_topic_and_number_with_totals_last() {
    let ran = run(&["ls", "--json", "."]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let basic = &ran.json_of("partition")[1];
    assert_eq!((&basic["topic"], &basic["partition"]), (&"basic".into(), &0.into()));
    assert_eq!((&basic["startOffset"], &basic["endOffset"]), (&0.into(), &13.into()));
    assert_eq!(basic["firstTimestamp"], 1_700_000_000_000_i64);
    assert_eq!(basic["lastTimestamp"], 1_700_000_000_012_i64);
    let names: Vec<_> = ran.json_of("partition").iter().map(|it| it["topic"].to_string()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let total = ran.json_of("summary").pop().unwrap();
    assert_eq!(total["partitions"], names.len());
    let people = run(&["ls", "."]).stdout;
    assert!(people.lines().last().unwrap().starts_with("total "), "{people}");
    assert!(people.lines().any(|line| line.ends_with("unfinished batch")), "{people}");
}

#[test]
fn options_choose_partitions_of_a_log_directory_and_globs_choose_paths() {
    let topics = |args: &[&str]| {
        let ran = run(&[&["ls", "--json"], args].concat());
        let lines = ran.json_of("partition");
        lines.iter().map(|line| line["topic"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(topics(&[".", "--topic", "b*", "--exclude", "bad*"]), ["basic"]);
    assert_eq!(topics(&[".", "--partition", "1-"]), [""; 0]);
    let ran = run(&["ls", "--json", "*ro*-0", "crc-?"]);
    let paths: Vec<_> = ran.json_of("segment").iter().map(|it| it["path"].to_string()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    let ran = run(&["ls", "nothing*here"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(3), "error: nothing*here: nothing matches it\n")
    );
}

#[test]
fn from_two_hundred_partitions_on_there_is_a_row_for_each_topic() {
    let temp = tempfile::tempdir().unwrap();
    let log = fs::read(fixtures().join("crc-0/00000000000000000000.log")).unwrap();
    for number in 0..200 {
        let dir = temp.path().join(format!("t{}-{number}", number % 2));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("00000000000000000000.log"), &log).unwrap();
    }
    let path = temp.path().to_str().unwrap();
    let ran = run(&["ls", "--json", path]);
    let topics = ran.json_of("topic");
    assert_eq!(topics.len(), 2);
    assert_eq!((&topics[0]["partitions"], &topics[0]["recordsAtMost"]), (&100.into(), &600.into()));
    assert_eq!(run(&["ls", "--json", "--partitions", path]).json_of("partition").len(), 200);
}

#[test]
fn a_word_that_is_no_verb_is_a_path_or_is_asked_about() {
    let (with, without) = (run(&["stat", "crc-0"]), run(&["crc-0"]));
    assert_eq!(with.code, without.code);
    let ran = run(&["dmup", "crc-0"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("did you mean `dump`?"), "{}", ran.stderr);
}

#[test]
fn a_directory_without_any_of_kafka_s_files_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("notes.log"), "not Kafka's\n").unwrap();
    let output = strandline(&["ls"]).arg(temp.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with(": no file of Kafka's in this directory\n"), "{said}");
}

#[test]
fn segments_of_old_formats_are_walked_by_their_headers_too() {
    let ran = run(&["ls", "--json", "legacy-0"]);
    let segment = &ran.json_of("segment")[0];
    assert_eq!((ran.code, segment["notes"].as_array().unwrap().len()), (Some(0), 0), "{segment}");
    assert_eq!((&segment["startOffset"], &segment["endOffset"]), (&100.into(), &111.into()));
    let stat = &run(&["stat", "--json", "legacy-0"]).json_of("stat")[0];
    assert_eq!((&stat["endOffset"], &stat["damagedGaps"]), (&111.into(), &0.into()), "{stat}");
}
