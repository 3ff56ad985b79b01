//! The codecs in Kafka's framing, contexts used again, beside the codec's own library over the same
//! bytes: 16 and 64 KiB of JSON. The checksum that gzip asks for is the codec's.

mod support;

use std::hint::black_box;
use std::time::Duration;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use lz4_flex::block::{self, CompressTable};
use strandline::compression::{Codec, Compressor, Decompressor};
use support::{ratio, timed};

const MOST: usize = 1 << 20;

fn json(bytes: usize) -> Vec<u8> {
    let line = |n: usize| {
        format!("{{\"path\":\"core/src/main/File{}.scala\",\"added\":{n}}}\n", n * 7919 % 600)
    };
    let mut json: Vec<u8> = (0..).flat_map(|n| line(n).into_bytes()).take(bytes).collect();
    json.truncate(bytes);
    json
}

/// Compresses or decompresses `input` into what it gets, with contexts of its own.
type Library = Box<dyn FnMut(&[u8], &mut Vec<u8>)>;

fn bare_build(codec: Codec) -> Library {
    match codec {
        Codec::None => Box::new(|input, out| out.extend_from_slice(input)),
        Codec::Gzip => {
            let mut deflate = Compress::new(flate2::Compression::new(6), false);
            Box::new(move |input, out| {
                deflate.reset();
                out.reserve(input.len() + 1024);
                deflate.compress_vec(input, out, FlushCompress::Finish).expect("deflated");
                black_box(crc32fast::hash(input));
            })
        }
        Codec::Snappy => {
            let mut encoder = snap::raw::Encoder::new();
            Box::new(move |input, out| {
                out.resize(snap::raw::max_compress_len(input.len()), 0);
                let len = encoder.compress(input, out).expect("compressed");
                out.truncate(len);
            })
        }
        Codec::Lz4 => {
            let mut table = CompressTable::large();
            Box::new(move |input, out| {
                out.resize(block::get_maximum_output_size(input.len()), 0);
                let len = block::compress_into_with_table(input, out, &mut table);
                out.truncate(len.expect("compressed"));
            })
        }
        _ => {
            let mut context = zstd::bulk::Compressor::new(3).expect("a context");
            Box::new(move |input, out| {
                out.reserve(input.len() + 1024);
                context.compress_to_buffer(input, out).expect("compressed");
            })
        }
    }
}

fn bare_read(codec: Codec, len: usize) -> Library {
    match codec {
        Codec::None => Box::new(|input, out| out.extend_from_slice(input)),
        Codec::Gzip => {
            let mut inflate = Decompress::new(false);
            Box::new(move |input, out| {
                inflate.reset(false);
                out.reserve(len + 64);
                inflate.decompress_vec(input, out, FlushDecompress::Finish).expect("inflated");
                black_box(crc32fast::hash(out));
            })
        }
        Codec::Snappy => Box::new(move |input, out| {
            out.resize(len, 0);
            snap::raw::Decoder::new().decompress(input, out).expect("decompressed");
        }),
        Codec::Lz4 => Box::new(move |input, out| {
            out.resize(len, 0);
            block::decompress_into(input, out).expect("decompressed");
        }),
        _ => {
            let mut context = zstd::bulk::Decompressor::new().expect("a context");
            Box::new(move |input, out| {
                out.reserve(len + 64);
                context.decompress_to_buffer(input, out).expect("decompressed");
            })
        }
    }
}

/// Runs it over `input` as often as takes a while.
fn run(work: &mut dyn FnMut(&[u8], &mut Vec<u8>), input: &[u8], len: usize) -> (f64, Duration) {
    let mut out = Vec::new();
    timed(len as u64, (16 << 20) / len as u64, || {
        out.clear();
        work(input, &mut out);
        black_box(out.len())
    })
}

fn main() {
    for bytes in [16 << 10, 64 << 10] {
        let plain = json(bytes);
        for codec in Codec::ALL.into_iter().filter(|&codec| codec != Codec::None) {
            let name = |what| format!("{what} {codec}, {} KiB", bytes >> 10);
            let (mut compressor, mut bare) = (Compressor::new(), bare_build(codec));
            let (mut framed, mut unframed) = (Vec::new(), Vec::new());
            compressor.compress(codec.into(), &plain, &mut framed).expect("compressed");
            bare(&plain, &mut unframed);
            let mut ours = |input: &[u8], out: &mut Vec<u8>| {
                compressor.compress(codec.into(), input, out).expect("compressed");
            };
            ratio(
                &name("build"),
                "the codec alone",
                || run(&mut ours, &plain, bytes),
                || run(&mut bare, &plain, bytes),
            );
            let (mut decompressor, mut bare) = (Decompressor::new(), bare_read(codec, bytes));
            let mut ours = |input: &[u8], out: &mut Vec<u8>| {
                decompressor.decompress(codec, input, MOST, out).expect("decompressed");
            };
            ratio(
                &name("read"),
                "the codec alone",
                || run(&mut ours, &framed, bytes),
                || run(&mut bare, &unframed, bytes),
            );
        }
    }
}
