//! The topics of a store: what `strandline.topics` says of them, and what their directories say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::found::{Found, OwnerFile, TopicsFile};
use super::kraft::Image;
use super::names;
use super::topics::{self, TopicEntry, TopicState};
use crate::fs::Dir;
use crate::log::{LogConfig, TopicId};

/// All topics, by name.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    topics: BTreeMap<String, Known>,
    /// Whether what was being made when the store was last used is still to be finished. Until
    /// then it is shown as if it were.
    planned: bool,
    /// A `strandline.topics` that could not be read and is to be kept aside.
    pub(super) damaged: Option<Vec<u8>>,
    /// Whether `strandline.topics` says something else than Kafka's metadata, which counts.
    pub(super) differs: bool,
}

/// A topic.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Its lines in `strandline.topics`; none if it is known from its directories alone.
    pub(super) entry: Option<TopicEntry>,
    pub(super) config: Arc<LogConfig>,
    /// Its id as Kafka's metadata has it, where `strandline.topics` has none.
    kafka_id: Option<TopicId>,
    /// Partitions that had a directory when the store was opened. There may be many, and who asks for
    /// one gets a copy of the topic.
    pub(super) directories: Arc<BTreeSet<u32>>,
}

impl Known {
    /// A topic that is being made.
    pub(super) fn new(entry: TopicEntry, config: impl Into<Arc<LogConfig>>) -> Known {
        let config = config.into();
        Known { entry: Some(entry), config, kafka_id: None, directories: Arc::default() }
    }

    /// The same with other lines in the file.
    pub(super) fn with_entry(self, entry: TopicEntry) -> Known {
        Known { entry: Some(entry), ..self }
    }

    pub(super) fn id(&self) -> Option<TopicId> {
        self.entry.as_ref().map(|entry| entry.id).or(self.kafka_id)
    }

    pub(super) fn state(&self) -> TopicState {
        self.entry.as_ref().map_or(TopicState::Live, |entry| entry.state)
    }

    /// The numbers of its partitions, in order.
    pub(super) fn numbers(&self) -> BTreeSet<u32> {
        let count = self.entry.as_ref().map_or(0, |entry| entry.partitions);
        (0..count).chain(self.directories.iter().copied()).collect()
    }

    pub(super) fn delete_delay_ms(&self) -> i64 {
        self.config.settings().file_delete_delay_ms
    }

    pub(super) fn has(&self, partition: u32) -> bool {
        let count = self.entry.as_ref().map_or(0, |entry| entry.partitions);
        partition < count || self.directories.contains(&partition)
    }
}

