//! Binary search over entries that are read one at a time, from memory or from a file.

/// How many of `slots` sorted entries, from the front, `is_before` holds for. `read` gets a slot
/// below `slots`; its first error ends the search.
pub(crate) fn count_before<T, E>(
    slots: usize,
    mut read: impl FnMut(usize) -> Result<T, E>,
    is_before: impl Fn(&T) -> bool,
) -> Result<usize, E> {
    let (mut low, mut high) = (0, slots);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(&read(middle)?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The last of `slots` sorted entries that `is_before` holds for, and its slot.
pub(super) fn last_before<T, E>(
    slots: usize,
    mut read: impl FnMut(usize) -> Result<T, E>,
    is_before: impl Fn(&T) -> bool,
) -> Result<Option<(usize, T)>, E> {
    match count_before(slots, &mut read, is_before)?.checked_sub(1) {
        Some(slot) => Ok(Some((slot, read(slot)?))),
        None => Ok(None),
    }
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

/// How many of `slots` are written, where the rest are zeros that Kafka takes ahead. No entry but
/// the first can be all zeros, for offsets or timestamps grow; `read` gives a slot's bytes, and the
/// first slot is not asked for.
pub(super) fn written<const LEN: usize, E>(
    slots: usize,
    mut read: impl FnMut(usize) -> Result<[u8; LEN], E>,
) -> Result<usize, E> {
    let Some(behind_first) = slots.checked_sub(1) else { return Ok(0) };
    let written = count_before(behind_first, |slot| read(slot + 1), |entry| *entry != [0; LEN])?;
    Ok(written + 1)
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
            let Ok(count) = count_before(entries.len(), read, |&entry| entry <= key);
            prop_assert_eq!(count, entries.iter().filter(|&&entry| entry <= key).count());
            let Ok(last) = last_before(entries.len(), read, |&entry| entry <= key);
            prop_assert_eq!(last.map(|(slot, _)| slot), count.checked_sub(1));
            prop_assert!(last.is_none_or(|(slot, entry)| entries[slot] == entry));
        }

        #[test]
        fn zeros_taken_ahead_are_no_entries(used in 1_usize..40, ahead in 0_usize..40) {
            let read = |slot: usize| Ok::<_, Infallible>(if slot < used { [1; 8] } else { [0; 8] });
            prop_assert_eq!(written(used + ahead, read), Ok(used));
        }
    }
}
