//! `__remote_log_metadata`: which segments lie in tiered storage.

use super::Release;
use super::framed::{self, FramedRecord, Types, Unframed};
use super::table::{
    Field, Kind, Message, Struct, bytes, flag, int8, int32, int64, list, one, text, uuid,
};

/// Reads a record's value.
pub(crate) fn decode(release: Release, value: &[u8]) -> Result<FramedRecord<'_>, Unframed> {
    framed::decode(TYPES, release, value)
}

pub(crate) const SEGMENT: &str = "RemoteLogSegmentMetadataRecord";
pub(crate) const SEGMENT_UPDATE: &str = "RemoteLogSegmentMetadataUpdateRecord";
pub(crate) const PARTITION_DELETE: &str = "RemotePartitionDeleteMetadataRecord";
pub(crate) const SEGMENT_SNAPSHOT: &str = "RemoteLogSegmentMetadataSnapshotRecord";

const TYPES: Types = &[
    (0, &SEGMENT_RECORD),
    (1, &SEGMENT_UPDATE_RECORD),
    (2, &PARTITION_DELETE_RECORD),
    (3, &SEGMENT_SNAPSHOT_RECORD),
];

const TOPIC_PARTITION: Field = one(
    "topicIdPartition",
    &Struct {
        name: "TopicIdPartitionEntry",
        fields: &[text("name"), uuid("id"), int32("partition")],
    },
);

const SEGMENT_ID: Field = one(
    "remoteLogSegmentId",
    &Struct { name: "RemoteLogSegmentIdEntry", fields: &[TOPIC_PARTITION, uuid("id")] },
);

const EPOCHS: Field = list(
    "segmentLeaderEpochs",
    &Kind::Struct(&Struct {
        name: "SegmentLeaderEpochEntry",
        fields: &[int32("leaderEpoch"), int64("offset")],
    }),
);

const SEGMENT_RECORD: Message = Message::new(
    SEGMENT,
    0,
    &[
        SEGMENT_ID,
        int64("startOffset"),
        int64("endOffset"),
        int32("brokerId"),
        int64("maxTimestampMs"),
        int64("eventTimestampMs"),
        EPOCHS,
        int32("segmentSizeInBytes"),
        bytes("customMetadata").or_null(),
        int8("remoteLogSegmentState"),
        flag("txnIndexEmpty").tagged(0).since_v4(),
    ],
);

const SEGMENT_UPDATE_RECORD: Message = Message::new(
    SEGMENT_UPDATE,
    0,
    &[
        SEGMENT_ID,
        int32("brokerId"),
        int64("eventTimestampMs"),
        bytes("customMetadata").or_null(),
        int8("remoteLogSegmentState"),
    ],
);

const PARTITION_DELETE_RECORD: Message = Message::new(
    PARTITION_DELETE,
    0,
    &[
        TOPIC_PARTITION,
        int32("brokerId"),
        int64("eventTimestampMs"),
        int8("remotePartitionDeleteState"),
    ],
);

const SEGMENT_SNAPSHOT_RECORD: Message = Message::new(
    SEGMENT_SNAPSHOT,
    0,
    &[
        uuid("segmentId"),
        int64("startOffset"),
        int64("endOffset"),
        int32("brokerId"),
        int64("maxTimestampMs"),
        int64("eventTimestampMs"),
        EPOCHS,
        int32("segmentSizeInBytes"),
        bytes("customMetadata").or_null(),
        int8("remoteLogSegmentState"),
        flag("txnIndexEmpty").tagged(0).since_v4(),
    ],
);
