//! What the records of a metadata log come to: topics with ids, partitions and settings.

use std::collections::{BTreeMap, HashMap};

use super::records::MetadataRecord;
use crate::log::TopicId;

/// The name of the feature that is the version of the metadata itself.
const METADATA_VERSION: &str = "metadata.version";

/// A cluster's topics, as its metadata has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    topics: HashMap<TopicId, TopicImage>,
    ids: BTreeMap<String, TopicId>,
    configs: BTreeMap<String, BTreeMap<String, String>>,
    /// The metadata's version; 0 if none is told.
    pub(crate) metadata_version: i16,
    /// The producer id that is given out next.
    pub(crate) next_producer_id: i64,
    /// Decisions of a transaction that is under way: they count once it ends.
    pending: Option<Vec<MetadataRecord>>,
}

/// A topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicImage {
    name: String,
    /// The replicas of each partition: the numbers of brokers.
    pub(crate) partitions: BTreeMap<u32, Vec<i32>>,
}

impl Image {
    /// Takes in a record.
    pub(crate) fn replay(&mut self, record: MetadataRecord) {
        match (record, &mut self.pending) {
            (MetadataRecord::BeginTransaction, pending) => *pending = Some(Vec::new()),
            (MetadataRecord::AbortTransaction, pending) => *pending = None,
            (MetadataRecord::EndTransaction, pending) => {
                for record in pending.take().unwrap_or_default() {
                    self.apply(record);
                }
            }
            (record, Some(pending)) => pending.push(record),
            (record, None) => self.apply(record),
        }
    }

    fn apply(&mut self, record: MetadataRecord) {
        match record {
            MetadataRecord::Topic { name, id } => {
                self.ids.insert(name.clone(), id);
                self.topics.insert(id, TopicImage { name, ..TopicImage::default() });
            }
            MetadataRecord::Partition { number, topic, replicas, .. }
            | MetadataRecord::PartitionChange { number, topic, replicas: Some(replicas) } => {
                self.set_replicas(topic, number, replicas);
            }
            MetadataRecord::Config { topic, name, value } => {
                let settings = self.configs.entry(topic).or_default();
                match value {
                    Some(value) => _ = settings.insert(name, value),
                    None => _ = settings.remove(&name),
                }
            }
            MetadataRecord::RemoveTopic { id } => {
                if let Some(topic) = self.topics.remove(&id) {
                    self.ids.remove(&topic.name);
                    self.configs.remove(&topic.name);
                }
            }
            MetadataRecord::FeatureLevel { name, level } if name == METADATA_VERSION => {
                self.metadata_version = level;
            }
            MetadataRecord::ProducerIds { next, .. } => self.next_producer_id = next,
            _ => {}
        }
    }

    fn set_replicas(&mut self, topic: TopicId, number: i32, replicas: Vec<i32>) {
        if let (Some(topic), Ok(number)) = (self.topics.get_mut(&topic), u32::try_from(number)) {
            topic.partitions.insert(number, replicas);
        }
    }

    /// The id and the partitions of the topic of that name.
    pub(crate) fn topic(&self, name: &str) -> Option<(TopicId, &TopicImage)> {
        let id = *self.ids.get(name)?;
        Some((id, self.topics.get(&id)?))
    }

    /// The settings of a topic: Kafka's names, and what they are set to.
    pub(crate) fn config(&self, topic: &str) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.configs.get(topic).into_iter().flatten();
        settings.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TopicId = TopicId::from_bytes([1; 16]);

    fn config(value: Option<&str>) -> MetadataRecord {
        MetadataRecord::Config {
            topic: "t".into(),
            name: "retention.ms".into(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn the_last_record_of_each_thing_counts_and_an_aborted_transaction_does_not() {
        let mut image = Image::default();
        image.replay(MetadataRecord::Topic { name: "t".into(), id: ID });
        image.replay(config(Some("1")));
        image.replay(config(Some("2")));
        for (end, wanted) in
            [(MetadataRecord::AbortTransaction, "2"), (MetadataRecord::EndTransaction, "3")]
        {
            image.replay(MetadataRecord::BeginTransaction);
            image.replay(config(Some("3")));
            assert_eq!(image.config("t").collect::<Vec<_>>(), [("retention.ms", "2")]);
            image.replay(end);
            assert_eq!(image.config("t").collect::<Vec<_>>(), [("retention.ms", wanted)]);
        }
        let replicas = Some(vec![1, 2]);
        image.replay(MetadataRecord::PartitionChange { number: 0, topic: ID, replicas });
        assert_eq!(image.topic("t").map(|(id, it)| (id, it.partitions[&0].len())), Some((ID, 2)));
        image.replay(config(None));
        assert_eq!(image.config("t").count(), 0);
        image.replay(MetadataRecord::RemoveTopic { id: ID });
        assert!(image.topic("t").is_none());
    }
}
