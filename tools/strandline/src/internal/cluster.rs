//! `__cluster_metadata`: what a KRaft cluster is made of, as a log of changes. The names are those
//! that Kafka's tools show.

use super::Release;
use super::framed::{self, FramedRecord, Types, Unframed};
use super::table::{
    Field, Kind, Message, Struct, bytes, flag, float64, int8, int16, int32, int32s, int64, list,
    text, texts, uint16, uuid, uuids,
};

/// Reads a record's value. One without a value ends before its frame.
pub(crate) fn decode(release: Release, value: Option<&[u8]>) -> Result<FramedRecord<'_>, Unframed> {
    framed::decode(TYPES, release, value.unwrap_or_default())
}

const TYPES: Types = &[
    (0, &REGISTER_BROKER),
    (1, &Message::new("UNREGISTER_BROKER_RECORD", 0, &[int32("brokerId"), int64("brokerEpoch")])),
    (2, &Message::new("TOPIC_RECORD", 0, &[text("name"), uuid("topicId")])),
    (3, &PARTITION),
    (4, &CONFIG),
    (5, &PARTITION_CHANGE),
    (7, &Message::new("FENCE_BROKER_RECORD", 0, &[int32("id"), int64("epoch")])),
    (8, &Message::new("UNFENCE_BROKER_RECORD", 0, &[int32("id"), int64("epoch")])),
    (9, &Message::new("REMOVE_TOPIC_RECORD", 0, &[uuid("topicId")])),
    (10, &DELEGATION_TOKEN),
    (11, &USER_SCRAM_CREDENTIAL),
    (12, &Message::new("FEATURE_LEVEL_RECORD", 0, &[text("name"), int16("featureLevel")])),
    (14, &CLIENT_QUOTA),
    (15, &PRODUCER_IDS),
    (17, &BROKER_REGISTRATION_CHANGE),
    (18, &ACCESS_CONTROL_ENTRY),
    (19, &Message::new("REMOVE_ACCESS_CONTROL_ENTRY_RECORD", 0, &[uuid("id")])),
    (20, &Message::new("NO_OP_RECORD", 0, &[])),
    (21, &Message::new("ZK_MIGRATION_STATE_RECORD", 0, &[int8("zkMigrationState")])),
    (
        22,
        &Message::new("REMOVE_USER_SCRAM_CREDENTIAL_RECORD", 0, &[text("name"), int8("mechanism")]),
    ),
    (23, &Message::new("BEGIN_TRANSACTION_RECORD", 0, &[text("name").tagged(0).else_null()])),
    (24, &Message::new("END_TRANSACTION_RECORD", 0, &[])),
    (25, &Message::new("ABORT_TRANSACTION_RECORD", 0, &[text("reason").tagged(0).else_null()])),
    (26, &Message::new("REMOVE_DELEGATION_TOKEN_RECORD", 0, &[text("tokenId")])),
    (27, &REGISTER_CONTROLLER),
    (28, &Message::new("CLEAR_ELR_RECORD", 0, &[text("topicName")]).since_v4()),
];

const FEATURE: [Field; 3] =
    [text("name"), int16("minSupportedVersion"), int16("maxSupportedVersion")];

const END_POINT: [Field; 4] =
    [text("name"), text("host"), uint16("port"), int16("securityProtocol")];

const REGISTER_BROKER: Message = Message::new(
    "REGISTER_BROKER_RECORD",
    4,
    &[
        int32("brokerId"),
        flag("isMigratingZkBroker").from(2),
        uuid("incarnationId"),
        int64("brokerEpoch"),
        list("endPoints", &Kind::Struct(&Struct { name: "BrokerEndpoint", fields: &END_POINT })),
        list("features", &Kind::Struct(&Struct { name: "BrokerFeature", fields: &FEATURE })),
        text("rack").or_null(),
        flag("fenced"),
        flag("inControlledShutdown").from(1),
        uuids("logDirs").from(3).tagged(0),
        uuids("cordonedLogDirs").from(4).tagged(1).else_null().since_v4(),
    ],
)
.in_v3(3);

