//! The deep look at what follows from the log: producer state at each snapshot, and the aborted
//! transactions of each segment, by replay.

use std::collections::BTreeSet;

use super::small::read;
use super::{PartitionCheck, about};
use crate::finding::{Code, Detail, Findings, Severity};
use crate::fs::Dir;
use crate::index::{AbortedTxn, TXN_ENTRY_LEN};
use crate::log::producers::{ProducerEntry, Producers};
use crate::log::replay::apply_header;
use crate::log::snapshot;
use crate::record::{ControlRecord, Offset, ProducerId, TransactionEnd};
use crate::segment::names::{self, Part};
use crate::segment::verify::{Checked, Looked};

/// A segment has so many abort markers at most that are remembered.
const MOST_MARKERS: usize = 1 << 18;

/// The state of a partition, batch by batch.
pub(crate) struct Replay<'a> {
    dir: &'a Dir,
    /// The last segment, if a crash may have cut it: its transaction index may be ahead.
    crashed: Option<Offset>,
    producers: Producers,
    /// Whether everything that came before is known.
    is_whole: bool,
    next_offset: Option<Offset>,
    snapshots: Vec<Offset>,
    /// Snapshots that were passed, and how they differ.
    findings: Findings,
    markers: BTreeSet<(Offset, ProducerId)>,
    aborted: Vec<AbortedTxn>,
    aborts: bool,
}

impl<'a> Replay<'a> {
    pub(super) fn new(of: &'a PartitionCheck) -> Self {
        let mut snapshots = of.names.snapshots.clone();
        snapshots.reverse();
        Replay {
            dir: &of.dir,
            crashed: of.names.bases.last().copied().filter(|_| !of.around.kafka.stopped_cleanly),
            producers: Producers::new(0),
            is_whole: of.names.bases.first() == Some(&0),
            next_offset: None,
            snapshots,
            findings: Findings::default(),
            markers: BTreeSet::new(),
            aborted: Vec::new(),
            aborts: false,
        }
    }

    pub(super) fn batch(&mut self, batch: &Looked) {
        let header = &batch.header;
        let control = batch.deep.as_ref().and_then(|deep| deep.control.ok());
        let expected = self.next_offset.unwrap_or(0);
        self.is_whole &= header.base_offset() == expected;
        self.next_offset = Some(header.next_offset());
        self.pass_snapshots(header.base_offset());
        let is_abort = matches!(
            control,
            Some(Some(ControlRecord::EndTransaction { end: TransactionEnd::Abort, .. }))
        );
        if let Some(producer) = header.producer_id().filter(|_| is_abort) {
            self.aborts = true;
            if self.markers.len() < MOST_MARKERS {
                self.markers.insert((header.last_offset(), producer));
            }
        }
        if let Some(control) = control {
            self.aborted.extend(apply_header(&mut self.producers, header, control));
        }
        self.producers.high_watermark_moved(header.next_offset());
    }

    /// Compares the snapshots up to an offset with the state there.
    fn pass_snapshots(&mut self, upto: Offset) {
        while let Some(at) = self.snapshots.pop_if(|at| *at <= upto) {
            // One inside a batch is of no state that was.
            if self.is_whole && at == upto {
                self.compare_snapshot(at);
            }
        }
    }

    fn compare_snapshot(&mut self, at: Offset) {
        let name = names::name(at, Part::Snapshot);
        let Ok(Some(bytes)) = read(self.dir, &name) else { return };
        let Ok(entries) = snapshot::decode(&bytes) else { return };
        let finding = about(self.dir, Code::SnapshotDiffers, &name);
        for (id, said) in &entries {
            let differs = match self.producers.get(*id) {
                None => Some("the log has nothing of it".to_owned()),
                Some(found) => difference(said, found),
            };
            if let Some(differs) = differs {
                self.findings.push(finding.text(format!("producer {id}: {differs}")));
                return;
            }
        }
    }

    /// A segment ends: its transaction index is compared.
    pub(super) fn segment_ends(&mut self, checked: &Checked) {
        let damaged = !checked.summary.damage.is_empty();
        self.is_whole &= !damaged;
        self.compare_txn_index(checked, damaged);
        self.markers.clear();
        self.aborted.clear();
        self.aborts = false;
    }

