//! `strandline tour`: the main job on a sample of real input, explained to a newcomer.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use strandline::compression::Codec;
use strandline::{
    Batch, Durability, FetchOptions, Isolation, Log, LogConfig, Record, Store, TopicOptions,
};

use crate::exit::{Exit, Failure, Result, name_of};
use crate::global::Global;
use crate::output::Out;
use crate::output::escape::escaped;
use crate::output::human::{bytes, count, many, shorten};
use crate::output::style::Ink;
use crate::{input::lines, time};

/// Makes a store of its own, and leaves it to be looked at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to make it; if it is there already, DIR-2 and so on [default: strandline-tour]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Who changed which file of Apache Kafka, when: a JSON line for each file of each commit.
const SAMPLE: &[u8] = include_bytes!("../../sample/kafka-file-changes-sample.jsonl.zst");
const TOPIC: &str = "file-changes";
/// What Kafka's producers gather for a batch.
const BATCH_BYTES: usize = 16 << 10;
const SEGMENT_BYTES: u32 = 1 << 20;
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
/// The offset and the time that are looked up.
const OFFSET: i64 = 20_000;
const TIME: &str = "2016-01-01T00:00:00Z";

/// Makes a store, uses it as a program would, and shows what is left.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let sample = Sample::unpack()?;
    let dir = free_directory(args.dir.as_deref().unwrap_or(Path::new("strandline-tour")))?;
    let mut tour = Tour { out: Out::new(global), step: 0, dir };
    tour.introduce(&sample)?;
    tour.fill(&sample)?;
    tour.read_back(&sample)?;
    tour.show_files()?;
    tour.suggest()?;
    tour.out.flush()?;
    Ok(Exit::Done)
}

/// The sample, with what a record takes from each line.
struct Sample {
    text: Vec<u8>,
    records: Vec<SampleRecord>,
}

struct SampleRecord {
    line: std::ops::Range<usize>,
    key: Vec<u8>,
    ms: i64,
}

impl Sample {
    fn unpack() -> Result<Sample> {
        let mut text = Vec::new();
        zstd::Decoder::new(SAMPLE)
            .and_then(|mut sample| sample.read_to_end(&mut text))
            .map_err(|error| Failure::environment(format!("cannot unpack the sample: {error}")))?;
        let fields = lines::Fields { key: Some("path".into()), timestamp: Some("time".into()) };
        let (mut records, mut start) = (Vec::new(), 0);
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let parsed = lines::parse(line, &fields).map_err(Failure::usage)?;
            let crate::input::Time::At(ms) = parsed.time else {
                return Err(Failure::usage("a line of the sample has no time"));
            };
            let key = parsed.key.map(std::borrow::Cow::into_owned).unwrap_or_default();
            records.push(SampleRecord { line: start..start + line.len(), key, ms });
            start += line.len() + 1;
        }
        Ok(Sample { text, records })
    }

    fn line(&self, record: &SampleRecord) -> &[u8] {
        &self.text[record.line.clone()]
    }
}

/// The first of `dir`, `dir-2`, `dir-3`, ... that is not there.
fn free_directory(dir: &Path) -> Result<PathBuf> {
    let mut numbered = dir.to_path_buf();
    for number in 2..10_000 {
        match fs::symlink_metadata(&numbered) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(numbered),
            Err(error) => return Err(Failure::io("look at", &numbered, &error)),
            Ok(_) => {
                let mut name = dir.as_os_str().to_owned();
                name.push(format!("-{number}"));
                numbered = name.into();
            }
        }
    }
    Err(Failure::environment(format!("{} and many like it are there already", name_of(dir))))
}

struct Tour {
    out: Out,
    step: u32,
    dir: PathBuf,
}

impl Tour {
    fn introduce(&mut self, sample: &Sample) -> Result<()> {
        let (bold, off) = (self.out.style.on(Ink::Bold), self.out.style.off());
        let (records, size) = (count(sample.records.len() as u64), bytes(sample.text.len() as u64));
        self.out.text(format_args!(
            "{bold}A log that Apache Kafka recognises, without Apache Kafka{off}"
        ))?;
        self.out.text("")?;
        self.out.text(format_args!(
            "The sample: {records} changes of files in Kafka's own repository, a line of JSON each ({size})."
        ))?;
        self.out.text("A line becomes a record: key = the file's path, time = when it was committed, value = the line.")?;
        self.out.text("")
    }

    /// Says what was done, and how long it took.
    fn did(&mut self, what: impl AsRef<str>, took: Duration) -> Result<()> {
        self.step += 1;
        let what = what.as_ref();
        let (faint, off) = (self.out.style.on(Ink::Faint), self.out.style.off());
        let ms = took.as_secs_f64() * 1000.0;
        let took = if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") };
        self.out.row(format_args!("{:>3}  {what:<78} {faint}{took:>9}{off}", self.step))
    }

