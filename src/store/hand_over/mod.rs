//! Handing a store over: what a Kafka that starts on the same directory has to find there, so that
//! it serves the same topics with the same ids, offsets, epochs and settings.
//!
//! Three files are written, in this order, each whole or not at all: the first snapshot of the
//! metadata log, which names the controller; `bootstrap.checkpoint`, which names all that there is;
//! `meta.properties`, without which no broker starts. So a crash leaves a store, or all that Kafka
//! needs. The first write here takes `meta.properties` away again, for then the others are stale.

mod files;
mod identity;
mod options;
mod terms;

use files::Paper;
use identity::Identity;
pub(super) use identity::is_ours as is_handed_over;
pub use options::{HandOver, HandOverOptions, KafkaRelease};

use super::directory::read_topic_id;
use super::kraft::MetadataRecord;
use super::shared::Core;
use super::{names, random};
use crate::error::{Error, Result};
use crate::log::{Log, Survey, TopicId};

/// The topic that keeps the transaction coordinator's state.
const TRANSACTIONS: &str = "__transaction_state";
/// Producer ids are given out in blocks of so many.
const ID_BLOCK: i64 = 1000;

/// What was found, topic by topic.
#[derive(Debug, Default)]
struct Estate {
    records: Vec<MetadataRecord>,
    topics: usize,
    partitions: usize,
    batches: u64,
    highest_producer_id: i64,
    notes: Vec<String>,
}

impl Core {
    /// Whether the store can be handed over, and how it would be. Changes nothing.
    pub(super) fn check_hand_over(&self, options: &HandOverOptions) -> Result<HandOver> {
        self.check_open()?;
        let identity = Identity::of(&self.directory, options)?;
        let estate =
            self.estate(options, &identity, |topic, number| self.log(topic, number, None))?;
        Ok(self.tell(options, &identity, &estate))
    }

    /// Closes the store and hands it over. The housekeeper has ended.
    pub(super) fn hand_over(&self, options: &HandOverOptions) -> Result<HandOver> {
        if self.directory.read_only {
            return Err(Error::ReadOnly);
        }
        let identity = Identity::of(&self.directory, options)?;
        // Refused before anything is closed, where that can be told at once.
        for (topic, number) in self.all_partitions() {
            let log = self.log(&topic, number, None)?;
            self.refuse_open_transaction(&log)?;
        }
        self.surroundings.gate.pass()?;
        // Every log is finished and checkpointed, also one that was not written to: what Kafka is
        // told of the directory must not hang on what it has said in it before.
        self.directory.checkpoints().stopped_cleanly = false;
        let done = self.close_and(|unfinished| {
            if let Some(error) = unfinished {
                return Err(error);
            }
            let unused = |topic: &str, number| self.unused_log(topic, number);
            let estate = self.estate(options, &identity, unused)?;
            let now = self.clock().now_ms();
            Paper::draw_up(options, &identity, &estate.records, now)?.write(&self.directory)?;
            Ok(self.tell(options, &identity, &estate))
        });
        done.unwrap_or(Err(Error::Closed))
    }

    /// Looks through all logs, and puts together what a controller is to know of them.
    fn estate(
        &self,
        options: &HandOverOptions,
        identity: &Identity,
        open: impl Fn(&str, u32) -> Result<Log>,
    ) -> Result<Estate> {
        let mut estate = Estate { highest_producer_id: -1, ..Estate::default() };
        for (name, level) in options.release.features() {
            let name = (*name).to_owned();
            estate.records.push(MetadataRecord::FeatureLevel { name, level: *level });
        }
        let names: Vec<String> = {
            let catalog = self.directory.catalog();
            catalog.visible().map(|(name, _)| name.clone()).collect()
        };
        for name in names {
            self.add_topic(&mut estate, (&name, options.release), identity, &open)?;
        }
        let next = next_producer_id(estate.highest_producer_id);
        let broker = identity.node_id;
        estate.records.push(MetadataRecord::ProducerIds { broker, next });
        Ok(estate)
    }

