//! Which records are meant: the same options for `dump`, `find` and `tail`.

use std::fs;
use std::io::{BufRead, Write};
use std::process::Stdio;

use serde_json::json;

use super::made::Made;
use super::pack::golden_fixtures;
use super::run::{Ran, fixtures, ran, run, strandline};

/// The offsets of the records that `dump -r` gives.
fn offsets(args: &[&str]) -> Vec<i64> {
    let ran = run(&[&["dump", "-r", "-F", "%o ", "-q"], args].concat());
    assert_eq!(ran.stderr, "", "{args:?}");
    ran.stdout.split_whitespace().map(|offset| offset.parse().unwrap()).collect()
}

#[test]
fn ranges_choose_records_wherever_batches_begin() {
    let cases: [(&[&str], &[i64]); 9] = [
        (&["--offset", "4", "basic-0"], &[4]),
        (&["--from", "3", "--until", "6", "basic-0"], &[3, 4, 5]),
        (&["-O", "4:7", "basic-0"], &[4, 5, 6]),
        (&["-O", "4:+2", "basic-0"], &[4, 5]),
        (&["-O", "-4:", "basic-0"], &[9, 11]),
        (&["--time", "@1700000000003:@1700000000006", "basic-0"], &[3, 4, 5]),
        (&["--position", "400", "basic-0"], &[8, 9]),
        (&["--limit", "2", "--skip", "1", "basic-0"], &[1, 2]),
        (&["--sample", "1/4", "basic-0"], &[0, 4, 8]),
    ];
    for (args, wanted) in cases {
        assert_eq!(offsets(args), wanted, "{args:?}");
    }
}

#[test]
fn filters_choose_records_by_what_they_hold() {
    let cases: [(&[&str], &[i64]); 9] = [
        (&["--key", "e", "basic-0"], &[4]),
        (&["--key", "null", "basic-0"], &[1, 5]),
        (&["--key", "", "basic-0"], &[6]),
        (&["--key", "/^[ab]$/", "--key", "e", "basic-0"], &[0, 4]),
        (&["--key", "!/^[a-e]$/", "--kind", "!txn", "--limit", "1", "basic-0"], &[1]),
        (&["--header", "h1=x", "basic-0"], &[4]),
        (&["--producer-id", "98323", "basic-0"], &[8, 9]),
        (&["--codec", "lz4", "basic-0"], &[8, 9]),
        (&["--kind", "tombstone", "basic-0"], &[3]),
    ];
    for (args, wanted) in cases {
        assert_eq!(offsets(args), wanted, "{args:?}");
    }
    let ran = run(&["dump", "-r", "--json", "--kind", "commit", "basic-0"]);
    assert_eq!(ran.json_of("control")[0]["offset"], json!(10));
    // Records of a transaction that aborted are not committed.
    let all = offsets(&["basic-0"]);
    let committed = offsets(&["--isolation", "committed", "basic-0"]);
    assert!(all.contains(&11) && !committed.contains(&11), "{committed:?}");
}

