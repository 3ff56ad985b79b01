//! Damaging files by recipe, and finding the whole batches in them without the engine.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::Value;

use crate::text::Fields;

/// Offsets that batches hold.
#[derive(Debug, Default)]
pub(crate) struct Offsets(Vec<RangeInclusive<i64>>);

impl Offsets {
    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.0.iter().any(|range| range.contains(&offset))
    }

    pub(crate) fn extend(&mut self, others: Offsets) {
        self.0.extend(others.0);
    }
}

const HEADER_LEN: usize = 61;
/// Where what a message's checksum covers begins, and the fewest bytes of one.
const MESSAGE_COVERED: usize = 16;
const LEAST_MESSAGE: usize = 26;

/// The first offset of each wrapper of formats v0 and v1, by its last, which is all that it says
/// itself: nothing is missing in the undamaged files.
#[derive(Debug, Default)]
pub(crate) struct Firsts(BTreeMap<i64, i64>);

impl Firsts {
    /// Those of a partition that nobody damaged.
    pub(crate) fn of(undamaged: &Path) -> Firsts {
        let mut firsts = Firsts::default();
        for (name, bytes) in logs(undamaged) {
            let mut next: i64 = name[..20].parse().unwrap();
            let mut at = 0;
            while let Some((len, range)) = batch_at(&bytes, at, &Firsts::default()) {
                firsts.0.insert(*range.end(), next);
                (at, next) = (at + len, range.end() + 1);
            }
        }
        firsts
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Length and offsets of the batch at `at`, if it is whole, and its checksum holds.
fn batch_at(bytes: &[u8], at: usize, firsts: &Firsts) -> Option<(usize, RangeInclusive<i64>)> {
    let behind = bytes.get(at..).filter(|behind| behind.len() >= LEAST_MESSAGE)?;
    let len = usize::try_from(i32_at(behind, 8)).ok()?.checked_add(12)?;
    let batch = behind.get(..len).filter(|_| len >= LEAST_MESSAGE)?;
    let offset = i64::from_be_bytes(batch[..8].try_into().unwrap());
    match batch[16] {
        0 | 1 => {
            let mut crc = flate2::Crc::new();
            crc.update(&batch[MESSAGE_COVERED..]);
            let is_wrapper = batch[17] & 7 != 0;
            let first = firsts.0.get(&offset).filter(|_| is_wrapper).unwrap_or(&offset);
            (crc.sum() == i32_at(batch, 12) as u32).then_some((len, *first..=offset))
        }
        2 if len >= HEADER_LEN => {
            let holds = crc32c::crc32c(&batch[21..]) == i32_at(batch, 17) as u32;
            holds.then(|| (len, offset..=offset + i64::from(i32_at(batch, 23))))
        }
        _ => None,
    }
}

/// The offsets of the batches that lead from the front of a file, as far as they are whole.
pub(crate) fn whole_in_front(bytes: &[u8], firsts: &Firsts) -> Offsets {
    let mut offsets = Offsets::default();
    let mut at = 0;
    while let Some((len, range)) = batch_at(bytes, at, firsts) {
        offsets.0.push(range);
        at += len;
    }
    offsets
}

/// The offsets of all whole batches of a file, wherever they lie.
fn whole_anywhere(bytes: &[u8], firsts: &Firsts) -> Offsets {
    let mut offsets = Offsets::default();
    let mut at = 0;
    while at < bytes.len() {
        match batch_at(bytes, at, firsts) {
            Some((len, range)) => {
                offsets.0.push(range);
                at += len;
            }
            None => at += 1,
        }
    }
    offsets
}

/// Whether a file of this name holds batches.
pub(crate) fn is_log(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "log")
}

/// The offsets of the intact batches of a partition: all whole ones of finished segments, and those
/// of the last one up to its torn tail. A compaction's `.swap` is a segment like the others.
pub(crate) fn intact(partition: &Path, firsts: &Firsts) -> Offsets {
    let logs = logs(partition);
    let last = logs.keys().rfind(|name| is_log(name)).cloned();
    let mut offsets = Offsets::default();
    for (name, bytes) in logs {
        let is_last = last.as_ref() == Some(&name);
        let whole = if is_last { whole_in_front } else { whole_anywhere };
        offsets.extend(whole(&bytes, firsts));
    }
    offsets
}

/// The segments' files, and those of finished compactions, by name.
fn logs(partition: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut logs = BTreeMap::new();
    for entry in fs::read_dir(partition).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if is_log(name.strip_suffix(".swap").unwrap_or(&name)) {
            logs.insert(name, fs::read(&path).unwrap());
        }
    }
    logs
}

/// Carries out one operation of a recipe.
pub(crate) fn damage(partition: &Path, operation: &Value) {
    let path = |field: &str| partition.join(operation.text(field));
    let read = |field: &str| fs::read(path(field)).unwrap();
    match operation.text("op") {
        "truncate" => {
            let file = fs::File::options().write(true).open(path("file")).unwrap();
            file.set_len(operation.number("size") as u64).unwrap();
        }
        "append" => {
            let mut bytes = read("file");
            match operation.maybe_number("zeros") {
                Some(zeros) => bytes.resize(bytes.len() + zeros as usize, 0),
                None => bytes.extend(unhex(operation.text("hex"))),
            }
            fs::write(path("file"), bytes).unwrap();
        }
        "appendFrom" => {
            let (at, len) = (operation.number("at") as usize, operation.number("length") as usize);
            let mut bytes = read("file");
            bytes.extend_from_slice(&read("from")[at..at + len]);
            fs::write(path("file"), bytes).unwrap();
        }
        "overwrite" => {
            let (at, new) = (operation.number("at") as usize, unhex(operation.text("hex")));
            let mut bytes = read("file");
            bytes[at..at + new.len()].copy_from_slice(&new);
            fs::write(path("file"), bytes).unwrap();
        }
        "xor" => {
            let mut bytes = read("file");
            bytes[operation.number("at") as usize] ^= operation.number("mask") as u8;
            fs::write(path("file"), bytes).unwrap();
        }
        "delete" => fs::remove_file(path("file")).unwrap(),
        "create" => fs::write(path("file"), unhex(operation.text("hex"))).unwrap(),
        "copy" => drop(fs::copy(path("from"), path("to")).unwrap()),
        "rename" => fs::rename(path("from"), path("to")).unwrap(),
        other => panic!("no such operation: {other}"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
