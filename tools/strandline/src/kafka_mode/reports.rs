//! What is wrong with the files, said on stderr when all of them have been shown.

use std::fmt::Write as _;

use crate::internal::Release;

/// Pairs of numbers that do not fit, file by file.
pub(super) struct Pairs {
    release: Release,
    of: Vec<(String, Vec<(i64, i64)>)>,
}

impl Pairs {
    pub(super) fn new(release: Release) -> Pairs {
        Pairs { release, of: Vec::new() }
    }

    /// Adds a pair of the file at that path.
    pub(super) fn add(&mut self, path: &str, first: i64, second: i64) {
        match self.of.iter_mut().find(|(own, _)| own == path) {
            Some((_, pairs)) => pairs.push((first, second)),
            None => self.of.push((path.to_owned(), vec![(first, second)])),
        }
    }

    /// The files, each with its pairs in the order in which they are shown: in 4.3 by the first
    /// number, of which only the last pair is kept, in 3.9 the newest first.
    fn sorted(mut self) -> Vec<(String, Vec<(i64, i64)>)> {
        for (_, pairs) in &mut self.of {
            match self.release {
                Release::V3 => pairs.reverse(),
                Release::V4 => {
                    // Stable: of equal ones the last comes first, and stays.
                    pairs.reverse();
                    pairs.sort_by_key(|(first, _)| *first);
                    pairs.dedup_by_key(|(first, _)| *first);
                }
            }
        }
        self.of
    }
}

/// All that is reported.
pub(super) struct Reports {
    release: Release,
    pub(super) index: Pairs,
    pub(super) gaps: Pairs,
    pub(super) times: Vec<(String, TimeFault)>,
}

/// What is wrong with an entry of a time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeFault {
    Mismatch { index: i64, log: i64 },
    Order { index: i64, before: i64 },
    NotFound { index: i64, log: i64 },
}

impl Reports {
    pub(super) fn new(release: Release) -> Reports {
        let (index, gaps) = (Pairs::new(release), Pairs::new(release));
        Reports { release, index, gaps, times: Vec::new() }
    }

    /// All of it as text.
    pub(super) fn text(self) -> String {
        let mut text = String::new();
        let release = self.release;
        for (path, mut pairs) in self.index.sorted() {
            let _ = writeln!(text, "Mismatches in :{path}");
            if release == Release::V4 {
                pairs.reverse();
            }
            for (index, log) in pairs {
                let _ = writeln!(text, "  Index offset: {index}, log offset: {log}");
            }
        }
        times(&self.times, release, &mut text);
        for (path, pairs) in self.gaps.sorted() {
            let _ = writeln!(text, "Non-consecutive offsets in {path}");
            for (first, second) in pairs {
                let _ = writeln!(text, "  {first} is followed by {second}");
            }
        }
        text
    }
}

fn times(faults: &[(String, TimeFault)], release: Release, text: &mut String) {
    by_file(
        faults,
        text,
        |path| format!("Found timestamp mismatch in :{path}"),
        |fault| match fault {
            TimeFault::Mismatch { index, log } => {
                Some(format!("  Index timestamp: {index}, log timestamp: {log}"))
            }
            _ => None,
        },
    );
    by_file(
        faults,
        text,
        |path| format!("Found out of order timestamp in :{path}"),
        |fault| match fault {
            TimeFault::Order { index, before } => {
                Some(format!("  Index timestamp: {index}, Previously indexed timestamp: {before}"))
            }
            _ => None,
        },
    );
    let title = |path: &str| match release {
        Release::V3 => "The following indexed offsets are not found in the log.".to_owned(),
        Release::V4 => format!("The following indexed offsets are not found in :{path}"),
    };
    by_file(faults, text, title, |fault| match fault {
        TimeFault::NotFound { index, log } => {
            Some(format!("Indexed offset: {index}, found log offset: {log}"))
        }
        _ => None,
    });
}

/// Appends the faults that `say` has words for, under a title for each file.
fn by_file(
    faults: &[(String, TimeFault)],
    text: &mut String,
    title: impl Fn(&str) -> String,
    say: impl Fn(&TimeFault) -> Option<String>,
) {
    let mut files: Vec<&str> = Vec::new();
    for (path, fault) in faults {
        if say(fault).is_some() && !files.contains(&path.as_str()) {
            files.push(path);
        }
    }
    for file in files {
        let _ = writeln!(text, "{}", title(file));
        for line in faults.iter().filter(|(path, _)| path == file).filter_map(|(_, f)| say(f)) {
            let _ = writeln!(text, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_tool_sorts_and_keeps_the_last_the_older_shows_all_newest_first() {
        let gaps = |release| {
            let mut reports = Reports::new(release);
            for (first, second) in [(5, 0), (2, 9), (5, 7)] {
                reports.gaps.add("/a", first, second);
            }
            reports.text()
        };
        assert_eq!(
            gaps(Release::V4),
            "Non-consecutive offsets in /a\n  2 is followed by 9\n  5 is followed by 7\n"
        );
        assert_eq!(
            gaps(Release::V3),
            "Non-consecutive offsets in /a\n  5 is followed by 7\n  2 is followed by 9\n  5 is \
             followed by 0\n"
        );
    }
}
