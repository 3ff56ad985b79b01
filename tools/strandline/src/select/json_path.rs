//! Rules about values that are JSON: `.user.id==42`, `.tags[0]!="x"`, `.bytes>1000`.

use std::cmp::Ordering;
use std::str::FromStr;

use serde_json::Value;

/// A path, and what must hold there.
#[derive(Clone, Debug)]
pub(super) struct JsonRule {
    steps: Vec<String>,
    /// None: something must be there.
    compare: Option<(Compare, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first, so that none is taken for its beginning.
const SIGNS: [(&str, Compare); 6] = [
    ("==", Compare::Equal),
    ("!=", Compare::Unequal),
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

impl JsonRule {
    /// Whether it holds in a value. What is no JSON holds nothing.
    pub(super) fn holds(&self, value: Option<&[u8]>) -> bool {
        let Some(Ok(json)) = value.map(serde_json::from_slice::<Value>) else { return false };
        let mut at = Some(&json);
        for step in &self.steps {
            at = at.and_then(|at| match at {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                at => at.get(step),
            });
        }
        let Some((compare, wanted)) = &self.compare else { return at.is_some() };
        let order = at.and_then(|at| order(at, wanted));
        match compare {
            Compare::Equal => order == Some(Ordering::Equal),
            Compare::Unequal => order != Some(Ordering::Equal),
            Compare::Less => order == Some(Ordering::Less),
            Compare::LessOrEqual => order.is_some_and(Ordering::is_le),
            Compare::Greater => order == Some(Ordering::Greater),
            Compare::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// Numbers by size, text by its bytes; other values are equal or cannot be compared.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

impl FromStr for JsonRule {
    type Err = String;

    fn from_str(text: &str) -> Result<JsonRule, String> {
        let sign = SIGNS
            .iter()
            .filter_map(|(sign, compare)| Some((text.find(sign)?, *sign, *compare)))
            .min_by_key(|&(at, sign, _)| (at, std::cmp::Reverse(sign.len())));
        let (path, compare) = match sign {
            None => (text, None),
            Some((at, sign, compare)) => {
                let wanted = text[at + sign.len()..].trim();
                let plain = || Value::String(wanted.to_owned());
                let wanted = serde_json::from_str(wanted).unwrap_or_else(|_| plain());
                (text[..at].trim(), Some((compare, wanted)))
            }
        };
        let Some(path) = path.strip_prefix('.') else {
            return Err(format!("`{text}`: .field==value is wanted, such as .user.id==42"));
        };
        let path = path.replace('[', ".").replace(']', "");
        let steps = path.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        Ok(JsonRule { steps, compare })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_reach_into_objects_and_arrays() {
        let value = br#"{"user":{"id":42,"name":"x"},"tags":["a","b"],"f":1.5,"n":null}"#;
        let holds = |rule: &str| rule.parse::<JsonRule>().unwrap().holds(Some(value));
        for rule in [
            ".user.id==42",
            ".user.id>=42",
            ".user.name==x",
            ".user.name==\"x\"",
            ".tags[1]==b",
            ".f<2",
            ".n==null",
            ".user",
            ".user.id!=7",
            ".missing!=1",
        ] {
            assert!(holds(rule), "{rule}");
        }
        for rule in [".user.id==43", ".user.id>42", ".tags[2]==b", ".missing", ".missing==1"] {
            assert!(!holds(rule), "{rule}");
        }
        assert!(!".a==1".parse::<JsonRule>().unwrap().holds(Some(b"no json")));
        assert!("a==1".parse::<JsonRule>().is_err());
    }
}
