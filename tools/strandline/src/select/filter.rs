//! Filters: what a batch's header decides is decided before anything is inflated, the rest on
//! borrowed bytes.

use std::str::FromStr;

use strandline::record::{BatchHeader, ControlRecord, FetchedRecord, TransactionEnd};

use super::Select;
use super::pattern::pass;
use crate::common::size64;
use crate::exit::{Failure, Result};
use crate::output::json::codec_name;

/// The filters of a command line, ready.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    select: &'a Select,
    codecs: Vec<(bool, &'a str)>,
    /// Whether a header alone decides.
    headers_decide: bool,
}

/// What a batch's header says of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// None passes.
    None,
    /// Each has to be asked.
    Some,
    /// All pass.
    All,
}

/// A kind of record, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    not: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Control,
    Commit,
    Abort,
    Tombstone,
    Txn,
}

impl FromStr for Kinds {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Kinds, String> {
        let (not, word) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let kind = match word {
            "data" => Kind::Data,
            "control" => Kind::Control,
            "commit" => Kind::Commit,
            "abort" => Kind::Abort,
            "tombstone" => Kind::Tombstone,
            "txn" => Kind::Txn,
            _ => return Err("data, control, commit, abort, tombstone or txn is wanted".to_owned()),
        };
        Ok(Kinds { not, kind })
    }
}

impl Kind {
    /// What a header says: yes, no, or that the record has to be asked.
    fn of_batch(self, header: &BatchHeader) -> Option<bool> {
        let attributes = header.attributes();
        let (control, txn) = (attributes.is_control(), attributes.is_transactional());
        match self {
            Kind::Data => Some(!control),
            Kind::Control => Some(control),
            Kind::Txn => Some(txn),
            Kind::Commit | Kind::Abort => {
                if control {
                    None
                } else {
                    Some(false)
                }
            }
            Kind::Tombstone => {
                if control {
                    Some(false)
                } else {
                    None
                }
            }
        }
    }

    fn of_record(self, header: &BatchHeader, record: &FetchedRecord<'_>) -> bool {
        self.of_batch(header).unwrap_or_else(|| match self {
            Kind::Tombstone => record.value().is_none() && record.key().is_some(),
            kind => {
                let control = ControlRecord::decode(record);
                let Ok(ControlRecord::EndTransaction { end, .. }) = control else { return false };
                (kind == Kind::Commit) == (end == TransactionEnd::Commit)
            }
        })
    }
}

/// Whether what is known (yes, no, unknown) passes rules of one kind; unknown if that hangs on it.
fn pass_kinds(rules: &[Kinds], is: impl Fn(Kind) -> Option<bool>) -> Option<bool> {
    let (mut any, mut hit, mut open) = (false, false, false);
    for rule in rules {
        any |= !rule.not;
        match is(rule.kind) {
            Some(true) if rule.not => return Some(false),
            Some(true) => hit = true,
            Some(false) => {}
            None => open = true,
        }
    }
    if open { None } else { Some(hit || !any) }
}

/// A rule about sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SizeRule {
    least: u64,
    most: u64,
}

impl FromStr for SizeRule {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<SizeRule, String> {
        let all = SizeRule { least: 0, most: u64::MAX };
        let behind = |sign| text.strip_prefix(sign).map(|rest: &str| size64(rest.trim()));
        if let Some((from, to)) = text.split_once("..") {
            return Ok(SizeRule { least: size64(from)?, most: size64(to)? });
        }
        if let Some(size) = behind(">=") {
            return Ok(SizeRule { least: size?, ..all });
        }
        if let Some(size) = behind("<=") {
            return Ok(SizeRule { most: size?, ..all });
        }
        if let Some(size) = behind(">") {
            return Ok(SizeRule { least: size?.saturating_add(1), ..all });
        }
        if let Some(size) = behind("<") {
            let size = size?.checked_sub(1).ok_or("nothing is smaller than 0 bytes")?;
            return Ok(SizeRule { most: size, ..all });
        }
        let size = size64(text.trim_start_matches('='))?;
        Ok(SizeRule { least: size, most: size })
    }
}

/// Bytes of a record's key, value and headers.
pub(crate) fn size_of(record: &FetchedRecord<'_>) -> u64 {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
    let headers = record.headers().map(|it| it.key.len() as u64 + len(it.value)).sum::<u64>();
    len(record.key()) + len(record.value()) + headers
}

