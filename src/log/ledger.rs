//! Our own two files of a log, in use: the durable watermark and the manifest of sealed segments.

use super::context::Context;
use super::manifest::{self, Entry, Header, Manifest, OpenChanges, SegmentEntry};
use super::opened::Tip;
use super::topic_id::TopicId;
use super::watermark::{self, FILE_LEN, LastBatch, SLOT_AT, Slot};
use super::{MANIFEST, WATERMARK};
use crate::error::{Error, Result};
use crate::fs::{Access, Dir, File};
use crate::planted::{self, Bug};
use crate::record::{LeaderEpoch, Offset, Timestamp};
use crate::wire::crc32c;

/// How far a log is durable, as the watermark says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) tip: Tip,
    pub(super) durable_end: Offset,
}

/// A slot is written once so much more is durable, or so much time has passed …
const WRITE_BYTES: u64 = 1 << 20;
const WRITE_MS: i64 = 100;
/// … and synced once so much more is.
const SYNC_BYTES: u64 = 64 << 20;
const SYNC_MS: i64 = 10_000;
/// A manifest larger than this is none of ours: a million segments have half of it.
const MOST_MANIFEST_BYTES: u64 = 256 << 20;

/// The watermark and the manifest of one log.
#[derive(Debug)]
pub(super) struct Ledger {
    dir: Dir,
    header: Header,
    /// The slot in force, if it belongs to this log.
    slot: Option<Slot>,
    /// That of the slot that was in force when the file was last read, whoever's it is.
    generation: Option<u64>,
    which: usize,
    /// Whether the file has to be replaced whole: it is missing, or a sync of it failed.
    replace_slots: bool,
    /// Whether nobody else has written since our slot.
    pub(super) proved: bool,
    /// Whether the manifest is as it was written.
    pub(super) intact: bool,
    view: manifest::View,
    /// Where the next change goes; `None` if the file has to be replaced first.
    append_at: Option<u64>,
    written: Progress,
    synced: Progress,
    /// Counts what took records away in this opening.
    taken: u64,
}

/// How far a slot went, and when.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    base_offset: Offset,
    point: u64,
    at_ms: Timestamp,
}

impl Progress {
    fn is_behind(&self, mark: &Mark, now: Timestamp, bytes: u64, ms: i64) -> bool {
        let tip = mark.tip;
        let passed = now.saturating_sub(self.at_ms);
        tip.base_offset != self.base_offset
            || tip.bytes.saturating_sub(self.point) >= bytes
            // A clock that was set back must not keep it from happening.
            || !(0..ms).contains(&passed)
    }
}

