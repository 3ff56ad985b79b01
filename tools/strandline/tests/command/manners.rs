//! What no verb may do: write to what it reads, leave half of what it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::made::Made;
use super::pack::{golden_fixtures, unpack_those};
use super::run::{ran, run, strandline};

const LOG: &str = "00000000000000000000.log";

/// Every file beneath a directory, with bytes, time and permissions.
fn tree(path: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime, fs::Permissions)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::metadata(&path).unwrap();
        let (modified, permissions) = (metadata.modified().unwrap(), metadata.permissions());
        if path.is_dir() {
            all.extend(tree(&path));
            all.push((path, Vec::new(), modified, permissions));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap(), modified, permissions));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// The same without the bytes: cheap to look at often.
fn stamps(path: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            all.extend(stamps(&entry.path()));
        }
        all.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
    }
    all.sort();
    all
}

/// Nobody may write there any more.
fn seal(path: &Path) {
    for (path, _, _, mut permissions) in tree(path) {
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions).unwrap();
    }
}

/// Everybody may, so that it can be removed.
fn unseal(path: &Path) {
    let done = Command::new("chmod").arg("-R").arg("u+w").arg(path).status().unwrap();
    assert!(done.success());
}

/// Every verb that reads what others wrote, each in several ways. `{to}` is a place to write to.
const VERBS: [&[&str]; 34] = [
    &["ls", "{in}"],
    &["ls", "--segments", "{in}"],
    &["dump", "{in}"],
    &["dump", "-r", "--json", "{in}"],
    &["dump", "-r", "--isolation", "committed", "{in}"],
    &["stat", "{in}"],
    &["stat", "--top", "3", "--recompress=lz4", "--compaction", "--timeline", "{in}"],
    &["stat", "--svg", "{to}", "{one}"],
    &["verify", "{in}"],
    &["verify", "--quick", "{in}"],
    &["verify", "--deep", "{in}"],
    &["find", "--key", "e", "{in}"],
    &["find", "--all", "--time", "2023-11-14T22:13:20.005Z..", "{in}"],
    &["tail", "{in}"],
    &["tail", "-f", "{one}"],
    &["explain", "{one}"],
    &["explain", "--xxd", "{one}"],
    &["txn", "{in}"],
    &["txn", "--producers", "{one}"],
    &["offsets", "{in}"],
    &["diff", "{one}", "{other}"],
    &["diff", "--records", "{one}", "{other}"],
    &["export", "{in}"],
    &["export", "-o", "csv", "--to", "{to}", "{one}"],
    &["export", "-o", "segment", "--to", "{to}", "{one}"],
    &["export", "-o", "segment", "--codec", "zstd", "--to", "{to}", "{one}"],
    &["export", "-o", "raw", "--name", "%o", "--to", "{to}", "{one}"],
    &["report", "--to", "{to}", "{in}"],
    &["reindex", "--check", "{in}"],
    &["reindex", "--to", "{to}", "{one}"],
    &["repair", "{in}"],
    &["repair", "--fix-bitflips", "--to", "{to}", "{one}"],
    &["kafka-dump-log", "--print-data-log", "--files", "{log}"],
    &["kafka-dump-log", "--index-sanity-check", "--files", "{log}"],
];

/// The command, interrupted after a moment: some verbs go on for ever.
fn for_a_moment() -> Command {
    let mut command = Command::new("timeout");
    let seconds = ["--preserve-status", "-s", "INT", "0.3"];
    command.args(seconds).arg(env!("CARGO_BIN_EXE_strandline")).stdin(Stdio::null());
    command
}

#[test]
fn no_verb_changes_what_it_reads() {
    let (golden, scratch) = (golden_fixtures(), tempfile::tempdir().unwrap());
    let brokers = unpack_those("golden-brokers", |path| path.starts_with("4.3.1/unclean"));
    let fixtures = golden.path().join("fixtures");
    let broker = brokers.path().join("4.3.1/unclean");
    let inputs = [(&fixtures, "basic-0", "crc-0"), (&broker, "txn-seg-0", "prealloc-0")];
    for (number, (input, one, other)) in inputs.into_iter().enumerate() {
        let other = if input.join(other).exists() { other } else { one };
        seal(input);
        let (before, stamped) = (tree(input), stamps(input));
        let log = input.join(one).join(LOG);
        for (verb, words) in VERBS.iter().enumerate() {
            let to = scratch.path().join(format!("{number}-{verb}"));
            let word = |word: &&str| match *word {
                "{in}" => input.clone(),
                "{one}" => input.join(one),
                "{other}" => input.join(other),
                "{log}" => log.clone(),
                "{to}" => to.clone(),
                word => PathBuf::from(word),
            };
            let mut command = if words.contains(&"-f") { for_a_moment() } else { strandline(&[]) };
            let ran = ran(command.args(words.iter().map(word)).output().unwrap());
            assert!(matches!(ran.code, Some(0 | 1 | 3 | 4)), "{words:?}: {ran:?}");
            assert!(stamps(input) == stamped, "{words:?} changed what it read");
        }
        assert!(tree(input) == before, "bytes were changed, and the times put back");
        unseal(input);
    }
}

