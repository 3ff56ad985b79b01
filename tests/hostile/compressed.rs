//! Bombs: little that inflates to much, and streams that declare what they do not hold.

use std::fs;
use std::io::Write;

use strandline::Error;
use strandline::compression::{Codec, Decompressor, InflateError};

use crate::batches::{Lie, batch, honest};
use crate::child::confined;
use crate::use_all::{everything, name, partition};

/// What the bombs inflate to: more than any bound here, 64 MiB.
const MUCH: usize = 100 << 20;

fn gzip_bomb() -> Vec<u8> {
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let zeros = vec![0; 1 << 20];
    for _ in 0..MUCH >> 20 {
        let mut left = &zeros[..];
        while !left.is_empty() {
            let before = deflate.total_in();
            bomb.reserve(4096);
            deflate.compress_vec(left, &mut bomb, flate2::FlushCompress::None).unwrap();
            left = &left[(deflate.total_in() - before) as usize..];
        }
    }
    bomb.reserve(4096);
    deflate.compress_vec(&[], &mut bomb, flate2::FlushCompress::Finish).unwrap();
    bomb
}

/// With a window as large as the frame allows, which is taken at once if the level is high.
fn zstd_bomb(window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..MUCH >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// A raw block that declares `declared` bytes: one literal, then copies of it.
fn snappy(declared: u64, copies: usize) -> Vec<u8> {
    let mut block = Vec::new();
    let mut left = declared;
    while left >= 0x80 {
        block.push(left as u8 | 0x80);
        left >>= 7;
    }
    block.push(left as u8);
    block.extend([0, b'a']);
    for _ in 0..copies {
        block.extend([0xfe, 1, 0]);
    }
    block
}

/// Blocks of 4 MiB, each of a few KiB.
fn lz4_bomb() -> Vec<u8> {
    let block = lz4_flex::block::compress(&vec![0; 4 << 20]);
    let mut bomb = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73];
    for _ in 0..MUCH / (4 << 20) {
        bomb.extend((block.len() as u32).to_le_bytes());
        bomb.extend(&block);
    }
    bomb.extend([0; 4]);
    bomb
}

fn bombs() -> Vec<(Codec, Vec<u8>)> {
    let full = MUCH / 64;
    vec![
        (Codec::Gzip, gzip_bomb()),
        (Codec::Zstd, zstd_bomb(19)),
        (Codec::Zstd, zstd_bomb(27)),
        (Codec::Snappy, snappy(full as u64 * 64 + 1, full)),
        (Codec::Snappy, snappy(u64::from(u32::MAX), 10)),
        (Codec::Snappy, snappy(u64::MAX, 10)),
        (Codec::Lz4, lz4_bomb()),
    ]
}

#[test]
fn a_bomb_is_too_large_however_often_it_is_read() {
    confined("compressed::a_bomb_is_too_large_however_often_it_is_read", || {
        let (mut with, mut out) = (Decompressor::new(), Vec::new());
        for (codec, bomb) in bombs() {
            for limit in [0, 1 << 20, 64 << 20] {
                out = Vec::new();
                let refused = with.decompress(codec, &bomb, limit, &mut out).unwrap_err();
                // A window of 128 MiB may be more than there is.
                let expected = matches!(
                    refused,
                    InflateError::TooLarge { .. }
                        | InflateError::Malformed { .. }
                        | InflateError::OutOfMemory
                );
                assert!(expected && out.len() <= limit, "{codec}: {refused}");
                assert!(out.capacity() <= 3 * limit + 5 * bomb.len() + 2048, "{codec}");
            }
        }
        drop(out);
    });
}

#[test]
fn bombs_in_a_log_are_too_large_and_their_neighbours_are_read() {
    confined("compressed::bombs_in_a_log_are_too_large_and_their_neighbours_are_read", || {
        for (codec, bomb) in bombs() {
            let (directory, partition) = partition();
            let lie =
                Lie { attributes: i16::from(codec.id()), payload: bomb, count: 5, ..batch(0, &[]) };
            let lie = Lie { last_offset_delta: 4, ..lie };
            let mut bytes = lie.bytes();
            bytes.extend(batch(5, &[honest(0)]).bytes());
            fs::write(partition.join(name(0, "log")), bytes).unwrap();
            for used in &everything(directory.path())[1..] {
                let is_told =
                    |error: &Error| matches!(error, Error::TooLarge { .. } | Error::Corrupt { .. });
                assert!(used.has(is_told) && used.records >= 1, "{codec}: {used:?}");
            }
        }
    });
}

#[test]
fn many_bombs_in_one_fetch() {
    confined("compressed::many_bombs_in_one_fetch", || {
        // Each within the bound of one batch.
        let zeros = vec![0; 60 << 20];
        let payload = zstd::stream::encode_all(&zeros[..], 1).unwrap();
        drop(zeros);
        let (directory, partition) = partition();
        let mut bytes = Vec::new();
        for offset in 0..8 {
            let lie =
                Lie { attributes: 4, payload: payload.clone(), count: 1, ..batch(offset, &[]) };
            bytes.extend(lie.bytes());
        }
        bytes.extend(batch(8, &[honest(0)]).bytes());
        fs::write(partition.join(name(0, "log")), bytes).unwrap();
        for used in &everything(directory.path())[1..] {
            assert!(!used.errors.is_empty() && used.records >= 1, "{used:?}");
        }
    });
}
