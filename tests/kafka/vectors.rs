//! The write vectors: what is done to a log, step by step, what it answers, and what is on disk
//! at the end.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::pack;
use crate::text::{Fields, base64};
use crate::truth::{Payload, Record};

/// One log's life.
pub(crate) struct Vector {
    pub(crate) name: String,
    /// Whether building the batches from their records gives `batchBytes` again: uncompressed.
    pub(crate) byte_exact: bool,
    pub(crate) start_ms: i64,
    /// Kafka's names of settings, and their values.
    pub(crate) config: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
    /// Before the last close.
    pub(crate) state: State,
}

/// Size and SHA-256 of each file, by name.
pub(crate) type Files = BTreeMap<String, (u64, String)>;

/// What is done, when, and what the log says of itself afterwards.
pub(crate) struct Step {
    pub(crate) op: Op,
    /// The clock after the step.
    pub(crate) now_ms: i64,
    pub(crate) log_start_offset: Option<i64>,
    pub(crate) log_end_offset: Option<i64>,
}

/// Who hands a batch to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Client,
    /// The transaction coordinator, for markers.
    Coordinator,
}

pub(crate) enum Op {
    AppendAsLeader {
        sent: Sent,
        leader_epoch: i32,
        origin: Origin,
        answer: Result<Answer, Refusal>,
    },
    AppendAsFollower {
        sent: Vec<Sent>,
        bytes: Vec<u8>,
        answer: Result<Answer, Refusal>,
    },
    Roll {
        new_base: i64,
    },
    Flush,
    TruncateTo {
        offset: i64,
        truncated: bool,
    },
    TruncateFullyAndStartAt {
        offset: i64,
    },
    IncrementLogStartOffset {
        offset: i64,
        raised: bool,
    },
    DeleteOldSegments {
        deleted: i64,
    },
    AssignEpochStartOffset {
        epoch: i32,
        offset: i64,
    },
    AdvanceClock,
    CloseAndReopen {
        closed: Files,
    },
    /// Compacts what lies between the offsets; the answer is where the next one begins.
    Clean {
        first_dirty: i64,
        first_uncleanable: i64,
        next_dirty: i64,
    },
}

/// A batch before the leader's changes, as bytes and in words.
pub(crate) struct Sent {
    /// As it goes over the wire; for a follower, empty: its call has the bytes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) codec: String,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) transactional: bool,
    /// For a follower: where the batch is in the log, and its leader's epoch.
    pub(crate) placed: Option<(i64, i32)>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    /// Offsets count from 0, there is no leader epoch yet.
    Records(Vec<Record>),
    /// An end-of-transaction marker.
    Marker(Marker),
}

pub(crate) struct Marker {
    pub(crate) commit: bool,
    pub(crate) coordinator_epoch: i32,
    pub(crate) timestamp: i64,
    pub(crate) transaction_version: i16,
}

/// What an append answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    /// −1 if the records keep the times of their making.
    pub(crate) log_append_time: i64,
}

/// An append that leaves no byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The class of Kafka's exception, without its package.
    pub(crate) error: String,
    pub(crate) message: String,
}

impl Refusal {
    /// The codes of Kafka's protocol, one of which must be given for this exception. −1 stands for
    /// what is never sent over the wire.
    pub(crate) fn codes(&self) -> &'static [i16] {
        match self.error.as_str() {
            "OffsetOutOfRangeException" => &[1],
            "CorruptRecordException" => &[2],
            "RecordTooLargeException" => &[10],
            "RecordBatchTooLargeException" => &[18],
            "UnsupportedForMessageFormatException" => &[43],
            "OutOfOrderSequenceException" => &[45],
            "InvalidProducerEpochException" => &[47],
            "InvalidTxnStateException" => &[48],
            "TransactionCoordinatorFencedException" => &[52],
            "RecordValidationException" if self.message.contains("InvalidTimestamp") => &[32],
            "InvalidRecordException" | "RecordValidationException" => &[87],
            "OffsetsOutOfOrderException" | "UnexpectedAppendOffsetException" => &[87, -1],
            other => panic!("no code is known for {other}"),
        }
    }
}

/// What a log knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    /// Base offsets.
    pub(crate) segments: Vec<i64>,
    /// (epoch, start offset).
    pub(crate) leader_epochs: Vec<(i32, i64)>,
    /// In order of id.
    pub(crate) producers: Vec<Producer>,
}

/// What a log remembers of an idempotent producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// −1 if there was no marker.
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) open_transaction: Option<i64>,
    /// First and last sequence, first and last offset, timestamp; the oldest first.
    pub(crate) batches: Vec<(i32, i32, i64, i64, i64)>,
}

impl Vector {
    pub(crate) fn read(path: &Path) -> Self {
        let json = pack::json(path);
        let config = json.field("config").as_object().unwrap();
        let setting = |(name, value): (&String, &Value)| {
            (name.clone(), value.as_str().expect("settings are text").to_owned())
        };
        Vector {
            name: json.text("name").to_owned(),
            byte_exact: json.flag("byteExact"),
            start_ms: json.number("startMs"),
            config: config.iter().map(setting).collect(),
            steps: json.list("steps").iter().map(step).collect(),
            state: state(json.field("state")),
        }
    }

    /// Whether compaction is among the steps.
    pub(crate) fn cleans(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.op, Op::Clean { .. }))
    }
}

fn step(json: &Value) -> Step {
    Step {
        op: op(json),
        now_ms: json.number("nowMs"),
        log_start_offset: json.maybe_number("logStartOffset"),
        log_end_offset: json.maybe_number("logEndOffset"),
    }
}

