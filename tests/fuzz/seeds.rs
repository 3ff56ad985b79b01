//! Making the seeds of the corpus again: what Kafka wrote (`tests/data`), what we write, and the
//! edges of fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use strandline::compression::Codec;
use strandline::{Batch, Durability, LogConfig, Record, Store, TopicOptions};

use super::corpus;

/// The most seeds of a target, and of bytes in one.
const MOST_SEEDS: usize = 48;
const MOST_BYTES: usize = 2048;

/// Seeds by target.
#[derive(Default)]
struct Seeds(BTreeMap<&'static str, BTreeSet<Vec<u8>>>);

impl Seeds {
    fn add(&mut self, target: &'static str, seed: impl Into<Vec<u8>>) {
        let seed = seed.into();
        let seeds = self.0.entry(target).or_default();
        if seed.len() <= MOST_BYTES && seeds.len() < MOST_SEEDS {
            seeds.insert(seed);
        }
    }

    /// A file of a log directory goes to the targets that read such files.
    fn add_file(&mut self, path: &Path, bytes: &[u8]) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let base: i64 = name.get(..20).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let asked = |more: i64| [base.to_be_bytes(), (base + more).to_be_bytes()].concat();
        let some = |entry: usize| &bytes[..bytes.len().min(entry * 12) / entry * entry];
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => self.add_log(bytes),
            Some("index") => self.add("offset_index", [&asked(9), some(8)].concat()),
            Some("timeindex") => {
                let now = 1_700_000_003_000_i64.to_be_bytes();
                self.add("time_index", [&base.to_be_bytes(), &now, some(12)].concat());
            }
            Some("txnindex") => self.add("txn_index", some(34)),
            Some("snapshot") => self.add("snapshot", bytes),
            _ => {}
        }
        match name {
            "leader-epoch-checkpoint" => self.add("leader_epochs", bytes),
            "meta.properties" => self.add("meta_properties", bytes),
            "partition.metadata" => self.add("partition_metadata", bytes),
            ".kafka_cleanshutdown" => self.add("clean_shutdown", bytes),
            "strandline.topics" => self.add("topics", bytes),
            "strandline.owner" => self.add("owner", bytes),
            "segments.manifest" => self.add("manifest", &bytes[..bytes.len().min(128 * 12)]),
            "durable.watermark" => self.add("watermark", bytes),
            _ if name.ends_with("offset-checkpoint") => self.add("checkpoint", bytes),
            _ => {}
        }
    }

    fn add_log(&mut self, mut log: &[u8]) {
        while log.len() >= 61 {
            let len = i32::from_be_bytes(log[8..12].try_into().unwrap());
            let size = 12 + usize::try_from(len).unwrap_or(usize::MAX - 12);
            let Some((batch, behind)) = log.split_at_checked(size).filter(|_| size > 61) else {
                break;
            };
            log = behind;
            if size <= 600 {
                self.add("batch", batch);
                self.add("append_batch", [&[0, 0, 0, 0, 0, 0, 0, 0, 0], &batch[8..]].concat());
            }
            let target = match batch[22] & 7 {
                1 => "gzip",
                2 => "snappy",
                3 => "lz4",
                4 => "zstd",
                _ => continue,
            };
            self.add(target, [&[0], &batch[61..]].concat());
        }
    }
}

#[test]
#[ignore = "writes into fuzz/corpus"]
fn remake_seeds() {
    let mut seeds = Seeds::default();
    ours(&mut seeds);
    edges(&mut seeds);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for pack in ["golden-brokers", "golden-write", "golden-dump"] {
        let packed = fs::File::open(data.join(format!("{pack}.tar.zst"))).unwrap();
        let bytes = zstd::stream::decode_all(packed).unwrap();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            if entry.header().entry_type().is_file() {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
                seeds.add_file(&path, &bytes);
            }
        }
    }
    for (target, inputs) in &seeds.0 {
        let directory = corpus::unpacked(target);
        fs::create_dir_all(&directory).unwrap();
        for (at, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("seed-{at:02}")), input).unwrap();
        }
    }
    assert!(
        crate::TARGETS.iter().all(|target| seeds.0.contains_key(target)),
        "{:?}",
        seeds.0.keys()
    );
}

