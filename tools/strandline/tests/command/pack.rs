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
        // Some are packed with a dot before them.
        let path = entry.path().unwrap().into_owned();
        if wanted(path.strip_prefix(".").unwrap_or(&path)) {
            entry.unpack_in(to.path()).unwrap();
        }
    }
    to
}

/// The directories that `kafka-dump-log`'s cases are about.
pub(super) fn golden_fixtures() -> TempDir {
    unpack_those("golden-dump", |path| path.starts_with("fixtures"))
}

/// The log directories of real brokers, without what clients read from them.
pub(super) fn broker_directories() -> TempDir {
    unpack_those("golden-brokers", |path| !path.to_string_lossy().contains("/truth/"))
}
