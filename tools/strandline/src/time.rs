//! Times, as people write them and as records hold them: milliseconds since 1970, UTC.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Milliseconds since 1970, now.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The time that a person gave: `2024-05-01T10:00:00Z`, `@1714557600000` (milliseconds), or
/// `-15m`, which is before `now_ms`.
pub(crate) fn parse(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().map_err(|_| format!("`{text}`: milliseconds are wanted behind @"));
    }
    if let Some(ago) = text.strip_prefix('-') {
        let before = ago_ms(ago).and_then(|ago| now_ms.checked_sub(ago));
        return before
            .ok_or_else(|| format!("`{text}`: a number and ms, s, m, h, d or w is wanted"));
    }
    parse_rfc3339(text).ok_or_else(|| {
        format!("`{text}` is no time: 2024-05-01T10:00:00Z, @1714557600000 or -15m are")
    })
}

/// Milliseconds since 1970 of an RFC 3339 time; what is below a millisecond is dropped.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_nanosecond().div_euclid(1_000_000) as i64)
}

fn ago_ms(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(ms)
}

/// Appends the time in RFC 3339 with milliseconds; one that has no year of four digits as `@` and
/// its milliseconds.
pub(crate) fn write_rfc3339(ms: i64, out: &mut Vec<u8>) {
    write_parts(ms, "T", "Z", out);
}

/// The same with a space between date and time and without `Z`, for columns that say UTC.
pub(crate) fn write_column(ms: i64, out: &mut Vec<u8>) {
    write_parts(ms, " ", "", out);
}

/// Appends the time as `format` says, in the language of `strftime`.
pub(crate) fn write_formatted(ms: i64, format: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let Ok(time) = Timestamp::from_millisecond(ms) else {
        let _ = write!(out, "@{ms}");
        return Ok(());
    };
    let text = jiff::fmt::strtime::format(format, time);
    out.extend_from_slice(text.map_err(|error| error.to_string())?.as_bytes());
    Ok(())
}

fn write_parts(ms: i64, between: &str, behind: &str, out: &mut Vec<u8>) {
    let time = Timestamp::from_millisecond(ms).ok();
    let time = time.map(|time| TimeZone::UTC.to_datetime(time)).filter(|time| time.year() >= 0);
    // Writing to a vector cannot fail.
    let _ = match time {
        Some(time) => write!(
            out,
            "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}.{:03}{behind}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        ),
        None => write!(out, "@{ms}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc3339(ms: i64) -> String {
        let mut out = Vec::new();
        write_rfc3339(ms, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [0, -1, 1_700_000_000_004, -62_135_596_800_000, 253_402_207_199_999] {
            assert_eq!(parse(&rfc3339(ms), 0), Ok(ms), "{}", rfc3339(ms));
        }
        assert_eq!(rfc3339(1_700_000_000_004), "2023-11-14T22:13:20.004Z");
    }

    #[test]
    fn a_time_without_a_year_of_four_digits_is_its_milliseconds() {
        for ms in [i64::MIN, i64::MAX, -70_000_000_000_000] {
            assert_eq!(rfc3339(ms), format!("@{ms}"));
            assert_eq!(parse(&rfc3339(ms), 0), Ok(ms));
        }
    }

    #[test]
    fn a_time_is_absolute_or_ago() {
        let noon = 1_714_564_800_000;
        for text in ["2024-05-01T12:00:00Z", "2024-05-01T12:00Z", "2024-05-01T14:00:00+02:00"] {
            assert_eq!(parse(text, 0), Ok(noon), "{text}");
        }
        assert_eq!(parse("@5", 0), Ok(5));
        assert_eq!(parse("-15m", noon), Ok(noon - 900_000));
        assert_eq!(parse("-250ms", noon), Ok(noon - 250));
        assert_eq!(parse("-2w", noon), Ok(noon - 14 * 86_400_000));
        for wrong in [
            "",
            "@",
            "-",
            "-m",
            "-5",
            "-5y",
            "--5m",
            "yesterday",
            "2024-05-01",
            "-99999999999999999w",
        ] {
            assert!(parse(wrong, noon).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn milliseconds_before_1970_round_down() {
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59.9995Z"), Some(-1));
    }
}
