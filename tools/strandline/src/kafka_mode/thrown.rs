//! What ends a run early: a Java exception, as Kafka's tool shows one, or nobody who reads.

use std::io;
use std::path::Path;

use crate::exit::Failure;
use crate::internal::cursor::Unread;

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// Why a run ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// Kafka's tool dies of this exception.
    Thrown(Thrown),
    /// Standard output cannot be written.
    Output(Failure),
}

/// A Java exception: its class, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    pub(super) class: &'static str,
    pub(super) message: Option<String>,
}

impl From<Thrown> for Stop {
    fn from(thrown: Thrown) -> Self {
        Stop::Thrown(thrown)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Output(failure)
    }
}

impl Thrown {
    pub(super) fn new(class: &'static str, message: impl Into<String>) -> Thrown {
        Thrown { class, message: Some(message.into()) }
    }

    /// One that says nothing.
    pub(super) fn silent(class: &'static str) -> Thrown {
        Thrown { class, message: None }
    }

    pub(super) fn argument(message: impl Into<String>) -> Thrown {
        Thrown::new("java.lang.IllegalArgumentException", message)
    }

    pub(super) fn kafka(message: impl Into<String>) -> Thrown {
        Thrown::new("org.apache.kafka.common.KafkaException", message)
    }

    pub(super) fn corrupt(message: impl Into<String>) -> Thrown {
        Thrown::new("org.apache.kafka.common.errors.CorruptRecordException", message)
    }

    pub(super) fn corrupt_index(message: impl Into<String>) -> Thrown {
        Thrown::new("org.apache.kafka.storage.internals.log.CorruptIndexException", message)
    }

    pub(super) fn invalid_record(message: impl Into<String>) -> Thrown {
        Thrown::new("org.apache.kafka.common.InvalidRecordException", message)
    }

    pub(super) fn null_pointer(message: impl Into<String>) -> Thrown {
        Thrown::new("java.lang.NullPointerException", message)
    }

    pub(super) fn runtime(message: impl Into<String>) -> Thrown {
        Thrown::new("java.lang.RuntimeException", message)
    }

    pub(super) fn number(text: &str) -> Thrown {
        let message = format!("For input string: \"{text}\"");
        Thrown::new("java.lang.NumberFormatException", message)
    }

    pub(super) fn bounds() -> Thrown {
        Thrown::silent("java.lang.IndexOutOfBoundsException")
    }

    /// A file that cannot be opened.
    pub(super) fn opening(path: &Path, error: &io::Error) -> Thrown {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => {
                Thrown::new("java.nio.file.NoSuchFileException", path.to_string())
            }
            io::ErrorKind::PermissionDenied => {
                Thrown::new("java.nio.file.AccessDeniedException", path.to_string())
            }
            _ => {
                let why = crate::exit::why(error);
                Thrown::new("java.nio.file.FileSystemException", format!("{path}: {why}"))
            }
        }
    }

    /// A file that cannot be read.
    pub(super) fn reading(error: &io::Error) -> Thrown {
        let text = error.to_string();
        let text = text.split(" (os error ").next().unwrap_or_default();
        Thrown::kafka(format!("java.io.IOException: {text}"))
    }

    /// A varint that does not end.
    pub(super) fn varint(unread: Unread) -> Thrown {
        match unread {
            Unread::Short => Thrown::silent("java.nio.BufferUnderflowException"),
            Unread::LongVarint(value) => Thrown::argument(format!(
                "Varint is too long, the most significant bit in the 5th byte is set, converted \
                 value: {:x}",
                value as u32
            )),
        }
    }
}
