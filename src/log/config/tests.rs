//! What the settings promise.

use proptest::prelude::*;

use super::*;
use crate::compression::Codec;

fn set(name: &str, value: &str) -> Result<Settings, String> {
    match LogConfig::from_pairs([(name, value)]) {
        Ok(config) => Ok(*config.settings()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn what_was_set_is_given_back_exactly_and_in_order() {
    let pairs = [
        ("retention.ms", "-1"),
        ("message.format.version", "2.8-IV1"),
        ("cleanup.policy", " Compact , DELETE"),
        ("x", ""),
        ("segment.ms", "+007"),
    ];
    let mut config = LogConfig::from_pairs(pairs).unwrap();
    assert_eq!(config.to_pairs().collect::<Vec<_>>(), pairs);
    config.set("x", "y").unwrap();
    assert_eq!(config.to_pairs().nth(3), Some(("x", "y")));
    assert_eq!(LogConfig::new().to_pairs().len(), 0);
}

#[test]
fn a_refused_value_changes_nothing_and_the_error_says_what_is_allowed() {
    let mut config = LogConfig::new();
    let error = config.set("segment.bytes", "13").unwrap_err();
    assert_eq!(
        error.to_string(),
        "segment.bytes cannot be \"13\": it is a whole number from 14 to 2147483647"
    );
    assert_eq!(config, LogConfig::new());
    assert!(set("segment.index.bytes", "11").unwrap_err().contains("cannot be opened"));
    assert_eq!(set("segment.index.bytes", "12").unwrap().segment_index_bytes, 12);
}

#[test]
fn bounds_are_kafkas() {
    let refused = [
        ("segment.ms", "0"),
        ("segment.jitter.ms", "-1"),
        ("index.interval.bytes", "-1"),
        ("preallocate", "yes"),
        ("max.message.bytes", "2147483648"),
        ("flush.messages", "0"),
        ("flush.ms", "0"),
        ("retention.ms", "-2"),
        ("cleanup.policy", "compact,"),
        ("min.cleanable.dirty.ratio", "NaN"),
        ("min.cleanable.dirty.ratio", "1.01"),
        ("compression.type", "none"),
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "18"),
        ("compression.zstd.level", "23"),
        ("message.timestamp.type", "createtime"),
        ("message.timestamp.after.max.ms", "-1"),
        ("max.compaction.lag.ms", "0"),
        ("min.insync.replicas", "0"),
        ("remote.storage.enable", "1"),
    ];
    for (name, value) in refused {
        assert!(set(name, value).is_err(), "{name}={value}");
    }
    for (name, value) in [("compression.gzip.level", "-1"), ("retention.ms", "0")] {
        assert!(set(name, value).is_ok(), "{name}={value}");
    }
}

#[test]
fn negative_retention_is_none_and_so_is_the_default() {
    assert_eq!(DEFAULTS.retention_ms, None);
    assert_eq!(set("retention.ms", "-1").unwrap().retention_ms, None);
    assert_eq!(set("retention.ms", "0").unwrap().retention_ms, Some(0));
    assert_eq!(set("retention.bytes", "-5").unwrap().retention_bytes, None);
    assert_eq!(set("retention.bytes", "5").unwrap().retention_bytes, Some(5));
}

#[test]
fn both_names_of_the_segment_size_count_and_the_internal_one_wins() {
    assert_eq!(set("segment.bytes", "1000").unwrap().segment_bytes(), 1000);
    let pairs = [("internal.segment.bytes", "1000"), ("segment.bytes", "2000000")];
    let config = LogConfig::from_pairs(pairs).unwrap();
    assert_eq!(config.settings().segment_bytes(), 1000);
}

#[test]
fn the_smaller_lag_must_not_exceed_the_larger() {
    let lags = |min, max| {
        LogConfig::new()
            .min_compaction_lag(Duration::from_millis(min))
            .max_compaction_lag(Duration::from_millis(max))
            .check()
    };
    assert_eq!(lags(5, 5), Ok(()));
    let error = lags(6, 5).unwrap_err().to_string();
    assert!(error.ends_with("at most max.compaction.lag.ms, which is 5"), "{error}");
}

#[test]
fn a_builder_s_bad_value_is_told_when_the_settings_are_used() {
    let config = LogConfig::new().segment_bytes(13).segment_time(Duration::ZERO);
    assert_eq!(config.check().unwrap_err().setting, "segment.bytes");
}

#[test]
fn a_codec_keeps_its_own_level_whatever_the_order() {
    let pairs = [("compression.zstd.level", "7"), ("compression.type", "zstd")];
    let want = Compression::from(Codec::Zstd).level(7).ok();
    assert_eq!(LogConfig::from_pairs(pairs).unwrap().settings().compression(), want);
    let built = LogConfig::new().compression(want);
    assert_eq!(built.settings().compression(), want);
    assert_eq!(built.to_pairs().len(), 2);
    assert_eq!(built.compression(None).settings().compression(), None);
    let plain = LogConfig::new().compression(Some(Codec::None.into()));
    assert_eq!(plain.to_pairs().collect::<Vec<_>>(), [("compression.type", "uncompressed")]);
}

#[test]
fn only_a_compacted_log_rolls_for_the_cleaner() {
    let lag = Duration::from_secs(1);
    let config = LogConfig::new().max_compaction_lag(lag);
    assert_eq!(config.settings().max_segment_ms(), DEFAULTS.segment_ms);
    let config = config.cleanup_policy(CleanupPolicy::CompactAndDelete);
    assert_eq!(config.settings().max_segment_ms(), 1000);
    assert!(config.settings().compact && config.settings().delete);
}

proptest! {
    #[test]
    fn settings_survive_the_way_through_pairs(
        bytes in 14..i32::MAX as u32, time in 1..i64::MAX as u64, keep in any::<Option<u32>>(),
        ratio in 0.0..=1.0_f64, unknown in "[a-z.]{1,9}x",
    ) {
        let mut config = LogConfig::new()
            .segment_bytes(bytes)
            .segment_time(Duration::from_millis(time))
            .retention_bytes(keep.map(u64::from))
            .min_cleanable_dirty_ratio(ratio);
        config.set(&unknown, "kept").unwrap();
        prop_assert_eq!(LogConfig::from_pairs(config.to_pairs()), Ok(config));
    }
}
