//! lz4: the part of the LZ4 frame format, version 1, that Kafka's own streams write and read.
//!
//! | bytes | field           | written                   | read                                |
//! |------:|-----------------|---------------------------|-------------------------------------|
//! |     4 | magic           | `04 22 4d 18`             | the same, or it is refused          |
//! |     1 | FLG: bits 6, 7  | version: 1                | the same                            |
//! |       | bit 5           | independent blocks: 1     | the same, or it is refused          |
//! |       | bit 4           | block checksums: 0        | 0 or 1                              |
//! |       | bit 3           | content size: 0           | 0 or 1                              |
//! |       | bit 2           | content checksum: 0       | 0 or 1                              |
//! |       | bits 0, 1       | reserved: 0               | the same                            |
//! |     1 | BD: bits 4 to 6 | most bytes of a block: 4  | 4: 64 KiB, 5: 256 KiB, 6: 1, 7: 4 MiB |
//! |       | bits 0 to 3, 7  | reserved: 0               | the same                            |
//! |     8 | content size    | –                         | if bit 3 is set: skipped            |
//! |     1 | HC              | `82`                      | byte 1 of the xxh32 of FLG to here  |
//! |     4 | size of a block | top bit: stored as it is  | the same                            |
//! |       | the block       | 64 KiB, the last one less | up to the most bytes                |
//! |     4 | its xxh32       | –                         | if bit 4 is set: checked            |
//! |       |                 | and so on                 |                                     |
//! |     4 | size 0: the end | 0                         | what follows is passed over         |
//!
//! What follows may be a content checksum, which Kafka does not check either. Messages of format v0
//! carry a wrong HC, of magic and descriptor (`1a`): who reads those passes over it, as Kafka does.
//! Integers are little-endian. A block that would not become smaller is stored as it is.

use lz4_flex::block::{self, CompressTable, DecompressError};
use twox_hash::XxHash32;

use super::output::Output;
use super::{Codec, CompressError, InflateError};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const HEADER: [u8; 7] = {
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, VERSION_1 | INDEPENDENT, SMALLEST_BLOCKS << BLOCK_CODE_SHIFT, 0x82]
};
const END_MARK: [u8; 4] = [0; 4];

const VERSION_MASK: u8 = 0b1100_0000;
const VERSION_1: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUM: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const FLG_RESERVED: u8 = 0b0000_0011;

const BLOCK_CODE_SHIFT: u8 = 4;
/// The code of blocks of 64 KiB.
const SMALLEST_BLOCKS: u8 = 4;
const BD_RESERVED: u8 = 0b1000_1111;

const BLOCK_LEN: usize = 64 * 1024;
const STORED: u32 = 1 << 31;

/// The compressor's hash tables, used again for each block.
pub(super) struct Encoder {
    /// For blocks of less than 64 KiB: half the size to clear. Two tables rather than one that
    /// grows, so that the same bytes compress alike whatever came before.
    small: CompressTable,
    large: CompressTable,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Encoder { small: CompressTable::small(), large: CompressTable::large() }
    }

    /// Appends `input` as one frame to `out`.
    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        out.extend_from_slice(&HEADER);
        for block in input.chunks(BLOCK_LEN) {
            self.block(block, out)?;
        }
        out.extend_from_slice(&END_MARK);
        Ok(())
    }

    fn block(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
        let size_at = out.len();
        let block_at = size_at + 4;
        out.resize(block_at + block::get_maximum_output_size(input.len()), 0);
        let room = out.get_mut(block_at..).unwrap_or_default();
        let table =
            if input.len() < usize::from(u16::MAX) { &mut self.small } else { &mut self.large };
        let len = block::compress_into_with_table(input, room, table).map_err(|_| FAILED)?;
        let size = if len < input.len() {
            out.truncate(block_at + len);
            len as u32
        } else {
            out.truncate(block_at);
            out.extend_from_slice(input);
            input.len() as u32 | STORED
        };
        if let Some(place) = out.get_mut(size_at..block_at) {
            place.copy_from_slice(&size.to_le_bytes());
        }
        Ok(())
    }
}

