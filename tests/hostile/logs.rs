//! Hostile `.log` files and indexes.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use strandline::Error;

use crate::batches::{Lie, Sizes, batch, honest, record};
use crate::child::confined;
use crate::use_all::{everything, name, partition, read_only};

const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// The smallest batch that is known to exhaust the memory of Kafka: 82 bytes, whose one record
/// claims 700 million headers.
fn exhausting() -> Vec<u8> {
    let sizes = Sizes { more: 0, key: 1, value: 1, headers: 700_000_000 };
    let mut bytes = batch(0, &[record(0, sizes)]).bytes();
    bytes.resize(82, 0);
    let mut lie = batch(0, &[]);
    lie.count = 1;
    lie.payload = bytes[61..].to_vec();
    lie.bytes()
}

/// A log of these bytes, and `len` bytes long if that is more: a hole follows.
fn log_of(partition: &Path, base: i64, bytes: &[u8], len: u64) -> bool {
    let path = partition.join(name(base, "log"));
    fs::write(&path, bytes).unwrap();
    len <= bytes.len() as u64
        || File::options().write(true).open(&path).unwrap().set_len(len).is_ok()
}

#[test]
fn the_smallest_batch_that_exhausts_kafka() {
    confined("logs::the_smallest_batch_that_exhausts_kafka", || {
        let (directory, partition) = partition();
        let bytes = exhausting();
        assert_eq!(bytes.len(), 82);
        log_of(&partition, 0, &bytes, 0);
        for used in &everything(directory.path())[1..] {
            assert!(used.has(|error| matches!(error, Error::Corrupt { .. })), "{used:?}");
        }
    });
}

#[test]
fn sizes_and_counts_that_lie() {
    confined("logs::sizes_and_counts_that_lie", || {
        let most = [i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN, 1 << 20, -2];
        let mut lies: Vec<Lie> = Vec::new();
        for lie in most {
            let true_sizes = Sizes { more: 0, key: 1, value: 1, headers: 0 };
            for sizes in [
                Sizes { more: lie, ..true_sizes },
                Sizes { key: lie, ..true_sizes },
                Sizes { value: lie, ..true_sizes },
                Sizes { headers: lie, ..true_sizes },
            ] {
                lies.push(batch(0, &[record(0, sizes)]));
            }
            lies.push(batch(0, &[record(lie, true_sizes)]));
        }
        for count in [i32::MAX, i32::MIN, -1, 2] {
            lies.push(Lie { count, ..batch(0, &[honest(0)]) });
        }
        // A varint that never ends.
        lies.push(Lie { count: 1, payload: vec![0xff; 5000], ..batch(0, &[]) });
        for (number, lie) in lies.iter().enumerate() {
            let (directory, partition) = partition();
            let mut bytes = lie.bytes();
            bytes.extend(batch(i64::from(lie.last_offset_delta) + 1, &[honest(0)]).bytes());
            log_of(&partition, 0, &bytes, 0);
            let mut used = vec![read_only(directory.path())];
            if number % 5 == 0 {
                used.extend(everything(directory.path()));
                used.remove(1);
            }
            for used in used {
                assert!(used.records >= 1, "the neighbour is hidden: {lie:?}: {used:?}");
            }
        }
    });
}

#[test]
fn lengths_and_offsets_that_lie() {
    confined("logs::lengths_and_offsets_that_lie", || {
        let mut lies = Vec::new();
        for length in [i32::MAX, i32::MIN, -1, 0, 13, 14, 48, 50, 1 << 30] {
            lies.push(Lie { length: Some(length), ..batch(1, &[honest(0)]) });
        }
        for base in [i64::MAX, i64::MAX - 1, i64::MIN, -1, i64::from(i32::MAX) + 5] {
            lies.push(batch(base, &[honest(0)]));
        }
        for delta in [i32::MAX, i32::MIN, -1] {
            lies.push(Lie { last_offset_delta: delta, ..batch(1, &[honest(0)]) });
        }
        let mut lies: Vec<Vec<u8>> = lies.iter().map(Lie::bytes).collect();
        // One that passes for a message of an old format, of two gigabytes.
        let mut old = Lie { length: Some(i32::MAX), ..batch(1, &[honest(0)]) }.bytes();
        old[16] = 1;
        lies.push(old);
        for lie in lies {
            for behind in [0, 3 * GIB] {
                let (directory, partition) = partition();
                let mut bytes = batch(0, &[honest(0)]).bytes();
                bytes.extend(&lie);
                let len = if behind > 0 { bytes.len() as u64 + behind } else { 0 };
                log_of(&partition, 0, &bytes, len);
                for used in &everything(directory.path())[1..] {
                    assert!(used.records >= 1, "the one before is hidden: {lie:?}: {used:?}");
                }
            }
        }
    });
}

