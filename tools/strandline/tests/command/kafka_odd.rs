//! `kafka-dump-log` on what Kafka seldom leaves behind: files put together to provoke each of the
//! exceptions of Kafka's tool, with the texts that were observed there.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::run::{Ran, fixtures, ran, strandline};

const NAME: &str = "00000000000000000000";

/// A segment with the `.log` of a fixture.
fn segment(fixture: &str) -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    let from = fixtures().join(fixture).join(format!("{NAME}.log"));
    fs::copy(from, temp.path().join(format!("{NAME}.log"))).unwrap();
    temp
}

fn put(directory: &Path, ending: &str, bytes: &[u8]) {
    fs::write(directory.join(format!("{NAME}.{ending}")), bytes).unwrap();
}

/// Runs Kafka's tool on the file of the segment with that ending.
fn dump(directory: &Path, ending: &str, options: &[&str]) -> Ran {
    let mut command = strandline(&["kafka-dump-log"]);
    command.args(options).arg("--files").arg(format!("{NAME}.{ending}"));
    ran(command.current_dir(directory).output().unwrap())
}

/// That the run ended with this exception, whose text begins so.
#[track_caller]
fn dies(ran: &Ran, exception: &str) {
    let wanted = format!("Exception in thread \"main\" {exception}");
    assert!(ran.stderr.starts_with(&wanted), "{ran:?}\nwanted {wanted}");
    assert_eq!(ran.code, Some(1));
}

fn entry(offset: i32, position: i32) -> Vec<u8> {
    [offset.to_be_bytes(), position.to_be_bytes()].concat()
}

#[test]
fn an_index_that_leads_nowhere_ends_the_run_as_kafkas_tool_ends() {
    let temp = segment("basic-0");
    let at = temp.path().canonicalize().unwrap();
    let whole =
        format!("FileRecords(size=707, file={}/{NAME}.log, start=0, end=2147483647)", at.display());
    let argument = "java.lang.IllegalArgumentException: ";
    for (position, exception) in [
        (
            100_000,
            format!("{argument}Slice from position 100000 exceeds end position of {whole}\n"),
        ),
        (-5, format!("{argument}Invalid position: -5 in read from {whole}\n")),
        (3, "java.util.NoSuchElementException\n".to_owned()),
        (707 - 17, "java.util.NoSuchElementException\n".to_owned()),
    ] {
        put(temp.path(), "index", &entry(1, position));
        dies(&dump(temp.path(), "index", &[]), &exception);
    }
    put(temp.path(), "index", &entry(1, 0));
    dies(&dump(temp.path(), "index", &["--max-message-size", "50"]), "java.util.NoSuchElement");
    let corrupt = "org.apache.kafka.storage.internals.log.CorruptIndexException: ";
    let sanity: &[&str] = &["--index-sanity-check", "--verify-index-only"];
    put(temp.path(), "index", &[&entry(1, 0)[..], b"x"].concat());
    let why = "is corrupt, found 9 bytes which is neither positive nor a multiple of 8\n";
    let text = format!("{corrupt}Index file {}/{NAME}.index {why}", at.display());
    dies(&dump(temp.path(), "index", sanity), &text);
    put(temp.path(), "index", &entry(-3, 0));
    dies(&dump(temp.path(), "index", sanity), &format!("{corrupt}Corrupt index found, "));
    let time = |ms: i64, offset: i32| [&ms.to_be_bytes()[..], &offset.to_be_bytes()].concat();
    put(temp.path(), "timeindex", &[time(5, 1), time(4, 2)].concat());
    dies(&dump(temp.path(), "timeindex", sanity), &format!("{corrupt}Corrupt time index found, "));
}

