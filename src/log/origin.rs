//! Who appends: it decides which rules hold.

/// Where the batches of an append come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A producer: every rule holds.
    Client,
    /// The transaction or group coordinator, which may write markers and sends no sequences.
    Coordinator {
        /// Which rules the transaction follows (`transaction.version`). From 2 on, a marker's
        /// epoch must be above that of the transaction's records.
        transaction_version: i16,
    },
    /// Another log, or this one when it is loaded: what is there was accepted once.
    Replica,
}
