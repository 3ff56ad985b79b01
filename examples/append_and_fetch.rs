//! Makes a store, appends records to it, reads them back by offset and by time, and closes it.
//!
//! `cargo run --example append_and_fetch`

use std::error::Error;

use strandline::{Batch, Durability, FetchOptions, Isolation, Record, Store, TopicOptions};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path().join("data"))?;
    let log = store.create_topic("readings", TopicOptions::new())?.partition(0)?;

    // A batch is appended whole or not at all; this one survives a loss of power once it is there.
    let readings = [("kitchen", "21.5"), ("cellar", "14.0"), ("kitchen", "21.7")];
    let mut batch = Batch::new();
    for (minute, (room, degrees)) in readings.iter().enumerate() {
        let time = 1_700_000_000_000 + 60_000 * minute as i64;
        batch.push(Record::new().key(*room).value(*degrees).timestamp(time));
    }
    let appended = log.append(batch, Durability::Synced)?;
    println!("offsets {} to {}", appended.base_offset, appended.last_offset);

    // Records are read where they lie: nothing is copied.
    for record in log.fetch(appended.base_offset, FetchOptions::new())?.records() {
        let record = record?;
        let [key, value] = [record.key(), record.value()].map(Option::unwrap_or_default);
        println!("{}: {} {}", record.offset(), key.escape_ascii(), value.escape_ascii());
    }

    let later = log.offset_for_time(1_700_000_030_000, Isolation::default())?;
    println!("half a minute later: {later:?}");

    // Everything is durable now, and the next opening scans nothing.
    store.close()?;
    Ok(())
}
