//! The batches or records of a `.log`.

use std::thread;

use strandline::record::{BatchHeader, RecordBatch};
use strandline::{Damage, LogFile, LogPiece, Piece};

use super::Dump;
use super::finding::Finding;
use super::pipeline::{Pipeline, Sink};
use super::records::{Inflater, Read, Wanted};
use super::table::{Row, Survey, Table};
use crate::exit::{Failure, Result};
use crate::output::json;
use crate::output::record::Writer;
use crate::paths::Input;
use crate::reading::headers::{Found, Headers};
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::Verdict;

/// Files from this size on are worth several threads.
const WORTH_THREADS: u64 = 4 << 20;

impl Dump<'_> {
    /// Shows a segment of a log, as far as it is asked for.
    pub(super) fn segment(&mut self, input: &Input, wanted: &Wanted<'_>) -> Result<()> {
        let log = LogFile::open_at(&input.path, input.base()?)?;
        self.begin_file(input, log.size_bytes())?;
        let mut from = 0;
        if self.args.select.position.is_none() {
            let place = place::start(input, &wanted.range)?;
            if let Some(doubt) = place.doubt {
                self.warn(&doubt)?;
            }
            from = place.position;
        }
        if !self.args.records {
            return self.batches(input, wanted, (&log, from));
        }
        match self.writer.filter(|writer| !writer.counts()) {
            Some(writer) if self.is_worth_threads(log.size_bytes() - from) => {
                self.records_by_threads(input, wanted, (&log, from), writer)
            }
            _ => self.records(input, wanted, (&log, from)),
        }
    }

    fn is_worth_threads(&self, bytes: u64) -> bool {
        let select = &self.args.select;
        let one_after_the_other = select.counts()
            || select.position.is_some()
            || self.global.strict
            || self.global.decodes();
        self.global.threads() > 1 && !one_after_the_other && bytes >= WORTH_THREADS
    }

    /// Whether a piece is asked for, by its place.
    fn is_asked_for(&self, piece: &LogPiece<'_>) -> bool {
        let behind = piece.position + piece.size_bytes;
        self.args.select.position.is_none_or(|at| (piece.position..behind).contains(&at))
    }

    fn batches(
        &mut self,
        input: &Input,
        wanted: &Wanted<'_>,
        (log, from): (&LogFile, u64),
    ) -> Result<()> {
        let table = match self.writer {
            None => Some(self.begin_table(input, log)?),
            Some(_) => None,
        };
        let mut inflater = Inflater::new();
        let mut pieces = Pieces::of(log, &input.path, from);
        while let Some(piece) = pieces.next_piece()? {
            if self.counter.is_enough() || is_behind(&piece, wanted) {
                break;
            }
            if !self.is_asked_for(&piece) {
                continue;
            }
            let Piece::Batch(batch) = &piece.what else {
                self.no_batch(input, &piece, table.as_ref())?;
                continue;
            };
            let header = batch.header();
            if !holds_any(&mut inflater, batch, wanted)? || !self.counter.take() {
                continue;
            }
            self.totals.batches += 1;
            self.totals.records += u64::try_from(header.record_count()).unwrap_or(0);
            let is_control = header.attributes().is_control();
            let marker = if is_control { inflater.marker(batch) } else { None };
            let marker = marker.map(json::control_name);
            let row = Row { position: piece.position, header, marker, crc_ok: true };
            self.batch_row(table.as_ref(), &row)?;
        }
        Ok(())
    }

    /// What is no batch: damage, an unfinished batch, zeros.
    fn no_batch(
        &mut self,
        input: &Input,
        piece: &LogPiece<'_>,
        table: Option<&Table>,
    ) -> Result<()> {
        let (position, len) = (piece.position, piece.size_bytes);
        match &piece.what {
            Piece::Batch(_) => Ok(()),
            Piece::Damage(damage) => self.damage(input, (position, len), damage, table),
            Piece::Unfinished => self.report(input, &Finding::unfinished(position, len)),
            Piece::Zeros => self.report(input, &Finding::zero_tail(position, len)),
        }
    }

    fn damage(
        &mut self,
        input: &Input,
        (position, len): (u64, u64),
        damage: &Damage,
        table: Option<&Table>,
    ) -> Result<()> {
        if let Some(header) = damage.header.as_ref() {
            self.totals.batches += 1;
            if !self.args.records {
                self.totals.records += u64::try_from(header.record_count()).unwrap_or(0);
                self.batch_row(table, &Row { position, header, marker: None, crc_ok: false })?;
            }
        }
        self.report(input, &Finding::damage(position, len, damage, self.args.records))
    }

    fn batch_row(&mut self, table: Option<&Table>, row: &Row<'_>) -> Result<()> {
        let out = self.out.line();
        match table {
            Some(table) => table.batch(row, out),
            None => json::batch_line(row.position, row.header, row.crc_ok, out),
        }
        self.out.settle()
    }

    /// Looks over the headers once for what stands above the table.
    fn begin_table(&mut self, input: &Input, log: &LogFile) -> Result<Table> {
        let survey = survey(input, log)?;
        let table = Table::new(&survey, self.out.style, self.out.width, self.global.times());
        self.out.row(survey.heading(&input.name, log.size_bytes(), self.out.style))?;
        table.columns(self.out.line());
        Ok(table)
    }

    fn records(
        &mut self,
        input: &Input,
        wanted: &Wanted<'_>,
        (log, from): (&LogFile, u64),
    ) -> Result<()> {
        let mut pieces = Pieces::of(log, &input.path, from);
        while let Some(piece) = pieces.next_piece()? {
            if self.counter.is_enough() || is_behind(&piece, wanted) {
                break;
            }
            if !self.is_asked_for(&piece) {
                continue;
            }
            let Piece::Batch(batch) = &piece.what else {
                self.no_batch(input, &piece, None)?;
                continue;
            };
            self.totals.batches += 1;
            let at = (piece.position, batch);
            let read = self.records.batch(at, wanted, &mut self.counter, self.out.line())?;
            self.out.settle()?;
            self.count(read);
            if read.fault.is_some() {
                self.fault(input, piece.position, batch.header(), read)?;
            }
        }
        Ok(())
    }

    fn records_by_threads(
        &mut self,
        input: &Input,
        wanted: &Wanted<'_>,
        (log, from): (&LogFile, u64),
        writer: &Writer,
    ) -> Result<()> {
        // This thread reads and checks; with two processors one more formats, and they share.
        let workers = (self.global.threads() - 1).max(1);
        thread::scope(|scope| {
            let mut pipeline = Pipeline::start(scope, workers, writer, wanted);
            let mut pieces = Pieces::of(log, &input.path, from);
            while let Some(piece) = pieces.next_piece()? {
                if is_behind(&piece, wanted) {
                    break;
                }
                if let Piece::Batch(batch) = &piece.what {
                    self.totals.batches += 1;
                    pipeline.add(piece.position, batch, &mut Into { dump: self, input })?;
                    continue;
                }
                pipeline.drain(&mut Into { dump: self, input })?;
                self.no_batch(input, &piece, None)?;
            }
            pipeline.drain(&mut Into { dump: self, input })
        })
    }

    fn count(&mut self, read: Read) {
        self.totals.records += read.records;
        self.totals.unshown_markers += read.unshown_markers;
    }

    fn fault(
        &mut self,
        input: &Input,
        position: u64,
        header: &BatchHeader,
        read: Read,
    ) -> Result<()> {
        let Some(cause) = read.fault else { return Ok(()) };
        self.report(input, &Finding::records(position, header, read.records, cause))
    }
}

