//! Limits on a process: descriptors, the size of a file, memory, permissions, a disk for reading
//! alone. Each gives a typed error or none at all, and no descriptor stays open for it.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use strandline::{
    Batch, Durability, Error, FetchOptions, Log, LogConfig, Record, Result, Store, StoreOptions,
    TopicOptions,
};

use crate::full::mounted;
use crate::life::descriptors;
use crate::run::{self, Layer, assert_well, output, word};
use crate::story::{Story, values};

const EFBIG: i32 = 27;
const NOBODY: u32 = 65534;

/// Runs a child beneath a shell that has set a limit.
fn with_limit(limit: &str, which: &str) {
    let scratch = run::scratch();
    let script = format!("{limit} && exec \"$@\"");
    let words = ["sh", "-c", &script, "sh"];
    let output = output(&mut run::child_beneath(&words, &["limit", word(scratch.path()), which]));
    assert_well(which, &output);
}

#[test]
fn a_process_at_its_limits_gets_errors_that_say_so() {
    let layer = Layer::new("limits");
    with_limit("ulimit -n 32", "descriptors");
    with_limit("ulimit -n 32", "many partitions");
    with_limit("trap '' XFSZ && ulimit -f 128", "file size");
    with_limit("ulimit -v 262144", "memory");
    layer.done(4, 4);
}

#[test]
fn a_file_system_that_is_read_only_is_read() {
    let layer = Layer::new("read-only-disk");
    if let Some(why) = run::no_mounts() {
        return run::skip("read-only-disk", why);
    }
    let scratch = run::scratch();
    let at = scratch.path().join("disk");
    std::fs::create_dir(&at).unwrap();
    let words = mounted(&at, "tmpfs");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = output(&mut run::child_beneath(&words, &["limit", word(&at), "read-only disk"]));
    assert_well("read-only disk", &output);
    layer.done(1, 1);
}

#[test]
fn what_may_not_be_opened_is_an_error_and_all_else_is_read() {
    let layer = Layer::new("permissions");
    let scratch = run::scratch();
    let mut command = run::child(&["limit", word(scratch.path()), "permissions"]);
    if File::open("/proc/self/mem").is_ok() && std::fs::read("/etc/shadow").is_ok() {
        // The superuser is not bound by permissions: the child is somebody else.
        let everybody = Permissions::from_mode(0o777);
        std::fs::set_permissions(scratch.path(), everybody).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let Ok(output) = command.output() else {
        return run::skip("permissions", "this binary is for the superuser alone");
    };
    assert_well("permissions", &output);
    layer.done(1, 1);
}

/// The child, already limited.
pub(crate) fn child(path: &Path, which: &str) {
    match which {
        "descriptors" => descriptors_come_back(path),
        "many partitions" => many_partitions(path),
        "file size" => file_size(path),
        "memory" => memory(path),
        "read-only disk" => read_only_disk(path),
        "permissions" => permissions(path),
        _ => panic!("no such limit: {which}"),
    }
}

fn by_hand() -> StoreOptions {
    Store::options().housekeeping(false)
}

fn append(log: &Log, story: &mut Story, append: u64, durability: Durability) -> Result<()> {
    story.tell(&format!("append {append} 5"));
    let values = values(append, 5);
    let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
    let appended = log.append(batch, durability)?;
    story.tell(&format!("appended {}", appended.base_offset));
    Ok(())
}

#[track_caller]
fn is_from_the_system<T: std::fmt::Debug>(done: Result<T>, number: i32) {
    let error = done.unwrap_err();
    let Error::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.raw_os_error(), Some(number), "{error:?}");
}

/// With ever fewer descriptors left, each thing fails or works, and leaves none behind.
fn descriptors_come_back(path: &Path) {
    let mut story = Story::default();
    let path = path.join("store");
    let mut appends = 0;
    let (mut worked, mut failed) = (0, 0);
    for left in 0..20 {
        let before = descriptors();
        let mut held: Vec<File> = std::iter::from_fn(|| File::open("/").ok()).collect();
        held.truncate(held.len().saturating_sub(left));
        let done = (|| {
            let store = by_hand().open(&path)?;
            let topic = store.topic("events").or_else(|error| match error {
                Error::NotFound(_) => {
                    let config = LogConfig::new().segment_bytes(2048);
                    store.create_topic("events", TopicOptions::new().config(config))
                }
                error => Err(error),
            });
            let log = topic?.partition(0)?;
            appends += 1;
            append(&log, &mut story, appends, Durability::Synced)?;
            log.roll()?;
            log.fetch(0, FetchOptions::new())?;
            drop(log);
            store.close()
        })();
        drop(held);
        match done {
            Ok(()) => worked += 1,
            Err(Error::Io { source, .. }) if source.raw_os_error() == Some(24) => failed += 1,
            Err(Error::Poisoned(_)) => failed += 1,
            Err(error) => panic!("{left} left: {error:?}"),
        }
        assert_eq!(descriptors(), before, "{left} left");
    }
    assert!(worked > 3 && failed > 3, "{worked} worked, {failed} failed");
    let store = by_hand().open(&path).unwrap();
    story.check(&store.log("events", 0).unwrap()).unwrap();
}

