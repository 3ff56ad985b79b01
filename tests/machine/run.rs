//! Starting this test binary again as a child, doing many things at a time, and saying how it went.

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Tells a child what it is: its role and the words that it needs, one a line.
pub(crate) const CHILD: &str = "STRANDLINE_CHILD";

/// This test binary as a child with that role, beneath the program and arguments in `before`.
pub(crate) fn child_beneath(before: &[&str], role: &[&str]) -> Command {
    let own = std::env::current_exe().expect("this test").into_os_string();
    let harness = ["child", "--exact", "--nocapture", "--ignored", "--test-threads=1"];
    let mut words = before.iter().map(OsString::from).chain([own]).chain(harness.map(Into::into));
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).env(CHILD, role.join("\n")).stdin(Stdio::null());
    // Cargo's, which this binary does not need: each directory in it costs calls at the start.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

pub(crate) fn child(role: &[&str]) -> Command {
    child_beneath(&[], role)
}

/// A path as a word of a role.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs a child to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Fails with all that a child said, unless it ended well.
#[track_caller]
pub(crate) fn assert_well(what: &str, output: &Output) {
    let (out, err) = (lossy(&output.stdout), lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a child said by [`say`]. Whatever else is there is the test harness's.
pub(crate) fn said(output: &[u8]) -> Vec<String> {
    lossy(output).lines().filter_map(|line| Some(line.strip_prefix("| ")?.to_owned())).collect()
}

/// Says a line to the parent: one write, so that a killed child has said it whole or not at all.
pub(crate) fn say(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("| {line}\n").as_bytes());
}

/// A loop's own line. Not by `println!`, which a test harness keeps to itself.
fn report(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Says why a layer does not run.
pub(crate) fn skip(layer: &str, why: &str) {
    report(&format!("layer={layer} skipped: {why}"));
}

/// A layer under way.
pub(crate) struct Layer {
    name: &'static str,
    since: Instant,
}

impl Layer {
    pub(crate) fn new(name: &'static str) -> Layer {
        Layer { name, since: Instant::now() }
    }

    /// Says how it went; `distinct` says how many of the runs differed in what they saw.
    pub(crate) fn done(&self, runs: usize, distinct: usize) {
        let (name, seconds) = (self.name, self.since.elapsed().as_secs_f64());
        report(&format!(
            "layer={name} runs={runs} distinct={distinct} failures=0 seconds={seconds:.1}"
        ));
    }
}

/// A directory of its own, in memory where there is such a file system: for what asks no disk.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

/// A number from the environment.
pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Does the same to everything, on as many threads as there are processors; the answers, unordered.
/// Fails once all is done, with what failed first and how many did.
#[track_caller]
pub(crate) fn at_once<T: Sync, A: Send>(all: &[T], work: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = catch_unwind(AssertUnwindSafe(|| work(one)));
                    answers.lock().unwrap().push(answer);
                }
            });
        }
    });
    let (well, failed): (Vec<_>, Vec<_>) =
        answers.into_inner().unwrap().into_iter().partition(Result::is_ok);
    assert!(failed.is_empty(), "{} of {} runs failed, see above", failed.len(), all.len());
    well.into_iter().flatten().collect()
}

/// Whether a program can be started and ends well.
pub(crate) fn can(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Why there can be no mounts of our own; none if there can.
pub(crate) fn no_mounts() -> Option<&'static str> {
    let ours = ["-m", "mount", "-t", "tmpfs", "none", "/tmp"];
    (!can("unshare", &ours)).then_some("mounting needs root and unshare")
}
