//! Directories of the operating system, reached beneath the root's descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, close, fsync, unlinkat};

use super::{File, Lock, stamp, uninterrupted};
use crate::fs::{Access, Entry, Kind, Stamp};

/// What a directory is made with, less the umask.
const DIR_MODE: Mode = Mode::from_bits_truncate(0o750);
/// What a file is made with, less the umask.
const FILE_MODE: Mode = Mode::from_bits_truncate(0o640);
/// How a directory is opened: for listing and syncing.
const DIR_FLAGS: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
/// How a file is opened: never through a link.
const FILE_FLAGS: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_CLOEXEC);
/// How a name is opened that may be a pipe's or a terminal's: without waiting for the other end,
/// without being governed by it.
const WARY: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);

/// See [`crate::fs::Dir`].
#[derive(Clone, Debug)]
pub(in crate::fs) struct Dir(Arc<Node>);

#[derive(Debug)]
struct Node {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Root(OwnedFd),
    Beneath { parent: Dir, name: String },
}

/// A directory's descriptor for the time of a call.
pub(super) enum Descriptor<'a> {
    Held(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Held(fd) => fd.as_fd(),
            Descriptor::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Dir {
    pub(in crate::fs) fn open_or_create(path: &Path) -> io::Result<Dir> {
        Ok(Dir::root(path, open_or_create(path)?))
    }

    pub(in crate::fs) fn open_root(path: &Path) -> io::Result<Dir> {
        Ok(Dir::root(path, open_dir(AT_FDCWD, path, DIR_FLAGS)?))
    }

    fn root(path: &Path, fd: OwnedFd) -> Dir {
        Dir(Arc::new(Node { path: path.to_owned(), place: Place::Root(fd) }))
    }

    pub(in crate::fs) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(in crate::fs) fn child(&self, name: &str) -> Dir {
        let place = Place::Beneath { parent: self.clone(), name: name.to_owned() };
        Dir(Arc::new(Node { path: self.path().join(name), place }))
    }

    pub(in crate::fs) fn exists(&self) -> io::Result<bool> {
        match self.descriptor() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(in crate::fs) fn stamp(&self) -> io::Result<Option<Stamp>> {
        match self.descriptor().and_then(|dir| uninterrupted(|| fstat(&dir))) {
            Ok(stat) => Ok(Some(stamp(&stat))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(in crate::fs) fn stamp_of(&self, name: &str) -> io::Result<Option<Stamp>> {
        Ok(look_at(self.descriptor()?, component(name)?)?.as_ref().map(stamp))
    }

    pub(in crate::fs) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        // Nothing that can fail comes after it: an error must not leave the file behind.
        Ok(File::new(self.open_fd(name, flags)?))
    }

    pub(in crate::fs) fn open(&self, name: &str, access: Access) -> io::Result<File> {
        let flags = match access {
            Access::Read => OFlag::O_RDONLY,
            Access::Write => OFlag::O_RDWR,
        };
        File::regular(self.open_fd(name, WARY | flags)?)
    }

    /// Opens a file to lock; makes it if it is missing.
    pub(super) fn open_to_lock(&self, name: &str) -> io::Result<File> {
        File::regular(self.open_fd(name, WARY | OFlag::O_RDWR | OFlag::O_CREAT)?)
    }

    fn open_fd(&self, name: &str, flags: OFlag) -> io::Result<OwnedFd> {
        let (dir, name) = (self.descriptor()?, component(name)?);
        uninterrupted(|| openat(&dir, name, FILE_FLAGS | flags, FILE_MODE))
    }

    pub(in crate::fs) fn list(&self) -> io::Result<Vec<Entry>> {
        let dir = self.descriptor()?;
        loop {
            match list_once(dir.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                listed => return listed,
            }
        }
    }

    pub(in crate::fs) fn rename_into(&self, from: &str, to_dir: &Dir, to: &str) -> io::Result<()> {
        let (from_fd, to_fd) = (self.descriptor()?, to_dir.descriptor()?);
        let (from, to) = (component(from)?, component(to)?);
        uninterrupted(|| renameat(&from_fd, from, &to_fd, to))
    }

    pub(in crate::fs) fn remove(&self, name: &str) -> io::Result<()> {
        let (dir, name) = (self.descriptor()?, component(name)?);
        uninterrupted(|| unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir))
    }

    pub(in crate::fs) fn create_dir(&self, name: &str) -> io::Result<()> {
        let (dir, name) = (self.descriptor()?, component(name)?);
        uninterrupted(|| mkdirat(&dir, name, DIR_MODE))
    }

    pub(in crate::fs) fn remove_dir(&self, name: &str) -> io::Result<()> {
        let (dir, name) = (self.descriptor()?, component(name)?);
        uninterrupted(|| unlinkat(&dir, name, UnlinkatFlags::RemoveDir))
    }

    pub(in crate::fs) fn sync(&self) -> io::Result<()> {
        sync_dir(self.descriptor()?)
    }

    pub(in crate::fs) fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        Lock::take(self, name)
    }

    /// The device and inode that `name` names now, not following a link; `None` if nothing.
    pub(super) fn identity(&self, name: &str) -> io::Result<Option<(u64, u64)>> {
        let stat = look_at(self.descriptor()?, component(name)?)?;
        Ok(stat.map(|stat| (stat.st_dev, stat.st_ino)))
    }

    /// Opens each directory between the root and this one beneath the one before, so that no link
    /// is followed anywhere on the way.
    pub(super) fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        match &self.0.place {
            Place::Root(fd) => Ok(Descriptor::Held(fd.as_fd())),
            Place::Beneath { parent, name } => {
                let (parent, name) = (parent.descriptor()?, component(name)?);
                let flags = DIR_FLAGS | OFlag::O_NOFOLLOW;
                Ok(Descriptor::Opened(open_dir(&parent, Path::new(name), flags)?))
            }
        }
    }
}

/// A name that cannot leave the directory in which it is sought.
fn component(name: &str) -> io::Result<&str> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        let why = format!("{name:?} is no name of a file in a directory");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(name)
}

