//! Bounds-checked reading of what has no fixed place.

use super::field::Integer;

/// Bytes that are read from front to back. Nothing is ever read behind the end.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// Why a cursor could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CursorError {
    /// Fewer bytes are left than were asked for.
    Underflow,
    /// A varint does not end where its width says that it must.
    VarintTooLong,
}

impl<'a> Cursor<'a> {
    /// Reads `bytes` from their start.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// What is not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes are not read yet.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, CursorError> {
        let (&first, rest) = self.rest.split_first().ok_or(CursorError::Underflow)?;
        self.rest = rest;
        Ok(first)
    }

    /// The next big-endian integer.
    #[inline]
    pub(crate) fn integer<T: Integer>(&mut self) -> Result<T, CursorError> {
        Ok(T::read(self.take(T::WIDTH)?))
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], CursorError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CursorError::Underflow)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_behind_the_end_and_a_failed_read_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.integer::<i16>(), Ok(0x0102));
        assert_eq!(cursor.take(2), Err(CursorError::Underflow));
        assert_eq!((cursor.remaining(), cursor.u8()), (1, Ok(3)));
        assert_eq!(cursor.u8(), Err(CursorError::Underflow));
    }
}
