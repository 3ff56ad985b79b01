//! Where inflated bytes go: a vector that may grow by so much and no more.

use super::InflateError;

/// The output of one stream: what is appended to a vector, at most `limit` bytes.
///
/// It grows with what has come out, never with what a stream declares.
pub(super) struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where this stream's bytes begin.
    start: usize,
    limit: usize,
    /// What to make room for at first.
    first_step: usize,
}

impl<'a> Output<'a> {
    /// Appends to `bytes` what a stream of `input_len` bytes holds, at most `limit`.
    pub(super) fn new(bytes: &'a mut Vec<u8>, input_len: usize, limit: usize) -> Self {
        let start = bytes.len();
        // Records shrink to about a quarter.
        Output { bytes, start, limit, first_step: input_len.saturating_mul(4).max(1024) }
    }

    /// How many bytes have come out.
    fn produced(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// How many more may come out.
    pub(super) fn left(&self) -> usize {
        self.limit.saturating_sub(self.produced())
    }

    /// The vector, with room for at least one byte, for a decoder that fills what room there is.
    /// To be followed by [`check`](Self::check): the room may exceed what is left.
    pub(super) fn room(&mut self) -> Result<&mut Vec<u8>, InflateError> {
        if self.bytes.len() == self.bytes.capacity() {
            // One byte beyond the limit tells a stream that ends there from one that goes on.
            let step = self.produced().max(self.first_step).min(self.left().saturating_add(1));
            self.reserve(step)?;
        }
        Ok(self.bytes)
    }

    /// Cuts off what came out beyond the limit, if anything did, and says so.
    pub(super) fn check(&mut self) -> Result<(), InflateError> {
        if self.produced() <= self.limit {
            return Ok(());
        }
        self.bytes.truncate(self.start.saturating_add(self.limit));
        Err(self.too_large())
    }

    /// Appends bytes as they are.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), InflateError> {
        if bytes.len() > self.left() {
            return Err(self.too_large());
        }
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets a decoder write to the next `len` zeroed bytes and keeps as many as it says that it
    /// wrote, none if it fails. The caller has checked `len` against the length of its input.
    pub(super) fn block<E>(
        &mut self,
        len: usize,
        decode: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Result<(), E>, InflateError> {
        if len > self.left() {
            return Err(self.too_large());
        }
        self.reserve(len)?;
        let end = self.bytes.len();
        self.bytes.resize(end.saturating_add(len), 0);
        let decoded = decode(self.bytes.get_mut(end..).unwrap_or_default());
        let wrote = decoded.as_ref().map_or(0, |wrote| (*wrote).min(len));
        self.bytes.truncate(end.saturating_add(wrote));
        Ok(decoded.map(drop))
    }

    /// The error of going on when nothing is left.
    pub(super) fn too_large(&self) -> InflateError {
        InflateError::TooLarge { limit: self.limit }
    }

    fn reserve(&mut self, more: usize) -> Result<(), InflateError> {
        self.bytes.try_reserve(more).map_err(|_| InflateError::OutOfMemory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_what_comes_out_whatever_the_limit() {
        let mut bytes = b"before".to_vec();
        let mut output = Output::new(&mut bytes, 10, usize::MAX);
        for _ in 0..20_000 {
            output.room().unwrap().push(1);
            output.check().unwrap();
        }
        assert!(bytes.len() == 20_006 && bytes.capacity() <= 60_000, "{}", bytes.capacity());
    }

    #[test]
    fn what_comes_out_beyond_the_limit_is_cut_off_and_reported() {
        let mut bytes = b"before".to_vec();
        let mut output = Output::new(&mut bytes, 1, 3);
        output.append(b"abc").unwrap();
        assert_eq!(output.append(b"d"), Err(InflateError::TooLarge { limit: 3 }));
        assert_eq!(output.block(1, |_| Ok::<_, ()>(1)), Err(InflateError::TooLarge { limit: 3 }));
        output.room().unwrap().push(b'd');
        assert_eq!(output.check(), Err(InflateError::TooLarge { limit: 3 }));
        assert_eq!(bytes, b"beforeabc");
    }

    #[test]
    fn a_block_that_fails_leaves_nothing() {
        let mut bytes = b"before".to_vec();
        let mut output = Output::new(&mut bytes, 1, 100);
        let fail = |room: &mut [u8]| {
            room.fill(7);
            Err::<usize, _>("broken")
        };
        assert_eq!(output.block(50, fail), Ok(Err("broken")));
        assert_eq!(bytes, b"before");
    }
}
