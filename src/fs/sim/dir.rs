//! Directories and locks of the simulated disk.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;

use super::Disk;
use super::fault::error;
use super::file::File;
use super::names::{Change, Names};
use super::pages::Pages;
use super::state::{Image, Inode, Node, ROOT, State};
use crate::fs::{Access, Entry, Kind, Stamp};

/// See [`crate::fs::Dir`]. Found by its path at each call, as beneath a root that is held open.
#[derive(Clone, Debug)]
pub(in crate::fs) struct Dir {
    disk: Disk,
    path: Arc<PathBuf>,
    names: Arc<Vec<String>>,
}

/// See [`crate::fs::Lock`].
#[derive(Debug)]
pub(in crate::fs) struct Lock {
    disk: Disk,
    dir: Dir,
    name: String,
    node: Node,
}

impl Dir {
    pub(super) fn root(disk: &Disk) -> Dir {
        Dir { disk: disk.clone(), path: Arc::new("/disk".into()), names: Arc::default() }
    }

    pub(in crate::fs) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::fs) fn child(&self, name: &str) -> Dir {
        let names = self.names.iter().map(String::as_str).chain([name]).map(str::to_owned);
        Dir {
            disk: self.disk.clone(),
            path: Arc::new(self.path.join(name)),
            names: Arc::new(names.collect()),
        }
    }

    pub(in crate::fs) fn boot_id(&self) -> [u8; 16] {
        u128::from(self.disk.state().image.boot).to_be_bytes()
    }

    pub(in crate::fs) fn random_bits(&self) -> u128 {
        let image = &mut self.disk.state().image;
        let mut half = || {
            image.seed =
                image.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            u128::from(image.seed ^ image.seed >> 29)
        };
        half() << 64 | half()
    }

    pub(in crate::fs) fn exists(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        state.look("look for", &self.label())?;
        match self.node(&state.image) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(in crate::fs) fn stamp(&self) -> io::Result<Option<Stamp>> {
        let mut state = self.disk.state();
        state.look("look at", &self.label())?;
        match self.node(&state.image) {
            Ok(node) => Ok(Some(stamp(&state.image, node))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(in crate::fs) fn stamp_of(&self, name: &str) -> io::Result<Option<Stamp>> {
        let mut state = self.disk.state();
        state.look("look at", name)?;
        let node = self.there(&state.image, name)?;
        Ok(node.map(|node| stamp(&state.image, node)))
    }

    pub(in crate::fs) fn create(&self, name: &str) -> io::Result<File> {
        let mut state = self.disk.state();
        state.change("create", name)?;
        let dir = self.node(&state.image)?;
        if self.there(&state.image, name)?.is_some() {
            return Err(error(Errno::EEXIST));
        }
        let node = self.make(&mut state, dir, name)?;
        Ok(File::new(&self.disk, node, name, Access::Write))
    }

    fn make(&self, state: &mut State, dir: Node, name: &str) -> io::Result<Node> {
        if state.room.is_some_and(|room| state.image.bytes() >= room) {
            return Err(error(Errno::ENOSPC));
        }
        let node = state.image.inodes.len();
        state.opened(node)?;
        state.image.add(Inode::File(Pages::default()));
        let what = format!("creation of {}", self.path_of(name));
        state.image.rename(Change { what, effects: vec![(dir, name.to_owned(), Some(node))] });
        Ok(node)
    }

    pub(in crate::fs) fn open(&self, name: &str, access: Access) -> io::Result<File> {
        let mut state = self.disk.state();
        state.look("open", name)?;
        let node = self.there(&state.image, name)?.ok_or_else(|| error(Errno::ENOENT))?;
        match (&*state.image.inodes[node], access) {
            (Inode::File(_), _) => {}
            (Inode::Dir(_), Access::Write) => return Err(error(Errno::EISDIR)),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
        state.opened(node)?;
        Ok(File::new(&self.disk, node, name, access))
    }

    pub(in crate::fs) fn list(&self) -> io::Result<Vec<Entry>> {
        let mut state = self.disk.state();
        state.look("list", &self.label())?;
        let image = &state.image;
        let entry = |(name, node): (&String, &Node)| {
            let kind = match &*image.inodes[*node] {
                Inode::File(_) => Kind::File,
                Inode::Dir(_) => Kind::Dir,
                Inode::Other => Kind::Other,
            };
            Entry { name: name.clone(), kind }
        };
        Ok(names(image, self.node(image)?)?.now.iter().map(entry).collect())
    }

    pub(in crate::fs) fn rename_into(&self, from: &str, to_dir: &Dir, to: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change("rename", from)?;
        let node = self.there(&state.image, from)?.ok_or_else(|| error(Errno::ENOENT))?;
        let (dir, other) = (self.node(&state.image)?, to_dir.node(&state.image)?);
        if let Some(target) = to_dir.there(&state.image, to)?
            && target != node
        {
            may_replace(&state.image, node, target)?;
        }
        let what = format!("rename of {} to {}", self.path_of(from), to_dir.path_of(to));
        let mut effects = vec![(dir, from.to_owned(), None)];
        if (dir, from) == (other, to) {
            effects.clear();
        }
        effects.push((other, to.to_owned(), Some(node)));
        state.image.rename(Change { what, effects });
        Ok(())
    }

    pub(in crate::fs) fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change("remove", name)?;
        let node = self.there(&state.image, name)?.ok_or_else(|| error(Errno::ENOENT))?;
        if matches!(*state.image.inodes[node], Inode::Dir(_)) {
            return Err(error(Errno::EISDIR));
        }
        self.forget(&mut state, name)
    }

    pub(in crate::fs) fn create_dir(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change("create directory", name)?;
        let dir = self.node(&state.image)?;
        if self.there(&state.image, name)?.is_some() {
            return Err(error(Errno::EEXIST));
        }
        let node = state.image.add(Inode::Dir(Names::default()));
        let what = format!("creation of {}", self.path_of(name));
        state.image.rename(Change { what, effects: vec![(dir, name.to_owned(), Some(node))] });
        Ok(())
    }

    pub(in crate::fs) fn remove_dir(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change("remove directory", name)?;
        let node = self.there(&state.image, name)?.ok_or_else(|| error(Errno::ENOENT))?;
        if !names(&state.image, node)?.now.is_empty() {
            return Err(error(Errno::ENOTEMPTY));
        }
        self.forget(&mut state, name)
    }

    fn forget(&self, state: &mut State, name: &str) -> io::Result<()> {
        let dir = self.node(&state.image)?;
        let what = format!("removal of {}", self.path_of(name));
        state.image.rename(Change { what, effects: vec![(dir, name.to_owned(), None)] });
        Ok(())
    }

    pub(in crate::fs) fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.change("sync of directory", &self.label())?;
        let node = self.node(&state.image)?;
        state.sync_dir(node, fault)
    }

    pub(in crate::fs) fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        let mut state = self.disk.state();
        state.change("lock", name)?;
        let dir = self.node(&state.image)?;
        let node = match self.there(&state.image, name)? {
            None => self.make(&mut state, dir, name)?,
            Some(node) => {
                if !matches!(*state.image.inodes[node], Inode::File(_)) {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
                }
                if state.locks.contains(&node) {
                    return Ok(None);
                }
                state.opened(node)?;
                node
            }
        };
        state.locks.push(node);
        let (disk, name) = (self.disk.clone(), name.to_owned());
        Ok(Some(Lock { disk, dir: self.clone(), name, node }))
    }

    /// What `name` names in this directory.
    fn there(&self, image: &Image, name: &str) -> io::Result<Option<Node>> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(names(image, self.node(image)?)?.now.get(name).copied())
    }

    fn node(&self, image: &Image) -> io::Result<Node> {
        self.names.iter().try_fold(ROOT, |dir, name| {
            let node = names(image, dir)?.now.get(name).ok_or_else(|| error(Errno::ENOENT))?;
            names(image, *node).map(|_| *node)
        })
    }

    fn label(&self) -> String {
        self.names.join("/")
    }

    fn path_of(&self, name: &str) -> String {
        self.names.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("/")
    }
}

