//! What compaction would reclaim: records of which a later one has the same key.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use strandline::record::FetchedRecord;
use strandline::{FileEntry, LogFile, Piece, SmallFile};

use super::gather::How;
use crate::exit::Result;
use crate::global::Global;
use crate::output::Out;
use crate::output::human::{bytes, count};
use crate::output::json::Object;
use crate::paths::OneLog;
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::size_of;
use crate::verbs::dump::records::{Inflater, Wanted};

/// Where the cleaner keeps how far it came.
const CHECKPOINT: &str = "cleaner-offset-checkpoint";

#[derive(Default)]
struct Found {
    records: u64,
    bytes: u64,
    superseded: (u64, u64),
    tombstones: u64,
    without_key: u64,
    keys: u64,
    /// Bytes behind what the cleaner has cleaned, if that is known.
    dirty: Option<u64>,
}

/// Looks at all records twice: which is the last of each key, then which are not.
pub(super) fn show(log: &OneLog, how: &How<'_>, (global, out): (&Global, &mut Out)) -> Result<()> {
    let mut last: HashMap<[u8; 16], i64> = HashMap::new();
    each(log, how, &mut |record| {
        if let Some(key) = record.key() {
            let latest = last.entry(hash(key)).or_insert(record.offset());
            *latest = record.offset().max(*latest);
        }
    })?;
    let cleaned = cleaned_to(log);
    let mut found =
        Found { keys: last.len() as u64, dirty: cleaned.map(|_| 0), ..Found::default() };
    each(log, how, &mut |record| {
        let size = size_of(record);
        found.records += 1;
        found.bytes += size;
        if cleaned.is_some_and(|cleaned| record.offset() >= cleaned) {
            found.dirty = found.dirty.map(|dirty| dirty + size);
        }
        match record.key() {
            None => found.without_key += 1,
            Some(key) if last.get(&hash(key)) > Some(&record.offset()) => {
                found.superseded.0 += 1;
                found.superseded.1 += size;
            }
            Some(_) => found.tombstones += u64::from(record.value().is_none()),
        }
    })?;
    found.write(global, out)
}

/// Of two keys the same 16 bytes are not to be had.
fn hash(key: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(key);
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

fn each(log: &OneLog, how: &How<'_>, take: &mut dyn FnMut(&FetchedRecord<'_>)) -> Result<()> {
    let wanted = Wanted {
        range: how.range,
        filter: how.filter,
        hidden: None,
        topic: "",
        partition: 0,
        max_inflated: how.max_inflated,
    };
    let mut inflater = Inflater::new();
    for input in place::segments(log, &how.range, how.segment)? {
        let file = LogFile::open_at(&input.path, input.base()?)?;
        let mut pieces = Pieces::of(&file, &input.path, place::start(input, &how.range)?.position);
        while let Some(piece) = pieces.next_piece()? {
            let Piece::Batch(batch) = &piece.what else { continue };
            if batch.header().attributes().is_control() {
                continue;
            }
            inflater.each(batch, &wanted, &mut |record| {
                take(record);
                Ok(true)
            })?;
        }
    }
    Ok(())
}

/// How far the cleaner came, if the log directory says so.
fn cleaned_to(log: &OneLog) -> Option<i64> {
    let (topic, number) = log.partition.as_ref()?;
    let dir = log.segments.first()?.path.canonicalize().ok()?;
    let file = std::fs::read(dir.parent()?.parent()?.join(CHECKPOINT)).ok()?;
    SmallFile::Checkpoint.entries(&file).into_iter().flatten().find_map(|entry| match entry {
        FileEntry::Offset { topic: of, partition, offset }
            if of == *topic && i64::from(partition) == i64::from(*number) =>
        {
            Some(offset)
        }
        _ => None,
    })
}

impl Found {
    fn write(&self, global: &Global, out: &mut Out) -> Result<()> {
        let ratio = self.dirty.map(|dirty| dirty as f64 / self.bytes.max(1) as f64);
        if !global.is_json() {
            let percent = 100.0 * self.superseded.1 as f64 / self.bytes.max(1) as f64;
            let dirty = ratio.map_or(String::new(), |ratio| format!("   dirty ratio {ratio:.2}"));
            let (records, size) = self.superseded;
            return out.row(format_args!(
                "compaction would drop {} records, {} of {} ({percent:.1} %)   keys {}   \
                 tombstones {}   without a key {}{dirty}",
                count(records),
                bytes(size),
                bytes(self.bytes),
                count(self.keys),
                count(self.tombstones),
                count(self.without_key),
            ));
        }
        let mut line = Object::line("compaction", out.line());
        line.size("records", self.records);
        line.size("bytes", self.bytes);
        line.size("supersededRecords", self.superseded.0);
        line.size("supersededBytes", self.superseded.1);
        line.size("keys", self.keys);
        line.size("tombstones", self.tombstones);
        line.size("recordsWithoutKey", self.without_key);
        line.maybe_number("dirtyBytes", self.dirty.map(|dirty| dirty as i64));
        line.end_line();
        out.settle()
    }
}