/// Far more logs than descriptors, all of them written to and read.
fn many_partitions(path: &Path) {
    let options = by_hand().max_open_files(8);
    let store = options.clone().open(path.join("store")).unwrap();
    let before = descriptors();
    store.create_topic("events", TopicOptions::new().partitions(60)).unwrap();
    let log = |number| store.log("events", number).unwrap();
    let mut stories: Vec<Story> = (0..60).map(|_| Story::default()).collect();
    for round in 1..4 {
        for (number, story) in (0..).zip(&mut stories) {
            append(&log(number), story, round, Durability::Synced).unwrap();
        }
    }
    for (number, story) in (0..).zip(&stories) {
        story.check(&log(number)).unwrap();
    }
    assert!(descriptors() <= before + 8, "{} descriptors, {before} before", descriptors());
    store.close().unwrap();

    // Without a bound of its own it meets the system's: an error, and reading goes on.
    let store = by_hand().open(path.join("store")).unwrap();
    let mut refused = 0;
    for (number, story) in (0..).zip(&mut stories) {
        let log = store.log("events", number);
        match log.and_then(|log| append(&log, story, 9, Durability::Written)) {
            Ok(()) => {}
            Err(error) => {
                is_from_the_system::<()>(Err(error), 24);
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    drop(store);
    let store = options.open(path.join("store")).unwrap();
    for (number, story) in (0..).zip(&stories) {
        story.check(&store.log("events", number).unwrap()).unwrap();
    }
    store.close().unwrap();
}

/// A segment that may not grow: the append is refused, and a roll helps.
fn file_size(path: &Path) {
    let store = by_hand().open(path.join("store")).unwrap();
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    let mut story = Story::default();
    let mut appends = 0;
    for durability in [Durability::Written, Durability::Synced] {
        let error = loop {
            appends += 1;
            if let Err(error) = append(&log, &mut story, appends, durability) {
                break error;
            }
        };
        is_from_the_system::<()>(Err(error), EFBIG);
        story.tell("refused");
        story.check(&log).unwrap();
        log.roll().unwrap();
        appends += 1;
        append(&log, &mut story, appends, durability).unwrap();
    }
    story.check(&log).unwrap();
    drop(log);
    store.close().unwrap();
    let store = by_hand().open(path.join("store")).unwrap();
    story.check(&store.log("events", 0).unwrap()).unwrap();
}

/// Ordinary work in little memory.
fn memory(path: &Path) {
    let store = Store::open(path.join("store")).unwrap();
    let config = LogConfig::from_pairs([("compression.type", "zstd")]).unwrap();
    let topic = TopicOptions::new().partitions(4).config(config.segment_bytes(1 << 20));
    store.create_topic("events", topic).unwrap();
    let mut stories: Vec<Story> = (0..4).map(|_| Story::default()).collect();
    for round in 1..300 {
        for (number, story) in (0..).zip(&mut stories) {
            append(&store.log("events", number).unwrap(), story, round, Durability::Written)
                .unwrap();
        }
    }
    store.close().unwrap();
    let store = Store::open(path.join("store")).unwrap();
    for (number, story) in (0..).zip(&stories) {
        story.check(&store.log("events", number).unwrap()).unwrap();
    }
}

/// The disk is mounted anew for reading alone, as the system does after an error of its own.
fn read_only_disk(path: &Path) {
    const EROFS: i32 = 30;
    let remount = |how: &str| {
        let mut command = Command::new("mount");
        let done = command.args(["-o", &format!("remount,{how}"), word(path)]).status();
        assert!(done.is_ok_and(|status| status.success()), "remount {how}");
    };
    let place = path.join("store");
    let mut story = Story::default();
    let store = by_hand().open(&place).unwrap();
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    append(&log, &mut story, 1, Durability::Synced).unwrap();
    drop((log, store));
    remount("ro");
    let before = descriptors();
    is_from_the_system(by_hand().open(&place), EROFS);
    is_from_the_system(by_hand().open(path.join("another")), EROFS);
    assert_eq!(descriptors(), before);
    let reader = by_hand().read_only(true).open(&place).unwrap();
    story.check(&reader.log("events", 0).unwrap()).unwrap();
    remount("rw");
    let store = by_hand().open(&place).unwrap();
    let log = store.log("events", 0).unwrap();
    append(&log, &mut story, 2, Durability::Synced).unwrap();
    story.check(&log).unwrap();
}

/// Files and directories of mode 000, one after the other.
fn permissions(path: &Path) {
    let place = path.join("store");
    let mut story = Story::default();
    let store = by_hand().open(&place).unwrap();
    let topic = TopicOptions::new().partitions(2);
    let topic = store.create_topic("events", topic).unwrap();
    append(&topic.partition(0).unwrap(), &mut story, 1, Durability::Synced).unwrap();
    drop((topic, store));
    let set = |at: &Path, mode| std::fs::set_permissions(at, Permissions::from_mode(mode)).unwrap();
    let partition = place.join("events-0");
    let forbidden = [
        (partition.join("00000000000000000000.log"), 0o640),
        (partition.join("segments.manifest"), 0o640),
        (partition.join("durable.watermark"), 0o640),
        (partition, 0o750),
        (place.join("strandline.topics"), 0o640),
        (place.join(".lock"), 0o640),
        (place.clone(), 0o750),
    ];
    for (at, mode) in forbidden {
        let before = descriptors();
        set(&at, 0);
        let done = (|| {
            let store = by_hand().open(&place)?;
            append(&store.log("events", 1)?, &mut Story::default(), 1, Durability::Synced)?;
            store.log("events", 0)?.log_end_offset()
        })();
        set(&at, mode);
        let error = done.unwrap_err();
        let Error::Io { source, .. } = &error else { panic!("{}: {error:?}", at.display()) };
        assert_eq!(source.kind(), ErrorKind::PermissionDenied, "{}: {error:?}", at.display());
        assert_eq!(descriptors(), before, "{}", at.display());
        let store = by_hand().open(&place).unwrap();
        story.check(&store.log("events", 0).unwrap()).unwrap();
    }
}
