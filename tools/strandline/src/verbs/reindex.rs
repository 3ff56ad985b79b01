//! `strandline reindex`: indexes and producer snapshots, made again from the log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use strandline::RebuiltFile;

use crate::exit::{Exit, Failure, Result, name_of};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::bytes;
use crate::output::json::Object;
use crate::paths::PathArgs;

/// Makes indexes and snapshots again from the log, as Kafka's recovery would, elsewhere; or says
/// whether those that are there are the same.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["to", "check"]))]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Write them here; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// Write nothing; say which would change
    #[arg(long)]
    check: bool,

    /// An entry once more than so many bytes have passed (`index.interval.bytes`)
    #[arg(long, value_name = "N", default_value_t = 4096)]
    interval_bytes: u32,
}

/// Makes them again.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("reindex", &[Output::Human, Output::Jsonl])?;
    let partitions = args.paths.partition_dirs(global)?;
    if args.to.is_some() && partitions.len() > 1 {
        return Err(Failure::usage("--to takes one partition at a time"));
    }
    let mut out = Out::new(global);
    let mut exit = Exit::Done;
    for partition in &partitions {
        refuse_larger(partition, global.max_batch_bytes)?;
        let mut files = strandline::rebuild(partition, args.interval_bytes)?;
        files.retain(|file| file.base_offset.is_some());
        match &args.to {
            Some(to) => write(partition, to, &files, (global, &mut out))?,
            None => exit = exit.and(check(partition, &files, global, &mut out)?),
        }
    }
    out.flush()?;
    Ok(exit)
}

/// Refuses a partition with a batch that is larger than is taken.
fn refuse_larger(partition: &Path, most: u64) -> Result<()> {
    let failed = |error: std::io::Error| Failure::io("read", partition, &error);
    for entry in fs::read_dir(partition).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == "log")
            && let Some(base) = strandline::base_offset_of(&path)
            && fs::metadata(&path).map_err(failed)?.len() > most
        {
            super::repair::plan::each_piece(&path, base, &mut |_| true)?;
        }
    }
    Ok(())
}

fn write(
    partition: &Path,
    to: &Path,
    files: &[RebuiltFile],
    (global, out): (&Global, &mut Out),
) -> Result<()> {
    let place = super::repair::place::check(to, partition)?;
    let _unfinished = place.begin()?;
    let failed = |path: &Path, error: std::io::Error| Failure::io("write", path, &error);
    let written = files.iter().try_for_each(|file| {
        let path = place.building.join(&file.name);
        fs::write(&path, &file.bytes)
            .and_then(|()| fs::File::open(&path)?.sync_all())
            .map_err(|error| failed(&path, error))
    });
    if let Err(failure) = written.and_then(|()| place.finish()) {
        place.give_up();
        return Err(failure);
    }
    for file in files {
        say(&to.join(&file.name), file.bytes.len() as u64, "written", (global, out))?;
    }
    Ok(())
}

fn check(partition: &Path, files: &[RebuiltFile], global: &Global, out: &mut Out) -> Result<Exit> {
    let mut exit = Exit::Done;
    let rebuilt: BTreeMap<&str, &RebuiltFile> =
        files.iter().map(|file| (file.name.as_str(), file)).collect();
    for (name, file) in &rebuilt {
        let path = partition.join(name);
        let is_snapshot = path.extension().is_some_and(|end| end == "snapshot");
        let state = match fs::read(&path) {
            // Kafka keeps few of them: one that is not there is none that is wrong.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_snapshot => continue,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "missing",
            Err(error) => return Err(Failure::io("read", &path, &error)),
            Ok(there) if is_same(&there, &file.bytes) => "same",
            Ok(_) => "differs",
        };
        if state != "same" {
            exit = Exit::No;
        }
        if state != "same" || !global.quiet {
            say(&path, file.bytes.len() as u64, state, (global, out))?;
        }
    }
    Ok(exit)
}

/// Zeros behind the entries are space that Kafka takes ahead.
fn is_same(there: &[u8], rebuilt: &[u8]) -> bool {
    let (head, tail) = there.split_at(there.len().min(rebuilt.len()));
    head == rebuilt && tail.iter().all(|&byte| byte == 0)
}

fn say(path: &Path, len: u64, state: &str, (global, out): (&Global, &mut Out)) -> Result<()> {
    if global.is_json() {
        let mut line = Object::line("index", out.line());
        line.text("path", &name_of(path));
        line.size("size", len);
        line.text("state", state);
        line.end_line();
        return out.settle();
    }
    out.text(format_args!("{state:<8} {}  {}", name_of(path), bytes(len)))
}
