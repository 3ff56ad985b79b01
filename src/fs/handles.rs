//! A bounded number of open descriptors for an unbounded number of files: one cache for a store.
//!
//! Locks are taken in this order: a handle's slot, then the clock. Who holds the clock only tries
//! a slot, and passes over one that is busy. Files are opened and closed outside the clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::{fmt, io};

use super::{Access, Dir, File};

/// The descriptor cache. Cheap to clone; clones are the same cache.
#[derive(Clone)]
pub(crate) struct Handles(Arc<Cache>);

/// How many places are looked at to find a file to close.
const MOST_LOOKS: usize = 256;

struct Cache {
    most: usize,
    clock: Mutex<Clock>,
}

/// The handles that have a descriptor, in a ring; the hand goes round to find one to close.
#[derive(Default)]
struct Clock {
    places: Vec<Option<Arc<Slot>>>,
    free: Vec<usize>,
    hand: usize,
}

type Slot = Mutex<State>;

struct State {
    name: Arc<str>,
    /// `Some` only with a place on the clock.
    file: Option<Arc<File>>,
    place: Option<usize>,
    /// Whether it was asked for since the hand last passed.
    used: bool,
}

/// A file of the store: opened when it is asked for, its descriptor closed when others need the
/// room. Cheap to clone; clones share the descriptor, and the last one to go closes it.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Owner>);

/// Where a file was at some time.
#[derive(Clone, Debug)]
pub(crate) struct At {
    dir: Dir,
    name: Arc<str>,
}

impl At {
    /// The path.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(&*self.name)
    }
}

struct Owner {
    cache: Handles,
    dir: Dir,
    access: Access,
    slot: Arc<Slot>,
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("open", &self.open_descriptors()).finish_non_exhaustive()
    }
}

impl Handles {
    /// A cache that keeps at most `most` descriptors, if that many are clean and idle.
    pub(crate) fn new(most: usize) -> Handles {
        Handles(Arc::new(Cache { most, clock: Mutex::default() }))
    }

    /// The file `name` in `dir`. This does no I/O, and does not ask whether it is there.
    pub(crate) fn file(&self, dir: &Dir, name: &str, access: Access) -> Handle {
        let state = State { name: name.into(), file: None, place: None, used: false };
        Handle(Arc::new(Owner {
            cache: self.clone(),
            dir: dir.clone(),
            access,
            slot: Arc::new(Mutex::new(state)),
        }))
    }

    /// How many descriptors it holds.
    pub(crate) fn open_descriptors(&self) -> usize {
        locked(&self.0.clock).open()
    }

    /// Gives `slot`, whose state is locked, a place on the clock, and closes others for it.
    fn enter(&self, slot: &Arc<Slot>, state: &mut State) {
        let mut closed = Vec::new();
        let mut clock = locked(&self.0.clock);
        while clock.open() >= self.0.most {
            match clock.evict() {
                Some(file) => closed.push(file),
                None => break,
            }
        }
        state.place = Some(clock.take_place(slot));
        drop(clock);
        drop(closed);
    }

    /// Takes the file and the place of a handle whose state is locked.
    fn leave(&self, state: &mut State) -> Option<Arc<File>> {
        if let Some(place) = state.place.take() {
            locked(&self.0.clock).give_up(place);
        }
        state.file.take()
    }
}

impl Clock {
    fn open(&self) -> usize {
        self.places.len() - self.free.len()
    }

    fn take_place(&mut self, slot: &Arc<Slot>) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(Arc::clone(slot));
        place
    }

    fn give_up(&mut self, place: usize) {
        self.places[place] = None;
        self.free.push(place);
    }

    /// Takes the first file that was not asked for since the hand last passed and that can be
    /// closed; `None` if two rounds find none, or so many looks: where thousands of files are dirty
    /// the next call goes on from there.
    fn evict(&mut self) -> Option<Arc<File>> {
        for _ in 0..(2 * self.places.len()).min(MOST_LOOKS) {
            let place = self.hand;
            self.hand = (place + 1) % self.places.len();
            let evicted = self.places[place].as_ref().and_then(|slot| take_if_idle(slot));
            if evicted.is_some() {
                self.give_up(place);
                return evicted;
            }
        }
        None
    }
}

