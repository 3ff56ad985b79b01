//! `durable.watermark`: how far a partition's log is durable.
//!
//! Two slots, in two sectors, each with its own checksum; the valid one of the higher generation is
//! in force. A write that a power loss tears costs one slot: what it says may lag, it never leads.
//! A slot that moves the point up goes into the other slot; any other change into both, each synced
//! in turn, before what it announces.

use std::fmt;

use crate::record::{LeaderEpoch, Offset};
use crate::wire::{Field, crc32c};

/// The last batch below some place of a segment: by it a slot or a manifest entry is known to
/// belong to the bytes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastBatch {
    /// Where in its `.log` it begins.
    pub(crate) position: u64,
    /// The checksum that it carries.
    pub(crate) crc: u32,
}

/// One slot. On disk, 64 big-endian bytes:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     4 | magic, `SLWM` |
/// |  4 |     4 | CRC-32C of bytes 8 to 63 |
/// |  8 |     8 | generation |
/// | 16 |     8 | base offset of the segment |
/// | 24 |     8 | point: bytes of that `.log` known durable |
/// | 32 |     8 | durable end |
/// | 40 |     8 | position of the last batch below the point, −1 none |
/// | 48 |     4 | that batch's CRC field |
/// | 52 |     4 | highest leader epoch, −1 none |
/// | 56 |     4 | opening number |
/// | 60 |     2 | flags: bit 0 clean, bit 1 gaps; the others are kept |
/// | 62 |     2 | zero; not looked at |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Grows by one with each slot that is written.
    pub(crate) generation: u64,
    /// Base offset of the segment that the point lies in.
    pub(crate) base_offset: Offset,
    /// Bytes of that segment's `.log` that are durable.
    pub(crate) point: u64,
    /// First offset that is not.
    pub(crate) durable_end: Offset,
    /// The last batch below the point; none if the point is 0.
    pub(crate) last_batch: Option<LastBatch>,
    /// The highest leader epoch that any batch of the log has, or may get.
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    /// By it the slot is known to be of the store that reads it.
    pub(crate) opening: i32,
    /// The log was closed, and nothing written since.
    pub(crate) clean: bool,
    /// Offsets may be left out, and epochs may fall, behind the sealed segments.
    pub(crate) gaps: bool,
    /// Flags that this version does not know; 0 in a new slot.
    pub(crate) unknown_flags: u16,
}

const MAGIC: Field<u32> = Field::at(0);
const CRC: Field<u32> = MAGIC.then();
const GENERATION: Field<u64> = CRC.then();
const BASE_OFFSET: Field<i64> = GENERATION.then();
const POINT: Field<u64> = BASE_OFFSET.then();
const DURABLE_END: Field<i64> = POINT.then();
const LAST_BATCH_POSITION: Field<i64> = DURABLE_END.then();
const LAST_BATCH_CRC: Field<u32> = LAST_BATCH_POSITION.then();
const LEADER_EPOCH: Field<i32> = LAST_BATCH_CRC.then();
const OPENING: Field<i32> = LEADER_EPOCH.then();
const FLAGS: Field<u16> = OPENING.then();
const ZERO: Field<u16> = FLAGS.then();

/// Bytes of a slot.
pub(crate) const SLOT_LEN: usize = ZERO.end();
/// Where the slots lie: no sector holds parts of both.
pub(crate) const SLOT_AT: [usize; 2] = [0, 512];
/// Bytes of the file.
pub(crate) const FILE_LEN: usize = 1024;

const _: () = assert!(GENERATION.start() == 8 && LAST_BATCH_POSITION.start() == 40);
const _: () = assert!(FLAGS.start() == 60 && SLOT_LEN == 64, "as the table above says");

/// `SLWM`.
const MAGIC_VALUE: u32 = u32::from_be_bytes(*b"SLWM");
const CLEAN: u16 = 1;
const GAPS: u16 = 2;
const NONE: i64 = -1;
/// The most bytes that a `.log` can have: Kafka opens no larger one.
pub(super) const MOST_LOG_BYTES: u64 = i32::MAX as u64;

/// Why bytes are no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum SlotError {
    /// The file ends before the slot does.
    Short,
    /// It begins with something else.
    Magic(u32),
    /// The checksum does not fit the bytes.
    Crc {
        /// What the slot says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The checksum fits, but no log can be so: an offset is negative, the durable end lies below
    /// the segment, the point beyond any segment, or the last batch not below the point.
    Impossible,
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SlotError::Short => f.write_str("the file ends inside the slot"),
            SlotError::Magic(magic) => write!(f, "slot begins with {magic:#010x}"),
            SlotError::Crc { stored, computed } => {
                write!(f, "slot fails its CRC: stored {stored:#010x}, computed {computed:#010x}")
            }
            SlotError::Impossible => f.write_str("slot holds impossible values"),
        }
    }
}

impl std::error::Error for SlotError {}

