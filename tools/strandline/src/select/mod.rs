//! Which records are meant: ranges of offsets and times, places, counts, and filters.

mod filter;
mod json_path;
mod pattern;
mod range;

pub(crate) use filter::{Filter, Kinds, Verdict, size_of};
pub(crate) use range::Range;

use crate::exit::{Failure, Result};
use crate::time;
use filter::SizeRule;
use json_path::JsonRule;
use pattern::{HeaderRule, Rule};
use range::{Offsets, OneOf};

/// The options that say it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub(crate) struct Select {
    /// The record at this offset
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    #[arg(conflicts_with_all = ["from", "until", "offsets"])]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offset: Option<i64>,

    /// From this offset on
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,

    /// Up to this offset, which is not among them
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    until: Option<i64>,

    /// Offsets 1000:2000 (the last not among them), 1000:+50, :2000, -20: (from the end), 1000
    #[arg(short = 'O', value_name = "RANGE", allow_hyphen_values = true, id = "offsets")]
    #[arg(conflicts_with_all = ["from", "until"])]
    offsets: Option<Offsets>,

    /// Times 2024-05-01T10:00Z..10:05Z (the last not among them; without Z in --tz), -15m..,
    /// @MS:@MS
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    time: Option<String>,

    /// Only the segment that begins at this offset
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    pub(crate) segment: Option<i64>,

    /// Only the batch at this byte of a file
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    pub(crate) position: Option<u64>,

    /// At most so many
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<u64>,

    /// Leave out so many at the beginning
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    #[arg(hide_short_help = true)]
    pub(crate) skip: u64,

    /// Every so manieth: 1/1000
    #[arg(long, value_name = "1/N", hide_short_help = true)]
    sample: Option<OneOf>,

    /// A key: text, /regex/, hex:…, b64:… or null; ! before it negates; several are or-ed
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    key: Vec<Rule>,

    /// The same for values: text is all of a value, /regex/ a part of it
    #[arg(long, value_name = "V", allow_hyphen_values = true, hide_short_help = true)]
    value: Vec<Rule>,

    /// Keys that begin with this text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, hide_short_help = true)]
    key_prefix: Vec<String>,

    /// Values that are JSON in which this holds: '.user.id==42' (== != < <= > >=)
    #[arg(long, value_name = "RULE", hide_short_help = true)]
    value_json: Vec<JsonRule>,

    /// Records with a header of this name, or with this value in it: k, k=v, k=/regex/
    #[arg(long, value_name = "NAME[=V]", hide_short_help = true)]
    header: Vec<HeaderRule>,

    /// Batches of this producer
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    producer_id: Vec<i64>,

    /// Batches of a producer in this epoch
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    epoch: Vec<i16>,

    /// Batches of this leader epoch
    #[arg(long, value_name = "N", allow_negative_numbers = true, hide_short_help = true)]
    leader_epoch: Vec<i32>,

    /// Batches of this codec: none, gzip, snappy, lz4, zstd; ! before it negates
    #[arg(long, value_name = "CODEC", hide_short_help = true)]
    pub(crate) codec: Vec<String>,

    /// data, control, commit, abort, tombstone, txn; ! before it negates
    #[arg(long, value_name = "KIND", hide_short_help = true)]
    kind: Vec<Kinds>,

    /// Records whose key, value and headers take so much: '>1MiB', '<=100', 1KiB..1MiB
    #[arg(long, value_name = "RULE", hide_short_help = true)]
    size: Option<SizeRule>,

    /// committed leaves out records of open and aborted transactions
    #[arg(long, value_name = "WHICH", default_value = "uncommitted", hide_short_help = true)]
    #[arg(hide_default_value = true)]
    pub(crate) isolation: Isolation,
}

/// Whether records of open and aborted transactions are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Isolation {
    Committed,
    Uncommitted,
}

impl Select {
    /// Whether no option leaves a record out.
    pub(crate) fn means_all(&self) -> bool {
        let places = self.offset.is_some()
            || self.from.is_some()
            || self.until.is_some()
            || self.offsets.is_some()
            || self.time.is_some()
            || self.segment.is_some()
            || self.position.is_some();
        let records = !self.key.is_empty()
            || !self.value.is_empty()
            || !self.key_prefix.is_empty()
            || !self.value_json.is_empty()
            || !self.header.is_empty();
        let batches = !self.producer_id.is_empty()
            || !self.epoch.is_empty()
            || !self.leader_epoch.is_empty()
            || !self.codec.is_empty()
            || !self.kind.is_empty();
        !(places || self.counts() || records || batches || self.size.is_some())
    }

    /// The range, of a log that ends at `end`; that is asked for only if the range counts from it.
    pub(crate) fn range(&self, end: impl FnOnce() -> Result<i64>) -> Result<Range> {
        let mut range = Range::default();
        if let Some(offset) = self.offset {
            (range.first, range.end) = (offset, offset.saturating_add(1));
        }
        range.first = range.first.max(self.from.unwrap_or(0));
        range.end = range.end.min(self.until.unwrap_or(i64::MAX));
        if let Some(offsets) = &self.offsets {
            let end = if offsets.counts_from_the_end() { end()? } else { 0 };
            (range.first, range.end) = offsets.resolve(end);
        }
        if let Some(text) = &self.time {
            let (from, until) = time::parse_range(text, time::now_ms()).map_err(Failure::usage)?;
            (range.from_ms, range.until_ms) = (from, until);
        }
        Ok(range)
    }

    /// The filters.
    ///
    /// # Errors
    ///
    /// Usage, if a codec is none.
    pub(crate) fn filter(&self) -> Result<Filter<'_>> {
        Filter::new(self)
    }

    /// The filters but for `--codec`, where that is what is to be written.
    pub(crate) fn filter_of_any_codec(&self) -> Filter<'_> {
        Filter::of_any_codec(self)
    }

    /// Counts records off that pass everything else.
    pub(crate) fn counter(&self) -> Counter {
        let sample = self.sample.map_or(1, |sample| sample.0);
        Counter { seen: 0, given: 0, skip: self.skip, sample, limit: self.limit }
    }

    /// Whether which records are given depends on those before them.
    pub(crate) fn counts(&self) -> bool {
        self.limit.is_some() || self.skip > 0 || self.sample.is_some()
    }
}

/// Lets records through by their number among those that pass the filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    seen: u64,
    /// How many were let through.
    pub(crate) given: u64,
    skip: u64,
    sample: u64,
    limit: Option<u64>,
}

impl Counter {
    /// Lets everything through.
    pub(crate) fn everything() -> Counter {
        Counter { seen: 0, given: 0, skip: 0, sample: 1, limit: None }
    }

    /// Leaves so many out at the beginning.
    pub(crate) fn behind(skip: u64) -> Counter {
        Counter { skip, ..Counter::everything() }
    }

    /// Whether the next one is given.
    pub(crate) fn take(&mut self) -> bool {
        let number = self.seen;
        self.seen += 1;
        let wanted = number >= self.skip && (number - self.skip).is_multiple_of(self.sample);
        let taken = wanted && !self.is_enough();
        self.given += u64::from(taken);
        taken
    }

    /// Whether nothing more is given.
    pub(crate) fn is_enough(&self) -> bool {
        self.limit.is_some_and(|limit| self.given >= limit)
    }
}
