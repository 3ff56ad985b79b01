//! Following one log: up to the last whole batch whose checksum holds, on into the next segment,
//! and after what becomes of the files meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use strandline::record::{BatchError, RecordBatch};
use strandline::{Damage, LogFile, Piece, base_offset_of};

use crate::exit::{Failure, Result};
use crate::paths::OneLog;
use crate::reading::headers::{Found, Headers};
use crate::reading::pace::Pieces;

/// What is met on the way.
pub(super) enum Event<'a> {
    /// A batch that is whole, and where it lies.
    Batch(u64, &'a RecordBatch<'a>),
    /// The log ends earlier than it did, at this offset.
    Cut(i64, String),
    /// Something else that the user should know.
    Said(String),
}

/// What takes in what is met: the file that it is in, and what.
type Take<'t> = dyn FnMut((&Path, i64), Event<'_>) -> Result<()> + 't;

/// A log, and how far it was followed.
pub(super) struct Follower {
    pub(super) log: OneLog,
    /// Whether it is a directory, where segments come and go.
    dir: Option<PathBuf>,
    path: PathBuf,
    base: i64,
    /// The file behind the path, to see that another took its place.
    inode: u64,
    position: u64,
    pub(super) next_offset: i64,
}

impl Follower {
    /// Follows a log from where it ends now.
    pub(super) fn at_the_end(log: OneLog) -> Result<Follower> {
        let last = log.segments.last();
        let (path, base) = match last {
            Some(input) => (input.path.clone(), input.base_offset.unwrap_or(0)),
            None => return Err(Failure::environment(format!("{}: nothing to follow", log.name))),
        };
        // A file that was named by itself has the log's name.
        let is_dir = last.is_some_and(|input| input.name != log.name);
        let dir = if is_dir { path.parent().map(Path::to_path_buf) } else { None };
        let mut follower =
            Follower { log, dir, path, base, inode: 0, position: 0, next_offset: base };
        follower.inode = follower.look().map_or(0, |metadata| metadata.ino());
        follower.seek(i64::MAX)?;
        Ok(follower)
    }

    /// The file that is followed now, and its base offset.
    pub(super) fn file(&self) -> (&Path, i64) {
        (&self.path, self.base)
    }

    fn look(&self) -> Option<fs::Metadata> {
        fs::metadata(&self.path).ok()
    }

    /// Goes to the first batch that holds `offset` or a later one; to the end if none does.
    fn seek(&mut self, offset: i64) -> Result<()> {
        let failed = |error| Failure::io("read", &self.path, &error);
        let mut headers = Headers::open(&self.path).map_err(failed)?;
        (self.position, self.next_offset) = (0, self.base);
        while let Some(Found::Batch(at, header)) = headers.next().map_err(failed)? {
            if header.last_offset() >= offset {
                self.position = at;
                return Ok(());
            }
            self.position = at + header.size_bytes() as u64;
            self.next_offset = header.next_offset();
        }
        Ok(())
    }

    /// Gives what came since the last time.
    pub(super) fn step(&mut self, take: &mut Take<'_>) -> Result<()> {
        loop {
            self.follow_the_file(take)?;
            self.drain(take)?;
            let Some((path, base)) = self.next_segment() else { return Ok(()) };
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            take(self.file(), Event::Said(format!("rolled to {}", name.unwrap_or_default())))?;
            (self.path, self.base, self.position) = (path, base, 0);
            self.next_offset = self.next_offset.max(base);
            self.inode = self.look().map_or(0, |metadata| metadata.ino());
        }
    }

    /// Sees what became of the file: shorter, another, gone.
    fn follow_the_file(&mut self, take: &mut Take<'_>) -> Result<()> {
        let Some(metadata) = self.look() else { return self.find_again(take) };
        let before = self.next_offset;
        if metadata.ino() != self.inode {
            self.inode = metadata.ino();
            take(self.file(), Event::Said("segment replaced by compaction".to_owned()))?;
            self.seek(before)?;
            self.next_offset = before;
        } else if metadata.len() < self.position {
            self.seek(i64::MAX)?;
            let after = self.next_offset;
            take(self.file(), Event::Cut(after, cut(before, after)))?;
        }
        Ok(())
    }

    /// The file is gone: a truncation took the whole segment, or retention did.
    fn find_again(&mut self, take: &mut Take<'_>) -> Result<()> {
        let before = self.next_offset;
        let Some((path, base)) = self.segments().pop() else { return Ok(()) };
        (self.path, self.base) = (path, base);
        self.inode = self.look().map_or(0, |metadata| metadata.ino());
        self.seek(if base >= before { 0 } else { i64::MAX })?;
        if self.next_offset < before {
            let after = self.next_offset;
            take(self.file(), Event::Cut(after, cut(before, after)))?;
        }
        Ok(())
    }

    /// Gives every whole batch from the place on. What is not whole yet, or does not pass its
    /// checksum at the end, is waited for; damage that batches follow is told and passed over.
    fn drain(&mut self, take: &mut Take<'_>) -> Result<()> {
        let log = match LogFile::open_at(&self.path, self.base) {
            Ok(log) => log,
            // It went away between two looks.
            Err(_) if self.look().is_none() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if log.size_bytes() <= self.position {
            return Ok(());
        }
        let mut pieces = Pieces::of(&log, &self.path, self.position);
        while let Some(piece) = pieces.next_piece()? {
            match &piece.what {
                Piece::Batch(batch) => {
                    self.next_offset = batch.header().next_offset();
                    take(self.file(), Event::Batch(piece.position, batch))?;
                }
                Piece::Damage(damage) if is_passed_over(damage) => {
                    let (at, len) = (piece.position, piece.size_bytes);
                    let what = match damage.cause {
                        BatchError::TooLarge { limit, .. } => format!(
                            "a batch of {len} bytes at byte {at} passed over, --max-batch-bytes \
                             takes {limit}"
                        ),
                        _ => format!("{len} damaged bytes at byte {at} passed over"),
                    };
                    take((&self.path, self.base), Event::Said(what))?;
                }
                _ => break,
            }
            self.position = piece.position + piece.size_bytes;
        }
        Ok(())
    }

    /// The segment behind this one, once there is one.
    fn next_segment(&self) -> Option<(PathBuf, i64)> {
        self.segments().into_iter().find(|(_, base)| *base > self.base)
    }

    /// The segments that are there now, in order.
    fn segments(&self) -> Vec<(PathBuf, i64)> {
        let Some(dir) = &self.dir else { return Vec::new() };
        let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
        let segment = |entry: fs::DirEntry| {
            let path = entry.path();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            base_offset_of(&path).filter(|_| is_log).map(|base| (path, base))
        };
        let mut found: Vec<_> = entries.flatten().filter_map(segment).collect();
        found.sort_by_key(|(_, base)| *base);
        found
    }
}

/// Whether more comes behind: other batches, or one that is not taken lies whole in the file.
fn is_passed_over(damage: &Damage) -> bool {
    damage.resumed.is_some() || matches!(damage.cause, BatchError::TooLarge { .. })
}

fn cut(before: i64, after: i64) -> String {
    format!("truncated: log end moved back from {before} to {after}")
}
