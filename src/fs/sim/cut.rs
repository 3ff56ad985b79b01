//! Power cuts, and tests' own hands on a disk that nobody uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names::Names;
use super::pages::{PAGE, Pages, SECTOR, put};
use super::state::{Image, Inode, Node, Order, ROOT};

/// What a power cut leaves of what is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// By place in [`Image::pending`]: whether it had reached the disk.
    pub kept: Vec<bool>,
    /// In which shape the pages and lengths of those did.
    pub sectors: Sectors,
}

/// In which shape pages and lengths reach the disk before the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sectors {
    /// Each page as it was last written, each length the last.
    Whole,
    /// Each page at any of its versions, each sector of it for itself there or not; lengths that
    /// grew anywhere between. The number chooses.
    Torn(u64),
    /// As torn, and sectors that held no durable byte may hold garbage.
    Garbage(u64),
}

/// One thing on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// A page of a file.
    Page(usize, usize),
    /// A file's length.
    Length(usize),
    /// A change of names.
    Names(usize),
}

/// Numbers that a seed decides, by which cuts and tests choose.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next of them.
    pub fn roll(&mut self) -> u64 {
        // SplitMix64: any seed will do.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn heads(&mut self) -> bool {
        self.roll() & 1 == 1
    }
}

impl Image {
    /// What is on its way to the disk: names first, in order, then files.
    pub fn pending(&self) -> Vec<Pending> {
        let mut pending: Vec<_> = (0..self.changes.len()).map(Pending::Names).collect();
        for (node, inode) in self.inodes.iter().enumerate() {
            if let Inode::File(pages) = &**inode {
                if !pages.lengths.is_empty() {
                    pending.push(Pending::Length(node));
                }
                pending.extend(pages.dirty.keys().map(|page| Pending::Page(node, *page)));
            }
        }
        pending
    }

    /// [`Image::pending`] in words.
    pub fn describe(&self, pending: Pending) -> String {
        match pending {
            Pending::Names(change) => self.changes[change].what.clone(),
            Pending::Page(node, page) => format!("page {page} of {}", self.name_of(node)),
            Pending::Length(node) => format!("length of {}", self.name_of(node)),
        }
    }

    fn name_of(&self, node: Node) -> String {
        for inode in &self.inodes {
            if let Inode::Dir(names) = &**inode
                && let Some((name, _)) = names.now.iter().find(|(_, named)| **named == node)
            {
                return name.clone();
            }
        }
        format!("a file without a name ({node})")
    }

    /// The power fails, and the machine boots again.
    ///
    /// With [`Order::Journal`] the names are those of the longest run of kept changes.
    #[must_use]
    pub fn cut(&self, cut: &Cut) -> Image {
        let mut image = self.clone();
        let mut dice = match cut.sectors {
            Sectors::Whole => None,
            Sectors::Torn(seed) | Sectors::Garbage(seed) => Some(Dice(seed)),
        };
        let mut kept: BTreeMap<Node, (bool, Vec<usize>)> = BTreeMap::new();
        let mut in_order = true;
        for (pending, is_kept) in self.pending().into_iter().zip(&cut.kept) {
            match pending {
                Pending::Names(change) => {
                    in_order &= *is_kept;
                    if (self.order == Order::Strict && *is_kept) || in_order {
                        image.settle(&self.changes[change]);
                    }
                }
                Pending::Length(node) => kept.entry(node).or_default().0 = *is_kept,
                Pending::Page(node, page) if *is_kept => kept.entry(node).or_default().1.push(page),
                Pending::Page(..) => {}
            }
        }
        let garbage = matches!(cut.sectors, Sectors::Garbage(_));
        for (node, inode) in image.inodes.iter_mut().enumerate() {
            let after = match &**inode {
                Inode::File(pages) if !pages.is_pending() => {
                    if Arc::ptr_eq(&pages.now, &pages.durable) {
                        continue;
                    }
                    Inode::File(Pages::durable(Arc::clone(&pages.durable)))
                }
                Inode::File(pages) => {
                    let (length, kept) = kept.remove(&node).unwrap_or_default();
                    let bytes = left_of(pages, length, &kept, garbage, dice.as_mut());
                    Inode::File(Pages::durable(Arc::new(bytes)))
                }
                Inode::Dir(names) => {
                    let durable = names.durable.clone();
                    Inode::Dir(Names { now: durable.clone(), durable })
                }
                Inode::Other => continue,
            };
            *inode = Arc::new(after);
        }
        image.changes.clear();
        image.sticky.clear();
        image.untold.clear();
        image.boot += 1;
        image
    }

