//! The verbs that work on a store: `topic`, `append`, `fetch`, `tour`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use strandline::partition_for_key;
use tempfile::TempDir;

use super::run::{Ran, fixtures, ran, run, run_with, strandline};

/// A directory for a store, and the command run on it.
struct Store(TempDir);

impl Store {
    fn new() -> Store {
        Store(tempfile::tempdir().unwrap())
    }

    /// One with a topic `t`.
    fn with_topic(partitions: u32) -> Store {
        let store = Store::new();
        let made = store.run(&["topic", "create", "t", "--partitions", &partitions.to_string()]);
        assert_eq!(made.code, Some(0), "{made:?}");
        store
    }

    fn dir(&self) -> String {
        self.0.path().join("store").to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = strandline(args);
        command.env("STRANDLINE_DIR", self.dir());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    fn append(&self, args: &[&str], input: &[u8]) -> Ran {
        let dir = self.dir();
        let (verb, rest) = (["append", "-d", &dir, "t"], args);
        run_with(&[&verb[..], rest].concat(), input)
    }

    fn fetch(&self, args: &[&str]) -> Ran {
        self.run(&[&["fetch", "t"], args].concat())
    }
}

fn file_changes(count: usize) -> Vec<u8> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/kafka-file-changes-sample.jsonl.zst");
    let text = zstd::decode_all(std::fs::File::open(sample).unwrap()).unwrap();
    let end = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(count - 1).unwrap().0;
    text[..=end].to_vec()
}

