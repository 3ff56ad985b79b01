//! gzip: one RFC 1952 member, header as the JDK writes it since version 16.
//!
//! | at | bytes | written           | read                                                    |
//! |---:|------:|-------------------|---------------------------------------------------------|
//! |  0 |     3 | `1f 8b 08`        | the same, or it is not gzip                             |
//! |  3 |     1 | flags: 0          | bits 1 to 4 announce fields, in the order below         |
//! |  4 |     6 | 0 0 0 0, 0, `ff`  | time, hint and system: skipped                          |
//! |    |       | –                 | bit 2: length (2 bytes) and as many bytes: skipped      |
//! |    |       | –                 | bits 3, 4: name, comment, each up to a zero: skipped    |
//! |    |       | –                 | bit 1: low half of the CRC-32 of all the above: checked |
//! |    |       | deflated bytes    | inflated                                                |
//! |    |     8 | CRC-32, length    | checked (of the inflated bytes, length modulo 2^32)     |
//!
//! Integers are little-endian. Members may follow one another. As the JDK does, what stands behind
//! a member and is too short for another or does not begin like one is passed over.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::output::Output;
use super::{Codec, CompressError, InflateError};
use crate::wire::{Cursor, CursorError};

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;

const TRAILER_LEN: usize = 8;
/// The JDK does not look for another member in fewer bytes than this and one.
const TOO_SHORT_FOR_A_MEMBER: usize = HEADER.len() + TRAILER_LEN;

/// What Kafka's -1 means: zlib's default.
const ZLIB_DEFAULT_LEVEL: u32 = 6;

/// A deflater, used again for each stream.
pub(super) struct Encoder {
    deflate: Compress,
    level: u32,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let level = ZLIB_DEFAULT_LEVEL;
        Encoder { deflate: Compress::new(flate2::Compression::new(level), false), level }
    }

    /// Appends `input` as one member to `out`.
    pub(super) fn compress(
        &mut self,
        level: i32,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        self.restart(u32::try_from(level).unwrap_or(ZLIB_DEFAULT_LEVEL))?;
        out.extend_from_slice(&HEADER);
        let mut rest = input;
        // Room for all at once, so that what comes out cannot depend on the room there was.
        let mut room = input.len() + input.len() / 8 + 64;
        loop {
            out.reserve(room + TRAILER_LEN);
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(rest, out, FlushCompress::Finish);
            let status = status.map_err(|_| failed("deflate failed"))?;
            if status == Status::StreamEnd {
                break;
            }
            rest = rest.get(step(before, self.deflate.total_in())..).unwrap_or_default();
            room = rest.len() + 4096;
        }
        out.extend_from_slice(&crc32fast::hash(input).to_le_bytes());
        out.extend_from_slice(&(input.len() as u32).to_le_bytes());
        Ok(())
    }

    fn restart(&mut self, level: u32) -> Result<(), CompressError> {
        self.deflate.reset();
        if level != self.level {
            let set = self.deflate.set_level(flate2::Compression::new(level));
            set.map_err(|_| failed("no such level"))?;
            self.level = level;
        }
        Ok(())
    }
}

/// An inflater, used again for each member.
pub(super) struct Decoder {
    inflate: Decompress,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Decoder { inflate: Decompress::new(false) }
    }

    /// Inflates the members of `input`.
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        out: &mut Output<'_>,
    ) -> Result<(), InflateError> {
        let mut body = skip_header(input)?;
        loop {
            let behind = self.member(body, out)?;
            if behind.len() <= TOO_SHORT_FOR_A_MEMBER {
                return Ok(());
            }
            match skip_header(behind) {
                Ok(next) => body = next,
                Err(_) => return Ok(()),
            }
        }
    }

    /// Inflates a member from behind its header on; returns what follows the member.
    fn member<'a>(
        &mut self,
        body: &'a [u8],
        out: &mut Output<'_>,
    ) -> Result<&'a [u8], InflateError> {
        self.inflate.reset(false);
        let mut rest = body;
        let mut crc = crc32fast::Hasher::new();
        loop {
            let room = out.room()?;
            let (had, before) = (room.len(), self.inflate.total_in());
            let status = self.inflate.decompress_vec(rest, room, FlushDecompress::Finish);
            let read = step(before, self.inflate.total_in());
            let wrote = room.get(had..).unwrap_or_default();
            let stuck = read == 0 && wrote.is_empty();
            crc.update(wrote);
            // First, for bytes come out before damage is found.
            out.check()?;
            let status = status.map_err(|_| malformed("the deflated bytes are damaged"))?;
            rest = rest.get(read..).unwrap_or_default();
            if status == Status::StreamEnd {
                break;
            }
            if stuck {
                return Err(CUT_SHORT);
            }
        }
        let (crc_read, rest) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
        let (len_read, rest) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
        if u32::from_le_bytes(*crc_read) != crc.finalize() {
            return Err(malformed("the checksum does not hold"));
        }
        if u32::from_le_bytes(*len_read) != self.inflate.total_out() as u32 {
            return Err(malformed("the length does not hold"));
        }
        Ok(rest)
    }
}

