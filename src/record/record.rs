//! A record that is to be written.

use super::Timestamp;

/// What a record says about its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum When {
    /// The log's clock, when it is appended.
    #[default]
    Append,
    /// The caller's.
    At(Timestamp),
    /// None: −1 on disk.
    Never,
}

/// A record to append: key, value, headers, timestamp, all borrowed from the caller.
///
/// ```
/// use strandline::Record;
///
/// let record = Record::new().key("k").value("v").timestamp(1_700_000_000_000);
/// let tombstone = Record::new().key("k");
/// # let _ = (record, tombstone);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [(&'a str, Option<&'a [u8]>)],
    pub(super) when: When,
}

impl<'a> Record<'a> {
    /// A record without key, value and headers, stamped by the log's clock when it is appended.
    #[must_use]
    pub fn new() -> Self {
        Record::default()
    }

    /// Sets its key. An empty key is a key; a record without one has none (null).
    #[must_use]
    pub fn key<K: AsRef<[u8]> + ?Sized>(mut self, key: &'a K) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// Sets its value. A record with a key and without a value is a tombstone.
    #[must_use]
    pub fn value<V: AsRef<[u8]> + ?Sized>(mut self, value: &'a V) -> Self {
        self.value = Some(value.as_ref());
        self
    }

    /// Sets its headers, in order; names may repeat, a value may be null.
    #[must_use]
    pub fn headers(mut self, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets its time, in milliseconds since 1970. Out of order is fine, and so is one before 1970
    /// (Kafka's log keeps those; its own producer refuses to send them). −1 means none, as
    /// [`Record::without_timestamp`].
    #[must_use]
    pub fn timestamp(mut self, ms: Timestamp) -> Self {
        self.when = if ms == -1 { When::Never } else { When::At(ms) };
        self
    }

    /// Gives it no time at all (−1), rather than that of its append.
    #[must_use]
    pub fn without_timestamp(mut self) -> Self {
        self.when = When::Never;
        self
    }
}
