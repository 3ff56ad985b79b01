//! Kafka's own log layer: a child process (`kafka/src/beside`) does the work in a warm JVM when it is
//! told so and says how long it took. It ends with this process, for its input ends then.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::subject::{Promise, SEGMENT_BYTES, Shape, Stored, Subject, Times};

pub struct Peer;

/// Whether there are a JDK and Maven; says so once if not.
pub fn is_at_hand() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |tool: &str| std::env::split_paths(&path).any(|it| it.join(tool).is_file());
        let missing = ["java", "javac", "mvn"].into_iter().find(|tool| !is_there(tool));
        if let Some(tool) = missing {
            eprintln!("skipped: Kafka's own log layer, for there is no {tool}");
        }
        missing.is_none()
    })
}

/// The child's two ends.
struct Jvm {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Runs a tool to its end.
fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).status().map_err(|error| error.to_string())?;
    let program = command.get_program().display();
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}

impl Jvm {
    /// Brings the jars (once, beside what cargo builds), compiles the program, starts it.
    fn start() -> Result<Jvm, String> {
        let exe = std::env::current_exe().map_err(|error| error.to_string())?;
        let target = exe.ancestors().nth(2).ok_or("no target directory")?;
        let (jars, classes) = (target.join("kafka-tools"), target.join("kafka-classes"));
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/kafka"));
        let (whole, pom) = (jars.join(".whole"), sources.join("pom.xml"));
        if !whole.exists() {
            let into = format!("-DoutputDirectory={}", jars.display());
            let goal = "dependency:copy-dependencies";
            run(Command::new("mvn").arg("-q").arg("-B").arg("-f").arg(pom).args([goal, &into]))?;
            std::fs::write(whole, "").map_err(|error| error.to_string())?;
        }
        let files = ["KafkaLog.java", "Main.java"].map(|it| sources.join("src/beside").join(it));
        let libraries = jars.join("*");
        let compile = ["--release", "17", "-nowarn", "-d"];
        run(Command::new("javac")
            .args(compile)
            .args([&classes, Path::new("-cp"), &libraries])
            .args(files))?;
        Jvm::spawn(&classes, &libraries).map_err(|error| error.to_string())
    }

    fn spawn(classes: &Path, libraries: &Path) -> std::io::Result<Jvm> {
        let class_path = std::env::join_paths([classes, libraries]).expect("paths without colons");
        let mut child = Command::new("java")
            .args(["-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "-cp"])
            .arg(class_path)
            .arg("beside.Main")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (commands, answers) = (child.stdin.take(), child.stdout.take());
        let answers = BufReader::new(answers.expect("a pipe"));
        Ok(Jvm { commands: commands.expect("a pipe"), answers })
    }

    /// The numbers that a command is answered with.
    fn ask(&mut self, command: &str) -> Vec<u64> {
        writeln!(self.commands, "{command}").expect("a command");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        let numbers: Result<_, _> = answer.split_whitespace().map(str::parse).collect();
        numbers.ok().filter(|it: &Vec<u64>| !it.is_empty()).unwrap_or_else(|| {
            let name = command.split('\t').next().unwrap_or_default();
            panic!("Kafka's log layer, told to {name}: {}", answer.trim())
        })
    }
}

/// What the child answers; none if it could not be started, which is said once.
fn ask(words: &[&str]) -> Option<Vec<u64>> {
    static CHILD: OnceLock<Option<Mutex<Jvm>>> = OnceLock::new();
    let child = CHILD.get_or_init(|| match Jvm::start() {
        Ok(jvm) => Some(Mutex::new(jvm)),
        Err(error) => {
            eprintln!("skipped: Kafka's own log layer: {error}");
            None
        }
    });
    Some(child.as_ref()?.lock().ok()?.ask(&words.join("\t")))
}

/// A command about a directory.
fn work(name: &str, dir: &Path, numbers: &[usize]) -> Option<Vec<u64>> {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let mut words = vec![name, dir.to_str().expect("a path")];
    words.extend(numbers.iter().map(String::as_str));
    ask(&words)
}

fn times(answer: &[u64]) -> Times {
    let each = answer[1..].iter().map(|&nanos| Duration::from_nanos(nanos)).collect();
    Times { all: Duration::from_nanos(answer[0]), each }
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "Kafka 4.3.1's log layer"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let answer = work("append", dir, &[shape.records, shape.bytes, batches])?;
        Some(Duration::from_nanos(answer[0]))
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        Some(times(&work("durable", dir, &[shape.records, shape.bytes, batches])?))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, each: usize) -> Option<Times> {
        Some(times(&work("group", dir, &[bytes, writers, each])?))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        work("store", dir, &[shape.records, shape.bytes, batches, shape.mixed.into()])?;
        Some(Box::new(Log(dir.to_str().expect("a path").to_owned())))
    }

    fn crashed(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let segment = SEGMENT_BYTES.parse().expect("a number");
        work("crash", dir, &[shape.records, shape.bytes, batches, segment])?;
        Some(Box::new(Crashed(dir.to_str().expect("a path").to_owned())))
    }
}

/// A directory that the child recovers again and again.
struct Crashed(String);

impl Stored for Crashed {
    fn open(&mut self) -> Option<Duration> {
        Some(Duration::from_nanos(ask(&["recover", &self.0])?[0]))
    }
}

/// A log that the child has open, by its directory.
struct Log(String);

fn seen(answer: &[u64]) -> (usize, Duration) {
    (answer[1] as usize, Duration::from_nanos(answer[0]))
}

impl Stored for Log {
    fn scan(&mut self) -> usize {
        self.timed_scan().0
    }

    fn get(&mut self, number: u64) -> usize {
        self.timed_gets(&[number]).0
    }

    fn timed_scan(&mut self) -> (usize, Duration) {
        seen(&ask(&["scan", &self.0]).expect("the child"))
    }

    fn timed_gets(&mut self, numbers: &[u64]) -> (usize, Duration) {
        let mut offsets = String::new();
        for number in numbers {
            let _ = write!(offsets, "\t{number}");
        }
        seen(&ask(&["get", &self.0, offsets.trim_start()]).expect("the child"))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        ask(&["close", &self.0]);
    }
}
