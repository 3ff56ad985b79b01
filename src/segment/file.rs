//! A look at one `.log` outside any store: read-only, nothing is created, locked or mended.
//!
//! [`LogFile`] gives a `.log` piece by piece, damage included, and goes on behind it. What is read is
//! what the file held when it was opened, so one that grows meanwhile does no harm.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::walk::{Resumed, batch_at, header_at, zeros_follow};
use super::window::Window;
use super::{READ_BYTES, names, resume_behind};
use crate::error::{Error, Result};
use crate::fs::{Access, Dir, File};
use crate::record::{BatchError, BatchHeader, HEADER_LEN, Offset, RecordBatch};

/// So many zeros at the end of a last batch whose checksum fails show that it was never written
/// whole.
const TORN_ZEROS: usize = 16;

/// One `.log` file by itself.
///
/// ```
/// use strandline::{LogFile, Piece};
///
/// # fn look(path: &std::path::Path) -> strandline::Result<()> {
/// let log = LogFile::open(path)?;
/// let mut pieces = log.pieces();
/// while let Some(piece) = pieces.next_piece()? {
///     match piece.what {
///         Piece::Batch(batch) => println!("{}: {:?}", piece.position, batch.header()),
///         what => println!("{}: {what:?}, {} bytes", piece.position, piece.size_bytes),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LogFile(Opened);

/// A file as it was when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) base_offset: Offset,
    pub(super) size_bytes: u64,
}

impl Opened {
    pub(super) fn open(path: &Path, base_offset: Option<Offset>) -> Result<Opened> {
        let Some(base_offset) = base_offset.or_else(|| base_offset_of(path)) else {
            let path = path.display();
            let why = format!("{path}: Kafka keeps the base offset in the file name (20 digits)");
            return Err(Error::Invalid(why));
        };
        let (file, size_bytes) = open(path).map_err(|error| Error::io("read", path, error))?;
        Ok(Opened { path: path.to_path_buf(), file: Arc::new(file), base_offset, size_bytes })
    }

    pub(super) fn window(&self) -> Window {
        Window::new(Arc::clone(&self.file), self.size_bytes, READ_BYTES)
    }

    pub(super) fn error(&self, error: io::Error) -> Error {
        Error::io("read", &self.path, error)
    }
}

/// The base offset that the name of a segment's file tells: its first 20 digits. `None` if the name
/// is not one that Kafka gives.
pub fn base_offset_of(path: &Path) -> Option<Offset> {
    names::parse(path.file_name()?.to_str()?).map(|(base, ..)| base)
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    // A link that the caller names is followed, unlike one in a store.
    let path = path.canonicalize()?;
    let name =
        path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    let dir = Dir::open_root(path.parent().unwrap_or(&path))?;
    let file = dir.open(name, Access::Read)?;
    let len = file.len()?;
    Ok((file, len))
}

impl LogFile {
    /// The `.log` at `path`, whose name tells its base offset. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name does not tell, `Io` if it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<LogFile> {
        Opened::open(path.as_ref(), None).map(LogFile)
    }

    /// The same for a file of any name.
    ///
    /// # Errors
    ///
    /// `Io` if it cannot be opened.
    pub fn open_at(path: impl AsRef<Path>, base_offset: Offset) -> Result<LogFile> {
        Opened::open(path.as_ref(), Some(base_offset)).map(LogFile)
    }

    /// The lower bound of its offsets.
    pub fn base_offset(&self) -> Offset {
        self.0.base_offset
    }

    /// Its length when it was opened.
    pub fn size_bytes(&self) -> u64 {
        self.0.size_bytes
    }

    /// What it holds, from the front.
    pub fn pieces(&self) -> LogPieces<'_> {
        self.pieces_from(0)
    }

    /// What it holds from `position` on, where a batch should begin: what an index gave, or an
    /// earlier piece. Elsewhere there is damage up to the next batch.
    pub fn pieces_from(&self, position: u64) -> LogPieces<'_> {
        let window = self.0.window();
        LogPieces { log: self, window, position, next_offset: 0, most_batch_bytes: u64::MAX }
    }
}

