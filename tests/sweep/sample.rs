//! The logs that are damaged: with everything in them that a log can have, in every state that a
//! process can leave one in.

use strandline::compression::Codec;
use strandline::record::{Batches, ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::testing::sim::{self, Cut, Disk, Image, Order, Sectors};
use strandline::{
    Batch, Clock, Durability, FetchOptions, Log, LogConfig, Record, Store, StoreOptions,
    TopicOptions,
};

/// When everything begins: 2023-11-14.
const START: i64 = 1_700_000_000_000;
/// When the damage is met.
pub(crate) const LATER: i64 = START + 3_600_000;
/// The idempotent producer, and two of transactions.
pub(crate) const IDEMPOTENT: ProducerId = ProducerId(11);
const COMMITS: ProducerId = ProducerId(7);
const ABORTS: ProducerId = ProducerId(8);
pub(crate) const EPOCH: ProducerEpoch = ProducerEpoch(3);

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Closed in order.
    Closed,
    /// Its process died, with batches written and not synced.
    Killed,
    /// Power failed, with batches on their way.
    PowerCut,
}

impl Left {
    pub(crate) const ALL: [Left; 3] = [Left::Closed, Left::Killed, Left::PowerCut];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Left::Closed => "closed",
            Left::Killed => "killed",
            Left::PowerCut => "powercut",
        }
    }
}

/// A store that is being filled.
struct Filling {
    disk: Disk,
    clock: Clock,
    store: Store,
    log: Log,
    sent: u64,
    /// The next sequence numbers of the producers.
    sequences: [i32; 3],
}

pub(crate) fn options(clock: &Clock) -> StoreOptions {
    Store::options().clock(clock.clone()).housekeeping(false)
}

/// Bytes that no codec makes much smaller, the same each time.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 & 0x3f | 0x40
    };
    (0..len).map(|_| byte()).collect()
}

/// The sample of about so many bytes of log, left like that.
pub(crate) fn sample(left: Left, bytes: usize) -> Image {
    let mut filling = Filling::new(Disk::new(Order::Strict, 7));
    let quarter = bytes / 4;
    filling.mixed(quarter);
    filling.log.flush().unwrap();
    filling.die();
    filling.log.roll().unwrap();
    filling.compacted(quarter);
    filling.log.roll().unwrap();
    filling.store.close().unwrap();
    filling.open();
    filling.mixed(quarter - 1_500);
    filling.nested();
    // Begins here, is aborted in the next segment.
    filling.transactional(ABORTS, 2);
    filling.log.roll().unwrap();
    filling.end(ABORTS, TransactionEnd::Abort);
    filling.mixed(quarter - 1_500);
    let middle_of_a_batch = filling.log.log_start_offset().unwrap() + 15;
    filling.log.delete_records(Some(middle_of_a_batch)).unwrap();
    // Stays open.
    filling.transactional(COMMITS, 2);
    filling.idempotent(2);
    filling.log.flush().unwrap();
    filling.tick(600_000);
    filling.store.run_housekeeping(filling.clock.now_ms()).unwrap();
    filling.leave(left)
}

impl Filling {
    fn new(disk: Disk) -> Filling {
        let clock = Clock::manual(START);
        let store = sim::open(&disk, options(&clock)).unwrap();
        let config = LogConfig::from_pairs([
            ("segment.bytes", "1048576"),
            ("index.interval.bytes", "1024"),
            ("segment.index.bytes", "4096"),
            ("file.delete.delay.ms", "0"),
        ]);
        let topic = store.create_topic("events", TopicOptions::new().config(config.unwrap()));
        let log = topic.unwrap().partition(0).unwrap();
        Filling { disk, clock, store, log, sent: 0, sequences: [0; 3] }
    }

    fn open(&mut self) {
        self.store = sim::open(&self.disk, options(&self.clock)).unwrap();
        self.log = self.store.log("events", 0).unwrap();
    }

    fn die(&mut self) {
        let mut image = self.disk.image();
        image.put("meta.properties", META_PROPERTIES.as_bytes().to_vec());
        self.disk = Disk::from(image);
        self.open();
    }

    fn tick(&mut self, ms: i64) {
        self.clock.set(self.clock.now_ms() + ms);
    }

    fn size(&self) -> usize {
        self.log.segments().unwrap().last().map_or(0, |last| last.size_bytes as usize)
    }

