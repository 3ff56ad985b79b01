//! Compaction as the rules say it, slow and obvious: all batches in memory, each looked at by itself.
//! What the engine does is compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use strandline::compression::Decompressor;
use strandline::record::{ControlRecord, TimestampType, TransactionEnd};
use strandline::{LogFile, Piece};

/// A record, with everything that compaction has to keep of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rec {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A batch, but for its length and checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bat {
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) codec: u8,
    /// 0 or 1 for a message from before there were batches.
    pub(crate) magic: i8,
    pub(crate) append_time: bool,
    pub(crate) transactional: bool,
    pub(crate) control: bool,
    /// From when on its tombstones and its marker may go.
    pub(crate) horizon: Option<i64>,
    pub(crate) max_timestamp: Option<i64>,
    pub(crate) producer: Option<(i64, i16)>,
    pub(crate) sequence: Option<i32>,
    /// Whether it is the marker of a commit, of an abort.
    pub(crate) commits: Option<bool>,
    pub(crate) records: Vec<Rec>,
}

/// What a cleaning goes by.
pub(crate) struct Rules {
    pub(crate) now: i64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) first_dirty: i64,
    pub(crate) first_uncleanable: i64,
    /// Of each active producer its epoch, and the last offset of its last batch of records.
    pub(crate) producers: BTreeMap<i64, (i16, Option<i64>)>,
}

/// The `.log` files of a partition, by base offset.
pub(crate) fn logs_in(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|of| of == "log")).collect();
    logs.sort();
    logs
}

/// All batches of a partition below `end`.
pub(crate) fn batches_in(dir: &Path, end: i64) -> Vec<Bat> {
    let mut batches: Vec<_> = logs_in(dir).iter().flat_map(|path| batches_of(path)).collect();
    batches.retain(|batch| batch.base < end);
    batches
}

/// All batches of one `.log`.
pub(crate) fn batches_of(path: &Path) -> Vec<Bat> {
    let mut batches = Vec::new();
    let log = LogFile::open(path).unwrap();
    let mut pieces = log.pieces();
    while let Some(piece) = pieces.next_piece().unwrap() {
        match piece.what {
            Piece::Batch(batch) => batches.push(read(&batch)),
            Piece::Zeros => {}
            other => panic!("{}: {other:?}", path.display()),
        }
    }
    batches
}