    /// Makes the store and appends the sample.
    fn fill(&mut self, sample: &Sample) -> Result<()> {
        let started = Instant::now();
        let store = Store::options().create(true).open(&self.dir)?;
        // By time too a segment is rolled, after seven days of records: 144 small ones here.
        let config = LogConfig::new().segment_bytes(SEGMENT_BYTES).segment_time(CENTURY);
        let options = TopicOptions::new().partitions(1).config(config);
        let log = store.create_topic(TOPIC, options)?.partition(0)?;
        let what = format!(
            "made a store in {} and the topic {TOPIC}, segments of 1 MiB",
            name_of(&self.dir)
        );
        self.did(what, started.elapsed())?;

        let started = Instant::now();
        let (mut batch, mut batches) = (Batch::new().compression(Codec::Lz4), 0);
        for record in &sample.records {
            let (key, value) = (&record.key, sample.line(record));
            batch.push(Record::new().key(key).value(value).timestamp(record.ms));
            if batch.size_bytes() >= BATCH_BYTES {
                log.append(&mut batch, Durability::Written)?;
                batch.clear();
                batches += 1;
            }
        }
        log.append(&mut batch, Durability::Synced)?;
        let took = started.elapsed();
        let (records, segments) =
            (count(sample.records.len() as u64), log.segments()?.len() as u64);
        let (batches, segments) = (count(batches + 1), many(segments, "segment", "segments"));
        self.did(
            format!("appended {records} records in {batches} batches, lz4; they fill {segments}"),
            took,
        )?;
        let started = Instant::now();
        store.close()?;
        self.did("closed the store: now all of it survives a loss of power", started.elapsed())
    }

    /// Opens the store again and compares what it holds with the sample.
    fn read_back(&mut self, sample: &Sample) -> Result<()> {
        let started = Instant::now();
        let store = Store::options().create(false).open(&self.dir)?;
        let log = store.topic(TOPIC)?.partition(0)?;
        let end = log.log_end_offset()?;
        let took = started.elapsed();
        self.did(
            format!("opened it again, with nothing to scan: offsets 0 to {} are there", end - 1),
            took,
        )?;

        let started = Instant::now();
        let equal = compare(&log, sample)?;
        let took = started.elapsed();
        self.did(
            format!("fetched all {} records: each equals its line of the sample", count(equal)),
            took,
        )?;

        let started = Instant::now();
        let line = first_at(&log, OFFSET, sample)?;
        self.did(format!("fetched by offset: the record {OFFSET}"), started.elapsed())?;
        self.quote(&line)?;

        let ms = time::parse(TIME, 0).map_err(Failure::usage)?;
        let started = Instant::now();
        let found = log.offset_for_time(ms, Isolation::ReadUncommitted)?;
        let found = found
            .ok_or_else(|| Failure::environment(format!("no record is of {TIME} or later")))?;
        let wanted = sample.records.iter().position(|record| record.ms >= ms);
        if wanted != usize::try_from(found.offset).ok() {
            return Err(differs(found.offset));
        }
        let line = first_at(&log, found.offset, sample)?;
        self.did(
            format!("fetched by time: the first record of {} or later", &TIME[..10]),
            started.elapsed(),
        )?;
        self.quote(&line)?;
        store.close()?;
        Ok(())
    }

    /// Shows a record, cut to the terminal's width.
    fn quote(&mut self, line: &[u8]) -> Result<()> {
        let mut shown = b"     ".to_vec();
        escaped(line, &mut shown);
        shorten(&mut shown, self.out.width.unwrap_or(100).clamp(20, 100));
        self.out.text(String::from_utf8_lossy(&shown))
    }

    /// Lists each file, what it is for, and its size.
    fn show_files(&mut self) -> Result<()> {
        let (bold, off) = (self.out.style.on(Ink::Bold), self.out.style.off());
        let partition = self.dir.join(format!("{TOPIC}-0"));
        self.out.text("")?;
        self.out.text(format_args!(
            "{bold}What lies on the disk now{off}: files that Kafka would open, and some of ours, which it ignores."
        ))?;
        for dir in [&partition, &self.dir.clone()] {
            self.out.text("")?;
            self.out.text(format_args!("  {}/", name_of(dir)))?;
            for (name, size) in files(dir)? {
                let size = bytes(size);
                let purpose = purpose(&name);
                self.out.row(format_args!("    {name:<32}  {size:>10}  {purpose}"))?;
            }
        }
        Ok(())
    }

