//! One record by its offset.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::fetch::{FetchOptions, Isolation, fetch_from};
use super::fetched::Fetched;
use super::handle::Log;
use super::opened::Opened;
use super::view::View;
use crate::error::Result;
use crate::record::{BatchHeader, FetchedRecord, HEADER_LEN, Offset, Pieces, Records};

thread_local! {
    /// Room for a piece of a batch.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Room of more bytes is not kept.
const MOST_KEPT: usize = 128 << 10;

/// What a record is read from.
enum Source {
    /// The piece that was read, of this batch.
    Piece(Arc<Pieces>),
    /// The batch with this header, which was read whole.
    Small(BatchHeader),
    /// The whole batch, which may have to be inflated first.
    Batch(Fetched),
}

impl Log {
    /// Looks at one record: gives it to `look`, and its answer back. None if there is no record at
    /// `offset` that these options let be seen: behind the end, dropped by compaction, a control
    /// record, or of an aborted transaction. How many bytes the options allow makes no difference.
    ///
    /// Of a large batch that is not compressed a small piece is read, once the whole of it was: what
    /// a record's bytes have to sum to is remembered of the batch's own checksum, for the batches
    /// that were asked for last, in at most 4 MiB for a store. Where small batches begin between two
    /// index entries is remembered too, in as much.
    ///
    /// ```
    /// use strandline::{Batch, Durability, FetchOptions, Record, Store, TopicOptions};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::options().open(dir.path().join("data"))?;
    /// # let log = store.create_topic("events", TopicOptions::new())?.partition(0)?;
    /// let batch = Batch::of(["a", "b", "c"].map(|value| Record::new().value(value)));
    /// log.append(batch, Durability::Written)?;
    /// let value = log.get(1, FetchOptions::new(), |record| record.value().map(<[u8]>::to_vec))?;
    /// assert_eq!(value, Some(Some(b"b".to_vec())));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::fetch`].
    pub fn get<T>(
        &self,
        offset: Offset,
        options: FetchOptions,
        look: impl FnOnce(&FetchedRecord<'_>) -> T,
    ) -> Result<Option<T>> {
        let opened = self.opened()?;
        let options = options.max_bytes(0);
        let room = RefCell::new(ROOM.take());
        let find = |view: &View| find(&opened, view, (offset, options), &mut room.borrow_mut());
        let found = opened.read(find);
        let room = room.into_inner();
        let answer = found.and_then(|found| match found {
            Source::Piece(batch) => Ok(batch.record_in(&room, offset).map(|it| look(&it))),
            Source::Small(header) => {
                match Records::new(&header, &room[HEADER_LEN..]).and_then(|it| it.at(offset)) {
                    Ok(record) => Ok(record.map(|it| look(&it))),
                    // What is wrong with it is told by who reads all of it.
                    Err(_) => first_of(&self.fetch(offset, options)?, offset, look),
                }
            }
            Source::Batch(fetched) => first_of(&fetched, offset, look),
        });
        if room.capacity() <= MOST_KEPT {
            ROOM.set(room);
        }
        answer
    }
}

/// The first record that was fetched, if it is that at `offset`.
fn first_of<T>(
    fetched: &Fetched,
    offset: Offset,
    look: impl FnOnce(&FetchedRecord<'_>) -> T,
) -> Result<Option<T>> {
    match fetched.records().next() {
        Some(Ok(record)) if record.offset() == offset => Ok(Some(look(&record))),
        Some(Err(error)) => Err(error),
        _ => Ok(None),
    }
}

fn find(
    opened: &Opened,
    view: &View,
    (offset, options): (Offset, FetchOptions),
    room: &mut Vec<u8>,
) -> Result<Source> {
    let is_there = view.log_start_offset <= offset && offset < opened.readable_end(view, options);
    let Some(segment) = view.segment_for(offset).filter(|_| is_there) else {
        return fetch_from(opened, view, offset, options).map(Source::Batch);
    };
    let (segment, segment_end) = (&view.segments[segment], view.end_of(segment));
    let near = segment.before(offset)?;
    if let Some(batch) = segment.read_piece(near, offset, room)?
        && is_plain(batch.header(), options)
    {
        return Ok(Source::Piece(batch));
    }
    if let Some(header) = segment.read_small(near, (offset, segment_end), room)?
        && is_plain(&header, options)
    {
        return Ok(Source::Small(header));
    }
    let places = segment.places();
    let fetched = fetch_from(opened, view, offset, options)?;
    if let Some(batch) = fetched.batches().next()
        && (batch.header().base_offset()..=batch.header().last_offset()).contains(&offset)
    {
        segment.note_pieces(places, fetched.position, &batch);
    }
    Ok(Source::Batch(fetched))
}

/// Whether the records of a batch are given out as they lie in it.
fn is_plain(header: &BatchHeader, options: FetchOptions) -> bool {
    let attributes = header.attributes();
    let is_decided =
        options.isolation != Isolation::ReadCommitted || !attributes.is_transactional();
    is_decided && !attributes.is_control() && attributes.codec_id() == 0
}