impl Ledger {
    /// Reads both files. Writes nothing.
    pub(super) fn load(context: &Context) -> Result<Ledger> {
        let dir = &context.dir;
        let read = |name: &str, limit| match dir.read_small(name, limit) {
            Ok(bytes) => Ok(bytes.unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(Vec::new()),
            Err(error) => Err(Error::io("read", dir.path().join(name), error)),
        };
        let slots_file = read(WATERMARK, 1 << 20)?;
        let manifest_file = read(MANIFEST, MOST_MANIFEST_BYTES)?;
        let header = Header {
            topic_id: context.topic_id.unwrap_or(TopicId::from_bytes([0; 16])),
            partition: context.partition,
        };
        let read = Manifest::decode(&manifest_file);
        if let Err(manifest::HeaderError::UnsupportedVersion(version)) = read.header {
            let path = dir.path().join(MANIFEST);
            return Err(Error::Newer { path, what: "segments.manifest", version: version.into() });
        }
        // A whole header of another partition: this directory was copied, and ours is not its.
        let is_foreign = read.header.as_ref().is_ok_and(|there| *there != header);
        let slots = watermark::in_force(&slots_file);
        let slot = slots.current.filter(|_| !is_foreign);
        let opening = context.store.gate.opening();
        let proved = slot.is_some_and(|slot| {
            Some(slot.opening) == opening || planted::on(Bug::OpeningNotCompared)
        });
        let open = if proved { OpenChanges::CarriedOut } else { OpenChanges::Void };
        let changes = if is_foreign { &[] } else { read.changes.as_slice() };
        let mut view = manifest::View::of(changes, open);
        if !proved {
            // Somebody else may have written since: only the log start still holds.
            view.sealed.clear();
            view.closed = None;
        }
        let (base_offset, point) = slot.map_or((0, 0), |slot| (slot.base_offset, slot.point));
        let progress = Progress { base_offset, point, at_ms: context.store.clock.now_ms() };
        Ok(Ledger {
            dir: dir.clone(),
            header,
            slot,
            generation: slots.current.map(|slot| slot.generation),
            which: slots.which,
            replace_slots: slots_file.len() < FILE_LEN || slots.other_invalid,
            proved,
            intact: read.header.is_ok() && read.damaged.is_empty() && !is_foreign && proved,
            view,
            // What a crash tore off is dropped at the next write.
            append_at: read.append_at.filter(|_| !is_foreign && !read.torn),
            written: progress,
            synced: progress,
            taken: 0,
        })
    }

    /// Reads the slots again, which another process writes. Says whether they tell of more than that
    /// the point has moved up; then all of it is to be loaded again.
    pub(super) fn look_at_slots(&mut self) -> Result<bool> {
        let bytes = self.dir.read_small(WATERMARK, 1 << 20);
        let bytes = match bytes {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => None,
            read => read.map_err(|error| self.io("read", WATERMARK, error))?,
        };
        let current = watermark::in_force(&bytes.unwrap_or_default()).current;
        let generation = current.map(|slot| slot.generation);
        if generation == self.generation {
            return Ok(false);
        }
        let (Some(before), Some(now), true) = (self.slot, current, self.proved) else {
            return Ok(true);
        };
        let says = |slot: &Slot| (slot.opening, slot.leader_epoch, slot.clean, slot.gaps);
        let reaches = |slot: &Slot| (slot.base_offset, slot.point);
        if says(&before) != says(&now)
            || reaches(&now) < reaches(&before)
            || now.durable_end < before.durable_end
        {
            return Ok(true);
        }
        (self.slot, self.generation) = (current, generation);
        Ok(false)
    }

    /// Makes both files of a new partition.
    pub(super) fn create(dir: &Dir, topic_id: TopicId, partition: i32, opening: i32) -> Result<()> {
        let slot = Slot { opening, ..NEW_SLOT };
        let header = Header { topic_id, partition };
        for (name, bytes) in [
            (WATERMARK, watermark::new_file(&slot).as_slice()),
            (MANIFEST, header.encode().as_slice()),
        ] {
            let written = dir.replace_small(name, bytes);
            written.map_err(|e| Error::io("write", dir.path().join(name), e))?;
        }
        Ok(())
    }

    /// The slot in force, if it belongs to this log.
    pub(super) fn slot(&self) -> Option<&Slot> {
        self.slot.as_ref()
    }

    /// What is known of a segment that nobody writes to.
    pub(super) fn entry(&self, base: Offset) -> Option<&SegmentEntry> {
        self.view.sealed.get(&base)
    }

    /// Whether a file with this base offset would lie within a segment that is known: it is none of
    /// the log's, be it a copy of one that is.
    pub(super) fn is_within(&self, base: Offset) -> bool {
        let before = self.view.sealed.range(..base).next_back();
        before.is_some_and(|(_, segment)| base < segment.next_offset)
    }

    /// All of them.
    pub(super) fn entries(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.view.sealed.values()
    }

    /// The active segment when the log was last closed.
    pub(super) fn closed(&self) -> Option<&SegmentEntry> {
        self.view.closed.as_ref()
    }

    /// The log start that was set.
    pub(super) fn log_start(&self) -> Offset {
        self.view.log_start
    }

    /// Whether changes may be gone from the manifest, the log start among them: it is damaged or was
    /// cut short, or lacks what the watermark tells of. `bases` are the segments that are there.
    pub(super) fn may_have_lost_changes(&self, bases: impl Iterator<Item = Offset>) -> bool {
        let Some(slot) = self.slot else { return true };
        let is_sealed =
            |base: &Offset| *base >= slot.base_offset || self.view.sealed.contains_key(base);
        !self.intact
            || self.append_at.is_none()
            || slot.clean && self.view.closed.is_none()
            || !bases.filter(|base| *base >= self.view.log_start).all(|base| is_sealed(&base))
    }

    /// How often records were taken away in this opening, or were to be: what was made of the log
    /// before may hold some of them.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Changes that may not have been carried out.
    pub(super) fn open_changes(&self) -> &[manifest::Change] {
        &self.view.open
    }

    /// Whether a segment needs no seal any more: it has its entry, or lies before the mark's.
    pub(super) fn is_sealed(&self, base: Offset) -> bool {
        self.view.sealed.contains_key(&base)
            || self.slot.is_some_and(|slot| base < slot.base_offset)
    }

    /// Notes that the log is durable up to `mark`, in the other slot, now and then. That may be
    /// lost, so a failure is none: the mark lags a little longer.
    pub(super) fn note_durable(&mut self, mark: Mark, now: Timestamp) {
        let Some(slot) = self.slot else { return };
        let sync = self.synced.is_behind(&mark, now, SYNC_BYTES, SYNC_MS);
        if !sync && !self.written.is_behind(&mark, now, WRITE_BYTES, WRITE_MS) {
            return;
        }
        let slot = slot.moved_to(mark);
        if self.write_other(slot, sync).is_ok() {
            let (base_offset, point) = (slot.base_offset, slot.point);
            self.written = Progress { base_offset, point, at_ms: now };
            if sync {
                self.synced = self.written;
            }
        }
    }

    /// Changes what the watermark says other than by moving its point up: in both slots, each
    /// synced in turn, so that one bad slot costs lag and no more.
    pub(super) fn change_slots(&mut self, change: impl Fn(&mut Slot)) -> Result<()> {
        let mut slot = self.slot.unwrap_or(NEW_SLOT);
        change(&mut slot);
        if self.replace_slots {
            slot.generation += 1;
            let replaced = self.dir.replace_small(WATERMARK, &watermark::new_file(&slot));
            replaced.map_err(|e| self.io("write", WATERMARK, e))?;
            (self.slot, self.which, self.replace_slots) = (Some(slot), 0, false);
            return Ok(());
        }
        let slots = if planted::on(Bug::OneSlotOnly) { 1 } else { SLOT_AT.len() };
        for _ in 0..slots {
            slot.generation += 1;
            self.write_other(slot, true)?;
        }
        Ok(())
    }

    fn write_other(&mut self, mut slot: Slot, sync: bool) -> Result<()> {
        if let Some(now) = self.slot {
            slot.generation = slot.generation.max(now.generation + 1);
        }
        let other = 1 - self.which.min(1);
        let file = self.dir.open(WATERMARK, Access::Write);
        let file = file.map_err(|e| self.io("open", WATERMARK, e))?;
        let written = file.write_all_at(&slot.encode(), SLOT_AT[other] as u64);
        written.map_err(|e| self.io("write", WATERMARK, e))?;
        if sync && let Err(error) = file.sync() {
            // What was not written may be gone from memory too: never sync this file again.
            self.replace_slots = true;
            return Err(self.io("sync", WATERMARK, error));
        }
        (self.slot, self.which) = (Some(slot), other);
        Ok(())
    }

    /// Appends a change and syncs it; it is in force when this returns.
    ///
    /// # Errors
    ///
    /// Then nothing has changed, unless [`Ledger::is_unsettled`]: it may stand in the file.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<()> {
        if self.view.should_replace() || self.append_at.is_none() {
            self.replace()?;
        }
        // Numbered behind those of the file as it is now.
        let changes = self.view.next_changes(entries);
        let takes = |entry: &Entry| matches!(entry, Entry::Cut { .. } | Entry::LogStart(_));
        self.taken += u64::from(entries.iter().any(takes));
        let Some(at) = self.append_at else {
            return Err(Error::Invalid("the manifest cannot be appended to".into()));
        };
        let mut bytes = Vec::new();
        for change in &changes {
            change.encode_to(&mut bytes);
        }
        // If this fails the file has to be replaced: what stands behind its end is void.
        self.append_at = None;
        let file = self.dir.open(MANIFEST, Access::Write);
        let file = file.map_err(|e| self.io("open", MANIFEST, e))?;
        if let Err(error) = self.write_and_sync(&file, &bytes, at) {
            // Whoever opens the log after the death of this process would find it and believe it.
            let _ = self.replace();
            return Err(error);
        }
        self.append_at = Some(at + bytes.len() as u64);
        for change in &changes {
            self.view.apply(change, OpenChanges::CarriedOut);
        }
        Ok(())
    }

