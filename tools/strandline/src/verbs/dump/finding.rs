//! What is not as it should be: as a sentence, and as a JSON line.

use strandline::record::{BatchError, BatchHeader, RecordError};
use strandline::{Damage, LogPiece, Piece, compression::InflateError};

use crate::output::human::{many, span};
use crate::output::json::Object;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Output is incomplete.
    Error,
    /// It may be normal.
    Warning,
    /// It is normal, and good to know.
    Info,
}

impl Severity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What the catalogue calls it; nothing for what stands not in it.
    code: Option<&'static str>,
    pub(crate) severity: Severity,
    position: u64,
    offsets: Option<(i64, i64)>,
    /// A few words, always the same for a code.
    message: &'static str,
    /// Stored and computed checksum.
    crc: Option<(u32, u32)>,
    /// The sentence, without the file.
    pub(crate) text: String,
}

impl Finding {
    fn new(
        code: &'static str,
        severity: Severity,
        position: u64,
        message: &'static str,
    ) -> Finding {
        let text = String::new();
        Finding { code: Some(code), severity, position, offsets: None, message, crc: None, text }
    }

    /// Something in a small file.
    pub(crate) fn of_file(
        code: Option<&'static str>,
        severity: Severity,
        position: u64,
        text: String,
    ) -> Finding {
        Finding { code, text, ..Finding::new("", severity, position, "cannot be read") }
    }

    /// Where in the file it is.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// With the checksums that differ.
    pub(crate) fn with_crc(self, stored: u32, computed: u32) -> Finding {
        Finding { crc: Some((stored, computed)), ..self }
    }

    fn text(mut self, text: String) -> Finding {
        self.text = text;
        self
    }

    /// What a stretch of a `.log` is that is no batch.
    pub(crate) fn of_piece(piece: &LogPiece<'_>) -> Option<Finding> {
        let (position, len) = (piece.position, piece.size_bytes);
        match &piece.what {
            Piece::Batch(_) => None,
            Piece::Damage(damage) => Some(Finding::damage(position, len, damage, true)),
            Piece::Unfinished => Some(Finding::unfinished(position, len)),
            Piece::Zeros => Some(Finding::zero_tail(position, len)),
        }
    }

    /// Zeros up to the end of a `.log`.
    pub(crate) fn zero_tail(position: u64, len: u64) -> Finding {
        Finding::new("LOG002", Severity::Info, position, "zero tail").text(format!(
            "{} at the end, from byte {position}; space taken ahead",
            many(len, "zero byte", "zero bytes")
        ))
    }

    /// A batch at the end that is not whole.
    pub(crate) fn unfinished(position: u64, len: u64) -> Finding {
        Finding::new("LOG001", Severity::Warning, position, "unfinished batch at the end").text(
            format!(
                "{} of an unfinished batch at byte {position}; normal while it is written",
                many(len, "byte", "bytes")
            ),
        )
    }

    /// Damage between batches, or at the end.
    pub(crate) fn damage(position: u64, len: u64, damage: &Damage, of_records: bool) -> Finding {
        let (code, message) = match damage.cause {
            BatchError::Zeros => ("LOG021", "zeros inside"),
            BatchError::LengthTooSmall(_) => ("LOG003", "batch length too small"),
            BatchError::Incomplete { .. } => ("LOG004", "batch length past the end"),
            BatchError::Crc { .. } => ("LOG005", "batch CRC mismatch"),
            BatchError::UnknownMagic(_) => ("LOG006", "unknown magic"),
            BatchError::TooLarge { .. } => ("", "batch larger than is taken"),
            _ => ("LOG014", "impossible offsets"),
        };
        let mut finding = Finding::new(code, Severity::Error, position, message);
        // What the user does not take is no damage, and has no code.
        finding.code = Some(code).filter(|code| !code.is_empty());
        let what = match damage.cause {
            BatchError::Crc { stored, computed } => {
                finding.crc = Some((stored, computed));
                "fails its CRC".to_owned()
            }
            BatchError::LengthTooSmall(length) => {
                format!("claims length {length}, the minimum is 49")
            }
            BatchError::Incomplete { have, need } => {
                format!("claims {need} bytes, the file has {have} more")
            }
            BatchError::Zeros => "is nothing but zeros".to_owned(),
            BatchError::TooLarge { size, limit } => {
                format!("has {size} bytes, --max-batch-bytes takes {limit}")
            }
            BatchError::UnknownMagic(magic) => {
                format!("has unknown magic {magic}: newer, or damage")
            }
            BatchError::ImpossibleOffsets { base, delta } => {
                format!("has impossible offsets: base {base}, last offset delta {delta}")
            }
            other => other.to_string(),
        };
        let place = match &damage.header {
            Some(header) => {
                finding.offsets = Some((header.base_offset(), header.last_offset()));
                batch_at(position, header)
            }
            None => format!("batch at byte {position}"),
        };
        let after = match (&damage.header, damage.resumed) {
            (Some(header), _) => skipped(header, of_records),
            (None, Some(offset)) => {
                format!("resumed at byte {} (offset {offset}) after {len} bytes", position + len)
            }
            (None, None) => format!("the {len} bytes up to the end are skipped"),
        };
        finding.text(format!("{place} {what}; {after}"))
    }

