//! Options that every verb takes.

use std::io::IsTerminal;
use std::path::Path;

use clap::{Args, ValueEnum};

use crate::common::size64;
use crate::exit::{Failure, Result};
use crate::output::decode::{Program, Rule};
use crate::output::format::Format;
use crate::output::record::{Encoding, Field, Redact};
use crate::paths::Kind;
use crate::time::{Form, Times, Zone};

/// No batch is inflated to more unless `--max-inflated` says so.
const MOST_INFLATED: u64 = 4 << 30;

/// How output looks, and what is taken for granted about input.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For every verb")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Global {
    /// auto (human, piped or not), human, jsonl, csv or raw
    #[arg(short = 'o', long, global = true, value_name = "FORM", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    output: Output,

    /// JSON lines, schema strandline/1: the same as -o jsonl
    #[arg(long, global = true)]
    json: bool,

    /// Write each record as this says, \n included: `%o %k=%v\n`; `strandline help dump` has all
    /// the letters
    #[arg(short = 'F', long, global = true, value_name = "FMT", allow_hyphen_values = true)]
    #[arg(value_parser = Format::parse, hide_short_help = true)]
    pub(crate) format: Option<Format>,

    /// Only these fields of records, in this order: offset,timestamp,key,value,headers and so on
    #[arg(long, global = true, value_name = "A,B", value_delimiter = ',', hide_short_help = true)]
    #[arg(hide_possible_values = true)]
    pub(crate) fields: Vec<Field>,

    /// How bytes are written: utf8 (base64 where they are none), base64, hex, json, escape
    #[arg(long, global = true, value_name = "HOW", default_value = "utf8")]
    #[arg(hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    pub(crate) encoding: Encoding,

    /// Read keys or values: key=u32be, value='>Iqs$' (packed numbers), value=confluent
    #[arg(long, global = true, value_name = "WHAT=FORM", value_delimiter = ',')]
    #[arg(hide_short_help = true)]
    pub(crate) decode: Vec<Rule>,

    /// Let a program read keys or values: value='prog args'. Each goes in and comes out behind its
    /// length, four bytes, big-endian; -1 for one that it cannot read
    #[arg(long, global = true, value_name = "WHAT=CMD", hide_short_help = true)]
    pub(crate) decode_cmd: Vec<Program>,

    /// Do not show keys, values or headers; with =sha256 show that of them
    #[arg(long, global = true, value_name = "WHAT[=sha256]", value_delimiter = ',')]
    #[arg(hide_short_help = true)]
    pub(crate) redact: Vec<Redact>,

    /// Write offsets, times and ids as text in JSON, for readers that round large numbers
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) int64_as_string: bool,

    /// What stands for null in CSV [default: nothing]
    #[arg(long, global = true, value_name = "TEXT", default_value = "", hide_short_help = true)]
    #[arg(hide_default_value = true, allow_hyphen_values = true)]
    pub(crate) null: String,

    /// Colours: auto (a terminal gets them), always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    pub(crate) color: When,

    /// Show long output a page at a time: auto (on a terminal), always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    pub(crate) pager: When,

    /// Show on stderr how far long work is: auto (on a terminal), always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    pub(crate) progress: When,

    /// Say only what matters; warnings and notes are left out
    #[arg(short, long, global = true, hide_short_help = true)]
    pub(crate) quiet: bool,

    /// Say more
    #[arg(short, long, global = true, hide_short_help = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Work with so many threads [default: as many as there are processors]
    #[arg(short = 'j', long, global = true, value_name = "N", hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Read no faster than so many bytes in a second: 200MB/s
    #[arg(long, global = true, value_name = "BYTES", value_parser = crate::reading::pace::rate)]
    #[arg(hide_short_help = true)]
    pub(crate) rate: Option<u64>,

    /// Tell the system that what was read is not needed again, so that it pushes nothing else out of
    /// memory, and let other disk work go first (by `ionice`, where there is one): the default from
    /// 256 MiB on
    #[arg(long, global = true, hide_short_help = true, conflicts_with = "no_polite")]
    pub(crate) polite: bool,

    /// Leave what was read in memory, however much it is
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_polite: bool,

    /// The time zone of times for people, shown and given: utc, local, +02:00
    #[arg(long, global = true, value_name = "ZONE", default_value = "utc")]
    #[arg(hide_default_value = true, hide_short_help = true, allow_hyphen_values = true)]
    pub(crate) tz: Zone,

    /// How times look for people: rfc3339, ms, relative
    #[arg(long, global = true, value_name = "FORM", default_value = "rfc3339")]
    #[arg(hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    pub(crate) time_format: Form,

    /// A segment's base offset, where the file's name does not tell
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    #[arg(allow_negative_numbers = true, hide_short_help = true)]
    pub(crate) base_offset: Option<i64>,

    /// What a file is, where its name does not tell: log, index, timeindex, txnindex, snapshot,
    /// checkpoint, manifest, watermark and so on
    #[arg(long = "as", id = "as", global = true, value_name = "KIND")]
    #[arg(hide_possible_values = true, hide_short_help = true)]
    pub(crate) kind: Option<Kind>,

    /// Do not inflate a batch beyond this [default: 4GiB]
    #[arg(long, global = true, value_name = "BYTES", value_parser = size64)]
    #[arg(hide_short_help = true)]
    max_inflated: Option<u64>,

    /// Hold no batch that is larger: where its records are needed it is passed over and told of
    #[arg(long, global = true, value_name = "BYTES", value_parser = size64)]
    #[arg(default_value = "1GiB", hide_default_value = true, hide_short_help = true)]
    pub(crate) max_batch_bytes: u64,

    /// Stop at the first damage, rather than say so and go on behind it
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) strict: bool,
}

