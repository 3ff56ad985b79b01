//! snappy, in the framing of snappy-java ("xerial"), which is not snappy's own.
//!
//! | at | bytes | field                                       |
//! |---:|------:|---------------------------------------------|
//! |  0 |     8 | magic: `82`, "SNAPPY", 0                    |
//! |  8 |     4 | version: 1                                  |
//! | 12 |     4 | oldest version that can read it: 1          |
//! |    |     4 | length of a block                           |
//! |    |       | the block, raw snappy                       |
//! |    |       | and so on                                   |
//!
//! A block holds 32768 bytes, the last one less. Nothing has a checksum or marks the end. A reader
//! does as snappy-java does: a payload that does not begin with the magic is one raw block, as some
//! clients write it; a length that reads like the magic's first half begins another header; the
//! versions are not looked at; up to three bytes behind the last block are passed over, and so is
//! all that follows such a half magic whose other half is wrong.

use snap::raw;

use super::output::Output;
use super::{Codec, CompressError, InflateError};
use crate::wire::{Cursor, CursorError, Field};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const MAGIC_HEAD: i32 = i32::from_be_bytes([0x82, b'S', b'N', b'A']);
const VERSION: Field<i32> = Field::at(MAGIC.len());
const COMPATIBLE_VERSION: Field<i32> = VERSION.then();
const HEADER_LEN: usize = COMPATIBLE_VERSION.end();
const _: () = assert!(HEADER_LEN == 16, "as the table above says");

const BLOCK_LEN: usize = 32 * 1024;
/// snappy-java reads no larger chunk.
const MOST_CHUNK_LEN: usize = 512 << 20;

/// A compressor with its hash tables, used again for each block.
pub(super) struct Encoder {
    raw: raw::Encoder,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Encoder { raw: raw::Encoder::new() }
    }

    /// Appends `input` as one stream to `out`.
    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        out.extend_from_slice(&header());
        for block in input.chunks(BLOCK_LEN) {
            let len_at = out.len();
            let block_at = len_at + 4;
            out.resize(block_at + raw::max_compress_len(block.len()), 0);
            let room = out.get_mut(block_at..).unwrap_or_default();
            let len = self.raw.compress(block, room).map_err(|_| FAILED)?;
            out.truncate(block_at + len);
            if let Some(place) = out.get_mut(len_at..block_at) {
                place.copy_from_slice(&(len as u32).to_be_bytes());
            }
        }
        Ok(())
    }
}

fn header() -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
    VERSION.set(&mut header, 1);
    COMPATIBLE_VERSION.set(&mut header, 1);
    header
}

/// Decompresses a whole payload. Needs nothing that could be used again.
pub(super) fn decompress(input: &[u8], out: &mut Output<'_>) -> Result<(), InflateError> {
    let mut cursor = Cursor::new(input);
    match cursor.take(HEADER_LEN) {
        Ok(header) if header.starts_with(&MAGIC) => {}
        _ => return block(input, out),
    }
    // A length that is cut short is the end.
    while let Ok(len) = cursor.integer::<i32>() {
        if len == MAGIC_HEAD {
            let behind = cursor.take(HEADER_LEN - 4).map_err(cut_short)?;
            if behind.starts_with(&MAGIC[4..]) {
                continue;
            }
            return Ok(());
        }
        let len = usize::try_from(len).map_err(|_| malformed("a block's length is negative"))?;
        if len > MOST_CHUNK_LEN {
            return Err(InflateError::Unsupported {
                codec: Codec::Snappy,
                what: "a block is larger than 512 MiB",
            });
        }
        block(cursor.take(len).map_err(cut_short)?, out)?;
    }
    Ok(())
}

/// Decompresses one raw block.
fn block(input: &[u8], out: &mut Output<'_>) -> Result<(), InflateError> {
    let declared = raw::decompress_len(input).map_err(|_| malformed("a block has no length"))?;
    // The densest element makes 64 bytes of 3.
    if declared / 64 > input.len() / 3 + 1 {
        return Err(malformed("a block declares more than it can hold"));
    }
    let decoded = out.block(declared, |room| raw::Decoder::new().decompress(input, room))?;
    decoded.map_err(|_| malformed("a block is damaged"))
}

