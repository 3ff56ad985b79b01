//! Records formatted by several threads: one reads and checks batches, others decode and format
//! them in pieces, and the pieces are written in order.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use strandline::record::{BatchHeader, RecordBatch};

use super::records::{Read, Records, Shape, Wanted};
use crate::exit::{Failure, Result};
use crate::output::record::Writer;
use crate::select::Counter;

/// So many bytes of batches are handed over at once.
const PIECE_BYTES: usize = 512 << 10;
/// So many pieces may wait for each thread, or be in its hands.
const DEPTH: usize = 2;

/// Where formatted records go, in order.
pub(super) trait Sink {
    fn text(&mut self, text: &[u8]) -> Result<()>;
    /// A batch that could not be read to its end.
    fn fault(&mut self, position: u64, header: &BatchHeader, read: Read) -> Result<()>;
    /// So much was read.
    fn count(&mut self, read: Read);
}

/// Batches that are handed over, and what is made of them.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// Position in the file, and where in `bytes`.
    batches: Vec<(u64, Range<usize>)>,
    text: Vec<u8>,
    /// Where in `text` a batch ended too early, which, and how far it was read.
    faults: Vec<(usize, u64, BatchHeader, Read)>,
    sum: Read,
    failure: Option<Failure>,
}

/// The threads, and what they were given.
pub(super) struct Pipeline {
    lanes: Vec<(SyncSender<Piece>, Receiver<Piece>)>,
    /// Pieces handed over, and pieces taken back.
    given: usize,
    taken: usize,
    filling: Piece,
    spare: Vec<Piece>,
}

impl Pipeline {
    /// Starts so many threads.
    pub(super) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        threads: usize,
        writer: &'env Writer,
        wanted: &'env Wanted<'env>,
    ) -> Pipeline {
        let lane = |_| {
            let (to, from) = sync_channel::<Piece>(DEPTH);
            let (back, results) = sync_channel(DEPTH);
            scope.spawn(move || {
                let mut records = Records::new(Shape::Programs(writer));
                for mut piece in from {
                    piece.format(&mut records, wanted);
                    if back.send(piece).is_err() {
                        return;
                    }
                }
            });
            (to, results)
        };
        let lanes = (0..threads.max(1)).map(lane).collect();
        Pipeline { lanes, given: 0, taken: 0, filling: Piece::default(), spare: Vec::new() }
    }

    /// Adds a batch. What is finished meanwhile goes to `sink`.
    pub(super) fn add(
        &mut self,
        position: u64,
        batch: &RecordBatch<'_>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let start = self.filling.bytes.len();
        self.filling.bytes.extend_from_slice(batch.bytes());
        self.filling.batches.push((position, start..self.filling.bytes.len()));
        if self.filling.bytes.len() < PIECE_BYTES { Ok(()) } else { self.hand_over(sink) }
    }

    /// Waits for everything.
    pub(super) fn drain(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if !self.filling.batches.is_empty() {
            self.hand_over(sink)?;
        }
        while self.taken < self.given {
            self.take_one(sink)?;
        }
        Ok(())
    }

    fn hand_over(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if self.given - self.taken >= self.lanes.len() * DEPTH {
            self.take_one(sink)?;
        }
        let next = self.spare.pop().unwrap_or_default();
        let piece = std::mem::replace(&mut self.filling, next);
        let lane = &self.lanes[self.given % self.lanes.len()].0;
        lane.send(piece).map_err(|_| gone())?;
        self.given += 1;
        Ok(())
    }

    fn take_one(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let lane = &self.lanes[self.taken % self.lanes.len()].1;
        let mut piece = lane.recv().map_err(|_| gone())?;
        self.taken += 1;
        let mut from = 0;
        for (to, position, header, read) in piece.faults.drain(..) {
            sink.text(&piece.text[from..to])?;
            sink.fault(position, &header, read)?;
            from = to;
        }
        sink.text(&piece.text[from..])?;
        sink.count(piece.sum);
        if let Some(failure) = piece.failure.take() {
            return Err(failure);
        }
        self.spare.push(piece);
        Ok(())
    }
}

fn gone() -> Failure {
    Failure::environment("a thread that formats records has ended")
}

impl Piece {
    fn format(&mut self, records: &mut Records<'_>, wanted: &Wanted<'_>) {
        self.text.clear();
        self.sum = Read::default();
        let mut counter = Counter::everything();
        for (position, at) in self.batches.drain(..) {
            // It was checked before it came here; a checksum costs next to nothing.
            let Ok(batch) = RecordBatch::decode(&self.bytes[at]) else { continue };
            let done = records.batch((position, &batch), wanted, &mut counter, &mut self.text);
            match done {
                Ok(read) => {
                    self.sum.add(read);
                    if read.fault.is_some() {
                        self.faults.push((self.text.len(), position, *batch.header(), read));
                    }
                }
                Err(why) => {
                    self.failure = Some(why);
                    break;
                }
            }
        }
        self.bytes.clear();
    }
}
