//! A source file as the rules look at it: without comments, without what strings say, and without
//! its test module. Every line keeps its number.

use std::fs;
use std::path::Path;

/// A source file.
pub(crate) struct Source {
    /// From the root of the repository, with `/` between.
    pub(crate) path: String,
    /// As it lies on the disk.
    pub(crate) text: String,
    /// Comments are blank, strings and characters hold `_`.
    pub(crate) code: String,
    /// The same without what is `#[cfg(test)]`; all blank for a file that holds only tests.
    pub(crate) shipped: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = code_of(text);
        let shipped = if is_test_file(path) {
            code.chars().map(|c| if c == '\n' { c } else { ' ' }).collect()
        } else {
            without_tests(&code)
        };
        Source { path: path.to_owned(), text: text.to_owned(), code, shipped }
    }

    /// Every `.rs` file below these directories of the repository, in order of path.
    pub(crate) fn all_in(directories: &[&str]) -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for directory in directories {
            collect(&root.join(directory), directory, &mut found);
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Its module path below `src`: `["log", "manifest", "entry"]`.
    pub(crate) fn module(&self) -> Option<Vec<&str>> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        Some(inside.split('/').filter(|part| *part != "mod").collect())
    }

    /// Where `what` stands in what is shipped, as `path:line`: only whole words if it begins or
    /// ends as a word does.
    pub(crate) fn places(&self, what: &str) -> Vec<String> {
        finds(&self.shipped, what).map(|at| self.place(at)).collect()
    }

    /// The line of a position in `code` or `shipped`, as `path:line`.
    pub(crate) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, 1 + self.code[..at].matches('\n').count())
    }
}

/// The positions of `what` in `code`, where no longer word goes on.
pub(crate) fn finds<'a>(code: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(what).map(|(at, _)| at).filter(move |&at| {
        let (before, behind) = (code[..at].chars().next_back(), &code[at + what.len()..]);
        let cut_before = what.starts_with(is_word) && before.is_some_and(is_word);
        let cut_behind = what.ends_with(is_word) && behind.starts_with(is_word);
        !cut_before && !cut_behind
    })
}

/// The position behind the bracket that closes the one at `open`; the end if none does.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + c.len_utf8();
        }
    }
    code.len()
}

fn is_test_file(path: &str) -> bool {
    let in_tests = path.split('/').any(|part| part == "tests");
    in_tests || path.ends_with("tests.rs")
}

fn collect(directory: &Path, name: &str, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{name}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            if !path.ends_with("/target") {
                collect(&entry.path(), &path, found);
            }
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push(Source::new(&path, &fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

/// `code` with what `#[cfg(test)]` stands before blank: modules, functions, imports.
fn without_tests(code: &str) -> String {
    const GATE: &str = "#[cfg(test)]";
    let mut kept = code.to_owned();
    for (at, _) in code.match_indices(GATE) {
        let item = at + GATE.len();
        let Some(end) = code[item..].find(['{', ';']).map(|end| item + end) else { continue };
        let end = if code[end..].starts_with('{') { closing(code, end) } else { end };
        kept.replace_range(at..end, &blank(&code[at..end], ' '));
    }
    kept
}

/// As many bytes, the same lines.
fn blank(text: &str, with: char) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { with }).collect()
}

/// `text` with comments blank, and `_` for what strings and characters hold.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (len, with) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), ' ')
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), ' ')
        } else if let Some(len) = string_len(rest).filter(|_| !after_word || first == '"') {
            (len, '_')
        } else if let Some(len) = char_len(rest) {
            (len, '_')
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push_str(&blank(&rest[..len], with));
        rest = &rest[len..];
    }
    code
}

/// The length of the string literal that `rest` begins with, prefix included.
fn string_len(rest: &str) -> Option<usize> {
    let prefix = ["br", "b", "r", "c", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|rest| {
            rest.starts_with('"') || prefix.ends_with('r') && rest.starts_with("#\"")
        })
    })?;
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let start = prefix.len() + hashes + 1;
        return Some(rest[start..].find(&close).map_or(rest.len(), |at| start + at + close.len()));
    }
    let mut escaped = false;
    let end = body.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(rest.len(), |(at, _)| prefix.len() + at + 1))
}

/// The length of the character literal that `rest` begins with; a lifetime is none.
fn char_len(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let first = body.chars().next()?;
    if first == '\\' {
        return body[2..].find('\'').map(|at| 1 + 2 + at + 1);
    }
    body[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}
