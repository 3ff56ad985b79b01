//! Closing a log, and making a new one's files.

use super::ledger::{Ledger, Mark};
use super::manifest::Entry;
use super::opened::Opened;
use super::topic_id::TopicId;
use super::writer::Writer;
use super::{LEADER_EPOCHS, PARTITION_METADATA, partition_metadata};
use crate::error::{Error, Result};
use crate::fs::Dir;
use crate::segment::names::{self, Part};

/// Makes everything durable and says so, so that the next opening scans nothing. A log that was
/// not written to is left alone.
pub(super) fn close(log: &Opened) -> Result<()> {
    let writer = log.take_writer()?;
    log.published.publish(|view| view.ended = true);
    let Some(mut writer) = writer else {
        // Who waits for other processes is to see that it ends.
        log.context.store.changes.ring();
        return Ok(());
    };
    // A sync that is under way would write its older mark behind the one that says *clean*. One
    // that comes later finds everything durable, and writes nothing.
    let closed = log.group.cut(|| {
        finish(log, &mut writer)?;
        Ok((writer.log_end, ()))
    });
    if let Err(error) = &closed {
        log.poison(error);
    }
    closed
}

fn finish(log: &Opened, writer: &mut Writer) -> Result<()> {
    log.seal_older(&log.published.view()).map_err(super::group::Failure::into_error)?;
    writer.active.finish()?;
    writer.write_snapshot(log);
    let segment = writer.active.segment();
    let entry =
        log.make_durable(segment, writer.log_end).map_err(super::group::Failure::into_error)?;
    let mark = Mark { tip: writer.tip(), durable_end: writer.log_end };
    let mut ledger = log.ledger();
    ledger.append(&[Entry::Closed(entry)])?;
    ledger.change_slots(|slot| {
        *slot = slot.moved_to(mark);
        slot.clean = true;
        slot.gaps = false;
    })
}

/// Fills the directory of a new partition: an empty segment and the small files. Everything is
/// synced but the directory's own name.
pub(crate) fn fill_directory(
    dir: &Dir,
    topic_id: Option<TopicId>,
    partition: i32,
    opening: i32,
) -> Result<()> {
    let failed = |name: &str, error| Error::io("create", dir.path().join(name), error);
    for part in [Part::Log, Part::OffsetIndex, Part::TimeIndex] {
        let name = names::name(0, part);
        dir.create(&name).map_err(|error| failed(&name, error))?;
    }
    dir.create(LEADER_EPOCHS).map_err(|error| failed(LEADER_EPOCHS, error))?;
    if let Some(id) = topic_id {
        let written = dir.replace_small(PARTITION_METADATA, &partition_metadata::encode(id));
        written.map_err(|error| failed(PARTITION_METADATA, error))?;
    }
    Ledger::create(dir, topic_id.unwrap_or(TopicId::from_bytes([0; 16])), partition, opening)?;
    dir.sync().map_err(|error| Error::io("sync", dir.path(), error))
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::super::testing::{Log, build_batch};

    #[test]
    fn a_sync_that_comes_after_the_close_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), &[], 0).unwrap();
        // Long enough for the next sync to write the watermark.
        log.set_now(60_000);
        let record = (0, None, Some(&b"one"[..]), &[][..]);
        let batch = build_batch("none", (-1, -1, -1), false, std::iter::once(record)).unwrap();
        log.handle().append_encoded(&batch, Durability::Written).unwrap();
        let opened = log.handle().opened().unwrap();
        log.close().unwrap();
        let watermark = || opened.shared().dir.read_small("durable.watermark", 1024).unwrap();
        let closed = watermark();
        opened.reach(1).unwrap();
        assert_eq!(closed, watermark(), "another process may have the store by now");
    }
}
