//! What a call can be made to fail with.

use std::io;

use nix::errno::Errno;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing is changed.
    Error(i32),
    /// A write of more bytes than these stops after them, for lack of room. Other calls succeed.
    Short(usize),
    /// It fails if it is a sync. Of a directory it then fails for good, as journals do.
    Sync(SyncFault),
    /// Before it, write-back failed for every page that is on its way. The next sync of such a file
    /// says so once; nobody does if nobody has the file open by then.
    WriteBack,
}

/// What a sync that failed has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncFault {
    /// The pages are lost and count as clean; calls go on seeing them, and later syncs succeed.
    Cleaned,
    /// The pages are lost, and calls see what was there before them; later syncs succeed.
    FellBack,
    /// The pages stay on their way; every later sync of it fails too, until the machine boots.
    Sticky,
}

/// The errors that a disk and a system give, by name.
pub const ERRORS: [(&str, i32); 8] = [
    ("EIO", Errno::EIO as i32),
    ("ENOSPC", Errno::ENOSPC as i32),
    ("EDQUOT", Errno::EDQUOT as i32),
    ("EMFILE", Errno::EMFILE as i32),
    ("ENFILE", Errno::ENFILE as i32),
    ("EACCES", Errno::EACCES as i32),
    ("EROFS", Errno::EROFS as i32),
    ("ENOMEM", Errno::ENOMEM as i32),
];

pub(super) fn error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}
