//! `strandline errors`: the catalogue of findings, with cause, risk and cure.

use strandline::{Code, Severity};

use crate::exit::{Exit, Failure, Result};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::grid::{Align, Grid};
use crate::output::json::Object;

/// Shows what findings mean: all of them in a list, or some with cause, risk and cure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Codes, such as LOG005; all of them without
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
}

/// Shows them.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("errors", &[Output::Human, Output::Jsonl])?;
    let mut out = Out::new(global);
    let codes = args.codes.iter().map(|name| find(name)).collect::<Result<Vec<Code>>>()?;
    let all = codes.is_empty();
    let codes = if all { Code::ALL } else { &codes };
    if global.is_json() {
        for &code in codes {
            let mut line = Object::line("code", out.line());
            let [cause, risk, cure] = about(code);
            line.text("code", code.name());
            line.text("severity", severity(code));
            line.text("message", code.summary());
            line.text("cause", cause);
            line.text("risk", risk);
            line.text("cure", cure);
            line.end_line();
        }
    } else if all {
        let columns = [("CODE", Align::Left), ("SEVERITY", Align::Left), ("WHAT", Align::Left)];
        let mut grid = Grid::new(&columns);
        for &code in codes {
            let cells = [code.name(), severity(code), code.summary()];
            grid.row(cells.map(str::to_owned).to_vec());
        }
        grid.write(&mut out)?;
    } else {
        for (at, &code) in codes.iter().enumerate() {
            let [cause, risk, cure] = about(code);
            let gap = if at > 0 { "\n" } else { "" };
            out.text(format_args!("{gap}{code}  {}, {}", code.summary(), severity(code)))?;
            for (what, text) in [("cause", cause), ("risk", risk), ("cure", cure)] {
                out.text(format_args!("  {what:<6} {text}"))?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn find(name: &str) -> Result<Code> {
    let known = Code::ALL.iter().find(|code| code.name().eq_ignore_ascii_case(name));
    known.copied().ok_or_else(|| {
        let why = "no such code; `strandline errors` lists them";
        Failure::usage(format!("{}: {why}", crate::output::escape::one_line(name)))
    })
}

fn severity(code: Code) -> &'static str {
    match code.usual_severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

const MEND: &str = "`strandline repair` keeps what is intact, and the damaged bytes in quarantine/";
const REINDEX: &str =
    "`strandline reindex` makes it again from the log; so does Kafka at its start";
const LOST: &str = "the records are lost here; a replica may have them";
const NONE: &str = "none";
const NORMAL: &str = "nothing to do";
const SLOW: &str = "a look-up may begin at a wrong place: slow, or in Kafka records not found";

/// Cause, risk and cure of a finding.
fn about(code: Code) -> [&'static str; 3] {
    log(code).or_else(|| records(code)).or_else(|| index(code)).unwrap_or_else(|| others(code))
}

fn log(code: Code) -> Option<[&'static str; 3]> {
    Some(match code {
        Code::UnfinishedBatch => [
            "a batch is being written, or a crash cut it short; nobody was told that it is safe",
            "none at the end of the last segment; elsewhere its records are lost",
            "the next start of the broker cuts it off; `strandline repair` does too",
        ],
        Code::ZeroTail => [
            "space that was taken ahead, or a file whose last pages were never written",
            NONE,
            "the next start of the broker cuts it off",
        ],
        Code::LengthTooSmall | Code::LengthPastEnd => [
            "the length of a batch was hit: rot, or a write that went wrong",
            "Kafka reads nothing behind it, and cuts the log there when it recovers",
            "`strandline repair --fix-bitflips` if a length fits the CRC; else a plain repair",
        ],
        Code::BatchCrc => [
            "bytes changed after they were written: rot on disk or in memory, a torn write",
            "the batch cannot be read; Kafka's consumers stop at it, followers cannot fetch it",
            "`strandline repair --fix-bitflips` if one bit explains it; else `strandline repair`",
        ],
        Code::UnknownMagic => [
            "a later version wrote it, or the byte was hit",
            "nothing behind it is read by a program that does not know it",
            MEND,
        ],
        Code::UnknownCodec => [
            "a later version, or a client that set bits without a meaning",
            "records of an unknown codec cannot be read; unknown bits do no harm",
            MEND,
        ],
        Code::DoesNotInflate => [
            "the batch was made so: its CRC holds. Or it is larger, or inflates to more, than \
             `--max-batch-bytes` and `--max-inflated` take",
            "consumers fail at this batch, if no larger bound helps",
            "`strandline repair` takes the batch out; `--drop-batches` without keeping it",
        ],
        Code::RecordCount | Code::MalformedRecord => [
            "the batch was made so: its CRC holds. A faulty client, or one that means harm",
            "consumers fail at this batch",
            "`strandline repair` takes the batch out; `--drop-batches` without keeping it",
        ],
        Code::OffsetGoesBack | Code::BatchDoubled | Code::OffsetBelowBase => [
            "a batch lies where it does not belong: a misdirected write, a restored copy",
            "look-ups by offset miss records, or find others",
            MEND,
        ],
        Code::OffsetGap => [
            "compaction, or records that were removed",
            "none after compaction; in a log without compaction records are missing",
            "nothing to do after compaction",
        ],
        Code::OffsetTooFar => [
            "a segment that spans more offsets than an index entry can say",
            "Kafka cannot index the batch",
            "split the segment: `strandline export -o segment`",
        ],
        Code::ZerosInside => [
            "pages that were never written, behind ones that were: a loss of power, a bad disk",
            "Kafka reads nothing behind it, and cuts the log there when it recovers",
            MEND,
        ],
        _ => return None,
    })
}

fn records(code: Code) -> Option<[&'static str; 3]> {
    Some(match code {
        Code::EpochGoesBack => [
            "a flipped bit in the epoch, which no CRC covers, or a log put together by hand",
            "followers may cut their log at a wrong place",
            "compare with a replica: `strandline diff`",
        ],
        Code::RecordOffset => [
            "the batch was made so: its CRC holds",
            "consumers see offsets twice, or out of order",
            MEND,
        ],
        Code::MaxTimestamp => [
            "a client that said another largest timestamp than its records have",
            "retention and look-ups by time go by the wrong one",
            NORMAL,
        ],
        Code::SequenceGap => [
            "a producer whose state had expired, or lost batches",
            "perhaps records that were never written",
            "ask the producer's side",
        ],
        Code::ControlRecord => [
            "a marker that is none: faulty software",
            "the transaction never ends for readers of committed records",
            MEND,
        ],
        Code::LegacyWrapper => [
            "an old client or broker put a message set together wrongly",
            "consumers may fail at it",
            MEND,
        ],
        Code::FutureTimestamp | Code::OddTimestamp => [
            "a clock that is wrong, or a time in another unit than milliseconds",
            "retention keeps the segment too long, or drops it at once",
            "mend the producer; `strandline stat` shows until when segments are kept",
        ],
        _ => return None,
    })
}

fn index(code: Code) -> Option<[&'static str; 3]> {
    Some(match code {
        Code::IndexSize | Code::TimeIndexSize => [
            "a write that was cut short, or rot",
            "Kafka refuses the index and makes it again",
            REINDEX,
        ],
        Code::IndexOrder
        | Code::IndexPosition
        | Code::IndexOffset
        | Code::TimeIndexOrder
        | Code::TimeIndexOffset
        | Code::TimeIndexTimestamp => ["rot, or an index of another log", SLOW, REINDEX],
        Code::IndexPastEnd | Code::TimeIndexPastEnd => {
            ["the log lost its end, the index did not", "none once the broker has started", REINDEX]
        }
        Code::IndexMissing | Code::TimeIndexMissing => {
            ["it was removed, or never written", "look-ups read the whole segment", REINDEX]
        }
        Code::IndexOrphan | Code::TimeIndexOrphan | Code::TxnOrphan => {
            ["its `.log` was removed or lost", "if the log is lost, so are its records", LOST]
        }
        Code::IndexZeroTail | Code::TimeIndexZeroTail => {
            ["Kafka takes space ahead for the index of the active segment", NONE, NORMAL]
        }
        Code::IndexOfSeveral => ["several batches were appended at once", NONE, NORMAL],
        Code::TxnEntry => [
            "rot, or an index of another log",
            "readers of committed records miss some, or get aborted ones",
            REINDEX,
        ],
        Code::TxnMissing | Code::TxnIndexSize => [
            "a write that was cut short, or a lost file",
            "readers of committed records may get aborted ones",
            REINDEX,
        ],
        _ => return None,
    })
}

fn others(code: Code) -> [&'static str; 3] {
    match code {
        Code::SnapshotCrc | Code::SnapshotLayout | Code::SnapshotPastEnd => [
            "a write that was cut short, or rot",
            "Kafka uses an older one, or reads the log",
            REINDEX,
        ],
        Code::SnapshotDiffers => [
            "a snapshot of another log, or a log that was changed",
            "a retried batch may be appended twice, or a good one refused",
            REINDEX,
        ],
        Code::CheckpointMalformed | Code::CheckpointVersion | Code::CheckpointCount => [
            "a write that was cut short, rot, or an edit by hand",
            "Kafka takes it for empty, or does not start",
            "`strandline repair` makes it again; in the log directory, remove it",
        ],
        Code::CheckpointPastEnd => ["the log lost its end", LOST, "restore it from a replica"],
        Code::CheckpointElsewhere => ["the partition was removed or lies elsewhere", NONE, NORMAL],
        Code::EpochOrder | Code::EpochDiffers | Code::EpochPastEnd => [
            "a lost or edited file, or rot",
            "followers may cut their log at a wrong place",
            "`strandline repair` makes it again from the batches",
        ],
        Code::SegmentHole | Code::SegmentMissing => ["a segment was removed or lost", LOST, LOST],
        Code::SegmentOverlap => [
            "a compaction that was cut short, or files put together by hand",
            "readers may see records twice",
            "`strandline repair`, after a look at both with `strandline dump`",
        ],
        Code::Leftover => [
            "a compaction or a rewrite that a crash cut short; a `.swap` may be the only copy",
            "none while it stays",
            "the next start of the broker takes it; `strandline repair` does too",
        ],
        Code::UncleanStop => ["the broker runs, or was killed", NONE, NORMAL],
        Code::TwoDirectories => {
            ["a move between disks by hand", "Kafka does not start", "remove one"]
        }
        Code::PartitionMetadata => [
            "a copy by hand, or rot",
            "Kafka may take the partition for one of another topic",
            "write it again with the topic's id",
        ],
        Code::SegmentBelowName => ["a renamed file", "none of its records is found", "rename it"],
        Code::ForeignName => ["somebody put it there", "Kafka may refuse to start", "move it away"],
        Code::Quarantined => ["a recovery cut it off", NONE, "look at it, then remove it"],
        Code::ManifestDamaged | Code::WatermarkDamaged => [
            "rot, or a write that was cut short",
            "none: the next start proves the log from its files",
            "open the store once for writing",
        ],
        Code::ManifestDiffers | Code::WatermarkDiffers => [
            "a file changed after it was sealed: rot, also where no batch's CRC looks",
            "offsets, epochs or records are not what was written",
            MEND,
        ],
        _ => ["not known", "not known", MEND],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_cause_a_risk_and_a_cure() {
        for &code in Code::ALL {
            assert_ne!(about(code)[0], "not known", "{code}");
            assert_eq!(find(&code.name().to_lowercase()).ok(), Some(code));
        }
        assert!(find("LOG999").is_err());
    }
}
