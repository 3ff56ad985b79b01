//! What is counted of a log: by its headers alone, and, if that is asked for, by its records.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use strandline::record::{BatchHeader, FetchedRecord};
use strandline::{LogFile, Piece};

use crate::exit::{Failure, Result};
use crate::output::human::{count, many};
use crate::output::json::codec_name;
use crate::output::plot::Histogram;
use crate::paths::{Input, OneLog};
use crate::reading::pace::Pieces;
use crate::reading::{headers, place};
use crate::select::{Filter, Range, Verdict, size_of};
use crate::verbs::dump::finding::{Finding, Severity};
use crate::verbs::dump::records::{Inflater, Wanted};

/// A minute, where that is what a timeline counts by.
const MINUTE_MS: i64 = 60_000;
/// A timeline has at most so many entries; then each covers twice the time.
const MOST_ENTRIES: usize = 20_000;
/// So many keys are counted; then the smallest are forgotten.
const MOST_KEYS: usize = 500_000;

/// Batches, records and bytes of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) batches: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Share {
    fn add(&mut self, header: &BatchHeader) {
        self.batches += 1;
        self.records += u64::try_from(header.record_count()).unwrap_or(0);
        self.bytes += header.size_bytes() as u64;
    }
}

/// A segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) first_offset: Option<i64>,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
}

/// Places where offsets are missing, and how many are; why, as far as headers tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    between: (u64, u64),
    inside: (u64, u64),
    /// Where damage stands between.
    pub(crate) damaged: (u64, u64),
    /// Whether batches show that a cleaner was here: records missing inside, emptied, a horizon.
    cleaned: bool,
    behind_damage: bool,
}

impl Gaps {
    /// What compaction explains.
    pub(crate) fn compaction(&self) -> u64 {
        self.inside.0 + if self.cleaned { self.between.0 } else { 0 }
    }

    /// What nothing explains that is there.
    pub(crate) fn unexplained(&self) -> u64 {
        if self.cleaned { 0 } else { self.between.0 }
    }

    /// All places, and all offsets that are missing.
    pub(crate) fn all(&self) -> (u64, u64) {
        let sum =
            |of: fn(&(u64, u64)) -> u64| of(&self.between) + of(&self.inside) + of(&self.damaged);
        (sum(|it| it.0), sum(|it| it.1))
    }

    /// In words, beside so many markers, which take offsets too that no consumer sees.
    pub(crate) fn words(&self, markers: u64) -> String {
        let (places, missing) = self.all();
        if places + markers == 0 {
            return "gaps 0".to_owned();
        }
        let mut words = format!(
            "gaps {} (markers {}, compaction {}, unexplained {}",
            count(places + markers),
            count(markers),
            count(self.compaction()),
            count(self.unexplained())
        );
        if self.damaged.0 > 0 {
            let _ = write!(words, ", damage {}", count(self.damaged.0));
        }
        if missing > 0 {
            let _ = write!(words, "; {} missing", many(missing, "offset", "offsets"));
        }
        words + ")"
    }

    fn take(&mut self, header: &BatchHeader, end: Option<i64>) {
        let base = header.base_offset();
        let behind_damage = std::mem::take(&mut self.behind_damage);
        // A wrapper of an old format tells its last offset alone.
        if header.is_legacy() && header.attributes().codec_id() != 0 {
            return;
        }
        if let Some(missing) = end.filter(|&end| base > end).map(|end| base.abs_diff(end)) {
            let kind = if behind_damage { &mut self.damaged } else { &mut self.between };
            (kind.0, kind.1) = (kind.0 + 1, kind.1 + missing);
        }
        let span = i64::from(header.last_offset_delta()) + 1;
        let records = i64::from(header.record_count()).max(0);
        if !header.is_legacy() && records < span {
            (self.inside.0, self.inside.1) =
                (self.inside.0 + 1, self.inside.1 + span.abs_diff(records));
        }
        self.cleaned |= records < span || header.delete_horizon().is_some();
    }
}

/// What is counted of a log.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) segments: Vec<Segment>,
    pub(crate) size_bytes: u64,
    pub(crate) all: Share,
    pub(crate) markers: u64,
    pub(crate) transactional: u64,
    /// First offset, and the one behind the last.
    pub(crate) offsets: Option<(i64, i64)>,
    pub(crate) gaps: Gaps,
    pub(crate) times: Option<(i64, i64)>,
    /// Batches that are older than one before them, or younger than now.
    pub(crate) out_of_order: u64,
    pub(crate) future: u64,
    pub(crate) batch_sizes: Histogram,
    pub(crate) largest_batch_at: i64,
    pub(crate) single_record: u64,
    pub(crate) codecs: BTreeMap<String, Share>,
    pub(crate) producers: HashMap<i64, Share>,
    pub(crate) leader_epochs: Option<(i32, i32)>,
    pub(crate) timeline: Timeline,
    pub(crate) findings: Vec<(String, Finding)>,
    /// With `--records`.
    pub(crate) records: Option<RecordStats>,
}

