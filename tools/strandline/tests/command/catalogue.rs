//! The catalogue of findings: each of them, by name, of files that have just that wrong.

mod beside;
mod log;
mod ours;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};

use super::made::{self, Made};
use super::run::run;

const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIMES: &str = "00000000000000000000.timeindex";
const EPOCHS: &str = "leader-epoch-checkpoint";
const METADATA: &str = "version: 0\ntopic_id: gMflXnwDS2K7CfvVf3do3Q";

/// How the damage is made, and what is to be said of it.
struct Maker {
    code: &'static str,
    severity: &'static str,
    /// The end of the path that it is told of.
    file: &'static str,
    /// Which place is damaged.
    of: Kind,
    /// Options, and whether the log directory is looked at rather than the partition.
    options: &'static [&'static str],
    in_root: bool,
    /// What else the same damage is, with the reason beside it.
    also: &'static [&'static str],
    make: fn(&Place),
}

impl Maker {
    const fn new(
        code: &'static str,
        severity: &'static str,
        file: &'static str,
        make: fn(&Place),
    ) -> Maker {
        let (of, options, in_root, also) = (Kind::Kafkas, &[] as &[_], false, &[] as &[_]);
        Maker { code, severity, file, of, options, in_root, also, make }
    }

    /// It takes a deep look.
    const fn deep(self) -> Maker {
        Maker { options: &["--deep"], ..self }
    }

    const fn options(self, options: &'static [&'static str]) -> Maker {
        Maker { options, ..self }
    }

    /// It is the log directory's.
    const fn in_root(self) -> Maker {
        Maker { in_root: true, ..self }
    }

    const fn of(self, of: Kind) -> Maker {
        Maker { of, ..self }
    }

    const fn also(self, also: &'static [&'static str]) -> Maker {
        Maker { also, ..self }
    }
}

/// What a place is made of before it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As a broker leaves a partition: one segment of three batches of two records each.
    Kafkas,
    /// Two segments, the first with a batch behind its first 4 KiB.
    Rolled,
    /// A store that was closed, of several segments.
    Ours,
    /// A store that is open.
    OursOpen,
}

/// A log directory with a partition, to be damaged.
struct Place {
    temp: tempfile::TempDir,
    /// Kept until the look is over.
    open: Option<strandline::Store>,
}

