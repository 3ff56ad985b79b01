//! Segments that take the place of others, as an opening finds them: compaction had finished them, and
//! a crash came before their files had their names.

use super::manifest::Entry;
use super::plan::Planner;
use crate::error::Result;
use crate::record::Offset;
use crate::segment::Known;

impl Planner<'_> {
    /// Finds what takes the place of other segments by an open *replace*: seen as if that had been
    /// carried out. A file that still waits is the new one, whatever bears the name.
    fn find_replaced(&mut self) {
        let plan = &mut self.plan;
        let entries = || self.ledger.open_changes().iter().flat_map(|change| &change.entries);
        for made in entries().filter_map(Entry::as_sealed) {
            if plan.listing.swaps.contains(&made.base_offset) {
                plan.listing.bases.insert(made.base_offset);
                plan.swaps.insert(made.base_offset);
            }
            plan.replacing.push(*made);
        }
        for entry in entries() {
            if let Entry::Removed { base_offset, .. } = entry
                && plan.replacing.iter().all(|made| made.base_offset != *base_offset)
            {
                plan.listing.bases.remove(base_offset);
                plan.dead.push(*base_offset);
            }
        }
    }

    /// Whether a waiting file is what an open *replace* of ours put there. Nobody can tell that who
    /// else wrote here, but no Kafka has: it would have finished it.
    fn is_replacing(&self, base: Offset, len: u64) -> bool {
        let mut entries = self.ledger.open_changes().iter().flat_map(|change| &change.entries);
        entries.any(|entry| {
            entry.as_sealed().is_some_and(|made| (made.base_offset, made.log_bytes) == (base, len))
        })
    }

    /// Finds what compaction by Kafka made and a crash kept from taking its place. It counts where
    /// the segment that it replaces first is gone; the others that it replaces are out then.
    pub(super) fn find_swaps(&mut self) -> Result<()> {
        if self.ledger.proved {
            // Whatever else lies there, Kafka has not compacted since.
            self.find_replaced();
            return Ok(());
        }
        self.plan.swaps.clone_from(&self.plan.listing.swaps);
        for base in self.plan.listing.swaps.clone() {
            let replaces = self.plan.listing.bases.contains(&base);
            if replaces && !self.is_replacing(base, self.len_of(base)?) {
                self.plan.swaps.remove(&base);
            }
        }
        for base in self.plan.swaps.clone() {
            let len = self.len_of(base)?;
            let end = self.segment(base, Known::unseen(len)).facts()?.next_offset;
            let out = self.plan.listing.bases.range(base + 1..end.max(base + 1));
            let out: Vec<_> = out.copied().collect();
            for base in &out {
                self.plan.listing.bases.remove(base);
            }
            self.plan.swapped_out.extend(out);
        }
        self.plan.listing.bases.extend(&self.plan.swaps);
        Ok(())
    }
}