#[test]
fn a_missing_index_is_missed_and_none_is_made() {
    let temp = segment("basic-0");
    put(temp.path(), "timeindex", &[0; 12]);
    let list = || {
        let names = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = list();
    for ending in ["timeindex", "index"] {
        let ran = dump(temp.path(), ending, &[]);
        assert_eq!(ran.stdout, format!("Dumping {NAME}.{ending}\n"));
        dies(&ran, "java.lang.IllegalArgumentException: Invalid max index size: -1\n");
    }
    assert_eq!(list(), before);
}

#[test]
fn a_batch_too_short_for_its_header_shows_what_follows_as_its_header() {
    let temp = tempfile::tempdir().unwrap();
    let mut short = [&[0; 8][..], &30_i32.to_be_bytes(), &[0, 0, 0, 0, 2]].concat();
    short.resize(42, 0);
    put(temp.path(), "log", &short);
    let text = "org.apache.kafka.common.KafkaException: Failed to load record batch at position 0 \
                from FileRecords(size=42, file=00000000000000000000.log, start=0, end=42)\n";
    dies(&dump(temp.path(), "log", &[]), text);
    let log = fs::read(fixtures().join("basic-0").join(format!("{NAME}.log"))).unwrap();
    put(temp.path(), "log", &[short, log].concat());
    let shallow = dump(temp.path(), "log", &[]);
    assert!(shallow.stdout.contains(" size: 42 magic: 2 "), "{shallow:?}");
    assert_eq!(shallow.code, Some(0));
    let deep = dump(temp.path(), "log", &["--deep-iteration"]);
    dies(&deep, "java.lang.IndexOutOfBoundsException\n");
}

#[test]
fn snapshots_and_transaction_indexes_say_what_is_wrong_with_them() {
    let temp = tempfile::tempdir().unwrap();
    put(temp.path(), "txnindex", &[&[3][..], &[0; 33]].concat());
    let text = "org.apache.kafka.common.KafkaException: Unexpected aborted transaction version 3 ";
    dies(&dump(temp.path(), "txnindex", &[]), text);
    let with_count = |count: i32| [&[0, 1, 0, 0, 0, 0][..], &count.to_be_bytes()].concat();
    let invalid = "Snapshot failed schema validation: ";
    let old = format!("{invalid}Error reading field 'producer_entries': ");
    for (bytes, newer, older) in [
        (
            with_count(-1),
            format!("{invalid}non-nullable field producerEntries was serialized as null\n"),
            format!("{old}Array size -1 cannot be negative\n"),
        ),
        (
            with_count(99),
            format!(
                "{invalid}Tried to allocate a collection of size 99, but there are only 0 bytes \
                 remaining.\n"
            ),
            format!("{old}Error reading array of size 99, only 0 bytes available\n"),
        ),
        (
            vec![0, 2],
            format!("{invalid}Snapshot contained an unknown file version 2\n"),
            "Snapshot contained an unknown file version 2\n".to_owned(),
        ),
    ] {
        put(temp.path(), "snapshot", &bytes);
        for (release, said) in [("4.3", newer), ("3.9", older)] {
            let ran = dump(temp.path(), "snapshot", &["--kafka-version", release]);
            assert_eq!((ran.stderr, ran.code), (said, Some(0)), "{release}");
        }
    }
}

#[test]
fn repeated_offsets_are_told_once_by_the_newer_tool_and_each_time_by_the_older() {
    let temp = segment("dup-0");
    let log = fs::read(temp.path().join(format!("{NAME}.log"))).unwrap();
    put(temp.path(), "log", &log[..282].repeat(3));
    let told = |release| {
        let ran = dump(temp.path(), "log", &["--deep-iteration", "--kafka-version", release]);
        ran.stderr.matches("  5 is followed by 0\n").count()
    };
    assert_eq!((told("4.3"), told("3.9")), (1, 2));
}

#[test]
fn options_and_decoder_classes_fail_in_the_words_of_kafkas_tool() {
    let temp = segment("basic-0");
    let decoder = |class| ["--value-decoder-class", class];
    let ran = dump(temp.path(), "log", &decoder("org.apache.kafka.tools.api.LongDecoder"));
    dies(&ran, "java.nio.BufferUnderflowException\n");
    assert!(ran.stdout.ends_with(" headerKeys: []"), "{}", ran.stdout);
    let ran = dump(temp.path(), "log", &decoder("a.B"));
    dies(&ran, "java.lang.RuntimeException: Failed to load decoder class\n");
    let ran = dump(temp.path(), "log", &["--max-bytes", "abc"]);
    dies(&ran, "joptsimple.OptionArgumentConversionException: Cannot parse argument 'abc' of ");
    let ran = dump(temp.path(), "log", &["--max-bytes", "-1"]);
    dies(&ran, "java.lang.IllegalArgumentException: Invalid size: -1 in read from FileRecords(");
    let ran = dump(temp.path(), "log", &["--files", "x"]);
    dies(&ran, "joptsimple.MultipleArgumentsForOptionException: Found multiple arguments for ");
    // Not looked at unless it is needed.
    put(temp.path(), "index", &[]);
    let ran = dump(temp.path(), "index", &["--max-bytes", "abc"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.ends_with(" is empty.\n"), "{}", ran.stdout);
}

#[test]
fn the_commands_own_name_is_enough() {
    let temp = segment("basic-0");
    let named = temp.path().join("kafka-dump-log.sh");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_strandline"), &named).unwrap();
    let mut command = std::process::Command::new(&named);
    let by_name = command.args(["--version"]).output().unwrap();
    assert_eq!(by_name.stdout, b"4.3.1\n");
    command.env("STRANDLINE_KAFKA_VERSION", "3.9");
    assert_eq!(command.output().unwrap().stdout, b"3.9.2\n");
    let unknown = ran(strandline(&["kafka-dump-log", "--kafka-version", "2.8"]).output().unwrap());
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("4.3 and 3.9 are known"), "{}", unknown.stderr);
}
