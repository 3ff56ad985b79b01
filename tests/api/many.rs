//! Many partitions, few descriptors, several threads.

use std::process::Command;

use strandline::{Batch, Durability, FetchOptions, Record, TopicOptions};

use crate::help::{by_hand, fast_place, open, place, values};

const DIR: &str = "STRANDLINE_TEST_MANY";
const PARTITIONS: u32 = 1000;

/// In a process of its own, whose descriptors nobody else opens.
#[test]
fn a_thousand_partitions_work_with_thirty_two_open_files() {
    let (_dir, path) = fast_place();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "many::child_with_a_thousand_partitions", "--ignored", "--nocapture"])
        .env(DIR, &path)
        .status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "the other process of the test above"]
fn child_with_a_thousand_partitions() {
    let Some(path) = std::env::var_os(DIR) else { return };
    let store = by_hand().0.max_open_files(32).open(&path).unwrap();
    let topic = store.create_topic("wide", TopicOptions::new().partitions(PARTITIONS)).unwrap();
    assert_eq!(topic.partitions(), PARTITIONS);
    for round in 0..2 {
        for number in 0..PARTITIONS {
            let value = format!("{round} of {number}");
            let batch = Batch::of([Record::new().value(&value)]);
            topic.partition(number).unwrap().append(batch, Durability::Synced).unwrap();
        }
    }
    for number in 0..PARTITIONS {
        let log = topic.partition(number).unwrap();
        assert_eq!(values(&log), [format!("0 of {number}"), format!("1 of {number}")]);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = open.count();
        assert!(open < 32 + 20, "{open} descriptors");
    }
    store.close().unwrap();
    let store = by_hand().0.max_open_files(32).open(&path).unwrap();
    assert_eq!(store.partitions().unwrap().len(), PARTITIONS as usize);
    for number in [0, 999] {
        assert_eq!(store.log("wide", number).unwrap().log_end_offset().unwrap(), 2);
    }
}

#[test]
fn threads_append_and_fetch_beside_each_other_and_each_record_is_there_once() {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..EACH {
                    let value = format!("{thread} {number}");
                    let batch = Batch::of([Record::new().value(&value)]);
                    let synced = number % 10 == 0;
                    let durability = if synced { Durability::Synced } else { Durability::Written };
                    let appended = log.append(batch, durability).unwrap();
                    assert!(!synced || appended.durable_end > appended.last_offset);
                    if number % 20 == 19 {
                        log.roll().unwrap();
                    }
                    let fetched = log.fetch(appended.base_offset, FetchOptions::new()).unwrap();
                    let first = fetched.records().next().unwrap().unwrap();
                    assert_eq!(first.value(), Some(value.as_bytes()));
                }
            });
        }
        // A reader that follows.
        let mut next = 0;
        while next < (THREADS * EACH) as i64 {
            assert!(log.wait_for(next, std::time::Duration::from_secs(20)).unwrap());
            let fetched = log.fetch(next, FetchOptions::new()).unwrap();
            for record in fetched.records() {
                assert_eq!(record.unwrap().offset(), next);
                next += 1;
            }
        }
    });
    store.close().unwrap();
    let mut there = values(&open(&path).log("events", 0).unwrap());
    there.sort();
    let mut wanted: Vec<_> =
        (0..THREADS).flat_map(|t| (0..EACH).map(move |n| format!("{t} {n}"))).collect();
    wanted.sort();
    assert_eq!(there, wanted);
}
