//! The codecs: what comes out is bounded, and is what a second decoder makes of it.
//!
//! | codec | the second decoder |
//! |-------|--------------------|
//! | gzip | flate2's reader of members, which has a framing of its own |
//! | snappy, lz4 | written for this, from the formats' descriptions |
//! | zstd | the library's call for a whole input at once, rather than piece by piece |

use std::cell::RefCell;
use std::io::Read;

use super::naive_codecs;
use super::support::with_room;
use crate::compression::{Codec, Compression, Compressor, Decompressor, InflateError};

/// Bounds on what may come out; the lowest bits of an input's first byte say which.
const LIMITS: [usize; 4] = [64 << 10, 100, 4 << 10, 1 << 20];

/// A second decoder: appends what comes out, and says whether it accepts.
type Second = fn(&[u8], usize, &mut Vec<u8>) -> Said;

/// What a second decoder says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Accepted,
    /// It is malformed, or more than the limit comes out.
    Refused,
    /// It is of a kind that only one of the two knows.
    Nothing,
}

impl From<Option<()>> for Said {
    fn from(accepted: Option<()>) -> Said {
        accepted.map_or(Said::Refused, |()| Said::Accepted)
    }
}

/// gzip members.
pub fn gzip(bytes: &[u8]) {
    both_ways(Codec::Gzip, gzip_at_once, bytes);
}

/// snappy in Kafka's framing.
pub fn snappy(bytes: &[u8]) {
    both_ways(Codec::Snappy, |i, limit, out| naive_codecs::snappy(i, limit, out).into(), bytes);
}

/// LZ4 frames.
pub fn lz4(bytes: &[u8]) {
    both_ways(Codec::Lz4, |i, limit, out| naive_codecs::lz4(i, limit, out).into(), bytes);
}

/// Zstandard frames.
pub fn zstd(bytes: &[u8]) {
    both_ways(Codec::Zstd, zstd_at_once, bytes);
}

/// The first byte says what the others are: a stream to inflate, or, with the highest bit, bytes to
/// compress first.
fn both_ways(codec: Codec, second: Second, bytes: &[u8]) {
    let Some((&how, input)) = bytes.split_first() else { return };
    let limit = LIMITS[usize::from(how & 3)];
    if how & 0x80 == 0 {
        inflate(codec, second, input, limit);
        return;
    }
    thread_local! {
        static COMPRESSOR: RefCell<Compressor> = RefCell::default();
    }
    with_room(|stream| {
        let made = COMPRESSOR
            .with_borrow_mut(|with| with.compress(Compression::new(codec), input, stream));
        assert_eq!(made, Ok(()));
        with_room(|out| {
            let inflated = decompress(codec, stream, input.len(), out);
            assert_eq!(inflated, Ok(()), "what was compressed does not inflate");
            assert!(out == input, "it inflates to something else");
        });
        if input.len() <= limit {
            inflate(codec, second, stream, limit);
        } else {
            let refused = with_room(|out| decompress(codec, stream, limit, out));
            assert_eq!(refused, Err(InflateError::TooLarge { limit }));
        }
    });
}

fn decompress(
    codec: Codec,
    input: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), InflateError> {
    thread_local! {
        static DECOMPRESSOR: RefCell<Decompressor> = RefCell::default();
    }
    DECOMPRESSOR.with_borrow_mut(|with| with.decompress(codec, input, limit, out))
}

fn inflate(codec: Codec, second: Second, input: &[u8], limit: usize) {
    let mut out = Vec::new();
    let inflated = decompress(codec, input, limit, &mut out);
    assert!(out.len() <= limit, "{} bytes came out, {limit} may", out.len());
    let most = (2 * limit).min(2 * out.len() + 512 * input.len()) + 4 * input.len() + 4096;
    assert!(out.capacity() <= most, "{} bytes of room for {}", out.capacity(), out.len());
    with_room(|other| match (inflated, second(input, limit, other)) {
        (Ok(()), Said::Accepted) => assert!(out == *other, "the second decoder gives other bytes"),
        (Ok(()), said) => assert_eq!(said, Said::Nothing, "the second decoder refuses"),
        (Err(InflateError::TooLarge { limit: said }), accepted) => {
            assert_eq!(said, limit);
            assert_ne!(accepted, Said::Accepted, "it is not too large");
        }
        (Err(_), _) => {}
    });
}

fn gzip_at_once(mut input: &[u8], limit: usize, out: &mut Vec<u8>) -> Said {
    let mut is_first = true;
    // Behind a member there may be too little for another, or what does not begin like one.
    while is_first || input.len() > 18 {
        if input.get(3).is_some_and(|flags| flags & 0xe0 != 0) {
            // Bits without a meaning, which the JDK passes over.
            return Said::Nothing;
        }
        let reader = flate2::bufread::GzDecoder::new(input);
        if reader.header().is_none() {
            return if is_first { Said::Refused } else { Said::Accepted };
        }
        let mut reader = reader.take((limit + 1 - out.len()) as u64);
        if reader.read_to_end(out).is_err() || out.len() > limit {
            return Said::Refused;
        }
        input = reader.into_inner().into_inner();
        is_first = false;
    }
    Said::Accepted
}

/// Piece by piece, as Kafka reads too, a frame whose last block is empty need not hold as much as it
/// declares; at once it must. So a refusal says nothing.
fn zstd_at_once(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Said {
    thread_local! {
        static CONTEXT: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
            const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| {
        if context.is_none() {
            *context = zstd::bulk::Decompressor::new().ok();
        }
        out.reserve(limit);
        let wrote = context.as_mut().map(|context| context.decompress_to_buffer(input, out));
        let fits = matches!(wrote, Some(Ok(wrote)) if wrote <= limit);
        if fits { Said::Accepted } else { Said::Nothing }
    })
}
