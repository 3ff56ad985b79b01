//! CRC-32C (Castagnoli), the checksum of record batches, snapshots and our own files.

/// The checksum of `bytes`.
#[inline]
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// The checksum of some bytes whose checksum is `crc` followed by `bytes`.
#[inline]
pub(crate) fn extend(crc: u32, bytes: &[u8]) -> u32 {
    ::crc32c::crc32c_append(crc, bytes)
}

/// The polynomial, reflected: bit 31 is the coefficient of x^0.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^(8·2^k) modulo the polynomial: what shifting by 2^k bytes multiplies by.
const POWERS: [u32; 32] = {
    let mut powers = [0; 32];
    // x^8, reflected.
    powers[0] = 0x0080_0000;
    let mut k = 1;
    while k < 32 {
        powers[k] = multiply(powers[k - 1], powers[k - 1]);
        k += 1;
    }
    powers
};

/// The product of two polynomials modulo the polynomial, all reflected.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1_u32 << 31;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = if b & 1 == 0 { b >> 1 } else { (b >> 1) ^ POLYNOMIAL };
        bit >>= 1;
    }
    product
}

/// The checksum of some bytes whose checksum is `crc` followed by so many zeros.
pub(crate) fn extend_zeros(crc: u32, len: u64) -> u32 {
    let (mut crc, mut zeros, mut rest, mut run) = (crc, checksum(&[0]), len, 1);
    while rest != 0 {
        if rest & 1 == 1 {
            crc = combine(crc, zeros, run);
        }
        zeros = combine(zeros, zeros, run);
        rest >>= 1;
        run <<= 1;
    }
    crc
}

/// The checksum of two runs of bytes, one behind the other, from the checksum of each and the
/// length of the second. It costs some 32 steps for each bit set in the length: for less than about
/// 4 KiB summing again is as fast.
pub(crate) fn combine(first: u32, second: u32, second_len: u64) -> u32 {
    let mut crc = first;
    let mut rest = second_len;
    let mut k = 0;
    while rest != 0 && k < POWERS.len() {
        if rest & 1 == 1 {
            crc = multiply(POWERS[k], crc);
        }
        rest >>= 1;
        k += 1;
    }
    crc ^ second
}

/// What one byte behind some bytes makes of their checksum, before it is inverted.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The byte whose entry in the table begins with a byte: no two begin with the same.
const BEGINS: [u8; 256] = {
    let mut begins = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        begins[(TABLE[byte] >> 24) as usize] = byte as u8;
        byte += 1;
    }
    begins
};

/// A checksum that grows byte by byte, to be looked at behind each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growing(u32);

impl Growing {
    /// The checksum of no bytes.
    pub(crate) fn new() -> Self {
        Growing(!0)
    }

    /// Takes in the next byte.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        self.0 = (self.0 >> 8) ^ TABLE[((self.0 ^ u32::from(byte)) & 0xff) as usize];
    }

    /// The checksum so far.
    #[inline]
    pub(crate) fn sum(self) -> u32 {
        !self.0
    }
}

/// The only bit of `len` bytes that makes their checksum differ by `difference` when it is flipped:
/// its byte, from the first, and its number in it. None if there is no such bit, or more than one.
///
/// The checksum is linear: what a flipped bit does to it depends on the bit's distance from the end
/// alone. So the difference is led back over the bytes until it is that of a bit in the last one.
pub(crate) fn flipped_bit(difference: u32, len: u64) -> Option<(u64, u8)> {
    let (mut difference, mut found) = (difference, None);
    for byte in (0..len).rev() {
        if let Some(bit) = (0..8).find(|&bit| TABLE[1 << bit] == difference) {
            if found.is_some() {
                return None;
            }
            found = Some((byte, bit));
        }
        let index = BEGINS[(difference >> 24) as usize];
        difference = ((difference ^ TABLE[index as usize]) << 8) | u32::from(index);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_are_summed_without_being_there() {
        for len in [0, 1, 2, 3, 100, 4096, 70_001] {
            let bytes = [b"before".to_vec(), vec![0; len]].concat();
            assert_eq!(extend_zeros(checksum(b"before"), len as u64), checksum(&bytes), "{len}");
        }
    }

    #[test]
    fn the_check_value_is_that_of_the_catalogue() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_lies_and_two_are_not() {
        let whole: Vec<u8> = (0..700).map(|at| (at * 7) as u8).collect();
        for byte in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[byte] ^= 1 << bit;
                let difference = checksum(&whole) ^ checksum(&flipped);
                let found = flipped_bit(difference, whole.len() as u64);
                assert_eq!(found, Some((byte as u64, bit)));
                flipped[(byte + 100) % 700] ^= 2;
                let difference = checksum(&whole) ^ checksum(&flipped);
                assert_eq!(flipped_bit(difference, whole.len() as u64), None);
            }
        }
        assert_eq!(flipped_bit(0, 10_000), None);
    }

    proptest! {
        #[test]
        fn growing_byte_by_byte_equals_summing(bytes: Vec<u8>) {
            let mut growing = Growing::new();
            for &byte in &bytes {
                growing.push(byte);
            }
            prop_assert_eq!(growing.sum(), checksum(&bytes));
        }

        #[test]
        fn combining_equals_summing_the_whole(a: Vec<u8>, b: Vec<u8>) {
            let whole = [a.clone(), b.clone()].concat();
            prop_assert_eq!(combine(checksum(&a), checksum(&b), b.len() as u64), checksum(&whole));
            prop_assert_eq!(extend(checksum(&a), &b), checksum(&whole));
        }
    }
}
