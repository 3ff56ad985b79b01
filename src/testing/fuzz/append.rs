//! What a client sends, appended: accepted, it is readable by another decoder; refused, nothing has
//! changed.

use std::cell::RefCell;

use super::batch::{lie, with_built};
use super::image::NOW;
use super::naive;
use super::scratch::{self, Scratch};
use super::support::{Script, with_copy};
use crate::compression::{Codec, Decompressor};
use crate::error::Result;
use crate::log::{Durability, FetchOptions};
use crate::record::RecordBatch;
use crate::testing::Log;

/// Bytes that are sent: as they are, or a script by which a batch is built and lied in. The first
/// byte says which, and how the topic is set.
pub fn append_batch(bytes: &[u8]) {
    let Some((&how, input)) = bytes.split_first() else { return };
    let sent = if how & 1 == 0 {
        send(how, input)
    } else {
        let mut script = Script::new(input);
        let mut sent = Ok(());
        with_built(&mut script, |script, batch, _| {
            lie(script, batch);
            sent = send(how, batch);
        });
        sent
    };
    assert!(sent.is_ok(), "{sent:?}");
}

fn config(how: u8) -> Vec<(String, String)> {
    let codecs = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
    let codec = codecs.get(usize::from(how >> 4)).unwrap_or(&"producer");
    let mut config = vec![("internal.segment.bytes", "4096"), ("compression.type", codec)];
    if how & 2 != 0 {
        config.push(("message.timestamp.type", "LogAppendTime"));
    }
    if how & 4 != 0 {
        config.push(("cleanup.policy", "compact"));
    }
    if how & 8 != 0 {
        config.push(("max.message.bytes", "300"));
    }
    config.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn send(how: u8, sent: &[u8]) -> Result<()> {
    let scratch = Scratch::new()?;
    let log = Log::open(&scratch.path(), &config(how), NOW)?;
    let handle = log.handle();
    let (end, files) = (handle.log_end_offset()?, scratch::read(&scratch.dir())?);
    let unchanged = || -> Result<bool> {
        Ok(handle.log_end_offset()? == end && scratch::read(&scratch.dir())? == files)
    };
    match handle.append_encoded(sent, Durability::Written) {
        Err(_) => assert!(unchanged()?, "refused, and something has changed"),
        Ok(appended) if appended.last_offset < appended.base_offset => {
            assert!(unchanged()?, "nothing is appended, and something has changed");
        }
        Ok(appended) => {
            assert!(!appended.duplicate && appended.base_offset == end);
            assert_eq!(handle.log_end_offset()?, appended.last_offset + 1);
            let fetched = handle.fetch(end, FetchOptions::new())?;
            compare(sent, fetched.bytes(), how & 2 != 0);
            let count = appended.last_offset - appended.base_offset + 1;
            let read = fetched.records().flatten().count();
            assert_eq!(read as i64, count, "a record that is accepted is not read");
        }
    }
    log.close()
}

/// The records of what was sent and of what is stored are the same, says the other decoder.
fn compare(sent: &[u8], stored: &[u8], append_time: bool) {
    assert!(stored.len() >= naive::HEADER);
    let (old, new) = (naive::header(sent), naive::header(stored));
    assert_eq!(new.size, stored.len(), "one batch");
    assert_eq!(new.crc, naive::crc32c(&stored[21..]), "a wrong checksum");
    assert_eq!((new.count, new.last_offset_delta), (old.count, old.last_offset_delta));
    // Anything below 0 says none, and a batch that is built again says it with −1.
    assert_eq!(new.producer_id.max(-1), old.producer_id.max(-1));
    assert_eq!(new.producer_epoch.max(-1), old.producer_epoch.max(-1));
    assert_eq!(new.base_sequence.max(-1), old.base_sequence.max(-1));
    with_payload(&sent[..old.size], |old_payload| {
        with_payload(stored, |new_payload| {
            let mut before = naive::Records::new(old, old_payload);
            let mut after = naive::Records::new(new, new_payload);
            let mut max_timestamp = -1;
            for n in 0..new.count {
                let (Some(before), Some(after)) = (before.read(), after.read()) else {
                    assert!(n < 0, "record {n} is accepted, and the other decoder refuses it");
                    return;
                };
                assert_eq!((before.key, before.value), (after.key, after.value));
                assert!(naive::headers(&before).eq(naive::headers(&after)), "headers");
                assert!(append_time || before.timestamp == after.timestamp, "timestamps");
                max_timestamp = max_timestamp.max(after.timestamp);
            }
            assert_eq!(new.max_timestamp, if append_time { NOW } else { max_timestamp });
        });
    });
}

fn with_payload(batch: &[u8], work: impl FnOnce(&[u8])) {
    thread_local! {
        static DECOMPRESSOR: RefCell<Decompressor> = RefCell::default();
    }
    let codec = RecordBatch::decode(batch).map(|batch| batch.codec());
    let payload = &batch[naive::HEADER..];
    match codec {
        Ok(Ok(Codec::None)) => work(payload),
        Ok(Ok(codec)) => with_copy(&[], |plain| {
            let inflated = DECOMPRESSOR
                .with_borrow_mut(|with| with.decompress(codec, payload, 64 << 20, plain));
            assert_eq!(inflated, Ok(()), "accepted, and it does not inflate");
            work(plain);
        }),
        _ => assert!(codec.is_ok_and(|codec| codec.is_ok()), "{codec:?}"),
    }
}
