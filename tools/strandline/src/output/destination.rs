//! Where a verb writes to when it is not standard output: never into an input, never into a log
//! directory that is in use, whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::exit::{Exit, Failure, Result, name_of};
use crate::interrupt::{Unfinished, remove};

/// A place to write to. What is written stands under another name until it is finished, and is
/// removed if it never is.
#[derive(Debug)]
pub(crate) struct Destination {
    to: PathBuf,
    tmp: PathBuf,
    finished: bool,
    _noted: Unfinished,
}

impl Destination {
    /// Checks that `to` may be written: it is not there, or an empty directory; it is none of the
    /// inputs, holds none and lies in none; no log directory around it is in use.
    ///
    /// # Errors
    ///
    /// Refused, with what is in the way.
    pub(crate) fn new(to: &Path, inputs: &[PathBuf]) -> Result<Destination> {
        let refused = |why: String| {
            let message = format!("{}: {why}; nothing was written", name_of(to));
            Err(Failure { exit: Exit::Refused, message, of_output: false })
        };
        let empty = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none());
        if fs::symlink_metadata(to).is_ok() && !empty {
            return refused("it is there already".to_owned());
        }
        let whole = whole(to).map_err(|error| Failure::io("write", to, &error))?;
        for input in inputs {
            let Ok(input) = input.canonicalize() else { continue };
            let dir =
                if input.is_dir() { input.as_path() } else { input.parent().unwrap_or(&input) };
            if whole.starts_with(dir) || input.starts_with(&whole) {
                return refused(format!("it is, holds or lies in the input {}", name_of(&input)));
            }
        }
        if let Some(dir) = whole.ancestors().find(|dir| is_locked(&dir.join(".lock"))) {
            return refused(format!("the log directory {} is in use", name_of(dir)));
        }
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let tmp = to.with_file_name(name);
        if fs::symlink_metadata(&tmp).is_ok() {
            return refused(format!("{} is there, of an earlier run", name_of(&tmp)));
        }
        let noted = Unfinished::new(&tmp);
        Ok(Destination { to: to.to_path_buf(), tmp, finished: false, _noted: noted })
    }

    /// Where to write until it is finished.
    pub(crate) fn path(&self) -> &Path {
        &self.tmp
    }

    /// Makes what was written durable, and gives it its name.
    pub(crate) fn finish(mut self) -> Result<()> {
        let failed = |error: io::Error| Failure::io("write", &self.to, &error);
        sync(&self.tmp).map_err(failed)?;
        if self.to.is_dir() && self.tmp.is_dir() {
            fs::remove_dir(&self.to).map_err(failed)?;
        }
        fs::rename(&self.tmp, &self.to).map_err(failed)?;
        let parent = self.to.parent().filter(|parent| *parent != Path::new(""));
        let parent = File::open(parent.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
        parent.map_err(failed)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if !self.finished {
            remove(&self.tmp);
        }
    }
}

/// A path that needs not exist, without links and dots in the part that does.
fn whole(path: &Path) -> io::Result<PathBuf> {
    if let Ok(whole) = path.canonicalize() {
        return Ok(whole);
    }
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new(".")).canonicalize()?;
    Ok(parent.join(path.file_name().ok_or(io::ErrorKind::InvalidInput)?))
}

/// Syncs a file, or a directory with all that is in it.
fn sync(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// Whether another process holds the lock of a log directory.
fn is_locked(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else { return false };
    let mut wanted = libc::flock {
        l_type: libc::F_RDLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let asked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut wanted));
    asked.is_ok() && i32::from(wanted.l_type) != libc::F_UNLCK
}

/// Gathers what is written, for one write.
pub(crate) struct Gathered<W: Write> {
    pub(crate) bytes: Vec<u8>,
    to: W,
}

impl<W: Write> Gathered<W> {
    pub(crate) fn new(to: W) -> Gathered<W> {
        Gathered { bytes: Vec::with_capacity(512 << 10), to }
    }

    /// Writes once it is enough.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.bytes.len() < 256 << 10 { Ok(()) } else { self.flush() }
    }

    /// Writes all.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.bytes)?;
        self.bytes.clear();
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_leaves_nothing_and_what_is_there_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let to = temp.path().join("out");
        let destination = Destination::new(&to, &[]).unwrap();
        fs::write(destination.path(), "half").unwrap();
        drop(destination);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        let destination = Destination::new(&to, &[]).unwrap();
        fs::write(destination.path(), "whole").unwrap();
        destination.finish().unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"whole");
        assert_eq!(Destination::new(&to, &[]).unwrap_err().exit, Exit::Refused);
    }

    #[test]
    fn nothing_is_written_into_an_input_or_around_it() {
        let temp = tempfile::tempdir().unwrap();
        let input = temp.path().join("t-0");
        fs::create_dir(&input).unwrap();
        fs::write(input.join("00000000000000000000.log"), "").unwrap();
        let log = input.join("00000000000000000000.log");
        for (to, inputs) in
            [(input.join("out"), vec![input.clone()]), (input.join("out"), vec![log])]
        {
            assert_eq!(Destination::new(&to, &inputs).unwrap_err().exit, Exit::Refused);
        }
        assert!(Destination::new(&temp.path().join("out"), &[input]).is_ok());
    }
}