/// What Kafka's metadata sets of a topic.
fn settings(image: Option<&Image>, topic: &str) -> Vec<(String, String)> {
    let settings = image.into_iter().flat_map(|image| image.config(topic));
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The entries of `strandline.topics` as they are once Kafka's metadata, if there is any, has said
/// what it knows: Kafka changes settings, deletes topics and makes them anew.
fn merged(
    entries: Vec<TopicEntry>,
    found: &Found,
    is_ours: bool,
    differs: &mut bool,
) -> Vec<TopicEntry> {
    let Some(image) = found.metadata.image() else { return entries };
    let mut merged = Vec::new();
    for mut entry in entries {
        let there = found.partitions.get(&entry.name);
        let is_whole = there.is_some_and(|there| there.iter().copied().eq(0..entry.partitions));
        match image.topic(&entry.name) {
            _ if entry.state != TopicState::Live => {}
            Some((id, _)) if id == entry.id && is_whole => {
                let config = settings(Some(image), &entry.name);
                *differs |= !same_settings(&config, &entry.config);
                entry.config = config;
            }
            // Others of its partitions are here than were, or it is another topic.
            Some((id, _)) if !is_ours || id == entry.id => {
                *differs = true;
                continue;
            }
            None if !is_ours && there.is_none() => {
                *differs = true;
                continue;
            }
            _ => {}
        }
        merged.push(entry);
    }
    merged
}

fn same_settings(a: &[(String, String)], b: &[(String, String)]) -> bool {
    let sorted = |of: &[(String, String)]| of.iter().cloned().collect::<BTreeSet<_>>();
    sorted(a) == sorted(b)
}

impl Catalog {
    /// What was found; `root` and `warnings` for what is strange about it.
    pub(super) fn of(found: &mut Found, root: &Dir, read_only: bool) -> Catalog {
        let mut catalog = Catalog { planned: !read_only, ..Catalog::default() };
        let file = std::mem::replace(&mut found.topics, TopicsFile::Missing);
        let mut left = found.partitions.clone();
        let has_file = !matches!(file, TopicsFile::Missing);
        let is_ours = found.checkpoints.opening.is_some();
        match file {
            TopicsFile::Missing => {}
            TopicsFile::Damaged(bytes) => catalog.damaged = Some(bytes),
            TopicsFile::Read(entries) => {
                for entry in merged(entries, found, is_ours, &mut catalog.differs) {
                    let directories = left.remove(&entry.name).unwrap_or_default();
                    catalog.add(entry, directories, root, &mut found.warnings);
                }
            }
        }
        let owned = is_ours || !matches!(found.owner, OwnerFile::Missing);
        let lost = catalog.damaged.is_none() && (has_file || owned);
        let lost = lost && found.metadata.image().is_none();
        if let Some(first) = left.keys().next().filter(|_| lost) {
            let (path, others) = (root.path().display(), left.len() - 1);
            let warning = format!(
                "{path}: strandline.topics does not have {first} and {others} other topics, whose \
                 directories are there: they have default settings"
            );
            found.warnings.push(warning);
        }
        for (name, directories) in left {
            catalog.add_without_entry(name, directories, found, root);
        }
        catalog
    }

    /// A topic that `strandline.topics` does not have: Kafka's metadata may.
    fn add_without_entry(
        &mut self,
        name: String,
        directories: BTreeSet<u32>,
        found: &mut Found,
        root: &Dir,
    ) {
        let image = found.metadata.image();
        let Some((id, topic)) = image.and_then(|image| image.topic(&name)) else {
            if image.is_some() {
                let path = root.path().display();
                found.warnings.push(format!(
                    "{path}: topic {name} is not in Kafka's metadata: a broker would set it aside"
                ));
            }
            let config = Arc::default();
            let directories = Arc::new(directories);
            let known = Known { entry: None, config, kafka_id: None, directories };
            self.topics.insert(name, known);
            return;
        };
        let is_whole = topic.partitions.keys().eq(&directories);
        let entry = TopicEntry {
            name: name.clone(),
            id,
            partitions: directories.len() as u32,
            state: TopicState::Live,
            config: settings(image, &name),
        };
        self.add(entry, directories, root, &mut found.warnings);
        let Some(known) = self.topics.get_mut(&name) else { return };
        if is_whole {
            // So that it can be told without the metadata, from the first write on.
            self.differs = true;
        } else {
            known.entry = None;
            known.kafka_id = Some(id);
        }
    }

    fn add(
        &mut self,
        entry: TopicEntry,
        directories: BTreeSet<u32>,
        root: &Dir,
        warnings: &mut Vec<String>,
    ) {
        let mut warn = |why: String| {
            warnings.push(format!("{}: topic {}: {why}", root.path().display(), entry.name));
        };
        let mut config = LogConfig::new();
        for (name, value) in &entry.config {
            if let Err(error) = config.set(name, value) {
                warn(format!("{error}; the default is used"));
            }
        }
        if let Err(error) = config.check() {
            warn(error.to_string());
        }
        let missing = (0..entry.partitions).find(|number| !directories.contains(number));
        if let Some(missing) = missing.filter(|_| entry.state == TopicState::Live) {
            let dir = names::partition_dir(&entry.name, missing);
            warn(format!("the directory {dir} is missing"));
        }
        let name = entry.name.clone();
        let (config, directories) = (Arc::new(config), Arc::new(directories));
        let known = Known { entry: Some(entry), config, kafka_id: None, directories };
        self.topics.insert(name, known);
    }

    /// A topic that a caller may see.
    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.topics.get(name).filter(|known| self.is_visible(known))
    }

    /// All topics that a caller may see, by name.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.topics.iter().filter(|(_, known)| self.is_visible(known))
    }

    fn is_visible(&self, known: &Known) -> bool {
        match known.state() {
            TopicState::Live => true,
            TopicState::Creating => self.planned,
            TopicState::Deleting => false,
        }
    }

    /// Each visible topic's id.
    pub(super) fn ids(&self) -> BTreeMap<String, Option<TopicId>> {
        self.visible().map(|(name, known)| (name.clone(), known.id())).collect()
    }

    /// A topic in whatever state.
    pub(super) fn any(&self, name: &str) -> Option<&Known> {
        self.topics.get(name)
    }

    /// All topics in whatever state.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.topics.iter()
    }

    /// What was left unfinished is finished.
    pub(super) fn applied(&mut self) {
        self.planned = false;
    }

    pub(super) fn insert(&mut self, name: &str, known: Known) {
        self.topics.insert(name.to_owned(), known);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.topics.remove(name);
    }

    pub(super) fn set_state(&mut self, name: &str, state: TopicState) {
        let entry = self.topics.get_mut(name).and_then(|known| known.entry.as_mut());
        if let Some(entry) = entry {
            entry.state = state;
        }
    }

    /// The topics that were left in `state`.
    pub(super) fn entries_in(&self, state: TopicState) -> Vec<TopicEntry> {
        let entries = self.topics.values().filter_map(|known| known.entry.as_ref());
        entries.filter(|entry| entry.state == state).cloned().collect()
    }

    /// The bytes of `strandline.topics`, each topic in the state that `state` makes of its own.
    pub(super) fn encode(&self, state: impl Fn(TopicState) -> Option<TopicState>) -> Vec<u8> {
        let entries = self.topics.values().filter_map(|known| known.entry.as_ref());
        let entries = entries.filter_map(|entry| {
            let state = state(entry.state)?;
            Some(TopicEntry { state, ..entry.clone() })
        });
        topics::encode(&entries.collect::<Vec<_>>())
    }
}
