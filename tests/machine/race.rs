//! Eight processes that want the same store at the same moment: one gets it, the others are told
//! who has it. The one that has it lets go, or is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use strandline::{Error, Store};

use crate::run::{self, Layer, say, word};

const OPENERS: usize = 8;
/// Rounds in a plain `cargo test`; `STRANDLINE_RACES` says how many otherwise.
const ROUNDS: usize = 400;

/// The child: opens when it is told to, and holds what it got until it is told to let go.
pub(crate) fn opener(path: &Path) {
    let mut held = None;
    for line in std::io::stdin().lines() {
        if line.expect("a line") != "open" {
            held = None;
            say("let go");
            continue;
        }
        match Store::options().housekeeping(false).open(path) {
            Ok(store) => {
                held = Some(store);
                say("held");
            }
            Err(Error::Locked { pid, .. }) => say(&format!("locked {}", pid.unwrap_or(0))),
            Err(error) => say(&format!("error {error:?}")),
        }
    }
    drop(held);
}

struct Opener {
    process: Child,
    input: ChildStdin,
    output: std::io::Lines<BufReader<ChildStdout>>,
}

impl Opener {
    fn start(path: &Path) -> Opener {
        let mut command = run::child(&["race", word(path)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("a child");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Opener { process, input, output }
    }

    fn tell(&mut self, what: &str) {
        writeln!(self.input, "{what}").expect("it listens");
    }

    fn answer(&mut self) -> String {
        loop {
            let line = self.output.next().expect("an answer").expect("a line");
            if let Some(line) = line.strip_prefix("| ") {
                return line.to_owned();
            }
        }
    }

    fn kill(mut self) {
        self.process.kill().expect("a kill");
        self.process.wait().expect("an end");
    }
}

#[test]
fn of_many_that_open_at_once_one_gets_it_and_the_others_know_who() {
    let layer = Layer::new("race");
    let rounds = run::number("STRANDLINE_RACES", ROUNDS);
    let scratch = run::scratch();
    let path = scratch.path().join("store");
    drop(Store::open(&path).expect("a store"));
    let mut openers: Vec<_> = (0..OPENERS).map(|_| Opener::start(&path)).collect();
    let mut winners = std::collections::BTreeSet::new();
    for round in 0..rounds {
        for opener in &mut openers {
            opener.tell("open");
        }
        let answers: Vec<_> = openers.iter_mut().map(Opener::answer).collect();
        let held: Vec<_> = (0..OPENERS).filter(|at| answers[*at] == "held").collect();
        let [holder] = held[..] else { panic!("round {round}: {answers:?}") };
        let others = answers.iter().filter(|answer| answer.starts_with("locked ")).count();
        assert_eq!(others, OPENERS - 1, "round {round}: {answers:?}");
        // Who came between the holder's lock and its number may have been told the one before.
        let pid = openers[holder].process.id();
        for at in (0..OPENERS).filter(|at| *at != holder) {
            openers[at].tell("open");
            assert_eq!(openers[at].answer(), format!("locked {pid}"), "round {round}");
        }
        winners.insert(pid);
        if round % 2 == 0 {
            openers[holder].tell("let go");
            assert_eq!(openers[holder].answer(), "let go");
        } else {
            let next = Opener::start(&path);
            std::mem::replace(&mut openers[holder], next).kill();
        }
    }
    for opener in openers {
        opener.kill();
    }
    layer.done(rounds, winners.len());
}
