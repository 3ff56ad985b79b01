//! `.index` and `.timeindex`: their entries, and the same looked up in the log.

use std::fs;

use super::batch::{HEADER_LEN, Header, Inflater, Records};
use super::file::JavaFile;
use super::legacy;
use super::records::{FileRecords, Place};
use super::reports::{Pairs, TimeFault};
use super::thrown::{Result, Thrown};
use crate::internal::Release;
use crate::internal::cursor::Cursor;
use crate::output::Out;

/// What is done with an index.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) release: Release,
    pub(super) sanity_only: bool,
    pub(super) verify_only: bool,
}

/// An index, entry by entry.
struct Entries {
    bytes: Vec<u8>,
    entry_len: usize,
    base_offset: i64,
    absolute: String,
}

impl Entries {
    fn open(file: &JavaFile, base_offset: i64, entry_len: usize) -> Result<Entries> {
        let bytes = fs::read(file.path()).map_err(|error| match error.kind() {
            // Java's tool makes an empty file first; this one does not.
            std::io::ErrorKind::NotFound => Thrown::argument("Invalid max index size: -1"),
            _ => Thrown::opening(file.path(), &error),
        })?;
        Ok(Entries { bytes, entry_len, base_offset, absolute: file.absolute().shown() })
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.entry_len
    }

    fn entry(&self, number: usize) -> Cursor<'_> {
        let from = number * self.entry_len;
        Cursor::new(self.bytes.get(from..from + self.entry_len).unwrap_or_default())
    }

    /// An entry of a `.index`: an offset, and a position.
    fn place(&self, number: usize) -> (i64, i32) {
        let mut entry = self.entry(number);
        let (offset, position) = (entry.i32().unwrap_or(0), entry.i32().unwrap_or(0));
        (self.base_offset.wrapping_add(offset.into()), position)
    }

    /// An entry of a `.timeindex`: a timestamp, and an offset.
    fn time(&self, number: usize) -> (i64, i64) {
        let mut entry = self.entry(number);
        let (timestamp, offset) = (entry.i64().unwrap_or(0), entry.i32().unwrap_or(0));
        (timestamp, self.base_offset.wrapping_add(offset.into()))
    }

    /// The position of the last entry at or before an offset, as Kafka searches: the last few
    /// entries first. In an index with zeros behind its entries that makes a difference.
    fn look_up(&self, offset: i64) -> i32 {
        const WARM: usize = 8192 / 8;
        let entries = self.len();
        let Some(last) = entries.checked_sub(1) else { return 0 };
        let first_warm = last.saturating_sub(WARM);
        let found = if self.place(first_warm).0 < offset {
            self.search(offset, first_warm, last)
        } else if self.place(0).0 > offset {
            return 0;
        } else {
            self.search(offset, 0, first_warm)
        };
        self.place(found).1
    }

    fn search(&self, offset: i64, mut low: usize, mut high: usize) -> usize {
        while low < high {
            let middle = (low + high).div_ceil(2);
            match self.place(middle).0.cmp(&offset) {
                std::cmp::Ordering::Greater => high = middle - 1,
                std::cmp::Ordering::Less => low = middle,
                std::cmp::Ordering::Equal => return middle,
            }
        }
        low
    }

    fn check_offset_index(&self) -> Result<()> {
        let (path, len, base) = (&self.absolute, self.bytes.len(), self.base_offset);
        let last = self.len().checked_sub(1).map(|last| self.place(last).0);
        if let Some(last) = last.filter(|&last| last < base) {
            return Err(Thrown::corrupt_index(format!(
                "Corrupt index found, index file {path} has non-zero size but the last offset is \
                 {last} which is less than the base offset {base}"
            ))
            .into());
        }
        if !len.is_multiple_of(self.entry_len) {
            return Err(Thrown::corrupt_index(format!(
                "Index file {path} is corrupt, found {len} bytes which is neither positive nor a \
                 multiple of {}",
                self.entry_len
            ))
            .into());
        }
        Ok(())
    }

    fn check_time_index(&self) -> Result<()> {
        let (path, len, base) = (&self.absolute, self.bytes.len(), self.base_offset);
        if let Some(last) = self.len().checked_sub(1) {
            let ((first, _), (timestamp, offset)) = (self.time(0), self.time(last));
            let what = if timestamp < first {
                format!(
                    "last timestamp is {timestamp} which is less than the first timestamp {first}"
                )
            } else if offset < base {
                format!("last offset is {offset} which is less than the first offset {base}")
            } else {
                String::new()
            };
            if !what.is_empty() {
                return Err(Thrown::corrupt_index(format!(
                    "Corrupt time index found, time index file ({path}) has non-zero size but \
                     the {what}"
                ))
                .into());
            }
        }
        if !len.is_multiple_of(self.entry_len) {
            return Err(Thrown::corrupt_index(format!(
                "Time index file {path} is corrupt, found {len} bytes which is neither positive \
                 nor a multiple of {}",
                self.entry_len
            ))
            .into());
        }
        Ok(())
    }
}

