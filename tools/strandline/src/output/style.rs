//! Colours, where somebody sees them.

use std::env;

use crate::global::When;

/// Whether lines carry colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colours: bool,
}

/// What a piece of text is, and so its colour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ink {
    /// An offset: blue.
    Offset,
    /// Bytes, lengths, what holds: green.
    Good,
    /// What does not hold: red.
    Bad,
    /// What has no meaning yet: magenta.
    Unknown,
    /// What stands around: dim.
    Faint,
    /// What a section begins with.
    Bold,
}

impl Style {
    /// No colours.
    pub(crate) const PLAIN: Style = Style { colours: false };

    /// Colours on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; everywhere with
    /// `CLICOLOR_FORCE`.
    pub(crate) fn detect(is_terminal: bool, wanted: When) -> Style {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let forced =
            env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let auto = !set("NO_COLOR") && (forced || (is_terminal && !dumb));
        Style { colours: wanted.or(auto) }
    }

    /// What to write before a piece of text.
    pub(crate) fn on(self, ink: Ink) -> &'static str {
        if !self.colours {
            return "";
        }
        match ink {
            Ink::Offset => "\x1b[34m",
            Ink::Good => "\x1b[32m",
            Ink::Bad => "\x1b[31m",
            Ink::Unknown => "\x1b[35m",
            Ink::Faint => "\x1b[2m",
            Ink::Bold => "\x1b[1m",
        }
    }

    /// What to write behind it.
    pub(crate) fn off(self) -> &'static str {
        if self.colours { "\x1b[0m" } else { "" }
    }
}