/// A stretch of a `.log`: each byte belongs to one.
#[derive(Clone, Copy, Debug)]
pub struct LogPiece<'a> {
    /// Where it begins.
    pub position: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// What it is.
    pub what: Piece<'a>,
}

/// What a stretch of a `.log` is.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A whole batch, its checksum compared. Whether its offsets fit those before is not asked.
    Batch(RecordBatch<'a>),
    /// No batch: up to where batches go on, or to the end.
    Damage(Damage),
    /// The beginning of a batch, at the end: one that is being written, or that a crash cut short.
    Unfinished,
    /// Nothing but zeros up to the end: space that was taken ahead.
    Zeros,
}

/// Why bytes in the middle of a `.log` are no batch, and where batches go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong with the first of them.
    pub cause: BatchError,
    /// The header of a batch whose checksum fails; as little to be trusted as the rest.
    pub header: Option<BatchHeader>,
    /// The base offset of the batch behind the damage, if one follows.
    pub resumed: Option<Offset>,
}

/// Goes through a `.log` from front to back. Made by [`LogFile::pieces`].
pub struct LogPieces<'a> {
    log: &'a LogFile,
    window: Window,
    position: u64,
    /// The offset behind the last batch that was whole.
    next_offset: Offset,
    /// A batch that claims more is passed over.
    most_batch_bytes: u64,
}

