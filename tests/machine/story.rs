//! What a child said that it did, and what a log must hold for it.
//!
//! The child says each thing before it begins and again when it is done; one that was killed in
//! between, or that met an error, may have happened or not. So a story knows what is sure, what may
//! be, and nothing else may be there.

use std::collections::{BTreeMap, BTreeSet};

use strandline::{Error, FetchOptions, Log};

/// Why a log can not be what a story says.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It cannot be read.
    Error(Error),
    /// It holds something else.
    Found(String),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Wrong::Error(error)
    }
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Wrong::Found(why)
    }
}

/// What is sure to be in a log, and what may be.
#[derive(Debug, Default)]
pub(crate) struct Story {
    sure: BTreeMap<i64, String>,
    /// Values that may be there, and where.
    unsure: BTreeMap<String, Bound>,
    /// The least and the highest that the log start may be.
    start: (i64, i64),
    /// What is under way.
    begun: Option<Begun>,
    /// Whether the power was lost: then what was only `Written` is not sure …
    power: bool,
    /// … until something later is durable.
    written: BTreeMap<i64, String>,
    /// Whether the append under way is only to be `Written`.
    writes: bool,
}

/// Where a value may be that is not sure.
#[derive(Clone, Copy, Debug)]
struct Bound {
    at: Option<i64>,
    below: i64,
}

#[derive(Debug)]
enum Begun {
    Append(Vec<String>),
    Truncate(i64),
}

/// What the record `n` of `count` in an append holds.
pub(crate) fn value(append: u64, n: u64, count: u64) -> String {
    format!("{append}/{n}/{count}/{}", "x".repeat(((append * 31 + n * 17) % 90) as usize))
}

pub(crate) fn values(append: u64, count: u64) -> Vec<String> {
    (0..count).map(|n| value(append, n, count)).collect()
}

impl Story {
    pub(crate) fn of(lines: &[String]) -> Story {
        Story::default().told(lines)
    }

    /// What is left of it once the power was lost, after `happened` and somewhere in what was
    /// `begun` since.
    pub(crate) fn after_power_loss(happened: &[String], begun: &[String]) -> Story {
        let story = Story { power: true, ..Story::default() }.told(happened);
        let begins = |line: &&String| {
            ["append ", "truncate ", "start-over ", "delete "]
                .iter()
                .any(|what| line.starts_with(what))
        };
        let mut story = story.told(&begun.iter().filter(begins).cloned().collect::<Vec<_>>());
        story.written.clear();
        story.power = false;
        story
    }

    fn told(mut self, lines: &[String]) -> Story {
        let story = &mut self;
        for line in lines {
            story.tell(line);
        }
        self
    }

    /// Takes in a line.
    pub(crate) fn tell(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<i64>().expect(line);
        match words[0] {
            "append" => {
                let values = values(number(1) as u64, number(2) as u64);
                let anywhere = Bound { at: None, below: i64::MAX };
                self.unsure.extend(values.iter().map(|value| (value.clone(), anywhere)));
                self.begun = Some(Begun::Append(values));
                self.writes = words.get(3) == Some(&"Written");
            }
            "settled" => self.settle(),
            "appended" => self.appended(number(1)),
            "refused" => drop(self.take_appended()),
            "truncate" => {
                self.doubt(number(1));
                self.begun = Some(Begun::Truncate(number(1)));
            }
            "start-over" => {
                self.doubt(0);
                self.start.1 = self.start.1.max(number(1));
            }
            "started-over" => {
                let start = (number(1), number(1));
                *self = Story { start, power: self.power, ..Story::default() };
            }
            "truncated" => {
                let Some(Begun::Truncate(to)) = self.begun.take() else { panic!("{line}") };
                self.unsure.retain(|_, bound| bound.at.is_none_or(|at| at < to));
                for bound in self.unsure.values_mut() {
                    bound.below = bound.below.min(to);
                }
            }
            "delete" => self.start.1 = self.start.1.max(number(1)),
            "deleted" => self.start = (number(1), number(1)),
            _ => {}
        }
    }

