//! Paths as the caller gave them: links are followed to what they name, and the caller's own words
//! stand in the report.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A path that was given, and where it leads.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) real: PathBuf,
    pub(super) given: PathBuf,
}

impl Shown {
    pub(super) fn of(given: &Path) -> Result<Shown> {
        let real = given.canonicalize().map_err(|error| Error::io("read", given, error))?;
        Ok(Shown { real, given: given.to_path_buf() })
    }

    /// The directory that it lies in.
    pub(super) fn parent(&self) -> Option<Shown> {
        let real = self.real.parent()?.to_path_buf();
        let given = match self.given.parent() {
            Some(parent) if self.given.file_name() == self.real.file_name() => parent.to_path_buf(),
            _ => real.clone(),
        };
        Some(Shown { real, given })
    }

    /// Something in it.
    pub(super) fn child(&self, name: &str) -> Shown {
        Shown { real: self.real.join(name), given: self.given.join(name) }
    }

    /// A path beneath it, in the caller's words.
    pub(super) fn show(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.real) {
            Ok(rest) if rest.as_os_str().is_empty() => self.given.clone(),
            Ok(rest) => self.given.join(rest),
            Err(_) => path.to_path_buf(),
        }
    }

    /// An error in the caller's words.
    pub(super) fn error(&self, error: Error) -> Error {
        match error {
            Error::Io { doing, path, source } => {
                Error::Io { doing, path: self.show(&path), source }
            }
            other => other,
        }
    }
}
