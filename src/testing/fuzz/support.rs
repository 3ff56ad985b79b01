//! What the bodies share: decisions drawn from bytes, and room that is used again.

use std::cell::RefCell;

use crate::wire::Field;

/// Decisions, drawn from the front of an input. Behind its end everything is 0.
#[derive(Clone, Debug)]
pub(super) struct Script<'a> {
    rest: &'a [u8],
}

/// Numbers that decoders get wrong.
const INTERESTING: [i64; 24] = [
    0,
    -1,
    1,
    -2,
    2,
    61,
    63,
    64,
    127,
    128,
    255,
    256,
    0x7fff,
    -0x8000,
    0xffff,
    0x1_0000,
    i32::MAX as i64,
    i32::MIN as i64,
    i32::MAX as i64 - 1,
    u32::MAX as i64,
    1 << 32,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Script { rest: bytes }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::from(self.u16()) % end
    }

    /// At most `most` of the next bytes; how many, the first of them says.
    pub(super) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let len = usize::from(self.byte()).min(most).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    /// Everything that is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A number: one that decoders get wrong, or any.
    pub(super) fn number(&mut self) -> i64 {
        let which = usize::from(self.byte());
        match INTERESTING.get(which) {
            Some(&number) => number,
            None if which < 128 => i64::from(self.u16() as i16),
            None => i64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }
}

thread_local! {
    static ROOM: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends an empty buffer that keeps its room from one input to the next.
pub(super) fn with_room<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = ROOM.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.clear();
    let result = work(&mut buffer);
    ROOM.with_borrow_mut(|room| room.push(buffer));
    result
}

/// Calls `work` with a copy of `bytes` that it may change.
pub(super) fn with_copy<T>(bytes: &[u8], work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    with_room(|copy| {
        copy.extend_from_slice(bytes);
        work(copy)
    })
}

/// Puts right the checksum of `layout`, which covers everything from `covered` on. Nothing if the
/// layout is too short for it.
pub(super) fn mend(layout: &mut [u8], crc: Field<u32>, covered: usize) {
    if layout.len() >= covered.max(crc.end()) {
        let sum = crate::wire::crc32c::checksum(&layout[covered..]);
        crc.set(layout, sum);
    }
}
