//! A file that is open: bytes at positions, and whether they survive power loss.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "sim")]
use super::sim;
use super::{Mapping, Stamp, os};

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
    #[cfg(feature = "sim")]
    Sim(sim::File),
}

impl File {
    pub(super) fn from_os(file: os::File) -> File {
        File::new(Inner::Os(file))
    }

    #[cfg(feature = "sim")]
    pub(super) fn from_sim(file: sim::File) -> File {
        File::new(Inner::Sim(file))
    }

    fn new(inner: Inner) -> File {
        File {
            inner,
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
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.read_at(buf, position),
        }
    }

    /// Writes all of `bytes` at `position`; beyond the end the file grows, and a gap reads as zeros.
    ///
    /// Until a sync power loss can leave any part of the bytes and any length between. An error
    /// can leave a first part.
    pub(crate) fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let written = match &self.inner {
            Inner::Os(file) => file.write_all_at(bytes, position),
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.write_all_at(bytes, position),
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
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.reserve(position, len),
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
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.next_data(position),
        }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match &self.inner {
            Inner::Os(file) => file.len(),
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.len(),
        }
    }

    /// How it is now, whatever its name has become.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        match &self.inner {
            Inner::Os(file) => file.stamp(),
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.stamp(),
        }
    }

    /// When its bytes were last changed, in milliseconds since 1970.
    pub(crate) fn modified_ms(&self) -> io::Result<i64> {
        match &self.inner {
            Inner::Os(file) => file.modified_ms(),
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.modified_ms(),
        }
    }

    /// Sets when its bytes were last changed. A crash can take that back.
    pub(crate) fn set_modified_ms(&self, ms: i64) -> io::Result<()> {
        match &self.inner {
            Inner::Os(file) => file.set_modified_ms(ms),
            #[cfg(any(test, feature = "sim"))]
            Inner::Sim(_) => Ok(()),
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
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.truncate(len),
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
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.sync(),
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
            #[cfg(feature = "sim")]
            Inner::Sim(file) => file.map(),
        }
    }

    /// Counts a change. After it, not before: a sync that begins in between must not be taken to
    /// cover it.
    fn mark_dirty(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::fs::{Access, Dir};

    fn file() -> (tempfile::TempDir, Dir, File) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        let file = dir.create("file").unwrap();
        (temp, dir, file)
    }

    #[test]
    fn what_is_written_at_a_position_is_read_there_and_a_gap_reads_as_zeros() {
        let (_temp, _dir, file) = file();
        file.write_all_at(b"late", 6).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        let mut all = [9; 12];
        assert_eq!(file.read_at(&mut all, 0).unwrap(), 10);
        assert_eq!(&all, b"new\0\0\0late\x09\x09");
        assert_eq!(file.read_at(&mut all, 10).unwrap(), 0);
        assert_eq!(file.read_at(&mut all, 1 << 40).unwrap(), 0);
    }

    #[test]
    fn a_read_past_the_end_says_so() {
        let (_temp, _dir, file) = file();
        file.write_all_at(b"1234", 0).unwrap();
        let mut buf = [0; 4];
        file.read_exact_at(&mut buf, 0).unwrap();
        assert_eq!(&buf, b"1234");
        for position in [1, 4, 5, 1 << 40] {
            let error = file.read_exact_at(&mut buf, position).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "at {position}");
        }
        file.read_exact_at(&mut [], 4).unwrap();
    }

    #[test]
    fn a_position_beyond_what_files_have_is_an_error_and_no_panic() {
        let (_temp, _dir, file) = file();
        for position in [u64::MAX, i64::MAX as u64 + 1] {
            assert!(file.read_at(&mut [0; 2], position).is_err(), "read at {position}");
            assert!(file.write_all_at(b"xy", position).is_err(), "write at {position}");
            assert!(file.zero_fill(position, 2).is_err(), "zero_fill at {position}");
            assert!(file.reserve(position, 2).is_err(), "reserve at {position}");
            assert!(file.next_data(position).is_err(), "next_data at {position}");
            assert!(file.truncate(position).is_err(), "truncate to {position}");
        }
        assert_eq!(file.len().unwrap(), 0);
    }

    #[test]
    fn it_is_dirty_from_a_change_to_the_next_good_sync() {
        let (_temp, dir, file) = file();
        assert!(!file.is_dirty(), "nothing is written");
        file.write_all_at(b"x", 0).unwrap();
        assert!(file.is_dirty());
        file.sync().unwrap();
        assert!(!file.is_dirty());
        file.truncate(1).unwrap();
        assert!(!file.is_dirty(), "already as long as that");
        file.truncate(0).unwrap();
        assert!(file.is_dirty(), "cut");
        file.sync().unwrap();
        file.zero_fill(0, 1).unwrap();
        assert!(file.is_dirty(), "zeros");
        let read_only = dir.open("file", Access::Read).unwrap();
        read_only.write_all_at(b"x", 0).unwrap_err();
        assert!(read_only.is_dirty(), "a failed write may have left a part");
    }

    #[test]
    fn a_sync_that_failed_is_never_made_good_by_a_later_one() {
        let (_temp, _dir, file) = file();
        file.write_all_at(b"x", 0).unwrap();
        *file.sync_failed.lock().unwrap() = true;
        file.sync().unwrap_err();
        assert!(file.is_dirty());
    }

    #[test]
    fn reserving_changes_neither_length_nor_bytes_and_a_cut_gives_it_back() {
        let (temp, _dir, file) = file();
        file.write_all_at(b"x", 0).unwrap();
        file.sync().unwrap();
        let blocks = || {
            let metadata = std::fs::metadata(temp.path().join("file")).unwrap();
            std::os::unix::fs::MetadataExt::blocks(&metadata)
        };
        let before = blocks();
        match file.reserve(1, 1 << 20) {
            Err(error) if error.kind() == ErrorKind::Unsupported => return,
            reserved => reserved.unwrap(),
        }
        file.reserve(0, 0).unwrap();
        assert_eq!(file.len().unwrap(), 1);
        assert!(!file.is_dirty());
        assert!(blocks() > before);
        file.truncate(1).unwrap();
        assert_eq!((blocks(), file.len().unwrap()), (before, 1));
    }

    #[test]
    fn zeros_are_written_to_the_byte() {
        let (_temp, _dir, file) = file();
        let len = 2 * ZEROS.len() + 17;
        file.write_all_at(&vec![0xff; len + 2], 0).unwrap();
        file.zero_fill(1, len as u64).unwrap();
        let mut bytes = vec![1; len + 2];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!((bytes[0], bytes[len + 1]), (0xff, 0xff));
        assert!(bytes[1..=len].iter().all(|&byte| byte == 0));
        assert_eq!(file.len().unwrap(), len as u64 + 2);
    }

    #[test]
    fn a_hole_is_skipped_up_to_the_data_and_never_beyond_it() {
        let (_temp, _dir, file) = file();
        assert_eq!(file.next_data(0).unwrap(), None);
        let data = 1 << 20;
        file.write_all_at(b"x", data).unwrap();
        let found = file.next_data(10).unwrap().unwrap();
        assert!((10..=data).contains(&found), "{found}");
        assert_eq!(file.next_data(data).unwrap(), Some(data));
        assert_eq!(file.next_data(data + 1).unwrap(), None);
        file.truncate(1 << 22).unwrap();
        assert_eq!(file.next_data(1 << 22).unwrap(), None);
    }

    #[test]
    fn the_time_of_the_last_change_is_in_milliseconds() {
        let (temp, _dir, file) = file();
        let path = temp.path().join("file");
        let time = std::time::Duration::from_millis(1_700_000_000_123);
        let os = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        os.set_modified(std::time::UNIX_EPOCH + time).unwrap();
        assert_eq!(file.modified_ms().unwrap(), 1_700_000_000_123);
        os.set_modified(std::time::UNIX_EPOCH - time).unwrap();
        assert_eq!(file.modified_ms().unwrap(), -1_700_000_000_123);
        file.truncate(0).unwrap();
        assert_eq!(file.modified_ms().unwrap(), -1_700_000_000_123, "a cut to the same length");
    }

    #[test]
    fn a_mapping_gives_what_reading_gives() {
        let (_temp, _dir, file) = file();
        assert_eq!(file.map().unwrap().len(), 0);
        file.write_all_at(b"0123456789", 0).unwrap();
        let map = file.map().unwrap();
        assert_eq!(map.len(), 10);
        for (position, len) in [(0, 10), (3, 4), (10, 0), (0, 0)] {
            let (mut mapped, mut read) = (vec![0; len], vec![0; len]);
            map.copy_at(position, &mut mapped).unwrap();
            file.read_exact_at(&mut read, position).unwrap();
            assert_eq!(mapped, read, "{len} at {position}");
        }
        for (position, len) in [(0, 11), (7, 4), (11, 0), (u64::MAX, 1)] {
            let error = map.copy_at(position, &mut vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{len} at {position}");
        }
    }
}