const PARTITION: Message = Message::new(
    "PARTITION_RECORD",
    2,
    &[
        int32("partitionId"),
        uuid("topicId"),
        int32s("replicas"),
        int32s("isr"),
        int32s("removingReplicas"),
        int32s("addingReplicas"),
        int32("leader"),
        int8("leaderRecoveryState").tagged(0),
        int32("leaderEpoch"),
        int32("partitionEpoch"),
        uuids("directories").from(1),
        int32s("eligibleLeaderReplicas").from(2).tagged(1).else_null(),
        int32s("lastKnownElr").from(2).tagged(2).else_null(),
    ],
);

const CONFIG: Message = Message::new(
    "CONFIG_RECORD",
    0,
    &[int8("resourceType"), text("resourceName"), text("name"), text("value").or_null()],
);

const PARTITION_CHANGE: Message = Message::new(
    "PARTITION_CHANGE_RECORD",
    2,
    &[
        int32("partitionId"),
        uuid("topicId"),
        int32s("isr").tagged(0).else_null(),
        int32("leader").tagged(1).else_number(-2),
        int32s("replicas").tagged(2).else_null(),
        int32s("removingReplicas").tagged(3).else_null(),
        int32s("addingReplicas").tagged(4).else_null(),
        int8("leaderRecoveryState").tagged(5).else_number(-1),
        uuids("directories").from(1).tagged(8).else_null(),
        int32s("eligibleLeaderReplicas").from(2).tagged(6).else_null(),
        int32s("lastKnownElr").from(2).tagged(7).else_null(),
    ],
);

const DELEGATION_TOKEN: Message = Message::new(
    "DELEGATION_TOKEN_RECORD",
    0,
    &[
        text("owner"),
        text("requester"),
        texts("renewers"),
        int64("issueTimestamp"),
        int64("maxTimestamp"),
        int64("expirationTimestamp"),
        text("tokenId"),
    ],
);

const USER_SCRAM_CREDENTIAL: Message = Message::new(
    "USER_SCRAM_CREDENTIAL_RECORD",
    0,
    &[
        text("name"),
        int8("mechanism"),
        bytes("salt"),
        bytes("storedKey"),
        bytes("serverKey"),
        int32("iterations"),
    ],
);

const CLIENT_QUOTA: Message = Message::new(
    "CLIENT_QUOTA_RECORD",
    0,
    &[
        list(
            "entity",
            &Kind::Struct(&Struct {
                name: "EntityData",
                fields: &[text("entityType"), text("entityName").or_null()],
            }),
        ),
        text("key"),
        float64("value"),
        flag("remove"),
    ],
);

const PRODUCER_IDS: Message = Message::new(
    "PRODUCER_IDS_RECORD",
    0,
    &[int32("brokerId"), int64("brokerEpoch"), int64("nextProducerId")],
);

const BROKER_REGISTRATION_CHANGE: Message = Message::new(
    "BROKER_REGISTRATION_CHANGE_RECORD",
    3,
    &[
        int32("brokerId"),
        int64("brokerEpoch"),
        int8("fenced").tagged(0),
        int8("inControlledShutdown").from(1).tagged(1),
        uuids("logDirs").from(2).tagged(2),
        uuids("cordonedLogDirs").from(3).tagged(3).else_null().since_v4(),
    ],
)
.in_v3(2);

const ACCESS_CONTROL_ENTRY: Message = Message::new(
    "ACCESS_CONTROL_ENTRY_RECORD",
    0,
    &[
        uuid("id"),
        int8("resourceType"),
        text("resourceName"),
        int8("patternType"),
        text("principal"),
        text("host"),
        int8("operation"),
        int8("permissionType"),
    ],
);

const REGISTER_CONTROLLER: Message = Message::new(
    "REGISTER_CONTROLLER_RECORD",
    0,
    &[
        int32("controllerId"),
        uuid("incarnationId"),
        flag("zkMigrationReady"),
        list(
            "endPoints",
            &Kind::Struct(&Struct { name: "ControllerEndpoint", fields: &END_POINT }),
        ),
        list("features", &Kind::Struct(&Struct { name: "ControllerFeature", fields: &FEATURE })),
    ],
);
