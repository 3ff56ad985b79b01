//! Waiting until something changes in the directories of logs, or Ctrl-C.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use signal_hook::consts::SIGINT;

use crate::exit::{Failure, Result};
use crate::paths::OneLog;

/// How often files are looked at where the system does not tell of changes.
const POLL_MS: u16 = 100;

/// What is waited for.
pub(super) struct Watch {
    /// None where the system cannot tell of changes.
    inotify: Option<Inotify>,
    /// Readable once Ctrl-C came.
    stop: UnixStream,
}

impl Watch {
    pub(super) fn new(logs: &[OneLog]) -> Result<Watch> {
        let failed = |error| Failure::environment(format!("cannot wait for Ctrl-C: {error}"));
        let (stop, told) = UnixStream::pair().map_err(failed)?;
        stop.set_nonblocking(true).map_err(failed)?;
        signal_hook::low_level::pipe::register(SIGINT, told).map_err(failed)?;
        Ok(Watch { inotify: inotify(logs).ok(), stop })
    }

    /// Whether Ctrl-C came.
    pub(super) fn is_stopped(&self) -> bool {
        matches!((&self.stop).read(&mut [0; 8]), Ok(read) if read > 0)
    }

    /// Returns once something may have changed, or Ctrl-C came.
    pub(super) fn wait(&self) -> Result<()> {
        let mut fds = vec![PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        let mut timeout = PollTimeout::from(POLL_MS);
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::new(inotify.as_fd(), PollFlags::POLLIN));
            timeout = PollTimeout::NONE;
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Failure::environment(format!("cannot wait: {error}"))),
        }
        // What it was is looked at anyway.
        if let Some(inotify) = &self.inotify {
            while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
        }
        Ok(())
    }
}

fn inotify(logs: &[OneLog]) -> nix::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let files = logs.iter().flat_map(|log| &log.segments);
    let dirs: BTreeSet<_> = files.map(|input| parent(&input.path)).collect();
    let changes = AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_DELETE;
    for dir in dirs {
        inotify.add_watch(&dir, changes)?;
    }
    Ok(inotify)
}
