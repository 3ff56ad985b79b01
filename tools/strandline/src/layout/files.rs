//! The fields of the small files: index entries, snapshots, checkpoints, our own two.

use super::batch::time;
use super::{Field, Reader, quoted};
use crate::paths::Kind;
use crate::time::Times;

/// Name and width of each field of a layout without variable parts.
type Layout = &'static [(&'static str, usize)];

const INDEX: Layout = &[("relativeOffset", 4), ("position", 4)];
const TIME_INDEX: Layout = &[("timestamp", 8), ("relativeOffset", 4)];
const TXN_INDEX: Layout = &[
    ("version", 2),
    ("producerId", 8),
    ("firstOffset", 8),
    ("lastOffset", 8),
    ("lastStableOffset", 8),
];
const SNAPSHOT: Layout = &[("version", 2), ("crc", 4), ("count", 4)];
const PRODUCER: Layout = &[
    ("producerId", 8),
    ("producerEpoch", 2),
    ("lastSequence", 4),
    ("lastOffset", 8),
    ("offsetDelta", 4),
    ("timestamp", 8),
    ("coordinatorEpoch", 4),
    ("currentTxnFirstOffset", 8),
];
const MANIFEST: Layout = &[
    ("magic", 4),
    ("crc", 4),
    ("version", 2),
    ("zero", 2),
    ("partition", 4),
    ("topicId", 16),
    ("zero", 96),
];
const MANIFEST_ENTRY: Layout = &[
    ("crc", 4),
    ("kind", 1),
    ("flags", 1),
    ("zero", 2),
    ("change", 8),
    ("baseOffset", 8),
    ("nextOffset", 8),
    ("logBytes", 8),
    ("logCrc", 4),
    ("batches", 4),
    ("maxTimestamp", 8),
    ("maxTimestampOffset", 8),
    ("lastLeaderEpoch", 4),
    ("indexBytes", 4),
    ("indexCrc", 4),
    ("timeIndexBytes", 4),
    ("timeIndexCrc", 4),
    ("txnIndexBytes", 4),
    ("txnIndexCrc", 4),
    ("lastBatchCrc", 4),
    ("logEndBefore", 8),
    ("lastBatchPosition", 4),
    ("zero", 20),
];
const SLOT: Layout = &[
    ("magic", 4),
    ("crc", 4),
    ("generation", 8),
    ("baseOffset", 8),
    ("point", 8),
    ("durableEnd", 8),
    ("lastBatchPosition", 8),
    ("lastBatchCrc", 4),
    ("leaderEpoch", 4),
    ("opening", 4),
    ("flags", 2),
    ("zero", 2),
];
/// So many entries of a file are shown at once.
const MOST_ENTRIES: usize = 64;

/// What is looked at in a file.
pub(crate) struct Look<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) base_offset: i64,
    /// The byte that is asked about.
    pub(crate) position: Option<usize>,
    pub(crate) times: &'a Times,
}

impl Look<'_> {
    /// The fields of a file of that kind: all, or those of the entry that holds the position.
    pub(crate) fn fields(&self, kind: Kind) -> Vec<Field> {
        match kind {
            Kind::Index => self.one_of(INDEX, 8),
            Kind::TimeIndex => self.one_of(TIME_INDEX, 12),
            Kind::TxnIndex => self.one_of(TXN_INDEX, 34),
            Kind::Snapshot => self.header_and(SNAPSHOT, 10, PRODUCER, 46),
            Kind::Manifest => self.header_and(MANIFEST, 128, MANIFEST_ENTRY, 128),
            Kind::Watermark => {
                let slots = [0, 512].map(|at| self.layout(SLOT, at));
                slots.into_iter().flatten().collect()
            }
            _ => self.lines(),
        }
    }

    /// The entry that holds the position, else the first.
    fn one_of(&self, layout: Layout, len: usize) -> Vec<Field> {
        let at = self.position.unwrap_or(0) / len * len;
        self.layout(layout, at)
    }

    fn header_and(
        &self,
        header: Layout,
        header_len: usize,
        layout: Layout,
        len: usize,
    ) -> Vec<Field> {
        if let Some(entry) = self.position.and_then(|at| at.checked_sub(header_len)) {
            return self.layout(layout, header_len + entry / len * len);
        }
        let mut fields = self.layout(header, 0);
        let rest = self.bytes.len().saturating_sub(header_len);
        for entry in 0..rest.div_ceil(len).min(MOST_ENTRIES) {
            fields.extend(self.layout(layout, header_len + entry * len));
        }
        fields
    }

    fn layout(&self, layout: Layout, at: usize) -> Vec<Field> {
        let mut reader = Reader::new(self.bytes, at);
        let mut fields = Vec::new();
        for &(name, len) in layout {
            let from = reader.at;
            let left = reader.left();
            if left < len {
                if left > 0 {
                    let text = format!("{name}: {left} of {len} bytes are there");
                    fields.push(Field::new(from, left, "?", text).holds(false));
                }
                break;
            }
            let bytes = &self.bytes[from..from + len];
            let value = reader.integer(len).unwrap_or(0);
            let field = Field::new(from, len, name, self.value(name, value, bytes));
            let zero = name == "zero" && bytes.iter().any(|&byte| byte != 0);
            fields.push(if zero { field.holds(false) } else { field });
        }
        fields
    }

    fn value(&self, name: &str, value: i64, bytes: &[u8]) -> String {
        match name {
            "zero" => String::new(),
            "magic" | "topicId" => quoted(bytes),
            "relativeOffset" => {
                format!("{value} → offset {}", self.base_offset.saturating_add(value))
            }
            "timestamp" | "maxTimestamp" if value != -1 => {
                format!("{value}, {}", time(value, self.times))
            }
            "kind" => {
                let kinds = ["?", "sealed", "closed", "log start", "cut", "removed"];
                let kind = usize::try_from(value).ok().and_then(|at| kinds.get(at));
                format!("{value} {}", kind.unwrap_or(&"?"))
            }
            name if name == "crc" || name.ends_with("Crc") => format!("{:#010x}", value as u32),
            _ => value.to_string(),
        }
    }

    /// A text file, line by line.
    fn lines(&self) -> Vec<Field> {
        let mut at = 0;
        let mut fields = Vec::new();
        for line in self.bytes.split_inclusive(|&byte| byte == b'\n').take(4 * MOST_ENTRIES) {
            let name = format!("line {}", fields.len() + 1);
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            fields.push(Field::new(at, line.len(), &name, quoted(text)));
            at += line.len();
        }
        fields
    }
}
