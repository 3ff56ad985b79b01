//! The command beside plain loops over the same bytes, and beside Kafka's own tool: every subject is a
//! process, timed from its start to its end, in turns; what it prints goes through a pipe.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use strandline::record::Batches;
use strandline::{Durability, LogConfig, Record, Store, TopicOptions};

const PIECE: usize = 256 << 10;

struct Options {
    strandline: PathBuf,
    kafka: Option<PathBuf>,
    dir: PathBuf,
    bytes: u64,
    rounds: usize,
}

fn options(mut args: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        strandline: "strandline".into(),
        kafka: None,
        dir: ".".into(),
        bytes: 1 << 30,
        rounds: 5,
    };
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--strandline" => options.strandline = value.into(),
            "--kafka" => options.kafka = Some(value.into()),
            "--dir" => options.dir = value.into(),
            "--bytes" => options.bytes = value.parse().expect("a number of bytes"),
            "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
            _ => panic!("no such option: {name}"),
        }
    }
    options
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["loop", "line"] => println!("a line"),
        ["loop", "sum", path] => sum(Path::new(path)),
        ["loop", "json", path] => json(Path::new(path)),
        _ => compare(&options(args.into_iter())),
    }
}

/// Reads and sums a file.
fn sum(path: &Path) {
    let (mut file, mut piece) = (File::open(path).expect("a file"), vec![0; PIECE]);
    let mut sum = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    loop {
        match file.read(&mut piece).expect("a read") {
            0 => break,
            len => sum.update(&piece[..len]),
        }
    }
    println!("{:08x}", sum.finalize());
}

/// The plain loop over records: takes each apart, escapes its value, writes a line.
fn json(path: &Path) {
    let bytes = std::fs::read(path).expect("a file");
    let (mut out, mut to) = (Vec::with_capacity(2 * PIECE), std::io::stdout().lock());
    let (mut decompressor, mut inflated) = (Default::default(), Vec::new());
    for batch in Batches::new(&bytes) {
        let batch = batch.expect("a batch");
        let records = batch.records(&mut decompressor, usize::MAX, &mut inflated).expect("records");
        for record in records {
            let record = record.expect("a record");
            let (offset, time) = (record.offset(), record.timestamp().unwrap_or(-1));
            let head =
                format_args!("{{\"type\":\"record\",\"offset\":{offset},\"timestamp\":{time},");
            write!(out, "{head}\"key\":null,\"value\":\"").expect("room");
            let value = std::str::from_utf8(record.value().unwrap_or_default()).expect("text");
            for byte in value.bytes() {
                match byte {
                    b'"' | b'\\' => out.extend([b'\\', byte]),
                    0..0x20 => write!(out, "\\u{byte:04x}").expect("room"),
                    _ => out.push(byte),
                }
            }
            out.extend_from_slice(b"\"}\n");
            if out.len() >= PIECE {
                to.write_all(&out).expect("a pipe");
                out.clear();
            }
        }
    }
    to.write_all(&out).expect("a pipe");
}

/// One process of a row.
struct Subject {
    name: &'static str,
    command: Vec<String>,
    took: Vec<Duration>,
}

