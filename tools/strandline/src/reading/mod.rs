//! Reading Kafka's files without a store: as little of them as a question needs.

pub(crate) mod batches;
pub(crate) mod committed;
pub(crate) mod headers;
pub(crate) mod pace;
pub(crate) mod peek;
pub(crate) mod place;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Linux's `O_NOATIME`: the time of access stays as it was. Only a file's owner may ask for it.
#[cfg(target_os = "linux")]
const NO_ACCESS_TIME: i32 = 0o1_000_000;
#[cfg(not(target_os = "linux"))]
const NO_ACCESS_TIME: i32 = 0;

/// Opens a file for reading, without a trace where that is allowed.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let quiet = OpenOptions::new().read(true).custom_flags(NO_ACCESS_TIME).open(path);
    match quiet {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

/// Reads at a position as much as there is, up to the buffer's length.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match file.read_at(&mut buffer[have..], position + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
