//! A log and its model, driven together: each step is checked as it happens.

use std::path::{Path, PathBuf};

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::testing;
use strandline::{Appended, Durability, Error, FetchOptions, Log, Record};

use crate::image;
use crate::model::{Batch, Model, Sent, producer_id};
use crate::ops::{IDEMPOTENT, NOW_MS, Op, Rec, Script, Send};
use crate::reading::{check_all, check_bounds, check_fetch, check_times};

/// A directory in memory if there is one: what is tested is not the disk.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) struct World {
    dir: PathBuf,
    config: Vec<(String, String)>,
    now: i64,
    pub(crate) log: Option<testing::Log>,
    pub(crate) model: Model,
    /// The watermark as it was when it last changed other than by moving up.
    old_watermark: Vec<u8>,
}

/// Runs a script from beginning to end.
pub(crate) fn run(script: &Script) {
    let scratch = scratch();
    let mut world = World::new(&scratch.path().join("topic-0"), &script.config);
    for op in &script.ops {
        world.step(op);
        check_bounds(world.log(), &world.model);
    }
    world.close();
    world.open();
    check_all(world.log(), &world.model);
    world.kill();
    check_all(world.log(), &world.model);
}

fn durability(synced: bool) -> Durability {
    if synced { Durability::Synced } else { Durability::Written }
}

pub(crate) fn batch_of(send: &Send, producer: (i64, i16, i32), txn: bool) -> strandline::Batch {
    let mut batch = strandline::Batch::new().transactional(txn);
    if producer.0 >= 0 {
        let (id, epoch, sequence) = producer;
        batch = batch.producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    }
    let codec: strandline::compression::Codec = send.codec.parse().unwrap();
    batch = batch.compression(codec);
    for rec in &send.records {
        let headers: Vec<_> = rec.headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        let mut record = Record::new().headers(&headers).timestamp(rec.time);
        if let Some(key) = &rec.key {
            record = record.key(key);
        }
        if let Some(value) = &rec.value {
            record = record.value(value);
        }
        batch.push(record);
    }
    batch
}

