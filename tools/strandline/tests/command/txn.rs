//! Transactions and committed offsets out of the logs of real brokers, against what those brokers
//! answered to real clients, and against what Kafka's own tool prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::pack::{unpack, unpack_those};
use super::run::run;

fn brokers() -> TempDir {
    const PARTS: [&str; 6] = [
        "txn",
        "idem",
        "__consumer_offsets",
        "__transaction_state",
        "codec-none",
        "bootstrap.checkpoint",
    ];
    unpack_those("golden-brokers", |path| {
        let path = path.to_string_lossy();
        PARTS.iter().any(|part| path.contains(part))
    })
}

/// The partitions of a broker that answered for them: what it answered, and where they lie.
fn answered(brokers: &Path, part: &str) -> Vec<(Value, PathBuf)> {
    let mut found = Vec::new();
    for version in ["3.9.2", "4.3.1"] {
        for state in ["clean", "unclean", "reopened"] {
            let truth = brokers.join(version).join("truth").join(state);
            for entry in fs::read_dir(truth).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let log = brokers.join(version).join(state).join(&name);
                let answer = brokers.join(version).join("truth").join(state).join(&name);
                let answer = answer.join("offsets.json");
                if name.contains(part) && log.is_dir() && answer.exists() {
                    let answer = fs::read(answer).unwrap();
                    found.push((serde_json::from_slice(&answer).unwrap(), log));
                }
            }
        }
    }
    found
}

fn txn(log: &Path, more: &[&str]) -> Vec<Value> {
    let mut args = vec!["txn", "--json", log.to_str().unwrap()];
    args.extend(more);
    let ran = run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", log.display());
    ran.json()
}

#[test]
fn the_last_stable_offset_is_the_one_that_the_broker_gave_its_clients() {
    let brokers = brokers();
    let answered = answered(brokers.path(), "txn");
    assert!(answered.len() >= 14, "{}", answered.len());
    for (answer, log) in answered {
        let told = &txn(&log, &[])[0];
        let (offsets, name) = (&answer["listOffsets"], log.display());
        assert_eq!(told["lastStableOffset"], offsets["latestReadCommitted"]["offset"], "{name}");
        assert_eq!(told["logEndOffset"], offsets["latest"]["offset"], "{name}");
    }
}

#[test]
fn every_producer_that_the_broker_told_of_is_told_with_the_same_state() {
    let brokers = brokers();
    let mut compared = 0;
    for part in ["txn", "idem"] {
        for (answer, log) in answered(brokers.path(), part) {
            let lines = txn(&log, &["--producers"]);
            for producer in answer["producers"].as_array().unwrap() {
                let ours = lines.iter().find(|line| line["producerId"] == producer["producerId"]);
                let ours = ours.unwrap_or_else(|| panic!("{}: {producer}", log.display()));
                let last = ours["lastSequence"].as_i64().unwrap_or(-1);
                assert_eq!(last, producer["lastSequence"], "{}: {ours}", log.display());
                for (own, theirs) in [
                    ("producerEpoch", "producerEpoch"),
                    ("lastTimestamp", "lastTimestamp"),
                    ("coordinatorEpoch", "coordinatorEpoch"),
                    ("currentTxnFirstOffset", "currentTransactionStartOffset"),
                ] {
                    assert_eq!(ours[own], producer[theirs], "{}: {ours}", log.display());
                }
                compared += 1;
            }
        }
    }
    assert!(compared >= 60, "{compared}");
}

#[test]
fn aborted_transactions_are_those_of_the_transaction_index() {
    let brokers = brokers();
    for (_, log) in answered(brokers.path(), "txn") {
        // The cleaner drops markers, and then entries whose records are gone.
        if log.to_string_lossy().contains("compact") {
            continue;
        }
        let mut indexed = Vec::new();
        for entry in fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|it| it == "txnindex") {
                let bytes = fs::read(entry).unwrap();
                let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().unwrap());
                indexed.extend(bytes.chunks_exact(34).map(|entry| {
                    (number(&entry[2..10]), number(&entry[10..18]), number(&entry[18..26]))
                }));
            }
        }
        let mut ours: Vec<_> = txn(&log, &[])
            .iter()
            .filter(|line| line["state"] == "aborted")
            .map(|line| {
                let number = |name: &str| line[name].as_i64().unwrap();
                (number("producerId"), number("firstOffset"), number("lastOffset"))
            })
            .collect();
        indexed.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, indexed, "{}", log.display());
    }
}

