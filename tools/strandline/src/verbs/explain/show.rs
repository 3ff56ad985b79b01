//! Fields beside their bytes: in columns, as JSON lines, or the plain bytes.

use std::fmt::Write;

use strandline::{Finding, Severity};

use crate::exit::Result;
use crate::layout::Field;
use crate::output::Out;
use crate::output::escape;
use crate::output::json::Object;
use crate::output::style::{Ink, Style};
use crate::verbs::verify::json;

/// So many bytes of a field are shown.
const MOST_BYTES: usize = 8;

/// Bytes that are shown, and what their fields are.
pub(super) struct Shown<'a> {
    pub(super) name: &'a str,
    pub(super) title: String,
    /// Where in the file they begin.
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
    pub(super) inflated: &'a [u8],
    pub(super) fields: Vec<Field>,
    pub(super) json: bool,
}

impl Shown<'_> {
    pub(super) fn write(&self, xxd: bool, findings: &[Finding], out: &mut Out) -> Result<()> {
        if xxd {
            return self.xxd(out);
        }
        if self.json {
            self.json(out)?;
            for finding in findings {
                json::finding(finding, self.name, out.line());
                out.settle()?;
            }
            return Ok(());
        }
        self.columns(out)?;
        for finding in findings {
            let word = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            let (code, text) = (finding.code, escape::one_line(&finding.to_string()));
            out.row(format_args!("{word}[{code}] {text}"))?;
            for line in crate::verbs::verify::words::explained(finding) {
                out.row(format_args!("  {line}"))?;
            }
        }
        Ok(())
    }

    fn of(&self, field: &Field) -> &[u8] {
        let bytes = if field.inflated { self.inflated } else { self.bytes };
        let to = field.at.saturating_add(field.len).min(bytes.len());
        bytes.get(field.at..to).unwrap_or_default()
    }

    fn columns(&self, out: &mut Out) -> Result<()> {
        out.row(&self.title)?;
        out.row(format_args!("{:>5}  {:<23}  {:<21} value", "off", "bytes", "field"))?;
        let style = out.style;
        for field in &self.fields {
            let at = if field.inflated { format!("+{}", field.at) } else { field.at.to_string() };
            let mark = match field.holds {
                Some(true) => mark(style, Ink::Good, "✓"),
                Some(false) => mark(style, Ink::Bad, "✗"),
                None => String::new(),
            };
            let bytes = hex(self.of(field));
            let (name, value) = (&field.name, coloured(field, style));
            out.row(format_args!("{at:>5}  {bytes:<23}  {name:<21} {value}{mark}"))?;
        }
        Ok(())
    }

    fn json(&self, out: &mut Out) -> Result<()> {
        for field in &self.fields {
            let mut line = Object::line("field", out.line());
            line.text("path", self.name);
            if field.inflated {
                line.size("inflatedAt", field.at as u64);
            } else {
                line.size("position", self.start + field.at as u64);
            }
            line.size("length", field.len as u64);
            line.text("field", &field.name);
            line.text("value", &field.value);
            match field.holds {
                Some(holds) => line.flag("holds", holds),
                None => line.null("holds"),
            }
            line.maybe_number("offset", field.offset);
            line.text("bytes", &hex(self.of(field)));
            line.end_line();
            out.settle()?;
        }
        Ok(())
    }

    /// As `xxd` writes it, and reads it back.
    fn xxd(&self, out: &mut Out) -> Result<()> {
        for (line, bytes) in self.bytes.chunks(16).enumerate() {
            let at = self.start + 16 * line as u64;
            let mut text = format!("{at:08x}: ");
            for pair in bytes.chunks(2) {
                for byte in pair {
                    let _ = write!(text, "{byte:02x}");
                }
                text.push(' ');
            }
            let shown = |&byte: &u8| {
                if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }
            };
            let ascii: String = bytes.iter().map(shown).collect();
            out.text(format_args!("{text:<50} {ascii}"))?;
        }
        Ok(())
    }
}

/// What a field says: offsets blue, lengths green, bits without a meaning magenta.
fn coloured(field: &Field, style: Style) -> String {
    let name = field.name.to_lowercase();
    let ink = match name.as_str() {
        _ if field.value.contains("unknown bits") => Ink::Unknown,
        name if name.contains("offset") => Ink::Offset,
        name if name.contains("length") || name.contains("size") => Ink::Good,
        _ => return field.value.clone(),
    };
    format!("{}{}{}", style.on(ink), field.value, style.off())
}

fn mark(style: Style, ink: Ink, mark: &str) -> String {
    format!(" {}{mark}{}", style.on(ink), style.off())
}

fn hex(bytes: &[u8]) -> String {
    let shown = if bytes.len() > MOST_BYTES { MOST_BYTES - 1 } else { bytes.len() };
    let mut text: Vec<String> = bytes[..shown].iter().map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > MOST_BYTES {
        text.push("…".to_owned());
    }
    text.join(" ")
}
