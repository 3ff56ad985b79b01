//! `strandline hand-over`: Kafka goes on with the directory.

use clap::ValueEnum;
use strandline::{HandOver, HandOverOptions, KafkaRelease};

use crate::common::StoreArgs;
use crate::engine::{self, Purpose};
use crate::exit::{Exit, Failure, Result, complain, name_of};
use crate::global::Global;
use crate::output::Out;
use crate::output::escape;
use crate::output::human::many;

/// Writes what a broker needs to go on with the directory: topics with their ids, settings and
/// epochs, the next producer id, the controller. Every record is read and checked before. Until a
/// broker has started the directory stays a store, and the first write to it takes this back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// Read and check everything, write nothing
    #[arg(long)]
    pub(crate) check: bool,

    /// Print the server.properties to start the broker with, and nothing else
    #[arg(long)]
    pub(crate) start_script: bool,

    /// The release that starts first on it
    #[arg(long, value_name = "RELEASE", default_value = "4.3")]
    pub(crate) kafka: Release,

    /// The broker's node.id [default: that of meta.properties, else 1]
    #[arg(long, value_name = "N")]
    pub(crate) node_id: Option<u16>,

    /// The cluster's id [default: that of meta.properties, else a new one]
    #[arg(long, value_name = "ID", value_parser = cluster_id)]
    pub(crate) cluster_id: Option<String>,

    /// Where the broker will listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092", value_parser = address)]
    pub(crate) listener: (String, u16),

    /// Where its controller will listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9093", value_parser = address)]
    pub(crate) controller: (String, u16),
}

/// See [`KafkaRelease`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    #[value(name = "3.9")]
    V3_9,
    #[value(name = "4.3")]
    V4_3,
}

/// Hands the directory over, or says whether it could be.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let dir = args.store.dir();
    let purpose = if args.check { Purpose::Read } else { Purpose::Write };
    let store = engine::open(&dir, purpose)?;
    let options = options(args);
    let done = if args.check { store.check_hand_over(&options) } else { store.hand_over(&options) };
    let done = done.map_err(|error| Failure::from(error).at(name_of(&dir)))?;
    store.close()?;
    for note in &done.notes {
        complain("note", escape::one_line(note));
    }
    let mut out = Out::new(global);
    if args.start_script {
        out.text(done.server_properties.trim_end())?;
    } else {
        tell(args, &done, &mut out)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn options(args: &Args) -> HandOverOptions {
    let release = match args.kafka {
        Release::V3_9 => KafkaRelease::V3_9,
        Release::V4_3 => KafkaRelease::V4_3,
    };
    let mut options = HandOverOptions::new()
        .release(release)
        .clients_at(args.listener.0.clone(), args.listener.1)
        .controller_at(args.controller.0.clone(), args.controller.1);
    if let Some(node_id) = args.node_id {
        options = options.node_id(node_id);
    }
    if let Some(cluster_id) = &args.cluster_id {
        options = options.cluster_id(cluster_id.clone());
    }
    options
}

fn tell(args: &Args, done: &HandOver, out: &mut Out) -> Result<()> {
    let topics = many(done.topics as u64, "topic", "topics");
    let partitions = many(done.partitions as u64, "partition", "partitions");
    let batches = many(done.batches, "batch", "batches");
    let dir = name_of(&args.store.dir());
    let found = format!("{topics}, {partitions}, {batches} read and intact");
    if args.check {
        return out.text(format_args!("{dir} can be handed over: {found}"));
    }
    let (node, cluster) = (done.node_id, &done.cluster_id);
    out.text(format_args!("handed over {dir}: {found}"))?;
    out.text(format_args!("it is node {node} of cluster {cluster}; to start it:"))?;
    out.text(
        "strandline hand-over --check --start-script, with the same options, prints its settings",
    )
}

/// `HOST:PORT`.
fn address(text: &str) -> std::result::Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let port = port.parse().ok().filter(|port| *port > 0);
    let is_host =
        !host.is_empty() && host.len() <= 255 && !host.contains(|c: char| !c.is_ascii_graphic());
    match port.filter(|_| is_host) {
        Some(port) => Ok((host.to_owned(), port)),
        None => Err("HOST:PORT is wanted".to_owned()),
    }
}

/// 22 characters, as Kafka makes cluster ids; others work as well, but no white space.
fn cluster_id(text: &str) -> std::result::Result<String, String> {
    let is_one =
        !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic());
    if is_one { Ok(text.to_owned()) } else { Err("up to 255 visible characters".to_owned()) }
}
