//! A directory beneath a root that is held open: names, and whether they survive power loss.

use std::io;
use std::path::Path;

use super::file::File;
use super::{Access, Entry, os};

/// A directory, beneath a root that is held open. Cheap to clone; clones are the same directory.
///
/// Only the root keeps a descriptor. The others are opened beneath it for the time of a call, so
/// they may come, go and be renamed while a `Dir` names them. Names are single components: one
/// that is empty, `.`, `..` or holds a `/` is refused as `InvalidInput`.
#[derive(Clone, Debug)]
pub(crate) struct Dir(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Os(os::Dir),
}

/// A lock that this process holds until it is dropped. See [`Dir::lock`].
#[derive(Debug)]
pub(crate) struct Lock(LockInner);

#[derive(Debug)]
enum LockInner {
    Os(os::Lock),
}

impl Dir {
    /// The root at `path`; what is missing of it is made (0750).
    ///
    /// Once it returns the root survives power loss, also where an earlier call made it and died. A
    /// crash before that can leave any first part of the path.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Dir> {
        os::Dir::open_or_create(path).map(Inner::Os).map(Dir)
    }

    /// The root at `path`, which must be there. Changes nothing.
    pub(crate) fn open_root(path: &Path) -> io::Result<Dir> {
        os::Dir::open_root(path).map(Inner::Os).map(Dir)
    }

    /// Where it is, for messages. It is never used to reach anything.
    pub(crate) fn path(&self) -> &Path {
        match &self.0 {
            Inner::Os(dir) => dir.path(),
        }
    }

    /// The directory `name` in this one, whether or not it is there: this does no I/O.
    pub(crate) fn child(&self, name: &str) -> Dir {
        match &self.0 {
            Inner::Os(dir) => Dir(Inner::Os(dir.child(name))),
        }
    }

    /// Whether it is there. Fails if its name is that of something else.
    pub(crate) fn exists(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Os(dir) => dir.exists(),
        }
    }

    /// A new, empty file (0640) for reading and writing; `AlreadyExists` if the name is taken.
    ///
    /// Power loss can take the name away until the directory is synced.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        match &self.0 {
            Inner::Os(dir) => dir.create(name).map(File::from_os),
        }
    }

    /// The file `name`, which must be there. `InvalidInput` if it is no regular file; a link is
    /// refused too, and a pipe without waiting for its other end. Changes nothing.
    pub(crate) fn open(&self, name: &str, access: Access) -> io::Result<File> {
        match &self.0 {
            Inner::Os(dir) => dir.open(name, access).map(File::from_os),
        }
    }

    /// The names in it, sorted, without `.` and `..`. What is made or removed meanwhile may be in it
    /// or not.
    pub(crate) fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = match &self.0 {
            Inner::Os(dir) => dir.list()?,
        };
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Gives `from` the name `to`, in place of what bore it: a file that of a file, a directory that
    /// of an empty directory.
    ///
    /// At every moment `to` is the old or the new one. Until the directory is synced power loss can
    /// undo it; it says nothing of the content, so a file is synced before.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_into(from, self, to)
    }

    /// As [`Dir::rename`], into `to_dir`, on the same file system.
    ///
    /// Until both directories are synced power loss can leave either name, or both for the same
    /// file. Sync `to_dir` first: the other order can leave none.
    pub(crate) fn rename_into(&self, from: &str, to_dir: &Dir, to: &str) -> io::Result<()> {
        match (&self.0, &to_dir.0) {
            (Inner::Os(dir), Inner::Os(to_dir)) => dir.rename_into(from, to_dir, to),
        }
    }

    /// Removes the name of a file (of a link: the link). Who has the file open keeps it.
    ///
    /// Until the directory is synced power loss can bring it back.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.remove(name),
        }
    }

    /// Makes the directory `name` (0750) in this one; `AlreadyExists` if the name is taken.
    ///
    /// Until *this* directory is synced power loss can take the new one away, with all that is in
    /// it.
    pub(crate) fn create_dir(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.create_dir(name),
        }
    }

    /// Removes the directory `name`, which must be empty.
    ///
    /// Until this directory is synced power loss can bring it back.
    pub(crate) fn remove_dir(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.remove_dir(name),
        }
    }

    /// Once it returns, all that was made, renamed and removed in this directory before the call
    /// survives power loss. Not the content of files, nor this directory's own name.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.sync(),
        }
    }

    /// Locks the whole file `name` (made if missing, never removed) against every other locker, in
    /// this process or another; `None` if somebody holds it. `Unsupported` where the file system has
    /// no locks.
    ///
    /// The death of the process releases it. A crash can leave the file, which means nothing.
    pub(crate) fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        match &self.0 {
            Inner::Os(dir) => Ok(dir.lock(name)?.map(|lock| Lock(LockInner::Os(lock)))),
        }
    }

    /// All of a file that others replace whole; `None` if it, or this directory, is not there.
    /// `InvalidData` if it is longer than `limit` bytes. Changes nothing.
    pub(crate) fn read_small(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(name, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let len = file.len()?;
        let fits = usize::try_from(len).ok().filter(|_| len <= limit);
        let Some(fits) = fits else {
            let why = format!("{len} bytes long, longer than the {limit} that are read of it");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        let mut bytes = vec![0; fits];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Puts `bytes` in place of the file `name`, or makes it: `<name>.tmp` is written and synced,
    /// renamed over it, and the directory synced.
    ///
    /// A crash before it returns leaves the old content or the new, never a mixture, and perhaps
    /// the `.tmp`, which the next call removes. So does an error, without the `.tmp` where it can be
    /// removed; one of the last sync leaves open which of the two power loss would leave.
    pub(crate) fn replace_small(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.tmp");
        match self.remove(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        let written = self.write_new(&temporary, bytes);
        if let Err(error) = written.and_then(|()| self.rename(&temporary, name)) {
            // The first error is the one to tell; a `.tmp` that stays is removed by the next call.
            let _ = self.remove(&temporary);
            return Err(error);
        }
        self.sync()
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.create(name)?;
        file.write_all_at(bytes, 0)?;
        file.sync()
    }
}

impl Lock {
    /// Whether the file that is locked still bears the name under which it was locked. If not,
    /// somebody removed or replaced it by hand, and another process may hold "the" lock too.
    pub(crate) fn is_still_named(&self) -> io::Result<bool> {
        match &self.0 {
            LockInner::Os(lock) => lock.is_still_named(),
        }
    }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