fn cut_short(_: CursorError) -> InflateError {
    malformed("it ends too early")
}

fn malformed(what: &'static str) -> InflateError {
    InflateError::Malformed { codec: Codec::Snappy, what }
}

const FAILED: CompressError =
    CompressError::Failed { codec: Codec::Snappy, what: "a block did not fit its room" };

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
        decompress(input, &mut Output::new(&mut bytes, input.len(), limit)).map(|()| bytes)
    }

    fn read(input: &[u8]) -> Result<Vec<u8>, InflateError> {
        read_within(input, 1 << 20)
    }

    #[test]
    fn nothing_is_a_header() {
        let expected = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
        assert_eq!(written(b""), expected);
        assert_eq!(read(&expected), Ok(Vec::new()));
    }

    #[test]
    fn every_block_but_the_last_holds_32_kib() {
        let stream = written(&vec![7; 2 * BLOCK_LEN + 1]);
        let mut cursor = Cursor::new(&stream[HEADER_LEN..]);
        let mut sizes = Vec::new();
        while let Ok(len) = cursor.integer::<i32>() {
            sizes.push(raw::decompress_len(cursor.take(len as usize).unwrap()).unwrap());
        }
        assert_eq!(sizes, [BLOCK_LEN, BLOCK_LEN, 1]);
    }

    #[test]
    fn a_payload_without_the_magic_is_one_raw_block() {
        let records = b"some records, some records, some records".repeat(9);
        let block = raw::Encoder::new().compress_vec(&records).unwrap();
        assert_eq!(read(&block), Ok(records));
        assert_eq!(read(b"\x01\x00a"), Ok(b"a".to_vec()), "shorter than a header");
        assert_eq!(read(b""), Err(malformed("a block is damaged")), "there is no block");
    }

    #[test]
    fn streams_follow_one_another_and_what_snappy_java_passes_over_is_passed_over() {
        let mut two = [written(b"some "), written(b"records")].concat();
        assert_eq!(read(&two), Ok(b"some records".to_vec()));
        two.extend([0, 0, 1]);
        assert_eq!(read(&two), Ok(b"some records".to_vec()));
        let half_magic = [written(b"some "), b"\x82SNAxxxxxxxxxxxxxxx".to_vec()].concat();
        assert_eq!(read(&half_magic), Ok(b"some ".to_vec()));
        let cut = [written(b"some "), b"\x82SNAPPY\0".to_vec()].concat();
        assert_eq!(read(&cut), Err(malformed("it ends too early")));
    }

    #[test]
    fn a_length_is_not_believed() {
        let with_len = |len: i32| [&header()[..], &len.to_be_bytes(), &[1, 0, b'a']].concat();
        assert_eq!(read(&with_len(3)), Ok(b"a".to_vec()));
        assert_eq!(read(&with_len(4)), Err(malformed("it ends too early")));
        assert_eq!(read(&with_len(-1)), Err(malformed("a block's length is negative")));
        assert!(matches!(read(&with_len(i32::MAX)), Err(InflateError::Unsupported { .. })));
        // 4 GiB - 1 are declared.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'a'];
        let declared = Err(malformed("a block declares more than it can hold"));
        assert_eq!(read_within(&bomb, usize::MAX), declared);
    }

    #[test]
    fn the_densest_block_there_is_is_read() {
        // 64 bytes from one byte back, with a two-byte offset: three bytes for 64.
        let mut densest = vec![0x80 | 1, 0x80, 0x04, 0, b'a'];
        densest.extend([63 << 2 | 2, 1, 0].repeat(1024));
        assert_eq!(read(&densest), Ok(vec![b'a'; 65_537]));
        assert_eq!(read_within(&densest, 65_536), Err(InflateError::TooLarge { limit: 65_536 }));
    }
}
