//! The corpus: `fuzz/corpus/TARGET/`, an input a file.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the inputs of a target are.
pub(crate) fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The inputs of a target, in order of name.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let Ok(files) = fs::read_dir(directory(target)) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
