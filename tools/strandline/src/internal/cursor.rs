//! Bytes that are read from the front, as Kafka's clients read theirs: numbers are big-endian,
//! what is missing is an error, and no size is believed.

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// They end too early.
    Short,
    /// A varint goes on behind its fifth or tenth byte; what it came to by then.
    LongVarint(u64),
}

/// What is left of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Unread> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Unread::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unread> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Unread::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Unread> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, Unread> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Unread> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Unread> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Unread> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Unread> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Unread> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Unread> {
        self.array().map(f64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], Unread> {
        self.array()
    }

    /// An unsigned varint of up to five bytes, of which 32 bits count.
    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, Unread> {
        // One of five bytes has 35 bits: the upper ones are dropped.
        self.base_128(5).map(|value| value as u32)
    }

    /// A zig-zag varint of 32 bits.
    pub(crate) fn varint(&mut self) -> Result<i32, Unread> {
        let value = self.unsigned_varint()?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// A zig-zag varint of 64 bits.
    pub(crate) fn varlong(&mut self) -> Result<i64, Unread> {
        let value = self.base_128(10)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn base_128(&mut self, most: u32) -> Result<u64, Unread> {
        let mut value = 0_u64;
        for number in 0..most {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << (7 * number);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unread::LongVarint(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_read_and_those_without_an_end_are_refused() {
        let read = |bytes: &[u8]| Cursor::new(bytes).varint();
        assert_eq!(read(&[0]), Ok(0));
        assert_eq!(read(&[1]), Ok(-1));
        assert_eq!(read(&[0x80, 0x01]), Ok(64));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(i32::MIN));
        assert_eq!(read(&[0x80]), Err(Unread::Short));
        assert_eq!(read(&[0x80; 6]), Err(Unread::LongVarint(0)));
        let mut long = [0xff; 10];
        long[9] = 0x01;
        assert_eq!(Cursor::new(&long).varlong(), Ok(i64::MIN));
    }

    #[test]
    fn what_is_not_there_is_missed_and_nothing_is_taken() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.i32(), Err(Unread::Short));
        assert_eq!(cursor.take(4), Err(Unread::Short));
        assert_eq!((cursor.i16(), cursor.remaining()), (Ok(0x0102), 1));
    }
}