impl<'a> Filter<'a> {
    pub(super) fn new(select: &'a Select) -> Result<Filter<'a>> {
        let codecs: Vec<_> = select
            .codec
            .iter()
            .map(|text| match text.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, text.as_str()),
            })
            .collect();
        let known = ["none", "gzip", "snappy", "lz4", "zstd"];
        if let Some((_, name)) = codecs.iter().find(|(_, name)| !known.contains(name)) {
            return Err(Failure::usage(format!("`{name}` is no codec: {}", known.join(", "))));
        }
        Ok(Filter { codecs, ..Filter::of_any_codec(select) })
    }

    pub(super) fn of_any_codec(select: &'a Select) -> Filter<'a> {
        let headers_decide = select.key.is_empty()
            && select.value.is_empty()
            && select.key_prefix.is_empty()
            && select.value_json.is_empty()
            && select.header.is_empty()
            && select.size.is_none();
        Filter { select, codecs: Vec::new(), headers_decide }
    }

    /// What a batch's header decides.
    pub(crate) fn batch(&self, header: &BatchHeader) -> Verdict {
        let select = self.select;
        let one_of = |rules: &[i64], value: Option<i64>| {
            rules.is_empty() || value.is_some_and(|value| rules.contains(&value))
        };
        let epochs = |rules: &[i64]| one_of(rules, header.leader_epoch().map(|it| it.0.into()));
        let wide = |rules: &[i32]| rules.iter().map(|&it| it.into()).collect::<Vec<i64>>();
        let producer_epochs: Vec<i64> = select.epoch.iter().map(|&it| it.into()).collect();
        if !one_of(&select.producer_id, header.producer_id().map(|id| id.0))
            || !one_of(&producer_epochs, header.producer_epoch().map(|it| it.0.into()))
            || !epochs(&wide(&select.leader_epoch))
            || !self.codec_passes(header)
        {
            return Verdict::None;
        }
        match pass_kinds(&select.kind, |kind| kind.of_batch(header)) {
            Some(false) => Verdict::None,
            Some(true) if self.headers_decide => Verdict::All,
            // A marker has no key and no value that anybody chose.
            _ if header.attributes().is_control() && !self.headers_decide => Verdict::None,
            _ => Verdict::Some,
        }
    }

    fn codec_passes(&self, header: &BatchHeader) -> bool {
        if self.codecs.is_empty() {
            return true;
        }
        let name = codec_name(header);
        let hit = |not| self.codecs.iter().any(|&(it, codec)| it == not && codec == name);
        let any = self.codecs.iter().any(|&(not, _)| !not);
        !hit(true) && (hit(false) || !any)
    }

    /// Whether a record passes, in a batch of which `batch` said `Some`.
    pub(crate) fn record(&self, header: &BatchHeader, record: &FetchedRecord<'_>) -> bool {
        let select = self.select;
        let (key, value) = (record.key(), record.value());
        let begins = |prefix: &String| key.is_some_and(|key| key.starts_with(prefix.as_bytes()));
        let any_header = select.header.iter().any(|rule| !rule.not);
        let header_hit = || {
            let mut rules = select.header.iter().filter(|rule| !rule.not);
            !any_header || rules.any(|rule| rule.matches(record.headers()))
        };
        let header_miss = || {
            select.header.iter().filter(|rule| rule.not).all(|rule| !rule.matches(record.headers()))
        };
        pass_kinds(&select.kind, |kind| Some(kind.of_record(header, record))) == Some(true)
            && select.size.is_none_or(|rule| (rule.least..=rule.most).contains(&size_of(record)))
            && pass(&select.key, key)
            && (select.key_prefix.is_empty() || select.key_prefix.iter().any(begins))
            && pass(&select.value, value)
            && header_hit()
            && header_miss()
            && select.value_json.iter().all(|rule| rule.holds(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_as_people_write_it() {
        let rule = |text: &str| text.parse::<SizeRule>().map(|rule| (rule.least, rule.most));
        assert_eq!(rule(">1KiB"), Ok((1025, u64::MAX)));
        assert_eq!(rule(">= 10"), Ok((10, u64::MAX)));
        assert_eq!(rule("<10"), Ok((0, 9)));
        assert_eq!(rule("<=10"), Ok((0, 10)));
        assert_eq!(rule("7"), Ok((7, 7)));
        assert_eq!(rule("1KiB..1MiB"), Ok((1024, 1 << 20)));
        assert!(rule("<0").is_err() && rule("big").is_err());
    }
}
