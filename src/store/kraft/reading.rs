//! Reads `__cluster_metadata-0`: the newest snapshot, then the log behind it. Writes nothing.

use std::io::ErrorKind;

use super::image::Image;
use super::records::{MOST_METADATA_VERSION, MetadataRecord};
use super::{FIRST_SNAPSHOT, METADATA_LOG};
use crate::compression::Decompressor;
use crate::error::{Error, Result};
use crate::fs::{Access, Dir, File};
use crate::record::{Batches, HEADER_LEN, Offset, Prefix, RecordBatch};
use crate::segment::names::{self, Part};

/// The most that is read of a snapshot: a hundred thousand partitions have a tenth of it.
const MOST_SNAPSHOT_BYTES: u64 = 256 << 20;
/// The most that a batch of metadata is: controllers write 8 MiB at once.
const MOST_BATCH_BYTES: usize = 64 << 20;
/// What a controller's epoch and offset are called in a snapshot's name: 20 and 10 digits.
const SNAPSHOT_NAME: (usize, usize, &str) = (20, 10, ".checkpoint");

/// What the metadata log in `root` comes to; none if there is no such log.
///
/// # Errors
///
/// `Io`; `Corrupt`, but for what a crash leaves at the log's end; `Newer` for a metadata version
/// that is not known, `Invalid` for a record that is not.
fn read(root: &Dir) -> Result<Option<Image>> {
    let dir = root.child(METADATA_LOG);
    let Some(names) = list(&dir)?.filter(|names| names.iter().any(|name| name != FIRST_SNAPSHOT))
    else {
        return Ok(None);
    };
    let mut image = Image::default();
    let snapshot = names.iter().filter_map(|name| snapshot_offset(name)).max();
    let from = match snapshot {
        Some((offset, name)) => {
            let bytes = dir.read_small(name, MOST_SNAPSHOT_BYTES);
            let path = dir.path().join(name);
            let bytes = bytes.map_err(|error| Error::io("read", &path, error))?;
            let mut position = 0;
            for batch in Batches::new(&bytes.unwrap_or_default()) {
                let place = (name, position);
                let batch = batch.map_err(|cause| Error::corrupt(path.clone(), position, cause))?;
                take_in(&mut image, &dir, &batch, place)?;
                position += batch.bytes().len() as u64;
            }
            offset
        }
        None => 0,
    };
    let bases: Vec<_> = names.iter().filter_map(|name| log_base(name)).collect();
    for (at, &base) in bases.iter().enumerate() {
        let next = bases.get(at + 1).copied();
        if next.is_none_or(|next| next > from) {
            read_segment(&mut image, &dir, base, (from, next.is_none()))?;
        }
    }
    Ok(Some(image))
}

/// Whether a controller has used the metadata log in `root`: then it holds more than the snapshot
/// with which formatting, or a hand-over, begins it.
pub(crate) fn is_taken(root: &Dir) -> Result<bool> {
    let names = list(&root.child(METADATA_LOG))?;
    Ok(names.is_some_and(|names| names.iter().any(|name| name != FIRST_SNAPSHOT)))
}

/// What tells whether a metadata log has grown: its names, and its last segment's length.
fn fingerprint(root: &Dir) -> Result<Option<(Vec<String>, u64)>> {
    let dir = root.child(METADATA_LOG);
    let Some(names) = list(&dir)? else { return Ok(None) };
    let last = names.iter().filter_map(|name| log_base(name)).next_back();
    let len = match last {
        Some(base) => open(&dir, base)?.1,
        None => 0,
    };
    Ok(Some((names, len)))
}

fn list(dir: &Dir) -> Result<Option<Vec<String>>> {
    match dir.list() {
        Ok(entries) => Ok(Some(entries.into_iter().map(|entry| entry.name).collect())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("list", dir.path(), error)),
    }
}

/// The offset that a snapshot of that name reaches, with its name: the newest is the largest.
fn snapshot_offset(name: &str) -> Option<(Offset, &str)> {
    let (offset_digits, epoch_digits, extension) = SNAPSHOT_NAME;
    let (offset, epoch) = name.strip_suffix(extension)?.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = offset.len() == offset_digits && epoch.len() == epoch_digits;
    let is_one = fits && is_number(offset) && is_number(epoch);
    Some((offset.parse().ok().filter(|_| is_one)?, name))
}

