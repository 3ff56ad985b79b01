//! Arguments that several verbs share.

use std::path::PathBuf;

use clap::Args;

/// Which log directory.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The log directory [default: `$STRANDLINE_DIR`, else `strandline-data`]
    #[arg(short, long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl StoreArgs {
    /// The directory that is meant.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(default_dir)
    }
}

/// The log directory that is meant where none is named.
pub(crate) fn default_dir() -> PathBuf {
    let named = std::env::var_os("STRANDLINE_DIR").filter(|dir| !dir.is_empty());
    named.map_or_else(|| PathBuf::from("strandline-data"), PathBuf::from)
}

pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is wanted".to_owned()),
    }
}

/// A number of bytes that fits into a batch: `65536`, `64KiB`, `1MiB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let bytes = size64(text)?;
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| (1..=1 << 30).contains(bytes))
        .ok_or_else(|| "between 1 byte and 1 GiB is wanted".to_owned())
}

/// A number of bytes that needs not fit into memory.
pub(crate) fn size64(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        _ => return Err("a number of bytes is wanted: 65536, 64KiB, 1MiB, 200MB".to_owned()),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    bytes.ok_or_else(|| "a number of bytes is wanted: 65536, 64KiB, 1MiB, 200MB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            ["1", "16384", "64KiB", "1MiB", "1GiB"].map(size),
            [1, 16384, 65536, 1 << 20, 1 << 30].map(Ok)
        );
        for wrong in ["", "0", "-1", "1kb", "2GiB", "KiB", "99999999999999999999"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(name_and_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(name_and_value("=b").is_err() && name_and_value("a").is_err());
    }
}
