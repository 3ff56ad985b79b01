//! The control records of KRaft: who leads, who votes, where a snapshot begins and ends.

use super::Release;
use super::cursor::Cursor;
use super::read::Unreadable;
use super::table::{Kind, Message, Struct, int16, int32, int64, list, one, text, uint16, uuid};
use super::value::Fields;

/// What a control record of KRaft says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    LeaderChange,
    SnapshotHeader,
    SnapshotFooter,
    KRaftVersion,
    KRaftVoters,
}

impl Control {
    /// By the number in the record's key; 0 and 1 end transactions.
    pub(crate) fn from_id(id: i16) -> Option<Control> {
        Some(match id {
            2 => Control::LeaderChange,
            3 => Control::SnapshotHeader,
            4 => Control::SnapshotFooter,
            5 => Control::KRaftVersion,
            6 => Control::KRaftVoters,
            _ => return None,
        })
    }

    fn message(self) -> &'static Message {
        match self {
            Control::LeaderChange => &LEADER_CHANGE,
            Control::SnapshotHeader => &SNAPSHOT_HEADER,
            Control::SnapshotFooter => &SNAPSHOT_FOOTER,
            Control::KRaftVersion => &KRAFT_VERSION,
            Control::KRaftVoters => &VOTERS,
        }
    }

    /// Reads the record's value, whose first field is its version.
    pub(crate) fn decode(self, release: Release, value: &[u8]) -> Result<Fields<'_>, Unreadable> {
        let version = Cursor::new(value).i16()?;
        self.message().read(version, release, &mut Cursor::new(value))
    }
}

const VOTER: Kind = Kind::Struct(&Struct {
    name: "Voter",
    fields: &[int32("voterId"), uuid("voterDirectoryId").from(1)],
});

const LEADER_CHANGE: Message = Message::new(
    "LeaderChangeMessage",
    1,
    &[int16("version"), int32("leaderId"), list("voters", &VOTER), list("grantingVoters", &VOTER)],
);

const SNAPSHOT_HEADER: Message = Message::new(
    "SnapshotHeaderRecord",
    0,
    &[int16("version"), int64("lastContainedLogTimestamp")],
);

const SNAPSHOT_FOOTER: Message = Message::new("SnapshotFooterRecord", 0, &[int16("version")]);

const KRAFT_VERSION: Message =
    Message::new("KRaftVersionRecord", 0, &[int16("version"), int16("kRaftVersion")]);

const VOTERS: Message = Message::new(
    "VotersRecord",
    0,
    &[
        int16("version"),
        list(
            "voters",
            &Kind::Struct(&Struct {
                name: "Voter",
                fields: &[
                    int32("voterId"),
                    uuid("voterDirectoryId"),
                    list(
                        "endpoints",
                        &Kind::Struct(&Struct {
                            name: "Endpoint",
                            fields: &[text("name"), text("host"), uint16("port")],
                        }),
                    ),
                    one(
                        "kRaftVersionFeature",
                        &Struct {
                            name: "KRaftVersionFeature",
                            fields: &[int16("minSupportedVersion"), int16("maxSupportedVersion")],
                        },
                    ),
                ],
            }),
        ),
    ],
);
