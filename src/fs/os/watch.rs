//! Being told that something changed in a directory: inotify, where there is one.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::Dir;
use crate::fs::Seen;

/// See [`crate::fs::Watch`].
#[derive(Debug)]
pub(in crate::fs) struct Watch {
    events: Inotify,
    bell: EventFd,
}

impl Watch {
    pub(in crate::fs) fn new() -> io::Result<Watch> {
        let events = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Watch { events, bell })
    }

    pub(in crate::fs) fn add(&self, dir: &Dir) -> io::Result<i32> {
        let wanted = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        // By its descriptor: no path leads elsewhere meanwhile.
        let fd = dir.descriptor()?;
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        Ok(self.events.add_watch(path.as_str(), wanted)?.as_raw())
    }

    pub(in crate::fs) fn wait(&self, timeout: Duration) -> io::Result<Seen> {
        let timeout = u16::try_from(timeout.as_millis().saturating_add(1)).unwrap_or(u16::MAX);
        let mut fds = [
            PollFd::new(self.events.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.bell.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::from(timeout)) {
            // Whoever waits looks at the time, and waits again.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // It only had to wake.
        let _ = self.bell.read();
        let mut seen = Seen { all: false, some: BTreeSet::new() };
        loop {
            match self.events.read_events() {
                Ok(events) => {
                    for event in events {
                        // Some were dropped: anything may have changed.
                        seen.all |= event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                        seen.some.insert(raw(event.wd));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(seen),
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(in crate::fs) fn ring(&self) {
        // A bell that is full rings already.
        let _ = self.bell.write(1);
    }
}

fn raw(descriptor: WatchDescriptor) -> i32 {
    descriptor.as_raw()
}
