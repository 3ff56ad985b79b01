//! The script of a child: the life of a log in some two hundred calls that change something, with
//! an error somewhere or none. It says what it does as it does it ([`Story`]).
//!
//! An error must be one that a caller can act on, and name the system's; the same call then works,
//! or if a sync failed, works after `reopen`.

use std::path::Path;
use std::time::Duration;

use strandline::{
    Batch, Clock, Durability, Error, FetchOptions, Log, LogConfig, Record, Result, Store,
    StoreOptions, TopicOptions,
};

use crate::calls::{self, ERRORS};
use crate::run::say;
use crate::story::{Story, Wrong, values};

const START: i64 = 1_700_000_000_000;

/// Which error comes, and whether it stays from then on.
#[derive(Clone, Copy)]
struct Fault {
    errno: i32,
    stays: bool,
}

impl Fault {
    /// `EIO`, or `EIO+` if it stays; none if it must not be seen.
    fn parse(word: &str) -> Option<Fault> {
        let (name, errno) = ERRORS.iter().find(|(name, _)| *name == word.trim_end_matches('+'))?;
        (*name != "EINTR").then_some(Fault { errno: *errno, stays: word.ends_with('+') })
    }

    /// Whether an error is a proper report of it.
    fn is_behind(self, error: &Error) -> bool {
        match error {
            Error::Poisoned(first) => matches!(**first, Error::Io { .. }),
            Error::Io { source, .. } => source.raw_os_error() == Some(self.errno),
            // That is how a lock that is held is told.
            Error::Locked { .. } => self.errno == calls::EACCES,
            _ => false,
        }
    }
}

/// Why a script ends early: an error that stays.
struct GaveUp;

struct Actor<'a> {
    path: &'a Path,
    options: StoreOptions,
    starts_over: bool,
    clock: Clock,
    now: i64,
    fault: Option<Fault>,
    store: Option<Store>,
    log: Option<Log>,
    story: Story,
    appends: u64,
    /// Errors met but for the echo of one, `Poisoned`.
    errors: usize,
}

pub(crate) fn options() -> StoreOptions {
    Store::options().clock(Clock::manual(START)).housekeeping(false)
}

/// Opens the log that the scripts write, and makes it if it is not there.
pub(crate) fn events(store: &Store) -> Result<Log> {
    match store.topic("events") {
        Err(Error::NotFound(_)) => {
            let config = LogConfig::new().segment_bytes(700).index_interval_bytes(64);
            let config = config.file_delete_delay(Duration::ZERO).retention_bytes(Some(900));
            store.create_topic("events", TopicOptions::new().config(config))?.partition(0)
        }
        topic => topic?.partition(0),
    }
}

/// The variants of the script: indexes that are mapped; or zeros ahead, and a log that starts over.
pub(crate) const VARIANTS: [&str; 2] = ["mapped", "ahead"];

/// The whole script.
pub(crate) fn live(path: &Path, fault: &str, variant: &str) {
    let mut actor = Actor::new(path, fault, Story::default());
    actor.starts_over = variant != "mapped";
    actor.options = match variant {
        "mapped" => actor.options.map_indexes(true),
        _ => actor.options.zeros_ahead(4096),
    };
    actor.play(Actor::live);
}

/// A short script: goes on with what a program left that died in an append. `story` is the file
/// that says what must be there.
pub(crate) fn mend(path: &Path, fault: &str, story: &str) {
    let mut actor = Actor::new(path, fault, read_story(story));
    actor.appends = 100;
    actor.play(|actor| {
        actor.open()?;
        actor.append(2, Durability::Written)?;
        actor.append(2, Durability::Synced)?;
        actor.read()?;
        actor.close()?;
        actor.open()?;
        actor.read()
    });
}

/// One life after the other, each in a store of its own, until it is killed.
pub(crate) fn lives(path: &Path) {
    for number in 0_usize.. {
        say(&format!("life {number}"));
        let variant = VARIANTS[number % VARIANTS.len()];
        live(&path.join(format!("store-{number}")), "none", variant);
        let _ = std::fs::remove_dir_all(path.join(format!("store-{number}")));
    }
}