/// What is counted of records.
#[derive(Debug, Default)]
pub(crate) struct RecordStats {
    pub(crate) read: u64,
    pub(crate) inflated_bytes: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) sizes: Histogram,
    pub(crate) null_keys: u64,
    pub(crate) tombstones: u64,
    /// The largest: bytes and offset, largest first.
    pub(crate) largest: Vec<(u64, i64)>,
    /// Of each key how many records, and their bytes.
    pub(crate) keys: HashMap<Vec<u8>, (u64, u64)>,
    /// Whether keys were forgotten.
    pub(crate) forgot_keys: bool,
}

/// Records by time.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// Milliseconds of an entry.
    pub(crate) step_ms: i64,
    pub(crate) records: BTreeMap<i64, u64>,
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline { step_ms: MINUTE_MS, records: BTreeMap::new() }
    }
}

impl Timeline {
    fn add(&mut self, ms: i64, records: u64) {
        *self.records.entry(ms.div_euclid(self.step_ms)).or_default() += records;
        while self.records.len() > MOST_ENTRIES {
            self.step_ms *= 2;
            let mut wider = BTreeMap::new();
            for (at, records) in std::mem::take(&mut self.records) {
                *wider.entry(at.div_euclid(2)).or_default() += records;
            }
            self.records = wider;
        }
    }

    /// Records of each entry from the first to the last, the empty ones among them, in at most so
    /// many pieces; and the first and last time.
    pub(crate) fn bars(&self, most: usize) -> Option<(i64, i64, Vec<u64>)> {
        let (first, last) = (*self.records.keys().next()?, *self.records.keys().next_back()?);
        let span = i128::from(last) - i128::from(first) + 1;
        let pieces = most.min(usize::try_from(span).unwrap_or(most)).max(1);
        let mut bars = vec![0; pieces];
        for (at, records) in &self.records {
            let piece = (i128::from(*at) - i128::from(first)) * pieces as i128 / span;
            bars[piece as usize] += records;
        }
        Some((
            first.saturating_mul(self.step_ms),
            last.saturating_add(1).saturating_mul(self.step_ms),
            bars,
        ))
    }
}

/// How to count.
pub(crate) struct How<'a> {
    pub(crate) range: Range,
    pub(crate) filter: &'a Filter<'a>,
    pub(crate) segment: Option<i64>,
    pub(crate) with_records: bool,
    pub(crate) top: usize,
    pub(crate) now_ms: i64,
    pub(crate) max_inflated: usize,
}

impl Stats {
    /// Counts a log.
    pub(crate) fn of(log: &OneLog, how: &How<'_>) -> Result<Stats> {
        let mut stats = Stats::default();
        if how.with_records {
            stats.records = Some(RecordStats::default());
        }
        for input in place::segments(log, &how.range, how.segment)? {
            stats.begin(input)?;
            if how.with_records {
                stats.by_records(input, how)?;
            } else {
                stats.by_headers(input, how)?;
            }
        }
        Ok(stats)
    }

    fn begin(&mut self, input: &Input) -> Result<()> {
        let metadata = std::fs::metadata(&input.path);
        let len = metadata.map_err(|error| Failure::io("read", &input.path, &error))?.len();
        self.size_bytes += len;
        let name = input.name.clone();
        self.segments.push(Segment { name, size_bytes: len, ..Segment::default() });
        Ok(())
    }

    fn by_headers(&mut self, input: &Input, how: &How<'_>) -> Result<()> {
        let from = place::start(input, &how.range)?.position;
        // Two closures take it in, one at a time.
        let stats = std::cell::RefCell::new(self);
        headers::each(
            input,
            from,
            &mut |_, header| {
                let is_behind = header.base_offset() >= how.range.end;
                if !is_behind {
                    stats.borrow_mut().take_if_wanted(header, how);
                }
                Ok(!is_behind)
            },
            &mut |piece| stats.borrow_mut().note(input, Finding::of_piece(piece)),
        )
    }

    fn by_records(&mut self, input: &Input, how: &How<'_>) -> Result<()> {
        let wanted = Wanted {
            range: how.range,
            filter: how.filter,
            hidden: None,
            topic: "",
            partition: 0,
            max_inflated: how.max_inflated,
        };
        let log = LogFile::open_at(&input.path, input.base()?)?;
        let mut inflater = Inflater::new();
        let mut pieces = Pieces::of(&log, &input.path, place::start(input, &how.range)?.position);
        while let Some(piece) = pieces.next_piece()? {
            let Piece::Batch(batch) = &piece.what else {
                self.note(input, Finding::of_piece(&piece));
                continue;
            };
            let header = *batch.header();
            if header.base_offset() >= how.range.end {
                break;
            }
            self.take_if_wanted(&header, how);
            if header.attributes().is_control() {
                let bytes = batch.bytes().len() as u64;
                self.records.iter_mut().for_each(|records| records.inflated_bytes += bytes);
                continue;
            }
            let Some(records) = &mut self.records else { continue };
            let read = inflater.each(batch, &wanted, &mut |record| {
                records.take(record, how.top);
                Ok(true)
            })?;
            records.inflated_bytes += inflater.inflated_bytes(batch) as u64;
            let fault = read
                .fault
                .map(|cause| Finding::records(piece.position, &header, read.records, cause));
            self.note(input, fault);
        }
        Ok(())
    }

