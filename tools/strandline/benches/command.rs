//! The built command beside its limits, in one run: `cargo bench -p strandline-cli --bench command`.
//!
//! - `dump -r --json` of records of 100 bytes, through a pipe, beside a plain loop that escapes the
//!   same records, which it has in memory already, and writes them into a pipe.
//! - the start on a tiny file, beside a program that prints a line and exits.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use strandline::{Batch, Durability, Record, Store, TopicOptions};

const RECORDS: usize = 1_000_000;
const PER_BATCH: usize = 150;
const ROUNDS: usize = 5;

fn main() {
    let temp = tempfile::tempdir().expect("a directory");
    let values = values();
    let dir = fill(temp.path(), &values);
    let bytes: u64 = values.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
    let mut dump = Vec::new();
    let mut plain = Vec::new();
    for _ in 0..ROUNDS {
        dump.push(piped(Command::new(strandline()).args(["dump", "-r", "--json"]).arg(&dir)));
        plain.push(plain_loop(&values));
    }
    let (dump, plain) = (best(&dump), best(&plain));
    let rate = |time: Duration| RECORDS as f64 / time.as_secs_f64() / 1e6;
    println!("{RECORDS} records of {} bytes, best of {ROUNDS}", bytes / RECORDS as u64);
    println!("  dump -r --json, piped       {:>7.2} M records/s", rate(dump));
    println!("  escape and write, in memory {:>7.2} M records/s", rate(plain));
    println!("  share of the limit          {:>7.2}", plain.as_secs_f64() / dump.as_secs_f64());
    starts();
}

fn strandline() -> &'static str {
    env!("CARGO_BIN_EXE_strandline")
}

fn best(times: &[Duration]) -> Duration {
    times.iter().min().copied().unwrap_or_default()
}

fn values() -> Vec<(String, String)> {
    let value = |number: usize| {
        let mut value = format!("{{\"id\":{number},\"text\":\"");
        while value.len() < 88 {
            let _ = write!(value, "{:x}.", number.wrapping_mul(2_654_435_761) ^ value.len());
        }
        value.truncate(88);
        (format!("user-{:06}", number % 10_000), value + "\"}")
    };
    (0..RECORDS).map(value).collect()
}

fn fill(at: &Path, values: &[(String, String)]) -> std::path::PathBuf {
    let dir = at.join("data");
    let store = Store::options().housekeeping(false).open(&dir).expect("a store");
    let topic = store.create_topic("bench", TopicOptions::new().partitions(1)).expect("a topic");
    let log = topic.partition(0).expect("a partition");
    for (number, values) in values.chunks(PER_BATCH).enumerate() {
        let record =
            |(key, value): &'_ (String, String)| (key.clone(), value.clone(), number as i64);
        let held: Vec<_> = values.iter().map(record).collect();
        let records = held.iter().map(|(key, value, ms)| {
            Record::new().key(key).value(value).timestamp(1_700_000_000_000 + ms)
        });
        log.append(Batch::of(records), Durability::Written).expect("an append");
    }
    store.close().expect("a close");
    dir.join("bench-0")
}

/// How long until all output was read.
fn piped(command: &mut Command) -> Duration {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
    drain(child.stdout.take().expect("a pipe"));
    assert!(child.wait().expect("an end").success());
    started.elapsed()
}

fn drain(mut from: impl Read) {
    let mut buffer = vec![0; 1 << 20];
    while from.read(&mut buffer).expect("to read") > 0 {}
}

/// The limit: what is in memory is escaped, byte by byte, and written into a pipe.
fn plain_loop(values: &[(String, String)]) -> Duration {
    let (from, mut to) = std::io::pipe().expect("a pipe");
    let reader = thread::spawn(move || drain(from));
    let started = Instant::now();
    let mut out: Vec<u8> = Vec::with_capacity(300 << 10);
    for (offset, (key, value)) in values.iter().enumerate() {
        let ms = 1_700_000_000_000 + (offset / PER_BATCH) as i64;
        let _ =
            write!(out, "{{\"type\":\"record\",\"offset\":{offset},\"timestamp\":{ms},\"key\":\"");
        escape(key, &mut out);
        out.extend_from_slice(b"\",\"value\":\"");
        escape(value, &mut out);
        let (k, v) = (key.len(), value.len());
        let _ = writeln!(
            out,
            "\",\"keySize\":{k},\"valueSize\":{v},\"sequence\":null,\"headers\":[],\"batchPosition\":{offset}}}"
        );
        if out.len() > 256 << 10 {
            to.write_all(&out).expect("to write");
            out.clear();
        }
    }
    to.write_all(&out).expect("to write");
    drop(to);
    reader.join().expect("a reader");
    started.elapsed()
}

fn escape(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            byte => out.push(byte),
        }
    }
}

fn starts() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/crc-0");
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        ours.push(quiet(Command::new(strandline()).args(["ls", fixture])));
        least.push(quiet(Command::new("/bin/echo").arg("line")));
    }
    let (ours, least) = (best(&ours), best(&least));
    println!("start on a tiny file, best of 100");
    println!("  strandline ls               {:>7.2} ms", ours.as_secs_f64() * 1e3);
    println!("  a program that prints       {:>7.2} ms", least.as_secs_f64() * 1e3);
}

fn quiet(command: &mut Command) -> Duration {
    let started = Instant::now();
    command.stdout(Stdio::null()).status().expect("an end");
    started.elapsed()
}
