//! How fast files are read, and that what is read does not push out what others need: for machines
//! that have more to do. It holds for the whole process.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use strandline::{LogFile, LogPiece, LogPieces};

use crate::global::Global;

/// From so many bytes on the system is told that what was read is not needed again, unless
/// something else is said.
const POLITE_FROM: u64 = 256 << 20;
/// So much is read between two words to the system.
const STEP: u64 = 4 << 20;

static PACE: OnceLock<Pace> = OnceLock::new();

struct Pace {
    rate: Option<u64>,
    most_batch_bytes: u64,
    /// From how many bytes on.
    polite_from: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: Option<Instant>,
    done: u64,
    open: Option<(PathBuf, File)>,
    /// Whether the system was asked to serve others first.
    is_idle_class: bool,
}

/// Takes over what the command line says.
pub(crate) fn set(global: &Global) {
    let polite_from = match (global.polite, global.no_polite) {
        (true, _) => 0,
        (_, true) => u64::MAX,
        _ => POLITE_FROM,
    };
    let most_batch_bytes = global.max_batch_bytes;
    let mut state = State::default();
    if polite_from == 0 {
        state.let_others_go_first();
    }
    // Nobody set it before.
    let _ = PACE.set(Pace {
        rate: global.rate,
        most_batch_bytes,
        polite_from,
        state: Mutex::new(state),
    });
}

/// A stretch of a file was read and is done with. Waits, if that was too fast.
pub(crate) fn passed(path: &Path, stretch: Range<u64>) {
    let Some(pace) = PACE.get() else { return };
    let wait = pace.passed(path, stretch);
    if !wait.is_zero() {
        std::thread::sleep(wait);
    }
}

impl Pace {
    /// How long to wait.
    fn passed(&self, path: &Path, stretch: Range<u64>) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let started = *state.started.get_or_insert_with(Instant::now);
        state.done += stretch.end.saturating_sub(stretch.start);
        if state.done >= self.polite_from {
            state.let_others_go_first();
            state.drop_pages(path, stretch);
        }
        let Some(rate) = self.rate else { return Duration::ZERO };
        let due = Duration::from_secs_f64(state.done as f64 / rate.max(1) as f64);
        due.saturating_sub(started.elapsed())
    }
}

impl State {
    /// Puts the disk work of this process in the idle class, the first time that it is asked for.
    fn let_others_go_first(&mut self) {
        if !std::mem::replace(&mut self.is_idle_class, true) {
            idle_class();
        }
    }

    fn drop_pages(&mut self, path: &Path, stretch: Range<u64>) {
        if self.open.as_ref().is_none_or(|(open, _)| open != path) {
            self.open = super::open(path).ok().map(|file| (path.to_path_buf(), file));
        }
        if let Some((_, file)) = &self.open {
            not_needed(file, stretch);
        }
    }
}

/// Has `ionice` put all threads in the idle class; those that they start are in it too. The system's
/// call for that has no safe wrapper that is kept. Where there is no `ionice`, nothing changes.
#[cfg(target_os = "linux")]
fn idle_class() {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return };
    let threads = tasks.filter_map(Result::ok).map(|task| task.file_name());
    let mut ionice = Command::new("ionice");
    ionice.args(["-c", "3", "-p"]).args(threads);
    let _ = ionice.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

#[cfg(not(target_os = "linux"))]
fn idle_class() {}

/// Says that pages of a file are not needed again; those that somebody changed stay.
#[cfg(target_os = "linux")]
fn not_needed(file: &File, stretch: Range<u64>) {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let (from, len) = (stretch.start as i64, (stretch.end - stretch.start) as i64);
    // It is advice: what cannot be followed does no harm.
    let _ = posix_fadvise(file, from, len, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

#[cfg(not(target_os = "linux"))]
fn not_needed(_: &File, _: Range<u64>) {}

/// The pieces of a `.log`, as fast and as large as is allowed.
pub(crate) struct Pieces<'a> {
    of: LogPieces<'a>,
    path: &'a Path,
    told: u64,
}

impl<'a> Pieces<'a> {
    /// Those of the file at `path` from a position on.
    pub(crate) fn of(log: &'a LogFile, path: &'a Path, from: u64) -> Pieces<'a> {
        let most = PACE.get().map_or(u64::MAX, |pace| pace.most_batch_bytes);
        Pieces { of: log.pieces_from(from).max_batch_bytes(most), path, told: from }
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(crate) fn next_piece(&mut self) -> strandline::Result<Option<LogPiece<'_>>> {
        let piece = self.of.next_piece()?;
        let end = piece.as_ref().map_or(self.told, |piece| piece.position);
        if end >= self.told + STEP {
            passed(self.path, self.told..end);
            self.told = end;
        }
        Ok(piece)
    }
}

/// A rate: bytes in a second, `200MB/s`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let rate = crate::common::size64(text.strip_suffix("/s").unwrap_or(text))?;
    if rate == 0 { Err("more than nothing in a second is wanted".to_owned()) } else { Ok(rate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rate: Option<u64>, polite_from: u64) -> Pace {
        // These tests' own disk work stays as it is.
        let state = Mutex::new(State { is_idle_class: true, ..State::default() });
        Pace { rate, most_batch_bytes: u64::MAX, polite_from, state }
    }

    #[test]
    fn who_reads_too_fast_waits_for_the_rest_of_the_time() {
        let pace = at(Some(1 << 20), u64::MAX);
        let first = pace.passed(Path::new("/nowhere"), 0..1 << 20);
        assert!(first > Duration::from_millis(900) && first <= Duration::from_secs(1), "{first:?}");
        let second = pace.passed(Path::new("/nowhere"), 1 << 20..2 << 20);
        assert!(second > first && second <= Duration::from_secs(2), "{second:?}");
        let free = at(None, 0);
        assert_eq!(free.passed(Path::new("/nowhere"), 0..1 << 40), Duration::ZERO);
    }

    #[test]
    fn rates_are_bytes_in_a_second() {
        assert_eq!(rate("200MB/s"), Ok(200_000_000));
        assert_eq!(rate("1MiB"), Ok(1 << 20));
        for wrong in ["", "0", "fast", "1MB/h"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