fn read(batch: &strandline::record::RecordBatch<'_>) -> Bat {
    let header = batch.header();
    let is = header.attributes();
    let mut inflated = Vec::new();
    let records = batch.records(&mut Decompressor::new(), 64 << 20, &mut inflated).unwrap();
    let mut commits = None;
    let records = records.map(|record| {
        let record = record.unwrap();
        if is.is_control()
            && let Ok(ControlRecord::EndTransaction { end, .. }) = ControlRecord::decode(&record)
        {
            commits = Some(end == TransactionEnd::Commit);
        }
        Rec {
            offset: record.offset(),
            timestamp: record.timestamp().unwrap_or(-1),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: record
                .headers()
                .map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    });
    let records = records.collect();
    Bat {
        base: header.base_offset(),
        last: header.last_offset(),
        leader_epoch: header.leader_epoch().map(|epoch| epoch.0),
        codec: is.codec_id(),
        magic: header.magic(),
        append_time: is.timestamp_type() == TimestampType::LogAppendTime,
        transactional: is.is_transactional(),
        control: is.is_control(),
        horizon: header.delete_horizon(),
        max_timestamp: header.max_timestamp(),
        producer: header
            .producer_id()
            .map(|id| (id.0, header.producer_epoch().map_or(-1, |epoch| epoch.0))),
        sequence: header.base_sequence().map(|sequence| sequence.0),
        commits,
        records,
    }
}

/// Of each batch that a transaction ended, whether it was aborted; of each marker, whether it ends
/// anything that is still there.
struct Transactions {
    aborted: BTreeSet<i64>,
    done: BTreeSet<i64>,
}

fn transactions(batches: &[Bat]) -> Transactions {
    let mut found = Transactions { aborted: BTreeSet::new(), done: BTreeSet::new() };
    for (at, marker) in batches.iter().enumerate().filter(|(_, batch)| batch.control) {
        // What lies between this marker and the one of the same producer before it.
        let of = |batch: &&Bat| batch.producer.map(|it| it.0) == marker.producer.map(|it| it.0);
        let before = batches[..at].iter().rev().filter(of).take_while(|it| it.commits.is_none());
        let data: Vec<i64> =
            before.filter(|it| it.transactional && !it.control).map(|it| it.base).collect();
        if marker.commits == Some(false) {
            found.aborted.extend(&data);
        }
        if data.is_empty() {
            found.done.insert(marker.base);
        }
    }
    found
}

/// What cleaning leaves of the `batches` of a log below the first uncleanable offset.
pub(crate) fn clean(batches: &[Bat], rules: &Rules) -> Vec<Bat> {
    // How a transaction ended may be told behind that.
    let transactions = transactions(batches);
    let below = batches.iter().take_while(|batch| batch.base < rules.first_uncleanable);
    let batches: Vec<Bat> = below.cloned().collect();
    if rules.first_dirty >= rules.first_uncleanable {
        return batches;
    }
    let mut last: BTreeMap<&[u8], i64> = BTreeMap::new();
    for batch in batches.iter().filter(|it| !it.control && !transactions.aborted.contains(&it.base))
    {
        for record in batch.records.iter().filter(|it| it.offset >= rules.first_dirty) {
            if let Some(key) = &record.key {
                last.insert(key, record.offset);
            }
        }
    }
    batches.iter().filter_map(|batch| clean_one(batch, rules, &transactions, &last)).collect()
}

fn clean_one(
    batch: &Bat,
    rules: &Rules,
    transactions: &Transactions,
    last: &BTreeMap<&[u8], i64>,
) -> Option<Bat> {
    let has_expired = batch.horizon.is_some_and(|horizon| horizon <= rules.now);
    let is_done = batch.control && transactions.done.contains(&batch.base);
    let stays = |record: &Rec| {
        if batch.control {
            return !(is_done && has_expired);
        }
        let Some(key) = &record.key else { return false };
        let is_last = last.get(key.as_slice()).is_none_or(|last| record.offset >= *last);
        !transactions.aborted.contains(&batch.base)
            && is_last
            && (record.value.is_some() || !has_expired)
    };
    if batch.magic < 2 {
        // None is written any more: it stays whole, or goes.
        let stays = batch.records.iter().any(stays) || batch.last + 1 == rules.first_uncleanable;
        return stays.then(|| batch.clone());
    }
    let mut left = batch.clone();
    left.records.retain(stays);
    if left.records.is_empty() {
        let is_last_known =
            batch.producer.is_some_and(|(id, epoch)| match rules.producers.get(&id) {
                Some((_, Some(data))) => batch.last == *data,
                Some((known, None)) => batch.control && *known == epoch,
                None => false,
            });
        let ends_the_round = batch.last + 1 == rules.first_uncleanable;
        left.horizon = None;
        left.codec = 0;
        left.commits = None;
        return (is_last_known || ends_the_round).then_some(left);
    }
    let is_same = left.records.len() == batch.records.len();
    let has_tombstone = !batch.control && left.records.iter().any(|it| it.value.is_none());
    if (has_tombstone || is_done) && left.horizon.is_none() {
        left.horizon = Some(rules.now + rules.delete_retention_ms);
    } else if is_same {
        return Some(left);
    }
    if !batch.append_time {
        left.max_timestamp = left.records.iter().map(|it| it.timestamp).max().filter(|ms| *ms >= 0);
    }
    Some(left)
}

/// The first difference between two lists of batches, in words.
pub(crate) fn difference(ours: &[Bat], wanted: &[Bat]) -> Option<String> {
    let at = (0..ours.len().max(wanted.len())).find(|at| ours.get(*at) != wanted.get(*at))?;
    Some(format!(
        "batch {at} of {} and {}\n  it is     {:?}\n  should be {:?}",
        ours.len(),
        wanted.len(),
        ours.get(at),
        wanted.get(at)
    ))
}