impl Slot {
    /// The slot's bytes.
    pub(crate) fn encode(&self) -> [u8; SLOT_LEN] {
        let mut slot = [0; SLOT_LEN];
        MAGIC.set(&mut slot, MAGIC_VALUE);
        GENERATION.set(&mut slot, self.generation);
        BASE_OFFSET.set(&mut slot, self.base_offset);
        POINT.set(&mut slot, self.point);
        DURABLE_END.set(&mut slot, self.durable_end);
        let position = self.last_batch.map_or(NONE, |batch| batch.position as i64);
        LAST_BATCH_POSITION.set(&mut slot, position);
        LAST_BATCH_CRC.set(&mut slot, self.last_batch.map_or(0, |batch| batch.crc));
        LEADER_EPOCH.set(&mut slot, LeaderEpoch::to_wire(self.leader_epoch));
        OPENING.set(&mut slot, self.opening);
        let known = if self.clean { CLEAN } else { 0 } | if self.gaps { GAPS } else { 0 };
        FLAGS.set(&mut slot, known | self.unknown_flags & !(CLEAN | GAPS));
        let crc = crc32c::checksum(&slot[GENERATION.start()..]);
        CRC.set(&mut slot, crc);
        slot
    }

    /// Reads a slot; none if it was never written, all zeros.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, or are no slot.
    pub(crate) fn decode(slot: &[u8]) -> Result<Option<Slot>, SlotError> {
        let Some(slot) = slot.first_chunk::<SLOT_LEN>() else {
            let is_empty = slot.iter().all(|&byte| byte == 0);
            return if is_empty { Ok(None) } else { Err(SlotError::Short) };
        };
        if *slot == [0; SLOT_LEN] {
            return Ok(None);
        }
        let magic = MAGIC.get(slot);
        if magic != MAGIC_VALUE {
            return Err(SlotError::Magic(magic));
        }
        let (stored, computed) = (CRC.get(slot), crc32c::checksum(&slot[GENERATION.start()..]));
        if stored != computed {
            return Err(SlotError::Crc { stored, computed });
        }
        let flags = FLAGS.get(slot);
        let position = LAST_BATCH_POSITION.get(slot);
        let crc = LAST_BATCH_CRC.get(slot);
        let slot = Slot {
            generation: GENERATION.get(slot),
            base_offset: BASE_OFFSET.get(slot),
            point: POINT.get(slot),
            durable_end: DURABLE_END.get(slot),
            last_batch: u64::try_from(position).ok().map(|position| LastBatch { position, crc }),
            leader_epoch: LeaderEpoch::from_wire(LEADER_EPOCH.get(slot)),
            opening: OPENING.get(slot),
            clean: flags & CLEAN != 0,
            gaps: flags & GAPS != 0,
            unknown_flags: flags & !(CLEAN | GAPS),
        };
        if slot.is_possible() { Ok(Some(slot)) } else { Err(SlotError::Impossible) }
    }

    fn is_possible(&self) -> bool {
        self.base_offset >= 0
            && self.durable_end >= self.base_offset
            && self.point <= MOST_LOG_BYTES
            && self.last_batch.is_none_or(|batch| batch.position < self.point)
    }
}

/// What a `durable.watermark` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// The slot in force; none if no slot is valid.
    pub(crate) current: Option<Slot>,
    /// Its number, 0 or 1. Where the next one goes is [`Slots::other`].
    pub(crate) which: usize,
    /// Whether a slot that is not in force is damaged, which is more than never written.
    pub(crate) other_invalid: bool,
}

/// Finds the slot in force in a whole file, which may be too short. Of two slots of one generation
/// it is the first.
pub(crate) fn in_force(file: &[u8]) -> Slots {
    let [first, second] = SLOT_AT.map(|at| Slot::decode(file.get(at..).unwrap_or_default()));
    let generation = |slot: &Result<Option<Slot>, _>| {
        slot.as_ref().ok().and_then(Option::as_ref).map(|slot| slot.generation)
    };
    let (which, current, other) = if generation(&first) >= generation(&second) {
        (0, first, second)
    } else {
        (1, second, first)
    };
    let other_invalid = other.is_err() || current.is_err();
    Slots { current: current.unwrap_or(None), which, other_invalid }
}