    /// A batch of records that differ from all others.
    fn batch(&mut self, records: usize, len: usize) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..records {
            self.sent += 1;
            let (key, value) = (self.sent.to_be_bytes(), noise(self.sent, len));
            let headers = [("trace", Some(&value[..8]))];
            let record = Record::new().key(&key).value(&value);
            batch.push(if self.sent.is_multiple_of(5) { record.headers(&headers) } else { record });
        }
        batch
    }

    fn send(&mut self, mut batch: Batch) {
        self.tick(70);
        assert!(!self.log.append(&mut batch, Durability::Written).unwrap().duplicate);
    }

    fn next_sequence(&mut self, of: ProducerId, records: i32) -> Sequence {
        let place = [IDEMPOTENT, COMMITS, ABORTS].iter().position(|id| *id == of).unwrap();
        let next = self.sequences[place];
        self.sequences[place] += records;
        Sequence(next)
    }

    fn idempotent(&mut self, records: i32) {
        let sequence = self.next_sequence(IDEMPOTENT, records);
        let batch = self.batch(records as usize, 60).producer(IDEMPOTENT, EPOCH, sequence);
        self.send(batch);
    }

    fn transactional(&mut self, of: ProducerId, records: i32) {
        let sequence = self.next_sequence(of, records);
        let batch = self.batch(records as usize, 90).producer(of, EPOCH, sequence);
        self.send(batch.transactional(true));
    }

    fn end(&mut self, of: ProducerId, end: TransactionEnd) {
        self.tick(10);
        self.log.end_transaction((of, EPOCH), end, 0, Durability::Written).unwrap();
    }

    /// Batches of all kinds, until the segment has so many bytes.
    fn mixed(&mut self, bytes: usize) {
        let codecs =
            ["none", "gzip", "snappy", "lz4", "zstd"].map(|it| it.parse::<Codec>().unwrap());
        for round in 0.. {
            let codec = codecs[round % codecs.len()];
            let batch = self.batch(1 + round % 5, 150 + 40 * (round % 4));
            self.send(batch.compression(codec));
            match round % 7 {
                1 => self.idempotent(1 + round as i32 % 3),
                2 => self.transactional(COMMITS, 2),
                3 => self.transactional(ABORTS, 1),
                5 => self.end(COMMITS, TransactionEnd::Commit),
                6 => self.end(ABORTS, TransactionEnd::Abort),
                _ => {}
            }
            if self.size() + 900 > bytes && round % 7 == 6 {
                return;
            }
        }
    }

    /// As compaction leaves it: batches with records taken out of them, and between them.
    fn compacted(&mut self, bytes: usize) {
        for round in 0_i64.. {
            self.tick(70);
            let parts = (0..=(round % 3)).map(|record| {
                self.sent += 1;
                (self.clock.now_ms() + record, self.sent.to_be_bytes(), noise(self.sent, 180))
            });
            let parts: Vec<_> = parts.collect();
            let codec = ["none", "lz4", "none", "zstd"][round as usize % 4];
            let parts = parts
                .iter()
                .map(|(time, key, value)| (*time, Some(&key[..]), Some(&value[..]), &[][..]));
            let built = strandline::testing::build_batch(codec, (-1, -1, -1), false, parts);
            let base =
                self.log.log_end_offset().unwrap() + [0, 1, 40, 3, 2, 0, 9][round as usize % 7];
            // The last record was taken out of some: the batch's own end stays.
            let more = if round % 3 == 0 { 2 } else { 0 };
            let epoch = self.log.leader_epochs().unwrap().last().map_or(0, |last| last.0.0);
            let batch = placed(built.unwrap(), (base, epoch), more);
            self.log.import(&batch, Durability::Synced).unwrap();
            if self.size() + 500 > bytes {
                return;
            }
        }
    }

    /// Records whose values are themselves batches.
    fn nested(&mut self) {
        let end = self.log.log_end_offset().unwrap();
        let parts = [(START, Some(&b"k"[..]), Some(&b"a value within a value"[..]), &[][..])];
        let inner =
            strandline::testing::build_batch("none", (-1, -1, -1), false, parts.into_iter());
        let inner = placed(inner.unwrap(), (end + 1, 1), 0);
        let batch = Batch::of([
            Record::new().key("nested").value(&inner),
            Record::new().key("nested").value(&inner),
        ]);
        self.send(batch);
    }

    fn leave(mut self, left: Left) -> Image {
        let image = match left {
            Left::Closed => {
                self.store.close().unwrap();
                self.disk.image()
            }
            Left::Killed => {
                for _ in 0..4 {
                    self.idempotent(1);
                }
                self.disk.image()
            }
            Left::PowerCut => {
                for _ in 0..4 {
                    self.idempotent(1);
                }
                let image = self.disk.image();
                let kept = vec![true; image.pending().len()];
                image.cut(&Cut { kept, sectors: Sectors::Torn(5) })
            }
        };
        settled(image)
    }
}

/// The same image for every process: the owner file says who made it.
fn settled(mut image: Image) -> Image {
    let owner = String::from_utf8(image.read("strandline.owner").unwrap().to_vec()).unwrap();
    let lines: Vec<_> = owner.lines().filter(|line| !line.starts_with("crc ")).collect();
    let lines = lines.iter().map(|line| if line.starts_with("pid ") { "pid 4711" } else { line });
    let mut text = lines.fold(String::new(), |text, line| text + line + "\n");
    text = format!("{text}crc {:08x}\n", crc32c::crc32c(text.as_bytes()));
    assert_eq!(owner.lines().count(), text.lines().count());
    image.put("strandline.owner", text.into_bytes());
    image
}

/// A batch with this offset and epoch, which ends so much further on than its records do.
fn placed(mut bytes: Vec<u8>, (base, epoch): (i64, i32), more: i32) -> Vec<u8> {
    bytes[0..8].copy_from_slice(&base.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    let delta = i32::from_be_bytes(bytes[23..27].try_into().unwrap()) + more;
    bytes[23..27].copy_from_slice(&delta.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

const META_PROPERTIES: &str = "\
#
#Tue Nov 14 22:13:20 UTC 2023
cluster.id=4L6g3nShT-eMCtK--X86sw
directory.id=Vn0K2tW7QpKsPz1mXoEJxQ
node.id=1
version=1
";

/// All records of a log are readable: each batch is decoded once, and compared as bytes from then
/// on.
pub(crate) fn decode_all(bytes: &[u8], log: &Log) {
    assert!(Batches::new(bytes).all(|batch| batch.is_ok()));
    let mut from = log.log_start_offset().unwrap();
    while from < log.log_end_offset().unwrap() {
        let fetched = log.fetch(from, FetchOptions::new()).unwrap();
        for record in fetched.records() {
            record.unwrap();
        }
        from = fetched.next_offset();
    }
}
