//! `meta.properties`: to which cluster and broker a log directory belongs.
//!
//! | key | what |
//! |-----|------|
//! | `version` | 0 or 1; missing means 0 |
//! | `cluster.id` | the cluster's id; version 1 must have it |
//! | `node.id` | the broker's number, `broker.id` in version 0; version 1 must have it |
//! | `directory.id` | the directory's own id, 22 characters |
//!
//! A store needs none of it, a broker refuses to start on a directory that does not say its own.

use std::fmt;

use super::properties;

const VERSION: &str = "version";
const CLUSTER_ID: &str = "cluster.id";
const NODE_ID: &str = "node.id";
const BROKER_ID: &str = "broker.id";
const DIRECTORY_ID: &str = "directory.id";
/// The version that is written.
const WRITTEN: i32 = 1;

/// What `meta.properties` says: to which cluster and broker a Kafka log directory belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker's number in it.
    pub node_id: Option<i32>,
    /// The directory's id, as text.
    pub directory_id: Option<String>,
    /// Keys that are not known here, and their values: kept.
    pub others: Vec<(String, String)>,
}

/// Why bytes are no such file, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetaPropertiesError {
    /// It is no Java properties file: an escape is none.
    Malformed,
    /// A later version of the format; not corruption.
    UnsupportedVersion(i32),
    /// The value of this key is no number that it could be.
    NotANumber(&'static str),
    /// This key is missing, and version 1 must have it.
    Missing(&'static str),
}

impl fmt::Display for MetaPropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetaPropertiesError::Malformed => f.write_str("malformed properties"),
            MetaPropertiesError::UnsupportedVersion(version) => {
                write!(f, "unsupported version {version}")
            }
            MetaPropertiesError::NotANumber(key) => write!(f, "{key} is not a valid number"),
            MetaPropertiesError::Missing(key) => write!(f, "{key} is missing"),
        }
    }
}

impl std::error::Error for MetaPropertiesError {}

