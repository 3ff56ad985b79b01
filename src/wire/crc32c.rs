//! CRC-32C (Castagnoli), the checksum of record batches, snapshots and our own files.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of `bytes`.
#[inline]
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    extend(0, bytes)
}

/// The checksum of some bytes whose checksum is `crc` followed by `bytes`.
#[inline]
pub(crate) fn extend(crc: u32, bytes: &[u8]) -> u32 {
    // The state is the checksum before its last inversion.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    digest.finalize() as u32
}

/// The polynomial, reflected: bit 31 is the coefficient of x^0.
pub(super) const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What shifting by 2^k bytes makes of each four bits of a checksum: to multiply by x^(8·2^k) modulo
/// the polynomial is to look up its eight groups.
static SHIFTS: [[[u32; 16]; 8]; 32] = {
    let mut shifts = [[[0; 16]; 8]; 32];
    // x^8, reflected.
    let mut power = 0x0080_0000;
    let mut k = 0;
    while k < 32 {
        let mut group = 0;
        while group < 8 {
            let mut bits = 1;
            while bits < 16 {
                shifts[k][group][bits] = multiply((bits as u32) << (4 * group), power);
                bits += 1;
            }
            group += 1;
        }
        power = multiply(power, power);
        k += 1;
    }
    shifts
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
/// length of the second. It costs eight looks into a table for each bit set in the length: for less
/// than about a KiB summing again is as fast.
pub(crate) fn combine(first: u32, second: u32, second_len: u64) -> u32 {
    let mut crc = first;
    let mut rest = second_len;
    for shift in &SHIFTS {
        if rest == 0 {
            break;
        }
        if rest & 1 == 1 {
            let groups = shift.iter().enumerate();
            crc = groups.fold(0, |sum, (at, group)| sum ^ group[(crc >> (4 * at) & 15) as usize]);
        }
        rest >>= 1;
    }
    crc ^ second
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

    proptest! {
        #[test]
        fn combining_equals_summing_the_whole(a: Vec<u8>, b: Vec<u8>) {
            let whole = [a.clone(), b.clone()].concat();
            prop_assert_eq!(combine(checksum(&a), checksum(&b), b.len() as u64), checksum(&whole));
            prop_assert_eq!(extend(checksum(&a), &b), checksum(&whole));
            prop_assert_eq!(checksum(&whole), ::crc32c::crc32c(&whole));
        }

        #[test]
        fn any_stretch_sums_to_what_another_implementation_says(
            bytes in prop::collection::vec(any::<u8>(), 0..9000),
            from in 0_usize..9000,
            before: u32,
        ) {
            let stretch = &bytes[from.min(bytes.len())..];
            prop_assert_eq!(extend(before, stretch), ::crc32c::crc32c_append(before, stretch));
        }
    }
}
