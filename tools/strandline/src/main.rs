//! The command `strandline`: Kafka's log directories, made, fed, read and looked into.
//!
//! The library owns the formats and every check; the command owns words, codes and colours.

mod base64;
mod cli;
mod common;
mod engine;
mod exit;
mod global;
mod input;
mod internal;
mod interrupt;
mod kafka_mode;
mod layout;
mod output;
mod paths;
mod permission;
mod progress;
mod reading;
mod select;
mod time;
mod verbs;

use std::process::ExitCode;

use cli::Cli;
use exit::{Failure, complain};

fn main() -> ExitCode {
    // Its command line is Kafka's, down to the errors.
    if let Some(arguments) = kafka_mode::arguments(std::env::args_os()) {
        return kafka_mode::run(&arguments).into();
    }
    let Cli { global, verb, .. } = Cli::read(std::env::args_os().collect());
    reading::pace::set(&global);
    time::set_zone(global.tz);
    match verb.run(&global) {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message, .. }) => {
            if !message.is_empty() {
                complain("error", message);
            }
            exit.into()
        }
    }
}
