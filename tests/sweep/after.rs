//! What a damaged log is like once it was written to again.

use strandline::record::Sequence;
use strandline::testing::sim::Disk;
use strandline::{Durability, Error, Log, Record};

use std::ops::Range;

use crate::answers::{Answers, Opened, open};
use crate::judge::Case;
use crate::sample::{EPOCH, IDEMPOTENT};

impl Case<'_> {
    /// Goes on: a retry is a duplicate, an append comes behind the end, and everything is there
    /// after it and after another opening.
    pub(crate) fn append(
        &self,
        opened: Opened,
        before: &Answers,
        touched: &Range<usize>,
    ) -> Result<(), String> {
        let Opened { disk, store, log } = opened;
        let said = |what: &str, error: Error| format!("{what}: {error}");
        if before.gap.is_some() {
            match log.append(one_record(), Durability::Synced) {
                Err(Error::GapNotAccepted { .. }) => {}
                other => return Err(format!("an append at a gap gives {other:?}")),
            }
            log.accept_gaps().map_err(|error| said("accept gaps", error))?;
        }
        if touched.is_empty() {
            self.retry(&log)?;
        }
        let appended = log.append(one_record(), Durability::Synced);
        let appended = appended.map_err(|error| said("append", error))?;
        if appended.base_offset != before.end {
            return Err(format!("appended at {}, not {}", appended.base_offset, before.end));
        }
        let same = |log: &Log, when: &str| {
            let now = Answers::of(log).map_err(|error| said(when, error))?;
            let is_there = now.bytes.starts_with(&before.bytes) && now.end == before.end + 1;
            // What is missing at the front is no part of the log once that was accepted.
            let start = before.gap.as_ref().filter(|gap| gap.start == before.start);
            let starts = [before.start, start.map_or(before.start, |gap| gap.end)];
            if is_there && starts.contains(&now.start) && now.bytes.len() > before.bytes.len() {
                Ok(())
            } else {
                Err(format!(
                    "{when} something else is there: {}..{} not {}..{}",
                    now.start, now.end, before.start, before.end
                ))
            }
        };
        same(&log, "after an append")?;
        self.check_file(&disk)?;
        drop((store, log));
        if disk.open() != 0 {
            return Err(format!("{} files and locks are still open", disk.open()));
        }
        let opened = open(Disk::from(disk.image())).map_err(|error| said("opened again", error))?;
        same(&opened.log, "opened again")?;
        opened.store.close().map_err(|error| said("close", error))?;
        let opened = open(Disk::from(opened.disk.image()));
        let opened = opened.map_err(|error| said("opened after a close", error))?;
        same(&opened.log, "opened after a close")
    }

    /// The last batch of the idempotent producer is known.
    fn retry(&self, log: &Log) -> Result<(), String> {
        let batches = self.truth.batches.iter();
        let Some(last) = batches.rev().find(|it| it.producer == Some(IDEMPOTENT.0)) else {
            return Ok(());
        };
        let mut batch = strandline::Batch::new();
        for _ in last.base..last.next {
            batch.push(Record::new().value("again"));
        }
        let mut batch = batch.producer(IDEMPOTENT, EPOCH, Sequence(last.sequence));
        let appended = log.append(&mut batch, Durability::Written);
        match appended {
            Ok(it) if it.duplicate && it.base_offset == last.base => Ok(()),
            other => Err(format!("the retry of {} gives {other:?}", last.base)),
        }
    }

    /// Nothing that was durable is taken out of a damaged log, or altered there.
    fn check_file(&self, disk: &Disk) -> Result<(), String> {
        let file = &self.truth.files[self.file];
        let (Some(after), false) = (&self.after, file.batches.is_empty()) else { return Ok(()) };
        let batches = self.truth.batches[file.batches.clone()].iter();
        let durable = batches.filter(|it| it.is_durable).map(|it| it.place.end).max().unwrap_or(0);
        let image = disk.image();
        let now = image.read(&file.path).ok_or("the damaged file is gone")?;
        let after = &after[..durable.min(after.len())];
        // Zeros at its end are no bytes of the log.
        let zeros = after.iter().rev().take_while(|byte| **byte == 0).count();
        if now.starts_with(&after[..after.len() - zeros]) {
            Ok(())
        } else {
            Err("durable bytes of the damaged file were changed".into())
        }
    }
}

fn one_record() -> strandline::Batch {
    strandline::Batch::of([Record::new().key("after").value("the damage")])
}