fn log_base(name: &str) -> Option<Offset> {
    match names::parse(name) {
        Some((base, Part::Log, None)) => Some(base),
        _ => None,
    }
}

fn open(dir: &Dir, base: Offset) -> Result<(File, u64)> {
    let name = names::name(base, Part::Log);
    let opened = dir.open(&name, Access::Read).and_then(|file| Ok((file.len()?, file)));
    let (len, file) = opened.map_err(|error| Error::io("read", dir.path().join(&name), error))?;
    Ok((file, len))
}

/// Reads a segment's batches from the offset `from` on. In the last one the first that is none is
/// where the log ends.
fn read_segment(
    image: &mut Image,
    dir: &Dir,
    base: Offset,
    (from, is_last): (Offset, bool),
) -> Result<()> {
    let (file, len) = open(dir, base)?;
    let name = names::name(base, Part::Log);
    let path = dir.path().join(&name);
    let read = |bytes: &mut [u8], at| {
        let read = file.read_exact_at(bytes, at);
        read.map_err(|error| Error::io("read", &path, error))
    };
    let (mut at, mut bytes) = (0, vec![0; HEADER_LEN]);
    while len - at >= HEADER_LEN as u64 {
        bytes.resize(HEADER_LEN, 0);
        read(&mut bytes, at)?;
        let size = Prefix::decode(&bytes).map(|prefix| prefix.size);
        let fits = |size: usize| {
            (HEADER_LEN..=MOST_BATCH_BYTES).contains(&size) && size as u64 <= len - at
        };
        match size {
            Ok(size) if fits(size) => bytes.resize(size, 0),
            Ok(_) | Err(_) if is_last => return Ok(()),
            Ok(size) => return Err(Error::corrupt(path, at, too_long(size))),
            Err(cause) => return Err(Error::corrupt(path, at, cause)),
        }
        read(&mut bytes, at)?;
        match RecordBatch::decode(&bytes) {
            Ok(batch) if batch.header().next_offset() > from => {
                take_in(image, dir, &batch, (&name, at))?;
            }
            Ok(_) => {}
            Err(_) if is_last => return Ok(()),
            Err(cause) => return Err(Error::corrupt(path, at, cause)),
        }
        at += bytes.len() as u64;
    }
    Ok(())
}

fn too_long(_size: usize) -> crate::error::Cause {
    crate::error::Cause::Mismatch("a batch ends behind its file, or is larger than any of these")
}

/// Takes in the records of a batch that lies at `place`: in which file, and where.
fn take_in(
    image: &mut Image,
    dir: &Dir,
    batch: &RecordBatch<'_>,
    (name, position): (&str, u64),
) -> Result<()> {
    if batch.header().attributes().is_control() {
        return Ok(());
    }
    let path = || dir.path().join(name);
    let mut inflated = Vec::new();
    let mut with = Decompressor::default();
    let records = batch.records(&mut with, MOST_BATCH_BYTES, &mut inflated);
    let records = records.map_err(|cause| Error::corrupt(path(), position, cause))?;
    for record in records {
        let record = record.map_err(|cause| Error::corrupt(path(), position, cause))?;
        let decoded = MetadataRecord::decode(record.value().unwrap_or_default());
        let decoded = decoded.map_err(|fault| {
            let (path, offset) = (path(), record.offset());
            Error::Invalid(format!("{}: at offset {offset}: {fault}", path.display()))
        })?;
        image.replay(decoded);
        if image.metadata_version > MOST_METADATA_VERSION {
            let version = image.metadata_version.into();
            return Err(Error::Newer { path: path(), what: "metadata.version", version });
        }
    }
    Ok(())
}

/// What a metadata log said when it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    seen: Option<(Vec<String>, u64)>,
    image: Option<Image>,
}

impl Metadata {
    /// Reads the metadata log in `root`, if it is not as it was.
    ///
    /// # Errors
    ///
    /// Those of [`read`]; then nothing is known of it.
    pub(crate) fn look(&mut self, root: &Dir) -> Result<()> {
        let now = fingerprint(root)?;
        if now != self.seen {
            *self = Metadata::default();
            self.image = read(root)?;
            self.seen = now;
        }
        Ok(())
    }

    /// What it comes to; none if there is no metadata log.
    pub(crate) fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }
}
