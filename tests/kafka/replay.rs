//! Doing to an engine's log what a vector says, and what must be in the log then.

use std::path::Path;

use crate::engine::{EngineLog, Failure};
use crate::files;
use crate::truth::Record;
use crate::vectors::{Answer, Content, Op, Refusal, Sent, Vector};

/// Replays all of `vector` in `directory`, to the closed log.
///
/// # Errors
///
/// The first step that answers otherwise than Kafka did, or leaves the log otherwise.
pub(crate) fn replay(vector: &Vector, directory: &Path) -> Result<(), String> {
    let open = |now_ms| {
        EngineLog::open(directory, &vector.config, now_ms).map_err(|error| format!("open: {error}"))
    };
    let mut log = open(vector.start_ms)?;
    for (number, step) in vector.steps.iter().enumerate() {
        let at = |what: String| format!("step {number}: {what}");
        log.set_now(step.now_ms);
        if let Op::CloseAndReopen { closed } = &step.op {
            log.close().map_err(|error| at(format!("close: {error}")))?;
            let differences = files::differences_from_digests(directory, closed);
            if !differences.is_empty() {
                return Err(at(format!("closed otherwise\n{}", differences.join("\n"))));
            }
            log = open(step.now_ms).map_err(at)?;
        } else {
            one(&mut log, &step.op).map_err(at)?;
        }
        let due = log.run_due_deletes();
        due.map_err(|error| at(format!("due deletes: {error}")))?;
        let state = log.state().map_err(|error| at(format!("state: {error}")))?;
        let log_end = step.log_end_offset.unwrap_or(state.log_end_offset);
        same("log end", &state.log_end_offset, &log_end).map_err(at)?;
        let log_start = step.log_start_offset.unwrap_or(state.log_start_offset);
        same("log start", &state.log_start_offset, &log_start).map_err(at)?;
    }
    let state = log.state().map_err(|error| format!("state: {error}"))?;
    same("state at the end", &state, &vector.state)?;
    log.close().map_err(|error| format!("close: {error}"))
}

/// One step, but for closing.
fn one(log: &mut EngineLog, op: &Op) -> Result<(), String> {
    match op {
        Op::AppendAsLeader { sent, leader_epoch, origin, answer } => {
            let version = match &sent.content {
                Content::Marker(marker) => marker.transaction_version,
                Content::Records(_) => 0,
            };
            let ours = log.append_as_leader(&sent.bytes, *leader_epoch, *origin, version);
            same_answer(&ours, answer)
        }
        Op::AppendAsFollower { bytes, answer, .. } => {
            same_answer(&log.append_as_follower(bytes), answer)
        }
        Op::Roll { new_base } => same("roll", &done(log.roll())?, new_base),
        Op::Flush => done(log.flush()),
        Op::TruncateTo { offset, truncated } => {
            same("truncateTo", &done(log.truncate_to(*offset))?, truncated)
        }
        Op::TruncateFullyAndStartAt { offset } => done(log.truncate_fully_and_start_at(*offset)),
        Op::IncrementLogStartOffset { offset, raised } => {
            same("incrementLogStartOffset", &done(log.increment_log_start(*offset))?, raised)
        }
        Op::DeleteOldSegments { deleted } => {
            same("deleteOldSegments", &done(log.delete_old_segments())?, deleted)
        }
        Op::AssignEpochStartOffset { epoch, offset } => done(log.assign_epoch(*epoch, *offset)),
        Op::AdvanceClock => Ok(()),
        Op::CloseAndReopen { .. } => unreachable!("the caller closes"),
        Op::Clean { first_dirty, first_uncleanable, next_dirty } => {
            same("clean", &done(log.clean(*first_dirty, *first_uncleanable))?, next_dirty)
        }
    }
}

fn done<T>(result: Result<T, Failure>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, kafkas: &T) -> Result<(), String> {
    if ours == kafkas {
        return Ok(());
    }
    Err(format!("{what}\nours    {ours:?}\nKafka's {kafkas:?}"))
}

fn same_answer(
    ours: &Result<Answer, Failure>,
    kafkas: &Result<Answer, Refusal>,
) -> Result<(), String> {
    match (ours, kafkas) {
        (Ok(ours), Ok(kafkas)) => same("append", ours, kafkas),
        (Err(ours), Err(kafkas)) if kafkas.codes().contains(&ours.code) => Ok(()),
        _ => Err(format!("append\nours    {ours:?}\nKafka's {kafkas:?}")),
    }
}

/// The records that a client reads from the log that `vector` left, computed from what was sent
/// and answered. Not for compaction.
pub(crate) fn remaining(vector: &Vector) -> Vec<Record> {
    let mut batches: Vec<(i64, Vec<Record>)> = Vec::new();
    let mut log_end = 0;
    for step in &vector.steps {
        match &step.op {
            Op::AppendAsLeader { sent, leader_epoch, answer: Ok(answer), .. }
                // A duplicate's answer points back.
                if answer.first_offset >= log_end =>
            {
                let records = placed(sent, answer.first_offset, *leader_epoch, *answer);
                batches.push((answer.last_offset, records));
            }
            Op::AppendAsFollower { sent, answer: Ok(answer), .. } => {
                for sent in sent {
                    let (base_offset, leader_epoch) = sent.placed.expect("a follower's batch");
                    let records = placed(sent, base_offset, leader_epoch, *answer);
                    let last = records.last().expect("a follower's batch has records").offset;
                    batches.push((last, records));
                }
            }
            // The whole batch that has the offset goes.
            Op::TruncateTo { offset, .. } => batches.retain(|(last, _)| last < offset),
            Op::TruncateFullyAndStartAt { .. } => batches.clear(),
            Op::Clean { .. } => panic!("{}: compaction", vector.name),
            _ => {}
        }
        log_end = step.log_end_offset.unwrap_or(log_end);
    }
    let kept = |record: &Record| record.offset >= vector.state.log_start_offset;
    batches.into_iter().flat_map(|(_, records)| records).filter(kept).collect()
}

/// A batch's records, as they are read when it is in the log.
fn placed(sent: &Sent, base_offset: i64, leader_epoch: i32, answer: Answer) -> Vec<Record> {
    let Content::Records(records) = &sent.content else { return Vec::new() };
    let log_append_time = answer.log_append_time >= 0;
    let place = |record: &Record| {
        let mut record = record.clone();
        record.offset += base_offset;
        record.leader_epoch = Some(leader_epoch);
        record.log_append_time = log_append_time;
        if log_append_time {
            record.timestamp = answer.log_append_time;
        }
        record
    };
    records.iter().map(place).collect()
}
