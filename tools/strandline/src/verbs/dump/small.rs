//! The small files of partitions and log directories: indexes of transactions, snapshots,
//! checkpoints, and our own.

use std::fs::File;
use std::io::Read;

use strandline::{FaultKind, FileEntry, FileFault, MetaProperties, SmallFile};

use super::Dump;
use super::finding::{Finding, Severity};
use crate::exit::{Failure, Result};
use crate::output::grid::{Align, Grid};
use crate::output::human::{bytes, many};
use crate::output::json::Object;
use crate::output::style::Ink;
use crate::paths::{Input, Kind};
use crate::time::Times;

/// None of them is larger.
const MOST_BYTES: u64 = 256 << 20;

/// A value of an entry.
enum Is {
    Number(i64),
    Nothing,
    Text(String),
    Flag(bool),
    /// Milliseconds.
    Time(i64),
    Config(Vec<(String, String)>),
}

/// An entry as its JSON type, and its fields in order.
struct Entry(&'static str, Vec<(&'static str, Is)>);

impl Dump<'_> {
    /// Shows a small file.
    pub(super) fn small(&mut self, input: &Input, kind: SmallFile) -> Result<()> {
        let file = read(input)?;
        self.entries(input, file.len() as u64, kind.entries(&file))
    }

    /// Shows `meta.properties`.
    pub(super) fn meta_properties(&mut self, input: &Input) -> Result<()> {
        let file = read(input)?;
        self.begin_file(input, file.len() as u64)?;
        let properties = match MetaProperties::decode(&file) {
            Ok(properties) => properties,
            Err(why) => {
                let text = format!("malformed: {why}");
                return self.report(input, &Finding::of_file(None, Severity::Error, 0, text));
            }
        };
        let text = |text: Option<String>| text.map_or(Is::Nothing, Is::Text);
        let fields = vec![
            ("clusterId", text(properties.cluster_id)),
            ("nodeId", properties.node_id.map_or(Is::Nothing, |id| Is::Number(id.into()))),
            ("directoryId", text(properties.directory_id)),
            ("others", Is::Config(properties.others)),
        ];
        self.show(input, file.len() as u64, &[Entry("metaProperties", fields)])
    }

    fn entries(
        &mut self,
        input: &Input,
        size_bytes: u64,
        entries: Vec<std::result::Result<FileEntry, FileFault>>,
    ) -> Result<()> {
        self.begin_file(input, size_bytes)?;
        let mut shown = Vec::new();
        let mut faults = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => shown.push(fields(entry)),
                Err(fault) => faults.push(fault),
            }
        }
        self.show(input, size_bytes, &shown)?;
        for fault in faults {
            self.report(input, &finding(input.kind, &fault))?;
        }
        Ok(())
    }

    fn show(&mut self, input: &Input, size_bytes: u64, entries: &[Entry]) -> Result<()> {
        if self.global.is_json() {
            for entry in entries {
                entry.write_json(self.out.line());
                self.out.settle()?;
            }
            return Ok(());
        }
        let (bold, off) = (self.out.style.on(Ink::Bold), self.out.style.off());
        let entries_of = many(entries.len() as u64, "entry", "entries");
        let size = bytes(size_bytes);
        self.out.row(format_args!("{bold}{}{off}  {size} · {entries_of}", input.name))?;
        // A manifest has entries of several kinds: each kind is a table.
        let times = self.global.times();
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|entry| entry.0 == first.0).count();
            let (table, behind) = rest.split_at(run);
            self.table(table, &times)?;
            rest = behind;
        }
        Ok(())
    }

    fn table(&mut self, entries: &[Entry], times: &Times) -> Result<()> {
        let Some(first) = entries.first() else { return Ok(()) };
        let names: Vec<String> = first.1.iter().map(|(name, _)| heading(name)).collect();
        let columns: Vec<_> = first
            .1
            .iter()
            .zip(&names)
            .map(|((_, is), name)| {
                let align = match is {
                    Is::Number(_) | Is::Nothing => Align::Right,
                    _ => Align::Left,
                };
                (name.as_str(), align)
            })
            .collect();
        let mut grid = Grid::new(&columns);
        for entry in entries {
            grid.row(entry.1.iter().map(|(_, is)| is.cell(times)).collect());
        }
        grid.write(&mut self.out)
    }
}