impl LogPieces<'_> {
    /// Passes over batches that claim more bytes, as damage ([`BatchError::TooLarge`]): each is held
    /// whole.
    #[must_use]
    pub fn max_batch_bytes(mut self, bytes: u64) -> Self {
        self.most_batch_bytes = bytes;
        self
    }

    /// The next stretch, `None` at the end.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be read, or has become shorter. Damage is none.
    pub fn next_piece(&mut self) -> Result<Option<LogPiece<'_>>> {
        let log = self.log;
        self.read_piece().map_err(|error| log.0.error(error))
    }

    fn read_piece(&mut self) -> io::Result<Option<LogPiece<'_>>> {
        let (log, position) = (self.log, self.position);
        if position >= self.window.end() {
            return Ok(None);
        }
        let (size_bytes, what) = match self.header_at(position)? {
            Ok(header) => {
                self.position += header.size_bytes() as u64;
                // Offsets that no index of the segment can say are not believed: batches go on below.
                if header.last_offset().saturating_sub(log.base_offset()) <= i64::from(i32::MAX) {
                    self.next_offset = header.next_offset();
                }
                let bytes = self.window.from(position, header.size_bytes())?;
                let batch = RecordBatch::decode_checked_before(bytes);
                let batch = batch.map_err(|_| io::ErrorKind::UnexpectedEof)?;
                (batch.bytes().len() as u64, Piece::Batch(batch))
            }
            Err(cause) => {
                let (end, what) = self.look_at_fault(position, cause)?;
                self.position = end;
                (end - position, what)
            }
        };
        Ok(Some(LogPiece { position, size_bytes, what }))
    }

    /// The header of the batch at `position`, which is whole and checked. A length past the end is
    /// seen before anything is read for it.
    fn header_at(
        &mut self,
        position: u64,
    ) -> io::Result<std::result::Result<BatchHeader, BatchError>> {
        let end = self.window.end();
        if let Ok(header) = BatchHeader::decode(self.window.at_most(position, HEADER_LEN)?) {
            let (need, have) = (header.size_bytes(), end - position);
            if need as u64 > have {
                return Ok(Err(BatchError::Incomplete { have: have as usize, need }));
            }
            let (size, limit) = (need as u64, self.most_batch_bytes);
            if size > limit {
                return Ok(Err(BatchError::TooLarge { size, limit }));
            }
        }
        Ok(batch_at(&mut self.window, position)?.map(|batch| *batch.header()))
    }

    /// What the bytes at `position` are, which are no batch, and where they end.
    fn look_at_fault(
        &mut self,
        position: u64,
        cause: BatchError,
    ) -> io::Result<(u64, Piece<'static>)> {
        let end = self.window.end();
        if self.only_zeros_from(position)? {
            return Ok((end, Piece::Zeros));
        }
        if self.only_zeros_from(position + HEADER_LEN as u64)? {
            return Ok((end, Piece::Unfinished));
        }
        let header = BatchHeader::decode(self.window.at_most(position, HEADER_LEN)?).ok();
        let has_header = matches!(cause, BatchError::Crc { .. } | BatchError::TooLarge { .. });
        let failed = header.filter(|_| has_header);
        if let Some(header) = failed {
            let behind = position + header.size_bytes() as u64;
            let zeros_behind = behind == end || self.only_zeros_from(behind)?;
            if zeros_behind && self.ends_in_zeros(position, &header)? {
                return Ok((behind, Piece::Unfinished));
            }
            let next = header_at(&mut self.window, behind)?;
            let next =
                next.ok().map(|next| next.base_offset()).filter(|&at| at >= self.next_offset);
            if zeros_behind || next.is_some() {
                return Ok((
                    behind,
                    Piece::Damage(Damage { cause, header: failed, resumed: next }),
                ));
            }
        }
        let file = &self.log.0.file;
        let resumed = resume_behind(file, position, end, self.next_offset..Offset::MAX)?;
        match (resumed, cause) {
            (None, BatchError::Incomplete { .. }) => Ok((end, Piece::Unfinished)),
            (resumed, cause) => {
                let end = resumed.map_or(end, |Resumed { position, .. }| position);
                let resumed = resumed.map(|Resumed { base_offset, .. }| base_offset);
                Ok((end, Piece::Damage(Damage { cause, header: failed, resumed })))
            }
        }
    }

    fn only_zeros_from(&mut self, position: u64) -> io::Result<bool> {
        let is_inside = position < self.window.end();
        Ok(is_inside && zeros_follow(&self.log.0.file, &mut self.window, position)?)
    }

    fn ends_in_zeros(&mut self, position: u64, header: &BatchHeader) -> io::Result<bool> {
        let tail = (header.size_bytes() - HEADER_LEN).min(TORN_ZEROS);
        let from = position + (header.size_bytes() - tail) as u64;
        Ok(self.window.at_most(from, tail)?.iter().all(|&byte| byte == 0))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compression::Compressor;
    use crate::record::{Batch, LeaderEpoch, Record, Stamp, TimestampType, Wanted, stamp};

    /// Three batches of two records each, and where they begin.
    fn log() -> (Vec<u8>, [usize; 4]) {
        let (mut bytes, mut positions) = (Vec::new(), [0; 4]);
        for number in 0..3_u8 {
            let value = [number + 1; 30];
            let records = [0, 1].map(|at| Record::new().value(&value).timestamp(at));
            let wanted =
                Wanted { now: 0, timestamp_type: TimestampType::CreateTime, compression: None };
            let (mut batch, mut scratch) = (Batch::of(records), Vec::new());
            let (draft, _) = batch.draft(wanted, &mut Compressor::new(), &mut scratch).unwrap();
            let placed = Stamp {
                base_offset: 2 * i64::from(number),
                leader_epoch: LeaderEpoch(0),
                timestamp_type: TimestampType::CreateTime,
                max_timestamp: Some(1),
            };
            stamp(draft.bytes, placed);
            bytes.extend_from_slice(draft.bytes);
            positions[usize::from(number) + 1] = bytes.len();
        }
        (bytes, positions)
    }

    pub(in crate::segment) fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(name);
        let dir = Dir::open_root(temp.path()).unwrap();
        dir.create(name).unwrap().write_all_at(bytes, 0).unwrap();
        (temp, path)
    }

    /// What the pieces are: where, how long, and `B`atch, `D`amage, `U`nfinished or `Z`eros.
    fn pieces(bytes: &[u8]) -> (Vec<(u64, u64, char)>, Vec<Damage>) {
        let (_temp, path) = file("00000000000000000000.log", bytes);
        let log = LogFile::open(&path).unwrap();
        let (mut all, mut damages, mut pieces) = (Vec::new(), Vec::new(), log.pieces());
        while let Some(piece) = pieces.next_piece().unwrap() {
            let kind = match piece.what {
                Piece::Batch(_) => 'B',
                Piece::Damage(damage) => {
                    damages.push(damage);
                    'D'
                }
                Piece::Unfinished => 'U',
                Piece::Zeros => 'Z',
            };
            all.push((piece.position, piece.size_bytes, kind));
        }
        (all, damages)
    }

    fn kinds(bytes: &[u8]) -> String {
        pieces(bytes).0.iter().map(|piece| piece.2).collect()
    }

    #[test]
    fn a_base_offset_is_in_the_name_or_is_asked_for() {
        let (_temp, path) = file("00000000000000000042.log", b"");
        assert_eq!(LogFile::open(&path).unwrap().base_offset(), 42);
        let (_temp, path) = file("foo.log", b"");
        assert!(matches!(LogFile::open(&path), Err(Error::Invalid(_))));
        assert_eq!(LogFile::open_at(&path, 7).unwrap().base_offset(), 7);
        let missing = path.with_file_name("00000000000000000000.log");
        assert!(matches!(LogFile::open(missing), Err(Error::Io { .. })));
    }

    #[test]
    fn a_log_cut_anywhere_is_whole_batches_and_one_unfinished() {
        let (bytes, positions) = log();
        for len in 0..=bytes.len() {
            let whole = positions.iter().filter(|&&at| at > 0 && at <= len).count();
            let rest = match &bytes[positions[whole]..len] {
                [] => "",
                // The first bytes of an offset are zeros.
                rest if rest.iter().all(|&byte| byte == 0) => "Z",
                _ => "U",
            };
            assert_eq!(kinds(&bytes[..len]), "B".repeat(whole) + rest, "cut at {len}");
        }
    }

    #[test]
    fn zeros_behind_are_told_from_damage_and_from_a_torn_batch() {
        let (bytes, positions) = log();
        let mut preallocated = bytes.clone();
        preallocated.resize(5000, 0);
        assert_eq!(kinds(&preallocated), "BBBZ");
        for torn in [positions[2] + 70, positions[2] + 20] {
            let mut torn_bytes = preallocated.clone();
            torn_bytes[torn..].fill(0);
            assert_eq!(kinds(&torn_bytes), if torn > positions[2] + 61 { "BBUZ" } else { "BBU" });
        }
        let mut hole = bytes.clone();
        hole[positions[1]..positions[2]].fill(0);
        let (found, damages) = pieces(&hole);
        let (from, len) = (positions[1] as u64, (positions[2] - positions[1]) as u64);
        assert_eq!(found[1], (from, len, 'D'));
        assert_eq!((damages[0].cause, damages[0].resumed), (BatchError::Zeros, Some(4)));
    }

    #[test]
    fn reading_goes_on_behind_each_kind_of_damage() {
        let (bytes, positions) = log();
        let at = positions[1];
        // Length too small, length past the end, negative length, magic, CRC.
        let cases: [(usize, &[u8]); 6] = [
            (8, &[0, 0, 0, 5]),
            (8, &[0x7f, 0xff, 0xff, 0xff]),
            (8, &[0xff, 0, 0, 0]),
            (16, &[9]),
            (16, &[1]),
            (70, &[0x77]),
        ];
        for (field, value) in cases {
            let mut bytes = bytes.clone();
            bytes[at + field..at + field + value.len()].copy_from_slice(value);
            let (found, damages) = pieces(&bytes);
            let (from, len) = (at as u64, (positions[2] - at) as u64);
            assert_eq!((found.len(), found[1]), (3, (from, len, 'D')), "{field}: {value:x?}");
            assert_eq!(damages[0].resumed, Some(4));
            let is_crc = matches!(damages[0].cause, BatchError::Crc { .. });
            assert_eq!((damages[0].header.is_some(), is_crc), (field == 70, field == 70));
        }
    }

    #[test]
    fn a_batch_that_goes_back_is_a_batch() {
        let (bytes, _) = log();
        assert_eq!(kinds(&[&bytes[..], &bytes[..]].concat()), "BBBBBB");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn whatever_one_byte_becomes_the_pieces_cover_the_file(at in 0_usize..390, to: u8) {
            let (mut bytes, _) = log();
            let at = at % bytes.len();
            bytes[at] = to;
            let (found, _) = pieces(&bytes);
            let mut end = 0;
            for (position, size, _) in found {
                prop_assert_eq!(position, end);
                prop_assert!(size > 0);
                end += size;
            }
            prop_assert_eq!(end, bytes.len() as u64);
        }
    }
}
