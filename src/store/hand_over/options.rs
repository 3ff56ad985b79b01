//! How a store is handed over, and what comes of it.

/// How a store is handed over to Kafka ([`Store::hand_over`](crate::Store::hand_over)).
#[derive(Clone, Debug)]
pub struct HandOverOptions {
    pub(super) release: KafkaRelease,
    pub(super) node_id: Option<i32>,
    pub(super) cluster_id: Option<String>,
    pub(super) controller: (String, u16),
    pub(super) clients: (String, u16),
}

/// A release line of Kafka: which features a cluster begins with, and which settings it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KafkaRelease {
    /// 3.9, and later ones, which go on with 3.9's features.
    V3_9,
    /// 4.3.
    #[default]
    V4_3,
}

impl KafkaRelease {
    /// The features that formatting a directory begins with, the metadata's own version first.
    pub(super) const fn features(self) -> &'static [(&'static str, i16)] {
        match self {
            KafkaRelease::V3_9 => &[("metadata.version", 21)],
            KafkaRelease::V4_3 => &[
                ("metadata.version", 30),
                ("eligible.leader.replicas.version", 1),
                ("group.version", 1),
                ("share.version", 1),
                ("streams.version", 1),
                ("transaction.version", 2),
            ],
        }
    }

    pub(super) const fn metadata_version(self) -> i16 {
        self.features()[0].1
    }
}

impl Default for HandOverOptions {
    fn default() -> Self {
        HandOverOptions::new()
    }
}

impl HandOverOptions {
    /// To Kafka 4.3, as node 1 of a new cluster, on this machine's ports 9092 and 9093.
    pub fn new() -> Self {
        HandOverOptions {
            release: KafkaRelease::default(),
            node_id: None,
            cluster_id: None,
            controller: ("localhost".to_owned(), 9093),
            clients: ("localhost".to_owned(), 9092),
        }
    }

    /// The release that is to start first on the directory. Default: 4.3.
    #[must_use]
    pub fn release(mut self, release: KafkaRelease) -> Self {
        self.release = release;
        self
    }

    /// The number that the broker gets (`node.id`). Default: that of `meta.properties`, else 1.
    #[must_use]
    pub fn node_id(mut self, node_id: u16) -> Self {
        self.node_id = Some(node_id.into());
        self
    }

    /// The cluster's id. Default: that of `meta.properties`, else a new one.
    #[must_use]
    pub fn cluster_id(mut self, cluster_id: impl Into<String>) -> Self {
        self.cluster_id = Some(cluster_id.into());
        self
    }

    /// Where the node's controller will listen: written down as the quorum's first voter, so that
    /// more can join. Default: localhost, 9093.
    #[must_use]
    pub fn controller_at(mut self, host: impl Into<String>, port: u16) -> Self {
        self.controller = (host.into(), port);
        self
    }

    /// Where the broker will listen to clients; only [`HandOver::server_properties`] says it.
    /// Default: localhost, 9092.
    #[must_use]
    pub fn clients_at(mut self, host: impl Into<String>, port: u16) -> Self {
        self.clients = (host.into(), port);
        self
    }
}

/// What was, or would be, handed over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandOver {
    /// The cluster's id: other nodes are formatted with it.
    pub cluster_id: String,
    /// The broker's number.
    pub node_id: i32,
    /// The directory's id.
    pub directory_id: String,
    /// How many topics there are.
    pub topics: usize,
    /// How many partitions they have.
    pub partitions: usize,
    /// How many batches were read and found intact.
    pub batches: u64,
    /// The first producer id that Kafka will give out: above all that were ever given.
    pub next_producer_id: i64,
    /// What is not the same there, for people to read.
    pub notes: Vec<String>,
    /// The settings to start the broker with, `server.properties`.
    pub server_properties: String,
}
