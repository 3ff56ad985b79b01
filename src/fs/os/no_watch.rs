//! Where nothing tells of changes in a directory.

use std::io;
use std::time::Duration;

use super::Dir;
use crate::fs::Seen;

/// See [`crate::fs::Watch`].
#[derive(Debug)]
pub(in crate::fs) struct Watch;

impl Watch {
    pub(in crate::fs) fn new() -> io::Result<Watch> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::fs) fn add(&self, _dir: &Dir) -> io::Result<i32> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::fs) fn wait(&self, _timeout: Duration) -> io::Result<Seen> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::fs) fn ring(&self) {}
}
