//! The rules of the house, asked of the source text: which floor may use which, who may touch the
//! operating system, how long a file and a function may be.
//!
//! A rule gives out what breaks it, as `path:line: what`. What breaks one for a good reason stands
//! in a list of exceptions beside the rule, with the reason; an exception that nothing needs any
//! more is an error too.

#[path = "tidy/source.rs"]
mod source;

use source::{Source, closing, finds};

/// The floors. One may use its own number and those below.
const FLOORS: &[(&str, u32)] = &[
    ("wire", 1),
    ("fs", 1),
    ("compression", 2),
    ("record", 3),
    ("index", 4),
    ("segment", 5),
    ("log", 6),
    ("store", 7),
    ("groups", 8),
    ("transactions", 8),
    ("producer", 9),
    ("consumer", 9),
    // The inner doors, which nothing that is shipped may use.
    ("testing", 10),
];

/// What every floor may use.
const BESIDE_THE_FLOORS: &[&str] = &["clock", "error", "finding", "planted", "sync"];

const MOST_LINES_OF_A_FILE: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 70;

/// What may break a rule all the same: the start of the complaint, and why.
type Exceptions = &'static [(&'static str, &'static str)];

fn library() -> Vec<Source> {
    Source::all_in(&["src"])
}

fn everything() -> Vec<Source> {
    Source::all_in(&["src", "tests", "benches", "examples", "tools"])
}

