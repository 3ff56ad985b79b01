//! One step of a plan: what is done, to which bytes, and how sure that is.

use std::ops::Range;
use std::path::Path;

use strandline::{Code, Explanation};

use crate::exit::name_of;
use crate::output::human::{many, span};
use crate::output::json::Object;

/// What is done to some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Quarantine,
    Drop,
    /// An explanation is carried out.
    Fix(Explanation),
    /// An end that is no batch goes.
    CutTail,
    CutOff,
    Rebuild,
    LeaveOut,
    TakeSwap,
}

impl Deed {
    pub(super) fn name(self) -> &'static str {
        match self {
            Deed::Quarantine => "quarantine",
            Deed::Drop => "drop",
            Deed::Fix(_) => "fix",
            Deed::CutTail => "cutTail",
            Deed::CutOff => "cutOff",
            Deed::Rebuild => "rebuild",
            Deed::LeaveOut => "leaveOut",
            Deed::TakeSwap => "takeSwap",
        }
    }
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) code: Option<Code>,
    pub(super) file: String,
    pub(super) range: Option<Range<u64>>,
    pub(super) deed: Deed,
    pub(super) offsets: Option<(i64, i64)>,
    pub(super) lost: u64,
}

impl Action {
    pub(super) fn of_file(code: Code, name: &str, deed: Deed) -> Action {
        let (range, offsets) = (None, None);
        Action { code: Some(code), file: name.to_owned(), range, deed, offsets, lost: 0 }
    }

    /// Whether bytes go, and stay in quarantine.
    pub(super) fn is_quarantine(&self) -> bool {
        self.deed == Deed::Quarantine
    }

    pub(super) fn words(&self) -> String {
        let code = self.code.map_or(String::new(), |code| format!("[{code}] "));
        let file = name_of(Path::new(&self.file));
        let place = match &self.range {
            Some(range) => format!("{file} {}..{}", range.start, range.end),
            None => file,
        };
        let (what, sure) = match self.deed {
            Deed::Quarantine => ("to quarantine".to_owned(), "its checksum fails"),
            Deed::Drop => ("dropped".to_owned(), "its checksum fails"),
            Deed::Fix(Explanation::FlippedBit { byte, bit, .. }) => {
                (format!("byte {byte} bit {bit} flipped back"), "the only bit that fits")
            }
            Deed::Fix(Explanation::Length { fits, .. }) => {
                (format!("length set to {fits}"), "the CRC holds with it")
            }
            Deed::Fix(Explanation::Magic { fits, .. }) => {
                (format!("magic set to {fits}"), "the CRC holds with it")
            }
            Deed::Fix(_) => ("set right".to_owned(), "the CRC holds with it"),
            Deed::CutTail => ("cut off: no whole batch".to_owned(), "as a broker does"),
            Deed::CutOff => ("cut off".to_owned(), "as asked for"),
            Deed::Rebuild => ("made again from the log".to_owned(), "it follows from the log"),
            Deed::LeaveOut => ("left out".to_owned(), "nothing needs it"),
            Deed::TakeSwap => {
                ("takes the place of the segments that it replaces".to_owned(), "it is whole")
            }
        };
        let offsets = self.offsets.map_or(String::new(), |(a, b)| format!(", {}", span(a, b)));
        let lost = if self.lost > 0 {
            format!(", {} lost", many(self.lost, "record", "records"))
        } else {
            String::new()
        };
        format!("{code}{place}: {what}{offsets}{lost} ({sure})")
    }

    pub(super) fn write_json(&self, partition: &str, out: &mut Vec<u8>) {
        let mut line = Object::line("action", out);
        line.text("path", partition);
        line.text("file", &self.file);
        line.maybe_text("code", self.code.map(Code::name));
        line.text("action", self.deed.name());
        if let Some(range) = &self.range {
            line.size("position", range.start);
            line.size("size", range.end - range.start);
        }
        if let Some((first, last)) = self.offsets {
            line.number("baseOffset", first);
            line.number("lastOffset", last);
        }
        line.size("recordsLost", self.lost);
        line.end_line();
    }
}