fn read_story(file: &str) -> Story {
    let lines = std::fs::read_to_string(file).expect("a story");
    Story::of(&lines.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("what is open").count()
}

impl Actor<'_> {
    fn new<'a>(path: &'a Path, fault: &str, story: Story) -> Actor<'a> {
        let clock = Clock::manual(START);
        Actor {
            path,
            options: Store::options().clock(clock.clone()).housekeeping(false),
            starts_over: false,
            clock,
            now: START,
            fault: Fault::parse(fault),
            store: None,
            log: None,
            story,
            appends: 0,
            errors: 0,
        }
    }

    /// Plays a script, whose calls are those that fail.
    fn play(mut self, script: impl FnOnce(&mut Self) -> std::result::Result<(), GaveUp>) {
        let before = descriptors();
        calls::pad();
        calls::begin();
        let lived = script(&mut self);
        calls::end();
        self.log = None;
        self.store = None;
        if lived.is_ok() {
            assert_eq!(descriptors(), before, "descriptors are left open");
            say("lived");
        }
    }

    fn live(&mut self) -> std::result::Result<(), GaveUp> {
        self.open()?;
        self.append(3, Durability::Written)?;
        self.append(2, Durability::Synced)?;
        self.append(5, Durability::Synced)?;
        self.attempt("roll", |actor| actor.log().roll())?;
        self.append(2, Durability::Written)?;
        self.attempt("flush", |actor| actor.log().flush())?;
        self.tell("settled");
        self.read()?;
        self.delete(4)?;
        let target = self.append(3, Durability::Synced)?;
        self.append(2, Durability::Written)?;
        self.truncate(target)?;
        self.append(6, Durability::Written)?;
        self.append(6, Durability::Synced)?;
        self.housekeep(2_000)?;
        self.retain()?;
        self.housekeep(400_000)?;
        self.topic_comes_and_goes()?;
        if self.starts_over {
            self.start_over(100)?;
            self.append(3, Durability::Written)?;
            self.append(3, Durability::Synced)?;
            self.delete(101)?;
            let end = self.append(1, Durability::Synced)?;
            self.truncate(end)?;
        }
        self.close()?;
        self.open()?;
        self.append(2, Durability::Synced)?;
        self.append(2, Durability::Written)?;
        // As if it had died.
        (self.log, self.store) = (None, None);
        self.open()?;
        self.read()?;
        self.append(3, Durability::Written)?;
        self.append(1, Durability::Synced)?;
        self.close()?;
        self.open()?;
        self.read()
    }

    fn log(&self) -> &Log {
        self.log.as_ref().expect("an open log")
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("an open store")
    }

    fn tell(&mut self, line: &str) {
        say(line);
        self.story.tell(line);
    }

    /// Does something that may meet the error, at most until it has been met and got over.
    fn attempt<T>(
        &mut self,
        what: &str,
        mut work: impl FnMut(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, GaveUp> {
        // Once with the error, once with its echo, and then it works.
        for _ in 0..3 {
            match work(self) {
                Ok(done) => return Ok(done),
                Err(error) => self.meet(what, &error),
            }
        }
        assert!(self.fault.is_some_and(|fault| fault.stays), "{what} never works again");
        Err(GaveUp)
    }

    /// Judges an error.
    fn meet(&mut self, what: &str, error: &Error) {
        say(&format!("error {what}: {error}"));
        let fault = self.fault.unwrap_or_else(|| panic!("{what}: {error:?}"));
        assert!(fault.is_behind(error), "{what}: {error:?}");
        if matches!(error, Error::Poisoned(_)) {
            let _ = self.log().reopen();
        } else {
            self.errors += 1;
        }
        assert!(fault.stays || self.errors <= 1, "{what}: an error comes again: {error:?}");
    }

    fn open(&mut self) -> std::result::Result<(), GaveUp> {
        self.attempt("open", |actor| {
            // One that failed has let go of everything.
            let store = actor.options.clone().open(actor.path)?;
            actor.store = Some(store);
            Ok(())
        })?;
        let log = self.attempt("take", |actor| events(actor.store()))?;
        self.log = Some(log);
        Ok(())
    }

    fn append(&mut self, count: u64, durability: Durability) -> std::result::Result<i64, GaveUp> {
        let end = self.attempt("end", |actor| actor.log().log_end_offset())?;
        let mut is_refused = false;
        let base = self.attempt("append", |actor| {
            actor.appends += 1;
            let values = values(actor.appends, count);
            actor.tell(&format!("append {} {count} {durability:?}", actor.appends));
            let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
            let appended = actor.log().append(batch, durability);
            if let Ok(appended) = &appended {
                actor.tell(&format!("appended {}", appended.base_offset));
            }
            // What is only to be written is refused whole, unless taking it back failed.
            is_refused = match &appended {
                Err(Error::Poisoned(_)) => false,
                Err(_) => durability == Durability::Written,
                Ok(_) => is_refused,
            };
            Ok(appended?.base_offset)
        })?;
        assert!(base == end || !is_refused, "refused, but it is there: {end} became {base}");
        Ok(base)
    }

    fn delete(&mut self, before: i64) -> std::result::Result<(), GaveUp> {
        self.tell(&format!("delete {before}"));
        let start = self.attempt("delete", |actor| actor.log().delete_records(Some(before)))?;
        self.tell(&format!("deleted {start}"));
        Ok(())
    }

    fn truncate(&mut self, target: i64) -> std::result::Result<(), GaveUp> {
        self.attempt("truncate", |actor| {
            actor.tell(&format!("truncate {target}"));
            actor.log().truncate_to(target)?;
            actor.tell(&format!("truncated {target}"));
            Ok(())
        })
    }

    fn start_over(&mut self, start: i64) -> std::result::Result<(), GaveUp> {
        self.attempt("start over", |actor| {
            actor.tell(&format!("start-over {start}"));
            actor.log().start_over_at(start)?;
            actor.tell(&format!("started-over {start}"));
            Ok(())
        })
    }

    /// Deletes what is too much. It never takes the active segment.
    fn retain(&mut self) -> std::result::Result<(), GaveUp> {
        let segments = self.attempt("list", |actor| actor.log().segments())?;
        let active = segments.last().map_or(0, |active| active.base_offset);
        self.tell(&format!("delete {active}"));
        self.attempt("retain", |actor| actor.log().enforce_retention())?;
        let start = self.attempt("start", |actor| actor.log().log_start_offset())?;
        assert!(start > 4, "retention deleted nothing");
        self.tell(&format!("deleted {start}"));
        Ok(())
    }

    fn housekeep(&mut self, later: i64) -> std::result::Result<(), GaveUp> {
        self.now += later;
        self.clock.set(self.now);
        self.attempt("housekeep", |actor| actor.store().run_housekeeping(actor.now))
    }

    fn topic_comes_and_goes(&mut self) -> std::result::Result<(), GaveUp> {
        self.attempt("create", |actor| match actor.store().topic("other") {
            Ok(_) => Ok(()),
            Err(_) => actor.store().create_topic("other", TopicOptions::new()).map(drop),
        })?;
        self.attempt("remove", |actor| match actor.store().delete_topic("other") {
            Err(Error::NotFound(_)) => Ok(()),
            deleted => deleted,
        })
    }

    /// Closes the store. One that could not be closed is as good as dead.
    fn close(&mut self) -> std::result::Result<(), GaveUp> {
        self.attempt("close", |actor| {
            actor.log = None;
            actor.store().close()?;
            actor.tell("settled");
            Ok(())
        })?;
        self.store = None;
        Ok(())
    }

    /// Reads all of it, from the front and from each offset.
    fn read(&mut self) -> std::result::Result<(), GaveUp> {
        self.attempt("read", |actor| {
            let (start, end) = (actor.log().log_start_offset()?, actor.log().log_end_offset()?);
            for at in (start..end).step_by(3) {
                actor.log().fetch(at, FetchOptions::new().max_bytes(64))?;
            }
            Ok(())
        })?;
        for _ in 0..2 {
            match self.story.check(self.log()) {
                Ok(()) => return Ok(()),
                Err(Wrong::Error(error)) => self.meet("check", &error),
                Err(Wrong::Found(why)) => panic!("{why}"),
            }
        }
        Err(GaveUp)
    }
}

/// The other script: looks at a store whose program died, and writes nothing. `story` is the file
/// that says what must be there.
pub(crate) fn look(path: &Path, fault: &str, story: &str) {
    let story = read_story(story);
    let fault = Fault::parse(fault);
    let before = descriptors();
    calls::pad();
    calls::begin();
    if let Err(error) = look_once(path, &story) {
        say(&format!("error look: {error}"));
        let fault = fault.unwrap_or_else(|| panic!("{error:?}"));
        assert!(fault.is_behind(&error), "{error:?}");
        look_once(path, &story).expect("it works again");
    }
    calls::end();
    assert_eq!(descriptors(), before, "descriptors are left open");
    say("looked");
}

fn look_once(path: &Path, story: &Story) -> std::result::Result<(), Error> {
    let store = options().open(path)?;
    let log = events(&store)?;
    match story.check(&log) {
        Ok(()) => Ok(()),
        Err(Wrong::Error(error)) => Err(error),
        Err(Wrong::Found(why)) => panic!("{why}"),
    }
}
