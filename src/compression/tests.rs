//! What all codecs promise, and what Kafka's libraries wrote.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const CODECS: [Codec; 5] = Codec::ALL;
const FRAMED: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn compressed(how: impl Into<Compression>, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::new().compress(how.into(), input, &mut out).unwrap();
    out
}

fn inflated(codec: Codec, input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    Decompressor::new().decompress(codec, input, limit, &mut out).map(|()| out)
}

/// Bytes of which some repeat and some do not, of the lengths at which blocks end.
fn bytes_around_block_ends() -> impl Strategy<Value = Vec<u8>> {
    let around = |len: usize| len.saturating_sub(2)..len + 3;
    let lengths = prop_oneof![
        0_usize..300,
        around(8 << 10),
        around(32 << 10),
        around(64 << 10),
        around(96 << 10),
        around(128 << 10),
        around(200 << 10),
    ];
    (lengths, vec(any::<u8>(), 1..2000), 1_usize..40).prop_map(|(len, words, skip)| {
        let noise = words.iter().flat_map(|word| [*word, word.wrapping_mul(31)]);
        let repeats = noise.chain(words.iter().copied().step_by(skip)).collect::<Vec<_>>();
        repeats.into_iter().cycle().take(len).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_goes_in_comes_out_behind_what_was_there(input in bytes_around_block_ends()) {
        let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
        for codec in CODECS {
            let mut stream = b"before".to_vec();
            compressor.compress(codec.into(), &input, &mut stream).unwrap();
            prop_assert!(stream.starts_with(b"before"));
            let mut out = b"before".to_vec();
            decompressor.decompress(codec, &stream[6..], input.len(), &mut out).unwrap();
            prop_assert!(out[..6] == *b"before" && out[6..] == input, "{codec}");
        }
    }

    #[test]
    fn contexts_that_worked_before_write_what_new_ones_write(
        inputs in vec(bytes_around_block_ends(), 3)
    ) {
        let mut compressor = Compressor::new();
        for input in &inputs {
            for codec in CODECS {
                let mut out = Vec::new();
                compressor.compress(codec.into(), input, &mut out).unwrap();
                prop_assert!(out == compressed(codec, input), "{codec}");
            }
        }
    }

    #[test]
    fn the_limit_is_exact_and_what_comes_before_it_is_kept(
        input in bytes_around_block_ends(), less in 1_usize..70_000
    ) {
        prop_assume!(!input.is_empty());
        for codec in CODECS {
            let stream = compressed(codec, &input);
            prop_assert!(inflated(codec, &stream, input.len()).is_ok());
            let limit = input.len().saturating_sub(less);
            for limit in [limit, input.len() - 1] {
                let mut out = Vec::new();
                let result = Decompressor::new().decompress(codec, &stream, limit, &mut out);
                prop_assert_eq!(result, Err(InflateError::TooLarge { limit }), "{}", codec);
                prop_assert!(out.len() <= limit && input.starts_with(&out), "{codec}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_is_an_error_or_some_bytes_within_the_limit(
        garbage in vec(any::<u8>(), 0..200), limit in 0_usize..1000
    ) {
        for codec in CODECS {
            let start = compressed(codec, b"");
            for begin in [0, start.len() / 2, start.len()] {
                never_beyond(codec, &[&start[..begin], &garbage].concat(), limit)?;
            }
        }
    }

    #[test]
    fn damage_is_an_error_or_some_bytes_within_the_limit(
        input in vec(0_u8..20, 0..500),
        at: prop::sample::Index,
        flip in 1_u8..,
        cut in any::<bool>(),
    ) {
        for codec in FRAMED {
            let mut stream = compressed(codec, &input);
            let at = at.index(stream.len());
            stream[at] ^= flip;
            never_beyond(codec, &stream, input.len())?;
            if cut {
                never_beyond(codec, &stream[..at], input.len())?;
            }
        }
    }
}

fn never_beyond(codec: Codec, stream: &[u8], limit: usize) -> Result<(), TestCaseError> {
    let mut out = Vec::with_capacity(4000);
    out.extend_from_slice(b"before");
    let result = Decompressor::new().decompress(codec, stream, limit, &mut out);
    prop_assert!(out.starts_with(b"before") && out.len() <= 6 + limit, "{codec}");
    if let Err(InflateError::TooLarge { limit: said }) = result {
        prop_assert_eq!(said, limit);
    }
    Ok(())
}

#[test]
fn a_bomb_takes_no_more_memory_than_the_limit_allows() {
    let zeros = vec![0; 32 << 20];
    let limit = 100_000;
    for codec in CODECS {
        let bomb = compressed(codec, &zeros);
        let mut out = Vec::new();
        let result = Decompressor::new().decompress(codec, &bomb, limit, &mut out);
        assert_eq!(result, Err(InflateError::TooLarge { limit }), "{codec}");
        assert!(out.capacity() <= 2 * limit, "{codec}: {}", out.capacity());
    }
}

#[test]
fn a_small_stream_takes_little_memory_whatever_the_limit() {
    for codec in CODECS {
        let stream = compressed(codec, b"some records");
        let out = inflated(codec, &stream, usize::MAX).unwrap();
        assert!(out.capacity() <= 1024, "{codec}: {}", out.capacity());
    }
}

#[test]
fn a_stream_that_is_cut_short_is_never_taken_for_whole() {
    let input = b"it was the best of times, it was the worst of times ".repeat(50);
    for codec in FRAMED {
        let stream = compressed(codec, &input);
        for cut in 0..stream.len() {
            let out = inflated(codec, &stream[..cut], usize::MAX).unwrap_or_default();
            // No frame, and a snappy stream's header with up to three bytes, are nothing.
            assert_eq!(out, b"", "{codec} cut at {cut}");
        }
    }
}

#[test]
fn every_level_is_read_back() {
    let input = b"it was the best of times, it was the worst of times ".repeat(50);
    for (codec, levels) in [(Codec::Gzip, 1..=9), (Codec::Lz4, 1..=17), (Codec::Zstd, -7..=12)] {
        for level in levels {
            let how = Compression::new(codec).level(level).unwrap();
            let stream = compressed(how, &input);
            assert_eq!(inflated(codec, &stream, usize::MAX).unwrap(), input, "{how}");
        }
    }
}

#[test]
fn what_kafka_wrote_is_read() {
    let records = bytes(RECORDS);
    for (codec, stream) in
        [(Codec::Gzip, GZIP), (Codec::Snappy, SNAPPY), (Codec::Lz4, LZ4), (Codec::Zstd, ZSTD)]
    {
        let stream = bytes(stream);
        assert_eq!(inflated(codec, &stream, records.len()).as_ref(), Ok(&records), "{codec}");
        let too_large = Err(InflateError::TooLarge { limit: records.len() - 1 });
        assert_eq!(inflated(codec, &stream, records.len() - 1), too_large, "{codec}");
    }
}

#[test]
fn what_kafka_wrote_of_records_that_do_not_or_hardly_take_space_is_read() {
    // One record of random bytes: lz4 stores its block as it is.
    let stream = bytes(LZ4_STORED);
    let (header, rest) = stream.split_at(11);
    assert_eq!(header[7..], [119, 0, 0, 0x80]);
    assert_eq!(inflated(Codec::Lz4, &stream, 119).as_deref(), Ok(&rest[..119]));
    // One record with the key "z" and a value of 200,000 times "x".
    let long = [&bytes("92b518000000027a80b518")[..], &b"x".repeat(200_000), &[0]].concat();
    let stream = bytes(
        "28b52ffd0058a400006092b518000000027a80b518780100f1ff39480254000010780001\
         00470d391002010000",
    );
    assert_eq!(inflated(Codec::Zstd, &stream, long.len()), Ok(long));
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    (0..hex.len()).step_by(2).map(|at| digit(at).unwrap()).collect()
}

/// Three records, as they lie in a batch.
const RECORDS: &str = "\
    7e000000046b386e726f6b6968676c636b6875707a706665796c6c6669616f716d7570726e6c7971646f767a77\
    636d736a78726f7471617a70687767767766003a001a02066b3238286978686567786e6977776a6e6f66656574\
    61697800a601003404066b3139920177796c6674676568766d667168686e78667a766b77657a766e7666686d6d\
    636b78796669646b6c6a676372717376796a6c7469666c636e6962686778706d7675627162616b637a6a7000";

/// `RECORDS`, by the JDK.
const GZIP: &str = "\
    1f8b08000000000000ff05c1cb1182301000d0e0301461055e753ca0dd40c86693cd17427e078bb008ebf4bd0f\
    636ca4d9ed9e144ac309cfd00388660ca8c5477b86dd9916379f7be1f6d075f7292e3d6091b9007bb3eb65a2c7\
    7c531585ac4e95a29d0721d2a22afb0dec394e747f7d87d20c2429305b8888ae42cf5444cf2e035acba936501b\
    192df91e8fdcb4490a0c776a455983cde71ad78578d781fd01f6629ffeb3000000";

/// `RECORDS`, by snappy-java.
const SNAPPY: &str = "\
    82534e41505059000000000100000001000000b7b301f0b27e000000046b386e726f6b6968676c636b6875707a\
    706665796c6c6669616f716d7570726e6c7971646f767a77636d736a78726f7471617a70687767767766003a00\
    1a02066b3238286978686567786e6977776a6e6f6665657461697800a601003404066b3139920177796c667467\
    6568766d667168686e78667a766b77657a766e7666686d6d636b78796669646b6c6a676372717376796a6c7469\
    666c636e6962686778706d7675627162616b637a6a7000";

/// `RECORDS`, by Kafka's own frames over lz4-java.
const LZ4: &str = "\
    04224d18604082b30000807e000000046b386e726f6b6968676c636b6875707a706665796c6c6669616f716d75\
    70726e6c7971646f767a77636d736a78726f7471617a70687767767766003a001a02066b323828697868656778\
    6e6977776a6e6f6665657461697800a601003404066b3139920177796c6674676568766d667168686e78667a76\
    6b77657a766e7666686d6d636b78796669646b6c6a676372717376796a6c7469666c636e6962686778706d7675\
    627162616b637a6a700000000000";

/// `RECORDS`, by zstd-jni.
const ZSTD: &str = "\
    28b52ffd0058cc0400324b25219027797f7d7b6d9744b666e50a21493b6913ade0ee245103eb9ed7d959ebac4d\
    01dad2345e0c67244fb588d8e8657e1bf924dfc21d06a57745af8c6e94e27debcd03fdcd8d8bd9ad7a7c10b22f\
    6101a140c01107022d2468ec829cb36c25087b457438764062c011060035d0850f416eb338841d312d9481f331\
    8593bf8e9628c74aefbf3cdb664bd8cd236e67c74af841550f0200010000";

/// One record of random bytes, by Kafka's own frames over lz4-java.
const LZ4_STORED: &str = "\
    04224d1860408277000080ea01000000066b3139d601f04b3708109a44658cca7c90f8a913270351c8801f5f5a\
    0b2a4e0bddda1f2a102fc0c084197127187ed2be09c295505ea9eb456c337d645d9a0aa455373e3396c48b8e43\
    e3fff9ad9c670764ed594d157d9ece6598c48120ea343f20c9bd24edae68383c1e5360413156570000000000";
