//! `stat`, `diff` and `export`.

use std::fs;

use serde_json::json;

use super::made::{self, Made};
use super::run::{fixtures, run};

const LOG: &str = "00000000000000000000.log";

#[test]
fn a_log_is_counted_by_its_headers_and_by_its_records() {
    let line = |args: &[&str]| run(&[&["stat", "--json"], args].concat()).json_of("stat").remove(0);
    let headers = line(&["basic-0"]);
    assert_eq!((&headers["batches"], &headers["records"]), (&json!(8), &json!(13)));
    assert_eq!((&headers["markers"], &headers["gaps"]), (&json!(2), &json!(0)));
    assert_eq!((&headers["startOffset"], &headers["endOffset"]), (&json!(0), &json!(13)));
    assert_eq!(headers["codecs"]["lz4"]["records"], json!(2));
    let records = line(&["--records", "basic-0"]);
    assert_eq!((&records["recordsRead"], &records["nullKeys"]), (&json!(11), &json!(2)));
    let people = run(&["stat", "--top", "2", "basic-0"]);
    assert!(people.stdout.contains("LARGEST RECORDS"), "{}", people.stdout);
    // Without a verb it is the same, and a part is counted as a part.
    assert_eq!(run(&["basic-0"]).stdout, run(&["stat", "basic-0"]).stdout);
    assert_eq!(line(&["--codec", "lz4", "basic-0"])["batches"], json!(1));
}

#[test]
fn gaps_are_told_by_what_made_them() {
    let temp = tempfile::tempdir().unwrap();
    let gaps = |name: &str, batches: &[Made], damage: Option<usize>| {
        let path = temp.path().join(format!("{name}-0"));
        fs::create_dir(&path).unwrap();
        let mut log = made::log(batches);
        if let Some(at) = damage {
            log[at] ^= 1;
        }
        fs::write(path.join(LOG), log).unwrap();
        let path = path.to_str().unwrap();
        let line = run(&["stat", "--json", path]).json_of("stat").remove(0);
        let of = |field: &str| line[field].as_u64().unwrap();
        let all = ["markers", "compactionGaps", "unexplainedGaps", "damagedGaps", "missingOffsets"];
        (all.map(of), run(&["stat", path]).stdout)
    };
    let marker = Made::marker(2, (7, 0), true);
    let of = [Made::two(0), marker, Made::two(3)];
    let (counts, words) = gaps("markers", &of, None);
    assert_eq!(counts, [1, 0, 0, 0, 0]);
    assert!(words.contains("gaps 1 (markers 1, compaction 0, unexplained 0)"), "{words}");
    let (counts, words) = gaps("lost", &[Made::two(0), Made::two(7)], None);
    assert_eq!(counts, [0, 0, 1, 0, 5]);
    assert!(words.contains("unexplained 1; 5 offsets missing)"), "{words}");
    // A batch that lost records, or waits to: a cleaner was here.
    let mut cleaned = Made::two(7);
    cleaned.last_delta = Some(5);
    let (counts, _) = gaps("cleaned", &[Made::two(0), cleaned], None);
    assert_eq!(counts, [0, 2, 0, 0, 9]);
    // The length of the second batch leads nowhere.
    let at = Made::two(0).bytes().len() + 8;
    let (counts, _) = gaps("damaged", &[Made::two(0), Made::two(2), Made::two(4)], Some(at));
    assert_eq!(counts, [0, 0, 0, 1, 2]);
}

#[test]
fn what_is_damaged_is_left_out_of_the_counts_and_told() {
    let ran = run(&["stat", "--json", "smallsize-0"]);
    assert_eq!((ran.code, &ran.json_of("stat")[0]["batches"]), (Some(4), &json!(2)));
    assert!(ran.stderr.contains("claims length 5"), "{}", ran.stderr);
}

