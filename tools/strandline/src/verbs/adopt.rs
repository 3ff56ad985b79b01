//! `strandline adopt`: a log directory that only Kafka wrote becomes a store.

use strandline::Store;

use crate::common::StoreArgs;
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result, complain, name_of};
use crate::global::Global;
use crate::output::Out;
use crate::output::escape;
use crate::output::human::many;

/// Looks at every partition, takes the lock that a broker takes, and leaves the file
/// strandline.owner: from then on the other verbs write to the directory. Kafka's own files stay as
/// they are until the first write, its records for ever, and a broker can take the directory back
/// after any verb has ended.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// Give partitions their names back that Kafka set aside (-stray) because it did not know them
    #[arg(long)]
    pub(crate) put_back_strays: bool,
}

/// Adopts the directory, and says what was found in it.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let dir = args.store.dir();
    let purpose = if args.put_back_strays { Purpose::PutBack } else { Purpose::Adopt };
    let store = engine::open(&dir, purpose)?;
    let found = look(&store)?;
    let broker = store.meta_properties()?;
    store.close()?;
    let mut out = Out::new(global);
    let partitions = many(found.partitions, "partition", "partitions");
    let topics = many(found.topics, "topic", "topics");
    let of = broker.and_then(|broker| Some((broker.node_id?, broker.cluster_id?)));
    let of = of.map(|(node, cluster)| format!(", of broker {node} in cluster {cluster}"));
    let of = escape::one_line(&of.unwrap_or_default());
    out.text(format_args!("adopted {}: {topics}, {partitions}{of}", name_of(&dir)))?;
    out.flush()?;
    if found.unreadable > 0 {
        let unreadable = many(found.unreadable, "partition", "partitions");
        complain("error", format!("{unreadable} cannot be read, and so not be written to"));
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Done)
}

/// What there is.
#[derive(Debug, Default)]
struct Found {
    topics: u64,
    partitions: u64,
    unreadable: u64,
}

/// Plans every log: what cannot be read is told now, and not at the first append.
fn look(store: &Store) -> Result<Found> {
    let mut found = Found::default();
    for topic in store.topics()? {
        found.topics += 1;
        for number in topic.partition_numbers() {
            found.partitions += 1;
            let end = topic.partition(number).and_then(|log| log.log_end_offset());
            if let Err(error) = end {
                found.unreadable += 1;
                let at = format!("{}-{number}", topic.name());
                complain("error", Failure::from(error).at(at).message);
            }
        }
    }
    Ok(found)
}