/// What a frame's header says about its blocks.
struct Frame {
    most_bytes: usize,
    block_checksums: bool,
}

/// What a reader makes of the checksum of a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderChecksum {
    /// It has to hold.
    Checked,
    /// It may be anything: the first writers got it wrong.
    PassedOver,
}

/// Decompresses a frame, up to its first end mark. Needs nothing that could be used again.
pub(super) fn decompress(
    input: &[u8],
    header: HeaderChecksum,
    out: &mut Output<'_>,
) -> Result<(), InflateError> {
    let (frame, mut rest) = read_header(input, header)?;
    loop {
        let size = take_u32(&mut rest)?;
        let (stored, size) = (size & STORED != 0, (size & !STORED) as usize);
        if size == 0 {
            return Ok(());
        }
        if size > frame.most_bytes {
            return Err(malformed("a block is larger than the frame allows"));
        }
        let (block, behind) = rest.split_at_checked(size).ok_or(CUT_SHORT)?;
        rest = behind;
        if frame.block_checksums && take_u32(&mut rest)? != XxHash32::oneshot(0, block) {
            return Err(malformed("a block's checksum does not hold"));
        }
        if stored {
            out.append(block)?;
        } else {
            inflate(block, frame.most_bytes, out)?;
        }
    }
}

fn read_header(input: &[u8], header: HeaderChecksum) -> Result<(Frame, &[u8]), InflateError> {
    let (magic, described) = input.split_first_chunk().ok_or(CUT_SHORT)?;
    if magic != &MAGIC {
        return Err(malformed("it does not begin like an lz4 frame"));
    }
    let (&[flg, bd], _) = described.split_first_chunk().ok_or(CUT_SHORT)?;
    if flg & FLG_RESERVED != 0 || bd & BD_RESERVED != 0 {
        return Err(unsupported("reserved bits are set"));
    }
    if flg & VERSION_MASK != VERSION_1 {
        return Err(unsupported("it is of another version"));
    }
    if flg & INDEPENDENT == 0 {
        return Err(unsupported("its blocks depend on one another"));
    }
    let code = bd >> BLOCK_CODE_SHIFT;
    let Some(larger) = code.checked_sub(SMALLEST_BLOCKS) else {
        return Err(unsupported("its blocks are of an unknown size"));
    };
    let most_bytes = BLOCK_LEN << (2 * larger);

    let described_len = if flg & CONTENT_SIZE == 0 { 2 } else { 2 + 8 };
    let (descriptor, rest) = described.split_at_checked(described_len).ok_or(CUT_SHORT)?;
    let (&header_checksum, rest) = rest.split_first().ok_or(CUT_SHORT)?;
    if header == HeaderChecksum::Checked && header_checksum != checksum_of_header(descriptor) {
        return Err(malformed("the header's checksum does not hold"));
    }
    Ok((Frame { most_bytes, block_checksums: flg & BLOCK_CHECKSUM != 0 }, rest))
}

/// The HC byte of a header whose FLG, BD and content size are `descriptor`.
fn checksum_of_header(descriptor: &[u8]) -> u8 {
    (XxHash32::oneshot(0, descriptor) >> 8) as u8
}

