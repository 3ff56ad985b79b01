//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use strandline::compression::Compression;

use crate::output::format::Format;

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  2  wrong command line, or input that is not what it should be
  3  the operating system refused, or what was named is not there
  4  output is incomplete because what was read is damaged
  5  refused: in use by another process, or written by Kafka
";

const FORMAT: &str = "\
Format (--format): %o offset, %t topic, %p partition, %k %v key and value (raw; %k{hex}, {base64},
{json}, {utf8}), %K %V their sizes, %h headers (%h{%k=%v;}), %H their number, %d time (%d{%F %T}),
%T milliseconds, %x %y producer id and epoch, %s sequence, %e leader epoch, %c codec, %i running
number, \\n \\t \\xNN %%. What there is not is `-`, and nothing for a null key or value.
";

/// Kafka's log as a directory: make, feed, read and look into it, without a broker.
#[derive(Debug, Parser)]
#[command(name = "strandline", version, arg_required_else_help = true, after_help = EXIT_STATUS)]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The main job on a sample, explained: make, append, close, open, fetch, look
    Tour(TourArgs),
    /// Make, list, describe and delete topics
    #[command(subcommand)]
    Topic(TopicVerb),
    /// Append records to a topic from a file or stdin
    Append(AppendArgs),
    /// Fetch records of a topic, by offset or by time
    #[command(after_help = FORMAT)]
    Fetch(FetchArgs),
    /// Batches, records or index entries of .log, .index and .timeindex files
    Dump(DumpArgs),
}

/// Makes a store of its own, and leaves it to be looked at.
#[derive(Debug, Args)]
pub(crate) struct TourArgs {
    /// Where to make it; if it is there already, DIR-2 and so on [default: strandline-tour]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Which log directory.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The log directory [default: `$STRANDLINE_DIR`, else `strandline-data`]
    #[arg(short, long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl StoreArgs {
    /// The directory that is meant.
    pub(crate) fn dir(&self) -> PathBuf {
        let named = self.dir.clone().or_else(|| {
            std::env::var_os("STRANDLINE_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
        });
        named.unwrap_or_else(|| PathBuf::from("strandline-data"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicVerb {
    /// Make a topic, and the log directory if it is not there
    Create(CreateArgs),
    /// List the topics
    List(ListArgs),
    /// Show partitions, offsets, sizes and settings of one topic or of all
    Describe(DescribeArgs),
    /// Delete a topic with all its records
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic's name: up to 249 of a-z A-Z 0-9 . _ -
    pub(crate) topic: String,

    /// How many partitions
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) partitions: u32,

    /// A setting under Kafka's name, such as segment.bytes=1048576
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) config: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// Write JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic; all of them without it
    pub(crate) topic: Option<String>,

    /// Write JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic's name
    pub(crate) topic: String,
}

/// Appends a record for each line. Nothing is acknowledged before the command says so at its end;
/// a broken line ends it, with everything before that line appended.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic
    pub(crate) topic: String,

    /// A file, decompressed if its name ends in .zst; stdin without it or for -
    pub(crate) file: Option<PathBuf>,

    /// Append to this partition; else the key decides, as in Kafka, and records without a key go
    /// to a partition a batch in turn
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) partition: Option<u32>,

    /// What a line is: a value, or a `record` line as fetch --json writes it
    #[arg(long, value_name = "FORMAT", default_value = "lines")]
    pub(crate) input_format: InputFormat,

    /// Read each line as JSON too, and take the key from this field (a.b reaches into objects)
    #[arg(long, value_name = "FIELD")]
    pub(crate) key_field: Option<String>,

    /// The same for the time: whole milliseconds, or RFC 3339
    #[arg(long, value_name = "FIELD")]
    pub(crate) timestamp_field: Option<String>,

    /// A header for each record
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) header: Vec<(String, String)>,

    /// none, gzip, snappy, lz4 or zstd, with a level behind a colon; else the topic decides
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    pub(crate) codec: Option<Compression>,

    /// Gather records up to so many bytes, uncompressed, for a batch
    #[arg(long, value_name = "N", default_value = "64KiB", value_parser = size)]
    #[arg(allow_negative_numbers = true)]
    pub(crate) batch_bytes: usize,

    /// What the records survive once the command says that they are appended: a loss of power
    /// (synced), or the death of a process
    #[arg(long, value_name = "HOW", default_value = "synced")]
    pub(crate) durability: DurabilityArg,
}

/// What a line of input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    Lines,
    Jsonl,
}

/// See [`strandline::Durability`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArg {
    Synced,
    Written,
}

/// Fetches records, of one partition after the other. The directory is opened for reading, needs
/// not be ours, and may be in use.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// The topic
    pub(crate) topic: String,

    /// Only this partition
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) partition: Option<u32>,

    /// Begin at this offset [default: the first that is there]
    #[arg(long, value_name = "N", conflicts_with = "time", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offset: Option<i64>,

    /// Begin at the first record of that time or later: 2024-05-01T10:00:00Z, @1714557600000, -15m
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) time: Option<String>,

    /// At most so many records
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<u64>,

    /// Whether records of open and aborted transactions are left out
    #[arg(long, value_name = "WHICH", default_value = "uncommitted")]
    pub(crate) isolation: IsolationArg,

    /// Go on as records come, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Write JSON lines (schema strandline/1)
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,

    /// Write each record as this says, see below; end it in \n for a line each
    #[arg(long, value_name = "FMT", value_parser = Format::parse, allow_hyphen_values = true)]
    pub(crate) format: Option<Format>,
}

/// See [`strandline::Isolation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsolationArg {
    Committed,
    Uncommitted,
}

/// Shows what files hold. They are opened for reading, need no store around them, and may be in
/// use. Damage is reported on stderr, and reading goes on behind it.
#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// Files, directories of a partition, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Show records rather than batches
    #[arg(short, long)]
    pub(crate) records: bool,

    /// Write JSON lines (schema strandline/1)
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not cut lines to the terminal's width
    #[arg(long)]
    pub(crate) full: bool,

    /// What the file is, where its name does not tell
    #[arg(long = "as", value_name = "KIND")]
    pub(crate) kind: Option<FileKind>,

    /// The segment's base offset, where the file's name does not tell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) base_offset: Option<i64>,
}

/// A kind of file that can be dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    Log,
    Index,
    #[value(name = "timeindex")]
    TimeIndex,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is wanted".to_owned()),
    }
}

/// A number of bytes: `65536`, `64KiB`, `1MiB`.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err("a number of bytes is wanted: 65536, 64KiB, 1MiB".to_owned()),
    };
    let bytes = number.parse().ok().and_then(|number: usize| number.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=1 << 30).contains(bytes))
        .ok_or_else(|| "between 1 byte and 1 GiB is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            ["1", "16384", "64KiB", "1MiB", "1GiB"].map(size),
            [1, 16384, 65536, 1 << 20, 1 << 30].map(Ok)
        );
        for wrong in ["", "0", "-1", "1kb", "2GiB", "KiB", "99999999999999999999"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(name_and_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(name_and_value("=b").is_err() && name_and_value("a").is_err());
    }
}
