//! What the members of a classic consumer group say to each other: the topics that one subscribes
//! to, the partitions that it is given. The group keeps these as bytes that begin with a version.

use super::Release;
use super::cursor::Cursor;
use super::table::{Kind, Message, Struct, bytes, int32, int32s, list, text, texts};
use super::value::{Fields, Value};

const PARTITIONS: Kind = Kind::Struct(&Struct {
    name: "TopicPartition",
    fields: &[text("topic"), int32s("partitions")],
});

const SUBSCRIPTION: Message = Message::new(
    "ConsumerProtocolSubscription",
    3,
    &[
        texts("topics"),
        bytes("userData").or_null(),
        list("ownedPartitions", &PARTITIONS).from(1),
        int32("generationId").from(2),
        text("rackId").from(3).or_null(),
    ],
)
.inflexible();

const ASSIGNMENT: Message = Message::new(
    "ConsumerProtocolAssignment",
    3,
    &[list("assignedPartitions", &PARTITIONS), bytes("userData").or_null()],
)
.inflexible();

/// Puts what the bytes say in place of the bytes, in the members of a group of consumers. Bytes
/// that are not what they should be stay.
pub(crate) fn spell_out(group: &mut Fields<'_>, release: Release) {
    if group.text("protocolType") != Some("consumer") {
        return;
    }
    let Some(Value::List(members)) = group.get_mut("members") else { return };
    for member in members {
        let Value::Struct(member) = member else { continue };
        for (name, message) in [("subscription", &SUBSCRIPTION), ("assignment", &ASSIGNMENT)] {
            let Some(value) = member.get_mut(name) else { continue };
            if let Value::Bytes(bytes) = value
                && let Some(fields) = read(message, bytes, release)
            {
                *value = Value::Struct(fields);
            }
        }
    }
}

fn read<'a>(message: &Message, bytes: &'a [u8], release: Release) -> Option<Fields<'a>> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.i16().ok()?;
    message.read(version, release, &mut cursor).ok()
}
