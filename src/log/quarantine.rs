//! Where bytes go that recovery cuts off: `quarantine/` in the partition's directory.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fs::{Dir, File, Kind};
use crate::record::Offset;
use crate::segment::READ_BYTES;
use crate::wire::crc32c;

/// The directory's name.
pub(super) const QUARANTINE: &str = "quarantine";
/// Torn tails beyond so many files, or bytes, leave, oldest first.
const MOST_FILES: usize = 16;
const MOST_BYTES: u64 = 64 << 20;

/// Copies bytes of a `.log` to `quarantine/<base>.log.<position>-<crc>`, but for zeros at their
/// end. Nothing is done if they are there already. Torn tails of long ago make room.
pub(super) fn keep_bytes(
    dir: &Dir,
    file: &Arc<File>,
    base: Offset,
    range: Range<u64>,
) -> Result<()> {
    let kept = dir.child(QUARANTINE);
    let failed = |doing, error| Error::io(doing, kept.path(), error);
    let end = trimmed_end(file, &range).map_err(|e| failed("read a torn tail for", e))?;
    if end == range.start {
        return Ok(());
    }
    let crc = sum(file, range.start..end).map_err(|e| failed("read a torn tail for", e))?;
    make(dir, &kept)?;
    let name = format!("{base:020}.log.{}-{crc:08x}", range.start);
    let there = kept.list().map_err(|e| failed("list", e))?;
    if !there.iter().any(|entry| entry.name == name) {
        copy(file, range.start..end, &kept, &name).map_err(|e| failed("write to", e))?;
    }
    prune(&kept, &name)
}

/// Moves a whole file there.
pub(super) fn keep_file(dir: &Dir, name: &str) -> Result<()> {
    let kept = dir.child(QUARANTINE);
    make(dir, &kept)?;
    match dir.rename_into(name, &kept, name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        moved => moved.map_err(|e| Error::io("move to quarantine", dir.path().join(name), e))?,
    }
    kept.sync().map_err(|e| Error::io("sync", kept.path(), e))
}

fn make(dir: &Dir, kept: &Dir) -> Result<()> {
    match dir.create_dir(QUARANTINE) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| dir.sync()).map_err(|e| Error::io("make", kept.path(), e)),
    }
}

/// Where the zeros begin that the bytes end with. Holes are skipped unread.
fn trimmed_end(file: &File, range: &Range<u64>) -> std::io::Result<u64> {
    let mut end = range.start;
    let mut at = range.start;
    let mut piece = vec![0; READ_BYTES];
    while at < range.end
        && let Some(data) = file.next_data(at)?.filter(|data| *data < range.end)
    {
        at = at.max(data);
        let len = piece.len().min((range.end - at) as usize);
        file.read_exact_at(&mut piece[..len], at)?;
        if let Some(last) = piece[..len].iter().rposition(|&byte| byte != 0) {
            end = at + last as u64 + 1;
        }
        at += len as u64;
    }
    Ok(end)
}

fn sum(file: &File, range: Range<u64>) -> std::io::Result<u32> {
    let (mut crc, mut end) = (0, range.start);
    for_each_piece(file, range, |at, piece| {
        crc = crc32c::extend(crc32c::extend_zeros(crc, at - end), piece);
        end = at + piece.len() as u64;
        Ok(())
    })?;
    Ok(crc)
}

/// The copy has the holes that the bytes have: its last byte is none of one.
fn copy(file: &File, range: Range<u64>, to: &Dir, name: &str) -> std::io::Result<()> {
    let unfinished = format!("{name}.tmp");
    match to.remove(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let copied = to.create(&unfinished)?;
    let start = range.start;
    for_each_piece(file, range, |at, piece| copied.write_all_at(piece, at - start))?;
    copied.sync()?;
    to.rename(&unfinished, name)?;
    to.sync()
}

/// Gives the bytes of `range` to `visit`, but for those of holes.
fn for_each_piece(
    file: &File,
    range: Range<u64>,
    mut visit: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut piece = vec![0; READ_BYTES];
    let mut at = range.start;
    while at < range.end
        && let Some(data) = file.next_data(at)?.filter(|data| *data < range.end)
    {
        at = at.max(data);
        let len = piece.len().min((range.end - at) as usize);
        file.read_exact_at(&mut piece[..len], at)?;
        visit(at, &piece[..len])?;
        at += len as u64;
    }
    Ok(())
}

/// Removes the oldest torn tails while there are too many, never the one that was just kept.
fn prune(kept: &Dir, newest: &str) -> Result<()> {
    let failed = |error| Error::io("tidy", kept.path(), error);
    let mut tails = Vec::new();
    for entry in kept.list().map_err(failed)? {
        let is_tail = entry.kind == Kind::File && entry.name.contains(".log.");
        let is_whole = entry.name.strip_suffix(".tmp").is_none();
        if is_tail && is_whole && entry.name != newest {
            let file = kept.open(&entry.name, crate::fs::Access::Read).map_err(failed)?;
            let (age, len) = (file.modified_ms().map_err(failed)?, file.len().map_err(failed)?);
            tails.push((age, entry.name, len));
        }
    }
    tails.sort();
    let mut bytes: u64 = tails.iter().map(|(_, _, len)| len).sum();
    let mut files = tails.len() + 1;
    for (_, name, len) in tails {
        if files <= MOST_FILES && bytes <= MOST_BYTES {
            break;
        }
        kept.remove(&name).map_err(failed)?;
        bytes -= len;
        files -= 1;
    }
    Ok(())
}