impl MetaProperties {
    /// Reads the file, of version 0 or 1.
    ///
    /// # Errors
    ///
    /// Any [`MetaPropertiesError`].
    pub fn decode(file: &[u8]) -> Result<MetaProperties, MetaPropertiesError> {
        let properties = properties::decode(file).ok_or(MetaPropertiesError::Malformed)?;
        let number = |key: &'static str| {
            let value = properties.iter().find(|(known, _)| known == key).map(|(_, value)| value);
            let number = value.map(|value| value.parse::<i32>()).transpose();
            number
                .ok()
                .filter(|number| number.is_none_or(|number| number >= 0))
                .ok_or(MetaPropertiesError::NotANumber(key))
        };
        let version = number(VERSION)?.unwrap_or(0);
        let node_id_key = match version {
            0 => BROKER_ID,
            1 => NODE_ID,
            _ => return Err(MetaPropertiesError::UnsupportedVersion(version)),
        };
        let mut meta =
            MetaProperties { node_id: number(node_id_key)?, ..MetaProperties::default() };
        for (key, value) in properties {
            match key.as_str() {
                CLUSTER_ID => meta.cluster_id = Some(value),
                DIRECTORY_ID => meta.directory_id = Some(value),
                key if key == VERSION || key == node_id_key => {}
                _ => meta.others.push((key, value)),
            }
        }
        if version == WRITTEN {
            meta.required()?;
        }
        Ok(meta)
    }

    /// What version 1 must have.
    fn required(&self) -> Result<(&str, i32), MetaPropertiesError> {
        let cluster_id = self.cluster_id.as_deref();
        let cluster_id = cluster_id.ok_or(MetaPropertiesError::Missing(CLUSTER_ID))?;
        Ok((cluster_id, self.node_id.ok_or(MetaPropertiesError::Missing(NODE_ID))?))
    }

    /// The file's bytes, of version 1, its keys in order.
    ///
    /// # Errors
    ///
    /// If there is no cluster id or no node id.
    pub fn encode(&self) -> Result<Vec<u8>, MetaPropertiesError> {
        let (cluster_id, node_id) = self.required()?;
        let (version, node_id) = (WRITTEN.to_string(), node_id.to_string());
        let mut all = vec![(VERSION, version.as_str()), (CLUSTER_ID, cluster_id)];
        all.push((NODE_ID, node_id.as_str()));
        all.extend(self.directory_id.as_deref().map(|id| (DIRECTORY_ID, id)));
        let known = [VERSION, CLUSTER_ID, NODE_ID, DIRECTORY_ID, BROKER_ID];
        let others = self.others.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        all.extend(others.map(|(key, value)| (key.as_str(), value.as_str())));
        all.sort_unstable();
        Ok(properties::encode(all.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a broker wrote it.
    const FROM_KAFKA: &[u8] = b"#\n#Mon Nov 23 16:03:03 UTC 2026\nnode.id=1\n\
        directory.id=iIgDlDIo7kwgRMl3zoh1cQ\nversion=1\ncluster.id=c3RyYW5kbGluZS1nb2xkQQ\n";

    fn meta() -> MetaProperties {
        MetaProperties {
            cluster_id: Some("c3RyYW5kbGluZS1nb2xkQQ".into()),
            node_id: Some(1),
            directory_id: Some("iIgDlDIo7kwgRMl3zoh1cQ".into()),
            others: vec![],
        }
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_with_the_same_lines() {
        assert_eq!(MetaProperties::decode(FROM_KAFKA), Ok(meta()));
        let written = b"#\ncluster.id=c3RyYW5kbGluZS1nb2xkQQ\n\
            directory.id=iIgDlDIo7kwgRMl3zoh1cQ\nnode.id=1\nversion=1\n";
        assert_eq!(meta().encode().unwrap(), written);
    }

    #[test]
    fn version_0_is_read_and_becomes_version_1() {
        let old =
            MetaProperties::decode(b"broker.id=7\ncluster.id=x\nfuture\\ key=a\\=b\n").unwrap();
        assert_eq!(
            (old.node_id, &old.others[..]),
            (Some(7), &[("future key".into(), "a=b".into())][..])
        );
        let new = old.encode().unwrap();
        assert_eq!(new, b"#\ncluster.id=x\nfuture\\ key=a\\=b\nnode.id=7\nversion=1\n");
        assert_eq!(MetaProperties::decode(&new), Ok(old));
        assert_eq!(MetaProperties::decode(b""), Ok(MetaProperties::default()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        use MetaPropertiesError::{Malformed, Missing, NotANumber, UnsupportedVersion};
        assert_eq!(MetaProperties::decode(b"version=2\n"), Err(UnsupportedVersion(2)));
        assert_eq!(MetaProperties::decode(b"version=x\n"), Err(NotANumber(VERSION)));
        assert_eq!(MetaProperties::decode(b"broker.id=-1\n"), Err(NotANumber(BROKER_ID)));
        assert_eq!(MetaProperties::decode(b"version=1\ncluster.id=x\n"), Err(Missing(NODE_ID)));
        assert_eq!(MetaProperties::decode(b"version=1\nnode.id=1\n"), Err(Missing(CLUSTER_ID)));
        assert_eq!(MetaProperties::decode(b"version=\\u1\n"), Err(Malformed));
        assert_eq!(MetaProperties::default().encode(), Err(Missing(CLUSTER_ID)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            cluster_id in ".{0,20}",
            node_id in 0..i32::MAX,
            others in prop::collection::btree_map("[a-z. ]{1,9}", ".{0,9}", 0..4),
        ) {
            let others: Vec<_> = others.into_iter().collect();
            let meta = MetaProperties {
                cluster_id: Some(cluster_id), node_id: Some(node_id), others, ..meta()
            };
            prop_assume!(meta.others.iter().all(|(key, _)| key != VERSION));
            prop_assert_eq!(MetaProperties::decode(&meta.encode().unwrap()), Ok(meta));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(file: Vec<u8>) {
            let _ = MetaProperties::decode(&file);
        }
    }
}
