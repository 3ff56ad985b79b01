//! A lock on a file that belongs to the open file, not to the process: it excludes a second one in
//! this process too, and is not lost when somebody opens and closes the same file.

use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use std::os::unix::fs::MetadataExt;

use super::{Dir, File, uninterrupted};

/// How often the lock is sought under its name while somebody keeps replacing the file.
const ATTEMPTS: usize = 8;

/// See [`crate::fs::Lock`].
#[derive(Debug)]
pub(in crate::fs) struct Lock {
    file: File,
    dir: Dir,
    name: String,
    /// The process that took it.
    pid: u32,
}

impl Lock {
    pub(super) fn take(dir: &Dir, name: &str) -> io::Result<Option<Lock>> {
        for _ in 0..ATTEMPTS {
            let file = dir.open_with(name, OFlag::O_RDWR | OFlag::O_CREAT)?;
            if !try_lock(&file)? {
                return Ok(None);
            }
            let (dir, name) = (dir.clone(), name.to_owned());
            let lock = Lock { file, dir, name, pid: std::process::id() };
            // Between the opening and the locking the file may have been removed or replaced: then
            // the next one to come would lock another file under the same name.
            if lock.is_still_named()? {
                return Ok(Some(lock));
            }
        }
        Err(io::Error::other("the lock file is replaced as often as it is locked"))
    }

    pub(in crate::fs) fn is_still_named(&self) -> io::Result<bool> {
        let held = self.file.os().metadata()?;
        Ok(self.dir.identity(&self.name)? == Some((held.dev(), held.ino())))
    }
}

impl Drop for Lock {
    /// Releases it at once, though a child of this process that is about to start another program
    /// may still have the descriptor. Such a child that ends instead must not release ours.
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // If it fails, closing the descriptor does the same.
            let _ = set_lock(&self.file, libc::F_UNLCK);
        }
    }
}

/// Locks the whole file; `false` if somebody holds it.
fn try_lock(file: &File) -> io::Result<bool> {
    use Errno::{EACCES, EAGAIN, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP};
    match set_lock(file, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(EAGAIN | EACCES) => Ok(false),
            Some(EINVAL | ENOLCK | ENOSYS | EOPNOTSUPP) => {
                let why = "the file system has no locks";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
            _ => Err(error),
        },
    }
}

#[cfg(target_os = "linux")]
fn set_lock(file: &File, kind: libc::c_int) -> io::Result<()> {
    let whole_file = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    uninterrupted(|| fcntl(file.os(), FcntlArg::F_OFD_SETLK(&whole_file))).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn set_lock(_file: &File, _kind: libc::c_int) -> io::Result<()> {
    Err(Errno::ENOSYS.into())
}
