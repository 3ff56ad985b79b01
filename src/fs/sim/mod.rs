//! A disk in memory that loses power, fails its calls and rots on demand.
//!
//! The fault model. What [`File::sync`](crate::fs::File::sync) and [`Dir::sync`](crate::fs::Dir::sync)
//! covered stays. Of the rest a power cut leaves what a [`Cut`] says:
//!
//! - each page of 4 KiB that was written since its file's last sync shows any of its versions since
//!   then, whole or torn at 512 bytes; a sector that held no durable byte may show garbage instead;
//! - a file's length is any that it had since then, or one between the durable and the last; bytes
//!   that no page brought are zeros;
//! - of the names made, moved and removed since their directory's last sync any subset is there. A
//!   move is atomic, and says nothing of the content of what was moved;
//! - with [`Order::Journal`] (ext4, xfs) those operations keep their order, and syncing a new file
//!   brings its name.
//!
//! Calls are numbered. The disk can fail call *n* with any error of the operating system, or stop a
//! write after *k* bytes; a sync can fail in each of the ways of [`SyncFault`]. Everything that
//! happens is decided by numbers that the test gives: there is no clock and no chance here.

mod cut;
mod dir;
mod fault;
mod file;
mod names;
mod pages;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use cut::{Cut, Dice, Pending, Sectors};
pub use fault::{ERRORS, Fault, SyncFault};
pub use state::{Call, Image, Order};

pub(in crate::fs) use dir::{Dir, Lock};
pub(in crate::fs) use file::File;

use state::State;

/// A disk, and the machine around it. Cheap to clone; clones are the same one.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// An empty disk. What the machine draws at random comes from `seed`.
    pub fn new(order: Order, seed: u64) -> Disk {
        Disk::from(Image::empty(order, seed))
    }

    /// Its root, which is always there.
    pub(crate) fn root(&self) -> crate::fs::Dir {
        crate::fs::Dir::from_sim(Dir::root(self))
    }

    /// What it holds now, pending changes and all. A disk made of it is this machine after the death
    /// of the process.
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// This machine after the death of the process: it keeps its page cache, and goes on counting and
    /// recording. Faults that have not struck go with the process.
    #[must_use]
    pub fn after_death(&self) -> Disk {
        self.after_another(self.image())
    }

    /// The same, after another program has made of it what `image` is.
    #[must_use]
    pub fn after_another(&self, image: Image) -> Disk {
        let mut state = self.state();
        let mut after = State::of(image);
        (after.calls, after.recorded) = (state.calls, state.recorded.take());
        Disk(Arc::new(Mutex::new(after)))
    }

    /// Becomes `image` under who has it open, as when another process changes it.
    pub fn show(&self, image: Image) {
        self.state().image = image;
    }

    /// Keeps an image from before each call that changes something, from now on.
    pub fn record(&self) {
        self.state().recorded = Some(Vec::new());
    }

    /// What was kept since [`Disk::record`]: the number of the call, what it was, and the image from
    /// before it.
    pub fn recorded(&self) -> Vec<(Call, Image)> {
        self.state().recorded.take().unwrap_or_default()
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The last call.
    pub fn last_call(&self) -> Call {
        self.state().last.clone()
    }

    /// The call that would be next, if there were one.
    pub fn end(&self) -> Call {
        Call { number: self.calls(), what: "the end", ..Call::default() }
    }

    /// Makes call number `call` fail; counted from 0.
    pub fn fail(&self, call: u64, fault: Fault) {
        self.state().faults.push((call, fault));
    }

    /// Takes back all faults that have not struck.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.room = None;
    }

    /// Leaves room for so many bytes in files more than there are now.
    pub fn room(&self, bytes: Option<u64>) {
        let mut state = self.state();
        state.room = bytes.map(|bytes| bytes.saturating_add(state.image.bytes()));
    }

    /// Allows at most so many open files and locks.
    pub fn most_open(&self, files: usize) {
        self.state().most_open = files;
    }

    /// Whether no sync is bound to fail until the machine boots.
    pub fn can_be_written(&self) -> bool {
        self.state().image.sticky.is_empty()
    }

    /// How many files and locks are open.
    pub fn open(&self) -> usize {
        self.state().open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Image> for Disk {
    fn from(image: Image) -> Disk {
        Disk(Arc::new(Mutex::new(State::of(image))))
    }
}
