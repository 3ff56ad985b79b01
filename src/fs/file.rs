//! A file that is open: bytes at positions, and whether they survive power loss.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Mapping, os};

/// What `zero_fill` writes in one call.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// A regular file that is open. Any thread may call any method at any time; a read beside a write
/// of the same bytes may see a part of it.
///
/// It knows whether it has unsynced changes of its own. One that has must stay open until a sync
/// succeeds, for an error of the write-back could leave with the descriptor.
#[derive(Debug)]
pub(crate) struct File {
    inner: Inner,
    /// How many changes have been made, each counted once it is done or has failed.
    changes: AtomicU64,
    /// How many of them a successful sync covers.
    synced: AtomicU64,
    /// Whether a sync failed. Held while one is under way: the operating system tells an error to
    /// one caller alone, so one beside it would be told that all is well.
    sync_failed: Mutex<bool>,
    /// Whether space behind the end may be reserved.
    reserved: AtomicBool,
}

#[derive(Debug)]
enum Inner {
    Os(os::File),
}

impl File {
    pub(super) fn from_os(file: os::File) -> File {
        File {
            inner: Inner::Os(file),
            changes: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            sync_failed: Mutex::new(false),
            reserved: AtomicBool::new(false),
        }
    }

    /// Fills `buf` with the bytes from `position` on; `UnexpectedEof` if the file ends before.
    pub(crate) fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        if self.read_at(buf, position)? < buf.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// As many of the bytes from `position` on as there are and `buf` holds: fewer only at the end
    /// of the file.
    pub(crate) fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        match &self.inner {
            Inner::Os(file) => file.read_at(buf, position),
        }
    }

    /// Writes all of `bytes` at `position`; beyond the end the file grows, and a gap reads as zeros.
    ///
    /// Until a sync power loss can leave any part of the bytes and any length between. An error
    /// can leave a first part.
    pub(crate) fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let written = match &self.inner {
            Inner::Os(file) => file.write_all_at(bytes, position),
        };
        self.mark_dirty();
        written
    }

    /// Takes the space for `len` bytes from `position` on, and changes neither bytes nor length.
    /// `Unsupported` where the file system cannot.
    ///
    /// A crash can leave the space with the file, until [`File::truncate`] gives it back.
    pub(crate) fn reserve(&self, position: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.reserved.store(true, Ordering::Relaxed);
        match &self.inner {
            Inner::Os(file) => file.reserve(position, len),
        }
    }

    /// Writes `len` zeros at `position`. What crashes and errors leave: as
    /// [`File::write_all_at`].
    pub(crate) fn zero_fill(&self, position: u64, len: u64) -> io::Result<()> {
        let end = position.checked_add(len).ok_or(io::ErrorKind::InvalidInput)?;
        let mut at = position;
        while at < end {
            let step = (end - at).min(ZEROS.len() as u64);
            self.write_all_at(&ZEROS[..step as usize], at)?;
            at += step;
        }
        Ok(())
    }

    /// The first position from `position` on that is not in a hole; `None` if there is no more than
    /// a hole, or the file has ended. A file system that does not know says that there is no hole.
    pub(crate) fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        match &self.inner {
            Inner::Os(file) => file.next_data(position),
        }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match &self.inner {
            Inner::Os(file) => file.len(),
        }
    }

    /// When its bytes were last changed, in milliseconds since 1970.
    pub(crate) fn modified_ms(&self) -> io::Result<i64> {
        match &self.inner {
            Inner::Os(file) => file.modified_ms(),
        }
    }

    /// Makes it `len` bytes long: cut, or grown by a hole. Space that [`File::reserve`] took through
    /// this `File` is given back; else nothing is called if the length is right already.
    ///
    /// Until a sync power loss can leave either length. An error leaves the old one.
    pub(crate) fn truncate(&self, len: u64) -> io::Result<()> {
        if !self.reserved.load(Ordering::Relaxed) && self.len()? == len {
            return Ok(());
        }
        let cut = match &self.inner {
            Inner::Os(file) => file.truncate(len),
        };
        self.mark_dirty();
        if cut.is_ok() {
            self.reserved.store(false, Ordering::Relaxed);
        }
        cut
    }

    /// Once it returns, the bytes and length that were written before the call, through whichever
    /// descriptor, survive power loss. Not the name: see [`Dir::sync`](super::Dir::sync).
    ///
    /// After an error it is unknown what survives, and the operating system may have dropped what
    /// was not written back while reads still show it. So every later sync of this `File` fails
    /// too, and it stays dirty.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut failed = self.sync_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            return Err(io::Error::other("an earlier sync of the file failed"));
        }
        let covered = self.changes.load(Ordering::Acquire);
        let synced = match &self.inner {
            Inner::Os(file) => file.sync(),
        };
        match synced {
            Ok(()) => self.synced.store(covered, Ordering::Release),
            Err(_) => *failed = true,
        }
        synced
    }

    /// Whether changes were made through this `File` that no successful sync covers.
    pub(crate) fn is_dirty(&self) -> bool {
        self.changes.load(Ordering::Acquire) != self.synced.load(Ordering::Acquire)
    }

    /// Maps what the file holds now, for reading. Only for a file that nobody writes or cuts: see
    /// [`Mapping`]. Fails as the operating system does where there is no room or no support; then
    /// read instead.
    pub(crate) fn map(&self) -> io::Result<Mapping> {
        match &self.inner {
            Inner::Os(file) => file.map(),
        }
    }

    /// Asks that what is cached of it in memory be dropped; what is not yet written back stays.
    pub(crate) fn forget_cached(&self) -> io::Result<()> {
        match &self.inner {
            Inner::Os(file) => file.forget_cached(),
        }
    }

    /// Counts a change. After it, not before: a sync that begins in between must not be taken to
    /// cover it.
    fn mark_dirty(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
