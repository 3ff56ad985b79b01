//! Batches that lie, their checksums right.

/// A batch in the making: what its header says and what follows it.
#[derive(Clone, Debug)]
pub(crate) struct Lie {
    pub(crate) base_offset: i64,
    /// As it is, unless it lies.
    pub(crate) length: Option<i32>,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) producer: (i64, i16, i32),
    pub(crate) count: i32,
    pub(crate) payload: Vec<u8>,
}

/// A batch of these records at an offset.
pub(crate) fn batch(base_offset: i64, records: &[Vec<u8>]) -> Lie {
    let count = records.len() as i32;
    Lie {
        base_offset,
        length: None,
        attributes: 0,
        last_offset_delta: (count - 1).max(0),
        producer: (-1, -1, -1),
        count,
        payload: records.concat(),
    }
}

impl Lie {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(61 + self.payload.len());
        bytes.extend(self.base_offset.to_be_bytes());
        let length = self.length.unwrap_or(49 + self.payload.len() as i32);
        bytes.extend(length.to_be_bytes());
        bytes.extend(0_i32.to_be_bytes());
        bytes.push(2);
        bytes.extend([0; 4]);
        bytes.extend(self.attributes.to_be_bytes());
        bytes.extend(self.last_offset_delta.to_be_bytes());
        bytes.extend(1_700_000_000_000_i64.to_be_bytes());
        bytes.extend(1_700_000_000_000_i64.to_be_bytes());
        bytes.extend(self.producer.0.to_be_bytes());
        bytes.extend(self.producer.1.to_be_bytes());
        bytes.extend(self.producer.2.to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(&self.payload);
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes
    }
}

/// A zig-zag varint.
pub(crate) fn varint(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// What a record holds, and says of what it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Added to its true size.
    pub(crate) more: i64,
    pub(crate) key: i64,
    pub(crate) value: i64,
    pub(crate) headers: i64,
}

/// A record of a one-byte key and value that says these sizes.
pub(crate) fn record(delta: i64, sizes: Sizes) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(varint(delta));
    body.extend(varint(sizes.key));
    body.push(b'k');
    body.extend(varint(sizes.value));
    body.push(b'v');
    body.extend(varint(sizes.headers));
    let mut record = varint((body.len() as i64).wrapping_add(sizes.more));
    record.extend(body);
    record
}

/// One that is as it says.
pub(crate) fn honest(delta: i64) -> Vec<u8> {
    record(delta, Sizes { more: 0, key: 1, value: 1, headers: 0 })
}
