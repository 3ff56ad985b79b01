//! Walking over the batches of a `.log`: each checked, up to where they end or fail.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::window::{READ_BYTES, Window};
use crate::error::Cause;
use crate::fs::File;
use crate::planted::{self, Bug};
use crate::record::{
    BatchError, BatchHeader, HEADER_LEN, LEAST_MESSAGE_LEN, Offset, RecordBatch, UncheckedBatch,
    message_beginning, message_covered,
};

/// A batch that claims more bytes than these is held only once its checksum was found to hold: four
/// bytes cost no gigabytes.
const MOST_HELD_UNCHECKED: usize = 4 << 20;

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the end, behind a whole batch.
    End,
    /// Nothing but zeros follow.
    Zeros,
    /// What follows is no batch, or not one that belongs there.
    Failed(Cause),
}

/// Where a walk ended, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkEnd {
    pub(crate) position: u64,
    pub(crate) stop: Stop,
}

/// Visits the batches in `from..end` of `file`, each whole and its CRC checked, until one fails or
/// the visitor refuses it (with a cause, which then is the walk's).
///
/// # Errors
///
/// Only if reading fails; what is read is never an error here.
pub(crate) fn walk(
    file: &Arc<File>,
    from: u64,
    end: u64,
    visit: &mut dyn FnMut(u64, &RecordBatch<'_>) -> ControlFlow<Cause>,
) -> io::Result<WalkEnd> {
    walk_within(file, from..end, (end, usize::MAX), &mut |position, batch| match batch {
        Walked::Held(batch) => visit(position, batch),
        // None is too large.
        Walked::Summed { .. } => ControlFlow::Continue(()),
    })
}

/// A whole batch whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Walked<'a> {
    /// It is held.
    Held(RecordBatch<'a>),
    /// It is larger than what is held.
    Summed {
        header: BatchHeader,
        /// Its first bytes: those of the header.
        head: &'a [u8],
    },
}

impl<'a> Walked<'a> {
    pub(crate) fn header(&self) -> &BatchHeader {
        match self {
            Walked::Held(batch) => batch.header(),
            Walked::Summed { header, .. } => header,
        }
    }

    /// Its bytes, or the first of them.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Walked::Held(batch) => batch.bytes(),
            Walked::Summed { head, .. } => head,
        }
    }
}

