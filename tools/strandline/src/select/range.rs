//! Ranges of offsets and times.

use std::str::FromStr;

use strandline::record::BatchHeader;

/// Which offsets and times are meant. Both ends that say `end` or `until` are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) end: i64,
    pub(crate) from_ms: Option<i64>,
    pub(crate) until_ms: Option<i64>,
}

impl Default for Range {
    fn default() -> Range {
        Range { first: 0, end: i64::MAX, from_ms: None, until_ms: None }
    }
}

impl Range {
    /// Whether a batch with this header may hold records that are meant. Its first record's time
    /// need not be the lowest, so only a range that begins behind all of them leaves it out.
    pub(crate) fn touches(&self, header: &BatchHeader) -> bool {
        let by_time = self.from_ms.is_none_or(|from| header.max_timestamp() >= Some(from));
        header.last_offset() >= self.first && header.base_offset() < self.end && by_time
    }

    /// Whether a record at this offset and time is meant.
    pub(crate) fn holds(&self, offset: i64, ms: Option<i64>) -> bool {
        (self.first..self.end).contains(&offset)
            && self.from_ms.is_none_or(|from| ms >= Some(from))
            && self.until_ms.is_none_or(|until| ms.is_some_and(|ms| ms < until))
    }

    /// Whether every record of a batch with these offsets is meant, whatever its time.
    pub(crate) fn is_all_times(&self) -> bool {
        self.from_ms.is_none() && self.until_ms.is_none()
    }
}

/// `1000:2000`, `1000:+50`, `:2000`, `-20:`, `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offsets {
    from: End,
    to: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    At(i64),
    /// So many before the end of the log.
    Before(i64),
    /// So many behind the beginning of the range.
    Behind(i64),
}

impl Offsets {
    pub(super) fn counts_from_the_end(self) -> bool {
        [self.from, self.to].iter().any(|end| matches!(end, End::Before(_)))
    }

    /// First offset, and the one behind the last, of a log that ends at `log_end`.
    pub(super) fn resolve(self, log_end: i64) -> (i64, i64) {
        let first = match self.from {
            End::Open | End::Behind(_) => 0,
            End::At(offset) => offset,
            End::Before(back) => log_end.saturating_sub(back).max(0),
        };
        let end = match self.to {
            End::Open => i64::MAX,
            End::At(offset) => offset,
            End::Before(back) => log_end.saturating_sub(back),
            End::Behind(more) => first.saturating_add(more),
        };
        (first, end)
    }
}

impl FromStr for Offsets {
    type Err = String;

    fn from_str(text: &str) -> Result<Offsets, String> {
        let wrong = || format!("`{text}`: 1000:2000, 1000:+50, :2000, -20: or 1000 is wanted");
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>().ok().filter(|_| digits).ok_or_else(wrong)
        };
        let end = |text: &str| {
            Ok::<_, String>(match text {
                "" => End::Open,
                _ => match text.strip_prefix('-') {
                    Some(back) => End::Before(number(back)?),
                    None => End::At(number(text)?),
                },
            })
        };
        let Some((from, to)) = text.split_once(':') else {
            let offset = number(text)?;
            return Ok(Offsets { from: End::At(offset), to: End::Behind(1) });
        };
        let to = match to.strip_prefix('+') {
            Some(more) => End::Behind(number(more)?),
            None => end(to)?,
        };
        Ok(Offsets { from: end(from)?, to })
    }
}

/// `1/1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OneOf(pub(super) u64);

impl FromStr for OneOf {
    type Err = String;

    fn from_str(text: &str) -> Result<OneOf, String> {
        let number = text.strip_prefix("1/").and_then(|number| number.parse().ok());
        let number = number.filter(|&number| number > 0);
        number.map(OneOf).ok_or_else(|| format!("`{text}`: 1/1000 or the like is wanted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open_and_may_count_from_either_end() {
        let range = |text: &str| text.parse::<Offsets>().unwrap().resolve(100);
        assert_eq!(range("10:20"), (10, 20));
        assert_eq!(range("10:+5"), (10, 15));
        assert_eq!(range(":20"), (0, 20));
        assert_eq!(range("-20:"), (80, i64::MAX));
        assert_eq!(range("-20:-10"), (80, 90));
        assert_eq!(range("-200:"), (0, i64::MAX));
        assert_eq!(range("7"), (7, 8));
        assert_eq!(range("9223372036854775807:+5"), (i64::MAX, i64::MAX));
        for wrong in ["", "a", "1:b", "1:2:3", "+1:2", "1:+", "--1:", "-20"] {
            assert!(wrong.parse::<Offsets>().is_err(), "{wrong:?}");
        }
        assert_eq!("1/10".parse(), Ok(OneOf(10)));
        assert!(["1/0", "2/3", "10"].iter().all(|wrong| wrong.parse::<OneOf>().is_err()));
    }
}
