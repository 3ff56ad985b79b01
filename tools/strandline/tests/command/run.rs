//! Running the command and looking at what it leaves.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What a run left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// Its output lines, which are JSON.
    pub(super) fn json(&self) -> Vec<serde_json::Value> {
        let line =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.stdout.lines().map(line).collect()
    }

    /// The JSON lines of a type.
    pub(super) fn json_of(&self, kind: &str) -> Vec<serde_json::Value> {
        self.json().into_iter().filter(|line| line["type"] == kind).collect()
    }
}

/// The command, to be run beside the fixtures, in an environment that says nothing.
pub(super) fn strandline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strandline"));
    command.args(args).current_dir(fixtures()).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM", "STRANDLINE_DIR", "STRANDLINE_KAFKA_VERSION"]
    {
        command.env_remove(name);
    }
    command
}

/// Where the fixtures are.
pub(super) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Runs the command.
pub(super) fn run(args: &[&str]) -> Ran {
    ran(strandline(args).output().unwrap())
}

/// Runs the command with `input` on its standard input.
pub(super) fn run_with(args: &[&str], input: &[u8]) -> Ran {
    let mut command = strandline(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // It may end without having read it all.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    ran(output)
}

/// What an output says, as text.
pub(super) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
