//! Our own two files of a log, read from their bytes as the document says they lie.

use strandline::testing::sim::Image;

use super::scene::DIR;

pub(crate) const WATERMARK: &str = "events-0/durable.watermark";
pub(crate) const MANIFEST: &str = "events-0/segments.manifest";
/// Where Kafka keeps high watermarks, and we our line.
pub(crate) const LINES: &str = "replication-offset-checkpoint";
pub(crate) const MARKER: &str = ".kafka_cleanshutdown";
/// Bytes of the manifest's header and of each of its entries.
pub(crate) const ENTRY: usize = 128;

/// A slot whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) at: usize,
    pub(crate) generation: u64,
    pub(crate) base: u64,
    pub(crate) point: u64,
    pub(crate) durable_end: i64,
    pub(crate) epoch: i32,
    pub(crate) opening: i64,
    pub(crate) clean: bool,
    pub(crate) gaps: bool,
}

/// An entry whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: usize,
    pub(crate) kind: u8,
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) log_bytes: u64,
}

pub(crate) const SEALED: u8 = 1;
pub(crate) const LOG_START: u8 = 3;
pub(crate) const CUT: u8 = 4;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The slots, newest first.
pub(crate) fn slots(image: &Image) -> Vec<Slot> {
    slots_of(image, DIR)
}

pub(crate) fn slots_of(image: &Image, dir: &str) -> Vec<Slot> {
    let file = image.read(&format!("{dir}/durable.watermark")).unwrap_or_default();
    let slot = |at: usize| {
        let slot = file.get(at..at + 64)?;
        let holds = number(&slot[4..8]) == u64::from(crc32c::crc32c(&slot[8..]));
        (slot.starts_with(b"SLWM") && holds).then(|| Slot {
            at,
            generation: number(&slot[8..16]),
            base: number(&slot[16..24]),
            point: number(&slot[24..32]),
            durable_end: number(&slot[32..40]) as i64,
            epoch: number(&slot[52..56]) as i32,
            opening: number(&slot[56..60]) as i64,
            clean: slot[61] & 1 > 0,
            gaps: slot[61] & 2 > 0,
        })
    };
    let mut slots: Vec<_> = [0, 512].into_iter().filter_map(slot).collect();
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.generation));
    slots
}

/// The entries, oldest first.
pub(crate) fn entries(image: &Image) -> Vec<Entry> {
    let file = image.read(MANIFEST).unwrap_or_default();
    let entry = |at: usize| {
        let entry = file.get(at..at + ENTRY)?;
        let holds = number(&entry[..4]) == u64::from(crc32c::crc32c(&entry[4..]));
        holds.then(|| Entry {
            at,
            kind: entry[4],
            base: number(&entry[16..24]) as i64,
            next: number(&entry[24..32]) as i64,
            log_bytes: number(&entry[32..40]),
        })
    };
    (ENTRY..file.len()).step_by(ENTRY).filter_map(entry).collect()
}

/// Whether a cut stands in the manifest.
pub(crate) fn has_cut(image: &Image) -> bool {
    entries(image).iter().any(|entry| entry.kind == CUT)
}

/// The number on our line.
pub(crate) fn line(image: &Image) -> Option<i64> {
    let lines = String::from_utf8(image.read(LINES)?.to_vec()).unwrap();
    let ours = lines.lines().find_map(|line| line.strip_prefix("strandline-opening 0 "));
    ours.map(|number| number.parse().unwrap())
}

/// Whether the log is proved: its newest slot carries the number on our line.
pub(crate) fn is_proved(image: &Image) -> bool {
    let newest = slots(image).first().map(|slot| slot.opening);
    newest.is_some() && newest == line(image)
}
