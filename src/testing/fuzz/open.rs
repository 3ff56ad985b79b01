//! A log directory of any files, opened: no panic, no hang, and what is foreign stays as it was.

use std::path::Path;

use super::image::{self, NOW, read_all};
use super::scratch::{self, Named, Scratch};
use super::support::Script;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::fs::Dir;
use crate::log::{Durability, Isolation, Log};
use crate::record::{Batch, Record};
use crate::store::{Store, TopicOptions};

/// Where files go: the log directory, or one in it.
const PLACES: [&str; 8] = [
    "",
    "t-0",
    "t-1",
    "t-00",
    "u-0.0123456789abcdef0123456789abcdef-delete",
    "u-0",
    "quarantine",
    "t-0-stray",
];

/// Names in a partition. Behind them come those that are an image's own.
const NAMES: [&str; 24] = [
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000017.log",
    "00000000000000000017.snapshot",
    "00000000000000000090.log.deleted",
    "00000000000000000000.log.swap",
    "00000000000000000000.log.cleaned",
    "09223372036854775807.log",
    "leader-epoch-checkpoint",
    "partition.metadata",
    "segments.manifest",
    "durable.watermark",
    "durable.watermark.tmp",
    "leader-epoch-checkpoint.tmp",
    // At the top.
    "strandline.owner",
    TOPICS,
    "meta.properties",
    ".kafka_cleanshutdown",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
];

const TOPICS: &str = "strandline.topics";

/// Names that are nobody's.
const FOREIGN: [&str; 8] = [
    "abc.log",
    "00000000000000000000.log.bak",
    "0000000000000000000.log",
    "00000000000000000000.LOG",
    "99999999999999999999.log",
    "notes",
    "x.deleted.txt",
    "core",
];

/// A script that says which files, with what in them.
pub fn log_open(bytes: &[u8]) {
    let opened = open(bytes);
    assert!(opened.is_ok(), "{opened:?}");
}

fn open(bytes: &[u8]) -> Result<()> {
    let mut script = Script::new(bytes);
    let scratch = Scratch::new()?;
    let root = scratch.dir();
    let how = script.byte();
    if how & 1 != 0 {
        make_store(&scratch.path(), &root, how)?;
    }
    let mut foreign = Vec::new();
    for _ in 0..12 {
        if script.is_done() {
            break;
        }
        foreign.extend(put(&mut script, &root)?);
    }
    let topics = scratch::read(&root)?.into_iter().find(|(name, _)| name == TOPICS);
    let deletes = topics.is_some_and(|(_, text)| text.windows(8).any(|word| word == b"deleting"));
    if deletes || how & 32 != 0 {
        // What is in the directory of a topic goes with the topic.
        foreign.retain(|(place, _)| !place.contains('-'));
    }
    for read_only in [true, false] {
        let before = if read_only { Some(everything(&root)?) } else { None };
        use_store(&scratch.path(), read_only, how);
        if let Some(before) = before {
            assert!(everything(&root)? == before, "a store that was opened to be read was changed");
        }
    }
    use_store(&scratch.path(), false, 0);
    for (place, (name, bytes)) in &foreign {
        let dir = if place.is_empty() { root.clone() } else { root.child(place) };
        let left = scratch::read(&dir)?.into_iter().find(|(other, _)| other == name);
        assert_eq!(left.as_ref().map(|(_, left)| left), Some(bytes), "{place}/{name} is not ours");
    }
    Ok(())
}

/// A store with the topic `t`, as a process left it that was killed or that closed it.
fn make_store(path: &Path, root: &Dir, how: u8) -> Result<()> {
    let store = Store::options().housekeeping(false).clock(Clock::manual(NOW)).open(path)?;
    let log = store.create_topic("t", TopicOptions::new().partitions(1))?.partition(0)?;
    log.append(Batch::of([Record::new().value("first")]), Durability::Synced)?;
    if how & 2 != 0 {
        store.close()?;
    }
    drop((log, store));
    if how & 4 != 0 {
        let image = if how & 8 == 0 { image::killed()? } else { image::closed()? };
        let is_log = |file: &&Named| file.0.ends_with("log") || file.0.ends_with("index");
        let dir = root.child("t-0");
        for (name, bytes) in image.files.iter().filter(|file| how & 16 == 0 || is_log(file)) {
            let _ = dir.remove(name);
            scratch::fill(&dir, [&(name.clone(), bytes.clone())])?;
        }
    }
    Ok(())
}

