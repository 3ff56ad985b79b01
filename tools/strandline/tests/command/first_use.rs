//! What people try first, and what they were misled by.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::made::Made;
use super::run::{Ran, fixtures, ran, run, strandline};

/// A partition of three segments with two records each, and what is done to its directory.
fn three_segments(change: impl FnOnce(&Path)) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t-0");
    fs::create_dir(&path).unwrap();
    for base in [0, 2, 4] {
        fs::write(path.join(format!("{base:020}.log")), Made::two(base).bytes()).unwrap();
    }
    change(&path);
    (root, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_hole_between_segments_is_no_intact_partition_to_repair() {
    let (_root, path) = three_segments(|path| {
        fs::remove_file(path.join(format!("{:020}.log", 2))).unwrap();
    });
    assert_eq!(run(&["verify", text(&path)]).code, Some(1));
    let planned = run(&["repair", text(&path)]);
    assert_eq!(planned.code, Some(1), "{planned:?}");
    assert!(planned.stdout.contains("offsets 2–3 are not there"), "{}", planned.stdout);
}

#[test]
fn a_segment_that_lost_its_end_is_mended_without_what_was_there_and_that_is_counted() {
    let (root, path) = three_segments(|path| {
        let middle = path.join(format!("{:020}.log", 2));
        let bytes = [Made::two(2).bytes(), Made::two(4).bytes()].concat();
        fs::write(&middle, &bytes[..bytes.len() - 10]).unwrap();
        fs::rename(path.join(format!("{:020}.log", 4)), path.join(format!("{:020}.log", 6)))
            .unwrap();
        fs::write(path.join(format!("{:020}.log", 6)), Made::two(6).bytes()).unwrap();
    });
    let to = root.path().join("mended");
    let made = run(&["repair", "--to", text(&to), text(&path)]);
    assert_eq!(made.code, Some(0), "{made:?}");
    for told in ["6 records are kept, 2 records lost", "offsets 4–5 are not there"] {
        assert!(made.stdout.contains(told), "{told}: {}", made.stdout);
    }
    let left = run(&["dump", "-r", "-F", "%o ", text(&to)]);
    assert_eq!(left.stdout, "0 1 2 3 6 7 ", "{left:?}");

    let as_broker = root.path().join("as-broker");
    let made = run(&["repair", "--like-broker", "--to", text(&as_broker), text(&path)]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.contains("4 records are kept, 4 records lost"), "{}", made.stdout);
    assert_eq!(run(&["dump", "-r", "-F", "%o ", text(&as_broker)]).stdout, "0 1 2 3 ");
}

#[test]
fn stat_says_until_when_the_oldest_segment_is_kept_and_what_waits_for_it() {
    let (_root, path) = three_segments(|path| {
        // One record of the year 2100 in the oldest segment.
        let mut first = Made::two(0);
        first.records[1].1 = 4_102_444_800_000;
        fs::write(path.join(format!("{:020}.log", 0)), first.bytes()).unwrap();
    });
    let told = run(&["stat", text(&path)]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for wanted in [
        "retention.ms 604800000 (Kafka's default",
        "the largest time of 00000000000000000000.log is 2100-01-01",
        "it is kept until 2100-01-08",
        "2 later segments that are older than that wait",
    ] {
        assert!(told.stdout.contains(wanted), "{wanted}: {}", told.stdout);
    }
    let told = run(&["stat", "--retention-ms", "-1", text(&path)]);
    assert!(told.stdout.contains("no segment goes by its age"), "{}", told.stdout);
}

#[test]
fn options_that_a_verb_has_no_use_for_are_refused() {
    let refused = |args: &[&str], why: &str| {
        let ran = run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
    };
    for verb in ["ls", "stat", "verify"] {
        refused(&[verb, "-F", "%o", "basic-0"], "has no use for -F");
        refused(&[verb, "--fields", "offset", "basic-0"], "has no use for --fields");
    }
    refused(&["find", "--offset", "1", "-F", "%o", "basic-0"], "has no use for -F");
    refused(&["tail", "--fields", "offset,key", "basic-0"], "--json and -o csv");
}

#[test]
fn find_asks_what_for_and_says_that_there_may_be_more() {
    let ran = run(&["find", "basic-0"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("say what to find"), "{}", ran.stderr);
    let ran = run(&["find", "--key", "a", "basic-0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("--all finds all"), "{}", ran.stderr);
    let ran = run(&["find", "--key", "nobody", "basic-0"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("nothing matches"), "{}", ran.stderr);
    assert_eq!(run(&["find", "-q", "--key", "nobody", "basic-0"]).stderr, "");
}

#[test]
fn a_pass_that_looked_at_no_checksum_says_so() {
    let quick = run(&["verify", "--quick", "crc-0"]);
    assert_eq!(quick.code, Some(0), "{quick:?}");
    assert!(quick.stdout.contains("headers only: no checksum was looked at"), "{}", quick.stdout);
}

#[test]
fn a_manual_page_is_printed_and_has_a_text_for_each_option() {
    let page = run(&["man", "find"]);
    assert_eq!(page.code, Some(0), "{page:?}");
    let roff = page.stdout.replace("\\-", "-");
    for text in ["The record at this offset", "In log directories, only topics of this name"] {
        assert!(roff.contains(text), "{text}");
    }
    let page = run(&["man", "topic-create"]);
    assert!(page.stdout.contains("A setting under Kafka"), "{page:?}");
    for verb in ["dump", "tail", "fetch", "export"] {
        assert!(run(&["help", verb]).stdout.contains("%T milliseconds"), "{verb}");
    }
}

#[test]
fn a_setting_that_kafka_does_not_know_makes_no_topic() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("store");
    let create = |setting: &str| -> Ran {
        run(&["topic", "create", "-d", text(&dir), "t", "--config", setting])
    };
    let refused = create("retention.mss=5");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("did you mean retention.ms?"), "{}", refused.stderr);
    assert!(!dir.exists());
    assert_eq!(create("retention.ms=5").code, Some(0));
    // Who takes the topic for a path is told where it lies.
    let mut command = strandline(&["stat", "t"]);
    let hinted = ran(command.env("STRANDLINE_DIR", &dir).output().unwrap());
    assert_eq!(hinted.code, Some(3), "{hinted:?}");
    assert!(hinted.stderr.contains("store/t-0"), "{}", hinted.stderr);
}

#[test]
fn a_report_tells_what_verify_finds() {
    let (root, path) = three_segments(|path| {
        let index = [0, 0, 0, 9, 0, 0, 0, 99];
        fs::write(path.join(format!("{:020}.index", 2)), index).unwrap();
    });
    let to = root.path().join("report.html");
    let ran = run(&["report", "--to", text(&to), text(&path)]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("report.html is written"), "{}", ran.stderr);
    let page = fs::read_to_string(&to).unwrap();
    assert!(page.contains("[IDX") && page.contains("00000000000000000002.index"), "{page}");
}

#[test]
fn a_total_of_several_logs_has_no_offsets() {
    let ran = run(&["ls", "--json", text(&fixtures())]);
    let total = ran.json_of("summary").remove(0);
    assert!(
        total["startOffset"].is_null() && total["recordsAtMost"].as_u64() > Some(10),
        "{total}"
    );
}

#[test]
fn a_damaged_batch_shows_its_records_and_where_the_bit_lies() {
    let shown = run(&["explain", "--position", "94", "crc-0/00000000000000000000.log"]);
    assert!(shown.stdout.contains("is flipped"), "{}", shown.stdout);
    assert!(shown.stdout.contains("1: ") && shown.stdout.contains("offset 3"), "{}", shown.stdout);
}

#[test]
fn a_page_that_was_never_written_is_seen_in_a_damaged_batch() {
    let mut big = Made::two(0);
    big.records[1].3 = vec![b'v'; 4000];
    let mut bytes = big.bytes();
    bytes[1024..2560].fill(0);
    let (_root, path) = three_segments(|path| {
        fs::write(path.join(format!("{:020}.log", 0)), &bytes).unwrap();
    });
    let shown = run(&["explain", text(&path.join(format!("{:020}.log", 0)))]);
    let wanted = "1536 bytes of zeros, whole sectors from byte 1024 on";
    assert!(shown.stdout.contains(wanted), "{}", shown.stdout);
}
