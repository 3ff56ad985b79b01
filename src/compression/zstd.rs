//! zstd: Zstandard frames as streaming compression makes them, without dictionary, checksum or
//! content size.
//!
//! A frame starts with `28 b5 2f fd`, a descriptor of 0 and the size of the window, which follows
//! from the level: 2 MiB (`58`) at Kafka's default, 128 MiB (`88`) at level 22. No input at all is
//! the one frame that states its size: `28 b5 2f fd 20 00 01 00 00`.
//!
//! A reader takes frames in a row, skippable ones too, and no frame at all as nothing. It accepts
//! windows of up to 128 MiB, as Kafka's does: a window only reserves addresses until bytes come out
//! to fill it, so the memory it takes is bounded by the limit on these, and a decoder that needed a
//! large one is not kept.

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{
    self, CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective,
};

use super::output::Output;
use super::{Codec, CompressError, InflateError};

/// 128 MiB: the window of the highest level, and all that the library reads unless told otherwise.
const MOST_WINDOW_LOG: u32 = 27;
/// A decoder of more bytes is dropped after use: one with a window of 8 MiB is kept.
const MOST_KEPT_BYTES: usize = 9 << 20;

/// A compression context, used again for each stream. Keeps the memory that its level needs.
pub(super) struct Encoder {
    context: CCtx<'static>,
    level: i32,
}

impl Encoder {
    pub(super) fn new(level: i32) -> Result<Self, CompressError> {
        let mut context = CCtx::try_create().ok_or(CompressError::OutOfMemory)?;
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
        Ok(Encoder { context, level })
    }

    /// Appends `input` as one frame to `out`.
    pub(super) fn compress(
        &mut self,
        level: i32,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        self.context.reset(ResetDirective::SessionOnly).map_err(failed)?;
        if level != self.level {
            self.context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
            self.level = level;
        }
        let mut input = InBuffer::around(input);
        let mut room = zstd_safe::compress_bound(input.src.len());
        // Only the end is told to the library as such. Were it told together with the input, it
        // would know the content's size, state it and choose a smaller window.
        while input.pos() < input.src.len() {
            out.reserve(room);
            let end = out.len();
            let mut buffer = OutBuffer::around_pos(out, end);
            self.context.compress_stream(&mut buffer, &mut input).map_err(failed)?;
            room = input.src.len() - input.pos() + SMALL_ROOM;
        }
        loop {
            out.reserve(SMALL_ROOM);
            let end = out.len();
            let left = self.context.end_stream(&mut OutBuffer::around_pos(out, end));
            if left.map_err(failed)? == 0 {
                return Ok(());
            }
        }
    }
}

/// Room for a frame of nothing; what does not fit comes with the next call.
const SMALL_ROOM: usize = 1024;

/// A decompression context, used again for each stream.
pub(super) struct Decoder {
    context: Option<DCtx<'static>>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Decoder { context: None }
    }

    /// Decompresses the frames of `input`.
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        out: &mut Output<'_>,
    ) -> Result<(), InflateError> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => new_context()?,
        };
        context.reset(ResetDirective::SessionOnly).map_err(refused)?;
        let result = frames(&mut context, input, out);
        if context.sizeof() <= MOST_KEPT_BYTES {
            self.context = Some(context);
        }
        result
    }
}

fn new_context() -> Result<DCtx<'static>, InflateError> {
    let mut context = DCtx::try_create().ok_or(InflateError::OutOfMemory)?;
    context.set_parameter(DParameter::WindowLogMax(MOST_WINDOW_LOG)).map_err(refused)?;
    Ok(context)
}

fn frames(
    context: &mut DCtx<'static>,
    input: &[u8],
    out: &mut Output<'_>,
) -> Result<(), InflateError> {
    let mut input = InBuffer::around(input);
    let mut within_frame = false;
    while within_frame || input.pos() < input.src.len() {
        let room = out.room()?;
        let (had, read) = (room.len(), input.pos());
        let mut buffer = OutBuffer::around_pos(room, had);
        let wanted = context.decompress_stream(&mut buffer, &mut input).map_err(refused)?;
        let stuck = buffer.pos() == had && input.pos() == read;
        out.check()?;
        if stuck {
            return Err(malformed("it ends too early"));
        }
        within_frame = wanted != 0;
    }
    Ok(())
}

fn refused(code: usize) -> InflateError {
    let is = |kind| zstd_safe::is_error_kind(code, kind);
    let unsupported = |what| InflateError::Unsupported { codec: Codec::Zstd, what };
    if is(ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        InflateError::OutOfMemory
    } else if is(ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge) {
        unsupported("its window is larger than 128 MiB")
    } else if is(ZSTD_ErrorCode::ZSTD_error_dictionary_wrong) {
        unsupported("it needs a dictionary")
    } else {
        malformed(zstd_safe::get_error_name(code))
    }
}

