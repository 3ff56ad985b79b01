//! Each system call of a script fails with each error, or is the last one before a kill.
//!
//! A script meets one error, at one call (or at it and all like it from then on), gets over it and
//! goes on. Then the store is opened without any: nothing acknowledged is lost, nothing is
//! invented. `EINTR` is never seen at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use strandline::{Batch, Durability, Record};

use crate::calls::{self, CHANGING, ERRORS, Fault};
use crate::life::{VARIANTS, events, options};
use crate::run::{self, Layer, assert_well, at_once, output, said, word};
use crate::story::{Story, values};

/// The faults of a script's calls: one in `STRANDLINE_SWEEP`, or in `step`. That divides nothing
/// that is counted here, so that each call meets another error.
fn faults(counted: &BTreeMap<String, (usize, usize)>, step: usize) -> Vec<Fault> {
    let mut all = Vec::new();
    for (call, &(first, behind)) in counted {
        for nth in first..behind {
            for (name, _) in ERRORS {
                for stays in [false, true] {
                    if !(stays && name == "EINTR") {
                        all.push(Fault { call: call.clone(), nth, error: Some(name), stays });
                    }
                }
            }
        }
    }
    all.into_iter().step_by(run::number("STRANDLINE_SWEEP", step)).collect()
}

fn check(what: &str, path: &Path, lines: &[String]) {
    check_story(what, path, lines, Story::of(lines));
}

/// Opens what a child left, and goes on with it.
pub(crate) fn check_story(what: &str, path: &Path, lines: &[String], mut story: Story) {
    let wrong = |why: &dyn Debug| -> ! { panic!("{what}: {why:?}\n{}", lines.join("\n")) };
    for opening in 0..2 {
        let store = options().open(path).unwrap_or_else(|error| wrong(&error));
        let log = events(&store).unwrap_or_else(|error| wrong(&error));
        story.check(&log).unwrap_or_else(|why| wrong(&(opening, why)));
        let warnings = store.warnings();
        assert!(warnings.is_empty(), "{what}: {warnings:?}");
        let append = 1_000 + opening;
        story.tell(&format!("append {append} 2"));
        let values = values(append, 2);
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        let appended = log.append(batch, Durability::Synced);
        let appended = appended.unwrap_or_else(|error| wrong(&error));
        story.tell(&format!("appended {}", appended.base_offset));
        story.check(&log).unwrap_or_else(|why| wrong(&why));
        drop(log);
        store.close().unwrap_or_else(|error| wrong(&error));
    }
}

/// What came of a run: what was said, and which files of what length are left.
fn outcome(path: &Path, lines: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for line in lines {
        line.replace(word(path), "").hash(&mut hasher);
    }
    for (file, bytes) in partitions(path) {
        (file.file_name(), bytes.len()).hash(&mut hasher);
    }
    hasher.finish()
}

/// Lives once with a fault; says which story came of it.
fn live((variant, fault): &(&str, Fault)) -> u64 {
    let dir = run::scratch();
    let path = dir.path().join("store");
    let role = ["life", word(&path), &fault.word(), variant];
    let output = output(&mut fault.child(&role));
    let what = format!("{variant}: {fault:?}");
    let lines = said(&output.stdout);
    if fault.error.is_some() {
        assert_well(&what, &output);
        let has_lived = lines.last().is_some_and(|line| line == "lived");
        assert!(fault.stays || has_lived, "{what}: {lines:?}");
    } else {
        assert!(!output.status.success(), "{what}: not killed: {lines:?}");
    }
    let outcome = outcome(&path, &lines);
    check(&what, &path, &lines);
    outcome
}

fn distinct(outcomes: &[u64]) -> usize {
    outcomes.iter().collect::<BTreeSet<_>>().len()
}

/// The calls of a life that meets no error.
fn calls_of_a_life(variant: &str) -> BTreeMap<String, (usize, usize)> {
    let dir = run::scratch();
    let path = dir.path().join("store");
    calls::count(&["life", word(&path), "none", variant], dir.path())
}

#[test]
fn an_error_of_any_call_loses_nothing_and_is_got_over() {
    let layer = Layer::new("error-sweep");
    if let Some(why) = calls::cannot() {
        return run::skip("error-sweep", why);
    }
    let faults: Vec<_> = VARIANTS
        .iter()
        .flat_map(|variant| {
            faults(&calls_of_a_life(variant), 251).into_iter().map(move |fault| (*variant, fault))
        })
        .collect();
    let outcomes = at_once(&faults, live);
    layer.done(outcomes.len(), distinct(&outcomes));
}

