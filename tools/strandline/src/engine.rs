//! The store, as the verbs use it: opened, asked for topics, its errors with what to do about them.

use std::path::Path;

use strandline::{Error, Log, Store, StoreOptions, Topic};

use crate::exit::{Failure, Result, complain, name_of};
use crate::output::escape;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Looking: nothing is locked or changed, and any directory of Kafka's will do.
    Read,
    /// Changing what is there.
    Write,
    /// Changing, and making the directory if it is not there.
    Create,
    /// Changing, be it what only Kafka wrote.
    Adopt,
    /// The same, and what Kafka set aside gets its name back.
    PutBack,
}

/// Opens the log directory.
pub(crate) fn open(dir: &Path, purpose: Purpose) -> Result<Store> {
    open_with(dir, purpose, |options| options)
}

/// The same with options of the caller's.
pub(crate) fn open_with(
    dir: &Path,
    purpose: Purpose,
    how: impl FnOnce(StoreOptions) -> StoreOptions,
) -> Result<Store> {
    if purpose != Purpose::Create && !dir.exists() {
        let dir = name_of(dir);
        let why = format!("there is no log directory {dir}");
        return Err(Failure::environment(why).and(format_args!(
            "say where it is with -d DIR, or make one: strandline topic create -d {dir} TOPIC"
        )));
    }
    let options = Store::options()
        .create(purpose == Purpose::Create)
        .read_only(purpose == Purpose::Read)
        .adopt(matches!(purpose, Purpose::Adopt | Purpose::PutBack))
        .put_back_strays(purpose == Purpose::PutBack)
        .housekeeping(purpose != Purpose::Read);
    let store = how(options).open(dir).map_err(|error| match error {
        Error::NeedsAdopt(_) => {
            let dir = name_of(dir);
            Failure::from(error).and(format_args!("to write to it: strandline adopt -d {dir}"))
        }
        error => error.into(),
    })?;
    for warning in store.warnings() {
        complain("warning", escape::one_line(&warning));
    }
    Ok(store)
}

/// A topic that must be there.
pub(crate) fn topic(store: &Store, dir: &Path, name: &str) -> Result<Topic> {
    store.topic(name).map_err(|error| match error {
        Error::NotFound(_) => {
            let (name, dir) = (escape::one_line(name), name_of(dir));
            Failure::environment(format!("there is no topic {name} in {dir}"))
                .and(format_args!("make it: strandline topic create -d {dir} {name}"))
        }
        error => error.into(),
    })
}

/// The logs of one partition of a topic, or of all.
pub(crate) fn logs(topic: &Topic, partition: Option<u32>) -> Result<Vec<Log>> {
    let all = topic.partition_numbers();
    let wanted = match partition {
        None => all,
        Some(number) if all.contains(&number) => vec![number],
        Some(number) => {
            let (name, last) = (topic.name(), all.iter().max().copied().unwrap_or(0));
            let why = format!("topic {name} has no partition {number}");
            return Err(Failure::environment(why).and(format_args!("its last one is {last}")));
        }
    };
    wanted.into_iter().map(|number| Ok(topic.partition(number)?)).collect()
}
