//! `strandline export` into segments that are written anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::made::{self, Made, TIME};
use super::pack::golden_fixtures;
use super::run::{Ran, run};

const LOG: &str = "00000000000000000000.log";

/// What there is to a log but for how it is cut into batches: its records and markers.
fn content(path: &Path) -> Vec<Value> {
    let fields = "offset,timestamp,timestampType,key,value,headers,sequence,producerId,\
                  producerEpoch,leaderEpoch";
    let ran = run(&["dump", "-r", "--json", "--fields", fields, path.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let is_content = |line: &Value| line["type"] == "record" || line["type"] == "control";
    ran.json().into_iter().filter(is_content).collect()
}

fn export(options: &[&str], from: &Path, to: &Path) -> Ran {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    run(&[&["export", "-o", "segment", "--to", to], options, &[from]].concat())
}

fn codecs(path: &Path) -> Vec<String> {
    let batches = run(&["dump", "--json", path.to_str().unwrap()]).json_of("batch");
    let data = batches.iter().filter(|it| it["control"] == false && it["count"] != 0);
    data.map(|it| it["codec"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn segments_written_anew_hold_the_same_records_whatever_the_codec_and_the_size() {
    let (golden, temp) = (golden_fixtures(), tempfile::tempdir().unwrap());
    let fixtures = golden.path().join("fixtures");
    let ways: [&[&str]; 8] = [
        &[],
        &["--codec", "zstd:5"],
        &["--codec", "none"],
        &["--rebatch", "100"],
        &["--rebatch", "1MiB"],
        &["--codec", "lz4", "--rebatch", "1MiB"],
        &["--segment-bytes", "300"],
        &["--codec", "gzip", "--rebatch", "200", "--segment-bytes", "500"],
    ];
    for name in ["basic-0", "compact-0", "dup-0"] {
        let from = fixtures.join(name);
        // What goes back is no log to be written anew.
        let from = if name == "dup-0" { whole(&from, &temp.path().join("whole-0")) } else { from };
        let wanted = content(&from);
        for (number, options) in ways.iter().enumerate() {
            let to = temp.path().join(format!("{name}-{number}"));
            let ran = export(options, &from, &to);
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name} {options:?}");
            let partition = fs::read_dir(&to).unwrap().next().unwrap().unwrap().path();
            assert_eq!(content(&partition), wanted, "{name} {options:?}");
            let ran = run(&["reindex", "--check", partition.to_str().unwrap()]);
            assert_eq!(ran.code, Some(0), "{name} {options:?}: {ran:?}");
            if let Some(at) = options.iter().position(|it| *it == "--codec") {
                let codec = options[at + 1].split(':').next().unwrap();
                assert!(codecs(&partition).iter().all(|it| it == codec), "{name} {options:?}");
            }
        }
    }
}

/// The first half of the log, in a partition of its own.
fn whole(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir(to).unwrap();
    fs::write(to.join(LOG), &fs::read(from.join(LOG)).unwrap()[..282]).unwrap();
    to.to_path_buf()
}

#[test]
fn records_of_a_producer_are_put_together_and_cut_by_size() {
    let temp = tempfile::tempdir().unwrap();
    let from = temp.path().join("t-0");
    fs::create_dir(&from).unwrap();
    let mut batches: Vec<Made> = (0..20).map(|number| Made::two(2 * number)).collect();
    for (number, batch) in batches.iter_mut().enumerate().skip(10) {
        // Behind the greatest sequence comes 0.
        let sequence = (i64::from(i32::MAX) - 10 + 2 * (number as i64 - 10)) % (1 << 31);
        batch.producer = (7, 0, sequence as i32);
    }
    fs::write(from.join(LOG), made::log(&batches)).unwrap();
    let count = |options: &[&str]| {
        let to = temp.path().join(format!("to{}", options.concat()));
        assert_eq!(export(options, &from, &to).code, Some(0), "{options:?}");
        let partition = to.join("t-0");
        assert_eq!(content(&partition), content(&from), "{options:?}");
        let ran = run(&["verify", "--deep", "--fail-on", "warning", partition.to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{options:?}: {}", ran.stdout);
        run(&["dump", "--json", partition.to_str().unwrap()]).json_of("batch").len()
    };
    assert_eq!(count(&[]), 20);
    assert_eq!(count(&["--rebatch", "1MiB"]), 2, "those of a producer and those of none");
    assert_eq!(count(&["--rebatch", "1"]), 40);
}

#[test]
fn messages_of_old_formats_become_batches_if_that_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let from = temp.path().join("t-0");
    fs::create_dir(&from).unwrap();
    let inner = [0, 1, 2].map(|at| made::message(1, at, 0, TIME + at, b"within"));
    let log = [
        made::message(0, 100, 0, 0, b"v0"),
        made::message(1, 101, 0, TIME, b"v1"),
        made::message(1, 104, 1, TIME + 2, &made::gzip(&inner.concat())),
        Made::two(105).bytes(),
    ];
    fs::write(from.join("00000000000000000100.log"), log.concat()).unwrap();
    let exported = |name: &str, options: &[&str]| {
        let to = temp.path().join(name);
        (export(options, &from, &to), to.join("t-0"))
    };
    let (ran, same) = exported("same", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(fs::read(same.join("00000000000000000100.log")).unwrap(), log.concat());
    for (name, options) in [
        ("v2", &["--upgrade"][..]),
        ("zstd", &["--upgrade", "--codec", "zstd"]),
        ("large", &["--upgrade", "--rebatch", "1MiB"]),
    ] {
        let (ran, to) = exported(name, options);
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        let without = |mut line: Value| {
            // Old messages have no leader epoch, and v0 no kind of time.
            let line = line.as_object_mut().unwrap();
            line.remove("leaderEpoch");
            Value::from(std::mem::take(line))
        };
        let of = |path: &Path| content(path).into_iter().map(without).collect::<Vec<_>>();
        assert_eq!(of(&to), of(&from), "{name}");
        let batches = run(&["dump", "--json", to.to_str().unwrap()]).json_of("batch");
        assert!(batches.iter().all(|it| it["magic"] == 2), "{name}: {batches:?}");
    }
    let (ran, to) = exported("no", &["--codec", "zstd"]);
    assert_eq!((ran.code, to.exists()), (Some(2), false), "{ran:?}");
    assert!(ran.stderr.contains("--upgrade"), "{ran:?}");
}

#[test]
fn what_goes_with_segments_alone_is_refused_elsewhere() {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("to");
    let to = to.to_str().unwrap();
    for args in [
        &["export", "--rebatch", "1MiB", "basic-0"][..],
        &["export", "--upgrade", "basic-0"],
        &["export", "-o", "segment", "--codec", "brotli", "--to", to, "basic-0"],
        &["export", "-o", "segment", "--codec", "gzip:99", "--to", to, "basic-0"],
        &["export", "-o", "segment", "--limit", "3", "--to", to, "basic-0"],
        &["export", "-o", "segment", "--isolation", "committed", "--to", to, "basic-0"],
        &["export", "-o", "segment", "basic-0"],
        &["export", "-o", "parquet", "basic-0"],
    ] {
        assert_eq!(run(args).code, Some(2), "{args:?}");
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
#[cfg(not(feature = "parquet"))]
fn a_command_without_parquet_says_how_to_get_one_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("a.parquet");
    let ran = run(&["export", "-o", "parquet", "--to", to.to_str().unwrap(), "basic-0"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--features parquet"), "{ran:?}");
    assert!(!to.exists());
}

#[test]
#[cfg(feature = "parquet")]
fn a_parquet_file_holds_every_record_in_typed_columns() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("a.parquet");
    let ran = run(&["export", "-o", "parquet", "--to", to.to_str().unwrap(), "basic-0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let file = SerializedFileReader::new(fs::File::open(&to).unwrap()).unwrap();
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    let records = run(&["dump", "-r", "--json", "basic-0"]).json_of("record");
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(&records) {
        assert_eq!(row.get_string(0).unwrap(), "basic");
        assert_eq!(Some(row.get_long(2).unwrap()), record["offset"].as_i64());
        assert_eq!(row.get_timestamp_millis(3).ok(), record["timestamp"].as_i64());
        let bytes = |at: usize| row.get_bytes(at).ok().map(|it| it.data().to_vec());
        assert_eq!(bytes(4).map(|it| it.len() as i64), record["keySize"].as_i64());
        assert_eq!(bytes(5).map(|it| it.len() as i64), record["valueSize"].as_i64());
        if let Some(text) = record["value"].as_str().filter(|_| record["valueEncoding"].is_null()) {
            assert_eq!(bytes(5).unwrap(), text.as_bytes());
        }
        assert_eq!(row.get_list(6).unwrap().len(), record["headers"].as_array().unwrap().len());
        assert_eq!(row.get_int(9).ok().map(i64::from), record["sequence"].as_i64());
    }
}