/// Takes the file out of a slot if it is clean, nobody has it, and this is its second chance.
fn take_if_idle(slot: &Slot) -> Option<Arc<File>> {
    let mut state = match slot.try_lock() {
        Ok(state) => state,
        Err(TryLockError::Poisoned(state)) => state.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    if std::mem::take(&mut state.used) {
        return None;
    }
    // Exclusive first: then whoever wrote through it is done, and its mark is seen.
    if Arc::get_mut(state.file.as_mut()?)?.is_dirty() {
        return None;
    }
    state.place = None;
    state.file.take()
}

impl Handle {
    /// The file, opened if it is not. Whoever keeps the answer keeps the descriptor.
    ///
    /// To open it, the least recently used handles of the cache that are clean and idle are closed
    /// down to the bound; if there are none the bound is exceeded. A file with unsynced changes is
    /// never closed for others.
    pub(crate) fn get(&self) -> io::Result<Arc<File>> {
        let mut state = self.state();
        state.used = true;
        if let Some(file) = &state.file {
            return Ok(Arc::clone(file));
        }
        self.0.cache.enter(&self.0.slot, &mut state);
        match self.0.dir.open(&state.name, self.0.access) {
            Ok(file) => Ok(Arc::clone(state.file.insert(Arc::new(file)))),
            Err(error) => {
                self.0.cache.leave(&mut state);
                Err(error)
            }
        }
    }

    /// Takes `file`, which was just created under this handle's name, as the open one.
    pub(crate) fn adopt(&self, file: File) {
        let mut state = self.state();
        state.used = true;
        if state.place.is_none() {
            self.0.cache.enter(&self.0.slot, &mut state);
        }
        let before = state.file.replace(Arc::new(file));
        drop(state);
        drop(before);
    }

    /// Renames the file in its directory, open or not. After an error the handle keeps the old
    /// name. What a crash leaves: as [`Dir::rename`].
    pub(crate) fn rename(&self, to: &str) -> io::Result<()> {
        let mut state = self.state();
        self.0.dir.rename(&state.name, to)?;
        state.name = to.into();
        Ok(())
    }

    /// Its name in its directory.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.state().name)
    }

    /// Where it is now; told without being put together.
    pub(crate) fn at(&self) -> At {
        At { dir: self.0.dir.clone(), name: self.name() }
    }

    /// Closes the descriptor, if nobody has the file from [`Handle::get`]. Unlike the cache it
    /// closes one with unsynced changes too: the caller says that they are synced or not needed,
    /// or opens it again because a sync failed.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if state.file.as_mut().is_some_and(|file| Arc::get_mut(file).is_none()) {
            return;
        }
        let file = self.0.cache.leave(&mut state);
        drop(state);
        drop(file);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0.slot)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = locked(&self.slot);
        let file = self.cache.leave(&mut state);
        drop(state);
        drop(file);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.at().path();
        f.debug_tuple("Handle").field(&path).finish()
    }
}

