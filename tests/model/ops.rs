//! What can be done to a log, drawn at random.

use proptest::collection::vec;
use proptest::prelude::*;

/// When the clock starts; record times lie around it. Even a time of 1970 is not a day ago, so that
/// no producer is forgotten for its records' times.
pub(crate) const NOW_MS: i64 = 10_000_000;
/// Idempotent producers come first, transactional ones behind them.
pub(crate) const IDEMPOTENT: usize = 3;
pub(crate) const PRODUCERS: usize = 6;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A record to append.
#[derive(Clone)]
pub(crate) struct Rec {
    pub(crate) time: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl std::fmt::Debug for Rec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        write!(f, "{}:{}:{}", self.time, len(&self.key), len(&self.value))
    }
}

/// Records, how they are compressed, whether their append is `Synced`.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) records: Vec<Rec>,
    pub(crate) codec: &'static str,
    pub(crate) synced: bool,
}

/// One step. Places are given as fractions (of 2¹⁶) of what there is.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Append(Send),
    Produce { who: usize, send: Send, bump: bool },
    Retry { who: usize, back: usize },
    End { who: usize, commit: bool, synced: bool },
    Roll,
    Flush,
    Fetch { at: u16, max_bytes: usize },
    Times { times: Vec<i64> },
    Truncate { at: u16 },
    DeleteRecords { at: u16 },
    Retain,
    Tick { ms: i64 },
    Import { gap: i64, sends: Vec<Send>, epoch: i32 },
    Close,
    Kill,
    StartOver { by: i64 },
    PowerCut { seed: u64 },
}

/// The settings of one log, and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) config: Vec<(String, String)>,
    pub(crate) ops: Vec<Op>,
}

fn bytes(most: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Vec::new())),
        6 => (any::<u8>(), 1..most).prop_map(|(fill, len)| {
            Some((0..len).map(|n| fill.wrapping_mul(n as u8 | 1)).collect())
        }),
    ]
}

fn record() -> impl Strategy<Value = Rec> {
    let time = prop_oneof![
        8 => NOW_MS - 5_000..NOW_MS + 5_000,
        1 => Just(-1_i64),
        1 => -50..50_i64,
    ];
    let headers = prop_oneof![
        6 => Just(Vec::new()),
        1 => vec(("[a-c]{0,2}", bytes(5)), 1..3),
    ];
    let parts = (time, bytes(8), bytes(90), headers);
    parts.prop_map(|(time, key, value, headers)| Rec { time, key, value, headers })
}

fn send(most: usize) -> impl Strategy<Value = Send> {
    let codec = prop_oneof![3 => Just(0), 2 => 0..CODECS.len()];
    (vec(record(), 1..=most), codec, any::<bool>()).prop_map(|(records, codec, synced)| Send {
        records,
        codec: CODECS[codec],
        synced,
    })
}

fn some_records() -> impl Strategy<Value = Send> {
    prop_oneof![4 => send(4), 1 => send(20)]
}

fn op() -> impl Strategy<Value = Op> {
    let time = prop_oneof![NOW_MS - 6_000..NOW_MS + 6_000, Just(0), Just(NOW_MS + 90_000)];
    prop_oneof![
        12 => some_records().prop_map(Op::Append),
        8 => (0..PRODUCERS, some_records(), prop::bool::weighted(0.1))
            .prop_map(|(who, send, bump)| Op::Produce { who, send, bump }),
        3 => (0..PRODUCERS, 0..5_usize).prop_map(|(who, back)| Op::Retry { who, back }),
        4 => (IDEMPOTENT..PRODUCERS, any::<bool>(), any::<bool>())
            .prop_map(|(who, commit, synced)| Op::End { who, commit, synced }),
        2 => Just(Op::Roll),
        1 => Just(Op::Flush),
        3 => (any::<u16>(), prop_oneof![Just(1), 1..2_000_usize])
            .prop_map(|(at, max_bytes)| Op::Fetch { at, max_bytes }),
        2 => vec(time, 1..4).prop_map(|times| Op::Times { times }),
        1 => any::<u16>().prop_map(|at| Op::Truncate { at }),
        1 => any::<u16>().prop_map(|at| Op::DeleteRecords { at }),
        1 => Just(Op::Retain),
        2 => prop_oneof![1..200_i64, 1_000..20_000_i64].prop_map(|ms| Op::Tick { ms }),
        1 => (prop_oneof![3 => Just(0), 1 => 1..50_i64], vec(send(3), 1..4), -1..3)
            .prop_map(|(gap, sends, epoch)| Op::Import { gap, sends, epoch }),
        1 => Just(Op::Close),
        2 => Just(Op::Kill),
        1 => (-30..100_i64).prop_map(|by| Op::StartOver { by }),
        3 => any::<u64>().prop_map(|seed| Op::PowerCut { seed }),
    ]
}

fn config() -> impl Strategy<Value = Vec<(String, String)>> {
    let index_bytes = prop_oneof![3 => Just(10 << 20), 1 => 24..120_i64];
    let retention_ms = prop_oneof![2 => Just(-1), 1 => 1_000..60_000_i64];
    let retention_bytes = prop_oneof![2 => Just(-1), 1 => 500..6_000_i64];
    let delay = prop_oneof![Just(0), Just(60_000_i64)];
    (600..4_000_i64, 0..200_i64, index_bytes, retention_ms, retention_bytes, delay).prop_map(
        |(segment, interval, index, ms, bytes, delay)| {
            let pairs = [
                ("internal.segment.bytes", segment),
                ("index.interval.bytes", interval),
                ("segment.index.bytes", index),
                ("retention.ms", ms),
                ("retention.bytes", bytes),
                ("file.delete.delay.ms", delay),
            ];
            pairs.map(|(name, value)| (name.to_string(), value.to_string())).to_vec()
        },
    )
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    (config(), vec(op(), 1..60)).prop_map(|(config, ops)| Script { config, ops })
}
