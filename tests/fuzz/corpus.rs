//! The corpus: `fuzz/corpus/TARGET.tar.zst`, an input a file in it, and what lies unpacked in
//! `fuzz/corpus/TARGET/`, where libFuzzer finds it and puts more.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::TARGETS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn pack(target: &str) -> PathBuf {
    root().join(format!("{target}.tar.zst"))
}

/// Where the inputs of a target lie unpacked.
pub(crate) fn unpacked(target: &str) -> PathBuf {
    root().join(target)
}

/// The inputs of a target, each once.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> = packed(target).into_iter().chain(loose(target)).collect();
    inputs.sort();
    inputs.dedup_by(|a, b| a.1 == b.1);
    inputs.into_iter().map(|(_, input)| input).collect()
}

/// What is in the pack: name and content.
fn packed(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(packed) = fs::File::open(pack(target)) else { return Vec::new() };
    let bytes = zstd::stream::decode_all(packed).unwrap();
    let mut inputs = Vec::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut input = Vec::new();
        entry.read_to_end(&mut input).unwrap();
        inputs.push((name, input));
    }
    inputs
}

fn loose(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(unpacked(target)) else { return Vec::new() };
    let read = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap();
        (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
    };
    files.map(read).collect()
}

#[test]
#[ignore = "writes into fuzz/corpus"]
fn unpack_corpora() {
    for target in TARGETS {
        fs::create_dir_all(unpacked(target)).unwrap();
        for (name, input) in packed(target) {
            fs::write(unpacked(target).join(name), input).unwrap();
        }
    }
}

/// What lies unpacked takes the place of the pack, if anything does.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn pack_corpora() {
    for target in TARGETS {
        let mut inputs = loose(target);
        inputs.sort();
        if inputs.is_empty() {
            continue;
        }
        let mut builder = tar::Builder::new(Vec::new());
        for (name, input) in inputs {
            let mut header = tar::Header::new_ustar();
            header.set_size(input.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, input.as_slice()).unwrap();
        }
        let packed = zstd::stream::encode_all(&*builder.into_inner().unwrap(), 19).unwrap();
        fs::write(pack(target), packed).unwrap();
    }
}
