//! Real machines: processes that are killed, system calls that fail, disks that are full, limits,
//! and two processes at once. Whatever happens, nothing that was acknowledged is lost, nothing is
//! invented, and no damage is reported.
//!
//! Each loop prints `layer=<name> runs=<n> distinct=<n> failures=0 seconds=<s>`, or
//! `layer=<name> skipped: <why>` where it cannot run. What is killed and starved is this very test
//! binary, started again with `STRANDLINE_CHILD` set: see [`run`].
//!
//! | variable | makes longer |
//! |---|---|
//! | `STRANDLINE_KILLS=<n>` | the kill loop at random |
//! | `STRANDLINE_SWEEP=1` | the error sweeps: every call with every error, once and from then on |
//! | `STRANDLINE_RACES=<n>` | the race of openers |
//! | `STRANDLINE_FOLLOWED=<n>` | what a reader follows, in records |
//! | `STRANDLINE_POWER_CUTS=<n>` | the power cuts, for each file system |

#[path = "machine/calls.rs"]
mod calls;
#[path = "machine/follow.rs"]
mod follow;
#[path = "machine/full.rs"]
mod full;
#[path = "machine/kill.rs"]
mod kill;
#[path = "machine/life.rs"]
mod life;
#[path = "machine/limits.rs"]
mod limits;
#[path = "machine/power.rs"]
mod power;
#[path = "machine/race.rs"]
mod race;
#[path = "machine/run.rs"]
mod run;
#[path = "machine/story.rs"]
mod story;
#[path = "machine/sweep.rs"]
mod sweep;

/// Not a test: what the loops start, starve and kill.
#[test]
#[ignore = "the loops start it"]
fn child() {
    let Ok(told) = std::env::var(run::CHILD) else { return };
    // The test harness has begun a line.
    println!();
    let words: Vec<&str> = told.split('\n').collect();
    match words[..] {
        ["follow", path, own, records] => {
            follow::child(path.as_ref(), own.as_ref(), records.parse().unwrap());
        }
        ["kill", path, round] => kill::child(path.as_ref(), round.parse().unwrap()),
        ["life", path, fault, variant] => life::live(path.as_ref(), fault, variant),
        ["lives", path] => life::lives(path.as_ref()),
        ["look", path, fault, story] => life::look(path.as_ref(), fault, story),
        ["mend", path, fault, story] => life::mend(path.as_ref(), fault, story),
        ["limit", path, which] => limits::child(path.as_ref(), which),
        ["cuts", path, kind, count] => power::cuts(path.as_ref(), kind, count.parse().unwrap()),
        ["race", path] => race::opener(path.as_ref()),
        ["full", path, told] => full::fill(path.as_ref(), told),
        _ => panic!("no such child: {told:?}"),
    }
}
