//! The command line of Kafka's tool, as the library that it uses takes one apart.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::file::int;
use super::thrown::Thrown;
use crate::internal::{Release, text};

/// Whether an option takes an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    One,
    Maybe,
}

/// The options; the last one is not in 3.9.
const KNOWN: &[(&str, Takes)] = &[
    ("cluster-metadata-decoder", Takes::Nothing),
    ("deep-iteration", Takes::Nothing),
    ("files", Takes::One),
    ("help", Takes::Nothing),
    ("index-sanity-check", Takes::Nothing),
    ("key-decoder-class", Takes::Maybe),
    ("max-bytes", Takes::One),
    ("max-message-size", Takes::One),
    ("offsets-decoder", Takes::Nothing),
    ("print-data-log", Takes::Nothing),
    ("remote-log-metadata-decoder", Takes::Nothing),
    ("skip-record-metadata", Takes::Nothing),
    ("transaction-log-decoder", Takes::Nothing),
    ("value-decoder-class", Takes::Maybe),
    ("verify-index-only", Takes::Nothing),
    ("version", Takes::Nothing),
    ("share-group-state-decoder", Takes::Nothing),
];

/// What the command line gave.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Each option, as often as it was given.
    options: Vec<(&'static str, Option<Vec<u8>>)>,
    /// Nothing at all was given.
    pub(super) nothing: bool,
}

impl Given {
    /// Takes a command line apart.
    ///
    /// # Errors
    ///
    /// What the library of Kafka's tool throws: options that it does not know, arguments that are
    /// missing.
    pub(super) fn parse(arguments: &[OsString], release: Release) -> Result<Given, Thrown> {
        let known = match release {
            Release::V4 => KNOWN,
            Release::V3 => &KNOWN[..KNOWN.len() - 1],
        };
        let mut given = Given { options: Vec::new(), nothing: arguments.is_empty() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let argument = argument.as_bytes();
            if argument == b"--" {
                break;
            }
            // What is no option is taken and never looked at.
            let Some(named) = option_of(argument) else { continue };
            let (name, value) = match named.iter().position(|&byte| byte == b'=') {
                Some(at) => (&named[..at], Some(&named[at + 1..])),
                None => (named, None),
            };
            let (name, takes) = find(known, argument, name)?;
            let value = value.filter(|value| !value.is_empty());
            let value = match takes {
                Takes::Nothing => None,
                Takes::One => Some(match value {
                    Some(value) => value.to_vec(),
                    None => rest.next().ok_or_else(|| missing(name))?.clone().into_vec(),
                }),
                Takes::Maybe => match (value, rest.as_slice().first()) {
                    (Some(value), _) => Some(value.to_vec()),
                    (None, Some(next)) if option_of(next.as_bytes()).is_none() => {
                        rest.next().map(|next| next.as_bytes().to_vec())
                    }
                    _ => None,
                },
            };
            given.options.push((name, value));
        }
        Ok(given)
    }

    /// Whether that option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(own, _)| *own == name)
    }

    /// Its only argument.
    pub(super) fn value(&self, name: &'static str) -> Result<Option<&[u8]>, Thrown> {
        let mut values = self
            .options
            .iter()
            .filter(|(own, _)| *own == name)
            .filter_map(|(_, value)| value.as_deref());
        let first = values.next();
        if values.next().is_some() {
            return Err(Thrown::new(
                "joptsimple.MultipleArgumentsForOptionException",
                format!("Found multiple arguments for option {name}, but you asked for only one"),
            ));
        }
        Ok(first)
    }

    /// Its argument, which must be a number; looked at only when it is needed.
    pub(super) fn number(&self, name: &'static str, default: i32) -> Result<i32, Thrown> {
        let Some(value) = self.value(name)? else { return Ok(default) };
        let value = text::decode(value);
        int(&value).ok_or_else(|| {
            Thrown::new(
                "joptsimple.OptionArgumentConversionException",
                format!("Cannot parse argument '{value}' of option {name}"),
            )
        })
    }

    /// The names in `--files`; empty ones at the end do not count.
    pub(super) fn files(&self) -> Result<Vec<Vec<u8>>, Thrown> {
        let value = self.value("files")?.unwrap_or_default();
        let mut names: Vec<_> = value.split(|&byte| byte == b',').map(<[u8]>::to_vec).collect();
        while names.len() > 1 && names.last().is_some_and(Vec::is_empty) {
            names.pop();
        }
        if value.starts_with(b",") && names.iter().all(Vec::is_empty) {
            names.clear();
        }
        Ok(names)
    }
}