fn names(image: &Image, node: Node) -> io::Result<&Names> {
    match &*image.inodes[node] {
        Inode::Dir(names) => Ok(names),
        _ => Err(error(Errno::ENOTDIR)),
    }
}

/// How a node is now. No clock is here: the names of a directory stand for the time.
pub(super) fn stamp(image: &Image, node: Node) -> Stamp {
    let (len, changed_ns) = match &*image.inodes[node] {
        Inode::File(pages) => (pages.now.len() as u64, 0),
        Inode::Dir(names) => {
            let mut hasher = DefaultHasher::new();
            names.now.hash(&mut hasher);
            (0, hasher.finish())
        }
        Inode::Other => (0, 0),
    };
    Stamp { inode: (0, node as u64), len, changed_ns: changed_ns.into() }
}

/// Whether `node` may take the name of `target`, as the system has it.
fn may_replace(image: &Image, node: Node, target: Node) -> io::Result<()> {
    match (&*image.inodes[node], &*image.inodes[target]) {
        (Inode::Dir(_), Inode::Dir(names)) if names.now.is_empty() => Ok(()),
        (Inode::Dir(_), Inode::Dir(_)) => Err(error(Errno::ENOTEMPTY)),
        (Inode::Dir(_), _) => Err(error(Errno::ENOTDIR)),
        (_, Inode::Dir(_)) => Err(error(Errno::EISDIR)),
        _ => Ok(()),
    }
}

impl Lock {
    pub(in crate::fs) fn is_still_named(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        state.look("identity of", &self.name)?;
        Ok(self.dir.there(&state.image, &self.name)? == Some(self.node))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        state.locks.retain(|node| *node != self.node);
        state.closed(self.node);
    }
}
