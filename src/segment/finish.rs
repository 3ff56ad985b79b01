//! A segment's side files when it is finished, and when it goes on: indexes that are complete, or
//! that grow.

use std::io;
use std::sync::Arc;

use super::names::{self, Part};
use super::source::{Expected, Source};
use super::{Facts, Segment, State};
use crate::error::{Error, Result};
use crate::fs::Access;
use crate::index::{
    AbortedTxn, OFFSET_ENTRY_LEN, OffsetEntry, TIME_ENTRY_LEN, TXN_ENTRY_LEN, TimeEntry, txn_index,
};
use crate::planted::{self, Bug};
use crate::record::Offset;
use crate::wire::crc32c;

impl Segment {
    /// Makes both index files complete and syncs them; says what they are then, `None` for one that
    /// was never made. Afterwards they are read as any finished file.
    pub(crate) fn finish_indexes(&self) -> Result<(Option<Expected>, Option<Expected>)> {
        let broken = {
            let state = self.state();
            state.offset_index.is_broken() || state.time_index.is_broken()
        };
        if broken {
            self.forget_growing();
            self.rebuild()?;
        }
        let offset = self.finish_index(|state| &mut state.offset_index, Part::OffsetIndex)?;
        let time = self.finish_index(|state| &mut state.time_index, Part::TimeIndex)?;
        self.shared.cache.forget(self.places());
        Ok((offset, time))
    }

    /// Makes the indexes of this segment, the last one, grow: with the entries that it has.
    pub(crate) fn grow_indexes(&self) -> Result<()> {
        let offset = self.complete_index(|state| &state.offset_index, Part::OffsetIndex)?;
        let time = self.complete_index(|state| &state.time_index, Part::TimeIndex)?;
        let base = self.base_offset;
        let offset: Source<OFFSET_ENTRY_LEN> =
            self.shared.growing(base, Part::OffsetIndex, &offset);
        let time: Source<TIME_ENTRY_LEN> = self.shared.growing(base, Part::TimeIndex, &time);
        let mut state = self.state();
        state.offset_index = offset;
        state.time_index = time;
        self.shared.cache.forget(self.number);
        Ok(())
    }

    /// Takes the segment back to what lies below `target`: `facts` is what is left of its batches,
    /// `aborted` what is left of its transactions. Index entries stay as they were made. Changes no
    /// file.
    pub(crate) fn cut_back(
        &self,
        target: Offset,
        facts: Facts,
        aborted: Vec<AbortedTxn>,
    ) -> Result<()> {
        let base = self.base_offset;
        let mut offsets = self.complete_index(|state| &state.offset_index, Part::OffsetIndex)?;
        let mut times = self.complete_index(|state| &state.time_index, Part::TimeIndex)?;
        let below = |entry: &[u8; OFFSET_ENTRY_LEN]| {
            OffsetEntry::decode(base, *entry).is_ok_and(|entry| entry.offset < target)
        };
        let kept = offsets.as_chunks().0.iter().take_while(|entry| below(entry)).count();
        offsets.truncate(kept * OFFSET_ENTRY_LEN);
        let below = |entry: &[u8; TIME_ENTRY_LEN]| {
            TimeEntry::decode(base, *entry).is_ok_and(|entry| entry.offset < target)
        };
        let kept = times.as_chunks().0.iter().take_while(|entry| below(entry)).count();
        times.truncate(kept * TIME_ENTRY_LEN);
        let mut state = self.state();
        self.set_end(facts.log_bytes);
        self.forget_places();
        state.facts = Some(facts);
        state.offset_index = Source::held(offsets);
        state.time_index = Source::held(times);
        state.aborted = Some(Arc::new(aborted));
        self.shared.cache.forget(self.number);
        Ok(())
    }

    /// Cuts its transaction index to the transactions that are known.
    pub(crate) fn trim_txn_index(&self) -> Result<()> {
        let known = self.aborted().map_or(0, |aborted| aborted.len());
        let name = names::name(self.base_offset, Part::TxnIndex);
        let cut = match self.shared.dir.open(&name, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.and_then(|file| {
                let most = (known * TXN_ENTRY_LEN) as u64;
                if file.len()? > most { file.truncate(most) } else { Ok(()) }
            }),
        };
        cut.map_err(|error| Error::io("cut", self.path(Part::TxnIndex), error))
    }

    /// Writes the index entries that are in memory only, if it can: the segment goes, and its files
    /// are whole until then.
    pub(crate) fn write_indexes(&self) {
        let mut state = self.state();
        if let Source::Growing(index) = &mut state.offset_index {
            let _ = index.write();
        }
        if let Source::Growing(index) = &mut state.time_index {
            let _ = index.write();
        }
    }