fn read(input: &Input) -> Result<Vec<u8>> {
    let failed = |error| Failure::io("read", &input.path, &error);
    let mut file = Vec::new();
    let opened = File::open(&input.path).map_err(failed)?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut file).map_err(failed)?;
    if file.len() as u64 > MOST_BYTES {
        let (name, kind) = (&input.name, input.kind.name());
        return Err(Failure::usage(format!("{name}: too large for a {kind}")));
    }
    Ok(file)
}

/// `lastStableOffset` as a column: `LAST STABLE OFFSET`.
fn heading(name: &str) -> String {
    let mut heading = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            heading.push(' ');
        }
        heading.push(c.to_ascii_uppercase());
    }
    heading
}

impl Is {
    fn cell(&self, times: &Times) -> String {
        match self {
            Is::Number(number) => number.to_string(),
            Is::Nothing => "–".to_owned(),
            Is::Text(text) => crate::output::escape::one_line(text),
            Is::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Is::Time(ms) => times.in_column(*ms),
            Is::Config(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
                crate::output::escape::one_line(&pairs.join(" "))
            }
        }
    }
}

impl Entry {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut line = Object::line(self.0, out);
        for (name, is) in &self.1 {
            match is {
                Is::Number(number) | Is::Time(number) => line.number(name, *number),
                Is::Nothing => line.null(name),
                Is::Text(text) => line.text(name, text),
                Is::Flag(flag) => line.flag(name, *flag),
                Is::Config(pairs) => {
                    let mut object = Object::begin(line.field(name));
                    for (name, value) in pairs {
                        object.named_text(name, value);
                    }
                    object.end();
                }
            }
        }
        line.end_line();
    }
}

fn maybe(number: Option<impl Into<i64>>) -> Is {
    number.map_or(Is::Nothing, |number| Is::Number(number.into()))
}

fn fields(entry: FileEntry) -> Entry {
    match entry {
        FileEntry::AbortedTxn(txn) => Entry(
            "abortedTxn",
            vec![
                ("version", Is::Number(0)),
                ("producerId", Is::Number(txn.producer_id.0)),
                ("firstOffset", Is::Number(txn.first_offset)),
                ("lastOffset", Is::Number(txn.last_offset)),
                ("lastStableOffset", Is::Number(txn.last_stable_offset)),
            ],
        ),
        FileEntry::Producer(state) => Entry(
            "producerState",
            vec![
                ("producerId", Is::Number(state.producer_id.0)),
                ("producerEpoch", maybe(state.producer_epoch.map(|it| it.0))),
                ("coordinatorEpoch", maybe(state.coordinator_epoch)),
                ("currentTxnFirstOffset", maybe(state.txn_first_offset)),
                ("lastTimestamp", state.last_timestamp.map_or(Is::Nothing, Is::Time)),
                ("lastSequence", maybe(state.last_sequence.map(|it| it.0))),
                ("lastOffset", maybe(state.last_offset)),
                ("offsetDelta", Is::Number(state.offset_delta.into())),
            ],
        ),
        FileEntry::Offset { topic, partition, offset } => Entry(
            "checkpointEntry",
            vec![
                ("topic", Is::Text(topic)),
                ("partition", Is::Number(partition.into())),
                ("offset", Is::Number(offset)),
            ],
        ),
        FileEntry::LeaderEpoch { epoch, start_offset } => Entry(
            "leaderEpoch",
            vec![("epoch", Is::Number(epoch.0.into())), ("startOffset", Is::Number(start_offset))],
        ),
        FileEntry::TopicId(id) => {
            Entry("partitionMetadata", vec![("topicId", Is::Text(id.to_string()))])
        }
        ours => ours_in(ours),
    }
}

