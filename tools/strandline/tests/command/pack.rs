//! Unpacks the packs of test data that the library's tests have too.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// All that a pack holds, in a directory of its own.
pub(super) fn unpack(name: &str) -> TempDir {
    unpack_those(name, |_| true)
}

/// What a pack holds at the paths that are wanted.
pub(super) fn unpack_those(name: &str, wanted: impl Fn(&Path) -> bool) -> TempDir {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let packed = fs::File::open(data.join(format!("{name}.tar.zst"))).unwrap();
    let stream = zstd::Decoder::new(packed).unwrap();
    let to = tempfile::tempdir().unwrap();
    for entry in tar::Archive::new(stream).entries().unwrap() {
        let mut entry = entry.unwrap();
        if wanted(&entry.path().unwrap()) {
            entry.unpack_in(to.path()).unwrap();
        }
    }
    to
}
