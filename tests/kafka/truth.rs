//! What real clients read from real brokers: records, and answers about offsets.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::pack;
use crate::text::{Fields, base64, sha256};

/// A record as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    /// Milliseconds; −1 is none, as on the wire.
    pub(crate) timestamp: i64,
    pub(crate) log_append_time: bool,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Payload,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// `None` for message formats before v2.
    pub(crate) leader_epoch: Option<i32>,
}

/// A value, or what a client noted of a long one.
#[derive(Clone)]
pub(crate) enum Payload {
    Null,
    Bytes(Vec<u8>),
    Digest { length: usize, sha256: String },
}

impl Payload {
    pub(crate) fn of(value: Option<&[u8]>) -> Self {
        value.map_or(Payload::Null, |bytes| Payload::Bytes(bytes.to_vec()))
    }
}

/// Bytes are equal to their digest.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Payload::Null, Payload::Null) => true,
            (Payload::Bytes(ours), Payload::Bytes(theirs)) => ours == theirs,
            (Payload::Bytes(bytes), Payload::Digest { length, sha256: digest })
            | (Payload::Digest { length, sha256: digest }, Payload::Bytes(bytes)) => {
                bytes.len() == *length && sha256(bytes) == *digest
            }
            _ => false,
        }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Payload::Null => write!(f, "null"),
            Payload::Bytes(bytes) if bytes.len() > 1000 => write!(f, "{} bytes", bytes.len()),
            Payload::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Payload::Digest { length, sha256 } => write!(f, "{length} bytes, SHA-256 {sha256}"),
        }
    }
}

impl Record {
    fn parse(line: &str) -> Self {
        let json: Value = serde_json::from_str(line).unwrap();
        let value = match json.get("valueSha256") {
            Some(_) => Payload::Digest {
                length: json.number("valueLength") as usize,
                sha256: json.text("valueSha256").to_owned(),
            },
            None => Payload::of(json.bytes("value").as_deref()),
        };
        Record {
            offset: json.number("offset"),
            timestamp: json.number("timestamp"),
            log_append_time: json.text("timestampType") == "LogAppendTime",
            key: json.bytes("key"),
            value,
            headers: json.list("headers").iter().map(header).collect(),
            leader_epoch: json.maybe_number("leaderEpoch").map(|epoch| epoch as i32),
        }
    }
}

/// A header's key is text in JSON, its value base64 or null.
fn header(json: &Value) -> (Vec<u8>, Option<Vec<u8>>) {
    let value = json.field("value").as_str().map(base64);
    (json.text("key").as_bytes().to_vec(), value)
}

/// An offset, and what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) offset: i64,
    /// Milliseconds; −1 where there is none.
    pub(crate) timestamp: i64,
    pub(crate) leader_epoch: Option<i32>,
}

/// Where to go for a timestamp.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForTime {
    pub(crate) read_committed: bool,
    pub(crate) wanted: i64,
    pub(crate) found: Option<Listed>,
}

/// `offsets.json` of one partition.
pub(crate) struct Offsets {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) earliest: Listed,
    pub(crate) latest: Listed,
    /// The last stable offset.
    pub(crate) latest_read_committed: Listed,
    /// `None` if nobody asked (2.8.2); an offset of −1 is the answer "none".
    pub(crate) max_timestamp: Option<Listed>,
    pub(crate) for_times: Vec<ForTime>,
}

impl Offsets {
    fn read(path: &Path) -> Self {
        let json = pack::json(path);
        let list = json.field("listOffsets");
        Offsets {
            topic: json.text("topic").to_owned(),
            partition: json.number("partition") as i32,
            earliest: listed(list.field("earliest")),
            latest: listed(list.field("latest")),
            latest_read_committed: listed(list.field("latestReadCommitted")),
            max_timestamp: list.get("maxTimestamp").map(listed),
            for_times: json.list("offsetsForTimes").iter().map(for_time).collect(),
        }
    }
}

fn listed(json: &Value) -> Listed {
    Listed {
        offset: json.number("offset"),
        timestamp: json.number("timestamp"),
        leader_epoch: json.maybe_number("leaderEpoch").map(|epoch| epoch as i32),
    }
}

fn for_time(json: &Value) -> ForTime {
    let found = json.field("found");
    ForTime {
        read_committed: json.text("isolation") == "read_committed",
        wanted: json.number("wanted"),
        found: (!found.is_null()).then(|| listed(found)),
    }
}

/// Everything that clients got from one partition.
pub(crate) struct Truth {
    pub(crate) offsets: Offsets,
    pub(crate) records: Vec<Record>,
    /// What `read_committed` delivers, if there are transactions; else the same as `records`.
    pub(crate) committed: Vec<Record>,
}

/// The partitions that clients read, in order of name.
pub(crate) fn partitions(broker: &pack::Broker) -> Vec<Truth> {
    let states = broker.truth();
    let mut names: Vec<_> =
        fs::read_dir(&states[0]).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let truth = |name: &OsString| {
        let lines = |file: &str| {
            let mut files = states.iter().map(|state| state.join(name).join(file));
            let text = files.find_map(|file| fs::read_to_string(file).ok())?;
            Some(text.lines().map(Record::parse).collect::<Vec<_>>())
        };
        let records = lines("expected.jsonl").expect("every partition has its records");
        let committed = lines("expected-committed.jsonl").unwrap_or_else(|| records.clone());
        let offsets = Offsets::read(&states[0].join(name).join("offsets.json"));
        Truth { offsets, records, committed }
    };
    names.iter().map(truth).collect()
}
