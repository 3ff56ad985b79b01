//! Which files a path names, and what kind they are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use strandline::base_offset_of;
use tempfile::NamedTempFile;

use crate::args::{DumpArgs, FileKind};
use crate::exit::{Failure, Result, name_of};

/// A file to show.
#[derive(Debug)]
pub(super) struct Input {
    /// What the user knows it as, escaped for a line.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) kind: FileKind,
    pub(super) base_offset: i64,
    /// The topic and partition that its directory is named for.
    pub(super) partition: Option<(String, u32)>,
    /// Standard input, put where it can be read at positions.
    _spooled: Option<NamedTempFile>,
}

impl Input {
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            FileKind::Log => "log",
            FileKind::Index => "index",
            FileKind::TimeIndex => "timeindex",
        }
    }
}

/// The files that `path` names: itself, or the segments of the partition whose directory it is.
pub(super) fn find(path: &Path, args: &DumpArgs) -> Result<Vec<Input>> {
    if path == Path::new("-") {
        return Ok(vec![standard_input(args)?]);
    }
    let metadata = fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?;
    if !metadata.is_dir() {
        return Ok(vec![file(path, args)?]);
    }
    let mut logs = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| Failure::io("read", path, &error))? {
        let entry = entry.map_err(|error| Failure::io("read", path, &error))?;
        let path = entry.path();
        if base_offset_of(&path).is_some() && kind_of(&path) == Some(FileKind::Log) {
            logs.push(path);
        }
    }
    if logs.is_empty() {
        let name = name_of(path);
        return Err(Failure::environment(format!("{name}: no segment (*.log) in this directory")));
    }
    logs.sort();
    logs.iter().map(|path| file(path, args)).collect()
}

fn file(path: &Path, args: &DumpArgs) -> Result<Input> {
    let name = name_of(path);
    let kind = args.kind.or_else(|| kind_of(path)).ok_or_else(|| {
        Failure::usage(format!(
            "{name}: not a .log, .index or .timeindex by its name; say what it is: --as log"
        ))
    })?;
    let base_offset = args.base_offset.or_else(|| base_offset_of(path)).ok_or_else(|| {
        Failure::usage(format!(
            "{name}: Kafka keeps the base offset in the file name (20 digits); \
             give it: --base-offset 0"
        ))
    })?;
    let partition = partition_of(path);
    Ok(Input { name, path: path.to_path_buf(), kind, base_offset, partition, _spooled: None })
}

fn standard_input(args: &DumpArgs) -> Result<Input> {
    let (Some(kind), Some(base_offset)) = (args.kind, args.base_offset) else {
        let why = "stdin has no name that tells what it is: --as log --base-offset 0";
        return Err(Failure::usage(why));
    };
    let failed = |error: io::Error| Failure::environment(format!("cannot read stdin: {error}"));
    let mut spooled = NamedTempFile::new().map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut spooled).map_err(failed)?;
    Ok(Input {
        name: "-".to_owned(),
        path: spooled.path().to_path_buf(),
        kind,
        base_offset,
        partition: None,
        _spooled: Some(spooled),
    })
}

/// What a name says: the suffix behind the digits, with what Kafka puts behind it for a while.
fn kind_of(path: &Path) -> Option<FileKind> {
    let name = path.file_name()?.to_str()?;
    let name = [".deleted", ".cleaned", ".swap"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    match Path::new(name).extension()?.to_str()? {
        "log" => Some(FileKind::Log),
        "index" => Some(FileKind::Index),
        "timeindex" => Some(FileKind::TimeIndex),
        _ => None,
    }
}

/// Topic and partition of the directory that a file lies in.
fn partition_of(path: &Path) -> Option<(String, u32)> {
    let whole = path.canonicalize().ok()?;
    let (topic, partition) = whole.parent()?.file_name()?.to_str()?.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !topic.is_empty()).then_some((topic.to_owned(), partition.parse().ok()?))
}
