//! Keys and values as text: by the class of a decoder, or as records of an internal topic.

use std::io::Write;

use super::options::Given;
use super::record::Record;
use super::remote;
use super::thrown::{Result, Thrown};
use super::transactions;
use crate::internal::coordinator::{Topic, Undecoded};
use crate::internal::cursor::Cursor;
use crate::internal::{Release, cluster, membership, text};
use crate::output::Out;

/// How keys and values are shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decoder {
    Coordinator(Topic),
    /// Transactions as 3.9 shows them.
    OldTransactions,
    Cluster,
    Remote,
    Classes {
        key: Class,
        value: Class,
    },
}

/// The classes that Kafka has for keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Text. Kafka's class for bytes shows where they lie in its memory; ours is text too.
    Text,
    Integer,
    Long,
}

impl Decoder {
    /// The decoder that the command line asks for.
    pub(super) fn wanted(given: &Given, release: Release, out: &mut Out) -> Result<Decoder> {
        let first = [
            ("offsets-decoder", Decoder::Coordinator(Topic::Offsets)),
            (
                "transaction-log-decoder",
                match release {
                    Release::V3 => Decoder::OldTransactions,
                    Release::V4 => Decoder::Coordinator(Topic::Transactions),
                },
            ),
            ("cluster-metadata-decoder", Decoder::Cluster),
            ("remote-log-metadata-decoder", Decoder::Remote),
            ("share-group-state-decoder", Decoder::Coordinator(Topic::Share)),
        ]
        .into_iter()
        .find(|(name, _)| given.has(name));
        if let Some((_, decoder)) = first {
            return Ok(decoder);
        }
        let value = class(given.value("value-decoder-class")?, release, out)?;
        let key = class(given.value("key-decoder-class")?, release, out)?;
        Ok(Decoder::Classes { key, value })
    }

    /// Appends ` key: …` and ` payload: …` of a record, behind `lead` the first of them.
    pub(super) fn append(
        self,
        record: &Record<'_>,
        release: Release,
        lead: &str,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut line = Line { lead, release, out };
        match self {
            Decoder::Classes { key, value } => {
                let (of_key, of_value) = (record.key.clone()?, record.value.clone()?);
                let known = |class: Class, bytes: Option<&[u8]>| {
                    bytes.map_or(Ok(()), |bytes| class.check(bytes))
                };
                known(key, of_key)?;
                known(value, of_value)?;
                if let Some(bytes) = of_key {
                    line.key(|out| key.append(bytes, out));
                }
                if let Some(bytes) = of_value {
                    line.payload(|out| value.append(bytes, out));
                }
            }
            Decoder::Coordinator(topic) => coordinator(topic, record, &mut line)?,
            Decoder::OldTransactions => transactions::append(record, &mut line)?,
            Decoder::Cluster => {
                let value = record.value.clone()?;
                line.payload(|out| metadata(record.offset, value, release, out));
            }
            Decoder::Remote => {
                let value = record.value.clone()?;
                line.payload(|out| remote::append(record.offset, value, release, out));
            }
        }
        Ok(())
    }
}

/// The end of a record's line.
pub(super) struct Line<'a> {
    lead: &'a str,
    pub(super) release: Release,
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    pub(super) fn key(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(self.lead.as_bytes());
        self.out.extend_from_slice(b"key: ");
        write(self.out);
        self.lead = " ";
    }

    pub(super) fn payload(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let lead = match self.release {
            Release::V3 => " ",
            Release::V4 => self.lead,
        };
        self.out.extend_from_slice(lead.as_bytes());
        self.out.extend_from_slice(b"payload: ");
        write(self.out);
    }
}

/// The class of that name; text if none is named.
fn class(name: Option<&[u8]>, release: Release, out: &mut Out) -> Result<Class> {
    let Some(name) = name else { return Ok(Class::Text) };
    let name = text::decode(name);
    let mut short = name.strip_prefix("org.apache.kafka.tools.api.");
    if release == Release::V3 && short.is_none() {
        short = name.strip_prefix("kafka.serializer.").filter(|short| known(short).is_some());
        if let Some(short) = short {
            out.text(format_args!(
                "kafka.serializer.{short} is deprecated. Please use \
                 org.apache.kafka.tools.api.{short} instead"
            ))?;
        }
    }
    short.and_then(known).ok_or_else(|| {
        match release {
            Release::V3 => Thrown::new("java.lang.ClassNotFoundException", name),
            Release::V4 => Thrown::runtime("Failed to load decoder class"),
        }
        .into()
    })
}

fn known(short: &str) -> Option<Class> {
    match short {
        "StringDecoder" | "DefaultDecoder" => Some(Class::Text),
        "IntegerDecoder" => Some(Class::Integer),
        "LongDecoder" => Some(Class::Long),
        _ => None,
    }
}

impl Class {
    fn check(self, bytes: &[u8]) -> Result<()> {
        let mut cursor = Cursor::new(bytes);
        let short = match self {
            Class::Text => false,
            Class::Integer => cursor.i32().is_err(),
            Class::Long => cursor.i64().is_err(),
        };
        if short {
            return Err(Thrown::silent("java.nio.BufferUnderflowException").into());
        }
        Ok(())
    }

    fn append(self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut cursor = Cursor::new(bytes);
        let number = match self {
            Class::Text => return text::append(bytes, out),
            Class::Integer => cursor.i32().map(i64::from),
            Class::Long => cursor.i64(),
        };
        crate::output::json::decimal(number.unwrap_or_default(), out);
    }
}

/// A coordinator's record as JSON.
fn coordinator(topic: Topic, record: &Record<'_>, line: &mut Line<'_>) -> Result<()> {
    let Some(key) = record.key.clone()? else { return Err(missing_key(record, line).into()) };
    let (offset, release) = (record.offset, line.release);
    match topic.decode(release, key, record.value.clone()?) {
        Ok(decoded) => {
            line.key(|out| {
                let _ = write!(out, "{{\"type\":\"{}\",\"data\":", decoded.kind);
                decoded.key.write_json(out);
                out.push(b'}');
            });
            line.payload(|out| match decoded.value {
                Some((version, mut fields)) => {
                    membership::spell_out(&mut fields, release);
                    let _ = write!(out, "{{\"version\":\"{version}\",\"data\":");
                    fields.write_json(out);
                    out.push(b'}');
                }
                None => out.extend_from_slice(b"<DELETE>"),
            });
        }
        Err(Undecoded::UnknownKind(kind)) => line.key(|out| {
            let _ = write!(out, "Unknown record type {kind} at offset {offset}, skipping.");
        }),
        Err(why) => line.key(|out| {
            let _ = write!(out, "Error at offset {offset}, skipping. {why}");
        }),
    }
    Ok(())
}

fn missing_key(record: &Record<'_>, line: &Line<'_>) -> Thrown {
    let using = match line.release {
        Release::V3 => "offset topic decoder",
        Release::V4 => "the specified decoder",
    };
    Thrown::runtime(format!(
        "Failed to decode message at offset {} using {using} (message had a missing key)",
        record.offset
    ))
}

/// A record of the metadata log as JSON.
fn metadata(offset: i64, value: Option<&[u8]>, release: Release, out: &mut Vec<u8>) {
    match cluster::decode(release, value) {
        Ok(record) => {
            let (kind, version) = (record.message, record.version);
            let _ = write!(out, "{{\"type\":\"{kind}\",\"version\":{version},\"data\":");
            record.fields.write_json(out);
            out.push(b'}');
        }
        Err(why) => drop(write!(out, "Error at {offset}, skipping. {why}")),
    }
}
