//! Reading a segment: from an offset to its batch, and on from there.

use std::io;

use super::Segment;
use super::lookup::Near;
use super::names::Part;
use super::reads::Buffer;
use super::source::Source;
use super::walk::{Resumed, batch_at, header_at, resume_behind};
use super::window::{READ_BYTES, Window};
use crate::error::{Cause, Error, Result};
use crate::record::{BatchHeader, HEADER_LEN, Offset};

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRange {
    /// Begin with the batch that holds this offset, or the next one behind it.
    pub(crate) from: Offset,
    /// Leave out the batch that holds this offset, and what follows it.
    pub(crate) until: Offset,
    /// Stop before there are more bytes than these, but not before the first batch.
    pub(crate) max_bytes: usize,
    /// No batch ends behind this offset: the next segment's base, or the log end.
    pub(crate) segment_end: Offset,
}

/// Whole batches, each checked, in a buffer that may hold more.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) bytes: Buffer,
    pub(crate) range: std::ops::Range<usize>,
    /// Where in the file they begin.
    pub(crate) position: u64,
    /// The offset behind the last one.
    pub(crate) next_offset: Offset,
    /// How many of them are compressed.
    pub(crate) compressed: usize,
}

impl Slice {
    /// None, behind which `next_offset` comes.
    pub(crate) fn empty(next_offset: Offset) -> Slice {
        Slice { bytes: Buffer::default(), range: 0..0, position: 0, next_offset, compressed: 0 }
    }

    /// With the bytes that a window holds from `position` on.
    fn filled(mut self, window: Window, position: u64) -> Slice {
        let (start, bytes) = window.into_buffer();
        let from = (position - start) as usize;
        self.range = from..from + self.range.len();
        self.position = position;
        self.bytes = bytes.narrowed(&mut self.range);
        self
    }
}

/// More than is asked for is read at once, so that the batch that holds an offset is mostly in the
/// same read as the index entry's.
const SLACK_BYTES: usize = 16 << 10;

