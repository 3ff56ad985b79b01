//! Files of the simulated disk.

use std::io;
use std::sync::Arc;

use nix::errno::Errno;

use super::Disk;
use super::dir::stamp;
use super::fault::{Fault, error};
use super::pages::Pages;
use super::state::{Inode, Node, State};
use crate::fs::{Access, Mapping, Stamp};

/// A file cannot be longer than this here, so that no test runs out of memory by mistake.
const LONGEST: u64 = 1 << 30;

/// See [`crate::fs::File`].
#[derive(Debug)]
pub(in crate::fs) struct File {
    disk: Disk,
    node: Node,
    name: String,
    access: Access,
}

impl File {
    /// Takes a descriptor, which the state has counted.
    pub(super) fn new(disk: &Disk, node: Node, name: &str, access: Access) -> File {
        File { disk: disk.clone(), node, name: name.to_owned(), access }
    }

    pub(in crate::fs) fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.look("read", &self.name)?;
        in_range(position, buf.len())?;
        let bytes = &pages(&mut state, self.node)?.now;
        let from =
            usize::try_from(position).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let len = from.len().min(buf.len());
        buf[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }

    pub(in crate::fs) fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.change("write", &self.name)?;
        self.may_write()?;
        let end = in_range(position, bytes.len())?;
        let at = usize::try_from(position).map_err(|_| error(Errno::EFBIG))?;
        let mut fits = bytes.len();
        let grows = end.saturating_sub(pages(&mut state, self.node)?.now.len());
        fits -= grows - state.room_for(grows).min(grows);
        if let Some(Fault::Short(most)) = fault {
            fits = fits.min(most);
        }
        pages(&mut state, self.node)?.write(&bytes[..fits], at);
        if fits < bytes.len() {
            return Err(error(Errno::ENOSPC));
        }
        Ok(())
    }

    pub(in crate::fs) fn reserve(&self, position: u64, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.look("reserve", &self.name)?;
        in_range(position, usize::try_from(len).map_err(|_| error(Errno::EFBIG))?)?;
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::fs) fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        let mut state = self.disk.state();
        state.look("seek", &self.name)?;
        in_range(position, 0)?;
        let len = pages(&mut state, self.node)?.now.len() as u64;
        Ok(Some(position).filter(|position| *position < len))
    }

    pub(in crate::fs) fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look("length of", &self.name)?;
        Ok(pages(&mut state, self.node)?.now.len() as u64)
    }

    pub(in crate::fs) fn stamp(&self) -> io::Result<Stamp> {
        let mut state = self.disk.state();
        state.look("look at", &self.name)?;
        Ok(stamp(&state.image, self.node))
    }

    pub(in crate::fs) fn modified_ms(&self) -> io::Result<i64> {
        self.disk.state().look("time of", &self.name)?;
        Ok(0)
    }

    pub(in crate::fs) fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change("truncate", &self.name)?;
        self.may_write()?;
        let len = in_range(len, 0)?;
        pages(&mut state, self.node)?.truncate(len);
        Ok(())
    }

    pub(in crate::fs) fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.change("sync", &self.name)?;
        state.sync_file(self.node, fault)
    }

    pub(in crate::fs) fn map(&self) -> io::Result<Mapping> {
        let mut state = self.disk.state();
        state.look("map", &self.name)?;
        Ok(Mapping::from_sim(Arc::clone(&pages(&mut state, self.node)?.now)))
    }

    fn may_write(&self) -> io::Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(error(Errno::EBADF)),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.disk.state().closed(self.node);
    }
}

fn pages(state: &mut State, node: Node) -> io::Result<&mut Pages> {
    match state.image.inode(node) {
        Inode::File(pages) => Ok(pages),
        _ => Err(error(Errno::EINVAL)),
    }
}

/// Where `len` bytes from `position` on end, if a file can be as long.
fn in_range(position: u64, len: usize) -> io::Result<usize> {
    let end = position.checked_add(len as u64).filter(|end| i64::try_from(*end).is_ok());
    let end = end.ok_or(io::ErrorKind::InvalidInput)?;
    match usize::try_from(end) {
        Ok(end) if end as u64 <= LONGEST => Ok(end),
        _ => Err(error(Errno::EFBIG)),
    }
}