/// What follows the dashes, if the argument looks like an option.
fn option_of(argument: &[u8]) -> Option<&[u8]> {
    match argument {
        b"-" | b"--" => None,
        [b'-', b'-', name @ ..] | [b'-', name @ ..] => Some(name),
        _ => None,
    }
}

/// The option of that name. Behind one dash a name that is none is read as letters.
fn find(
    known: &'static [(&'static str, Takes)],
    argument: &[u8],
    name: &[u8],
) -> Result<(&'static str, Takes), Thrown> {
    if let Some(&found) = known.iter().find(|(own, _)| own.as_bytes() == name) {
        return Ok(found);
    }
    let name = text::decode(name);
    let named = if argument.starts_with(b"--") { &name } else { first_letter(&name) };
    Err(Thrown::new(
        "joptsimple.UnrecognizedOptionException",
        format!("{named} is not a recognized option"),
    ))
}

fn first_letter(name: &str) -> &str {
    name.char_indices().nth(1).map_or(name, |(end, _)| &name[..end])
}

fn missing(name: &str) -> Thrown {
    Thrown::new(
        "joptsimple.OptionMissingRequiredArgumentException",
        format!("Option {name} requires an argument"),
    )
}

/// Takes the dialect out of a command line: `--kafka-version`, else the environment's, else the
/// newest. It is ours; Kafka's tool has no such option.
pub(super) fn dialect(
    arguments: &[OsString],
    environment: Option<OsString>,
) -> Result<(Release, Vec<OsString>), String> {
    let mut wanted = environment.filter(|value| !value.is_empty());
    let mut left = Vec::with_capacity(arguments.len());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--kafka-version" {
            let value = rest.next().ok_or("--kafka-version: 4.3 or 3.9 is wanted")?;
            wanted = Some(value.clone());
        } else if let Some(value) = argument.as_bytes().strip_prefix(b"--kafka-version=") {
            wanted = Some(OsStr::from_bytes(value).to_owned());
        } else {
            left.push(argument.clone());
        }
    }
    let release = match wanted.as_deref().map(OsStr::to_string_lossy).as_deref() {
        None | Some("4.3" | "4.3.1") => Release::V4,
        Some("3.9" | "3.9.2") => Release::V3,
        Some(other) => return Err(format!("Kafka version {other}: 4.3 and 3.9 are known")),
    };
    Ok((release, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<Given, Thrown> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        Given::parse(&arguments, Release::V4)
    }

    fn says(arguments: &[&str]) -> String {
        given(arguments).unwrap_err().message.unwrap()
    }

    #[test]
    fn an_argument_follows_behind_a_sign_or_as_the_next_word() {
        for arguments in [
            &["--files", "a,b,,"][..],
            &["--files=a,b"],
            &["-files", "a,b"],
            &["word", "--files=", "a,b", "another"],
        ] {
            assert_eq!(given(arguments).unwrap().files().unwrap(), [b"a", b"b"], "{arguments:?}");
        }
        let given = given(&["--value-decoder-class", "--key-decoder-class", "K"]).unwrap();
        assert_eq!(given.value("value-decoder-class"), Ok(None));
        assert_eq!(given.value("key-decoder-class"), Ok(Some(&b"K"[..])));
        assert!(given.has("value-decoder-class") && !given.has("files"));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_library() {
        assert_eq!(says(&["--print-data"]), "print-data is not a recognized option");
        assert_eq!(says(&["-xyz"]), "x is not a recognized option");
        assert_eq!(says(&["--files"]), "Option files requires an argument");
        let twice = given(&["--files", "a", "--files", "b"]).unwrap().files().unwrap_err();
        assert_eq!(
            twice.message.unwrap(),
            "Found multiple arguments for option files, but you asked for only one"
        );
        let number = given(&["--max-bytes", "abc"]).unwrap().number("max-bytes", 1).unwrap_err();
        assert_eq!(number.message.unwrap(), "Cannot parse argument 'abc' of option max-bytes");
    }

    #[test]
    fn the_dialect_is_taken_out_wherever_it_stands() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let line = words(&["--files", "a", "--kafka-version", "3.9"]);
        let left = words(&["--files", "a"]);
        assert_eq!(dialect(&line, None), Ok((Release::V3, left.clone())));
        assert_eq!(dialect(&left, Some("3.9.2".into())), Ok((Release::V3, left.clone())));
        assert_eq!(dialect(&left, None), Ok((Release::V4, left)));
        assert!(dialect(&words(&["--kafka-version=2.8"]), None).is_err());
        assert!(dialect(&words(&["--kafka-version"]), None).is_err());
    }
}
