//! A file as Java sees it: its path, its name, and what the name says.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::thrown::Thrown;
use crate::internal::text;

/// A path, without doubled slashes and without one at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JavaFile {
    path: Vec<u8>,
}

impl JavaFile {
    pub(super) fn new(path: &[u8]) -> JavaFile {
        let mut plain = Vec::with_capacity(path.len());
        for &byte in path {
            if byte != b'/' || plain.last() != Some(&b'/') {
                plain.push(byte);
            }
        }
        if plain.len() > 1 && plain.last() == Some(&b'/') {
            plain.pop();
        }
        JavaFile { path: plain }
    }

    /// The path, to be shown.
    pub(super) fn shown(&self) -> String {
        text::decode(&self.path).into_owned()
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The path from the root on; what leads up in it stays.
    pub(super) fn absolute(&self) -> JavaFile {
        if self.path.first() == Some(&b'/') {
            return self.clone();
        }
        let mut path = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        if !self.path.is_empty() {
            path.push(self.path());
        }
        JavaFile { path: path.into_os_string().as_bytes().to_vec() }
    }

    /// What follows the last slash.
    pub(super) fn name(&self) -> String {
        let name = self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        text::decode(name).into_owned()
    }

    /// What the name has before its first dot. Java's way of cutting gives nothing for a name of
    /// dots alone, and then there is no first part.
    fn stem(&self) -> Result<String, Thrown> {
        let name = self.name();
        if !name.is_empty() && name.bytes().all(|byte| byte == b'.') {
            return Err(Thrown::new(
                "java.lang.ArrayIndexOutOfBoundsException",
                "Index 0 out of bounds for length 0",
            ));
        }
        Ok(name.split('.').next().unwrap_or_default().to_owned())
    }

    /// The base offset that the name says.
    pub(super) fn base_offset(&self) -> Result<i64, Thrown> {
        let stem = self.stem()?;
        long(&stem).ok_or_else(|| Thrown::number(&stem))
    }

    /// The file of the same segment with another ending, from the root on.
    pub(super) fn sibling(&self, ending: &str) -> Result<JavaFile, Thrown> {
        let mut path = self.absolute().path;
        let end = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        path.truncate(end);
        path.extend_from_slice(self.stem()?.as_bytes());
        path.extend_from_slice(ending.as_bytes());
        Ok(JavaFile { path })
    }
}

/// A number as Java reads one: a sign, then digits.
pub(super) fn long(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The same for 32 bits.
pub(super) fn int(text: &str) -> Option<i32> {
    long(text).and_then(|number| i32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_are_cut_as_java_cuts_them() {
        let file = JavaFile::new(b"a//b/00012.x.log/");
        assert_eq!(
            (file.shown().as_str(), file.name().as_str()),
            ("a/b/00012.x.log", "00012.x.log")
        );
        assert_eq!(file.base_offset(), Ok(12));
        assert!(file.sibling(".index").unwrap().shown().ends_with("/a/b/00012.index"));
        assert_eq!(JavaFile::new(b"/").shown(), "/");
        assert_eq!(JavaFile::new(b".log").base_offset(), Err(Thrown::number("")));
        assert!(JavaFile::new(b"..").base_offset().is_err());
    }

    #[test]
    fn numbers_are_those_of_java() {
        assert_eq!(["7", "+7", "-7", "007"].map(long), [7, 7, -7, 7].map(Some));
        assert_eq!(["", "+", "-", "+-7", " 7", "7_0", "9223372036854775808"].map(long), [None; 7]);
        assert_eq!(int("2147483648"), None);
    }
}