    /// What lies at `path`, as calls see it; `None` if it is no file.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        match &*self.inodes[self.find(path)?] {
            Inode::File(pages) => Some(&pages.now),
            _ => None,
        }
    }

    /// All files, by path.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(ROOT, "", &mut found);
        found
    }

    fn walk(&self, dir: Node, beneath: &str, found: &mut Vec<String>) {
        let Inode::Dir(names) = &*self.inodes[dir] else { return };
        for (name, node) in &names.now {
            let path = format!("{beneath}{name}");
            match &*self.inodes[*node] {
                Inode::Dir(_) => self.walk(*node, &format!("{path}/"), found),
                _ => found.push(path),
            }
        }
    }

    fn find(&self, path: &str) -> Option<Node> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |dir, name| {
            match &*self.inodes[dir] {
                Inode::Dir(names) => names.now.get(name).copied(),
                _ => None,
            }
        })
    }

    /// Puts a file at `path`, durable, in place of whatever is there; its directories are made.
    pub fn put(&mut self, path: &str, bytes: impl Into<Arc<Vec<u8>>>) {
        let node = self.add(Inode::File(Pages::durable(bytes.into())));
        self.name(path, Some(node));
    }

    /// Makes a directory at `path`, in place of whatever is there.
    pub fn put_dir(&mut self, path: &str) {
        let node = self.add(Inode::Dir(Names::default()));
        self.name(path, Some(node));
    }

    /// Puts something at `path` that is neither file nor directory.
    pub fn put_other(&mut self, path: &str) {
        let node = self.add(Inode::Other);
        self.name(path, Some(node));
    }

    /// Takes away what is at `path`.
    pub fn remove(&mut self, path: &str) {
        self.name(path, None);
    }

    fn name(&mut self, path: &str, node: Option<Node>) {
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut dir = ROOT;
        for part in dirs.split('/').filter(|part| !part.is_empty()) {
            let there = match &*self.inodes[dir] {
                Inode::Dir(names) => names.now.get(part).copied(),
                _ => None,
            };
            dir = there.unwrap_or_else(|| {
                let made = self.add(Inode::Dir(Names::default()));
                self.set_durable(dir, part, Some(made));
                made
            });
        }
        self.set_durable(dir, name, node);
    }

    fn set_durable(&mut self, dir: Node, name: &str, node: Option<Node>) {
        if let Inode::Dir(names) = self.inode(dir) {
            super::names::set(&mut names.now, name, node);
            super::names::set(&mut names.durable, name, node);
        }
    }
}

/// What is left of a file: the pages `kept`, and its last length if that was `length` too.
fn left_of(
    pages: &Pages,
    length: bool,
    kept: &[usize],
    garbage: bool,
    mut dice: Option<&mut Dice>,
) -> Vec<u8> {
    let old = pages.durable.len();
    let mut bytes = (*pages.durable).clone();
    if length {
        bytes.resize(length_of(pages, dice.as_deref_mut()), 0);
    }
    for page in kept {
        let versions = &pages.dirty[page];
        let Some(dice) = dice.as_deref_mut() else {
            put(&mut bytes, page * PAGE, &versions[versions.len() - 1]);
            continue;
        };
        let version = &versions[dice.below(versions.len())];
        let tears = dice.heads();
        for (sector, content) in version.chunks(SECTOR).enumerate() {
            if !tears || dice.heads() {
                put(&mut bytes, page * PAGE + sector * SECTOR, content);
            }
        }
    }
    if let Some(dice) = dice.filter(|_| garbage) {
        for at in (old.next_multiple_of(SECTOR)..bytes.len()).step_by(SECTOR) {
            if dice.below(4) == 0 {
                let noise: Vec<u8> = (0..SECTOR).map(|_| dice.roll() as u8).collect();
                put(&mut bytes, at, &noise);
            }
        }
    }
    bytes
}

/// The last length, or with dice any since the last sync, or one between.
fn length_of(pages: &Pages, dice: Option<&mut Dice>) -> usize {
    let last = pages.lengths.last().copied().unwrap_or(pages.durable.len());
    let Some(dice) = dice else { return last };
    let any = pages.lengths[dice.below(pages.lengths.len())];
    if any > pages.durable.len() && dice.heads() {
        return pages.durable.len() + 1 + dice.below(any - pages.durable.len());
    }
    any
}