/// The verbs that write records in the form that the user says.
const WRITES_RECORDS: &[&str] = &["dump", "tail", "export"];

/// The form of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people, piped or not: the form never switches silently.
    Auto,
    Human,
    Jsonl,
    Csv,
    Raw,
    /// A segment of Kafka's; `export` alone writes it.
    Segment,
    /// A Parquet file; `export` alone writes it.
    Parquet,
}

/// Whether something is done that depends on who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

impl When {
    /// What it comes to where `auto` means this.
    pub(crate) fn or(self, auto: bool) -> bool {
        match self {
            When::Auto => auto,
            When::Always => true,
            When::Never => false,
        }
    }
}

impl Global {
    /// The form that is asked for.
    pub(crate) fn output(&self) -> Output {
        match self.output {
            Output::Auto if self.json => Output::Jsonl,
            Output::Auto => Output::Human,
            output => output,
        }
    }

    /// The same, with the form that the name of a file to write to tells where none is asked for.
    pub(crate) fn of_suffix(&self, to: Option<&Path>) -> Global {
        let mut global = self.clone();
        let suffix = to.and_then(Path::extension).and_then(|suffix| suffix.to_str());
        if self.output == Output::Auto && !self.json && self.format.is_none() {
            global.output = match suffix {
                Some("csv") => Output::Csv,
                Some("jsonl" | "ndjson") => Output::Jsonl,
                Some("parquet") => Output::Parquet,
                _ => Output::Auto,
            };
        }
        global
    }

    /// Whether JSON lines are asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.output() == Output::Jsonl
    }

    /// Refuses a form that a verb does not write.
    ///
    /// # Errors
    ///
    /// Usage, if the form is none of `possible`.
    pub(crate) fn only(&self, verb: &str, possible: &[Output]) -> Result<()> {
        self.only_where_records_are_written(verb)?;
        if possible.contains(&self.output()) {
            return Ok(());
        }
        let name = |output: &Output| {
            output.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let names: Vec<_> = possible.iter().map(name).collect();
        let asked = name(&self.output());
        Err(Failure::usage(format!("{verb} writes {}, not {asked}", names.join(", "))))
    }

    /// Refuses -F and --fields where no records are written.
    fn only_where_records_are_written(&self, verb: &str) -> Result<()> {
        let option = match (&self.format, self.fields.as_slice()) {
            _ if WRITES_RECORDS.contains(&verb) => return Ok(()),
            (Some(_), _) => "-F",
            (None, [_, ..]) => "--fields",
            (None, []) => return Ok(()),
        };
        let why = format!("{verb} has no use for {option}; `strandline dump -r {option} …` has");
        Err(Failure::usage(why))
    }

    /// Refuses to show plain bytes where something must not be shown.
    ///
    /// # Errors
    ///
    /// Usage, with `--redact`.
    pub(crate) fn shows_plain_bytes(&self, verb: &str) -> Result<()> {
        if self.redact.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("{verb} shows plain bytes, which --redact cannot hide")))
    }

    /// Whether keys or values are decoded.
    pub(crate) fn decodes(&self) -> bool {
        !self.decode.is_empty() || !self.decode_cmd.is_empty()
    }

    /// How many threads to work with.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }

    /// Bytes that a batch may be inflated to; none could come from a client of Kafka's that needs
    /// more than 2 GiB, and no buffer holds more than there are addresses.
    pub(crate) fn max_inflated(&self) -> usize {
        let most = self.max_inflated.unwrap_or(MOST_INFLATED);
        usize::try_from(most).unwrap_or(usize::MAX).min(i32::MAX as usize)
    }

    /// Times as they are wanted.
    pub(crate) fn times(&self) -> Times {
        Times::new(self.tz, self.time_format)
    }

    /// Whether progress is shown.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && self.progress.or(std::io::stderr().is_terminal())
    }
}