#[test]
fn a_kill_before_any_call_that_changes_something_loses_nothing() {
    let layer = Layer::new("kill-at-calls");
    if let Some(why) = calls::cannot() {
        return run::skip("kill-at-calls", why);
    }
    // What `openat` makes is there before the next call that changes something.
    let changing: Vec<_> = CHANGING.split(',').filter(|call| *call != "openat").collect();
    let mut kills = Vec::new();
    for variant in VARIANTS {
        let counted = calls_of_a_life(variant).into_iter();
        for (call, (first, behind)) in counted.filter(|one| changing.contains(&one.0.as_str())) {
            for nth in first..behind {
                kills.push((variant, Fault { call: call.clone(), nth, error: None, stays: false }));
            }
        }
    }
    let kills: Vec<_> = kills.into_iter().step_by(run::number("STRANDLINE_SWEEP", 5)).collect();
    let outcomes = at_once(&kills, live);
    layer.done(outcomes.len(), distinct(&outcomes));
}

/// What a program did when it died.
const DEATHS: [&str; 3] = ["append", "truncate", "start over"];

/// A store whose program died doing something, and what must be there.
fn died(dir: &Path, doing: &str) -> (PathBuf, Vec<String>) {
    let path = dir.join("store");
    let store = options().open(&path).expect("a store");
    let log = events(&store).expect("a log");
    let mut lines = Vec::new();
    for append in 1..=7 {
        lines.push(format!("append {append} 4"));
        let values = values(append, 4);
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        let durability = if append < 5 { Durability::Synced } else { Durability::Written };
        let appended = log.append(batch, durability).expect("an append");
        lines.push(format!("appended {}", appended.base_offset));
    }
    let active = log.segments().expect("segments").pop().expect("an active one").path;
    let partition = active.parent().expect("a partition");
    // Without it a change is announced, and breaks off there.
    let slots = ["durable.watermark", "aside"].map(|name| partition.join(name));
    let mut break_off = |line: &str, change: &dyn Fn() -> strandline::Result<()>| {
        lines.push(line.to_owned());
        std::fs::rename(&slots[0], &slots[1]).expect("a move");
        change().expect_err("it breaks off");
        std::fs::rename(&slots[1], &slots[0]).expect("a move back");
    };
    match doing {
        "truncate" => break_off("truncate 12", &|| log.truncate_to(12).map(drop)),
        "start over" => break_off("start-over 100", &|| log.start_over_at(100)),
        _ => {}
    }
    drop((log, store));
    if doing == "append" {
        let mut bytes = std::fs::read(&active).expect("the active segment");
        bytes.extend_from_within(..60);
        std::fs::write(active, bytes).expect("a torn batch");
    }
    (path, lines)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in from.read_dir().expect("a listing") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).expect("a copy");
        }
    }
}

/// All files of the partitions, with their bytes.
fn partitions(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in path.read_dir().into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(partitions(&path));
        } else if path.parent().is_some_and(|parent| parent.ends_with("events-0")) {
            let bytes = std::fs::read(&path).expect("its bytes");
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn an_error_of_any_call_of_an_opening_changes_nothing() {
    sweep_image("opening-sweep", "look", 83);
}

#[test]
fn an_error_of_any_call_of_the_first_write_loses_nothing_and_is_got_over() {
    sweep_image("first-write-sweep", "mend", 307);
}

/// Fails the calls of a script that begins with what a program left that died.
fn sweep_image(layer: &'static str, script: &str, step: usize) {
    if let Some(why) = calls::cannot() {
        return run::skip(layer, why);
    }
    let layer = Layer::new(layer);
    let mut outcomes = Vec::new();
    for doing in DEATHS {
        outcomes.extend(sweep_death(doing, script, step));
    }
    layer.done(outcomes.len(), distinct(&outcomes));
}

fn sweep_death(doing: &str, script: &str, step: usize) -> Vec<u64> {
    let dir = run::scratch();
    let (image, lines) = died(dir.path(), doing);
    let story = dir.path().join("story");
    std::fs::write(&story, lines.join("\n")).expect("a story");
    let counted = {
        let path = dir.path().join("counted");
        copy(&image, &path);
        calls::count(&[script, word(&path), "none", word(&story)], dir.path())
    };
    let writes = script != "look";
    let mut faults = faults(&counted, step);
    faults.retain(|fault| writes || !fault.stays);
    at_once(&faults, |fault| {
        let dir = run::scratch();
        let path = dir.path().join("store");
        copy(&image, &path);
        let before = partitions(&path);
        let what = format!("{script} after {doing}: {fault:?}");
        let output = output(&mut fault.child(&[script, word(&path), &fault.word(), word(&story)]));
        assert_well(&what, &output);
        assert!(writes || partitions(&path) == before, "{what}: the partition was written to");
        let said = said(&output.stdout);
        let outcome = outcome(&path, &said);
        check(&what, &path, &[lines.as_slice(), &said].concat());
        outcome
    })
}