impl Segment {
    /// The batches of `range`; `None` if this segment has none at or behind its start.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the first of them is damaged; damage behind it ends the slice before it.
    pub(crate) fn read(&self, range: ReadRange) -> Result<Option<Slice>> {
        match self.read_as_known(range) {
            Err(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::UnexpectedEof && self.note_cut()? =>
            {
                self.read_as_known(range)
            }
            read => read,
        }
    }

    /// Whether a finished segment's file is shorter than it was; then it is read as far as it goes,
    /// and what lay behind is damage.
    pub(crate) fn note_cut(&self) -> Result<bool> {
        if self.is_growing() {
            return Ok(false);
        }
        let len = self.file_len()?;
        let is_cut = len < self.end();
        if is_cut {
            self.set_end(len);
        }
        Ok(is_cut)
    }

    /// What lies from `wanted` on that was cut off a file, if it was.
    fn lost_behind_the_end(&self, wanted: Offset) -> Result<()> {
        let Some(facts) = self.known_facts() else { return Ok(()) };
        if facts.log_bytes <= self.end() || wanted >= facts.next_offset {
            return Ok(());
        }
        let cause = Cause::Mismatch("the file ends before its last batches");
        Err(self.damage(self.end(), (wanted, facts.next_offset - 1), cause))
    }

    fn read_as_known(&self, range: ReadRange) -> Result<Option<Slice>> {
        let places = self.places();
        let piece = range.max_bytes.saturating_add(SLACK_BYTES).min(READ_BYTES);
        let room = self.shared.reads.buffer(piece);
        let mut window = Window::within(room, self.log_file()?, self.end(), piece);
        let mut start =
            if let Some(position) = self.place_of(&mut window, (places, piece), range)? {
                (position, range.from)
            } else {
                let aims = range.max_bytes < READ_BYTES / 4;
                (self.start_for(&mut window, range.from, aims)?, self.base_offset)
            };
        // Whether the index led there. Each fetch begins again at the front at most once.
        let mut by_index = start.0 > 0;
        loop {
            let found = match self.locate(&mut window, start, range) {
                // What exactly is hit is told from the start on.
                Err(Error::Corrupt { .. }) if by_index => {
                    (start, by_index) = ((0, self.base_offset), false);
                    continue;
                }
                found => found?,
            };
            let is_near = found.is_some_and(|(_, first)| first.base_offset() <= range.from);
            if !is_near && by_index && self.is_dense() {
                // The index led to a batch that claims other offsets than it has.
                (start, by_index) = ((0, self.base_offset), false);
                continue;
            }
            let Some((position, first)) = found else {
                self.lost_behind_the_end(range.from)?;
                return Ok(None);
            };
            if !is_near && self.is_dense() && range.from >= self.base_offset {
                // A batch of elsewhere stands where the one that is wanted should be.
                let resumed = self.resume(position, start.1..range.segment_end)?;
                let Some(next) = resumed.filter(|next| next.base_offset <= range.from) else {
                    let place = (position, range.from);
                    let cause = Cause::Mismatch("no batch of this segment begins here");
                    return Err(self.damage_from(place, resumed, range.segment_end, cause));
                };
                (start, by_index) = ((next.position, next.base_offset), false);
                continue;
            }
            window.keep_from(position);
            match self.gather(&mut window, position, range)? {
                Ok(slice) => {
                    let behind = position + slice.range.len() as u64;
                    let place = (behind, slice.range.len());
                    self.shared.reads.note(places, slice.next_offset, place);
                    return Ok(Some(slice.filled(window, position)));
                }
                // The index may have led to a batch that is not where it belongs.
                Err(_) if by_index => (start, by_index) = ((0, self.base_offset), false),
                Err(cause) => {
                    // What is wanted may lie behind a batch that only claims to hold it.
                    let wanted = self.base_offset..range.segment_end;
                    let resumed = self.resume(position, wanted)?;
                    match resumed {
                        Some(resumed) if resumed.base_offset <= range.from => {
                            start = (resumed.position, resumed.base_offset);
                        }
                        _ => {
                            let first = first.base_offset().min(range.from);
                            let place = (position, first);
                            return Err(self.damage_from(place, resumed, range.segment_end, cause));
                        }
                    }
                }
            }
        }
    }

    /// Whole batches from `position` on, as far as they are wanted and not damaged; an error is
    /// what is wrong with the first of them.
    fn gather(
        &self,
        window: &mut Window,
        position: u64,
        range: ReadRange,
    ) -> Result<std::result::Result<Slice, Cause>> {
        let mut slice = Slice::empty(range.from);
        let mut before = None;
        let mut at = position;
        // And the header behind the last batch, which is looked at too.
        window.read_ahead_to(
            position.saturating_add(range.max_bytes.saturating_add(HEADER_LEN) as u64),
        );
        while at < window.end() {
            let taken = (at - position) as usize;
            if taken > 0 && !self.may_fit(window, at, range.max_bytes.saturating_sub(taken))? {
                break;
            }
            let header = match self.batch_of_segment(window, at, (before, range.segment_end))? {
                Ok(header) => header,
                Err(cause) if taken == 0 => return Ok(Err(cause)),
                Err(_) => break,
            };
            if header.last_offset() >= range.until {
                break;
            }
            slice.compressed += usize::from(header.attributes().codec_id() != 0);
            slice.next_offset = header.next_offset();
            before = Some(header.next_offset());
            at += header.size_bytes() as u64;
        }
        let len = (at - position) as usize;
        window.at_most(position, len).map_err(|e| self.read_error(e))?;
        slice.range = 0..len;
        Ok(Ok(slice))
    }

    /// Whether a batch begins at `position` that has at most so many bytes, by what it says itself.
    fn may_fit(&self, window: &mut Window, position: u64, bytes: usize) -> Result<bool> {
        let header = header_at(window, position).map_err(|e| self.read_error(e))?;
        Ok(header.is_ok_and(|header| header.size_bytes() <= bytes))
    }

    /// Where the batch begins that `range` does, if a reader noted that and it looks like it: the
    /// batches before it end right before its first offset. As much is read as that reader used, for
    /// the next one mostly uses as much, and what is read for nothing is read again.
    fn place_of(
        &self,
        window: &mut Window,
        (places, piece): (u64, usize),
        range: ReadRange,
    ) -> Result<Option<u64>> {
        let noted = self.shared.reads.hint(places, range.from);
        let Some((position, bytes)) = noted.filter(|&(position, _)| position < window.end()) else {
            return Ok(None);
        };
        window.set_piece((bytes + bytes / 256).saturating_add(HEADER_LEN).min(piece));
        let header = header_at(window, position).map_err(|e| self.read_error(e))?;
        window.set_piece(piece);
        Ok(header.is_ok_and(|it| it.base_offset() == range.from).then_some(position))
    }

    /// The header of the batch at `position` if it is whole and belongs there: behind `before`,
    /// where that is known, and before what follows.
    fn batch_of_segment(
        &self,
        window: &mut Window,
        position: u64,
        (before, segment_end): (Option<Offset>, Offset),
    ) -> Result<std::result::Result<BatchHeader, Cause>> {
        let checked = batch_at(window, position).map_err(|e| self.read_error(e))?;
        let header = match checked {
            Ok(batch) => *batch.header(),
            Err(cause) => return Ok(Err(cause.into())),
        };
        if before.is_some_and(|before| header.base_offset() < before) {
            return Ok(Err(Cause::Mismatch("its offsets overlap the batch before")));
        }
        if self.is_dense() && before.is_some_and(|before| header.base_offset() != before) {
            return Ok(Err(Cause::Mismatch("it leaves offsets out where none is missing")));
        }
        if header.next_offset() > segment_end {
            return Ok(Err(Cause::Mismatch("its offsets overlap what follows")));
        }
        if !self.agrees_with_next(window, (position, &header), segment_end)? {
            return Ok(Err(Cause::Mismatch("its offsets are not those that belong there")));
        }
        Ok(Ok(header))
    }

    /// Whether a batch's offsets, which no checksum covers, agree with those of the batch behind it,
    /// or with the segment's end. If they do not, the batches from the start on tell which is wrong.
    fn agrees_with_next(
        &self,
        window: &mut Window,
        (position, header): (u64, &BatchHeader),
        segment_end: Offset,
    ) -> Result<bool> {
        let behind = position + header.size_bytes() as u64;
        let header_behind = header_at(window, behind).map_err(|e| self.read_error(e))?;
        let next = match header_behind {
            Ok(next) => next.base_offset(),
            Err(_) if behind >= window.end() => segment_end,
            // That one is damaged, and says nothing.
            Err(_) => return Ok(true),
        };
        let claimed = header.next_offset();
        let is_dense = self.is_dense();
        if claimed == next || claimed < next && !is_dense {
            return Ok(true);
        }
        let expected = self.expected_at(window.end(), position)?;
        if claimed > next {
            // The one behind it may be where it belongs, if there is room for it behind those before.
            let before = expected.filter(|&end| end <= header.base_offset());
            let offsets = before.unwrap_or(self.base_offset)..segment_end;
            if self.overlapped(window, (behind, claimed), offsets)?.is_some() {
                return Ok(false);
            }
        }
        let Some(expected) = expected else { return Ok(true) };
        if is_dense || claimed <= next {
            return Ok(
                header.base_offset() >= expected && !is_dense || header.base_offset() == expected
            );
        }
        // It overlaps the one behind it, and either could lie where the offsets leave room.
        let is_whole = batch_at(window, behind).map_err(|e| self.read_error(e))?.is_ok();
        let is_flipped = is_whole && one_bit_below((header.base_offset(), claimed), expected..next);
        Ok(header.base_offset() >= expected && !is_flipped)
    }

    /// The offset that comes next at `position`, as the headers from the start on say it; `None` if
    /// one of them is damaged.
    fn expected_at(&self, end: u64, position: u64) -> Result<Option<Offset>> {
        let mut look = Window::new(self.log_file()?, end, READ_BYTES);
        let (mut at, mut expected) = (0, self.base_offset);
        while at < position {
            let before = header_at(&mut look, at).map_err(|e| self.read_error(e))?;
            let Ok(before) = before else { return Ok(None) };
            expected = expected.max(before.next_offset());
            at += before.size_bytes() as u64;
        }
        Ok(Some(expected))
    }

    /// Whether it is known that no offset was ever left out.
    pub(super) fn is_dense(&self) -> bool {
        self.known_facts().is_some_and(|facts| facts.dense)
    }

    /// Where the first batch lies, from a position and an offset on, whose last offset is at or
    /// behind `range.from`; and its header.
    pub(super) fn locate(
        &self,
        window: &mut Window,
        (mut position, mut expected): (u64, Offset),
        range: ReadRange,
    ) -> Result<Option<(u64, BatchHeader)>> {
        // The batch that was stepped over last, if all that is known of it is its header.
        let mut before = None;
        let (mut floor, mut spanned) = (self.base_offset, 0);
        let mut knows_floor = position == 0;
        while position < window.end() {
            let header = header_at(window, position).map_err(|e| self.read_error(e))?.ok();
            let offsets = expected..range.segment_end;
            let header = match header.filter(|it| self.is_possible(it, position, offsets.clone())) {
                None => {
                    let offsets = floor..range.segment_end;
                    match self.overlapped(window, (position, expected), offsets.clone())? {
                        None if !self.is_dense() => self.believed(
                            window,
                            position,
                            offsets,
                            (expected - spanned, expected),
                        )?,
                        found => found,
                    }
                }
                possible => possible,
            };
            if header.is_none_or(|header| header.base_offset() != expected)
                && let Some((at, first)) = before.take()
                && batch_at(window, at).map_err(|e| self.read_error(e))?.is_err()
            {
                // Its length is as wrong as the rest: batches may lie where it claims to be.
                (position, expected) = self.behind_damage((at, first), range)?;
                continue;
            }
            let Some(header) = header else {
                // Damage lies before what is wanted, or is what is wanted.
                (position, expected) = self.behind_damage((position, expected), range)?;
                continue;
            };
            if header.last_offset() >= range.from {
                return Ok(Some((position, header)));
            }
            before = Some((position, expected));
            // Behind an index entry it is not known where the batch before ended.
            floor = if knows_floor { expected } else { header.base_offset() };
            (expected, knows_floor) = (header.next_offset(), true);
            spanned = expected - header.base_offset();
            position += header.size_bytes() as u64;
        }
        Ok(None)
    }

    /// Where whole batches go on behind damage at a position and an offset, if that is not behind
    /// what is wanted.
    fn behind_damage(&self, place: (u64, Offset), range: ReadRange) -> Result<(u64, Offset)> {
        let resumed = self.resume(place.0, place.1..range.segment_end)?;
        if let Some(resumed) = resumed.filter(|it| it.base_offset <= range.from) {
            return Ok((resumed.position, resumed.base_offset));
        }
        let cause = Cause::Mismatch("no batch of this segment begins here");
        Err(self.damage_from(place, resumed, range.segment_end, cause))
    }

    /// The header of a whole batch that begins below `claimed`, where the one before it claims to
    /// end, but ends where the next one begins: then it was that one that claims too much. So it was
    /// if offsets are left out here, and what it claims leaves no room for this one.
    fn overlapped(
        &self,
        window: &mut Window,
        (position, claimed): (u64, Offset),
        offsets: std::ops::Range<Offset>,
    ) -> Result<Option<BatchHeader>> {
        let header = match batch_at(window, position).map_err(|e| self.read_error(e))? {
            Ok(batch) if self.is_possible(batch.header(), position, offsets.clone()) => {
                *batch.header()
            }
            _ => return Ok(None),
        };
        let behind = position + header.size_bytes() as u64;
        let header_behind = header_at(window, behind).map_err(|e| self.read_error(e))?;
        let next = match header_behind {
            Ok(next) => next.base_offset(),
            Err(_) if behind >= window.end() => offsets.end,
            Err(_) => return Ok(None),
        };
        let end = header.next_offset();
        let has_no_room = next.saturating_sub(claimed) < end - header.base_offset();
        let fits = end == next || end < next && has_no_room && !self.is_dense();
        Ok(fits.then_some(header))
    }

    /// The header of a whole batch at `position` that overlaps the one before it, which claims to
    /// reach from one offset to another, if that one lay below it but for one bit.
    fn believed(
        &self,
        window: &mut Window,
        position: u64,
        offsets: std::ops::Range<Offset>,
        claimed: (Offset, Offset),
    ) -> Result<Option<BatchHeader>> {
        let checked = batch_at(window, position).map_err(|e| self.read_error(e))?;
        let header = checked.ok().map(|batch| *batch.header());
        Ok(header.filter(|header| {
            self.is_possible(header, position, offsets.clone())
                && one_bit_below(claimed, offsets.start..header.base_offset())
        }))
    }

    fn is_possible(
        &self,
        header: &BatchHeader,
        position: u64,
        offsets: std::ops::Range<Offset>,
    ) -> bool {
        header.base_offset() >= offsets.start
            && header.next_offset() <= offsets.end
            && position + header.size_bytes() as u64 <= self.end()
    }

    /// A position at or before the batch that holds `wanted`, from the offset index. An entry counts
    /// only if the batch that it names is whole and begins at or below `wanted`. If little is to be
    /// read, `aims` lets the window read as much as will be needed.
    pub(super) fn start_for(
        &self,
        window: &mut Window,
        wanted: Offset,
        mut aims: bool,
    ) -> Result<u64> {
        let mut slots = usize::MAX;
        let mut rebuilt = false;
        loop {
            let near = self.offset_entries(wanted, slots)?;
            if std::mem::take(&mut aims)
                && let Some(position) = self.aim(window, wanted, near)?
            {
                return Ok(position);
            }
            let Some((slot, entry)) = near.before else { return Ok(0) };
            if self.begins_at_or_below(window, u64::from(entry.position), wanted)? {
                return Ok(entry.position.into());
            }
            if !rebuilt && !self.is_growing() {
                self.rebuild()?;
                rebuilt = true;
                slots = usize::MAX;
            } else {
                slots = slot;
            }
        }
    }

    /// Whether a whole batch lies at `position` that begins at or below `wanted`.
    fn begins_at_or_below(
        &self,
        window: &mut Window,
        position: u64,
        wanted: Offset,
    ) -> Result<bool> {
        if position >= window.end() {
            return Ok(false);
        }
        let batch = batch_at(window, position).map_err(|e| self.read_error(e))?;
        let offsets = self.base_offset..=wanted;
        Ok(batch.is_ok_and(|batch| offsets.contains(&batch.header().base_offset())))
    }

    /// Has the window read at once what the index entries around `wanted` say that will be needed.
    /// The position of the batch that holds it, if that is the one which the second of them names: of
    /// batches larger than the index interval each has an entry, with its last offset.
    fn aim(&self, window: &mut Window, wanted: Offset, near: Near) -> Result<Option<u64>> {
        let interval = u64::from(self.shared.index_interval_bytes);
        let (from, first) = match near.before {
            Some((_, entry)) => (u64::from(entry.position), entry.offset),
            None => (0, self.base_offset - 1),
        };
        let Some(behind) = near.behind.filter(|it| u64::from(it.position) > from) else {
            window.set_piece(bounded_piece(2 * interval));
            return Ok(None);
        };
        let (bytes, position) = (u64::from(behind.position) - from, u64::from(behind.position));
        if bytes > 2 * interval && wanted > first && wanted <= behind.offset {
            // Mostly the next batch is as large as the one before.
            window.set_piece(bounded_piece(bytes + HEADER_LEN as u64));
            if position >= window.end() {
                return Ok(None);
            }
            let header = header_at(window, position).map_err(|e| self.read_error(e))?;
            let is_it = header
                .is_ok_and(|it| it.base_offset() <= wanted && it.last_offset() == behind.offset);
            return Ok(if is_it && self.begins_at_or_below(window, position, wanted)? {
                Some(position)
            } else {
                None
            });
        }
        let offsets = behind.offset.saturating_sub(first).max(1).unsigned_abs();
        let before = wanted.saturating_sub(first).max(0).unsigned_abs() + 1;
        let likely = bytes.saturating_mul(before) / offsets;
        window.set_piece(bounded_piece(likely + likely / 8 + 2 * HEADER_LEN as u64));
        Ok(None)
    }

    fn is_growing(&self) -> bool {
        matches!(self.state().offset_index, Source::Growing(_))
    }

    pub(crate) fn resume(
        &self,
        position: u64,
        offsets: std::ops::Range<Offset>,
    ) -> Result<Option<Resumed>> {
        let file = self.log_file()?;
        resume_behind(&file, position, self.end(), offsets).map_err(|e| self.read_error(e))
    }

    pub(super) fn read_error(&self, error: io::Error) -> Error {
        Error::io("read", self.path(Part::Log), error)
    }

    /// The error for damage at `position`, which begins at offset `first` and goes on to where
    /// whole batches are found again.
    pub(super) fn damage_from(
        &self,
        (position, first): (u64, Offset),
        resumed: Option<Resumed>,
        segment_end: Offset,
        cause: Cause,
    ) -> Error {
        let behind = resumed.map_or(segment_end, |resumed| resumed.base_offset);
        self.damage(position, (first, (behind - 1).max(first)), cause)
    }

    fn damage(&self, position: u64, hit: (Offset, Offset), cause: Cause) -> Error {
        match Error::corrupt(self.path(Part::Log), position, cause) {
            Error::Corrupt { path, position, cause, .. } => {
                Error::Corrupt { path, position, offsets: Some(hit), cause }
            }
            other => other,
        }
    }
}

/// A piece to read that an index speaks of, which may be wrong.
fn bounded_piece(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).min(READ_BYTES)
}

/// Whether offsets from `first` to before `end` would fit into `room` if one bit of the first one
/// were another.
fn one_bit_below((first, end): (Offset, Offset), room: std::ops::Range<Offset>) -> bool {
    let fits = |base: Offset| {
        base >= room.start && room.end.saturating_sub(base) >= end.saturating_sub(first)
    };
    end > first && (0..Offset::BITS).any(|bit| fits(first ^ 1 << bit))
}
