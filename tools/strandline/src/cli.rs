//! The command line: global options, a verb and its own. A path in the verb's place means `stat`.

use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory, Parser};

use crate::exit::name_of;
use crate::global::Global;
use crate::verbs::Verb;

const EXIT_STATUS: &str = "\
PATH: a file, a partition's directory, a log directory, a quoted glob, or - for stdin.
Exit status: 0 done, intact, found, equal; 1 the answer is no; 2 wrong command line; 3 the system
refused; 4 output incomplete because of damage; 5 refused: in use, or an unsafe place to write to.
More about a verb: strandline help VERB. Also: kafka-dump-log, completions, man, schema.
";

/// Looks into Kafka's log files, and keeps logs of its own; needs no broker, no JVM, no Kafka.
#[derive(Debug, Parser)]
#[command(name = "strandline", version, arg_required_else_help = true, after_help = EXIT_STATUS)]
#[command(
    max_term_width = 100,
    disable_help_flag = true,
    disable_version_flag = true,
    allow_external_subcommands = true
)]
#[command(override_usage = "strandline [OPTIONS] <COMMAND> [PATH]...\n       strandline PATH")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    /// Print help; `help VERB` has more
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort)]
    #[arg(help_heading = "For every verb")]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    #[arg(help_heading = "For every verb")]
    version: Option<bool>,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Cli {
    /// Reads the command line; ends the process where that is all there is to do.
    pub(crate) fn read(words: Vec<OsString>) -> Cli {
        let cli = Cli::parse_from(&words);
        let Verb::Path(rest) = &cli.verb else { return cli };
        let at = words.len() - rest.len();
        let first = rest.first().cloned().unwrap_or_default();
        if !looks_like_a_path(Path::new(&first)) {
            unknown_verb(&first).exit();
        }
        let mut words = words;
        words.insert(at, "stat".into());
        Cli::parse_from(&words)
    }
}

fn looks_like_a_path(path: &Path) -> bool {
    let text = path.to_string_lossy();
    path.exists() || text == "-" || text.contains(['/', '*', '?', '['])
}

fn unknown_verb(word: &OsString) -> clap::Error {
    let (mut command, word) = (Cli::command(), name_of(Path::new(word)));
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let near = nearest(&word, names.iter().map(String::as_str));
    let hint = match near {
        Some((away, name)) if away <= 2 => format!("; did you mean `{name}`?"),
        _ => "; `strandline --help` lists the verbs".to_owned(),
    };
    let why = format!("`{word}` is no verb, and no such path is there{hint}");
    command.error(clap::error::ErrorKind::InvalidSubcommand, why)
}

/// The name that is most like a word, and how many letters away.
pub(crate) fn nearest<'a>(
    word: &str,
    names: impl Iterator<Item = &'a str>,
) -> Option<(usize, &'a str)> {
    names.map(|name| (distance(name, word), name)).min()
}

/// How many letters have to be changed, added or dropped to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_word_is_as_far_from_another_as_letters_have_to_change() {
        let pairs = [("dump", "dump", 0), ("dump", "dmup", 2), ("ls", "l", 1), ("", "abc", 3)];
        for (a, b, away) in pairs {
            assert_eq!((distance(a, b), distance(b, a)), (away, away), "{a} {b}");
        }
    }

    #[test]
    fn the_short_help_of_every_verb_fits_on_a_screen() {
        let mut command = Cli::command();
        command.build();
        let mut all = vec![("strandline".to_owned(), command.render_help().to_string())];
        for verb in command.get_subcommands_mut() {
            all.push((verb.get_name().to_owned(), verb.render_help().to_string()));
        }
        for (name, help) in all {
            let lines = help.lines().count();
            assert!(lines <= 40, "{name}: {lines} lines\n{help}");
        }
    }
}
