//! A whole batch in memory: not yet trusted, or checked.

use super::header::crc;
use super::{BatchError, BatchHeader, HEADER_LEN, LegacyMessage, LegacyMessages, RecordError};
use super::{Records, legacy};
use crate::compression::{Codec, Decompressor};

/// A whole batch, or message of an old format, whose checksum nobody has looked at. It gives away its header, and no record:
/// those come from a [`RecordBatch`] only.
#[derive(Clone, Copy, Debug)]
pub struct UncheckedBatch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> UncheckedBatch<'a> {
    /// The batch that `bytes` begin with; more may follow.
    ///
    /// # Errors
    ///
    /// Any [`BatchError`] but `Crc`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let header = match BatchHeader::decode(bytes) {
            Err(BatchError::Legacy(_)) => return UncheckedBatch::decode_legacy(bytes),
            header => header?,
        };
        let need = header.size_bytes();
        let have = bytes.len();
        let bytes = bytes.get(..need).ok_or(BatchError::Incomplete { have, need })?;
        Ok(UncheckedBatch { header, bytes })
    }

    #[cold]
    fn decode_legacy(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let message = LegacyMessage::decode(bytes)?;
        let header = BatchHeader::of_message(&message);
        Ok(UncheckedBatch { header, bytes: message.bytes() })
    }

    /// Compares the checksum.
    ///
    /// # Errors
    ///
    /// [`BatchError::Crc`] if it does not fit; `UnknownMagic` if the bytes only begin like a message
    /// of an old format.
    pub fn check(self) -> Result<RecordBatch<'a>, BatchError> {
        let computed = match self.legacy() {
            Some(message) => message.computed_crc(),
            None => crc(self.bytes),
        };
        let stored = self.header.crc();
        if stored != computed {
            return Err(match self.legacy() {
                // More likely a batch of today whose magic is damaged like the rest.
                Some(message) if !message.is_plausible() => {
                    BatchError::UnknownMagic(message.magic())
                }
                _ => BatchError::Crc { stored, computed },
            });
        }
        Ok(RecordBatch { header: self.header, bytes: self.bytes })
    }

    /// The message of format v0 or v1 that it is, if it is one.
    pub fn legacy(&self) -> Option<LegacyMessage<'a>> {
        if !self.header.is_legacy() {
            return None;
        }
        LegacyMessage::decode(self.bytes).ok()
    }

    /// Its header, as untrusted as the rest.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// A record batch whose checksum holds, borrowed from where it was read; or a message of format v0
/// or v1, which is read as one ([`BatchHeader::magic`] tells).
#[derive(Clone, Copy, Debug)]
pub struct RecordBatch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> RecordBatch<'a> {
    /// The batch that `bytes` begin with, checked; more may follow.
    ///
    /// # Errors
    ///
    /// Any [`BatchError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BatchError> {
        UncheckedBatch::decode(bytes)?.check()
    }

    /// The batch that `bytes` begin with, which was checked when they were read.
    pub(crate) fn decode_checked_before(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let UncheckedBatch { header, bytes } = UncheckedBatch::decode(bytes)?;
        Ok(RecordBatch { header, bytes })
    }

    /// Its header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The message of format v0 or v1 that it is, if it is one.
    pub fn legacy(&self) -> Option<LegacyMessage<'a>> {
        UncheckedBatch { header: self.header, bytes: self.bytes }.legacy()
    }

    /// Its records as they lie there: compressed, if it has a codec. A message of format v0 or v1
    /// that is no wrapper is its own record, whole; a wrapper's lie in its value.
    pub fn payload(&self) -> &'a [u8] {
        match self.legacy() {
            None => &self.bytes[HEADER_LEN..],
            Some(message) if message.is_wrapper() => {
                message.value().ok().flatten().unwrap_or_default()
            }
            Some(_) => self.bytes,
        }
    }

    /// The codec of the payload.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownCodec`].
    pub fn codec(&self) -> Result<Codec, RecordError> {
        let attributes = self.header.attributes();
        if self.header.is_legacy() {
            return legacy::codec(attributes);
        }
        attributes.codec().ok_or(RecordError::UnknownCodec(attributes.codec_id()))
    }

    /// Its records, none copied. A compressed payload is inflated into `inflated`, to at most
    /// `limit` bytes; an uncompressed one is read where it lies.
    ///
    /// # Errors
    ///
    /// If the payload does not inflate; `Inflate(TooLarge)` is the caller's bound, not damage.
    pub fn records<'b>(
        &'b self,
        with: &mut Decompressor,
        limit: usize,
        inflated: &'b mut Vec<u8>,
    ) -> Result<Records<'b>, RecordError> {
        inflated.clear();
        self.inflate(with, limit, inflated)?;
        self.records_in(inflated)
    }

    /// Appends what there is to inflate of its payload to `inflated`.
    ///
    /// # Errors
    ///
    /// As [`RecordBatch::records`].
    pub(crate) fn inflate(
        &self,
        with: &mut Decompressor,
        limit: usize,
        inflated: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        if let Some(message) = self.legacy() {
            return message.inflate(with, limit, inflated);
        }
        match self.codec()? {
            Codec::None => {}
            // An emptied batch keeps its header alone, whatever stands behind it.
            _ if self.header.record_count() == 0 => {}
            codec => with.decompress(codec, self.payload(), limit, inflated)?,
        }
        Ok(())
    }

    /// Its records, where `inflated` is what [`RecordBatch::inflate`] gave.
    pub(crate) fn records_in<'b>(&self, inflated: &'b [u8]) -> Result<Records<'b>, RecordError>
    where
        'a: 'b,
    {
        let lies_there = self.codec()? == Codec::None;
        let payload = if lies_there { self.payload() } else { inflated };
        match self.legacy() {
            Some(message) => Ok(Records::of_messages(LegacyMessages::of(&message, payload)?)),
            None => Records::new(&self.header, payload),
        }
    }
}
