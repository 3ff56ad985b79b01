//! Where in a log to begin, so that little is read: the segments that a range touches, and the
//! batch in them that an index leads to. What an index says is looked at before it is believed.

use std::path::Path;

use strandline::record::BatchHeader;
use strandline::{IndexFileEntry, OffsetIndexEntry, TimeIndexEntry};

use super::headers::{Found, Headers};
use super::peek;
use crate::exit::{Failure, Result};
use crate::paths::{Input, OneLog};
use crate::select::Range;

/// A place to begin reading a `.log` at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) position: u64,
    /// Which index led there.
    pub(crate) by: Option<&'static str>,
    /// What an index said that is not so.
    pub(crate) doubt: Option<String>,
}

/// The offset behind the last one of a log, as its last segment tells.
pub(crate) fn log_end(log: &OneLog) -> Result<i64> {
    let Some(last) = log.segments.last() else { return Ok(0) };
    let ends = peek::ends(&last.path, false);
    let ends = ends.map_err(|error| Failure::io("read", &last.path, &error))?;
    Ok(ends.last.map_or(last.base_offset.unwrap_or(0), |header| header.next_offset()))
}

/// The segments of a log that may hold offsets of a range; or the one that is named.
pub(crate) fn segments<'a>(
    log: &'a OneLog,
    range: &Range,
    named: Option<i64>,
) -> Result<Vec<&'a Input>> {
    if let Some(base) = named {
        let found = log.segments.iter().find(|input| input.base_offset == Some(base));
        let why = || Failure::environment(format!("{}: no segment begins at {base}", log.name));
        return Ok(vec![found.ok_or_else(why)?]);
    }
    let next = |number: usize| log.segments.get(number + 1).and_then(|input| input.base_offset);
    let touched = log.segments.iter().enumerate().filter(|(number, input)| {
        let begins_before_end = input.base_offset.is_none_or(|base| base < range.end);
        begins_before_end && next(*number).is_none_or(|next| next > range.first)
    });
    Ok(touched.map(|(_, input)| input).collect())
}

/// Where in a segment a range begins at the earliest.
pub(crate) fn start(input: &Input, range: &Range) -> Result<Place> {
    let base = input.base_offset.unwrap_or(0);
    let mut first = range.first;
    let mut place = Place::default();
    if let Some(from) = range.from_ms {
        match behind_older(input, from) {
            Ok(Some(behind)) => {
                first = first.max(behind);
                place.by = Some("timeindex");
            }
            Ok(None) => {}
            Err(doubt) => place.doubt = Some(doubt),
        }
    }
    if first <= base {
        return Ok(place);
    }
    let Some((position, last_offset)) = last_at_most(&input.path, base, first) else {
        return Ok(place);
    };
    match header_at(&input.path, position)? {
        Some(header) if header.base_offset() <= first && header.last_offset() <= last_offset => {
            place.position = position;
            place.by = place.by.or(Some("index"));
        }
        _ => {
            let why = format!(
                "{}: its .index says that offset {last_offset} is at byte {position}, which the \
                 log denies; read from the beginning",
                input.name
            );
            place.doubt = Some(why);
            place.by = None;
        }
    }
    Ok(place)
}

fn header_at(path: &Path, position: u64) -> Result<Option<BatchHeader>> {
    let failed = |error| Failure::io("read", path, &error);
    let mut headers = Headers::open(path).map_err(failed)?;
    headers.seek(position, 0);
    match headers.next().map_err(failed)? {
        Some(Found::Batch(_, header)) => Ok(Some(header)),
        _ => Ok(None),
    }
}

/// The last entry of the offset index that is not behind `offset`: position and offset.
fn last_at_most(log: &Path, base: i64, offset: i64) -> Option<(u64, i64)> {
    let index = open::<OffsetIndexEntry>(log, "index", base)?;
    let entry = last_where(&index, |entry| entry.offset <= offset)?;
    Some((u64::from(entry.position), entry.offset))
}

/// The largest time of a segment that holds these offsets, by the last entry of its time index; none
/// if that is of no offset among them.
pub(crate) fn largest_time(input: &Input, offsets: std::ops::Range<i64>) -> Option<i64> {
    let index = open::<TimeIndexEntry>(&input.path, "timeindex", input.base_offset?)?;
    let entry = last_where(&index, |_| true)?;
    offsets.contains(&entry.offset).then_some(entry.timestamp)
}

