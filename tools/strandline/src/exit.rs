//! How the command ends: exit codes, and the one line that says why.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use strandline::Error;

use crate::output::escape;
use crate::permission;

/// How the command ended. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    #[default]
    Done = 0,
    /// The answer is no: different, not found, not intact.
    No = 1,
    /// A wrong command line, or input that is not what it should be.
    Usage = 2,
    /// The operating system refused, or something that was named is not there.
    Environment = 3,
    /// Output is incomplete because what was read is damaged.
    Incomplete = 4,
    /// Refused: in use, or not ours to change.
    Refused = 5,
}

impl Exit {
    /// Of several inputs' ends, the one to report: 3 before 4 before 1 before 0.
    pub(crate) fn and(self, other: Exit) -> Exit {
        let rank = |exit: Exit| match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Incomplete => 4,
            Exit::Environment => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why the command cannot go on.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One line; empty if there is nothing to say.
    pub(crate) message: String,
    /// Whether the output is what failed, so that nothing else can be shown either.
    pub(crate) of_output: bool,
}

/// What nearly everything here returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into(), of_output: false }
    }

    pub(crate) fn environment(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Environment, message: message.into(), of_output: false }
    }

    /// A file or directory that cannot be read or written.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Failure {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => permission::advice(path),
            _ => String::new(),
        };
        Failure::environment(format!("cannot {doing} {}: {}{advice}", name_of(path), why(error)))
    }

    /// Standard output cannot be written. Nobody reads it any more: that is no failure.
    pub(crate) fn output(error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure { exit: Exit::Done, message: String::new(), of_output: true };
        }
        let message = format!("cannot write the output: {}", why(error));
        Failure { exit: Exit::Environment, message, of_output: true }
    }

    /// The same failure, and what to do about it or what it leaves.
    pub(crate) fn and(mut self, more: impl Display) -> Failure {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// The same failure, at a place.
    pub(crate) fn at(mut self, place: impl Display) -> Failure {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = match &error {
            Error::Corrupt { .. } | Error::Truncated { .. } => Exit::Incomplete,
            Error::Locked { .. } | Error::NeedsAdopt(_) | Error::ReadOnly => Exit::Refused,
            Error::OffsetOutOfRange { .. }
            | Error::RecordTooLarge { .. }
            | Error::BatchTooLarge { .. }
            | Error::InvalidRecord(_)
            | Error::InvalidTimestamp(_)
            | Error::PolicyViolation(_)
            | Error::Invalid(_) => Exit::Usage,
            _ => Exit::Environment,
        };
        if let Error::Io { doing, path, source } = &error {
            return Failure::io(doing, path, source);
        }
        Failure { exit, message: escape::one_line(&error.to_string()), of_output: false }
    }
}

/// A path for a message.
pub(crate) fn name_of(path: &Path) -> String {
    escape::one_line(&path.display().to_string())
}

/// What the operating system said, as a person would.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::StorageFull => "no space left on the device".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::UnexpectedEof => "it became shorter while it was read".to_owned(),
        _ => {
            let said = error.to_string();
            // What files are opened with refuses links, for which the system has odd words.
            if said.starts_with("Too many levels of symbolic links") {
                return "it is a symbolic link, and none is followed".to_owned();
            }
            escape::one_line(said.split(" (os error ").next().unwrap_or(&said))
        }
    }
}

/// Writes a line about what went wrong, or may have. That nobody reads it is no reason to stop.
pub(crate) fn complain(severity: &str, message: impl Display) {
    use io::Write;
    let _ = writeln!(io::stderr().lock(), "{severity}: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_ends_the_environment_comes_before_damage_before_the_rest() {
        assert_eq!(Exit::No.and(Exit::Done), Exit::No);
        assert_eq!(Exit::No.and(Exit::Incomplete), Exit::Incomplete);
        assert_eq!(Exit::Done.and(Exit::Incomplete), Exit::Incomplete);
        assert_eq!(Exit::Incomplete.and(Exit::Environment), Exit::Environment);
        assert_eq!(Exit::Environment.and(Exit::Incomplete), Exit::Environment);
        assert_eq!(Exit::Usage.and(Exit::Done), Exit::Usage);
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        let quiet = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((quiet.exit, quiet.message.as_str()), (Exit::Done, ""));
        let full = Failure::output(&io::ErrorKind::StorageFull.into());
        assert_eq!(full.exit, Exit::Environment);
    }

    #[test]
    fn what_the_system_says_is_said_in_words() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        std::fs::write(&file, "").unwrap();
        let said = [std::fs::read(temp.path()), std::fs::read(file.join("below"))]
            .map(|read| why(&read.unwrap_err()));
        assert_eq!(said, ["it is a directory", "not a directory"]);
        std::os::unix::fs::symlink("loop", temp.path().join("loop")).unwrap();
        let looped = std::fs::read(temp.path().join("loop")).unwrap_err();
        assert_eq!(why(&looped), "it is a symbolic link, and none is followed");
        assert_eq!(why(&io::Error::from_raw_os_error(5)), "Input/output error");
    }

    #[test]
    fn errors_of_the_library_have_the_exit_code_that_a_script_expects() {
        let codes = [
            (Error::NotFound("topic x".to_owned()), Exit::Environment),
            (Error::Invalid("a name".to_owned()), Exit::Usage),
            (Error::Locked { path: "d".into(), pid: Some(7) }, Exit::Refused),
            (Error::NeedsAdopt("d".into()), Exit::Refused),
            (Error::RecordTooLarge { size: 2, limit: 1 }, Exit::Usage),
            (Error::OffsetOutOfRange { wanted: 9, log_start: 0, log_end: 1 }, Exit::Usage),
        ];
        for (error, exit) in codes {
            assert_eq!(Failure::from(error.clone()).exit, exit, "{error}");
        }
    }
}
