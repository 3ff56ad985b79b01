//! Batches, messages and side files made byte by byte: also such as no client and no broker writes.

use std::io::Write;

/// When the first record of what is made here was made.
pub(super) const TIME: i64 = 1_700_000_000_000;

/// A record batch, v2.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) base: i64,
    pub(super) epoch: i32,
    pub(super) attributes: i16,
    /// `None` for what the records come to.
    pub(super) last_delta: Option<i32>,
    pub(super) max_time: Option<i64>,
    pub(super) count: Option<i32>,
    /// Id, epoch, first sequence.
    pub(super) producer: (i64, i16, i32),
    /// Offset delta, time, key and value of each.
    pub(super) records: Vec<(i64, i64, Vec<u8>, Vec<u8>)>,
    /// The records as they are to stand there, whatever `records` says.
    pub(super) payload: Option<Vec<u8>>,
}

impl Made {
    /// Two records, at an offset and the next, a millisecond apart.
    pub(super) fn two(base: i64) -> Made {
        let record = |at: i64| {
            let name = format!("{}", base + at).into_bytes();
            (at, TIME + base + at, name.clone(), [b"value ", &name[..]].concat())
        };
        Made {
            base,
            epoch: 0,
            attributes: 0,
            last_delta: None,
            max_time: None,
            count: None,
            producer: (-1, -1, -1),
            records: vec![record(0), record(1)],
            payload: None,
        }
    }

    /// The marker that ends a transaction of this producer.
    pub(super) fn marker(base: i64, producer: (i64, i16), commits: bool) -> Made {
        let key = [0, 0, 0, u8::from(commits)].to_vec();
        let value = vec![0; 6];
        Made {
            attributes: 0x30,
            producer: (producer.0, producer.1, -1),
            records: vec![(0, TIME + base, key, value)],
            ..Made::two(base)
        }
    }

    /// The records, uncompressed.
    pub(super) fn plain(&self) -> Vec<u8> {
        let first = self.records.first().map_or(0, |record| record.1);
        let mut all = Vec::new();
        for (delta, time, key, value) in &self.records {
            let mut record = vec![0];
            varint(time - first, &mut record);
            varint(*delta, &mut record);
            for bytes in [key, value] {
                varint(bytes.len() as i64, &mut record);
                record.extend_from_slice(bytes);
            }
            varint(0, &mut record);
            varint(record.len() as i64, &mut all);
            all.extend(record);
        }
        all
    }

    /// Its bytes, with the checksum that they have.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let times = || self.records.iter().map(|record| record.1);
        let last = self.records.iter().map(|record| record.0).max().unwrap_or(0);
        let mut covered = self.attributes.to_be_bytes().to_vec();
        covered.extend(self.last_delta.unwrap_or(last as i32).to_be_bytes());
        covered.extend(times().next().unwrap_or(-1).to_be_bytes());
        covered.extend(self.max_time.or(times().max()).unwrap_or(-1).to_be_bytes());
        covered.extend(self.producer.0.to_be_bytes());
        covered.extend(self.producer.1.to_be_bytes());
        covered.extend(self.producer.2.to_be_bytes());
        covered.extend(self.count.unwrap_or(self.records.len() as i32).to_be_bytes());
        covered.extend(self.payload.clone().unwrap_or_else(|| self.plain()));
        let mut batch = self.base.to_be_bytes().to_vec();
        batch.extend((9 + covered.len() as i32).to_be_bytes());
        batch.extend(self.epoch.to_be_bytes());
        batch.push(2);
        batch.extend(crc32c::crc32c(&covered).to_be_bytes());
        batch.extend(covered);
        batch
    }
}

/// Batches behind one another.
pub(super) fn log(batches: &[Made]) -> Vec<u8> {
    batches.iter().flat_map(Made::bytes).collect()
}

fn varint(value: i64, out: &mut Vec<u8>) {
    let mut left = (value << 1 ^ value >> 63) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// A message of format v0 or v1.
pub(super) fn message(magic: u8, offset: i64, attributes: u8, time: i64, value: &[u8]) -> Vec<u8> {
    let mut covered = vec![magic, attributes];
    if magic == 1 {
        covered.extend(time.to_be_bytes());
    }
    covered.extend((-1_i32).to_be_bytes());
    covered.extend((value.len() as i32).to_be_bytes());
    covered.extend(value);
    let mut crc = flate2::Crc::new();
    crc.update(&covered);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend((4 + covered.len() as i32).to_be_bytes());
    message.extend(crc.sum().to_be_bytes());
    message.extend(covered);
    message
}

/// The same bytes in gzip.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// A producer snapshot of producers without batches: id and epoch of each.
pub(super) fn snapshot(producers: &[(i64, i16)]) -> Vec<u8> {
    let mut covered = (producers.len() as i32).to_be_bytes().to_vec();
    for (id, epoch) in producers {
        covered.extend(id.to_be_bytes());
        covered.extend(epoch.to_be_bytes());
        // No batch: sequence, offset, its delta; time, coordinator epoch, open transaction.
        covered.extend((-1_i32).to_be_bytes());
        covered.extend((-1_i64).to_be_bytes());
        covered.extend(0_i32.to_be_bytes());
        covered.extend(TIME.to_be_bytes());
        covered.extend((-1_i32).to_be_bytes());
        covered.extend((-1_i64).to_be_bytes());
    }
    [&[0, 1][..], &crc32c::crc32c(&covered).to_be_bytes(), &covered].concat()
}

/// An entry of a transaction index.
pub(super) fn aborted(producer: i64, first: i64, last: i64, stable: i64) -> Vec<u8> {
    let numbers = [producer, first, last, stable].map(i64::to_be_bytes);
    [&[0, 0][..], &numbers.concat()].concat()
}

/// Entries of an offset index: relative offset and position.
pub(super) fn index(entries: &[(u32, u32)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(at, position)| [at.to_be_bytes(), position.to_be_bytes()].concat())
        .collect()
}

/// Entries of a time index: time and relative offset.
pub(super) fn times(entries: &[(i64, u32)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(time, at)| [&time.to_be_bytes()[..], &at.to_be_bytes()].concat())
        .collect()
}
