//! Numbers that nobody else draws: topic ids, opening numbers.

use crate::fs::Dir;
use crate::log::TopicId;

/// A number of 31 bits.
pub(super) fn opening_number(dir: &Dir) -> i32 {
    (dir.random_bits() >> 97) as i32
}

/// A topic id as Kafka draws them: a random UUID (version 4), none of those that Kafka keeps for
/// itself, and none whose text begins with `-`, which a command line would take for an option.
pub(super) fn topic_id(dir: &Dir) -> TopicId {
    loop {
        let version = dir.random_bits() & !(0xf000 << 64) | 0x4000 << 64;
        let uuid = version & !(0b11 << 62) | 0b10 << 62;
        let id = TopicId::from_bytes(uuid.to_be_bytes());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn ids_differ_and_are_random_uuids() {
        let (_temp, dir) = dir();
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| topic_id(&dir)).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let bytes = id.to_bytes();
            assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (4, 0b10), "{id}");
        }
    }

    #[test]
    fn an_opening_number_is_never_negative() {
        let (_temp, dir) = dir();
        assert!((0..1000).all(|_| opening_number(&dir) >= 0));
        assert!((0..1000).any(|_| opening_number(&dir) > i32::MAX / 2));
    }
}
