//! `__share_group_state`: how far the groups that share partitions have come.

use super::coordinator::Kinds;
use super::table::{Field, Kind, Message, Struct, int8, int16, int32, int64, list, text, uuid};

/// What there is, by the version of the key.
pub(super) const KINDS: Kinds = &[(0, &SNAPSHOT_KEY, &SNAPSHOT), (1, &UPDATE_KEY, &UPDATE)];

const PARTITION: &[Field] = &[text("groupId"), uuid("topicId"), int32("partition")];

const BATCHES: Field = list(
    "stateBatches",
    &Kind::Struct(&Struct {
        name: "StateBatch",
        fields: &[
            int64("firstOffset"),
            int64("lastOffset"),
            int8("deliveryState"),
            int16("deliveryCount"),
        ],
    }),
);

const SNAPSHOT_KEY: Message = Message::key("ShareSnapshotKey", 0, PARTITION).since_v4();

const SNAPSHOT: Message = Message::new(
    "ShareSnapshotValue",
    0,
    &[
        int32("snapshotEpoch"),
        int32("stateEpoch"),
        int32("leaderEpoch"),
        int64("startOffset"),
        int32("deliveryCompleteCount").tagged(0).else_number(-1),
        int64("createTimestamp"),
        int64("writeTimestamp"),
        BATCHES,
    ],
)
.since_v4();

const UPDATE_KEY: Message = Message::key("ShareUpdateKey", 1, PARTITION).since_v4();

const UPDATE: Message = Message::new(
    "ShareUpdateValue",
    0,
    &[
        int32("snapshotEpoch"),
        int32("leaderEpoch"),
        int64("startOffset"),
        int32("deliveryCompleteCount").tagged(0).else_number(-1),
        BATCHES,
    ],
)
.since_v4();