#[test]
fn codecs_are_tried_and_compaction_is_foretold() {
    let ran = run(&["stat", "--json", "--recompress", "--compaction", "dup-0"]);
    let codecs = ran.json_of("recompressed");
    let names: Vec<_> = codecs.iter().map(|line| line["codec"].as_str().unwrap()).collect();
    for (name, wanted) in names.iter().zip(["gzip", "snappy", "lz4", "zstd"]) {
        assert!(name.starts_with(wanted), "{names:?}");
    }
    assert_eq!(names.len(), 4);
    let compaction = &ran.json_of("compaction")[0];
    assert_eq!(compaction["records"], json!(12));
    // k0 k0 k1 k1 k2 k2 at offsets 0 to 5, twice: of each key the last offset stays.
    assert_eq!((&compaction["keys"], &compaction["supersededRecords"]), (&json!(3), &json!(6)));
}

#[test]
fn the_pictures_are_written_to_a_file_that_is_not_there() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.svg");
    let path = path.to_str().unwrap();
    assert_eq!(run(&["stat", "--svg", path, "basic-0"]).code, Some(0));
    assert!(fs::read_to_string(path).unwrap().starts_with("<svg xmlns="));
    assert_eq!(run(&["stat", "--svg", path, "basic-0"]).code, Some(3));
}

#[test]
fn two_logs_are_the_same_or_differ_at_an_offset() {
    let temp = tempfile::tempdir().unwrap();
    let copy = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let dir = temp.path().join(name);
        fs::create_dir(&dir).unwrap();
        let mut bytes = fs::read(fixtures().join("basic-0").join(LOG)).unwrap();
        change(&mut bytes);
        fs::write(dir.join(LOG), bytes).unwrap();
        dir.to_str().unwrap().to_owned()
    };
    let diff = |args: &[&str], other: &str| {
        run(&[&["diff", "--json"], args, &["basic-0", other]].concat())
    };
    assert_eq!(diff(&[], &copy("same-0", &|_| {})).code, Some(0));
    // The leader epoch lies outside the checksum.
    let epoch = copy("epoch-0", &|bytes| bytes[15] = 9);
    assert_eq!(diff(&[], &epoch).code, Some(1));
    assert_eq!(diff(&["--ignore", "epoch"], &epoch).code, Some(0));
    let shorter = diff(&[], &copy("short-0", &|bytes| bytes.truncate(465)));
    assert_eq!((shorter.code, &shorter.json_of("diff")[0]["offset"]), (Some(1), &json!(10)));
    assert_eq!(run(&["diff", "basic-0"]).code, Some(2));
}

#[test]
fn an_export_is_whole_or_not_there_and_never_in_its_input() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    let lines = run(&["export", "basic-0"]);
    assert_eq!(lines.json_of("record").len(), 11);
    assert_eq!(lines.json_of("record")[0]["topic"], "basic");
    assert_eq!(run(&["export", "-o", "csv", "--to", &at("a.csv"), "basic-0"]).code, Some(0));
    assert_eq!(fs::read_to_string(at("a.csv")).unwrap().lines().count(), 12);
    assert_eq!(run(&["export", "-o", "csv", "--to", &at("a.csv"), "basic-0"]).code, Some(5));
    let named =
        ["export", "-o", "raw", "--name", "%o.bin", "--to", &at("values"), "-O", "4:6", "basic-0"];
    assert_eq!(run(&named).code, Some(0));
    assert_eq!(fs::read(temp.path().join("values/4.bin")).unwrap(), "é✓".as_bytes());
    assert_eq!(run(&["export", "--to", "basic-0/out", "basic-0"]).code, Some(5));
    let damaged = run(&["export", "--to", &at("crc.jsonl"), "crc-0"]);
    assert_eq!(
        (damaged.code, fs::read_to_string(at("crc.jsonl")).unwrap().lines().count()),
        (Some(4), 4)
    );
}

#[test]
fn exported_segments_hold_the_same_batches_byte_for_byte() {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("out");
    let to = to.to_str().unwrap();
    assert_eq!(run(&["export", "-o", "segment", "--to", to, "basic-0"]).code, Some(0));
    let (before, after) = (fixtures().join("basic-0").join(LOG), format!("{to}/basic-0/{LOG}"));
    assert_eq!(fs::read(before).unwrap(), fs::read(after).unwrap());
    let part =
        run(&["export", "-o", "segment", "--to", &format!("{to}-2"), "-O", "0:9", "basic-0"]);
    assert_eq!((part.code, part.stderr.contains("asked for in part")), (Some(2), true));
    assert!(!std::path::Path::new(&format!("{to}-2.tmp")).exists());
}