    fn compare_txn_index(&mut self, checked: &Checked, damaged: bool) {
        let name = names::name(checked.base, Part::TxnIndex);
        let Ok(bytes) = read(self.dir, &name) else { return };
        let bytes = bytes.unwrap_or_default();
        let (entries, _) = bytes.as_chunks::<TXN_ENTRY_LEN>();
        let mut listed = BTreeSet::new();
        for (slot, bytes) in entries.iter().enumerate() {
            let Ok(entry) = AbortedTxn::decode(bytes) else { continue };
            listed.insert((entry.last_offset, entry.producer_id));
            if let Some(why) = self.entry_is_wrong(&entry, checked) {
                let at = (slot * TXN_ENTRY_LEN) as u64;
                let mut finding =
                    about(self.dir, Code::TxnEntry, &name).at(at, TXN_ENTRY_LEN as u64);
                finding.offsets = Some((entry.first_offset, entry.last_offset));
                let past_end = entry.last_offset >= checked.summary.next_offset;
                if past_end && self.crashed == Some(checked.base) {
                    finding.severity = Severity::Warning;
                }
                self.findings.push(finding.text(why));
            }
        }
        let missing =
            self.aborted.iter().filter(|it| !listed.contains(&(it.last_offset, it.producer_id)));
        let count = missing.count() as u64;
        if count > 0 && !damaged {
            let finding = about(self.dir, Code::TxnMissing, &name);
            self.findings.push(finding.detail(Detail::Count(count)));
        }
    }

    fn entry_is_wrong(&self, entry: &AbortedTxn, checked: &Checked) -> Option<String> {
        let summary = &checked.summary;
        let past_tail = summary.has_tail && entry.last_offset >= summary.next_offset;
        if past_tail || summary.may_be_lost(entry.last_offset) {
            return None;
        }
        let marker = (entry.last_offset, entry.producer_id);
        if !self.markers.contains(&marker) && self.markers.len() < MOST_MARKERS {
            let (at, producer) = marker;
            return Some(format!("no abort marker of producer {producer} is at offset {at}"));
        }
        let found = self.aborted.iter().find(|it| (it.last_offset, it.producer_id) == marker);
        match found.filter(|_| self.is_whole) {
            Some(found) if found != entry => Some(format!(
                "it began at {} and left {} stable, the entry says {} and {}",
                found.first_offset,
                found.last_stable_offset,
                entry.first_offset,
                entry.last_stable_offset
            )),
            _ => None,
        }
    }

    /// The log ended.
    pub(super) fn finish(mut self, segments: &[Checked], findings: &mut Findings) {
        let end = segments.last().map_or(0, |last| last.summary.next_offset);
        let whole = segments.last().is_some_and(|last| last.summary.damage.is_empty());
        self.is_whole &= whole;
        self.pass_snapshots(end);
        findings.extend(self.findings.into_list());
    }
}

/// How a producer's entry in a snapshot differs from the state that a replay gives.
fn difference(said: &ProducerEntry, found: &ProducerEntry) -> Option<String> {
    let number = |number: Option<i64>| number.map_or("none".to_owned(), |it| it.to_string());
    let differ = |what: &str, said: Option<i64>, found: Option<i64>| {
        let (a, b) = (number(said), number(found));
        (said != found).then(|| format!("{what} is {b} by replay, the file says {a}"))
    };
    let epoch = |entry: &ProducerEntry| entry.epoch.map(|epoch| i64::from(epoch.0));
    let coordinator = |entry: &ProducerEntry| entry.coordinator_epoch.map(i64::from);
    let last = |entry: &ProducerEntry| entry.batches().last().copied();
    let sequence = |entry: &ProducerEntry| {
        last(entry).and_then(|batch| batch.last_sequence).map(|sequence| i64::from(sequence.0))
    };
    let offset = |entry: &ProducerEntry| last(entry).map(|batch| batch.last_offset);
    differ("its epoch", epoch(said), epoch(found))
        .or_else(|| differ("its coordinator epoch", coordinator(said), coordinator(found)))
        .or_else(|| differ("its last sequence", sequence(said), sequence(found)))
        .or_else(|| differ("its last offset", offset(said), offset(found)))
        .or_else(|| differ("its open transaction", said.txn_first_offset, found.txn_first_offset))
        .or_else(|| differ("its last timestamp", said.last_timestamp, found.last_timestamp))
}
