//! What a sample holds and answers before anything happens to it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use strandline::AbortedTxn;
use strandline::record::Batches;
use strandline::testing::sim::{Disk, Image};

use crate::answers::{Answers, aborted, by_time, open};
use crate::sample::{Left, decode_all, sample};

/// A batch that can be read, and where it lies.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer: Option<i64>,
    /// The sequence of its first record.
    pub(crate) sequence: i32,
    /// Which of the log files.
    pub(crate) file: usize,
    pub(crate) place: Range<usize>,
    pub(crate) is_durable: bool,
}

/// A file of a sample.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Arc<Vec<u8>>,
    /// If it is a `.log`: the batches in it that can be read.
    pub(crate) batches: Range<usize>,
    /// If it is one: bytes and CRC-32C of the whole, as the manifest has them.
    pub(crate) entry: Option<(usize, u32)>,
    /// If it is one: whether some offsets are not there.
    pub(crate) has_holes: bool,
}

/// A sample and all that is to be known of it.
pub(crate) struct Truth {
    pub(crate) left: Left,
    pub(crate) image: Image,
    pub(crate) files: Vec<File>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) answers: Answers,
    pub(crate) aborted: Vec<AbortedTxn>,
    pub(crate) epochs: Vec<(i32, i64)>,
    pub(crate) times: Vec<i64>,
    pub(crate) by_time: Vec<Option<i64>>,
}

const MANIFEST: &str = "events-0/segments.manifest";

/// Base offset, bytes and CRC-32C of each `.log` that the manifest has as sealed or closed.
fn entries(manifest: &[u8]) -> BTreeMap<i64, (usize, u32)> {
    let number =
        |entry: &[u8], at: usize| i64::from_be_bytes(entry[at..at + 8].try_into().unwrap());
    let mut found = BTreeMap::new();
    for entry in manifest[128..].chunks_exact(128).filter(|entry| matches!(entry[4], 1 | 2)) {
        let crc = u32::from_be_bytes(entry[40..44].try_into().unwrap());
        found.insert(number(entry, 16), (number(entry, 32) as usize, crc));
    }
    found
}

impl Truth {
    pub(crate) fn new(left: Left, bytes: usize) -> Truth {
        let image = sample(left, bytes);
        let opened = open(Disk::from(image.clone())).unwrap();
        assert_eq!(opened.store.warnings(), [""; 0]);
        let answers = Answers::of(&opened.log).unwrap();
        assert_eq!((&answers.gap, &answers.reports[..]), (&None, &[][..]));
        decode_all(&answers.bytes, &opened.log);
        let entries = entries(image.read(MANIFEST).unwrap());
        let (mut files, mut batches) = (Vec::new(), Vec::new());
        for (number, path) in image.files().into_iter().enumerate() {
            let bytes = Arc::new(image.read(&path).unwrap().to_vec());
            let first = batches.len();
            let mut file = File { path, bytes, batches: 0..0, entry: None, has_holes: false };
            if let Some(base) = base_of(&file.path) {
                file.read_batches(number, base, &answers, &mut batches);
                file.entry = entries.get(&base).copied().filter(|it| it.0 == file.bytes.len());
            }
            file.batches = first..batches.len();
            files.push(file);
        }
        let times = batches.iter().step_by(3).map(|batch: &Batch| batch.max_timestamp);
        let mut times: Vec<_> = times.chain([0, i64::MAX]).collect();
        times.dedup();
        let by_time = times.iter().map(|time| by_time(&opened.log, *time).unwrap()).collect();
        let epochs = opened.log.leader_epochs().unwrap();
        let epochs = epochs.into_iter().map(|(epoch, at)| (epoch.0, at)).collect();
        let aborted = aborted(&opened.log).unwrap();
        assert!(aborted.len() > 3 && answers.stable < answers.end, "{aborted:?}");
        Truth { left, image, files, batches, answers, aborted, epochs, times, by_time }
    }

    /// The bytes of a batch.
    pub(crate) fn bytes(&self, batch: &Batch) -> &[u8] {
        &self.files[batch.file].bytes[batch.place.clone()]
    }
}

/// The base offset that a `.log` is named for.
fn base_of(path: &str) -> Option<i64> {
    path.rsplit('/').next()?.strip_suffix(".log")?.parse().ok()
}

impl File {
    fn read_batches(&mut self, file: usize, base: i64, answers: &Answers, to: &mut Vec<Batch>) {
        let (mut at, mut expected) = (0, base);
        for batch in Batches::new(&self.bytes).map_while(Result::ok) {
            let header = batch.header();
            let place = at..at + batch.bytes().len();
            at = place.end;
            self.has_holes |= header.base_offset() != expected;
            expected = header.next_offset();
            if header.next_offset() <= answers.start || header.next_offset() > answers.end {
                continue;
            }
            to.push(Batch {
                base: header.base_offset(),
                next: header.next_offset(),
                max_timestamp: header.max_timestamp().unwrap_or(-1),
                producer: header.producer_id().map(|id| id.0),
                sequence: i32::from_be_bytes(batch.bytes()[53..57].try_into().unwrap()),
                file,
                place,
                is_durable: header.next_offset() <= answers.durable,
            });
        }
    }
}
