//! What Kafka's log layer does to a log directory between two openings of ours.

use strandline::TopicId;
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
    if image.read(PAPERS[0]).is_some() && image.read(METADATA).is_none() {
        // What was handed over is Kafka's from now on.
        image.put(METADATA, Vec::new());
    }
    if stops {
        image.put(MARKER, br#"{"version":0,"brokerEpoch":9}"#.to_vec());
    }
    image
}

/// Whether the marker of a clean stop is there.
pub(super) fn is_closed(image: &Image) -> bool {
    image.read(MARKER).is_some()
}

/// The directory as only Kafka has written it: nothing of ours, and Kafka's metadata with the topic
/// and its settings. It was stopped in order, and all of it is durable.
pub(super) fn owns(image: &Image) -> Image {
    let everything = vec![true; image.pending().len()];
    let mut image = image.cut(&Cut { kept: everything, sectors: Sectors::Whole });
    let mut lines = lines_of(&image, LINES);
    lines.retain(|line| !line.starts_with("strandline"));
    set_lines(&mut image, LINES, &lines);
    for path in image.files() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_ours = ["segments.manifest", "durable.watermark"].contains(&name)
            || name.starts_with("strandline.")
            || path.contains("/quarantine/")
            || PAPERS.contains(&path.as_str());
        if is_ours {
            image.remove(&path);
        }
    }
    image.put(METADATA, metadata(&image));
    image.put(MARKER, br#"{"version":0,"brokerEpoch":9}"#.to_vec());
    image
}

/// What a hand-over wrote.
const PAPERS: [&str; 3] = [
    "meta.properties",
    "bootstrap.checkpoint",
    "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
];
const METADATA: &str = "__cluster_metadata-0/00000000000000000000.log";

/// A metadata log with the topic, its partition and its settings.
fn metadata(image: &Image) -> Vec<u8> {
    let file = image.read("events-0/partition.metadata").expect("it is there");
    let text = String::from_utf8_lossy(file);
    let id = text.rsplit(' ').next().and_then(|id| id.parse::<TopicId>().ok());
    let id = id.expect("an id").to_bytes();
    let word = |text: &str| [&[text.len() as u8 + 1], text.as_bytes()].concat();
    let topic = [&[1, 2, 0][..], &word("events"), &id, &[0]].concat();
    let head = [&[1, 3, 1, 0, 0, 0, 0][..], &id, &[2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1, 1]].concat();
    let mut values = vec![topic, [&head[..], &[0; 12], &[1, 0]].concat()];
    for (name, value) in super::config().to_pairs() {
        let words = [word("events"), word(name), word(value)].concat();
        values.push([&[1, 4, 0, 2], &words[..], &[0]].concat());
    }
    let parts = values.iter().map(|value| (super::START, None, Some(&value[..]), &[][..]));
    build_batch("none", (-1, -1, -1), false, parts).expect("a batch")
}

fn lines_of(image: &Image, path: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(image.read(path).unwrap_or_default());
    text.lines().skip(2).map(str::to_owned).collect()
}

fn set_lines(image: &mut Image, path: &str, lines: &[String]) {
    let counted = [vec!["0".into(), lines.len().to_string()], lines.to_vec()].concat();
    image.put(path, (counted.join("\n") + "\n").into_bytes());
}
