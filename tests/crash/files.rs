//! What must hold of the files themselves.

use strandline::TopicId;
use strandline::record::{BatchError, Batches};
use strandline::testing::sim::Image;

const SLOTS: [usize; 2] = [0, 512];
const SLOT_BYTES: usize = 64;
const LINES: &str = "replication-offset-checkpoint";
const WATERMARK: &str = "events-0/durable.watermark";
const MARKER: &str = ".kafka_cleanshutdown";
const BOOTSTRAP: &str = "bootstrap.checkpoint";
const METADATA_LOG: &str = "__cluster_metadata-0/00000000000000000000.log";
const FIRST_SNAPSHOT: &str = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";

/// The slots of the watermark that are valid, newest first: where they lie.
fn slots(watermark: &[u8]) -> Vec<usize> {
    let slot = |at: usize| watermark.get(at..at + SLOT_BYTES);
    let is_valid = |at: &usize| {
        slot(*at).is_some_and(|slot| {
            let sum = crc32c::crc32c(&slot[8..]);
            slot.starts_with(b"SLWM") && slot[4..8] == sum.to_be_bytes()
        })
    };
    let generation = |at: usize| slot(at).map_or(0, |slot| number(&slot[8..16]));
    let mut valid: Vec<_> = SLOTS.into_iter().filter(is_valid).collect();
    valid.sort_by_key(|at| std::cmp::Reverse(generation(*at)));
    valid
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Schedule "newer slot flipped": the image with one bit of the newer slot flipped, if the other
/// one is valid too.
pub(crate) fn without_newer_slot(image: &Image, bit: usize) -> Option<Image> {
    let watermark = image.read(WATERMARK)?;
    let [newer, _] = slots(watermark)[..] else { return None };
    let mut bytes = watermark.to_vec();
    let bit = bit % (SLOT_BYTES * 8);
    bytes[newer + bit / 8] ^= 1 << (bit % 8);
    let mut image = image.clone();
    image.put(WATERMARK, bytes);
    Some(image)
}

/// Kafka's clean marker never stands beside a log that is not clean.
pub(crate) fn marker_is_true(image: &Image) -> Result<(), String> {
    if image.read(".kafka_cleanshutdown").is_none() {
        return Ok(());
    }
    let Some(watermark) = image.read(WATERMARK) else { return Ok(()) };
    // The slots of a log that another program has written to since say nothing of it.
    let lines = String::from_utf8_lossy(image.read(LINES).unwrap_or_default());
    let opening = lines.lines().find_map(|line| line.strip_prefix("strandline-opening 0 "));
    let opening = opening.and_then(|number| number.parse().ok());
    let is_proved = |at: &usize| Some(number(&watermark[at + 56..at + 60])) == opening;
    let is_clean = |at: &usize| watermark[at + 61] & 1 == 1;
    match slots(watermark).first() {
        Some(newest) if is_proved(newest) && !is_clean(newest) => {
            Err("the clean marker stands beside a log that is not clean".into())
        }
        _ => Ok(()),
    }
}

/// The `.log` files of an image.
fn segments(image: &Image) -> impl Iterator<Item = (String, &[u8])> {
    let is_segment = |path: &String| {
        let name = path.strip_prefix("events-0/");
        name.is_some_and(|name| name.strip_suffix(".log").is_some() && !name.contains('/'))
    };
    let paths = image.files().into_iter().filter(is_segment);
    paths.filter_map(|path| image.read(&path).map(|bytes| (path, bytes)))
}

/// Once a log is in use its segments are whole batches to their ends; behind the last of all there
/// may be zeros, for the next ones.
pub(crate) fn are_whole(image: &Image) -> Result<(), String> {
    let mut segments = segments(image).peekable();
    while let Some((path, bytes)) = segments.next() {
        let len = end_of_batches(bytes).map_err(|why| format!("{path}: {why}"))?;
        let is_ahead = segments.peek().is_none() && bytes[len..].iter().all(|byte| *byte == 0);
        if len < bytes.len() && !is_ahead {
            return Err(format!("{path}: {} bytes behind its last batch", bytes.len() - len));
        }
    }
    Ok(())
}

/// Where whole batches end, and zeros begin or nothing more is there.
fn end_of_batches(bytes: &[u8]) -> Result<usize, String> {
    let mut len = 0;
    for batch in Batches::new(bytes) {
        match batch {
            Ok(batch) => len += batch.bytes().len(),
            Err(BatchError::Zeros) => break,
            Err(error) => return Err(format!("at {len}: {error}")),
        }
    }
    Ok(len)
}

/// I12: what recovery cut off is in quarantine, but for zeros at its end.
pub(crate) fn cut_bytes_are_kept(
    before: &Image,
    after: &Image,
    appended: usize,
) -> Result<(), String> {
    let Some((active, now)) = segments(after).last() else { return Ok(()) };
    let Some(bytes) = before.read(&active) else { return Ok(()) };
    let position = end_of_batches(now)?.saturating_sub(appended);
    let cut = bytes.get(position..).unwrap_or_default();
    let cut = &cut[..cut.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    if cut.is_empty() {
        return Ok(());
    }
    let base = active.strip_prefix("events-0/").unwrap_or(&active);
    let kept = format!("events-0/quarantine/{base}.{position}-");
    let files = after.files().into_iter().filter(|path| path.starts_with(&kept));
    if files.filter_map(|path| after.read(&path)).any(|kept| kept.starts_with(cut)) {
        return Ok(());
    }
    Err(format!("I12: {} bytes at {position} of {active} are cut and not in quarantine", cut.len()))
}

/// That what a hand-over has left is nothing that a broker could start on, or all that it needs: the
/// controller, the topic under an epoch of its own, a store that is closed. Not once Kafka has had it.
pub(crate) fn hand_over_is_whole(image: &Image) -> Result<(), String> {
    let taken = image.files().iter().any(|path| path.starts_with(METADATA_LOG));
    if taken || image.read("meta.properties").is_none() {
        return Ok(());
    }
    let without = |what: &str| Err(format!("meta.properties, and no {what}"));
    if image.read(MARKER).is_none() {
        return without("clean marker");
    }
    let controls = |path: &str| {
        let batches = Batches::new(image.read(path).unwrap_or_default()).map_while(Result::ok);
        batches.filter(|batch| batch.header().attributes().is_control()).count()
    };
    if controls(FIRST_SNAPSHOT) != 2 || controls(BOOTSTRAP) != 2 {
        return without("whole snapshot");
    }
    // A partition's record: frame, type, version, number, the topic's id …, and then its epoch.
    let id = image.read("events-0/partition.metadata").and_then(|file| {
        let text = String::from_utf8_lossy(file);
        text.rsplit(' ').next()?.parse::<TopicId>().ok()
    });
    let Some(id) = id.map(TopicId::to_bytes) else { return without("partition") };
    let head = [&[1, 3, 2, 0, 0, 0, 0][..], &id].concat();
    let bytes = image.read(BOOTSTRAP).unwrap_or_default();
    let at = bytes.windows(head.len()).position(|window| window == head);
    let epoch = at.and_then(|at| bytes.get(at + 39..at + 43)).map(|epoch| number(epoch) as i32);
    let batches = segments(image).flat_map(|(_, bytes)| Batches::new(bytes).map_while(Result::ok));
    let last = batches.filter_map(|batch| batch.header().leader_epoch()).max();
    match (epoch, last) {
        (Some(epoch), Some(last)) if epoch <= last.0 => {
            Err(format!("handed over under epoch {epoch}, and there is one of {last:?}"))
        }
        (Some(_), _) => Ok(()),
        (None, _) => without("record of the partition"),
    }
}
