//! The fields of what lies in Kafka's files: where each begins, how long it is, what it says. For
//! `explain`, and to name the field that a flipped bit lies in.

pub(crate) mod batch;
mod bytes;
pub(crate) mod files;

pub(crate) use bytes::{Reader, quoted};

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it begins: in the batch, or in what the batch inflates to.
    pub(crate) at: usize,
    /// Whether that is in the inflated records.
    pub(crate) inflated: bool,
    pub(crate) len: usize,
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether what it says holds; none where there is nothing to hold.
    pub(crate) holds: Option<bool>,
    /// The offset of the record that it is of.
    pub(crate) offset: Option<i64>,
}

impl Field {
    pub(crate) fn new(at: usize, len: usize, name: &str, value: impl Into<String>) -> Field {
        Field {
            at,
            inflated: false,
            len,
            name: name.to_owned(),
            value: value.into(),
            holds: None,
            offset: None,
        }
    }

    pub(crate) fn holds(mut self, holds: bool) -> Field {
        self.holds = Some(holds);
        self
    }
}
