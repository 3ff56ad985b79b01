//! Transactions as 3.9 shows them: a line of words, not JSON, and no error is held back.

use std::io::Write;

use super::decoders::Line;
use super::record::Record;
use super::thrown::{Result, Thrown};
use crate::internal::coordinator::{Topic, Undecoded};
use crate::internal::cursor::{Cursor, Unread};
use crate::internal::read::Unreadable;
use crate::internal::value::{Fields, Value};

/// The states of a transaction, by their numbers.
pub(crate) const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

/// The versions of a value that 3.9 reads.
const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;

/// Appends a record.
pub(super) fn append(record: &Record<'_>, line: &mut Line<'_>) -> Result<()> {
    let Some(key) = record.key.clone()? else {
        return Err(Thrown::null_pointer(
            "Cannot invoke \"java.nio.ByteBuffer.getShort()\" because \"buffer\" is null",
        )
        .into());
    };
    let value = record.value.clone()?;
    let mut version = Cursor::new(value.unwrap_or_default());
    if let Ok(version) = version.i16()
        && !VERSIONS.contains(&version)
        && Cursor::new(key).i16() == Ok(0)
    {
        return Err(Thrown::new(
            "java.lang.IllegalStateException",
            format!("Unknown version {version} from the transaction log message value"),
        )
        .into());
    }
    let decoded = match Topic::Transactions.decode(line.release, key, value) {
        Ok(decoded) => decoded,
        Err(Undecoded::UnknownKind(kind)) => {
            line.key(|out| drop(write!(out, "unknown::version={kind}")));
            return Ok(());
        }
        Err(why) => return Err(thrown(why).into()),
    };
    let state = decoded.value.as_ref().map(|(_, fields)| state(fields)).transpose()?;
    line.key(|out| {
        let id = decoded.key.text("transactionalId").unwrap_or_default();
        let _ = write!(out, "transaction_metadata::transactionalId={id}");
    });
    line.payload(|out| match decoded.value.zip(state) {
        Some(((_, fields), state)) => words(&fields, state, out),
        None => out.extend_from_slice(b"<DELETE>"),
    });
    Ok(())
}

fn state(fields: &Fields<'_>) -> Result<&'static str> {
    let id = fields.number("transactionStatus").unwrap_or_default();
    let state = usize::try_from(id).ok().and_then(|id| STATES.get(id));
    Ok(*state.ok_or_else(|| {
        let text = format!("Unknown transaction state id {id} from the transaction status message");
        Thrown::new("java.lang.IllegalStateException", text)
    })?)
}

fn words(fields: &Fields<'_>, state: &str, out: &mut Vec<u8>) {
    let number = |name| fields.number(name).unwrap_or_default();
    let _ = write!(
        out,
        "producerId:{},producerEpoch:{},state={state},partitions=[",
        number("producerId"),
        number("producerEpoch")
    );
    let mut first = true;
    for of_topic in fields.structs("transactionPartitions").filter(|_| state != STATES[0]) {
        let topic = of_topic.text("topic").unwrap_or_default();
        let Some(Value::List(partitions)) = of_topic.get("partitionIds") else { continue };
        for partition in partitions {
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            if let Value::Number(partition) = partition {
                let _ = write!(out, "{comma}{topic}-{partition}");
            }
        }
    }
    let _ = write!(
        out,
        "],txnLastUpdateTimestamp={},txnTimeoutMs={}",
        number("transactionLastUpdateTimestampMs"),
        number("transactionTimeoutMs")
    );
}

fn thrown(why: Undecoded) -> Thrown {
    match why {
        Undecoded::NoVersion(_)
        | Undecoded::Unreadable { why: Unreadable::Bytes(Unread::Short), .. } => {
            Thrown::silent("java.nio.BufferUnderflowException")
        }
        Undecoded::Unreadable { why, .. } => Thrown::runtime(why.to_string()),
        Undecoded::UnknownKind(_) => Thrown::runtime(why.to_string()),
    }
}
