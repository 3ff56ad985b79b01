//! Power cuts of a real file system, by images of its disk.
//!
//! While a child appends to a store, or does all else that can be done to one, on a file system that is a file itself, that file is copied.
//! The copy is mounted, which replays the file system's journal, and the store in it is opened:
//! what was acknowledged `Synced` before the copy began is there, below the log's end nothing is
//! missing, nothing is invented, no damage is reported.
//!
//! What a copy is: the disk at one moment between two of the writes that the file system made to
//! it. With xfs the file lies on one whose `cp --reflink` takes it at one moment, also while a sync
//! is under way. Without, the child is stopped and the file copied until two copies are the same:
//! then no sync is under way. What was in the page cache alone is lost, as with the power. What a
//! copy never is: a disk that lost or reordered writes in a cache of its own. The simulated disk
//! has those.

use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use strandline::Durability;

use crate::kill::{self, Acknowledged, Dice};
use crate::run::{self, Layer, assert_well, can, output, said, say, word};
use crate::story::Story;
use crate::sweep;

/// Images of each file system in a plain `cargo test`; `just power-cut` takes more.
const CUTS: usize = 6;
/// How many images are taken of one child's store.
const CUTS_A_CHILD: usize = 3;

#[test]
fn a_power_cut_of_a_real_file_system_loses_nothing_that_was_synced() {
    for (kind, layer) in [("ext4", "power-cut-ext4"), ("xfs", "power-cut-xfs")] {
        if let Some(why) = run::no_mounts() {
            run::skip(layer, why);
        } else if !can(&format!("mkfs.{kind}"), &["-V"]) {
            run::skip(layer, &format!("mkfs.{kind} is missing"));
        } else if !Path::new("/dev/loop-control").exists() {
            run::skip(layer, "there are no loop devices");
        } else {
            cut(kind, &Layer::new(layer));
        }
    }
}

fn cut(kind: &str, layer: &Layer) {
    let count = run::number("STRANDLINE_POWER_CUTS", CUTS);
    let scratch = run::scratch();
    let role = ["cuts", word(scratch.path()), kind, &count.to_string()];
    // A mount namespace of its own: all mounts go with it, however it ends.
    let output = output(&mut run::child_beneath(&["unshare", "-m"], &role));
    assert_well(kind, &output);
    let said = said(&output.stdout);
    let distinct = said.iter().find_map(|line| line.strip_prefix("distinct ")?.parse().ok());
    layer.done(count, distinct.expect("how many were distinct"));
}

fn shell(script: &str) {
    let output = output(Command::new("sh").args(["-ec", script]).stdin(Stdio::null()));
    assert_well(script, &output);
}

/// A disk that is a file, and the file system on it.
struct Disk {
    /// Where the files are: `disk.img` and a copy.
    place: String,
    live: String,
    cut: String,
    kind: String,
    can_clone: bool,
}

impl Disk {
    fn make(path: &str, kind: &str) -> Disk {
        let (live, cut) = (format!("{path}/live"), format!("{path}/cut"));
        shell(&format!("mkdir {live} {cut} {path}/outer"));
        let can_clone = can("mkfs.xfs", &["-V"]);
        if can_clone {
            shell(&format!(
                "truncate -s 1G {path}/outer.img; mkfs.xfs -q -m reflink=1 {path}/outer.img; \
                 mount -o loop {path}/outer.img {path}/outer"
            ));
        }
        let place = if can_clone { format!("{path}/outer") } else { path.to_owned() };
        let (size, how) = match kind {
            "ext4" => ("16M", "-E lazy_itable_init=0,lazy_journal_init=0"),
            _ => ("320M", ""),
        };
        shell(&format!(
            "truncate -s {size} {place}/disk.img; mkfs.{kind} -q {how} {place}/disk.img; \
             mount -o loop {place}/disk.img {live}"
        ));
        Disk { place, live, cut, kind: kind.to_owned(), can_clone }
    }

    /// Copies the disk as it is at one moment. The child is stopped afterwards.
    fn copy(&self, child: &Child) {
        let place = &self.place;
        let stop = format!("kill -STOP {}", child.id());
        if self.can_clone {
            shell(&format!("cp --reflink=always {place}/disk.img {place}/cut.img; {stop}"));
        } else {
            shell(&format!(
                "{stop}; cd {place}; cp disk.img cut.img; until cmp -s disk.img cut.img; \
                 do cp disk.img cut.img; done"
            ));
        }
    }

    fn with_cut(&self, look: impl FnOnce(&Path)) {
        let Disk { place, cut, kind, .. } = self;
        // The live one has the same identity.
        let how = if kind == "xfs" { "loop,nouuid" } else { "loop" };
        shell(&format!("mount -t {kind} -o {how} {place}/cut.img {cut}"));
        look(Path::new(cut));
        shell(&format!("umount {cut}; rm {place}/cut.img"));
    }
}

