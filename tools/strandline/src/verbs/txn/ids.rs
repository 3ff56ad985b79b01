//! Transactional ids, as their coordinator has them in `__transaction_state` of the same log
//! directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Result};
use crate::global::Global;
use crate::internal::Release;
use crate::internal::coordinator::Topic;
use crate::internal::value::{Fields, Value};
use crate::kafka_mode::STATES;
use crate::paths::{OneLog, PathArgs};
use crate::reading::batches::{RecordReader, each_batch};

const TOPIC: &str = "__transaction_state";

/// What the coordinator last said of a transactional id.
#[derive(Clone, Debug)]
pub(super) struct Id {
    pub(super) producer: i64,
    pub(super) epoch: i64,
    pub(super) state: &'static str,
    pub(super) timeout_ms: i64,
    pub(super) started_ms: Option<i64>,
    pub(super) updated_ms: i64,
    /// Topics and partitions that have a part in the transaction.
    pub(super) partitions: Vec<(String, i64)>,
}

/// All that is known, by id.
#[derive(Debug, Default)]
pub(super) struct Ids(pub(super) BTreeMap<String, Id>);

impl Ids {
    /// Reads what lies beside the logs, if anything does.
    pub(super) fn beside(logs: &[OneLog], global: &Global) -> Result<(Ids, Exit)> {
        let mut directories: Vec<PathBuf> = logs.iter().filter_map(log_directory).collect();
        directories.sort();
        directories.dedup();
        let (mut ids, mut exit) = (Ids::default(), Exit::Done);
        for directory in directories.into_iter().filter(|directory| has_topic(directory)) {
            let paths = PathArgs {
                paths: vec![directory],
                topic: vec![TOPIC.to_owned()],
                partition: None,
                exclude: Vec::new(),
            };
            let (logs, found) = paths.logs(global)?;
            exit = exit.and(found);
            for log in &logs {
                exit = exit.and(ids.read(log, global)?);
            }
        }
        Ok((ids, exit))
    }

    fn read(&mut self, log: &OneLog, global: &Global) -> Result<Exit> {
        let mut reader = RecordReader::new(global.max_inflated());
        let mut exit = Exit::Done;
        let walked = each_batch(log, |batch| {
            if batch.header().attributes().is_control() {
                return Ok(());
            }
            let read = reader.each_record(log, batch, |record| {
                self.record(record.key().unwrap_or_default(), record.value());
                Ok(())
            })?;
            exit = exit.and(read);
            Ok(())
        })?;
        Ok(exit.and(walked))
    }

    /// Takes in a record; one of another kind or version says nothing here.
    fn record(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Ok(record) = Topic::Transactions.decode(Release::V4, key, value) else { return };
        let Some(name) = record.key.text("transactionalId") else { return };
        match record.value {
            Some((_, fields)) => self.0.insert(name.to_owned(), Id::new(&fields)),
            None => self.0.remove(name),
        };
    }

    /// The id whose transactions a producer writes.
    pub(super) fn of(&self, producer_id: i64) -> Option<&str> {
        let found = self.0.iter().find(|(_, id)| id.producer == producer_id);
        found.map(|(name, _)| name.as_str())
    }
}

impl Id {
    fn new(fields: &Fields<'_>) -> Id {
        let number = |name| fields.number(name).unwrap_or_default();
        let state = usize::try_from(number("transactionStatus")).ok();
        let mut partitions = Vec::new();
        for of_topic in fields.structs("transactionPartitions") {
            let topic = of_topic.text("topic").unwrap_or_default();
            let Some(Value::List(numbers)) = of_topic.get("partitionIds") else { continue };
            partitions.extend(numbers.iter().filter_map(|number| match number {
                Value::Number(number) => Some((topic.to_owned(), *number)),
                _ => None,
            }));
        }
        Id {
            producer: number("producerId"),
            epoch: number("producerEpoch"),
            state: state.and_then(|state| STATES.get(state)).copied().unwrap_or("unknown"),
            timeout_ms: number("transactionTimeoutMs"),
            started_ms: Some(number("transactionStartTimestampMs")).filter(|&ms| ms >= 0),
            updated_ms: number("transactionLastUpdateTimestampMs"),
            partitions,
        }
    }
}

/// Where the directory of a log lies, if it is one of a partition.
fn log_directory(log: &OneLog) -> Option<PathBuf> {
    let segment = log.segments.first().filter(|segment| segment.partition.is_some())?;
    let directory = segment.path.parent()?.parent()?;
    Some(if directory.as_os_str().is_empty() { ".".into() } else { directory.to_path_buf() })
}

fn has_topic(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| {
        let name = name.to_string_lossy();
        name.strip_prefix(TOPIC).is_some_and(|rest| rest.starts_with('-'))
    })
}
