//! What is read: lines of a file or of stdin, and the records in them.

pub(crate) mod jsonl;
pub(crate) mod lines;
mod source;

use std::borrow::Cow;

use strandline::{Batch, Record};

pub(crate) use source::{Next, Source};

/// A header's name and value.
pub(crate) type Header<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// A record as a line says it, borrowed from the line where that is possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) key: Option<Cow<'a, [u8]>>,
    pub(crate) value: Option<Cow<'a, [u8]>>,
    pub(crate) headers: Vec<Header<'a>>,
    pub(crate) time: Time,
}

/// What a line says about its record's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Time {
    /// Nothing: the time at which it is appended.
    #[default]
    Append,
    /// Milliseconds since 1970.
    At(i64),
    /// That it has none.
    Never,
}

impl Parsed<'_> {
    /// Bytes that it takes in a batch, at most.
    pub(crate) fn size_at_most(&self) -> usize {
        let len = |bytes: &Option<Cow<'_, [u8]>>| 5 + bytes.as_ref().map_or(0, |bytes| bytes.len());
        let headers = self.headers.iter().map(|(name, value)| 5 + name.len() + len(value));
        32 + len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }

    /// Appends it to a batch, with `more` headers behind its own.
    pub(crate) fn push_to(&self, batch: &mut Batch, more: &[(String, String)]) {
        let own = self.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
        let more = more.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
        let headers: Vec<_> = own.chain(more).collect();
        let mut record = Record::new().headers(&headers);
        if let Some(key) = &self.key {
            record = record.key(key.as_ref());
        }
        if let Some(value) = &self.value {
            record = record.value(value.as_ref());
        }
        batch.push(match self.time {
            Time::Append => record,
            Time::At(ms) => record.timestamp(ms),
            Time::Never => record.without_timestamp(),
        });
    }
}