    /// Whether a change that failed may stand in the file all the same.
    pub(super) fn is_unsettled(&self) -> bool {
        self.append_at.is_none()
    }

    fn write_and_sync(&self, file: &File, bytes: &[u8], at: u64) -> Result<()> {
        let len = file.len().map_err(|e| self.io("look at", MANIFEST, e))?;
        if len > at {
            file.truncate(at).map_err(|e| self.io("cut", MANIFEST, e))?;
        }
        file.write_all_at(bytes, at).map_err(|e| self.io("write", MANIFEST, e))?;
        file.sync().map_err(|e| self.io("sync", MANIFEST, e))
    }

    /// Replaces the manifest by one that says the same, without what is dead and without open
    /// changes, which were carried out.
    pub(super) fn replace(&mut self) -> Result<()> {
        let (file, view) = self.view.rewritten(&self.header);
        let replaced = self.dir.replace_small(MANIFEST, &file);
        replaced.map_err(|e| self.io("write", MANIFEST, e))?;
        self.append_at = Some(file.len() as u64);
        self.view = view;
        self.intact = true;
        Ok(())
    }

    /// Makes durable what the manifest says, as it lies there: a process that died, or a sync that
    /// failed, may have left it in memory alone. An in-place sync would say nothing of that.
    pub(super) fn write_again(&self) -> Result<()> {
        let bytes = self.dir.read_small(MANIFEST, MOST_MANIFEST_BYTES);
        if let Some(bytes) = bytes.map_err(|e| self.io("read", MANIFEST, e))? {
            let replaced = self.dir.replace_small(MANIFEST, &bytes);
            replaced.map_err(|e| self.io("write", MANIFEST, e))?;
        }
        Ok(())
    }

