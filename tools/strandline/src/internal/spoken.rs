//! A record of an internal topic in words, for the verbs that show any topic's records.

use super::coordinator::Topic;
use super::value::Fields;
use super::{Release, cluster, membership, remote};

/// What a record of an internal topic says.
#[derive(Debug)]
pub(crate) struct Spoken<'a> {
    /// What it is about, by Kafka's name.
    kind: &'static str,
    key: Option<Fields<'a>>,
    /// None if it says that something is gone.
    value: Option<(i16, Fields<'a>)>,
}

/// The topics whose records can be put into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Coordinator(Topic),
    Cluster,
    Remote,
}

fn of(topic: &str) -> Option<Of> {
    Some(match topic.strip_prefix("__")? {
        "consumer_offsets" => Of::Coordinator(Topic::Offsets),
        "transaction_state" => Of::Coordinator(Topic::Transactions),
        "share_group_state" => Of::Coordinator(Topic::Share),
        "cluster_metadata" => Of::Cluster,
        "remote_log_metadata" => Of::Remote,
        _ => return None,
    })
}

impl<'a> Spoken<'a> {
    /// Reads a record of `topic`, if that is an internal one and its record of a known kind.
    pub(crate) fn of(
        topic: &str,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    ) -> Option<Spoken<'a>> {
        let framed = match of(topic)? {
            Of::Coordinator(topic) => {
                let mut record = topic.decode(Release::V4, key?, value).ok()?;
                if let Some((_, value)) = &mut record.value {
                    membership::spell_out(value, Release::V4);
                }
                let kind = record.name.strip_suffix("Key").unwrap_or(record.name);
                return Some(Spoken { kind, key: Some(record.key), value: record.value });
            }
            Of::Cluster => cluster::decode(Release::V4, Some(value?)),
            Of::Remote => remote::decode(Release::V4, value?),
        };
        let record = framed.ok()?;
        let value = Some((record.version, record.fields));
        Some(Spoken { kind: record.message, key: None, value })
    }

    /// What it is about.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Appends its key as JSON; whether it has one.
    pub(crate) fn write_key(&self, out: &mut Vec<u8>) -> bool {
        self.key.as_ref().map(|key| key.write_json(out)).is_some()
    }

    /// Appends its value as JSON: null for what is gone.
    pub(crate) fn write_value(&self, out: &mut Vec<u8>) {
        match &self.value {
            Some((_, value)) => value.write_json(out),
            None => out.extend_from_slice(b"null"),
        }
    }

    /// Appends all of it as a JSON object.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"kind\":\"");
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(b"\"");
        if let Some(key) = &self.key {
            out.extend_from_slice(b",\"key\":");
            key.write_json(out);
        }
        if let Some((version, _)) = self.value {
            out.extend_from_slice(b",\"version\":");
            crate::output::json::decimal(version.into(), out);
        }
        out.extend_from_slice(b",\"value\":");
        self.write_value(out);
        out.push(b'}');
    }
}
