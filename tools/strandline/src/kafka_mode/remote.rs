//! The records of tiered storage, as the objects that Kafka makes of them show themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::internal::Release;
use crate::internal::framed::FramedRecord;
use crate::internal::remote;
use crate::internal::value::{Fields, Value, write_uuid};

const STATES: [&str; 4] = [
    "COPY_SEGMENT_STARTED",
    "COPY_SEGMENT_FINISHED",
    "DELETE_SEGMENT_STARTED",
    "DELETE_SEGMENT_FINISHED",
];

const DELETE_STATES: [&str; 3] =
    ["DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED"];

/// Appends a record's value, or why it cannot be shown.
pub(super) fn append(offset: i64, value: Option<&[u8]>, release: Release, out: &mut Vec<u8>) {
    let Some(value) = value else {
        let class = match release {
            Release::V3 => "org.apache.kafka.common.record.Record",
            Release::V4 => "org.apache.kafka.common.record.internal.Record",
        };
        let _ = write!(
            out,
            "Error at offset {offset}, skipping. Cannot invoke \
             \"java.nio.ByteBuffer.remaining()\" because the return value of \"{class}.value()\" \
             is null"
        );
        return;
    };
    let shown = match remote::decode(release, value) {
        Ok(record) => shown(&record, release),
        Err(why) => Err(why.to_string()),
    };
    let _ = match shown {
        Ok(text) => write!(out, "{text}"),
        Err(why) => write!(out, "Error at offset {offset}, skipping. {why}"),
    };
}

fn shown(record: &FramedRecord<'_>, release: Release) -> Result<String, String> {
    let fields = &record.fields;
    match record.message {
        remote::SEGMENT => {
            check_offsets(fields)?;
            let head =
                format!("RemoteLogSegmentMetadata{{remoteLogSegmentId={}", segment_id(fields));
            segment(head, fields, release)
        }
        remote::SEGMENT_SNAPSHOT => {
            let id = fields.uuid("segmentId").map(uuid).unwrap_or_default();
            segment(format!("RemoteLogSegmentMetadataSnapshot{{segmentId={id}"), fields, release)
        }
        remote::SEGMENT_UPDATE => Ok(format!(
            "RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId={}, customMetadata={}, state={}, \
             eventTimestampMs={}, brokerId={}}}",
            segment_id(fields),
            custom(fields),
            state(fields)?,
            number(fields, "eventTimestampMs"),
            number(fields, "brokerId")
        )),
        _ => {
            let id = number(fields, "remotePartitionDeleteState");
            let state = usize::try_from(id).ok().and_then(|id| DELETE_STATES.get(id));
            Ok(format!(
                "RemotePartitionDeleteMetadata{{topicPartition={}, state={}, \
                 eventTimestampMs={}, brokerId={}}}",
                topic_partition(fields),
                state.ok_or("null")?,
                number(fields, "eventTimestampMs"),
                number(fields, "brokerId")
            ))
        }
    }
}

fn check_offsets(fields: &Fields<'_>) -> Result<(), String> {
    let (start, end) = (number(fields, "startOffset"), number(fields, "endOffset"));
    if start < 0 {
        return Err(format!(
            "Unexpected start offset = {start}. StartOffset for a remote segment cannot be \
             negative"
        ));
    }
    if end < start {
        return Err(format!(
            "Unexpected end offset = {end}. EndOffset for a remote segment cannot be less than \
             startOffset = {start}"
        ));
    }
    Ok(())
}

/// What a segment and the snapshot of one have in common, behind what they begin with.
fn segment(head: String, fields: &Fields<'_>, release: Release) -> Result<String, String> {
    let state = state(fields)?;
    let epochs: BTreeMap<i64, i64> = fields
        .structs("segmentLeaderEpochs")
        .map(|epoch| (number(epoch, "leaderEpoch"), number(epoch, "offset")))
        .collect();
    if epochs.is_empty() {
        return Err("segmentLeaderEpochs can not be null or empty".to_owned());
    }
    let epochs: Vec<_> = epochs.iter().map(|(epoch, offset)| format!("{epoch}={offset}")).collect();
    let mut text = head;
    let is_snapshot = text.starts_with("RemoteLogSegmentMetadataSnapshot");
    for (name, shown) in [
        ("startOffset", true),
        ("endOffset", true),
        ("brokerId", !is_snapshot),
        ("maxTimestampMs", true),
        ("eventTimestampMs", !is_snapshot),
    ] {
        if shown {
            let _ = write!(text, ", {name}={}", number(fields, name));
        }
    }
    let _ = write!(
        text,
        ", segmentLeaderEpochs={{{}}}, segmentSizeInBytes={}, customMetadata={}, state={state}",
        epochs.join(", "),
        number(fields, "segmentSizeInBytes"),
        custom(fields)
    );
    if release >= Release::V4 {
        let empty = fields.get("txnIndexEmpty") == Some(&Value::Bool(true));
        let _ = write!(text, ", txnIdxEmpty={empty}");
    }
    text.push('}');
    Ok(text)
}

fn number(fields: &Fields<'_>, name: &str) -> i64 {
    fields.number(name).unwrap_or_default()
}

fn state(fields: &Fields<'_>) -> Result<&'static str, String> {
    let id = number(fields, "remoteLogSegmentState");
    let state = usize::try_from(id).ok().and_then(|id| STATES.get(id)).copied();
    state.ok_or_else(|| "state can not be null".to_owned())
}

fn custom(fields: &Fields<'_>) -> String {
    match fields.get("customMetadata") {
        Some(Value::Bytes(bytes)) => format!("Optional[CustomMetadata{{{} bytes}}]", bytes.len()),
        _ => "Optional.empty".to_owned(),
    }
}

fn segment_id(fields: &Fields<'_>) -> String {
    let Some(id) = fields.inner("remoteLogSegmentId") else { return String::new() };
    format!(
        "RemoteLogSegmentId{{topicIdPartition={}, id={}}}",
        topic_partition(id),
        id.uuid("id").map(uuid).unwrap_or_default()
    )
}

fn topic_partition(fields: &Fields<'_>) -> String {
    let Some(of) = fields.inner("topicIdPartition") else { return String::new() };
    let (id, name) = (of.uuid("id").map(uuid), of.text("name"));
    let partition = number(of, "partition");
    format!("{}:{}-{partition}", id.unwrap_or_default(), name.unwrap_or_default())
}

fn uuid(uuid: [u8; 16]) -> String {
    let mut text = Vec::new();
    write_uuid(uuid, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
