//! Running a body over its corpus and over mutations, and telling of an input that breaks a promise.

use std::cell::Cell;
use std::fmt::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use super::corpus;
use super::mutate::{Dice, mutate};

/// A body.
pub(crate) type Body = fn(&[u8]);

/// How fast a body is, and so how many inputs it gets.
#[derive(Clone, Copy)]
pub(crate) enum Speed {
    /// A decoder of small bytes.
    Pure,
    /// A decoder of a text that is read once in an opening.
    Text,
    /// A codec, with its contexts.
    Codec,
    /// A directory is written, opened, and looked at.
    Files,
}

impl Speed {
    fn inputs(self) -> usize {
        match self {
            Speed::Pure => 2_000_000,
            Speed::Text => 100_000,
            Speed::Codec => 50_000,
            Speed::Files => 1_000,
        }
    }
}

/// Runs `body` over everything there is for it.
#[track_caller]
pub(crate) fn run(target: &str, body: Body, speed: Speed) {
    hush();
    if let Some(input) = std::env::var_os("STRANDLINE_FUZZ_INPUT") {
        body(&from_hex(input.to_str().expect("an input in hexadecimal digits")));
        return;
    }
    let corpus = corpus::of(target);
    assert!(!corpus.is_empty(), "fuzz/corpus has nothing for {target}");
    let started = Instant::now();
    let times = std::env::var("STRANDLINE_FUZZ_TIMES").map_or(1, |times| times.parse().unwrap());
    let inputs = speed.inputs() * times;
    let mut seen = Vec::with_capacity(inputs + corpus.len());
    let watch = Watch::start(target);
    for input in &corpus {
        watch.begin(input);
        seen.push(fingerprint(input));
        check(target, body, input);
    }
    let seed = fingerprint(target.as_bytes()) ^ times as u64;
    let mut dice = Dice::new(seed);
    let mut input = Vec::new();
    for _ in 0..inputs {
        mutate(&mut dice, &corpus, &mut input);
        watch.begin(&input);
        seen.push(fingerprint(&input));
        check(target, body, &input);
    }
    let runs = seen.len();
    seen.sort_unstable();
    seen.dedup();
    let (distinct, seconds) = (seen.len(), started.elapsed().as_secs_f64());
    println!("layer=fuzz.{target} runs={runs} distinct={distinct} failures=0 seconds={seconds:.1}");
}

/// No input takes longer, on however busy a machine.
const MOST_SECONDS: u64 = 60;

/// Tells of an input that a body does not get done with, and ends the process.
struct Watch {
    current: Arc<Mutex<(Instant, Vec<u8>)>>,
    /// Dropped at the end, which the thread notices.
    #[expect(dead_code, reason = "nothing is sent")]
    end: Sender<()>,
}

impl Watch {
    fn start(target: &str) -> Watch {
        let (end, done) = channel::<()>();
        let current = Arc::new(Mutex::new((Instant::now(), Vec::new())));
        let (watched, target) = (Arc::clone(&current), target.to_owned());
        std::thread::spawn(move || {
            while done.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                let (since, input) = &*watched.lock().unwrap();
                if since.elapsed() > Duration::from_secs(MOST_SECONDS) {
                    eprintln!("{}", again(&target, input, "is not done with"));
                    std::process::exit(101);
                }
            }
        });
        Watch { current, end }
    }

    fn begin(&self, input: &[u8]) {
        let mut current = self.current.lock().unwrap();
        current.0 = Instant::now();
        current.1.clear();
        current.1.extend_from_slice(input);
    }
}

/// What to do about an input.
fn again(target: &str, input: &[u8], what: &str) -> String {
    let (len, hex) = (input.len(), to_hex(input));
    format!(
        "\nlayer=fuzz.{target} failures=1: an input of {len} bytes {what}\n\
         again: STRANDLINE_FUZZ_INPUT={hex} cargo test --test fuzz -- --exact {target}\n"
    )
}

/// A number that other inputs do not have, but for luck.
fn fingerprint(input: &[u8]) -> u64 {
    let (words, rest) = input.as_chunks::<8>();
    let mix =
        |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let sum =
        words.iter().fold(input.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
    mix(mix(sum, rest), 0)
}

#[track_caller]
fn check(target: &str, body: Body, input: &[u8]) {
    if fails(body, input) {
        let small = shrunk(body, input);
        // Once more, to hear what it says.
        let said = panic::catch_unwind(|| body(&small));
        assert!(said.is_ok(), "{}", again(target, &small, "breaks a promise (above)"));
        panic!("{target}: an input fails once and passes the second time: {}", to_hex(&small));
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics that are caught and tried again are not printed.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
}

fn fails(body: Body, input: &[u8]) -> bool {
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| body(input)));
    QUIET.set(false);
    result.is_err()
}

/// A shorter input that fails too, with more zeros in it.
fn shrunk(body: Body, input: &[u8]) -> Vec<u8> {
    let started = Instant::now();
    let mut small = input.to_vec();
    let mut piece = small.len().div_ceil(2);
    while piece > 0 && started.elapsed() < Duration::from_secs(10) {
        let mut at = 0;
        while at < small.len() {
            let end = (at + piece).min(small.len());
            let mut shorter = small.clone();
            shorter.drain(at..end);
            if fails(body, &shorter) {
                small = shorter;
                continue;
            }
            let mut plainer = small.clone();
            plainer[at..end].fill(0);
            if plainer != small && fails(body, &plainer) {
                small = plainer;
            }
            at = end;
        }
        piece /= 2;
    }
    small
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "an odd number of hexadecimal digits");
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("a hexadecimal digit");
    (0..hex.len()).step_by(2).map(digits).collect()
}
