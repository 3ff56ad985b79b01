//! The verb `clean`.

use serde_json::json;
use tempfile::TempDir;

use super::run::{Ran, run, run_with};

/// A store with the topic `t` of small segments, made with a policy, and some records of two keys.
fn store(policy: &str) -> (TempDir, String) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store").to_str().unwrap().to_owned();
    let policy = format!("cleanup.policy={policy}");
    let settings = ["--config", &policy, "--config", "internal.segment.bytes=300"];
    let made = run(&[&["topic", "create", "-d", &dir, "t"][..], &settings].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    for round in 0..10 {
        let line = |n| format!("{{\"k\":\"{}\",\"n\":\"{round}-{n}\"}}\n", n % 2);
        let lines = [0, 1, 2, 3].map(line).concat();
        let args = ["append", "-d", &dir, "t", "--key-field", "k"];
        let appended = run_with(&args, lines.as_bytes());
        assert_eq!(appended.code, Some(0), "{appended:?}");
    }
    (temp, dir)
}

fn values(dir: &str) -> Vec<String> {
    let fetched = run(&["fetch", "-d", dir, "t", "--format", "%o:%v\\n"]);
    fetched.stdout.lines().map(str::to_owned).collect()
}

fn clean(dir: &str, args: &[&str]) -> Ran {
    run(&[&["clean", "-d", dir], args].concat())
}

#[test]
fn a_topic_is_cleaned_and_what_that_gave_is_said() {
    let (_temp, dir) = store("compact");
    let before = values(&dir);
    assert_eq!(before.len(), 40);
    let cleaned = clean(&dir, &["t", "--json"]);
    assert_eq!((cleaned.code, cleaned.stderr.as_str()), (Some(0), ""));
    let [line] = &cleaned.json_of("cleaned")[..] else { panic!("{cleaned:?}") };
    let number = |name: &str| line[name].as_u64().unwrap();
    assert!(number("recordsAfter") < number("recordsBefore"), "{line}");
    assert!(number("bytesAfter") < number("bytesBefore"), "{line}");
    assert_eq!((&line["topic"], number("keys")), (&json!("t"), 2));
    let after = values(&dir);
    assert!(after.len() < before.len() && before.ends_with(&after[after.len() - 4..]));
    assert!(after.iter().all(|line| before.contains(line)), "{after:?}");

    let described = run(&["topic", "describe", "-d", &dir, "t", "--json"]);
    let partition = &described.json_of("partition")[0];
    let reclaimed = number("bytesBefore") - number("bytesAfter");
    assert_eq!(partition["reclaimedBytes"].as_u64(), Some(reclaimed), "{partition}");
    assert!(partition["cleanedToOffset"].as_i64() > Some(30), "{partition}");
    let described = run(&["topic", "describe", "-d", &dir, "t"]);
    assert!(described.stdout.contains("reclaimed"), "{described:?}");

    let again = clean(&dir, &[]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "t: nothing to clean\n"));
}

#[test]
fn a_summary_is_written_for_people() {
    let (_temp, dir) = store("compact,delete");
    let cleaned = clean(&dir, &["--memory", "64KiB", "--max-bytes-per-second", "1GiB"]);
    assert_eq!((cleaned.code, cleaned.stderr.as_str()), (Some(0), ""));
    assert!(cleaned.stdout.starts_with("t: ") && cleaned.stdout.contains(" records left, "));
    for word in ["reclaimed", "segments became", "2 keys", "tombstones"] {
        assert!(cleaned.stdout.contains(word), "{word}: {}", cleaned.stdout);
    }
}

#[test]
fn a_topic_that_is_not_compacted_is_refused() {
    let (_temp, dir) = store("delete");
    let cleaned = clean(&dir, &["t"]);
    assert_ne!(cleaned.code, Some(0));
    assert!(cleaned.stderr.contains("cleanup.policy"), "{cleaned:?}");
    assert_ne!(clean(&dir, &[]).code, Some(0), "no topic is compacted");
    assert_eq!(values(&dir).len(), 40);
}

#[test]
fn damage_stops_it_and_is_reported() {
    let (_temp, dir) = store("compact");
    let log = std::path::Path::new(&dir).join("t-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let cleaned = clean(&dir, &["t"]);
    assert_eq!(cleaned.code, Some(4), "{cleaned:?}");
    assert!(cleaned.stderr.contains("00000000000000000000.log"), "{cleaned:?}");
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "it is left as it is");
}
