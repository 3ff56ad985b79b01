//! Keys and values of the internal topics of real brokers, damaged: whatever they are, they are
//! read or refused, and what is shown is JSON.

use std::fmt::Write as _;
use std::path::Path;

use strandline::compression::Decompressor;
use strandline::{LogFile, Piece};

use super::control::Control;
use super::coordinator::{CoordinatorRecord, Topic};
use super::{Release, cluster, membership, remote};

/// How many records are damaged; `STRANDLINE_FUZZ_TIMES` for so many times as many.
const INPUTS: usize = 40_000;

/// A record's key and value.
type Pair = (Vec<u8>, Vec<u8>);

/// The records of internal topics that Kafka wrote.
fn seeds() -> Vec<Pair> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let temp = tempfile::tempdir().unwrap();
    let mut pairs = Vec::new();
    for pack in ["golden-dump.tar.zst", "golden-brokers.tar.zst"] {
        let stream = zstd::Decoder::new(std::fs::File::open(data.join(pack)).unwrap()).unwrap();
        for entry in tar::Archive::new(stream).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            if path.contains("/__") && path.ends_with("0.log") && !path.contains("unclean") {
                let to = temp.path().join(format!("{:020}.log", 0));
                entry.unpack(&to).unwrap();
                read(&to, &mut pairs);
            }
        }
    }
    pairs.sort();
    pairs.dedup();
    pairs
}

fn read(log: &Path, pairs: &mut Vec<Pair>) {
    let log = LogFile::open(log).unwrap();
    let (mut pieces, mut decompressor) = (log.pieces(), Decompressor::new());
    let mut inflated = Vec::new();
    while let Some(piece) = pieces.next_piece().unwrap() {
        let Piece::Batch(batch) = piece.what else { continue };
        for record in batch.records(&mut decompressor, 1 << 24, &mut inflated).unwrap() {
            let record = record.unwrap();
            let bytes = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
            pairs.push((bytes(record.key()), bytes(record.value())));
        }
    }
}

/// Numbers that look random and come from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    const ODD: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xed, 0xfe, 0xff];
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, ODD[dice.below(ODD.len())]),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            4 if at < bytes.len() => bytes[at] = ODD[dice.below(ODD.len())],
            _ => {
                let end = (at + 1 + dice.below(9)).min(bytes.len());
                bytes[at..end].fill(ODD[dice.below(ODD.len())]);
            }
        }
    }
}

/// Reads a pair as each kind of record there is: how often it could be read.
fn read_all_ways((key, value): &Pair) -> usize {
    let (mut out, mut said, mut read) = (Vec::new(), String::new(), 0);
    let mut seen = |out: &mut Vec<u8>| {
        serde_json::from_slice::<serde_json::Value>(out).unwrap();
        out.clear();
        read += 1;
    };
    for release in [Release::V3, Release::V4] {
        for topic in [Topic::Offsets, Topic::Transactions, Topic::Share] {
            match topic.decode(release, key, Some(value)) {
                Ok(CoordinatorRecord { key, value, .. }) => {
                    key.write_json(&mut out);
                    seen(&mut out);
                    let (_, mut fields) = value.unwrap();
                    membership::spell_out(&mut fields, release);
                    fields.write_json(&mut out);
                    seen(&mut out);
                }
                Err(why) => write!(said, "{why}").unwrap(),
            }
        }
        for framed in [cluster::decode(release, Some(value)), remote::decode(release, value)] {
            match framed {
                Ok(record) => {
                    record.fields.write_json(&mut out);
                    seen(&mut out);
                }
                Err(why) => write!(said, "{why}").unwrap(),
            }
        }
        for control in (0..8).filter_map(Control::from_id) {
            match control.decode(release, value) {
                Ok(fields) => {
                    fields.write_json(&mut out);
                    seen(&mut out);
                }
                Err(why) => write!(said, "{why}").unwrap(),
            }
        }
        said.clear();
    }
    read
}

#[test]
fn groups_txn_whatever_a_record_of_an_internal_topic_holds_it_is_json_or_refused() {
    let times = std::env::var("STRANDLINE_FUZZ_TIMES").map_or(1, |times| times.parse().unwrap());
    let (inputs, seeds) = (INPUTS * times, seeds());
    let read = seeds.iter().filter(|seed| read_all_ways(seed) > 0).count();
    assert!(seeds.len() > 500 && read * 10 > seeds.len() * 9, "{read} of {} seeds", seeds.len());
    let started = std::time::Instant::now();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ times as u64);
    let mut read = 0;
    for _ in 0..inputs {
        let mut pair = seeds[dice.below(seeds.len())].clone();
        damage(&mut dice, &mut pair.0);
        damage(&mut dice, &mut pair.1);
        read += usize::from(read_all_ways(&pair) > 0);
    }
    // Most damage leaves a record that can be read, and enough does not.
    assert!(read > inputs / 4 && read < inputs, "{read} of {inputs}");
    let seconds = started.elapsed().as_secs_f64();
    println!("layer=fuzz.groups_txn runs={inputs} read={read} failures=0 seconds={seconds:.1}");
}