/// The offset behind all those that, by the time index, are older than a time. An entry says that
/// nothing up to its offset is younger; whether the batch with that offset has that time is asked.
fn behind_older(input: &Input, from_ms: i64) -> std::result::Result<Option<i64>, String> {
    let base = input.base_offset.unwrap_or(0);
    let Some(index) = open::<TimeIndexEntry>(&input.path, "timeindex", base) else {
        return Ok(None);
    };
    let Some(entry) = last_where(&index, |entry| entry.timestamp < from_ms) else {
        return Ok(None);
    };
    let doubt = || {
        format!(
            "{}: its .timeindex says that offset {} reached time {}, which the log denies; read \
             from the beginning",
            input.name, entry.offset, entry.timestamp
        )
    };
    let position = last_at_most(&input.path, base, entry.offset).map_or(0, |found| found.0);
    let mut headers = Headers::open(&input.path).map_err(|error| error.to_string())?;
    headers.seek(position, 4 << 10);
    while let Ok(Some(Found::Batch(_, header))) = headers.next() {
        if header.last_offset() >= entry.offset {
            let agrees =
                header.last_offset() == entry.offset || header.base_offset() <= entry.offset;
            let same = header.max_timestamp() == Some(entry.timestamp);
            return if agrees && same { Ok(Some(entry.offset + 1)) } else { Err(doubt()) };
        }
    }
    Err(doubt())
}

fn open<E: IndexFileEntry>(log: &Path, extension: &str, base: i64) -> Option<Entries<E>> {
    Entries::open(&log.with_extension(extension), base)
}

/// The entries of an index, read one by one where a search looks.
struct Entries<E> {
    file: std::fs::File,
    base: i64,
    len: u64,
    kind: std::marker::PhantomData<fn() -> E>,
}

impl<E: IndexFileEntry> Entries<E> {
    fn open(path: &Path, base: i64) -> Option<Entries<E>> {
        let file = super::open(path).ok()?;
        let len = file.metadata().ok()?.len() / E::LEN as u64;
        Some(Entries { file, base, len, kind: std::marker::PhantomData })
    }

    /// The entry of that number; none if it is zeros, which stand behind all entries, or cannot be.
    fn get(&self, number: u64) -> Option<E> {
        let mut bytes = [0; 12];
        let bytes = &mut bytes[..E::LEN];
        let read = super::read_at(&self.file, bytes, number * E::LEN as u64).ok()?;
        let is_zeros = bytes.iter().all(|&byte| byte == 0);
        if read < E::LEN || is_zeros { None } else { E::read(self.base, bytes).ok() }
    }
}

/// The last entry of those at the beginning for which something holds.
fn last_where<E: IndexFileEntry>(index: &Entries<E>, holds: impl Fn(&E) -> bool) -> Option<E> {
    let (mut low, mut high) = (0, index.len);
    while low < high {
        let middle = low.midpoint(high);
        if index.get(middle).is_some_and(|entry| holds(&entry)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    index.get(low.checked_sub(1)?)
}

/// Keeps the library's whole-file reader in view of the one here: both read the same entries.
#[cfg(test)]
mod tests {
    use strandline::IndexFile;

    use super::*;

    #[test]
    fn a_search_finds_what_a_look_at_all_entries_finds() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("00000000000000000000.index");
        let mut bytes = Vec::new();
        for number in 1..20_u32 {
            bytes.extend_from_slice(&(number * 3).to_be_bytes());
            bytes.extend_from_slice(&(number * 100).to_be_bytes());
        }
        bytes.resize(4096, 0);
        std::fs::write(&path, &bytes).unwrap();
        let all = IndexFile::<OffsetIndexEntry>::open(&path, None).unwrap();
        let all: Vec<_> = all.entries().map(std::result::Result::unwrap).collect();
        let index = Entries::<OffsetIndexEntry>::open(&path, 0).unwrap();
        for offset in 0..70 {
            let wanted = all.iter().rfind(|entry| entry.offset <= offset).copied();
            assert_eq!(last_where(&index, |entry| entry.offset <= offset), wanted, "{offset}");
        }
    }
}
