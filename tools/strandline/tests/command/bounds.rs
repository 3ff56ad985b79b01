//! What bounds the work: `--max-batch-bytes` (no verb holds a batch that is larger than its user
//! takes, and each says so where that leaves something out) and `-j`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use strandline::{Batch, Durability, Record, Store, TopicOptions};

use super::run::{fixtures, run, strandline};

const LOG: &str = "00000000000000000000.log";
/// Some of the batches of `basic-0` have more than so many bytes: that at 369 has 96.
const MOST: &[&str] = &["--max-batch-bytes", "90"];

/// Runs a verb on a directory with the bound.
fn bounded(args: &[&str]) -> super::run::Ran {
    run(&[args, MOST].concat())
}

/// First and last offset of the batches of `basic-0` that are too large.
fn too_large() -> Vec<(i64, i64)> {
    let batches = run(&["dump", "--json", "basic-0"]).json_of("batch");
    let large = batches.iter().filter(|it| it["size"].as_u64() > Some(90));
    let number = |of: &serde_json::Value| of.as_i64().unwrap();
    large.map(|it| (number(&it["baseOffset"]), number(&it["lastOffset"]))).collect()
}

#[test]
fn a_batch_that_is_not_held_is_verified_by_its_checksum_and_only_its_records_are_not() {
    let (with, without) =
        (bounded(&["verify", "--json", "basic-0"]), run(&["verify", "--json", "basic-0"]));
    assert_eq!((with.code, &with.stdout), (Some(0), &without.stdout));
    let deep = bounded(&["verify", "--deep", "--json", "basic-0"]);
    let told: Vec<_> =
        deep.json_of("finding").into_iter().filter(|it| it["code"] == "LOG009").collect();
    let offsets: Vec<_> = told
        .iter()
        .map(|it| (it["baseOffset"].as_i64().unwrap(), it["lastOffset"].as_i64().unwrap()))
        .collect();
    assert_eq!((deep.code, offsets), (Some(1), too_large()));
    let words = bounded(&["verify", "--deep", "basic-0"]).stdout;
    assert!(words.contains("96 bytes, more than the 90 that are taken"), "{words}");
    // Damage is found in what is not held.
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(LOG);
    let mut bytes = fs::read(fixtures().join("basic-0").join(LOG)).unwrap();
    bytes[369 + 70] ^= 8;
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let (with, without) = (bounded(&["verify", path]), run(&["verify", path]));
    assert_eq!((with.code, &with.stdout), (Some(1), &without.stdout));
    assert!(with.stdout.contains("byte 439 bit 3"), "{with:?}");
}

#[test]
fn explain_shows_the_header_of_a_batch_that_is_not_held() {
    let ran = bounded(&["explain", "--position", "369", "basic-0"]);
    assert!(ran.stdout.contains("batch @ 369..465 (96 bytes)"), "{ran:?}");
    assert!(ran.stdout.contains("not read: --max-batch-bytes takes 90"), "{ran:?}");
    assert!(!ran.stdout.contains('✗') && !ran.stdout.contains("lz4 frame"), "{ran:?}");
    assert_eq!(ran.code, Some(0));
}

#[test]
fn repair_and_reindex_refuse_rather_than_lose_a_batch_that_they_may_not_hold() {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("OUT");
    let to_out = ["--to", to.to_str().unwrap(), "crc-0"];
    let (repair, reindex) =
        ([&["repair"], &to_out[..]].concat(), [&["reindex"], &to_out[..]].concat());
    for options in
        [&["repair", "crc-0"][..], &["reindex", "--check", "crc-0"][..], &repair[..], &reindex]
    {
        let ran = bounded(options);
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert!(ran.stderr.contains("has 94 bytes, --max-batch-bytes takes 90"), "{ran:?}");
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn tail_tells_of_the_batches_that_it_leaves_out() {
    let ran = bounded(&["tail", "-n", "100", "-F", "%o ", "basic-0"]);
    let large = too_large();
    let all = run(&["tail", "-n", "100", "-F", "%o ", "basic-0"]).stdout;
    let is_small = |offset: &&str| {
        let offset: i64 = offset.parse().unwrap();
        !large.iter().any(|&(first, last)| (first..=last).contains(&offset))
    };
    let small: Vec<_> = all.split_whitespace().filter(is_small).collect();
    let shown: Vec<_> = ran.stdout.split_whitespace().collect();
    assert_eq!((ran.code, shown), (Some(4), small));
    assert_eq!(ran.stderr.matches("--max-batch-bytes takes 90").count(), large.len(), "{ran:?}");
}

#[test]
fn a_follower_goes_on_behind_a_batch_that_it_does_not_hold() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("t-0");
    fs::create_dir(&dir).unwrap();
    let bytes = fs::read(fixtures().join("basic-0").join(LOG)).unwrap();
    fs::write(dir.join(LOG), &bytes[..80]).unwrap();
    let mut command = strandline(&[&["tail", "-f", "-n", "1", "-F", "%o\\n"], MOST].concat());
    let mut child =
        command.arg(&dir).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let line = |from: &mut dyn BufRead| {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line
    };
    // By then it has seen where the log ended.
    assert_eq!(line(&mut out), "1\n");
    let mut file = fs::OpenOptions::new().append(true).open(dir.join(LOG)).unwrap();
    file.write_all(&bytes[80..]).unwrap();
    for at in [80, 178, 276, 369] {
        let passed = line(&mut said);
        assert!(
            passed.contains(&format!("at byte {at} passed over, --max-batch-bytes")),
            "{passed}"
        );
    }
    assert_eq!(line(&mut out), "11\n");
    let interrupted =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn however_many_threads_verify_one_file_they_find_the_same() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::options().housekeeping(false).open(root.path()).unwrap();
    let log = store.create_topic("t", TopicOptions::new()).unwrap().partition(0).unwrap();
    // More than two pieces of what a thread looks at in one go.
    let value = vec![b'v'; 250_000];
    for time in 0..80 {
        let record = Record::new().value(&value[..]).timestamp(1_700_000_000_000 + time);
        log.append(Batch::of([record]), Durability::Written).unwrap();
    }
    store.close().unwrap();
    let dir = root.path().join("t-0");
    let all = |verb: &[&str]| {
        ["1", "2", "7"].map(|threads| {
            let ran = run(&[verb, &["-j", threads, dir.to_str().unwrap()]].concat());
            (ran.code, ran.stdout)
        })
    };
    for level in ["--quick", "--deep", "--max-batch-bytes=1GiB"] {
        let [one, two, many] = all(&["verify", level]);
        assert_eq!((&one, &two), (&two, &many));
        assert_eq!(one.0, Some(0), "{one:?}");
    }
    let mut bytes = fs::read(dir.join(LOG)).unwrap();
    for at in [3_000_000, 8 << 20, 12_000_001, 12_000_002] {
        bytes[at] ^= 0x10;
    }
    bytes[16_000_000..16_300_000].fill(0);
    fs::write(dir.join(LOG), bytes).unwrap();
    for options in [&["verify", "--json"][..], &["verify", "--deep"], &["repair"]] {
        let [one, two, many] = all(options);
        assert_eq!((&one, &two), (&two, &many));
        assert_eq!(one.0, Some(1), "{one:?}");
        assert!(one.1.contains("LOG005"), "{one:?}");
    }
}
