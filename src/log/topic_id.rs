//! A topic's id: sixteen bytes, and the text that Kafka makes of them.

use std::fmt;
use std::str::FromStr;

/// Identifies a topic for good: a topic that is deleted and made again has another one. As text, 22
/// characters of URL-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId([u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of the text.
const TEXT_LEN: usize = 22;
/// Bits that 22 characters have more than 16 bytes: always zero.
const SPARE_BITS: u32 = TEXT_LEN as u32 * 6 - u128::BITS;

impl TopicId {
    /// An id of these bytes. All zeros are Kafka's "no id"; no text gives it.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        TopicId(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Whether it is Kafka's "no id".
    pub const fn is_zero(self) -> bool {
        u128::from_be_bytes(self.0) == 0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = [0; TEXT_LEN];
        for (at, character) in text.iter_mut().rev().enumerate() {
            let six_bits = match (at as u32 * 6).checked_sub(SPARE_BITS) {
                Some(shift) => (bits >> shift) & 0x3f,
                None => (bits << SPARE_BITS) & 0x3f,
            };
            *character = ALPHABET[six_bits as usize];
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// Why a text is no topic id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicIdError {
    /// It has another number of bytes than 22.
    Length(usize),
    /// It is not what these sixteen bytes are written as: a character outside the alphabet, or a
    /// last one with bits to spare.
    Malformed,
    /// Kafka's "no id", all zeros.
    Zero,
}

impl fmt::Display for TopicIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicIdError::Length(length) => {
                write!(f, "topic id of {length} characters, it must be {TEXT_LEN}")
            }
            TopicIdError::Malformed => f.write_str("topic id is not URL-safe base64"),
            TopicIdError::Zero => f.write_str("topic id is all zeros"),
        }
    }
}

impl std::error::Error for TopicIdError {}

impl FromStr for TopicId {
    type Err = TopicIdError;

    fn from_str(text: &str) -> Result<Self, TopicIdError> {
        if text.len() != TEXT_LEN {
            return Err(TopicIdError::Length(text.len()));
        }
        let mut bits = 0_u128;
        for (at, character) in text.bytes().enumerate() {
            let six_bits = ALPHABET.iter().position(|&known| known == character);
            let six_bits = six_bits.ok_or(TopicIdError::Malformed)? as u128;
            if at + 1 < TEXT_LEN {
                bits = bits << 6 | six_bits;
            } else if six_bits & ((1 << SPARE_BITS) - 1) == 0 {
                bits = bits << (6 - SPARE_BITS) | six_bits >> SPARE_BITS;
            } else {
                return Err(TopicIdError::Malformed);
            }
        }
        if bits == 0 {
            return Err(TopicIdError::Zero);
        }
        Ok(TopicId(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        let mut bytes = [0; 16];
        bytes[7] = 1;
        bytes[15] = 2;
        assert_eq!(TopicId::from_bytes(bytes).to_string(), "AAAAAAAAAAEAAAAAAAAAAg");
        let from_broker: TopicId = "gMflXnwDS2K7CfvVf3do3Q".parse().unwrap();
        assert_eq!(from_broker.to_bytes()[..4], [0x80, 0xc7, 0xe5, 0x5e]);
        assert_eq!(from_broker.to_string(), "gMflXnwDS2K7CfvVf3do3Q");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let refused = |text: &str| text.parse::<TopicId>().unwrap_err();
        assert_eq!(refused("AAAAAAAAAAAAAAAAAAAAAA"), TopicIdError::Zero);
        assert_eq!(refused("gMflXnwDS2K7CfvVf3do3R"), TopicIdError::Malformed);
        assert_eq!(refused("gMflXnwDS2K7CfvVf3do+Q"), TopicIdError::Malformed);
        assert_eq!(refused("gMflXnwDS2K7CfvVf3do3Q=="), TopicIdError::Length(24));
        assert_eq!(refused(""), TopicIdError::Length(0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: [u8; 16]) {
            let id = TopicId::from_bytes(bytes);
            prop_assume!(!id.is_zero());
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[A-Za-z0-9_=-]{20,24}|.{0,30}") {
            if let Ok(id) = text.parse::<TopicId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
