//! The groups of Kafka Streams in `__consumer_offsets`.

use super::table::{
    Kind, Message, Struct, int8, int16, int16s, int32, int32s, int64, list, one, text, texts,
    uint16,
};

pub(super) const GROUP_KEY: Message =
    Message::key("StreamsGroupMetadataKey", 17, &[text("groupId")]).since_v4();

const PAIR: Kind =
    Kind::Struct(&Struct { name: "KeyValue", fields: &[text("key"), text("value")] });

pub(super) const GROUP: Message = Message::new(
    "StreamsGroupMetadataValue",
    0,
    &[
        int32("epoch"),
        int64("metadataHash"),
        int32("validatedTopologyEpoch").tagged(0).else_number(-1),
        list("lastAssignmentConfigs", &PAIR).tagged(1).else_null(),
    ],
)
.since_v4();

pub(super) const MEMBER_KEY: Message =
    Message::key("StreamsGroupMemberMetadataKey", 19, &[text("groupId"), text("memberId")])
        .since_v4();

pub(super) const MEMBER: Message = Message::new(
    "StreamsGroupMemberMetadataValue",
    0,
    &[
        text("instanceId").or_null(),
        text("rackId").or_null(),
        text("clientId"),
        text("clientHost"),
        int32("rebalanceTimeoutMs"),
        int32("topologyEpoch"),
        text("processId"),
        one("userEndpoint", &Struct { name: "Endpoint", fields: &[text("host"), uint16("port")] })
            .or_null(),
        list("clientTags", &PAIR),
    ],
)
.since_v4();

pub(super) const TARGET_KEY: Message =
    Message::key("StreamsGroupTargetAssignmentMetadataKey", 20, &[text("groupId")]).since_v4();

pub(super) const TARGET: Message = Message::new(
    "StreamsGroupTargetAssignmentMetadataValue",
    0,
    &[int32("assignmentEpoch"), int64("assignmentTimestamp").tagged(0)],
)
.since_v4();

pub(super) const MEMBER_TARGET_KEY: Message =
    Message::key("StreamsGroupTargetAssignmentMemberKey", 21, &[text("groupId"), text("memberId")])
        .since_v4();

const TASKS: Kind = Kind::Struct(&Struct {
    name: "TaskIds",
    fields: &[text("subtopologyId"), int32s("partitions")],
});

pub(super) const MEMBER_TARGET: Message = Message::new(
    "StreamsGroupTargetAssignmentMemberValue",
    0,
    &[list("activeTasks", &TASKS), list("standbyTasks", &TASKS), list("warmupTasks", &TASKS)],
)
.since_v4();

pub(super) const CURRENT_KEY: Message = Message::key(
    "StreamsGroupCurrentMemberAssignmentKey",
    22,
    &[text("groupId"), text("memberId")],
)
.since_v4();

/// Tasks that a member has, with the epoch in which it got each.
const HELD: Kind = Kind::Struct(&Struct {
    name: "TaskIds",
    fields: &[
        text("subtopologyId"),
        int32s("partitions"),
        int32s("assignmentEpochs").tagged(0).or_null(),
    ],
});

pub(super) const CURRENT: Message = Message::new(
    "StreamsGroupCurrentMemberAssignmentValue",
    0,
    &[
        int32("memberEpoch"),
        int32("previousMemberEpoch"),
        int8("state"),
        list("activeTasks", &HELD),
        list("standbyTasks", &HELD),
        list("warmupTasks", &HELD),
        list("activeTasksPendingRevocation", &HELD),
        list("standbyTasksPendingRevocation", &HELD),
        list("warmupTasksPendingRevocation", &HELD),
    ],
)
.since_v4();

pub(super) const TOPOLOGY_KEY: Message =
    Message::key("StreamsGroupTopologyKey", 23, &[text("groupId")]).since_v4();

const TOPIC: Kind = Kind::Struct(&Struct {
    name: "TopicInfo",
    fields: &[
        text("name"),
        int32("partitions"),
        int16("replicationFactor"),
        list("topicConfigs", &PAIR),
    ],
});

pub(super) const TOPOLOGY: Message = Message::new(
    "StreamsGroupTopologyValue",
    0,
    &[
        int32("epoch"),
        list(
            "subtopologies",
            &Kind::Struct(&Struct {
                name: "Subtopology",
                fields: &[
                    text("subtopologyId"),
                    texts("sourceTopics"),
                    texts("sourceTopicRegex"),
                    list("stateChangelogTopics", &TOPIC),
                    texts("repartitionSinkTopics"),
                    list("repartitionSourceTopics", &TOPIC),
                    list(
                        "copartitionGroups",
                        &Kind::Struct(&Struct {
                            name: "CopartitionGroup",
                            fields: &[
                                int16s("sourceTopics"),
                                int16s("sourceTopicRegex"),
                                int16s("repartitionSourceTopics"),
                            ],
                        }),
                    ),
                ],
            }),
        ),
    ],
)
.since_v4();
