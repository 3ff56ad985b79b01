//! Records as a Parquet file, a column for each field.

use std::fs::File;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use strandline::record::BatchHeader;

use super::Export;
use crate::exit::{Exit, Failure, Result};
use crate::output::decode::Decoder;
use crate::output::destination::Destination;
use crate::output::format::Row;
use crate::output::record::{Masked, Redact};
use crate::paths::OneLog;

/// What lies in the file. Names of headers are text: what is none of Kafka's is made so.
const SCHEMA: &str = "
message record {
  required binary topic (STRING);
  required int32 partition;
  required int64 offset;
  optional int64 timestamp (TIMESTAMP(MILLIS, true));
  optional binary key;
  optional binary value;
  required group headers (LIST) {
    repeated group list {
      required group element {
        required binary key (STRING);
        optional binary value;
      }
    }
  }
  optional int64 producerId;
  optional int32 producerEpoch;
  optional int32 sequence;
  optional int32 leaderEpoch;
}";

/// So many records are a row group, or fewer of so many bytes.
const ROWS: usize = 128 << 10;
const BYTES: usize = 24 << 20;

/// Writes all records that are wanted into one file.
pub(super) fn write(mut export: Export<'_>, logs: &[OneLog], to: Destination) -> Result<Exit> {
    let path = to.path().to_path_buf();
    let file = File::create_new(&path).map_err(|error| Failure::io("write", &path, &error))?;
    let failed = |error: &ParquetError| {
        Failure::environment(format!("cannot write {}: {error}", crate::exit::name_of(&path)))
    };
    let mut table = Table::begin(file).map_err(|error| failed(&error))?;
    let mut inflater = super::Inflater::new();
    let (redact, mut decoder) = (&export.global.redact, Decoder::new(export.global)?);
    let mut counter = export.counter;
    export.each(logs, &mut |(position, batch), wanted| {
        if batch.header().attributes().is_control() {
            let unshown_markers = u64::from(wanted.range.touches(batch.header()));
            return Ok((super::Read { unshown_markers, ..super::Read::default() }, false));
        }
        let read = inflater.each(batch, wanted, &mut |record| {
            if counter.take() {
                let place = (wanted.topic, wanted.partition, counter.given - 1);
                let mut row = Row::of(record, Some(batch.header()), Some(position), place);
                if let Some(decoder) = &mut decoder {
                    (row.key, row.value) = decoder.record(record)?;
                }
                let hidden = Masked::of(row, redact);
                table.push(&hidden.row(row), redact);
            }
            Ok(!counter.is_enough())
        })?;
        if table.is_full() {
            table.write_group().map_err(|error| failed(&error))?;
        }
        Ok((read, counter.is_enough()))
    })?;
    export.end();
    table.finish().map_err(|error| failed(&error))?;
    to.finish()?;
    Ok(export.exit)
}

/// Rows that are gathered, column by column.
struct Table {
    file: SerializedFileWriter<File>,
    columns: Columns,
    rows: usize,
    bytes: usize,
}

#[derive(Default)]
struct Columns {
    topic: Column<ByteArray>,
    partition: Column<i32>,
    offset: Column<i64>,
    timestamp: Column<i64>,
    key: Column<ByteArray>,
    value: Column<ByteArray>,
    header_key: Column<ByteArray>,
    header_value: Column<ByteArray>,
    producer_id: Column<i64>,
    producer_epoch: Column<i32>,
    sequence: Column<i32>,
    leader_epoch: Column<i32>,
}

/// Values, how deep each is defined, and whether it goes on a list.
struct Column<T> {
    values: Vec<T>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Column { values: Vec::new(), defined: Vec::new(), repeated: Vec::new() }
    }
}

impl<T> Column<T> {
    fn push(&mut self, value: T) {
        self.values.push(value);
    }

