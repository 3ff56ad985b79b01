//! Going through a segment from which nothing may be missing: where what is read is written anew.

use std::ops::ControlFlow;

use super::names::{self, Part};
use super::walk::walk;
use super::{Facts, Segment, Stop};
use crate::error::{Cause, Error, Result};
use crate::fs::Access;
use crate::record::{Offset, RecordBatch};

impl Segment {
    /// Gives all batches to `visit`, from the front until it breaks off; the segment ends at offset
    /// `end`. Says whether it came to the end; then the file as a whole is what it was, too, as far
    /// as that is known.
    ///
    /// # Errors
    ///
    /// `Corrupt` for the first batch that is damaged or not where it belongs; what `visit` fails
    /// with; `Io`.
    pub(crate) fn for_each_whole(
        &self,
        end: Offset,
        visit: &mut dyn FnMut(u64, &RecordBatch<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<bool> {
        if self.end() == 0 && self.known_facts().is_none_or(|facts| facts.log_bytes == 0) {
            return Ok(true);
        }
        let file = self.log_file()?;
        self.note_cut()?;
        let (mut facts, mut ended) = (Facts::empty(self.base_offset), None);
        let mut expected = self.base_offset;
        let walked = walk(&file, 0, self.end(), &mut |at, batch| {
            let header = batch.header();
            if header.base_offset() < expected || header.next_offset() > end {
                return ControlFlow::Break(Cause::Mismatch(
                    "its offsets are not those of its place",
                ));
            }
            expected = header.next_offset();
            facts.add(batch);
            match visit(at, batch) {
                Ok(ControlFlow::Continue(())) => return ControlFlow::Continue(()),
                broken => ended = Some(broken.map(|_| ())),
            }
            ControlFlow::Break(Cause::Mismatch("it was enough"))
        });
        let walked = walked.map_err(|e| self.read_error(e))?;
        if let Some(ended) = ended {
            return ended.map(|()| false);
        }
        let cause = match walked.stop {
            Stop::End => return self.check_whole(&facts, expected, end).map(|()| true),
            Stop::Zeros => Cause::Mismatch("zeros where a batch should be"),
            Stop::Failed(cause) => cause,
        };
        let resumed = self.resume(walked.position, expected..end)?;
        Err(self.damage_from((walked.position, expected), resumed, end, cause))
    }

    /// Compares a whole segment with what is known of it: no checksum of a batch covers its offsets
    /// and its leader epoch.
    fn check_whole(&self, found: &Facts, expected: Offset, end: Offset) -> Result<()> {
        let Some(known) = self.known_facts() else { return Ok(()) };
        if (known.log_bytes, known.log_crc) == (found.log_bytes, found.log_crc) {
            return Ok(());
        }
        if known.log_bytes > found.log_bytes {
            let cause = Cause::Mismatch("the file ends before its last batches");
            return Err(self.damage_from((found.log_bytes, expected), None, end, cause));
        }
        let cause = Cause::Mismatch("offsets or a leader epoch are not those that were written");
        Err(self.damage_from((0, self.base_offset), None, end, cause))
    }

    /// Bytes of an index file; 0 if there is none.
    pub(crate) fn index_bytes(&self, part: Part) -> Result<u64> {
        let name = names::name(self.base_offset, part);
        let len = match self.shared.dir.open(&name, Access::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            opened => opened.and_then(|file| file.len()),
        };
        len.map_err(|error| Error::io("look at", self.path(part), error))
    }
}
