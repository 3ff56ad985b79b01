//! Failing and killing a child at one system call, by `strace`.
//!
//! `strace` counts the calls of each thread for itself. The scripts run on a thread of their own,
//! which first makes so many calls of every kind that is counted ([`pad`]) that no other thread
//! comes that far: so call *n* is one of the script.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::run::{self, can};

pub(crate) const EACCES: i32 = 13;

/// The errors that come: names and Linux's numbers.
pub(crate) const ERRORS: [(&str, i32); 9] = [
    ("EIO", 5),
    ("ENOSPC", 28),
    ("EDQUOT", 122),
    ("EMFILE", 24),
    ("ENFILE", 23),
    ("EINTR", 4),
    ("EACCES", EACCES),
    ("EROFS", 30),
    ("ENOMEM", 12),
];

/// Calls that change what the disk holds.
pub(crate) const CHANGING: &str =
    "pwrite64,fdatasync,fsync,openat,renameat,renameat2,unlinkat,ftruncate,fallocate,mkdirat";
/// Calls that only look.
const LOOKING: &str = "pread64,getdents64,statx,newfstatat,fstat,lseek,fcntl,mmap";

/// The most calls of one kind that the test harness makes before a script begins.
const PADDING: usize = 40;
const BEGIN: &str = "/the-script-begins";
const END: &str = "/the-script-ends";

/// See the module.
pub(crate) fn pad() {
    use std::os::unix::fs::FileExt;
    let own = File::open("/proc/self/exe").expect("this program");
    for _ in 0..PADDING {
        drop(File::open("/").expect("the root"));
        own.metadata().expect("its length");
        own.read_at(&mut [0], 0).expect("its first byte");
        nix::sys::stat::fstatat(&own, "/", nix::fcntl::AtFlags::empty()).expect("the root");
        nix::fcntl::fcntl(&own, nix::fcntl::FcntlArg::F_GETFL).expect("its flags");
        // Large enough to be mapped on its own.
        std::hint::black_box(Vec::<u8>::with_capacity(64 << 20));
    }
}

/// Marks where the calls of a script begin.
pub(crate) fn begin() {
    assert!(File::open(BEGIN).is_err(), "{BEGIN} is there");
}

/// Marks where they end.
pub(crate) fn end() {
    assert!(File::open(END).is_err(), "{END} is there");
}

/// Why calls can not be failed; none if they can.
pub(crate) fn cannot() -> Option<&'static str> {
    let traced = ["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync", "true"];
    if !can("strace", &["-V"]) {
        Some("strace is missing")
    } else if can("strace", &traced) {
        None
    } else {
        Some("strace may not trace here")
    }
}

/// What happens at one call, or from it on.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: String,
    /// The how manyeth of its thread.
    pub(crate) nth: usize,
    /// None: the child is killed before the call takes effect.
    pub(crate) error: Option<&'static str>,
    /// Every later call of that name fails too.
    pub(crate) stays: bool,
}

impl Fault {
    /// As the scripts are told.
    pub(crate) fn word(&self) -> String {
        format!("{}{}", self.error.unwrap_or("none"), if self.stays { "+" } else { "" })
    }

    /// A child that meets it.
    pub(crate) fn child(&self, role: &[&str]) -> Command {
        let Fault { call, nth, error, stays } = self;
        let what = error.map_or("signal=KILL".into(), |error| format!("error={error}"));
        let stays = if *stays { "+" } else { "" };
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:{what}:when={nth}{stays}");
        let mut words = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        if error.is_some() {
            // Stops at these calls alone. (No signal can be sent that way.)
            words.insert(1, "--seccomp-bpf");
        }
        run::child_beneath(&words, role)
    }
}

/// Where the calls of a script lie among those of its thread: for each name, the first one's number
/// and the one behind the last.
pub(crate) fn count(role: &[&str], scratch: &Path) -> BTreeMap<String, (usize, usize)> {
    let log = scratch.join("calls");
    // Not every processor has all of them.
    let names: Vec<_> = CHANGING.split(',').chain(LOOKING.split(',')).collect();
    let trace = format!("trace=?{}", names.join(",?"));
    let words =
        ["strace", "-f", "--seccomp-bpf", "-qq", "-o", run::word(&log), "-e", trace.as_str()];
    let output = run::output(&mut run::child_beneath(&words, role));
    run::assert_well("a script without errors", &output);
    let text = run::lossy(&std::fs::read(&log).expect("the calls"));
    // A call that another thread came into is told twice; the second time is not counted.
    let calls: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.contains("resumed>"))
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(thread, call)| Some((thread, call.trim_start().split_once('(')?)))
        .map(|(thread, (name, rest))| {
            (
                thread,
                if rest.contains(BEGIN) {
                    BEGIN
                } else if rest.contains(END) {
                    END
                } else {
                    name
                },
            )
        })
        .collect();
    let script = calls.iter().find(|(_, name)| *name == BEGIN).expect("a beginning").0;
    let mut counted: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut has_begun, mut has_ended) = (false, false);
    let mut others = BTreeMap::new();
    for &(thread, name) in &calls {
        if thread != script {
            *others.entry((thread, name)).or_insert(0) += 1;
            continue;
        }
        has_begun |= name == BEGIN;
        has_ended |= name == END;
        let name = if name == BEGIN { "openat" } else { name };
        let range = counted.entry(name.to_owned()).or_insert((1, 1));
        if !has_begun || name == BEGIN {
            range.0 += 1;
        }
        if !has_ended {
            range.1 += 1;
        }
    }
    for ((_, name), most) in others {
        let first = counted.get(name).map_or(usize::MAX, |range| range.0);
        assert!(most < first, "another thread calls {name} {most} times, the script from {first}");
    }
    counted.retain(|_, (first, behind)| first < behind);
    counted
}
