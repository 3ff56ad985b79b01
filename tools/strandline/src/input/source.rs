//! Lines of a file or of stdin, read ahead by a thread in bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::exit::{Failure, Result, why};

/// Bytes of whole lines that are handed over at once.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that are read ahead.
const BLOCKS: usize = 4;
/// A line that is longer is taken for input that is none.
pub(crate) const LONGEST_LINE: usize = 256 << 20;

/// Where lines come from.
pub(crate) struct Source {
    /// What the user knows it as.
    pub(crate) name: String,
    /// Bytes of the file, if there is one.
    pub(crate) total: Option<u64>,
    read: Arc<AtomicU64>,
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    number: u64,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// A line without its newline, and its number, from 1 on.
    Line(u64, &'a [u8]),
    /// Nothing for a while; more may come.
    Idle,
    /// There is no more.
    End,
}

impl Source {
    /// The lines of the file at `path`, decompressed if its name ends in `.zst`; of stdin, if there
    /// is none or it is `-`.
    pub(crate) fn open(path: Option<&Path>) -> Result<Source> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Source::reading("stdin".to_owned(), None, io::stdin()));
        };
        let failed = |error: io::Error| Failure::io("read", path, &error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::other("it is a directory")));
        }
        let total = metadata.is_file().then_some(metadata.len());
        let mut source = Source::reading(crate::exit::name_of(path), total, io::empty());
        if path.extension().is_some_and(|extension| extension == "zst") {
            let counted = Counted { inner: file, read: Arc::clone(&source.read) };
            let inflated = zstd::Decoder::new(counted).map_err(failed)?;
            source.blocks = spawn(inflated);
        } else {
            source.blocks = spawn(Counted { inner: file, read: Arc::clone(&source.read) });
        }
        Ok(source)
    }

    /// The lines that a reader gives.
    pub(crate) fn reading(
        name: String,
        total: Option<u64>,
        reader: impl Read + Send + 'static,
    ) -> Source {
        let read = Arc::default();
        let blocks = spawn(Counted { inner: reader, read: Arc::clone(&read) });
        Source { name, total, read, blocks, block: Vec::new(), at: 0, number: 0 }
    }

    /// How many bytes were read so far, of the file as it is.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The next line. `Idle` if none comes for as long as `patience`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, with the lines before it given.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<Next<'_>> {
        if self.at == self.block.len() {
            match self.blocks.recv_timeout(patience) {
                Ok(Ok(block)) => (self.block, self.at) = (block, 0),
                Ok(Err(error)) => {
                    let message = format!("cannot read {}: {}", self.name, why(&error));
                    return Err(Failure::environment(message)
                        .and(format_args!("line {} was the last one before", self.number)));
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Next::Idle),
                Err(RecvTimeoutError::Disconnected) => return Ok(Next::End),
            }
        }
        let rest = &self.block[self.at..];
        let (line, took) = match memchr(rest) {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        self.at += took;
        self.number += 1;
        Ok(Next::Line(self.number, line))
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

/// Reads blocks of whole lines until nobody wants them.
fn spawn(reader: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(BLOCKS);
    thread::spawn(move || {
        if let Err(error) = read_blocks(reader, &sender) {
            // Nobody listens any more: then nobody wants to know either.
            let _ = sender.send(Err(error));
        }
    });
    receiver
}

fn read_blocks(mut reader: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let from = held.len();
        held.resize(from + BLOCK_BYTES, 0);
        let read = match reader.read(&mut held[from..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                held.truncate(from);
                continue;
            }
            read => read,
        };
        held.truncate(from + *read.as_ref().unwrap_or(&0));
        let end = matches!(read, Ok(0));
        // What was read before an error is given too, as far as it is whole lines.
        let whole = match held[from..].iter().rposition(|&byte| byte == b'\n') {
            _ if end => held.len(),
            Some(at) => from + at + 1,
            None => 0,
        };
        let rest = held.split_off(whole);
        let block = std::mem::replace(&mut held, rest);
        if !block.is_empty() && sender.send(Ok(block)).is_err() {
            return Ok(());
        }
        read?;
        if end {
            return Ok(());
        }
        if held.len() > LONGEST_LINE {
            let why = format!("a line of more than {LONGEST_LINE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn lines(mut source: Source) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        loop {
            match source.next(LONG).unwrap() {
                Next::Line(number, line) => {
                    lines.push(line.to_vec());
                    assert_eq!(number, lines.len() as u64);
                }
                Next::Idle => {}
                Next::End => return lines,
            }
        }
    }

    /// Gives its pieces one by one, then what is last.
    struct Pieces(Vec<io::Result<Vec<u8>>>);

    impl Read for Pieces {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0)?;
            buf[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn pieces(pieces: Vec<io::Result<&[u8]>>) -> Source {
        let pieces = pieces.into_iter().map(|piece| piece.map(<[u8]>::to_vec)).collect();
        Source::reading("test".to_owned(), None, Pieces(pieces))
    }

    #[test]
    fn lines_are_whole_however_the_bytes_arrive() {
        let text = b"one\r\n\ntwo three\n\xff\nlast without newline";
        let wanted: Vec<&[u8]> =
            vec![b"one\r", b"", b"two three", b"\xff", b"last without newline"];
        for size in 1..=text.len() {
            assert_eq!(lines(pieces(text.chunks(size).map(Ok).collect())), wanted, "{size}");
        }
        assert!(lines(pieces(vec![])).is_empty());
        assert_eq!(lines(pieces(vec![Ok(b"a\n")])), [b"a"]);
    }

    #[test]
    fn a_long_line_is_one_line() {
        let long = vec![b'x'; 3 * BLOCK_BYTES + 1];
        let text = [&long[..], b"\n", &long[..]].concat();
        let chunks = text.chunks(BLOCK_BYTES).map(|chunk| Ok(chunk.to_vec())).collect();
        let found = lines(Source::reading("test".to_owned(), None, Pieces(chunks)));
        assert!(found == [&long[..], &long[..]], "{} lines", found.len());
    }

    #[test]
    fn lines_before_an_error_are_given_first() {
        let broken = || Err(io::Error::other("broken"));
        let mut source = pieces(vec![Ok(b"a\nb\nhalf"), broken()]);
        for wanted in [&b"a"[..], b"b"] {
            assert!(matches!(source.next(LONG), Ok(Next::Line(_, line)) if line == wanted));
        }
        let failure = source.next(LONG).unwrap_err();
        assert!(failure.message.contains("line 2"), "{}", failure.message);
    }

    #[test]
    fn a_file_in_zstd_is_read_as_what_it_holds() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lines.zst");
        let compressed = zstd::encode_all(&b"a\nb\n"[..], 3).unwrap();
        std::fs::write(&path, &compressed).unwrap();
        let source = Source::open(Some(&path)).unwrap();
        let (total, read) = (source.total, Arc::clone(&source.read));
        assert_eq!(lines(source), [b"a", b"b"]);
        assert_eq!(
            (total, read.load(Ordering::Relaxed)),
            (Some(compressed.len() as u64), compressed.len() as u64)
        );
        std::fs::write(&path, b"no zstd at all").unwrap();
        assert!(Source::open(Some(&path)).unwrap().next(LONG).is_err());
    }
}
