//! What topics may be called, and what the directories of their partitions are.
//!
//! | directory | what |
//! |-----------|------|
//! | `<topic>-<partition>` | a partition |
//! | `<topic>-<partition>.<32 hex>-delete` | one that is to be removed, or that is still being made |
//! | `<topic>-<partition>.<32 hex>-future` | a replica that Kafka moves here from another directory |
//! | `<topic>-<partition>.<32 hex>-stray` | one that Kafka does not know |
//! | `__cluster_metadata-0` | KRaft's own log: none of a topic |

use std::fmt;

use super::checkpoint::OPENING_TOPIC;
use super::topics::MOST_PARTITIONS;

/// The most bytes that a name can have on any file system that is used.
const MOST_NAME_BYTES: usize = 255;
/// Kafka's bound.
const MOST_TOPIC_BYTES: usize = 249;
/// `.`, 32 hexadecimal digits, `-delete`.
const DELETE_SUFFIX_BYTES: usize = 1 + 32 + 7;
// So a partition's directory always has a name that is short enough.
const _: () = assert!(MOST_TOPIC_BYTES + "-99999".len() <= MOST_NAME_BYTES);
const _: () = assert!(MOST_PARTITIONS <= 100_000);
const METADATA_TOPIC: &str = "__cluster_metadata";
/// The topic and the partition of KRaft's own log.
pub(super) const METADATA_PARTITION: (&str, u32) = (METADATA_TOPIC, 0);
const DELETE: &str = "-delete";
const STRAY: &str = "-stray";
const SUFFIXES: [&str; 3] = [DELETE, "-future", STRAY];
/// Kafka's own directory for a cache, which holds no partition.
const REMOTE_CACHE: &str = "remote-log-index-cache";

/// Why a topic cannot have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameError {
    Empty,
    Dots,
    TooLong(usize),
    Character(char),
    Reserved,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("a topic's name cannot be empty"),
            NameError::Dots => f.write_str("a topic cannot be called . or .."),
            NameError::TooLong(bytes) => {
                write!(f, "a topic's name of {bytes} bytes exceeds {MOST_TOPIC_BYTES}")
            }
            NameError::Character(character) => {
                let allowed = "a-z, A-Z, 0-9, '.', '_' and '-'";
                write!(f, "a topic's name holds {allowed} only, not {character:?}")
            }
            NameError::Reserved => write!(f, "{OPENING_TOPIC} and {METADATA_TOPIC} are reserved"),
        }
    }
}

impl std::error::Error for NameError {}

/// Kafka's rule for the name of a topic.
///
/// # Errors
///
/// If it breaks it.
pub(super) fn check_topic(name: &str) -> Result<(), NameError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Err(NameError::Empty),
        "." | ".." => Err(NameError::Dots),
        OPENING_TOPIC | METADATA_TOPIC => Err(NameError::Reserved),
        _ => match name.chars().find(|&c| !is_allowed(c)) {
            Some(character) => Err(NameError::Character(character)),
            None if name.len() > MOST_TOPIC_BYTES => Err(NameError::TooLong(name.len())),
            None => Ok(()),
        },
    }
}

/// Whether two topics' metrics would have one name: then Kafka refuses the second.
pub(super) fn collide(a: &str, b: &str) -> bool {
    let unified = |byte: u8| if byte == b'.' { b'_' } else { byte };
    a.len() == b.len() && a.bytes().map(unified).eq(b.bytes().map(unified))
}

/// What a name in a log directory says of what bears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirName<'a> {
    Partition(&'a str, u32),
    /// Waits to be removed.
    Deleted,
    /// Set aside by Kafka, which did not know the partition: its directory's name before.
    Stray(&'a str),
    /// Kafka's own: future, metadata, cache.
    Kafka,
    /// No name that Kafka or strandline gives.
    Foreign,
}

/// Reads the name of a directory.
pub(super) fn parse(name: &str) -> DirName<'_> {
    if name == REMOTE_CACHE {
        return DirName::Kafka;
    }
    for suffix in SUFFIXES {
        let Some(stem) = name.strip_suffix(suffix) else { continue };
        let marked = stem.rsplit_once('.').filter(|(partition, id)| {
            let is_id = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_id && partition_in(partition).is_some()
        });
        return match (marked, suffix) {
            (Some(_), DELETE) => DirName::Deleted,
            (Some((partition, _)), STRAY) => DirName::Stray(partition),
            (Some(_), _) => DirName::Kafka,
            (None, _) => DirName::Foreign,
        };
    }
    match partition_in(name) {
        Some((METADATA_TOPIC, _)) => DirName::Kafka,
        Some((topic, partition)) if check_topic(topic).is_ok() => {
            DirName::Partition(topic, partition)
        }
        _ => DirName::Foreign,
    }
}