    fn maybe(&mut self, value: Option<T>) {
        self.defined.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    /// An element of a list, or that the list is empty.
    fn listed(&mut self, value: Option<T>, defined: i16, goes_on: bool) {
        self.values.extend(value);
        self.defined.push(defined);
        self.repeated.push(i16::from(goes_on));
    }

    fn levels(&self) -> (Option<&[i16]>, Option<&[i16]>) {
        let some = |levels: &'_ Vec<i16>| !levels.is_empty();
        let defined = some(&self.defined).then_some(self.defined.as_slice());
        (defined, some(&self.repeated).then_some(self.repeated.as_slice()))
    }
}

fn bytes(bytes: &[u8]) -> ByteArray {
    ByteArray::from(bytes.to_vec())
}

impl Table {
    fn begin(file: File) -> std::result::Result<Table, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("strandline {}", env!("CARGO_PKG_VERSION")))
            .build();
        let file = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(Table { file, columns: Columns::default(), rows: 0, bytes: 0 })
    }

    fn push(&mut self, row: &Row<'_>, redact: &[Redact]) {
        let (record, batch) = (row.record, row.batch);
        let columns = &mut self.columns;
        columns.topic.push(bytes(row.topic.as_bytes()));
        columns.partition.push(row.partition as i32);
        columns.offset.push(record.offset());
        columns.timestamp.maybe(record.timestamp());
        columns.key.maybe(row.key.bytes.map(bytes));
        columns.value.maybe(row.value.bytes.map(bytes));
        let mut goes_on = false;
        for header in record.headers() {
            let name = String::from_utf8_lossy(header.key);
            columns.header_key.listed(Some(bytes(name.as_bytes())), 1, goes_on);
            let defined = 1 + i16::from(header.value.is_some());
            let hidden = header.value.and_then(|value| Redact::of_header(redact, value));
            let shown = hidden.as_deref().or(header.value).map(bytes);
            columns.header_value.listed(shown, defined, goes_on);
            goes_on = true;
        }
        if !goes_on {
            columns.header_key.listed(None, 0, false);
            columns.header_value.listed(None, 0, false);
        }
        let of_producer = batch.and_then(BatchHeader::producer_id);
        columns.producer_id.maybe(of_producer.map(|id| id.0));
        let epoch = batch.and_then(BatchHeader::producer_epoch);
        columns.producer_epoch.maybe(epoch.map(|epoch| epoch.0.into()));
        columns.sequence.maybe(record.sequence().map(|sequence| sequence.0));
        columns.leader_epoch.maybe(record.leader_epoch().map(|epoch| epoch.0));
        self.rows += 1;
        self.bytes += crate::select::size_of(record) as usize + 128;
    }

    fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    /// Writes what was gathered as a row group.
    fn write_group(&mut self) -> std::result::Result<(), ParquetError> {
        let columns = std::mem::take(&mut self.columns);
        (self.rows, self.bytes) = (0, 0);
        let mut group = self.file.next_row_group()?;
        let mut number = 0;
        while let Some(column) = group.next_column()? {
            columns.write(number, column)?;
            number += 1;
        }
        group.close()?;
        Ok(())
    }

    fn finish(mut self) -> std::result::Result<(), ParquetError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.close()?;
        Ok(())
    }
}

/// Of each column of the schema, which it is among those of its type.
const WHICH: [usize; 12] = [0, 0, 0, 1, 1, 2, 3, 4, 2, 1, 2, 3];

impl Columns {
    /// Writes the column of that number in the schema.
    fn write(
        &self,
        number: usize,
        mut to: SerializedColumnWriter<'_>,
    ) -> std::result::Result<(), ParquetError> {
        let texts = [&self.topic, &self.key, &self.value, &self.header_key, &self.header_value];
        let longs = [&self.offset, &self.timestamp, &self.producer_id];
        let shorts = [&self.partition, &self.producer_epoch, &self.sequence, &self.leader_epoch];
        let which = WHICH[number];
        match to.untyped() {
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                let (defined, repeated) = texts[which].levels();
                writer.write_batch(&texts[which].values, defined, repeated)?;
            }
            ColumnWriter::Int64ColumnWriter(writer) => {
                let (defined, repeated) = longs[which].levels();
                writer.write_batch(&longs[which].values, defined, repeated)?;
            }
            ColumnWriter::Int32ColumnWriter(writer) => {
                let (defined, repeated) = shorts[which].levels();
                writer.write_batch(&shorts[which].values, defined, repeated)?;
            }
            _ => return Err(ParquetError::General(format!("column {number} is of another type"))),
        }
        to.close()
    }
}
