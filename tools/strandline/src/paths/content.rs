//! What a file is by what it holds, where its name does not tell.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use strandline::record::BatchHeader;

use super::Kind;
use crate::exit::{Failure, Result};

/// So much of a file is looked at.
const LOOK_BYTES: u64 = 4096;

/// The kind that the first bytes of a file tell, if they do.
pub(super) fn kind(path: &Path) -> Result<Option<Kind>> {
    let failed = |error| Failure::io("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut head = Vec::new();
    file.take(LOOK_BYTES).read_to_end(&mut head).map_err(failed)?;
    Ok(of_bytes(&head, len))
}

/// The same of bytes: the first of so many.
pub(super) fn of_bytes(head: &[u8], len: u64) -> Option<Kind> {
    if is_log(head, len) {
        return Some(Kind::Log);
    }
    if let Ok(text) = std::str::from_utf8(head)
        && let Some(kind) = of_text(text)
    {
        return Some(kind);
    }
    let whole = |entry: u64| len > 0 && len.is_multiple_of(entry);
    if head.starts_with(&[0, 1]) && len >= 10 && head.get(2..6).is_some_and(|crc| crc != [0; 4]) {
        return Some(Kind::Snapshot);
    }
    if whole(34) && head.starts_with(&[0, 0]) && rises(head, 34, 18, 8) {
        return Some(Kind::TxnIndex);
    }
    match (whole(8) && rises(head, 8, 0, 4), whole(12) && rises(head, 12, 0, 8)) {
        (true, false) => Some(Kind::Index),
        (false, true) => Some(Kind::TimeIndex),
        _ => None,
    }
}

/// A sane length, a magic that there is, and an offset.
fn is_log(head: &[u8], len: u64) -> bool {
    if BatchHeader::decode(head).is_ok_and(|header| header.size_bytes() as u64 <= len) {
        return true;
    }
    let Some(start) = head.first_chunk::<17>() else { return false };
    let claims = i64::from(i32::from_be_bytes([start[8], start[9], start[10], start[11]]));
    start[0] < 0x80 && matches!(start[16], 0 | 1) && (14..=len as i64 - 12).contains(&claims)
}

fn of_text(text: &str) -> Option<Kind> {
    let mut lines = text.lines();
    let (first, second) = (lines.next()?, lines.next().unwrap_or_default());
    if first.starts_with("version:") && second.starts_with("topic_id:") {
        return Some(Kind::PartitionMetadata);
    }
    if text.lines().any(|line| line.starts_with("cluster.id=") || line.starts_with("node.id=")) {
        return Some(Kind::MetaProperties);
    }
    if first.parse::<u32>().is_err() || second.parse::<u32>().is_err() {
        return None;
    }
    match lines.next().map(|line| line.split(' ').count()) {
        Some(2) => Some(Kind::LeaderEpochs),
        _ => Some(Kind::Checkpoint),
    }
}

/// Whether the big-endian numbers of so many bytes, one in each entry, rise up to where zeros are.
fn rises(head: &[u8], entry: usize, at: usize, len: usize) -> bool {
    let numbers = head.chunks_exact(entry).map(|entry| &entry[at..at + len]);
    let mut last: Option<&[u8]> = None;
    for number in numbers.take_while(|number| number.iter().any(|&byte| byte != 0)) {
        if last.is_some_and(|last| number <= last) {
            return false;
        }
        last = Some(number);
    }
    last.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_entries_are_told_apart() {
        let cases: [(&[u8], Option<Kind>); 8] = [
            (b"0\n1\nt 3 77\n", Some(Kind::Checkpoint)),
            (b"0\n1\n3 77\n", Some(Kind::LeaderEpochs)),
            (b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA\n", Some(Kind::PartitionMetadata)),
            (b"#comment\nnode.id=1\nversion=1\n", Some(Kind::MetaProperties)),
            (&[0, 0, 0, 3, 0, 0, 0, 80, 0, 0, 0, 7, 0, 0, 1, 0], Some(Kind::Index)),
            (&[0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 3, 0, 0, 0, 3], Some(Kind::TimeIndex)),
            (b"hello\n", None),
            (b"", None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(of_bytes(bytes, bytes.len() as u64), kind, "{bytes:?}");
        }
    }
}
