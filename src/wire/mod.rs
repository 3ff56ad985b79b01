//! Integers and bytes without meaning: fixed big-endian fields, varints, bounds-checked reading,
//! the checksum. Does no I/O and knows no format.

pub(crate) mod crc32c;
pub(crate) mod cursor;
pub(crate) mod field;
pub(crate) mod syndrome;
pub(crate) mod varint;

pub(crate) use cursor::{Cursor, CursorError};
pub(crate) use field::Field;
