//! `strandline verify` and `strandline errors`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::run::{Ran, fixtures, run, run_with};

const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIMES: &str = "00000000000000000000.timeindex";

/// A log directory with one partition, to be damaged.
struct Scratch {
    root: tempfile::TempDir,
}

impl Scratch {
    /// With a copy of a fixture.
    fn of(fixture: &str) -> Scratch {
        let scratch = Scratch { root: tempfile::tempdir().unwrap() };
        copy(&fixtures().join(fixture), &scratch.partition());
        scratch
    }

    /// With three good batches of two records each.
    fn good() -> Scratch {
        let scratch = Scratch { root: tempfile::tempdir().unwrap() };
        fs::create_dir(scratch.partition()).unwrap();
        scratch.write(LOG, &good());
        scratch
    }

    /// The same, the batch at byte 94 changed.
    fn changed(at: usize, bytes: &[u8]) -> Scratch {
        let scratch = Scratch::good();
        let mut log = good();
        log[94 + at..94 + at + bytes.len()].copy_from_slice(bytes);
        scratch.write(LOG, &log);
        scratch
    }

    fn partition(&self) -> PathBuf {
        self.root.path().join("t-0")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.partition().join(name), bytes).unwrap();
    }

    fn verify(&self, options: &[&str]) -> Ran {
        let path = self.partition();
        let mut args = vec!["verify", "--json"];
        args.extend(options);
        args.push(path.to_str().unwrap());
        run(&args)
    }

    fn verify_root(&self, options: &[&str]) -> Ran {
        let mut args = vec!["verify", "--json"];
        args.extend(options);
        args.push(self.root.path().to_str().unwrap());
        run(&args)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Three batches of two records each, at 0, 94 and 188.
fn good() -> Vec<u8> {
    fs::read(fixtures().join("dup-0").join(LOG)).unwrap()[..282].to_vec()
}

/// Codes above info, with positions.
fn told(ran: &Ran) -> Vec<(String, Option<u64>)> {
    let told =
        |finding: &Value| (finding["code"].as_str().unwrap().into(), finding["position"].as_u64());
    let worse = |finding: &&Value| finding["severity"] != "info";
    ran.json_of("finding").iter().filter(worse).map(told).collect()
}

fn codes(ran: &Ran) -> Vec<String> {
    told(ran).into_iter().map(|(code, _)| code).collect()
}

fn finding(ran: &Ran, code: &str) -> Value {
    let all = ran.json_of("finding");
    all.into_iter()
        .find(|finding| finding["code"] == code)
        .unwrap_or_else(|| panic!("{code}: {ran:?}"))
}

#[test]
fn an_intact_log_says_nothing_if_asked_to_be_quiet() {
    let ran = run(&["verify", "-q", "basic-0"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    let ran = run(&["verify", "--json", "basic-0"]);
    let summary = ran.json().pop().unwrap();
    assert_eq!(
        (ran.code, &summary["type"], &summary["errors"]),
        (Some(0), &json!("summary"), &json!(0))
    );
    for level in ["--quick", "--deep"] {
        assert_eq!(run(&["verify", level, "basic-0"]).code, Some(0), "{level}");
    }
}

#[test]
fn one_flipped_bit_is_named_with_the_field_that_it_lies_in() {
    let ran = run(&["verify", "crc-0"]);
    let want = "\
FAIL crc-0/00000000000000000000.log  282 B, 3 batches, 6 records
  error[LOG005] batch CRC mismatch
    at byte 94, offsets 2–3, 94 bytes, codec none, leader epoch 0
    stored 0xf9d06903, computed 0xe4a4950d over bytes 115..188
    exactly one flipped bit explains this: byte 164 bit 6 (0x21 '!' for 0x61 'a'), in the value of offset 2
    next batch at byte 188 is intact: the damage is confined to 1 batch, 2 records
    help: `strandline explain crc-0 --position 94` shows the bytes, `strandline repair crc-0` plans a mend
1 file · 1 error, 0 warnings · 2 of 6 records affected
";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), want));
    let ran = run(&["verify", "--json", "crc-0"]);
    let found = finding(&ran, "LOG005");
    assert_eq!(told(&ran), [("LOG005".to_owned(), Some(94))]);
    assert_eq!(
        (&found["stored"], &found["computed"]),
        (&json!(4_191_185_155_u32), &json!(3_835_991_309_u32))
    );
    assert_eq!(found["bitflip"], json!({"byte": 164, "bit": 6}));
    assert_eq!((&found["baseOffset"], &found["lastOffset"]), (&json!(2), &json!(3)));
    let summary = ran.json().pop().unwrap();
    let want = json!({"type": "summary", "schema": "strandline/1", "files": 1, "batches": 3,
        "records": 6, "errors": 1, "warnings": 0, "bytes": 282});
    assert_eq!(summary, want);
}

#[test]
fn two_flipped_bits_are_a_mismatch_without_a_proposal() {
    let mut log = good();
    (log[164], log[170]) = (log[164] ^ 0x40, log[170] ^ 1);
    let scratch = Scratch::good();
    scratch.write(LOG, &log);
    let ran = scratch.verify(&[]);
    assert_eq!(finding(&ran, "LOG005")["bitflip"], Value::Null);
    assert_eq!((ran.code, codes(&ran)), (Some(1), vec!["LOG005".to_owned()]));
}

#[test]
fn an_unfinished_batch_is_a_warning_unless_the_broker_stopped_cleanly() {
    let scratch = Scratch::of("trunc-0");
    let ran = scratch.verify(&[]);
    assert_eq!((ran.code, told(&ran)), (Some(0), vec![("LOG001".to_owned(), Some(188))]));
    assert_eq!(finding(&ran, "LOG001")["size"], 87);
    assert_eq!(scratch.verify(&["--fail-on", "warning"]).code, Some(1));
    fs::write(scratch.root.path().join(".kafka_cleanshutdown"), "").unwrap();
    assert_eq!(scratch.verify(&[]).code, Some(1));
    let ran = run(&["verify", "--json", "zeros-0"]);
    assert_eq!((ran.code, told(&ran)), (Some(0), vec![]));
    assert_eq!(finding(&ran, "LOG002")["severity"], "info");
}

#[test]
fn damage_is_one_region_up_to_where_batches_go_on() {
    let cases: [(usize, &[u8], &str); 7] = [
        (0, &[0; 101], "LOG021"),
        (16, &[9], "LOG006"),
        (16, &[0xff], "LOG006"),
        (8, &[0, 0, 0, 5], "LOG003"),
        (8, &[0xff, 0, 0, 0x52], "LOG003"),
        (8, &[0x7f, 0, 0, 0x52], "LOG004"),
        (8, &[0, 0, 0, 0x53], "LOG005"),
    ];
    for (at, bytes, code) in cases {
        let ran = Scratch::changed(at, bytes).verify(&[]);
        assert_eq!(
            (ran.code, told(&ran)),
            (Some(1), vec![(code.to_owned(), Some(94))]),
            "{bytes:x?}"
        );
        let found = finding(&ran, code);
        assert_eq!((&found["size"], &found["resumedAt"]), (&json!(94), &json!(188)), "{found}");
        assert_eq!((&found["resumedOffset"], &found["records"]), (&json!(4), &json!(2)));
        match at {
            8 => assert_eq!(found["fitsLength"], 82, "{found}"),
            16 => assert_eq!(found["fitsMagic"], 2, "{found}"),
            _ => {}
        }
    }
}

#[test]
fn what_a_checksum_cannot_see_is_seen_by_decoding() {
    for (at, bytes, code) in
        [(57, [0, 0, 0, 9], "LOG008"), (57, [0, 0, 0, 1], "LOG008"), (23, [0; 4], "LOG016")]
    {
        let scratch = Scratch::changed(at, &bytes);
        let mut log = fs::read(scratch.partition().join(LOG)).unwrap();
        let crc = crc32c::crc32c(&log[115..188]);
        log[111..115].copy_from_slice(&crc.to_be_bytes());
        scratch.write(LOG, &log);
        assert_eq!(scratch.verify(&[]).code, Some(0), "{code}");
        let ran = scratch.verify(&["--deep"]);
        let of_log: Vec<_> = told(&ran).into_iter().filter(|it| it.0.starts_with("LOG")).collect();
        assert_eq!((ran.code, of_log), (Some(1), vec![(code.to_owned(), Some(94))]));
    }
}

#[test]
fn doubled_batches_are_told_once_each_and_go_back_once() {
    let ran = run(&["verify", "--json", "dup-0"]);
    let want = [("LOG010", 282), ("LOG012", 282), ("LOG012", 376), ("LOG012", 470)];
    let want: Vec<_> = want.map(|(code, at)| (code.to_owned(), Some(at))).to_vec();
    assert_eq!((ran.code, told(&ran)), (Some(1), want));
}

#[test]
fn indexes_are_compared_with_their_log() {
    let wrong = |index: &[u8]| {
        let scratch = Scratch::of("basic-0");
        scratch.write(INDEX, index);
        scratch.verify(&[])
    };
    let entry =
        |offset: u32, position: u32| [offset.to_be_bytes(), position.to_be_bytes()].concat();
    let cases = [
        (entry(2, 80), "IDX004"),
        (entry(3, 81), "IDX003"),
        (entry(3, 80)[..1].repeat(9), "IDX001"),
        ([entry(9, 369), entry(3, 80)].concat(), "IDX002"),
    ];
    for (index, code) in cases {
        let ran = wrong(&index);
        assert!(codes(&ran).contains(&code.to_owned()), "{code}: {ran:?}");
        assert_eq!(ran.code, Some(1), "{code}");
    }
    let ran = wrong(&entry(3, 80));
    assert_eq!((ran.code, told(&ran)), (Some(0), vec![]));
    let ran = wrong(&entry(60, 5000));
    assert_eq!((ran.code, codes(&ran)), (Some(0), vec!["IDX005".to_owned()]));
    let scratch = Scratch::of("basic-0");
    fs::remove_file(scratch.partition().join(INDEX)).unwrap();
    let ran = scratch.verify(&[]);
    assert_eq!((ran.code, &finding(&ran, "IDX006")["severity"]), (Some(0), &json!("info")));
    fs::remove_file(scratch.partition().join(LOG)).unwrap();
    scratch.write(INDEX, &[]);
    let ran = scratch.verify(&[]);
    assert_eq!((ran.code, codes(&ran)), (Some(1), vec!["IDX007".to_owned(), "TIX007".to_owned()]));
}

#[test]
fn a_preallocated_index_is_known_by_its_zeros() {
    let scratch = Scratch::of("prealloc-0");
    scratch.write(LOG, &fs::read(fixtures().join("basic-0").join(LOG)).unwrap());
    let ran = scratch.verify(&[]);
    assert_eq!(ran.code, Some(0));
    for code in ["IDX008", "TIX008"] {
        assert_eq!(finding(&ran, code)["severity"], "info");
    }
}

#[test]
fn time_indexes_and_snapshots_are_compared_too() {
    let scratch = Scratch::of("badidx-0");
    scratch.write(LOG, &fs::read(fixtures().join("basic-0").join(LOG)).unwrap());
    let ran = scratch.verify(&[]);
    let all = ran.json_of("finding");
    let of = |file: &str| {
        let of_file = all.iter().filter(|it| it["path"].as_str().unwrap().ends_with(file));
        of_file
            .map(|it| (it["code"].as_str().unwrap(), it["position"].as_u64()))
            .collect::<Vec<_>>()
    };
    assert_eq!(ran.code, Some(1));
    let times =
        [("TIX004", Some(0)), ("TIX002", Some(12)), ("TIX003", Some(12)), ("TIX005", Some(24))];
    assert_eq!(of(TIMES), times);
    assert_eq!(finding(&ran, "TIX005")["severity"], "warning");
    let snapshot = finding(&ran, "SNP001");
    assert_eq!(snapshot["stored"], 2_826_228_714_u32);
    assert_eq!(snapshot["computed"], 3_068_780_639_u32);
    assert_eq!(of("00000000000000000014.snapshot")[0].0, "SNP002");
}

#[test]
fn checkpoints_of_a_log_directory_are_kafka_s_to_the_byte() {
    let cases = [
        ("0\n1\nt 0 6\nt 1 6\n", "CKP003"),
        ("0\n2\nt 0 6\n", "CKP003"),
        ("7\n1\nt 0 6\n", "CKP002"),
        ("garbage", "CKP001"),
        ("0\n1\nt 0 7\n", "CKP004"),
        ("0\n1\nt  0 6\n", "CKP001"),
    ];
    for (text, code) in cases {
        let scratch = Scratch::good();
        let path = scratch.root.path().join("recovery-point-offset-checkpoint");
        fs::write(&path, text).unwrap();
        let ran = scratch.verify_root(&[]);
        assert_eq!((ran.code, codes(&ran)), (Some(1), vec![code.to_owned()]), "{text:?}");
        // It is the log directory's, not the partition's.
        assert_eq!(scratch.verify(&[]).code, Some(0), "{text:?}");
        if code != "CKP004" {
            assert_eq!(run(&["verify", path.to_str().unwrap()]).code, Some(1), "{text:?}");
        }
    }
    let scratch = Scratch::good();
    let path = scratch.root.path().join("replication-offset-checkpoint");
    for right in ["0\n1\nt 0 6\n", ""] {
        fs::write(&path, right).unwrap();
        assert_eq!(scratch.verify_root(&[]).code, Some(0));
    }
}

#[test]
fn a_log_directory_is_more_than_its_partitions() {
    let second = |base: i64| format!("{base:020}.log");
    let scratch = Scratch::good();
    scratch.write(LOG, &good()[..188]);
    let last = |base: u8| {
        let mut batch = good()[188..].to_vec();
        batch[7] = base;
        batch
    };
    scratch.write(&second(6), &last(6));
    let ran = scratch.verify_root(&[]);
    assert_eq!((ran.code, codes(&ran)), (Some(1), vec!["DIR001".to_owned()]));
    fs::remove_file(scratch.partition().join(second(6))).unwrap();
    scratch.write(&second(3), &last(4));
    let ran = scratch.verify_root(&[]);
    assert_eq!((ran.code, codes(&ran)), (Some(1), vec!["DIR002".to_owned()]));

    let scratch = Scratch::good();
    scratch.write(&format!("{LOG}.swap"), &[]);
    let ran = scratch.verify_root(&[]);
    assert_eq!((ran.code, codes(&ran)), (Some(0), vec!["DIR003".to_owned()]));

    let (one, two) = (Scratch::good(), Scratch::good());
    let paths = [one.root.path(), two.root.path()].map(|path| path.to_str().unwrap());
    let ran = run(&["verify", "--json", paths[0], paths[1]]);
    assert_eq!((ran.code, codes(&ran)), (Some(1), vec!["DIR005".to_owned()]));

    copy(&one.partition(), &one.root.path().join("t-1"));
    one.write("partition.metadata", b"version: 0\ntopic_id: gMflXnwDS2K7CfvVf3do3Q");
    let ran = one.verify_root(&[]);
    assert_eq!((ran.code, codes(&ran)), (Some(0), vec!["DIR006".to_owned()]));
    assert!(finding(&ran, "DIR006")["path"].as_str().unwrap().ends_with("t-1/partition.metadata"));
}

#[test]
fn a_log_that_comes_through_a_pipe_is_verified_as_the_file_is() {
    let bytes = fs::read(fixtures().join("crc-0").join(LOG)).unwrap();
    let ran = run_with(&["verify", "--json", "--as", "log", "--base-offset", "0", "-"], &bytes);
    let found = finding(&ran, "LOG005");
    assert_eq!((ran.code, &found["path"], &found["position"]), (Some(1), &json!("-"), &json!(94)));
}

#[test]
fn what_is_not_there_is_no_damage() {
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&["verify", empty.path().to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""));
    assert_eq!(run(&["verify", "crc-0", "nowhere"]).code, Some(3));
}

#[test]
fn errors_tell_cause_risk_and_cure() {
    let ran = run(&["errors", "LOG005"]);
    assert_eq!(ran.code, Some(0));
    for word in ["LOG005  batch CRC mismatch, error", "cause", "risk", "cure"] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    assert!(run(&["errors"]).stdout.lines().count() > 60);
    assert_eq!(run(&["errors", "NIX001"]).code, Some(2));
}
