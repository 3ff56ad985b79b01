//! Records of the metadata log: what a controller decided, one decision each.
//!
//! A value is a byte 1, the type and its version as unsigned varints, then the message in flexible
//! encoding. Of those that are read or written here:
//!
//! | type | message | fields |
//! |-----:|---------|--------|
//! |  2 | Topic | name, id |
//! |  3 | Partition | number, topic id, replicas, in-sync, removing, adding, leader, leader epoch, partition epoch, from version 1 on: directory ids |
//! |  4 | Config | resource type (1 byte; 2 is a topic), its name, setting, value or null |
//! |  5 | `PartitionChange` | number, topic id; tag 2: replicas |
//! |  9 | `RemoveTopic` | topic id |
//! | 12 | `FeatureLevel` | name, level (2 bytes) |
//! | 15 | `ProducerIds` | broker, its epoch, next producer id |
//! | 23, 24, 25 | Begin-, End-, `AbortTransaction` | tag 0: name or reason |
//!
//! Numbers are four bytes, epochs of brokers and producer ids eight. The others say nothing about
//! topics and are passed over; a number above the last one that is known is a later Kafka's.

use super::flexible::{self, Malformed};
use crate::log::TopicId;
use crate::wire::{Cursor, varint};

/// The metadata version of Kafka 4.3, the last one that is known here.
pub(crate) const MOST_METADATA_VERSION: i16 = 30;
/// The last type of a record that is known here.
const LAST_TYPE: u32 = 28;
const FRAME: u8 = 1;
/// Settings of a topic.
const TOPIC_RESOURCE: i8 = 2;

const TOPIC: u32 = 2;
const PARTITION: u32 = 3;
const CONFIG: u32 = 4;
const PARTITION_CHANGE: u32 = 5;
const REMOVE_TOPIC: u32 = 9;
const FEATURE_LEVEL: u32 = 12;
const PRODUCER_IDS: u32 = 15;
const BEGIN_TRANSACTION: u32 = 23;
const END_TRANSACTION: u32 = 24;
const ABORT_TRANSACTION: u32 = 25;
/// The tag of the replicas in a change of a partition.
const REPLICAS_TAG: u32 = 2;

/// A record, as far as it is about topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetadataRecord {
    Topic {
        name: String,
        id: TopicId,
    },
    Partition {
        number: i32,
        topic: TopicId,
        replicas: Vec<i32>,
        leader_epoch: i32,
        dir: TopicId,
    },
    Config {
        topic: String,
        name: String,
        value: Option<String>,
    },
    PartitionChange {
        number: i32,
        topic: TopicId,
        replicas: Option<Vec<i32>>,
    },
    RemoveTopic {
        id: TopicId,
    },
    FeatureLevel {
        name: String,
        level: i16,
    },
    ProducerIds {
        broker: i32,
        next: i64,
    },
    BeginTransaction,
    EndTransaction,
    AbortTransaction,
    /// One that says nothing about topics.
    Other,
}

/// Why a value is no record that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordFault {
    Malformed,
    /// A type that this program does not know.
    UnknownType(u32),
    /// A version of a known type that this program does not know.
    UnknownVersion(u32, u32),
}

impl std::fmt::Display for RecordFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecordFault::Malformed => f.write_str("malformed metadata record"),
            RecordFault::UnknownType(kind) => {
                write!(f, "metadata record of type {kind}, which this program does not know")
            }
            RecordFault::UnknownVersion(kind, version) => write!(
                f,
                "metadata record of type {kind} in version {version}, which this program does not \
                 know"
            ),
        }
    }
}

impl From<Malformed> for RecordFault {
    fn from(_: Malformed) -> Self {
        RecordFault::Malformed
    }
}

impl MetadataRecord {
    /// Reads a record's value.
    ///
    /// # Errors
    ///
    /// If it is malformed, or of a type or version that is not known.
    pub(crate) fn decode(value: &[u8]) -> Result<MetadataRecord, RecordFault> {
        let mut from = Cursor::new(value);
        let (frame, kind, version) = frame(&mut from)?;
        if frame != FRAME {
            return Err(RecordFault::Malformed);
        }
        let known = match kind {
            PARTITION | PARTITION_CHANGE => 2,
            TOPIC | CONFIG | REMOVE_TOPIC | FEATURE_LEVEL | PRODUCER_IDS | BEGIN_TRANSACTION
            | END_TRANSACTION | ABORT_TRANSACTION => 0,
            0..=LAST_TYPE => return Ok(MetadataRecord::Other),
            _ => return Err(RecordFault::UnknownType(kind)),
        };
        if version > known {
            return Err(RecordFault::UnknownVersion(kind, version));
        }
        Ok(body(&mut from, kind)?)
    }

