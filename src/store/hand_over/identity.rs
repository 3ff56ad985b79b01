//! As which node of which cluster a directory is handed over, and what stands in the way of it.

use super::options::HandOverOptions;
use crate::error::{Error, Result};
use crate::fs::Dir;
use crate::log::TopicId;
use crate::store::directory::Directory;
use crate::store::kraft::{self, METADATA_LOG};
use crate::store::meta_properties::MetaProperties;
use crate::store::{META_PROPERTIES, random};

/// How `meta.properties` begins if a hand-over wrote it, and not Kafka.
const OURS: &[u8] = b"#handed over by strandline\n";

/// Who the broker will be.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) cluster_id: String,
    pub(super) node_id: i32,
    pub(super) directory_id: TopicId,
    /// `meta.properties` as it has to be; none if it is so already.
    pub(super) file: Option<Vec<u8>>,
}

impl Identity {
    /// What `options` ask for and `meta.properties` says, where it is there.
    pub(super) fn of(directory: &Directory, options: &HandOverOptions) -> Result<Identity> {
        refuse_metadata_log(&directory.root)?;
        let there = directory.meta_properties()?;
        let meta = there.clone().unwrap_or_default();
        let path = directory.root.path().join(META_PROPERTIES);
        let differs = |what: &str| {
            let why = format!("{}: it has another {what} than is asked for", path.display());
            Error::Invalid(why)
        };
        let cluster_id = match (meta.cluster_id.clone(), options.cluster_id.clone()) {
            (Some(there), Some(wanted)) if there != wanted => return Err(differs("cluster.id")),
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => random::topic_id(&directory.root).to_string(),
        };
        let node_id = match (meta.node_id, options.node_id) {
            (Some(there), Some(wanted)) if there != wanted => return Err(differs("node.id")),
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => 1,
        };
        let directory_id = match &meta.directory_id {
            None => random::topic_id(&directory.root),
            Some(id) => id.parse().map_err(|error| {
                Error::Invalid(format!("{}: directory.id: {error}", path.display()))
            })?,
        };
        let wanted = MetaProperties {
            cluster_id: Some(cluster_id.clone()),
            node_id: Some(node_id),
            directory_id: Some(directory_id.to_string()),
            others: meta.others,
        };
        let is_kafkas = there.is_some() && !is_ours(&directory.root)?;
        let encoded = wanted.encode().map_err(|error| Error::Invalid(error.to_string()))?;
        let file = if is_kafkas { encoded } else { [OURS, &encoded].concat() };
        // Ours is taken away by the first write, and closing is one.
        let stands = is_kafkas && there.as_ref() == Some(&wanted);
        Ok(Identity { cluster_id, node_id, directory_id, file: (!stands).then_some(file) })
    }
}

/// A metadata log that a controller has used says all that a bootstrap file could say, and a
/// bootstrap file beside it is not read.
fn refuse_metadata_log(root: &Dir) -> Result<()> {
    if !kraft::is_taken(root)? {
        return Ok(());
    }
    let path = root.path().join(METADATA_LOG);
    Err(Error::Exists(format!(
        "the metadata log {}, in which Kafka keeps the topics itself, stands in the way and",
        path.display()
    )))
}

/// Whether a hand-over wrote `meta.properties`, so that it can be taken back.
pub(in crate::store) fn is_ours(root: &Dir) -> Result<bool> {
    let path = root.path().join(META_PROPERTIES);
    let read = root.read_small(META_PROPERTIES, 1 << 20);
    let bytes = read.map_err(|error| Error::io("read", path, error))?;
    Ok(bytes.is_some_and(|bytes| bytes.starts_with(OURS)) && !kraft::is_taken(root)?)
}