/// Fails with everything in `sources` that `rule` complains of, but for the exceptions.
#[track_caller]
fn demand(sources: &[Source], exceptions: Exceptions, rule: impl Fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "no sources found");
    let found: Vec<String> = sources.iter().flat_map(rule).collect();
    let excused = |complaint: &String| exceptions.iter().any(|(of, _)| complaint.starts_with(of));
    let mut wrong: Vec<_> = found.iter().filter(|complaint| !excused(complaint)).cloned().collect();
    for (of, reason) in exceptions {
        if !found.iter().any(|complaint| complaint.starts_with(of)) {
            wrong.push(format!("{of}: needs no exception any more ({reason})"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Complains of each of `words` that what is shipped names.
fn named(source: &Source, words: &[&str], why: &str) -> Vec<String> {
    let complain = |word: &&str| {
        let places = source.places(word).into_iter();
        places.map(|place| format!("{place}: `{word}`: {why}")).collect::<Vec<_>>()
    };
    words.iter().flat_map(complain).collect()
}

#[test]
fn a_floor_uses_its_own_and_those_below() {
    demand(&library(), &[], floors);
}

fn floors(source: &Source) -> Vec<String> {
    let Some(module) = source.module().filter(|module| module.len() > 1 || is_mod(source)) else {
        return Vec::new();
    };
    let height = |name: &str| FLOORS.iter().find(|floor| floor.0 == name).map(|floor| floor.1);
    let Some(own) = height(module[0]) else {
        return vec![format!("{}:1: `{}` is no floor: give it a number", source.path, module[0])];
    };
    let mut wrong = Vec::new();
    for at in finds(&source.shipped, "crate::") {
        let used = source.shipped[at + "crate::".len()..]
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        let place = source.place(at);
        match height(used) {
            _ if BESIDE_THE_FLOORS.contains(&used) => {}
            Some(other) if other <= own => {}
            Some(other) => {
                let (floor, upper) = (module[0], used);
                wrong.push(format!("{place}: {floor} ({own}) uses {upper} ({other}), above it"));
            }
            None => wrong.push(format!("{place}: `crate::{used}`: name the floor that it is of")),
        }
    }
    let out_of_the_floor = "super::".repeat(module.len());
    for at in finds(&source.shipped, &out_of_the_floor) {
        let place = source.place(at);
        wrong.push(format!("{place}: `super` leads out of the floor: begin with `crate::`"));
    }
    wrong
}

fn is_mod(source: &Source) -> bool {
    source.path.ends_with("/mod.rs")
}

#[test]
fn only_fs_names_the_file_system() {
    demand(&library(), &[], file_system);
}

const THE_DOOR: &str = "src/fs is the only door";

fn file_system(source: &Source) -> Vec<String> {
    if source.path.starts_with("src/fs/") {
        return Vec::new();
    }
    let mut wrong = named(source, &["std::fs", "memmap2", "nix::"], THE_DOOR);
    for at in finds(&source.shipped, "std::{") {
        let open = at + "std::".len();
        if finds(&source.shipped[open..closing(&source.shipped, open)], "fs").next().is_some() {
            wrong.push(format!("{}: `fs` of std: {THE_DOOR}", source.place(at)));
        }
    }
    wrong
}

#[test]
fn only_clock_names_the_system_s_time() {
    demand(&library(), &[], |source| match source.path.as_str() {
        "src/clock.rs" => Vec::new(),
        _ => named(source, &["SystemTime"], "ask the clock"),
    });
}

#[test]
fn only_housekeeping_starts_threads() {
    let starts = ["thread::spawn", "thread::Builder", "thread::scope"];
    demand(&library(), &[], |source| match source.path.as_str() {
        "src/store/housekeeping.rs" => Vec::new(),
        _ => named(source, &starts, "threads are src/store/housekeeping.rs's"),
    });
}

#[test]
fn wire_and_record_do_no_io_and_take_no_clock() {
    demand(&library(), &[], pure);
}

fn pure(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/wire/") && !source.path.starts_with("src/record/") {
        return Vec::new();
    }
    let effects = ["std::io", "std::fs", "crate::fs", "Clock", "crate::clock", "Instant"];
    named(source, &effects, "no I/O and no clock on this floor")
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    demand(&everything(), &[], |source| {
        let says = source.text.starts_with("//! ");
        let complaint = format!("{}:1: begin with `//!` and what the file is", source.path);
        Vec::from_iter((!says).then_some(complaint))
    });
}

#[test]
fn no_file_is_too_long() {
    demand(&everything(), &[], |source| {
        // A file of tests is as long as the code that it is.
        let is_tests = source.shipped.trim().is_empty();
        let lines = lines_of(if is_tests { &source.code } else { &source.shipped });
        let complaint = format!("{}:1: {lines} lines of code", source.path);
        Vec::from_iter((lines > MOST_LINES_OF_A_FILE).then_some(complaint))
    });
}

/// Lines that are neither blank nor comments.
fn lines_of(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn no_function_is_too_long() {
    demand(&everything(), &[], |source| {
        let long = functions(&source.code).into_iter();
        long.filter(|function| function.lines > MOST_LINES_OF_A_FUNCTION)
            .map(|Function { name, lines, at }| {
                let line = source.place(at);
                format!("{}: `{name}` has {lines} lines ({line})", source.path)
            })
            .collect()
    });
}

struct Function<'a> {
    name: &'a str,
    /// Lines of code between its braces.
    lines: usize,
    at: usize,
}

fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for at in finds(code, "fn") {
        let signature = code[at + 2..].trim_start();
        let name = signature.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        let mut end = code.len() - signature.len();
        // The body begins with the first brace outside of parentheses; a semicolon means none.
        let body = loop {
            let Some(next) = code[end..].find(['(', '[', '{', ';']) else { break None };
            end += next;
            match code.as_bytes()[end] {
                b'{' => break Some(end),
                b';' => break None,
                _ => end = closing(code, end),
            }
        };
        if let Some(body) = body {
            let inside = &code[body + 1..closing(code, body).max(body + 2) - 1];
            found.push(Function { name, lines: lines_of(inside), at });
        }
    }
    found
}

#[test]
fn nothing_is_left_undone() {
    demand(&everything(), &[], |source| {
        let marks = ["todo!(", "unimplemented!(", "dbg!("];
        let places = marks.iter().flat_map(|mark| finds(&source.code, mark));
        places.map(|at| format!("{}: finish it", source.place(at))).collect()
    });
}

#[test]
fn nothing_that_a_disk_or_a_caller_can_cause_panics() {
    demand(&library(), &[], panics);
}

fn panics(source: &Source) -> Vec<String> {
    let ways = [".unwrap()", ".expect(", ".unwrap_err()", "panic!(", "unreachable!("];
    named(source, &ways, "say what went wrong in an error")
}

#[test]
fn unsafe_code_is_where_a_file_is_mapped() {
    let sources = library();
    demand(&sources, &[], |source| match source.path.as_str() {
        "src/fs/mapping.rs" | "src/fs/os/file.rs" => Vec::new(),
        _ => named(source, &["unsafe", "unsafe_code"], "no unsafe code here"),
    });
    let expected: usize =
        sources.iter().map(|source| source.places("expect(unsafe_code").len()).sum();
    assert!(expected <= 1, "unsafe code is expected at {expected} places, argued for at one");
}

#[test]
fn a_log_s_threads_meet_where_the_checker_sees_them() {
    demand(&library(), &[], |source| {
        if source.path.starts_with("src/log/") { unseen(source) } else { Vec::new() }
    });
}

fn unseen(source: &Source) -> Vec<String> {
    let harmless = ["Arc", "Weak", "PoisonError", "OnceLock", "Ordering", "atomic", ""];
    let mut wrong = Vec::new();
    for at in finds(&source.shipped, "std::sync::") {
        let named = &source.shipped[at + "std::sync::".len()..];
        let named = &named[..named.find([';', '(', '<']).unwrap_or(named.len())];
        for word in named.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if !harmless.contains(&word) {
                wrong.push(format!("{}: `{word}`: take it from crate::sync", source.place(at)));
            }
        }
    }
    wrong
}

#[test]
fn each_planted_bug_is_asked_for_at_one_place_and_has_a_test() {
    let sources = library();
    let (declared, engine): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| source.path == PLANTED);
    let bugs = variants(&declared[0].code);
    assert!(bugs.len() >= 25, "{bugs:?}");
    assert_eq!(misplaced(&bugs, &engine), [""; 0]);
    let tests = Source::all_in(&["tests"]);
    let tables = tests.iter().find(|source| source.path == "tests/planted.rs").unwrap();
    let times = |bug: &str| tables.text.matches(&format!("\"{bug}\"")).count();
    let untold: Vec<_> = bugs.iter().filter(|bug| times(bug) != 1).collect();
    assert!(untold.is_empty(), "not once in the tables of {}: {untold:?}", tables.path);
    let asks = "planted::on(Bug::";
    let asked: usize = engine.iter().map(|source| finds(&source.shipped, asks).count()).sum();
    assert_eq!(asked, bugs.len(), "a bug is asked for as `planted::on(Bug::..)`, and no other way");
}

