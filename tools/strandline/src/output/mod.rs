//! What is written: standard output in large pieces, and the forms of records.

pub(crate) mod decode;
pub(crate) mod destination;
pub(crate) mod escape;
pub(crate) mod format;
pub(crate) mod grid;
pub(crate) mod human;
pub(crate) mod json;
mod pager;
pub(crate) mod plot;
pub(crate) mod record;
pub(crate) mod style;

use std::io::{IsTerminal, Write};

use crate::exit::{Failure, Result};
use crate::global::Global;
use pager::Sink;
use style::Style;

/// A pipe that takes a whole write lets both of its ends work on without waiting for the other. What
/// is no pipe, or may not be as large, stays as it is.
fn widen(stdout: &std::io::Stdout) {
    #[cfg(target_os = "linux")]
    let _ = nix::fcntl::fcntl(stdout, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
}

/// What an ordinary user's pipe may hold (`/proc/sys/fs/pipe-max-size`).
#[cfg(target_os = "linux")]
const PIPE_BYTES: i32 = 1 << 20;

/// Bytes that are gathered for one write.
const GATHER_BYTES: usize = 256 << 10;

/// Standard output. Lines are put into [`Out::line`]; [`Out::settle`] after each.
pub(crate) struct Out {
    gathered: Vec<u8>,
    sink: Sink,
    /// The terminal's columns, if it is one.
    pub(crate) width: Option<usize>,
    pub(crate) style: Style,
}

impl Out {
    pub(crate) fn new(global: &Global) -> Out {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        widen(&stdout);
        let size = if is_terminal { terminal_size::terminal_size_of(&stdout) } else { None };
        Out {
            gathered: Vec::with_capacity(GATHER_BYTES + (64 << 10)),
            sink: Sink::Stdout(stdout),
            width: size.map(|(width, _)| usize::from(width.0)),
            style: Style::detect(is_terminal, global.color),
        }
    }

    /// The same, a page at a time if somebody sits there: for verbs whose output is long.
    pub(crate) fn paged(global: &Global) -> Out {
        Out { sink: Sink::paged(global), ..Out::new(global) }
    }

    /// Standard output, as if it were no terminal.
    pub(crate) fn plain() -> Out {
        let stdout = std::io::stdout();
        widen(&stdout);
        Out {
            gathered: Vec::with_capacity(GATHER_BYTES + (64 << 10)),
            sink: Sink::Stdout(stdout),
            width: None,
            style: Style::PLAIN,
        }
    }

    /// Where lines are appended, each with its end.
    pub(crate) fn line(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// Appends a line.
    pub(crate) fn text(&mut self, line: impl std::fmt::Display) -> Result<()> {
        // Writing to a vector cannot fail.
        let _ = writeln!(self.gathered, "{line}");
        self.settle()
    }

    /// Appends a line that must not wrap: what the terminal has no room for is cut off.
    pub(crate) fn row(&mut self, line: impl std::fmt::Display) -> Result<()> {
        let start = self.gathered.len();
        let _ = write!(self.gathered, "{line}");
        human::fit(start, self.width, self.style, &mut self.gathered);
        self.gathered.push(b'\n');
        self.settle()
    }

    /// Appends what others have gathered.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.gathered.len() + bytes.len() >= GATHER_BYTES {
            self.flush()?;
        }
        if bytes.len() < GATHER_BYTES {
            self.gathered.extend_from_slice(bytes);
            return Ok(());
        }
        let written = self.sink.write(bytes);
        written.map_err(|error| Failure::output(&error))
    }

    /// Writes what was gathered, once it is enough.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.gathered.len() < GATHER_BYTES { Ok(()) } else { self.flush() }
    }

    /// Writes all that was gathered.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let written = self.sink.write(&self.gathered);
        self.gathered.clear();
        written.map_err(|error| Failure::output(&error))
    }
}
