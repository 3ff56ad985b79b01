//! The disk's state, and how calls change it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

use nix::errno::Errno;

use super::fault::{Fault, SyncFault, error};
use super::names::{Change, Names, set};
use super::pages::Pages;

/// A file or directory, wherever it is named.
pub(super) type Node = usize;

/// The root's.
pub(super) const ROOT: Node = 0;

/// How much more than its promise a file system keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing: every name for itself.
    Strict,
    /// As ext4 and xfs: names change in order, and a synced new file has its name.
    Journal,
}

/// What one node is.
#[derive(Clone, Debug)]
pub(super) enum Inode {
    File(Pages),
    Dir(Names),
    /// A pipe or a link: what is there and is none of ours.
    Other,
}

/// Everything on a disk, with what is on its way to it.
#[derive(Clone, Debug)]
pub struct Image {
    pub(super) order: Order,
    /// Of the machine's random numbers.
    pub(super) seed: u64,
    /// Which boot of the machine it is.
    pub(super) boot: u64,
    pub(super) inodes: Vec<Arc<Inode>>,
    /// Names on their way, oldest first.
    pub(super) changes: Vec<Arc<Change>>,
    /// Whose syncs fail until the machine boots.
    pub(super) sticky: Vec<Node>,
    /// Whose next sync tells of a write-back that failed.
    pub(super) untold: Vec<Node>,
}

/// A call, counted from 0, in words.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Which it was.
    pub number: u64,
    pub(super) what: &'static str,
    pub(super) name: String,
}

impl Call {
    /// Whether it is a sync, of a file or a directory.
    pub fn is_sync(&self) -> bool {
        self.what.starts_with("sync")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} ({} {})", self.number, self.what, self.name)
    }
}

/// A disk in use.
#[derive(Debug)]
pub(super) struct State {
    pub(super) image: Image,
    pub(super) calls: u64,
    pub(super) last: Call,
    pub(super) recorded: Option<Vec<(Call, Image)>>,
    pub(super) faults: Vec<(u64, Fault)>,
    /// How many bytes all files together may have.
    pub(super) room: Option<u64>,
    pub(super) most_open: usize,
    pub(super) open: usize,
    /// How often each node is open.
    pub(super) openers: BTreeMap<Node, usize>,
    pub(super) locks: Vec<Node>,
}

impl State {
    pub(super) fn of(image: Image) -> State {
        State {
            image,
            calls: 0,
            last: Call::default(),
            recorded: None,
            faults: Vec::new(),
            room: None,
            most_open: usize::MAX,
            open: 0,
            openers: BTreeMap::new(),
            locks: Vec::new(),
        }
    }

    /// Counts a call that changes nothing, and fails it if that is due.
    pub(super) fn look(&mut self, what: &'static str, name: &str) -> io::Result<()> {
        match self.next(what, name) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }

    /// Counts a call that changes something. Gives what is to happen to it, if that is not a plain
    /// error.
    pub(super) fn change(&mut self, what: &'static str, name: &str) -> io::Result<Option<Fault>> {
        if let Some(recorded) = &mut self.recorded {
            let call = Call { number: self.calls, what, name: name.to_owned() };
            recorded.push((call, self.image.clone()));
        }
        match self.next(what, name) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            other => Ok(other),
        }
    }

    fn next(&mut self, what: &'static str, name: &str) -> Option<Fault> {
        let number = self.calls;
        self.calls += 1;
        if self.last.name != name {
            name.clone_into(&mut self.last.name);
        }
        (self.last.number, self.last.what) = (number, what);
        let at = self.faults.iter().position(|(call, _)| *call == number)?;
        let fault = self.faults.swap_remove(at).1;
        if fault == Fault::WriteBack {
            self.write_back_fails();
        }
        Some(fault)
    }

    fn write_back_fails(&mut self) {
        let lost = self.image.lose_pages();
        self.image.untold.extend(lost.into_iter().filter(|node| self.openers.contains_key(node)));
    }

    /// Takes a descriptor of `node`.
    pub(super) fn opened(&mut self, node: Node) -> io::Result<()> {
        if self.open >= self.most_open {
            return Err(error(Errno::EMFILE));
        }
        self.open += 1;
        *self.openers.entry(node).or_default() += 1;
        Ok(())
    }

    pub(super) fn closed(&mut self, node: Node) {
        self.open -= 1;
        let last = self.openers.get_mut(&node).is_none_or(|count| {
            *count -= 1;
            *count == 0
        });
        if last {
            self.openers.remove(&node);
            self.image.untold.retain(|untold| *untold != node);
        }
    }

    /// How many of `wanted` bytes there is room for.
    pub(super) fn room_for(&self, wanted: usize) -> usize {
        match self.room {
            None => wanted,
            Some(room) => {
                let left = room.saturating_sub(self.image.bytes());
                wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
            }
        }
    }

    pub(super) fn sync_file(&mut self, node: Node, fault: Option<Fault>) -> io::Result<()> {
        if self.image.sticky.contains(&node) {
            return Err(error(Errno::EIO));
        }
        if let Some(at) = self.image.untold.iter().position(|untold| *untold == node) {
            self.image.untold.swap_remove(at);
            return Err(error(Errno::EIO));
        }
        let Inode::File(pages) = self.image.inode(node) else {
            return Err(error(Errno::EINVAL));
        };
        match fault {
            Some(Fault::Sync(SyncFault::Cleaned)) => pages.lose(),
            Some(Fault::Sync(SyncFault::FellBack)) => pages.fall_back(),
            Some(Fault::Sync(SyncFault::Sticky)) => self.image.sticky.push(node),
            _ => {
                pages.sync();
                if self.image.order == Order::Journal {
                    self.image.journal_up_to(|change| change.makes(node));
                }
                return Ok(());
            }
        }
        Err(error(Errno::EIO))
    }

    pub(super) fn sync_dir(&mut self, node: Node, fault: Option<Fault>) -> io::Result<()> {
        if matches!(fault, Some(Fault::Sync(_))) {
            self.image.sticky.push(node);
        }
        if self.image.sticky.contains(&node) {
            return Err(error(Errno::EIO));
        }
        match self.image.order {
            Order::Journal => self.image.journal_up_to(|change| change.is_of(node)),
            Order::Strict => self.image.settle_names_of(node),
        }
        Ok(())
    }
}

