//! Damaged files through the built command: however they are damaged it ends as it says that it
//! ends, and what it writes is text, and JSON where that is asked for.

use std::fs;
use std::path::Path;

use super::run::{fixtures, ran, strandline};

/// How many damaged directories are shown; `STRANDLINE_FUZZ_TIMES` for so many times as many.
const INPUTS: usize = 120;

/// Numbers that look random and come from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

/// The files of the fixtures that are segments or indexes.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in fs::read_dir(fixtures()).unwrap() {
        for file in fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(&path).unwrap();
            if name.len() > 20 && bytes.len() < 1 << 16 {
                files.push((name, bytes));
            }
        }
    }
    files.sort();
    files
}

fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.below(4) {
        let (at, len) = (dice.below(bytes.len() + 1), 1 + dice.below(90));
        let end = (at + len).min(bytes.len());
        match dice.below(6) {
            0 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << (len % 8)),
            1 => bytes[at..end].fill([0, 0xff, 0x1b, 0x9b][len % 4]),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.extend_from_within(at..end),
            _ => {
                // Under a checksum that fits: a value, or a header.
                bytes[at..end].iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
                mend(bytes);
            }
        }
    }
}

/// Puts right the checksums of what looks like batches.
fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 61 <= bytes.len() {
        let len = i32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        let end = at + 12 + usize::try_from(len).unwrap_or(usize::MAX >> 1);
        if end > bytes.len() || end < at + 61 {
            break;
        }
        let crc = crc32c::crc32c(&bytes[at + 21..end]).to_be_bytes();
        bytes[at + 17..at + 21].copy_from_slice(&crc);
        at = end;
    }
}

/// Shows `path` in each way there is.
fn show(path: &Path, what: &str) {
    for args in [&["dump"][..], &["dump", "-r"], &["dump", "--json"], &["dump", "-r", "--json"]] {
        let ran = ran(strandline(args).arg(path).output().unwrap());
        let told = format!("{args:?} of {what}: {ran:?}");
        assert!(matches!(ran.code, Some(0 | 1 | 3 | 4)), "{told}");
        let is_plain = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
        assert!(is_plain(&ran.stdout) && is_plain(&ran.stderr), "control characters: {told}");
        if args.contains(&"--json") {
            ran.json();
        }
    }
}

/// Shows `path` as Kafka's own tool would, by a decoder that `number` chooses.
fn show_as_kafka(path: &Path, number: usize, what: &str) {
    let ways: [&[&str]; 6] = [
        &["--print-data-log"],
        &["--deep-iteration", "--kafka-version", "3.9"],
        &["--offsets-decoder"],
        &["--transaction-log-decoder", "--kafka-version", "3.9"],
        &["--cluster-metadata-decoder", "--skip-record-metadata"],
        &["--key-decoder-class", "org.apache.kafka.tools.api.LongDecoder"],
    ];
    let mut command = strandline(&["kafka-dump-log"]);
    let output = command.args(ways[number % ways.len()]).arg("--files").arg(path);
    let output = output.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let told = format!("{command:?} of {what}: {output:?}");
    assert_eq!(said.contains("Exception in thread"), output.status.code() == Some(1), "{told}");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{told}");
    assert!(std::str::from_utf8(&output.stdout).is_ok(), "{told}");
}

#[test]
fn damaged_files_are_shown_in_order_and_in_plain_text() {
    let times = std::env::var("STRANDLINE_FUZZ_TIMES").map_or(1, |times| times.parse().unwrap());
    let (inputs, files) = (INPUTS * times, files());
    let started = std::time::Instant::now();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ times as u64);
    for _ in 0..inputs {
        let temp = tempfile::tempdir().unwrap();
        let (name, bytes) = &files[dice.below(files.len())];
        let mut bytes = bytes.clone();
        damage(&mut dice, &mut bytes);
        fs::write(temp.path().join(name), &bytes).unwrap();
        let (path, what) = (temp.path().join(name), format!("{name} with the bytes {bytes:02x?}"));
        show(&path, &what);
        show_as_kafka(&path, dice.below(6), &what);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("layer=fuzz.command runs={inputs} distinct={inputs} failures=0 seconds={seconds:.1}");
}

/// How many single bytes are changed; `STRANDLINE_FUZZ_TIMES` for so many times as many.
const BYTES: usize = 66;

#[test]
fn whatever_one_byte_of_a_file_becomes_each_verb_ends_as_it_should() {
    let times = std::env::var("STRANDLINE_FUZZ_TIMES").map_or(1, |times| times.parse().unwrap());
    let (bytes, files) = (BYTES * times, files());
    let started = std::time::Instant::now();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ times as u64);
    let temp = tempfile::tempdir().unwrap();
    let mut runs = 0;
    for number in 0..bytes {
        let (name, file) = &files[number % files.len()];
        if file.is_empty() {
            continue;
        }
        let mut changed = file.clone();
        let at = dice.below(file.len());
        changed[at] = [changed[at] ^ 1 << dice.below(8), 0, 0xff, 0x7f, 0x80][dice.below(5)];
        let path = temp.path().join(name);
        fs::write(&path, &changed).unwrap();
        for verb in
            [&["dump", "--json"][..], &["verify", "--deep", "--json"], &["explain", "--json"]]
        {
            // So little memory, and time, that a size that lies is noticed.
            let limited = "ulimit -v 600000; exec timeout 20 \"$0\" \"$@\"";
            let mut command = std::process::Command::new("sh");
            command.args(["-c", limited, env!("CARGO_BIN_EXE_strandline")]).args(verb);
            let ran = ran(command.arg(&path).output().unwrap());
            let what = format!("{verb:?} of {name} with {:#04x} at {at}: {ran:?}", changed[at]);
            assert!(matches!(ran.code, Some(0 | 1 | 3 | 4)), "{what}");
            ran.json();
            runs += 1;
        }
        fs::remove_file(&path).unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("layer=fuzz.command-bytes runs={runs} failures=0 seconds={seconds:.1}");
}
