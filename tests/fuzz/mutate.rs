//! Mutations of inputs, drawn from a seed.

/// Numbers that look random and come from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (((self.next() >> 32) * end as u64) >> 32) as usize
    }
}

/// Numbers that decoders get wrong.
const INTERESTING: [i64; 20] = [
    0,
    1,
    -1,
    2,
    -2,
    7,
    16,
    49,
    61,
    127,
    128,
    255,
    0x7fff,
    0xffff,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];

/// Pieces that texts are made of.
const WORDS: [&[u8]; 20] = [
    b"\n",
    b"\r\n",
    b" ",
    b"0",
    b"-1",
    b"=",
    b"%3D",
    b"\\u00e9",
    b"crc -\n",
    b"version 1\n",
    b"0\n1\n",
    b"t 0 9223372036854775807\n",
    b"2147483648",
    b"topic t\n",
    b"state live\n",
    b"config a=b\n",
    b"\"",
    b"}",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\x0f",
];

/// Longer than this nothing grows by mutation.
const MOST_BYTES: usize = 4096;

/// Puts a mutation of one of `corpus` into `input`.
pub(crate) fn mutate(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    input.clear();
    input.extend_from_slice(&corpus[dice.below(corpus.len())]);
    for _ in 0..=dice.below(8).min(dice.below(8)) {
        step(dice, corpus, input);
    }
}

fn step(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    let at = dice.below(input.len() + 1);
    let some = 1 + dice.below(16);
    match dice.below(12) {
        0 | 1 => drop(input.get_mut(at).map(|byte| *byte ^= 1 << (some % 8))),
        2 => drop(input.get_mut(at).map(|byte| *byte = dice.next() as u8)),
        3 | 4 => number(dice, at, input),
        5 => input.truncate(at),
        6 if input.len() < MOST_BYTES => {
            let fill = dice.next();
            input.extend(
                (0..some * 4).map(|at| if fill & 1 == 0 { 0 } else { (fill >> (at % 57)) as u8 }),
            );
        }
        7 if input.len() < MOST_BYTES => {
            let end = (at + some * 4).min(input.len());
            input.extend_from_within(at..end);
        }
        8 => drop(input.drain(at..(at + some).min(input.len()))),
        9 => {
            let other = &corpus[dice.below(corpus.len())];
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        10 => {
            let word = WORDS[dice.below(WORDS.len())];
            drop(input.splice(at..at, word.iter().copied()));
        }
        _ => {
            let to = dice.below(input.len() + 1);
            let len = (some * 2).min(input.len() - at.max(to));
            let (low, high) = (at.min(to), at.max(to));
            if low + len <= high {
                let (first, second) = input.split_at_mut(high);
                first[low..low + len].swap_with_slice(&mut second[..len]);
            }
        }
    }
}

/// A number that decoders get wrong where a field may be.
fn number(dice: &mut Dice, at: usize, input: &mut [u8]) {
    let width = 1 << dice.below(4);
    let aligned = if dice.below(2) == 0 { at } else { at & !(width - 1) };
    let number = match dice.below(4) {
        0 => dice.next() as i64 >> dice.below(64),
        _ => INTERESTING[dice.below(INTERESTING.len())],
    };
    if let Some(field) = input.get_mut(aligned..aligned + width) {
        field.copy_from_slice(&number.to_be_bytes()[8 - width..]);
    }
}
