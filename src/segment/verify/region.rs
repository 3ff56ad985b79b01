//! What a stretch of a `.log` is that is no batch: which kind of damage, how far it goes, and which
//! small change would explain it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::finding::{Code, Detail, Explanation, Finding, Severity};
use crate::fs::File;
use crate::record::message_covered;
use crate::record::{BatchError, BatchHeader, HEADER_LEN, LEAST_MESSAGE_LEN, Offset, RawHeader};
use crate::segment::walk::{
    Resumed, batch_at, looks_like_a_batch, message_sums, resume_behind, zeros_follow,
};
use crate::segment::window::{READ_BYTES, Window};
use crate::wire::syndrome::{CRC32, CRC32C, Sum};

/// A batch whose length lies is followed for so many bytes at most.
const MOST_FOLLOWED: u64 = 128 << 20;
/// Where in a batch, and in a message of an old format, its checksum lies, where begins what that
/// covers, and which one it is.
const OF_BATCH: Place = Place {
    crc_at: RawHeader::CRC_AT,
    covered_from: RawHeader::COVERED_FROM,
    least: HEADER_LEN as u64,
    sum: &CRC32C,
};
const OF_MESSAGE: Place =
    Place { crc_at: 12, covered_from: 16, least: LEAST_MESSAGE_LEN as u64, sum: &CRC32 };
/// Where in both the magic lies.
const MAGIC_AT: u64 = 16;
/// So many zeros at the end of a batch show that it was never written whole.
const TORN_ZEROS: usize = 16;

/// What an unfinished end of a `.log` means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// Whether one can be there: in the last segment, after a stop that was not clean.
    pub(crate) is_normal: bool,
    /// Not below this position, which was durable.
    pub(crate) durable: u64,
}

impl Tail {
    fn is_normal_at(self, position: u64) -> bool {
        self.is_normal && position >= self.durable
    }
}

/// What a checksum is, and what it is of.
#[derive(Clone, Copy)]
struct Place {
    crc_at: u64,
    covered_from: u64,
    /// The fewest bytes.
    least: u64,
    sum: &'static Sum,
}

/// Looks at what is no batch.
pub(super) struct Region<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a Arc<File>,
    /// Where the file ends.
    pub(super) end: u64,
    /// The least offset that can follow.
    pub(super) expected: Offset,
    pub(super) tail: Tail,
}

/// What is known of the batch that should be there.
struct Failed {
    position: u64,
    cause: BatchError,
    raw: Option<RawHeader>,
    header: Option<BatchHeader>,
    /// Where it would end by its own word, if that is inside the file.
    own_end: Option<u64>,
    /// Whether something follows there: the end, zeros up to it, or what looks like a batch.
    leads_on: bool,
    /// Its checksum as written, and over its own length.
    crc: Option<(u32, u32)>,
    explanation: Option<Explanation>,
    /// Whether it is one of format v0 or v1.
    is_message: bool,
}

impl Place {
    /// The one bit that explains the difference of two checksums, the written one's own included.
    fn flipped(
        self,
        window: &mut Window,
        (position, len): (u64, u64),
        difference: u32,
    ) -> io::Result<Option<Explanation>> {
        let inside = self.sum.flipped_bit(difference, len);
        let inside = inside.map(|(at, bit)| (position + self.covered_from + at, bit));
        let own = difference.is_power_of_two().then(|| {
            let bit = difference.trailing_zeros();
            (position + self.crc_at + u64::from(3 - bit / 8), (bit % 8) as u8)
        });
        let ((Some((byte, bit)), None) | (None, Some((byte, bit)))) = (inside, own) else {
            return Ok(None);
        };
        let found = window.at_most(byte, 1)?.first().copied().unwrap_or(0);
        Ok(Some(Explanation::FlippedBit { byte, bit, found }))
    }
}

