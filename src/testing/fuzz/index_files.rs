//! Any bytes in the place of an index over a valid log: every answer is what it is without.

use std::sync::OnceLock;

use super::image::{self, Image, NOW};
use super::scratch::{self, Scratch};
use super::support::Script;
use crate::error::{Error, Result};
use crate::index::AbortedTxn;
use crate::log::{FetchOptions, Isolation, MANIFEST, TimestampedOffset, WATERMARK};
use crate::record::Offset;
use crate::testing::Log;

/// A byte that says which index of which log, then its bytes.
pub fn index_files(bytes: &[u8]) {
    let looked_at = look_at(bytes);
    assert!(looked_at.is_ok(), "{looked_at:?}");
}

fn look_at(bytes: &[u8]) -> Result<()> {
    static TRUTHS: [OnceLock<Result<Answers>>; 2] = [OnceLock::new(), OnceLock::new()];
    let mut script = Script::new(bytes);
    let how = script.byte();
    let image = if how & 1 == 0 { image::killed()? } else { image::closed()? };
    let truth = TRUTHS[usize::from(how & 1)].get_or_init(|| answers(image, |_| {}));
    let truth = truth.as_ref().map_err(Error::clone)?;
    let suffix = [".index", ".timeindex", ".txnindex", ".snapshot"][usize::from(how >> 1 & 3)];
    let content = script.rest();
    let mut which = usize::from(how >> 4);
    let found = answers(image, |files| {
        let is_one = |(name, _): &scratch::Named| name.ends_with(suffix);
        let count = files.iter().filter(|file| is_one(file)).count().max(1);
        which %= count;
        if let Some(file) = files.iter_mut().filter(|file| is_one(file)).nth(which) {
            content.clone_into(&mut file.1);
        }
        if how & 8 != 0 {
            // As if Kafka had written it: nothing vouches for an index.
            files.retain(|(name, _)| name != MANIFEST && name != WATERMARK);
        }
    })?;
    assert_eq!(found, *truth);
    Ok(())
}

/// What a log says wherever an index could be asked.
#[derive(Debug, PartialEq)]
struct Answers {
    end: Offset,
    stable: Offset,
    /// For each offset: the first batch's base offset, and the transactions to leave out.
    offsets: Vec<(Offset, Vec<AbortedTxn>)>,
    times: Vec<Option<TimestampedOffset>>,
}

fn answers(image: &Image, change: impl FnOnce(&mut Vec<scratch::Named>)) -> Result<Answers> {
    let mut files = image.files.clone();
    change(&mut files);
    let scratch = Scratch::new()?;
    scratch::fill(&scratch.dir(), &files)?;
    let log = Log::plan(&scratch.path(), &image::config(), NOW)?;
    let log = log.handle();
    let end = log.log_end_offset()?;
    let mut offsets = Vec::new();
    let options = FetchOptions::new().max_bytes(1).isolation(Isolation::ReadCommitted);
    for offset in 0..end {
        let fetched = log.fetch(offset, options)?;
        let first = fetched.batches().next().map_or(-1, |batch| batch.header().base_offset());
        let aborted = fetched.aborted_transactions().unwrap_or_default().to_vec();
        offsets.push((first, aborted));
    }
    let times = (0..95).map(|second| {
        let time = NOW - 91_000 + second * 1000;
        log.offset_for_time(time, Isolation::ReadUncommitted)
    });
    let mut times = times.collect::<Result<Vec<_>>>()?;
    times.push(log.offset_of_max_timestamp(Isolation::ReadUncommitted)?);
    Ok(Answers { end, stable: log.last_stable_offset()?, offsets, times })
}
