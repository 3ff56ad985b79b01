//! Unpacks the golden packs of `tests/data`; each test gets a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::text::Fields;

/// What every unpacked `.log` gets as its time of modification, in milliseconds: after the
/// explicit timestamps and before the brokers' own, as it was when they answered. Kafka takes it
/// for the largest timestamp of a segment that has none.
pub(crate) const MODIFIED_MS: u64 = 1_795_449_000_000;

/// A broker's log directory, as it was on its disk.
pub(crate) struct Broker {
    unpacked: TempDir,
    version: &'static str,
    state: &'static str,
}

impl Broker {
    /// Unpacks what the broker of `version` left in `state`, and what clients read from it.
    pub(crate) fn unpack(version: &'static str, state: &'static str) -> Self {
        let unpacked = unpack("golden-brokers", |path| path.starts_with(version));
        let broker = Broker { unpacked, version, state };
        for file in broker.manifest() {
            let Some(zeros) = file.maybe_number("zerosAfter") else { continue };
            let path = broker.log_directory().join(file.text("path"));
            let stored = fs::metadata(&path).unwrap().len();
            let cut = fs::OpenOptions::new().write(true).open(&path).unwrap();
            cut.set_len(stored + zeros as u64).unwrap();
        }
        broker
    }

    pub(crate) fn log_directory(&self) -> PathBuf {
        self.unpacked.path().join(self.version).join(self.state)
    }

    /// Where the clients' answers are, one directory for each partition; after them where the
    /// answers are that also hold in this state, unless there are newer ones.
    pub(crate) fn truth(&self) -> Vec<PathBuf> {
        let all = self.unpacked.path().join(self.version).join("truth");
        let earlier = (self.state == "reopened").then_some("unclean");
        [self.state].into_iter().chain(earlier).map(|state| all.join(state)).collect()
    }

    /// Every file that the broker had, with its size and SHA-256.
    pub(crate) fn manifest(&self) -> Vec<Value> {
        let name = format!("{}.manifest.json", self.state);
        json(&self.unpacked.path().join(self.version).join(name)).list("files").to_vec()
    }
}

/// Unpacks the write vectors whose path starts with one of `prefixes`; all if there is none.
pub(crate) fn write_vectors(prefixes: &[&str]) -> TempDir {
    unpack("golden-write", |path| {
        prefixes.is_empty() || prefixes.iter().any(|prefix| path.starts_with(prefix))
    })
}

/// Unpacks the recipes of damaged directories, with what Kafka makes of each.
pub(crate) fn recovery_variants() -> TempDir {
    unpack("golden-recovery", |_| true)
}

/// Unpacks what Kafka's own dump tool printed.
pub(crate) fn dump_cases() -> TempDir {
    unpack("golden-dump", |path| path.starts_with("broker-cases"))
}

/// The bytes of `tests/data/NAME.zst`, inflated.
pub(crate) fn inflate(name: &str) -> Vec<u8> {
    let packed = fs::File::open(data(&format!("{name}.zst"))).unwrap();
    zstd::stream::decode_all(packed).unwrap()
}

/// A parsed JSON file.
pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unpack(name: &str, wanted: impl Fn(&Path) -> bool) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    let bytes = inflate(&format!("{name}.tar"));
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let path = path.strip_prefix(".").unwrap_or(&path);
        if !wanted(path) {
            continue;
        }
        let written = to.path().join(path);
        if entry.header().entry_type().is_dir() {
            fs::create_dir_all(&written).unwrap();
            continue;
        }
        fs::create_dir_all(written.parent().unwrap()).unwrap();
        entry.set_preserve_mtime(false);
        entry.unpack(&written).unwrap();
        if written.extension().is_some_and(|extension| extension == "log") {
            let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(MODIFIED_MS);
            let log = fs::File::options().write(true).open(&written).unwrap();
            log.set_modified(modified).unwrap();
        }
    }
    to
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}
