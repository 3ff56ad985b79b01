//! The doors of this floor: contexts that compress and decompress one stream after another.

use std::fmt;

use super::output::Output;
use super::{Codec, CompressError, Compression, InflateError, gzip, lz4, snappy, zstd};

/// Compression contexts, used again for each stream: one for each thread that appends.
///
/// Each codec's context is made when it is first needed and then kept, with the memory that its
/// level takes: some 300 KiB for gzip, 24 KiB for lz4, 4 MiB for zstd at its default level.
#[derive(Default)]
pub struct Compressor {
    gzip: Option<gzip::Encoder>,
    snappy: Option<snappy::Encoder>,
    lz4: Option<lz4::Encoder>,
    zstd: Option<zstd::Encoder>,
}

impl Compressor {
    /// A compressor that holds no memory yet.
    pub fn new() -> Self {
        Compressor::default()
    }

    /// Appends `input`, compressed as one stream, to `out`. The bytes depend on `how` and `input`
    /// alone.
    ///
    /// # Errors
    ///
    /// If the library fails, for want of memory; then `out` is as it was.
    pub fn compress(
        &mut self,
        how: Compression,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let start = out.len();
        let level = how.level_of().unwrap_or_default();
        let result = match how.codec() {
            Codec::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            Codec::Gzip => {
                self.gzip.get_or_insert_with(gzip::Encoder::new).compress(level, input, out)
            }
            Codec::Snappy => {
                self.snappy.get_or_insert_with(snappy::Encoder::new).compress(input, out)
            }
            Codec::Lz4 => self.lz4.get_or_insert_with(lz4::Encoder::new).compress(input, out),
            Codec::Zstd => {
                let encoder = match self.zstd.take() {
                    Some(encoder) => encoder,
                    None => zstd::Encoder::new(level)?,
                };
                self.zstd.insert(encoder).compress(level, input, out)
            }
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

/// Decompression contexts, used again for each stream: one for each thread that reads.
///
/// Each codec's context is made when it is first needed and then kept: some 50 KiB for gzip, up to
/// 9 MiB for zstd, as the largest window so far took.
///
/// ```
/// use strandline::compression::{Codec, Decompressor, InflateError};
///
/// // "log log log" in Kafka's framing of snappy: a header, then blocks, each behind its length.
/// let framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x08\x0b\x0clog \x0d\x04";
/// let (mut decompressor, mut out) = (Decompressor::new(), Vec::new());
/// decompressor.decompress(Codec::Snappy, framed, 1 << 20, &mut out)?;
/// assert_eq!(out, b"log log log");
///
/// // The bound is the caller's, whatever the bytes declare.
/// let refused = decompressor.decompress(Codec::Snappy, framed, 10, &mut out);
/// assert_eq!(refused, Err(InflateError::TooLarge { limit: 10 }));
/// # Ok::<(), InflateError>(())
/// ```
#[derive(Default)]
pub struct Decompressor {
    gzip: Option<gzip::Decoder>,
    zstd: Option<zstd::Decoder>,
}

impl Decompressor {
    /// A decompressor that holds no memory yet.
    pub fn new() -> Self {
        Decompressor::default()
    }

    /// Appends what `input` holds, compressed as one stream, to `out`: at most `limit` bytes.
    ///
    /// `out` grows as bytes come out, not as the stream declares; its capacity ends up at no more
    /// than about twice its length, or a few times the length of `input`.
    ///
    /// # Errors
    ///
    /// If more than `limit` bytes come out or the stream is not whole. Of what came out
    /// before that `out` keeps as much as the codec's library gave, for whoever wants to save it.
    pub fn decompress(
        &mut self,
        codec: Codec,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        let mut out = Output::new(out, input.len(), limit);
        match codec {
            Codec::None => out.append(input),
            Codec::Gzip => {
                self.gzip.get_or_insert_with(gzip::Decoder::new).decompress(input, &mut out)
            }
            Codec::Snappy => snappy::decompress(input, &mut out),
            Codec::Lz4 => lz4::decompress(input, lz4::HeaderChecksum::Checked, &mut out),
            Codec::Zstd => {
                self.zstd.get_or_insert_with(zstd::Decoder::new).decompress(input, &mut out)
            }
        }
    }
}

impl Decompressor {
    /// As [`decompress`](Self::decompress), for what a message of format v0 wraps: its lz4 frames
    /// have a wrong header checksum, which is passed over.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn decompress_v0(
        &mut self,
        codec: Codec,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        if codec != Codec::Lz4 {
            return self.decompress(codec, input, limit, out);
        }
        let mut out = Output::new(out, input.len(), limit);
        lz4::decompress(input, lz4::HeaderChecksum::PassedOver, &mut out)
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("gzip", &self.gzip.is_some())
            .field("zstd", &self.zstd.is_some())
            .finish()
    }
}