    /// Takes over the log start of who wrote here before; the manifest is to be replaced then.
    pub(super) fn take_log_start(&mut self, offset: Offset) {
        if offset > self.view.log_start {
            self.view.log_start = offset;
            self.append_at = None;
        }
    }

    /// Forgets a segment of which no entry is true any more.
    pub(super) fn forget(&mut self, base: Offset) {
        self.view.sealed.remove(&base);
        self.append_at = None;
    }

    /// Whether the manifest has to be replaced before the log is written to.
    pub(super) fn owes_replacing(&self) -> bool {
        !self.intact || !self.view.open.is_empty() || self.append_at.is_none()
    }

    fn io(&self, doing: &'static str, name: &str, error: std::io::Error) -> Error {
        Error::io(doing, self.dir.path().join(name), error)
    }
}

/// The topic that the manifest of a partition is of; none if that cannot be told.
pub(crate) fn manifest_topic_id(dir: &Dir) -> Result<Option<TopicId>> {
    match dir.read_small(MANIFEST, MOST_MANIFEST_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(Error::io("read", dir.path().join(MANIFEST), error)),
        Ok(bytes) => Ok(Header::decode(&bytes.unwrap_or_default()).ok().map(|it| it.topic_id)),
    }
}

/// That of a log that has no batch yet.
const NEW_SLOT: Slot = Slot {
    generation: 0,
    base_offset: 0,
    point: 0,
    durable_end: 0,
    last_batch: None,
    leader_epoch: None,
    opening: 0,
    clean: false,
    gaps: false,
    unknown_flags: 0,
};

impl Slot {
    /// The same with its point at `mark`.
    pub(super) fn moved_to(mut self, mark: Mark) -> Slot {
        self.base_offset = mark.tip.base_offset;
        self.point = mark.tip.bytes;
        self.durable_end = mark.durable_end;
        self.last_batch = mark.tip.last_batch.map(|(position, crc)| LastBatch { position, crc });
        self
    }

    /// The term that nobody has used yet.
    pub(super) fn next_epoch(&self, known: Option<LeaderEpoch>) -> LeaderEpoch {
        let highest = self.leader_epoch.max(known);
        LeaderEpoch(highest.map_or(0, |epoch| epoch.0.saturating_add(1)))
    }
}

/// Length and checksum of some bytes, as a manifest entry has them.
pub(super) fn sum_of(bytes: &[u8]) -> manifest::FileSum {
    manifest::FileSum { bytes: bytes.len() as u32, crc: crc32c::checksum(bytes) }
}
