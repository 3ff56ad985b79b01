//! Records of batches, in the form that is asked for. What does this for one batch is held by each
//! thread for itself.

use strandline::compression::{Codec, Decompressor};
use strandline::record::{BatchHeader, ControlRecord, FetchedRecord, RecordBatch, RecordError};

use crate::exit::Result;
use crate::global::Global;
use crate::internal::spoken::Spoken;
use crate::output::decode::Decoder;
use crate::output::format::Row;
use crate::output::human::Rows;
use crate::output::json;
use crate::output::record::Writer;
use crate::reading::committed::Hidden;
use crate::select::{Counter, Filter, Range, Verdict};

/// What is the same for all records of a log.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) range: Range,
    pub(crate) filter: &'a Filter<'a>,
    pub(crate) hidden: Option<&'a Hidden>,
    pub(crate) topic: &'a str,
    pub(crate) partition: u32,
    pub(crate) max_inflated: usize,
}

/// What reads the records of one batch after the other.
pub(crate) struct Inflater {
    decompressor: Decompressor,
    inflated: Vec<u8>,
}

/// What became of the records of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    /// How many could be read.
    pub(crate) records: u64,
    /// How many were shown.
    pub(crate) shown: u64,
    /// How many markers the form has no place for.
    pub(crate) unshown_markers: u64,
    /// Why no more could be read.
    pub(crate) fault: Option<RecordError>,
}

impl Read {
    /// Counts what was read of another batch in.
    pub(crate) fn add(&mut self, other: Read) {
        self.records += other.records;
        self.shown += other.shown;
        self.unshown_markers += other.unshown_markers;
    }
}

impl Inflater {
    pub(crate) fn new() -> Inflater {
        Inflater { decompressor: Decompressor::new(), inflated: Vec::new() }
    }

    /// Gives each record that is wanted to `take`, which says whether it wants more.
    ///
    /// # Errors
    ///
    /// What `take` fails with.
    pub(crate) fn each(
        &mut self,
        batch: &RecordBatch<'_>,
        wanted: &Wanted<'_>,
        take: &mut dyn FnMut(&FetchedRecord<'_>) -> Result<bool>,
    ) -> Result<Read> {
        let (header, mut read) = (batch.header(), Read::default());
        let verdict = wanted.filter.batch(header);
        if verdict == Verdict::None || !wanted.range.touches(header) {
            return Ok(read);
        }
        let records =
            batch.records(&mut self.decompressor, wanted.max_inflated, &mut self.inflated);
        let records = match records {
            Ok(records) => records,
            Err(fault) => return Ok(Read { fault: Some(fault), ..read }),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(fault) => return Ok(Read { fault: Some(fault), ..read }),
            };
            read.records += 1;
            let is_wanted = wanted.range.holds(record.offset(), record.timestamp())
                && (verdict == Verdict::All || wanted.filter.record(header, &record))
                && wanted.hidden.is_none_or(|hidden| hidden.shows(header, record.offset()));
            if is_wanted {
                read.shown += 1;
                if !take(&record)? {
                    break;
                }
            }
        }
        Ok(read)
    }

    /// What the batch that was read last takes once it is inflated, its header included.
    pub(crate) fn inflated_bytes(&self, batch: &RecordBatch<'_>) -> usize {
        let header = batch.bytes().len() - batch.payload().len();
        match batch.codec() {
            Ok(Codec::None) | Err(_) => batch.bytes().len(),
            Ok(_) => header + self.inflated.len(),
        }
    }

    /// The marker that a control batch holds.
    pub(crate) fn marker(&mut self, batch: &RecordBatch<'_>) -> Option<ControlRecord> {
        let limit = 1 << 20;
        let records = batch.records(&mut self.decompressor, limit, &mut self.inflated);
        let record = records.ok()?.next()?.ok()?;
        ControlRecord::decode(&record).ok()
    }
}

/// How records are written.
pub(crate) enum Shape<'a> {
    Programs(&'a Writer),
    People(Box<Rows>),
}

/// Writes the records of one batch after the other.
pub(crate) struct Records<'a> {
    pub(crate) shape: Shape<'a>,
    pub(crate) inflater: Inflater,
    decoder: Option<Decoder>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(shape: Shape<'a>) -> Records<'a> {
        Records { shape, inflater: Inflater::new(), decoder: None }
    }

    /// The same, with keys and values decoded as the options ask for it.
    pub(crate) fn decoding(self, global: &Global) -> Result<Records<'a>> {
        Ok(Records { decoder: Decoder::new(global)?, ..self })
    }

    /// Appends the records of a batch that are wanted.
    pub(crate) fn batch(
        &mut self,
        (position, batch): (u64, &RecordBatch<'_>),
        wanted: &Wanted<'_>,
        counter: &mut Counter,
        out: &mut Vec<u8>,
    ) -> Result<Read> {
        let header = batch.header();
        let is_control = header.attributes().is_control();
        let (shape, decoder) = (&mut self.shape, &mut self.decoder);
        let (mut bad_marker, mut unshown) = (None, 0);
        let mut read = self.inflater.each(batch, wanted, &mut |record| {
            if !counter.take() {
                return Ok(!counter.is_enough());
            }
            if is_control {
                match shape.marker(header, record, out) {
                    Ok(shown) => unshown += u64::from(!shown),
                    Err(fault) => bad_marker = Some(fault),
                }
                return Ok(bad_marker.is_none());
            }
            let place = (wanted.topic, wanted.partition, counter.given - 1);
            let mut row = Row::of(record, Some(header), Some(position), place);
            if let Some(decoder) = decoder {
                (row.key, row.value) = decoder.record(record)?;
            }
            match shape {
                Shape::People(rows) => {
                    let as_it_is = !row.key.decoded && !row.value.decoded && !rows.redacts();
                    let spoken = as_it_is
                        .then(|| Spoken::of(wanted.topic, record.key(), record.value()))
                        .flatten();
                    match spoken {
                        Some(spoken) => rows.spoken(record, &spoken, out),
                        None => rows.row(row, out),
                    }
                }
                Shape::Programs(writer) => writer.write(row, out)?,
            }
            Ok(!counter.is_enough())
        })?;
        read.unshown_markers = unshown;
        if bad_marker.is_some() {
            (read.fault, read.records) = (bad_marker, read.records - 1);
        }
        Ok(read)
    }
}

impl Shape<'_> {
    /// Appends what a marker says; says whether the form has a place for it.
    fn marker(
        &mut self,
        header: &BatchHeader,
        record: &FetchedRecord<'_>,
        out: &mut Vec<u8>,
    ) -> std::result::Result<bool, RecordError> {
        match self {
            Shape::People(rows) => {
                rows.control(header, record, ControlRecord::decode(record)?, out);
            }
            Shape::Programs(writer) if writer.is_json() => {
                json::control_line(header, record, ControlRecord::decode(record)?, out);
            }
            Shape::Programs(_) => return Ok(false),
        }
        Ok(true)
    }
}
