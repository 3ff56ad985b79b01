//! Files and directories without meaning: the only module that names the operating system's.
//!
//! The surface is ours, not POSIX's. Files and directories are reached by their name in a [`Dir`]
//! beneath a root that is held open, never through a link, and read and written at positions. Each
//! method says what a crash right after it can leave, in these words:
//!
//! - *process death* keeps every call that returned;
//! - *power loss* keeps the bytes and length that [`File::sync`] covered, and the names that
//!   [`Dir::sync`] covered; of the rest any part, in any order, and a sector of the file that was
//!   being written may be torn. Syncing a file says nothing of its name, and the reverse.
//!
//! `EINTR` and partial transfers are dealt with inside. Other errors are the operating system's,
//! without a path: who knows what the file is for adds it.

mod dir;
mod file;
mod handles;
mod mapping;
mod os;
mod watch;
#[cfg(feature = "sim")]
pub(crate) mod sim;

pub(crate) use dir::{Dir, Lock};
pub(crate) use file::File;
pub(crate) use handles::{At, Handle, Handles};
pub(crate) use mapping::Mapping;
pub(crate) use watch::{Seen, Watch};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading alone.
    Read,
    /// Reading and writing.
    Write,
}

/// Which file or directory it is, and how it was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Device and number: no other one has them, as long as this one is there.
    pub(crate) inode: (u64, u64),
    /// Bytes of a file.
    pub(crate) len: u64,
    /// When bytes, names or anything else of it last changed, in nanoseconds. Two changes that lie
    /// close together may have the same time: some file systems count in seconds.
    pub(crate) changed_ns: i128,
}

impl Stamp {
    /// Whether both are of the same file with the same length.
    pub(crate) fn is_same_file(&self, other: &Stamp) -> bool {
        (self.inode, self.len) == (other.inode, other.len)
    }
}

/// A name in a directory, and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name without its directory. Where it is not UTF-8, U+FFFD stands for what is not, and
    /// the kind is [`Kind::Other`].
    pub(crate) name: String,
    /// What the name itself is; a link is not followed.
    pub(crate) kind: Kind,
}

/// What a name in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A link, a pipe, a socket, a device, or a name that is not UTF-8: never one of ours.
    Other,
}
