//! `strandline repair`: a plan to mend a partition, and a mended copy of it. Never in place, never a
//! checksum over damage that nothing explains.

mod account;
mod action;
mod carry;
pub(crate) mod place;
pub(super) mod plan;

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure, Result, complain, name_of};
use crate::global::{Global, Output};
use crate::output::Out;
use crate::output::human::{count, many, span};
use crate::paths::PathArgs;
use plan::Plan;

/// Plans how to mend a partition, and makes a mended copy of it with --to. What is damaged goes to
/// quarantine/ of the copy; the partition itself is not touched.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: PathArgs,

    /// Make the mended copy here; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// Where one flipped bit, a length or a magic explains a checksum, set it right
    #[arg(long)]
    fix_bitflips: bool,

    /// Keep nothing of what is damaged, not even in quarantine
    #[arg(long)]
    drop_batches: bool,

    /// End the log at this offset, as Kafka's truncateTo does
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    cut_at: Option<i64>,

    /// Do what a broker's recovery does: cut at the first invalid batch, drop later segments
    #[arg(long, conflicts_with = "fix_bitflips")]
    like_broker: bool,

    /// `index.interval.bytes` of indexes that are made again
    #[arg(long, value_name = "N", default_value_t = 4096, hide_short_help = true)]
    interval_bytes: u32,
}

/// Plans, and carries the plan out if it is said where.
pub(crate) fn run(args: &Args, global: &Global) -> Result<Exit> {
    global.only("repair", &[Output::Human, Output::Jsonl])?;
    let partitions = args.paths.partition_dirs(global)?;
    if args.to.is_some() && partitions.len() > 1 {
        return Err(Failure::usage("--to takes one partition at a time"));
    }
    let mut out = Out::new(global);
    let mut exit = Exit::Done;
    for partition in &partitions {
        exit = exit.and(one(partition, args, global, &mut out)?);
    }
    out.flush()?;
    Ok(exit)
}

fn one(partition: &Path, args: &Args, global: &Global, out: &mut Out) -> Result<Exit> {
    let place = args.to.as_deref().map(|to| place::check(to, partition)).transpose()?;
    let plan = Plan::make(partition, args, global)?;
    let name = name_of(partition);
    if plan.actions.is_empty() {
        if !global.is_json() {
            let what = if plan.holes.is_empty() { "nothing to mend" } else { "no action helps" };
            out.text(format_args!("{name}: {what}"))?;
            holes(&plan, out)?;
        }
        return Ok(if plan.holes.is_empty() { Exit::Done } else { Exit::No });
    }
    show(&plan, &name, global, out)?;
    let Some(place) = place else { return Ok(Exit::No) };
    out.flush()?;
    carry::out(&plan, args, global, &place)?;
    if !global.is_json() {
        let to = name_of(&place.to);
        out.text(format_args!("{to}: a mended copy, verified"))?;
        out.text("to put it in place, once the broker is stopped:")?;
        let (from, to) = (quoted(partition), quoted(&place.to));
        let aside = quoted(&partition.with_file_name(format!(
            "{}.damaged",
            partition.file_name().unwrap_or_default().to_string_lossy()
        )));
        out.text(format_args!("  mv {from} {aside}"))?;
        out.text(format_args!("  mv {to} {from}"))?;
    }
    Ok(Exit::Done)
}

fn show(plan: &Plan, name: &str, global: &Global, out: &mut Out) -> Result<()> {
    if global.is_json() {
        for action in &plan.actions {
            action.write_json(name, out.line());
            out.settle()?;
        }
        return Ok(());
    }
    out.text(format_args!("{name}: {}", many(plan.actions.len() as u64, "action", "actions")))?;
    for (number, action) in plan.actions.iter().enumerate() {
        out.text(format_args!("{:>3}. {}", number + 1, action.words()))?;
    }
    let (kept, lost) = (count(plan.kept), many(plan.lost, "record", "records"));
    out.text(format_args!("{kept} records are kept, {lost} lost"))?;
    holes(plan, out)?;
    if plan.fixable > 0 && !plan.fixes {
        let which = many(plan.fixable, "of these is", "of these are");
        out.text(format_args!(
            "{which} explained: --fix-bitflips sets it right, and loses nothing"
        ))?;
    }
    Ok(())
}

/// Says which records no repair brings back.
fn holes(plan: &Plan, out: &mut Out) -> Result<()> {
    for &(first, last) in &plan.holes {
        let offsets = span(first, last);
        out.text(format_args!(
            "{offsets} are not there: another replica may have them; without one they are lost, \
             and `verify` goes on to tell of the hole (DIR001)"
        ))?;
    }
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%=:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Says what went wrong and is no reason to stop.
fn warn(what: impl std::fmt::Display) {
    complain("warning", what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_through_a_shell_as_they_are() {
        for (path, want) in [("a-0", "a-0"), ("a b", "'a b'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(Path::new(path)), want);
        }
    }
}
