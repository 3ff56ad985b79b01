//! Comparing what the engine reads with what clients read.

use crate::engine::{Bounds, Failure, Partition};
use crate::truth::{Record, Truth};

/// A fetch that holds many batches, and one that asks for less than one.
const MANY: usize = 1 << 20;
const ONE: usize = 1;

/// How the engine's answers about one partition differ from those that clients got; nothing if
/// they do not.
pub(crate) fn differences(partition: &Partition, truth: &Truth) -> Vec<String> {
    let mut differences = Vec::new();
    let mut note = |what: &str, result: Result<Option<String>, Failure>| {
        let text = result.unwrap_or_else(|error| Some(format!("fails: {error}")));
        differences.extend(text.map(|text| format!("{what}: {text}")));
    };
    note("bounds", partition.bounds().map(|ours| differ(&ours, &bounds(truth))));
    note("records", same_records(partition, MANY, false, &truth.records));
    note("records, batch by batch", same_records(partition, ONE, false, &truth.records));
    note("committed records", same_records(partition, MANY, true, &truth.committed));
    note("from the middle", same_from_the_middle(partition, &truth.records));
    for time in &truth.offsets.for_times {
        let found = partition.offset_for_time(time.wanted, time.read_committed);
        let what = format!("for time {}, committed {}", time.wanted, time.read_committed);
        note(&what, found.map(|ours| differ(&ours, &time.found)));
    }
    if let Some(max) = truth.offsets.max_timestamp {
        let found = partition.offset_of_max_timestamp();
        let max = (max.offset >= 0).then_some(max);
        note("of the greatest timestamp", found.map(|ours| differ(&ours, &max)));
    }
    differences
}

/// Every record that fetch after fetch delivers, from the log start on, and the offset at which
/// nothing more comes.
pub(crate) fn read_all(
    partition: &Partition,
    max_bytes: usize,
    committed: bool,
) -> Result<(Vec<Record>, i64), Failure> {
    let mut offset = partition.bounds()?.log_start;
    let mut all = Vec::new();
    loop {
        let (records, next) = partition.fetch(offset, max_bytes, committed)?;
        all.extend(records);
        if next == offset {
            return Ok((all, offset));
        }
        assert!(next > offset, "a fetch at {offset} goes on at {next}");
        offset = next;
    }
}

/// The first record in which they differ.
pub(crate) fn first_difference(ours: &[Record], kafkas: &[Record]) -> Option<String> {
    let same = ours.iter().zip(kafkas).take_while(|(ours, kafkas)| ours == kafkas).count();
    if same == ours.len() && same == kafkas.len() {
        return None;
    }
    let counts = format!("{} records, Kafka's has {}", ours.len(), kafkas.len());
    let (ours, kafkas) = (ours.get(same), kafkas.get(same));
    Some(format!("{counts}; number {same}\nours    {ours:?}\nKafka's {kafkas:?}"))
}

fn bounds(truth: &Truth) -> Bounds {
    Bounds {
        log_start: truth.offsets.earliest.offset,
        log_end: truth.offsets.latest.offset,
        last_stable: truth.offsets.latest_read_committed.offset,
        high_watermark: truth.offsets.latest.offset,
    }
}

fn same_records(
    partition: &Partition,
    max_bytes: usize,
    committed: bool,
    kafkas: &[Record],
) -> Result<Option<String>, Failure> {
    let (ours, end) = read_all(partition, max_bytes, committed)?;
    let bounds = partition.bounds()?;
    let bound = if committed { bounds.last_stable } else { bounds.log_end };
    Ok(first_difference(&ours, kafkas).or_else(|| differ(&end, &bound)))
}

/// A fetch at a record's offset begins with that record, wherever in its batch it is.
fn same_from_the_middle(
    partition: &Partition,
    kafkas: &[Record],
) -> Result<Option<String>, Failure> {
    for kafkas in kafkas.iter().step_by(7) {
        let (records, _) = partition.fetch(kafkas.offset, ONE, false)?;
        if let Some(difference) = differ(&records.first(), &Some(kafkas)) {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

fn differ<T: PartialEq + std::fmt::Debug>(ours: &T, kafkas: &T) -> Option<String> {
    (ours != kafkas).then(|| format!("\nours    {ours:?}\nKafka's {kafkas:?}"))
}