    /// The record's value. Only those are written that a first snapshot needs; a partition is led
    /// by its only replica.
    pub(crate) fn encode(&self, metadata_version: i16) -> Vec<u8> {
        let mut out = vec![FRAME];
        let head = |out: &mut Vec<u8>, kind: u32, version: u32| {
            varint::put_unsigned(out, kind);
            varint::put_unsigned(out, version);
        };
        match self {
            MetadataRecord::Topic { name, id } => {
                head(&mut out, TOPIC, 0);
                flexible::put_text(&mut out, name);
                out.extend_from_slice(&id.to_bytes());
            }
            MetadataRecord::Partition { number, topic, replicas, leader_epoch, dir } => {
                head(&mut out, PARTITION, partition_version(metadata_version));
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&topic.to_bytes());
                for list in [replicas.as_slice(), replicas.as_slice(), &[], &[]] {
                    flexible::put_numbers(&mut out, list);
                }
                for number in [replicas.first().copied().unwrap_or(-1), *leader_epoch, 0] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                flexible::put_length(&mut out, 1);
                out.extend_from_slice(&dir.to_bytes());
            }
            MetadataRecord::Config { topic, name, value } => {
                head(&mut out, CONFIG, 0);
                out.extend_from_slice(&TOPIC_RESOURCE.to_be_bytes());
                flexible::put_text(&mut out, topic);
                flexible::put_text(&mut out, name);
                flexible::put_text(&mut out, value.as_deref().unwrap_or_default());
            }
            MetadataRecord::FeatureLevel { name, level } => {
                head(&mut out, FEATURE_LEVEL, 0);
                flexible::put_text(&mut out, name);
                out.extend_from_slice(&level.to_be_bytes());
            }
            MetadataRecord::ProducerIds { broker, next } => {
                head(&mut out, PRODUCER_IDS, 0);
                out.extend_from_slice(&broker.to_be_bytes());
                out.extend_from_slice(&0_i64.to_be_bytes());
                out.extend_from_slice(&next.to_be_bytes());
            }
            _ => return Vec::new(),
        }
        flexible::put_no_tags(&mut out);
        out
    }
}

/// Kafka 4.0 writes the second version, in which the replicas that may become leaders are tagged.
const fn partition_version(metadata_version: i16) -> u32 {
    if metadata_version >= 23 { 2 } else { 1 }
}

fn frame(from: &mut Cursor<'_>) -> Result<(u8, u32, u32), RecordFault> {
    let read = |from: &mut Cursor<'_>| {
        Ok::<_, crate::wire::CursorError>((
            from.u8()?,
            varint::get_unsigned(from)?,
            varint::get_unsigned(from)?,
        ))
    };
    read(from).map_err(|_| RecordFault::Malformed)
}

fn body(from: &mut Cursor<'_>, kind: u32) -> flexible::Result<MetadataRecord> {
    Ok(match kind {
        TOPIC => MetadataRecord::Topic { name: flexible::text(from)?, id: flexible::uuid(from)? },
        PARTITION => partition(from)?,
        CONFIG => {
            let resource: i8 = from.u8()? as i8;
            let (topic, name) = (flexible::text(from)?, flexible::text(from)?);
            let value = flexible::maybe_text(from)?;
            if resource != TOPIC_RESOURCE {
                return Ok(MetadataRecord::Other);
            }
            MetadataRecord::Config { topic, name, value }
        }
        PARTITION_CHANGE => {
            let (number, topic) = (from.integer()?, flexible::uuid(from)?);
            let tags = flexible::tagged(from)?;
            let replicas = tags.iter().find(|(tag, _)| *tag == REPLICAS_TAG);
            let replicas = replicas.map(|(_, bytes)| flexible::numbers(&mut Cursor::new(bytes)));
            MetadataRecord::PartitionChange { number, topic, replicas: replicas.transpose()? }
        }
        REMOVE_TOPIC => MetadataRecord::RemoveTopic { id: flexible::uuid(from)? },
        FEATURE_LEVEL => {
            MetadataRecord::FeatureLevel { name: flexible::text(from)?, level: from.integer()? }
        }
        PRODUCER_IDS => {
            let (broker, _epoch): (i32, i64) = (from.integer()?, from.integer()?);
            MetadataRecord::ProducerIds { broker, next: from.integer()? }
        }
        BEGIN_TRANSACTION => MetadataRecord::BeginTransaction,
        END_TRANSACTION => MetadataRecord::EndTransaction,
        _ => MetadataRecord::AbortTransaction,
    })
}

