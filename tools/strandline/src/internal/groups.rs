//! `__consumer_offsets`: committed offsets, and the groups that commit them. Classic groups are
//! one record each; those of the newer protocols are many small ones.

use super::coordinator::Kinds;
use super::table::{
    Field, Kind, Message, Struct, bytes, int8, int32, int32s, int64, list, one, text, texts, uuid,
};

/// What there is, by the version of the key.
pub(super) const KINDS: Kinds = &[
    (0, &OLD_OFFSET_KEY, &OLD_OFFSET),
    (1, &OFFSET_KEY, &OFFSET),
    (2, &CLASSIC_KEY, &CLASSIC),
    (3, &CONSUMER_KEY, &CONSUMER),
    (4, &CONSUMER_PARTITIONS_KEY, &PARTITIONS),
    (5, &CONSUMER_MEMBER_KEY, &CONSUMER_MEMBER),
    (6, &CONSUMER_TARGET_KEY, &TARGET),
    (7, &CONSUMER_MEMBER_TARGET_KEY, &MEMBER_TARGET),
    (8, &CONSUMER_CURRENT_KEY, &CONSUMER_CURRENT),
    (9, &SHARE_PARTITIONS_KEY, &SHARE_PARTITIONS),
    (10, &SHARE_MEMBER_KEY, &SHARE_MEMBER),
    (11, &SHARE_KEY, &SHARE),
    (12, &SHARE_TARGET_KEY, &SHARE_TARGET),
    (13, &SHARE_MEMBER_TARGET_KEY, &SHARE_MEMBER_TARGET),
    (14, &SHARE_CURRENT_KEY, &SHARE_CURRENT),
    (15, &SHARE_STATE_KEY, &SHARE_STATE),
    (16, &REGEX_KEY, &REGEX),
    (17, &super::streams::GROUP_KEY, &super::streams::GROUP),
    (19, &super::streams::MEMBER_KEY, &super::streams::MEMBER),
    (20, &super::streams::TARGET_KEY, &super::streams::TARGET),
    (21, &super::streams::MEMBER_TARGET_KEY, &super::streams::MEMBER_TARGET),
    (22, &super::streams::CURRENT_KEY, &super::streams::CURRENT),
    (23, &super::streams::TOPOLOGY_KEY, &super::streams::TOPOLOGY),
];

const OLD_OFFSET_KEY: Message =
    Message::key("OffsetCommitKey", 0, &[text("group"), text("topic"), int32("partition")]);

const OLD_OFFSET: Message = Message::new(
    "LegacyOffsetCommitValue",
    0,
    &[int64("offset"), text("metadata"), int64("commitTimestamp")],
)
.inflexible();

const OFFSET_KEY: Message =
    Message::key("OffsetCommitKey", 1, &[text("group"), text("topic"), int32("partition")]);

const OFFSET: Message = Message::new(
    "OffsetCommitValue",
    4,
    &[
        int64("offset"),
        int32("leaderEpoch").from(3),
        text("metadata"),
        int64("commitTimestamp"),
        int64("expireTimestamp").from(1).until(1),
        uuid("topicId").from(4).tagged(0).since_v4(),
    ],
)
.flexible_from(4);

const CLASSIC_KEY: Message = Message::key("GroupMetadataKey", 2, &[text("group")]);

const CLASSIC: Message = Message::new(
    "GroupMetadataValue",
    4,
    &[
        text("protocolType"),
        int32("generation"),
        text("protocol").or_null(),
        text("leader").or_null(),
        int64("currentStateTimestamp").from(2),
        list(
            "members",
            &Kind::Struct(&Struct {
                name: "MemberMetadata",
                fields: &[
                    text("memberId"),
                    text("groupInstanceId").from(3).or_null(),
                    text("clientId"),
                    text("clientHost"),
                    int32("rebalanceTimeout").from(1),
                    int32("sessionTimeout"),
                    bytes("subscription"),
                    bytes("assignment"),
                ],
            }),
        ),
    ],
)
.flexible_from(4);

const CONSUMER_KEY: Message = Message::key("ConsumerGroupMetadataKey", 3, &[text("groupId")]);

const CONSUMER: Message = Message::new(
    "ConsumerGroupMetadataValue",
    0,
    &[int32("epoch"), int64("metadataHash").tagged(0).since_v4()],
);

const CONSUMER_PARTITIONS_KEY: Message =
    Message::key("ConsumerGroupPartitionMetadataKey", 4, &[text("groupId")]);

/// Of the topics that a group reads.
const PARTITIONS: Message = Message::new("ConsumerGroupPartitionMetadataValue", 0, &[TOPICS]);

const TOPICS: Field = list(
    "topics",
    &Kind::Struct(&Struct {
        name: "TopicMetadata",
        fields: &[
            uuid("topicId"),
            text("topicName"),
            int32("numPartitions"),
            list(
                "partitionMetadata",
                &Kind::Struct(&Struct {
                    name: "PartitionMetadata",
                    fields: &[int32("partition"), texts("racks")],
                }),
            ),
        ],
    }),
);

const CONSUMER_MEMBER_KEY: Message =
    Message::key("ConsumerGroupMemberMetadataKey", 5, &[text("groupId"), text("memberId")]);

const CONSUMER_MEMBER: Message = Message::new(
    "ConsumerGroupMemberMetadataValue",
    0,
    &[
        text("instanceId").or_null(),
        text("rackId").or_null(),
        text("clientId"),
        text("clientHost"),
        texts("subscribedTopicNames"),
        text("subscribedTopicRegex").or_null(),
        int32("rebalanceTimeoutMs"),
        text("serverAssignor").or_null(),
        // Taken for an empty structure where it is not there, so that null is shown.
        one(
            "classicMemberMetadata",
            &Struct {
                name: "ClassicMemberMetadata",
                fields: &[
                    int32("sessionTimeoutMs"),
                    list(
                        "supportedProtocols",
                        &Kind::Struct(&Struct {
                            name: "ClassicProtocol",
                            fields: &[text("name"), bytes("metadata")],
                        }),
                    ),
                ],
            },
        )
        .or_null()
        .tagged(0),
    ],
);