#[test]
fn a_transaction_that_is_open_for_too_long_makes_the_answer_no() {
    let brokers = brokers();
    let log = brokers.path().join("4.3.1/clean/txn-0");
    let log = log.to_str().unwrap();
    let hanging = run(&["txn", "--hanging-after", "15m", log]);
    assert_eq!(hanging.code, Some(1), "{hanging:?}");
    assert!(hanging.stdout.contains("1000/0    hanging  125–"), "{}", hanging.stdout);
    assert!(hanging.stdout.contains("last stable offset 125: "), "{}", hanging.stdout);
    let longer = run(&["txn", "--hanging-after", "5200w", log]);
    assert_eq!(longer.code, Some(0), "{longer:?}");
    let none = run(&["txn", &log.replace("txn-0", "codec-none-0")]);
    assert!(none.stdout.contains("0 open, 0 aborted, 0 committed · all decided"), "{none:?}");
}

#[test]
fn transactional_ids_come_from_their_coordinators_log_beside() {
    let brokers = brokers();
    let log = brokers.path().join("4.3.1/clean/txn-0");
    let log = log.to_str().unwrap();
    let all = run(&["txn", "--json", log]);
    let named = all.json().into_iter().find(|line| line["transactionalId"].is_string()).unwrap();
    let id = named["transactionalId"].as_str().unwrap();
    let one = run(&["txn", "--json", "--transactional-id", id, log]);
    assert_eq!(one.code, Some(0), "{one:?}");
    let told = &one.json_of("transactionalId")[0];
    assert_eq!(told["producerId"], named["producerId"]);
    assert!(told["timeoutMs"].as_i64().unwrap() > 0, "{told}");
    let others = one.json_of("transaction");
    assert!(others.iter().all(|line| line["producerId"] == named["producerId"]), "{one:?}");
    let none = run(&["txn", "--transactional-id", "nobody", log]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("no transactional id nobody"), "{}", none.stderr);
}

/// What Kafka's tool prints of the offsets in a log, taken together: the last commit for each
/// group, topic and partition, without those of transactions that did not commit.
fn as_kafka_prints(printed: &str) -> BTreeMap<String, Value> {
    let (mut committed, mut pending) = (BTreeMap::new(), BTreeMap::<String, Vec<_>>::new());
    let mut batch = "";
    let set =
        |key: String, value: Option<Value>, committed: &mut BTreeMap<String, Value>| match value {
            Some(value) => drop(committed.insert(key, value)),
            None => drop(committed.remove(&key)),
        };
    for line in printed.lines() {
        if line.starts_with("baseOffset") {
            batch = line;
        }
        let producer = batch.split("producerId: ").nth(1).unwrap_or_default();
        let producer = producer.split(' ').next().unwrap_or_default().to_owned();
        if line.contains(" endTxnMarker: ") {
            for (key, value) in pending.remove(&producer).unwrap_or_default() {
                if line.contains("COMMIT") {
                    set(key, value, &mut committed);
                }
            }
        }
        let Some((_, rest)) = line.split_once(" key: {\"type\":\"1\",\"data\":") else { continue };
        let (key, payload) = rest.split_once("} payload: ").unwrap();
        let value: Option<Value> = serde_json::from_str(payload).ok();
        let value = value.map(|mut value| value["data"].take());
        if batch.contains("isTransactional: true") {
            pending.entry(producer).or_default().push((key.to_owned(), value));
        } else {
            set(key.to_owned(), value, &mut committed);
        }
    }
    committed
}

