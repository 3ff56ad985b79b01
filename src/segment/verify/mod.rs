//! The checks of one segment: its `.log` in one pass, and its indexes beside it. Nothing is written,
//! locked or created, and the file may be appended to meanwhile.
//!
//! Batches are read, and damage is stepped over, by the same code as in recovery.

mod ahead;
mod look;
mod offset_index;
mod order;
mod pass;
mod records;
mod region;
mod time_index;

use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::names::{self, Part};
use super::walk::{Stop, header_at, walk_within};
use super::window::{READ_BYTES, Window};
use crate::error::{Cause, Error, Result};
use crate::finding::{Code, Finding, Findings, Level, Severity, VerifiedLog};
use crate::fs::{Access, Dir, File};
use crate::record::{BatchError, BatchHeader, HEADER_LEN, Offset, RawHeader, Timestamp};
use crate::wire::crc32c;
pub(crate) use ahead::{Ahead, Cut};
use look::Look;
pub(crate) use look::Looked;
use offset_index::OffsetIndex;
use order::Order;
pub(crate) use order::Summary;
use pass::{Pass, Told};
use records::Records;
use region::Region;
pub(crate) use region::Tail;
use time_index::TimeIndex;

/// What is told of a file and a stretch of it that was looked at.
pub(crate) type Tell = dyn Fn(&Path, Range<u64>) + Send + Sync;

/// Who is told how far a check is.
#[derive(Clone)]
pub(crate) struct Pace(pub(crate) Arc<Tell>);

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pace")
    }
}

/// What all checks go by.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) level: Level,
    pub(crate) now: Timestamp,
    /// The most that one batch may inflate to.
    pub(crate) most_inflated: usize,
    /// A batch of more bytes is not held: its checksum is looked at, its records are not.
    pub(crate) most_held: usize,
    pub(crate) cut: Cut,
    /// Counts the bytes that were looked at.
    pub(crate) progress: Arc<AtomicU64>,
    pub(crate) pace: Option<Pace>,
}

/// One segment that is to be checked.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked by itself")]
pub(crate) struct SegmentCheck<'a> {
    pub(crate) how: &'a How,
    pub(crate) dir: &'a Dir,
    /// The name of its `.log`.
    pub(crate) name: String,
    pub(crate) base: Offset,
    pub(crate) tail: Tail,
    /// Whether it is the last one.
    pub(crate) is_active: bool,
    /// Whether its topic is one of Kafka's own.
    pub(crate) is_internal: bool,
    /// Whether the manifest says that no offset is missing in it.
    pub(crate) is_dense: bool,
    /// Whether its indexes are checked with it.
    pub(crate) with_indexes: bool,
    /// Whether the checksum of the whole file is wanted.
    pub(crate) with_sum: bool,
    /// What other threads look at meanwhile.
    pub(crate) ahead: Option<&'a Ahead>,
}

/// What was found in a segment.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) path: PathBuf,
    pub(crate) base: Offset,
    pub(crate) size_bytes: u64,
    pub(crate) findings: Findings,
    pub(crate) summary: Summary,
    /// CRC-32C of the whole file, if it was wanted.
    pub(crate) log_crc: Option<u32>,
    /// Length and CRC-32C of `.index` and `.timeindex`, if they were read.
    pub(crate) index_sums: [Option<(u64, u32)>; 2],
}

impl Checked {
    /// What the segment holds.
    pub(crate) fn verified(&self) -> VerifiedLog {
        let summary = &self.summary;
        VerifiedLog {
            path: self.path.clone(),
            size_bytes: self.size_bytes,
            batches: summary.batches,
            records: summary.records,
            offsets: summary.first_offset.map(|first| (first, summary.next_offset - 1)),
        }
    }
}

/// An index that is longer is none that Kafka makes.
const MOST_INDEX_BYTES: u64 = 256 << 20;
/// Kafka's `index.interval.bytes`, where nobody says otherwise.
const INDEX_INTERVAL: u64 = 4096;
/// A file that grows is looked at again so often.
const MOST_TRIES: usize = 3;

