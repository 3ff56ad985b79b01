//! A file in memory, for reading: an option for files that nobody writes.

use std::io;

/// The bytes of a file as they were mapped. They are copied out: no slice leaves it.
///
/// An I/O error beneath it, or a cut of the file by somebody else, kills the process (SIGBUS). So
/// it is off unless asked for, and for files alone that nobody writes.
#[derive(Debug)]
pub(crate) struct Mapping(Inner);

#[derive(Debug)]
enum Inner {
    Os(memmap2::Mmap),
    #[cfg(feature = "sim")]
    Sim(std::sync::Arc<Vec<u8>>),
}

impl Mapping {
    pub(super) fn from_os(map: memmap2::Mmap) -> Mapping {
        Mapping(Inner::Os(map))
    }

    /// What a file of the simulated disk held.
    #[cfg(feature = "sim")]
    pub(super) fn from_sim(bytes: std::sync::Arc<Vec<u8>>) -> Mapping {
        Mapping(Inner::Sim(bytes))
    }

    /// How many bytes are mapped: the length of the file at the time.
    pub(crate) fn len(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// Fills `buf` with the bytes from `position` on; `UnexpectedEof` if the mapping ends before,
    /// and then `buf` is as it was.
    pub(crate) fn copy_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(position).ok().and_then(|start| self.bytes().get(start..));
        let bytes = from.and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Inner::Os(map) => map,
            #[cfg(feature = "sim")]
            Inner::Sim(bytes) => bytes,
        }
    }
}