    fn note(&mut self, input: &Input, finding: Option<Finding>) {
        let damage = finding.as_ref().is_some_and(|finding| finding.severity == Severity::Error);
        self.gaps.behind_damage |= damage;
        self.findings.extend(finding.map(|finding| (input.name.clone(), finding)));
    }

    /// Whether something was left out because it is damaged.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.findings.iter().any(|(_, finding)| finding.severity == Severity::Error)
    }

    fn take_if_wanted(&mut self, header: &BatchHeader, how: &How<'_>) {
        if how.range.touches(header) && how.filter.batch(header) != Verdict::None {
            self.take(header, how.now_ms);
        }
    }

    fn take(&mut self, header: &BatchHeader, now_ms: i64) {
        self.all.add(header);
        let (attributes, size) = (header.attributes(), header.size_bytes() as u64);
        self.markers += u64::from(attributes.is_control());
        self.transactional += u64::from(attributes.is_transactional());
        self.single_record += u64::from(header.record_count() == 1);
        if size > self.batch_sizes.most {
            self.largest_batch_at = header.base_offset();
        }
        self.batch_sizes.add(size);
        self.codecs.entry(codec_name(header)).or_default().add(header);
        if let Some(id) = header.producer_id() {
            self.producers.entry(id.0).or_default().add(header);
        }
        if let Some(epoch) = header.leader_epoch().map(|epoch| epoch.0) {
            let (low, high) = self.leader_epochs.unwrap_or((epoch, epoch));
            self.leader_epochs = Some((low.min(epoch), high.max(epoch)));
        }
        self.take_offsets(header);
        self.take_times(header, now_ms);
    }

    fn take_offsets(&mut self, header: &BatchHeader) {
        let (base, next) = (header.base_offset(), header.next_offset());
        self.gaps.take(header, self.offsets.map(|(_, end)| end));
        let (first, end) = self.offsets.unwrap_or((base, next));
        self.offsets = Some((first, end.max(next)));
    }

    fn take_times(&mut self, header: &BatchHeader, now_ms: i64) {
        let segment = self.segments.last_mut();
        let Some(latest) = header.max_timestamp() else { return };
        let base = header.base_timestamp();
        let earliest = if base == -1 || header.delete_horizon().is_some() { latest } else { base };
        let earliest = earliest.min(latest);
        if let Some(segment) = segment {
            segment.first_offset.get_or_insert(header.base_offset());
            segment.first_ms.get_or_insert(earliest);
            segment.last_ms = segment.last_ms.max(Some(latest));
        }
        let (low, high) = self.times.unwrap_or((earliest, latest));
        self.out_of_order += u64::from(latest < high);
        self.future += u64::from(latest > now_ms);
        self.times = Some((low.min(earliest), high.max(latest)));
        self.timeline.add(latest, u64::try_from(header.record_count()).unwrap_or(0));
    }
}

impl RecordStats {
    fn take(&mut self, record: &FetchedRecord<'_>, top: usize) {
        let size = size_of(record);
        self.read += 1;
        self.sizes.add(size);
        self.key_bytes += record.key().map_or(0, <[u8]>::len) as u64;
        self.value_bytes += record.value().map_or(0, <[u8]>::len) as u64;
        self.null_keys += u64::from(record.key().is_none());
        self.tombstones += u64::from(record.key().is_some() && record.value().is_none());
        if top == 0 {
            return;
        }
        if self.largest.len() < top || self.largest.last().is_some_and(|last| size > last.0) {
            let at = self.largest.partition_point(|(other, _)| *other >= size);
            self.largest.insert(at, (size, record.offset()));
            self.largest.truncate(top);
        }
        let Some(key) = record.key() else { return };
        if let Some(entry) = self.keys.get_mut(key) {
            (entry.0, entry.1) = (entry.0 + 1, entry.1 + size);
            return;
        }
        if self.keys.len() >= MOST_KEYS {
            let mut sizes: Vec<u64> = self.keys.values().map(|entry| entry.1).collect();
            let middle = sizes.len() / 2;
            let (_, median, _) = sizes.select_nth_unstable(middle);
            let median = *median;
            self.keys.retain(|_, entry| entry.1 > median);
            self.forgot_keys = true;
        }
        self.keys.insert(key.to_vec(), (1, size));
    }
}
