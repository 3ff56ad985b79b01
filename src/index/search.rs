//! Binary search over entries that are read one at a time, from memory or from a file.

/// The last of `slots` sorted entries that `is_before` holds for, and its slot: it holds for a run
/// of entries from the first on. `read` gets a slot below `slots`; its first error ends the search.
pub(crate) fn last_before<T, E>(
    slots: usize,
    mut read: impl FnMut(usize) -> Result<T, E>,
    is_before: impl Fn(&T) -> bool,
) -> Result<Option<(usize, T)>, E> {
    let (mut low, mut high) = (0, slots);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = read(middle)?;
        if is_before(&entry) {
            found = Some((middle, entry));
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

/// Bytes of the smallest message of any format: no segment has more index entries than it could
/// hold of these.
const LEAST_MESSAGE_LEN: u64 = 26;

/// How many slots of an index of `index_bytes` are looked at, beside a `.log` of `log_bytes`,
/// however long the index is: Kafka leaves 10 MiB of zeros, and a length costs an attacker nothing.
/// A fraction of an entry at the end is ignored, as in Kafka.
pub(crate) fn slots_to_trust(index_bytes: u64, entry_len: usize, log_bytes: u64) -> usize {
    let slots = index_bytes.checked_div(entry_len as u64).unwrap_or(0);
    usize::try_from(slots.min(log_bytes / LEAST_MESSAGE_LEN)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_longer_index_than_the_log_can_fill_is_not_looked_at() {
        assert_eq!(slots_to_trust(10 << 20, 8, 100), 3);
        assert_eq!(slots_to_trust(23, 8, 1 << 30), 2);
        assert_eq!(slots_to_trust(u64::MAX, 8, 0), 0);
    }

    #[test]
    fn a_search_that_cannot_read_says_so() {
        let read = |slot: usize| if slot == 1 { Err("torn") } else { Ok(slot) };
        assert_eq!(last_before(3, read, |&entry| entry <= 2), Err("torn"));
        assert_eq!(last_before(0, read, |&entry| entry <= 2), Ok(None));
    }

    proptest! {
        #[test]
        fn a_search_finds_what_a_scan_finds(mut entries: Vec<u8>, key: u8) {
            entries.sort_unstable();
            let read = |slot: usize| Ok::<_, Infallible>(entries[slot]);
            let Ok(last) = last_before(entries.len(), read, |&entry| entry <= key);
            let scanned = entries.iter().copied().enumerate().rfind(|&(_, entry)| entry <= key);
            prop_assert_eq!(last, scanned);
        }
    }
}
