//! Waiting until something changes in directories that other processes write.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use super::{Dir, os};

/// Tells of changes in directories: names that come and go, and bytes of their files. On Linux by
/// inotify, which does not tell of what other machines do on a network file system.
#[derive(Debug)]
pub(crate) struct Watch(os::Watch);

/// What has changed since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Anything may have.
    pub(crate) all: bool,
    /// The numbers of the directories that have.
    pub(crate) some: BTreeSet<i32>,
}

impl Watch {
    /// One that watches nothing yet; `Unsupported`, or an error of the system where it has none left:
    /// then one has to look now and then.
    pub(crate) fn new() -> io::Result<Watch> {
        os::Watch::new().map(Watch)
    }

    /// Watches `dir` from now on, which is not what is beneath it; gives its number, the same for the
    /// same directory. `Unsupported` where nothing tells.
    pub(crate) fn add(&self, dir: &Dir) -> io::Result<i32> {
        self.0.add(dir.as_os()?)
    }

    /// Waits until something has changed since the last call, or [`Watch::ring`], at most about
    /// `timeout`. May return early. One thread at a time: what it is told no other is told.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<Seen> {
        self.0.wait(timeout)
    }

    /// Ends the wait that is under way, or else the next one.
    pub(crate) fn ring(&self) {
        self.0.ring();
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::fs::Access;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn what_changes_in_a_directory_is_told_once_and_by_its_number() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_root(temp.path()).unwrap();
        root.create_dir("a").unwrap();
        root.create_dir("b").unwrap();
        let (a, b) = (root.child("a"), root.child("b"));
        let watch = Watch::new().unwrap();
        let (first, second) = (watch.add(&a).unwrap(), watch.add(&b).unwrap());
        assert_eq!(watch.add(&a).unwrap(), first);
        let told = |some: &[i32]| Seen { all: false, some: some.iter().copied().collect() };
        assert_eq!(watch.wait(Duration::ZERO).unwrap(), told(&[]));
        let file = a.create("file").unwrap();
        assert_eq!(watch.wait(MINUTE).unwrap(), told(&[first]));
        file.write_all_at(b"x", 0).unwrap();
        a.open("file", Access::Read).unwrap().read_at(&mut [0], 0).unwrap();
        b.create("other").unwrap();
        assert_eq!(watch.wait(MINUTE).unwrap(), told(&[first, second]));
        assert_eq!(watch.wait(Duration::ZERO).unwrap(), told(&[]));
        root.rename("a", "gone").unwrap();
        assert_eq!(watch.wait(MINUTE).unwrap(), told(&[first]));
        watch.ring();
        assert_eq!(watch.wait(MINUTE).unwrap(), told(&[]), "it ends without a change");
    }
}
