//! `strandline.topics`: the topics of a store, with what their directories cannot say.
//!
//! ```text
//! version 1
//!
//! topic events
//! id AAAAAAAAAAEAAAAAAAAAAg
//! partitions 3
//! state live
//! config retention.ms=604800000
//! crc 01234567
//! ```
//!
//! In names and values `%25`, `%0A` and `%0D` stand for `%` and line ends, in the names of settings
//! `%3D` for `=`. If the file is lost the topics are listed from the directories.

use std::collections::HashSet;
use std::fmt::Write;

use super::checked_text::{self, Escaped, Line, TextError};
use crate::log::TopicId;

/// The most partitions that a topic can have: a bound on what a few bytes in the file can ask for.
pub(super) const MOST_PARTITIONS: u32 = 100_000;

/// The most partitions that all topics together can have.
const MOST_IN_ALL: u32 = 1_000_000;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicEntry {
    /// Its name. That it is one that Kafka allows is for the caller to ask.
    pub(crate) name: String,
    /// Its id, never zero.
    pub(crate) id: TopicId,
    /// How many partitions it has, at least one.
    pub(crate) partitions: u32,
    /// What is being done with it.
    pub(crate) state: TopicState,
    /// Its settings: Kafka's name and what it is set to, in the order in which they stand.
    pub(crate) config: Vec<(String, String)>,
}

/// What is being done with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicState {
    /// Its directories are being made; nobody was told of it yet.
    Creating,
    /// It can be used.
    Live,
    /// Its directories are being removed.
    Deleting,
}

impl TopicState {
    const ALL: [TopicState; 3] = [TopicState::Creating, TopicState::Live, TopicState::Deleting];

    const fn word(self) -> &'static str {
        match self {
            TopicState::Creating => "creating",
            TopicState::Live => "live",
            TopicState::Deleting => "deleting",
        }
    }
}

/// The file's bytes.
pub(crate) fn encode(topics: &[TopicEntry]) -> Vec<u8> {
    let mut lines = String::new();
    for topic in topics {
        let (name, state) = (Escaped(&topic.name), topic.state.word());
        // Writing to a string does not fail.
        let _ = writeln!(lines, "\ntopic {name}\nid {}", topic.id);
        let _ = writeln!(lines, "partitions {}\nstate {state}", topic.partitions);
        for (name, value) in &topic.config {
            let name = Escaped(name).to_string().replace('=', "%3D");
            let _ = writeln!(lines, "config {name}={}", Escaped(value));
        }
    }
    checked_text::encode(&lines)
}

/// Reads the file.
///
/// # Errors
///
/// Any [`TextError`]. A line that is not known, stands where it should not, or names a topic or a
/// setting again, is malformed.
pub(crate) fn decode(file: &[u8]) -> Result<Vec<TopicEntry>, TextError> {
    let mut topics = Vec::new();
    let mut names = HashSet::new();
    let mut block: Option<Block> = None;
    let mut room = MOST_IN_ALL;
    for line in checked_text::decode(file)? {
        if line.key == "topic" {
            topics.extend(block.take().map(Block::finish).transpose()?);
            let name = line.text()?;
            if !names.insert(name.clone()) {
                return Err(line.malformed());
            }
            block = Some(Block { name, ..Block::default() });
        } else {
            let block = block.as_mut().ok_or(line.malformed())?;
            block.take(line)?;
            if line.key == "partitions" {
                let left = room.checked_sub(block.partitions.unwrap_or(0));
                room = left.ok_or(line.malformed())?;
            }
        }
    }
    topics.extend(block.map(Block::finish).transpose()?);
    Ok(topics)
}

/// A topic of which not all lines are read.
#[derive(Default)]
struct Block {
    name: String,
    id: Option<TopicId>,
    partitions: Option<u32>,
    state: Option<TopicState>,
    config: Vec<(String, String)>,
    settings: HashSet<String>,
}

impl Block {
    fn take(&mut self, line: Line<'_>) -> Result<(), TextError> {
        match line.key {
            "id" if self.id.is_none() => {
                self.id = Some(line.value.parse().map_err(|_| line.malformed())?);
            }
            "partitions" if self.partitions.is_none() => {
                let partitions = Some(line.number(MOST_PARTITIONS)?).filter(|count| *count > 0);
                self.partitions = Some(partitions.ok_or(line.malformed())?);
            }
            "state" if self.state.is_none() => {
                let state = TopicState::ALL.into_iter().find(|state| state.word() == line.value);
                self.state = Some(state.ok_or(line.malformed())?);
            }
            "config" => {
                let (name, value) = line.pair()?;
                if !self.settings.insert(name.clone()) {
                    return Err(line.malformed());
                }
                self.config.push((name, value));
            }
            _ => return Err(line.malformed()),
        }
        Ok(())
    }

