//! Planted bugs: mistakes that an engine like this one could make, each of which can be switched on
//! to see that the tests go red for it.
//!
//! Each [`Bug`] is asked for at exactly one place of the engine, where switching it on makes the
//! mistake. `STRANDLINE_PLANTED` names the one that is on, for the whole process. Without the
//! feature `sim`, and so in everything that is shipped, [`on`] is a constant `false`.

/// A mistake. Said of each is what the engine does once it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The directory is not synced after a roll.
    RollWithoutDirectorySync,
    /// Data is not synced for `Synced`.
    DataNotSynced,
    /// Waiters are woken before the sync returns.
    WokenBeforeSync,
    /// The error of a sync is dropped.
    SyncErrorDropped,
    /// A second sync after a failed one counts.
    SecondSyncCounts,
    /// The watermark is written before the sync that it speaks of.
    MarkBeforeSync,
    /// A lower point, a flag or an epoch goes into one slot only.
    OneSlotOnly,
    /// *Sealed* or *closed* is entered without the segment's sync.
    SealedBeforeSync,
    /// A torn tail is not cut.
    TornTailStays,
    /// Bytes are cut off without going to quarantine.
    CutWithoutQuarantine,
    /// An I/O error while scanning is taken for a bad batch.
    IoErrorTakenForBadBatch,
    /// A transaction index is believed without its checksum. (Of the other two each entry is
    /// compared with the batch that it names as well.)
    IndexBelieved,
    /// *Clean* is left on at the first write.
    CleanLeftOn,
    /// Recovery does not check the CRC of a batch.
    CrcNotChecked,
    /// Recovery does not check base offsets for continuity.
    ContinuityNotChecked,
    /// The epoch is not raised after an unclean open.
    EpochNotRaised,
    /// The opening number is not compared.
    OpeningNotCompared,
    /// The removal of the clean marker is not synced.
    MarkerRemovalNotSynced,
    /// A small file is renamed into place without having been synced.
    SmallFileNotSynced,
    /// Segments go before *log start* is synced.
    SegmentsGoBeforeLogStart,
    /// Segments that were cleaned go before *replace* is synced.
    OldSegmentsGoBeforeReplace,
    /// Bytes are cut before *cut* is synced: it is never entered.
    BytesCutBeforeCut,
    /// The bytes of a short write are left in place.
    ShortWriteStays,
    /// What an opening kept above the mark is not written again.
    KeptBytesNotRewritten,
    /// `.lock` is unlinked on close.
    LockUnlinked,
}

/// Whether `bug` is the one that this process was started with.
#[cfg(feature = "sim")]
pub(crate) fn on(bug: Bug) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var("STRANDLINE_PLANTED").ok());
    chosen.as_ref().is_some_and(|name| *name == format!("{bug:?}"))
}

/// Never: what is shipped has no planted bugs.
#[cfg(not(feature = "sim"))]
pub(crate) const fn on(_bug: Bug) -> bool {
    false
}