/// The same for the batches that begin in `stretch` of a file that ends at `end`. One of more than
/// `most` bytes is not held: its checksum is computed piece by piece. A message of an old format
/// that claims more fails, for only all its bytes say what it is.
pub(crate) fn walk_within(
    file: &Arc<File>,
    stretch: Range<u64>,
    (end, most): (u64, usize),
    visit: &mut dyn FnMut(u64, &Walked<'_>) -> ControlFlow<Cause>,
) -> io::Result<WalkEnd> {
    let mut window = Window::new(Arc::clone(file), end, READ_BYTES);
    let mut position = stretch.start;
    while position < stretch.end {
        let whole = match whole_at(&mut window, position, most) {
            Err(_) if planted::on(Bug::IoErrorTakenForBadBatch) => {
                let stop = Stop::Failed(Cause::Mismatch("it cannot be read"));
                return Ok(WalkEnd { position, stop });
            }
            whole => whole?,
        };
        let checked = whole.and_then(|whole| match whole {
            Whole::Held(whole) if planted::on(Bug::CrcNotChecked) => {
                RecordBatch::decode_checked_before(whole.bytes()).map(Walked::Held)
            }
            Whole::Held(whole) => whole.check().map(Walked::Held),
            Whole::Summed { header, head } => Ok(Walked::Summed { header, head }),
        });
        match checked {
            Ok(batch) => {
                if let ControlFlow::Break(cause) = visit(position, &batch) {
                    return Ok(WalkEnd { position, stop: Stop::Failed(cause) });
                }
                position += batch.header().size_bytes() as u64;
            }
            Err(error) => {
                let zeros = zeros_follow(file, &mut window, position)?;
                let stop = if zeros { Stop::Zeros } else { Stop::Failed(error.into()) };
                return Ok(WalkEnd { position, stop });
            }
        }
    }
    Ok(WalkEnd { position, stop: Stop::End })
}

/// The checked batch at `position`; asked for again while it is held, it is not checked again. A
/// message of an old format is only what its own checksum says is one.
pub(crate) fn batch_at(
    window: &mut Window,
    position: u64,
) -> io::Result<Result<RecordBatch<'_>, BatchError>> {
    if !window.is_checked(position) {
        let checked = whole_at(window, position, usize::MAX)?.and_then(|whole| match whole {
            Whole::Held(whole) => whole.check().map(|batch| *batch.header()),
            Whole::Summed { header, .. } => Ok(header),
        });
        match checked {
            Ok(header) => window.note_checked(position, header.size_bytes()),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(RecordBatch::decode_checked_before(window.from(position, HEADER_LEN)?))
}

/// A batch that lies whole in the file.
enum Whole<'a> {
    /// It is held, its checksum not looked at.
    Held(UncheckedBatch<'a>),
    /// It is too large for that, and its checksum holds.
    Summed { header: BatchHeader, head: &'a [u8] },
}

fn whole_at(
    window: &mut Window,
    position: u64,
    most: usize,
) -> io::Result<Result<Whole<'_>, BatchError>> {
    let bytes = window.from(position, HEADER_LEN)?;
    let (need, is_held) = match UncheckedBatch::decode(bytes) {
        Ok(whole) => (whole.bytes().len(), true),
        Err(BatchError::Incomplete { need, .. }) => (need, false),
        Err(error) => return Ok(Err(error)),
    };
    let left = window.end() - position;
    if need as u64 > left {
        // It claims more than there is: nothing is read for that.
        return Ok(Err(BatchError::Incomplete { have: left as usize, need }));
    }
    if (need > most || need > MOST_HELD_UNCHECKED && !is_held)
        && let Err(error) = checksum_holds(window, position, need)?
    {
        return Ok(Err(error));
    }
    if need > most {
        let head = window.at_most(position, HEADER_LEN)?;
        let too_large = BatchError::TooLarge { size: need as u64, limit: most as u64 };
        let header = BatchHeader::decode(head).map_err(|_| too_large);
        return Ok(header.map(|header| Whole::Summed { header, head }));
    }
    Ok(UncheckedBatch::decode(window.from(position, need)?).map(Whole::Held))
}

/// Compares the checksum of a batch of `size` bytes without holding it.
fn checksum_holds(
    window: &mut Window,
    position: u64,
    size: usize,
) -> io::Result<Result<(), BatchError>> {
    let header = window.at_most(position, HEADER_LEN)?;
    let behind = position + size as u64;
    let (stored, computed) = if let Err(BatchError::Legacy(_)) = BatchHeader::decode(header) {
        message_sums(window, position, behind)?
    } else {
        let (stored, covered) = BatchHeader::covered(header);
        (stored, window.checksum(position + covered as u64..behind)?)
    };
    Ok(if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) })
}

/// The checksum that a message of an old format carries, and the one that its bytes give.
pub(super) fn message_sums(window: &mut Window, from: u64, to: u64) -> io::Result<(u32, u32)> {
    let (stored, covered) = message_covered(window.at_most(from, HEADER_LEN)?);
    let mut crc = crc32fast::Hasher::new();
    window.for_each_piece(from + covered as u64..to, &mut |piece| crc.update(piece))?;
    Ok((stored, crc.finalize()))
}

/// The header of the batch at `position`: of one of today as it stands, whether or not the batch is
/// whole. A message of an old format is only what its own checksum says is one; it is read whole.
pub(super) fn header_at(
    window: &mut Window,
    position: u64,
) -> io::Result<Result<BatchHeader, BatchError>> {
    match BatchHeader::decode(window.at_most(position, HEADER_LEN)?) {
        Err(BatchError::Legacy(_)) => {
            Ok(batch_at(window, position)?.map(|message| *message.header()))
        }
        header => Ok(header),
    }
}

/// Whether all bytes from `position` to the end are zeros. Holes are skipped unread.
pub(super) fn zeros_follow(file: &File, window: &mut Window, position: u64) -> io::Result<bool> {
    let mut at = position;
    while at < window.end() {
        match file.next_data(at)? {
            None => return Ok(true),
            Some(data) => at = at.max(data),
        }
        let piece = window.at_most(at, READ_BYTES)?;
        if piece.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += piece.len() as u64;
    }
    Ok(true)
}

/// Where whole batches go on behind damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resumed {
    pub(crate) position: u64,
    pub(crate) base_offset: Offset,
}

