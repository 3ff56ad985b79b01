//! A lock on a file that belongs to the open file, not to the process: it excludes a second one in
//! this process too, and is not lost when somebody opens and closes the same file.

use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

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
            let file = dir.open_to_lock(name)?;
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
        let held = self.file.metadata()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn a_lock_excludes_another_in_this_process_until_it_is_dropped() {
        let (temp, dir) = root();
        let held = dir.lock(".lock").unwrap().unwrap();
        assert!(dir.lock(".lock").unwrap().is_none());
        // Another way to the same directory is no way around it.
        assert!(Dir::open_root(temp.path()).unwrap().lock(".lock").unwrap().is_none());
        assert!(dir.lock("another").unwrap().is_some());
        drop(held);
        assert!(dir.lock(".lock").unwrap().is_some());
        assert!(temp.path().join(".lock").exists(), "the file is never removed");
    }

    #[test]
    fn a_lock_outlives_another_close_of_its_file() {
        let (_temp, dir) = root();
        let _held = dir.lock(".lock").unwrap().unwrap();
        drop(dir.open(".lock", crate::fs::Access::Write).unwrap());
        assert!(dir.lock(".lock").unwrap().is_none());
    }

    #[test]
    fn a_lock_file_that_is_replaced_or_removed_is_noticed() {
        let (temp, dir) = root();
        let held = dir.lock(".lock").unwrap().unwrap();
        assert!(held.is_still_named().unwrap());
        std::fs::rename(temp.path().join(".lock"), temp.path().join("moved")).unwrap();
        assert!(!held.is_still_named().unwrap(), "removed");
        let second = dir.lock(".lock").unwrap().unwrap();
        assert!(!held.is_still_named().unwrap(), "replaced");
        assert!(second.is_still_named().unwrap());
        drop(second);
        std::fs::rename(temp.path().join("moved"), temp.path().join(".lock")).unwrap();
        assert!(held.is_still_named().unwrap());
        assert!(dir.lock(".lock").unwrap().is_none());
    }

    #[test]
    fn many_takers_at_once_never_hold_it_together() {
        let (_temp, dir) = root();
        let holders = std::sync::atomic::AtomicUsize::new(0);
        let taken = std::sync::atomic::AtomicUsize::new(0);
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Some(_lock) = dir.lock(".lock").unwrap() else { continue };
                        assert_eq!(holders.fetch_add(1, order), 0);
                        taken.fetch_add(1, order);
                        holders.fetch_sub(1, order);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }
}