/// Makes one thing. Says where and what it is, if it is foreign.
fn put(script: &mut Script<'_>, root: &Dir) -> Result<Option<(&'static str, Named)>> {
    let (what, which) = (script.byte(), usize::from(script.byte()));
    let place = PLACES[usize::from(what & 7)];
    let dir = if place.is_empty() { root.clone() } else { root.child(place) };
    if !place.is_empty() && !dir.exists().unwrap_or(false) {
        match root.create_dir(place) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io("make", dir.path(), error));
            }
            _ => {}
        }
    }
    let images = &image::killed()?.files;
    let (name, content, is_foreign) = if let Some(name) = NAMES.get(which % 64) {
        (*name, script.bytes(200).to_vec(), false)
    } else if let Some(name) = FOREIGN.get(which % 64 - NAMES.len()) {
        (*name, script.bytes(200).to_vec(), true)
    } else {
        let (name, bytes) = &images[which % images.len()];
        (name.as_str(), edited(script, bytes), false)
    };
    let is_there = dir.list().is_ok_and(|there| there.iter().any(|entry| entry.name == name));
    if is_there && (is_foreign || dir.remove(name).is_err()) {
        return Ok(None);
    }
    if what & 0xf8 == 0xf8 && !is_foreign {
        let made = dir.create_dir(name);
        return made.map(|()| None).map_err(|error| Error::io("make", dir.path(), error));
    }
    let file = (name.to_owned(), content);
    scratch::fill(&dir, [&file])?;
    // Directories that are on their way out take all with them.
    let stays = is_foreign && !place.ends_with("-delete");
    Ok(stays.then_some((place, file)))
}

fn edited(script: &mut Script<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut edited = bytes.to_vec();
    let (how, at) = (script.byte(), script.below(bytes.len() + 1));
    match how & 3 {
        0 => edited.truncate(at),
        1 => _ = edited.get_mut(at).map(|byte| *byte ^= how >> 2 | 1),
        2 => drop(edited.splice(at..at, script.bytes(64).iter().copied())),
        _ => {}
    }
    edited
}

/// All files in the directory and those in it.
fn everything(root: &Dir) -> Result<Vec<(String, Vec<Named>)>> {
    let mut all = vec![(String::new(), scratch::read(root)?)];
    for entry in root.list().map_err(|error| Error::io("list", root.path(), error))? {
        if entry.kind == crate::fs::Kind::Dir {
            let files = scratch::read(&root.child(&entry.name))?;
            all.push((entry.name, files));
        }
    }
    Ok(all)
}

/// Opens the store and asks everything of it. Errors are answers.
fn use_store(path: &Path, read_only: bool, how: u8) {
    let options = Store::options().housekeeping(false).clock(Clock::manual(NOW));
    let Ok(store) = options.read_only(read_only).open(path) else { return };
    let _ = (store.warnings(), store.meta_properties());
    for (topic, partition) in store.partitions().unwrap_or_default() {
        if let Ok(log) = store.log(&topic, partition) {
            use_log(&log, read_only);
        }
    }
    if !read_only {
        let _ = store.create_topic("new", TopicOptions::new());
        let _ = store.run_housekeeping(NOW + 1);
        if how & 32 != 0 {
            let _ = store.delete_topic("t");
        }
        let _ = store.run_housekeeping(NOW + (1 << 40));
    }
    if how & 64 == 0 {
        let _ = store.close();
    }
}

fn use_log(log: &Log, read_only: bool) {
    let _ = (log.segments(), log.gap(), log.leader_epochs(), log.durable_end());
    let given = read_all(log);
    let _ = log.offset_for_time(NOW - 80_000, Isolation::ReadCommitted);
    let _ = log.offset_of_max_timestamp(Isolation::ReadUncommitted);
    if read_only {
        return;
    }
    let batch = || Batch::of([Record::new().key("k").value("new").timestamp(NOW)]);
    let mut appended = log.append(batch(), Durability::Synced);
    if matches!(appended, Err(Error::GapNotAccepted { .. })) && log.accept_gaps().is_ok() {
        appended = log.append(batch(), Durability::Synced);
    }
    let (Ok(appended), Ok(given), Ok(again)) = (appended, given, read_all(log)) else { return };
    let before = again.batches.iter().filter(|batch| batch.0 < appended.base_offset);
    assert!(before.eq(&given.batches), "an append changes what is before it");
    assert!(again.batches.iter().any(|batch| batch.0 == appended.base_offset));
}
