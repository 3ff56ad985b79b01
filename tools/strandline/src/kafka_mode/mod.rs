//! `strandline kafka-dump-log`: what Kafka's own `kafka-dump-log.sh` prints, byte for byte, as 4.3
//! or 3.9 does, with the same exit status, and the same exceptions where it dies.
//!
//! It deviates where that tool does harm or shows nothing of use: no file is ever created; there
//! are no stack frames; text is UTF-8 whatever the locale; and of decoder classes there are those
//! that come with Kafka.

mod batch;
mod control;
mod decoders;
mod file;
mod index;
mod legacy;
mod log;
mod options;
mod record;
mod records;
mod remote;
mod reports;
mod side_files;
mod thrown;
mod transactions;

use crate::exit::Exit;
use crate::internal::Release;
use crate::output::Out;
use decoders::Decoder;
use file::JavaFile;
use options::Given;
use reports::Reports;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use thrown::{Result, Stop, Thrown};
pub(crate) use transactions::STATES;

/// The verb.
pub(crate) const VERB: &str = "kafka-dump-log";

/// The environment variable that sets the dialect.
const DIALECT: &str = "STRANDLINE_KAFKA_VERSION";

/// The options as the newer tool explains them, and as the older one does.
const OPTIONS: [&str; 2] = [include_str!("options-4.3.txt"), include_str!("options-3.9.txt")];

/// The arguments for this mode, if the command was called for it: by its own name or by its verb.
pub(crate) fn arguments(mut command_line: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let program = command_line.next()?;
    let name = Path::new(&program).file_name().unwrap_or_default();
    if name == VERB || name == "kafka-dump-log.sh" {
        return Some(command_line.collect());
    }
    (command_line.next()?.as_os_str() == OsStr::new(VERB)).then(|| command_line.collect())
}

/// Runs as Kafka's tool would.
pub(crate) fn run(arguments: &[OsString]) -> Exit {
    let (release, arguments) = match options::dialect(arguments, std::env::var_os(DIALECT)) {
        Ok(parsed) => parsed,
        Err(why) => {
            crate::exit::complain("error", why);
            return Exit::Usage;
        }
    };
    let mut out = Out::plain();
    match dump(&arguments, release, &mut out) {
        Ok(code) => code,
        Err(Stop::Output(failure)) => failure.exit,
        Err(Stop::Thrown(thrown)) => {
            if let Err(failure) = out.flush() {
                return failure.exit;
            }
            let message = thrown.message.map(|message| format!(": {message}"));
            complain(&format!(
                "Exception in thread \"main\" {}{}\n",
                thrown.class,
                message.unwrap_or_default()
            ));
            Exit::No
        }
    }
}

/// Writes to stderr. That nobody reads it is no reason to stop.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn dump(arguments: &[OsString], release: Release, out: &mut Out) -> Result<Exit> {
    let given = Given::parse(arguments, release)?;
    let options = match release {
        Release::V4 => OPTIONS[0],
        Release::V3 => OPTIONS[1],
    };
    if given.nothing || given.has("help") {
        complain(&format!(
            "This tool helps to parse a log file and dump its contents to the console, useful \
             for debugging a seemingly corrupt log segment.\n{options}"
        ));
        return Ok(Exit::No);
    }
    if given.has("version") {
        out.text(match release {
            Release::V4 => "4.3.1",
            Release::V3 => "3.9.2",
        })?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    if !given.has("files") {
        complain(&format!("Missing required argument \"[files]\"\n{options}"));
        return Ok(Exit::No);
    }
    let mut run = Run { given, release, out, reports: Reports::new(release) };
    for name in run.given.files()? {
        run.file(&JavaFile::new(&name))?;
    }
    run.out.flush()?;
    complain(&run.reports.text());
    Ok(Exit::Done)
}

/// A run of the tool.
struct Run<'a> {
    given: Given,
    release: Release,
    out: &'a mut Out,
    reports: Reports,
}

impl Run<'_> {
    /// Shows a file, by what its name ends in.
    fn file(&mut self, file: &JavaFile) -> Result<()> {
        self.out.text(format_args!("Dumping {}", file.shown()))?;
        let name = file.name();
        let Some(dot) = name.rfind('.') else { return self.no_ending(file, &name) };
        match &name[dot..] {
            ".log" | ".checkpoint" => {
                let wanted = self.log_wanted()?;
                log::dump(file, wanted, self.out, &mut self.reports.gaps)
            }
            ".index" => {
                let most = self.given.number("max-message-size", 5 << 20)?;
                let wanted = self.index_wanted();
                index::dump(file, wanted, most, (self.out, &mut self.reports.index))
            }
            ".timeindex" => {
                let wanted = self.index_wanted();
                index::dump_times(file, wanted, self.out, &mut self.reports.times)
            }
            ".snapshot" => match side_files::dump_snapshot(file, self.release, self.out)? {
                Some(why) => self.say(&why),
                None => Ok(()),
            },
            ".txnindex" => side_files::dump_aborted(file, self.out),
            _ => self.say(&format!("Ignoring unknown file {}", file.shown())),
        }
    }

    fn no_ending(&mut self, file: &JavaFile, name: &str) -> Result<()> {
        if self.release == Release::V3 {
            let len = name.encode_utf16().count();
            return Err(Thrown::new(
                "java.lang.StringIndexOutOfBoundsException",
                format!("begin -1, end {len}, length {len}"),
            )
            .into());
        }
        self.say(&format!("Ignoring unknown file {}", file.shown()))
    }

    /// Says something on stderr, behind what was shown before.
    fn say(&mut self, text: &str) -> Result<()> {
        self.out.flush()?;
        complain(&format!("{text}\n"));
        Ok(())
    }

    fn log_wanted(&mut self) -> Result<log::Wanted> {
        let decoders = [
            "print-data-log",
            "offsets-decoder",
            "transaction-log-decoder",
            "cluster-metadata-decoder",
            "remote-log-metadata-decoder",
            "value-decoder-class",
            "key-decoder-class",
            "share-group-state-decoder",
        ];
        let print = decoders.iter().any(|name| self.given.has(name));
        let decoder = Decoder::wanted(&self.given, self.release, self.out)?;
        Ok(log::Wanted {
            release: self.release,
            deep: print || self.given.has("deep-iteration"),
            print: print.then_some(decoder),
            skip_metadata: self.given.has("skip-record-metadata"),
            max_bytes: self.given.number("max-bytes", i32::MAX)?,
        })
    }

    fn index_wanted(&self) -> index::Wanted {
        index::Wanted {
            release: self.release,
            sanity_only: self.given.has("index-sanity-check"),
            verify_only: self.given.has("verify-index-only"),
        }
    }
}