/// Shows a `.index`.
pub(super) fn dump(
    file: &JavaFile,
    wanted: Wanted,
    max_message_size: i32,
    (out, mismatches): (&mut Out, &mut Pairs),
) -> Result<()> {
    let base = file.base_offset()?;
    let mut log = FileRecords::open(&file.sibling(".log")?)?;
    let entries = Entries::open(file, base, 8)?;
    if entries.len() == 0 {
        return Ok(out.text(format_args!("{} is empty.", file.shown()))?);
    }
    if wanted.sanity_only {
        entries.check_offset_index()?;
        return passed(file, out);
    }
    for number in 0..entries.len() {
        let (offset, position) = entries.place(number);
        if offset == base && number > 0 {
            return Ok(());
        }
        log.narrow(position, max_message_size)?;
        let first = log.place(position.into())?;
        let first = first.ok_or_else(|| Thrown::silent("java.util.NoSuchElementException"))?;
        let last_offset = last_offset(first, &mut log)?;
        if last_offset != offset {
            mismatches.add(&entries.absolute, offset, last_offset);
        }
        if !wanted.verify_only {
            out.text(format_args!("offset: {offset} position: {position}"))?;
        }
    }
    Ok(())
}

fn passed(file: &JavaFile, out: &mut Out) -> Result<()> {
    Ok(out.text(format_args!("{} passed sanity check.", file.shown()))?)
}

/// The last offset of a batch, as its header says it.
fn last_offset(place: Place, log: &mut FileRecords) -> Result<i64> {
    if place.magic < 2 {
        return Ok(place.offset);
    }
    let place = Place { size: HEADER_LEN, ..place };
    Ok(Header::read(log.batch(place, HEADER_LEN)?)?.last_offset())
}

/// Shows a `.timeindex`.
pub(super) fn dump_times(
    file: &JavaFile,
    wanted: Wanted,
    out: &mut Out,
    faults: &mut Vec<(String, TimeFault)>,
) -> Result<()> {
    let base = file.base_offset()?;
    let log = FileRecords::open(&file.sibling(".log")?)?;
    let index = Entries::open(&file.sibling(".index")?, base, 8)?;
    let entries = Entries::open(file, base, 12)?;
    if wanted.sanity_only {
        entries.check_time_index()?;
        return passed(file, out);
    }
    let mut lookup = Lookup { log, walked: Vec::new(), inflater: Inflater::default() };
    let mut before = -1;
    for number in 0..entries.len() {
        let (timestamp, offset) = entries.time(number);
        if offset == base && number > 0 {
            return Ok(());
        }
        let position = index.look_up(offset);
        lookup.log.narrow(position, i32::MAX)?;
        if wanted.release == Release::V4 {
            lookup.walk(position.into())?;
        }
        match lookup.find(position.into(), offset)? {
            Some((place, last)) if last == offset => {
                let log = lookup.max_timestamp(place)?;
                let mut fault = |fault| faults.push((entries.absolute.clone(), fault));
                if log != timestamp {
                    fault(TimeFault::Mismatch { index: timestamp, log });
                }
                if before >= timestamp {
                    fault(TimeFault::Order { index: timestamp, before });
                }
            }
            found => {
                let log = found.map_or(-1, |(_, last)| last);
                let fault = TimeFault::NotFound { index: offset, log };
                faults.push((entries.absolute.clone(), fault));
            }
        }
        if !wanted.verify_only {
            out.text(format_args!("timestamp: {timestamp} offset: {offset}"))?;
        }
        before = timestamp;
    }
    Ok(())
}

/// Finds batches of a log.
struct Lookup {
    log: FileRecords,
    /// Positions from which on all batches to the end of the log can be read.
    walked: Vec<i64>,
    inflater: Inflater,
}

impl Lookup {
    /// Reads over all batches from `position` on, as 4.3 does for each entry. What was read over
    /// once can be read over again.
    fn walk(&mut self, position: i64) -> Result<()> {
        if self.walked.binary_search(&position).is_ok() {
            return Ok(());
        }
        let mut walked = Vec::new();
        let mut at = position;
        while let Some(place) = self.log.place(at)? {
            walked.push(at);
            at += place.size;
            if self.walked.binary_search(&at).is_ok() {
                break;
            }
        }
        self.walked.append(&mut walked);
        self.walked.sort_unstable();
        Ok(())
    }

    /// The first batch from `position` on that reaches `offset`, and its last offset.
    fn find(&mut self, position: i64, offset: i64) -> Result<Option<(Place, i64)>> {
        let mut at = position;
        while let Some(place) = self.log.place(at)? {
            let last = last_offset(place, &mut self.log)?;
            if last >= offset {
                return Ok(Some((place, last)));
            }
            at += place.size;
        }
        Ok(None)
    }

    /// The largest timestamp of a batch's records; −1 if there are none.
    fn max_timestamp(&mut self, place: Place) -> Result<i64> {
        let mut largest = -1;
        let bytes = self.log.batch(place, 0)?;
        if place.magic < 2 {
            let message = legacy::Message::new(place.offset, bytes);
            legacy::each_record(message, &mut self.inflater, |record| {
                largest = largest.max(record.timestamp);
                Ok::<_, Thrown>(())
            })?;
            return Ok(largest);
        }
        let header = Header::read(bytes)?;
        let mut records = Records::new(bytes, &header, &mut self.inflater)?;
        while let Some(record) = records.next()? {
            largest = largest.max(record.timestamp);
        }
        Ok(largest)
    }
}
