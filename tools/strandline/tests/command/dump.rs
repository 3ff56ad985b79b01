//! `strandline dump`.

use std::process::Stdio;

use serde_json::json;

use super::run::{fixtures, ran, run, run_with, strandline};

const LOG: &str = "00000000000000000000.log";

#[test]
fn records_as_json_keep_null_empty_bytes_and_headers_apart() {
    let ran = run(&["dump", "-r", "--json", "basic-0"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let records = ran.json_of("record");
    let by_offset =
        |offset| records.iter().find(|record| record["offset"] == json!(offset)).unwrap();
    assert_eq!(by_offset(5)["key"], json!(null));
    assert_eq!(by_offset(6)["key"], json!(""));
    assert_eq!(by_offset(11)["value"], "//4ACkE=");
    assert_eq!(by_offset(11)["valueEncoding"], "base64");
    let headers = json!([{"key": "h1", "value": "x"}, {"key": "h,2", "value": null}]);
    assert_eq!(by_offset(4)["headers"], headers);
    let line = r#"{"type":"record","offset":8,"timestamp":1700000000008,"key":"i","value":"iv","keySize":1,"valueSize":2,"sequence":266,"headers":[],"batchPosition":369}"#;
    assert!(ran.stdout.lines().any(|found| found == line));
    let line = r#"{"type":"control","offset":10,"control":"COMMIT","version":0,"coordinatorEpoch":100,"producerId":98323,"producerEpoch":99}"#;
    assert!(ran.stdout.lines().any(|found| found == line));
    let summary = r#"{"type":"summary","schema":"strandline/1","files":1,"batches":8,"records":13,"errors":0,"warnings":0,"bytes":707}"#;
    assert_eq!(ran.stdout.lines().last(), Some(summary));
}

#[test]
fn batches_as_json_have_the_fields_of_the_schema_in_its_order() {
    let ran = run(&["dump", "--json", "basic-0"]);
    let file = r#"{"type":"file","schema":"strandline/1","path":"basic-0/00000000000000000000.log","kind":"log","topic":"basic","partition":0,"baseOffset":0,"size":707}"#;
    assert_eq!(ran.stdout.lines().next(), Some(file));
    let batch = r#"{"type":"batch","position":369,"size":96,"baseOffset":8,"lastOffset":9,"count":2,"magic":2,"codec":"lz4","timestampType":"CreateTime","baseTimestamp":1700000000008,"maxTimestamp":1700000000009,"producerId":98323,"producerEpoch":99,"baseSequence":266,"lastSequence":267,"leaderEpoch":5,"transactional":true,"control":false,"deleteHorizonMs":null,"crc":664546179,"crcOk":true}"#;
    assert!(ran.stdout.lines().any(|line| line == batch));
}

#[test]
fn people_see_a_table_of_batches_and_a_line_for_each_record() {
    let ran = run(&["dump", "basic-0"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "basic-0/00000000000000000000.log  707 B · 8 batches · 13 records · offsets 0–12"
    );
    assert_eq!(lines.len(), 10);
    assert!(
        lines[6].starts_with("      369  8–9 ")
            && lines[6].contains("98323/99    266–267       5  txn")
    );
    assert!(lines[7].contains("COMMIT") && lines[9].contains("ABORT"));
    let ran = run(&["dump", "-r", "basic-0"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(
        lines[4],
        r#"4   2023-11-14T22:13:20.004Z  key=e       5 B  é✓  headers: h1=x  "h,2"=null"#
    );
    assert_eq!(lines[5], "5   2023-11-14T22:13:20.005Z  key=null      –");
    assert_eq!(lines[6], r#"6   2023-11-14T22:13:20.006Z  key=""      0 B  """#);
    assert_eq!(lines[11], r"11  2023-11-14T22:13:20.011Z  key=k       5 B  \xff\xfe\0\nA");
}

#[test]
fn a_batch_that_fails_its_checksum_is_named_and_left_out() {
    let ran = run(&["dump", "-r", "crc-0"]);
    let why = format!(
        "error: crc-0/{LOG}: batch at byte 94 (offsets 2–3) fails its CRC; 2 records skipped, output is incomplete\n"
    );
    assert_eq!((ran.code, ran.stderr), (Some(4), why));
    assert_eq!(ran.stdout.lines().count(), 4);
    let ran = run(&["dump", "--json", "crc-0"]);
    let finding = &ran.json_of("finding")[0];
    assert_eq!((&finding["code"], &finding["position"]), (&json!("LOG005"), &json!(94)));
    assert_eq!(finding["stored"], json!(4_191_185_155_u32));
    assert_eq!(finding["computed"], json!(3_835_991_309_u32));
    let batches = ran.json_of("batch");
    assert_eq!(
        batches.iter().map(|batch| batch["crcOk"] == json!(true)).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn a_length_that_leads_nowhere_is_named_and_reading_goes_on() {
    let small = format!(
        "error: smallsize-0/{LOG}: batch at byte 94 claims length 5, the minimum is 49; resumed at byte 188 (offset 4) after 94 bytes\n"
    );
    let ran = run(&["dump", "-r", "--json", "smallsize-0"]);
    assert_eq!((ran.code, &ran.stderr), (Some(4), &small));
    let offsets: Vec<_> =
        ran.json_of("record").iter().map(|record| record["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, [0, 1, 4, 5]);
    let ran = run(&["dump", "-r", "--json", "hugesize-0"]);
    assert_eq!((ran.code, ran.json_of("record").len()), (Some(4), 4));
    assert!(ran.stderr.contains("resumed at byte 188 (offset 4)"), "{}", ran.stderr);
}

#[test]
fn an_offset_that_cannot_be_hides_nothing_behind_the_damage_that_follows() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(LOG);
    let mut log = std::fs::read(fixtures().join("dup-0").join(LOG)).unwrap()[..282].to_vec();
    log.extend_from_within(188..);
    // The first batch says that it lies far away, the second is damaged, the third is whole.
    (log[1], log[282 + 7]) = (0x40, 6);
    log[94 + 70..94 + 76].fill(b'?');
    std::fs::write(&path, log).unwrap();
    let ran = run(&["dump", "-r", "--json", path.to_str().unwrap()]);
    let offsets: Vec<_> =
        ran.json_of("record").iter().map(|it| it["offset"].as_i64().unwrap()).collect();
    assert_eq!((ran.code, &offsets[2..]), (Some(4), &[4, 5, 6, 7][..]), "{ran:?}");
}

#[test]
fn a_batch_larger_than_is_taken_is_passed_over_and_told() {
    let ran = run(&["dump", "-r", "--json", "--max-batch-bytes", "90", "basic-0"]);
    assert_eq!(ran.code, Some(4));
    let large = ran.json_of("finding");
    assert!(!large.is_empty() && large.iter().all(|it| it["code"].is_null()), "{large:?}");
    assert!(ran.stderr.contains("--max-batch-bytes takes 90"), "{}", ran.stderr);
    // The others are there: those of 90 bytes and fewer.
    let batches = run(&["dump", "--json", "basic-0"]).json_of("batch");
    let small = batches.iter().filter(|it| it["size"].as_u64() <= Some(90));
    let offsets: Vec<_> = small.map(|it| it["baseOffset"].as_i64().unwrap()).collect();
    let shown = run(&["dump", "--json", "--max-batch-bytes", "90", "basic-0"]).json_of("batch");
    let whole = shown.iter().filter(|it| it["crcOk"] == true);
    let told: Vec<_> = whole.map(|it| it["baseOffset"].as_i64().unwrap()).collect();
    assert_eq!(told, offsets);
}

#[test]
fn what_a_crash_or_a_writer_leaves_at_the_end_is_no_error() {
    let ran = run(&["dump", "trunc-0"]);
    let why = format!(
        "warning: trunc-0/{LOG}: 87 bytes of an unfinished batch at byte 188; normal while it is written\n"
    );
    assert_eq!((ran.code, ran.stderr), (Some(0), why));
    let ran = run(&["dump", "--json", "zeros-0"]);
    assert_eq!((ran.code, ran.json_of("batch").len()), (Some(0), 3));
    assert!(ran.stderr.starts_with("info: zeros-0/"), "{}", ran.stderr);
    assert_eq!(ran.json_of("finding")[0]["code"], "LOG002");
    let ran = run(&["dump", "--json", "dup-0"]);
    assert_eq!((ran.code, ran.json_of("batch").len()), (Some(0), 6));
}

#[test]
fn messages_of_old_formats_are_shown_with_their_records() {
    let ran = run(&["dump", "-r", "--json", "legacy-0"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let offsets: Vec<_> = ran.json_of("record").iter().map(|it| it["offset"].clone()).collect();
    assert_eq!(offsets, (100..108).chain([110]).collect::<Vec<_>>());
}

#[test]
fn index_entries_end_where_the_zeros_begin() {
    let ran = run(&["dump", "--json", "prealloc-0/00000000000000000000.index"]);
    let entries = [
        json!({"type":"indexEntry","offset":3,"position":80}),
        json!({"type":"indexEntry","offset":6,"position":178}),
    ];
    assert_eq!((ran.code, ran.json_of("indexEntry")), (Some(0), entries.to_vec()));
    let ran = run(&["dump", "--json", "basic-0/00000000000000000000.timeindex"]);
    let line = r#"{"type":"timeIndexEntry","timestamp":1700000000003,"offset":3}"#;
    assert_eq!(ran.stdout.lines().nth(1), Some(line));
    let ran = run(&["dump", "basic-0/00000000000000000000.index"]);
    assert!(
        ran.stdout.starts_with("basic-0/00000000000000000000.index  16 B · 2 entries\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn standard_input_gives_what_the_file_gives_but_for_the_path() {
    let bytes = std::fs::read(fixtures().join("basic-0").join(LOG)).unwrap();
    for options in [&["--json"][..], &["-r", "--json"], &["-r"]] {
        let args = [&["dump", "--as", "log", "--base-offset", "0", "-"], options].concat();
        let (piped, direct) =
            (run_with(&args, &bytes), run(&[&["dump", "basic-0"], options].concat()));
        assert_eq!(piped.code, Some(0));
        let without_file = |text: &str| {
            text.lines()
                .filter(|line| !line.contains(r#""type":"file""#))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(without_file(&piped.stdout), without_file(&direct.stdout));
    }
    let ran = run_with(&["dump", "-"], &bytes);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(2), 1));
}

#[test]
fn a_name_that_does_not_tell_is_asked_about() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("foo.log");
    std::fs::copy(fixtures().join("basic-0").join(LOG), &path).unwrap();
    let path = path.to_str().unwrap();
    let ran = run(&["dump", path]);
    let why = format!(
        "error: {path}: Kafka keeps the base offset in the file name (20 digits); give it: --base-offset 0\n"
    );
    assert_eq!((ran.code, ran.stderr), (Some(2), why));
    assert_eq!(run(&["dump", "--base-offset", "0", path]).code, Some(0));
}

#[test]
fn what_is_not_there_is_said_in_one_line_and_the_rest_is_shown() {
    let ran = run(&["dump", "--json", "missing.log", "basic-0"]);
    assert_eq!((ran.code, ran.json_of("batch").len()), (Some(3), 8));
    assert_eq!(ran.stderr, "error: cannot read missing.log: no such file or directory\n");
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&["dump", empty.path().to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(3), 1));
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_complain() {
    let mut log = Vec::new();
    for _ in 0..3000 {
        log.extend(std::fs::read(fixtures().join("basic-0").join(LOG)).unwrap());
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(LOG);
    std::fs::write(&path, log).unwrap();
    let mut child = strandline(&["dump", "-r", "--json", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.take().unwrap()),
        &mut first,
    )
    .unwrap();
    let ran = ran(child.wait_with_output().unwrap());
    assert!(first.starts_with(r#"{"type":"file""#));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn output_that_cannot_be_written_is_said_once() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = strandline(&["dump", "basic-0", "crc-0"]).stdout(full).output().unwrap();
    let ran = ran(output);
    let why = "error: cannot write the output: no space left on the device\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), why));
}

#[test]
fn colours_are_for_those_who_see_them() {
    let plain = run(&["dump", "basic-0"]).stdout;
    assert!(!plain.contains('\u{1b}'));
    let coloured = |name: &str, value: &str| {
        let mut command = strandline(&["dump", "basic-0"]);
        ran(command.env("CLICOLOR_FORCE", "1").env(name, value).output().unwrap()).stdout
    };
    assert!(coloured("TERM", "xterm").contains("\u{1b}[34m"));
    assert_eq!(coloured("NO_COLOR", "1"), plain);
}

#[test]
fn nothing_is_written_where_something_is_read() {
    let before = listing();
    for path in ["basic-0", "crc-0", "prealloc-0/00000000000000000000.index"] {
        run(&["dump", "-r", path]);
    }
    assert_eq!(listing(), before);
}

fn listing() -> Vec<(String, u64, std::time::SystemTime)> {
    let mut all = Vec::new();
    for dir in std::fs::read_dir(fixtures()).unwrap() {
        for file in std::fs::read_dir(dir.unwrap().path()).unwrap() {
            let file = file.unwrap();
            let metadata = file.metadata().unwrap();
            all.push((
                file.path().display().to_string(),
                metadata.len(),
                metadata.modified().unwrap(),
            ));
        }
    }
    all.sort();
    all
}

#[test]
fn whatever_one_byte_becomes_it_ends_well() {
    let bytes = std::fs::read(fixtures().join("crc-0").join(LOG)).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(LOG);
    for at in (0..bytes.len()).step_by(7) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
        let ran = run(&["dump", "-r", "--json", path.to_str().unwrap()]);
        assert!(matches!(ran.code, Some(0 | 4)), "byte {at}: {ran:?}");
        ran.json();
    }
}

#[test]
fn without_a_verb_there_is_short_help_on_stderr() {
    let ran = run(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("Usage: strandline"), "{}", ran.stderr);
    assert_eq!(run(&["--help"]).code, Some(0));
    assert!(run(&["--version"]).stdout.starts_with("strandline "));
}