    /// Drops its indexes from memory: it is about to be removed.
    pub(crate) fn forget_cached(&self) {
        self.shared.cache.forget(self.number);
        self.shared.cache.forget(self.places());
    }

    /// The aborted transactions of its index file; `None` if the file is not as expected, or holds
    /// what cannot be. No file is expected by `None`.
    pub(crate) fn read_aborted(
        &self,
        expected: Option<Expected>,
    ) -> Result<Option<Vec<AbortedTxn>>> {
        let Some(expected) = expected else { return Ok(Some(Vec::new())) };
        let name = names::name(self.base_offset, Part::TxnIndex);
        let bytes = match self.shared.dir.read_small(&name, expected.bytes.into()) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            Err(error) => return Err(Error::io("read", self.path(Part::TxnIndex), error)),
        };
        let fits = bytes.len() == expected.bytes as usize
            && crc32c::checksum(&bytes) == expected.crc
            || planted::on(Bug::IndexBelieved);
        if !fits {
            return Ok(None);
        }
        Ok(txn_index::entries(&bytes).collect::<std::result::Result<_, _>>().ok())
    }

    /// Drops what grows, so that it is built again.
    fn forget_growing(&self) {
        let mut state = self.state();
        state.offset_index = Source::File(None);
        state.time_index = Source::File(None);
        self.shared.cache.forget(self.places());
    }

    fn finish_index<const N: usize>(
        &self,
        source: impl Fn(&mut State) -> &mut Source<N>,
        part: Part,
    ) -> Result<Option<Expected>> {
        let failed = |doing, error| Error::io(doing, self.path(part), error);
        let found = match source(&mut self.state()) {
            Source::File(Some(expected)) => return Ok(Some(*expected)),
            Source::File(None) => None,
            Source::Memory(bytes) => Some((bytes.to_vec().map_err(|e| failed("read", e))?, None)),
            Source::Growing(growing) => {
                let bytes = growing.all().map_err(|e| failed("read", e))?;
                Some((bytes, Some(growing.file())))
            }
        };
        // The lock is free again: readers do not wait for a sync.
        let bytes = match found {
            Some((bytes, Some(Ok(file)))) => {
                if let Err(error) = file.sync() {
                    if let Source::Growing(growing) = source(&mut self.state()) {
                        growing.give_up();
                    }
                    return Err(failed("sync", error));
                }
                bytes
            }
            // Rolled before anything was appended: there is no file, as in Kafka.
            Some((bytes, Some(Err(error))))
                if error.kind() == io::ErrorKind::NotFound && bytes.is_empty() =>
            {
                return Ok(None);
            }
            Some((_, Some(Err(error)))) => return Err(failed("open", error)),
            Some((bytes, None)) => {
                self.write_index(part, &bytes)?;
                bytes
            }
            None => {
                self.rebuild()?;
                return self.finish_index(source, part);
            }
        };
        let expected = Expected { bytes: bytes.len() as u32, crc: crc32c::checksum(&bytes) };
        *source(&mut self.state()) = Source::File(Some(expected));
        Ok(Some(expected))
    }

    /// All entries of an index, its file written if it is not there.
    fn complete_index<const N: usize>(
        &self,
        source: impl Fn(&State) -> &Source<N>,
        part: Part,
    ) -> Result<Vec<u8>> {
        let expected = match source(&self.state()) {
            Source::Growing(growing) => {
                return growing.all().map_err(|e| Error::io("read", self.path(part), e));
            }
            Source::Memory(_) => None,
            Source::File(expected) => *expected,
        };
        let from_file = expected.is_some();
        let bytes = match source(&self.state()) {
            Source::Memory(bytes) => Some(Arc::clone(bytes)),
            _ => None,
        };
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => self.index_file(&source, part, expected)?,
        };
        let bytes = bytes.to_vec().map_err(|e| Error::io("read", self.path(part), e))?;
        let rebuilt = matches!(source(&self.state()), Source::Memory(_));
        if rebuilt || !from_file {
            self.write_index(part, &bytes)?;
        }
        Ok(bytes)
    }

    /// Replaces an index file, durably. Not in its place: a sync of it may have failed, and somebody
    /// may have a map of it.
    fn write_index(&self, part: Part, bytes: &[u8]) -> Result<()> {
        let replaced = self.shared.dir.replace_small(&names::name(self.base_offset, part), bytes);
        replaced.map_err(|error| Error::io("write", self.path(part), error))
    }
}