const CONSUMER_TARGET_KEY: Message =
    Message::key("ConsumerGroupTargetAssignmentMetadataKey", 6, &[text("groupId")]);

const TARGET: Message = Message::new(
    "ConsumerGroupTargetAssignmentMetadataValue",
    0,
    &[int32("assignmentEpoch"), int64("assignmentTimestamp").tagged(0).since_v4()],
);

const CONSUMER_MEMBER_TARGET_KEY: Message =
    Message::key("ConsumerGroupTargetAssignmentMemberKey", 7, &[text("groupId"), text("memberId")]);

const ASSIGNED: &[Field] = &[list(
    "topicPartitions",
    &Kind::Struct(&Struct {
        name: "TopicPartition",
        fields: &[uuid("topicId"), int32s("partitions")],
    }),
)];

const MEMBER_TARGET: Message =
    Message::new("ConsumerGroupTargetAssignmentMemberValue", 0, ASSIGNED);

const CONSUMER_CURRENT_KEY: Message = Message::key(
    "ConsumerGroupCurrentMemberAssignmentKey",
    8,
    &[text("groupId"), text("memberId")],
);

/// Partitions that a member has, with the epoch in which it got each.
const HELD: Kind = Kind::Struct(&Struct {
    name: "TopicPartitions",
    fields: &[
        uuid("topicId"),
        int32s("partitions"),
        int32s("assignmentEpochs").or_null().tagged(0).since_v4(),
    ],
});

const CONSUMER_CURRENT: Message = Message::new(
    "ConsumerGroupCurrentMemberAssignmentValue",
    0,
    &[
        int32("memberEpoch"),
        int32("previousMemberEpoch"),
        int8("state"),
        list("assignedPartitions", &HELD),
        list("partitionsPendingRevocation", &HELD),
    ],
);

const SHARE_PARTITIONS_KEY: Message =
    Message::key("ShareGroupPartitionMetadataKey", 9, &[text("groupId")]).since_v4();

const SHARE_PARTITIONS: Message =
    Message::new("ShareGroupPartitionMetadataValue", 0, &[TOPICS]).since_v4();

const SHARE_MEMBER_KEY: Message =
    Message::key("ShareGroupMemberMetadataKey", 10, &[text("groupId"), text("memberId")])
        .since_v4();

const SHARE_MEMBER: Message = Message::new(
    "ShareGroupMemberMetadataValue",
    0,
    &[
        text("rackId").or_null(),
        text("clientId"),
        text("clientHost"),
        texts("subscribedTopicNames"),
    ],
)
.since_v4();

const SHARE_KEY: Message = Message::key("ShareGroupMetadataKey", 11, &[text("groupId")]).since_v4();

const SHARE: Message =
    Message::new("ShareGroupMetadataValue", 0, &[int32("epoch"), int64("metadataHash")]).since_v4();

const SHARE_TARGET_KEY: Message =
    Message::key("ShareGroupTargetAssignmentMetadataKey", 12, &[text("groupId")]).since_v4();

const SHARE_TARGET: Message = Message::new(
    "ShareGroupTargetAssignmentMetadataValue",
    0,
    &[int32("assignmentEpoch"), int64("assignmentTimestamp").tagged(0).since_v4()],
)
.since_v4();

const SHARE_MEMBER_TARGET_KEY: Message =
    Message::key("ShareGroupTargetAssignmentMemberKey", 13, &[text("groupId"), text("memberId")])
        .since_v4();

const SHARE_MEMBER_TARGET: Message =
    Message::new("ShareGroupTargetAssignmentMemberValue", 0, ASSIGNED).since_v4();

const SHARE_CURRENT_KEY: Message =
    Message::key("ShareGroupCurrentMemberAssignmentKey", 14, &[text("groupId"), text("memberId")])
        .since_v4();

const SHARE_CURRENT: Message = Message::new(
    "ShareGroupCurrentMemberAssignmentValue",
    0,
    &[
        int32("memberEpoch"),
        int32("previousMemberEpoch"),
        int8("state"),
        list(
            "assignedPartitions",
            &Kind::Struct(&Struct {
                name: "TopicPartitions",
                fields: &[uuid("topicId"), int32s("partitions")],
            }),
        ),
    ],
)
.since_v4();

const SHARE_STATE_KEY: Message =
    Message::key("ShareGroupStatePartitionMetadataKey", 15, &[text("groupId")]).since_v4();

const INITIALIZED: Kind = Kind::Struct(&Struct {
    name: "TopicPartitionsInfo",
    fields: &[uuid("topicId"), text("topicName"), int32s("partitions")],
});

const SHARE_STATE: Message = Message::new(
    "ShareGroupStatePartitionMetadataValue",
    0,
    &[
        list("initializingTopics", &INITIALIZED),
        list("initializedTopics", &INITIALIZED),
        list(
            "deletingTopics",
            &Kind::Struct(&Struct {
                name: "TopicInfo",
                fields: &[uuid("topicId"), text("topicName")],
            }),
        ),
    ],
)
.since_v4();

const REGEX_KEY: Message = Message::key(
    "ConsumerGroupRegularExpressionKey",
    16,
    &[text("groupId"), text("regularExpression")],
)
.since_v4();

const REGEX: Message = Message::new(
    "ConsumerGroupRegularExpressionValue",
    0,
    &[texts("topics"), int64("version"), int64("timestamp")],
)
.since_v4();