#[test]
fn topics_are_made_listed_described_and_deleted() {
    let store = Store::new();
    let made = store.run(&[
        "topic",
        "create",
        "t",
        "--partitions",
        "3",
        "--config",
        "segment.bytes=1048576",
    ]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let topics = store.run(&["topic", "list", "--json"]).json();
    assert_eq!(
        (topics.len(), &topics[0]["topic"], &topics[0]["partitions"]),
        (1, &json!("t"), &json!(3))
    );
    let lines = store.run(&["topic", "describe", "t", "--json"]).json();
    assert_eq!(lines[0]["config"]["segment.bytes"], "1048576");
    assert_eq!(lines.iter().filter(|line| line["type"] == "partition").count(), 3);
    assert!(store.run(&["topic", "describe"]).stdout.contains("segment.bytes=1048576"));
    assert_eq!(store.run(&["topic", "create", "t"]).code, Some(3));
    assert_eq!(store.run(&["topic", "delete", "t"]).code, Some(0));
    assert!(store.run(&["topic", "list", "--json"]).json().is_empty());
    assert_eq!(store.run(&["topic", "delete", "t"]).code, Some(3));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason_and_a_code() {
    let store = Store::with_topic(2);
    let cases: [(&[&str], i32, &str); 14] = [
        (&["topic", "create", "no/such"], 2, ""),
        (&["topic", "create", "x", "--config", "segment.bytes=no"], 2, "segment.bytes"),
        (&["topic", "create", "x", "--partitions", "0"], 2, ""),
        (&["topic", "create", "x", "--partitions", "-1"], 2, "-1 is not in 1"),
        (&["fetch", "t", "--offset", "-1"], 2, "-1 is not in 0"),
        (&["fetch", "t", "--limit", "-1"], 2, "'--limit <N>'"),
        (&["append", "missing"], 3, "there is no topic missing"),
        (&["append", "t", "--codec", "brotli"], 2, "brotli"),
        (&["append", "t", "--partition", "7"], 3, "no partition 7"),
        (&["append", "t", "/no/such/file"], 3, "no such file"),
        (&["append", "t", "--input-format", "jsonl", "--key-field", "k"], 2, "--key-field"),
        (&["fetch", "t", "--offset", "5", "--partition", "0"], 2, "out of range"),
        (&["fetch", "t", "--time", "yesterday"], 2, "is no time"),
        (&["fetch", "t", "--format", "%q"], 2, "%q"),
    ];
    for (args, code, why) in cases {
        let ran = store.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    let nowhere = run(&["fetch", "-d", "/no/such/store", "t"]);
    assert_eq!(nowhere.code, Some(3));
    assert!(
        nowhere.stderr.contains("there is no log directory /no/such/store"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn lines_come_out_as_they_went_in_with_keys_and_times() {
    let store = Store::with_topic(3);
    let input = file_changes(5000);
    for codec in ["none", "gzip:1", "snappy", "lz4", "zstd:3"] {
        let options = ["--key-field", "path", "--timestamp-field", "time", "--codec", codec];
        let appended = store.append(&options, &input);
        assert_eq!((appended.code, appended.stderr.as_str()), (Some(0), ""));
        assert!(
            appended.stdout.starts_with("appended 5,000 records to t, durable\n"),
            "{}",
            appended.stdout
        );
    }
    let records = store.fetch(&["--json"]).json();
    assert_eq!(records.len(), 25_000);
    let mut next = [0; 3];
    let mut values = Vec::new();
    for record in &records {
        let (key, partition) =
            (record["key"].as_str().unwrap(), record["partition"].as_u64().unwrap());
        let value = record["value"].as_str().unwrap();
        let line: Value = serde_json::from_str(value).unwrap();
        assert_eq!((&line["path"], &line["time"]), (&record["key"], &record["timestamp"]));
        assert_eq!(u64::from(partition_for_key(key.as_bytes(), 3)), partition);
        assert_eq!(record["offset"], json!(next[partition as usize]));
        assert_eq!(record["topic"], "t");
        next[partition as usize] += 1;
        values.push(value);
    }
    let input = String::from_utf8(input).unwrap();
    let mut wanted: Vec<&str> = input.lines().cycle().take(25_000).collect();
    values.sort_unstable();
    wanted.sort_unstable();
    assert!(values == wanted);
}

#[test]
fn a_topic_is_copied_by_a_pipe() {
    let store = Store::with_topic(2);
    let odd = concat!(
        r#"{"key":"k","value":"v","timestamp":1700000000000,"headers":[{"key":"h,1","value":"x"},{"key":"h","value":null}]}"#,
        "\n",
        r#"{"key":null,"value":null,"timestamp":null}"#,
        "\n",
        r#"{"key":"","value":"//4A","valueEncoding":"base64","timestamp":-5}"#,
        "\n",
        r#"{"key":"/w==","keyEncoding":"base64","value":"\u0000\ud83d\ude00\n"}"#,
        "\n",
    );
    let options = ["--input-format", "jsonl"];
    assert_eq!(store.append(&options, odd.as_bytes()).code, Some(0));
    let first = store.fetch(&["--json"]);
    let other = Store::with_topic(2);
    assert_eq!(other.append(&options, first.stdout.as_bytes()).code, Some(0));
    let second = other.fetch(&["--json"]);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(first.json().len(), 4);
    let dumped = run(&["dump", "-r", "--json", "basic-0"]);
    let third = Store::with_topic(1);
    assert_eq!(third.append(&options, dumped.stdout.as_bytes()).code, Some(0));
    let of = |ran: &Ran, field: &str| {
        ran.json_of("record").iter().map(|record| record[field].clone()).collect::<Vec<_>>()
    };
    let copied = third.fetch(&["--json"]);
    for field in ["key", "value", "timestamp", "headers"] {
        assert_eq!(of(&copied, field), of(&dumped, field), "{field}");
    }
}

#[test]
fn a_broken_line_is_named_and_what_is_before_it_is_kept() {
    let store = Store::with_topic(1);
    let input = b"{\"k\":\"a\"}\n{\"k\":\"b\"}\nnonsense\n{\"k\":\"c\"}\n";
    let ran = store.append(&["--key-field", "k"], input);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: stdin: line 3: not JSON"), "{}", ran.stderr);
    assert!(ran.stderr.contains("; 2 records appended"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "appended 2 records to t-0, offsets 0–1, durable\n");
    assert_eq!(store.fetch(&["--format", "%k;"]).stdout, "a;b;");
    let garbage: Vec<u8> = (0..20_000_u32).map(|n| ((n * n) >> 3) as u8).collect();
    let ran = store.append(&["--input-format", "jsonl"], &garbage);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(2), 1));
    let ran = store.append(&["--key-field", "missing"], b"{}\n");
    assert!(ran.stderr.contains("line 1: there is no field `missing`"), "{}", ran.stderr);
}

#[test]
fn a_batch_that_is_refused_is_named_by_its_lines_and_the_others_are_durable() {
    let store = Store::new();
    let setting = "message.timestamp.before.max.ms=86400000";
    store.run(&["topic", "create", "t", "--partitions", "2", "--config", setting]);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let keys: Vec<String> = (0..99).map(|number| number.to_string()).collect();
    let key_for = |partition| {
        keys.iter().find(|key| partition_for_key(key.as_bytes(), 2) == partition).unwrap()
    };
    let (a, b) = (key_for(0), key_for(1));
    let lines = [(a, now), (b, now), (b, 5), (a, now), (b, now)];
    let line = |(key, time): (&String, u64)| format!("{}\n", json!({"k": key, "t": time}));
    let input: String = lines.into_iter().map(line).collect();
    let ran = store.append(&["--key-field", "k", "--timestamp-field", "t"], input.as_bytes());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(ran.stdout, "appended 2 records to t-0, offsets 0–1, durable\n");
    let why = "error: stdin: 3 records of lines 2–5, for t-1: invalid timestamp: ";
    assert!(ran.stderr.starts_with(why), "{}", ran.stderr);
}

#[test]
fn records_that_are_gone_are_told_of_and_what_is_behind_them_is_fetched() {
    let store = Store::new();
    store.run(&["topic", "create", "t", "--config", "segment.bytes=100"]);
    store.append(&["--batch-bytes", "1"], b"one\ntwo\nthree\n");
    let log = Path::new(&store.dir()).join("t-0/00000000000000000000.log");
    std::fs::remove_file(log).unwrap();
    let ran = store.fetch(&["--format", "%v "]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), "two three "), "{ran:?}");
    let why = "error: t-0: records 0 to 0 are gone; ";
    assert!(ran.stderr.starts_with(why), "{}", ran.stderr);
    assert_eq!(store.fetch(&["--offset", "1"]).code, Some(0));
}

#[test]
fn any_bytes_are_lines_and_a_record_over_the_limit_is_refused_alone() {
    let store = Store::new();
    store.run(&["topic", "create", "t", "--config", "max.message.bytes=1000"]);
    let input = [b"one\n\n\xff\xfe\r\n".to_vec(), vec![b'x'; 2000], b"\nlast".to_vec()].concat();
    let ran = store.append(&["--durability", "written"], &input);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("line 4") && ran.stderr.contains("max.message.bytes"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "appended 3 records to t-0, offsets 0–2, written\n");
    assert_eq!(store.fetch(&["--format", "[%v{hex}]"]).stdout, "[6f6e65][][fffe0d]");
}

#[test]
fn records_without_a_key_go_to_a_partition_a_batch_in_turn() {
    let store = Store::with_topic(3);
    let input: String = (0..300)
        .map(|n| 1000 + n)
        .flat_map(|n: u32| [n.to_string(), "a value\n".to_owned()])
        .collect();
    let ran = store.append(&["--batch-bytes", "1000"], input.as_bytes());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let records = store.fetch(&["--json"]).json();
    for partition in 0..3 {
        let count = records.iter().filter(|record| record["partition"] == json!(partition)).count();
        assert!((60..=140).contains(&count), "partition {partition}: {count}");
    }
    let store = Store::with_topic(3);
    store.append(&["--partition", "2"], b"a\nb\n");
    assert_eq!(store.fetch(&["--format", "%p%v "]).stdout, "2a 2b ");
}

#[test]
fn headers_are_given_to_each_record() {
    let store = Store::with_topic(1);
    store.append(&["--header", "from=test", "--header", "n=1=2"], b"a\nb\n");
    assert_eq!(
        store.fetch(&["--format", "%v %h\\n"]).stdout,
        "a from=test,n=1=2\nb from=test,n=1=2\n"
    );
}

#[test]
fn records_are_found_by_offset_and_by_time_and_counted() {
    let store = Store::with_topic(1);
    let lines: Vec<String> =
        (0..50).map(|n: i64| json!({"t": 1_700_000_000_000 + n * 1000}).to_string()).collect();
    let lines = lines.join(
        "
",
    );
    store.append(&["--timestamp-field", "t"], lines.as_bytes());
    let offsets = |args: &[&str]| store.fetch(&[args, &["--format", "%o "]].concat()).stdout;
    assert_eq!(offsets(&["--offset", "7", "--limit", "3"]), "7 8 9 ");
    assert_eq!(offsets(&["--time", "@1700000045000"]), "45 46 47 48 49 ");
    assert_eq!(offsets(&["--time", "2023-11-14T22:13:22.500Z", "--limit", "1"]), "3 ");
    assert_eq!(offsets(&["--time", "-1m"]), "");
    assert_eq!(offsets(&["--offset", "50"]), "");
    assert_eq!(offsets(&["--limit", "0"]), "");
    let ran = store.fetch(&["--offset", "3", "--limit", "1"]);
    assert_eq!(
        ran.stdout,
        "3   2023-11-14T22:13:23.000Z  key=null   19 B  {\"t\":1700000003000}\n"
    );
}

#[test]
fn a_directory_that_kafka_wrote_is_read_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let partition = temp.path().join("basic-0");
    std::fs::create_dir(&partition).unwrap();
    let log = "00000000000000000000.log";
    std::fs::copy(fixtures().join("basic-0").join(log), partition.join(log)).unwrap();
    let before = tree(temp.path());
    let dir = temp.path().to_str().unwrap();
    let fetch = |isolation| {
        run(&["fetch", "-d", dir, "basic", "--isolation", isolation, "--format", "%o "])
    };
    assert_eq!(fetch("uncommitted").stdout, "0 1 2 3 4 5 6 7 8 9 11 ");
    assert_eq!(fetch("committed").stdout, "0 1 2 3 4 5 6 7 8 9 ");
    assert_eq!(tree(temp.path()), before);
}

fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn following_shows_records_as_they_come_and_ends_with_ctrl_c() {
    let store = Store::with_topic(2);
    store.append(&["--partition", "0"], b"first\n");
    let mut follower = spawn(store.command(&["fetch", "t", "--follow", "--format", "%v\\n"]));
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("first"));
    store.append(&["--partition", "1"], b"second\n");
    assert_eq!(lines.next().as_deref(), Some("second"));
    store.append(&["--partition", "0"], b"third\n");
    assert_eq!(lines.next().as_deref(), Some("third"));
    let kill = Command::new("kill").args(["-INT", &follower.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let ended = follower.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
    let limited = store.fetch(&["--follow", "--limit", "2", "--format", "%v "]);
    assert_eq!((limited.code, limited.stdout.as_str()), (Some(0), "first third "));
}

#[test]
fn following_tells_of_a_cut_goes_on_and_ends_when_the_topic_is_deleted() {
    let store = Store::with_topic(1);
    store.append(&[], b"one\n");
    store.append(&[], b"two\n");
    let mut follower = spawn(store.command(&["fetch", "t", "--follow", "--format", "%v\\n"]));
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("one"));
    assert_eq!(lines.next().as_deref(), Some("two"));
    let writer = strandline::Store::open(store.dir()).unwrap();
    let log = writer.log("t", 0).unwrap();
    log.truncate_to(1).unwrap();
    let batch = strandline::Batch::of([strandline::Record::new().value("three")]);
    log.append(batch, strandline::Durability::Synced).unwrap();
    assert_eq!(lines.next().as_deref(), Some("three"));
    writer.delete_topic("t").unwrap();
    let ended = ran(follower.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("t-0: the log was cut to offset 1"), "{}", ended.stderr);
    assert!(ended.stderr.contains("t-0 does not exist"), "{}", ended.stderr);
}

#[test]
fn a_line_is_appended_although_the_input_has_not_ended() {
    let store = Store::with_topic(1);
    let mut appender = spawn(store.command(&["append", "t"]));
    appender.stdin.as_mut().unwrap().write_all(b"early\n").unwrap();
    let followed = store.fetch(&["--follow", "--limit", "1", "--format", "%v"]);
    assert_eq!(followed.stdout, "early");
    let ended = ran(appender.wait_with_output().unwrap());
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "appended 1 record to t-0, offset 0, durable\n")
    );
}

