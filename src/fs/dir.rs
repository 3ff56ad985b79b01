//! A directory beneath a root that is held open: names, and whether they survive power loss.

use std::io;
use std::path::Path;

use super::file::File;
#[cfg(feature = "sim")]
use super::sim;
use super::{Access, Entry, Stamp, os};
use crate::planted::{self, Bug};

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
    #[cfg(feature = "sim")]
    Sim(sim::Dir),
}

/// A lock that this process holds until it is dropped. See [`Dir::lock`].
#[derive(Debug)]
pub(crate) struct Lock(LockInner);

#[derive(Debug)]
enum LockInner {
    Os(os::Lock),
    #[cfg(feature = "sim")]
    Sim(sim::Lock),
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
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.path(),
        }
    }

    /// Which boot of its machine it is: another value means that the page cache has been lost since.
    /// `None` where the machine does not tell.
    pub(crate) fn boot_id(&self) -> Option<[u8; 16]> {
        match &self.0 {
            Inner::Os(_) => os::boot_id(),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => Some(dir.boot_id()),
        }
    }

    /// The number of this process on its machine.
    pub(crate) fn process_id(&self) -> u32 {
        match &self.0 {
            Inner::Os(_) => std::process::id(),
            // One seed decides all.
            #[cfg(feature = "sim")]
            Inner::Sim(_) => 1,
        }
    }

    /// 128 bits that its machine draws nowhere else. They keep no secret, they only differ.
    pub(crate) fn random_bits(&self) -> u128 {
        match &self.0 {
            Inner::Os(_) => os::random_bits(),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.random_bits(),
        }
    }

    /// The operating system's, unless it is of a simulated disk.
    #[cfg_attr(
        not(feature = "sim"),
        expect(clippy::unnecessary_wraps, reason = "a simulated directory has none")
    )]
    pub(super) fn as_os(&self) -> io::Result<&os::Dir> {
        match &self.0 {
            Inner::Os(dir) => Ok(dir),
            #[cfg(feature = "sim")]
            Inner::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The root of a simulated disk.
    #[cfg(feature = "sim")]
    pub(super) fn from_sim(dir: sim::Dir) -> Dir {
        Dir(Inner::Sim(dir))
    }

    /// The directory `name` in this one, whether or not it is there: this does no I/O.
    pub(crate) fn child(&self, name: &str) -> Dir {
        match &self.0 {
            Inner::Os(dir) => Dir(Inner::Os(dir.child(name))),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => Dir(Inner::Sim(dir.child(name))),
        }
    }

    /// Whether it is there. Fails if its name is that of something else.
    pub(crate) fn exists(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Os(dir) => dir.exists(),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.exists(),
        }
    }

    /// How the directory is now; `None` if it is not there.
    pub(crate) fn stamp(&self) -> io::Result<Option<Stamp>> {
        match &self.0 {
            Inner::Os(dir) => dir.stamp(),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.stamp(),
        }
    }

    /// How what `name` names is now, a link itself and not what it leads to; `None` if nothing.
    pub(crate) fn stamp_of(&self, name: &str) -> io::Result<Option<Stamp>> {
        match &self.0 {
            Inner::Os(dir) => dir.stamp_of(name),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.stamp_of(name),
        }
    }

    /// A new, empty file (0640) for reading and writing; `AlreadyExists` if the name is taken.
    ///
    /// Power loss can take the name away until the directory is synced.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        match &self.0 {
            Inner::Os(dir) => dir.create(name).map(File::from_os),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.create(name).map(File::from_sim),
        }
    }

    /// The file `name`, which must be there. `InvalidInput` if it is no regular file; a link is
    /// refused too, and a pipe without waiting for its other end. Changes nothing.
    pub(crate) fn open(&self, name: &str, access: Access) -> io::Result<File> {
        match &self.0 {
            Inner::Os(dir) => dir.open(name, access).map(File::from_os),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.open(name, access).map(File::from_sim),
        }
    }

    /// The names in it, sorted, without `.` and `..`. What is made or removed meanwhile may be in it
    /// or not.
    pub(crate) fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = match &self.0 {
            Inner::Os(dir) => dir.list()?,
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.list()?,
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
            #[cfg(feature = "sim")]
            (Inner::Sim(dir), Inner::Sim(to_dir)) => dir.rename_into(from, to_dir, to),
            #[cfg(feature = "sim")]
            _ => Err(io::ErrorKind::CrossesDevices.into()),
        }
    }

    /// Removes the name of a file (of a link: the link). Who has the file open keeps it.
    ///
    /// Until the directory is synced power loss can bring it back.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.remove(name),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.remove(name),
        }
    }

    /// Makes the directory `name` (0750) in this one; `AlreadyExists` if the name is taken.
    ///
    /// Until *this* directory is synced power loss can take the new one away, with all that is in
    /// it.
    pub(crate) fn create_dir(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.create_dir(name),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.create_dir(name),
        }
    }

    /// Removes the directory `name`, which must be empty.
    ///
    /// Until this directory is synced power loss can bring it back.
    pub(crate) fn remove_dir(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.remove_dir(name),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.remove_dir(name),
        }
    }

    /// Once it returns, all that was made, renamed and removed in this directory before the call
    /// survives power loss. Not the content of files, nor this directory's own name.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.0 {
            Inner::Os(dir) => dir.sync(),
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => dir.sync(),
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
            #[cfg(feature = "sim")]
            Inner::Sim(dir) => Ok(dir.lock(name)?.map(|lock| Lock(LockInner::Sim(lock)))),
        }
    }

    /// All of a file that others replace whole; `None` if it, or this directory, is not there.
    /// `InvalidData` if it is longer than `limit` bytes. Changes nothing.
    pub(crate) fn read_small(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(name, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A directory or a pipe in its place: none of its bytes are there.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            opened => opened?,
        };
        let len = file.len()?;
        let fits = usize::try_from(len).ok().filter(|_| len <= limit);
        let Some(fits) = fits else {
            let why = format!("{len} bytes long, longer than the {limit} that are read of it");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(fits).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(fits, 0);
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
        if planted::on(Bug::SmallFileNotSynced) { Ok(()) } else { file.sync() }
    }
}