impl SegmentCheck<'_> {
    /// Looks at one stretch of the segment ahead of who runs the check, if nobody else does.
    pub(crate) fn look_ahead(&self, stretch: usize) {
        if let Some(ahead) = self.ahead {
            ahead.look(self, stretch);
        }
    }

    /// Checks the segment and gives what is seen of all its whole batches to `visit`. `None` if its
    /// `.log` is gone.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(crate) fn run(&self, visit: &mut dyn FnMut(&Looked)) -> Result<Option<Checked>> {
        let done = self.go_through(visit);
        if let Some(ahead) = self.ahead {
            ahead.pass_by(usize::MAX);
        }
        done
    }

    fn go_through(&self, visit: &mut dyn FnMut(&Looked)) -> Result<Option<Checked>> {
        let path = self.dir.path().join(&self.name);
        // Indexes before the log: what they point at is there then.
        let index = self.read_index(Part::OffsetIndex)?;
        let times = self.read_index(Part::TimeIndex)?;
        let file = match self.dir.open(&self.name, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => Arc::new(opened.map_err(|e| Error::io("open", &path, e))?),
        };
        let index_path = self.dir.path().join(names::name(self.base, Part::OffsetIndex));
        let times_path = self.dir.path().join(names::name(self.base, Part::TimeIndex));
        let mut index_findings = Findings::default();
        let deep = self.how.level == Level::Deep;
        let with_indexes = self.how.level > Level::Quick;
        let mut pass = Pass {
            look: Look::new(self.how),
            told: Told::new(self.how, &path, 0),
            order: Order::new(&path, self.base, self.how.now, self.is_dense),
            records: deep.then(|| Records::new(&path, self.is_internal)),
            offset_index: index
                .as_deref()
                .filter(|_| with_indexes)
                .map(|file| OffsetIndex::new(&index_path, self.base, file, &mut index_findings)),
            time_index: times
                .as_deref()
                .filter(|_| with_indexes)
                .map(|file| TimeIndex::new(&times_path, self.base, file, &mut index_findings)),
            findings: Findings::default(),
            index_findings,
            sum: self.with_sum.then_some(0),
            position: 0,
            last_batch: 0,
        };
        let end = self.pass(&file, &mut pass, visit).map_err(|e| Error::io("read", &path, e))?;
        if self.with_indexes {
            self.finish_indexes(&mut pass, [index.is_none(), times.is_none()]);
        }
        let Pass { order, mut findings, index_findings, sum, .. } = pass;
        findings.extend(index_findings.into_list());
        let sum_of = |file: Option<Vec<u8>>| {
            file.map(|bytes| (bytes.len() as u64, crc32c::checksum(&bytes)))
        };
        Ok(Some(Checked {
            base: self.base,
            size_bytes: end,
            findings,
            summary: order.summary,
            log_crc: sum,
            index_sums: [sum_of(index), sum_of(times)],
            path,
        }))
    }

    /// What the end of the log says of its indexes, and whether they are there.
    fn finish_indexes(&self, pass: &mut Pass<'_>, are_missing: [bool; 2]) {
        let crash = self.is_active && self.tail.is_normal;
        let past_end = if crash { Severity::Warning } else { Severity::Error };
        let (summary, findings) = (&pass.order.summary, &mut pass.index_findings);
        let mut are_empty = [false; 2];
        if let Some(index) = pass.offset_index.take() {
            are_empty[0] = index.is_empty();
            index.finish(summary, past_end, findings);
        }
        if let Some(times) = pass.time_index.take() {
            are_empty[1] = times.is_empty();
            times.finish(past_end, findings);
        }
        // Kafka has made entries by then.
        let would = pass.last_batch > INDEX_INTERVAL;
        let parts = [Part::OffsetIndex, Part::TimeIndex];
        let codes = [Code::IndexMissing, Code::TimeIndexMissing];
        for at in 0..2 {
            if are_missing[at] || (are_empty[at] && would) {
                let wanted = would && !self.is_active;
                let severity = if wanted { Severity::Warning } else { Severity::Info };
                let path = self.dir.path().join(names::name(self.base, parts[at]));
                findings.push(Finding::new(codes[at], &path).severity(severity));
            }
        }
    }

    fn read_index(&self, part: Part) -> Result<Option<Vec<u8>>> {
        if !self.with_indexes {
            return Ok(None);
        }
        let name = names::name(self.base, part);
        match self.dir.read_small(&name, MOST_INDEX_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(vec![0xff])),
            read => read.map_err(|e| Error::io("read", self.dir.path().join(&name), e)),
        }
    }

    /// Goes through the file, damage included; gives its length.
    fn pass(
        &self,
        file: &Arc<File>,
        pass: &mut Pass<'_>,
        visit: &mut dyn FnMut(&Looked),
    ) -> io::Result<u64> {
        let inode = file.stamp()?.inode;
        let (mut end, mut modified) = (file.len()?, file.modified_ms()?);
        let mut tries = 0;
        while pass.position < end {
            let seen = self.ahead.and_then(|ahead| ahead.take(self, pass.position));
            if let Some(seen) = seen.filter(|seen| seen.is_of(inode, end)) {
                pass.take(&seen, visit);
                continue;
            }
            let next = self.ahead.and_then(|ahead| ahead.next(self, pass.position));
            let upto = next.unwrap_or(end).min(end);
            let stopped = if self.how.level == Level::Quick {
                Self::hop(file, end, pass)
            } else {
                self.walk(file, (upto, end), pass, visit)
            };
            let looked = stopped.and_then(|cause| match cause {
                Some(cause) => self.region(file, end, pass).look(pass.position, cause).map(Some),
                None => Ok(None),
            });
            let at_the_end = match &looked {
                Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
                Ok(finding) => finding.as_ref().is_some_and(|finding| finding.end() == end),
            };
            if at_the_end && tries < MOST_TRIES {
                // It may be what somebody is writing.
                let now = (file.len()?, file.modified_ms()?);
                if now != (end, modified) {
                    tries += 1;
                    (end, modified) = now;
                    continue;
                }
            }
            if let Some(finding) = looked? {
                Self::take_damage(file, end, pass, finding)?;
            }
        }
        pass.told.now(pass.position);
        Ok(end)
    }

    fn region<'b>(&self, file: &'b Arc<File>, end: u64, pass: &Pass<'b>) -> Region<'b> {
        Region {
            path: pass.order.path(),
            file,
            end,
            expected: pass.order.expected(),
            tail: self.tail,
        }
    }

    fn take_damage(
        file: &Arc<File>,
        end: u64,
        pass: &mut Pass<'_>,
        finding: Finding,
    ) -> io::Result<()> {
        let stretch = pass.position..finding.end();
        if let Some(sum) = pass.sum {
            let window = Window::new(Arc::clone(file), end, READ_BYTES);
            let more = window.checksum(stretch.clone())?;
            pass.sum = Some(crc32c::combine(sum, more, stretch.end - stretch.start));
        }
        let before = pass.order.summary.damage.len();
        pass.order.damage(&finding);
        if let Some(region) = pass.order.summary.damage.get(before) {
            if let Some(index) = &mut pass.offset_index {
                index.damage(region, &mut pass.index_findings);
            }
            if let Some(times) = &mut pass.time_index {
                times.damage(region);
            }
        }
        pass.position = stretch.end;
        pass.findings.push(finding);
        Ok(())
    }

    /// Goes by whole batches that begin before `upto`, up to the first that fails, and says why.
    fn walk(
        &self,
        file: &Arc<File>,
        (upto, end): (u64, u64),
        pass: &mut Pass<'_>,
        visit: &mut dyn FnMut(&Looked),
    ) -> io::Result<Option<BatchError>> {
        let (stretch, bounds) = (pass.position..upto, (end, self.how.most_held));
        let walked = walk_within(file, stretch, bounds, &mut |position, batch| {
            visit(&pass.batch(position, batch));
            ControlFlow::Continue(())
        })?;
        Ok(match walked.stop {
            Stop::End => None,
            Stop::Failed(Cause::Batch(cause)) => Some(cause),
            // No visitor refuses a batch here.
            Stop::Zeros | Stop::Failed(_) => Some(BatchError::Zeros),
        })
    }

    /// Hops from header to header.
    fn hop(file: &Arc<File>, end: u64, pass: &mut Pass<'_>) -> io::Result<Option<BatchError>> {
        // Small looks where batches are large, large reads where they are small.
        let mut windows = [128, 64 << 10].map(|piece| Window::new(Arc::clone(file), end, piece));
        let mut which = 0;
        while pass.position < end {
            let header = match header_at(&mut windows[which], pass.position)? {
                Ok(header) => header,
                Err(cause) => return Ok(Some(cause)),
            };
            let (need, left) = (header.size_bytes(), end - pass.position);
            if need as u64 > left {
                return Ok(Some(BatchError::Incomplete { have: left as usize, need }));
            }
            which = usize::from(need < 2048);
            pass.header(pass.position, &header);
        }
        Ok(None)
    }
}

/// Where in a `.log` the batch begins that a byte lies in, and its header if it can be; by the
/// lengths alone, none if they do not lead there.
pub(crate) fn batch_around(
    dir: &Dir,
    name: &str,
    byte: u64,
) -> io::Result<Option<(u64, u64, Option<BatchHeader>)>> {
    let file = Arc::new(dir.open(name, Access::Read)?);
    let mut window = Window::new(Arc::clone(&file), file.len()?, READ_BYTES);
    let mut position = 0;
    loop {
        let head = window.at_most(position, HEADER_LEN)?;
        let Some(size) = RawHeader::read(head).and_then(|raw| raw.size(false)) else {
            return Ok(None);
        };
        if byte < position + size {
            return Ok(Some((position, size, BatchHeader::decode(head).ok())));
        }
        position += size;
    }
}

/// What is wrong with an index, whatever its log says.
pub(crate) fn index_alone(
    path: &Path,
    base: Offset,
    file: &[u8],
    is_offsets: bool,
    findings: &mut Findings,
) {
    if is_offsets {
        OffsetIndex::new(path, base, file, findings);
    } else {
        TimeIndex::new(path, base, file, findings);
    }
}
