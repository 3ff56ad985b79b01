//! Running a test's body in a child of little memory and little time.

use std::process::Command;

/// The address space of a child.
pub(crate) const MEMORY_KIB: u32 = 256 << 10;
/// Seconds of processor time after which it is taken for endless.
const SECONDS: u32 = 30;
const CHILD: &str = "STRANDLINE_HOSTILE";

/// Runs `body` in a child that runs the test of this name alone.
#[track_caller]
pub(crate) fn confined(test: &str, body: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return body();
    }

    let shell = format!("ulimit -v {MEMORY_KIB} && ulimit -t {SECONDS} && exec \"$@\"");
    let exe = std::env::current_exe().unwrap();
    let run = Command::new("sh")
        .args(["-c", &shell, "sh"])
        .arg(exe)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{test}: {}\n{out}\n{err}", run.status);
    assert!(out.contains("1 passed"), "{test} is not the name of a test: {out}");
}
