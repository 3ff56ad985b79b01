//! Standard input as a file: kept where it can be read at positions.

use std::io;

use tempfile::NamedTempFile;

use super::{Input, Kind};
use crate::exit::{Failure, Result};
use crate::global::Global;

/// What keeps standard input on the disk as long as it is read.
pub(super) type Spooled = NamedTempFile;

pub(super) fn input(global: &Global) -> Result<Input> {
    let kind = global.kind.unwrap_or(Kind::Log);
    let needs_base = matches!(kind, Kind::Log | Kind::Index | Kind::TimeIndex);
    if global.kind.is_none() || (needs_base && global.base_offset.is_none()) {
        let why = "stdin has no name that tells what it is: --as log --base-offset 0";
        return Err(Failure::usage(why));
    }
    let failed = |error: io::Error| Failure::environment(format!("cannot read stdin: {error}"));
    let mut spooled = NamedTempFile::new().map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut spooled).map_err(failed)?;
    Ok(Input {
        name: "-".to_owned(),
        path: spooled.path().to_path_buf(),
        kind,
        base_offset: global.base_offset,
        partition: None,
        _spooled: Some(spooled),
    })
}
