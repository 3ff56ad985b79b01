//! The files of a hand-over: drawn up in memory, written in order, read again.

use super::identity::Identity;
use super::options::HandOverOptions;
use crate::error::{Cause, Error, Result};
use crate::fs::Dir;
use crate::record::Timestamp;
use crate::store::directory::Directory;
use crate::store::kraft::{
    self, BOOTSTRAP, Controller, FIRST_SNAPSHOT, METADATA_LOG, MetadataRecord,
};
use crate::store::{CLEAN_SHUTDOWN, META_PROPERTIES, names};

/// The listener that the first snapshot names.
const CONTROLLER: &str = "CONTROLLER";

/// What is written.
pub(super) struct Paper {
    first_snapshot: Vec<u8>,
    bootstrap: Vec<u8>,
    meta_properties: Option<Vec<u8>>,
}

impl Paper {
    pub(super) fn draw_up(
        options: &HandOverOptions,
        identity: &Identity,
        records: &[MetadataRecord],
        now: Timestamp,
    ) -> Result<Paper> {
        let controller = Controller {
            node_id: identity.node_id,
            directory_id: identity.directory_id,
            listener: CONTROLLER,
            host: &options.controller.0,
            port: options.controller.1,
        };
        let too_large =
            |_| Error::TooLarge { what: "bootstrap.checkpoint", limit: i32::MAX as usize };
        let version = options.release.metadata_version();
        Ok(Paper {
            first_snapshot: kraft::first_snapshot(&controller, now).map_err(too_large)?,
            bootstrap: kraft::bootstrap(records, version, now).map_err(too_large)?,
            meta_properties: identity.file.clone(),
        })
    }

    /// Writes the files: each is durable before the next is begun, and only the last lets a broker
    /// start. Then they are read again.
    pub(super) fn write(&self, directory: &Directory) -> Result<()> {
        let root = &directory.root;
        directory.check_lock()?;
        let marker = root.read_small(CLEAN_SHUTDOWN, 1 << 16);
        if marker.map_err(|error| directory.io("read", CLEAN_SHUTDOWN, error))?.is_none() {
            let why = "not every log could be closed: nothing is handed over";
            return Err(Error::Invalid(why.into()));
        }
        let log = write_metadata_log(root, &self.first_snapshot)?;
        replace(root, BOOTSTRAP, &self.bootstrap)?;
        check(&log, FIRST_SNAPSHOT, &self.first_snapshot)?;
        check(root, BOOTSTRAP, &self.bootstrap)?;
        if let Some(meta_properties) = &self.meta_properties {
            replace(root, META_PROPERTIES, meta_properties)?;
        }
        Ok(())
    }
}

/// Makes the metadata log under a name by which Kafka would remove it, and gives it its own.
fn write_metadata_log(root: &Dir, snapshot: &[u8]) -> Result<Dir> {
    let log = root.child(METADATA_LOG);
    let io = |doing, error| Error::io(doing, root.path().join(METADATA_LOG), error);
    if log.exists().map_err(|error| io("look at", error))? {
        replace(&log, FIRST_SNAPSHOT, snapshot)?;
        return Ok(log);
    }
    let (topic, number) = names::METADATA_PARTITION;
    let unfinished = names::deleted_dir(topic, number, root.random_bits());
    root.create_dir(&unfinished).map_err(|error| io("create", error))?;
    let filled = replace(&root.child(&unfinished), FIRST_SNAPSHOT, snapshot)
        .and_then(|()| root.rename(&unfinished, METADATA_LOG).map_err(|error| io("rename", error)));
    if let Err(error) = filled {
        // What stays is removed by a later opening.
        let _ = root.child(&unfinished).remove(FIRST_SNAPSHOT);
        let _ = root.remove_dir(&unfinished);
        return Err(error);
    }
    root.sync().map_err(|error| io("sync", error))?;
    Ok(log)
}

fn replace(dir: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
    let replaced = dir.replace_small(name, bytes);
    replaced.map_err(|error| Error::io("write", dir.path().join(name), error))
}

/// That a file holds what was written to it.
fn check(dir: &Dir, name: &str, wanted: &[u8]) -> Result<()> {
    let path = dir.path().join(name);
    let read = dir.read_small(name, wanted.len() as u64);
    let there = read.map_err(|error| Error::io("read", &path, error))?;
    if there.as_deref() == Some(wanted) {
        return Ok(());
    }
    Err(Error::corrupt(path, 0, Cause::Mismatch("it does not hold what was just written to it")))
}
