//! `strandline kafka-dump-log`: as [`kafka_mode`](crate::kafka_mode) says. Its command line is
//! Kafka's own and seldom comes this way: it is taken before ours is read.

use std::ffi::OsString;

use crate::exit::Exit;

/// What `help` says of it.
pub(crate) const HELP: &str = "\
The same when the command is called by the name kafka-dump-log or kafka-dump-log.sh. It speaks as
Kafka 4.3.1 does; --kafka-version 3.9, or STRANDLINE_KAFKA_VERSION=3.9, as 3.9.2. Unlike Kafka's
tool it creates no file, shows no stack frames, writes UTF-8 always, and has the decoder classes
that come with Kafka and no other; what its class for bytes shows as an address is text here.
";

/// Kafka's options; --help lists them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// --files first of all
    #[arg(value_name = "OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Exit {
    crate::kafka_mode::run(&args.arguments)
}
