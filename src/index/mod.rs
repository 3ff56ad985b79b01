//! What finds a place in a segment: the offset index, the time index, the transaction index. They
//! hold nothing that the log does not; a wrong or lost one is rebuilt from it. Bytes only, no I/O.

mod error;
pub(crate) mod offset_index;
mod search;
mod sparse;
pub(crate) mod time_index;
pub(crate) mod txn_index;

pub(crate) use error::IndexError;
pub(crate) use offset_index::{ENTRY_LEN as OFFSET_ENTRY_LEN, OffsetEntry};
pub(crate) use search::{last_before, slots_to_trust};
pub(crate) use sparse::Tail;
pub(crate) use time_index::{ENTRY_LEN as TIME_ENTRY_LEN, TimeEntry};
pub(crate) use txn_index::ENTRY_LEN as TXN_ENTRY_LEN;
pub use txn_index::{AbortedTxn, TxnIndexError};
