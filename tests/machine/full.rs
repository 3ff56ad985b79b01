//! Disks that are full: no bytes, no inodes. (No quota: that is the error sweep's.)
//!
//! A child alone with its file system (a mount namespace of its own, so that the mount goes with
//! it, however it ends) fills it, rolls, closes, opens and reads at 100 %, makes room, and goes on.

use std::io::{ErrorKind, Write};
use std::path::Path;

use strandline::{Batch, Durability, Error, Log, LogConfig, Record, Result, Store, TopicOptions};

use crate::run::{self, Layer, assert_well, at_once, can, output, say, word};
use crate::story::{Story, values};

/// A file system of its own, in `dir`, for what comes behind these words.
pub(crate) fn mounted(dir: &Path, kind: &str) -> Vec<String> {
    let at = word(dir);
    let image = format!("{at}.img");
    let mount = match kind {
        "tmpfs" => format!("mount -t tmpfs -o size=4m none '{at}'"),
        "inodes" => format!("mount -t tmpfs -o size=64m,nr_inodes=128 none '{at}'"),
        _ => format!(
            "truncate -s 8M '{image}' && mkfs.ext4 -q '{image}' && mount -o loop '{image}' '{at}'"
        ),
    };
    let script = format!("{mount} && exec \"$@\"");
    ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

#[test]
fn a_full_disk_loses_nothing_and_is_got_over() {
    let layer = Layer::new("full-disk");
    if let Some(why) = run::no_mounts() {
        return run::skip("full-disk", why);
    }
    let mut kinds = vec!["tmpfs", "inodes"];
    let scratch = run::scratch();
    let probe = scratch.path().join("probe");
    std::fs::create_dir(&probe).unwrap();
    let words = mounted(&probe, "ext4");
    let words: Vec<&str> = words[1..].iter().map(String::as_str).chain(["true"]).collect();
    if can("unshare", &words) {
        kinds.push("ext4");
    } else {
        run::skip("full-disk", "ext4: needs mkfs.ext4 and loop devices");
    }
    let modes = ["synced died", "synced closed", "written died", "written closed"];
    let all: Vec<_> = kinds.iter().flat_map(|kind| modes.map(|mode| (*kind, mode))).collect();
    let outcomes = at_once(&all, |&(kind, mode)| {
        let scratch = run::scratch();
        let at = scratch.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let words = mounted(&at, kind);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let told = format!("{kind} {mode}");
        let output = output(&mut run::child_beneath(&words, &["full", word(&at), &told]));
        assert_well(&told, &output);
    });
    layer.done(outcomes.len(), all.len());
}

/// The child: fills the file system at `path`.
pub(crate) fn fill(path: &Path, told: &str) {
    Filler::new(path, told).run();
}

struct Filler<'a> {
    path: &'a Path,
    durability: Durability,
    dies: bool,
    small_files: bool,
    appends: u64,
    story: Story,
}

impl Filler<'_> {
    fn new<'a>(path: &'a Path, told: &str) -> Filler<'a> {
        let durability =
            if told.contains("synced") { Durability::Synced } else { Durability::Written };
        Filler {
            path,
            durability,
            dies: told.contains("died"),
            small_files: told.starts_with("inodes"),
            appends: 0,
            story: Story::default(),
        }
    }

    fn run(mut self) {
        for name in ["room", "rest"] {
            std::fs::create_dir(self.path.join(name)).unwrap();
        }
        // Room to be made later.
        self.ballast("room", 600 << 10);
        let (store, log) = self.open();
        while self.append(&log).is_ok() {}
        self.ballast("rest", usize::MAX);
        self.at_the_limit(&log);
        let closed = if self.dies { Ok(()) } else { store.close() };
        is_for_room("close", &closed);
        drop((log, store));

        let reader = Store::options().read_only(true).open(self.path.join("store")).unwrap();
        self.story.check(&reader.log("events", 0).unwrap()).unwrap();
        let (store, log) = self.open();
        self.at_the_limit(&log);
        self.free();
        // The same call works, unless a sync has failed.
        if let Err(error) = self.append(&log) {
            assert!(matches!(error, Error::Poisoned(_)), "there is room: {error:?}");
            log.reopen().unwrap();
        }
        for _ in 0..20 {
            self.append(&log).unwrap();
        }
        log.roll().unwrap();
        self.append(&log).unwrap();
        self.story.check(&log).unwrap();
        drop(log);
        store.close().unwrap();
        drop(store);
        let (store, log) = self.open();
        self.story.check(&log).unwrap();
        assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    }

    fn open(&self) -> (Store, Log) {
        let options = Store::options().housekeeping(false);
        let store = options.open(self.path.join("store")).expect("it opens");
        let topic = store.topic("events").unwrap_or_else(|_| {
            let segment = if self.small_files { 8 << 10 } else { 256 << 10 };
            let config = LogConfig::new().segment_bytes(segment).index_interval_bytes(512);
            store.create_topic("events", TopicOptions::new().config(config)).unwrap()
        });
        let log = topic.partition(0).unwrap();
        (store, log)
    }

    fn append(&mut self, log: &Log) -> Result<()> {
        self.appends += 1;
        let count = 8 + self.appends % 7 * 8;
        self.story.tell(&format!("append {} {count}", self.appends));
        let values = values(self.appends, count);
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        let appended = log.append(batch, self.durability)?;
        self.story.tell(&format!("appended {}", appended.base_offset));
        Ok(())
    }

    /// With no room left: appends fail, rolling may, reading does not.
    fn at_the_limit(&mut self, log: &Log) {
        // What was taken already may hold a few.
        let refused = (0..100).map(|_| self.append(log)).find(Result::is_err);
        is_for_room("append", &refused.expect("there is no room"));
        self.story.check(log).unwrap();
        let rolled = log.roll();
        is_for_room("roll", &rolled);
        let appended = self.append(log);
        is_for_room("append", &appended);
        self.story.check(log).unwrap();
    }

    /// Takes so many bytes, or all that there are, and all names.
    fn ballast(&self, name: &str, bytes: usize) {
        let dir = self.path.join(name);
        if self.small_files {
            let most = if bytes == usize::MAX { usize::MAX } else { 64 };
            for number in 0..most {
                if std::fs::File::create(dir.join(number.to_string())).is_err() {
                    return;
                }
            }
            return;
        }
        let mut file = std::fs::File::create(dir.join("ballast")).unwrap();
        for piece in [4096, 1] {
            let mut left = bytes;
            while left >= piece && file.write_all(&vec![7; piece]).is_ok() {
                left -= piece;
            }
            // What is not written back yet may find that there is no room only now.
            let _ = file.sync_all();
            if bytes != usize::MAX {
                return;
            }
        }
    }

    fn free(&self) {
        for name in ["room", "rest"] {
            std::fs::remove_dir_all(self.path.join(name)).unwrap();
        }
    }
}

/// That something worked, or failed for lack of room.
#[track_caller]
fn is_for_room<T>(what: &str, done: &Result<T>) {
    let Err(error) = done else { return };
    say(&format!("{what}: {error}"));
    let source = match error {
        Error::Io { source, .. } => source,
        Error::Poisoned(first) => match &**first {
            Error::Io { source, .. } => source,
            _ => panic!("{what}: {error:?}"),
        },
        _ => panic!("{what}: {error:?}"),
    };
    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
    assert!(kinds.contains(&source.kind()), "{what}: {error:?}");
}
