//! The command `strandline`: Kafka's log directories, made, fed, read and looked into.
//!
//! The library owns the formats and every check; the command owns words, codes and colours.

mod args;
mod base64;
mod dump;
mod engine;
mod exit;
mod input;
mod output;
mod permission;
mod progress;
mod time;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
use exit::{Failure, complain};
use verbs::{append, fetch, topic, tour};

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Tour(args) => tour::run(&args),
        Verb::Topic(verb) => topic::run(&verb),
        Verb::Append(args) => append::run(&args),
        Verb::Fetch(args) => fetch::run(&args),
        Verb::Dump(args) => dump::run(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message, .. }) => {
            if !message.is_empty() {
                complain("error", message);
            }
            exit.into()
        }
    }
}
