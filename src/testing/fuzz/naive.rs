//! A second decoder of batches and records, written from the format's description alone, with
//! nothing of the library in it: slow, plain, one number after the other.

/// What a batch's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base_offset: i64,
    pub(super) size: usize,
    pub(super) leader_epoch: i32,
    pub(super) crc: u32,
    pub(super) attributes: i16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) count: i32,
}

/// Bytes of a header.
pub(super) const HEADER: usize = 61;

/// Where each field of a header begins, and how many bytes it has.
pub(super) const FIELDS: [(usize, usize); 13] = [
    (0, 8),
    (8, 4),
    (12, 4),
    (16, 1),
    (17, 4),
    (21, 2),
    (23, 4),
    (27, 8),
    (35, 8),
    (43, 8),
    (51, 2),
    (53, 4),
    (57, 4),
];

fn number(bytes: &[u8], (at, width): (usize, usize)) -> i64 {
    let mut value = if bytes[at] >= 0x80 { -1 } else { 0 };
    for byte in &bytes[at..at + width] {
        value = value << 8 | i64::from(*byte);
    }
    value
}

/// The header of a whole batch of format v2.
pub(super) fn header(batch: &[u8]) -> Header {
    let get = |field: usize| number(batch, FIELDS[field]);
    Header {
        base_offset: get(0),
        size: get(1) as usize + 12,
        leader_epoch: get(2) as i32,
        crc: get(4) as u32,
        attributes: get(5) as i16,
        last_offset_delta: get(6) as i32,
        base_timestamp: get(7),
        max_timestamp: get(8),
        producer_id: get(9),
        producer_epoch: get(10) as i16,
        base_sequence: get(11) as i32,
        count: get(12) as i32,
    }
}

/// CRC-32C, a bit at a time but for a table of bytes.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0_u32, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) header_count: usize,
    pub(super) headers: &'a [u8],
    /// Whether it is the shortest form, and says nothing that is left out of what is read.
    pub(super) is_canonical: bool,
}

/// Bytes, or null.
struct Nullable<'a>(Option<&'a [u8]>);

/// Reads the records of a payload, one after the other. `None` for one that is none.
pub(super) struct Records<'a> {
    header: Header,
    rest: &'a [u8],
    read: i32,
    is_canonical: bool,
}

impl<'a> Records<'a> {
    pub(super) fn new(header: Header, payload: &'a [u8]) -> Self {
        let rest = if header.count == 0 { &[] } else { payload };
        Records { header, rest, read: 0, is_canonical: true }
    }

    /// How many were read.
    pub(super) fn count(&self) -> i32 {
        self.read
    }

    /// The next one; `None` if what follows is no record, or must not be there.
    pub(super) fn read(&mut self) -> Option<Record<'a>> {
        self.is_canonical = true;
        let len = self.varint(5)? as i32;
        let len = usize::try_from(len).ok()?;
        let (body, behind) = self.rest.split_at_checked(len)?;
        self.rest = body;
        let record = self.body()?;
        if !self.rest.is_empty() || self.read == self.header.count - 1 && !behind.is_empty() {
            return None;
        }
        self.rest = behind;
        self.read += 1;
        Some(record)
    }

    fn body(&mut self) -> Option<Record<'a>> {
        self.is_canonical &= self.byte()? == 0;
        let timestamp_delta = self.varint(10)?;
        let offset_delta = self.varint(5)? as i32;
        self.is_canonical &= offset_delta == self.read;
        let key = self.nullable()?.0;
        let value = self.nullable()?.0;
        let header_count = usize::try_from(self.varint(5)? as i32).ok()?;
        let headers = self.rest;
        for _ in 0..header_count {
            self.nullable()?.0?;
            self.nullable()?;
        }
        let headers = &headers[..headers.len() - self.rest.len()];
        let Header { base_offset, base_timestamp, max_timestamp, attributes, .. } = self.header;
        let offset = i128::from(base_offset) + i128::from(offset_delta);
        let timestamp = if attributes & 8 == 0 {
            i128::from(base_timestamp) + i128::from(timestamp_delta)
        } else {
            i128::from(max_timestamp)
        };
        let offset = i64::try_from(offset).ok().filter(|offset| *offset >= 0)?;
        let timestamp = i64::try_from(timestamp).ok()?;
        let is_canonical = self.is_canonical;
        Some(Record { offset, timestamp, key, value, header_count, headers, is_canonical })
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Zig-zag, of at most so many bytes; with five, 32 bits.
    fn varint(&mut self, most: usize) -> Option<i64> {
        let len = self.rest.iter().take(most).position(|byte| byte & 0x80 == 0)? + 1;
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.is_canonical &= len == 1 || bytes[len - 1] != 0;
        let groups = bytes.iter().rev();
        let whole = groups.fold(0_u128, |sum, byte| sum << 7 | u128::from(byte & 0x7f));
        let bits = if most == 5 { whole as u32 as u64 } else { whole as u64 };
        self.is_canonical &= whole == u128::from(bits);
        let half = (bits >> 1) as i64;
        Some(if bits & 1 == 0 { half } else { -half - 1 })
    }

    fn nullable(&mut self) -> Option<Nullable<'a>> {
        let len = self.varint(5)? as i32;
        let Ok(len) = usize::try_from(len) else {
            self.is_canonical &= len == -1;
            return Some(Nullable(None));
        };
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Nullable(Some(taken)))
    }
}

/// The headers of a record that was read.
pub(super) fn headers<'a>(
    record: &Record<'a>,
) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
    let mut all = Records {
        header: Header { count: 1, ..header(&[0; HEADER]) },
        rest: record.headers,
        read: 0,
        is_canonical: true,
    };
    (0..record.header_count).map_while(move |_| Some((all.nullable()?.0?, all.nullable()?.0)))
}