    /// What is sure from an offset on is so no more.
    fn doubt(&mut self, from: i64) {
        for (at, value) in self.sure.split_off(&from) {
            self.unsure.insert(value, Bound { at: Some(at), below: i64::MAX });
        }
        self.written.split_off(&from);
    }

    /// All that was written is durable.
    fn settle(&mut self) {
        for (at, value) in std::mem::take(&mut self.written) {
            self.unsure.remove(&value);
            self.sure.insert(at, value);
        }
    }

    fn take_appended(&mut self) -> Vec<String> {
        let Some(Begun::Append(values)) = self.begun.take() else { panic!("no append") };
        self.unsure.retain(|value, _| !values.contains(value));
        values
    }

    fn appended(&mut self, base: i64) {
        if self.power && self.writes {
            for (at, value) in (base..).zip(self.take_appended()) {
                self.unsure.insert(value.clone(), Bound { at: Some(at), below: i64::MAX });
                self.written.insert(at, value);
            }
            return;
        }
        self.settle();
        for (at, value) in (base..).zip(self.take_appended()) {
            let before = self.sure.insert(at, value);
            assert_eq!(before, None, "offset {at} was given twice");
        }
    }

    /// The offset behind what is sure.
    pub(crate) fn end(&self) -> i64 {
        self.sure.last_key_value().map_or(self.start.0, |(at, _)| at + 1)
    }

    /// Says what is wrong with a log, if something is.
    pub(crate) fn check(&self, log: &Log) -> Result<(), Wrong> {
        let start = log.log_start_offset()?;
        let end = log.log_end_offset()?;
        if !(self.start.0..=self.start.1).contains(&start) {
            return Err(format!("the log starts at {start}, not in {:?}", self.start).into());
        }
        if let Some(gap) = log.gap()? {
            return Err(format!("a gap: {gap:?}").into());
        }
        let (mut at, mut expected, mut seen) = (start, start, BTreeSet::new());
        let mut before = None;
        while at < end {
            let fetched = log.fetch(at, FetchOptions::new())?;
            for record in fetched.records() {
                let record = record?;
                let value = String::from_utf8_lossy(record.value().unwrap_or_default());
                if record.offset() != expected {
                    return Err(
                        format!("offset {} where {expected} comes next", record.offset()).into()
                    );
                }
                self.check_record(expected, &value)?;
                if !seen.insert(value.to_string()) {
                    return Err(format!("offset {expected}: {value:?} is there twice").into());
                }
                before = Some(follows(before, &value, expected)?);
                expected += 1;
            }
            at = fetched.next_offset();
        }
        if before.is_some_and(|(_, n, count)| n + 1 != count) {
            return Err(format!("the last batch is not whole: {before:?}").into());
        }
        if expected != end || end < self.end() {
            return Err(format!("read to {expected}, the end is {end}, sure {}", self.end()).into());
        }
        Ok(())
    }

    fn check_record(&self, offset: i64, value: &str) -> Result<(), String> {
        if let Some(wanted) = self.sure.get(&offset) {
            if wanted != value {
                return Err(format!("offset {offset}: {value:?} instead of {wanted:?}"));
            }
            return Ok(());
        }
        let may_be = |bound: &Bound| bound.at.is_none_or(|at| at == offset) && offset < bound.below;
        match self.unsure.get(value) {
            Some(bound) if may_be(bound) => Ok(()),
            bound => Err(format!("offset {offset}: nobody put {value:?} there: {bound:?}")),
        }
    }
}

/// An append, a record's number in it, and how many it has.
type Place = (u64, u64, u64);

/// That a record follows another: a batch is there whole or not at all.
fn follows(before: Option<Place>, value: &str, offset: i64) -> Result<Place, String> {
    let mut words = value.split('/').map_while(|word| word.parse::<u64>().ok());
    let mut word = || words.next().ok_or_else(|| format!("offset {offset}: {value:?}"));
    let place = (word()?, word()?, word()?);
    match before {
        Some((append, n, count)) if n + 1 < count && place != (append, n + 1, count) => {
            Err(format!("offset {offset}: {place:?} inside of batch {append}"))
        }
        Some((_, n, count)) if n + 1 == count && place.1 != 0 => {
            Err(format!("offset {offset}: {place:?} begins a batch"))
        }
        _ => Ok(place),
    }
}
