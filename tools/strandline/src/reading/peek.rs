//! The two ends of a segment, with two or three reads.

use std::io;
use std::path::Path;

use strandline::record::{BatchError, BatchHeader};

use super::headers::{Found, Headers};
use super::{open, read_at};

/// What is read at the end of a segment to begin with: an index has an entry every 4 KiB.
const TAIL_PIECE: usize = 16 << 10;
/// An index is read whole up to so many bytes, to see where its zeros begin.
const WHOLE_INDEX: u64 = 64 << 10;
const INDEX_ENTRY: u64 = 8;

/// What the ends of a segment tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    /// Bytes of the `.log`.
    pub(crate) size_bytes: u64,
    /// The first batch.
    pub(crate) first: Option<BatchHeader>,
    /// The last whole batch, as its header tells.
    pub(crate) last: Option<BatchHeader>,
    /// The largest time among the last batches.
    pub(crate) max_timestamp: Option<i64>,
    /// What stands behind the last one, if anything does.
    pub(crate) behind: Option<Behind>,
}

/// What stands behind the last whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Zeros, as far as one look tells.
    Zeros,
    /// A batch that is cut short.
    Unfinished,
    /// Something else.
    Damage,
}

/// Looks at both ends of the `.log` at `path`; only at the last with `first` unset.
pub(crate) fn ends(path: &Path, first: bool) -> io::Result<Ends> {
    let mut headers = Headers::open(path)?;
    let mut ends = Ends { size_bytes: headers.len(), ..Ends::default() };
    let near_end = last_indexed(&path.with_extension("index"), headers.len()).unwrap_or(0);
    if first || near_end == 0 {
        let piece = if near_end == 0 { TAIL_PIECE } else { 61 };
        headers.seek(0, piece);
        if let Some(Found::Batch(_, header)) = headers.next()? {
            ends.first = Some(header);
        }
    }
    headers.seek(near_end, TAIL_PIECE);
    run(&mut headers, &mut ends)?;
    if ends.last.is_none() && near_end > 0 {
        // The index lies.
        headers.seek(0, TAIL_PIECE);
        run(&mut headers, &mut ends)?;
    }
    Ok(ends)
}

fn run(headers: &mut Headers, ends: &mut Ends) -> io::Result<()> {
    ends.behind = None;
    while let Some(found) = headers.next()? {
        match found {
            Found::Batch(_, header) => {
                ends.max_timestamp = ends.max_timestamp.max(header.max_timestamp());
                ends.last = Some(header);
            }
            Found::Fault(fault) => {
                ends.behind = Some(match fault {
                    BatchError::Zeros => Behind::Zeros,
                    BatchError::Incomplete { .. } => Behind::Unfinished,
                    _ => Behind::Damage,
                });
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The position that the last entry of an index gives, if it is one within so many bytes.
pub(crate) fn last_indexed(path: &Path, log_bytes: u64) -> Option<u64> {
    let file = open(path).ok()?;
    let entries = file.metadata().ok()?.len() / INDEX_ENTRY;
    let read = |number: u64| {
        let mut entry = [0; 8];
        let whole = read_at(&file, &mut entry, number * INDEX_ENTRY).ok()? == entry.len();
        whole.then_some(entry)
    };
    let mut last = read(entries.checked_sub(1)?)?;
    if last == [0; 8] {
        // Space was taken ahead: the entries end somewhere before.
        let used = if entries * INDEX_ENTRY <= WHOLE_INDEX { entries } else { 0 };
        last = if used > 0 {
            let mut bytes = vec![0; (used * INDEX_ENTRY) as usize];
            let have = read_at(&file, &mut bytes, 0).ok()?;
            let mut whole = bytes[..have].chunks_exact(8);
            let last = whole.rfind(|entry| entry.iter().any(|&byte| byte != 0))?;
            last.try_into().ok()?
        } else {
            let (mut low, mut high) = (0, entries - 1);
            while low < high {
                let middle = low.midpoint(high);
                if read(middle)? == [0; 8] { high = middle } else { low = middle + 1 }
            }
            read(low.checked_sub(1)?)?
        };
    }
    let [.., a, b, c, d] = last;
    Some(u64::from(u32::from_be_bytes([a, b, c, d]))).filter(|&position| position < log_bytes)
}
