//! Small text files, Kafka's and ours: what decodes says, encoded and decoded again, the same, and
//! says what the words in the file say.

use super::support::with_copy;
use crate::log::leader_epochs::LeaderEpochs;
use crate::log::{leader_epoch_file, partition_metadata};
use crate::record::LeaderEpoch;
use crate::store::checked_text::TextError;
use crate::store::owner::Owner;
use crate::store::{checkpoint, clean_shutdown, meta_properties::MetaProperties, topics};

/// The words of a checkpoint file, however they are set apart.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n');
    let words = bytes.split(is_space).filter(|word| !word.is_empty());
    words.map(|word| std::str::from_utf8(word).unwrap_or("?"))
}

/// The words behind version and count.
fn entry_words(bytes: &[u8], entries: usize) -> impl Iterator<Item = &str> {
    let mut words = words(bytes);
    let (version, count) = (words.next(), words.next());
    if entries > 0 {
        assert_eq!(version.map(str::parse), Some(Ok(0)));
        assert_eq!(count.map(str::parse), Some(Ok(entries)));
    }
    words
}

/// An offset checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    let Ok(entries) = checkpoint::decode(bytes) else { return };
    let mut words = entry_words(bytes, entries.len());
    for entry in &entries {
        assert_eq!(words.next(), Some(entry.topic.as_str()));
        assert_eq!(words.next().map(str::parse), Some(Ok(entry.partition)));
        assert_eq!(words.next().map(str::parse), Some(Ok(entry.offset)));
        assert!(entry.partition >= 0 && entry.offset >= 0);
    }
    assert_eq!(words.next(), None, "a word is left out");
    assert_eq!(checkpoint::decode(&checkpoint::encode(&entries)), Ok(entries));
}

/// A leader-epoch checkpoint, and what a log makes of it.
pub fn leader_epochs(bytes: &[u8]) {
    let Ok(entries) = leader_epoch_file::decode(bytes) else { return };
    let mut words = entry_words(bytes, entries.len());
    for entry in &entries {
        assert_eq!(words.next().map(str::parse), Some(Ok(entry.epoch.0)));
        assert_eq!(words.next().map(str::parse), Some(Ok(entry.start_offset)));
        assert!(entry.epoch.0 >= 0 && entry.start_offset >= 0);
    }
    assert_eq!(words.next(), None, "a word is left out");
    let epochs = LeaderEpochs::from_entries(entries.iter().map(|e| (e.epoch, e.start_offset)));
    assert_eq!(leader_epoch_file::decode(&leader_epoch_file::encode(&entries)), Ok(entries));
    let known = epochs.entries();
    let grows = |pair: &[(LeaderEpoch, i64)]| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1;
    assert!(known.windows(2).all(grows), "{known:?}");
    assert_eq!(LeaderEpochs::from_entries(known.iter().copied()), epochs);
    for (at, &(epoch, start)) in known.iter().enumerate() {
        assert_eq!(epochs.epoch_for_offset(start), Some(epoch));
        let before = at.checked_sub(1).map(|before| known[before].0);
        assert_eq!(epochs.epoch_for_offset(start - 1), before);
        let end = known.get(at + 1).map_or(i64::MAX, |next| next.1);
        assert_eq!(epochs.end_offset_for(Some(epoch), i64::MAX), Some((epoch, end)));
    }
}

/// One of our text files, as it is and vouched for by hand.
fn as_is_and_by_hand(bytes: &[u8], look_at: impl Fn(&[u8]) -> Option<TextError>) {
    let damaged = |error| matches!(error, TextError::Crc { .. } | TextError::NoCrc);
    if look_at(bytes).is_some_and(damaged) {
        with_copy(bytes, |copy| {
            copy.extend_from_slice(b"\ncrc -\n");
            look_at(copy);
        });
    }
}

/// `strandline.topics`.
pub fn topics(bytes: &[u8]) {
    as_is_and_by_hand(bytes, |bytes| match topics::decode(bytes) {
        Ok(entries) => {
            assert_eq!(topics::decode(&topics::encode(&entries)), Ok(entries));
            None
        }
        Err(error) => Some(error),
    });
}

/// `strandline.owner`.
pub fn owner(bytes: &[u8]) {
    as_is_and_by_hand(bytes, |bytes| match Owner::decode(bytes) {
        Ok(owner) => {
            assert_eq!(Owner::decode(&owner.encode()), Ok(owner));
            None
        }
        Err(error) => Some(error),
    });
}

/// `meta.properties`.
pub fn meta_properties(bytes: &[u8]) {
    let Ok(mut meta) = MetaProperties::decode(bytes) else { return };
    let Ok(again) = meta.encode() else { return };
    // They are written in order, and what the other version calls the node's id not at all.
    meta.others.retain(|(key, _)| !["broker.id", "node.id"].contains(&key.as_str()));
    meta.others.sort();
    assert_eq!(MetaProperties::decode(&again), Ok(meta));
}

/// `partition.metadata`.
pub fn partition_metadata(bytes: &[u8]) {
    let Ok(id) = partition_metadata::decode(bytes) else { return };
    assert!(!id.is_zero());
    assert_eq!(partition_metadata::decode(&partition_metadata::encode(id)), Ok(id));
}

/// `.kafka_cleanshutdown`.
pub fn clean_shutdown(bytes: &[u8]) {
    let Some(epoch) = clean_shutdown::broker_epoch(bytes) else { return };
    assert!(epoch >= 0);
    let again = clean_shutdown::encode(Some(epoch));
    assert_eq!(clean_shutdown::broker_epoch(&again), Some(epoch));
}
