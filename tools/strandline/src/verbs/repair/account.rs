//! `strandline-repair.json`: what was done to every byte range, and the sums of the files before and
//! after.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::action::Action;
use super::plan::{Segment, file_name};
use crate::exit::{Failure, Result};

/// What is written down.
pub(super) struct Account {
    source: String,
    files: Vec<Value>,
    others: Vec<Value>,
}

impl Account {
    pub(super) fn new(partition: &Path) -> Account {
        let source = partition.display().to_string();
        Account { source, files: Vec::new(), others: Vec::new() }
    }

    /// A `.log`: every range of its source, kept or not.
    pub(super) fn segment(&mut self, segment: &Segment, to: &Path) -> Result<()> {
        let mut ranges: Vec<(u64, Value)> = Vec::new();
        let fixed = |at: u64| {
            segment.actions.iter().any(|it| {
                let is_fix = it.deed.name() == "fix";
                is_fix && it.range.as_ref().is_some_and(|range| range.start == at)
            })
        };
        for range in segment.keep.iter().filter(|range| !fixed(range.start)) {
            let len = range.end - range.start;
            let kept = json!({"position": range.start, "length": len, "done": "kept"});
            ranges.push((range.start, kept));
        }
        for action in &segment.actions {
            ranges.push((action.range.as_ref().map_or(0, |range| range.start), of(action)));
        }
        ranges.sort_by_key(|&(at, _)| at);
        let ranges: Vec<Value> = ranges.into_iter().map(|(_, range)| range).collect();
        self.files.push(json!({
            "source": file_name(&segment.source),
            "file": file_name(to),
            "sha256Before": sum(&segment.source)?,
            "sha256After": sum(to)?,
            "ranges": ranges,
        }));
        Ok(())
    }

    /// A file that was made again.
    pub(super) fn rebuilt(&mut self, from: &Path, to: &Path) -> Result<()> {
        let before = if from.exists() { Value::from(sum(from)?) } else { Value::Null };
        self.files.push(json!({
            "source": file_name(from),
            "file": file_name(to),
            "sha256Before": before,
            "sha256After": sum(to)?,
            "ranges": [{"done": "rebuild"}],
        }));
        Ok(())
    }

    /// What was done to a whole file.
    pub(super) fn note(&mut self, action: &Action) {
        self.others.push(of(action));
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let whole = json!({
            "schema": "strandline/1",
            "type": "repair",
            "source": self.source,
            "files": self.files,
            "others": self.others,
        });
        format!("{whole:#}\n").into_bytes()
    }
}

fn of(action: &Action) -> Value {
    let mut value = json!({
        "file": action.file,
        "done": action.deed.name(),
        "code": action.code.map(strandline::Code::name),
        "recordsLost": action.lost,
    });
    if let Some(range) = &action.range {
        value["position"] = range.start.into();
        value["length"] = (range.end - range.start).into();
    }
    if let Some((first, last)) = action.offsets {
        value["baseOffset"] = first.into();
        value["lastOffset"] = last.into();
    }
    value
}

fn sum(path: &Path) -> Result<String> {
    sum_of(path).map_err(|error| Failure::io("read", path, &error))
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(super) fn sum_of(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 256 << 10]);
    loop {
        let have = file.read(&mut piece)?;
        if have == 0 {
            break;
        }
        digest.update(&piece[..have]);
    }
    let mut digits = String::new();
    for byte in digest.finalize() {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(digits)
}