/// Decompresses one block that is not stored as it is.
fn inflate(block: &[u8], most_bytes: usize, out: &mut Output<'_>) -> Result<(), InflateError> {
    // No byte makes more than 255. Few make more than 16, and the room has to be cleared.
    let most = most_bytes.min(block.len().saturating_mul(255));
    for room in [block.len().saturating_mul(16).min(most), most] {
        let room = room.min(out.left());
        match out.block(room, |room| block::decompress_into(block, room))? {
            Ok(()) => return Ok(()),
            Err(DecompressError::OutputTooSmall { .. }) => {}
            Err(_) => return Err(malformed("a block is damaged")),
        }
    }
    if out.left() < most {
        return Err(out.too_large());
    }
    Err(malformed("a block holds more than the frame allows"))
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, InflateError> {
    let (taken, behind) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
    *rest = behind;
    Ok(u32::from_le_bytes(*taken))
}

const CUT_SHORT: InflateError = malformed("it ends too early");

const fn malformed(what: &'static str) -> InflateError {
    InflateError::Malformed { codec: Codec::Lz4, what }
}

fn unsupported(what: &'static str) -> InflateError {
    InflateError::Unsupported { codec: Codec::Lz4, what }
}

const FAILED: CompressError =
    CompressError::Failed { codec: Codec::Lz4, what: "a block did not fit its room" };

#[cfg(test)]
mod tests {
    use super::*;

    fn written(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new().compress(input, &mut out).unwrap();
        out
    }

    fn read_within(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, input.len(), limit);
        decompress(input, HeaderChecksum::Checked, &mut out).map(|()| bytes)
    }

    fn read(input: &[u8]) -> Result<Vec<u8>, InflateError> {
        read_within(input, 16 << 20)
    }

    /// A frame of these blocks, each with its checksum if FLG says so.
    fn frame(flg: u8, bd: u8, blocks: &[(u32, &[u8])]) -> Vec<u8> {
        let mut descriptor = vec![flg, bd];
        if flg & CONTENT_SIZE != 0 {
            descriptor.extend(99_u64.to_le_bytes());
        }
        let mut frame = [&MAGIC, &descriptor[..], &[checksum_of_header(&descriptor)]].concat();
        for (stored, block) in blocks {
            frame.extend((block.len() as u32 | stored).to_le_bytes());
            frame.extend(*block);
            if flg & BLOCK_CHECKSUM != 0 {
                frame.extend(XxHash32::oneshot(0, block).to_le_bytes());
            }
        }
        frame.extend(END_MARK);
        frame
    }

    #[test]
    fn nothing_is_a_header_and_an_end_mark() {
        let expected = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0];
        assert_eq!(written(b""), expected);
        assert_eq!(read(&expected), Ok(Vec::new()));
        assert_eq!(checksum_of_header(&HEADER[4..6]), HEADER[6]);
    }

    #[test]
    fn a_block_that_would_not_become_smaller_is_stored() {
        let stored = [&HEADER[..], &[3, 0, 0, 0x80], b"abc", &END_MARK].concat();
        assert_eq!(written(b"abc"), stored);
        assert_eq!(read(&stored), Ok(b"abc".to_vec()));
    }

    #[test]
    fn the_same_bytes_compress_alike_whatever_came_before() {
        let words = b"it was the best of times, it was the worst of times ".repeat(2000);
        let mut encoder = Encoder::new();
        for len in [100, 70_000, 100, 65_534, 65_535, 65_536, 65_537, 100] {
            let mut out = Vec::new();
            encoder.compress(&words[..len], &mut out).unwrap();
            assert!(out == written(&words[..len]), "{len} bytes");
            assert_eq!(read(&out).unwrap(), words[..len]);
        }
    }

    #[test]
    fn blocks_up_to_four_mib_are_read_and_larger_ones_are_not() {
        for (code, most) in [(4, 64 << 10), (5, 256 << 10), (6, 1 << 20), (7, 4 << 20)] {
            let bytes = vec![b'a'; most + 1];
            let whole = block::compress(&bytes[..most]);
            assert_eq!(read(&frame(0x60, code << 4, &[(0, &whole)])).unwrap(), bytes[..most]);
            let over = block::compress(&bytes);
            let error = malformed("a block holds more than the frame allows");
            assert_eq!(read(&frame(0x60, code << 4, &[(0, &over)])), Err(error));
            let error = malformed("a block is larger than the frame allows");
            assert_eq!(read(&frame(0x60, code << 4, &[(STORED, &bytes)])), Err(error));
        }
    }

    #[test]
    fn what_other_clients_write_is_read_and_checked() {
        let block = block::compress(b"some records, some records, some records");
        let flg = VERSION_1 | INDEPENDENT | BLOCK_CHECKSUM | CONTENT_SIZE | 0b100;
        let mut stream = frame(flg, 0x70, &[(0, &block), (STORED, b"!")]);
        stream.extend(b"a wrong content checksum, a skippable frame, what not");
        assert_eq!(read(&stream), Ok(b"some records, some records, some records!".to_vec()));
        let header_len = 4 + 2 + 8 + 1;
        for at in 0..header_len + 4 + block.len() + 4 {
            let mut damaged = stream.clone();
            damaged[at] ^= 0x40;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
        for cut in 0..stream.len() - 53 {
            assert!(read(&stream[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        let refused = |flg, bd| read(&frame(flg, bd, &[]));
        assert_eq!(refused(0x60, 0x40), Ok(Vec::new()));
        for flg in [0x61, 0x62, 0x40, 0x20, 0xa0, 0xe0] {
            assert!(matches!(refused(flg, 0x40), Err(InflateError::Unsupported { .. })), "{flg:x}");
        }
        for bd in [0x00, 0x30, 0x41, 0x48, 0xc0] {
            assert!(matches!(refused(0x60, bd), Err(InflateError::Unsupported { .. })), "{bd:x}");
        }
        let legacy = [0x02, 0x21, 0x4c, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0];
        assert_eq!(read(&legacy), Err(malformed("it does not begin like an lz4 frame")));
    }

    #[test]
    fn the_wrong_checksum_of_the_first_writers_is_passed_over_where_it_is_asked_for_alone() {
        // Of the frame's magic and descriptor, as messages of format v0 have it.
        let historic = (XxHash32::oneshot(0, &HEADER[..6]) >> 8) as u8;
        assert_eq!(historic, 0x1a);
        let mut frame = written(b"abc");
        frame[6] = historic;
        assert_eq!(read(&frame), Err(malformed("the header's checksum does not hold")));
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, frame.len(), 3);
        decompress(&frame, HeaderChecksum::PassedOver, &mut out).unwrap();
        assert_eq!(bytes, b"abc");
    }

    #[test]
    fn a_block_cannot_reach_back_into_the_one_before() {
        // No literal, then four bytes from one byte back, then one literal.
        let reaching = [0x00, 1, 0, 0x10, b'b'];
        let stream = frame(0x60, 0x40, &[(STORED, b"aaaaaaaa"), (0, &reaching)]);
        assert_eq!(read(&stream), Err(malformed("a block is damaged")));
    }

    #[test]
    fn the_densest_block_is_read_and_many_small_ones_cost_little() {
        // One literal, 19 + 255 * 255 + 254 bytes from one byte back, no literal.
        let densest = [&[0x1f, b'a', 1, 0][..], &[255; 255], &[254, 0x00]].concat();
        let len = 1 + 19 + 255 * 255 + 254;
        assert_eq!(read(&frame(0x60, 0x70, &[(0, &densest)])).unwrap(), vec![b'a'; len]);
        // 4 MiB of room for each of these would be 80 GiB to clear.
        let tiny: &[u8] = &[0x10, b'a'];
        let many = frame(0x60, 0x70, &vec![(0, tiny); 20_000]);
        assert_eq!(read(&many).unwrap().len(), 20_000);
    }

    #[test]
    fn the_limit_holds_within_a_block() {
        let stream = written(&[b'a'; 1000]);
        assert_eq!(read_within(&stream, 1000).unwrap().len(), 1000);
        for limit in [0, 1, 500, 999] {
            assert_eq!(read_within(&stream, limit), Err(InflateError::TooLarge { limit }));
        }
    }
}