/// The same of files that only we write.
fn ours_in(entry: FileEntry) -> Entry {
    let number = |number: u64| Is::Number(i64::try_from(number).unwrap_or(i64::MAX));
    match entry {
        FileEntry::Segment(segment) => Entry(
            "sealedSegment",
            vec![
                ("baseOffset", Is::Number(segment.base_offset)),
                ("nextOffset", Is::Number(segment.next_offset)),
                ("size", number(segment.size_bytes)),
                ("crc", Is::Number(segment.crc.into())),
                ("dense", Is::Flag(segment.dense)),
                ("batches", Is::Number(segment.batches.into())),
                ("closed", Is::Flag(segment.closed)),
            ],
        ),
        FileEntry::LogStart(offset) => Entry("logStart", vec![("offset", Is::Number(offset))]),
        FileEntry::Cut(offset) => Entry("cut", vec![("offset", Is::Number(offset))]),
        FileEntry::Removed(base) => Entry("removedSegment", vec![("baseOffset", Is::Number(base))]),
        FileEntry::Watermark(mark) => Entry(
            "watermark",
            vec![
                ("segment", Is::Number(mark.segment)),
                ("position", number(mark.position)),
                ("durableEnd", Is::Number(mark.durable_end)),
                ("generation", number(mark.generation)),
                ("clean", Is::Flag(mark.clean)),
            ],
        ),
        FileEntry::Owner { pid, boot_id, broker_epoch } => Entry(
            "owner",
            vec![
                ("pid", Is::Number(pid.into())),
                ("bootId", boot_id.map_or(Is::Nothing, Is::Text)),
                ("brokerEpoch", maybe(broker_epoch)),
            ],
        ),
        FileEntry::Topic { name, id, partitions, state, config } => Entry(
            "topic",
            vec![
                ("topic", Is::Text(name)),
                ("topicId", Is::Text(id.to_string())),
                ("partitions", Is::Number(partitions.into())),
                ("state", Is::Text(state.to_owned())),
                ("config", Is::Config(config)),
            ],
        ),
        // What a later version of the library tells.
        _ => Entry("unknown", Vec::new()),
    }
}

/// What a fault of a small file is in the catalogue of findings, if it stands there.
fn finding(kind: Kind, fault: &FileFault) -> Finding {
    let code = match (kind, fault.kind) {
        (Kind::TxnIndex, _) => Some("TXN003"),
        (Kind::Snapshot, FaultKind::Crc(..)) => Some("SNP001"),
        (Kind::Snapshot, _) => Some("SNP002"),
        (Kind::Checkpoint | Kind::LeaderEpochs, FaultKind::Version) => Some("CKP002"),
        (Kind::Checkpoint | Kind::LeaderEpochs, FaultKind::Count) => Some("CKP003"),
        (Kind::Checkpoint | Kind::LeaderEpochs, _) => Some("CKP001"),
        (Kind::PartitionMetadata, _) => Some("DIR006"),
        (Kind::Manifest, _) => Some("MAN001"),
        (Kind::Watermark, _) => Some("WMK001"),
        _ => None,
    };
    let is_warning = match kind {
        Kind::Manifest | Kind::Watermark => true,
        Kind::TxnIndex => fault.kind == FaultKind::Count,
        _ => false,
    };
    let severity = if is_warning { Severity::Warning } else { Severity::Error };
    let text = format!("at byte {}: {}", fault.position, fault.text);
    let finding = Finding::of_file(code, severity, fault.position, text);
    match fault.kind {
        FaultKind::Crc(stored, computed) => finding.with_crc(stored, computed),
        _ => finding,
    }
}
