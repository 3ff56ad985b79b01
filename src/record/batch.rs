//! A whole batch in memory: not yet trusted, or checked.

use super::header::crc;
use super::{BatchError, BatchHeader, HEADER_LEN, RecordError, Records};
use crate::compression::{Codec, Decompressor};

/// A whole batch whose checksum nobody has looked at. It gives away its header, and no record:
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
        let header = BatchHeader::decode(bytes)?;
        let need = header.size_bytes();
        let have = bytes.len();
        let bytes = bytes.get(..need).ok_or(BatchError::Incomplete { have, need })?;
        Ok(UncheckedBatch { header, bytes })
    }

    /// Compares the checksum.
    ///
    /// # Errors
    ///
    /// [`BatchError::Crc`] if it does not fit.
    pub fn check(self) -> Result<RecordBatch<'a>, BatchError> {
        let (stored, computed) = (self.header.crc(), crc(self.bytes));
        if stored != computed {
            return Err(BatchError::Crc { stored, computed });
        }
        Ok(RecordBatch { header: self.header, bytes: self.bytes })
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

/// A record batch whose checksum holds, borrowed from where it was read.
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

    /// Its records as they lie there: compressed, if it has a codec.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..]
    }

    /// The codec of the payload.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownCodec`].
    pub fn codec(&self) -> Result<Codec, RecordError> {
        let attributes = self.header.attributes();
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
        match self.codec()? {
            Codec::None => Records::new(&self.header, self.payload()),
            codec if self.header.record_count() == 0 && codec != Codec::None => {
                Records::new(&self.header, &[])
            }
            codec => {
                inflated.clear();
                with.decompress(codec, self.payload(), limit, inflated)?;
                Records::new(&self.header, inflated)
            }
        }
    }
}