/// A batch's bytes with the offset and epoch that they have in some log.
fn placed(send: &Send, base: i64, epoch: i32) -> Vec<u8> {
    let parts = send
        .records
        .iter()
        .map(|rec| (rec.time, rec.key.as_deref(), rec.value.as_deref(), &[][..]));
    let mut bytes = testing::build_batch(send.codec, (-1, -1, -1), false, parts).unwrap();
    bytes[0..8].copy_from_slice(&base.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes
}

impl World {
    pub(crate) fn new(dir: &Path, config: &[(String, String)]) -> World {
        let mut world = World {
            dir: dir.to_path_buf(),
            config: config.to_vec(),
            now: NOW_MS,
            log: None,
            model: Model::new(),
            old_watermark: Vec::new(),
        };
        world.open();
        world
    }

    pub(crate) fn log(&self) -> &Log {
        self.log.as_ref().unwrap().handle()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn open(&mut self) {
        let log = testing::Log::open(&self.dir, &self.config, self.now).unwrap();
        self.log = Some(log);
        self.note_watermark();
    }

    fn note_watermark(&mut self) {
        self.old_watermark = std::fs::read(self.dir.join("durable.watermark")).unwrap();
    }

    fn close(&mut self) {
        self.log.take().unwrap().close().unwrap();
        self.model.durable = self.model.log_end;
        self.model.reload();
    }

    pub(crate) fn kill(&mut self) {
        self.log = None;
        self.model.reload();
        self.model.needs_later_epoch = true;
        self.open();
    }

    pub(crate) fn tick(&mut self, ms: i64) {
        self.now += ms;
        self.log.as_mut().unwrap().set_now(self.now);
    }

    pub(crate) fn step(&mut self, op: &Op) {
        match op {
            Op::Append(send) => _ = self.append(send, None),
            Op::Produce { who, send, bump } => self.produce(*who, send, *bump),
            Op::Retry { who, back } => self.retry(*who, *back),
            Op::End { who, commit, synced } => self.end(*who, *commit, *synced),
            Op::Roll => _ = self.log().roll().unwrap(),
            Op::Flush => {
                let end = self.log().flush().unwrap();
                assert_eq!(end, self.model.log_end);
                self.model.durable = end;
            }
            Op::Fetch { at, max_bytes } => {
                let span = self.model.log_end - self.model.log_start;
                let offset = self.model.log_start + span * i64::from(*at) / (1 << 16);
                check_fetch(self.log(), &self.model, offset, *max_bytes);
            }
            Op::Times { times } => check_times(self.log(), &self.model, times),
            Op::Truncate { at } => self.truncate(*at),
            Op::DeleteRecords { at } => self.delete_records(*at),
            Op::Retain => self.retain(),
            Op::Tick { ms } => self.tick(*ms),
            Op::Import { gap, sends, epoch } => self.import(*gap, sends, *epoch),
            Op::Close => {
                self.close();
                image::closed(self);
                self.open();
                check_all(self.log(), &self.model);
            }
            Op::Kill => {
                self.kill();
                check_all(self.log(), &self.model);
            }
            Op::StartOver { by } => {
                let start = (self.model.log_end + by).max(0);
                self.log().start_over_at(start).unwrap();
                self.model.start_over(start);
                self.note_watermark();
            }
            Op::PowerCut { seed } => image::power_cut(self, *seed),
        }
    }

    /// Reads back what was just appended, and enters it in the model.
    fn enter(&mut self, appended: &Appended, records: &[Rec], of: (Option<bool>, Option<i64>)) {
        let (base, last) = (appended.base_offset, appended.last_offset);
        let fetched = self.log().fetch(base, FetchOptions::new().max_bytes(1)).unwrap();
        let bytes = fetched.bytes().to_vec();
        let epoch = i32::from_be_bytes(bytes[12..16].try_into().unwrap());
        let later = self.model.needs_later_epoch;
        let highest = self.model.highest_epoch;
        assert!(epoch > highest || epoch == highest && !later || self.model.epochs_fell);
        self.model.needs_later_epoch = false;
        self.model.highest_epoch = highest.max(epoch);
        self.model.durable = self.model.durable.max(appended.durable_end);
        let (marker, txn) = of;
        let records = records.to_vec();
        self.model.batches.push(Batch { base, last, epoch, bytes, records, marker, txn });
        self.model.log_end = last + 1;
        check_fetch(self.log(), &self.model, base, 1);
    }

    fn append(&mut self, send: &Send, by: Option<(i64, i16, i32, bool)>) -> Option<(i64, i64)> {
        let (id, epoch, sequence, txn) = by.unwrap_or((-1, -1, -1, false));
        let batch = batch_of(send, (id, epoch, sequence), txn);
        let appended = match self.log().append(batch, durability(send.synced)) {
            Err(Error::BatchTooLarge { .. }) => return None,
            // Of a producer whose marker is left and whose records are not, an opening knows no
            // sequence, as Kafka: it has to begin an epoch.
            Err(Error::OutOfOrderSequence { expected: 0, .. }) if self.is_half_known(id) => {
                self.model.producers[(id - producer_id(0)) as usize].epoch += 1;
                return self.append(send, Some((id, epoch + 1, 0, txn)));
            }
            appended => appended.unwrap(),
        };
        assert!(!appended.duplicate);
        assert_eq!(appended.base_offset, self.model.log_end);
        assert_eq!(appended.last_offset, self.model.log_end + send.records.len() as i64 - 1);
        assert!(!send.synced || appended.durable_end > appended.last_offset);
        self.enter(&appended, &send.records, (None, txn.then_some(id)));
        Some((appended.base_offset, appended.last_offset))
    }

    fn is_half_known(&self, id: i64) -> bool {
        let producer = &self.model.producers[(id - producer_id(0)) as usize];
        producer.sent.last().is_some_and(|sent| sent.base < self.model.log_start)
    }

    fn produce(&mut self, who: usize, send: &Send, bump: bool) {
        let is_txn = who >= IDEMPOTENT;
        if bump && !is_txn {
            self.model.producers[who].epoch += 1;
        }
        let producer = &self.model.producers[who];
        let by = (producer_id(who), producer.epoch, producer.next_sequence(), is_txn);
        let Some((base, last)) = self.append(send, Some(by)) else { return };
        let producer = &self.model.producers[who];
        let (epoch, first_sequence) = (producer.epoch, producer.next_sequence());
        let records = send.records.clone();
        let next_sequence = first_sequence + records.len() as i32;
        let sent = Sent { base, last, epoch, first_sequence, next_sequence, records };
        self.model.producers[who].sent.push(sent);
    }

    /// Sends a batch again, which must be known if it is among the last five.
    pub(crate) fn retry(&mut self, who: usize, back: usize) {
        let producer = &self.model.producers[who];
        let Some(at) = producer.sent.len().checked_sub(1 + back) else { return };
        let sent = producer.sent[at].clone();
        if sent.epoch != producer.epoch || sent.base < self.model.log_start {
            return;
        }
        let is_sure = at + 1 >= producer.reloaded;
        let again = Send { records: sent.records.clone(), codec: "none", synced: true };
        let by = (producer_id(who), sent.epoch, sent.first_sequence);
        let batch = batch_of(&again, by, who >= IDEMPOTENT);
        match self.log().append(batch, Durability::Synced) {
            Ok(appended) => {
                assert!(appended.duplicate);
                assert_eq!((appended.base_offset, appended.last_offset), (sent.base, sent.last));
                // It was asked to be durable; more is not promised.
                assert!(appended.durable_end > sent.last);
                self.model.durable = self.model.durable.max(appended.durable_end);
            }
            Err(Error::OutOfOrderSequence { .. }) if !is_sure => {}
            // The codec of the first time may have made it small enough.
            Err(Error::BatchTooLarge { .. }) => {}
            Err(error) => panic!("a retry of {sent:?}: {error}"),
        }
    }

    fn end(&mut self, who: usize, commit: bool, synced: bool) {
        let end = if commit { TransactionEnd::Commit } else { TransactionEnd::Abort };
        let (id, epoch) = (producer_id(who), self.model.producers[who].epoch);
        let by = (ProducerId(id), ProducerEpoch(epoch));
        let appended = self.log().end_transaction(by, end, 0, durability(synced)).unwrap();
        assert_eq!(appended.base_offset, self.model.log_end);
        self.enter(&appended, &[], (Some(commit), Some(id)));
    }

    fn truncate(&mut self, at: u16) {
        let (start, end) = (self.model.log_start, self.model.log_end);
        // Mostly near the end; now and then everything.
        let back = (end - start + 2) * i64::from(at) * i64::from(at) / (1 << 32);
        let target = (end - back).max(0);
        if self.model.cut_at(target).is_vague() {
            return;
        }
        let first = self.log().segments().unwrap()[0].base_offset;
        let cut = self.log().truncate_to(target).unwrap();
        assert_eq!(cut, target < end);
        if cut && target < first {
            self.model.start_over(target);
        } else if cut {
            self.model.truncate(target);
            self.model.needs_later_epoch = true;
        }
        self.note_watermark();
        check_all(self.log(), &self.model);
    }

    fn delete_records(&mut self, at: u16) {
        let (start, end) = (self.model.log_start, self.model.log_end);
        let open = self.model.open().values().copied().min().unwrap_or(end);
        let before = (start + (end - start) * i64::from(at) / (1 << 16)).min(open);
        let answer = self.log().delete_records(Some(before)).unwrap();
        assert_eq!(answer, before.max(start));
        self.model.log_start = answer;
        check_all(self.log(), &self.model);
    }

    fn setting(&self, name: &str) -> i64 {
        let found = self.config.iter().find(|(there, _)| there == name);
        found.unwrap().1.parse().unwrap()
    }

    fn retain(&mut self) {
        for who in IDEMPOTENT..crate::ops::PRODUCERS {
            if self.model.open().contains_key(&producer_id(who)) {
                self.end(who, true, false);
            }
        }
        let segments = self.log().segments().unwrap();
        let bases: Vec<i64> = segments.iter().map(|segment| segment.base_offset).collect();
        let mut sizes: Vec<i64> = segments.iter().map(|s| s.size_bytes as i64).collect();
        let next = |at: usize| bases.get(at + 1).copied();
        let mut gone = 0;
        while next(gone).is_some_and(|next| next <= self.model.log_start) {
            gone += 1;
        }
        let may_go = |gone: usize| gone + 1 < bases.len() || gone < bases.len() && sizes[gone] > 0;
        let most = self.setting("retention.bytes");
        let mut excess = sizes[gone..].iter().sum::<i64>() - most;
        while most >= 0 && may_go(gone) && excess - sizes[gone] >= 0 {
            excess -= sizes[gone];
            gone += 1;
        }
        let most_ms = self.setting("retention.ms");
        let is_old = |at: usize| {
            self.model.largest(bases[at], next(at)).is_some_and(|max| self.now - max > most_ms)
        };
        while most_ms >= 0 && may_go(gone) && is_old(gone) {
            gone += 1;
        }
        assert_eq!(self.log().enforce_retention().unwrap(), gone, "of {segments:?}");
        let first = bases.get(gone).copied().unwrap_or(self.model.log_end);
        if gone > 0 {
            self.model.log_start = self.model.log_start.max(first);
        }
        assert_eq!(self.log().segments().unwrap()[0].base_offset, first);
        sizes.clear();
        check_all(self.log(), &self.model);
    }

    fn import(&mut self, gap: i64, sends: &[Send], epoch: i32) {
        let mut base = self.model.log_end + gap;
        let epoch = (self.model.highest_epoch + epoch).max(0);
        let (mut bytes, mut batches) = (Vec::new(), Vec::new());
        for send in sends {
            let batch = placed(send, base, epoch);
            let last = base + send.records.len() as i64 - 1;
            bytes.extend_from_slice(&batch);
            let records = send.records.clone();
            let (marker, txn) = (None, None);
            batches.push(Batch { base, last, epoch, bytes: batch, records, marker, txn });
            base = last + 1 + gap;
        }
        let synced = sends[0].synced;
        let appended = match self.log().import(&bytes, durability(synced)) {
            Err(Error::BatchTooLarge { .. }) => return,
            appended => appended.unwrap(),
        };
        let (first, last) = (batches[0].base, batches[batches.len() - 1].last);
        assert_eq!((appended.base_offset, appended.last_offset), (first, last));
        self.model.durable = self.model.durable.max(appended.durable_end);
        self.model.log_end = last + 1;
        self.model.needs_later_epoch &= epoch <= self.model.highest_epoch;
        self.model.epochs_fell |= epoch < self.model.highest_epoch;
        self.model.highest_epoch = self.model.highest_epoch.max(epoch);
        self.model.batches.extend(batches);
        self.note_watermark();
        check_all(self.log(), &self.model);
    }

    /// Goes on with a copy of the directory.
    pub(crate) fn fork(&self, dir: &Path, log: testing::Log, model: Model) -> World {
        let (config, now) = (self.config.clone(), self.now);
        let old_watermark = Vec::new();
        World { dir: dir.to_path_buf(), config, now, log: Some(log), model, old_watermark }
    }

    /// Appends a record that is like no other.
    pub(crate) fn append_one(&mut self) {
        let (time, value) = (self.now, Some(b"one".to_vec()));
        let record = Rec { time, key: None, value, headers: Vec::new() };
        self.append(&Send { records: vec![record], codec: "none", synced: false }, None);
    }

    pub(crate) fn close_and_open(&mut self) {
        self.close();
        self.open();
    }

    /// Closes it and looks at a copy from now on, so that the directory stays as it was left.
    pub(crate) fn close_and_keep(&mut self) {
        self.close();
        let copy = self.dir.with_extension("copy");
        image::copy_dir(&self.dir, &copy);
        self.log = Some(self.open_copy(&copy).unwrap());
    }

    /// What a copy of the directory is opened with.
    pub(crate) fn open_copy(&self, dir: &Path) -> Result<testing::Log, Error> {
        testing::Log::open(dir, &self.config, self.now)
    }

    pub(crate) fn old_watermark(&self) -> &[u8] {
        &self.old_watermark
    }
}
