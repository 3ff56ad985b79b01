//! The codecs by id and name, and the levels that Kafka's settings allow them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// How the records of a batch are compressed (`compression.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Codec {
    /// Not compressed. A topic's `compression.type` calls it `uncompressed`.
    #[default]
    None = 0,
    /// Deflate in a gzip member.
    Gzip = 1,
    /// Snappy blocks in the framing of snappy-java.
    Snappy = 2,
    /// LZ4 blocks in an LZ4 frame.
    Lz4 = 3,
    /// A Zstandard frame.
    Zstd = 4,
}

impl Codec {
    /// Every codec, in order of id.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec that a batch's attributes name, or `None` for an id that Kafka has not given yet.
    #[inline]
    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.get(usize::from(id)).copied()
    }

    /// Its number in a batch's attributes: 0 to 4.
    #[inline]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name for it: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The level that Kafka uses unless told otherwise, or `None` if the codec has no levels.
    fn default_level(self) -> Option<i32> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(GZIP_DEFAULT_LEVEL),
            Codec::Lz4 => Some(9),
            Codec::Zstd => Some(3),
        }
    }

    /// The levels that Kafka lets one set, besides the default.
    fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(1..=9),
            Codec::Lz4 => Some(1..=17),
            Codec::Zstd => Some(-131_072..=22),
        }
    }
}

/// Leaves the level to zlib.
const GZIP_DEFAULT_LEVEL: i32 = -1;

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    /// Reads Kafka's name of a codec; `uncompressed` is `none`.
    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        match name {
            "uncompressed" => Ok(Codec::None),
            _ => Codec::ALL.into_iter().find(|codec| codec.name() == name).ok_or(UnknownCodec),
        }
    }
}

/// A codec and its level: what new batches are compressed with.
///
/// The level is stored nowhere, and a reader needs no word of it.
///
/// ```
/// use strandline::compression::{Codec, Compression};
///
/// let how: Compression = "zstd:5".parse()?;
/// assert_eq!((how.codec(), how.level_of()), (Codec::Zstd, Some(5)));
/// assert_eq!(Compression::new(Codec::Gzip).level(9)?.to_string(), "gzip:9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    /// `None` if the codec has no levels, and only then.
    level: Option<i32>,
}

impl Compression {
    /// No compression.
    pub const NONE: Compression = Compression { codec: Codec::None, level: None };

    /// A codec with Kafka's default level for it.
    pub fn new(codec: Codec) -> Self {
        Compression { codec, level: codec.default_level() }
    }

    /// Uses another level than the default.
    ///
    /// | codec | setting                  | levels          | default |
    /// |-------|--------------------------|-----------------|--------:|
    /// | gzip  | `compression.gzip.level` | -1, 1 to 9      |      -1 |
    /// | lz4   | `compression.lz4.level`  | 1 to 17         |       9 |
    /// | zstd  | `compression.zstd.level` | -131072 to 22   |       3 |
    ///
    /// Gzip's -1 is zlib's own choice, 6. The levels of lz4 are accepted and make no difference:
    /// there is one compressor, of the speed and strength of Kafka's default. Each thread
    /// that compresses with zstd keeps 4 MiB at level 3, 45 MiB at 12, 90 MiB at 19, 850 MiB at 22.
    ///
    /// # Errors
    ///
    /// If Kafka's setting for the codec does not allow this level, or if it has no levels.
    pub fn level(self, level: i32) -> Result<Self, LevelError> {
        let refused = LevelError { codec: self.codec, level };
        let levels = self.codec.levels().ok_or(refused)?;
        if levels.contains(&level) || self.codec.default_level() == Some(level) {
            Ok(Compression { level: Some(level), ..self })
        } else {
            Err(refused)
        }
    }

    /// Which codec.
    #[inline]
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// Its level, or `None` if the codec has no levels.
    pub fn level_of(self) -> Option<i32> {
        self.level
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Compression::new(codec)
    }
}

impl fmt::Display for Compression {
    /// As `FromStr` reads it: the codec's name, and the level behind a colon if it has any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "{}:{level}", self.codec),
            None => write!(f, "{}", self.codec),
        }
    }
}

impl FromStr for Compression {
    type Err = ParseCompressionError;

