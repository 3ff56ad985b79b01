//! `__transaction_state`: where each transactional id stands.

use super::coordinator::Kinds;
use super::table::{Kind, Message, Struct, int8, int16, int32, int32s, int64, list, text};

/// What there is, by the version of the key.
pub(super) const KINDS: Kinds = &[(0, &KEY, &VALUE)];

const KEY: Message = Message::key("TransactionLogKey", 0, &[text("transactionalId")]);

const VALUE: Message = Message::new(
    "TransactionLogValue",
    1,
    &[
        int64("producerId"),
        int64("previousProducerId").from(1).tagged(0).else_number(-1),
        int64("nextProducerId").from(1).tagged(1).else_number(-1),
        int16("producerEpoch"),
        int32("transactionTimeoutMs"),
        int8("transactionStatus"),
        list(
            "transactionPartitions",
            &Kind::Struct(&Struct {
                name: "PartitionsSchema",
                fields: &[text("topic"), int32s("partitionIds")],
            }),
        )
        .or_null(),
        int64("transactionLastUpdateTimestampMs"),
        int64("transactionStartTimestampMs"),
        int16("clientTransactionVersion").from(1).tagged(2),
    ],
)
.flexible_from(1);