/// Where threads' records go.
struct Into<'a, 'b> {
    dump: &'a mut Dump<'b>,
    input: &'a Input,
}

impl Sink for Into<'_, '_> {
    fn text(&mut self, text: &[u8]) -> Result<()> {
        self.dump.out.write(text)
    }

    fn fault(&mut self, position: u64, header: &BatchHeader, read: Read) -> Result<()> {
        self.dump.fault(self.input, position, header, read)
    }

    fn count(&mut self, read: Read) {
        self.dump.count(read);
    }
}

/// Whether a batch holds any record that is asked for. What cannot be read is not hidden by that.
fn holds_any(
    inflater: &mut Inflater,
    batch: &RecordBatch<'_>,
    wanted: &Wanted<'_>,
) -> Result<bool> {
    let header = batch.header();
    if !wanted.range.touches(header) {
        return Ok(false);
    }
    match wanted.filter.batch(header) {
        Verdict::None => return Ok(false),
        Verdict::All if wanted.range.is_all_times() && wanted.hidden.is_none() => return Ok(true),
        _ => {}
    }
    let read = inflater.each(batch, wanted, &mut |_| Ok(false))?;
    Ok(read.shown > 0 || read.fault.is_some())
}

fn is_behind(piece: &LogPiece<'_>, wanted: &Wanted<'_>) -> bool {
    match &piece.what {
        Piece::Batch(batch) => batch.header().base_offset() >= wanted.range.end,
        _ => false,
    }
}

/// What the headers of a log tell; where they do not lead on, its batches.
fn survey(input: &Input, log: &LogFile) -> Result<Survey> {
    let failed = |error| Failure::io("read", &input.path, &error);
    let mut survey = Survey::default();
    let mut headers = Headers::open(&input.path).map_err(failed)?;
    let stopped = loop {
        match headers.next().map_err(failed)? {
            Some(Found::Batch(_, header)) => survey.add(&header),
            Some(Found::Fault(_)) => break true,
            None => break false,
        }
    };
    let mut pieces = Pieces::of(log, &input.path, headers.position());
    while stopped && let Some(piece) = pieces.next_piece()? {
        match piece.what {
            Piece::Batch(batch) => survey.add(batch.header()),
            Piece::Damage(Damage { header: Some(header), .. }) => survey.add(&header),
            _ => {}
        }
    }
    Ok(survey)
}
