//! What is wrong in a log's files, or worth knowing: typed, with its place. Recovery, `verify` and
//! `repair` speak of the same findings; the floor that owns a file makes those about it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::index::TxnIndexError;
use crate::log::SnapshotError;
use crate::record::{BatchError, BatchHeader, Offset, RecordError};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It is normal, and good to know.
    Info,
    /// It may be normal, or nothing is lost by it.
    Warning,
    /// Something is damaged, or missing.
    Error,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Names, sizes, and the headers of batches.
    Quick,
    /// Structure, checksum and order of every batch, index entries against the log, checksum and
    /// grammar of all other files.
    #[default]
    Normal,
    /// Records are decoded too, and files compared with each other: markers, producer snapshots by
    /// replay, leader epochs.
    Deep,
}

macro_rules! codes {
    ($($name:ident $code:literal $severity:ident $summary:literal;)*) => {
        /// What a finding is about. Its [`Code::name`] is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!($code, ": ", $summary)] $name,)*
        }

        impl Code {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// Its stable name, such as `LOG005`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => $code),* }
            }

            /// A few words, always the same for a code.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$name => $summary),* }
            }

            /// How bad it is where nothing about its place makes it better or worse.
            pub fn usual_severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity),* }
            }
        }
    };
}

codes! {
    UnfinishedBatch "LOG001" Warning "unfinished batch at the end";
    ZeroTail "LOG002" Info "zero tail";
    LengthTooSmall "LOG003" Error "batch length too small";
    LengthPastEnd "LOG004" Error "batch length past the end";
    BatchCrc "LOG005" Error "batch CRC mismatch";
    UnknownMagic "LOG006" Error "unknown magic";
    UnknownCodec "LOG007" Error "unknown codec or attribute bits";
    RecordCount "LOG008" Error "record count wrong";
    DoesNotInflate "LOG009" Error "does not inflate";
    OffsetGoesBack "LOG010" Error "offset goes back";
    OffsetGap "LOG011" Info "gap in offsets";
    BatchDoubled "LOG012" Error "batch doubled";
    OffsetBelowBase "LOG013" Error "offset below the segment's base";
    OffsetTooFar "LOG014" Error "offset beyond 31 bits from the segment's base";
    EpochGoesBack "LOG015" Warning "leader epoch goes back";
    RecordOffset "LOG016" Error "record outside its batch's offsets, or out of order";
    MaxTimestamp "LOG017" Warning "max timestamp is not that of the records";
    SequenceGap "LOG018" Warning "sequence gap or repeat";
    ControlRecord "LOG019" Error "malformed control record";
    LegacyWrapper "LOG020" Error "inconsistent legacy wrapper";
    ZerosInside "LOG021" Error "zeros inside";
    MalformedRecord "LOG022" Error "malformed record";
    FutureTimestamp "TIM001" Warning "timestamp in the future";
    OddTimestamp "TIM002" Info "timestamp before 2000 or after 2100";
    IndexSize "IDX001" Error "index size is no multiple of 8";
    IndexOrder "IDX002" Error "index entries do not increase";
    IndexPosition "IDX003" Error "index position is no batch's start";
    IndexOffset "IDX004" Error "index offset is no batch's last one";
    IndexPastEnd "IDX005" Error "index entry past the end";
    IndexMissing "IDX006" Warning "index missing or empty";
    IndexOrphan "IDX007" Error "index without its log";
    IndexZeroTail "IDX008" Info "zero tail of an index";
    IndexOfSeveral "IDX009" Info "index entry for several batches";
    TimeIndexSize "TIX001" Error "time index size is no multiple of 12";
    TimeIndexOrder "TIX002" Error "time index entries do not increase";
    TimeIndexOffset "TIX003" Error "time index offset is no batch's last one";
    TimeIndexTimestamp "TIX004" Error "time index timestamp is not that of its batch";
    TimeIndexPastEnd "TIX005" Error "time index entry past the end";
    TimeIndexMissing "TIX006" Warning "time index missing or empty";
    TimeIndexOrphan "TIX007" Error "time index without its log";
    TimeIndexZeroTail "TIX008" Info "zero tail of a time index";
    TxnEntry "TXN001" Error "aborted transaction without its marker";
    TxnMissing "TXN002" Warning "abort markers without entry";
    TxnIndexSize "TXN003" Error "malformed transaction index";
    TxnOrphan "TXN004" Error "transaction index without its log";
    SnapshotCrc "SNP001" Error "producer snapshot CRC mismatch";
    SnapshotLayout "SNP002" Error "malformed producer snapshot";
    SnapshotDiffers "SNP003" Warning "producer snapshot differs from a replay";
    SnapshotPastEnd "SNP004" Warning "producer snapshot beyond the log end";
    CheckpointMalformed "CKP001" Error "malformed checkpoint";
    CheckpointVersion "CKP002" Error "checkpoint of another version";
    CheckpointCount "CKP003" Error "checkpoint's count is not its lines";
    CheckpointPastEnd "CKP004" Error "checkpoint beyond the log end";
    CheckpointElsewhere "CKP005" Info "checkpoint of a partition that is not here";
    EpochOrder "EPO001" Error "leader epochs do not increase";
    EpochDiffers "EPO002" Warning "leader epochs differ from the batches";
    EpochPastEnd "EPO003" Warning "leader epoch beyond the log end";
    SegmentHole "DIR001" Error "hole between segments";
    SegmentOverlap "DIR002" Error "segments overlap";
    Leftover "DIR003" Warning "leftover of an unfinished change";
    UncleanStop "DIR004" Info "unclean stop";
    TwoDirectories "DIR005" Error "partition in two log directories";
    PartitionMetadata "DIR006" Error "partition.metadata missing, malformed or of another topic";
    SegmentBelowName "DIR007" Error "all offsets below the segment's name";
    ForeignName "DIR008" Warning "foreign name, ignored";
    Quarantined "QUA001" Info "bytes in quarantine";
    ManifestDamaged "MAN001" Warning "manifest damaged";
    ManifestDiffers "MAN002" Error "file differs from the manifest";
    SegmentMissing "MAN003" Error "segment of the manifest missing";
    WatermarkDamaged "WMK001" Warning "durable watermark damaged";
    WatermarkDiffers "WMK002" Error "log differs from the durable watermark";
}

