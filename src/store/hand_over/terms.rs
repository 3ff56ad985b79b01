//! What is called or meant otherwise in Kafka: settings of topics, and those that a broker is
//! started with.

use std::path::Path;

use super::options::{HandOverOptions, KafkaRelease};

const SEGMENT_BYTES: &str = "segment.bytes";
/// Under this name Kafka 4 takes segments smaller than [`LEAST_SEGMENT_BYTES`].
const SMALL_SEGMENT_BYTES: &str = "internal.segment.bytes";
const LEAST_SEGMENT_BYTES: u64 = 1 << 20;
const RETENTION_MS: &str = "retention.ms";
/// Settings that Kafka 4 has not any more.
const GONE: [&str; 3] = [
    "message.format.version",
    "message.timestamp.difference.max.ms",
    "message.downconversion.enable",
];

/// A topic's settings as `release` gets them, and what is to be said about them.
pub(super) fn settings<'a>(
    set: impl Iterator<Item = (&'a str, &'a str)>,
    release: KafkaRelease,
) -> (Vec<(String, String)>, Vec<String>) {
    let (mut settings, mut notes) = (Vec::new(), Vec::new());
    let set: Vec<_> = set.collect();
    let small = set.iter().find(|(name, _)| *name == SMALL_SEGMENT_BYTES).map(|it| it.1);
    for &(name, value) in &set {
        let is_small = value.trim().parse().is_ok_and(|bytes: u64| bytes < LEAST_SEGMENT_BYTES);
        match (name, release) {
            (SEGMENT_BYTES, KafkaRelease::V4_3) if is_small && small.is_none() => {
                notes.push(format!("{SEGMENT_BYTES}={value} is {SMALL_SEGMENT_BYTES} there"));
                settings.push((SMALL_SEGMENT_BYTES.to_owned(), value.to_owned()));
            }
            (SEGMENT_BYTES, KafkaRelease::V4_3) if is_small => {}
            (SEGMENT_BYTES, KafkaRelease::V3_9) if small.is_some() => {}
            (SMALL_SEGMENT_BYTES, KafkaRelease::V3_9) => {
                notes.push(format!("{SMALL_SEGMENT_BYTES}={value} is {SEGMENT_BYTES} there"));
                settings.push((SEGMENT_BYTES.to_owned(), value.to_owned()));
            }
            (gone, KafkaRelease::V4_3) if GONE.contains(&gone) => {
                notes.push(format!("{gone} is left out: it is no setting there any more"));
            }
            _ => settings.push((name.to_owned(), value.to_owned())),
        }
    }
    if !set.iter().any(|(name, _)| *name == RETENTION_MS) {
        // What is never asked for here is seven days there.
        settings.push((RETENTION_MS.to_owned(), "-1".to_owned()));
    }
    (settings, notes)
}

/// The settings to start the broker with; `internal` are the numbers of partitions of Kafka's own
/// two topics, where they are there.
pub(super) fn server_properties(
    options: &HandOverOptions,
    node_id: i32,
    dir: &Path,
    internal: [Option<usize>; 2],
) -> String {
    let ((host, port), (controller_host, controller_port)) =
        (&options.clients, &options.controller);
    let mut lines = vec![
        "# bin/kafka-server-start.sh with this file starts Kafka on what was handed over."
            .to_owned(),
        "process.roles=broker,controller".to_owned(),
        format!("node.id={node_id}"),
        format!("controller.quorum.bootstrap.servers={controller_host}:{controller_port}"),
        format!(
            "listeners=PLAINTEXT://{host}:{port},CONTROLLER://{controller_host}:{controller_port}"
        ),
        "controller.listener.names=CONTROLLER".to_owned(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned(),
        format!("log.dirs={}", dir.display()),
        "# As long as there is one broker:".to_owned(),
        "offsets.topic.replication.factor=1".to_owned(),
        "transaction.state.log.replication.factor=1".to_owned(),
        "transaction.state.log.min.isr=1".to_owned(),
        "share.coordinator.state.topic.replication.factor=1".to_owned(),
        "share.coordinator.state.topic.min.isr=1".to_owned(),
    ];
    let names = ["offsets.topic.num.partitions", "transaction.state.log.num.partitions"];
    for (name, count) in names.into_iter().zip(internal) {
        lines.extend(count.map(|count| format!("{name}={count}")));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)], release: KafkaRelease) -> Vec<String> {
        let (settings, _) = settings(set.iter().copied(), release);
        settings.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn retention_that_nobody_asked_for_is_off_there_as_well() {
        let kept = [("retention.ms", "1000"), ("x.of.another.version", "y")];
        let same = ["retention.ms=1000", "x.of.another.version=y"];
        assert_eq!(of(&kept, KafkaRelease::V4_3), same);
        assert_eq!(of(&[], KafkaRelease::V3_9), ["retention.ms=-1"]);
    }

    #[test]
    fn small_segments_stay_small_under_the_name_that_the_release_takes() {
        let small = [("segment.bytes", "4096"), ("retention.ms", "-1")];
        let is = ["internal.segment.bytes=4096", "retention.ms=-1"];
        assert_eq!(of(&small, KafkaRelease::V4_3), is);
        assert_eq!(of(&small, KafkaRelease::V3_9), ["segment.bytes=4096", "retention.ms=-1"]);
        let both = [("segment.bytes", "4096"), ("internal.segment.bytes", "100")];
        let is = ["internal.segment.bytes=100", "retention.ms=-1"];
        assert_eq!(of(&both, KafkaRelease::V4_3), is);
        assert_eq!(of(&both, KafkaRelease::V3_9), ["segment.bytes=100", "retention.ms=-1"]);
        let large = [("segment.bytes", "1048576"), ("message.format.version", "2.8")];
        assert_eq!(of(&large, KafkaRelease::V4_3), ["segment.bytes=1048576", "retention.ms=-1"]);
    }
}
