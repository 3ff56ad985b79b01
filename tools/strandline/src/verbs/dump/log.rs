//! The batches or records of a `.log`.

use strandline::compression::Decompressor;
use strandline::record::{ControlRecord, RecordBatch, RecordError, Records};
use strandline::{Damage, LogFile, Piece};

use super::Dump;
use super::finding::Finding;
use super::table::{Row, Survey, Table};
use crate::exit::Result;
use crate::output::json::{self, Origin};
use crate::paths::Input;

/// A `.log` that is being shown.
struct Shown<'a> {
    input: &'a Input,
    decompressor: Decompressor,
    inflated: Vec<u8>,
    max_inflated: usize,
    /// For people, unless records are shown.
    table: Option<Table>,
}

impl Dump<'_> {
    /// Shows a `.log`.
    pub(super) fn log(&mut self, input: &Input) -> Result<()> {
        let log = LogFile::open_at(&input.path, input.base()?)?;
        self.begin_file(input, log.base_offset(), log.size_bytes())?;
        let table = if self.global.is_json() || self.args.records {
            None
        } else {
            Some(self.begin_table(input, &log)?)
        };
        let mut shown = Shown {
            input,
            decompressor: Decompressor::new(),
            inflated: Vec::new(),
            max_inflated: self.global.max_inflated(),
            table,
        };
        let mut pieces = log.pieces();
        while let Some(piece) = pieces.next_piece()? {
            let (position, len) = (piece.position, piece.size_bytes);
            match piece.what {
                Piece::Batch(batch) => self.batch(&mut shown, position, &batch)?,
                Piece::Damage(damage) => self.damage(&shown, (position, len), &damage)?,
                Piece::Unfinished => self.report(input, &Finding::unfinished(position, len))?,
                Piece::Zeros => self.report(input, &Finding::zero_tail(position, len))?,
            }
        }
        Ok(())
    }

    /// Looks through the log once for what stands above the table.
    fn begin_table(&mut self, input: &Input, log: &LogFile) -> Result<Table> {
        let (mut survey, mut pieces) = (Survey::default(), log.pieces());
        while let Some(piece) = pieces.next_piece()? {
            match piece.what {
                Piece::Batch(batch) => survey.add(batch.header()),
                Piece::Damage(Damage { header: Some(header), .. }) => survey.add(&header),
                _ => {}
            }
        }
        let table = Table::new(&survey, self.out.style, self.out.width, self.global.times());
        self.out.row(survey.heading(&input.name, log.size_bytes(), self.out.style))?;
        table.columns(self.out.line());
        Ok(table)
    }

    fn batch(
        &mut self,
        shown: &mut Shown<'_>,
        position: u64,
        batch: &RecordBatch<'_>,
    ) -> Result<()> {
        let header = batch.header();
        self.totals.batches += 1;
        if self.args.records {
            let (read, fault) = self.records(shown, position, batch)?;
            self.totals.records += read;
            if let Some(cause) = fault {
                self.report(shown.input, &Finding::records(position, header, read, cause))?;
            }
            return Ok(());
        }
        self.totals.records += u64::try_from(header.record_count()).unwrap_or(0);
        let marker = if header.attributes().is_control() { shown.marker(batch) } else { None };
        self.batch_row(shown, &Row { position, header, marker, crc_ok: true })
    }

    fn batch_row(&mut self, shown: &Shown<'_>, row: &Row<'_>) -> Result<()> {
        let out = self.out.line();
        match &shown.table {
            Some(table) => table.batch(row, out),
            None => json::batch_line(row.position, row.header, row.crc_ok, out),
        }
        self.out.settle()
    }

    /// Shows the records of a batch: how many could be read, and why no more.
    fn records(
        &mut self,
        shown: &mut Shown<'_>,
        position: u64,
        batch: &RecordBatch<'_>,
    ) -> Result<(u64, Option<RecordError>)> {
        let header = batch.header();
        let records = match shown.records(batch) {
            Ok(records) => records,
            Err(cause) => return Ok((0, Some(cause))),
        };
        let mut read = 0;
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(cause) => return Ok((read, Some(cause))),
            };
            let out = self.out.line();
            if header.attributes().is_control() {
                let control = match ControlRecord::decode(&record) {
                    Ok(control) => control,
                    Err(cause) => return Ok((read, Some(cause))),
                };
                if self.global.is_json() {
                    json::control_line(header, &record, control, out);
                } else {
                    self.rows.control(header, &record, control, out);
                }
            } else if self.global.is_json() {
                json::record_line(&record, Origin::Batch(position), out);
            } else {
                self.rows.record(&record, out);
            }
            read += 1;
            self.out.settle()?;
        }
        Ok((read, None))
    }

    fn damage(
        &mut self,
        shown: &Shown<'_>,
        (position, len): (u64, u64),
        damage: &Damage,
    ) -> Result<()> {
        if let Some(header) = damage.header.as_ref() {
            self.totals.batches += 1;
            if !self.args.records {
                self.totals.records += u64::try_from(header.record_count()).unwrap_or(0);
                self.batch_row(shown, &Row { position, header, marker: None, crc_ok: false })?;
            }
        }
        self.report(shown.input, &Finding::damage(position, len, damage, self.args.records))
    }
}

impl Shown<'_> {
    /// The records of a batch.
    fn records<'b>(
        &'b mut self,
        batch: &'b RecordBatch<'_>,
    ) -> std::result::Result<Records<'b>, RecordError> {
        batch.records(&mut self.decompressor, self.max_inflated, &mut self.inflated)
    }

    /// What a control batch says, if that can be read.
    fn marker(&mut self, batch: &RecordBatch<'_>) -> Option<String> {
        let record = self.records(batch).ok()?.next()?.ok()?;
        ControlRecord::decode(&record).ok().map(json::control_name)
    }
}
