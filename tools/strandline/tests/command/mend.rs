//! `strandline explain`, `repair` and `reindex`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;
use tempfile::TempDir;

use super::run::{Ran, fixtures, run};

const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIMES: &str = "00000000000000000000.timeindex";

/// Three batches of two records each, at 0, 94 and 188.
fn good() -> Vec<u8> {
    fs::read(fixtures().join("dup-0").join(LOG)).unwrap()[..282].to_vec()
}

/// A partition with that `.log`.
fn partition(log: &[u8]) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t-0");
    fs::create_dir(&path).unwrap();
    fs::write(path.join(LOG), log).unwrap();
    (root, path)
}

fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut log = good();
    log[at..at + bytes.len()].copy_from_slice(bytes);
    log
}

/// Mends a partition into `OUT` beside it.
fn repair(partition: &Path, options: &[&str]) -> (PathBuf, Ran) {
    let out = partition.with_file_name("OUT");
    let mut args = vec!["repair"];
    args.extend(options);
    args.extend(["--to", out.to_str().unwrap(), partition.to_str().unwrap()]);
    let ran = run(&args);
    (out, ran)
}

/// Every file beneath a directory, with bytes and time.
fn tree(path: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            all.push((path.clone(), Vec::new(), modified));
            all.extend(tree(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap(), modified));
        }
    }
    all.sort();
    all
}

#[test]
fn what_is_explained_is_set_right_to_the_byte() {
    let cases: [(&str, Vec<u8>); 8] = [
        ("an offset", changed(100, &[0x10])),
        ("an offset no index can say", changed(95, &[0x40])),
        ("a bit", changed(164, &[0x21])),
        ("a bit of the checksum", changed(111, &[good()[111] ^ 1])),
        ("too small", changed(102, &[0, 0, 0, 5])),
        ("negative", changed(102, &[0xff, 0, 0, 0x52])),
        ("huge", changed(102, &[0x7f, 0, 0, 0x52])),
        ("magic", changed(110, &[9])),
    ];
    for (what, log) in cases {
        let (_root, path) = partition(&log);
        let (out, ran) = repair(&path, &["--fix-bitflips"]);
        assert_eq!(ran.code, Some(0), "{what}: {ran:?}");
        assert_eq!(fs::read(out.join(LOG)).unwrap(), good(), "{what}");
        assert!(!out.join("quarantine").exists(), "{what}");
        assert_eq!(fs::read(path.join(LOG)).unwrap(), log, "{what}");
        let ran = run(&["verify", "--deep", "--fail-on", "warning", out.to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.stdout);
    }
}

#[test]
fn what_is_not_explained_goes_to_quarantine_and_its_neighbours_stay() {
    let log = changed(150, b"xyz");
    let (root, path) = partition(&log);
    let plan = run(&["repair", path.to_str().unwrap()]);
    assert_eq!(plan.code, Some(1));
    assert!(
        plan.stdout.contains("94..188: to quarantine, offsets 2–3, 2 records lost"),
        "{plan:?}"
    );
    assert!(plan.stdout.contains("4 records are kept, 2 records lost"), "{plan:?}");
    let (out, ran) = repair(&path, &["--fix-bitflips"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let want = [&good()[..94], &good()[188..]].concat();
    assert_eq!(fs::read(out.join(LOG)).unwrap(), want);
    let kept: Vec<_> = fs::read_dir(out.join("quarantine")).unwrap().collect();
    let kept = kept.into_iter().next().unwrap().unwrap();
    assert!(kept.file_name().to_str().unwrap().starts_with(&format!("{LOG}.94-")));
    assert_eq!(fs::read(kept.path()).unwrap(), log[94..188]);
    let moves: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("  mv ")).collect();
    assert_eq!(moves.len(), 2, "{}", ran.stdout);
    let account = fs::read(out.join("strandline-repair.json")).unwrap();
    let account: serde_json::Value = serde_json::from_slice(&account).unwrap();
    let done = &account["files"][0]["ranges"];
    let done: Vec<_> =
        done.as_array().unwrap().iter().map(|it| (&it["done"], &it["position"])).collect();
    assert_eq!(
        done,
        [
            (&json!("kept"), &json!(0)),
            (&json!("quarantine"), &json!(94)),
            (&json!("kept"), &json!(188))
        ]
    );
    // As the broker would find it: the records that are there, and nothing to complain of.
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&out, &path).unwrap();
    let ran = run(&["fetch", "-d", root.path().to_str().unwrap(), "t", "--json"]);
    let offsets: Vec<_> = ran.json().iter().map(|it| it["offset"].as_i64().unwrap()).collect();
    assert_eq!((ran.code, offsets), (Some(0), vec![0, 1, 4, 5]));
}

#[test]
fn a_log_ends_where_it_is_told_to_or_where_a_broker_would_end_it() {
    let cut = |options: &[&str], log: &[u8]| {
        let (_root, path) = partition(log);
        let (out, ran) = repair(&path, options);
        assert_eq!(ran.code, Some(0), "{options:?}: {ran:?}");
        (fs::read(out.join(LOG)).unwrap(), out.join("quarantine").exists())
    };
    assert_eq!(cut(&["--cut-at", "3"], &good()), (good()[..94].to_vec(), false));
    assert_eq!(cut(&["--like-broker"], &changed(164, &[0])), (good()[..94].to_vec(), false));
    let dropped = [&good()[..94], &good()[188..]].concat();
    assert_eq!(cut(&["--drop-batches"], &changed(164, &[0])), (dropped, false));
    let torn = good()[..250].to_vec();
    assert_eq!(cut(&[], &torn), (good()[..188].to_vec(), false));
    let mut zeros = good();
    zeros.resize(1000, 0);
    assert_eq!(cut(&[], &zeros), (good(), false));
    let doubled = good().repeat(2);
    assert_eq!(cut(&[], &doubled).0, good());
}

#[test]
fn a_copy_goes_only_where_nothing_is_harmed() {
    let (root, path) = partition(&changed(164, &[0x21]));
    let path = path.to_str().unwrap();
    let refused = |to: &Path| {
        let ran = run(&["repair", "--to", to.to_str().unwrap(), path]);
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(5), 1), "{to:?}: {ran:?}");
    };
    refused(Path::new(path));
    refused(&Path::new(path).join("inside"));
    fs::create_dir(root.path().join("full")).unwrap();
    fs::write(root.path().join("full/file"), "").unwrap();
    refused(&root.path().join("full"));
    // What a killed repair left gives way, what somebody else put there does not.
    let building = root.path().join("OUT.tmp");
    fs::create_dir(&building).unwrap();
    fs::write(building.join("other"), "").unwrap();
    refused(&root.path().join("OUT"));
    fs::write(building.join("strandline-repair.part"), "").unwrap();
    let (out, ran) = repair(Path::new(path), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(out.exists() && !out.join("other").exists() && !building.exists());
    assert!(!out.join("strandline-repair.part").exists());
}

