//! What control records say.

use std::io::Write;

use super::record::Record;
use super::thrown::{Result, Thrown};
use crate::internal::Release;
use crate::internal::control::Control;
use crate::internal::cursor::{Cursor, Unread};
use crate::internal::read::Unreadable;

/// Bytes of the key: its version, and the type.
const KEY_LEN: usize = 4;
/// Bytes of the value of an end of a transaction.
const END_LEN: usize = 6;

/// Appends what a record of a control batch says.
pub(super) fn append(record: &Record<'_>, release: Release, line: &mut Vec<u8>) -> Result<()> {
    let id = type_of(record)?;
    match (id, Control::from_id(id)) {
        (0 | 1, _) => {
            let name = if id == 0 { "ABORT" } else { "COMMIT" };
            let epoch = coordinator_epoch(value(record)?)?;
            let _ = write!(line, " endTxnMarker: {name} coordinatorEpoch: {epoch}");
        }
        (_, Some(Control::LeaderChange)) if release == Release::V3 => {
            line.extend_from_slice(b" controlType: LEADER_CHANGE(2)");
        }
        (_, Some(control)) => {
            let fields = control.decode(release, value(record)?).map_err(thrown)?;
            line.extend_from_slice(match control {
                Control::LeaderChange => b" LeaderChange: ",
                Control::SnapshotHeader => b" SnapshotHeader ",
                Control::SnapshotFooter => b" SnapshotFooter ",
                Control::KRaftVersion => b" KRaftVersion ",
                Control::KRaftVoters => b" KRaftVoters ",
            });
            fields.write_json(line);
        }
        (_, None) => drop(write!(line, " controlType: UNKNOWN({id})")),
    }
    Ok(())
}

/// The number in the key.
fn type_of(record: &Record<'_>) -> Result<i16> {
    let Some(key) = record.key.clone()? else {
        return Err(Thrown::null_pointer(
            "Cannot invoke \"java.nio.ByteBuffer.remaining()\" because \"key\" is null",
        )
        .into());
    };
    let mut cursor = Cursor::new(key);
    let (Ok(version), Ok(id)) = (cursor.i16(), cursor.i16()) else {
        return Err(Thrown::invalid_record(format!(
            "Invalid value size found for end control record key. Must have at least {KEY_LEN} \
             bytes, but found only {}",
            key.len()
        ))
        .into());
    };
    if version < 0 {
        return Err(Thrown::invalid_record(format!(
            "Invalid version found for control record: {version}. May indicate data corruption"
        ))
        .into());
    }
    Ok(id)
}

fn value<'a>(record: &Record<'a>) -> Result<&'a [u8]> {
    Ok(record.value.clone()?.ok_or_else(|| {
        Thrown::null_pointer(
            "Cannot invoke \"java.nio.ByteBuffer.remaining()\" because \"value\" is null",
        )
    })?)
}

fn coordinator_epoch(value: &[u8]) -> Result<i32> {
    let mut cursor = Cursor::new(value);
    let (Ok(version), Ok(epoch)) = (cursor.i16(), cursor.i32()) else {
        return Err(Thrown::invalid_record(format!(
            "Invalid value size found for end transaction marker. Must have at least {END_LEN} \
             bytes, but found only {}",
            value.len()
        ))
        .into());
    };
    if version < 0 {
        return Err(Thrown::invalid_record(format!(
            "Invalid version found for end transaction marker: {version}. May indicate data \
             corruption"
        ))
        .into());
    }
    Ok(epoch)
}

fn thrown(why: Unreadable) -> Thrown {
    match why {
        Unreadable::Bytes(Unread::Short) => Thrown::silent("java.nio.BufferUnderflowException"),
        why => Thrown::runtime(why.to_string()),
    }
}