    fn add_topic(
        &self,
        estate: &mut Estate,
        (name, release): (&str, KafkaRelease),
        identity: &Identity,
        open: &impl Fn(&str, u32) -> Result<Log>,
    ) -> Result<()> {
        let known = self.directory.catalog().get(name).cloned();
        let Some(known) = known else { return Ok(()) };
        let numbers: Vec<u32> = known.numbers().into_iter().collect();
        let missing = (0..).zip(&numbers).find(|(wanted, there)| wanted != *there);
        if let Some((missing, _)) = missing {
            let why =
                format!("partition {name}-{missing} is not here, and others of its topic are");
            return Err(Error::Invalid(why));
        }
        let id = self.id_for(name, known.id())?;
        estate.records.push(MetadataRecord::Topic { name: name.to_owned(), id });
        let (settings, notes) = terms::settings(known.config.to_pairs(), release);
        estate.notes.extend(notes.into_iter().map(|note| format!("topic {name}: {note}")));
        for (setting, value) in settings {
            let (topic, value) = (name.to_owned(), Some(value));
            estate.records.push(MetadataRecord::Config { topic, name: setting, value });
        }
        for number in numbers {
            let log = open(name, number)?;
            self.refuse_open_transaction(&log)?;
            let survey = log.survey()?;
            if name == TRANSACTIONS {
                let highest =
                    estate.highest_producer_id.max(highest_transactional_id(&log, &survey)?);
                estate.highest_producer_id = highest;
            }
            estate.records.push(MetadataRecord::Partition {
                number: number as i32,
                topic: id,
                replicas: vec![identity.node_id],
                leader_epoch: survey.highest_epoch.saturating_add(1),
                dir: identity.directory_id,
            });
            estate.partitions += 1;
            estate.batches += survey.batches;
            estate.highest_producer_id = estate.highest_producer_id.max(survey.highest_producer_id);
        }
        estate.topics += 1;
        Ok(())
    }

    /// The id under which Kafka gets a topic: its own, or a new one if it never had one.
    fn id_for(&self, name: &str, known: Option<TopicId>) -> Result<TopicId> {
        if let Some(id) = known {
            return Ok(id);
        }
        let first = self.directory.root.child(&names::partition_dir(name, 0));
        Ok(read_topic_id(&first)?.unwrap_or_else(|| random::topic_id(&self.directory.root)))
    }

    /// A transaction stays open for ever if nobody is left who could end it.
    fn refuse_open_transaction(&self, log: &Log) -> Result<()> {
        let has_coordinator = self.directory.catalog().get(TRANSACTIONS).is_some();
        let (stable, end) = (log.last_stable_offset()?, log.log_end_offset()?);
        if has_coordinator || stable >= end {
            return Ok(());
        }
        let (topic, number) = (log.topic(), log.partition());
        Err(Error::InvalidTxnState(format!(
            "{topic}-{number} has a transaction that is open from offset {stable} on: end it first, \
             nobody could afterwards"
        )))
    }

    fn tell(&self, options: &HandOverOptions, identity: &Identity, estate: &Estate) -> HandOver {
        let count = |topic: &str| {
            let catalog = self.directory.catalog();
            catalog.get(topic).map(|known| known.numbers().len())
        };
        let internal = ["__consumer_offsets", TRANSACTIONS].map(count);
        HandOver {
            cluster_id: identity.cluster_id.clone(),
            node_id: identity.node_id,
            directory_id: identity.directory_id.to_string(),
            topics: estate.topics,
            partitions: estate.partitions,
            batches: estate.batches,
            next_producer_id: next_producer_id(estate.highest_producer_id),
            notes: estate.notes.clone(),
            server_properties: terms::server_properties(
                options,
                identity.node_id,
                self.directory.root.path(),
                internal,
            ),
        }
    }
}

/// Above every id that was ever given, at the start of a block.
fn next_producer_id(highest: i64) -> i64 {
    (highest / ID_BLOCK).saturating_add(i64::from(highest >= 0)).saturating_mul(ID_BLOCK)
}

/// The highest producer id that the transaction coordinator gave, which need not have appended
/// anything: its values begin with their version, two bytes, and the id.
fn highest_transactional_id(log: &Log, survey: &Survey) -> Result<i64> {
    let (mut highest, mut from) = (-1, survey.log_start);
    while from < survey.log_end {
        let fetched = log.fetch(from, crate::log::FetchOptions::new())?;
        for record in fetched.records() {
            let id = record?.value().and_then(|value| value.get(2..10)?.try_into().ok());
            highest = highest.max(id.map_or(-1, i64::from_be_bytes));
        }
        if fetched.next_offset() <= from {
            break;
        }
        from = fetched.next_offset();
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_producer_id_that_was_given_is_given_again() {
        for (highest, next) in [(-1, 0), (0, 1000), (999, 1000), (1000, 2000), (4711, 5000)] {
            assert_eq!(next_producer_id(highest), next, "{highest}");
        }
    }
}
