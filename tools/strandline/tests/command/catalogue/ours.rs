//! What can be wrong with a store's own files: the manifest and the durable watermark.

use std::fs;
use std::path::Path;

use strandline::{Batch, Durability, LogConfig, Record, Store, TopicOptions};

use crate::recovery_batches::is_log;

use super::{INDEX, Kind, LOG, Maker, Place, made};

const MANIFEST: &str = "segments.manifest";
const WATERMARK: &str = "durable.watermark";

pub(super) const ALL: &[Maker] = &[
    Maker::new("MAN001", "warning", MANIFEST, |place| flip(place, MANIFEST, 14))
        .of(Kind::Ours)
        .deep(),
    Maker::new("MAN001", "warning", MANIFEST, |place| {
        let mut manifest = place.read(MANIFEST);
        manifest.extend_from_slice(b"stray");
        place.write(MANIFEST, manifest);
    })
    .of(Kind::Ours)
    .deep(),
    Maker::new("MAN002", "error", INDEX, |place| flip(place, INDEX, 3)).of(Kind::Ours).deep(),
    // No batch's checksum covers the leader epoch.
    Maker::new("MAN002", "error", LOG, |place| flip(place, LOG, 15)).of(Kind::Ours).deep(),
    Maker::new("MAN003", "error", ".log", |place| remove_segment(place, 0)).of(Kind::Ours).deep(),
    Maker::new("MAN003", "error", ".log", |place| remove_segment(place, 1)).of(Kind::Ours).deep(),
    Maker::new("WMK001", "warning", WATERMARK, |place| flip(place, WATERMARK, 512 + 20))
        .of(Kind::Ours)
        .deep(),
    Maker::new("WMK001", "error", WATERMARK, |place| place.write(WATERMARK, [0; 1024]))
        .of(Kind::Ours)
        .deep(),
    Maker::new("WMK002", "error", ".log", |place| {
        let last = segments(place).pop().unwrap();
        let bytes = place.read(&last);
        let length = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        assert!(bytes.len() > 12 + length, "{last} has one batch");
        place.write(&last, &bytes[..12 + length]);
    })
    .of(Kind::OursOpen)
    .deep(),
];

/// A store with a log of several segments.
pub(super) fn store(root: &Path) -> Store {
    let store = Store::options().housekeeping(false).open(root).unwrap();
    let config = LogConfig::new().segment_bytes(12_000).index_interval_bytes(1024);
    let options = TopicOptions::new().partitions(1).config(config);
    let log = store.create_topic("t", options).unwrap().partition(0).unwrap();
    for number in 0..16_i64 {
        let value = vec![b'a' + number as u8; 1500];
        let time = made::TIME + number;
        let records = [Record::new().key("key").value(&value[..]).timestamp(time)];
        log.append(Batch::of(records), Durability::Synced).unwrap();
    }
    store
}

/// The same, closed, opened again, and written to once more: what was there then is durable by the
/// mark.
pub(super) fn opened_again(root: &Path) -> Store {
    store(root).close().unwrap();
    let store = Store::options().housekeeping(false).open(root).unwrap();
    let log = store.topic("t").unwrap().partition(0).unwrap();
    let record = Record::new().key("key").value("last").timestamp(made::TIME + 99);
    log.append(Batch::of([record]), Durability::Synced).unwrap();
    store
}

/// The `.log` files, in order.
fn segments(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.partition()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut logs: Vec<_> = names.filter(|name| is_log(name)).collect();
    logs.sort();
    logs
}

/// Flips a bit of a byte.
fn flip(place: &Place, name: &str, at: usize) {
    let byte = place.read(name)[at];
    place.patch(name, at, &[byte ^ 0x10]);
}

/// Takes a segment away, with its indexes.
fn remove_segment(place: &Place, number: usize) {
    let log = segments(place).swap_remove(number);
    let base = log.strip_suffix("log").unwrap();
    for end in ["log", "index", "timeindex"] {
        place.remove(&format!("{base}{end}"));
    }
}
