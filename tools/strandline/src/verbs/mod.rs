//! The verbs.
//!
//! # How to add one
//!
//! 1. A module here, `verbs/NAME.rs` or `verbs/NAME/mod.rs`, with `pub(crate) struct Args`
//!    (`#[derive(Debug, clap::Args)]`) and
//!    `pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit>`.
//! 2. A line in [`Verb`] and one in [`Verb::run`], in the order of use to people: the doc comment
//!    is the verb's line in `--help`.
//! 3. Paths: flatten [`PathArgs`](crate::paths::PathArgs) into `Args`; `args.paths.logs(global)`
//!    gives the logs that are meant, segments in order, and `args.paths.targets(global)` files,
//!    partitions and log directories as they were named. What cannot be read is a failure of its
//!    own: report it, go on, and let the exit code say so ([`Exit::and`]).
//! 4. Output: [`Out::new(global)`](crate::output::Out::new), lines into `out.line()` and
//!    `out.settle()` behind each; rows for people with `out.row`, which never wrap. JSON lines
//!    with [`Object`](crate::output::json::Object), if `global.is_json()`. A form that the verb
//!    does not write is refused with `global.only`. Text of others goes through
//!    [`escape`](crate::output::escape), names through [`name_of`](crate::exit::name_of).
//! 5. Errors are a [`Failure`](crate::exit::Failure): file first, then what, where, why, what
//!    next, on one line. `Exit::No` says that the answer is no.
//! 6. Options of which `--help` should not speak (it has at most 40 lines, a test counts) get
//!    `hide_short_help = true`; `strandline help VERB` shows them all.

pub(crate) mod adopt;
pub(crate) mod append;
pub(crate) mod clean;
pub(crate) mod diff;
pub(crate) mod dump;
pub(crate) mod errors;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod find;
pub(crate) mod hand_over;
pub(crate) mod kafka_dump_log;
pub(crate) mod ls;
pub(crate) mod offsets;
pub(crate) mod reindex;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod shell;
pub(crate) mod stat;
pub(crate) mod tail;
pub(crate) mod topic;
pub(crate) mod tour;
pub(crate) mod txn;
pub(crate) mod verify;

use std::ffi::OsString;

use clap::Subcommand;

use crate::exit::{Exit, Result};
use crate::global::Global;

/// What can be done.
#[allow(clippy::large_enum_variant, reason = "a process makes one")]
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Partitions and segments: sizes, offsets, times, state
    Ls(ls::Args),
    /// Batches, records or entries of any of Kafka's log files
    #[command(after_long_help = crate::output::format::HELP)]
    Dump(dump::Args),
    /// Counts, sizes, codecs, producers, times, gaps, plots
    Stat(stat::Args),
    /// Where records are that match: by offset, time, key, value, header
    Find(find::Args),
    /// The last records; with -f those that come, too
    #[command(after_long_help = crate::output::format::HELP)]
    Tail(tail::Args),
    /// The records that come: `tail -f -n 0`
    #[command(hide = true)]
    Follow(tail::Args),
    /// Open, hanging and aborted transactions, and what they hide from readers
    Txn(txn::Args),
    /// Offsets that groups have committed, from `__consumer_offsets`
    Offsets(offsets::Args),
    /// Is it intact? Every check of the library, over files, partitions, log directories
    Verify(verify::Args),
    /// Bytes with their meaning beside them, damaged ones too
    Explain(explain::Args),
    /// A plan to mend a partition, and a mended copy of it
    Repair(repair::Args),
    /// Indexes and snapshots made again from the log, elsewhere
    Reindex(reindex::Args),
    /// What the findings of `verify` mean: cause, risk, cure
    Errors(errors::Args),
    /// Where two segments or partitions differ first
    Diff(diff::Args),
    /// Records elsewhere: JSON lines, CSV, raw values, whole segments
    #[command(after_long_help = crate::output::format::HELP)]
    Export(export::Args),
    /// One HTML page to look at and to send: times, sizes, codecs, findings
    Report(report::Args),
    /// Completions for a shell
    #[command(hide = true)]
    Completions(shell::Completions),
    /// Manual pages
    #[command(hide = true)]
    Man(shell::Man),
    /// The JSON Schema of what `--json` writes
    #[command(hide = true)]
    Schema(shell::Schema),
    /// The main job on a sample, explained: make, append, close, open, fetch, look
    Tour(tour::Args),
    /// Make, list, describe and delete topics
    #[command(subcommand)]
    Topic(topic::Verb),
    /// Append records to a topic from a file or stdin
    Append(append::Args),
    /// Fetch records of a topic, by offset or by time
    #[command(after_long_help = crate::output::format::HELP)]
    Fetch(fetch::Args),
    /// Compact topics now: keep only the last record of each key
    Clean(clean::Args),
    /// Make a store of a log directory that Kafka wrote and no broker runs on
    Adopt(adopt::Args),
    /// Let Kafka go on with a store: the same directory, topics, ids, offsets and settings
    HandOver(hand_over::Args),
    /// What Kafka's kafka-dump-log.sh prints, byte for byte
    #[command(after_long_help = kafka_dump_log::HELP, disable_help_flag = true, hide = true)]
    KafkaDumpLog(kafka_dump_log::Args),
    /// A path in the verb's place.
    #[command(external_subcommand)]
    Path(Vec<OsString>),
}

impl Verb {
    /// Does it.
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Verb::Ls(args) => ls::run(args, global),
            Verb::Dump(args) => dump::run(args, global),
            Verb::Report(args) => report::run(args, global),
            Verb::Completions(args) => shell::completions(args, global),
            Verb::Man(args) => shell::man(args, global),
            Verb::Schema(args) => shell::schema(args, global),
            Verb::Stat(args) => stat::run(args, global),
            Verb::Diff(args) => diff::run(args, global),
            Verb::Export(args) => export::run(args, global),
            Verb::Find(args) => find::run(args, global),
            Verb::Tail(args) => tail::run(args, global),
            Verb::Follow(args) => tail::follow(args, global),
            Verb::Txn(args) => txn::run(args, global),
            Verb::Offsets(args) => offsets::run(args, global),
            Verb::Verify(args) => verify::run(args, global),
            Verb::Explain(args) => explain::run(args, global),
            Verb::Repair(args) => repair::run(args, global),
            Verb::Reindex(args) => reindex::run(args, global),
            Verb::Errors(args) => errors::run(args, global),
            Verb::Tour(args) => tour::run(args, global),
            Verb::Topic(verb) => topic::run(verb, global),
            Verb::Clean(args) => clean::run(args, global),
            Verb::Adopt(args) => adopt::run(args, global),
            Verb::HandOver(args) => hand_over::run(args, global),
            Verb::Append(args) => append::run(args, global),
            Verb::Fetch(args) => fetch::run(args, global),
            Verb::KafkaDumpLog(args) => Ok(kafka_dump_log::run(args)),
            // The command line was read again with a verb before it.
            Verb::Path(_) => Ok(Exit::Usage),
        }
    }
}