impl Region<'_> {
    /// What the bytes at `position` are, which are no batch because of `cause`. The finding ends
    /// where batches go on, or at the end of the file.
    pub(super) fn look(&self, position: u64, cause: BatchError) -> io::Result<Finding> {
        let mut window = Window::new(Arc::clone(self.file), self.end, READ_BYTES);
        if zeros_follow(self.file, &mut window, position)? {
            let normal = self.tail.is_normal_at(position);
            let severity = if normal { Severity::Info } else { Severity::Error };
            let len = self.end - position;
            let finding = Finding::new(Code::ZeroTail, self.path).at(position, len);
            return Ok(finding.severity(severity).detail(Detail::Count(len)));
        }
        let mut failed = self.failed(&mut window, position, cause)?;
        if self.is_torn(&mut window, &failed)? {
            return Ok(self.unfinished(&failed));
        }
        if failed.explanation.is_none() && failed.own_end.is_none_or(|_| !failed.leads_on) {
            self.fit_length(&mut window, &mut failed)?;
        }
        let resumed = self.resume(&mut window, &failed)?;
        Ok(self.finding(&failed, resumed))
    }

    fn failed(&self, window: &mut Window, position: u64, cause: BatchError) -> io::Result<Failed> {
        let head = window.at_most(position, HEADER_LEN)?;
        let (raw, header) = (RawHeader::read(head), BatchHeader::decode(head).ok());
        let mut failed = Failed {
            position,
            cause,
            raw,
            header,
            own_end: None,
            leads_on: false,
            crc: None,
            explanation: None,
            is_message: false,
        };
        let Some(raw) = raw else { return Ok(failed) };
        if self.is_message(window, &raw, &mut failed)? {
            return Ok(failed);
        }
        let own_end = raw.size(false).map(|size| position + size);
        let Some(own_end) = own_end.filter(|&end| end <= self.end) else { return Ok(failed) };
        failed.own_end = Some(own_end);
        failed.leads_on = self.leads_on(window, own_end)?;
        let covered = position + RawHeader::COVERED_FROM..own_end;
        let computed = window.checksum(covered.clone())?;
        failed.crc = Some((raw.crc, computed));
        if failed.leads_on {
            failed.explanation = if raw.crc == computed {
                let magic = Explanation::Magic { found: raw.magic, fits: RawHeader::MAGIC };
                (raw.magic != RawHeader::MAGIC).then_some(magic)
            } else if raw.magic == RawHeader::MAGIC {
                let len = covered.end - covered.start;
                OF_BATCH.flipped(window, (position, len), raw.crc ^ computed)?
            } else {
                None
            };
        }
        Ok(failed)
    }

    /// Whether it is a message of an old format: it was told as one, or one flipped bit makes one of
    /// it. Only its form and its checksum, which is another one, tell it from a batch.
    fn is_message(
        &self,
        window: &mut Window,
        raw: &RawHeader,
        failed: &mut Failed,
    ) -> io::Result<bool> {
        let told = match failed.cause {
            BatchError::Crc { stored, computed } if matches!(raw.magic, 0 | 1) => {
                Some((stored, computed))
            }
            BatchError::Zeros | BatchError::Incomplete { .. } => return Ok(false),
            _ => None,
        };
        let position = failed.position;
        let own_end = raw.size(true).map(|size| position + size);
        let Some(own_end) = own_end.filter(|&end| end <= self.end) else { return Ok(false) };
        let leads_on = self.leads_on(window, own_end)?;
        if told.is_none() && !leads_on {
            return Ok(false);
        }
        let (stored, computed) = match told {
            Some(sums) => sums,
            None => message_sums(window, position, own_end)?,
        };
        let covered = own_end.saturating_sub(position + OF_MESSAGE.covered_from);
        let mut explanation = None;
        if leads_on {
            explanation = OF_MESSAGE.flipped(window, (position, covered), stored ^ computed)?;
        }
        if told.is_none() {
            // That the bit makes it a message is all that speaks for it.
            let is_one = match explanation {
                Some(Explanation::FlippedBit { byte, bit, found })
                    if byte == position + MAGIC_AT =>
                {
                    matches!(found ^ 1 << bit, 0 | 1)
                }
                Some(_) => matches!(raw.magic, 0 | 1),
                None => false,
            };
            if !is_one {
                return Ok(false);
            }
            failed.cause = BatchError::Crc { stored, computed };
        }
        failed.is_message = true;
        (failed.own_end, failed.leads_on) = (Some(own_end), leads_on);
        (failed.crc, failed.explanation) = (Some((stored, computed)), explanation);
        Ok(true)
    }

    /// Whether a batch can end here: at the end, before zeros up to it, or before another.
    fn leads_on(&self, window: &mut Window, at: u64) -> io::Result<bool> {
        if at == self.end || zeros_follow(self.file, window, at)? {
            return Ok(true);
        }
        let head = window.at_most(at, HEADER_LEN)?;
        Ok(looks_like_a_batch(head, &(self.expected..Offset::MAX)).is_some())
    }

    /// Whether the batch was never written whole: zeros from some byte on, up to the end.
    fn is_torn(&self, window: &mut Window, failed: &Failed) -> io::Result<bool> {
        if failed.explanation.is_some() {
            return Ok(false);
        }
        let behind = failed.position + HEADER_LEN as u64;
        if behind < self.end && zeros_follow(self.file, window, behind)? {
            return Ok(true);
        }
        let (Some(own_end), BatchError::Crc { .. }) = (failed.own_end, failed.cause) else {
            return Ok(false);
        };
        if own_end != self.end && !zeros_follow(self.file, window, own_end)? {
            return Ok(false);
        }
        let body = own_end.saturating_sub(behind) as usize;
        let zeros = window.at_most(own_end - body.min(TORN_ZEROS) as u64, TORN_ZEROS)?;
        Ok(body >= TORN_ZEROS && zeros.iter().all(|&byte| byte == 0))
    }

    /// Seeks another length with which the checksum holds and something follows.
    fn fit_length(&self, window: &mut Window, failed: &mut Failed) -> io::Result<()> {
        let Some(raw) = failed.raw else { return Ok(()) };
        let (place, stored) = match raw.magic {
            RawHeader::MAGIC => (OF_BATCH, raw.crc),
            0 | 1 => {
                let head = window.at_most(failed.position, HEADER_LEN)?;
                (OF_MESSAGE, message_covered(head).0)
            }
            _ => return Ok(()),
        };
        let mut growing = place.sum.growing();
        let mut at = failed.position + place.covered_from;
        let most = self.end.min(failed.position + MOST_FOLLOWED);
        let least = failed.position + place.least;
        while at < most {
            let piece = window.at_most(at, READ_BYTES)?.to_vec();
            let mut ends = Vec::new();
            for &byte in &piece {
                growing.push(byte);
                at += 1;
                if growing.sum() == stored && at >= least && at <= most {
                    ends.push(at);
                }
            }
            for end in ends {
                if self.leads_on(window, end)? {
                    let fits = (end - failed.position - RawHeader::LENGTH_EXCLUDES) as i32;
                    failed.explanation = Some(Explanation::Length { found: raw.length, fits });
                    failed.own_end = Some(end);
                    failed.leads_on = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Where batches go on.
    fn resume(&self, window: &mut Window, failed: &Failed) -> io::Result<Option<Resumed>> {
        let offsets = self.expected..Offset::MAX;
        if let Some(own_end) = failed.own_end.filter(|_| failed.leads_on)
            && let Ok(next) = batch_at(window, own_end)?
            && offsets.contains(&next.header().base_offset())
            && (failed.explanation.is_some()
                || failed.header.is_some_and(|it| it.next_offset() == next.header().base_offset()))
        {
            let base_offset = next.header().base_offset();
            return Ok(Some(Resumed { position: own_end, base_offset }));
        }
        if failed.explanation.is_some() && failed.own_end == Some(self.end) {
            return Ok(None);
        }
        resume_behind(self.file, failed.position, self.end, offsets)
    }

    fn finding(&self, failed: &Failed, resumed: Option<Resumed>) -> Finding {
        let Failed { position, cause, header, .. } = *failed;
        // A batch that ends where zeros or the end follow ends the region too.
        let last = failed.own_end.filter(|_| failed.leads_on && resumed.is_none());
        let end = resumed.map_or(last.unwrap_or(self.end), |resumed| resumed.position);
        let crc_holds = failed.crc.is_some_and(|(stored, computed)| stored == computed);
        let code = match cause {
            BatchError::Zeros => Code::ZerosInside,
            BatchError::LengthTooSmall(_) => Code::LengthTooSmall,
            BatchError::Incomplete { .. } if resumed.is_none() && failed.explanation.is_none() => {
                return self.unfinished(failed);
            }
            BatchError::Incomplete { .. } => Code::LengthPastEnd,
            BatchError::UnknownMagic(_) | BatchError::Legacy(_) => Code::UnknownMagic,
            BatchError::TooLarge { .. } => Code::DoesNotInflate,
            BatchError::ImpossibleOffsets { base, .. } if crc_holds && base < 0 => {
                Code::OffsetBelowBase
            }
            BatchError::ImpossibleOffsets { delta, .. } if crc_holds && delta < 0 => {
                Code::OffsetGoesBack
            }
            BatchError::ImpossibleOffsets { .. } if crc_holds => Code::OffsetTooFar,
            _ => Code::BatchCrc,
        };
        let mut finding = Finding::new(code, self.path).at(position, end - position);
        finding.detail = match (code, failed.crc) {
            (Code::BatchCrc, Some((stored, computed))) => {
                let own_end = failed.own_end.unwrap_or(end);
                let of = if failed.is_message { OF_MESSAGE } else { OF_BATCH };
                let covered = position + of.covered_from..own_end;
                Detail::Crc { stored, computed, covered }
            }
            _ => Detail::Batch(cause),
        };
        let unexplained = code == Code::BatchCrc && failed.explanation.is_none();
        if unexplained && resumed.is_none() && self.tail.is_normal_at(position) {
            finding.severity = Severity::Warning;
        }
        finding.explanation = failed.explanation;
        finding.resumed = resumed.map(|resumed| (resumed.position, resumed.base_offset));
        self.name_offsets(&mut finding, header);
        finding
    }

    /// Which offsets are hit: those that the batch claims, if they fit between its neighbours, else
    /// those that are missing.
    fn name_offsets(&self, finding: &mut Finding, header: Option<BatchHeader>) {
        let next = finding.resumed.map(|(_, offset)| offset);
        let fits = |header: &BatchHeader| {
            header.base_offset() >= self.expected
                && next.is_none_or(|next| header.next_offset() <= next)
        };
        if finding.code == Code::BatchCrc
            && let Some(header) = header.filter(fits)
        {
            finding.header = Some(header);
            finding.offsets = Some((header.base_offset(), header.last_offset()));
            let span = u64::from(header.last_offset_delta().unsigned_abs()) + 1;
            finding.records = u64::try_from(header.record_count()).unwrap_or(0).min(span);
        } else if let Some(next) = next.filter(|&next| next > self.expected) {
            finding.offsets = Some((self.expected, next - 1));
            finding.records = (next - self.expected).unsigned_abs();
        }
    }

    fn unfinished(&self, failed: &Failed) -> Finding {
        let len = self.end - failed.position;
        let finding = Finding::new(Code::UnfinishedBatch, self.path).at(failed.position, len);
        let normal = self.tail.is_normal_at(failed.position);
        let severity = if normal { Severity::Warning } else { Severity::Error };
        let mut finding = finding.severity(severity).detail(Detail::Count(len));
        if let Some(header) = failed.header.filter(|it| it.base_offset() >= self.expected) {
            finding.offsets = Some((header.base_offset(), header.last_offset()));
            finding.header = Some(header);
        }
        finding
    }
}
