//! The header of a manifest: whose it is.

use std::fmt;

use crate::log::topic_id::TopicId;
use crate::wire::{Field, crc32c};

/// The header. On disk, 128 big-endian bytes:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     4 | magic, `SLMF` |
/// |  4 |     4 | CRC-32C of bytes 8 to 127 |
/// |  8 |     2 | version, 1 |
/// | 10 |     2 | zero |
/// | 12 |     4 | partition |
/// | 16 |    16 | topic id |
/// | 32 |    96 | zero |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The topic's id. It is not asked whether it is one: the caller compares it.
    pub(crate) topic_id: TopicId,
    /// The partition's number.
    pub(crate) partition: i32,
}

const MAGIC: Field<u32> = Field::at(0);
const CRC: Field<u32> = MAGIC.then();
const VERSION: Field<u16> = CRC.then();
const ZERO: Field<u16> = VERSION.then();
const PARTITION: Field<i32> = ZERO.then();
const TOPIC_ID_HIGH: Field<u64> = PARTITION.then();
const TOPIC_ID_LOW: Field<u64> = TOPIC_ID_HIGH.then();

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = TOPIC_ID_LOW.end() + 96;

const _: () = assert!(VERSION.start() == 8 && PARTITION.start() == 12);
const _: () = assert!(TOPIC_ID_HIGH.start() == 16 && HEADER_LEN == 128, "as the table above says");

/// `SLMF`.
const MAGIC_VALUE: u32 = u32::from_be_bytes(*b"SLMF");
/// The version that is written, and the latest that is read.
const VERSION_VALUE: u16 = 1;

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum HeaderError {
    /// The file ends before the header does.
    Short(usize),
    /// It begins with something else.
    Magic(u32),
    /// The checksum does not fit the bytes.
    Crc {
        /// What the header says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A later version of the format; not corruption. 0 is none either.
    UnsupportedVersion(u16),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Short(len) => write!(f, "header of {len} bytes, it has {HEADER_LEN}"),
            HeaderError::Magic(magic) => write!(f, "header begins with {magic:#010x}"),
            HeaderError::Crc { stored, computed } => {
                write!(f, "header fails its CRC: stored {stored:#010x}, computed {computed:#010x}")
            }
            HeaderError::UnsupportedVersion(version) => {
                write!(f, "unsupported version {version}")
            }
        }
    }
}

impl std::error::Error for HeaderError {}

impl Header {
    /// The header's bytes.
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        MAGIC.set(&mut header, MAGIC_VALUE);
        VERSION.set(&mut header, VERSION_VALUE);
        PARTITION.set(&mut header, self.partition);
        let topic_id = u128::from_be_bytes(self.topic_id.to_bytes());
        TOPIC_ID_HIGH.set(&mut header, (topic_id >> 64) as u64);
        TOPIC_ID_LOW.set(&mut header, topic_id as u64);
        let crc = crc32c::checksum(&header[VERSION.start()..]);
        CRC.set(&mut header, crc);
        header
    }

    /// Reads the header of a file.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, no header, or one of a later version.
    pub(crate) fn decode(file: &[u8]) -> Result<Header, HeaderError> {
        let header = file.first_chunk::<HEADER_LEN>().ok_or(HeaderError::Short(file.len()))?;
        let magic = MAGIC.get(header);
        if magic != MAGIC_VALUE {
            return Err(HeaderError::Magic(magic));
        }
        let (stored, computed) = (CRC.get(header), crc32c::checksum(&header[VERSION.start()..]));
        if stored != computed {
            return Err(HeaderError::Crc { stored, computed });
        }
        let version = VERSION.get(header);
        if version != VERSION_VALUE {
            return Err(HeaderError::UnsupportedVersion(version));
        }
        let (high, low) = (TOPIC_ID_HIGH.get(header), TOPIC_ID_LOW.get(header));
        let topic_id = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let topic_id = TopicId::from_bytes(topic_id);
        Ok(Header { topic_id, partition: PARTITION.get(header) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header = Header {
        topic_id: TopicId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        partition: 0x0102_0304,
    };

    #[test]
    fn a_header_lies_as_the_table_says() {
        let bytes = HEADER.encode();
        assert_eq!(bytes[..4], *b"SLMF");
        assert_eq!(bytes[4..8], crc32c::checksum(&bytes[8..]).to_be_bytes());
        assert_eq!(bytes[8..16], [0, 1, 0, 0, 1, 2, 3, 4]);
        assert_eq!(bytes[16..32], HEADER.topic_id.to_bytes());
        assert_eq!(bytes[32..], [0; 96]);
    }

    #[test]
    fn a_later_version_is_no_damage_and_damage_no_later_version() {
        let mut bytes = HEADER.encode();
        bytes[9] = 2;
        assert!(matches!(Header::decode(&bytes), Err(HeaderError::Crc { .. })));
        let crc = crc32c::checksum(&bytes[8..]);
        CRC.set(&mut bytes, crc);
        assert_eq!(Header::decode(&bytes), Err(HeaderError::UnsupportedVersion(2)));
        assert_eq!(Header::decode(&bytes[..127]), Err(HeaderError::Short(127)));
        assert_eq!(Header::decode(&[0; 128]), Err(HeaderError::Magic(0)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_any_flip_found(
            id: [u8; 16], partition: i32, bit in 0..HEADER_LEN * 8,
        ) {
            let header = Header { topic_id: TopicId::from_bytes(id), partition };
            let mut bytes = header.encode();
            prop_assert_eq!(Header::decode(&bytes), Ok(header));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Header::decode(&bytes).is_err());
        }
    }
}