impl Lock {
    /// Whether the file that is locked still bears the name under which it was locked. If not,
    /// somebody removed or replaced it by hand, and another process may hold "the" lock too.
    pub(crate) fn is_still_named(&self) -> io::Result<bool> {
        match &self.0 {
            LockInner::Os(lock) => lock.is_still_named(),
            #[cfg(feature = "sim")]
            LockInner::Sim(lock) => lock.is_still_named(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::sys::stat::Mode;

    use super::*;
    use crate::fs::Kind;

    fn root() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        (temp, dir)
    }

    fn names(dir: &Dir) -> Vec<(String, Kind)> {
        dir.list().unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect()
    }

    fn kind_of<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn a_root_is_made_with_all_that_is_missing_above_it_and_opened_if_it_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/c");
        assert_eq!(kind_of(Dir::open_root(&path)), ErrorKind::NotFound);
        Dir::open_or_create(&path).unwrap().create("file").unwrap();
        let again = Dir::open_or_create(&path).unwrap();
        assert_eq!(names(&again), [("file".to_owned(), Kind::File)]);
        assert_eq!(again.path(), path);
        for (made, most) in [("a", 0o750), ("a/b/c", 0o750), ("a/b/c/file", 0o640)] {
            let mode = temp.path().join(made).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777 & !most, 0, "{made} is open to more than {most:o}");
        }
        assert_eq!(kind_of(Dir::open_or_create(&path.join("file"))), ErrorKind::NotADirectory);
        assert!(Dir::open_or_create(Path::new("")).is_err());
    }

