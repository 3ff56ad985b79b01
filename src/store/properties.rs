//! Java properties: the text form of keys and values that Kafka keeps its `meta.properties` in.
//!
//! A line is `key=value`, `key:value` or `key value`; `#` and `!` begin comments; a backslash
//! escapes what follows, and at the end of a line joins it to the next. Bytes are ISO 8859-1, other
//! characters are `\u` and four hexadecimal digits for each half of their UTF-16.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// The keys and values of a file, in order; of a key that stands there twice the last value counts,
/// in the place of the first. None if an escape is none: Java refuses the whole file.
pub(super) fn decode(file: &[u8]) -> Option<Vec<(String, String)>> {
    let text: String = file.iter().map(|&byte| char::from(byte)).collect();
    let mut properties: Vec<(String, String)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for line in logical_lines(&text) {
        let (key, value) = split(&line);
        let (key, value) = (unescape(key)?, unescape(value)?);
        let place = *places.entry(key.clone()).or_insert(properties.len());
        match properties.get_mut(place) {
            Some(known) => known.1 = value,
            None => properties.push((key, value)),
        }
    }
    Some(properties)
}

/// The lines that say something, joined where they go on, without the white space they begin with.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut going_on: Option<String> = None;
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        let line = line.trim_start_matches(is_space);
        if going_on.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let mut whole = going_on.take().unwrap_or_default();
        let backslashes = line.bytes().rev().take_while(|&byte| byte == b'\\').count();
        if backslashes % 2 == 1 {
            whole.push_str(&line[..line.len() - 1]);
            going_on = Some(whole);
        } else {
            whole.push_str(line);
            lines.push(whole);
        }
    }
    lines.extend(going_on.filter(|line| !line.is_empty()));
    lines
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0c')
}

/// Key and value of a line, still escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let ends_key = |character: char| {
        let ends = !escaped && (is_space(character) || matches!(character, '=' | ':'));
        escaped = character == '\\' && !escaped;
        ends
    };
    let (key, rest) = line.split_at(line.find(ends_key).unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_space))
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        plain.push(match character {
            '\\' => match rest.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => unicode(&mut rest)?,
                Some(other) => other,
                None => break,
            },
            other => other,
        });
    }
    Some(plain)
}

/// The character behind a `\u`, which may take a second `\u`.
fn unicode(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = code_unit(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    let is_escape = rest.next() == Some('\\') && rest.next() == Some('u');
    let second = if is_escape { code_unit(rest)? } else { return None };
    char::decode_utf16([first as u16, second as u16]).next()?.ok()
}

fn code_unit(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | rest.next()?.to_digit(16)?))
}

/// The file's bytes, behind an empty comment, as Kafka begins it; it follows with the date, which
/// nobody reads.
pub(super) fn encode<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut file = String::from("#\n");
    for (key, value) in properties {
        escape(&mut file, key, true);
        file.push('=');
        escape(&mut file, value, false);
        file.push('\n');
    }
    file.into_bytes()
}

fn escape(file: &mut String, text: &str, every_space: bool) {
    for (at, character) in text.chars().enumerate() {
        match character {
            ' ' if every_space || at == 0 => file.push_str("\\ "),
            '\t' => file.push_str("\\t"),
            '\n' => file.push_str("\\n"),
            '\r' => file.push_str("\\r"),
            '\x0c' => file.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => {
                file.push('\\');
                file.push(character);
            }
            ' '..='~' => file.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(file, "\\u{unit:04X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(file: &str) -> (String, String) {
        let properties = decode(file.as_bytes()).unwrap();
        assert_eq!(properties.len(), 1, "{file:?}");
        properties[0].clone()
    }

    #[test]
    fn a_line_is_split_as_java_splits_it() {
        for file in
            ["a=b", "a:b", "a b", " a = b", "\ta\x0c:\tb", "a\\\n  =b", "# x\n!y\n\na=b\r\n"]
        {
            assert_eq!(one(file), ("a".into(), "b".into()), "{file:?}");
        }
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("a\\ b\\=c=d \\\n  \\ e "), ("a b=c".into(), "d  e ".into()));
        assert_eq!(one("a=b\\\\\n#c"), ("a".into(), "b\\".into()));
        assert_eq!(one("a=1\na=2"), ("a".into(), "2".into()));
    }

    #[test]
    fn escapes_are_what_java_takes_them_for() {
        assert_eq!(one(r"a=\t\n\r\f\q\u0041\uD83D\uDE00").1, "\t\n\r\x0cqA\u{1f600}");
        for file in [r"a=\u12", r"a=\u12x4", r"a=\uD83D", r"a=\uD83Dx", r"a=\uDE00"] {
            assert_eq!(decode(file.as_bytes()), None, "{file}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            properties in prop::collection::btree_map(".{1,9}|[ =:#!\\\\\n]{1,9}", ".{0,9}", 0..5)
        ) {
            let properties: Vec<_> = properties.into_iter().collect();
            let pairs = properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            prop_assert_eq!(decode(&encode(pairs)), Some(properties.clone()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(file: Vec<u8>, text in r"[ a=:#!\\u0\n\r]{0,40}") {
            let _ = (decode(&file), decode(text.as_bytes()));
        }
    }
}