    fn suggest(&mut self) -> Result<()> {
        let dir = name_of(&self.dir);
        let program = program();
        let (bold, off) = (self.out.style.on(Ink::Bold), self.out.style.off());
        self.out.text("")?;
        self.out.text(format_args!("{bold}It stays in {dir}.{off} Three things to try:"))?;
        self.out.text("")?;
        let log = format!("{dir}/{TOPIC}-0/00000000000000000000.log");
        self.out.text(format_args!(
            "  {program} fetch -d {dir} {TOPIC} --time {} --limit 5",
            &TIME[..20]
        ))?;
        self.out.text(format_args!("  {program} dump {log} | head"))?;
        self.out.text(format_args!("  echo hello | {program} append -d {dir} {TOPIC}"))
    }
}

/// How the user called this program, as far as it can be said again.
fn program() -> String {
    let own = std::env::args().next().unwrap_or_default();
    if own.contains("target/") { "cargo run -qr --".to_owned() } else { "strandline".to_owned() }
}

/// Reads the whole log, record by record, beside the sample; gives how many there were.
fn compare(log: &Log, sample: &Sample) -> Result<u64> {
    let (mut next, mut wanted) = (log.log_start_offset()?, sample.records.iter());
    let mut equal = 0;
    loop {
        let fetched = log.fetch(next, FetchOptions::new())?;
        for record in fetched.records() {
            let record = record?;
            let same = wanted.next().is_some_and(|wanted| {
                record.offset() == equal
                    && record.timestamp() == Some(wanted.ms)
                    && record.key() == Some(&wanted.key)
                    && record.value() == Some(sample.line(wanted))
            });
            if !same {
                return Err(differs(record.offset()));
            }
            equal += 1;
        }
        if fetched.next_offset() == next {
            break;
        }
        next = fetched.next_offset();
    }
    if wanted.next().is_some() { Err(differs(equal)) } else { Ok(equal as u64) }
}

fn differs(offset: i64) -> Failure {
    let message =
        format!("the record at offset {offset} is not what was appended: please report this");
    Failure { exit: Exit::Incomplete, ..Failure::environment(message) }
}

/// Fetches the record at an offset, compares it with the sample, and gives it in a line.
fn first_at(log: &Log, offset: i64, sample: &Sample) -> Result<Vec<u8>> {
    let fetched = log.fetch(offset, FetchOptions::new())?;
    let record = fetched.records().next().ok_or_else(|| differs(offset))??;
    let wanted = usize::try_from(offset).ok().and_then(|at| sample.records.get(at));
    let same = wanted.is_some_and(|wanted| record.value() == Some(sample.line(wanted)));
    if !same || record.offset() != offset {
        return Err(differs(offset));
    }
    let mut line = format!("{offset}  ").into_bytes();
    time::write_rfc3339(record.timestamp().unwrap_or_default(), &mut line);
    line.extend_from_slice(b"  ");
    line.extend_from_slice(record.value().unwrap_or_default());
    Ok(line)
}

/// The files in a directory and their sizes, by name.
fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    let failed = |error| Failure::io("list", dir, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        if metadata.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// What a file is for.
fn purpose(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "log" => return "records in batches; the name is the first offset",
        "index" => return "where in the .log to begin looking for an offset",
        "timeindex" => return "from which offset on to look for a time",
        "txnindex" => return "transactions that aborted",
        "snapshot" => return "what is known of producers at that offset",
        _ => {}
    }
    match name {
        "segments.manifest" => "ours: which segments are whole, and their checksums",
        "durable.watermark" => "ours: up to where the last segment is durable",
        "leader-epoch-checkpoint" => "which leader wrote from which offset on",
        "partition.metadata" => "the topic's id",
        "meta.properties" => "the log directory's own id",
        "recovery-point-offset-checkpoint" => "up to where each log is known to be safe",
        "log-start-offset-checkpoint" => "from where on each log can be read",
        "replication-offset-checkpoint" => "up to where each log may be read",
        "cleaner-offset-checkpoint" => "up to where each log is compacted",
        ".kafka_cleanshutdown" => "the store was closed in order",
        "strandline.owner" => "ours: which process opened it last",
        "strandline.topics" => "ours: the topics and their settings",
        ".lock" => "held by whoever writes here",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_whole_and_holds_what_the_tour_looks_up() {
        let sample = Sample::unpack().unwrap();
        assert!(sample.records.len() > OFFSET as usize);
        let ms = time::parse(TIME, 0).unwrap();
        assert!(sample.records.iter().any(|record| record.ms >= ms));
        assert!(sample.records[0].ms < ms);
    }

    #[test]
    fn a_directory_that_is_there_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("tour");
        assert_eq!(free_directory(&dir).unwrap(), dir);
        fs::create_dir(&dir).unwrap();
        fs::write(temp.path().join("tour-2"), "").unwrap();
        assert_eq!(free_directory(&dir).unwrap(), temp.path().join("tour-3"));
    }
}