impl Place {
    fn new(kind: Kind) -> Place {
        let temp = tempfile::tempdir().unwrap();
        let mut place = Place { temp, open: None };
        match kind {
            Kind::Kafkas => {
                place.begin();
                place.segment(0, &three());
            }
            Kind::Rolled => {
                place.begin();
                place.rolled();
            }
            Kind::Ours => ours::store(&place.root()).close().unwrap(),
            Kind::OursOpen => place.open = Some(ours::opened_again(&place.root())),
        }
        place
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    fn partition(&self) -> PathBuf {
        self.root().join("t-0")
    }

    fn begin(&self) {
        fs::create_dir_all(self.partition()).unwrap();
        fs::write(self.root().join(".kafka_cleanshutdown"), "{}").unwrap();
        self.write(EPOCHS, "0\n1\n0 0\n");
        self.write("partition.metadata", METADATA);
    }

    /// A segment with the indexes that Kafka makes of few bytes: empty ones.
    fn segment(&self, base: i64, batches: &[Made]) {
        self.write(&format!("{base:020}.log"), made::log(batches));
        self.write(&format!("{base:020}.index"), "");
        self.write(&format!("{base:020}.timeindex"), "");
    }

    fn rolled(&self) {
        let mut large = Made::two(0);
        large.records[0].3 = vec![b'x'; 5000];
        let position = large.bytes().len() as u32;
        self.segment(0, &[large, Made::two(2)]);
        self.write(INDEX, made::index(&[(3, position)]));
        self.write(TIMES, made::times(&[(made::TIME + 3, 3)]));
        self.segment(4, &[Made::two(4)]);
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.partition().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.partition().join(name)).unwrap()
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.partition().join(name)).unwrap();
    }

    /// Changes bytes of a file.
    fn patch(&self, name: &str, at: usize, new: &[u8]) {
        let mut bytes = self.read(name);
        bytes[at..at + new.len()].copy_from_slice(new);
        self.write(name, bytes);
    }

    /// Writes a checkpoint of the log directory.
    fn checkpoint(&self, text: &str) {
        fs::write(self.root().join("recovery-point-offset-checkpoint"), text).unwrap();
    }

    /// It was not stopped cleanly.
    fn crashed(&self) {
        fs::remove_file(self.root().join(".kafka_cleanshutdown")).unwrap();
    }

    /// Renames the first segment.
    fn rename(&self, base: i64) {
        for end in ["log", "index", "timeindex"] {
            let name = |base: i64| self.partition().join(format!("{base:020}.{end}"));
            fs::rename(name(0), name(base)).unwrap();
        }
    }

    /// What is told of it: code and severity, and the file.
    fn told(&self, maker: &Maker) -> Vec<(String, String)> {
        let mut args = vec!["verify", "--json"];
        args.extend(maker.options);
        let path = if maker.in_root { self.root() } else { self.partition() };
        args.push(path.to_str().unwrap());
        // A second log directory, where there is one.
        let second = self.temp.path().join("second");
        if second.exists() {
            args.push(second.to_str().unwrap());
        }
        let ran = run(&args);
        assert!(matches!(ran.code, Some(0 | 1)) && ran.stderr.is_empty(), "{args:?}: {ran:?}");
        let text =
            |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let told = |it: &serde_json::Value| {
            (format!("{} {}", text(it, "code"), text(it, "severity")), text(it, "path"))
        };
        ran.json_of("finding").iter().map(told).collect()
    }
}

/// Three batches of two records each.
fn three() -> [Made; 3] {
    [0, 2, 4].map(Made::two)
}

/// Where the second and the third of them begin, and where the third ends.
fn places() -> [usize; 3] {
    let lens = three().map(|batch| batch.bytes().len());
    [lens[0], lens[0] + lens[1], lens.iter().sum()]
}

fn makers() -> impl Iterator<Item = &'static Maker> {
    [log::ALL, beside::ALL, whole::ALL, ours::ALL].into_iter().flatten()
}

#[test]
fn each_finding_of_the_catalogue_is_told_of_files_that_have_just_that_wrong() {
    let mut wrong = Vec::new();
    for maker in makers() {
        let place = Place::new(maker.of);
        (maker.make)(&place);
        let told = place.told(maker);
        let own = format!("{} {}", maker.code, maker.severity);
        let mut expected: Vec<_> = maker.also.iter().map(|&it| it.to_owned()).collect();
        expected.push(own.clone());
        expected.sort();
        let mut found: Vec<_> = told.iter().map(|(what, _)| what.clone()).collect();
        found.sort();
        let in_its_file =
            told.iter().any(|(what, path)| *what == own && path.ends_with(maker.file));
        if found != expected || !in_its_file {
            wrong.push(format!("{own} of {} as {told:?}", maker.file));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_finding_of_the_catalogue_is_without_a_file_that_has_it() {
    let catalogue = run(&["errors", "--json"]).json();
    assert_eq!(catalogue.len(), 71);
    for code in &catalogue {
        let code = code["code"].as_str().unwrap();
        assert!(makers().any(|maker| maker.code == code), "no file with {code} is made here");
    }
}

#[test]
fn what_is_damaged_here_has_no_finding_before() {
    for of in [Kind::Kafkas, Kind::Rolled, Kind::Ours, Kind::OursOpen] {
        for in_root in [false, true] {
            let maker = Maker { in_root, ..Maker::new("", "", "", |_| {}).of(of).deep() };
            let mut told = Place::new(of).told(&maker);
            // An open store is one that was not stopped.
            told.retain(|(what, _)| !(of == Kind::OursOpen && what == "DIR004 info"));
            assert_eq!(told, [], "{of:?} {in_root}");
        }
    }
}

/// Copies a directory's files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