/// A partition of some megabytes with a damaged batch in the middle.
fn large(path: &Path) {
    fs::create_dir_all(path).unwrap();
    let mut log = Vec::new();
    for number in 0..16 {
        let mut batch = Made::two(2 * number);
        batch.records[0].3 = vec![number as u8; 128 << 10];
        log.extend(batch.bytes());
    }
    let middle = log.len() / 2;
    log[middle..middle + 9].copy_from_slice(b"not so...");
    fs::write(path.join(LOG), log).unwrap();
}

#[test]
fn a_killed_repair_leaves_nothing_or_a_whole_copy() {
    let temp = tempfile::tempdir().unwrap();
    let (from, to) = (temp.path().join("t-0"), temp.path().join("out"));
    large(&from);
    let repair = || {
        let mut command = strandline(&["repair", "--to"]);
        command.arg(&to).arg(&from).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let started = Instant::now();
    assert_eq!(repair().status().unwrap().code(), Some(0));
    let took = started.elapsed();
    let whole = names(&to);
    let (mut none, mut all) = (0, 0);
    for step in 0..10_u32 {
        let _ = fs::remove_dir_all(&to);
        let mut child = repair().spawn().unwrap();
        std::thread::sleep(took * step / 8 + Duration::from_micros(100));
        child.kill().unwrap();
        child.wait().unwrap();
        if to.exists() {
            all += 1;
            assert_eq!(names(&to), whole, "killed in step {step}");
            let ran = run(&["verify", "--deep", "--fail-on", "warning", to.to_str().unwrap()]);
            assert_eq!(ran.code, Some(0), "killed in step {step}: {}", ran.stdout);
        } else {
            none += 1;
        }
    }
    // What a killed one left is no obstacle.
    let _ = fs::remove_dir_all(&to);
    assert_eq!(repair().status().unwrap().code(), Some(0));
    assert_eq!(names(&to), whole);
    assert!(none > 0, "none was killed in time: {all} of {}", none + all);
    println!("layer=command.killed-repair runs={} whole={all} none={none} failures=0", none + all);
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A browser without a window, if there is one.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name))).find(|it| it.exists())
}

#[test]
fn a_report_opens_in_a_browser() {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium on this machine to open the report in");
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let (page, shot) = (temp.path().join("report.html"), temp.path().join("shot.png"));
    assert_eq!(run(&["report", "--to", page.to_str().unwrap(), "basic-0", "crc-0"]).code, Some(4));
    for (size, extra) in [("1200,900", ""), ("390,844", "--force-dark-mode")] {
        let mut command = Command::new(&browser);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        command.args(["--virtual-time-budget=2000", &format!("--window-size={size}")]);
        command.arg(format!("--user-data-dir={}", temp.path().join("profile").display()));
        command.arg(format!("--screenshot={}", shot.display()));
        command.args(Some(extra).filter(|extra| !extra.is_empty()));
        let output = command.arg(format!("file://{}", page.display())).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let picture = fs::read(&shot).unwrap();
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 10_000,
            "{} bytes",
            picture.len()
        );
    }
    let mut command = Command::new(&browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    let output = command.arg(format!("file://{}", page.display())).output().unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        dom.contains("<svg") && dom.contains("crc-0") && dom.contains("batch CRC mismatch"),
        "{dom}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn who_reads_politely_has_ionice_put_it_in_the_idle_class() {
    let dir = tempfile::tempdir().unwrap();
    let asked = dir.path().join("asked");
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let verify = |args: &[&str]| {
        let mut command = strandline(&[&["verify", "basic-0"], args].concat());
        command.env("PATH", &path).env("STRANDLINE_TEST_ASKED", &asked);
        assert_eq!(command.output().unwrap().status.code(), Some(0), "{args:?}");
        fs::read_to_string(&asked).ok()
    };
    assert_eq!((verify(&[]), verify(&["--no-polite"])), (None, None));
    let words = verify(&["--polite"]).unwrap();
    assert!(words.starts_with("-c 3 -p ") && words.trim_end().len() > 8, "{words:?}");
    // Without it nothing is missing.
    let without = strandline(&["verify", "--polite", "basic-0"]).env("PATH", "").output().unwrap();
    assert_eq!(without.status.code(), Some(0), "{without:?}");
}
