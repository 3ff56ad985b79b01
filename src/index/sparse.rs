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

    /// All entries, in memory and in the file only.
    pub(crate) fn len(&self) -> usize {
        self.base_entries + self.entries.len()
    }

    /// The entry in a slot, if it is in memory.
    pub(crate) fn get(&self, slot: usize) -> Option<&[u8; WIDTH]> {
        self.entries.get(slot.checked_sub(self.base_entries)?)
    }

    /// The entries in memory: the last ones.
    pub(crate) fn held(&self) -> &[[u8; WIDTH]] {
        &self.entries
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
        assert_eq!((tail.len(), tail.unflushed().0.len()), (100_000, 800_000));
        assert_eq!(tail.get(0), Some(&[0; 8]));
        tail.mark_flushed();
        assert_eq!((tail.len(), tail.unflushed()), (100_000, (&[][..], 800_000)));
        assert_eq!(tail.get(99_999), Some(&99_999_u64.to_be_bytes()));
        assert_eq!(tail.get(100_000 - 8192), Some(&(100_000_u64 - 8192).to_be_bytes()));
        assert_eq!(tail.get(100_000 - 8193), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The model: all entries in a plain vector, and the file as what was flushed left it.
        /// A step pushes so many entries, then flushes or does not.
        #[test]
        fn memory_and_file_together_are_all_entries(
            steps in prop::collection::vec((0_u16..3000, any::<bool>()), 0..40),
        ) {
            let mut tail = Tail::<8>::new();
            let (mut all, mut file) = (Vec::<[u8; 8]>::new(), Vec::<u8>::new());
            for (count, flush) in steps {
                for _ in 0..count {
                    let entry = (all.len() as u64).to_be_bytes();
                    tail.push(entry);
                    all.push(entry);
                }
                let (bytes, position) = tail.unflushed();
                prop_assert_eq!(position as usize, file.len());
                prop_assert_eq!([&file[..], bytes].concat(), all.as_flattened());
                if flush {
                    file.extend_from_slice(bytes);
                    tail.mark_flushed();
                }
                prop_assert_eq!(tail.len(), all.len());
                for slot in [0, all.len() / 2, all.len().saturating_sub(1), all.len()] {
                    match tail.get(slot) {
                        Some(entry) => prop_assert_eq!(Some(entry), all.get(slot)),
                        None => prop_assert!(slot == all.len() || slot < file.len() / 8),
                    }
                }
            }
        }
    }
}