/// Topic and partition, split at the last `-`.
/// The topic and number of a partition's directory, whatever becomes of it.
pub(super) fn of_partition(name: &str) -> Option<(&str, u32)> {
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let stem = stem.and_then(|stem| stem.rsplit_once('.')).map(|(partition, _)| partition);
    partition_in(stem.unwrap_or(name))
}

fn partition_in(name: &str) -> Option<(&str, u32)> {
    let (topic, digits) = name.rsplit_once('-')?;
    let partition = digits.parse::<u32>().ok().filter(|&number| i32::try_from(number).is_ok())?;
    // One that is written otherwise (`+1`, `01`) would be another directory of the same partition.
    (!topic.is_empty() && partition.to_string() == digits).then_some((topic, partition))
}

/// The name of a partition's directory.
pub(super) fn partition_dir(topic: &str, partition: u32) -> String {
    format!("{topic}-{partition}")
}

/// A name for a partition's directory before it is one, or when it is one no more. The topic is cut
/// where the name would be too long, as in Kafka.
pub(super) fn deleted_dir(topic: &str, partition: u32, id: u128) -> String {
    let number = format!("-{partition}");
    let most = MOST_NAME_BYTES - DELETE_SUFFIX_BYTES - number.len();
    let topic = topic.get(..most).unwrap_or(topic);
    format!("{topic}{number}.{id:032x}-delete")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_topic_has_a_name_that_kafka_allows_and_we_do_not_need() {
        let longest = "x".repeat(249);
        for good in ["a", "a.b_c-D9", "...", "-", "a-0", longest.as_str(), "__consumer_offsets"] {
            assert_eq!(check_topic(good), Ok(()), "{good}");
        }
        let refused = |name: &str| check_topic(name).unwrap_err();
        assert_eq!(refused(""), NameError::Empty);
        assert_eq!(refused("."), NameError::Dots);
        assert_eq!(refused(".."), NameError::Dots);
        assert_eq!(refused(&"x".repeat(250)), NameError::TooLong(250));
        assert_eq!(refused("strandline-opening"), NameError::Reserved);
        for bad in ["a/b", "a b", "a\0", "ä", "a:b", "a\n"] {
            assert!(matches!(refused(bad), NameError::Character(_)), "{bad:?}");
        }
    }

    #[test]
    fn dots_and_underscores_are_one_character_to_a_metric() {
        assert!(collide("a.b", "a_b") && collide("a._", "a_."));
        assert!(!collide("a.b", "a-b") && !collide("a.b", "a.b."));
    }

    #[test]
    fn directories_are_told_apart_by_their_names() {
        const ID: &str = "7d304678b7f04b9493a911561a40f920";
        let (delete, future) = (format!("to.be-1-0.{ID}-delete"), format!("a-0.{ID}-future"));
        let (stray, short) = (format!("a-0.{ID}-stray"), format!("a-0.{}-delete", &ID[1..]));
        let bare = format!("a.{ID}-delete");
        for (name, wanted) in [
            ("events-0", DirName::Partition("events", 0)),
            ("to.be-1-12", DirName::Partition("to.be-1", 12)),
            ("a-2147483647", DirName::Partition("a", 2_147_483_647)),
            (delete.as_str(), DirName::Deleted),
            (future.as_str(), DirName::Kafka),
            (stray.as_str(), DirName::Stray("a-0")),
            ("__cluster_metadata-0", DirName::Kafka),
            ("remote-log-index-cache", DirName::Kafka),
            (short.as_str(), DirName::Foreign),
            (bare.as_str(), DirName::Foreign),
        ] {
            assert_eq!(parse(name), wanted, "{name}");
        }
        for foreign in ["", "a", "a-", "-0", "a-b", "a--", "a-01", "a-+1", "foo-delete", "a b-0"] {
            assert_eq!(parse(foreign), DirName::Foreign, "{foreign}");
        }
        assert_eq!(parse("a-2147483648"), DirName::Foreign);
    }

    proptest! {
        #[test]
        fn a_name_that_is_made_is_read_back_and_short_enough(
            topic in "[a-zA-Z0-9._-]{1,249}", partition in 0..i32::MAX as u32, id: u128,
        ) {
            prop_assume!(check_topic(&topic).is_ok());
            let dir = partition_dir(&topic, partition);
            prop_assert_eq!(parse(&dir), DirName::Partition(&topic, partition));
            let deleted = deleted_dir(&topic, partition, id);
            prop_assert!(deleted.len() <= MOST_NAME_BYTES);
            prop_assert_eq!(parse(&deleted), DirName::Deleted);
        }
    }
}