/// Every change under these locks is whole before anything can panic, so what a panic left is used.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of ten files, each of which holds its number.
    fn ten_files() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        for number in 0..10 {
            dir.create(&number.to_string()).unwrap().write_all_at(&[number], 0).unwrap();
        }
        (temp, dir)
    }

    fn open_all(handles: &Handles, dir: &Dir) -> Vec<Handle> {
        (0..10).map(|number| handles.file(dir, &number.to_string(), Access::Write)).collect()
    }

    fn first_byte(handle: &Handle) -> u8 {
        let mut byte = [0];
        handle.get().unwrap().read_exact_at(&mut byte, 0).unwrap();
        byte[0]
    }

    /// The descriptors of this process for files in `temp`, as the operating system has them.
    fn descriptors(temp: &tempfile::TempDir) -> usize {
        let of = |entry: io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        let all = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(of);
        all.filter(|path| path.parent() == Some(temp.path())).count()
    }

    #[test]
    fn no_more_descriptors_are_open_than_the_bound() {
        let (temp, dir) = ten_files();
        let handles = Handles::new(3);
        let all = open_all(&handles, &dir);
        assert_eq!((handles.open_descriptors(), descriptors(&temp)), (0, 0));
        for round in 0..3 {
            for (number, handle) in (0..).zip(&all) {
                assert_eq!(first_byte(handle), number, "round {round}");
                assert!(handles.open_descriptors() <= 3);
                assert_eq!(handles.open_descriptors(), descriptors(&temp));
            }
        }
        drop(all);
        assert_eq!((handles.open_descriptors(), descriptors(&temp)), (0, 0));
    }

    #[test]
    fn a_file_with_unsynced_changes_stays_open_until_it_is_synced() {
        let (temp, dir) = ten_files();
        let handles = Handles::new(3);
        let all = open_all(&handles, &dir);
        for handle in &all[..5] {
            handle.get().unwrap().write_all_at(&[77], 1).unwrap();
        }
        assert_eq!(handles.open_descriptors(), 5, "rather than fail the bound is exceeded");
        for handle in &all[5..] {
            handle.get().unwrap();
        }
        assert_eq!((handles.open_descriptors(), descriptors(&temp)), (6, 6));
        for handle in &all[..5] {
            let file = handle.get().unwrap();
            assert!(file.is_dirty(), "it is the one that was written");
            file.sync().unwrap();
        }
        all[9].get().unwrap();
        all[8].get().unwrap();
        assert_eq!((handles.open_descriptors(), descriptors(&temp)), (3, 3));
    }

    #[test]
    fn a_file_in_use_stays_open() {
        let (_temp, dir) = ten_files();
        let handles = Handles::new(1);
        let all = open_all(&handles, &dir);
        let held = all[0].get().unwrap();
        all[1].get().unwrap();
        all[2].get().unwrap();
        assert!(Arc::ptr_eq(&held, &all[0].get().unwrap()));
        assert_eq!(handles.open_descriptors(), 2);
        all[0].close();
        assert!(Arc::ptr_eq(&held, &all[0].get().unwrap()), "closed while in use");
        drop(held);
        all[0].close();
        assert_eq!(handles.open_descriptors(), 1);
    }

    #[test]
    fn the_one_asked_for_again_is_closed_after_those_that_were_not() {
        let (_temp, dir) = ten_files();
        let handles = Handles::new(3);
        let all = open_all(&handles, &dir);
        let open = |number: usize| all[number].state().file.is_some();
        for number in [0, 1, 2, 3] {
            all[number].get().unwrap();
        }
        assert!(!open(0) && open(1) && open(2), "the hand went round once, and stands at 1");
        all[1].get().unwrap();
        all[4].get().unwrap();
        assert!(open(1) && !open(2));
    }

    #[test]
    fn a_rename_holds_for_a_file_that_is_open_and_one_that_is_not() {
        let (_temp, dir) = ten_files();
        let handles = Handles::new(1);
        let all = open_all(&handles, &dir);
        all[0].get().unwrap();
        all[1].get().unwrap();
        all[0].rename("closed").unwrap();
        all[1].rename("open").unwrap();
        for (number, name) in [(0, "closed"), (1, "open"), (0, "closed")] {
            assert_eq!(&*all[number].name(), name);
            assert_eq!(usize::from(first_byte(&all[number])), number);
        }
        dir.create_dir("taken").unwrap();
        assert!(all[0].rename("taken").is_err());
        assert_eq!((&*all[0].name(), first_byte(&all[0])), ("closed", 0));
    }

    #[test]
    fn an_adopted_file_is_the_one_that_is_used_and_counts() {
        let (_temp, dir) = ten_files();
        let handles = Handles::new(2);
        let new = handles.file(&dir, "new", Access::Read);
        assert_eq!(new.get().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(handles.open_descriptors(), 0, "a failed opening gives its place back");
        new.adopt(dir.create("new").unwrap());
        assert_eq!(handles.open_descriptors(), 1);
        new.get().unwrap().write_all_at(b"x", 0).unwrap();
        new.adopt(dir.open("new", Access::Read).unwrap());
        assert_eq!(handles.open_descriptors(), 1);
        assert!(new.get().unwrap().write_all_at(b"x", 0).is_err(), "the second one is for reading");
        new.close();
        assert_eq!((handles.open_descriptors(), first_byte(&new)), (0, b'x'));
        assert_eq!(new.0.dir.path(), dir.path());
    }

    #[test]
    fn threads_that_fight_for_one_descriptor_all_read_their_own_file() {
        let (temp, dir) = ten_files();
        let handles = Handles::new(1);
        let all = open_all(&handles, &dir);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let all = &all;
                scope.spawn(move || {
                    for step in 0..500 {
                        let number = (step * 7 + thread * 3) % 10;
                        assert_eq!(usize::from(first_byte(&all[number])), number);
                        match step % 50 {
                            0 => all[number].get().unwrap().write_all_at(&[1], 1).unwrap(),
                            9 => all[number].get().unwrap().truncate(1).unwrap(),
                            19 => all[number].close(),
                            29 => all[number].get().unwrap().sync().unwrap(),
                            _ => {}
                        }
                    }
                });
            }
        });
        drop(all);
        assert_eq!((handles.open_descriptors(), descriptors(&temp)), (0, 0));
    }
}
