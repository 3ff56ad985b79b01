//! What follows from a partition's `.log` files, made again from them alone: indexes, transaction
//! indexes, producer snapshots, leader epochs. Nothing is written.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::names::{Names, log_name};
use crate::error::{Error, Result};
use crate::fs::{Access, Dir};
use crate::log::leader_epoch_file::{self, EpochStart};
use crate::log::leader_epochs::LeaderEpochs;
use crate::log::producers::Producers;
use crate::log::replay::apply;
use crate::log::{LEADER_EPOCHS, snapshot};
use crate::record::{Offset, RecordBatch};
use crate::segment::names::{self, Part};
use crate::segment::{Builder, Stop, resume_behind, walk};

/// A file that follows from the log, as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuiltFile {
    /// Its name in the partition's directory.
    pub name: String,
    /// The base offset of the segment that it belongs to; of a snapshot the offset that names it.
    pub base_offset: Option<Offset>,
    /// What it should hold; a transaction index without entries is no file.
    pub bytes: Vec<u8>,
}

/// Goes through a partition.
struct Rebuild {
    interval: u32,
    producers: Producers,
    epochs: LeaderEpochs,
    /// Where snapshots are taken: as Kafka does, at the last two segments and at the end.
    snapshots_at: Vec<Offset>,
    end: Offset,
    files: Vec<RebuiltFile>,
}

/// Makes everything again that follows from the segments of `dir`. Damage is stepped over.
pub(crate) fn rebuild(dir: &Dir, interval: u32) -> Result<Vec<RebuiltFile>> {
    let bases = Names::read(dir)?.bases;
    let mut rebuild = Rebuild {
        interval,
        producers: Producers::new(bases.first().copied().unwrap_or(0)),
        epochs: LeaderEpochs::new(),
        snapshots_at: bases.iter().rev().take(2).rev().copied().filter(|&base| base > 0).collect(),
        end: 0,
        files: Vec::new(),
    };
    for &base in &bases {
        rebuild.segment(dir, base)?;
    }
    rebuild.finish(bases.is_empty());
    Ok(rebuild.files)
}

impl Rebuild {
    fn segment(&mut self, dir: &Dir, base: Offset) -> Result<()> {
        if self.snapshots_at.first() == Some(&base) {
            self.snapshots_at.remove(0);
            self.snapshot(base);
        }
        let name = log_name(base);
        let failed = |error| Error::io("read", dir.path().join(&name), error);
        let file = Arc::new(dir.open(&name, Access::Read).map_err(failed)?);
        let len = file.len().map_err(failed)?;
        let (mut builder, mut aborted, mut position) =
            (Builder::new(base, self.interval), Vec::new(), 0);
        while position < len {
            let walked = walk(&file, position, len, &mut |at, batch| {
                builder.add(at, batch);
                self.note(batch);
                aborted.extend(apply(&mut self.producers, batch));
                ControlFlow::Continue(())
            });
            let walked = walked.map_err(failed)?;
            let Stop::Failed(_) = walked.stop else { break };
            let next = builder.facts.next_offset;
            let resumed = resume_behind(&file, walked.position, len, next..Offset::MAX);
            let Some(resumed) = resumed.map_err(failed)? else { break };
            position = resumed.position;
        }
        let (facts, offsets, times) = builder.finish();
        self.end = self.end.max(facts.next_offset);
        self.put(base, Part::OffsetIndex, offsets);
        self.put(base, Part::TimeIndex, times);
        let entries = aborted.iter().flat_map(|txn: &crate::index::AbortedTxn| txn.encode());
        let entries: Vec<u8> = entries.collect();
        if !entries.is_empty() {
            self.put(base, Part::TxnIndex, entries);
        }
        Ok(())
    }

    fn note(&mut self, batch: &RecordBatch<'_>) {
        let header = batch.header();
        self.producers.high_watermark_moved(header.base_offset());
        if let Some(epoch) = header.leader_epoch()
            && self.epochs.latest().is_none_or(|latest| epoch > latest)
        {
            self.epochs.assign(epoch, header.base_offset());
        }
    }

    fn put(&mut self, base: Offset, part: Part, bytes: Vec<u8>) {
        let name = names::name(base, part);
        self.files.push(RebuiltFile { name, base_offset: Some(base), bytes });
    }

    fn snapshot(&mut self, at: Offset) {
        let bytes = snapshot::encode(&self.producers.in_order());
        self.put(at, Part::Snapshot, bytes);
    }

    fn finish(&mut self, is_empty: bool) {
        if !is_empty && self.end > 0 {
            let name = names::name(self.end, Part::Snapshot);
            self.files.retain(|file| file.name != name);
            self.snapshot(self.end);
        }
        let entries: Vec<_> = self
            .epochs
            .entries()
            .iter()
            .map(|&(epoch, start_offset)| EpochStart { epoch, start_offset })
            .collect();
        let bytes = leader_epoch_file::encode(&entries);
        let name = LEADER_EPOCHS.to_owned();
        self.files.push(RebuiltFile { name, base_offset: None, bytes });
    }
}