impl Code {
    /// Whether it is about how a batch follows the one before.
    pub(crate) fn is_of_order(self) -> bool {
        (Code::OffsetGoesBack..=Code::EpochGoesBack).contains(&self)
    }

    /// Whether it is about something that points past the end of its log.
    pub(crate) fn is_past_end(self) -> bool {
        let past_end =
            [Code::IndexPastEnd, Code::TimeIndexPastEnd, Code::SnapshotPastEnd, Code::EpochPastEnd];
        past_end.contains(&self)
    }

    /// Whether it is about an index that contradicts its log.
    pub(crate) fn is_of_index(self) -> bool {
        (Code::IndexPosition..=Code::IndexPastEnd).contains(&self)
            || (Code::TimeIndexOffset..=Code::TimeIndexPastEnd).contains(&self)
            || self == Code::IndexOfSeveral
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The numbers behind a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// The code says it all.
    None,
    /// Two checksums, and which bytes of the file the computed one covers.
    Crc {
        /// The one that is written.
        stored: u32,
        /// The one that the bytes give.
        computed: u32,
        /// What it covers.
        covered: Range<u64>,
    },
    /// Bytes are no batch.
    Batch(BatchError),
    /// A batch's payload is no records.
    Record(RecordError),
    /// Bytes are no producer snapshot.
    Snapshot(SnapshotError),
    /// Bytes are no entry of a transaction index.
    Txn(TxnIndexError),
    /// A number is not what it should be.
    Number {
        /// Which.
        what: &'static str,
        /// What it is.
        found: i64,
        /// What stands beside it, and contradicts it.
        against: i64,
    },
    /// So many of what the code names.
    Count(u64),
    /// In words.
    Text(String),
}

/// The only small change that makes damaged bytes right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// One bit was flipped: with it flipped back the checksum holds.
    FlippedBit {
        /// Which byte of the file.
        byte: u64,
        /// Which bit of it; 0 is the lowest.
        bit: u8,
        /// What the byte is now.
        found: u8,
    },
    /// With another length the checksum holds, and the next batch follows.
    Length {
        /// What the batch says.
        found: i32,
        /// With what it holds.
        fits: i32,
    },
    /// With another magic the checksum holds, and the next batch follows.
    Magic {
        /// What the batch says.
        found: i8,
        /// With what it holds.
        fits: i8,
    },
}

/// One thing that a check found. One region of damage is one finding.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub code: Code,
    /// How bad it is here.
    pub severity: Severity,
    /// The file or directory.
    pub path: PathBuf,
    /// Where in the file, if it has a place.
    pub position: Option<u64>,
    /// How many bytes from there on are hit.
    pub size_bytes: u64,
    /// First and last offset that are hit, as far as they are known.
    pub offsets: Option<(Offset, Offset)>,
    /// How many records are hit, as far as it is known.
    pub records: u64,
    /// The header of a batch whose checksum fails; as little to be trusted as the rest.
    pub header: Option<BatchHeader>,
    /// The numbers behind it.
    pub detail: Detail,
    /// The only small change that explains it.
    pub explanation: Option<Explanation>,
    /// Where whole batches go on behind the damage, and with which offset.
    pub resumed: Option<(u64, Offset)>,
    /// So many more of this code in this file, which are not listed.
    pub more: u64,
}

impl Finding {
    /// A finding of its usual severity.
    pub(crate) fn new(code: Code, path: &Path) -> Finding {
        Finding {
            code,
            severity: code.usual_severity(),
            path: path.to_path_buf(),
            position: None,
            size_bytes: 0,
            offsets: None,
            records: 0,
            header: None,
            detail: Detail::None,
            explanation: None,
            resumed: None,
            more: 0,
        }
    }

    /// At a place in the file.
    pub(crate) fn at(mut self, position: u64, size_bytes: u64) -> Finding {
        (self.position, self.size_bytes) = (Some(position), size_bytes);
        self
    }

