//! Directories that Kafka set aside, `<partition>.<32 hex>-stray`: it was started on them without
//! knowing their topics. Nothing in them has changed, so that they can be put back.

use super::found::Found;
use crate::error::{Error, Result};
use crate::fs::Dir;

/// Gives stray directories their names back, where nothing else has them, and makes that durable.
/// Each is put back or is not, whatever crash comes between; the call can be repeated.
///
/// # Errors
///
/// `Exists` if a name is taken, or two strays would have it: then none is renamed; `Io`.
pub(super) fn put_back(root: &Dir, found: &Found) -> Result<()> {
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
    for (name, stray) in &found.strays {
        let renamed = root.rename(stray, name);
        renamed.map_err(|error| Error::io("rename", root.path().join(stray), error))?;
    }
    if found.strays.is_empty() {
        return Ok(());
    }
    root.sync().map_err(|error| Error::io("sync", root.path(), error))
}
