//! `strandline completions`, `man`, `schema`: what shells, manuals and readers of JSON lines need.

use std::fs;
use std::path::PathBuf;

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Failure, Result, name_of};
use crate::global::Global;
use crate::output::Out;

const SCHEMA: &str = include_str!("../../schema/strandline-1.json");

/// Prints the completions of a shell: `strandline completions bash > …/strandline`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// bash, zsh, fish, powershell, elvish or nushell
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: AnyShell,
}

/// The shells that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnyShell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
    Nushell,
}

/// Writes a manual page for each verb into a directory: `man ./DIR/strandline-dump.1`. With a verb in
/// the directory's place its page is printed: `strandline man dump | man -l -`.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// A directory, made if it is not there; or a verb, whose page is printed
    #[arg(value_name = "DIR|VERB")]
    dir: PathBuf,
}

/// Prints the JSON Schema of the lines that `--json` writes.
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {}

/// Prints them.
pub(crate) fn completions(args: &Completions, global: &Global) -> Result<Exit> {
    let (mut command, mut text) = (command(), Vec::new());
    let name = "strandline";
    let mut known = |shell| clap_complete::generate(shell, &mut command, name, &mut text);
    match args.shell {
        AnyShell::Bash => known(Shell::Bash),
        AnyShell::Zsh => known(Shell::Zsh),
        AnyShell::Fish => known(Shell::Fish),
        AnyShell::Powershell => known(Shell::PowerShell),
        AnyShell::Elvish => known(Shell::Elvish),
        AnyShell::Nushell => {
            let nushell = clap_complete_nushell::Nushell;
            clap_complete::generate(nushell, &mut command, name, &mut text);
        }
    }
    print(&text, global)
}

/// Prints it.
pub(crate) fn schema(_: &Schema, global: &Global) -> Result<Exit> {
    print(SCHEMA.as_bytes(), global)
}

fn print(text: &[u8], global: &Global) -> Result<Exit> {
    let mut out = Out::new(global);
    out.write(text)?;
    out.flush()?;
    Ok(Exit::Done)
}

/// The command line without what stands for paths.
fn command() -> Command {
    Cli::command().allow_external_subcommands(false)
}

/// Examples for the pages of verbs.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "ls",
        "strandline ls /var/lib/kafka/data\nstrandline ls --sort size --topic 'orders*' /var/lib/kafka/data",
    ),
    (
        "dump",
        "strandline dump orders-3\nstrandline dump -r -O -20: orders-3\nstrandline dump -r --json --time -15m.. orders-3 | jq .value",
    ),
    (
        "find",
        "strandline find --key user-7 orders-3\nstrandline find --time 2024-05-01T10:00Z orders-3\nstrandline find --count --kind tombstone orders-3",
    ),
    ("stat", "strandline stat --top 10 orders-3\nstrandline stat --recompress=zstd:3,lz4 orders-3"),
    ("tail", "strandline tail -f orders-3"),
    ("follow", "strandline follow -F '%o %k\\\\n' orders-3"),
    ("diff", "strandline diff --ignore epoch broker1/orders-3 broker2/orders-3"),
    (
        "export",
        "strandline export -o csv --to orders.csv orders-3\nstrandline export -o segment --to copy orders-3",
    ),
    ("report", "strandline report --to orders.html orders-3"),
    (
        "topic-create",
        "strandline topic create orders --partitions 3 --config retention.ms=604800000 --config segment.bytes=134217728",
    ),
    (
        "append",
        "strandline append orders orders.jsonl --key-field user.id --timestamp-field time\nprintf '%s\\n' a b c | strandline append orders",
    ),
    (
        "fetch",
        "strandline fetch orders --offset 1000 --limit 10\nstrandline fetch orders --time 2024-05-01T10:00Z",
    ),
    (
        "verify",
        "strandline verify orders-3\nstrandline verify --deep --fail-on warning /var/lib/kafka/data\nstrandline errors LOG005",
    ),
    (
        "explain",
        "strandline explain --offset 1000 orders-3\nstrandline explain --position 94 orders-3/00000000000000000000.log",
    ),
    (
        "repair",
        "strandline repair --fix-bitflips orders-3\nstrandline repair --fix-bitflips --to mended orders-3",
    ),
    ("reindex", "strandline reindex --check orders-3\nstrandline reindex --to indexes orders-3"),
    ("txn", "strandline txn --hanging-after 15m orders-3"),
    ("offsets", "strandline offsets --group billing /var/lib/kafka/data"),
];

const EXIT_STATUS: &str = "0 done; intact, found, equal. 1 the answer is no: not found, different, \
findings. 2 wrong command line. 3 the operating system refused, or a path is not there. 4 output is \
incomplete because of damage. 5 refused: in use, or an unsafe place to write to. 130, 143: a signal.";

/// Writes a page for the command, for each verb, and for the verbs of `topic`; or prints one.
pub(crate) fn man(args: &Man, global: &Global) -> Result<Exit> {
    let failed = |error| Failure::io("write", &args.dir, &error);
    let mut whole = command();
    whole.build();
    let mut pages = vec![("strandline".to_owned(), whole.clone())];
    add_pages("strandline", &whole, &mut pages);
    let of_verb = args.dir.to_str().map(|verb| format!("strandline-{verb}"));
    if let Some((name, command)) = pages.iter().find(|(name, _)| Some(name) == of_verb.as_ref()) {
        return print(&page(name, command.clone()).map_err(failed)?, global);
    }
    fs::create_dir_all(&args.dir).map_err(failed)?;
    let number = pages.len();
    for (name, command) in pages {
        let page = page(&name, command).map_err(failed)?;
        fs::write(args.dir.join(format!("{name}.1")), page).map_err(failed)?;
    }
    let mut out = Out::new(global);
    out.text(format_args!("{number} pages in {}", name_of(&args.dir)))?;
    out.flush()?;
    Ok(Exit::Done)
}

fn add_pages(of: &str, command: &Command, pages: &mut Vec<(String, Command)>) {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let name = format!("{of}-{}", verb.get_name());
        pages.push((name.clone(), verb.clone().display_name(name.clone())));
        add_pages(&name, verb, pages);
    }
}

fn page(name: &str, command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // A page says all of each option, what the short help leaves out, too.
    let command = command.mut_args(|option| option.hide_short_help(false));
    clap_mangen::Man::new(command).render(&mut page)?;
    let verb = name.trim_start_matches("strandline-");
    if let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == verb) {
        page.extend_from_slice(b".SH EXAMPLES\n.nf\n");
        for line in examples.lines() {
            page.extend_from_slice(line.replace('-', "\\-").as_bytes());
            page.push(b'\n');
        }
        page.extend_from_slice(b".fi\n");
    }
    page.extend_from_slice(b".SH \"EXIT STATUS\"\n");
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    page.push(b'\n');
    Ok(page)
}
