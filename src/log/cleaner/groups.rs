//! Which segments become one: as many as fit together, so that a log does not end up in crumbs.

use crate::record::Offset;

/// A segment, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) base_offset: Offset,
    pub(super) log_bytes: u64,
    pub(super) offset_index_bytes: u64,
    pub(super) time_index_bytes: u64,
}

/// What one segment can hold: `segment.bytes` and `segment.index.bytes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) log_bytes: u64,
    pub(super) index_bytes: u64,
}

/// Splits segments, which end at `end`, into runs of which each becomes one segment: how many there
/// are in each.
pub(super) fn groups(segments: &[Size], end: Offset, limits: Limits) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut at = 0;
    while let Some(first) = segments.get(at) {
        let mut sum = *first;
        let mut count = 1;
        while let Some(next) = segments.get(at + count) {
            let behind = segments.get(at + count + 1).map_or(end, |behind| behind.base_offset);
            sum.log_bytes += next.log_bytes;
            sum.offset_index_bytes += next.offset_index_bytes;
            sum.time_index_bytes += next.time_index_bytes;
            // An empty one has no offsets that an index would have to name.
            let span = behind - 1 - first.base_offset;
            let is_near = next.log_bytes == 0 || span <= Offset::from(i32::MAX);
            if sum.log_bytes > limits.log_bytes
                || sum.offset_index_bytes > limits.index_bytes
                || sum.time_index_bytes > limits.index_bytes
                || !is_near
            {
                break;
            }
            count += 1;
        }
        groups.push(count);
        at += count;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(segments: &[(Offset, u64)]) -> Vec<Size> {
        let size = |&(base_offset, log_bytes)| Size {
            base_offset,
            log_bytes,
            offset_index_bytes: 8,
            time_index_bytes: 12,
        };
        segments.iter().map(size).collect()
    }

    const LIMITS: Limits = Limits { log_bytes: 100, index_bytes: 100 };

    #[test]
    fn as_many_as_fit_become_one() {
        let segments = sizes(&[(0, 50), (10, 50), (20, 1), (30, 120), (40, 0), (50, 100)]);
        assert_eq!(groups(&segments, 60, LIMITS), [2, 1, 1, 2]);
        assert_eq!(groups(&[], 0, LIMITS), [0; 0]);
    }

    #[test]
    fn their_indexes_have_to_fit_as_well() {
        let segments = sizes(&[(0, 1), (10, 1), (20, 1), (30, 1)]);
        let of = |index_bytes| groups(&segments, 40, Limits { index_bytes, ..LIMITS });
        assert_eq!((of(48), of(47), of(24), of(4)), (vec![4], vec![3, 1], vec![2, 2], vec![1; 4]));
    }

    #[test]
    fn offsets_have_to_fit_an_index_entry() {
        let far = Offset::from(i32::MAX);
        let segments = sizes(&[(0, 1), (10, 1), (far, 1)]);
        assert_eq!(groups(&segments, far + 1, LIMITS), [3]);
        assert_eq!(groups(&segments, far + 2, LIMITS), [2, 1]);
        // The one that is dropped ends where the next begins, however far that is.
        let sparse = sizes(&[(0, 1), (10, 1), (far + 9, 1)]);
        assert_eq!(groups(&sparse, far + 20, LIMITS), [1, 1, 1]);
        assert_eq!(groups(&sparse, far + 11, LIMITS), [1, 2]);
        let empty = sizes(&[(0, 1), (10, 0), (far + 9, 0)]);
        assert_eq!(groups(&empty, far + 20, LIMITS), [3]);
    }
}