impl Image {
    pub(super) fn empty(order: Order, seed: u64) -> Image {
        Image {
            order,
            seed,
            boot: 1,
            inodes: vec![Arc::new(Inode::Dir(Names::default()))],
            changes: Vec::new(),
            sticky: Vec::new(),
            untold: Vec::new(),
        }
    }

    pub(super) fn inode(&mut self, node: Node) -> &mut Inode {
        Arc::make_mut(&mut self.inodes[node])
    }

    pub(super) fn add(&mut self, inode: Inode) -> Node {
        self.inodes.push(Arc::new(inode));
        self.inodes.len() - 1
    }

    pub(super) fn bytes(&self) -> u64 {
        let len = |inode: &Arc<Inode>| match &**inode {
            Inode::File(pages) => pages.now.len() as u64,
            _ => 0,
        };
        self.inodes.iter().map(len).sum()
    }

    /// Changes names, as calls see them at once and a power cut may or may not.
    pub(super) fn rename(&mut self, change: Change) {
        for (dir, name, node) in &change.effects {
            if let Inode::Dir(names) = self.inode(*dir) {
                set(&mut names.now, name, *node);
            }
        }
        self.changes.push(Arc::new(change));
    }

    /// Makes a change of names durable.
    pub(super) fn settle(&mut self, change: &Change) {
        for (dir, name, node) in &change.effects {
            if let Inode::Dir(names) = self.inode(*dir) {
                set(&mut names.durable, name, *node);
            }
        }
    }

    /// Makes all names durable up to the last change that `is_wanted`.
    fn journal_up_to(&mut self, is_wanted: impl Fn(&Change) -> bool) {
        let last = self.changes.iter().rposition(|change| is_wanted(change));
        for change in self.changes.drain(..last.map_or(0, |last| last + 1)).collect::<Vec<_>>() {
            self.settle(&change);
        }
    }

    /// Makes the changes in `dir` durable, with the earlier ones of the same names elsewhere.
    fn settle_names_of(&mut self, dir: Node) {
        let mut due: Vec<bool> = self.changes.iter().map(|change| change.is_of(dir)).collect();
        for later in (0..due.len()).rev().filter(|&at| due[at]).collect::<Vec<_>>() {
            for (due, change) in due.iter_mut().zip(&self.changes[..later]) {
                *due |= change.shares_a_name_with(&self.changes[later]);
            }
        }
        let (mut settled, mut left) = (Vec::new(), Vec::new());
        for (change, due) in std::mem::take(&mut self.changes).into_iter().zip(due) {
            if due { settled.push(change) } else { left.push(change) }
        }
        self.changes = left;
        for change in settled {
            self.settle(&change);
        }
    }

    /// Write-back fails for everything that is on its way, while nobody has it open to be told.
    pub fn write_back_fails(&mut self) {
        self.lose_pages();
    }

    fn lose_pages(&mut self) -> Vec<Node> {
        let is_pending =
            |node: &Node| matches!(&*self.inodes[*node], Inode::File(pages) if pages.is_pending());
        let lost: Vec<_> = (0..self.inodes.len()).filter(is_pending).collect();
        for &node in &lost {
            if let Inode::File(pages) = self.inode(node) {
                pages.lose();
            }
        }
        lost
    }

    /// A number that differs where names or bytes as calls see them do.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.feed(ROOT, &mut hasher);
        hasher.finish()
    }

    fn feed(&self, node: Node, hasher: &mut DefaultHasher) {
        match &*self.inodes[node] {
            Inode::File(pages) => {
                hasher.write_u64(pages.now.len() as u64);
                hasher.write(&pages.now);
            }
            Inode::Dir(names) => {
                hasher.write_u64(u64::MAX);
                for (name, node) in &names.now {
                    name.hash(hasher);
                    self.feed(*node, hasher);
                }
                hasher.write_u64(u64::MAX - 1);
            }
            Inode::Other => hasher.write_u64(u64::MAX - 2),
        }
    }
}