fn open_dir(at: impl AsFd, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    uninterrupted(|| openat(&at, path, flags, Mode::empty()))
}

fn sync_dir(dir: impl AsFd) -> io::Result<()> {
    uninterrupted(|| fsync(&dir))
}

/// Opens `path`, and makes what is missing of it. Each directory that is made is synced into its
/// parent before the next, so an earlier call that died can have left no more than its last one
/// unsynced: the deepest that is there already is synced into its parent too.
fn open_or_create(path: &Path) -> io::Result<OwnedFd> {
    match open_dir(AT_FDCWD, path, DIR_FLAGS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => {
            let dir = opened?;
            sync_into_parent(&dir)?;
            return Ok(dir);
        }
    }
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => open_or_create(parent)?,
        _ => open_dir(AT_FDCWD, Path::new("."), DIR_FLAGS)?,
    };
    match uninterrupted(|| mkdirat(&parent, name, DIR_MODE)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_dir(&parent)?;
    open_dir(&parent, Path::new(name), DIR_FLAGS)
}

/// Syncs the directory that holds `dir`. One that we may not open, or that cannot be synced, is not
/// one in which we could have made it.
fn sync_into_parent(dir: &OwnedFd) -> io::Result<()> {
    let errno = |error: &io::Error| error.raw_os_error().map(Errno::from_raw);
    match open_dir(dir, Path::new(".."), DIR_FLAGS) {
        Ok(parent) => match sync_dir(parent) {
            Err(error)
                if matches!(errno(&error), Some(Errno::EINVAL | Errno::EROFS | Errno::ENOTSUP)) =>
            {
                Ok(())
            }
            synced => synced,
        },
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

fn list_once(dir: impl AsFd + Copy) -> io::Result<Vec<Entry>> {
    // Opened anew, for the place in the listing belongs to a descriptor and its copies.
    let mut stream = stream(open_dir(dir, Path::new("."), DIR_FLAGS)?)?;
    let mut entries = Vec::new();
    for entry in stream.iter() {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, kind: Kind::Other });
            continue;
        };
        if name == "." || name == ".." {
            continue;
        }
        if let Some(kind) = kind(dir, name, entry.file_type())? {
            entries.push(Entry { name: name.to_owned(), kind });
        }
    }
    Ok(entries)
}

/// Reads a directory by its descriptor.
fn stream(fd: OwnedFd) -> io::Result<nix::dir::Dir> {
    let raw = fd.as_raw_fd();
    nix::dir::Dir::from_fd(fd).map_err(|error| {
        // It promises to close it, and does not.
        let _ = close(raw);
        error.into()
    })
}

/// What `name` names, not following a link; `None` if nothing.
fn look_at(dir: impl AsFd, name: &str) -> io::Result<Option<FileStat>> {
    match uninterrupted(|| fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What `name` is; `None` if it has gone meanwhile.
fn kind(dir: impl AsFd, name: &str, told: Option<Type>) -> io::Result<Option<Kind>> {
    let kind = match told {
        Some(Type::File) => Kind::File,
        Some(Type::Directory) => Kind::Dir,
        Some(_) => Kind::Other,
        None => match look_at(dir, name)? {
            Some(stat) => match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
                SFlag::S_IFREG => Kind::File,
                SFlag::S_IFDIR => Kind::Dir,
                _ => Kind::Other,
            },
            None => return Ok(None),
        },
    };
    Ok(Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_cannot_be_listed_is_closed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = stream(file.reopen().unwrap().into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let open = open.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
        assert_eq!(open.filter(|path| path == file.path()).count(), 1, "the first one alone");
    }

    #[test]
    fn a_file_system_that_does_not_tell_the_kind_is_asked_for_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        dir.create("file").unwrap();
        dir.create_dir("dir").unwrap();
        std::os::unix::fs::symlink("file", temp.path().join("link")).unwrap();
        let fd = dir.descriptor().unwrap();
        for (name, expected) in [
            ("file", Some(Kind::File)),
            ("dir", Some(Kind::Dir)),
            ("link", Some(Kind::Other)),
            ("gone", None),
        ] {
            assert_eq!(kind(&fd, name, None).unwrap(), expected, "{name}");
        }
    }
}