#[test]
fn a_store_in_use_is_refused_for_writing_and_read_all_the_same() {
    let store = Store::with_topic(1);
    let mut appender = spawn(store.command(&["append", "t"]));
    appender.stdin.as_mut().unwrap().write_all(b"mine\n").unwrap();
    // Once its first record is there it holds the lock.
    assert_eq!(store.fetch(&["--follow", "--limit", "1", "--format", "%v"]).stdout, "mine");
    let refused = store.append(&[], b"yours\n");
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.stderr.contains(&appender.id().to_string()), "{}", refused.stderr);
    assert_eq!(ran(appender.wait_with_output().unwrap()).code, Some(0));
    assert_eq!(store.append(&[], b"yours\n").code, Some(0));
}

#[test]
fn the_tour_shows_what_it_did_and_leaves_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tour");
    let dir = dir.to_str().unwrap();
    let ran = run(&["tour", "--dir", dir]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    for said in [
        "32,003 records",
        "each equals its line",
        "00000000000000000000.log",
        "strandline fetch -d",
    ] {
        let said = said.replace("strandline fetch", " fetch");
        assert!(ran.stdout.contains(&said), "{said}: {}", ran.stdout);
    }
    let fetched = run(&["fetch", "-d", dir, "file-changes", "--format", "%v\\n"]);
    assert!(fetched.stdout.into_bytes() == file_changes(32_003));
    assert_eq!(run(&["tour", "--dir", dir]).code, Some(0));
    assert!(temp.path().join("tour-2").is_dir());
}
