//! The verbs for directories that a broker left, or will have: `adopt`.

use std::path::Path;

use super::run::{fixtures, run, run_with};

/// A log directory as Kafka leaves it, with the partition `basic-0`.
fn kafkas() -> (tempfile::TempDir, String) {
    let temp = tempfile::tempdir().unwrap();
    copy(&fixtures().join("basic-0"), &temp.path().join("basic-0"));
    let properties = "#\nversion=1\ncluster.id=c1\nnode.id=7\n";
    std::fs::write(temp.path().join("meta.properties"), properties).unwrap();
    std::fs::write(temp.path().join(MARKER), r#"{"version":0,"brokerEpoch":23}"#).unwrap();
    let dir = temp.path().to_str().unwrap().to_owned();
    (temp, dir)
}

const MARKER: &str = ".kafka_cleanshutdown";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_directory_of_kafka_s_is_written_to_once_it_is_adopted_and_given_back() {
    let (temp, dir) = kafkas();
    let append = || run_with(&["append", "-d", &dir, "basic"], b"from here\n");
    let refused = append();
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.stderr.contains(&format!("strandline adopt -d {dir}")), "{refused:?}");

    let adopted = run(&["adopt", "-d", &dir]);
    assert_eq!(adopted.code, Some(0), "{adopted:?}");
    let said = format!("adopted {dir}: 1 topic, 1 partition, of broker 7 in cluster c1\n");
    assert_eq!(adopted.stdout, said);
    assert_eq!(run(&["adopt", "-d", &dir]).stdout, said, "a second time is as good");

    let log = temp.path().join("basic-0/00000000000000000000.log");
    let before = std::fs::read(&log).unwrap();
    assert_eq!(append().code, Some(0));
    let fetched = run(&["fetch", "-d", &dir, "basic", "--offset", "13", "--format", "%o %v\n"]);
    assert_eq!(fetched.stdout, "13 from here\n");
    assert!(std::fs::read(&log).unwrap().starts_with(&before));
    let marker = std::fs::read_to_string(temp.path().join(MARKER)).unwrap();
    assert_eq!(marker, r#"{"version":0,"brokerEpoch":23}"#);
}
