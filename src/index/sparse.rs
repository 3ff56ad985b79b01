//! The end of an index that is being written: what is not in its file yet, and the last entries
//! for look-ups. What lies further ahead is read from the file.

/// Bytes that stay in memory once they are in the file.
const KEPT_BYTES: usize = 64 << 10;

/// The last entries of an active segment's index, each `WIDTH` bytes wide. It does no I/O: the
/// segment writes what [`Tail::unflushed`] gives and says so with [`Tail::mark_flushed`].
#[derive(Clone, Debug)]
pub(crate) struct Tail<const WIDTH: usize> {
    /// Entries that lie before those in memory.
    base_entries: usize,
    /// The entries in memory, one behind the other.
    entries: Vec<[u8; WIDTH]>,
    /// Of all entries, how many are in the file.
    flushed: usize,
}

impl<const WIDTH: usize> Tail<WIDTH> {
    const KEPT: usize = KEPT_BYTES / WIDTH;

    /// The end of an empty index.
    pub(crate) fn new() -> Self {
        Tail { base_entries: 0, entries: Vec::new(), flushed: 0 }
    }

    /// The end of an index whose file holds `entries`, the last of them being `last`: as many as
    /// the caller read, from [`Tail::first_wanted`] on. More than there are entries is no index:
    /// none.
    pub(crate) fn reopened(entries: usize, last: &[[u8; WIDTH]]) -> Option<Self> {
        let base_entries = entries.checked_sub(last.len())?;
        Some(Tail { base_entries, entries: last.to_vec(), flushed: entries })
    }

    /// The first slot that is kept in memory, of an index of so many entries.
    pub(crate) fn first_wanted(entries: usize) -> usize {
        entries.saturating_sub(Self::KEPT)
    }

    /// All entries, in memory and in the file only.
    pub(crate) fn len(&self) -> usize {
        self.base_entries + self.entries.len()
    }

    /// Bytes that the file will have.
    pub(crate) fn size_bytes(&self) -> u64 {
        (self.len() * WIDTH) as u64
    }

    /// The first slot in memory; those before it are read from the file.
    pub(crate) fn in_memory_from(&self) -> usize {
        self.base_entries
    }

    /// The entry in a slot, if it is in memory.
    pub(crate) fn get(&self, slot: usize) -> Option<&[u8; WIDTH]> {
        self.entries.get(slot.checked_sub(self.base_entries)?)
    }

    /// Adds an entry, in memory only.
    pub(crate) fn push(&mut self, entry: [u8; WIDTH]) {
        self.entries.push(entry);
    }

    /// What is not in the file yet, and where in the file it goes.
    pub(crate) fn unflushed(&self) -> (&[u8], u64) {
        let from = self.flushed.saturating_sub(self.base_entries);
        let entries = self.entries.get(from..).unwrap_or_default();
        (entries.as_flattened(), (self.flushed * WIDTH) as u64)
    }

    /// All of it is in the file now: what [`Tail::unflushed`] gave was written whole. Leaves the
    /// last 64 KiB in memory.
    pub(crate) fn mark_flushed(&mut self) {
        self.flushed = self.len();
        let surplus = self.entries.len().saturating_sub(Self::KEPT);
        self.entries.drain(..surplus);
        self.base_entries += surplus;
    }

    /// Keeps the first `entries` and forgets the rest. The file is the caller's to cut; if it cuts
    /// below what is in memory, nothing is left here but the number.
    pub(crate) fn truncate(&mut self, entries: usize) {
        self.entries.truncate(entries.saturating_sub(self.base_entries));
        self.base_entries = self.base_entries.min(entries);
        self.flushed = self.flushed.min(entries);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_is_not_in_the_file_leaves_memory() {
        let mut tail = Tail::<8>::new();
        for entry in 0..100_000_u64 {
            tail.push(entry.to_be_bytes());
        }
        assert_eq!((tail.len(), tail.in_memory_from()), (100_000, 0));
        assert_eq!(tail.unflushed().0.len(), 800_000);
        tail.mark_flushed();
        assert_eq!((tail.len(), tail.in_memory_from()), (100_000, 100_000 - 8192));
        assert_eq!(tail.unflushed(), (&[][..], 800_000));
        assert_eq!(tail.get(99_999), Some(&99_999_u64.to_be_bytes()));
        assert_eq!(tail.get(100_000 - 8193), None);
    }

    #[test]
    fn more_entries_in_memory_than_there_are_is_no_index() {
        assert!(Tail::<8>::reopened(1, &[[0; 8]; 2]).is_none());
        let tail = Tail::reopened(3, &[[7; 8]]).unwrap();
        assert_eq!((tail.get(1), tail.get(2), tail.size_bytes()), (None, Some(&[7; 8]), 24));
        assert_eq!((Tail::<12>::first_wanted(5461), Tail::<12>::first_wanted(5462)), (0, 1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u16),
        Flush,
        Truncate(u16),
        Reopen(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_u16..3000).prop_map(Step::Push),
            3 => Just(Step::Flush),
            1 => any::<u16>().prop_map(Step::Truncate),
            1 => (0_u16..300).prop_map(Step::Reopen),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The model: all entries in a plain vector, and the file as what was flushed left it.
        #[test]
        fn memory_and_file_together_are_all_entries(steps in steps()) {
            let mut tail = Tail::<8>::new();
            let (mut all, mut file) = (Vec::<[u8; 8]>::new(), Vec::<u8>::new());
            let mut next = 0_u64;
            for step in steps {
                match step {
                    Step::Push(count) => for _ in 0..count {
                        next += 1;
                        tail.push(next.to_be_bytes());
                        all.push(next.to_be_bytes());
                    },
                    Step::Flush => {
                        let (bytes, position) = tail.unflushed();
                        prop_assert_eq!(position as usize, file.len());
                        file.extend_from_slice(bytes);
                        tail.mark_flushed();
                        prop_assert!((tail.len() - tail.in_memory_from()) * 8 <= KEPT_BYTES);
                    }
                    Step::Truncate(to) => {
                        tail.truncate(usize::from(to).min(all.len()));
                        all.truncate(usize::from(to));
                        file.truncate(usize::from(to) * 8);
                    }
                    Step::Reopen(held) => {
                        let entries = file.as_chunks::<8>().0;
                        all.truncate(entries.len());
                        let from = entries.len().saturating_sub(usize::from(held));
                        tail = Tail::reopened(entries.len(), &entries[from..]).unwrap();
                    }
                }
                prop_assert_eq!(tail.len(), all.len());
                prop_assert_eq!(tail.size_bytes(), all.len() as u64 * 8);
                let (unflushed, position) = tail.unflushed();
                let whole = [&file[..position as usize], unflushed].concat();
                prop_assert_eq!(&whole[..], all.as_flattened());
                for slot in [0, all.len() / 2, all.len().saturating_sub(1), all.len()] {
                    let wanted = (slot >= tail.in_memory_from()).then(|| all.get(slot)).flatten();
                    prop_assert_eq!(tail.get(slot), wanted);
                }
            }
        }
    }
}