    fn finish(self) -> Result<TopicEntry, TextError> {
        Ok(TopicEntry {
            name: self.name,
            id: self.id.ok_or(TextError::Missing("id"))?,
            partitions: self.partitions.ok_or(TextError::Missing("partitions"))?,
            state: self.state.ok_or(TextError::Missing("state"))?,
            config: self.config,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic(name: &str) -> TopicEntry {
        TopicEntry {
            name: name.to_owned(),
            id: TopicId::from_bytes([1; 16]),
            partitions: 3,
            state: TopicState::Live,
            config: vec![("retention.ms".into(), "-1".into()), ("x".into(), " a=b%\n".into())],
        }
    }

    #[test]
    fn topics_are_written_so_that_they_can_be_read() {
        let plain = TopicEntry { config: vec![], state: TopicState::Deleting, ..topic("b") };
        let topics = [topic("a"), plain];
        let text = String::from_utf8(encode(&topics)).unwrap();
        let lines = "version 1\n\ntopic a\nid AQEBAQEBAQEBAQEBAQEBAQ\npartitions 3\nstate live\n\
            config retention.ms=-1\nconfig x= a=b%25%0A\n\ntopic b\nid AQEBAQEBAQEBAQEBAQEBAQ\n\
            partitions 3\nstate deleting\ncrc ";
        assert!(text.starts_with(lines), "{text}");
        assert_eq!(decode(text.as_bytes()), Ok(topics.to_vec()));
        assert_eq!(decode(&encode(&[])), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let error = |lines: &str| {
            let file = format!("version 1\n{lines}\ncrc -\n");
            decode(file.as_bytes()).unwrap_err()
        };
        let malformed = |line| TextError::Malformed { line };
        assert_eq!(error("id AQEBAQEBAQEBAQEBAQEBAQ"), malformed(2));
        assert_eq!(error("topic a\nid AAAAAAAAAAAAAAAAAAAAAA"), malformed(3));
        assert_eq!(error("topic a\npartitions 0"), malformed(3));
        assert_eq!(error("topic a\npartitions 2147483648"), malformed(3));
        assert_eq!(error("topic a\nstate dead"), malformed(3));
        assert_eq!(error("topic a\nstate live\nstate live"), malformed(4));
        assert_eq!(error("topic a\nconfig x"), malformed(3));
        assert_eq!(error("topic a\nconfig x=%"), malformed(3));
        assert_eq!(error("topic a\nconfig x=1\nconfig x=2"), malformed(4));
        assert_eq!(error("topic a\nreplicas 1"), malformed(3));
        assert_eq!(error("topic a"), TextError::Missing("id"));
        let whole = "topic a\nid AQEBAQEBAQEBAQEBAQEBAQ\npartitions 1\nstate live";
        assert_eq!(error(&format!("{whole}\n{whole}")), malformed(6));
    }

    fn texts() -> impl Strategy<Value = String> {
        ".{0,9}|[%\n\r= #]{0,9}"
    }

    prop_compose! {
        fn some_topics()(
            topics in prop::collection::btree_map(texts(), (
                any::<[u8; 16]>(),
                1..=MOST_PARTITIONS,
                0..3_usize,
                prop::collection::btree_map(texts(), texts(), 0..4),
            ), 0..4)
        ) -> Vec<TopicEntry> {
            topics.into_iter().map(|(name, (mut id, partitions, state, config))| {
                id[0] |= 1;
                let (id, state) = (TopicId::from_bytes(id), TopicState::ALL[state]);
                TopicEntry { name, id, partitions, state, config: config.into_iter().collect() }
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn any_names_and_values_are_read_back(topics in some_topics()) {
            prop_assert_eq!(decode(&encode(&topics)), Ok(topics));
        }

        #[test]
        fn a_flipped_bit_gives_no_other_topics(topics in some_topics(), bit: prop::sample::Index) {
            let mut file = encode(&topics);
            let bit = bit.index(file.len() * 8);
            file[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&file).is_err() || decode(&file) == Ok(topics));
        }
    }
}