    /// Reads `lz4` or `zstd:5`: a codec's name, then the level behind a colon if it shall not be
    /// the default.
    fn from_str(text: &str) -> Result<Self, ParseCompressionError> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let codec: Codec = name.parse().map_err(ParseCompressionError::Codec)?;
        let compression = Compression::new(codec);
        let Some(level) = level else { return Ok(compression) };
        let level = level.parse().map_err(|_| ParseCompressionError::NotALevel)?;
        compression.level(level).map_err(ParseCompressionError::Level)
    }
}

/// A name is not that of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCodec;

impl fmt::Display for UnknownCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a codec is one of none, uncompressed, gzip, snappy, lz4, zstd")
    }
}

impl std::error::Error for UnknownCodec {}

/// A level that Kafka's setting for the codec does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelError {
    /// The codec whose level was to be set.
    pub codec: Codec,
    /// The level that it does not have.
    pub level: i32,
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LevelError { codec, level } = self;
        let Some(levels) = codec.levels() else { return write!(f, "{codec} has no levels") };
        let (lowest, highest) = (levels.start(), levels.end());
        write!(f, "{codec} has no level {level}: it is between {lowest} and {highest}")?;
        if *codec == Codec::Gzip {
            write!(f, ", or {GZIP_DEFAULT_LEVEL} for the default")?;
        }
        Ok(())
    }
}

impl std::error::Error for LevelError {}

/// Why a text names no compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseCompressionError {
    /// What stands before the colon is not a codec.
    Codec(UnknownCodec),
    /// What stands behind the colon is not a number.
    NotALevel,
    /// The codec does not have this level.
    Level(LevelError),
}

impl fmt::Display for ParseCompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseCompressionError::Codec(cause) => cause.fmt(f),
            ParseCompressionError::NotALevel => f.write_str("a level is a whole number"),
            ParseCompressionError::Level(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ParseCompressionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_kafkas() {
        let known = [(0, "none"), (1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")];
        for (id, name) in known {
            let codec = Codec::from_id(id).unwrap();
            assert_eq!((codec.id(), codec.name(), name.parse()), (id, name, Ok(codec)));
        }
        assert!((5..=u8::MAX).all(|id| Codec::from_id(id).is_none()));
        assert_eq!("uncompressed".parse(), Ok(Codec::None));
        assert_eq!("producer".parse::<Codec>(), Err(UnknownCodec));
    }

    #[test]
    fn levels_are_allowed_exactly_where_kafka_allows_them() {
        let allowed = |codec, level| Compression::new(codec).level(level).is_ok();
        for (level, gzip, lz4, zstd) in [
            (i32::MIN, false, false, false),
            (-131_073, false, false, false),
            (-131_072, false, false, true),
            (-1, true, false, true),
            (0, false, false, true),
            (1, true, true, true),
            (9, true, true, true),
            (10, false, true, true),
            (17, false, true, true),
            (18, false, false, true),
            (22, false, false, true),
            (23, false, false, false),
        ] {
            let got = [Codec::Gzip, Codec::Lz4, Codec::Zstd].map(|codec| allowed(codec, level));
            assert_eq!(got, [gzip, lz4, zstd], "level {level}");
            assert!(!allowed(Codec::None, level) && !allowed(Codec::Snappy, level));
        }
    }

    #[test]
    fn a_compression_reads_back_from_what_it_prints() {
        for text in ["none", "snappy", "gzip:-1", "gzip:9", "lz4:17", "zstd:-131072"] {
            let compression: Compression = text.parse().unwrap();
            assert_eq!(compression.to_string(), text);
        }
        for codec in Codec::ALL {
            assert_eq!(codec.name().parse(), Ok(Compression::from(codec)));
        }
        assert_eq!(Compression::default(), Compression::NONE);
        assert_eq!(Compression::new(Codec::None), Compression::NONE);
    }

    #[test]
    fn a_text_that_names_no_compression_is_told_why() {
        let why = |text: &str| text.parse::<Compression>().unwrap_err().to_string();
        assert_eq!(
            why("gzip:0"),
            "gzip has no level 0: it is between 1 and 9, or -1 for the default"
        );
        assert_eq!(why("lz4:18"), "lz4 has no level 18: it is between 1 and 17");
        assert_eq!(why("snappy:1"), "snappy has no levels");
        assert_eq!(why("zstd:"), "a level is a whole number");
        assert_eq!(why("brotli"), UnknownCodec.to_string());
    }
}
