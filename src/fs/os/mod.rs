//! The operating system's files and directories: the one place that calls it.

mod dir;
mod file;
mod lock;
#[cfg(target_os = "linux")]
mod watch;
#[cfg(not(target_os = "linux"))]
#[path = "no_watch.rs"]
mod watch;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use nix::errno::Errno;
use nix::libc::off_t;
use nix::sys::stat::FileStat;

pub(super) use dir::Dir;
pub(super) use file::File;
pub(super) use lock::Lock;
pub(super) use watch::Watch;

use super::Stamp;

/// Calls again as long as a signal interrupts the call.
fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return Ok(done?),
        }
    }
}

/// A position as the operating system counts; `InvalidInput` beyond that.
fn offset(position: u64) -> io::Result<off_t> {
    off_t::try_from(position).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// What a status says of which file it is and how it is.
fn stamp(stat: &FileStat) -> Stamp {
    let seconds = i128::from(stat.st_ctime);
    Stamp {
        inode: (stat.st_dev, stat.st_ino),
        len: stat.st_size.unsigned_abs(),
        changed_ns: seconds * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
    }
}

/// See [`super::Dir::boot_id`].
pub(super) fn boot_id() -> Option<[u8; 16]> {
    parse_boot_id(&std::fs::read("/proc/sys/kernel/random/boot_id").ok()?)
}

/// See [`super::Dir::random_bits`]. The standard library's hash keys, which the operating system
/// seeds, do for that without a dependency.
pub(super) fn random_bits() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}

/// Reads a UUID of 32 hexadecimal digits, with hyphens anywhere.
fn parse_boot_id(text: &[u8]) -> Option<[u8; 16]> {
    let mut id = 0_u128;
    let mut digits = 0;
    for &byte in text.trim_ascii().iter().filter(|&&byte| byte != b'-') {
        let digit = char::from(byte).to_digit(16)?;
        id = (id << 4) | u128::from(digit);
        digits += 1;
    }
    (digits == 32).then_some(id.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_read_whole_or_not_at_all() {
        let id = parse_boot_id(b"01234567-89ab-cdef-0123-456789abcdef\n").unwrap();
        assert_eq!(id[..4], [0x01, 0x23, 0x45, 0x67]);
        assert_eq!(id[12..], [0x89, 0xab, 0xcd, 0xef]);
        assert_eq!(parse_boot_id(b"01234567-89ab-cdef-0123-456789abcde"), None);
        assert_eq!(parse_boot_id(b"01234567-89ab-cdef-0123-456789abcdef0"), None);
        assert_eq!(parse_boot_id(b"01234567-89ab-cdef-0123-456789abcdeg"), None);
        assert_eq!(parse_boot_id(b""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_boot_id_is_the_same_within_a_boot() {
        assert!(boot_id().is_some());
        assert_eq!(boot_id(), boot_id());
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut left = 3;
        let done = uninterrupted(|| {
            left -= 1;
            if left > 0 { Err(Errno::EINTR) } else { Ok(7) }
        });
        assert_eq!((done.unwrap(), left), (7, 0));
    }
}