/// Seeks the first batch behind `position` that is whole, holds offsets in `offsets`, and ends
/// where the file does or where another such batch begins. For damage in what was durable only:
/// above the mark a record's value may hold a perfect batch.
pub(crate) fn resume_behind(
    file: &Arc<File>,
    position: u64,
    end: u64,
    offsets: Range<Offset>,
) -> io::Result<Option<Resumed>> {
    let mut window = Window::new(Arc::clone(file), end, READ_BYTES);
    // Most damage leaves the length alone: then what it says is where the next batch is, and no
    // record's value is taken for one.
    if let Some((size, _, next_offset)) = beginning(window.at_most(position, HEADER_LEN)?) {
        let behind = position + size as u64;
        if behind == end {
            return Ok(None);
        }
        if behind < end
            && let Ok(next) = batch_at(&mut window, behind)?
            && offsets.contains(&next.header().base_offset())
        {
            let there = Resumed { position: behind, base_offset: next.header().base_offset() };
            if there.base_offset == next_offset {
                return Ok(Some(there));
            }
            // The length may lie, and lead over whole batches to the beginning of another.
            let skipped = chain_to(&mut window, position, there, &offsets)?;
            return Ok(Some(skipped.unwrap_or(there)));
        }
    }
    // Bytes that look like a header and are none can be checked in vain; this bounds for how long.
    let mut patience = (end - position).saturating_mul(16).saturating_add(64 << 20);
    let mut at = position + 1;
    while at + LEAST_MESSAGE_LEN as u64 <= end && patience > 0 {
        let held = window.from(at, HEADER_LEN)?;
        // At the end there may be a message of an old format, which is shorter than a header.
        let reaches_end = at + held.len() as u64 == end;
        let steps = held.len() + 1 - if reaches_end { LEAST_MESSAGE_LEN } else { HEADER_LEN };
        let mut looks = (0..steps).filter_map(|step| {
            looks_like_a_batch(&held[step..], &offsets).map(|size| (step, size as u64))
        });
        let Some((step, claimed)) = looks.next() else {
            // A header may begin with zeros, right before a hole ends.
            let Some(data) = file.next_data(at + steps as u64)? else { break };
            at = (at + steps as u64).max(data.saturating_sub(HEADER_LEN as u64));
            continue;
        };
        at += step as u64;
        // What claims more than there is costs nothing.
        let cost = if claimed <= end - at { claimed } else { 0 };
        patience = patience.saturating_sub(cost.max(HEADER_LEN as u64));
        if let Ok(batch) = batch_at(&mut window, at)? {
            let (header, size) = (*batch.header(), batch.bytes().len() as u64);
            let next = header.next_offset()..offsets.end;
            let leads_on = at + size == end
                || looks_like_a_batch(window.at_most(at + size, HEADER_LEN)?, &next).is_some();
            if leads_on {
                return Ok(Some(Resumed { position: at, base_offset: header.base_offset() }));
            }
        }
        at += 1;
    }
    Ok(None)
}

/// The first batch behind `position` from which whole batches lead, one right behind the other, to
/// where `end` is. What a record's value holds does not.
fn chain_to(
    window: &mut Window,
    position: u64,
    end: Resumed,
    offsets: &Range<Offset>,
) -> io::Result<Option<Resumed>> {
    let offsets = offsets.start..end.base_offset;
    let last = end.position.saturating_sub(LEAST_MESSAGE_LEN as u64);
    // As where batches are sought: this bounds for how long.
    let mut patience = 16 * (end.position - position) + (64 << 20);
    for from in position + LEAST_MESSAGE_LEN as u64..=last {
        if patience == 0 {
            break;
        }
        let (mut at, mut base_offset) = (from, None);
        while at < end.position
            && looks_like_a_batch(window.at_most(at, HEADER_LEN)?, &offsets).is_some()
        {
            let Ok(batch) = batch_at(window, at)? else { break };
            base_offset.get_or_insert(batch.header().base_offset());
            at += batch.bytes().len() as u64;
            patience = patience.saturating_sub(batch.bytes().len() as u64);
        }
        if let Some(base_offset) = base_offset.filter(|_| at == end.position) {
            return Ok(Some(Resumed { position: from, base_offset }));
        }
    }
    Ok(None)
}

/// How many bytes the batch has whose header is there, if its offsets are within these: a cheap
/// look before the checksum.
pub(super) fn looks_like_a_batch(bytes: &[u8], offsets: &Range<Offset>) -> Option<usize> {
    let (size, base_offset, next_offset) = beginning(bytes)?;
    (offsets.contains(&base_offset) && next_offset <= offsets.end).then_some(size)
}

/// What the bytes at the beginning of a batch say, whether or not its checksum holds: its size, its
/// base offset, and the offset behind it. They say nothing if it can be none.
fn beginning(bytes: &[u8]) -> Option<(usize, Offset, Offset)> {
    match BatchHeader::decode(bytes) {
        Ok(header) => Some((header.size_bytes(), header.base_offset(), header.next_offset())),
        Err(BatchError::Legacy(_)) => {
            message_beginning(bytes).map(|(size, offset)| (size, offset, offset + 1))
        }
        Err(_) => None,
    }
}