    #[test]
    fn a_root_stays_the_same_directory_when_it_is_renamed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_or_create(&temp.path().join("before")).unwrap();
        std::fs::rename(temp.path().join("before"), temp.path().join("after")).unwrap();
        dir.create_dir("child").unwrap();
        dir.child("child").create("file").unwrap();
        assert!(temp.path().join("after/child/file").exists());
    }

    #[test]
    fn create_refuses_a_name_that_is_taken_and_changes_nothing() {
        let (temp, dir) = root();
        dir.create("file").unwrap().write_all_at(b"old", 0).unwrap();
        symlink("nowhere", temp.path().join("link")).unwrap();
        for taken in ["file", "link"] {
            assert_eq!(kind_of(dir.create(taken)), ErrorKind::AlreadyExists, "{taken}");
        }
        assert_eq!(dir.read_small("file", 9).unwrap().unwrap(), b"old");
    }

    #[test]
    fn open_takes_regular_files_only_and_waits_for_nobody() {
        let (temp, dir) = root();
        dir.create("file").unwrap();
        dir.create_dir("dir").unwrap();
        symlink("file", temp.path().join("link")).unwrap();
        nix::unistd::mkfifo(&temp.path().join("pipe"), Mode::S_IRWXU).unwrap();
        for access in [Access::Read, Access::Write] {
            dir.open("file", access).unwrap();
            assert_eq!(kind_of(dir.open("missing", access)), ErrorKind::NotFound);
            assert_eq!(kind_of(dir.open("pipe", access)), ErrorKind::InvalidInput);
            assert!(dir.open("link", access).is_err(), "a link, {access:?}");
            assert!(dir.open("dir", access).is_err(), "a directory, {access:?}");
        }
        assert_eq!(kind_of(dir.lock("pipe")), ErrorKind::InvalidInput);
        assert!(dir.lock("link").is_err());
    }

    #[test]
    fn a_file_opened_for_reading_cannot_be_written() {
        let (_temp, dir) = root();
        dir.create("file").unwrap();
        let file = dir.open("file", Access::Read).unwrap();
        assert!(file.write_all_at(b"x", 0).is_err());
        assert_eq!(file.len().unwrap(), 0);
    }

    #[test]
    fn no_name_leads_out_of_its_directory() {
        let (temp, dir) = root();
        std::fs::create_dir(temp.path().join("real")).unwrap();
        symlink("real", temp.path().join("link")).unwrap();
        for bad in ["", ".", "..", "a/b", "/", "/etc", "nul\0"] {
            assert_eq!(kind_of(dir.create(bad)), ErrorKind::InvalidInput, "{bad:?}");
            assert_eq!(kind_of(dir.child(bad).list()), ErrorKind::InvalidInput, "{bad:?}");
            assert_eq!(kind_of(dir.rename("real", bad)), ErrorKind::InvalidInput, "{bad:?}");
        }
        assert_eq!(kind_of(dir.child("link").create("file")), ErrorKind::NotADirectory);
        assert!(dir.child("link").exists().is_err(), "the name is that of something else");
        assert!(names(&dir.child("real")).is_empty());
    }

    #[test]
    fn a_child_may_be_named_before_it_is_there_and_nested() {
        let (_temp, dir) = root();
        let partition = dir.child("events-0");
        let quarantine = partition.child("quarantine");
        assert!(!quarantine.exists().unwrap() && !partition.exists().unwrap());
        assert_eq!(kind_of(quarantine.list()), ErrorKind::NotFound);
        assert_eq!(quarantine.read_small("file", 9).unwrap(), None);
        dir.create_dir("events-0").unwrap();
        partition.create_dir("quarantine").unwrap();
        assert_eq!(kind_of(dir.create_dir("events-0")), ErrorKind::AlreadyExists);
        quarantine.create("file").unwrap();
        quarantine.sync().unwrap();
        assert!(quarantine.exists().unwrap() && dir.exists().unwrap());
        assert_eq!(quarantine.path(), dir.path().join("events-0/quarantine"));
        assert_eq!(kind_of(partition.remove_dir("quarantine")), ErrorKind::DirectoryNotEmpty);
        quarantine.remove("file").unwrap();
        partition.remove_dir("quarantine").unwrap();
        assert!(!quarantine.exists().unwrap());
    }

    #[test]
    fn a_listing_is_sorted_and_says_what_is_not_ours() {
        let (temp, dir) = root();
        dir.create("b").unwrap();
        dir.create_dir("a").unwrap();
        symlink("b", temp.path().join("c")).unwrap();
        let foreign: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"d\xff");
        std::fs::write(temp.path().join(foreign), b"").unwrap();
        let expected =
            [("a", Kind::Dir), ("b", Kind::File), ("c", Kind::Other), ("d\u{fffd}", Kind::Other)]
                .map(|(name, kind)| (name.to_owned(), kind));
        assert_eq!(names(&dir), expected);
        assert_eq!(names(&dir), expected, "a listing begins at the start each time");
    }

    #[test]
    fn a_rename_takes_the_place_of_what_was_there() {
        let (_temp, dir) = root();
        dir.create("from").unwrap().write_all_at(b"new", 0).unwrap();
        dir.create("to").unwrap().write_all_at(b"old", 0).unwrap();
        dir.rename("from", "to").unwrap();
        dir.create_dir("below").unwrap();
        dir.rename_into("to", &dir.child("below"), "there").unwrap();
        assert_eq!(names(&dir), [("below".to_owned(), Kind::Dir)]);
        assert_eq!(dir.child("below").read_small("there", 3).unwrap().unwrap(), b"new");
        assert_eq!(kind_of(dir.rename("from", "to")), ErrorKind::NotFound);
    }

    #[test]
    fn a_small_file_is_read_whole_or_refused() {
        let (_temp, dir) = root();
        assert_eq!(dir.read_small("file", 9).unwrap(), None);
        dir.replace_small("file", b"12345").unwrap();
        assert_eq!(dir.read_small("file", 5).unwrap().unwrap(), b"12345");
        let error = dir.read_small("file", 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "5 bytes long, longer than the 4 that are read of it");
    }

    #[test]
    fn a_small_file_is_replaced_whole_and_leaves_no_temporary_file() {
        let (_temp, dir) = root();
        dir.create("file.tmp").unwrap().write_all_at(b"left by a crash", 0).unwrap();
        for content in [&b"the longer content"[..], b"short", b""] {
            dir.replace_small("file", content).unwrap();
            assert_eq!(dir.read_small("file", 99).unwrap().unwrap(), content);
            assert_eq!(names(&dir), [("file".to_owned(), Kind::File)]);
        }
        dir.create_dir("dir").unwrap();
        assert!(dir.replace_small("dir", b"x").is_err());
        assert!(names(&dir).iter().all(|(name, _)| name != "dir.tmp"));
    }
}