/// A whole file with the same slot twice, as a new partition has it and as a change goes in that
/// does not just move the point up. An existing file is not replaced but written slot by slot.
pub(crate) fn new_file(slot: &Slot) -> [u8; FILE_LEN] {
    let mut file = [0; FILE_LEN];
    for at in SLOT_AT {
        file[at..at + SLOT_LEN].copy_from_slice(&slot.encode());
    }
    file
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(generation: u64) -> Slot {
        Slot {
            generation,
            base_offset: 100,
            point: 2610,
            durable_end: 200,
            last_batch: Some(LastBatch { position: 2500, crc: 0xdead_beef }),
            leader_epoch: Some(LeaderEpoch(7)),
            opening: 0x1234_5678,
            clean: true,
            gaps: false,
            unknown_flags: 0,
        }
    }

    fn file(first: Option<Slot>, second: Option<Slot>) -> [u8; FILE_LEN] {
        let mut file = [0; FILE_LEN];
        for (at, slot) in SLOT_AT.into_iter().zip([first, second]) {
            if let Some(slot) = slot {
                file[at..at + SLOT_LEN].copy_from_slice(&slot.encode());
            }
        }
        file
    }

    #[test]
    fn a_slot_lies_as_the_table_says() {
        let bytes = slot(9).encode();
        assert_eq!(bytes[..4], *b"SLWM");
        assert_eq!(bytes[4..8], crc32c::checksum(&bytes[8..]).to_be_bytes());
        assert_eq!(bytes[8..16], 9_u64.to_be_bytes());
        assert_eq!(bytes[16..24], 100_u64.to_be_bytes());
        assert_eq!(bytes[24..32], 2610_u64.to_be_bytes());
        assert_eq!(bytes[32..40], 200_u64.to_be_bytes());
        assert_eq!(bytes[40..48], 2500_u64.to_be_bytes());
        assert_eq!(bytes[48..52], [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(bytes[52..64], [0, 0, 0, 7, 0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0]);
    }

    #[test]
    fn a_file_that_was_never_written_has_no_slot_and_no_damage() {
        for len in [0, 63, 512, 600, FILE_LEN] {
            let none = Slots { current: None, which: 0, other_invalid: false };
            assert_eq!(in_force(&[0; FILE_LEN][..len]), none, "{len} bytes");
        }
    }

    #[test]
    fn the_higher_generation_is_in_force() {
        let forced = |first, second| in_force(&file(first, second));
        let slots = forced(Some(slot(4)), Some(slot(5)));
        assert_eq!((slots.current, slots.which), (Some(slot(5)), 1));
        let slots = forced(Some(slot(5)), Some(slot(4)));
        assert_eq!((slots.current, slots.which), (Some(slot(5)), 0));
        assert_eq!(forced(None, Some(slot(0))).current, Some(slot(0)));
        let slots = in_force(&new_file(&slot(0)));
        assert_eq!((slots.current, slots.other_invalid), (Some(slot(0)), false));
    }

    #[test]
    fn any_bit_flipped_in_the_newer_slot_leaves_the_older_in_force() {
        let whole = file(Some(slot(5)), Some(slot(4)));
        for bit in 0..SLOT_LEN * 8 {
            let mut file = whole;
            file[bit / 8] ^= 1 << (bit % 8);
            let slots = in_force(&file);
            assert_eq!(slots.current, Some(slot(4)), "bit {bit}");
            assert!(slots.other_invalid && slots.which == 1, "bit {bit}");
        }
    }

    #[test]
    fn a_file_cut_short_inside_a_slot_keeps_the_other() {
        let whole = file(Some(slot(4)), Some(slot(5)));
        for len in 520..576 {
            let slots = in_force(&whole[..len]);
            assert_eq!((slots.current, slots.other_invalid), (Some(slot(4)), true), "{len} bytes");
        }
        assert!(in_force(&[0xff; FILE_LEN]).current.is_none());
        assert!(in_force(&[0xff; FILE_LEN]).other_invalid);
    }

    #[test]
    fn values_that_no_log_has_are_refused_though_their_checksum_fits() {
        let at_the_point = Some(LastBatch { position: 2610, crc: 1 });
        let impossible = [
            Slot { base_offset: -1, ..slot(1) },
            Slot { durable_end: 99, ..slot(1) },
            Slot { point: 1 << 31, ..slot(1) },
            Slot { last_batch: at_the_point, ..slot(1) },
        ];
        for slot in impossible {
            assert_eq!(Slot::decode(&slot.encode()), Err(SlotError::Impossible), "{slot:?}");
        }
    }

    proptest! {
        #[test]
        fn a_slot_whose_checksum_fits_is_written_the_same(mut bytes: [[u8; 32]; 2]) {
            let bytes = bytes.as_flattened_mut();
            let position = LAST_BATCH_POSITION.get(bytes) >> 34;
            LAST_BATCH_POSITION.set(bytes, position);
            MAGIC.set(bytes, MAGIC_VALUE);
            POINT.set(bytes, POINT.get(bytes) >> 33);
            ZERO.set(bytes, 0);
            let crc = crc32c::checksum(&bytes[GENERATION.start()..]);
            CRC.set(bytes, crc);
            if let Ok(Some(slot)) = Slot::decode(bytes) {
                let again = slot.encode();
                prop_assert_eq!(Slot::decode(&again), Ok(Some(slot)));
                if slot.last_batch.is_some() && slot.leader_epoch.is_some() {
                    prop_assert_eq!(&again[..], bytes);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(file: Vec<u8>) {
            let _ = in_force(&file);
        }
    }
}
