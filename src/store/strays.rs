//! Directories that Kafka set aside, `<partition>.<32 hex>-stray`: it was started on them without
//! knowing their topics. Nothing in them has changed, so that they can be put back.

use super::found::Found;
use crate::error::{Error, Result};
use crate::fs::Dir;

/// That every stray directory can have its name back.
///
/// # Errors
///
/// `Exists` if a name is taken, or two strays would have it; `Io`.
pub(super) fn check(root: &Dir, found: &Found) -> Result<()> {
    for (at, (name, stray)) in found.strays.iter().enumerate() {
        let is_there = root.child(name).exists();
        let is_there = is_there.map_err(|error| Error::io("look at", root.path(), error))?;
        let again = found.strays[..at].iter().any(|(before, _)| before == name);
        if is_there || again {
            let path = root.path().join(name);
            return Err(Error::Exists(format!(
                "{}, which {stray} was called before,",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Gives stray directories their names back, and makes that durable. Each is put back or is not,
/// whatever crash comes between; the call can be repeated.
///
/// # Errors
///
/// `Io`.
pub(super) fn put_back(root: &Dir, strays: &[(String, String)]) -> Result<()> {
    for (name, stray) in strays {
        let renamed = root.rename(stray, name);
        renamed.map_err(|error| Error::io("rename", root.path().join(stray), error))?;
    }
    root.sync().map_err(|error| Error::io("sync", root.path(), error))
}
