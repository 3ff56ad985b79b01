//! What people stumble over: a place that could mean several, a form that the file's name tells, a
//! directory that is not there yet, a time without a zone, Ctrl-C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use strandline::{Batch, Durability, LogConfig, Record, Store, TopicOptions};

use super::run::{fixtures, run, strandline};

/// A closed log in segments of so many bytes, of records with these times and value sizes.
fn log(segment_bytes: u32, records: &[(i64, usize)]) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::options().housekeeping(false).open(root.path()).unwrap();
    let config = LogConfig::new().segment_bytes(segment_bytes);
    let options = TopicOptions::new().partitions(1).config(config);
    let log = store.create_topic("t", options).unwrap().partition(0).unwrap();
    for &(time, size) in records {
        let value = vec![b'v'; size];
        let record = Record::new().value(&value[..]).timestamp(1_700_000_000_000 + time);
        log.append(Batch::of([record]), Durability::Written).unwrap();
    }
    store.close().unwrap();
    let dir = root.path().join("t-0");
    (root, dir)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_position_in_a_directory_of_several_segments_asks_which() {
    let (_root, dir) = log(2000, &[(0, 1500), (1, 1500), (2, 1500)]);
    let ran = run(&["explain", "--position", "0", text(&dir)]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for name in ["00000000000000000000.log", "00000000000000000001.log", "00000000000000000002.log"]
    {
        assert!(ran.stderr.contains(name), "{ran:?}");
    }
    let second = dir.join("00000000000000000001.log");
    for args in [&["--position", "0", text(&second)][..], &["--offset", "1", text(&dir)]] {
        let ran = run(&[&["explain"], args].concat());
        assert!(ran.stdout.contains("00000000000000000001.log  batch @ 0"), "{ran:?}");
    }
    // What verify proposes can be typed as it stands.
    let mut bytes = fs::read(dir.join("00000000000000000000.log")).unwrap();
    bytes[100] ^= 1;
    fs::write(dir.join("00000000000000000000.log"), bytes).unwrap();
    let ran = run(&["verify", text(&dir)]);
    let want = format!("explain {}/00000000000000000000.log --position 0", dir.display());
    assert!(ran.stdout.contains(&want), "{ran:?}");
}

#[test]
fn the_name_of_the_file_tells_the_form_of_an_export() {
    let temp = tempfile::tempdir().unwrap();
    for (name, form) in [("a.csv", "csv"), ("a.jsonl", "jsonl"), ("a.txt", "jsonl")] {
        let [by_name, by_form] = ["1", "2"].map(|dir| temp.path().join(format!("{dir}{name}")));
        assert_eq!(run(&["export", "basic-0", "--to", text(&by_name)]).code, Some(0));
        let ran = run(&["export", "basic-0", "-o", form, "--to", text(&by_form)]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(fs::read(&by_name).unwrap(), fs::read(&by_form).unwrap(), "{name}");
    }
    // What is asked for counts.
    let to = temp.path().join("b.csv");
    assert_eq!(run(&["export", "--json", "basic-0", "--to", text(&to)]).code, Some(0));
    assert!(fs::read_to_string(to).unwrap().starts_with('{'));
}

#[test]
fn an_export_that_is_interrupted_leaves_nothing() {
    let records: Vec<_> = (0..40).map(|time| (time, 400_000)).collect();
    let (_root, dir) = log(1 << 30, &records);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let temp = tempfile::tempdir().unwrap();
        let to = temp.path().join("out.jsonl");
        let args = ["export", "--rate", "100KB/s", "--to", text(&to), text(&dir)];
        let mut child = strandline(&args).stderr(Stdio::piped()).spawn().unwrap();
        let tmp = temp.path().join("out.jsonl.tmp");
        let late = Instant::now() + Duration::from_mins(1);
        while !tmp.exists() {
            assert!(Instant::now() < late && child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "{signal}");
    }
}

#[test]
fn directories_above_a_copy_are_made_and_go_again_if_it_fails() {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("a/b/OUT");
    let ran = run(&["repair", "crc-0", "--to", text(&to)]);
    assert!(ran.code == Some(0) && to.join("strandline-repair.json").exists(), "{ran:?}");
    let to = temp.path().join("c/OUT");
    let ran = run(&["reindex", "basic-0", "--to", text(&to)]);
    assert!(ran.code == Some(0) && to.join("00000000000000000000.index").exists(), "{ran:?}");
    // Nothing is made for what is refused.
    let inside = fixtures().join("crc-0/x/OUT");
    for to in [text(&inside), "new/../../OUT"] {
        let ran = run(&["repair", "crc-0", "--to", to]);
        assert!(ran.code == Some(5) || ran.code == Some(3), "{ran:?}");
    }
    assert!(!fixtures().join("crc-0/x").exists() && !fixtures().join("new").exists());
}

#[test]
fn a_time_without_a_zone_is_one_of_tz() {
    let shown = |args: &[&str]| run(&[&["dump", "-r", "-F", "%o ", "basic-0"], args].concat());
    let in_utc = shown(&["--time", "2023-11-14T22:13:20.005Z.."]);
    assert!(in_utc.code == Some(0) && in_utc.stdout.starts_with("5 "), "{in_utc:?}");
    for args in [
        ["--time", "2023-11-14T22:13:20.005..", "--tz", "utc"],
        ["--time", "2023-11-15T00:13:20.005..", "--tz", "+02:00"],
        ["--time", "2023-11-14T22:13:20.005Z..", "--tz", "+02:00"],
    ] {
        assert_eq!(shown(&args).stdout, in_utc.stdout, "{args:?}");
    }
    assert_eq!(shown(&["--time", "2023-11-14T25:00.."]).code, Some(2));
}

#[test]
fn ls_tells_the_largest_time_of_a_segment_not_that_of_its_end() {
    let (_root, dir) = log(1 << 30, &[(0, 5000), (9_000, 5000), (1_000, 5000), (2_000, 5000)]);
    let rows = run(&["ls", "--json", text(&dir)]).json_of("segment");
    assert_eq!(rows[0]["lastTimestamp"], 1_700_000_009_000_i64, "{rows:?}");
    // An index that names no offset of the segment is not believed.
    let index = dir.join("00000000000000000000.timeindex");
    let mut bytes = fs::read(&index).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&77_u32.to_be_bytes());
    fs::write(&index, bytes).unwrap();
    let rows = run(&["ls", "--json", text(&dir)]).json_of("segment");
    assert_eq!(rows[0]["lastTimestamp"], 1_700_000_002_000_i64, "{rows:?}");
}

#[test]
fn what_is_no_setting_and_what_cannot_hide_bytes_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = text(temp.path());
    let create = |setting| run(&["topic", "create", "-d", dir, "t", "--config", setting]);
    let ran = create("remote.copy.disable=true");
    assert!(ran.code == Some(2) && ran.stderr.contains("remote.log.copy.disable"), "{ran:?}");
    assert_eq!(create("remote.log.copy.disable=false").code, Some(0));
    for verb in ["txn", "offsets"] {
        let ran = run(&[verb, "--redact", "keys", "basic-0"]);
        assert!(ran.code == Some(2) && ran.stderr.contains("--redact cannot hide"), "{ran:?}");
    }
}