fn op(json: &Value) -> Op {
    let offset = || json.number("offset");
    match json.text("op") {
        "appendAsLeader" => Op::AppendAsLeader {
            sent: sent(json.field("batch"), json),
            leader_epoch: json.number("leaderEpoch") as i32,
            origin: match json.text("origin") {
                "CLIENT" => Origin::Client,
                "COORDINATOR" => Origin::Coordinator,
                other => panic!("unknown origin {other}"),
            },
            answer: answer(json),
        },
        "appendAsFollower" => Op::AppendAsFollower {
            sent: json.list("batches").iter().map(|batch| sent(batch, json)).collect(),
            bytes: json.bytes("bytes").unwrap(),
            answer: answer(json),
        },
        "roll" => Op::Roll { new_base: json.number("result") },
        "flush" => Op::Flush,
        "truncateTo" => Op::TruncateTo { offset: offset(), truncated: json.flag("result") },
        "truncateFullyAndStartAt" => Op::TruncateFullyAndStartAt { offset: offset() },
        "incrementLogStartOffset" => {
            Op::IncrementLogStartOffset { offset: offset(), raised: json.flag("result") }
        }
        "deleteOldSegments" => Op::DeleteOldSegments { deleted: json.number("result") },
        "assignEpochStartOffset" => Op::AssignEpochStartOffset {
            epoch: json.number("leaderEpoch") as i32,
            offset: offset(),
        },
        "advanceClock" => Op::AdvanceClock,
        "closeAndReopen" => Op::CloseAndReopen { closed: files(json.list("filesClosed")) },
        "clean" => Op::Clean {
            first_dirty: json.number("firstDirtyOffset"),
            first_uncleanable: json.number("firstUncleanableOffset"),
            next_dirty: json.field("result").number("nextDirtyOffset"),
        },
        other => panic!("unknown step {other}"),
    }
}

fn sent(batch: &Value, step: &Value) -> Sent {
    let content = match batch.get("control") {
        Some(kind) => Content::Marker(Marker {
            commit: kind == "commit",
            coordinator_epoch: batch.number("coordinatorEpoch") as i32,
            timestamp: batch.number("timestamp"),
            transaction_version: step.number("transactionVersion") as i16,
        }),
        None => Content::Records(batch.list("records").iter().zip(0..).map(record).collect()),
    };
    let base_offset = batch.maybe_number("baseOffset");
    Sent {
        bytes: step.get("batchBytes").and_then(Value::as_str).map(base64).unwrap_or_default(),
        codec: batch.text("codec").to_owned(),
        producer_id: batch.number("producerId"),
        producer_epoch: batch.number("producerEpoch") as i16,
        base_sequence: batch.number("baseSequence") as i32,
        transactional: batch.flag("transactional"),
        placed: base_offset.map(|base| (base, batch.number("partitionLeaderEpoch") as i32)),
        content,
    }
}

fn record((json, offset): (&Value, i64)) -> Record {
    // A long value is one byte, repeated.
    let value = match json.maybe_number("valueLength") {
        Some(length) => Some(json.bytes("valueByte").unwrap().repeat(length as usize)),
        None => json.bytes("value"),
    };
    let header = |pair: &Value| {
        let key = pair[0].as_str().unwrap().as_bytes().to_vec();
        (key, pair[1].as_str().map(base64))
    };
    let headers = json.get("headers").and_then(Value::as_array);
    Record {
        offset,
        timestamp: json.number("timestamp"),
        log_append_time: false,
        key: json.bytes("key"),
        value: Payload::of(value.as_deref()),
        headers: headers.into_iter().flatten().map(header).collect(),
        leader_epoch: None,
    }
}

fn answer(json: &Value) -> Result<Answer, Refusal> {
    if json.get("error").is_some() {
        let (error, message) = (json.text("error").to_owned(), json.text("message").to_owned());
        return Err(Refusal { error, message });
    }
    Ok(Answer {
        first_offset: json.number("firstOffset"),
        last_offset: json.number("lastOffset"),
        max_timestamp: json.number("maxTimestamp"),
        log_append_time: json.number("logAppendTime"),
    })
}

fn state(json: &Value) -> State {
    let epoch = |json: &Value| (json.number("epoch") as i32, json.number("startOffset"));
    let mut producers: Vec<_> = json.list("producers").iter().map(producer).collect();
    producers.sort_by_key(|producer| producer.id);
    State {
        log_start_offset: json.number("logStartOffset"),
        log_end_offset: json.number("logEndOffset"),
        high_watermark: json.number("highWatermark"),
        last_stable_offset: json.number("lastStableOffset"),
        segments: json.list("segments").iter().filter_map(Value::as_i64).collect(),
        leader_epochs: json.list("leaderEpochs").iter().map(epoch).collect(),
        producers,
    }
}

fn producer(json: &Value) -> Producer {
    let batch = |json: &Value| {
        let sequence = |name| json.number(name) as i32;
        let (first, last) = (json.number("firstOffset"), json.number("lastOffset"));
        (sequence("firstSeq"), sequence("lastSeq"), first, last, json.number("timestamp"))
    };
    Producer {
        id: json.number("producerId"),
        epoch: json.number("producerEpoch") as i16,
        coordinator_epoch: json.number("coordinatorEpoch") as i32,
        last_timestamp: json.number("lastTimestamp"),
        open_transaction: json.maybe_number("currentTxnFirstOffset"),
        batches: json.list("batches").iter().map(batch).collect(),
    }
}

fn files(list: &[Value]) -> Files {
    let file = |json: &Value| {
        let facts = (json.number("size") as u64, json.text("sha256").to_owned());
        (json.text("name").to_owned(), facts)
    };
    list.iter().map(file).collect()
}