/// What follows a member's header.
fn skip_header(input: &[u8]) -> Result<&[u8], InflateError> {
    let mut cursor = Cursor::new(input);
    let start = cursor.take(HEADER.len()).map_err(|_| CUT_SHORT)?;
    let (magic, fields) = start.split_at(3);
    if magic != &HEADER[..3] {
        return Err(malformed("it does not begin like gzip"));
    }
    let flags = fields.first().copied().unwrap_or_default();
    skip_optional_fields(&mut cursor, flags).map_err(|_| CUT_SHORT)?;
    if flags & HEADER_CRC != 0 {
        let covered = input.len() - cursor.remaining();
        let crc = crc32fast::hash(input.get(..covered).unwrap_or_default());
        let low_half = (crc as u16).to_le_bytes();
        if cursor.take(2).map_err(|_| CUT_SHORT)? != low_half {
            return Err(malformed("the header's checksum does not hold"));
        }
    }
    Ok(cursor.rest())
}

fn skip_optional_fields(cursor: &mut Cursor<'_>, flags: u8) -> Result<(), CursorError> {
    if flags & EXTRA != 0 {
        let len = u16::from_le_bytes([cursor.u8()?, cursor.u8()?]);
        cursor.take(usize::from(len))?;
    }
    for field in [NAME, COMMENT] {
        if flags & field != 0 {
            while cursor.u8()? != 0 {}
        }
    }
    Ok(())
}

/// How far a running total has come since it was `before`.
fn step(before: u64, after: u64) -> usize {
    after.saturating_sub(before) as usize
}

const CUT_SHORT: InflateError = malformed("it ends too early");

const fn malformed(what: &'static str) -> InflateError {
    InflateError::Malformed { codec: Codec::Gzip, what }
}

fn failed(what: &'static str) -> CompressError {
    CompressError::Failed { codec: Codec::Gzip, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(level: i32, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new().compress(level, input, &mut out).unwrap();
        out
    }

    fn read(input: &[u8]) -> Result<Vec<u8>, InflateError> {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, input.len(), 1 << 20);
        Decoder::new().decompress(input, &mut out).map(|()| bytes)
    }

    #[test]
    fn nothing_is_a_header_an_empty_block_and_a_trailer() {
        let mut expected = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        expected.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(-1, b""), expected);
        assert_eq!(read(&expected), Ok(Vec::new()));
    }

    #[test]
    fn a_deflater_that_worked_before_writes_what_a_new_one_writes() {
        let words = b"it was the best of times, it was the worst of times".repeat(2000);
        let mut encoder = Encoder::new();
        for level in [-1, 9, 1, 6, 3, 1, -1] {
            let mut out = Vec::new();
            encoder.compress(level, &words, &mut out).unwrap();
            assert!(out == written(level, &words), "level {level}");
            assert_eq!(read(&out).as_ref(), Ok(&words));
        }
        assert_eq!(written(-1, &words), written(6, &words));
        assert!(written(1, &words).len() > written(9, &words).len());
    }

    #[test]
    fn all_optional_fields_are_skipped_and_the_headers_checksum_is_checked() {
        let plain = written(-1, b"some records");
        let mut full = vec![0x1f, 0x8b, 8, 0x1f, 1, 2, 3, 4, 2, 3];
        full.extend(b"\x03\x00abca name\0a comment\0");
        let crc = crc32fast::hash(&full);
        full.extend((crc as u16).to_le_bytes());
        full.extend(&plain[10..]);
        assert_eq!(read(&full), Ok(b"some records".to_vec()));
        for cut in 0..full.len() {
            assert!(read(&full[..cut]).is_err(), "cut at {cut}");
        }
        full[4] ^= 1;
        assert_eq!(read(&full), Err(malformed("the header's checksum does not hold")));
    }

    #[test]
    fn members_follow_one_another_and_what_is_none_is_passed_over() {
        let mut two = [written(-1, b"some "), written(1, b"records")].concat();
        assert_eq!(read(&two), Ok(b"some records".to_vec()));
        two.extend([0; 40]);
        assert_eq!(read(&two), Ok(b"some records".to_vec()));
        let cut = [written(-1, b"some "), written(1, &[1, 2, 3].repeat(100))[..20].to_vec()];
        assert_eq!(read(&cut.concat()), Err(CUT_SHORT));
    }

    #[test]
    fn damage_to_the_trailer_is_seen() {
        let whole = written(-1, b"some records");
        for at in whole.len() - 8..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_limit_holds_for_what_comes_out_before_damage() {
        // One fixed block: two literals, then a copy from farther back than there are bytes.
        let damaged = [&HEADER[..], &[74, 40, 192, 16, 0, 0]].concat();
        for (limit, error) in [
            (0, InflateError::TooLarge { limit: 0 }),
            (100, malformed("the deflated bytes are damaged")),
        ] {
            let mut bytes = Vec::new();
            let mut out = Output::new(&mut bytes, damaged.len(), limit);
            assert_eq!(Decoder::new().decompress(&damaged, &mut out), Err(error));
            assert!(bytes.len() <= limit);
        }
    }

    #[test]
    fn a_stream_that_reaches_back_before_its_start_finds_nothing_of_the_one_before() {
        let mut decoder = Decoder::new();
        let secret = written(-1, &vec![b'A'; 40_000]);
        let mut bytes = Vec::new();
        decoder.decompress(&secret, &mut Output::new(&mut bytes, 1, 1 << 20)).unwrap();
        // One fixed block: a copy of 258 bytes from 32768 bytes back.
        let reaching = [&HEADER[..], &[0x1b, 0xbd, 0xff, 0x1f, 0x00], &[0; 8]].concat();
        let mut leaked = Vec::new();
        let error = decoder.decompress(&reaching, &mut Output::new(&mut leaked, 1, 1 << 20));
        assert_eq!(error, Err(malformed("the deflated bytes are damaged")));
        assert!(leaked.is_empty());
    }
}