#[test]
fn a_hole_of_a_tebibyte_and_of_all_that_a_file_can_be() {
    confined("logs::a_hole_of_a_tebibyte_and_of_all_that_a_file_can_be", || {
        let first = batch(0, &[honest(0)]).bytes();
        let lie = Lie { length: Some(i32::MAX), ..batch(1, &[honest(0)]) }.bytes();
        let mut flipped = batch(1, &[honest(0)]).bytes();
        flipped[65] ^= 1;
        for second in [Vec::new(), lie, flipped] {
            for len in [10 << 20, TIB, i64::MAX as u64] {
                let (directory, partition) = partition();
                if !log_of(&partition, 0, &[&first[..], &second].concat(), len) {
                    // The file system has no such file.
                    continue;
                }
                // The same as a segment that is not the last one.
                let (older, of_older) = crate::use_all::partition();
                log_of(&of_older, 0, &[&first[..], &second].concat(), len);
                log_of(&of_older, 5, &batch(5, &[honest(0)]).bytes(), 0);
                let [dumped, read, _] = everything(directory.path());
                assert!(dumped.errors.is_empty(), "{dumped:?}");
                assert_eq!(read.records, 1, "{read:?}");
                assert_eq!(everything(older.path())[1].records, 2);
            }
        }
    });
}

#[test]
fn a_torn_tail_goes_to_quarantine_with_its_holes() {
    confined("logs::a_torn_tail_goes_to_quarantine_with_its_holes", || {
        let (directory, partition) = partition();
        let whole = batch(0, &[honest(0)]).bytes();
        if !log_of(&partition, 0, &[&whole[..], &[7; 100]].concat(), TIB) {
            return;
        }
        let path = partition.join(name(0, "log"));
        File::options().append(true).open(path).unwrap().write_all(&[7; 100]).unwrap();
        assert_eq!(everything(directory.path())[1].records, 1);
        let mut kept = fs::read_dir(partition.join("quarantine")).unwrap();
        let kept = kept.next().unwrap().unwrap().metadata().unwrap();
        assert_eq!(kept.len(), TIB + 100 - whole.len() as u64);
        assert!(kept.blocks() * 512 < 1 << 20, "{} blocks of a hole", kept.blocks());
    });
}

#[test]
fn indexes_of_a_gibibyte() {
    confined("logs::indexes_of_a_gibibyte", || {
        for log_len in [0, GIB, TIB] {
            for head in [&[][..], &[0xff; 4096], &[0; 4096], &[1; 24]] {
                let (directory, partition) = partition();
                log_of(&partition, 0, &batch(0, &[honest(0)]).bytes(), log_len);
                log_of(&partition, 5, &batch(5, &[honest(0)]).bytes(), 0);
                for base in [0, 5] {
                    for extension in ["index", "timeindex", "txnindex"] {
                        let path = partition.join(name(base, extension));
                        fs::write(&path, head).unwrap();
                        File::options().write(true).open(&path).unwrap().set_len(GIB).unwrap();
                    }
                }
                for used in &everything(directory.path())[1..] {
                    assert!(used.records >= 2, "{used:?}");
                }
            }
        }
    });
}

#[test]
fn names_of_huge_numbers_and_ten_mebibytes_of_zeros() {
    confined("logs::names_of_huge_numbers_and_ten_mebibytes_of_zeros", || {
        for base in [i64::MAX, i64::MAX - 1, i64::MAX / 2, 1 << 32] {
            for bytes in [Vec::new(), vec![0; 10 << 20], batch(base - 1, &[honest(0)]).bytes()] {
                let (directory, partition) = partition();
                log_of(&partition, 0, &batch(0, &[honest(0)]).bytes(), 0);
                log_of(&partition, base, &bytes, 0);
                fs::write(partition.join(name(base, "snapshot")), &bytes).unwrap();
                fs::write(partition.join(name(base, "index")), &bytes).unwrap();
                let [_, read, _] = everything(directory.path());
                assert!(read.records >= 1, "{read:?}");
            }
        }
        for foreign in ["99999999999999999999.log", "-0000000000000000001.log", "1.log"] {
            let (directory, partition) = partition();
            fs::write(partition.join(foreign), "theirs").unwrap();
            everything(directory.path());
            assert_eq!(fs::read(partition.join(foreign)).unwrap(), b"theirs");
        }
    });
}