const PLANTED: &str = "src/planted.rs";

/// The variants of the first `enum` in `code`.
fn variants(code: &str) -> Vec<&str> {
    let open = finds(code, "enum").next().and_then(|at| Some(at + code[at..].find('{')?)).unwrap();
    let inside = &code[open + 1..closing(code, open) - 1];
    inside.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// Complains of each of `bugs` that is not named at exactly one place.
fn misplaced(bugs: &[&str], engine: &[&Source]) -> Vec<String> {
    let places = |bug: &&str| {
        let named = format!("Bug::{bug}");
        let places = engine.iter().flat_map(|source| source.places(&named)).collect::<Vec<_>>();
        (places.len() != 1).then(|| format!("{named}: {places:?}"))
    };
    bugs.iter().filter_map(places).collect()
}

/// What a rule says of a file with this text.
fn judged(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    rule(&Source::new(path, text))
}

#[test]
fn a_rule_names_the_file_and_the_line_that_breaks_it() {
    let upward = judged(floors, "src/wire/a.rs", "//! A.\n\nuse crate::log::Log;\n");
    assert_eq!(upward, ["src/wire/a.rs:3: wire (1) uses log (6), above it"]);
    for (path, text) in [
        ("src/attic/mod.rs", ""),
        ("src/log/a.rs", "use crate::Log;"),
        ("src/log/a.rs", "use crate::{record, wire};"),
        ("src/log/a.rs", "use super::super::record;"),
        ("src/log/mod.rs", "use super::record;"),
    ] {
        assert_eq!(judged(floors, path, text).len(), 1, "{path}: {text}");
    }
    for text in
        ["use std::fs;", "use std::fs::File;", "use std::{fs, io};", "let f = std::fs::read(p);"]
    {
        assert_eq!(judged(file_system, "src/log/a.rs", text).len(), 1, "{text}");
    }
    for text in ["use std::sync::{Arc, Mutex};", "use std::sync::atomic::{AtomicU64, Ordering};"] {
        assert_eq!(judged(unseen, "src/log/a.rs", text).len(), 1, "{text}");
    }
    assert_eq!(judged(pure, "src/record/a.rs", "use std::io;\nfn f(c: &Clock) {}").len(), 2);
    assert_eq!(
        judged(panics, "src/log/a.rs", "fn f() { g().unwrap(); }"),
        ["src/log/a.rs:1: `.unwrap()`: say what went wrong in an error"]
    );
}

#[test]
fn comments_strings_and_tests_break_no_rule() {
    let text = r##"
        //! use std::fs; x.unwrap()
        /* std::fs */ fn f<'a>(c: &'a str) -> [u8; 2] { let _ = ('"', '\'', b'"'); [0; 2] }
        const A: &str = "std::fs \" .unwrap()"; const B: &str = r#"std::fs" .unwrap()"#;
        fn no_std::fs_here() { g().unwrap_or(1); expected(2) }
        #[cfg(test)]
        pub(super) mod tests { fn f() { std::fs::read("}").unwrap(); } }
    "##;
    assert_eq!(judged(file_system, "src/log/a.rs", text), [""; 0]);
    assert_eq!(judged(panics, "src/log/a.rs", text), [""; 0]);
    assert_eq!(judged(panics, "src/log/a/tests.rs", "fn f() { g().unwrap(); }"), [""; 0]);
    assert_eq!(judged(floors, "src/log/a/b.rs", "use super::super::c; use crate::error;"), [""; 0]);
}

#[test]
fn a_bug_that_is_planted_twice_or_never_is_misplaced() {
    let bugs = variants("enum Bug { One, Two,\n Three }");
    assert_eq!(bugs, ["One", "Two", "Three"]);
    let text = "if planted::on(Bug::One) {} // Bug::One\nplanted::on(Bug::Two); g(Bug::Two);";
    let source = Source::new("src/log/a.rs", text);
    let complaints = [
        r#"Bug::Two: ["src/log/a.rs:2", "src/log/a.rs:2"]"#.to_owned(),
        "Bug::Three: []".to_owned(),
    ];
    assert_eq!(misplaced(&bugs, &[&source]), complaints);
}

#[test]
fn a_function_is_as_long_as_what_its_braces_hold() {
    let text = "fn a(x: [u8; 2]) -> u8 {\n\n// one\n1\n}\ntrait T { fn b(); }\nfn c() { d() }\n";
    let source = Source::new("a.rs", text);
    let found = functions(&source.code);
    let lines: Vec<_> = found.iter().map(|function| (function.name, function.lines)).collect();
    assert_eq!(lines, [("a", 1), ("c", 1)]);
}