fn malformed(what: &'static str) -> InflateError {
    InflateError::Malformed { codec: Codec::Zstd, what }
}

fn failed(code: usize) -> CompressError {
    if zstd_safe::is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        CompressError::OutOfMemory
    } else {
        CompressError::Failed { codec: Codec::Zstd, what: zstd_safe::get_error_name(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

    fn written(level: i32, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(level).unwrap().compress(level, input, &mut out).unwrap();
        out
    }

    fn read_with(
        decoder: &mut Decoder,
        input: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, InflateError> {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, input.len(), limit);
        decoder.decompress(input, &mut out).map(|()| bytes)
    }

    fn read(input: &[u8]) -> Result<Vec<u8>, InflateError> {
        read_with(&mut Decoder::new(), input, 1 << 20)
    }

    #[test]
    fn nothing_is_a_frame_that_says_so() {
        let expected = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];
        for level in [3, -5, 19] {
            assert_eq!(written(level, b""), expected);
        }
        assert_eq!(read(&expected), Ok(Vec::new()));
        assert_eq!(read(b""), Ok(Vec::new()), "no frame at all");
    }

    #[test]
    fn a_frame_states_a_window_that_follows_from_its_level_and_no_size() {
        for (level, window) in [
            (-131_072, 0x48),
            (1, 0x48),
            (2, 0x50),
            (3, 0x58),
            (8, 0x58),
            (9, 0x60),
            (16, 0x60),
            (17, 0x68),
            (19, 0x68),
        ] {
            let stream = written(level, b"some records");
            assert_eq!(stream[..6], [0x28, 0xb5, 0x2f, 0xfd, 0, window], "level {level}");
            assert_eq!(read(&stream), Ok(b"some records".to_vec()));
        }
    }

    #[test]
    fn a_context_that_worked_before_writes_what_a_new_one_writes() {
        let words = b"it was the best of times, it was the worst of times ".repeat(3000);
        let mut encoder = Encoder::new(3).unwrap();
        for level in [3, 12, 1, -7, 3] {
            for len in [words.len(), 100, 0] {
                let mut out = Vec::new();
                encoder.compress(level, &words[..len], &mut out).unwrap();
                assert!(out == written(level, &words[..len]), "level {level}, {len} bytes");
                assert_eq!(read(&out).unwrap(), words[..len]);
            }
        }
    }

    #[test]
    fn frames_follow_one_another_and_skippable_ones_are_skipped() {
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
        let row = [written(3, b"some "), skippable.to_vec(), written(1, b"records")].concat();
        assert_eq!(read(&row), Ok(b"some records".to_vec()));
        assert!(read(&[row, vec![0]].concat()).is_err(), "a byte that begins no frame");
    }

    #[test]
    fn a_stream_that_is_cut_short_is_never_taken_for_whole() {
        let whole = written(3, &b"it was the best of times ".repeat(40));
        let mut decoder = Decoder::new();
        for cut in 1..whole.len() {
            let error = read_with(&mut decoder, &whole[..cut], 1 << 20).unwrap_err();
            assert_eq!(error, malformed("it ends too early"), "cut at {cut}");
        }
        assert!(read_with(&mut decoder, &whole, 1 << 20).is_ok(), "after all these");
    }

    #[test]
    fn windows_up_to_128_mib_are_read_but_a_decoder_of_one_is_not_kept() {
        // A frame of one raw block of one byte, the last.
        let with_window = |window: u8| [&MAGIC[..], &[0, window], &[0b1001, 0, 0, b'a']].concat();
        let mut decoder = Decoder::new();
        for (window, kept) in [(0x58, true), (0x68, true), (0x70, false), (0x88, false)] {
            let stream = with_window(window);
            assert_eq!(read_with(&mut decoder, &stream, 1), Ok(b"a".to_vec()), "{window:x}");
            assert_eq!(decoder.context.is_some(), kept, "{window:x}");
        }
        assert!(matches!(read(&with_window(0x89)), Err(InflateError::Unsupported { .. })));
        assert!(matches!(read(&with_window(0xff)), Err(InflateError::Unsupported { .. })));
    }

    #[test]
    fn a_dictionary_that_nobody_has_is_unsupported_rather_than_malformed() {
        let stream = [&MAGIC[..], &[0x01, 0x58, 7], &[0b1001, 0, 0, b'a']].concat();
        assert!(matches!(read(&stream), Err(InflateError::Unsupported { .. })));
    }
}
