//! The entries of a `.index` or `.timeindex`.

use strandline::{Error, IndexFile, IndexFileEntry, OffsetIndexEntry, TimeIndexEntry};

use super::Dump;
use super::finding::Finding;
use crate::exit::Result;
use crate::output::human::{bytes, many};
use crate::output::json::Object;
use crate::output::style::Ink;
use crate::paths::Input;
use crate::time::Times;

/// An entry that can be shown.
pub(super) trait Entry: IndexFileEntry {
    /// What the columns hold.
    fn columns(times: &Times) -> String;
    /// Codes of what can be wrong: odd size, impossible entry, zero tail.
    const CODES: [&'static str; 3];

    fn row(&self, times: &Times) -> String;
    fn json(&self, out: &mut Vec<u8>);
}

impl Entry for OffsetIndexEntry {
    fn columns(_: &Times) -> String {
        "              OFFSET    POSITION".to_owned()
    }

    const CODES: [&'static str; 3] = ["IDX001", "IDX002", "IDX008"];

    fn row(&self, _: &Times) -> String {
        format!("{:>20}  {:>10}", self.offset, self.position)
    }

    fn json(&self, out: &mut Vec<u8>) {
        let mut line = Object::line("indexEntry", out);
        line.number("offset", self.offset);
        line.number("position", self.position);
        line.end_line();
    }
}

impl Entry for TimeIndexEntry {
    fn columns(times: &Times) -> String {
        format!("{:<24}  {:>20}  {:>20}", times.heading("TIME"), "MILLISECONDS", "OFFSET")
    }

    const CODES: [&'static str; 3] = ["TIX001", "TIX002", "TIX008"];

    fn row(&self, times: &Times) -> String {
        let text = times.in_column(self.timestamp);
        format!("{text:<24}  {:>20}  {:>20}", self.timestamp, self.offset)
    }

    fn json(&self, out: &mut Vec<u8>) {
        let mut line = Object::line("timeIndexEntry", out);
        line.number("timestamp", self.timestamp);
        line.number("offset", self.offset);
        line.end_line();
    }
}

impl Dump<'_> {
    /// Shows an index.
    pub(super) fn index<E: Entry>(&mut self, input: &Input) -> Result<()> {
        let index = IndexFile::<E>::open(&input.path, Some(input.base()?))?;
        self.begin_file(input, index.size_bytes())?;
        if !self.global.is_json() {
            self.begin_entries(input, &index)?;
        }
        let [odd, impossible, zeros] = E::CODES;
        let times = self.global.times();
        for entry in index.entries() {
            match entry {
                Ok(entry) if self.global.is_json() => entry.json(self.out.line()),
                Ok(entry) => self.out.row(entry.row(&times))?,
                Err(Error::Corrupt { position, cause, .. }) => {
                    self.report(input, &Finding::entry(impossible, position, &cause.to_string()))?;
                }
                Err(error) => return Err(error.into()),
            }
            self.out.settle()?;
        }
        let behind = index.len() * E::LEN as u64;
        if index.zero_tail_bytes() > 0 {
            self.report(input, &Finding::index_zeros(zeros, behind, index.zero_tail_bytes()))?;
        }
        if index.odd_bytes() > 0 {
            let at = index.size_bytes() - index.odd_bytes();
            self.report(input, &Finding::odd_bytes(odd, at, index.odd_bytes(), E::LEN))?;
        }
        Ok(())
    }

    fn begin_entries<E: Entry>(&mut self, input: &Input, index: &IndexFile<E>) -> Result<()> {
        let style = self.out.style;
        let (bold, faint, off) = (style.on(Ink::Bold), style.on(Ink::Faint), style.off());
        let (size, entries) = (bytes(index.size_bytes()), many(index.len(), "entry", "entries"));
        self.out.row(format_args!("{bold}{}{off}  {size} · {entries}", input.name))?;
        if index.is_empty() {
            Ok(())
        } else {
            self.out.row(format_args!("{faint}{}{off}", E::columns(&self.global.times())))
        }
    }
}
