//! The pass through a `.log`: what goes by its batches, in order.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::ahead::Stretch;
use super::look::{Look, Looked};
use super::offset_index::OffsetIndex;
use super::order::Order;
use super::records::Records;
use super::time_index::TimeIndex;
use super::{How, Pace};
use crate::finding::Findings;
use crate::record::BatchHeader;
use crate::segment::facts::extend_by_batch;
use crate::segment::walk::Walked;
use crate::wire::crc32c;

/// Progress is told behind so many bytes.
const STEP_BYTES: u64 = 4 << 20;

/// Tells how far a look at a file is.
pub(super) struct Told<'a> {
    how: &'a How,
    path: &'a Path,
    upto: u64,
}

impl<'a> Told<'a> {
    /// Of one that begins at a position.
    pub(super) fn new(how: &'a How, path: &'a Path, upto: u64) -> Told<'a> {
        Told { how, path, upto }
    }

    /// It has come to a position, which is told now and then.
    pub(super) fn at(&mut self, position: u64) {
        if position.saturating_sub(self.upto) >= STEP_BYTES {
            self.now(position);
        }
    }

    /// The same, told in any case.
    pub(super) fn now(&mut self, position: u64) {
        let stretch = self.upto..position.max(self.upto);
        self.upto = stretch.end;
        self.how.progress.fetch_add(stretch.end - stretch.start, Ordering::Relaxed);
        if let Some(Pace(tell)) = &self.how.pace {
            tell(self.path, stretch);
        }
    }

    /// What lies before a position was looked at, and told, by another.
    fn skip_to(&mut self, position: u64) {
        self.upto = position;
    }
}

/// What goes by the batches of a pass.
pub(super) struct Pass<'a> {
    pub(super) look: Look,
    pub(super) told: Told<'a>,
    pub(super) order: Order<'a>,
    pub(super) records: Option<Records<'a>>,
    pub(super) offset_index: Option<OffsetIndex<'a>>,
    pub(super) time_index: Option<TimeIndex<'a>>,
    pub(super) findings: Findings,
    pub(super) index_findings: Findings,
    pub(super) sum: Option<u32>,
    /// The end of what was looked at.
    pub(super) position: u64,
    /// Where the last batch begins.
    pub(super) last_batch: u64,
}

impl Pass<'_> {
    /// Looks at the next batch.
    pub(super) fn batch(&mut self, position: u64, batch: &Walked<'_>) -> Looked {
        let looked = self.look.batch(batch);
        if let Some(sum) = self.sum {
            self.sum = Some(extend_by_batch(sum, batch.header(), batch.bytes()));
        }
        self.looked(position, &looked);
        looked
    }

    /// Takes over what was seen ahead, from where it has come.
    pub(super) fn take(&mut self, seen: &Stretch, visit: &mut dyn FnMut(&Looked)) {
        self.told.now(self.position);
        self.told.skip_to(seen.to);
        if let Some(sum) = self.sum {
            self.sum = Some(crc32c::combine(sum, seen.sum, seen.to - self.position));
        }
        for looked in &seen.batches {
            self.looked(self.position, looked);
            visit(looked);
        }
    }

    fn looked(&mut self, position: u64, looked: &Looked) {
        let header = &looked.header;
        if let (Some(records), Some(deep)) = (&mut self.records, &looked.deep) {
            let summary = &self.order.summary;
            // Offsets may be missing right before it, too.
            let gap = u64::from(header.base_offset() != summary.next_offset);
            let gaps = summary.gaps + summary.damage.len() as u64 + gap;
            records.batch(position, (header, deep), gaps, &mut self.findings);
        }
        self.header(position, header);
    }

    /// Goes by the next header.
    pub(super) fn header(&mut self, position: u64, header: &BatchHeader) {
        let belongs = self.order.batch(position, header, &mut self.findings);
        let damaged = self.order.summary.damage.last().filter(|_| !belongs);
        if let Some(index) = &mut self.offset_index {
            match damaged {
                Some(region) => index.damage(region, &mut self.index_findings),
                None => index.batch(position, header.last_offset(), &mut self.index_findings),
            }
        }
        if let Some(times) = &mut self.time_index {
            match damaged {
                Some(region) => times.damage(region),
                None => times.batch(header, &mut self.index_findings),
            }
        }
        self.last_batch = position;
        self.position = position + header.size_bytes() as u64;
        self.told.at(self.position);
    }
}
