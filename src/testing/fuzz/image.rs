//! A log of three segments as a process that was killed left it, or one that closed it: its files,
//! and what is in them.

use std::fmt;
use std::sync::OnceLock;

use super::scratch::{self, Named, Scratch};
use crate::compression::Codec;
use crate::error::{Error, Result};
use crate::log::watermark;
use crate::log::{Durability, FetchOptions, Log as Handle, WATERMARK};
use crate::record::{
    Batch, Batches, Offset, ProducerEpoch, ProducerId, Record, Sequence, TransactionEnd,
};
use crate::testing::Log;
use crate::wire::crc32c;

/// When everything was appended.
pub(super) const NOW: i64 = 1_700_000_000_000;

/// A log that is at rest.
#[derive(Debug)]
pub(super) struct Image {
    /// Its files.
    pub(super) files: Vec<Named>,
    /// Its batches, in order.
    pub(super) batches: Vec<Placed>,
    /// What lies below is durable: base offset of the segment, bytes of it.
    pub(super) mark: (Offset, usize),
    /// The first offset that is not durable.
    pub(super) durable_end: Offset,
}

/// A batch, and where it lies.
#[derive(Debug)]
pub(super) struct Placed {
    /// Base offset of its segment.
    pub(super) segment: Offset,
    pub(super) position: usize,
    pub(super) base: Offset,
    pub(super) last: Offset,
    pub(super) bytes: Vec<u8>,
}

impl Placed {
    pub(super) fn end(&self) -> usize {
        self.position + self.bytes.len()
    }
}

/// Its settings.
pub(super) fn config() -> [(String, String); 2] {
    [("internal.segment.bytes", "1500"), ("index.interval.bytes", "150")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// The log of a process that was killed: its last batches are not durable.
pub(super) fn killed() -> Result<&'static Image> {
    static KILLED: OnceLock<Result<Image>> = OnceLock::new();
    KILLED.get_or_init(|| build(false)).as_ref().map_err(Error::clone)
}

/// The same of one that closed it.
pub(super) fn closed() -> Result<&'static Image> {
    static CLOSED: OnceLock<Result<Image>> = OnceLock::new();
    CLOSED.get_or_init(|| build(true)).as_ref().map_err(Error::clone)
}

const BATCHES: usize = 27;
const NOT_DURABLE: usize = 4;

fn build(close: bool) -> Result<Image> {
    let scratch = Scratch::new()?;
    let log = Log::open(&scratch.path(), &config(), NOW)?;
    for n in 0..BATCHES {
        let durable = n < BATCHES - NOT_DURABLE;
        append(&log, n, if durable { Durability::Synced } else { Durability::Written })?;
    }
    if close {
        log.close()?;
    }
    let files = scratch::read(&scratch.dir())?;
    let slot = files.iter().find(|(name, _)| name == WATERMARK);
    let slot = slot.and_then(|(_, bytes)| watermark::in_force(bytes).current);
    let slot = slot.ok_or_else(|| Error::NotFound("a watermark".into()))?;
    let mut batches = Vec::new();
    for (base, bytes) in logs(&files) {
        let mut position = 0;
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(Error::CorruptBatch)?;
            let (first, last) = (batch.header().base_offset(), batch.header().last_offset());
            let bytes = batch.bytes().to_vec();
            batches.push(Placed { segment: base, position, base: first, last, bytes });
            position += batch.bytes().len();
        }
    }
    let mark = (slot.base_offset, slot.point as usize);
    Ok(Image { files, batches, mark, durable_end: slot.durable_end })
}

fn append(log: &Log, n: usize, durability: Durability) -> Result<()> {
    let value = format!("value {n} ").repeat(1 + n * 5 % 7);
    let record = |at: usize| {
        let record = Record::new().value(&value).timestamp(NOW - 90_000 + (n * 1000 + at) as i64);
        if at == 1 { record } else { record.key("key") }
    };
    let mut batch = Batch::of((0..=n % 4).map(record)).compression(Codec::ALL[n % 5]);
    // Every third belongs to a transaction; three of these make one.
    let producer = (ProducerId(7), ProducerEpoch(0));
    let transactional = n % 3 == 1;
    if transactional {
        let before: usize = (0..n).filter(|n| n % 3 == 1).map(|n| n % 4 + 1).sum();
        batch = batch.producer(producer.0, producer.1, Sequence(before as i32)).transactional(true);
    }
    log.handle().append(batch, durability)?;
    if n % 9 == 7 {
        let end = if n == 16 { TransactionEnd::Commit } else { TransactionEnd::Abort };
        log.handle().end_transaction(producer, end, 0, durability)?;
    }
    Ok(())
}

/// The `.log` files among these, with the base offsets that their names tell.
pub(super) fn logs(files: &[Named]) -> impl Iterator<Item = (Offset, &Vec<u8>)> {
    files.iter().filter_map(|(name, bytes)| Some((name.strip_suffix(".log")?.parse().ok()?, bytes)))
}

/// What a log gives out: its batches, and the offsets that are reported damaged.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) batches: Vec<(Offset, Offset, Vec<u8>)>,
    pub(super) damaged: Vec<(Offset, Offset)>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "given:")?;
        for (base, last, bytes) in &self.batches {
            write!(f, " {base}-{last} ({:08x})", crc32c::checksum(bytes))?;
        }
        write!(f, ", damaged: {:?}", self.damaged)
    }
}

/// Reads a log from its start to its end.
pub(super) fn read_all(log: &Handle) -> Result<Given> {
    let (mut at, end) = (log.log_start_offset()?, log.log_end_offset()?);
    assert!(0 <= at && at <= end, "from {at} to {end}");
    let mut given = Given::default();
    while at < end {
        let next = match log.fetch(at, FetchOptions::new().max_bytes(700)) {
            Ok(fetched) => {
                for batch in fetched.batches() {
                    let header = batch.header();
                    let bytes = batch.bytes().to_vec();
                    given.batches.push((header.base_offset(), header.last_offset(), bytes));
                }
                for record in fetched.records() {
                    // A payload that is no records is an error of that batch alone.
                    let _ = record;
                }
                if fetched.is_empty() && log.gap()?.is_none_or(|gap| gap.start > at) {
                    // A cut inside a batch leaves a hole at the end.
                    break;
                }
                fetched.next_offset()
            }
            Err(Error::Corrupt { offsets: Some((first, last)), .. }) => {
                // A hole may lie before it.
                assert!(first <= last && at <= last, "{first} to {last} lie before {at}");
                given.damaged.push((first, last));
                last + 1
            }
            Err(error) => return Err(error),
        };
        if next <= at {
            assert!(log.gap()?.is_some(), "a fetch at {at} stands still");
            break;
        }
        at = next;
    }
    Ok(given)
}
