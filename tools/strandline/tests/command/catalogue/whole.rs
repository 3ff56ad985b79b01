//! What can be wrong with directories: segments that do not follow each other, names, leftovers.

use std::fs;

use super::{LOG, Maker, copy};
use crate::command::made::Made;

pub(super) const ALL: &[Maker] = &[
    Maker::new("DIR001", "error", "00000000000000000006.log", |place| {
        place.segment(0, &[Made::two(0), Made::two(2)]);
        place.segment(6, &[Made::two(6)]);
    })
    .deep(),
    // Where offsets are missing inside a segment, compaction may have emptied one.
    Maker::new("DIR001", "info", "00000000000000000008.log", |place| {
        place.segment(0, &[Made::two(0), Made::two(4)]);
        place.segment(8, &[Made::two(8)]);
    })
    .deep()
    .also(&["LOG011 info"]),
    Maker::new("DIR001", "warning", LOG_AT_2, |place| {
        place.segment(0, &[Made::two(2), Made::two(4)]);
        place.rename(2);
    })
    .deep(),
    Maker::new("DIR002", "error", "00000000000000000003.log", |place| {
        place.segment(3, &[Made::two(3)]);
    }),
    Maker::new("DIR003", "warning", ".log.swap", |place| place.write(&format!("{LOG}.swap"), "")),
    Maker::new("DIR004", "info", "data", super::Place::crashed).in_root(),
    Maker::new("DIR005", "error", "second/t-0", |place| {
        let second = place.temp.path().join("second");
        copy(&place.root().join("t-0"), &second.join("t-0"));
        fs::write(second.join(".kafka_cleanshutdown"), "{}").unwrap();
    })
    .in_root(),
    Maker::new("DIR006", "warning", "t-1/partition.metadata", |place| {
        copy(&place.partition(), &place.root().join("t-1"));
        fs::remove_file(place.root().join("t-1/partition.metadata")).unwrap();
    })
    .in_root(),
    Maker::new("DIR006", "error", "t-0/partition.metadata", |place| {
        place.write("partition.metadata", "version: 0\ntopic_id: ?\n");
    }),
    Maker::new("DIR007", "error", "00000000000000000050.log", |place| place.rename(50)).deep(),
    Maker::new("DIR008", "warning", "notes.txt", |place| place.write("notes.txt", "mine")),
    Maker::new("QUA001", "info", "quarantine", |place| {
        let quarantine = place.partition().join("quarantine");
        fs::create_dir(&quarantine).unwrap();
        fs::write(quarantine.join("bytes"), "cut off").unwrap();
    }),
];

const LOG_AT_2: &str = "00000000000000000002.log";
