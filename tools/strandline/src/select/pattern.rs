//! What keys, values and headers are compared with.

use std::str::FromStr;

use regex::bytes::Regex;

use crate::base64;

/// A pattern, and whether it must not match.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) not: bool,
    pattern: Pattern,
}

#[derive(Clone, Debug)]
enum Pattern {
    Null,
    Bytes(Vec<u8>),
    Regex(Regex),
}

impl Rule {
    pub(super) fn matches(&self, value: Option<&[u8]>) -> bool {
        match (&self.pattern, value) {
            (Pattern::Null, value) => value.is_none(),
            (Pattern::Bytes(bytes), value) => value == Some(bytes.as_slice()),
            (Pattern::Regex(regex), value) => value.is_some_and(|value| regex.is_match(value)),
        }
    }
}

/// Whether a value passes rules of one kind: one of those that are not negated, if there are any,
/// and none of the others.
pub(super) fn pass(rules: &[Rule], value: Option<&[u8]>) -> bool {
    let (mut any, mut hit) = (false, false);
    for rule in rules {
        let matches = rule.matches(value);
        if rule.not && matches {
            return false;
        }
        any |= !rule.not;
        hit |= !rule.not && matches;
    }
    hit || !any
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        let (not, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let regex = rest.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let pattern = if rest == "null" {
            Pattern::Null
        } else if let Some(digits) = rest.strip_prefix("hex:") {
            Pattern::Bytes(from_hex(digits).ok_or(format!("`{digits}` is no hexadecimal text"))?)
        } else if let Some(text) = rest.strip_prefix("b64:") {
            Pattern::Bytes(base64::decode(text).ok_or(format!("`{text}` is no base64"))?)
        } else if let Some(regex) = regex.filter(|regex| !regex.is_empty()) {
            Pattern::Regex(Regex::new(regex).map_err(|error| error.to_string())?)
        } else {
            Pattern::Bytes(rest.as_bytes().to_vec())
        };
        Ok(Rule { not, pattern })
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) || digits.contains('+') {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// A header's name, and what its value must be.
#[derive(Clone, Debug)]
pub(super) struct HeaderRule {
    pub(super) not: bool,
    name: String,
    value: Option<Rule>,
}

impl HeaderRule {
    pub(super) fn matches<'a>(
        &self,
        mut headers: impl Iterator<Item = strandline::record::Header<'a>>,
    ) -> bool {
        headers.any(|header| {
            header.key == self.name.as_bytes()
                && self.value.as_ref().is_none_or(|rule| rule.matches(header.value) != rule.not)
        })
    }
}

impl FromStr for HeaderRule {
    type Err = String;

    fn from_str(text: &str) -> Result<HeaderRule, String> {
        let (not, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value.parse()?)),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err("a header's name is wanted: k or k=v".to_owned());
        }
        Ok(HeaderRule { not, name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(rules: &[&str], value: Option<&[u8]>) -> bool {
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        pass(&rules, value)
    }

    #[test]
    fn patterns_of_one_kind_are_or_ed_and_negated_ones_all_hold() {
        assert!(passes(&[], None) && passes(&["a", "b"], Some(b"b")));
        assert!(!passes(&["a", "b"], Some(b"c")) && !passes(&["a", "!a"], Some(b"a")));
        assert!(passes(&["!a"], Some(b"c")) && !passes(&["!a", "!c"], Some(b"c")));
        assert!(passes(&["null"], None) && !passes(&["null"], Some(b"null")));
        assert!(passes(&["!null"], Some(b"")) && !passes(&["!null"], None));
        assert!(passes(&["hex:ff00"], Some(&[255, 0])) && passes(&["b64:/w=="], Some(&[255])));
        assert!(passes(&["/^user-[0-9]+$/"], Some(b"user-7")));
        assert!(!passes(&["/^user-[0-9]+$/"], Some(b"user-x")));
        for wrong in ["hex:f", "hex:zz", "b64:?", "/(/"] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }
}
