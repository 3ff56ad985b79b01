//! Everything that Kafka's own tool printed, printed by ours: the cases of the golden directory,
//! in the words of the newer and of the older release.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pack::{broker_directories, unpack};
use super::run::strandline;

/// A command line of Kafka's tool, with what it printed.
struct Case {
    directory: PathBuf,
    /// Where it is run.
    beside: PathBuf,
    release: &'static str,
}

impl Case {
    /// What Kafka's tool gave: of the older release only what is different there is kept.
    fn golden(&self, name: &str) -> Vec<u8> {
        let older = self.directory.join(format!("{name}.3.9.2"));
        if self.release == "3.9" && older.exists() {
            return fs::read(older).unwrap();
        }
        fs::read(self.directory.join(name)).unwrap()
    }

    /// Runs it: what is different, for a reader.
    fn mismatch(&self) -> Option<String> {
        let line = fs::read_to_string(self.directory.join("cmd")).unwrap();
        let words = words(&line);
        let mut command = strandline(&["kafka-dump-log", "--kafka-version", self.release]);
        let output = command.args(&words[1..]).current_dir(&self.beside).output().unwrap();
        let cwd = self.beside.canonicalize().unwrap();
        let stderr = String::from_utf8(self.golden("stderr")).unwrap();
        let stderr = stderr.replace("@CWD@", cwd.to_str().unwrap());
        let code: i32 = String::from_utf8(self.golden("rc")).unwrap().trim().parse().unwrap();
        let mut wrong = Vec::new();
        let (ours, golden) = (in_order(&output.stdout), in_order(&self.golden("stdout")));
        if ours != golden {
            wrong.push(first_difference(&ours, &golden));
        }
        let said = String::from_utf8(output.stderr).unwrap();
        if blocks(&said) != blocks(&stderr) {
            wrong.push(format!("stderr\n  ours   {said:?}\n  golden {stderr:?}"));
        }
        if output.status.code() != Some(code) {
            wrong.push(format!("exit {:?} for {code}", output.status.code()));
        }
        let name = self.directory.file_name().unwrap().to_str().unwrap();
        (!wrong.is_empty()).then(|| format!("{name}, {}: {}", self.release, wrong.join("\n")))
    }
}

/// The words of a command line, as a shell takes them apart that knows double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// With the partitions of a transaction sorted, whose order is that of a hash.
fn in_order(text: &[u8]) -> Vec<u8> {
    const LIST: &[u8] = b"partitions=[";
    let mut sorted = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let list = line.windows(LIST.len()).position(|window| window == LIST);
        let Some(from) = list.map(|at| at + LIST.len()) else {
            sorted.extend_from_slice(line);
            continue;
        };
        let until = from + line[from..].iter().position(|&byte| byte == b']').unwrap();
        let mut partitions: Vec<_> = line[from..until].split(|&byte| byte == b',').collect();
        partitions.sort_unstable();
        sorted.extend_from_slice(&line[..from]);
        sorted.extend_from_slice(&partitions.join(&b','));
        sorted.extend_from_slice(&line[until..]);
    }
    sorted
}

/// What stderr says of each file, as a set: the files are in the order of a hash.
fn blocks(text: &str) -> BTreeSet<String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        let goes_on = line.starts_with("  ") || line.starts_with("Indexed offset");
        if !goes_on {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().unwrap();
        block.push_str(line);
        block.push('\n');
    }
    blocks.into_iter().filter(|block| !block.is_empty()).collect()
}

fn first_difference(ours: &[u8], golden: &[u8]) -> String {
    let line = |text: &[u8], number| {
        let line = text.split(|&byte| byte == b'\n').nth(number);
        line.map(|line| String::from_utf8_lossy(line).into_owned())
    };
    let differs = |&number: &usize| line(ours, number) != line(golden, number);
    let number = (0..=golden.len()).find(differs).unwrap_or_default();
    let (ours, golden) = (line(ours, number), line(golden, number));
    format!("stdout, line {}\n  ours   {ours:?}\n  golden {golden:?}", number + 1)
}

/// Puts back the zeros that the pack leaves out of some preallocated files.
fn put_back_zeros(brokers: &Path) {
    for version in fs::read_dir(brokers).unwrap().map(|entry| entry.unwrap().path()) {
        for state in ["clean", "unclean", "reopened"] {
            let Ok(manifest) = fs::read(version.join(format!("{state}.manifest.json"))) else {
                continue;
            };
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            for file in manifest["files"].as_array().unwrap() {
                let Some(zeros) = file["zerosAfter"].as_u64() else { continue };
                let path = version.join(state).join(file["path"].as_str().unwrap());
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() + zeros).unwrap();
            }
        }
    }
}

fn cases(dump: &Path, brokers: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, beside) in [("cases", dump.join("fixtures")), ("broker-cases", brokers.into())] {
        for entry in fs::read_dir(dump.join(kind)).unwrap() {
            let directory = entry.unwrap().path();
            for release in ["4.3", "3.9"] {
                let (directory, beside) = (directory.clone(), beside.clone());
                cases.push(Case { directory, beside, release });
            }
        }
    }
    cases
}

#[test]
fn all_that_kafkas_own_tool_printed_is_printed_byte_for_byte() {
    let (dump, brokers) = (unpack("golden-dump"), broker_directories());
    put_back_zeros(brokers.path());
    let cases = cases(dump.path(), brokers.path());
    assert_eq!(cases.len(), 728);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mismatches = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            mismatches.extend(case.mismatch());
        }
        mismatches
    };
    let mismatches: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (wrong, of) = (mismatches.len(), cases.len());
    assert!(wrong == 0, "{wrong} of {of} cases differ:\n{}", mismatches.join("\n\n"));
}