#[test]
fn indexes_are_made_again_as_kafka_makes_them() {
    let root = tempfile::tempdir().unwrap();
    let out = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let ran = run(&["reindex", "--to", &out("a"), "basic-0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let read = |dir: &str, file: &str| fs::read(root.path().join(dir).join(file)).unwrap();
    assert!(read("a", INDEX).is_empty());
    assert_eq!(read("a", TIMES), [0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0x0c, 0, 0, 0, 0x0c]);
    assert_eq!(
        run(&["reindex", "--interval-bytes", "64", "--to", &out("b"), "basic-0"]).code,
        Some(0)
    );
    assert_eq!((read("b", INDEX).len(), read("b", TIMES).len()), (7 * 8, 7 * 12));
    let (_root, path) = partition(&good());
    fs::write(path.join(INDEX), [0; 8]).unwrap();
    fs::write(path.join(TIMES), [1; 12]).unwrap();
    let before = tree(&path);
    let ran = run(&["reindex", "--check", path.to_str().unwrap()]);
    assert_eq!((ran.code, tree(&path)), (Some(1), before));
    assert!(ran.stdout.contains("differs") && ran.stdout.contains("same"), "{}", ran.stdout);
}

#[test]
fn bytes_are_explained_field_by_field() {
    let ran = run(&["explain", "basic-0", "--position", "369"]);
    for row in [
        "basic-0/00000000000000000000.log  batch @ 369..465 (96 bytes)",
        "    8  00 00 00 54              batchLength           84 → ends at 465 = next batch ✓",
        "   12  00 00 00 05              partitionLeaderEpoch  5 (outside the CRC)",
        "   17  27 9c 2b 83              crc                   664546179, CRC-32C of 390..465 ✓",
        "   21  00 13                    attributes            0x0013 lz4 · CreateTime · transactional",
        "   +4  02 69                    key                   1 byte \"i\"",
    ] {
        assert!(ran.stdout.lines().any(|line| line == row), "{row}\n{}", ran.stdout);
    }
    let ran = run(&["explain", "smallsize-0", "--position", "94"]);
    assert!(ran.stdout.contains("5 the minimum is 49 ✗"), "{}", ran.stdout);
    assert!(ran.stdout.contains("with length 82 the CRC holds"), "{}", ran.stdout);
    let ran = run(&["explain", "legacy-0"]);
    assert!(ran.code == Some(0) && ran.stdout.contains("(CRC-32 of all behind it)"), "{ran:?}");
    let mut log = fs::read(fixtures().join("legacy-0/00000000000000000100.log")).unwrap();
    log[80] ^= 1;
    let (_root, path) = partition(&[]);
    fs::remove_file(path.join(LOG)).unwrap();
    fs::write(path.join("00000000000000000100.log"), log).unwrap();
    let path = path.to_str().unwrap();
    let ran = run(&["explain", path, "--position", "60"]);
    assert!(ran.stdout.contains("2740170964) ✗"), "{}", ran.stdout);
    assert!(ran.stdout.contains("one flipped bit explains this: byte 80 bit 0"), "{}", ran.stdout);
    let ran = run(&["verify", path]);
    assert!(ran.stdout.contains("in the timestamp of a message of v1"), "{}", ran.stdout);
    let ran = run(&["explain", "badidx-0/00000000000000000013.snapshot", "--json"]);
    assert!(ran.json_of("field").iter().any(|it| it["field"] == "producerId"));
    assert_eq!(ran.json_of("finding")[0]["code"], "SNP001");
    let ran = run(&["explain", "--xxd", "crc-0", "--offset", "2"]);
    let bytes: Vec<u8> = ran
        .stdout
        .lines()
        .flat_map(|line| {
            let digits: String = line[10..50].split_whitespace().collect();
            let pairs =
                digits.as_bytes().chunks(2).map(|it| String::from_utf8(it.to_vec()).unwrap());
            pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(bytes, fs::read(fixtures().join("crc-0").join(LOG)).unwrap()[94..188]);
}