#[test]
fn committed_offsets_are_those_in_what_kafkas_tool_prints() {
    let (brokers, dump) = (brokers(), unpack("golden-dump"));
    for version in ["3.9.2", "4.3.1"] {
        let mut golden = BTreeMap::new();
        for number in [0, 1] {
            let case = format!("broker-cases/{version}-clean-__consumer_offsets-{number}-decoded");
            let printed = fs::read_to_string(dump.path().join(case).join("stdout")).unwrap();
            golden.append(&mut as_kafka_prints(&printed));
        }
        let directory = brokers.path().join(version).join("clean");
        let ran = run(&["offsets", "--json", directory.to_str().unwrap()]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let ours: Vec<_> = ran.json().into_iter().filter(|line| line["pending"] == false).collect();
        assert_eq!(ours.len(), golden.len());
        assert!(!golden.is_empty());
        for line in ours {
            let key = format!(
                "{{\"group\":{},\"topic\":{},\"partition\":{}}}",
                line["group"], line["topic"], line["partition"]
            );
            let value = &golden[&key];
            for name in ["offset", "metadata", "commitTimestamp"] {
                assert_eq!(line[name], value[name], "{key}");
            }
        }
    }
}

#[test]
fn offsets_are_told_by_group_by_topic_and_as_they_were_at_a_time() {
    let brokers = brokers();
    let directory = brokers.path().join("4.3.1/clean");
    let directory = directory.to_str().unwrap();
    let offsets = |more: &[&str]| {
        let mut args = vec!["offsets", "--json", directory];
        args.extend(more);
        run(&args).json()
    };
    let all = offsets(&[]);
    let of_group = offsets(&["--group", "classic-g"]);
    assert!(!of_group.is_empty() && of_group.len() < all.len());
    assert!(of_group.iter().all(|line| line["group"] == "classic-g"));
    let of_topic = offsets(&["--group", "classic-g", "--topic", "headers"]);
    assert!(of_topic.iter().all(|line| line["topic"] == "headers"));
    assert_eq!(of_topic.len(), 1);
    // Committed as 46 at first, and as 5 later.
    let first = offsets(&["--group", "classic-g", "--topic", "wide", "--at", "@1795449817453"]);
    assert_eq!(first[0]["offset"], 46, "{first:?}");
    assert!(offsets(&["--at", "@0"]).is_empty());
    let table = run(&["offsets", directory]).stdout;
    assert!(table.starts_with("GROUP"), "{table}");
    assert!(table.contains("metadata: é✓") || table.contains("classic-g"), "{table}");
    let nothing = run(&["offsets", &directory.replace("4.3.1/clean", "4.3.1/truth/clean/txn-0")]);
    assert_eq!(nothing.code, Some(3), "{nothing:?}");
}

#[test]
fn records_of_internal_topics_are_shown_in_words() {
    let brokers = brokers();
    let log = brokers.path().join("4.3.1/clean/__consumer_offsets-0");
    let log = log.to_str().unwrap();
    let lines = run(&["dump", "-r", "--json", log]).json_of("record");
    assert!(!lines.is_empty());
    let decoded: Vec<_> = lines.iter().map(|line| &line["decoded"]).collect();
    assert!(decoded.iter().all(|decoded| decoded["kind"].is_string()), "{decoded:?}");
    let offset = decoded.iter().find(|decoded| decoded["kind"] == "OffsetCommit").unwrap();
    assert!(offset["key"]["group"].is_string() && offset["value"]["offset"].is_i64(), "{offset}");
    let text = run(&["dump", "-r", log]).stdout;
    let first = "OffsetCommit {\"group\":\"classic-g\",\"topic\":\"headers\",\"partition\":0} \
                 {\"offset\":16,\"leaderEpoch\":0,";
    assert!(text.contains(first), "{text}");
    assert!(text.contains("GroupMetadata {\"group\":"), "{text}");
    // What must not be shown is not shown in words either.
    let hidden = run(&["dump", "-r", "--json", "--redact", "keys", log]);
    assert!(!hidden.stdout.contains("classic-g"), "{}", hidden.stdout);
    let plain = run(&["dump", "-r", "--json", &log.replace("__consumer_offsets-0", "txn-0")]);
    assert!(plain.json_of("record").iter().all(|line| line.get("decoded").is_none()));
}
