//! Where a mended copy may go.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure, Result, name_of};
use crate::interrupt::Unfinished;

/// Where a copy goes, and where it is built.
pub(crate) struct Place {
    pub(crate) to: PathBuf,
    pub(crate) building: PathBuf,
    /// Directories above that are to be made, from above.
    missing: Vec<PathBuf>,
}

/// It stands in a directory while a copy is built there: so it can be told from one of the user's.
pub(crate) const UNDER_WAY: &str = "strandline-repair.part";

fn refused(path: &Path, why: &str) -> Failure {
    let message = format!("{}: {why}", name_of(path));
    Failure { exit: Exit::Refused, message, of_output: false }
}

/// Refuses a place that is not safe to write to.
///
/// # Errors
///
/// `Refused`, or what the system says.
pub(crate) fn check(to: &Path, input: &Path) -> Result<Place> {
    let failed = |path: &Path, error: io::Error| Failure::io("look at", path, &error);
    match fs::read_dir(to).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            return Err(refused(to, "it is not empty; say a directory that is not there yet"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(refused(to, "it is a file"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(to, error)),
        _ => {}
    }
    let name = to.file_name().ok_or_else(|| refused(to, "a new directory is wanted"))?;
    let (there, missing) = parents(to).map_err(|error| failed(to, error))?;
    let parent = missing.last().unwrap_or(&there).clone();
    let (real, input) = (parent.join(name), input.canonicalize().map_err(|e| failed(input, e))?);
    if real.starts_with(&input) || input.starts_with(&real) {
        return Err(refused(to, "it is, holds or lies inside what is to be mended"));
    }
    if parent.ancestors().any(|dir| is_locked(&dir.join(".lock"))) {
        let why = "it would lie in a log directory that is in use; say one elsewhere";
        return Err(refused(to, why));
    }
    let mut building = name.to_os_string();
    building.push(".tmp");
    Ok(Place { to: to.to_path_buf(), building: parent.join(building), missing })
}

/// The directory above `to` that is there, and those between that are not, from above.
fn parents(to: &Path) -> io::Result<(PathBuf, Vec<PathBuf>)> {
    let parent = to.parent().unwrap_or(Path::new(""));
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match parent.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What ends in `..` has no name that could be made.
            let name = parent.file_name().ok_or(error)?;
            let (there, mut missing) = parents(parent)?;
            let above = missing.last().unwrap_or(&there).join(name);
            missing.push(above);
            Ok((there, missing))
        }
        there => Ok((there?, Vec::new())),
    }
}

/// Whether a process holds a lock on the file, as the system lists them.
fn is_locked(path: &Path) -> bool {
    let (Ok(file), Ok(locks)) = (fs::metadata(path), fs::read_to_string("/proc/locks")) else {
        return false;
    };
    let (device, inode) = (file.dev(), file.ino());
    let (major, minor) = (device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff_ff00));
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().any(|line| line.split_whitespace().any(|word| word == wanted))
}

impl Place {
    /// Makes the directory in which the copy is built. What a killed run left there goes.
    pub(crate) fn begin(&self) -> Result<Unfinished> {
        let failed = |error: io::Error| Failure::io("make", &self.building, &error);
        if self.building.exists() {
            let is_empty = fs::read_dir(&self.building).map_err(failed)?.next().is_none();
            if !is_empty && !self.building.join(UNDER_WAY).exists() {
                let why = "it is in the way; remove it, or say another --to";
                return Err(refused(&self.building, why));
            }
            fs::remove_dir_all(&self.building).map_err(failed)?;
        }
        for dir in &self.missing {
            fs::create_dir(dir).map_err(|error| Failure::io("make", dir, &error))?;
        }
        let unfinished = Unfinished::new(&self.building);
        fs::create_dir(&self.building).map_err(failed)?;
        fs::write(self.building.join(UNDER_WAY), b"").map_err(failed)?;
        Ok(unfinished)
    }

    /// Gives the copy, which is whole, its name.
    pub(crate) fn finish(&self) -> Result<()> {
        let failed = |error: io::Error| Failure::io("make", &self.to, &error);
        fs::remove_file(self.building.join(UNDER_WAY)).map_err(failed)?;
        sync_dir(&self.building).map_err(failed)?;
        fs::rename(&self.building, &self.to).map_err(failed)?;
        // From the copy up to the directory that was there before.
        let mut made = self.building.ancestors().skip(1).take(self.missing.len() + 1);
        made.try_for_each(|dir| sync_dir(dir).map_err(failed))
    }

    /// Takes away what was built.
    pub(crate) fn give_up(&self) {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&self.building);
        for dir in self.missing.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
