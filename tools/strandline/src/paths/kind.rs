//! The kinds of files that Kafka's directories hold, and what their names tell.

use std::path::Path;

use clap::ValueEnum;
use strandline::base_offset_of;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Batches: a segment.
    Log,
    Index,
    #[value(name = "timeindex")]
    TimeIndex,
    #[value(name = "txnindex")]
    TxnIndex,
    /// What is known of producers before an offset.
    Snapshot,
    /// Batches: a snapshot of `KRaft`'s metadata.
    KraftSnapshot,
    /// Offsets of partitions, as text.
    Checkpoint,
    LeaderEpochs,
    PartitionMetadata,
    MetaProperties,
    /// Ours: which segments are sealed.
    Manifest,
    /// Ours: how far the log is durable.
    Watermark,
    /// Ours: who has the log directory.
    Owner,
    /// Ours: the topics and their settings.
    Topics,
}

/// What Kafka puts behind a segment's file name for a while.
const FOR_A_WHILE: [&str; 3] = [".deleted", ".cleaned", ".swap"];

impl Kind {
    /// What a name tells: the suffix, with what Kafka puts behind it for a while, or the whole.
    pub(crate) fn of_name(name: &str) -> Option<Kind> {
        let whole = match name {
            "leader-epoch-checkpoint" => Some(Kind::LeaderEpochs),
            "partition.metadata" => Some(Kind::PartitionMetadata),
            "meta.properties" => Some(Kind::MetaProperties),
            "segments.manifest" => Some(Kind::Manifest),
            "durable.watermark" => Some(Kind::Watermark),
            "strandline.owner" => Some(Kind::Owner),
            "strandline.topics" => Some(Kind::Topics),
            "recovery-point-offset-checkpoint"
            | "replication-offset-checkpoint"
            | "log-start-offset-checkpoint"
            | "cleaner-offset-checkpoint" => Some(Kind::Checkpoint),
            _ => None,
        };
        if whole.is_some() {
            return whole;
        }
        let name = FOR_A_WHILE.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        match Path::new(name).extension()?.to_str()? {
            "log" => Some(Kind::Log),
            "index" => Some(Kind::Index),
            "timeindex" => Some(Kind::TimeIndex),
            "txnindex" => Some(Kind::TxnIndex),
            "snapshot" => Some(Kind::Snapshot),
            "checkpoint" => Some(Kind::KraftSnapshot),
            _ => None,
        }
    }

    /// Its name in options and JSON lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Log => "log",
            Kind::Index => "index",
            Kind::TimeIndex => "timeindex",
            Kind::TxnIndex => "txnindex",
            Kind::Snapshot => "snapshot",
            Kind::KraftSnapshot => "kraft-snapshot",
            Kind::Checkpoint => "checkpoint",
            Kind::LeaderEpochs => "leader-epochs",
            Kind::PartitionMetadata => "partition-metadata",
            Kind::MetaProperties => "meta-properties",
            Kind::Manifest => "manifest",
            Kind::Watermark => "watermark",
            Kind::Owner => "owner",
            Kind::Topics => "topics",
        }
    }

    /// Whether such a file belongs to a segment, and has its base offset in its name.
    pub(crate) fn is_of_a_segment(self) -> bool {
        let of_a_segment =
            [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Snapshot];
        of_a_segment.contains(&self)
    }

    /// Whether a file of that kind lies in a partition's directory, not in the log directory.
    pub(crate) fn is_of_a_partition(self) -> bool {
        // A KRaft broker's log directory has a snapshot of its own to begin with.
        !matches!(
            self,
            Kind::Checkpoint
                | Kind::MetaProperties
                | Kind::Owner
                | Kind::Topics
                | Kind::KraftSnapshot
        )
    }
}

/// Whether a name is that of a segment's `.log` as it is in use, not going or coming.
pub(crate) fn is_segment(path: &Path) -> bool {
    let has = path.extension().is_some_and(|extension| extension == "log");
    has && base_offset_of(path).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds_and_kinds_have_the_names_of_the_options() {
        for (name, kind) in [
            ("00000000000000000000.log", Some(Kind::Log)),
            ("00000000000000000000.timeindex.cleaned", Some(Kind::TimeIndex)),
            ("00000000000000000007-0000000001.checkpoint", Some(Kind::KraftSnapshot)),
            ("replication-offset-checkpoint", Some(Kind::Checkpoint)),
            ("leader-epoch-checkpoint", Some(Kind::LeaderEpochs)),
            ("foo", None),
            (".lock", None),
        ] {
            assert_eq!(Kind::of_name(name), kind, "{name}");
        }
        for kind in Kind::value_variants() {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
        }
    }
}
