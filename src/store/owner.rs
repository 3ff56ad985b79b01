//! `strandline.owner`: which process has a store open, or had.
//!
//! ```text
//! version 1
//! pid 4711
//! boot-id 0123456789abcdef0123456789abcdef
//! broker-epoch 42
//! crc 01234567
//! ```
//!
//! No answer hangs on it: the lock tells whether the store is open, and without this file the
//! holder's pid is unknown, what was not synced counts as of this boot, and the broker epoch is −1.

use std::fmt::{self, Write};

use super::checked_text::{self, Line, TextError};

/// Who opened a store last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The process.
    pub(crate) pid: u32,
    /// The boot of the machine that it ran in, if that could be told.
    pub(crate) boot_id: Option<BootId>,
    /// The `brokerEpoch` of the broker's last clean stop, if there was one.
    pub(crate) broker_epoch: Option<i64>,
}

/// One boot of a machine. As text 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BootId(pub(crate) [u8; 16]);

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What stands for a boot id that is not known.
const NO_BOOT_ID: &str = "-";
/// What stands for a broker epoch that is not known, as in Kafka.
const NO_BROKER_EPOCH: i64 = -1;

impl Owner {
    /// The file's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut lines = format!("pid {}\nboot-id ", self.pid);
        // Writing to a string does not fail.
        let _ = match self.boot_id {
            Some(boot_id) => writeln!(lines, "{boot_id}"),
            None => writeln!(lines, "{NO_BOOT_ID}"),
        };
        let _ = writeln!(lines, "broker-epoch {}", self.broker_epoch.unwrap_or(NO_BROKER_EPOCH));
        checked_text::encode(&lines)
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Any [`TextError`]. A line that is not known, or stands there twice, is malformed.
    pub(crate) fn decode(file: &[u8]) -> Result<Owner, TextError> {
        let (mut pid, mut boot_id, mut broker_epoch) = (None, None, None);
        for line in checked_text::decode(file)? {
            match line.key {
                "pid" if pid.is_none() => pid = Some(line.number(u32::MAX)?),
                "boot-id" if boot_id.is_none() => boot_id = Some(boot_id_in(line)?),
                "broker-epoch" if broker_epoch.is_none() => {
                    let epoch: i64 = line.value.parse().map_err(|_| line.malformed())?;
                    broker_epoch = Some(Some(epoch).filter(|epoch| *epoch >= 0));
                }
                _ => return Err(line.malformed()),
            }
        }
        Ok(Owner {
            pid: pid.ok_or(TextError::Missing("pid"))?,
            boot_id: boot_id.ok_or(TextError::Missing("boot-id"))?,
            broker_epoch: broker_epoch.ok_or(TextError::Missing("broker-epoch"))?,
        })
    }
}

fn boot_id_in(line: Line<'_>) -> Result<Option<BootId>, TextError> {
    if line.value == NO_BOOT_ID {
        return Ok(None);
    }
    let digits = line.value;
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(line.malformed());
    }
    let bits = u128::from_str_radix(digits, 16).map_err(|_| line.malformed())?;
    Ok(Some(BootId(bits.to_be_bytes())))
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    const OWNER: Owner =
        Owner { pid: 4711, boot_id: Some(BootId([0x0a; 16])), broker_epoch: Some(42) };

    #[test]
    fn an_owner_is_written_so_that_it_can_be_read() {
        let text = String::from_utf8(OWNER.encode()).unwrap();
        let lines =
            "version 1\npid 4711\nboot-id 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\nbroker-epoch 42\n";
        assert!(text.starts_with(lines), "{text}");
        let unknown = Owner { boot_id: None, broker_epoch: None, ..OWNER };
        let text = String::from_utf8(unknown.encode()).unwrap();
        assert!(text.starts_with("version 1\npid 4711\nboot-id -\nbroker-epoch -1\n"), "{text}");
        assert_eq!(Owner::decode(&unknown.encode()), Ok(unknown));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let error = |lines: &str| {
            let file = format!("version 1\n{lines}\ncrc -\n");
            Owner::decode(file.as_bytes()).unwrap_err()
        };
        assert_eq!(error("pid -1"), TextError::Malformed { line: 2 });
        assert_eq!(error("pid 1\npid 1"), TextError::Malformed { line: 3 });
        assert_eq!(error("pid 1\nhost x"), TextError::Malformed { line: 3 });
        assert_eq!(error("boot-id 0a"), TextError::Malformed { line: 2 });
        assert_eq!(
            error("boot-id +123456789abcdef0123456789abcdef"),
            TextError::Malformed { line: 2 }
        );
        assert_eq!(error("pid 1\nboot-id -"), TextError::Missing("broker-epoch"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            pid: u32, boot_id in option::of(any::<[u8; 16]>()), broker_epoch in option::of(0..i64::MAX),
        ) {
            let owner = Owner { pid, boot_id: boot_id.map(BootId), broker_epoch };
            prop_assert_eq!(Owner::decode(&owner.encode()), Ok(owner));
        }
    }
}
