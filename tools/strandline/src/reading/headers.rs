//! Going over a `.log` by the headers of its batches alone: a few bytes of each are read, and
//! nothing is checked that those bytes do not tell.

use std::fs::File;
use std::io;
use std::path::Path;

use strandline::record::{BatchError, BatchHeader, RecordBatch};
use strandline::{LogFile, LogPiece, Piece};

use super::pace::Pieces;
use super::{open, read_at};
use crate::exit::{Failure, Result};
use crate::paths::Input;

/// Bytes of a batch's header.
const HEADER_LEN: usize = 61;
/// Bytes that tell a message's length.
const PREFIX_LEN: usize = 17;
/// A message of an old format that claims more is not read for its header.
const MOST_MESSAGE: u64 = 32 << 20;
/// Where batches are smaller than this, many are brought by one read.
const SMALL_BATCH: usize = 4 << 10;
/// So much is brought then.
const PIECE: usize = 64 << 10;

/// A walk over headers.
pub(crate) struct Headers {
    file: File,
    len: u64,
    at: u64,
    held: Vec<u8>,
    held_from: u64,
    /// What the next read brings.
    piece: usize,
}

/// What is found at a position.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// A batch that lies whole within the file.
    Batch(u64, BatchHeader),
    /// No header, or one that claims more than there is. Nothing is read behind it.
    Fault(BatchError),
}

impl Headers {
    /// Over the file as long as it is now.
    pub(crate) fn open(path: &Path) -> io::Result<Headers> {
        let file = open(path)?;
        let len = file.metadata()?.len();
        Ok(Headers { file, len, at: 0, held: Vec::new(), held_from: 0, piece: PIECE })
    }

    /// The file's length when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where the next header is sought.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Goes on from there, with reads of that many bytes to begin with.
    pub(crate) fn seek(&mut self, position: u64, piece: usize) {
        (self.at, self.piece) = (position, piece.max(HEADER_LEN));
    }

    /// The next header; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.len {
            return Ok(None);
        }
        let (at, left) = (self.at, self.len - self.at);
        let bytes = self.held_at(at, HEADER_LEN.min(left as usize))?;
        let header = match BatchHeader::decode(bytes) {
            Ok(header) => header,
            Err(BatchError::Legacy(_)) => return self.message(at, left).map(Some),
            Err(fault) => return Ok(Some(Found::Fault(fault))),
        };
        let need = header.size_bytes();
        if need as u64 > left {
            let fault = BatchError::Incomplete { have: left as usize, need };
            return Ok(Some(Found::Fault(fault)));
        }
        self.at += need as u64;
        self.piece = if need < SMALL_BATCH { PIECE } else { HEADER_LEN };
        Ok(Some(Found::Batch(at, header)))
    }

    /// A message of an old format, which only its checksum tells from a damaged batch: it is read
    /// whole.
    fn message(&mut self, at: u64, left: u64) -> io::Result<Found> {
        let prefix = self.held_at(at, PREFIX_LEN.min(left as usize))?;
        let claims =
            prefix.get(8..12).and_then(|it| it.try_into().ok()).map_or(-1, i32::from_be_bytes);
        let need = 12_u64.saturating_add_signed(i64::from(claims));
        if claims < 0 || need > left.min(MOST_MESSAGE) {
            let need = need as usize;
            return Ok(Found::Fault(BatchError::Incomplete { have: left as usize, need }));
        }
        let checked = RecordBatch::decode(self.held_at(at, need as usize)?).map(|it| *it.header());
        Ok(match checked {
            Ok(header) => {
                self.at += need;
                self.piece = PIECE;
                Found::Batch(at, header)
            }
            Err(fault) => Found::Fault(fault),
        })
    }

    fn held_at(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        let end = self.held_from + self.held.len() as u64;
        if position < self.held_from || position + len as u64 > end {
            let want = self.piece.max(len).min((self.len - position) as usize);
            self.held.resize(want, 0);
            let read = read_at(&self.file, &mut self.held, position)?;
            self.held.truncate(read);
            self.held_from = position;
        }
        let from = (position - self.held_from) as usize;
        Ok(&self.held[from..(from + len).min(self.held.len())])
    }
}

/// Gives the header of every batch from a position on to `give`, which says whether it wants more.
/// Where headers do not lead on, what follows is looked at in full, and damage is passed over.
pub(crate) fn each_header(
    input: &Input,
    from: u64,
    give: &mut dyn FnMut(u64, &BatchHeader) -> Result<bool>,
) -> Result<()> {
    each(input, from, give, &mut |_| {})
}

/// The same, and what is no batch to `note`.
pub(crate) fn each(
    input: &Input,
    from: u64,
    give: &mut dyn FnMut(u64, &BatchHeader) -> Result<bool>,
    note: &mut dyn FnMut(&LogPiece<'_>),
) -> Result<()> {
    let failed = |error| Failure::io("read", &input.path, &error);
    let mut headers = Headers::open(&input.path).map_err(failed)?;
    headers.seek(from, 4 << 10);
    loop {
        match headers.next().map_err(failed)? {
            None => return Ok(()),
            Some(Found::Batch(at, header)) => {
                if !give(at, &header)? {
                    return Ok(());
                }
            }
            Some(Found::Fault(_)) => break,
        }
    }
    let log = LogFile::open_at(&input.path, input.base()?)?;
    let mut pieces = Pieces::of(&log, &input.path, headers.position());
    while let Some(piece) = pieces.next_piece()? {
        match &piece.what {
            Piece::Batch(batch) => {
                if !give(piece.position, batch.header())? {
                    return Ok(());
                }
            }
            _ => note(&piece),
        }
    }
    Ok(())
}
