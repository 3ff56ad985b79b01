//! Where output goes: standard output, or a program that shows it a page at a time.

use std::env;
use std::io::{self, IsTerminal, Stdout, Write};
use std::process::{Child, Command, Stdio};

use crate::global::{Global, When};

/// What shows pages where nothing else is asked for: not at all what fits on one screen, colours
/// as they are, long lines cut.
const USUAL: &str = "less -FRSX";

/// Where bytes are written to.
pub(super) enum Sink {
    Stdout(Stdout),
    Pager(Pager),
}

/// A program that shows pages. It is waited for when nothing more comes.
pub(super) struct Pager(Child);

impl Sink {
    /// A pager, if one is asked for or somebody sits at a terminal, and it can be started.
    pub(super) fn paged(global: &Global) -> Sink {
        let stdout = io::stdout();
        if !global.pager.or(stdout.is_terminal()) {
            return Sink::Stdout(stdout);
        }
        let named = ["STRANDLINE_PAGER", "PAGER"].iter().find_map(|name| env::var(name).ok());
        let line = named.unwrap_or_else(|| USUAL.to_owned());
        if (line.trim().is_empty() || line.trim() == "cat") && global.pager == When::Auto {
            return Sink::Stdout(stdout);
        }
        let child = Command::new("sh").args(["-c", &line]).stdin(Stdio::piped()).spawn();
        match child {
            Ok(child) => Sink::Pager(Pager(child)),
            Err(_) => Sink::Stdout(stdout),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Sink::Pager(Pager(child)) => match &mut child.stdin {
                Some(stdin) => stdin.write_all(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
