//! How far long work is, for whoever sits at the terminal: one line on stderr, cleared at the end.

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use crate::global::Global;
use crate::output::human::{bytes, count};

/// Nothing is shown before.
const QUIET: Duration = Duration::from_secs(1);
/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// The line, drawn only where somebody sees it.
pub(crate) struct Progress {
    started: Instant,
    drawn: Option<Instant>,
    wanted: bool,
}

impl Progress {
    pub(crate) fn new(global: &Global) -> Progress {
        Progress { started: Instant::now(), drawn: None, wanted: global.shows_progress() }
    }

    /// So many records of so many bytes are done, of a total if that is known. Cheap to call often.
    pub(crate) fn at(&mut self, records: u64, done: u64, total: Option<u64>) {
        self.draw(|elapsed| format!("{} records, {}", count(records), line(done, total, elapsed)));
    }

    /// So many bytes are done, and nobody counts records.
    pub(crate) fn bytes_at(&mut self, done: u64, total: Option<u64>) {
        self.draw(|elapsed| line(done, total, elapsed));
    }

    fn draw(&mut self, line: impl FnOnce(Duration) -> String) {
        let elapsed = self.started.elapsed();
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= EVERY);
        if self.wanted && due && elapsed >= QUIET {
            self.drawn = Some(Instant::now());
            let _ = write!(stderr().lock(), "\r\x1b[K{}", line(elapsed));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let mut line = format!("{}, {}/s", bytes(done), bytes(rate as u64));
    if let Some(total) = total.filter(|&total| total >= done && done > 0) {
        let left = Duration::from_secs(((total - done) as f64 / rate) as u64);
        let share = 100.0 * done as f64 / total as f64;
        let _ = std::fmt::Write::write_fmt(
            &mut line,
            format_args!(", {share:.0} %, {}:{:02} left", left.as_secs() / 60, left.as_secs() % 60),
        );
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_rate() {
        let elapsed = Duration::from_secs(2);
        let shown = line(1 << 20, Some(64 << 20), elapsed);
        assert_eq!(shown, "1.0 MiB, 512 KiB/s, 2 %, 2:06 left");
        assert_eq!(line(512, None, elapsed), "512 B, 256 B/s");
    }
}