/// The child, alone with its mounts: takes images and looks at them.
pub(crate) fn cuts(path: &Path, kind: &str, count: usize) {
    let disk = Disk::make(word(path), kind);
    let mut distinct = BTreeSet::new();
    let mut dice = Dice(0x5d1f_9c03);
    let mut left = count;
    for round in 0.. {
        let now = left.min(CUTS_A_CHILD);
        shell(&format!("rm -rf {}/store*", disk.live));
        if round % 2 == 0 {
            cut_an_appender(&disk, round, now, &mut dice, &mut distinct);
        } else {
            cut_lives(&disk, now, &mut dice, &mut distinct);
        }
        left -= now;
        if left == 0 {
            break;
        }
    }
    say(&format!("distinct {}", distinct.len()));
}

/// A child that ends with this, also if it is stopped.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a child has said so far.
#[derive(Default)]
struct Told {
    synced: Mutex<(usize, Acknowledged)>,
    more: Condvar,
}

fn cut_an_appender(
    disk: &Disk,
    round: u64,
    cuts: usize,
    dice: &mut Dice,
    distinct: &mut BTreeSet<u64>,
) {
    let store = format!("{}/store", disk.live);
    let mut child = kill::start(Path::new(&store), round);
    let output = child.stdout.take().expect("a pipe");
    let told = Told::default();
    std::thread::scope(|scope| {
        let child = Ends(child);
        scope.spawn(|| {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut synced = told.synced.lock().unwrap();
                if kill::take(&line, round, Some(Durability::Synced), &mut synced.1) {
                    synced.0 += 1;
                    told.more.notify_one();
                }
            }
        });
        let mut wanted = 0;
        for _ in 0..cuts {
            let more = dice.below(40) as usize;
            let acknowledged = wait(&told, &mut wanted, more);
            disk.copy(&child.0);
            disk.with_cut(|at| {
                let store = at.join("store");
                distinct.insert(lengths(&store));
                // Twice: opening what was opened changes nothing.
                let end = kill::check(&store, round, 0, &acknowledged);
                assert_eq!(kill::check(&store, round, 0, &acknowledged), end);
            });
            shell(&format!("kill -CONT {}", child.0.id()));
        }
    });
}

/// Waits until the child has acknowledged so much more; says what it has.
fn wait(told: &Told, wanted: &mut usize, more: usize) -> Acknowledged {
    let synced = told.synced.lock().unwrap();
    *wanted = synced.0.max(*wanted) + more;
    let patience = Duration::from_mins(1);
    let waiting = |synced: &mut (usize, Acknowledged)| synced.0 < *wanted || synced.0 == 0;
    let (synced, waited) = told.more.wait_timeout_while(synced, patience, waiting).unwrap();
    assert!(!waited.timed_out(), "the child says nothing more");
    synced.1.clone()
}

/// Cuts a child that does all that can be done to a log. It speaks into a file, so that all that it
/// has begun is known at any time.
fn cut_lives(disk: &Disk, cuts: usize, dice: &mut Dice, distinct: &mut BTreeSet<u64>) {
    let path = format!("{}.said", disk.live);
    let mut command = run::child(&["lives", &disk.live]);
    command.stdout(File::create(&path).expect("a file")).stderr(Stdio::null());
    let mut child = Ends(command.spawn().expect("a child"));
    let lines = || said(&std::fs::read(&path).expect("what it said"));
    for _ in 0..cuts {
        let wanted = lines().len() + 1 + dice.below(60) as usize;
        let happened = loop {
            let lines = lines();
            if lines.len() >= wanted {
                break lines;
            }
            assert!(child.0.try_wait().expect("its state").is_none(), "the child has ended");
            std::thread::yield_now();
        };
        disk.copy(&child.0);
        let begun = lines();
        let is_life = |line: &String| line.starts_with("life ");
        let life = happened.iter().rposition(is_life).expect("a life");
        let name = happened[life].replace("life ", "store-");
        disk.with_cut(|at| {
            let is_over = |line: &String| line == "lived";
            if begun[life..].iter().any(is_over) {
                // It is being removed.
                return;
            }
            distinct.insert(lengths(&at.join(&name)));
            let story = Story::after_power_loss(&happened[life..], &begun[happened.len()..]);
            sweep::check_story("a power cut", &at.join(&name), &begun[life..], story);
        });
        shell(&format!("kill -CONT {}", child.0.id()));
    }
}

/// The names and lengths of all files.
fn lengths(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut left = vec![path.to_owned()];
    while let Some(dir) = left.pop() {
        // A store may not be there yet.
        let entries = dir.read_dir().into_iter().flatten();
        let mut entries: Vec<_> = entries.map(Result::unwrap).collect();
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let about = entry.metadata().unwrap();
            (entry.file_name(), about.len()).hash(&mut hasher);
            if about.is_dir() {
                left.push(entry.path());
            }
        }
    }
    hasher.finish()
}