/// Runs subjects in turns, once more than counts, and prints medians and what they are of the first.
fn row(title: &str, rounds: usize, mut subjects: Vec<Subject>) {
    for round in 0..=rounds {
        for subject in &mut subjects {
            let took = run(&subject.command);
            if round > 0 {
                subject.took.push(took);
            }
        }
    }
    println!("\n**{title}**\n\n| | ms | spread | the first is |\n|---|---:|---:|---:|");
    let ours = subjects[0].took.clone();
    for subject in &mut subjects {
        let mut ratios: Vec<f64> = ours
            .iter()
            .zip(&subject.took)
            .map(|(ours, its)| its.as_secs_f64() / ours.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        subject.took.sort();
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let (least, most) = (subject.took[0], subject.took[subject.took.len() - 1]);
        let median = subject.took[subject.took.len() / 2];
        println!(
            "| {} | {:.1} | {:.1} – {:.1} | {:.2} × as fast |",
            subject.name,
            ms(median),
            ms(least),
            ms(most),
            ratios[ratios.len() / 2]
        );
    }
}

/// How long a process takes, what it prints read by us.
fn run(command: &[String]) -> Duration {
    let started = Instant::now();
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", command[0]));
    let mut out = child.stdout.take().expect("a pipe");
    let mut piece = vec![0; PIECE];
    while out.read(&mut piece).expect("a read") > 0 {}
    let status = child.wait().expect("its end");
    assert!(status.success(), "{command:?}: {status}");
    started.elapsed()
}

/// One segment of so many bytes, warm.
fn segment(dir: &Path, topic: &str, record_bytes: usize, bytes: u64) -> String {
    let config = LogConfig::from_pairs([("segment.bytes", "2147483647")]).expect("settings");
    let store = Store::options().open(dir).expect("a store");
    let topic = store.create_topic(topic, TopicOptions::new().config(config)).expect("a topic");
    let log = topic.partition(0).expect("a log");
    let mut appender = log.appender(64 << 10, Duration::ZERO).durability(Durability::Written);
    let value: String =
        (0..record_bytes).map(|at| char::from(b"{\"name\": value}"[at % 15])).collect();
    for _ in 0..bytes / (record_bytes as u64 + 9) {
        appender.push(Record::new().value(&value)).expect("an append");
    }
    appender.flush().expect("an append");
    let path = log.segments().expect("segments")[0].path.clone();
    store.close().expect("a close");
    path.to_str().expect("a path").to_owned()
}

fn compare(options: &Options) {
    let scratch = tempfile::tempdir_in(&options.dir).expect("a directory");
    let me = std::env::current_exe().expect("a path");
    let subject = |name, program: &Path, args: &[&str]| Subject {
        name,
        command: [program.to_str().expect("a path")]
            .iter()
            .chain(args)
            .map(|it| (*it).to_owned())
            .collect(),
        took: Vec::new(),
    };
    let ours = |name, args: &[&str]| subject(name, &options.strandline, args);
    let class_path = options.kafka.as_ref().map(|jars| format!("{}/*", jars.display()));
    let kafka = |name, args: &[&str]| {
        let class_path = class_path.as_deref()?;
        let tool = ["-cp", class_path, "org.apache.kafka.tools.DumpLogSegments"];
        Some(subject(name, Path::new("java"), &[&tool[..], args].concat()))
    };
    let rounds = options.rounds;

    let small = segment(&scratch.path().join("small"), "small", 100, 1000);
    let mut start = vec![
        ours("strandline verify, a file of 1 KB", &["verify", &small]),
        subject("a program that prints a line", &me, &["loop", "line"]),
    ];
    start.extend(kafka("kafka-dump-log", &["--files", &small]));
    row("start", rounds.max(15), start);

    for (topic, record_bytes) in [("large", 1024), ("hundred", 100)] {
        let log = segment(&scratch.path().join(topic), topic, record_bytes, options.bytes);
        let title = |what: &str| {
            let mib = options.bytes >> 20;
            format!("{what} {mib} MiB in one segment, records of {record_bytes} bytes")
        };
        let mut verify = vec![
            ours("strandline verify -j1", &["verify", "-j1", "--no-polite", &log]),
            ours("strandline verify -j2", &["verify", "-j2", "--no-polite", &log]),
            ours("strandline verify --deep -j1", &["verify", "--deep", "-j1", "--no-polite", &log]),
            subject("read + checksum", &me, &["loop", "sum", &log]),
        ];
        verify.extend(kafka("kafka-dump-log", &["--files", &log]));
        row(&title("verify"), rounds, verify);
        let mut dump = vec![
            ours("strandline dump -r --json", &["dump", "-r", "--json", "--no-polite", &log]),
            subject("a plain loop: escape and write", &me, &["loop", "json", &log]),
            ours(
                "strandline kafka-dump-log --print-data-log",
                &["kafka-dump-log", "--print-data-log", "--files", &log],
            ),
        ];
        dump.extend(kafka(
            "kafka-dump-log --print-data-log",
            &["--print-data-log", "--files", &log],
        ));
        row(&title("dump"), rounds.min(3), dump);
    }
}
