//! Files of the operating system.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;
use nix::unistd::{Whence, lseek};

use super::{offset, stamp, uninterrupted};
use crate::fs::{Mapping, Stamp};

/// How often a write that would have to wait is tried again before that is an error.
const PATIENCE: u32 = 1000;

/// See [`crate::fs::File`].
#[derive(Debug)]
pub(in crate::fs) struct File(std::fs::File);

impl File {
    /// Takes a file that was just made.
    pub(super) fn new(fd: OwnedFd) -> File {
        File(fd.into())
    }

    /// Takes what was opened without waiting, if it is a regular file.
    pub(super) fn regular(fd: OwnedFd) -> io::Result<File> {
        let file = std::fs::File::from(fd);
        if !metadata(&file)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // Not waiting was for the opening alone: some file systems would take it for reads too.
        let flags = uninterrupted(|| fcntl(&file, FcntlArg::F_GETFL))?;
        let flags = OFlag::from_bits_retain(flags) & !OFlag::O_NONBLOCK;
        uninterrupted(|| fcntl(&file, FcntlArg::F_SETFL(flags)))?;
        Ok(File(file))
    }

    pub(super) fn os(&self) -> &std::fs::File {
        &self.0
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        metadata(&self.0)
    }

    pub(in crate::fs) fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, position.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    pub(in crate::fs) fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut patience = PATIENCE;
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.0.write_at(rest, position.saturating_add(done as u64)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && patience > 0 => {
                    patience -= 1;
                    std::thread::yield_now();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    pub(in crate::fs) fn reserve(&self, position: u64, len: u64) -> io::Result<()> {
        use nix::fcntl::{FallocateFlags, fallocate};
        let (position, len) = (offset(position)?, offset(len)?);
        let keep_size = FallocateFlags::FALLOC_FL_KEEP_SIZE;
        match uninterrupted(|| fallocate(&self.0, keep_size, position, len)) {
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            reserved => reserved,
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(in crate::fs) fn reserve(&self, _position: u64, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::fs) fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        // It moves the descriptor's own position, which nothing here uses.
        let position_of_os = offset(position)?;
        let sought = uninterrupted(|| lseek(&self.0, position_of_os, Whence::SeekData));
        let errno = |error: &io::Error| error.raw_os_error().map(Errno::from_raw);
        match sought.map_err(|error| (errno(&error), error)) {
            Ok(data) => Ok(u64::try_from(data).ok()),
            Err((Some(Errno::ENXIO), _)) => Ok(None),
            Err((Some(Errno::EINVAL | Errno::EOPNOTSUPP), _)) => {
                Ok((position < self.len()?).then_some(position))
            }
            Err((_, error)) => Err(error),
        }
    }

    pub(in crate::fs) fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    pub(in crate::fs) fn modified_ms(&self) -> io::Result<i64> {
        let metadata = self.metadata()?;
        let seconds = metadata.mtime().saturating_mul(1000);
        Ok(seconds.saturating_add(metadata.mtime_nsec() / 1_000_000))
    }

    pub(in crate::fs) fn stamp(&self) -> io::Result<Stamp> {
        Ok(stamp(&uninterrupted(|| fstat(&self.0))?))
    }

    pub(in crate::fs) fn set_modified_ms(&self, ms: i64) -> io::Result<()> {
        let part = std::time::Duration::from_millis(ms.unsigned_abs());
        let epoch = std::time::UNIX_EPOCH;
        let time = if ms < 0 { epoch.checked_sub(part) } else { epoch.checked_add(part) };
        self.0.set_modified(time.ok_or(io::ErrorKind::InvalidInput)?)
    }

    pub(in crate::fs) fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    pub(in crate::fs) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[expect(unsafe_code, reason = "a map is as safe as the promise that nobody cuts the file")]
    pub(in crate::fs) fn map(&self) -> io::Result<Mapping> {
        // SAFETY: the map is read-only and private to `Mapping`, which hands out no reference into
        // it, so no bytes that the compiler believes constant outlive one copy. Callers map only
        // files that no one writes or cuts; if somebody else does all the same, a copy may be mixed
        // of old and new, which the checksums over it show, or the process is killed by SIGBUS,
        // which the option that turns maps on says.
        let map = unsafe { memmap2::MmapOptions::new().map(&self.0)? };
        Ok(Mapping::from_os(map))
    }
}

fn metadata(file: &std::fs::File) -> io::Result<Metadata> {
    loop {
        match file.metadata() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            told => return told,
        }
    }
}
