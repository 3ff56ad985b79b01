//! The command beside plain loops over the same bytes, and beside Kafka's own tool: every subject is a
//! process, timed from its start to its end, in turns; what it prints goes through a pipe.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use strandline::record::{BatchHeader, RecordBatch};
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
        ["loop", "records", path] => records(Path::new(path)),
        ["loop", "headers", path] => headers(Path::new(path)),
        ["loop", "memory", ref command @ ..] => memory(command),
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

/// Reads a file piece by piece, and gives each of its batches, summed, to `with`.
fn for_each_batch(path: &Path, mut with: impl FnMut(RecordBatch<'_>)) {
    let (mut file, mut piece, mut held) = (File::open(path).expect("a file"), vec![0; 1 << 20], 0);
    loop {
        let end = held + file.read(&mut piece[held..]).expect("a read");
        if end == held {
            return;
        }
        let mut at = 0;
        while let Ok(batch) = RecordBatch::decode(&piece[at..end]) {
            at += batch.bytes().len();
            with(batch);
        }
        piece.copy_within(at..end, 0);
        held = end - at;
    }
}

/// Sums the batches of a file and takes their records apart.
fn records(path: &Path) {
    let mut seen = 0;
    let (mut decompressor, mut inflated) = (Default::default(), Vec::new());
    for_each_batch(path, |batch| {
        let records = batch.records(&mut decompressor, usize::MAX, &mut inflated).expect("records");
        seen +=
            records.filter(|record| record.as_ref().is_ok_and(|it| it.value().is_some())).count();
    });
    println!("{seen}");
}

/// Reads the header of each batch.
fn headers(path: &Path) {
    let (file, mut header, mut at, mut seen) = (File::open(path).expect("a file"), [0; 61], 0, 0);
    while file.read_exact_at(&mut header, at).is_ok() {
        at += BatchHeader::decode(&header).expect("a header").size_bytes() as u64;
        seen += 1;
    }
    println!("{seen}");
}

/// Runs a command and prints how much memory it had at most, in MiB.
fn memory(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).stdout(Stdio::null()).status();
    assert!(is_answer(status.expect("a process")), "{command:?}");
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what it used");
    println!("{:.0}", used.max_rss() as f64 / 1024.0);
}

/// The plain loop over records: takes each apart, escapes its value, writes a line.
fn json(path: &Path) {
    let (mut out, mut to) = (Vec::with_capacity(2 * PIECE), std::io::stdout().lock());
    let (mut decompressor, mut inflated) = (Default::default(), Vec::new());
    for_each_batch(path, |batch| {
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
    });
    to.write_all(&out).expect("a pipe");
}

/// One process of a row.
struct Subject {
    name: &'static str,
    command: Vec<String>,
    took: Vec<Duration>,
}

fn subject(name: &'static str, program: &Path, args: &[&str]) -> Subject {
    let program = program.to_str().expect("a path");
    let command = std::iter::once(&program).chain(args).map(|it| (*it).to_owned()).collect();
    Subject { name, command, took: Vec::new() }
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

/// Whether a command ended with yes or no.
fn is_answer(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 1))
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
    assert!(is_answer(status), "{command:?}: {status}");
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
            subject("checksum, records taken apart", &me, &["loop", "records", &log]),
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

        others(options, &me, &log, &title);
    }
}

/// What walks over one segment and prints little: time beside plain loops, and memory.
fn others(options: &Options, me: &Path, log: &str, title: &dyn Fn(&str) -> String) {
    let rounds = options.rounds;
    let ours = |name, args: &[&str]| subject(name, &options.strandline, args);
    let partition = Path::new(log).parent().expect("a directory");
    let copied = partition.with_extension("copy");
    std::fs::create_dir(&copied).expect("a directory");
    let copy = copied.join(Path::new(log).file_name().expect("a name"));
    std::fs::copy(log, &copy).expect("a copy");
    let (partition, copy) = (partition.to_str().expect("a path"), copy.to_str().expect("a path"));
    let verbs = [
        ("strandline stat", vec!["stat", "--no-polite", log]),
        ("strandline find --key", vec!["find", "--count", "--key", "k", "--no-polite", log]),
        ("strandline diff", vec!["diff", "--no-polite", log, copy]),
        ("strandline reindex --check", vec!["reindex", "--check", partition]),
        ("strandline verify -j2", vec!["verify", "-j2", "--no-polite", log]),
        ("strandline verify --deep -j2", vec!["verify", "--deep", "-j2", "--no-polite", log]),
        ("strandline dump -r --json", vec!["dump", "-r", "--json", "--no-polite", log]),
    ];
    row(
        &title("stat, beside the headers"),
        rounds,
        vec![
            ours(verbs[0].0, &verbs[0].1),
            subject("each header read", me, &["loop", "headers", log]),
        ],
    );
    for (name, args) in &verbs[1..4] {
        row(
            &title(name),
            rounds,
            vec![
                ours(name, args),
                ours("strandline verify -j1", &["verify", "-j1", "--no-polite", log]),
                subject("checksum, records taken apart", me, &["loop", "records", log]),
            ],
        );
    }
    println!("\n**{}**\n\n| | MiB |\n|---|---:|", title("memory at most,"));
    for (name, args) in &verbs {
        let command =
            [&["loop", "memory", options.strandline.to_str().expect("a path")], &args[..]];
        let out = Command::new(me).args(command.concat()).output().expect("a process");
        assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
        println!("| {name} | {} |", String::from_utf8_lossy(&out.stdout).trim());
    }
}
