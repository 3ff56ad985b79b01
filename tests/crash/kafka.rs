//! What Kafka's log layer does to a log directory between two openings of ours.

use strandline::record::Batches;
use strandline::testing::build_batch;
use strandline::testing::sim::{Cut, Image, Sectors};

const LINES: &str = "replication-offset-checkpoint";
const EPOCHS: &str = "events-0/leader-epoch-checkpoint";
const MARKER: &str = ".kafka_cleanshutdown";

/// Drops our line, and appends a batch under an epoch of its own. All of it is durable.
pub(super) fn writes(image: &Image, stops: bool) -> Image {
    let everything = vec![true; image.pending().len()];
    let seen = image;
    let mut image = seen.cut(&Cut { kept: everything, sectors: Sectors::Whole });
    for path in seen.files() {
        // What write-back has lost is still to be seen.
        image.put(&path, seen.read(&path).unwrap_or_default().to_vec());
    }
    let mut lines = lines_of(&image, LINES);
    lines.retain(|line| !line.starts_with("strandline"));
    set_lines(&mut image, LINES, &lines);
    let mut epochs = lines_of(&image, EPOCHS);
    let last = epochs.last().and_then(|line| line.split(' ').next()?.parse().ok());
    let epoch = last.unwrap_or(0) + 1;

    let name = |path: &String| path.strip_prefix("events-0/")?.strip_suffix(".log")?.parse().ok();
    let active: i64 = image.files().iter().filter_map(name).max().expect("a segment");
    let path = format!("events-0/{active:020}.log");
    let mut bytes = image.read(&path).expect("it is there").to_vec();
    let batches = Batches::new(&bytes).map_while(Result::ok);
    let ends = batches.map(|batch| (batch.bytes().len(), batch.header().next_offset()));
    let (len, end) = ends.fold((0, active), |(len, _), (more, next)| (len + more, next));
    bytes.truncate(len);
    let part = (super::START, None, Some(&b"from Kafka"[..]), &[][..]);
    let mut batch = build_batch("none", (-1, -1, -1), false, [part].into_iter()).expect("a batch");
    batch[0..8].copy_from_slice(&end.to_be_bytes());
    batch[12..16].copy_from_slice(&i32::to_be_bytes(epoch));
    bytes.extend(batch);
    image.put(&path, bytes);
    epochs.push(format!("{epoch} {end}"));
    set_lines(&mut image, EPOCHS, &epochs);
    image.remove(MARKER);
    if stops {
        image.put(MARKER, br#"{"version":0,"brokerEpoch":9}"#.to_vec());
    }
    image
}

fn lines_of(image: &Image, path: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(image.read(path).unwrap_or_default());
    text.lines().skip(2).map(str::to_owned).collect()
}

fn set_lines(image: &mut Image, path: &str, lines: &[String]) {
    let counted = [vec!["0".into(), lines.len().to_string()], lines.to_vec()].concat();
    image.put(path, (counted.join("\n") + "\n").into_bytes());
}
