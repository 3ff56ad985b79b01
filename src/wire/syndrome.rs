//! What a flipped bit, or another end, does to a checksum: how damage is explained. Of both checksums
//! that batches have had, CRC-32C and, in messages of old formats, zlib's CRC-32.

use super::crc32c;

/// A checksum of 32 bits, by its polynomial.
#[derive(Debug)]
pub(crate) struct Sum {
    /// What one byte behind some bytes makes of their checksum, before it is inverted.
    table: [u32; 256],
    /// What takes a byte back from a difference of checksums, by the difference's first byte: the
    /// entry of the table that begins with it (no two begin with the same) and which one that is.
    back: [u32; 256],
}

/// CRC-32C, of record batches and our own files.
pub(crate) static CRC32C: Sum = Sum::of(crc32c::POLYNOMIAL);
/// CRC-32, of messages of formats v0 and v1.
pub(crate) static CRC32: Sum = Sum::of(0xedb8_8320);

impl Sum {
    const fn of(polynomial: u32) -> Sum {
        let (mut table, mut back) = ([0; 256], [0; 256]);
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ polynomial };
                bit += 1;
            }
            table[byte] = crc;
            back[(crc >> 24) as usize] = (crc << 8) | byte as u32;
            byte += 1;
        }
        Sum { table, back }
    }

    /// The only bit of `len` bytes that makes their checksum differ by `difference` when it is flipped:
    /// its byte, from the first, and its number in it. None if there is no such bit, or more than one.
    ///
    /// The checksum is linear: what a flipped bit does to it depends on the bit's distance from the end
    /// alone. So the difference is led back over the bytes until it is that of a bit in one.
    pub(crate) fn flipped_bit(&self, difference: u32, len: u64) -> Option<(u64, u8)> {
        let (mut difference, mut found) = (difference, None);
        for byte in (0..len).rev() {
            difference = (difference << 8) ^ self.back[(difference >> 24) as usize];
            // What is left is what was flipped in this byte, if nothing was before it.
            if difference <= 0xff && difference.is_power_of_two() {
                if found.is_some() {
                    return None;
                }
                found = Some((byte, difference.trailing_zeros() as u8));
            }
        }
        found
    }

    /// The checksum of no bytes, which grows byte by byte, to be looked at behind each of them.
    pub(crate) fn growing(&self) -> Growing<'_> {
        Growing { of: self, inverted: !0 }
    }
}

/// The only bit of bytes under a CRC-32C, as [`Sum::flipped_bit`].
pub(crate) fn flipped_bit(difference: u32, len: u64) -> Option<(u64, u8)> {
    CRC32C.flipped_bit(difference, len)
}

/// A checksum that grows byte by byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growing<'a> {
    of: &'a Sum,
    inverted: u32,
}

impl Growing<'_> {
    /// Takes in the next byte.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        let at = ((self.inverted ^ u32::from(byte)) & 0xff) as usize;
        self.inverted = (self.inverted >> 8) ^ self.of.table[at];
    }

    /// The checksum so far.
    #[inline]
    pub(crate) fn sum(self) -> u32 {
        !self.inverted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    type Checksum = fn(&[u8]) -> u32;

    /// Each checksum, and what sums bytes at once.
    fn both() -> [(&'static Sum, Checksum); 2] {
        [(&CRC32C, crc32c::checksum), (&CRC32, crc32)]
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_lies_and_two_are_not() {
        let whole: Vec<u8> = (0..700).map(|at| (at * 7) as u8).collect();
        for (sum, checksum) in both() {
            for byte in 0..whole.len() {
                for bit in 0..8 {
                    let mut flipped = whole.clone();
                    flipped[byte] ^= 1 << bit;
                    let difference = checksum(&whole) ^ checksum(&flipped);
                    let found = sum.flipped_bit(difference, whole.len() as u64);
                    assert_eq!(found, Some((byte as u64, bit)));
                    flipped[(byte + 100) % 700] ^= 2;
                    let difference = checksum(&whole) ^ checksum(&flipped);
                    assert_eq!(sum.flipped_bit(difference, whole.len() as u64), None);
                }
            }
            assert_eq!(sum.flipped_bit(0, 10_000), None);
        }
    }

    proptest! {
        #[test]
        fn growing_byte_by_byte_equals_summing(bytes: Vec<u8>) {
            for (sum, checksum) in both() {
                let mut growing = sum.growing();
                for &byte in &bytes {
                    growing.push(byte);
                }
                prop_assert_eq!(growing.sum(), checksum(&bytes));
            }
        }
    }
}
