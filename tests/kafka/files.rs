//! Comparing a partition's files with those that Kafka made, so that a difference can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::text::sha256;
use crate::vectors::Files;

/// What strandline adds to a partition's directory.
const OURS: [&str; 3] = ["durable.watermark", "segments.manifest", "quarantine"];

/// The content of each of Kafka's files in a partition's directory, by name.
pub(crate) fn content(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !OURS.contains(&name.as_str()) {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// How `ours` differs from `kafkas`, a paragraph for each file; nothing if it does not.
pub(crate) fn differences(ours: &Path, kafkas: &Path) -> Vec<String> {
    let (ours, kafkas) = (content(ours), content(kafkas));
    let mut differences = names(ours.keys(), kafkas.keys());
    for (name, ours) in &ours {
        let Some(kafkas) = kafkas.get(name) else { continue };
        let same = if is_waiting_index(name) { kafkas.starts_with(ours) } else { ours == kafkas };
        if !same {
            differences.push(difference(name, ours, kafkas));
        }
    }
    differences
}

/// As `differences`, where only size and SHA-256 of Kafka's files are known.
pub(crate) fn differences_from_digests(ours: &Path, kafkas: &Files) -> Vec<String> {
    let ours = content(ours);
    let mut differences = names(ours.keys(), kafkas.keys());
    for (name, bytes) in &ours {
        let Some((size, digest)) = kafkas.get(name) else { continue };
        if is_waiting_index(name) || *digest == sha256(bytes) {
            continue;
        }
        differences.push(format!(
            "{name}: {} bytes, Kafka's has {size}; its beginning is\n{}",
            bytes.len(),
            hex(bytes, 0..bytes.len().min(128))
        ));
    }
    differences
}

fn names<'a>(
    ours: impl Iterator<Item = &'a String>,
    kafkas: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let (ours, kafkas): (BTreeSet<_>, BTreeSet<_>) = (ours.collect(), kafkas.collect());
    let missing = kafkas.difference(&ours).map(|name| format!("{name}: missing"));
    let extra = ours.difference(&kafkas).map(|name| format!("{name}: Kafka has none"));
    missing.chain(extra).collect()
}

/// Whether `name` is an index that waits for its deletion: nobody reads it again. What Kafka's has
/// behind its entries, zeros or entries that were cut off before, is not compared.
fn is_waiting_index(name: &str) -> bool {
    name.ends_with("index.deleted")
}

fn difference(name: &str, ours: &[u8], kafkas: &[u8]) -> String {
    let same = ours.iter().zip(kafkas).take_while(|(ours, kafkas)| ours == kafkas).count();
    let from = same.saturating_sub(16) / 16 * 16;
    let near = |bytes: &[u8]| hex(bytes, from..(from + 80).min(bytes.len()));
    format!(
        "{name}: {} bytes, Kafka's has {}; the first difference is at {same}\nours\n{}\nKafka's\n{}",
        ours.len(),
        kafkas.len(),
        near(ours),
        near(kafkas)
    )
}

fn hex(bytes: &[u8], range: std::ops::Range<usize>) -> String {
    let lines = bytes[range.start.min(range.end)..range.end].chunks(16).zip(0..);
    let line = |(line, number): (&[u8], usize)| {
        let digits: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let print = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let text: String = line.iter().map(print).collect();
        format!("  {:8}  {:47}  {text}", range.start + number * 16, digits.join(" "))
    };
    lines.map(line).collect::<Vec<_>>().join("\n")
}
