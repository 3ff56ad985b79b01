//! The messages that a wrapper of format v0 or v1 holds, one after another.

use super::legacy::Wrapper;
use super::{BatchError, LegacyMessage, Offset, RecordError};

/// Messages of format v0 or v1, in order, with their offsets in the log. A fault is given out once,
/// then the iteration ends; a message that is cut short at the end is not reported, as in Kafka.
///
/// In a wrapper of v0 offsets are absolute. In one of v1 they count from 0, and the last message has
/// the wrapper's; a wrapper with offset 0 has them as they stand (some clients wrote it so).
#[derive(Clone, Debug)]
pub struct LegacyMessages<'a> {
    rest: &'a [u8],
    /// The wrapper, and what its messages' offsets are counted from.
    wrapper: Option<(Wrapper, Offset)>,
}

impl<'a> LegacyMessages<'a> {
    /// Those in `held`, the inflated value of `message`; or, if that is no wrapper, its own bytes.
    pub(super) fn of(message: &LegacyMessage<'_>, held: &'a [u8]) -> Result<Self, RecordError> {
        if !message.is_wrapper() {
            return Ok(LegacyMessages { rest: held, wrapper: None });
        }
        let last = last_offset(held)?;
        let base = match (message.magic(), message.offset()) {
            (0, _) | (_, 0) => 0,
            (_, wrapper) => wrapper - last,
        };
        if base < 0 {
            return Err(RecordError::WrapperOffset { wrapper: message.offset(), last });
        }
        let (timestamp_type, timestamp) = (message.timestamp_type(), message.timestamp());
        let wrapper = Wrapper { timestamp_type, timestamp };
        Ok(LegacyMessages { rest: held, wrapper: Some((wrapper, base)) })
    }

    fn placed(&self, message: LegacyMessage<'a>) -> Result<LegacyMessage<'a>, RecordError> {
        let Some((wrapper, base)) = self.wrapper else { return Ok(message) };
        if message.is_wrapper() {
            return Err(RecordError::NestedWrapper);
        }
        let offset = message.offset().checked_add(base).filter(|&offset| offset < Offset::MAX);
        Ok(message.inside(wrapper, offset.ok_or(RecordError::DeltaOutOfRange)?))
    }
}

/// The offset, as it stands, of the last of some messages.
fn last_offset(held: &[u8]) -> Result<Offset, RecordError> {
    let mut rest = held;
    let mut last = None;
    loop {
        match LegacyMessage::decode(rest) {
            Ok(message) => {
                last = Some(message.offset());
                rest = &rest[message.size_bytes()..];
            }
            Err(BatchError::Incomplete { .. }) => return last.ok_or(RecordError::EmptyWrapper),
            Err(error) => return Err(RecordError::Inner(error)),
        }
    }
}

impl<'a> Iterator for LegacyMessages<'a> {
    type Item = Result<LegacyMessage<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = match LegacyMessage::decode(self.rest) {
            Ok(message) => {
                self.rest = &self.rest[message.size_bytes()..];
                self.placed(message)
            }
            Err(BatchError::Incomplete { .. }) => {
                self.rest = &[];
                return None;
            }
            Err(error) => Err(RecordError::Inner(error)),
        };
        if decoded.is_err() {
            self.rest = &[];
        }
        Some(decoded)
    }
}