/// A store of our own, in each codec, with segments that are sealed and topics of all kinds.
fn ours(seeds: &mut Seeds) {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::options().open(temp.path().join("data")).unwrap();
    for codec in Codec::ALL {
        let config = LogConfig::new().segment_bytes(2048).index_interval_bytes(200);
        let options = TopicOptions::new().partitions(1).config(config);
        let log = store.create_topic(codec.name(), options).unwrap().partition(0).unwrap();
        for n in 0..40_usize {
            let value = format!("{n} ").repeat(1 + n * 7 % 30);
            let headers = [("h", Some(b"x".as_slice())), ("", None)];
            let record = Record::new().value(&value).headers(&headers[..n % 3]);
            let record = if n % 4 == 0 { record } else { record.key(codec.name()) };
            let batch = Batch::of(vec![record.timestamp(1_700_000_000_000 + n as i64); 1 + n % 3]);
            log.append(batch.compression(codec), Durability::Synced).unwrap();
        }
    }
    store.run_housekeeping(i64::MAX / 2).ok();
    store.close().unwrap();
    add_all(seeds, temp.path());
}

fn add_all(seeds: &mut Seeds, directory: &Path) {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add_all(seeds, &path);
        } else {
            seeds.add_file(&path, &fs::read(&path).unwrap());
        }
    }
}

/// What stands at the edges of fields, and inputs that say what is to be built.
fn edges(seeds: &mut Seeds) {
    for target in ["offset_index", "time_index"] {
        seeds.add(target, [[0; 16], [0xff; 16]].concat());
        seeds.add(target, i64::MAX.to_be_bytes().repeat(6));
    }
    seeds.add("txn_index", [[0; 34], [0xff; 34]].concat());
    seeds.add("snapshot", [[0; 8], [1; 8]].concat());
    seeds.add(
        "snapshot",
        [&[0, 1, 0, 0, 0, 0, 0, 0, 0, 2], [0xff; 46].as_slice(), &[0; 46]].concat(),
    );
    let lines =
        ["", "0\n", "0\n0\n", "0\n1\n0 0\n", "0\r\n2\r\n 0\t0 \r\n\r\n5 7", "1\n0\n", "0\n-1\n"];
    for line in lines {
        seeds.add("leader_epochs", line);
        seeds.add("checkpoint", line.replace(" 0", " 0 t"));
    }
    seeds.add("checkpoint", "0\n2\nt 0 9223372036854775807\nstrandline-opening 0 2147483647\n");
    seeds.add("topics", "version 1\ntopic %25%0A\nid AAAAAAAAAAEAAAAAAAAAAg\npartitions 1\nstate deleting\nconfig a%3D=b\ncrc -\n");
    seeds.add("owner", "version 1\npid 4294967295\nboot-id -\nbroker-epoch -1\ncrc -\n");
    seeds.add("owner", "version 2\npid 1\ncrc -");
    seeds.add(
        "meta_properties",
        "#\nversion=0\nbroker.id:7\ncluster.id a\\u00e9\\\n  b\n! c\nx=\\ud83d\\ude00",
    );
    seeds.add(
        "clean_shutdown",
        r#"{"version":0,"brokerEpoch":9223372036854775807,"a":{"b":["\"]"]}}"#,
    );
    for script in 0..48_u8 {
        let bytes =
            (0..90).map(|at: u8| script.wrapping_mul(5).wrapping_add(at.wrapping_mul(script | 3)));
        seeds.add(
            "records",
            [&[script << 3 | script >> 3], bytes.collect::<Vec<_>>().as_slice()].concat(),
        );
    }
    for script in 0..40_u8 {
        let bytes =
            (0..40).map(|at: u8| script.wrapping_mul(7).wrapping_add(at.wrapping_mul(script | 5)));
        let bytes: Vec<u8> = bytes.collect();
        seeds.add(
            "segment_recover",
            [&[script & 1], &bytes[..usize::from(script / 8) * 7]].concat(),
        );
        seeds.add("log_open", [&[script], &bytes[..usize::from(script)]].concat());
        seeds.add("append_batch", [&[(script * 6) | 1, script << 3], bytes.as_slice()].concat());
        seeds.add("index_files", [&[script], &bytes[..usize::from(script)]].concat());
    }
    let text = b"abcabcabcabcabcabc the same, the same, the same".repeat(6);
    for target in ["gzip", "snappy", "lz4", "zstd"] {
        seeds.add(target, [&[0x80], text.as_slice()].concat());
        seeds.add(target, [&[0x81], text.as_slice()].concat());
        seeds.add(target, [0x80]);
    }
}