    /// About a batch, whose header is to be trusted.
    pub(crate) fn of_batch(mut self, position: u64, header: &BatchHeader) -> Finding {
        self.offsets = Some((header.base_offset(), header.last_offset()));
        self.records = u64::try_from(header.record_count()).unwrap_or(0);
        self.at(position, header.size_bytes() as u64)
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Finding {
        self.severity = severity;
        self
    }

    pub(crate) fn detail(mut self, detail: Detail) -> Finding {
        self.detail = detail;
        self
    }

    /// A number that contradicts another.
    pub(crate) fn number(self, what: &'static str, found: i64, against: i64) -> Finding {
        self.detail(Detail::Number { what, found, against })
    }

    pub(crate) fn text(self, text: impl Into<String>) -> Finding {
        self.detail(Detail::Text(text.into()))
    }

    /// By file, position and code.
    pub(crate) fn by_place(&self, other: &Finding) -> std::cmp::Ordering {
        (&self.path, self.position, self.code).cmp(&(&other.path, other.position, other.code))
    }

    /// What is behind the damage, as a stretch of the file.
    pub(crate) fn end(&self) -> u64 {
        self.position.unwrap_or(0) + self.size_bytes
    }
}

impl fmt::Display for Finding {
    /// What is wrong, in one line, without the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.code.summary();
        match &self.detail {
            Detail::None => f.write_str(summary),
            Detail::Crc { stored, computed, .. } => {
                write!(f, "{summary}: stored {stored:#010x}, computed {computed:#010x}")
            }
            Detail::Batch(cause) => cause.fmt(f),
            Detail::Record(cause) => write!(f, "{summary}: {cause}"),
            Detail::Snapshot(cause) => cause.fmt(f),
            Detail::Txn(cause) => cause.fmt(f),
            Detail::Number { what, found, against } => {
                write!(f, "{summary}: {found}, {what} {against}")
            }
            Detail::Count(count) => write!(f, "{summary}: {count}"),
            Detail::Text(text) => write!(f, "{summary}: {text}"),
        }
    }
}

/// What a `.log` holds, as far as it could be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedLog {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// Its batches, damaged ones too.
    pub batches: u64,
    /// Their records, those of damaged batches too.
    pub records: u64,
    /// First and last offset; none if there is no batch.
    pub offsets: Option<(Offset, Offset)>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Every `.log` that was looked at, in order of topics, partitions and offsets.
    pub logs: Vec<VerifiedLog>,
    /// What was found, partition by partition, by file and position.
    pub findings: Vec<Finding>,
    /// What could not be read. The other files were verified all the same.
    pub unreadable: Vec<Error>,
}

impl Report {
    /// How bad the worst finding is; none if there is none.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Findings of that severity, those that are not listed too.
    pub fn count(&self, severity: Severity) -> u64 {
        let of_it = self.findings.iter().filter(|finding| finding.severity == severity);
        of_it.map(|finding| 1 + finding.more).sum()
    }
}

/// So many findings of one code are listed for a file; the others are counted.
const LISTED: usize = 64;

/// Findings about one file as they are made, bounded.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Takes in a finding; of very many of a code only the number.
    pub(crate) fn push(&mut self, finding: Finding) {
        let same =
            |other: &&mut Finding| (other.code, &other.path) == (finding.code, &finding.path);
        let mut alike = self.list.iter_mut().rev().filter(same);
        // The last of them counts the rest; it is only looked for once there may be so many.
        if let Some(last) = alike.next()
            && (last.more > 0 || alike.count() + 1 >= LISTED)
        {
            let last = self.list.iter_mut().rev().find(same);
            if let Some(last) = last {
                last.more += 1 + finding.more;
                last.severity = last.severity.max(finding.severity);
            }
            return;
        }
        self.list.push(finding);
    }

    /// The findings so far.
    pub(crate) fn list(&self) -> &[Finding] {
        &self.list
    }

    /// The last finding of this code, if it ends here.
    pub(crate) fn goes_on(&mut self, code: Code, end: u64) -> Option<&mut Finding> {
        let last = self.list.iter_mut().rev().find(|finding| finding.code == code)?;
        (last.end() == end).then_some(last)
    }

    /// Gives damage that holds this byte an explanation, if it has none. Whether there is some.
    pub(crate) fn explain(&mut self, byte: u64, explanation: Explanation) -> bool {
        let holds = |finding: &&mut Finding| {
            let is_region = matches!(
                finding.code,
                Code::BatchCrc
                    | Code::UnknownMagic
                    | Code::LengthTooSmall
                    | Code::LengthPastEnd
                    | Code::UnfinishedBatch
                    | Code::OffsetTooFar
                    | Code::ZerosInside
            );
            let from = finding.position.unwrap_or(u64::MAX);
            is_region && byte >= from && byte < finding.end()
        };
        let Some(finding) = self.list.iter_mut().find(holds) else { return false };
        finding.explanation.get_or_insert(explanation);
        // Of what the manifest vouches for nothing is being written.
        finding.severity = Severity::Error;
        true
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.list.retain(keep);
    }

    pub(crate) fn into_list(self) -> Vec<Finding> {
        self.list
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}
