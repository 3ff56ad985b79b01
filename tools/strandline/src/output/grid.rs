//! A table for people: columns as wide as what they hold, rows that never wrap.

use std::fmt::Write;

use super::Out;
use super::style::{Ink, Style};
use crate::exit::Result;

/// To which side a column's cells are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The colour of a column of this name.
fn ink_of(name: &str) -> Option<Ink> {
    match name {
        _ if name.contains("OFFSET") => Some(Ink::Offset),
        _ if name.contains("SIZE") || name.contains("BYTES") => Some(Ink::Good),
        _ => None,
    }
}

/// A table that is gathered, then written.
pub(crate) struct Grid {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    /// The last row, set apart.
    total: Option<Vec<String>>,
}

impl Grid {
    pub(crate) fn new(columns: &[(&str, Align)]) -> Grid {
        let columns = columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect();
        Grid { columns, rows: Vec::new(), total: None }
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The row that stands below all others.
    pub(crate) fn total(&mut self, cells: Vec<String>) {
        self.total = Some(cells);
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &mut Out) -> Result<()> {
        let rows = || self.rows.iter().chain(&self.total);
        let wide = |number: usize, name: &str| {
            let cells = rows().filter_map(|row| row.get(number)).map(|cell| cell.chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(number, (name, _))| wide(number, name)).collect();
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let (faint, bold, off) =
            (out.style.on(Ink::Faint), out.style.on(Ink::Bold), out.style.off());
        out.row(format_args!("{faint}{}{off}", self.line(&names, &widths, Style::PLAIN)))?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            let line = self.line(&cells, &widths, out.style);
            out.row(line)?;
        }
        if let Some(total) = &self.total {
            let cells: Vec<&str> = total.iter().map(String::as_str).collect();
            out.row(format_args!("{bold}{}{off}", self.line(&cells, &widths, Style::PLAIN)))?;
        }
        Ok(())
    }

    fn line(&self, cells: &[&str], widths: &[usize], style: Style) -> String {
        let mut line = String::new();
        for ((cell, &width), (name, align)) in cells.iter().zip(widths).zip(&self.columns) {
            // A column without anything takes no room.
            if width == 0 {
                continue;
            }
            let gap = if line.is_empty() { "" } else { "  " };
            line.push_str(gap);
            let (on, off) = match ink_of(name) {
                Some(ink) => (style.on(ink), style.off()),
                None => ("", ""),
            };
            let _ = match align {
                Align::Left => write!(line, "{on}{cell:<width$}{off}"),
                Align::Right => write!(line, "{on}{cell:>width$}{off}"),
            };
        }
        line.truncate(line.trim_end().len());
        line
    }
}
