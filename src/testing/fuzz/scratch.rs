//! A directory for one input: made, filled, looked at, and removed.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::fs::{Access, Dir, Kind};

/// In memory, if there is such a place: what is tested is not the disk.
const IN_MEMORY: &str = "/dev/shm";

/// A file by name and content.
pub(super) type Named = (String, Vec<u8>);

/// A directory that is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Scratch {
    parent: Dir,
    name: String,
}

impl Scratch {
    pub(super) fn new() -> Result<Scratch> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let in_memory = Path::new(IN_MEMORY);
        let parent = if in_memory.is_dir() { in_memory.into() } else { std::env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("strandline-fuzz-{}-{number}", process::id());
        let failed = |error| Error::io("make a directory in", &parent, error);
        let parent = Dir::open_root(&parent).map_err(failed)?;
        let made = parent.create_dir(&name);
        made.map_err(|error| Error::io("make a directory in", parent.path(), error))?;
        Ok(Scratch { parent, name })
    }

    pub(super) fn dir(&self) -> Dir {
        self.parent.child(&self.name)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.parent.path().join(&self.name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over hurts nobody.
        let _ = empty(&self.dir());
        let _ = self.parent.remove_dir(&self.name);
    }
}

fn empty(dir: &Dir) -> std::io::Result<()> {
    for entry in dir.list()? {
        if entry.kind == Kind::Dir {
            empty(&dir.child(&entry.name))?;
            dir.remove_dir(&entry.name)?;
        } else {
            dir.remove(&entry.name)?;
        }
    }
    Ok(())
}

/// Writes files into `dir`; one that is there is replaced.
pub(super) fn fill<'a>(dir: &Dir, files: impl IntoIterator<Item = &'a Named>) -> Result<()> {
    for (name, bytes) in files {
        let written = dir.create(name).and_then(|file| file.write_all_at(bytes, 0));
        written.map_err(|error| Error::io("write", dir.path().join(name), error))?;
    }
    Ok(())
}

/// The files in `dir`, in order of name.
pub(super) fn read(dir: &Dir) -> Result<Vec<Named>> {
    let failed = |name: &str, error| Error::io("read", dir.path().join(name), error);
    let mut files = Vec::new();
    for entry in dir.list().map_err(|error| failed("", error))? {
        if entry.kind == Kind::File {
            let bytes = read_file(dir, &entry.name).map_err(|error| failed(&entry.name, error))?;
            files.push((entry.name, bytes));
        }
    }
    Ok(files)
}

fn read_file(dir: &Dir, name: &str) -> std::io::Result<Vec<u8>> {
    let file = dir.open(name, Access::Read)?;
    let mut bytes = vec![0; file.len()? as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