    /// A batch whose checksum holds and whose records cannot be read.
    pub(crate) fn records(
        position: u64,
        header: &BatchHeader,
        read: u64,
        cause: RecordError,
    ) -> Finding {
        let (code, message) = match cause {
            RecordError::UnknownCodec(_) => ("LOG007", "unknown codec"),
            RecordError::Inflate(InflateError::TooLarge { .. }) => {
                ("LOG009", "inflates beyond the cap")
            }
            RecordError::Inflate(_) => ("LOG009", "does not inflate"),
            RecordError::MalformedControl => ("LOG019", "malformed control record"),
            RecordError::NegativeCount(_)
            | RecordError::TooFewRecords
            | RecordError::TooManyRecords => ("LOG008", "record count wrong"),
            _ => ("LOG022", "malformed record"),
        };
        let mut finding = Finding::new(code, Severity::Error, position, message);
        finding.offsets = Some((header.base_offset(), header.last_offset()));
        let place = batch_at(position, header);
        finding.text(format!(
            "{place}: {cause}; {read} of {} records read, output is incomplete",
            header.record_count()
        ))
    }

    /// An index entry that cannot be.
    pub(crate) fn entry(code: &'static str, position: u64, cause: &str) -> Finding {
        Finding::new(code, Severity::Error, position, "impossible entry")
            .text(format!("at byte {position}: {cause}"))
    }

    /// Bytes behind the last entry of an index that are no entry.
    pub(crate) fn odd_bytes(code: &'static str, position: u64, len: u64, entry: usize) -> Finding {
        Finding::new(code, Severity::Error, position, "size is no multiple of an entry").text(
            format!(
                "{} at the end, from byte {position}, are no whole entry of {entry}",
                many(len, "byte", "bytes")
            ),
        )
    }

    /// Zeros behind the last entry of an index.
    pub(crate) fn index_zeros(code: &'static str, position: u64, len: u64) -> Finding {
        let finding = Finding::zero_tail(position, len);
        Finding { code: Some(code), ..finding }
    }

    /// Appends a `finding` line.
    pub(crate) fn write_json(&self, path: &str, out: &mut Vec<u8>) {
        let mut line = Object::line("finding", out);
        line.maybe_text("code", self.code);
        line.text("severity", self.severity.name());
        line.text("path", path);
        line.size("position", self.position);
        line.maybe_number("baseOffset", self.offsets.map(|(base, _)| base));
        line.maybe_number("lastOffset", self.offsets.map(|(_, last)| last));
        line.text("message", self.message);
        if let Some((stored, computed)) = self.crc {
            line.number("stored", stored);
            line.number("computed", computed);
        }
        line.end_line();
    }
}

fn batch_at(position: u64, header: &BatchHeader) -> String {
    format!("batch at byte {position} ({})", span(header.base_offset(), header.last_offset()))
}

fn skipped(header: &BatchHeader, of_records: bool) -> String {
    let count = many(u64::try_from(header.record_count()).unwrap_or(0), "record", "records");
    if of_records {
        format!("{count} skipped, output is incomplete")
    } else {
        format!("its {count} cannot be trusted")
    }
}