#[test]
fn what_cannot_be_is_refused_as_a_wrong_command_line() {
    for args in [
        &["--key", "hex:zz"][..],
        &["--time", "soon"],
        &["--codec", "rar"],
        &["-O", "x"],
        &["--size", "big"],
        &["--sample", "2/3"],
    ] {
        let ran = run(&[&["dump", "-r", "basic-0"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
    }
}

#[test]
fn records_are_written_as_csv_raw_redacted_and_encoded() {
    let text = |args: &[&str]| run(&[&["dump", "-r", "-q"], args].concat()).stdout;
    let csv = text(&["-o", "csv", "--fields", "offset,key,value", "-O", "4:7", "basic-0"]);
    assert_eq!(csv, "offset,key,value\r\n4,e,é✓\r\n5,,\r\n6,\"\",\"\"\r\n");
    assert_eq!(text(&["-o", "raw", "-O", "8:10", "basic-0"]).lines().next(), Some("iv"));
    let json = |args: &[&str]| {
        let ran = run(&[&["dump", "-r", "--json", "-O", "4:5"], args, &["basic-0"]].concat());
        ran.json_of("record").remove(0)
    };
    let hidden = json(&["--redact", "keys=sha256,values"]);
    assert_eq!(
        (&hidden["keyEncoding"], &hidden["value"]),
        (&json!("sha256"), &json!("<redacted>"))
    );
    assert_eq!(json(&["--encoding", "hex"])["value"], "c3a9e29c93");
    assert_eq!(json(&["--int64-as-string"])["offset"], "4");
    assert_eq!(json(&["--fields", "batchOffset,offset"])["batchOffset"], 4);
}

#[test]
fn every_kind_of_file_is_shown_by_its_name_or_its_content() {
    let golden = golden_fixtures();
    let dir = golden.path().join("fixtures");
    let shown = |path: &str| {
        let mut command = strandline(&["dump", "--json", path]);
        ran(command.current_dir(&dir).output().unwrap())
    };
    let txn = shown("basic-0/00000000000000000000.txnindex").json_of("abortedTxn").remove(0);
    assert_eq!((&txn["producerId"], &txn["lastOffset"]), (&json!(98324), &json!(12)));
    let producer =
        shown("basic-0/00000000000000000013.snapshot").json_of("producerState").remove(0);
    assert!(producer["producerEpoch"].is_number(), "{producer}");
    let epoch = shown("basic-0/leader-epoch-checkpoint").json_of("leaderEpoch").remove(0);
    assert!(epoch["startOffset"].is_number(), "{epoch}");
    let id = shown("basic-0/partition.metadata").json_of("partitionMetadata").remove(0);
    assert_eq!(id["topicId"].as_str().unwrap().len(), 22);
    let bad = shown("badidx-0/00000000000000000013.snapshot");
    let finding = &bad.json_of("finding")[0];
    assert_eq!((bad.code, &finding["code"]), (Some(4), &json!("SNP001")));
    assert_eq!(
        (&finding["stored"], &finding["computed"]),
        (&json!(2_826_228_714_u32), &json!(3_068_780_639_u32))
    );
    for (name, kind) in [
        ("00000000000000000000.txnindex", "txnindex"),
        ("leader-epoch-checkpoint", "leader-epochs"),
    ] {
        let odd = dir.join("basic-0").join("odd");
        fs::copy(dir.join("basic-0").join(name), &odd).unwrap();
        assert_eq!(shown("basic-0/odd").json_of("file")[0]["kind"], kind);
    }
}

#[test]
fn a_find_answers_with_the_place_and_its_exit_status() {
    let found = |args: &[&str]| run(&[&["find", "--json"], args].concat());
    let ran = found(&["--key", "i", "basic-0"]);
    let place = &ran.json_of("match")[0];
    assert_eq!(
        (ran.code, &place["offset"], &place["batchPosition"]),
        (Some(0), &json!(8), &json!(369))
    );
    assert_eq!(found(&["--key", "nobody", "basic-0"]).code, Some(1));
    assert_eq!(found(&["--all", "--codec", "lz4", "basic-0"]).json_of("match").len(), 2);
    assert_eq!(found(&["--last", "--key", "/./", "basic-0"]).json_of("match")[0]["offset"], 11);
    assert_eq!(found(&["--count", "--kind", "data", "basic-0"]).json_of("count")[0]["count"], 11);
    let damaged = found(&["--all", "--kind", "data", "crc-0"]);
    assert_eq!((damaged.code, damaged.json_of("match").len()), (Some(4), 4));
    assert!(damaged.stderr.contains("fails its CRC"), "{}", damaged.stderr);
}

#[test]
fn a_find_gives_the_same_answer_with_lying_and_without_indexes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("basic-0");
    fs::create_dir(&dir).unwrap();
    let log = "00000000000000000000.log";
    fs::copy(fixtures().join("basic-0").join(log), dir.join(log)).unwrap();
    let find = || {
        let mut command = strandline(&["find", "--json", "--offset", "8"]);
        ran(command.arg(&dir).output().unwrap())
    };
    let plain = find();
    assert_eq!(plain.json_of("match")[0]["index"], json!(null));
    // An entry that is right, then one that leads into a batch, then one that leads too far.
    for (offset, position, by) in [(7_u32, 80_u32, "index"), (7, 81, ""), (7, 465, "")] {
        let entry = [offset.to_be_bytes(), position.to_be_bytes()].concat();
        fs::write(dir.join("00000000000000000000.index"), entry).unwrap();
        let ran = find();
        let place = &ran.json_of("match")[0];
        assert_eq!((&place["offset"], &place["batchPosition"]), (&json!(8), &json!(369)));
        assert_eq!(place["index"], if by.is_empty() { json!(null) } else { json!(by) });
        assert_eq!(ran.stderr.contains("which the log denies"), by.is_empty(), "{}", ran.stderr);
    }
}

#[test]
fn the_last_records_are_shown_whatever_is_missing_before_them() {
    let last = |args: &[&str]| {
        let ran: Ran = run(&[&["tail", "-F", "%o "], args].concat());
        ran.stdout
    };
    assert_eq!(last(&["-n", "3", "crc-0"]), "1 4 5 ");
    assert_eq!(last(&["-n", "2", "--key", "/^[a-c]$/", "basic-0"]), "0 2 ");
    assert_eq!(last(&["-n", "0", "basic-0"]), "");
}

#[test]
fn a_follower_sees_a_batch_once_it_is_whole_and_tells_of_rolls_and_truncations() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    fs::create_dir(&dir).unwrap();
    let bytes = fs::read(fixtures().join("crc-0/00000000000000000000.log")).unwrap();
    let path = dir.join("00000000000000000000.log");
    fs::write(&path, &bytes[..94]).unwrap();
    let mut command = strandline(&["tail", "-f", "-n", "1", "-F", "%o\\n"]);
    let mut child =
        command.arg(&dir).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let line = |from: &mut dyn BufRead| {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line
    };
    // Two batches that are whole: the second of the fixture is damaged on purpose.
    let mut second = bytes[188..].to_vec();
    second[7] = 2;
    let append = |bytes: &[u8]| {
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    };
    assert_eq!(line(&mut out), "1\n");
    append(&second[..50]);
    append(&second[50..]);
    assert_eq!((line(&mut out), line(&mut out)), ("2\n".to_owned(), "3\n".to_owned()));
    let next = dir.join("00000000000000000004.log");
    fs::write(&next, &bytes[188..]).unwrap();
    assert!(line(&mut said).contains("rolled to 00000000000000000004.log"));
    assert_eq!((line(&mut out), line(&mut out)), ("4\n".to_owned(), "5\n".to_owned()));
    fs::OpenOptions::new().write(true).open(&next).unwrap().set_len(0).unwrap();
    assert!(line(&mut said).contains("truncated: log end moved back from 6 to 4"));
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_follower_of_committed_records_waits_for_transactions_and_leaves_out_aborted_ones() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("00000000000000000000.log");
    let of = |base: i64, producer: i64, sequence: i32| {
        let producer = (producer, 0, sequence);
        Made { attributes: 0x10, producer, ..Made::two(base) }.bytes()
    };
    let mut log = fs::File::create(&path).unwrap();
    // An open transaction, and what lies behind it.
    log.write_all(&[Made::two(0).bytes(), of(2, 7, 0), Made::two(4).bytes()].concat()).unwrap();
    let mut command = strandline(&["tail", "-f", "--isolation", "committed", "-F", "%o\\n"]);
    let mut child = command.arg(&dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut next = |count: usize| {
        let line = |_| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim().parse::<i64>().unwrap()
        };
        (0..count).map(line).collect::<Vec<_>>()
    };
    assert_eq!(next(2), [0, 1]);
    // Another one begins and is aborted, the first one still hides all behind it.
    log.write_all(&[of(6, 8, 0), Made::marker(8, (8, 0), false).bytes()].concat()).unwrap();
    log.write_all(&[Made::two(9).bytes(), Made::marker(11, (7, 0), true).bytes()].concat())
        .unwrap();
    assert_eq!(next(6), [2, 3, 4, 5, 9, 10]);
    log.write_all(&[of(12, 7, 2), Made::marker(14, (7, 0), false).bytes()].concat()).unwrap();
    log.write_all(&Made::two(15).bytes()).unwrap();
    assert_eq!(next(2), [15, 16]);
    child.kill().unwrap();
    child.wait().unwrap();
}