fn partition(from: &mut Cursor<'_>) -> flexible::Result<MetadataRecord> {
    let (number, topic) = (from.integer()?, flexible::uuid(from)?);
    let replicas = flexible::numbers(from)?;
    for _in_sync_removing_adding in 0..3 {
        flexible::numbers(from)?;
    }
    let (_leader, leader_epoch): (i32, i32) = (from.integer()?, from.integer()?);
    let dir = TopicId::from_bytes([0; 16]);
    Ok(MetadataRecord::Partition { number, topic, replicas, leader_epoch, dir })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> TopicId {
        text.parse().unwrap()
    }

    /// Values as Kafka 4.3.0 took them from a `bootstrap.checkpoint`.
    fn from_kafka() -> [(MetadataRecord, &'static [u8]); 5] {
        let topic = id("coJtn-C5QQuFtHUKjgsY6A");
        let partition = MetadataRecord::Partition {
            number: 0,
            topic,
            replicas: vec![1],
            leader_epoch: 5,
            dir: id("_V47RIBvIwl6zMUO-DetnQ"),
        };
        let config = MetadataRecord::Config {
            topic: "j43-seed".into(),
            name: "retention.ms".into(),
            value: Some("-1".into()),
        };
        let feature = MetadataRecord::FeatureLevel { name: "metadata.version".into(), level: 30 };
        [
            (feature, b"\x01\x0c\0\x11metadata.version\0\x1e\0"),
            (
                MetadataRecord::Topic { name: "__consumer_offsets".into(), id: topic },
                b"\x01\x02\0\x13__consumer_offsets\x72\x82\x6d\x9f\xe0\xb9\x41\x0b\x85\xb4\x75\x0a\
                    \x8e\x0b\x18\xe8\0",
            ),
            (
                partition,
                b"\x01\x03\x02\0\0\0\0\x72\x82\x6d\x9f\xe0\xb9\x41\x0b\x85\xb4\x75\x0a\x8e\x0b\x18\
                    \xe8\x02\0\0\0\x01\x02\0\0\0\x01\x01\x01\0\0\0\x01\0\0\0\x05\0\0\0\0\x02\xfd\
                    \x5e\x3b\x44\x80\x6f\x23\x09\x7a\xcc\xc5\x0e\xf8\x37\xad\x9d\0",
            ),
            (config, b"\x01\x04\0\x02\x09j43-seed\x0dretention.ms\x03-1\0"),
            (
                MetadataRecord::ProducerIds { broker: 1, next: 5000 },
                b"\x01\x0f\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x13\x88\0",
            ),
        ]
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let none = TopicId::from_bytes([0; 16]);
        for (mut record, bytes) in from_kafka() {
            assert_eq!(
                record.encode(30).escape_ascii().to_string(),
                bytes.escape_ascii().to_string()
            );
            if let MetadataRecord::Partition { dir, .. } = &mut record {
                *dir = none;
            }
            assert_eq!(MetadataRecord::decode(bytes), Ok(record));
        }
    }

    #[test]
    fn what_a_later_kafka_may_write_is_told_from_what_is_malformed() {
        assert_eq!(MetadataRecord::decode(&[1, 29, 0]), Err(RecordFault::UnknownType(29)));
        assert_eq!(MetadataRecord::decode(&[1, 3, 3]), Err(RecordFault::UnknownVersion(3, 3)));
        assert_eq!(MetadataRecord::decode(&[1, 17, 9]), Ok(MetadataRecord::Other));
        for value in [&[][..], &[1], &[2, 20, 0], &[1, 2, 0, 4, 97], &[1, 2, 0, 0]] {
            assert_eq!(MetadataRecord::decode(value), Err(RecordFault::Malformed), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(kind in 0..30_u8, version in 0..4_u8, rest: Vec<u8>) {
            let _ = MetadataRecord::decode(&[&[FRAME, kind, version], &rest[..]].concat());
        }
    }
}
